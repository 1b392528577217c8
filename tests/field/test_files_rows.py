"""What trials in the field found about rows, quotes and columns of files, in numbered order."""

import random
import re
from pathlib import Path
from typing import Any

import pytest

from sluicegate.campaigns.columns import naming, place
from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.recipients import Recipient, Recipients, Rejected
from sluicegate.campaigns.row_source import BadRow, Row
from sluicegate.errors import BadFile
from support.csv_files import Write
from support.messages import plan

HI = plan(text="Hi {{ name }}", region="US")


def read(path: Path, of: Any = HI) -> list[Recipient | Rejected]:
    return list(Recipients(of, CsvFile(path)))


def reached(path: Path, of: Any = HI) -> list[str]:
    return [row.to[-4:] for row in read(path, of) if isinstance(row, Recipient)]


def aside(path: Path, of: Any = HI) -> list[tuple[int, str]]:
    return [(row.line, row.reason) for row in read(path, of) if isinstance(row, Rejected)]


def check_lines(sheet: CsvFile, needed: int | None = None) -> None:
    """Every line of the file is above the first row, blank, or in one row."""
    text = sheet.path.read_bytes().decode(sheet.encoding, "replace").rstrip("\x1a")
    lines = len(re.findall(r"\r\n|\r|\n", text)) + (text[-1:] not in ("\r", "\n", ""))
    seen: list[int] = []
    for row in sheet.rows(needed):
        seen += range(row.line, row.line + row.lines)
    counted = sheet.counted
    assert len(seen) == len(set(seen)) == counted.rows
    assert not seen or counted.above < min(seen) <= max(seen) <= lines
    assert counted.above + counted.blank + len(seen) == counted.total == lines


PEOPLE = "".join(f"+155520100{n},N{n},ok\n" for n in range(10, 20))
STRAY = (
    "phone,name,note\n+15552010001,Ann,ok\n"
    f'+15552010002,Bob,"oops\n{PEOPLE}+15552010030,Zed,"fine"\n+15552010031,Yan,ok\n'
)


def test_02_a_stray_quote_costs_its_own_row(write: Write) -> None:
    path = write(STRAY)
    assert aside(path) == [(3, 'a quote (") opened in this row is never closed')]
    assert reached(path) == ["0001", *(f"00{n}" for n in range(10, 20)), "0030", "0031"]
    check_lines(CsvFile(path))


@pytest.mark.parametrize(
    "closing", ['+15552010030,Zed,fine"', '+15552010030,"Zed",fine"', '"', 'x,y,"']
)
def test_02_rows_within_sound_quotes_are_set_aside_one_by_one(write: Write, closing: str) -> None:
    """Either they are one long value, or rows between two stray quotes: nobody is written to."""
    path = write(STRAY.replace('+15552010030,Zed,"fine"', closing))
    sheet = CsvFile(path)
    found = [row for row in sheet.rows() if isinstance(row, BadRow)]
    check_lines(sheet)
    if closing == '+15552010030,"Zed",fine"':  # the quotes make it unsound: Bob alone is at fault
        assert [row.line for row in found] == [3]
        return
    assert [row.line for row in found] == list(range(3, 15))
    assert found[1].values == ["+15552010010", "N10", "ok"]
    assert all("within one pair of quotes" in row.reason for row in found)
    assert reached(path) == ["0001", "0031"]


def test_02_a_value_of_several_lines_is_shown(write: Write) -> None:
    content = 'phone,address,name\n+15552010001,"12 Main St\nSpringfield, IL",Ann\n'
    path = write(content + '+15552010002,"4 Elm\r\n\r\nRoad, 5552010009",Bob\n')
    sheet = CsvFile(path)
    assert [(row.line, row.lines) for row in sheet.rows()] == [(2, 2), (4, 3)]
    assert (sheet.counted.tall, sheet.counted.tallest) == (2, [(2, 2), (4, 3)])
    assert reached(path) == ["0001", "0002"]
    check_lines(sheet)


@pytest.mark.parametrize("quote", ['"', '"oops', '"a""b', '"a" b', '"a","b'])
@pytest.mark.parametrize("at", [1, 2, 7, 12])
def test_02_whatever_the_quote_the_others_are_read(write: Write, quote: str, at: int) -> None:
    rows = [f"+1555201{n:04d},N{n},ok" for n in range(1, 14)]
    rows[at] = f"+1555201{at + 1:04d},Bob,{quote}"
    path = write("\n".join(["phone,name,note", *rows]) + "\n")
    assert [line for line, _ in aside(path)] == [at + 2]
    assert len(reached(path)) == 12
    check_lines(CsvFile(path))


MUTATED = 'phone,name,note,code\r\n"+15552010001","Ann, B.",ok,1\r\n' + "".join(
    f'+155520100{n},"N{n}","line one\nline ""two"", {n}",{n}\r\n+155520101{n},Zoë,,\r\n'
    for n in range(10, 18)
)
STRANGE = [
    '"',
    '""',
    "\n",
    "\r",
    "\r\n",
    "\0",
    "\x1a",
    ",",
    ";",
    "\t",
    " ",
    "'",
    "\xe9",
    "“",
    "\\",
]


def mutated(chance: random.Random) -> bytes:
    """A sound file with up to eight faults in it."""
    text = MUTATED
    for _ in range(chance.randint(0, 8)):
        at = chance.randrange(len(text))
        match chance.randrange(5):
            case 0:
                text = text[:at] + chance.choice(STRANGE) + text[at:]
            case 1:
                text = text[:at] + text[at + chance.randint(1, 12) :]
            case 2:
                end = at + chance.randint(1, 90)
                text = text[:end] + text[at:end] + text[end:]
            case 3:
                text = text[:at] + chance.choice(STRANGE) + text[at + 1 :]
            case 4:
                text = text.replace(",", chance.choice(",,;\t|"), chance.choice((1, 5, -1)))
    codec = chance.choice(["utf-8", "utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"])
    data = bytearray(text.encode(codec, "replace"))
    for _ in range(chance.choice((0, 0, 0, 1, 3))):
        data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data[: chance.choice((None, None, None, chance.randrange(len(data))))])


def check_mutations(write: Write, seeds: range) -> None:
    refused = 0
    for seed in seeds:
        path = write(mutated(random.Random(seed)))
        try:
            sheet = CsvFile(path)
            check_lines(sheet)
            check_lines(sheet, needed=2)
        except BadFile:
            refused += 1
            continue
        except AssertionError as error:
            raise AssertionError(f"seed {seed}") from error
    assert refused < len(seeds) / 3


def test_02_every_line_of_a_mutated_file_is_counted_once(write: Write) -> None:
    check_mutations(write, range(200))


@pytest.mark.long
def test_02_every_line_of_two_thousand_mutated_files_is_counted_once(write: Write) -> None:
    check_mutations(write, range(1000, 3000))


def test_05_of_two_alike_the_very_name_is_taken() -> None:
    columns = ("Phone", "phone", "Ref", "ref", "First Name")
    assert [place("", columns, name) for name in ("Phone", "phone", "Ref", "ref")] == [0, 1, 2, 3]
    assert [naming(columns, at) for at in range(5)] == [*columns[:4], "first_name"]
    assert {place("", columns, name) for name in ("First Name", "first_name", "FIRST NAME")} == {4}
    with pytest.raises(BadFile, match=r"'PHONE' matches 'Phone' \(column 1\) and 'phone'"):
        place("", columns, "PHONE")


@pytest.mark.parametrize("option", ["to_column", "key_column"])
@pytest.mark.parametrize("header", [("phone", "Phone"), ("Phone", "phone")])
def test_05_everywhere(write: Write, option: str, header: tuple[str, str]) -> None:
    path = write(",".join(header) + "\n+15552010001,+15552010002\n")
    for name in header:
        of = plan(**({"text": "Hi", "to_column": header[0]} | {option: name}))
        [row] = read(path, of)
        [same] = read(path, plan(text="Hi", to_column=name))
        assert isinstance(row, Recipient)
        assert isinstance(same, Recipient)
        assert row.hash == same.hash


def test_11_trailing_cells_that_nobody_uses_may_be_missing(write: Write) -> None:
    path = write("phone,name,city,note\n+15552010001,Ann\n+15552010002,Bob,Rome\n+15552010003\n")
    assert reached(path) == ["0001", "0002"]
    assert aside(path) == [(4, "1 values, but 4 columns")]
    [ann, *_] = CsvFile(path).rows(needed=2)
    assert ann == Row(2, ["+15552010001", "Ann", "", ""])


def test_11_a_used_value_that_is_missing_rejects_even_where_a_default_is(write: Write) -> None:
    of = plan(text="Hi {{ name }} {{ city | default('there') }}")
    path = write("phone,name,city,note\n+15552010001,Ann\n+15552010002,Bob,\n")
    assert reached(path, of) == ["0002"]
    assert aside(path, of) == [(2, "2 values, but 4 columns")]


@pytest.mark.parametrize(
    "head",
    [
        ",phone,name",  # as pandas writes it
        "name,phone,name",
        "x\u200b,phone,name",
        "a\x01,phone,name",
    ],
)
def test_12_columns_that_nobody_uses_may_lack_a_good_name(write: Write, head: str) -> None:
    of = plan(text="Hi", to_column="phone")
    assert reached(write(f"{head}\n0,+15552010001,Ann\n1,+15552010002,Bob\n"), of) == [
        "0001", "0002"
    ]  # fmt: skip


def test_12_a_column_that_is_used_must_be_one(write: Write) -> None:
    path = write("name,phone,name\nA,+15552010001,B\n")
    with pytest.raises(BadFile, match=r"'name' matches 'name' \(column 1\) and 'name' \(column 3"):
        read(path)
    with pytest.raises(BadFile, match=r"no column for {{ _ }}"):
        read(write(",phone\nA,+15552010001\n"), plan(text="Hi {{ _ }}", to_column="phone"))


@pytest.mark.parametrize(
    "titles",
    [
        "July list\n",
        "July list,,\n\n",
        "Customers of 2026-07-01\nExported by Ann\n\n",
        '"July, all of it"\n,,\n',
    ],
)
def test_12_titles_above_the_header_are_passed_over(write: Write, titles: str) -> None:
    content = f"{titles}phone,name,city\n+15552010001,Ann,Rome\n+15552010002,Bob,\n"
    path = write(content)
    assert CsvFile(path).columns == ("phone", "name", "city")
    assert reached(path) == ["0001", "0002"]
    assert reached(write(content.replace(",", ";"))) == ["0001", "0002"]
    check_lines(CsvFile(path))


def test_12_a_header_is_no_title(write: Write) -> None:
    assert CsvFile(write("phone\n5552010001\n5552010002\n")).columns == ("phone",)
    assert CsvFile(write("phone,name\nn/a,Ann\n+15552010001,Bob\n")).columns == ("phone", "name")
    assert CsvFile(write("phone,name\n+15552010001,Bob,x\n")).columns == ("phone", "name")


def test_12_a_value_of_200_kb_costs_nothing(write: Write) -> None:
    long = '"' + "<p>, a b\n" * 20_000 + '"'
    path = write(
        f"phone,name,html\n+15552010001,Ann,x\n+15552010002,Bob,{long}\n+15552010003,Cy,\n"
    )
    sheet = CsvFile(path)
    assert [row.lines for row in sheet.rows()] == [1, 20_001, 1]
    assert reached(path) == ["0001", "0002", "0003"]
    check_lines(sheet)


def test_12_forty_thousand_columns_are_read_at_once(write: Write) -> None:
    names = [f"c{n}" for n in range(40_000)]
    path = write(",".join(["phone", *names]) + "\n+15552010001," + "," * 39_999 + "\n")
    assert len(CsvFile(path).columns) == 40_001


@pytest.mark.parametrize("space", [" ", "  ", "\t", " \t ", "\xa0"])
def test_17_spaces_after_a_closing_quote_are_dropped(write: Write, space: str) -> None:
    path = write(
        f'phone,"name"{space},note\n+15552010001,"Ann"{space},"x\ny"{space}\n+15552010002,Bob,\n'
    )
    assert [row.values for row in CsvFile(path).rows()] == [
        ["+15552010001", "Ann", "x\ny"],
        ["+15552010002", "Bob", ""],
    ]
    check_lines(CsvFile(path))


def test_17_spaces_within_doubled_quotes_stay(write: Write) -> None:
    path = write('phone,name\n+15552010001,"a "" , b" \n')
    assert [row.values for row in CsvFile(path).rows()] == [["+15552010001", 'a " , b']]


@pytest.mark.parametrize("end", ["\x1a", "\x1a\n", "\n\x1a", "\n\x1a\r\n\r\n", "\n\x1a\x1a\x1a"])
def test_17_ctrl_z_at_the_end_is_no_row(write: Write, end: str) -> None:
    path = write(f"phone,name\n+15552010001,Ann{end}")
    if end == "\x1a\n":  # then it is a character of the name, which nobody may be sent
        assert len(aside(path)) == 1
    else:
        assert (reached(path), aside(path)) == (["0001"], [])
    check_lines(CsvFile(path))
