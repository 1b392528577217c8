"""What trials in the field found about errors: they speak of options, files and what was done."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sluicegate import Config, InvalidMessage, OutboxUnavailable, Sluice
from support.command_line import NUMBER, SENDER, Cli

SEND = ("send", "--to", NUMBER, "--text", "hello")


@pytest.fixture
def refused() -> Iterator[str]:
    """The URL of a port at which nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"redis://127.0.0.1:{sock.getsockname()[1]}/0"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (SEND, "--from is missing: needed, or --profile for its number pool"),
        ((*SEND, "--from", "SHOP"), "--profile is missing: needed by an alphanumeric sender"),
        ((*SEND, "--from", SENDER, "--media", "ftp://x"), "--media = 'ftp://x': number 1"),
        ((*SEND, "--from", SENDER, "--subject", "s"), "there are no --media"),
        ((*SEND, "--from", SENDER, "--text-encoding", "x"), "--text-encoding = 'x': "),
        ((*SEND[:3], "--from", SENDER), "--text is missing: an SMS needs one"),
        (("send", "--to", "5", "--from", SENDER, "--text", "x"), "--to = "),
    ],
)
def test_11_errors_name_the_options(cli: Cli, args: tuple[str, ...], said: str) -> None:
    shown = cli(*args, exits=2).stderr
    assert said in shown
    assert "None" not in shown
    assert "_" not in shown


def test_11_python_s_own_words_stay_out_of_an_app_s_errors() -> None:
    assert str(InvalidMessage("sender", None, "needed")) == "sender is missing: needed"
    assert str(InvalidMessage("media_urls", ("a", "b"), "no")) == "media_urls = 'a', 'b': no"


def test_11_a_setting_is_named_by_its_own_file_and_key(cli: Cli) -> None:
    Path("bad.toml").write_text("[accounts.default]\nlimit = 'fast'\n")
    said = cli("status", "--config", "bad.toml", exits=2).stderr
    assert said.startswith("sluicegate: bad.toml, line 2: accounts.default.limit")
    assert "redis_url" not in said


@pytest.mark.parametrize("args", [("status",), ("campaign", "list"), ("dead", "list"), ("why",)])
def test_11_what_only_reads_has_done_nothing(
    cli: Cli, refused: str, args: tuple[str, ...]
) -> None:
    said = cli(*args, exits=1, env={"SLUICEGATE_REDIS_URL": refused}).stderr
    assert "Redis cannot be reached: " in said
    assert "done" not in said
    assert "unknown" not in said


def test_11_a_refused_connection_is_told_from_a_lost_answer(cli: Cli, refused: str) -> None:
    env = {"SLUICEGATE_REDIS_URL": refused}
    said = cli(*SEND, "--from", SENDER, "--id", "x", exits=1, env=env).stderr
    assert "unless Redis went away meanwhile, nothing was done, and repeating it is safe" in said
    assert "repeat the command with --id x" in said
    with Sluice(Config(redis_url=refused)) as sluice, pytest.raises(OutboxUnavailable) as away:
        sluice.enqueue(id="x", to=NUMBER, sender=SENDER, text="hello")
    assert away.value.ids == ("x",)
