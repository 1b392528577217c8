"""What trials in the field found about narrow terminals: what names something stays whole."""

import re
import shlex
from pathlib import Path

import pytest

from sluicegate_ops.cli.kit.listing import Listing, glued, paired, wrapped
from support.command_line import Cli
from support.messages import message, plan, recipient

WIDTH = 80
SENTENCE = "sluicegate dead replay --campaign july --code 40300 --why WHY"


def on_a_terminal(cli: Cli, *args: str, exits: int = 0) -> str:
    """What a command shows on a terminal of 80 columns, without colours."""
    env = {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH)}
    shown = cli(*args, exits=exits, env=env).stdout
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)


def too_long(text: str) -> list[str]:
    return [line for line in text.splitlines() if len(line) > WIDTH]


def test_08_a_listing_that_fits_is_a_table() -> None:
    listing = Listing(["ID", "N", "WHY"], spare=["N"], right=["N"])
    listing.add_row("a", "1", "because of it")
    listing.add_row("bcd", "22", "")
    assert list(listing.lines(WIDTH)) == list(listing.lines(None))
    assert list(listing.lines(None)) == ["ID    N  WHY", "a     1  because of it", "bcd  22"]


def test_08_spare_columns_go_first_then_rows_are_stacked() -> None:
    listing = Listing(["ID", "SINCE", "WHY"], spare=["SINCE"])
    listing.add_row("i" * 30, "2030-01-31 09:00:00Z", "the provider refused the number " * 2)
    *table, note = listing.lines(60)
    assert note == "left out for want of width: SINCE"
    assert not [line for line in table if len(line) > 60]
    stacked = "\n".join(listing.lines(40))
    assert "ID     " + "i" * 30 in stacked
    assert "SINCE  2030-01-31 09:00:00Z" in stacked
    assert "WHY    the provider refused the number" in stacked


@pytest.mark.parametrize("width", range(20, 120, 7))
def test_08_whatever_the_width_nothing_is_shortened(width: int) -> None:
    listing = Listing(["ID", "CODE", "LAST", "REASON"], spare=["LAST"])
    cells = ("+15550000001", "40300", "2030-01-31", "HTTP 400 40300 Blocked due to STOP message")
    listing.add_row(*cells)
    shown = "\n".join(listing.lines(width))
    assert "…" not in shown
    for word in " ".join((cells[0], cells[1], cells[3])).split():
        assert re.search(rf"(?<!\S){re.escape(word)}(?!\S)", shown), (width, word)


def test_08_prose_breaks_between_words_and_never_in_a_command() -> None:
    text = f"to send to the dead again, once the cause is gone: {SENTENCE}; then look again"
    assert SENTENCE in "\n".join(wrapped(text, 40))
    assert " ".join(wrapped(text, 40)) == text
    assert "\x00" in glued("do: celery -A sluicegate_worker.app worker")
    assert list(paired([("do", "one two three")], 9)) == ["do  one", "    two", "    three"]


@pytest.fixture
def busy(cli: Cli) -> Cli:
    """An account with long names, a dead letter, a doubt and a halt."""
    july = plan("july-clinic-closed-on-friday-the-thirteenth-second-wave")
    cli.bench.campaigns.create(july)
    cli.bench.add(july.name, *[recipient(july, n) for n in range(3)])
    cli.bench.act(july.name, "start")
    cli.bench.send(kind="dead", code="40310", reason="HTTP 400 40310 Invalid to", heard=True)
    cli.doubt(7)
    cli.bench.enqueue(message(8))
    cli.bench.halts.set("sender:+15550000000", "complaints about the text of the second wave")
    return cli


@pytest.mark.parametrize(
    "args",
    [
        ("campaign", "list"),
        ("dead", "list"),
        ("dead", "list", "--all"),
        ("lanes",),
        ("halt", "list"),
        ("status",),
        ("why",),
    ],
    ids=" ".join,
)
def test_08_screens_fit_80_columns_and_keep_names_whole(busy: Cli, args: tuple[str, ...]) -> None:
    exits = 1 if args == ("status",) else 0
    shown = on_a_terminal(busy, *args, exits=exits)
    assert "…" not in shown
    assert not too_long(shown), too_long(shown)
    whole = busy(*args, exits=exits).stdout
    for name in re.findall(r"july-\S*wave|\b40310\b|sender:\+\d+", whole):
        assert name in shown


def test_08_a_printed_command_can_be_typed_as_it_stands(busy: Cli) -> None:
    busy.bench.enqueue(message(9))
    shown = busy("message", "show", "m8").stdout
    [command] = re.findall(r"sluicegate (halt clear \S+)", shown)
    assert busy(*shlex.split(command), "--yes").stdout == "sender +15550000000 goes on\n"


def test_08_a_text_breaks_between_its_words(cli: Cli) -> None:
    Path("people.csv").write_text("phone\n+15552010001\n")
    text = "The clinic is closed on Friday because of construction works in the street. " * 2
    shown = on_a_terminal(
        cli, "campaign", "preflight", "people.csv", "--from", "+15550000000", "--text", text
    )
    assert not too_long(shown), too_long(shown)
    sample = shown.partition("GSM-7:")[2]
    assert " ".join(sample.split()) == text.strip()


def test_08_no_command_that_is_printed_would_be_a_pipe() -> None:
    """``replay|purge`` typed as it stands runs another program."""
    printed = re.compile(r'"[^"]*\b(?:sluicegate|celery) [^"\n]*\w\|-{0,2}\w')
    folder = Path(__file__).parents[2] / "ops/sluicegate_ops/cli"
    found = {path.name: printed.findall(path.read_text()) for path in folder.rglob("*.py")}
    assert not {name: lines for name, lines in found.items() if lines}
