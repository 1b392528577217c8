"""What trials in the field found about files, numbers and texts: CSV in people's spreadsheets."""

import csv
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.recipients import Recipients, Rejected
from sluicegate.campaigns.rejects import Rejects
from sluicegate.campaigns.row_source import Row
from sluicegate.spreadsheet import SheetFile, bared, guarded
from support.messages import plan
from support.office import saved

# What a spreadsheet runs, or saves otherwise than it read it.
CHANGED = (
    *(
        "=1+1",
        "+447911123456",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =1",
        "\uff1d1",
        "\uff0b1",
    ),
    *("447911123456", "00123", "0", "1E5", "4001e317", "12.50", "1,000", "50%", "$5", "€ 5", "-5"),
    *(
        "1/2",
        "1-2",
        "10:30",
        "10:30 PM",
        "5 May",
        "MAR1",
        "3. Mai 2026",
        "5 мая",
        "3月4日",
        "5 kr",
    ),
    *(
        "2026-07-01",
        "2026-07-01T10:00:00+00:00",
        "TRUE",
        "false",
        "+1415•••00",
        "12345678901234567",
    ),
)
KEPT = (
    *("", "Ann", "O'Brien", "'s-Hertogenbosch", "'tis", "12 High Street", "order-17", "m1", "A12"),
    *("42", "0", "3125551000", "the '90s", "'90s", "Hi Ann, code 1234", "SAVE20", "Room 5"),
    *("40017a3c-96b5-4f05-b0a2-1f6a3e1bd7a3", "july.wNs9Os4NTQc", "a=b", "x@y.z", "N/A"),
)


@pytest.mark.parametrize("text", [text for text in CHANGED if text != "0"])
def test_07_what_a_spreadsheet_changes_is_guarded(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", KEPT)
def test_07_what_it_keeps_is_left_alone(text: str) -> None:
    assert guarded(text) == text == bared(text)


@given(st.text(st.sampled_from("ab09+-=@'\t\r\n .,:/eEsмMay月 "), max_size=9))
@example("''=1")
def test_07_a_guarded_text_reads_as_it_was(text: str) -> None:
    assert bared(guarded(text)) == text
    assert not guarded(text).lstrip().startswith(tuple("=+-@"))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_07_rejects_are_written_as_their_file_is(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    path = tmp_path / "people.csv"
    header, row = ["phone", "first name", "Größe"], ["+4479111", "José", "=1+1"]
    write(path, [header, row], delimiter, encoding)
    sheet = CsvFile(path)
    with Rejects(tmp_path / "rejects.csv", sheet) as rejects:
        rejects.add(Rejected(2, "phone", "+4479111", "too short", row))
    again = CsvFile(tmp_path / "rejects.csv")
    assert again.delimiter == delimiter
    assert again.encoding.removesuffix("-sig") == encoding.removesuffix("-sig").removesuffix("-le")
    [found] = again.rows()
    assert found.values == ["2", "phone", "+4479111", "too short", *row]


def test_07_what_the_encoding_lacks_makes_the_whole_file_utf_8(tmp_path: Path) -> None:
    rows = [["a", "b"], ["José", "1"], ["\ufffd", "2"], ["Łukasz", "3"]]
    with SheetFile(tmp_path / "out.csv", ";", "cp1252") as sheet:
        for row in rows:
            sheet.row(row)
    assert read(tmp_path / "out.csv") == rows
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.long
@pytest.mark.timeout(600)  # LibreOffice takes its time on a busy machine
@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "cp1252")])
def test_07_a_file_saved_by_libreoffice_is_read_again_without_loss(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    rows = [["id", "value"], *([str(n), text.strip()] for n, text in enumerate(CHANGED + KEPT))]
    rows += [["x", 'José; Zoë, "A"'], ["y", "two\nlines"]]
    with SheetFile(tmp_path / "in.csv", delimiter, encoding) as sheet:
        for row in rows:
            sheet.row(row)
    written = CsvFile(tmp_path / "in.csv")
    assert read(saved(written.path, delimiter, written.encoding)) == rows


@pytest.mark.long
@pytest.mark.timeout(600)  # LibreOffice takes its time on a busy machine
@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "cp1252")])
def test_07_rejects_saved_by_libreoffice_are_corrected_and_read_again(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    path, of = tmp_path / "people.csv", plan(text="Hi {{ name }}, {{ code }}", region="GB")
    values = [text.strip() for text in CHANGED if text.isascii()]
    numbers = [
        "+4479111",
        "07911 12",
        "0044 7911",
        "447911",
        "4.47E+11",
        "",
        "020 7946 0958 ext 5",
    ]
    rows = [[number, f"José {n}", values[n]] for n, number in enumerate(numbers)]
    rows += [["+447400123456", "", value] for value in values if value]
    write(path, [["phone", "name", "code"], *rows], delimiter, encoding)
    first = [row for row in Recipients(of, CsvFile(path)) if isinstance(row, Rejected)]
    assert len(first) == len(rows)
    with Rejects(tmp_path / "rejects.csv", CsvFile(path)) as rejects:
        for row in first:
            rejects.add(row)
    again = CsvFile(
        saved(tmp_path / "rejects.csv", delimiter, CsvFile(rejects.path or path).encoding)
    )
    assert [row[1:4] for row in Recipients(of, again)] == [row[1:4] for row in first]
    assert [row.values[4:] for row in again.rows()] == [row.values for row in first]


def write(path: Path, rows: Sequence[Sequence[str]], delimiter: str, encoding: str) -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


def read(path: Path) -> list[list[str]]:
    sheet = CsvFile(path)
    rows = list(sheet.rows())
    assert all(isinstance(row, Row) for row in rows), rows
    return [list(sheet.columns), *(row.values for row in rows)]
