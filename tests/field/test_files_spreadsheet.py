"""What trials in the field found about files, numbers and texts: CSV in people's spreadsheets."""

import csv
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sluicegate.campaigns.csv_file import CsvFile, Row
from sluicegate.campaigns.recipients import Rejected
from sluicegate.campaigns.rejects import Rejects
from sluicegate.spreadsheet import SheetFile, bared, guarded

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
@pytest.mark.parametrize(("delimiter", "encoding"), [(",", "utf-8"), (";", "cp1252")])
def test_07_a_file_saved_by_libreoffice_is_read_again_without_loss(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    if not (soffice := shutil.which("soffice")):
        pytest.skip("LibreOffice (soffice) is not installed")
    rows = [["id", "value"], *([str(n), text.strip()] for n, text in enumerate(CHANGED + KEPT))]
    rows += [["x", 'José; Zoë, "A"'], ["y", "two\nlines"]]
    with SheetFile(tmp_path / "in.csv", delimiter, encoding) as sheet:
        for row in rows:
            sheet.row(row)
    text = CsvFile(tmp_path / "in.csv").encoding.startswith("utf-8")
    codes = {True: "76", False: "1"}[text]  # LibreOffice's numbers for UTF-8 and Windows-1252
    form = f"Text - txt - csv (StarCalc):{ord(delimiter)},34,{codes},1,,0,false,true"
    for number in range(2):  # what one opening spares, the next must not spoil
        source = tmp_path / ("in.csv" if not number else f"{number - 1}/in.csv")
        convert(soffice, tmp_path, source, "xlsx", number, form)
        convert(soffice, tmp_path, tmp_path / f"{number}/in.xlsx", f"csv:{form},false", number)
    assert read(tmp_path / "1/in.csv") == rows


def convert(
    soffice: str, folder: Path, source: Path, into: str, number: int, reads: str = ""
) -> None:
    """Open ``source`` in LibreOffice and save it in the folder ``number``."""
    command = [soffice, "--headless", f"-env:UserInstallation=file://{folder}/profile"]
    command += ["--convert-to", into, *([f"--infilter={reads}"] if reads else []), str(source)]
    subprocess.run([*command, "--outdir", f"{folder}/{number}"], check=True, timeout=100)


def write(path: Path, rows: Sequence[Sequence[str]], delimiter: str, encoding: str) -> None:
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file, delimiter=delimiter).writerows(rows)


def read(path: Path) -> list[list[str]]:
    sheet = CsvFile(path)
    rows = list(sheet.rows())
    assert all(isinstance(row, Row) for row in rows), rows
    return [list(sheet.columns), *(row.values for row in rows)]
