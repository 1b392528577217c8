"""A campaign's file as recipients: every row becomes one, or is set aside with a reason."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.layout import NOTES
from sluicegate.campaigns.plan import key_hash, message_id, rendered
from sluicegate.campaigns.recipients import Recipient, Recipients, Rejected
from sluicegate.campaigns.rejects import Rejects
from sluicegate.errors import BadFile
from sluicegate.segments import count
from sluicegate_ops.simulator import Settings, simulator_in_thread
from support.messages import SENDER, plan

HEADER = ("Phone", "First Name", "Code")
JULY = plan(region="US")
# A file of its own for every example, in one folder.
HYPOTHESIS = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def write(folder: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    path = folder / "people.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def read(path: Path, of: Any = JULY) -> list[Recipient | Rejected]:
    return list(Recipients(of, CsvFile(path)))


def test_a_row_that_can_be_sent(tmp_path: Path) -> None:
    path = write(tmp_path, [("(415) 200-0000", "Ann", "7")])
    [found] = read(path)
    assert isinstance(found, Recipient)
    assert found[:6] == (
        2, key_hash("+14152000000"), "+14152000000", "Hi Ann, code 7", 1, "GSM-7",
    )  # fmt: skip
    made = rendered(JULY, message_id("july", found.hash), b"x" + found.ticket_end)
    assert (made.to, made.text) == (found.to, found.text)


@pytest.mark.parametrize(
    ("row", "column", "value", "reason"),
    [
        (("12", "Ann", "7"), "Phone", "12", "short"),
        (("", "Ann", "7"), "Phone", "", "empty"),
        (("4.15E+09", "Ann", "7"), "Phone", "4.15E+09", "shortened"),
        (("4152000000", "", "7"), "First Name", "", "is empty"),
        (("4152000000", "\u200b", "7"), "First Name", "\u200b", "is empty"),
        (("4152000000", "{{ x }}", "7"), "First Name", "{{ x }}", "puts '{{'"),
        (("4152000000", "\x07", "7"), "First Name", "\x07", "control character"),
        (("4152000000", "Ann"), "", "", "2 values, but 3 columns"),
        (("4152000000", "Ann", "7", "8"), "", "", "4 values, but 3 columns"),
        (("4152000000", "Ann", "x" * 1600), "text", "Hi Ann, code " + "x" * 1600, "11 parts"),
    ],
)
def test_a_row_that_cannot(
    tmp_path: Path, row: tuple[str, ...], column: str, value: str, reason: str
) -> None:
    sound = ("4152000001", "Ben", "8")
    first, found, last = read(write(tmp_path, [sound, row, ("4152000002", "Cleo", "9")]))
    assert isinstance(first, Recipient)
    assert isinstance(last, Recipient)
    assert isinstance(found, Rejected)
    assert (found.line, found.column, found.value) == (3, column, value)
    assert reason in found.reason
    assert found.values == list(row)


def test_an_empty_key(tmp_path: Path) -> None:
    header = (*HEADER, "Order No")
    rows = [("4152000000", "Ann", "7", " "), ("4152000000", "Ann", "7", "A1")]
    bad, good = read(write(tmp_path, rows, header), plan(region="US", key_column="order_no"))
    assert bad[:4] == (2, "Order No", "", "the key is empty")
    assert isinstance(good, Recipient)
    assert good.hash == key_hash("A1")


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"to_column": "mobile"}, "no column 'mobile'"),
        ({"key_column": "order"}, "no column 'order'"),
        ({"text": "{{ surname }}"}, "no column for {{ surname }} in the text"),
    ],
)
def test_a_column_that_is_missing(tmp_path: Path, fields: dict[str, Any], reason: str) -> None:
    path = write(tmp_path, [("4152000000", "Ann", "7")])
    with pytest.raises(BadFile) as caught:
        Recipients(plan(**fields), CsvFile(path))
    assert caught.value.reason == reason
    assert "Phone (phone), First Name (first_name), Code (code)" in caught.value.way_out


def test_a_file_of_300_columns(tmp_path: Path) -> None:
    header = [f"Column {n}" for n in range(297)] + list(HEADER)
    row = ["x"] * 297 + ["4152000000", "Ann", "7"]
    [found] = read(write(tmp_path, [row], header))
    assert isinstance(found, Recipient)
    assert found.text == "Hi Ann, code 7"
    with pytest.raises(BadFile, match=r"Column 39 \(column_39\), and 260 more$"):
        Recipients(plan(to_column="mobile"), CsvFile(write(tmp_path, [row], header)))


@pytest.mark.parametrize("name", ["Phone", "phone"])
@pytest.mark.parametrize("header", [("phone", "Phone"), ("Phone", "phone")])
def test_of_two_alike_the_very_name_is_taken(
    tmp_path: Path, name: str, header: tuple[str, str]
) -> None:
    rows = [("+14152000000", "+14152000001")]
    [found] = read(write(tmp_path, rows, header), plan(text="Hi", to_column=name))
    assert isinstance(found, Recipient)
    assert found.to == f"+1415200000{header.index(name)}"


def test_of_two_alike_none_is_guessed(tmp_path: Path) -> None:
    header = ("Phone", "First Name", "first-name", "Code")
    path = write(tmp_path, [("4152000000", "Ann", "Ben", "7")], header)
    several = (
        r"'first_name' matches 'First Name' \(column 2\) and 'first-name' \(column 3\); rename"
    )
    with pytest.raises(BadFile, match=several):
        Recipients(JULY, CsvFile(path))


def test_a_file_of_rejects_is_read_as_the_file_that_it_is_from(tmp_path: Path) -> None:
    """Its own four columns are no column that anyone names, whatever theirs are called."""
    header = ("Line", "Column", "Value", "Reason")
    of = plan(text="{{ reason }} {{ value }}", to_column="line", key_column="column", region="US")
    rows = [("12", "k1", "v1", "r1"), ("4152000000", "k2", "v2", "")]
    path = write(tmp_path, rows, header)
    with Rejects(tmp_path / "rejects.csv", CsvFile(path)) as rejects:
        for row in read(path, of):
            assert isinstance(row, Rejected)
            rejects.add(row)
    again = tmp_path / "rejects.csv"
    assert tuple(CsvFile(again).columns) == (*NOTES, *header)
    # The same rows are wrong for the same reasons.
    assert [r[1:4] for r in read(again, of)] == [r[1:4] for r in read(path, of)]
    text = again.read_text(encoding="utf-8-sig")
    corrected = text.replace(",12,k1,", ",4152000001,k1,").replace(",k2,v2,", ",k2,v2,r2")
    again.write_text(corrected, encoding="utf-8-sig")
    assert [(r.to, r.hash, r.text) for r in read(again, of) if isinstance(r, Recipient)] == [
        ("+14152000001", key_hash("k1"), "r1 v1"),
        ("+14152000000", key_hash("k2"), "r2 v2"),
    ]


def test_what_was_unreadable_is_not_sent(tmp_path: Path) -> None:
    """A file of rejects has U+FFFD where its row had a byte that nobody could read."""
    header = (*HEADER, "Order")
    of = plan(region="US", key_column="order")
    rows = [("4152000000", "Ann\ufffd", "7", "1"), ("4152000000", "Ann", "7", "\ufffd")]
    path = write(tmp_path, [*rows, ("4152000000", "Ann", "7", "2")], header)
    text, key, sound = read(path, of)
    reason = "it holds U+FFFD, which stands for an unreadable character: write the right one"
    assert text[:4] == (2, "First Name", "Ann\ufffd", reason)
    assert key[:4] == (3, "Order", "\ufffd", reason)
    assert isinstance(sound, Recipient)


CELLS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ["Ann", "", " ", "{{ x }}", "\u200b", "x" * 1700, "€" * 100, 'a"b', "a,b", "a\nb"]
    ),
)
NUMBERS = st.one_of(
    st.integers(2_000_000, 2_000_020).map(lambda n: f"+1415{n}"),
    st.integers(2_000_000, 2_000_020).map(lambda n: f"(415) {str(n)[:3]}-{str(n)[3:]}"),
    st.sampled_from(["", "12", "abc", "4.15E+09", "+449999", "0041 44 668 18 00"]),
    CELLS,
)
ROWS = st.lists(
    st.tuples(NUMBERS, CELLS, CELLS) | st.lists(CELLS, max_size=5).map(tuple), max_size=20
)  # fmt: skip


@HYPOTHESIS
@given(rows=ROWS)
def test_every_row_is_sendable_or_says_what_is_wrong(tmp_path: Path, rows: list[Any]) -> None:
    sound = ("+14152000999", "Zoe", "1")
    path = write(tmp_path, [sound, *rows])
    try:
        found = read(path)
    except BadFile as error:
        assert error.reason  # noqa: PT017 - only where one is raised
        return
    with path.open(encoding="utf-8", newline="") as file:
        filled = sum(map(any, csv.reader(file, skipinitialspace=True))) - 1
    assert len(found) == filled
    for row in found:
        if isinstance(row, Rejected):
            assert row.line > 1
            assert row.reason
            assert row.column in ("", "text", *HEADER)
            assert row.column in ("", "text") or row.value == row.values[HEADER.index(row.column)]
        else:
            made = rendered(JULY, message_id("july", row.hash), b"x" + row.ticket_end)
            assert (made.to, made.text) == (row.to, row.text)
            assert made.segments.parts == row.parts == count(row.text).parts
            assert int(row.ticket_end.split(b"|")[1]) == row.parts


TEXTS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="{}")
    | st.sampled_from("abcdefghij ^€[]~|\\é\u2019😀"),
    min_size=1,
    max_size=400,
)


def test_the_segments_estimated_are_those_that_are_billed(tmp_path: Path) -> None:
    """The simulator counts on its own side of HTTP, as the provider does."""
    httpx = pytest.importorskip("httpx")
    of = plan(text="{{ first_name }}", region="US")
    with (
        simulator_in_thread(Settings(limit=None, api_keys=("KEY",))) as simulator,
        httpx.Client(base_url=simulator.url, headers={"Authorization": "Bearer KEY"}) as http,
    ):

        @HYPOTHESIS
        @given(value=TEXTS)
        def billed(value: str) -> None:
            try:
                [found] = read(write(tmp_path, [("4152000000", value, "1")]), of)
            except BadFile:  # what looks as if its encoding was mistaken is refused
                return
            if isinstance(found, Rejected):
                return
            body = {"from": SENDER, "to": found.to, "text": found.text}
            answer = http.post("/messages", json=body)
            assert answer.status_code == 200, answer.text
            data = answer.json()["data"]
            assert (data["parts"], data["encoding"]) == (found.parts, found.encoding)

        billed()
