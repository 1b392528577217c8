"""Campaign files as they come: encodings, delimiters, quotes, and what is refused or set aside."""

import csv
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.row_source import BadRow, Row
from sluicegate.errors import BadFile, SluicegateError
from sluicegate.spreadsheet import guarded
from support.csv_files import Write
from support.effort import size

HEAD = "phone,name\n"
ROW = "+15552234567,Ann\n"


def good(sheet: CsvFile) -> list[tuple[int, list[str]]]:
    rows = list(sheet.rows())
    assert all(isinstance(row, Row) for row in rows), rows
    return [(row.line, row.values) for row in rows]


def bad(sheet: CsvFile) -> list[BadRow]:
    return [row for row in sheet.rows() if isinstance(row, BadRow)]


def values(sheet: CsvFile) -> list[list[str]]:
    return [row for _, row in good(sheet)]


@pytest.mark.parametrize(
    ("codec", "found"),
    [
        ("utf-8", "utf-8"),
        ("utf-8-sig", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16-le", "utf-16-le"),
        ("utf-16-be", "utf-16-be"),
        ("cp1252", "cp1252"),
    ],
)
def test_the_encoding_is_found(write: Write, codec: str, found: str) -> None:
    path = write("phone,naïve,€\r\n+15552234567,José Müller,“quoted” … 5 €\r\n".encode(codec))
    sheet = CsvFile(path)
    assert sheet.encoding == found
    assert sheet.columns == ("phone", "naïve", "€")
    assert values(sheet) == [["+15552234567", "José Müller", "“quoted” … 5 €"]]


def test_utf_16_big_endian_with_a_mark(write: Write) -> None:
    sheet = CsvFile(write(b"\xfe\xff" + (HEAD + "+1,Łódź 😀\n").encode("utf-16-be")))
    assert (sheet.encoding, values(sheet)) == ("utf-16", [["+1", "Łódź 😀"]])


@pytest.mark.parametrize("text", ["Łódź", "日本語 😀", "Привет, мир", "שלום", "🎉"])
@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_script_comes_through(write: Write, text: str, codec: str) -> None:
    assert values(CsvFile(write(f'phone,name\n+1,"{text}"\n'.encode(codec)))) == [["+1", text]]


@pytest.mark.parametrize("codec", ["cp1251", "shift_jis", "gb18030", "iso8859-7", "koi8-r"])
def test_another_script_is_not_taken_for_latin(write: Write, codec: str) -> None:
    text = {"shift_jis": "こんにちは世界", "gb18030": "你好世界", "iso8859-7": "Γειά"}.get(
        codec, "Привет"
    )
    content = f"phone,name\n+1,{text}\n+2,{text}\n".encode(codec)
    with pytest.raises(BadFile, match="neither UTF-8 nor"):
        CsvFile(write(content))
    assert values(CsvFile(write(content), encoding=codec)) == [["+1", text], ["+2", text]]


def test_a_mark_is_no_part_of_the_first_name_whatever_encoding_is_given(write: Write) -> None:
    path = write((HEAD + ROW).encode("utf-8-sig"))
    for encoding in (None, "utf-8", "UTF8", "utf-8-sig"):
        assert CsvFile(path, encoding=encoding).columns == ("phone", "name")


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "utf-16", "no-such-codec", "hex", "rot13"])
def test_an_encoding_that_does_not_fit_is_refused(write: Write, encoding: str) -> None:
    with pytest.raises(BadFile) as caught:
        CsvFile(write(b"phone,name\n+1,Jos\xe9\n"), encoding=encoding)
    assert "encoding" in caught.value.way_out


def test_a_wrong_byte_deep_inside_costs_its_row_only(write: Write) -> None:
    rows = [f"+1555{n:07d},Zoë {n}".encode() for n in range(60_000)]
    rows[50_000] = b"+15550050000,Jos\xe9"
    rows[59_999] = b"+15550059999,\xff\xfe"
    sheet = CsvFile(write(b"phone,name\n" + b"\n".join(rows)))
    assert sheet.encoding == "utf-8"
    found = list(sheet.rows())
    aside = [row for row in found if isinstance(row, BadRow)]
    assert [(row.line, row.values[1]) for row in aside] == [
        (50_002, "Jos\ufffd"),
        (60_001, "\ufffd\ufffd"),
    ]
    assert "byte 0xE9" in aside[0].reason
    assert "byte 0xFF" in aside[1].reason
    assert len(found) == 60_000
    assert found[50_001] == Row(50_003, ["+15550050001", "Zoë 50001"])


def test_where_in_the_file_a_byte_stands_changes_no_guess(write: Write) -> None:
    rows = [f"+1555{n:07d},Ann".encode() for n in range(70_000)]
    for at in (1, 69_000):
        faulty = [*rows[:at], b"+15550069000,Jos\xe9", *rows[at:]]
        sheet = CsvFile(write(b"phone,name\n" + b"\n".join(faulty)))
        assert (sheet.encoding, bad(sheet)) == ("cp1252", [])


def test_a_few_wrong_bytes_at_the_start_are_not_windows_1252(write: Write) -> None:
    sheet = CsvFile(write("phone,name\n+1,Zoë\n+2,Łódź\n+3,?\n".encode().replace(b"?", b"\xe9")))
    assert sheet.encoding == "utf-8"
    assert bad(sheet) == [
        BadRow(4, ["+3", "\ufffd"], "byte 0xE9 is not valid utf-8: is it in another encoding?")
    ]


def test_bytes_that_windows_1252_lacks_refuse_the_file(write: Write) -> None:
    path = write(b"phone,name\n+1,Jos\xe9\n+2,\x81\n+3,M\xfcller\n")
    with pytest.raises(BadFile, match="as Windows-1252"):
        CsvFile(path)
    with pytest.raises(BadFile, match="0x81"):
        CsvFile(path, encoding="cp1252")


def test_half_a_character_at_the_end_of_utf_16_costs_its_row(write: Write) -> None:
    sheet = CsvFile(write((HEAD + ROW + "+2,Bob").encode("utf-16") + b"\x41"))
    assert [type(row) for row in sheet.rows()] == [Row, BadRow]


def test_a_nul_costs_its_row(write: Write) -> None:
    sheet = CsvFile(write(HEAD + ROW * 5 + "+2,B\0b\n" + ROW))
    assert bad(sheet) == [BadRow(7, ["+2", "B\ufffdb"], "it holds a NUL byte")]
    assert len(list(sheet.rows())) == 7


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(write: Write, delimiter: str) -> None:
    rows = [["phone", "text", "n"], ["+1", "a, b; c | d\te", "1,5"], ["+2", "x\ny", "2"]]
    lines = [delimiter.join(f'"{v}"' if v not in ("phone", "+1") else v for v in r) for r in rows]
    sheet = CsvFile(write("\n".join(lines)))
    assert (sheet.delimiter, sheet.columns) == (delimiter, ("phone", "text", "n"))
    assert values(sheet) == rows[1:]


@pytest.mark.parametrize(
    ("content", "delimiter"),
    [
        ("phone;text\n+1;Hello, Ann, you\n+2;Bye\n", ";"),
        ("phone;price\n+1;2,50\n+2;3,50\n", ";"),
        ("phone\tlast, first\n+1\tDoe, Ann\n", "\t"),
        ("phone|a;b\n+1|x\n+2|y\n", "|"),
        ('"a,b";c\n"d,e";f\n', ";"),
        ("phone;last, first\n+1;Doe, Ann\n", ";"),
        ("phone,a;b;c\n+1,x\n+2,y\n", ","),
        ("phone\n+1\n+2\n", ","),
        ('"phone"\n"+1"\n', ","),
    ],
)
def test_the_most_consistent_delimiter_wins(write: Write, content: str, delimiter: str) -> None:
    sheet = CsvFile(write(content))
    assert sheet.delimiter == delimiter
    assert all(len(row) == len(sheet.columns) for row in values(sheet))


@pytest.mark.parametrize("head", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n", "\ufeffsep=;\r"])
def test_excels_own_line_names_the_delimiter(write: Write, head: str) -> None:
    sheet = CsvFile(write(head + "a;b,c\n1;2\n"))
    assert (sheet.delimiter, sheet.columns) == (";", ("a", "b,c"))
    assert good(sheet) == [(3, ["1", "2"])]


def test_a_delimiter_given_is_taken(write: Write) -> None:
    path = write("a^b,c\n1^2,3\n")
    assert values(CsvFile(path, delimiter="^")) == [["1", "2,3"]]
    assert values(CsvFile(path, delimiter=",")) == [["1^2", "3"]]


@pytest.mark.parametrize("delimiter", ['"', "\n", "a", "::", " ", "0"])
def test_what_delimits_nothing_is_refused(write: Write, delimiter: str) -> None:
    with pytest.raises(BadFile, match="can't be a delimiter"):
        CsvFile(write(HEAD + ROW), delimiter=delimiter)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end_and_quoted_line_breaks_are_counted_right(write: Write, end: str) -> None:
    content = end.join(["a,b", '1,"x', 'y"', "2,z", "", '3,"', '"', "4,", "", ""])
    sheet = CsvFile(write(content))
    lines = [(2, ["1", f"x{end}y"]), (4, ["2", "z"]), (6, ["3", end]), (8, ["4", ""])]
    assert good(sheet) == lines


def test_other_separators_of_unicode_end_no_line(write: Write) -> None:
    odd = "x\x0by\x0cz\x1c\x1d\x1e\x85\u2028\u2029"
    assert good(CsvFile(write(f"a,b\n1,{odd}\n2,y\n"))) == [(2, ["1", odd]), (3, ["2", "y"])]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"a ""b"" c",d', ['a "b" c', "d"]),
        ('55" TV,d', ['55" TV', "d"]),
        ('"",d', ["", "d"]),
        ('"a,b","c;d"', ["a,b", "c;d"]),
        ('a, "b, c"', ["a", "b, c"]),
        ("a,", ["a", ""]),
        (",b", ["", "b"]),
        ("'+15552234567,'b", ["+15552234567", "'b"]),
    ],
)
def test_values_come_as_they_are(write: Write, line: str, expected: list[str]) -> None:
    assert values(CsvFile(write(f"x,y\n{line}\n"))) == [expected]


@pytest.mark.parametrize("blank", ["\n", ",\n", '"",""\n', "  ,\n", ",,,,\n"])
def test_rows_without_any_value_are_passed_over(write: Write, blank: str) -> None:
    content = blank + HEAD + ROW + blank + ROW + blank * 3
    assert [line for line, _ in good(CsvFile(write(content)))] == [3, 5]


def test_a_row_of_another_width_is_set_aside(write: Write) -> None:
    sheet = CsvFile(write("a,b,c\n1,2,3\n1,2\n1,2,3,4\n1,2,3,,\n4,5,6\n"))
    found = list(sheet.rows())
    assert [(row.line, type(row)) for row in found] == [
        (2, Row), (3, BadRow), (4, BadRow), (5, Row), (6, Row)
    ]  # fmt: skip
    few, many = bad(sheet)
    assert (few.values, few.reason) == (["1", "2"], "2 values, but 3 columns")
    assert many.values == ["1", "2", "3", "4"]
    assert "must be in quotes" in many.reason
    assert found[3] == Row(5, ["1", "2", "3"])


def test_an_unescaped_quote_costs_its_row(write: Write) -> None:
    sheet = CsvFile(write('a,b\n1,"He said "hi", ok"\n2,"x\\"y"\n3,z\n'))
    first, second = bad(sheet)
    assert (first.line, first.values) == (2, ['1,"He said "hi", ok"'])
    assert "not doubled" in first.reason
    assert second.line == 3
    assert [row for row in sheet.rows() if isinstance(row, Row)] == [Row(4, ["3", "z"])]


def test_a_trailing_empty_column_is_dropped(write: Write) -> None:
    sheet = CsvFile(write("a,b,,\n1,2,,\n3,4,,\n"))
    assert (sheet.columns, values(sheet)) == (("a", "b"), [["1", "2"], ["3", "4"]])


def test_names_are_trimmed(write: Write) -> None:
    sheet = CsvFile(write('\ufeff\xa0phone , "first\nname" \n'.replace(" \n", "\n") + "1,2\n"))
    assert sheet.columns == ("phone", "first name")
    assert good(sheet) == [(3, ["1", "2"])]


def test_hundreds_of_columns(write: Write) -> None:
    names = [f"c{n}" for n in range(300)]
    row = [str(n) for n in range(300)]
    sheet = CsvFile(write("\n".join(map(";".join, [names, *[row] * 500]))))
    assert sheet.columns == tuple(names)
    assert values(sheet) == [row] * 500


@pytest.mark.parametrize(
    ("content", "where", "reason"),
    [
        ("", "", "empty"),
        ("\ufeff", "", "empty"),
        ("\n\r\n,,\n", "", "empty"),
        ("phone,name", "", "nothing below the header"),
        ("phone,name\n\n , \n", "", "nothing below the header"),
        ("+15552234567,Ann\n+15552234568,Bob\n", "column 1", "looks like data"),
        ("Ann,(555) 223-4567\nBob,(555) 223-4568\n", "column 2", "looks like data"),
        ("Ann,1.55512E+10\nBob,2\n", "column 2", "looks like data"),
        (b"PK\x03\x04\x14\0\x06\0", "", "Excel"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "", "Excel"),
        (b"%PDF-1.7\n", "", "PDF"),
        ("\n<!DOCTYPE html><html>", "", "HTML"),
        (bytes(range(256)) * 40, "", ""),
        (b"\0" * 5000, "", ""),
        (b"\x7fELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0\x3e\0" * 50, "", ""),
        ('"phone,name\n1,2\n', "line 1", "never closed"),
        ('\n\n"phone,name\n1,2\n', "line 3", "never closed"),
        ('"phone"x,name\n1,2\n', "the header", "not doubled"),
        ('phone,"name\n+15552234567,Ann\n+15552234568,Bob"\n1,2\n', "line 1", "never closed"),
        ("a" * 200_000 + ",b\n1,2\n", "line 1", "over 1,000 characters"),
        ("x" * 3_000_000, "line 1", "over 1,000 characters"),
    ],
)
def test_what_cannot_be_a_sheet_is_refused(
    write: Write, content: bytes | str, where: str, reason: str
) -> None:
    path = write(content)
    with pytest.raises(BadFile) as caught:
        CsvFile(path)
    error = caught.value
    assert where in error.where
    assert reason in error.reason
    assert error.path == str(path)
    assert error.way_out
    assert str(error).startswith(str(path))
    assert isinstance(error, SluicegateError)
    assert isinstance(error, ValueError)


@pytest.mark.parametrize("name", ["2024-01-01", "2024", "+1", "phone 1", "E.164", "sent 20240101"])
def test_names_with_digits_are_names(write: Write, name: str) -> None:
    assert CsvFile(write(f"{name},b\n1,2\n")).columns == (name, "b")


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, reason in [
        ("missing.csv", "No such file"),
        (".", "a directory"),
        ("pipe", "a pipe"),
        ("nul\0", "null byte"),
    ]:
        with pytest.raises(BadFile, match=reason):
            CsvFile(tmp_path / name)


def test_a_quote_never_closed_costs_its_line(write: Write) -> None:
    sheet = CsvFile(write(HEAD + ROW * 3 + '+2,"Bob\n' + ROW * 3))
    assert bad(sheet) == [BadRow(5, ['+2,"Bob'], 'a quote (") opened in this row is never closed')]
    assert [row.line for row in sheet.rows()] == [2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("rows", [100, 30_000])
def test_a_quote_never_closed_does_not_swallow_a_large_file(write: Write, rows: int) -> None:
    sheet = CsvFile(write(HEAD + ROW * rows + '+2,"Bob\n' + ROW * 70_000))
    found = list(sheet.rows())
    assert [row.line for row in found] == list(range(2, rows + 70_003))
    assert [row.line for row in found if isinstance(row, BadRow)] == [rows + 2]


def test_what_an_app_allows_values_to_hold_changes_no_row(write: Write) -> None:
    content = HEAD + ROW + '+2,"' + "word\n" * 30_000 + ROW
    found = list(CsvFile(write(content)).rows())
    before = csv.field_size_limit(10**9)
    try:
        assert list(CsvFile(write(content)).rows()) == found
    finally:
        csv.field_size_limit(before)
    assert len(found) == 30_002


@pytest.mark.long
def test_quotes_that_leave_every_row_open_refuse_the_file_soon(write: Write) -> None:
    sheet = CsvFile(write(HEAD + ROW + 'x","\n' * 600_000))
    with pytest.raises(BadFile, match="so many quotes are never closed"):
        for _ in sheet.rows():
            pass
    assert sheet.read_bytes < sheet.size_bytes


def test_a_line_without_end_is_refused(write: Write) -> None:
    sheet = CsvFile(write(HEAD + ROW + "x," * 2_000_000))
    with pytest.raises(BadFile, match="more than 1,000,000 characters"):
        list(sheet.rows())
    assert sheet.read_bytes < sheet.size_bytes


def test_each_reading_begins_anew(write: Write) -> None:
    sheet = CsvFile(write(HEAD + ROW * 50_000))
    assert (sheet.read_bytes, sheet.size_bytes) == (0, sheet.path.stat().st_size)
    first = sheet.rows()
    assert next(first) == Row(2, ["+15552234567", "Ann"])
    assert 0 < sheet.read_bytes < sheet.size_bytes
    assert sum(1 for _ in sheet.rows()) == 50_000
    assert sheet.read_bytes == sheet.size_bytes
    assert next(first) == Row(3, ["+15552234567", "Ann"])


def test_a_file_that_has_gone_is_refused(write: Write) -> None:
    sheet = CsvFile(write(HEAD + ROW))
    sheet.path.unlink()
    with pytest.raises(BadFile, match="No such file"):
        list(sheet.rows())


def test_the_fingerprint_tells_a_changed_file(write: Write) -> None:
    sheet = CsvFile(write(HEAD + ROW))
    before = sheet.fingerprint()
    assert (before, len(before)) == (sheet.fingerprint(), 64)
    write(HEAD + ROW.replace("Ann", "Bob"))
    assert sheet.fingerprint() != before


cells = st.text(st.sampled_from("ab0+ ,;|\t\"\n\r'é日😀"), max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(cells, cells, cells).map(list), min_size=1, max_size=12),
    delimiter=st.sampled_from(",;\t|"),
    codec=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_what_is_written_as_csv_is_read_again(
    tmp_path: Path, rows: list[list[str]], delimiter: str, codec: str, end: str
) -> None:
    path = tmp_path / "property.csv"
    with path.open("w", encoding=codec, newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        written = [["phone", "name", "text"], ["+1", "x", "y"], *rows]
        writer.writerows([*map(guarded, row)] for row in written)
    sheet = CsvFile(path)
    assert sheet.delimiter == delimiter
    assert values(sheet)[1:] == [row for row in rows if any(row)]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), head=st.sampled_from([b"", b"a,b\n1,2\n"]))
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, head: bytes) -> None:
    path = tmp_path / "bytes.csv"
    path.write_bytes(head + content)
    try:
        for row in CsvFile(path).rows():
            "".join(row.values).encode()
            assert row.line > 1
    except BadFile:
        return


def test_a_block_may_end_anywhere(write: Write) -> None:
    rows = size(25_000, 60_000)
    for shift in range(4):
        text = "z" * shift + "é,b\r\n" + '"x\r\ny",ü\r\n' * rows
        found = good(CsvFile(write(text)))
        assert found[-1] == (2 + 2 * (rows - 1), ["x\r\ny", "ü"])
        assert len(found) == rows


def test_many_rows_take_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "many.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write("phone,first_name,city,amount\n")
        file.writelines(f'+1555{n:07d},Zoë {n},"Albany, NY",12.50\n' for n in range(100_000))
    sheet = CsvFile(path)
    tracemalloc.start()
    try:
        assert sum(1 for _ in sheet.rows()) == 100_000
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
