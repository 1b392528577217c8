"""The tables of codes: everything published has a row, and every row advice for a person."""

import re

import pytest

from sluicegate_worker.provider.codes import (
    CODES,
    OWN,
    RECEIPTS,
    STATUSES,
    UNREADABLE,
    Advice,
    advice_for,
    delivery_advice,
)
from sluicegate_worker.provider.codes.general import GENERAL
from sluicegate_worker.provider.codes.messages import MESSAGES

CATALOGUE = [
    *range(10001, 10040),
    10700,
    *range(20000, 20018),
    20100,
    *range(20200, 20210),
    *range(40001, 40021),
    40100,
    *range(40150, 40160),
    *range(40300, 40334),
]
"""Every code that the provider publishes in its catalogue."""

ELSEWHERE = [*range(42200, 42206)]
"""Codes that only one of its tutorials names."""

DELIVERY = [
    *range(40001, 40021),
    40300,
    40315,
    40322,
    *range(30003, 30009),
]
"""Codes that come with receipts; the last six are another provider's."""

EVERY_ADVICE = [
    *((f"CODES {code}", row) for code, row in CODES.items()),
    *((f"STATUSES {status}", row) for status, row in STATUSES.items()),
    *((f"RECEIPTS {code}", row) for code, row in RECEIPTS.items()),
    *((f"OWN {code}", advice) for code, advice in OWN.items()),
]


def test_every_published_code_has_a_row_and_no_other_has() -> None:
    assert len(CATALOGUE) == 134
    assert set(CODES) == {str(code) for code in CATALOGUE + ELSEWHERE}
    assert set(RECEIPTS) == {str(code) for code in DELIVERY}
    assert not set(GENERAL) & set(MESSAGES)


@pytest.mark.parametrize(("name", "advice"), EVERY_ADVICE, ids=[name for name, _ in EVERY_ADVICE])
def test_advice_is_a_clause_and_a_sentence(name: str, advice: Advice) -> None:
    assert re.fullmatch(r"[^\n]{10,120}[^.\n]", advice.means), name
    assert re.fullmatch(r"[A-Z][^\n]{9,140}\.", advice.advice), name
    assert "  " not in advice.means + advice.advice
    assert re.fullmatch(r"(?:[A-Z0-9][^>]*(?: > (?=\w))?)*", advice.portal), name


def test_what_may_have_been_acted_on() -> None:
    assert {code for code, row in CODES.items() if row.perhaps} == {
        *("10007", "10008", "10012", "10027", "10036"),
    }
    perhaps = {status for status, row in STATUSES.items() if row.perhaps}
    assert perhaps == {408, 409, 500, 502, 504}


def test_only_a_person_lifts_a_halt_but_for_two() -> None:
    halts = {code: row for code, row in CODES.items() if row.verdict in ("halt", "halt_sender")}
    assert {code for code, row in halts.items() if row.ends != "cleared"} == {"40333"}
    assert {code for code, row in halts.items() if row.seconds} == {"40320"}


@pytest.mark.parametrize("code", ["40305", "20100", "429", "503", "not_sent", "stopped", "30005"])
def test_a_records_code_has_advice(code: str) -> None:
    found = {**RECEIPTS, **CODES, **OWN, **{str(s): row for s, row in STATUSES.items()}}
    assert advice_for(code) == found[code]


def test_a_status_without_a_row_is_advised_on_by_its_hundred() -> None:
    assert advice_for("418") == advice_for("499") != advice_for("599")
    assert advice_for("302") == UNREADABLE


@pytest.mark.parametrize("code", ["", "99999", "odd", "1", "042", "\u0665\u0660\u0660", "4o4"])
def test_an_unknown_code_has_none(code: str) -> None:
    assert advice_for(code) is None
    assert delivery_advice(code) is None


def test_a_receipt_is_advised_on_as_what_was_accepted() -> None:
    assert delivery_advice("40006") == RECEIPTS["40006"]
    assert advice_for("40006") == CODES["40006"]
    assert delivery_advice("40310") == CODES["40310"]


def test_a_receipts_codes_that_must_not_be_repeated() -> None:
    """40008 among them: it is published as undeliverable, and as an opt-out."""
    never = {code for code, row in RECEIPTS.items() if row.again == "never"}
    assert never >= {"40001", "40003", "40008", "40010", "40300", "40322"}
    later = {"40005", "40006", "40014", "40016", "40018", "40020"}
    assert {RECEIPTS[code].again for code in later} == {"later"}
