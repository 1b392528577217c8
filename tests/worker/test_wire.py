"""How a settle is written for the script that reads it."""

import re
from importlib.resources import files

import msgspec
import pytest

from sluicegate_worker.provider.rate_headers import RateHeaders
from sluicegate_worker.wire import Settle, parse_settle

KNOWN = (
    "heard",
    "failing",
    "throttled",
    "queue_full",
    "replayed",
    "perhaps",
    "uncharged",
    "opted_out",
    "last",
)
FLAGS = 5  # their place among a settle's arguments


def settle(**fields: object) -> Settle:
    return Settle(**({"id": "m1", "token": "t", "kind": "back"} | fields))  # type: ignore[arg-type] # of the test's own


def letters(*known: str) -> str:
    return str(settle(**dict.fromkeys(known, True)).args()[FLAGS])


def test_what_says_no_more_than_the_least_has_nine_arguments() -> None:
    made = settle(kind="accepted", provider_id="p", took_ms=5.0, rate=RateHeaders(9, 8))
    assert made.args() == ("m1", "t", "accepted", "p", 5.0, "", 9, 8, 0)


def test_what_is_more_than_that_goes_by_name() -> None:
    made = settle(code="c", rate=RateHeaders(wait_ms=7.0, window_ms=60.0), halt="account")
    assert made.args()[8:] == (4, "code", "c", "wait", 7.0, "window", 60.0, "halt", "account")


def test_each_flag_has_a_letter_of_its_own_that_the_script_knows() -> None:
    table = "".join(
        match[1]
        for path in files("sluicegate_worker").joinpath("lua").iterdir()
        if (match := re.search(r"FLAGS = \{(.*?)\}", path.read_text(encoding="utf-8"), re.DOTALL))
    )
    assert sorted(map(letters, KNOWN)) == sorted(re.findall(r"\b([a-z]) = ", table))


@pytest.mark.parametrize("known", KNOWN)
def test_a_flag_is_sent_beside_the_others(known: str) -> None:
    assert set(letters(*KNOWN)) - set(letters(*(set(KNOWN) - {known}))) == set(letters(known))
    assert letters() == ""


def test_a_settle_kept_as_json_reads_as_it_was() -> None:
    made = settle(heard=True, throttled=True, rate=RateHeaders(9, wait_ms=7.0), reason="nö\n")
    assert parse_settle(msgspec.json.encode(made)) == made


def test_a_settle_that_an_older_worker_kept_is_read_in_full() -> None:
    kept = (
        b'{"id":"m1","token":"t","kind":"back","provider_id":"","took_ms":5.0,"flags":"ht",'
        b'"limit":9,"remaining":8,"delay_ms":0,"code":"10011","reason":"","answer":"",'
        b'"wait_ms":7.0,"window_ms":-1,"reset_ms":-1,"hold_ms":0,"halt":"","halt_ends":""}'
    )
    rate = RateHeaders(9, 8, wait_ms=7.0)
    told = settle(took_ms=5.0, heard=True, throttled=True, rate=rate, code="10011")
    assert parse_settle(kept) == told


@pytest.mark.parametrize("line", [b"", b"[]", b"7", b"{}", b'{"id":"m1"', b'"\xff"'])
def test_a_line_that_is_no_settle_is_refused(line: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        parse_settle(line)
