"""Log lines: readable or as JSON, about what, and never with a number or a secret in them."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluicegate import Config
from sluicegate.config import Account, App, Web
from sluicegate.errors import InvalidConfig
from sluicegate_worker.observe.journal import Journal
from sluicegate_worker.observe.logs import Mask, Style, dress, secrets_of, style
from sluicegate_worker.wire import Claimed, Grant, Settle

NUMBER = "+15551234567"
SECRET = "a-secret-of-v1-0123456789"


class Logged:
    """A logger of its own, set up as Celery leaves it, and then dressed."""

    def __init__(self, style: Style, level: int = logging.INFO) -> None:
        self.stream = io.StringIO()
        self.log = logging.Logger("sluicegate_worker.drain", level)  # noqa: LOG001 - no other test's
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(logging.Formatter("celery's own: %(message)s"))
        self.log.addHandler(handler)
        dress(self.log, style, [SECRET])

    @property
    def text(self) -> str:
        return self.stream.getvalue()


def failing(log: logging.Logger) -> None:
    """Log an exception, as it comes from a library that repeats what it was told."""
    try:
        try:
            raise ValueError(f"no route for {NUMBER}")
        except ValueError as error:
            raise RuntimeError(f"refused: Bearer KEY0123456789, {SECRET}") from error
    except RuntimeError:
        log.exception("a fault of ours while sending message %s", "m1")


@pytest.mark.parametrize("style", ["text", "json"])
def test_an_exceptions_texts_are_masked_down_to_its_cause(style: Style) -> None:
    logged = Logged(style)
    failing(logged.log)
    assert "Traceback" in logged.text
    assert "ValueError: no route for +1555•••67" in logged.text
    assert not [hidden for hidden in (NUMBER, "KEY0123456789", SECRET) if hidden in logged.text]


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (f"to {NUMBER}, from +447700900123", "to +1555•••67, from +4477•••23"),
        ("to=%2B15551234567&text=hi", "to=%2B15•••67&text=hi"),
        ("+1555123", "+1555123"),
        ("order 15551234567890123 is no number", "order 15551234567890123 is no number"),
        ("with KEY01A2b3-c4_d5 in it", "with ••• in it"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer •••"),
        ("redis://user:pass@host:6379/0 is away", "redis://•••@host:6379/0 is away"),
        (f"secret {SECRET}.", "secret •••."),
    ],
)
def test_numbers_and_keys_are_hidden_wherever_they_stand(said: str, shown: str) -> None:
    assert Mask([SECRET]).hide(said) == shown


@given(st.text(), st.from_regex(r"\+[1-9][0-9]{7,14}", fullmatch=True), st.text())
def test_no_number_comes_through_whatever_is_around_it(
    before: str, number: str, after: str
) -> None:
    assert number not in Mask().hide(before + number + after)


def test_arguments_are_masked_once_they_stand_in_the_text() -> None:
    logged = Logged("text")
    logged.log.warning("sent to %s and %d others", NUMBER, 3)
    assert logged.text.endswith("WARNING sent to +1555•••67 and 3 others\n")


def test_a_line_that_was_not_well_put_is_written_all_the_same() -> None:
    logged = Logged("text")
    logged.log.warning("%d messages", "many")
    assert "many" in logged.text


def test_a_line_says_what_it_is_about_at_its_end() -> None:
    logged = Logged("text")
    logged.log.info("in doubt", extra={"account": "default", "id": "m1", "other": "x"})
    assert logged.text.endswith("INFO in doubt (account default, id m1)\n")


def test_as_json_each_line_is_an_object_with_what_it_is_about() -> None:
    logged = Logged("json")
    logged.log.info("in doubt\nagain", extra={"campaign": "july", "id": f"july.{NUMBER}"})
    failing(logged.log)
    first, second = map(json.loads, logged.text.splitlines())
    assert first.pop("at")[-1] == "Z"
    assert first == {
        "level": "info",
        "logger": "sluicegate_worker.drain",
        "text": "in doubt\nagain",
        "campaign": "july",
        "id": "july.+1555•••67",
    }
    assert second["error"].startswith("Traceback")


def test_the_level_stays_as_it_was_set() -> None:
    logged = Logged("json", logging.ERROR)
    logged.log.warning("not to be seen")
    assert logged.text == ""


def test_dressing_twice_masks_once() -> None:
    logged = Logged("text")
    dress(logged.log, "json", [SECRET])
    [handler] = logged.log.handlers
    assert len(handler.filters) == 1
    logged.log.warning(NUMBER)
    assert json.loads(logged.text)["text"] == "+1555•••67"


@pytest.mark.parametrize(("value", "found"), [("", "text"), ("text", "text"), (" JSON ", "json")])
def test_the_style_is_as_the_environment_says(value: str, found: str) -> None:
    assert style({"SLUICEGATE_LOG": value}) == found
    assert style({}) == "text"


def test_an_unknown_style_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="SLUICEGATE_LOG"):
        style({"SLUICEGATE_LOG": "yaml"})


def test_every_secret_that_the_configuration_names_is_hidden() -> None:
    config = Config(
        accounts={"default": Account(api_key_env="A", v1_webhook_secret_env="B")},
        web=Web(apps={"shop": App(token_env="C")}, receipts_secret_env="D"),
    )
    environ = {"A": "of a", "B": "of b", "C": "of c", "D": "of d", "E": "none of them"}
    assert sorted(secrets_of(config, environ)) == ["of a", "of b", "of c", "of d"]
    assert secrets_of(config, {}) == []


def test_where_nothing_is_set_up_it_logs_to_standard_error() -> None:
    code = (
        "import logging; from sluicegate_worker.observe.logs import configure\n"
        "configure(logging.WARNING, 'json')\n"
        f"log = logging.getLogger('x'); log.info('no'); log.warning('to {NUMBER}')"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stderr)["text"] == "to +1555•••67"
    assert run.stdout == ""


# What a drain writes.


def settle(kind: str, id: str = "m1", **fields: object) -> Settle:
    return Settle(id=id, token="t", kind=kind, **fields)  # type: ignore[arg-type] # of the test's own


@pytest.fixture
def journal() -> Journal:
    return Journal("default")


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[int], list[str]]:
    caplog.set_level(logging.INFO, "sluicegate_worker.observe.journal")
    return lambda least: [r.getMessage() for r in caplog.records if r.levelno >= least]


def test_a_flood_of_ends_is_summed_up_by_code(
    journal: Journal, lines: Callable[[int], list[str]]
) -> None:
    for number in range(30):
        journal.note_end(settle("dead", f"m{number}", code="40310"))
    journal.note_end(settle("dead", code="40300"))
    journal.note_end(settle("back", code="10011", heard=True, throttled=True))
    assert lines(logging.WARNING) == []
    journal.close()
    assert lines(logging.WARNING) == [
        "31 dead letters: 30 x 40310, 1 x 40300",
        "throttled 1 times: 1 x 10011",
    ]
    assert len(lines(logging.INFO)) == 31 + 2


def test_a_message_that_was_sent_is_no_event(
    journal: Journal, lines: Callable[[int], list[str]]
) -> None:
    for kind in ("accepted", "retry", "unused"):
        journal.note_end(settle(kind))
    journal.close()
    assert lines(logging.INFO) == []


def test_an_end_says_whose_message_it_was(
    journal: Journal, lines: Callable[[int], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    journal.note_end(settle("doubt", "july.0123", code="no_answer"))
    journal.note_end(settle("doubt", "m1", code="no_answer"))
    assert lines(logging.INFO) == ["in doubt no_answer"] * 2
    about = [(vars(r)["id"], vars(r).get("campaign")) for r in caplog.records]
    assert about == [("july.0123", "july"), ("m1", None)]


def test_a_halt_is_told_at_once_and_once(
    journal: Journal, lines: Callable[[int], list[str]]
) -> None:
    for _ in range(50):
        journal.note_settled(
            [settle("back", halt="account", code="401", reason="HTTP 401")], ["applied"]
        )
    ended = settle("back", halt="sender", code="40010", reason="HTTP 403 40010")
    journal.note_settled([ended, ended], ["applied", "stale"])
    assert lines(logging.ERROR) == [
        "the account is halted: HTTP 401",
        "the sender of this message is halted: HTTP 403 40010",
    ]


def test_the_breaker_is_told_when_it_opens_and_when_messages_go_again(
    journal: Journal, lines: Callable[[int], list[str]]
) -> None:
    granted = Claimed(0, "", [Grant("m1", "t", 0, 0, 0, 0, 0, b"{}", b"")])
    idle = Claimed(1000, "idle")
    for claimed in (granted, Claimed(900, "breaker"), Claimed(0, "probe"), idle, granted, granted):
        journal.note_claim(claimed)
    opened, again = lines(logging.WARNING)
    assert opened.startswith("the breaker is open")
    assert again == "the provider answers again"
