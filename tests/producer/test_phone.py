"""Phone numbers as people write them, against fixed cases and against the library itself."""

import subprocess
import sys
from functools import partial
from time import process_time
from timeit import repeat

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.campaigns.phone import Phones
from sluicegate.errors import BadNumber, InvalidMessage
from sluicegate.rules import E164

US = "+15552234567"
GB = "+447911123456"
ANYWHERE: list[str | None] = [None, "US", "CA", "GB", "DE", "AU", "BR", "JP", "IT", "MX", "AR"]


@pytest.mark.parametrize("region", ANYWHERE)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (US, US),
        ("+1 555 223 4567", US),
        ("+1 (555) 223-4567", US),
        ("+1(555)223-4567", US),
        ("+1.555.223.4567", US),
        ("+1-555-223-4567", US),
        ("  +1 555 223 4567\t", US),
        ("+1\xa0555\xa0223\xa04567", US),
        ("+1 555\u2011223\u20134567", US),
        ("+1 555\u2212223\u22124567", US),
        ("\uff0b\uff11\uff15\uff15\uff15\uff12\uff12\uff13\uff14\uff15\uff16\uff17", US),
        ("\u202a+1 (555) 223-4567\u202c", US),
        ("\u200e+15552234567", US),
        ("\ufeff+15552234567\u200b", US),
        ("+\u0661\u0665\u0665\u0665\u0662\u0662\u0663\u0664\u0665\u0666\u0667", US),
        ("+1·555·223·4567", US),
        ("'+15552234567", US),
        ('="+15552234567"', US),
        ("tel:+1-555-223-4567", US),
        ("(+1) 555 223 4567", US),
        ("+1 1 555 223 4567", US),
        ("+15552234567.0", US),
        (GB, GB),
        ("+44 7911 123456", GB),
        ("+44 (0) 7911 123456", GB),
        ("+44 (0)7911 123456", GB),
        ("+44(0)7911123456", GB),
        ("+44 07911 123456", GB),
        ("+44/7911/123456", GB),
        ("0044 7911 123456", GB),
        ("00 44 (0) 7911 123456", GB),
        ("00447911123456.0", GB),
        ("+0044 7911 123456", GB),
        ("+49 (0)171/1234567", "+491711234567"),
        ("+33.6.12.34.56.78", "+33612345678"),
        ("+39 06 1234 5678", "+390612345678"),
        ("+39 (0)6 1234 5678", "+390612345678"),  # Italy keeps its zero
        ("(+44) (0) 7911 123456", GB),
        ("+683 4000", "+6834000"),
        ("+7 912 345-67-89", "+79123456789"),
        ("+52 55 1234 5678", "+525512345678"),
    ],
)
def test_with_its_country_code_a_number_means_the_same_everywhere(
    region: str | None, text: str, expected: str
) -> None:
    assert Phones(region).normalise(text) == expected


@pytest.mark.parametrize(
    ("region", "text", "expected"),
    [
        ("US", "5552234567", US),
        ("US", "15552234567", US),
        ("US", "(555) 223-4567", US),
        ("US", "(555)223-4567", US),
        ("US", "555-223-4567", US),
        ("US", "555.223.4567", US),
        ("US", "555 223 4567", US),
        ("US", "1 (555) 223-4567", US),
        ("US", "1-555-223-4567", US),
        ("US", "'5552234567", US),
        ("US", "5552234567.0", US),
        ("US", "15552234567.0", US),
        ("US", "15552234567,00", US),
        ("US", "\uff15\uff15\uff15-223-4567", US),
        ("us", "5552234567", US),
        ("CA", "416 555 0123", "+14165550123"),
        ("PR", "787 223 4567", "+17872234567"),
        ("US", "011 44 7911 123456", GB),
        ("US", "011 44 (0) 7911 123456", GB),
        ("GB", "07911 123456", GB),
        ("GB", "7911123456", GB),
        ("GB", "7911123456.0", GB),
        ("GB", "447911123456", GB),
        ("DE", "0171/1234567", "+491711234567"),
        ("DE", "0171 - 123 45 67", "+491711234567"),
        ("AU", "0011 44 7911 123456", GB),
        ("AU", "0412 345 678", "+61412345678"),
        ("JP", "010 44 7911 123456", GB),
        ("RU", "8 (912) 345-67-89", "+79123456789"),
        ("RW", "0788 123 456", "+250788123456"),
        ("RW", "+250 788 123 456", "+250788123456"),
    ],
)
def test_a_national_number_is_its_regions(region: str, text: str, expected: str) -> None:
    assert Phones(region).normalise(text) == expected


@pytest.mark.parametrize(
    ("region", "text", "reason"),
    [
        ("US", "", "empty"),
        ("US", " \t\xa0", "empty"),
        ("US", "'", "empty"),
        ("US", "n/a", "no digits"),
        ("US", "-", "no digits"),
        ("US", "1-800-FLOWERS", "vanity"),
        ("US", "555-CALL-NOW", "vanity"),
        ("US", "1.55512E+10", "format the column as text"),
        ("US", "1,55512E+10", "format the column as text"),
        ("GB", "4,47911E+11", "format the column as text"),
        (None, "4.47911e11", "format the column as text"),
        ("US", "555223456", "too short for US (+1)"),
        ("US", "223-4567", "the area code is missing (US (+1))"),
        ("US", "447911123456", "too long for US (+1); a number abroad needs +"),
        ("US", "+1555223456", "too short"),
        ("US", "+155522345678", "too long"),
        ("US", "0552234567", "area code and exchange begin with 2 to 9"),
        ("US", "+15551234567", "area code and exchange begin with 2 to 9"),
        (None, "+44791112345678", "too long for GB (+44)"),
        (None, "+44 12", "too short"),
        (None, "+999 123 456 789", "no country"),
        (None, "+0 555 223 4567", "no country"),
        (None, "+1234567890123456789", "too long"),
        (None, "+34 000 000 000", "zeros"),
        ("GB", "0000000000", "zeros"),
        (None, "5552234567", "give --region"),
        (None, "15552234567.0", "give --region"),
        (None, "07911 123456", "give --region"),
        ("US", "+15552234567, +15552234568", "more than one number"),
        ("US", "+15552234567;+15552234568", "more than one number"),
        ("US", "555-223-4567 / 555-223-4568", "more than one number"),
        ("US", "5552234567 or 5552234568", "more than one number"),
        ("US", "5552234567\n5552234568", "more than one number"),
        ("US", "+15552234567 +15552234568", "more than one number"),
        ("US", "+15552234567+447911123456", "more than one number"),
        ("US", "5552234567x123", "extension"),
        ("US", "555-223-4567 ext. 123", "extension"),
        ("US", "(555) 223-4567 x 12", "extension"),
        ("US", "+1 555 223 4567 extension 4", "extension"),
        ("US", "555 223 4567 #12", "extension"),
        ("US", "tel:+1-555-223-4567;ext=12", "extension"),
        ("US", "ann@example.com", "no digits"),
        ("US", "555*223*4567", "'*' can't be part"),
        ("US", "555+2234567", "'+' can't be part"),
        ("US", "5552234567\x00", "'\\x00' can't be part"),
        ("US", "0044", "too short"),
    ],
)
def test_a_refusal_says_why(region: str | None, text: str, reason: str) -> None:
    with pytest.raises(BadNumber) as caught:
        Phones(region).normalise(text)
    assert reason in caught.value.reason
    assert caught.value.text == text
    assert caught.value.reason in str(caught.value)


def test_a_number_with_two_readings_is_not_guessed() -> None:
    # 0011 leads abroad from Australia: this is in New Zealand, or else meant for +1 (1) 642.
    with pytest.raises(BadNumber, match=r"either \+16427\d+ or \+6427\d+: write it with \+"):
        Phones("AU").normalise("0011 64 27 223 456")


def test_an_error_keeps_the_full_number_out_of_logs() -> None:
    with pytest.raises(BadNumber) as caught:
        Phones().normalise("+15552234567890")
    assert "55522345" not in str(caught.value)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("region", ["XX", "UK", "USA", "1", "", "+1", "en-US"])
def test_an_unknown_region_is_refused(region: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        Phones(region)
    assert (caught.value.field, caught.value.value) == ("region", region)
    assert "ISO 3166" in caught.value.reason


PEOPLE = {
    phonenumbers.PhoneNumberType.MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    phonenumbers.PhoneNumberType.PERSONAL_NUMBER,
    phonenumbers.PhoneNumberType.VOIP,
}


def by_library(text: str, region: str | None) -> str | None:
    """What the library alone would answer, by the rule that phone.py gives."""
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if phonenumbers.is_possible_number_with_reason(parsed) != (
        phonenumbers.ValidationResult.IS_POSSIBLE
    ):
        return None
    number: str = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if parsed.country_code == 1 and (number[2] < "2" or number[5] < "2"):
        return None
    inferred = region and not text.startswith("+") and parsed.country_code != 1
    if inferred and phonenumbers.number_type(parsed) not in PEOPLE:
        return None
    return number if E164.match(number) and parsed.national_number else None


def ours(text: str, region: str | None) -> str | None:
    try:
        return Phones(region).normalise(text)
    except BadNumber:
        return None


digits = st.text("0123456789", min_size=2, max_size=14)
codes = st.sampled_from(sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
separators = st.sampled_from(["", " ", "-", " (", ") ", "  "])
groups = st.lists(st.tuples(st.text("0123456789", min_size=1, max_size=4), separators), max_size=6)


@given(codes, digits, st.sampled_from(ANYWHERE))
def test_e164_agrees_with_the_library(code: int, rest: str, region: str | None) -> None:
    assert ours(f"+{code}{rest}", region) == by_library(f"+{code}{rest}", region)


@given(st.text("0123456789", min_size=1, max_size=17), st.sampled_from(ANYWHERE))
def test_any_digits_after_a_plus_agree_with_the_library(rest: str, region: str | None) -> None:
    if not rest.startswith("0"):  # with which no country code begins, but some ways abroad
        assert ours(f"+{rest}", region) == by_library(f"+{rest}", region)


@given(codes, groups, st.sampled_from(ANYWHERE))
def test_spaced_numbers_agree_with_the_library(
    code: int, parts: list[tuple[str, str]], region: str | None
) -> None:
    text = f"+{code} {''.join(map(''.join, parts))}1"
    assert ours(text, region) == by_library(text, region)


@given(st.from_regex(r"(\+?1[ .-]?)?\(?[0-9]{3}\)?[ .-]?[0-9]{3}[ .-]?[0-9]{4}", fullmatch=True))
def test_north_american_numbers_agree_with_the_library(text: str) -> None:
    ascii_text = "".join(char for char in text if char.isascii())
    if not ascii_text.lstrip("(").startswith(
        "00"
    ):  # which we read as +, and the library as a typing error
        assert ours(ascii_text, "US") == by_library(ascii_text, "US")
        assert ours(ascii_text, "CA") == by_library(ascii_text, "CA")


@given(st.sampled_from(["GB", "DE", "FR", "IT", "MX", "BR", "IN", "RU", "HU"]), digits)
def test_national_numbers_agree_with_the_library(region: str, text: str) -> None:
    own_code = str(phonenumbers.country_code_for_region(region))
    if not text.startswith(("00", own_code)):  # which may have two readings
        assert ours(text, region) == by_library(text, region)


@pytest.mark.parametrize("code", sorted(phonenumbers.COUNTRY_CODE_TO_REGION_CODE))
def test_every_country_agrees_with_the_library(code: int) -> None:
    for region in phonenumbers.COUNTRY_CODE_TO_REGION_CODE[code]:
        example = phonenumbers.example_number_for_type(
            region, phonenumbers.PhoneNumberType.MOBILE
        ) or phonenumbers.example_number(region)
        if example:
            number = phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
            assert ours(number, None) == by_library(number, None)
    for length in range(2, 14):
        for first in "0123456789":
            number = f"+{code}{first}{'23456789012345'[: length - 1]}"
            assert ours(number, None) == by_library(number, None)


@given(st.text(st.sampled_from("+0123456789 ()-./x,E'\u200e\xa0\uff11é"), max_size=20))
def test_whatever_is_written_it_is_e164_or_refused(text: str) -> None:
    for region in (None, "US", "DE"):
        found = ours(text, region)
        assert found is None or E164.match(found)
        assert found is None or ours(found, None) == found


@given(st.text(max_size=30))
def test_any_text_is_e164_or_refused(text: str) -> None:
    found = ours(text, "US")
    assert found is None or E164.match(found)


WITHOUT_LIBRARY = """
import sys
sys.modules["phonenumbers"] = None  # as if it weren't installed
from sluicegate.campaigns.phone import Phones
print(Phones("US").normalise("(555) 223-4567"), Phones().normalise("+1 555 223 4567"))
for use in (lambda: Phones("GB"), lambda: Phones().normalise("+447911123456")):
    try:
        use()
    except ModuleNotFoundError as error:
        print(error.name, error)
"""


def test_north_american_numbers_need_no_library_and_others_say_what_to_install() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT_LIBRARY], capture_output=True, text=True)
    lines = run.stdout.splitlines()
    assert lines[0] == f"{US} {US}", run.stderr
    assert len(lines) == 3
    for line in lines[1:]:
        assert line.startswith("phonenumbers ")
        assert "install Sluicegate with its extra campaign" in line


@pytest.mark.parametrize("text", [US, "(555) 223-4567", "5552234567", GB, "+44 7911 123456"])
def test_what_needs_no_parsing_is_fast(text: str) -> None:
    phones = Phones("US")
    measured = partial(repeat, timer=process_time, number=200, repeat=5)
    quick = min(measured(lambda: phones.normalise(text)))
    parsed = min(measured(lambda: by_library(text, "US")))
    assert quick < parsed / 5  # as measured, 20 times
