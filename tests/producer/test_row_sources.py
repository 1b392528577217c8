"""Rows from wherever they come: workbooks, JSON lines and queries give the same as CSV."""

import csv
import io
import json
import sqlite3
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import sqlalchemy
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.cell import WriteOnlyCell

from sluicegate.campaigns.cell_formats import text_of
from sluicegate.campaigns.json_lines import is_json
from sluicegate.campaigns.opening import FileForm, open_rows, open_stream
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.recipients import Recipient, Recipients, RowReading
from sluicegate.campaigns.row_source import BadRow, Row, RowSource
from sluicegate.campaigns.sql_query import open_query
from sluicegate.errors import BadFile, InvalidConfig
from support.postgresql import database, postgresql

NAMES = ("Telefon", "first name", "plan")
PEOPLE = (
    ("07911123456", "Ann", "gold"),
    ("07911 123457", 'Zo\u00eb, "Zed"', ""),
    ("07911123458", "", "silver"),
    ("", "", ""),
    ("none", "Dan\nLee", "gold"),
)
PLAN = Plan(
    name="july", text="Hi {{ first_name }}", to_column="phone", sender="+15557654321", region="GB"
)
MAPPED = RowReading({"phone": "Telefon"})


def read(source: RowSource) -> list[tuple[int, str, str]]:
    """What becomes of each row: its line, and its number and text, or the column at fault."""
    found: list[tuple[int, str, str]] = []
    for row in Recipients(PLAN, source, reading=MAPPED):
        if isinstance(row, Recipient):
            found.append((row.line, row.to, row.text))
        else:
            found.append((row.line, row.column, row.reason))
    return found


def as_csv(encoding: str = "utf-8") -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows([NAMES, *PEOPLE])
    return text.getvalue().encode(encoding)


def workbook(path: Path, *sheets: tuple[str, list[Any]], state: str = "visible") -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.worksheets[-1].sheet_state = state
    book.save(path)
    return path


def test_every_form_gives_the_same_recipients_as_csv(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_bytes(as_csv())
    expected = read(open_rows(tmp_path / "people.csv"))
    assert [(line, told) for line, told, _ in expected] == [
        (2, "+447911123456"),
        (3, "+447911123457"),
        (4, "first name"),
        (6, "Telefon"),
    ]
    (tmp_path / "utf16.csv").write_bytes(as_csv("utf-16"))
    assert read(open_rows(tmp_path / "utf16.csv")) == expected
    assert read(open_stream(io.BytesIO(as_csv()))) == expected
    book = workbook(tmp_path / "people.xlsx", ("People", [NAMES, *PEOPLE]))
    assert read(open_rows(book)) == expected
    assert read(open_stream(io.BytesIO(book.read_bytes()))) == expected
    arrays = "\n".join(json.dumps(row) for row in (NAMES, *PEOPLE))
    (tmp_path / "arrays.jsonl").write_text(arrays)
    lines = read(open_rows(tmp_path / "arrays.jsonl"))
    assert [(line, *rest) for line, *rest in lines if line != 5] == expected
    objects = "\n\n" + "\n".join(json.dumps(dict(zip(NAMES, row, strict=True))) for row in PEOPLE)
    (tmp_path / "objects.jsonl").write_bytes(objects.encode("utf-16"))
    lines = read(open_rows(tmp_path / "objects.jsonl"))
    assert [(line - 1, *rest) for line, *rest in lines if line != 6] == expected
    with sqlite3.connect(tmp_path / "people.db") as database:
        database.execute('CREATE TABLE people ("Telefon", "first name", plan)')
        database.executemany("INSERT INTO people VALUES (?, ?, ?)", PEOPLE)
    database.close()
    rows = read(open_query(f"sqlite:///{tmp_path}/people.db", "SELECT * FROM people"))
    assert [(line + 1, *rest) for line, *rest in rows] == expected


def test_an_empty_cell_at_the_end_of_a_row_is_a_cell(tmp_path: Path) -> None:
    book = workbook(tmp_path / "people.xlsx", ("May", [["phone", "name"], ["+447911123456"]]))
    assert [row.values for row in open_rows(book).rows()] == [["+447911123456", ""]]


def test_a_workbook_keeps_what_its_formats_show(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["phone", "name", "due"])
    sheet.append([7911123456, "Ann", date(2026, 3, 4)])
    sheet.append([447911123457.0, True, 2.5])
    sheet["A2"].number_format, sheet["A3"].number_format = "00000000000", '"+"0'
    sheet["C3"].number_format = "$#,##0.00"
    book.save(tmp_path / "people.xlsx")
    source = open_rows(tmp_path / "people.xlsx")
    assert [row.values for row in source.rows()] == [
        ["07911123456", "Ann", "2026-03-04"],
        ["+447911123457", "TRUE", "$2.50"],
    ]
    assert source.form == "Excel workbook, sheet 'Sheet'"


@pytest.mark.parametrize(
    ("value", "format", "shown"),
    [
        (5551234567, "[<=9999999]###-####;(###) ###-####", "(555) 123-4567"),
        (5551234, "[<=9999999]###-####;(###) ###-####", "555-1234"),
        (15551234567.0, "0.00E+00", "15551234567"),
        (-5, "0.00;(0.00)", "(5.00)"),
        (0, "#,##0;-#,##0;0", "0"),
        (0.25, "0%", "25%"),
        (1234.5, "[$\u20ac-407] #,##0.00", "\u20ac 1,234.50"),
        (1234567, "#,##0,", "1234567"),
        (1 / 3, "General", "0.333333333"),
        (0.1 + 0.2, "General", "0.3"),
        (1e300, "0", f"1{'0' * 300}"),
        (0.5, "# ?/?", "0.5"),
    ],
)
def test_a_number_reads_as_a_spreadsheet_shows_it(value: float, format: str, shown: str) -> None:
    assert text_of(value, format) == shown


@given(st.integers(0, 10**15 - 1), st.sampled_from(["General", "0", "#", "@", "0;-0", "mm"]))
def test_no_digit_of_a_number_is_lost(value: int, format: str) -> None:
    assert text_of(float(value), format) == (str(value) if value or format != "#" else "")


def test_a_workbook_with_several_sheets_is_asked_which(tmp_path: Path) -> None:
    rows = [["phone"], ["+447911123456"]]
    book = workbook(tmp_path / "two.xlsx", ("May", rows), ("June", rows))
    with pytest.raises(BadFile, match="several sheets have rows; name one: --sheet 'May', 'June'"):
        open_rows(book)
    assert len([*open_rows(book, FileForm(sheet="June")).rows()]) == 1
    with pytest.raises(BadFile, match="no sheet 'July'; there are 'May', 'June'"):
        open_rows(book, FileForm(sheet="July"))
    with pytest.raises(BadFile, match="leave --delimiter out"):
        open_rows(book, FileForm(delimiter=";"))
    hidden = workbook(tmp_path / "one.xlsx", ("May", rows), ("June", rows), state="hidden")
    assert open_rows(hidden).form == "Excel workbook, sheet 'May'"
    empty = workbook(tmp_path / "empty.xlsx", ("May", []), ("June", []))
    with pytest.raises(BadFile, match="its sheets are empty"):
        open_rows(empty)


def rewritten(book: Path, part: str, content: bytes) -> Path:
    """A copy of a workbook in which one part is another."""
    copy = book.with_name("changed.xlsx")
    with (
        zipfile.ZipFile(book) as old,
        zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as new,
    ):
        for name in old.namelist():
            new.writestr(name, content if name == part else old.read(name))
    return copy


def test_what_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    book = workbook(tmp_path / "people.xlsx", ("People", [NAMES, *PEOPLE]))
    bomb = rewritten(book, "xl/worksheets/sheet1.xml", b" " * (40 << 20))
    with pytest.raises(BadFile, match=r"sheet1\.xml would unpack from"):
        open_rows(bomb)
    entities = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + zipfile.ZipFile(
        book
    ).read("xl/worksheets/sheet1.xml")
    with pytest.raises(BadFile, match="EntitiesForbidden"):
        open_rows(rewritten(book, "xl/worksheets/sheet1.xml", entities))
    far = (
        b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    )
    far += b'<row r="999999999"><c r="A999999999"><v>1</v></c></row></sheetData></worksheet>'
    with pytest.raises(BadFile, match="more than 1,048,576 rows"):
        open_rows(rewritten(book, "xl/worksheets/sheet1.xml", far))


def test_a_damaged_workbook_is_refused(tmp_path: Path) -> None:
    book = workbook(tmp_path / "people.xlsx", ("People", [NAMES, *PEOPLE]))
    whole = book.read_bytes()
    (tmp_path / "cut.xlsx").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadFile, match="a damaged workbook"):
        open_rows(tmp_path / "cut.xlsx")
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("one.txt", "x")
    with pytest.raises(BadFile, match="a ZIP archive, but no Excel workbook"):
        open_rows(tmp_path / "photos.zip")
    with pytest.raises(BadFile, match="can't be read as a workbook"):
        open_rows(rewritten(book, "xl/worksheets/sheet1.xml", b"<worksheet><broken"))


def json_rows(tmp_path: Path, text: str) -> tuple[RowSource, list[Row | BadRow]]:
    (tmp_path / "people.jsonl").write_text(text)
    source = open_rows(tmp_path / "people.jsonl")
    return source, [*source.rows()]


def test_a_field_is_read_as_it_is_written(tmp_path: Path) -> None:
    line = '{"a": 2.50, "b": 15551234567, "c": true, "d": null, "e": {"f": "x"}, "g": ["y"]}'
    source, rows = json_rows(tmp_path, f'{line}\n{{"d": 1e3}}\n')
    assert source.columns == ("a", "b", "c", "e.f", "d")
    assert [row.values for row in rows] == [
        ["2.50", "15551234567", "true", "x", ""],
        ["", "", "", "", "1e3"],
    ]
    assert source.form == "JSON lines in utf-8"
    assert source.read_bytes == source.size_bytes


def test_a_faulty_line_is_set_aside(tmp_path: Path) -> None:
    good = '{"phone": "+447911123456"}'
    text = "\n".join([good, '{"phone": ', "[1]", '{"phone": [1]}', "", "7", good])
    source, rows = json_rows(tmp_path, text)
    assert [type(row) for row in rows] == [Row, BadRow, BadRow, BadRow, BadRow, Row]
    assert [row.line for row in rows] == [1, 2, 3, 4, 6, 7]
    reasons = [row.reason for row in rows if isinstance(row, BadRow)]
    assert reasons[0].startswith("not JSON: ")
    assert reasons[1:] == [
        "this line is no object, as the others are",
        "'phone' holds a list, where one value is needed",
        "neither an object nor an array",
    ]
    assert source.counted.total == source.counted.rows + source.counted.blank == 7


def test_what_is_nested_too_deeply_is_set_aside(tmp_path: Path) -> None:
    good = '{"phone": "+447911123456"}'
    deep, deepest = ('{"a":' * n + "1" + "}" * n for n in (30, 9000))
    _, rows = json_rows(tmp_path, "\n".join([good, deep, deepest]))
    assert [type(row) for row in rows] == [Row, BadRow, BadRow]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"phone": "1"}]', "the first array names no columns; write each row on a line"),
        ('{"phone": \n "1"}', "line 1: not JSON lines: not JSON"),
        ('{"phone": null}', "its objects have no values"),
        ('{"phone": "' + "1" * 1_000_001, "it has 1,000,000 bytes or more"),
    ],
)
def test_what_is_no_json_lines_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    with pytest.raises(BadFile, match=reason.replace("[", r"\[")):
        json_rows(tmp_path, text)


def test_a_csv_file_is_never_taken_for_json() -> None:
    for head in ("[phone],name", "[to]", "{phone},x", "{{ phone }}", "phone", "", "(a)"):
        assert not is_json(head.encode())
    assert is_json(b'\xef\xbb\xbf {"a"')


def test_a_query_changes_nothing_and_names_its_fault(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "people.db") as database:
        database.execute("CREATE TABLE people (phone, tags)")
        database.execute("INSERT INTO people VALUES ('+447911123456', x'00ff')")
    database.close()
    url = f"sqlite:///{tmp_path}/people.db"
    for writes in ("DELETE FROM people RETURNING phone", "DROP TABLE people", "VACUUM"):
        with pytest.raises(BadFile, match=r"readonly|VACUUM"):
            open_query(url, writes)
    odd = open_query(url, "SELECT phone, '''+1' AS odd FROM people")
    assert [row.values for row in odd.rows()] == [["+447911123456", "'+1"]]
    assert [row.line for row in open_query(url, "SELECT phone FROM people").rows()] == [1]
    percent = open_query(
        url, "SELECT phone FROM people WHERE phone LIKE '%:%' OR phone LIKE '+44%'"
    )
    assert len([*percent.rows()]) == 1
    for query, reason in {
        "SELECT tags FROM people": "row 1, column 'tags' holds a bytes, which is no text",
        "PRAGMA query_only = ON": "it returns no rows; write a SELECT",
        "SELECT nonsense FROM people": "no such column: nonsense",
    }.items():
        with pytest.raises(BadFile, match=reason):
            open_query(url, query)
    with pytest.raises(InvalidConfig, match="must be a URL"):
        open_query("nonsense", "SELECT 1")
    with pytest.raises(InvalidConfig, match="needs a driver that is not installed"):
        open_query("mysql+nothing://user:secret@host/x", "SELECT 1")
    with pytest.raises(BadFile) as raised:
        open_query("postgresql+psycopg://user:secret@127.0.0.1:1/x", "SELECT 1")
    assert "secret" not in str(raised.value)


@pytest.mark.long  # a server of its own
def test_a_query_in_postgresql_streams_and_changes_nothing() -> None:
    with postgresql() as server, database(server) as url:
        engine = sqlalchemy.create_engine(url)
        with engine.begin() as link:
            link.exec_driver_sql(
                "CREATE TABLE people AS SELECT '+44791112' || 3000 + n AS phone, n / 4.0 AS paid, "
                "DATE '2026-03-04' AS due, n > 1 AS ok FROM generate_series(1, 2500) n"
            )
        query = "SELECT *, ok::text FROM people WHERE phone LIKE '%4%' AND ':x' > ''"
        rows = [row.values for row in open_query(url, query).rows()]
        assert len(rows) == 2500
        assert rows[1] == ["+447911123002", "0.50000000000000000000", "2026-03-04", "true", "true"]
        with pytest.raises(BadFile, match="syntax error at or near"):
            open_query(url, "DELETE FROM people RETURNING *")
        with pytest.raises(BadFile, match='column "nonsense" does not exist'):
            open_query(url, "SELECT nonsense FROM people")
        engine.dispose()


@pytest.mark.long
@pytest.mark.timeout(600)
def test_a_hundred_thousand_rows_of_a_workbook_are_those_of_its_csv(tmp_path: Path) -> None:
    names = ["Telefon", "first name", "amount", "note"]
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("People")
    sheet.append(names)
    with (tmp_path / "people.csv").open("w", encoding="utf-16", newline="") as file:
        shown = csv.writer(file, delimiter="\t")
        shown.writerow(names)
        for n in range(100_000):
            number = 7_911_000_000 + n
            cell = WriteOnlyCell(sheet, number)
            cell.number_format = "00000000000"
            sheet.append([cell, f"Zo\u00eb {n % 97}", n / 4, None if n % 3 else "a\nb"])
            amount = f"{n / 4:.2f}".rstrip("0").rstrip(".")
            shown.writerow([f"0{number}", f"Zo\u00eb {n % 97}", amount, "" if n % 3 else "a b"])
    book.save(tmp_path / "people.xlsx")
    read_both = zip(
        open_rows(tmp_path / "people.xlsx").rows(),
        open_rows(tmp_path / "people.csv").rows(),
        strict=True,
    )
    assert sum(one == other for one, other in read_both) == 100_000


def test_a_mapped_column_stands_for_the_name_in_the_text(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("Handy;Vorname\n07911123456;Ann\n")
    source = open_rows(tmp_path / "people.csv")
    reading = RowReading({"phone": "Handy", "first_name": "Vorname"})
    [row] = Recipients(PLAN, source, reading=reading)
    assert isinstance(row, Recipient)
    assert row.text == "Hi Ann"
    with pytest.raises(BadFile, match="no column 'phone'"):
        Recipients(PLAN, source)
