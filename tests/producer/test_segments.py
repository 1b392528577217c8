"""Segment counting, against fixed cases, a naive formula and an independent splitter."""

from typing import Literal

import pytest
import smsutil
from hypothesis import example, given
from hypothesis import strategies as st

from sluicegate.characters import unfit
from sluicegate.errors import InvalidMessage
from sluicegate.segments import MAX_PARTS, Segments, count, sms_parts, strangers

EXTENSION = "\f^{}\\[~]|€"
BASIC = smsutil.codecs.GSM_BASIC_CHARSET.replace("\x1b", "")

# Few distinct characters, so that pairs meet the ends of segments often.
gsm7_texts = st.one_of(
    st.text(st.sampled_from(BASIC + EXTENSION), max_size=700),
    st.text(st.sampled_from("a€"), max_size=1_700),
    st.builds(lambda n, tail: "a" * n + tail, st.integers(140, 320), st.text("a€", max_size=200)),
)
ucs2_texts = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=400),
    st.text(st.sampled_from("aы😀"), max_size=800),
    st.builds(lambda n, tail: "ы" * n + tail, st.integers(60, 140), st.text("ы😀", max_size=100)),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Segments("GSM-7", 0, 1, 1)),
        ("a" * 160, Segments("GSM-7", 160, 1, 1)),
        ("a" * 161, Segments("GSM-7", 161, 2, 2)),
        ("a" * 306, Segments("GSM-7", 306, 2, 2)),
        ("a" * 307, Segments("GSM-7", 307, 3, 3)),
        ("a" * 1530, Segments("GSM-7", 1530, 10, 10)),
        ("a" * 1531, Segments("GSM-7", 1531, 11, 11)),
        ("€" * 80, Segments("GSM-7", 160, 1, 1)),
        ("€" * 81, Segments("GSM-7", 162, 2, 2)),
        ("a" * 155 + "|||", Segments("GSM-7", 161, 2, 2)),
        ("a" * 152 + "€" + "a" * 152, Segments("GSM-7", 306, 3, 2)),
        ("a" * 151 + "€" + "a" * 153, Segments("GSM-7", 306, 2, 2)),
        ("ы" * 70, Segments("UCS-2", 70, 1, 1)),
        ("ы" * 71, Segments("UCS-2", 71, 2, 2)),
        ("ы" * 134, Segments("UCS-2", 134, 2, 2)),
        ("ы" * 135, Segments("UCS-2", 135, 3, 3)),
        ("ы" * 670, Segments("UCS-2", 670, 10, 10)),
        ("ы" * 671, Segments("UCS-2", 671, 11, 11)),
        ("😀" * 35, Segments("UCS-2", 70, 1, 1)),
        ("😀" * 36, Segments("UCS-2", 72, 2, 2)),
        ("😀" * 67, Segments("UCS-2", 134, 3, 2)),
        ("\U0010ffff" * 67, Segments("UCS-2", 134, 3, 2)),
        ("Ç" * 10, Segments("GSM-7", 10, 1, 1)),
        ("Δ" * 10, Segments("GSM-7", 10, 1, 1)),
        ("Ü§", Segments("GSM-7", 2, 1, 1)),
        ("a\fb", Segments("GSM-7", 4, 1, 1)),
        ("“hi”", Segments("UCS-2", 4, 1, 1)),
        ("Thanks for your order! 🎉", Segments("UCS-2", 25, 1, 1)),
    ],
)
def test_known_counts(text: str, expected: Segments) -> None:
    assert count(text) == expected


@pytest.mark.parametrize(
    "char", ["`", "\t", "\x00", "\x1b", "\x7f", "ç", "“", "…", "—", "\xa0", "😀"]
)
def test_characters_outside_the_alphabet_are_named(char: str) -> None:
    assert strangers(f"abc{char}я{char}") == f"{char}я"
    assert count(char).encoding == "UCS-2"
    with pytest.raises(InvalidMessage) as caught:
        count(f"abc{char}", "gsm7")
    assert caught.value.field == "text"
    assert f"U+{ord(char):04X}) at position 3" in caught.value.reason


@pytest.mark.parametrize("char", BASIC + EXTENSION)
def test_the_whole_alphabet_is_gsm7(char: str) -> None:
    assert strangers(char) == ""
    assert count(char).units == (2 if char in EXTENSION else 1)
    assert count(char, "gsm7") == count(char)


def test_the_alphabet_is_complete() -> None:
    assert len(BASIC) == 127  # and ESC, which is no character
    assert len(EXTENSION) == 10


def test_ucs2_can_be_forced() -> None:
    assert count("a" * 71, "ucs2") == Segments("UCS-2", 71, 2, 2)
    assert count("€", "ucs2") == Segments("UCS-2", 1, 1, 1)
    assert count("", "ucs2") == Segments("UCS-2", 0, 1, 1)


def test_the_maximum_is_ten_parts() -> None:
    assert MAX_PARTS == 10


@given(gsm7_texts)
def test_gsm7_by_both_rules(text: str) -> None:
    counted = count(text)
    units = sum(2 if char in EXTENSION else 1 for char in text)
    assert (counted.encoding, counted.units) == ("GSM-7", units)
    assert counted.parts == (len(smsutil.gsm_split(text).parts) if text else 1)
    assert counted.parts_min == formula(units, 160, 153)
    assert counted.parts >= counted.parts_min


@given(ucs2_texts)
def test_ucs2_by_both_rules(text: str) -> None:
    counted = count(text, "ucs2")
    units = len(text.encode("utf-16-le")) // 2
    assert (counted.encoding, counted.units) == ("UCS-2", units)
    assert counted.parts == len(smsutil.unicode_split(text).parts or [""])
    assert counted.parts_min == formula(units, 70, 67)
    assert counted.parts >= counted.parts_min


@given(st.text(st.characters(exclude_characters="\x1b", exclude_categories=["Cs"])))
def test_the_encoding_is_what_an_independent_codec_says(text: str) -> None:
    gsm7 = not text or smsutil.codecs.is_valid_gsm(text)
    assert count(text).encoding == ("GSM-7" if gsm7 else "UCS-2")
    assert (not strangers(text)) == gsm7


@given(st.one_of(gsm7_texts, ucs2_texts), st.text(max_size=80))
def test_a_longer_text_never_takes_less(text: str, more: str) -> None:
    shorter, longer = count(text), count(text + more)
    assert longer.units >= shorter.units or longer.encoding != shorter.encoding
    assert longer.parts >= shorter.parts
    assert longer.parts_min >= shorter.parts_min


@given(st.text(st.sampled_from("a\ud83d\ude00😀\udfff"), max_size=200))
def test_lone_surrogates_are_counted_and_never_crash(text: str) -> None:
    encodings: tuple[Literal["auto", "ucs2"], ...] = ("auto", "ucs2")
    for encoding in encodings:
        counted = count(text, encoding)
        assert counted.parts >= counted.parts_min >= 1
    assert count(text, "ucs2").units == len(text) + text.count("😀")


def formula(units: int, alone: int, room: int) -> int:
    """The published rule, as plainly as it can be written."""
    if units <= alone:
        return 1
    return units // room + (units % room > 0)


@given(st.one_of(gsm7_texts, ucs2_texts, st.text(st.sampled_from("aé€\ud83d\ude00😀"))))
@example("")
@example(" \n")
@example("a" * 1_530)
@example("a" * 1_531)
def test_parts_alone_are_the_same_of_what_can_be_sent(text: str) -> None:
    halves = any("\ud800" <= char <= "\udfff" for char in text)
    counted = count(text).parts
    sendable = text.strip() and not halves and not unfit(text) and counted <= MAX_PARTS
    assert sms_parts(text) == (counted if sendable else 0)
