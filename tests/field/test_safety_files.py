"""Files that people get and give: who may read them, what may stand there, how slow they are."""

import os
import re
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis

import sluicegate_ops
from sluicegate import Message, Sluice
from sluicegate.campaigns.columns import named_by_variables
from sluicegate.campaigns.csv_file import CsvFile
from sluicegate.campaigns.filters import MAX_VALUE
from sluicegate.campaigns.recipients import Recipients
from sluicegate.campaigns.template import MAX_RENDERED, Template
from sluicegate.characters import shows
from sluicegate.config import Account, Config, Web
from sluicegate.errors import BadTemplate, BadValue, InvalidMessage
from sluicegate.private import draft_of, private_text, put
from sluicegate.rules import validated
from sluicegate.segments import MAX_SMS_TEXT, sms_parts
from sluicegate.spreadsheet import SheetFile
from sluicegate.urls import MAX_URL
from sluicegate.webhook_urls import WebhookUrls
from support.command_line import Cli
from support.effort import size
from support.messages import plan, recipient

SENDER, TO = "+15550000000", "+15550000001"
JULY = plan()

EXPORTS: dict[str, Callable[[str], tuple[str, ...]]] = {
    "campaign": lambda file: ("campaign", "export", "july", "--out", file),
    "campaign jsonl": lambda file: (
        *("campaign", "export", "july", "--format", "jsonl", "--out", file),
    ),
    "dead": lambda file: ("dead", "export", file),
    "audit": lambda file: ("audit", "export", file),
}


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture
def filled(cli: Cli) -> Cli:
    """The command line, with something for every export."""
    cli.bench.campaigns.create(JULY)
    cli.bench.add("july", recipient(JULY, 1, "=1+1", "@x"))
    cli.die(7)
    cli("halt", "set", "account", "--why", "=cmd|' /C calc'!A0", "--yes")
    return cli


# 4.3: exports.


@pytest.mark.parametrize("export", EXPORTS)
def test_4_3_only_its_owner_may_read_an_export(filled: Cli, tmp_path: Path, export: str) -> None:
    before = os.umask(0)
    try:
        filled(*EXPORTS[export]("out"))
    finally:
        os.umask(before)
    assert mode(tmp_path / "out") == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["out"], "no draft is left"


@pytest.mark.parametrize("export", EXPORTS)
def test_4_3_nothing_is_replaced_without_being_asked(
    filled: Cli, tmp_path: Path, export: str
) -> None:
    out = tmp_path / "out"
    out.write_text("precious", encoding="utf-8")
    out.chmod(0o644)
    refused = filled(*EXPORTS[export]("out"), exits=2)
    assert "exists already" in refused.stderr
    assert out.read_text(encoding="utf-8") == "precious"
    for option in ("--force", "--overwrite"):
        filled(*EXPORTS[export]("out"), option)
        assert mode(out) == 0o600
        assert "precious" not in out.read_text(encoding="utf-8-sig")


@pytest.mark.parametrize("export", EXPORTS)
@pytest.mark.parametrize("dangling", [False, True])
def test_4_3_a_link_is_never_followed(
    filled: Cli, tmp_path: Path, export: str, dangling: bool
) -> None:
    target, out = tmp_path / "elsewhere", tmp_path / "out"
    if not dangling:
        target.write_text("precious", encoding="utf-8")
    out.symlink_to(target)
    filled(*EXPORTS[export]("out"), exits=2)
    filled(*EXPORTS[export]("out"), "--force")
    assert not out.is_symlink()
    assert target.exists() != dangling
    assert dangling or target.read_text(encoding="utf-8") == "precious"


def test_4_3_a_draft_is_private_from_its_first_byte_on(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with SheetFile(tmp_path / "sheet.csv") as sheet, private_text(tmp_path / "text") as text:
            sheet.row(["€"])
            text.write("x")
            assert {mode(path) for path in tmp_path.iterdir()} == {0o600}
        with SheetFile(tmp_path / "narrow.csv", encoding="latin-1") as sheet:
            sheet.row(["a"])
            sheet.row(["€"])  # written again in UTF-8
            assert {mode(path) for path in tmp_path.iterdir()} == {0o600}
    finally:
        os.umask(before)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(OSError, match="link"):
        private_text(tmp_path / "link")
    assert draft_of(tmp_path / "x") != draft_of(tmp_path / "x")


def test_4_3_whoever_is_quicker_keeps_their_file(tmp_path: Path) -> None:
    draft, place = tmp_path / "draft", tmp_path / "place"
    draft.write_text("ours", encoding="utf-8")
    place.write_text("theirs", encoding="utf-8")
    with pytest.raises(FileExistsError):
        put(draft, place, replace=False)
    assert place.read_text(encoding="utf-8") == "theirs"
    put(draft, place, replace=True)
    assert place.read_text(encoding="utf-8") == "ours"
    assert not draft.exists()


def test_4_3_rejected_rows_and_duplicates_are_private_too(cli: Cli, tmp_path: Path) -> None:
    people = tmp_path / "people.csv"
    people.write_text("phone\n+14152000001\n+14152000001\n=12\n", encoding="utf-8")
    victim = tmp_path / "victim"
    (tmp_path / "people.duplicates.csv").symlink_to(victim)
    cli("campaign", "preflight", str(people), "--from", SENDER, "--text", "Hi")
    assert mode(tmp_path / "people.rejected.csv") == 0o600
    assert mode(tmp_path / "people.duplicates-2.csv") == 0o600
    assert not victim.exists()
    assert "'=12" in (tmp_path / "people.rejected.csv").read_text(encoding="utf-8-sig")


def test_4_3_a_file_without_faults_may_lie_where_nothing_can_be_written(
    cli: Cli, tmp_path: Path
) -> None:
    folder = tmp_path / "mounted"
    folder.mkdir()
    (folder / "people.csv").write_text("phone\n+14152000001\n", encoding="utf-8")
    folder.chmod(0o555)
    try:
        cli("campaign", "preflight", str(folder / "people.csv"), "--from", SENDER, "--text", "Hi")
        assert [path.name for path in folder.iterdir()] == ["people.csv"]
    finally:
        folder.chmod(0o755)


def test_4_3_exports_hold_no_formula(filled: Cli, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text(
        "phone,first name,code,=HYPERLINK(1)\n+14152000001,=1+1,@x,+cmd\n", encoding="utf-8"
    )
    filled("campaign", "export", "july", "--with", "people.csv", "--out", "own", "--full")
    filled("audit", "export", "acts", "--full")
    for name in ("own", "acts"):
        for row in CsvFile(tmp_path / name, header=False).rows():
            cells = (tmp_path / name).read_text(encoding="utf-8-sig").splitlines()[row.line - 1]
            assert not any(cell[:1] in "=+-@" for cell in cells.split(",") if cell)


def test_4_3_standard_output_and_pipes_are_no_files(filled: Cli, tmp_path: Path) -> None:
    assert filled("dead", "export", "-").stdout.startswith("id,")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        filled("dead", "export", str(pipe))
        assert os.read(reader, 100).startswith(b"id,")
    finally:
        os.close(reader)


def test_4_3_every_file_that_a_command_writes_goes_through_one_place() -> None:
    folder = Path(sluicegate_ops.__file__).parent / "cli"
    writes = re.compile(r"""write_(?:text|bytes)\(|open\([^)\n]*["'][wax]b?["']""")
    found = {
        str(file.relative_to(folder))
        for file in folder.rglob("*.py")
        if writes.search(file.read_text(encoding="utf-8"))
    }
    assert found == {"kit/files.py"}, "pipes and devices; everything else is sluicegate.private"


def test_4_3_an_export_is_in_the_audit(filled: Cli) -> None:
    filled(
        "campaign", "export", "july", "--out", "out", "--full", "--who", "ann", "--why", "asked"
    )
    filled("dead", "export", "-", "--who", "bob")
    dead, july = filled.lines("audit", "list")[:2]
    assert (july["action"], july["who"], july["why"], july["count"]) == (
        *("export", "ann", "asked"),
        1,
    )
    assert july["filter"] == {"of": "campaign july", "numbers": "whole", "file": "out"}
    assert dead["filter"] == {"of": "dead letters", "numbers": "masked", "file": "stdout"}


# 4.4: accepted, but never sendable.


def test_4_4_a_webhook_url_that_is_too_long_within_ours_is_refused_at_the_door(
    store: redis.Redis,
) -> None:
    config = Config(web=Web(public_url="https://sms.example"))
    urls, sluice = WebhookUrls("https://sms.example", "s" * 16, "default"), Sluice(
        config, client=store
    )  # fmt: skip
    room = MAX_URL - len(urls.url("order-1", "https://a.example/"))
    for extra, fits in ((room, True), (room + 1, False)):
        relay = "https://a.example/" + "x" * extra
        message = Message(to=TO, sender=SENDER, text="hi", id="order-1", webhook_url=relay)
        [result] = sluice.enqueue_many([message])
        assert result.ok == fits
        assert fits or "too long to be passed on to" in str(result.error)
        if fits:
            assert len(urls.url("order-1", relay)) == MAX_URL
            sluice.cancel("order-1")
    unwrapped = Config(
        web=Web(public_url="https://sms.example"), accounts={"default": Account(receipts=False)}
    )
    long = Message(to=TO, sender=SENDER, text="hi", webhook_url="https://a.example/" + "x" * 1_900)
    assert Sluice(unwrapped, client=store).enqueue(long).ok


INVISIBLE = [
    *"\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u2065\u2800",
    *"\u3164\uffa0\ufff0\ufff8\U000e0001\U000e0020\U000e0fff\ufe0f\U0001d159\U0001d173\u2028\u3000",
    *"\u0301\u20dd\u00a0\u2003",
]


@pytest.mark.parametrize("char", INVISIBLE, ids=[f"U+{ord(char):04X}" for char in INVISIBLE])
def test_4_4_a_text_that_shows_nothing_is_refused(char: str) -> None:
    assert not shows(char)
    for text in (char, f" {char}{char}\n", char * 3):
        with pytest.raises(InvalidMessage):
            validated(Message(to=TO, sender=SENDER, text=text))
    validated(Message(to=TO, sender=SENDER, text=f"a{char}"))


CONTROLS = ["\x00", "\x1b", "\x07", "\x08", "\x0b", "\x7f", "\x85", "\x9b"]


@pytest.mark.parametrize("char", CONTROLS, ids=[f"U+{ord(char):04X}" for char in CONTROLS])
def test_4_4_a_control_character_is_refused_wherever_it_stands(char: str) -> None:
    media = {"media_urls": ("https://a.example/a.png",)}
    for fields in (
        {"text": f"a{char}b"},
        {"text": f"a{char}b", **media},
        {"text": "a", "subject": f"a{char}b", **media},
    ):
        with pytest.raises(InvalidMessage, match="control character"):
            validated(Message(to=TO, sender=SENDER, **fields))
    with pytest.raises(InvalidMessage, match="control character"):
        plan(text=f"Hi {{{{ name }}}}{char}").checked()


NINES = "9" * 5_000


@pytest.mark.parametrize(
    "number",
    [f"0x{'f' * 4_000}", f"0o{'7' * 5_000}", f"0b{'1' * 9_000}", NINES, "1_0" * 900],
    ids=["hexadecimal", "octal", "binary", "decimal", "underscores"],
)
def test_4_4_a_number_too_long_is_said_clearly(number: str) -> None:
    with pytest.raises(BadTemplate, match="number in it is too long"):
        Template(f"{{% if a|int == {number} %}}x{{% endif %}}y")


@pytest.mark.parametrize(
    "source",
    ["x" * 10_001, "{{ a }}" * 2_000, "{% if a %}" * 400 + "x" + "{% endif %}" * 400],
    ids=["long", "many variables", "deep"],
)
def test_4_4_an_enormous_template_is_said_clearly(source: str) -> None:
    with pytest.raises(BadTemplate) as refused:
        Template(source)
    assert len(str(refused.value)) < 300


# 4.5: slow inputs.


def seconds(act: Callable[[], object]) -> float:
    """The least CPU time that ``act`` takes."""
    times = []
    for _ in range(3):
        began = time.process_time()
        act()
        times.append(time.process_time() - began)
    return min(times)


def header(folder: Path, columns: int, rows: int = 20) -> Path:
    file = folder / f"{columns}.csv"
    cells = ["phone", *(f"Column {n}" for n in range(columns // 2))]
    line = ",".join([*cells, *[""] * (columns - len(cells))])
    body = "".join(f"+1415200{n:04d}{',' * (columns - 1)}\n" for n in range(rows))
    file.write_text(f"{line}\n{body}", encoding="utf-8")
    return file


def test_4_5_a_header_of_many_columns_takes_time_in_proportion(tmp_path: Path) -> None:
    few, many = header(tmp_path, 1_000), header(tmp_path, size(10_000, 40_000))
    base = max(seconds(lambda: CsvFile(few)), 0.002)
    assert seconds(lambda: CsvFile(many)) < 10 * 5 * base
    sheet = CsvFile(many)
    began = time.process_time()
    assert len(list(Recipients(plan(text="Hi {{ column_7 }}"), sheet))) == 20
    tags = "{{ Column 7 }}{% if Column 8 and column_9 %}x{% endif %}"
    assert "column_8 and" in named_by_variables(tags, sheet.columns)
    assert time.process_time() - began < 5


def test_4_5_a_text_is_refused_by_its_length_before_it_is_counted() -> None:
    long = "\u20ac" * 20_000_000
    assert seconds(lambda: sms_parts(long)) < 0.01
    for text in (long, "a" * 20_000_000):
        with pytest.raises(InvalidMessage, match="at most 1,530 fit into 10 parts"):
            validated(Message(to=TO, sender=SENDER, text=text))
    assert sms_parts("a" * MAX_SMS_TEXT) == 10
    with pytest.raises(InvalidMessage, match="11 parts"):
        validated(Message(to=TO, sender=SENDER, text="a" * (MAX_SMS_TEXT + 1)))


def stopped(made: Template, value: str) -> None:
    with pytest.raises(BadValue):
        made.render({"a": value})


def test_4_5_a_text_that_grows_too_long_is_not_rendered_to_its_end() -> None:
    made = Template("{{ a|title }}" * 700)
    words = "ab " * (MAX_VALUE // 3)
    with pytest.raises(BadValue, match=f"more than {MAX_RENDERED:,} characters"):
        made.render({"a": words})
    assert seconds(lambda: stopped(made, words)) < 0.2
    with pytest.raises(BadValue, match=f"at most {MAX_VALUE:,} are read"):
        made.render({"a": words * 2})
    plain = Template("{{ a }}" * 700)
    with pytest.raises(BadValue, match="a makes a text"):
        plain.render({"a": "x" * 1_000})


def test_4_5_a_filter_on_the_same_value_works_once() -> None:
    """Cut short, 400 long values make a short text, and cost as much as the long one would."""
    made = Template("{{ a|title|truncate(4) }}" * 400)
    assert seconds(lambda: made.render({"a": "ab cd " * 1_600})) < 0.3
