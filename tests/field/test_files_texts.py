"""What trials in the field found about files, numbers and texts: what a text holds and costs."""

import pytest

from sluicegate.campaigns.substitutes import saving, substitute
from sluicegate.segments import count, strangers

CURLY = "It\u2019s \u201cnew\u201d \u2013 "


@pytest.mark.parametrize(
    ("character", "instead"),
    [
        *[("\u2019", "'"), ("\u201c", '"'), ("\u2013", "-"), ("\u2026", "..."), ("\xa0", " ")],
        *[("ç", "c"), ("Ł", "L"), ("½", "1/2"), ("™", "TM"), ("€", "€"), ("ﬁ", "fi")],
        *[("😀", ""), ("\ufe0f", ""), ("\u200b", ""), ("→", ""), ("✓", "")],
        *[("я", None), ("日", None), ("ش", None), ("१", None)],
    ],
)
def test_06_what_stands_for_a_character(character: str, instead: str | None) -> None:
    assert substitute(character) == instead


def test_06_every_stranger_is_found_and_one_saving_is_reckoned() -> None:
    text = CURLY * 6
    assert strangers(text) == "\u2019\u201c\u201d\u2013"
    parts = count(text).parts
    assert saving(text, parts) == parts - 1
    assert saving(text.replace("\u2019", "'"), parts) == parts - 1


def test_06_nothing_is_saved_where_one_of_them_must_stay() -> None:
    text = CURLY * 6 + "я"
    assert saving(text, count(text).parts) == 0
