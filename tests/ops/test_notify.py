"""People are told each thing once, with its cause and its end, and never a number or a secret."""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis

from sluicegate.audit import By
from sluicegate.config import NotifySettings
from sluicegate.config.notify import notify_faults
from sluicegate.errors import InvalidConfig
from sluicegate.stored import Notice, ToldEvent
from sluicegate_ops.cli import notify as command
from sluicegate_ops.inspect import read_account, read_awaiting
from sluicegate_ops.notify.deciding import NotifyDecision, decide
from sluicegate_ops.notify.happening import Happening, happenings
from sluicegate_ops.notify.receivers import (
    Mail,
    NotTaken,
    Webhook,
    receivers_of,
    slack_text,
    title_of,
)
from sluicegate_ops.notify.remembering import Memory, NotifyBusy
from sluicegate_ops.notify.telling import Backoff
from sluicegate_ops.operating.session import Session
from support.bench import Bench
from support.command_line import Cli
from support.messages import plan, recipient
from support.receiver import Receiver, receiving

VARIABLE = "SLUICEGATE_NOTIFY_WEBHOOK_URL"
SECRET = "T000-B000-XXXX"
QUIET_MS = 900_000
NOW = 1_700_000_000_000


def happening(name: str = "halts account", **fields: Any) -> Happening:
    return Happening(**{"name": name, "what": "it", "why": "so", "do": "this"} | fields)


def told_by(told: dict[str, ToldEvent], decision: NotifyDecision) -> dict[str, ToldEvent]:
    after: dict[str, ToldEvent | None] = {**told, **decision.told}
    return {name: event for name, event in after.items() if event is not None}


def course(*looks: tuple[int, list[Happening]]) -> list[list[str]]:
    """What is told at each of several looks, so many seconds after the first."""
    told: dict[str, ToldEvent] = {}
    said = []
    for seconds, seen in looks:
        decision = decide(seen, told, NOW + 1000 * seconds, QUIET_MS)
        told = told_by(told, decision)
        said.append([notice.what for notice in decision.notices])
    return said


def test_what_goes_on_is_told_once_and_its_end_once() -> None:
    it = happening(since_ms=5, ends=True)
    looks = course((0, [it]), (30, [it]), (5_000, [it]), (5_030, []), (5_060, []), (9_999, []))
    assert looks == [["it"], [], [], ["over: it"], [], []]


def test_what_comes_and_goes_all_the_time_is_not_told_all_the_time() -> None:
    looks = [(30 * n, [happening(since_ms=n, ends=True)] if n % 2 else []) for n in range(60)]
    said = [what for told in course(*looks) for what in told]
    assert said == ["it", "over: it", "it", "over: it"]


def test_more_of_a_thing_is_told_once_it_has_been_quiet() -> None:
    looks = course(
        (0, [happening(count=2)]),
        (60, [happening(count=5)]),
        (1_000, [happening(count=7)]),
        (3_000, [happening(count=1)]),
        (6_000, [happening(count=2)]),
    )
    first, second = "it (5 more than told before)", "it (1 more than told before)"
    assert looks == [["it"], [], [first], [], [second]]


def test_two_things_of_a_kind_are_two_things() -> None:
    one, other = happening("halts sender:a", what="a"), happening("halts sender:b", what="b")
    assert course((0, [one]), (30, [one, other])) == [["a"], ["b"]]


def test_what_is_over_is_forgotten_in_the_end() -> None:
    told: dict[str, ToldEvent] = {}
    for seconds, seen in ((0, [happening()]), (10, []), (2_000, [])):
        told = told_by(told, decide(seen, told, NOW + 1000 * seconds, QUIET_MS))
    assert told == {}


def test_a_receiver_that_is_away_is_asked_less_and_less() -> None:
    backoff = Backoff(jitter=lambda: 0.5)
    waits = []
    for _ in range(8):
        backoff.failed(0.0, 0.0)
        waits.append(backoff.until)
    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    backoff.failed(0.0, 600.0)
    assert backoff.until == 600
    backoff.worked()
    assert backoff.until == 0


def test_one_process_tells_and_what_it_put_is_put_once(valkey: redis.Redis) -> None:
    bench = Bench(valkey)
    first, second = Memory(valkey, bench.keys), Memory(valkey, bench.keys)
    assert first.take().told == {}
    with pytest.raises(NotifyBusy):
        second.take()
    event, notice = ToldEvent(at_ms=NOW), Notice(at_ms=NOW, what="it")
    first.put(["webhook"], NotifyDecision([notice], {"dead ": event, "held ": None}))
    assert first.take().told == {"dead ": event}
    assert first.waiting("webhook", 9) == [notice.format()]
    first.sent("webhook", [notice.format()])
    assert first.waiting("webhook", 9) == []
    first.leave()
    assert "dead " in second.take().told


def test_a_receivers_list_has_an_end(valkey: redis.Redis) -> None:
    memory = Memory(valkey, Bench(valkey).keys)
    memory.take()
    many = [Notice(at_ms=n, what="it") for n in range(150)]
    memory.put(["webhook"], NotifyDecision(many, {}))
    memory.put(["webhook"], NotifyDecision(many, {}))
    assert len(memory.waiting("webhook", 999)) == 200


@pytest.fixture
def hook(cli: Cli) -> Iterator[Receiver]:
    with receiving() as receiver:
        cli.environment[VARIABLE] = f"{receiver.url}/services/{SECRET}"
        cli.bench.publish()
        yield receiver


def texts(hook: Receiver) -> list[str]:
    return [one.json["text"] for one in hook.hooks(0)]


def test_a_halt_is_told_with_its_cause_and_the_command_that_ends_it(
    cli: Cli, hook: Receiver
) -> None:
    cli.halt()
    cli("notify", "--once")
    cli("notify", "--once")
    [text] = texts(hook)
    assert "the account is halted until somebody clears it" in text
    assert "HTTP 402 20100 No credit" in text
    assert "sluicegate halt clear account" in text
    [finding] = [
        finding
        for finding in cli.document("status", exits=1)["findings"]
        if finding["kind"] == "halts"
    ]
    assert finding["what"] in text
    cli("halt", "clear", "account", "--why", "topped up", "--yes")
    cli("notify", "--once")
    assert "over: the account is halted" in texts(hook)[-1]


def test_no_number_is_told_whole_and_no_secret_at_all(cli: Cli, hook: Receiver) -> None:
    number = "+15557654321"
    cli.bench.enqueue()
    cli("halt", "set", f"sender:{number}", "--why", f"complaints of {number}", "--yes")
    run = cli("notify", "--once")
    [text] = texts(hook)
    assert number not in text + run.output
    assert "+1555•••21" in text
    assert "sluicegate status has them whole" in text
    assert SECRET not in run.output


def test_what_needs_a_person_is_told_and_more_of_it_later(cli: Cli, hook: Receiver) -> None:
    cli.die(1, 2)
    cli.doubt(3)
    cli("notify", "--once")
    [text] = texts(hook)
    assert "2 dead letters" in text
    assert "in doubt is held for you" in text
    assert text.startswith("*sluicegate, account default: 2 things need a person*")
    cli.die(4)
    cli("notify", "--once")
    assert len(hook.hooks(0)) == 1


def test_finished_campaigns_are_told_once_and_older_ones_never(cli: Cli, hook: Receiver) -> None:
    bench = cli.bench
    bench.campaign(plan("old"), 1)
    bench.drain(1_000)
    bench.sweep()
    bench.sweep()
    cli("notify", "--once")
    assert not any("old" in text for text in texts(hook))
    bench.campaign(plan("friday"), 3)
    bench.drain(1_000)
    bench.later(60_000)
    bench.sweep()
    bench.sweep()
    for _ in range(2):
        cli("notify", "--once")
    told = [text for text in texts(hook) if "campaign friday is finished" in text]
    assert len(told) == 1
    assert "3 recipients: 3 accepted" in told[0]
    assert "sluicegate campaign report friday" in told[0]


def test_a_campaign_that_waits_for_an_approval_is_told_once_with_its_page(
    cli: Cli, hook: Receiver
) -> None:
    bench, july = cli.bench, plan("july")
    bench.publish(approve_campaigns=True)
    bench.campaigns.create(july)
    cli("notify", "--once")
    bench.add("july", recipient(july, 1), recipient(july, 2))
    for _ in range(2):
        cli("notify", "--once")
    [told] = [text for text in texts(hook) if "waits for an approval" in text]
    assert "campaign july" in told
    assert "2 recipients" in told
    assert "sluicegate campaign approve july" in told
    state = read_account(bench.store, bench.config, "default")
    [waiting] = read_awaiting(bench.store, bench.keys)
    [it] = happenings(state, [], [], [waiting], "https://sms.example.com/desk/campaigns")
    assert it.do.startswith("https://sms.example.com/desk/campaigns/july or sluicegate campaign")
    bench.campaigns.approve(bench.campaigns.proposal("july"), By("bob"))
    assert read_awaiting(bench.store, bench.keys) == []


def test_a_receiver_that_was_away_takes_everything_once_it_is_back(cli: Cli) -> None:
    answers = [503, 503, 200]
    with receiving(lambda n: answers[min(n, 2)]) as receiver:
        cli.environment[VARIABLE] = f"{receiver.url}/services/{SECRET}"
        cli.bench.publish()
        cli.halt()
        run = cli("notify", "--once", exits=1)
        assert "the webhook answers HTTP 503" in run.stderr
        assert SECRET not in run.output
        cli("halt", "clear", "account", "--why", "topped up", "--yes")
        cli("notify", "--once", exits=1)
        cli("notify", "--once")
        text = texts(receiver)[-1]
    assert "the account is halted" in text
    assert "over: the account is halted" in text


def test_a_test_says_of_each_receiver_whether_it_took_it(cli: Cli, hook: Receiver) -> None:
    assert cli("notify", "test").stdout == "webhook: taken\n"
    assert "this is a test" in texts(hook)[0]
    cli.environment[VARIABLE] = "http://127.0.0.1:1/services/x"
    refused = cli("notify", "test", exits=1)
    assert refused.stdout == "webhook: the webhook does not answer: ConnectError\n"


def test_without_a_receiver_it_says_how_to_get_one(cli: Cli) -> None:
    assert VARIABLE in cli("notify", exits=2).stderr
    cli.environment[VARIABLE] = "http://chat.example.com/x"
    assert "must be an https URL" in cli("notify", exits=2).stderr


def test_a_redis_that_cannot_be_used_is_told_of_once_and_its_return(
    cli: Cli, hook: Receiver
) -> None:
    outage = command.Outage([Webhook(cli.environment[VARIABLE])])
    away, refuses = redis.ConnectionError("refused"), redis.exceptions.ReadOnlyError("a replica")
    outage.goes_on(0.0, away)
    assert hook.hooks(0) == []
    for seconds in (61.0, 90.0):
        outage.goes_on(seconds, away)
    for _ in range(2):
        outage.over()
    for seconds in (100.0, 161.0):
        outage.goes_on(seconds, refuses)
    first, second, third = texts(hook)
    assert "Redis does not answer: nothing is enqueued" in first
    assert "over: Redis can be used again" in second
    assert "Redis takes no writes: nothing is enqueued" in third


class Enough(Exception):
    """Ends a loop."""


def go_on(cli: Cli, *between: Callable[[], object]) -> None:
    """Run the loop, doing these between its looks, until there is none left to do."""
    acts = iter(between)

    def sleep(seconds: float) -> None:
        assert seconds == 30
        try:
            next(acts)()
        except StopIteration:
            raise Enough from None

    session = Session(None, None)
    session.sleep = sleep
    receivers = receivers_of(session.config.notify, cli.environment)
    with pytest.raises(Enough):
        command.keep_telling(session, receivers, as_json=True)
    session.close()


def test_the_loop_tells_what_comes_while_it_runs(
    cli: Cli, hook: Receiver, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in cli.environment.items():
        monkeypatch.setenv(name, value)
    cli.die(1)
    go_on(cli, lambda: cli.doubt(2), lambda: None)
    first, second = texts(hook)
    assert "1 dead letter" in first
    assert "in doubt is held for you" in second
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["sent"] for line in lines if line["notices"]] == [1, 1]


def test_the_loop_outlives_its_redis(
    cli: Cli, hook: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SLUICEGATE_REDIS_URL", "redis://127.0.0.1:1/0")
    go_on(cli, lambda: None)
    assert caplog.text.count("Redis can't be used, trying again") == 2
    assert hook.hooks(0) == []


def test_slack_takes_nothing_of_it_for_its_own() -> None:
    notice = Notice(at_ms=NOW, what="<!channel> & more", why="a <b>")
    text = slack_text(title_of("default", [notice]), [notice])
    assert "<!channel>" not in text
    assert "&lt;!channel&gt; &amp; more" in text


class Smtp(socketserver.StreamRequestHandler):
    """Takes one mail, or refuses its recipients."""

    def handle(self) -> None:
        self.wfile.write(b"220 hello\r\n")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                body = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.mails.append(body.decode())  # type: ignore[attr-defined] # our own
            elif verb == b"RCPT" and self.server.refuses:  # type: ignore[attr-defined] # our own
                self.wfile.write(b"550 nobody@example.com is unknown\r\n")
                continue
            self.wfile.write(b"250 fine\r\n")


@contextmanager
def smtp(*, refuses: bool = False) -> Iterator[tuple[int, list[str]]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp) as server:
        mails: list[str] = []
        server.mails, server.refuses = mails, refuses  # type: ignore[attr-defined] # our own
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], mails
        server.shutdown()


def mail_settings(port: int) -> NotifySettings:
    return NotifySettings(
        mail_to=("oncall@example.com", "ada@example.com"),
        mail_from="sluicegate@example.com",
        smtp_host="127.0.0.1",
        smtp_port=port,
        smtp_security="none",
    )


def test_mail_has_the_same_words(cli: Cli) -> None:
    with smtp() as (port, mails):
        [receiver] = receivers_of(mail_settings(port), {})
        receiver.send("sluicegate: it", [Notice(at_ms=NOW, what="it", why="so", do="this")])
    [mail] = mails
    assert "Subject: sluicegate: it" in mail
    assert "To: oncall@example.com, ada@example.com" in mail
    assert "why: so" in mail


def test_mail_that_is_refused_names_no_address() -> None:
    with smtp(refuses=True) as (port, _), pytest.raises(NotTaken) as refused:
        Mail(mail_settings(port), "").send("it", [Notice(at_ms=NOW, what="it")])
    assert "@" not in str(refused.value)
    with pytest.raises(NotTaken, match="mail is not taken"):
        Mail(mail_settings(1), "").send("it", [Notice(at_ms=NOW, what="it")])


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"mail_to": ("oncall@example.com",), "mail_from": "a@b.c"}, "smtp_host"),
        ({"mail_to": ("oncall@example.com",), "smtp_host": "mail"}, "mail_from"),
        ({"mail_to": ("On Call <a@b.c>",)}, "mail_to"),
        ({"webhook_url_env": "https://hooks.example.com"}, "webhook_url_env"),
        ({"smtp_user": "u", "smtp_host": "mail", "smtp_security": "none"}, "smtp_security"),
    ],
)
def test_settings_that_would_tell_nobody_are_refused(fields: dict[str, Any], name: str) -> None:
    assert name in [names[0] for names, _ in notify_faults(NotifySettings(**fields))]


def test_a_user_needs_a_password() -> None:
    with pytest.raises(InvalidConfig, match="SMTP_PASSWORD"):
        NotifySettings(smtp_user="u").smtp_password({})


def test_doctor_says_whether_those_who_are_to_be_told_are(cli: Cli, hook: Receiver) -> None:
    def found() -> dict[str, str]:
        document = json.loads(cli("doctor", "--offline", "--json", exits=1).stdout)
        return {
            one["kind"]: one["what"]
            for one in document["findings"]
            if one["kind"].startswith("notify")
        }

    assert "never looked" in found()["notify_silent"]
    cli("notify", "--once")
    assert found() == {}
    hook.answer = lambda _: 404
    cli.halt()
    cli("notify", "--once", exits=1)
    assert found() == {"notify_waiting": "2 notices wait for the webhook"}
    cli.environment[VARIABLE] = "ftp://x"
    assert "must be an https URL" in found()["notify_settings"]
