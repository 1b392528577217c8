"""Conditions on columns: which rows meet one, and what can't be compared."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.campaigns.conditions import Condition
from sluicegate.errors import BadCondition, BadValue


@pytest.mark.parametrize(
    ("text", "met", "unmet"),
    [
        ("plan=gold", ["gold", " gold "], ["silver", "", "Gold", "gold x"]),
        ("plan = gold | silver", ["gold", "silver"], ["bronze"]),
        ("plan!=gold|silver", ["bronze", ""], ["gold", "silver"]),
        ("plan=", ["", " "], ["gold"]),
        ("plan!=", ["gold"], ["", "\u00a0"]),
        ('plan="a|b"', ["a|b"], ["a", "b"]),
        ("plan='it\"s'|x", ['it"s', "x"], ["its"]),
        ("plan=gold|", ["gold", ""], ["silver"]),
        ("first name=Mary Ann", ["Mary  Ann"], ["Mary"]),
        ('"a=b"=1', ["1"], ["1.0"]),
        ("age>=18", ["18", "18.0", "99"], ["17.999", ""]),
        ("age<-1.5", ["-2"], ["-1.5", "0"]),
        ("due<2026-03-01", ["2026-02-28", "2026-02-28T23:59"], ["2026-03-01", ""]),
        ("due>2026-03-01 08:00", ["2026-03-01T08:01"], ["2026-03-01"]),
        ("at<=2026-03-01T08:00Z", ["2026-03-01T09:00+01:00"], ["2026-03-01T09:00Z"]),
    ],
)
def test_a_condition_is_met(text: str, met: list[str], unmet: list[str]) -> None:
    condition = Condition(text)
    assert [condition.met(value, 2) for value in met] == [True] * len(met)
    assert [condition.met(value, 2) for value in unmet] == [False] * len(unmet)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("age>=18", "eighteen"),
        ("age>=18", "1,800"),
        ("age>=18", "2026-03-01"),
        ("due<2026-03-01", "20260301x"),
        ("due<2026-03-01", "2026-02-30"),
        ("due<2026-03-01", "2026-02-28T08:00Z"),
        ("due<2026-03-01", "1/3/2026"),
    ],
)
def test_what_can_not_be_compared_is_a_bad_value(text: str, value: str) -> None:
    with pytest.raises(BadValue, match=f"for {re.escape(text)}"):
        Condition(text).met(value, 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plan",
        "=gold",
        "plan==gold",
        "plan=a'b",
        'plan="a',
        "age>x",
        "age>=",
        "a<1|2",
        "a=!=b'",
    ],
)
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(BadCondition):
        Condition(text)


def test_capital_letters_that_differ_are_told() -> None:
    condition = Condition("plan=gold")
    assert [condition.met(value, line) for line, value in enumerate(("Gold", "GOLD", "Gold"), 2)]
    assert condition.near == {"Gold": ("gold", 2, 2), "GOLD": ("gold", 3, 1)}


@given(st.text(), st.text(alphabet=st.characters(blacklist_characters="|\"'")))
def test_a_text_equals_itself_and_nothing_else(value: str, other: str) -> None:
    equal = Condition(f"plan= {other}") if other.strip() else Condition("plan=")
    unequal = Condition(f"plan!= {other}") if other.strip() else Condition("plan!=")
    assert equal.met(value, 2) == (" ".join(value.split()) == " ".join(other.split()))
    assert equal.met(value, 2) != unequal.met(value, 2)
