"""The preflight: every row accounted for, its cost and time, and nothing sent or stored."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from producer.test_recipients import HEADER, ROWS, write
from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.layout import NOTES
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.preflight import preflight
from sluicegate.campaigns.recipients import Recipient, Recipients
from sluicegate.campaigns.rejects import Rejects
from sluicegate.campaigns.report import Report
from sluicegate.config import Account, Brand, Registration, Sender
from sluicegate.errors import BadFile
from sluicegate.segments import count
from support.bench import Bench
from support.messages import SENDER, plan

JULY = plan(region="US")
LONG = "x" * 200


class Office:
    """A store, a folder and an account to look at files with."""

    def __init__(self, store: redis.Redis, folder: Path) -> None:
        self.bench, self.folder = Bench(store), folder
        self.rejects = folder / "rejects.csv"
        self.heard: list[int] = []

    def report(
        self,
        rows: Sequence[Sequence[str]],
        of: Plan = JULY,
        header: Sequence[str] = HEADER,
        account: Account | None = None,
        **options: Any,
    ) -> Report:
        path = write(self.folder, rows, header)
        return self.look(path, of, account, **options)

    def look(
        self, path: Path, of: Plan = JULY, account: Account | None = None, **options: Any
    ) -> Report:
        sheet = CsvFile(path)
        before = self.bench.dump()
        with Rejects(self.rejects, sheet) as rejects:
            made = preflight(
                of,
                sheet,
                account or Account(),
                self.bench.store,
                self.bench.keys,
                rejects,
                self.heard.append,
                **options,
            )
        assert self.bench.dump() == before, "nothing is stored"
        assert made.rows == made.sendable + made.rejected + made.duplicates + made.suppressed
        assert made.reasons.total() == made.rejected
        assert made.segments.total() == made.sendable
        assert (rejects.path is None) == (made.rejected == 0)
        return made


@pytest.fixture
def office(store: redis.Redis, tmp_path: Path) -> Office:
    return Office(store, tmp_path)


def to(n: int) -> str:
    return f"+1415200{n:04d}"


def test_everything_is_counted(office: Office) -> None:
    office.bench.store.hset(office.bench.keys("optouts"), to(3), "0 test")
    rows = [
        (to(1), "Ann", "1"),
        ("(415) 200-0001", "Ann", "1"),
        (to(2), "Ben", LONG),
        (to(3), "Cleo", "3"),
        (to(3), "Cleo", "3"),
        ("12", "Dan", "4"),
        (to(5), "", "5"),
        (to(6), "Zoe\u2019s 😀", "6"),
    ]
    made = office.report(rows, account=Account(price_per_segment=0.5, currency="EUR", limit=2))
    assert (made.rows, made.sendable, made.rejected) == (8, 3, 2)
    assert (made.duplicates, made.suppressed) == (2, 1)
    assert made.segments == {1: 2, 2: 1}
    assert made.parts == 4
    assert (made.cost, made.currency) == (2.0, "EUR")
    assert (made.seconds, made.held_by) == (3 * Account().window_seconds / 2, "account")
    assert made.ucs2 == {"\u2019": 1, "😀": 1}
    assert made.saved == 0
    assert made.file == str(office.folder / "people.csv")
    assert made.fingerprint == CsvFile(made.file).fingerprint()
    assert (made.encoding, made.delimiter) == ("utf-8", ",")
    assert office.heard == [8]


def test_the_time_is_that_of_the_level_that_holds_it_back(office: Office) -> None:
    rows = [(to(1), "Ann", LONG), (to(2), "Ben", "2"), ("+447911123456", "Zoe", LONG)]
    account = Account(
        senders={SENDER: Sender(kind="10dlc", registration="r")},
        registrations={"r": Registration(carrier_class="W", brand="b")},
        brands={"b": Brand(tmobile_daily=1)},
    )
    made = office.report(rows, account=account)
    assert (made.parts, made.us_segments) == (5, 3)
    days, rest = 2 * 86_400, 5 * 4.0 / 3
    assert made.held_by == "brand:b"
    assert made.seconds == pytest.approx(days + rest)
    made = office.report(rows, account=Account(), per_second=0.5)
    assert (made.seconds, made.held_by) == (10.0, "campaign")
    media = plan(region="US", media_urls=("https://example.com/a.png",))
    made = office.report(rows, media, account=Account(mms_per_second=2))
    assert (made.seconds, made.held_by) == (1.5, "account:mms")


def test_what_a_character_costs(office: Office) -> None:
    rows = [(to(n), "A" * 100, "it\u2019s") for n in range(3)] + [(to(9), "я" * 100, "1")]
    made = office.report(rows)
    assert made.segments == {2: 4}
    assert made.ucs2 == {"\u2019": 3, "я": 1}
    assert made.saved == 3


def test_many_rows_are_heard_of_as_they_go(office: Office) -> None:
    made = office.report([(to(n), "Ann", "1") for n in range(1200)])
    assert made.sendable == 1200
    assert office.heard == [500, 1000, 1200]


def test_an_empty_file_has_nothing(office: Office) -> None:
    with pytest.raises(BadFile, match="there is nothing below the header"):
        office.report([])


def test_mms_is_one_part(office: Office) -> None:
    of = plan(region="US", media_urls=("https://example.com/a.png",))
    made = office.report([(to(1), "Ann", LONG)], of)
    assert made.segments == {1: 1}


def test_keys_tell_duplicates(office: Office) -> None:
    rows = [(to(1), "Ann", "1"), (to(1), "Ann", "2"), (to(2), "Ben", "2")]
    made = office.report(rows, plan(region="US", key_column="code"))
    assert (made.sendable, made.duplicates) == (2, 1)


# Samples.


def test_samples_are_the_first_and_a_longer_one_with_numbers_masked(office: Office) -> None:
    rows = [(to(n), "Ann", LONG if n == 30 else str(n)) for n in range(40)]
    made = office.report(rows, samples=3)
    assert [sample.line for sample in made.samples] == [2, 3, 32]
    assert [sample.parts for sample in made.samples] == [1, 1, 2]
    assert made.samples[0].text == "Hi Ann, code 0"
    assert {sample.to for sample in made.samples} == {"+1415•••00", "+1415•••01", "+1415•••30"}
    assert not any(to(n) in repr(made) for n in range(40))


@pytest.mark.parametrize(("wanted", "kept"), [(0, 0), (1, 1), (5, 5), (50, 10)])
def test_as_many_samples_as_wanted(office: Office, wanted: int, kept: int) -> None:
    made = office.report([(to(n), "Ann", "1") for n in range(10)], samples=wanted)
    assert len(made.samples) == kept


# Reasons, and the file of rejects.

FAULTS: dict[str, Sequence[tuple[str, ...]]] = {
    "short": [("12", "Ann", "1"), ("13", "Ben", "2")],
    "not phone": [("abc", "Ann", "1"), ("xyzw", "Ben", "2")],
    "empty value": [(to(1), "", "1"), (to(2), " ", "2")],
    "braces": [(to(1), "{{ a }}", "1"), (to(2), "{% b", "2")],
    "too long": [(to(1), "Ann", "x" * 1600), (to(2), "Ann", "y" * 2000)],
    "too long, UCS-2": [(to(1), "Ann", "\u2019" * 1600), (to(2), "Ann", "é€я(" * 900)],
    "too many values": [(to(1), "Ann", "1", "2"), (to(2), "Ann", "1", "2", "3")],
    "too long and not": [(to(1), "A", "B", "C"), (to(2), "A", "B", "C", "D", "E", "F")],
    "several numbers": [(f"{to(1)}, {to(2)}", "Ann", "1"), (f"{to(3)}; {to(4)}", "Ann", "1")],
    "shortened": [("4.15E+09", "Ann", "1"), ("4.16E+09", "Ann", "1")],
}


@pytest.mark.parametrize("fault", FAULTS)
def test_rows_of_one_fault_have_one_reason(office: Office, fault: str) -> None:
    made = office.report([*FAULTS[fault], (to(999), "Zoe", "1")])
    assert list(made.reasons.values()) == [2], made.reasons


def test_numbers_that_may_be_two_have_one_reason(office: Office) -> None:
    """In Germany 49 may be the country's code or the beginning of the number."""
    rows = [("491773333333", "Ann", "1"), ("491773333334", "Ben", "1"), (to(1), "Zoe", "1")]
    made = office.report(rows, plan(region="DE"))
    assert made.reasons == {"Phone: either…: write it with +": 2}


def test_rejects_say_where_and_why_and_keep_the_row(office: Office) -> None:
    odd = ("12", 'Ann "A", jr', "line\nend")
    office.report([odd, (to(1), "Ben", "1"), (to(2), "", "é")])
    with office.rejects.open(encoding="utf-8-sig", newline="") as file:
        header, first, second = csv.reader(file)
    assert tuple(header) == (*NOTES, *HEADER)
    assert first[:3] == ["2", "Phone", "12"]
    assert first[3]
    assert tuple(first[4:]) == odd
    assert second == ["5", "First Name", "", "is empty", f"'{to(2)}", "", "é"]


def test_rejects_are_corrected_and_looked_at_again(office: Office) -> None:
    office.report([("12", "Ann", "1"), (to(1), "Ben", "1"), (to(2), "", "x")])
    copy = office.folder / "corrected.csv"
    text = office.rejects.read_text(encoding="utf-8-sig")
    copy.write_text(text.replace(f",'{to(2)},,", f",'{to(2)},Cleo,"))
    made = office.look(copy)
    assert (made.rows, made.sendable, made.rejected) == (2, 1, 1)
    again = office.rejects.read_text(encoding="utf-8-sig").splitlines()
    assert again[0] == text.splitlines()[0], "its notes are replaced, not doubled"
    assert len(again) == 2


def test_no_file_of_rejects_without_one(office: Office) -> None:
    office.report([(to(1), "Ann", "1")])
    assert not office.rejects.exists()


REJECTS_WIDER_THAN_THEIR_HEADER = [
    *[("+14152000000", "0", "0")] * 4,
    ("", "", "", "", "0"),
    ("+14152000000", "", ""),
    ("+14152000000", "", "0"),
    ("+14152000000", "0", ""),
    *[("", "", "", "", "0")] * 2,
]

REJECTS_MOSTLY_TOO_WIDE = [
    *[("+14152000000", "0", "0")] * 4,
    *[("", "", "")] * 3,
    ("", "", "0", "0", "0"),
    ("+14152000000", "", ""),
    ("+14152000000", "", "0"),
    ("+14152000000", "0", ""),
    ("+14152000000", "0", "0"),
    *[("", "", "", "", "0")] * 2,
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(rows=ROWS, out=st.sets(st.integers(2_000_000, 2_000_020), max_size=5))
@example(rows=REJECTS_WIDER_THAN_THEIR_HEADER, out=set())
@example(rows=REJECTS_MOSTLY_TOO_WIDE, out=set())
def test_any_file_adds_up(office: Office, rows: list[Any], out: set[int]) -> None:
    """``look`` asserts the sum; a campaign's import must find what was foretold."""
    bench, store = office.bench, office.bench.store
    for key in list(store.scan_iter(count=1000)):
        store.delete(key)
    bench.at(bench.now_ms)
    for number in out:
        store.hset(bench.keys("optouts"), f"+1415{number}", "0 test")
    office.rejects.unlink(missing_ok=True)
    try:
        made = office.report([("+14152999999", "Zoe", "1"), *rows])
    except BadFile:
        return
    path = office.folder / "people.csv"
    recipients = [row for row in Recipients(JULY, CsvFile(path)) if isinstance(row, Recipient)]
    bench.campaigns.create(JULY)
    outcomes = Counter(outcome for _, outcome in bench.campaigns.add("july", recipients))
    assert outcomes == Counter(
        added=made.sendable, duplicate=made.duplicates, suppressed=made.suppressed
    )
    assert made.parts == sum(
        count(row.text).parts
        for row in {row.hash: row for row in reversed(recipients)}.values()
        if int(row.to[-7:]) not in out or not row.to.startswith("+1415")
    )
    if made.rejected:
        again = Counter(
            (row.column, row.reason)
            for row in Recipients(JULY, CsvFile(office.rejects))
            if not isinstance(row, Recipient)
        )
        assert again.total() == made.rejected, "rejected again, every one"
