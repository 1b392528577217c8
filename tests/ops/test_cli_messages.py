"""One message from the command line: its attempts, why it waits, what became of it."""

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import Result

from sluicegate.stored import History
from sluicegate_worker.provider.codes import advice_for, delivery_advice
from support.bench import Bench
from support.command_line import invoked
from support.messages import message, plan, recipient
from support.receipts import tell

RETRY: dict[str, Any] = {"kind": "retry", "code": "10007", "reason": "in passing", "heard": True}
BACK: dict[str, Any] = {
    "kind": "back",
    "code": "10011",
    "reason": "HTTP 429",
    "heard": True,
    "throttled": True,
}
JULY = plan()


class Cli:
    """The command line on one server, and a bench that makes the state it is to find there."""

    def __init__(self, url: str, client: redis.Redis, folder: Path) -> None:
        self.environment = {"SLUICEGATE_REDIS_URL": url}
        self.folder, self.client = folder, client
        self.bench = Bench(client)
        self.bench.at(time.time() * 1000 - 600_000)

    def __call__(self, *args: str, exits: int = 0) -> Result:
        result = invoked(args, env=self.environment)
        assert result.exit_code == exits, (args, result.exit_code, result.output, result.exception)
        return result

    def show(self, id: str = "m1") -> str:
        return self("message", "show", id).stdout

    def document(self, id: str = "m1") -> Any:
        return json.loads(self("message", "show", id, "--json").stdout)

    def retried(self, ms: float = 60_000, **fields: Any) -> None:
        """Send one message in vain, and let the time pass until it is due again."""
        self.bench.send(**RETRY | {"delay_ms": ms} | fields)
        self.bench.later(ms)

    def receipts(self) -> None:
        """Set them up."""
        (self.folder / "sluicegate.toml").write_text('[web]\npublic_url = "https://sms.example"\n')

    def campaign(self, count: int = 2) -> list[str]:
        """A running campaign; the ids of its recipients."""
        return self.bench.campaign(JULY, count)


@pytest.fixture
def cli(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(redis_url, valkey, tmp_path)


# Attempts.


def test_each_attempt_is_shown_with_its_times_its_end_and_the_wait_after_it(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    cli.retried(took_ms=151)
    cli.bench.send(took_ms=99)
    shown, means = cli.show(), advice_for("10007")
    assert means
    began = r"20\S+ ..:..:..\.[0-9]{3}Z"
    tag = re.escape(cli.bench.record("m1")["history"][-4:])
    first = rf"1 +{began} +[0-9]+ ms +151 ms +{tag} +10007 +failed, to be retried: "
    assert re.search(rf"{first}{re.escape(means.means)}; waited 1 min\n", shown)
    assert re.search(rf"2 +{began} +[0-9]+ ms +99 ms +\S+ +accepted\n", shown)
    history = cli.document()["history"]
    assert [one["outcome"] for one in history["attempts"]] == ["retry", "accepted"]
    assert history["left_out"] == 0


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (BACK, "refused, returned to its lane: "),
        ({"kind": "dead", "code": "40310", "heard": True}, "refused for good: "),
        ({"kind": "doubt", "delay_ms": -1, "code": "no_answer"}, "in doubt: the request was"),
        ({"kind": "retry", "delay_ms": 1e6, "code": "49999"}, "failed, to be retried\n"),
    ],
    ids=["back", "dead", "doubt", "an unknown code"],
)
def test_an_attempt_says_what_came_of_it(cli: Cli, how: dict[str, Any], words: str) -> None:
    cli.bench.enqueue(message(1))
    cli.bench.send(**how)
    assert words in cli.show()


def test_a_worker_that_fell_silent_is_said(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    cli.bench.begin()
    for _ in range(6):
        cli.bench.later(5_000)
        cli.bench.sweep()
    assert "in doubt: its worker fell silent" in cli.show()


def test_a_message_that_was_never_sent_has_no_attempts(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    assert "ATTEMPT" not in cli.show()
    assert cli.document()["history"]["attempts"] == []


def test_of_many_attempts_it_says_how_many_are_not_kept(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    for _ in range(9):
        cli.retried(1_000, code="a rather long code of forty characters..")
    cli.bench.send()
    history = cli.document()["history"]
    left_out, kept = history["left_out"], len(history["attempts"])
    assert left_out
    assert left_out + kept == 10
    shown = cli.show()
    assert re.search(rf"^ +{left_out} more, not kept\n", shown, re.MULTILINE)
    numbers = re.findall(r"^([0-9]+) +20", shown, re.MULTILINE)
    assert numbers == ["1", *(str(n) for n in range(left_out + 2, 11))]


@pytest.mark.parametrize("receipt_first", [False, True], ids=["settled", "by receipt"])
@pytest.mark.parametrize("code", ["", "10007", "x" * 300], ids=["none", "short", "endless"])
@pytest.mark.parametrize("attempts", [1, 2, 12])
def test_a_finished_message_keeps_200_bytes_of_history_at_most(
    store: redis.Redis, code: str, attempts: int, receipt_first: bool
) -> None:
    bench = Bench(store, repeat=True)
    bench.enqueue(message(1))
    for _ in range(attempts - 1):
        bench.send(kind="retry", delay_ms=1_000, code=code, heard=True)
        bench.later(1_000)
    assert len(bench.record("m1").get("history", "")) <= 1_000
    grant = bench.begin()
    if receipt_first:
        tell(bench, "m1")
    bench.settle(grant, "accepted", provider_id="p-m1", heard=True)
    kept = bench.record("m1")["history"]
    assert len(kept) <= 200
    if len(code) < 100:
        history = History.parse(kept)
        assert len(history.attempts) + history.left_out == attempts
        assert history.attempts[-1].outcome == "accepted"
        assert history.attempts[0].outcome == ("accepted" if attempts == 1 else "retry")


# Why it waits.


def test_what_waits_says_what_holds_it_back(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    assert "no worker has been heard from in the last hour" in cli.show()
    cli.bench.at(time.time() * 1000)
    cli.bench.sweep("w1")
    assert "no level holds it back" in cli.show()
    cli.bench.halts.set("sender:+15550000000", "complaints of +15551234567")
    shown = cli.show()
    assert "is halted (complaints of +1555•••67)" in shown
    assert "halt clear" in shown
    assert cli.document()["held_by"]


def test_what_was_throttled_says_so(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    cli.bench.at(time.time() * 1000)
    cli.bench.sweep("w1")
    cli.bench.send(**BACK, wait_ms=60_000)
    shown = cli.show()
    assert "the provider answered 429, too many requests, until" in shown
    assert re.search(r"reason +HTTP 429\n", shown)


def test_what_is_retried_says_when(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    cli.bench.send(**RETRY, delay_ms=900_000)
    shown = cli.show()
    assert re.search(r"state +retrying, due at 20", shown)
    assert re.search(r"reason +in passing\n", shown)
    assert "why " not in shown


# What became of it.


def test_what_was_accepted_has_a_delivery_or_says_why_not(cli: Cli) -> None:
    cli.bench.enqueue(message(1), message(2))
    cli.bench.send()
    assert re.search(r"delivery +unknown: receipts not set up\n", cli.show())
    cli.receipts()
    assert re.search(r"delivery +unknown: no receipt yet\n", cli.show())
    assert cli.document()["delivery"] == "unknown"
    tell(cli.bench, "m1", occurred_ms=1_700_000_000_000)
    assert re.search(r"delivery +delivered at 2023-11-14 22:13:20Z\n", cli.show())
    assert "delivery" not in cli.document("m2")


def test_a_failed_delivery_comes_with_the_advice_on_its_code(cli: Cli) -> None:
    cli.bench.enqueue(message(1))
    cli.bench.send()
    tell(cli.bench, "m1", "delivery_failed", code="40008")
    shown, told = cli.show(), delivery_advice("40008")
    assert told
    assert "(40008)" in shown
    assert told.means in shown
    assert told.advice in shown
    assert re.search(r"again +no\n", shown)
    found = cli.document()
    assert (found["delivery"], found["delivery_code"]) == ("failed", "40008")


# A campaign's recipients.


def test_a_recipient_that_was_never_started_waits_in_its_campaign(cli: Cli) -> None:
    waiting, _ = cli.campaign()
    shown = cli.show(waiting)
    assert re.search(r"state +waiting in campaign july\n", shown)
    assert "1970" not in shown
    assert "no worker has been heard" in shown
    found = cli.document(waiting)
    assert (found["state"], found["campaign"], found["to"]) == ("waiting", "july", "")
    refused = cli("cancel", waiting, exits=1)
    assert f"{waiting}  not cancelled: it waits in campaign july" in refused.stdout
    assert "sluicegate campaign cancel july" in refused.stdout
    assert cli.bench.campaigns.ledger("july").states["waiting"] == 2


def test_a_recipient_that_a_worker_holds_is_granted(cli: Cli) -> None:
    first, _ = cli.campaign()
    [grant] = cli.bench.claim_all(1)
    assert grant.id == first
    found = cli.document(first)
    assert (found["state"], found["to"]) == ("granted", "+1415•••00")


def test_a_recipient_that_ended_before_its_start_says_how(cli: Cli) -> None:
    first, second = cli.campaign()
    cli.client.hset(cli.bench.keys("optouts"), recipient(JULY, 0).to, "0 test")
    cli.bench.claim_all(1)  # the first is passed over
    assert cli.document(first)["state"] == "suppressed"
    cli.bench.act("july", "cancel")
    assert cli.document(second)["state"] == "granted"
    assert "it is already suppressed" in cli("cancel", first, exits=1).stdout


def test_a_recipient_with_a_record_is_cancelled_with_its_campaign(cli: Cli) -> None:
    first, second = cli.campaign()
    cli.bench.send(kind="back", heard=True, reason="HTTP 500")
    assert cli.document(first)["state"] == "waiting"
    cli.bench.act("july", "cancel")
    assert [cli.document(id)["state"] for id in (first, second)] == ["cancelled"] * 2


@pytest.mark.parametrize(
    "id",
    ["july.AAAAAAAAAAA", "july.short", "july.", "august.AAAAAAAAAAA", "july.AAAAAAAAAA!", "."],
)
def test_an_id_of_nobody_is_not_known(cli: Cli, id: str) -> None:
    cli.campaign()
    for command in (("message", "show", id), ("cancel", id)):
        assert f"message {id}: not known" in cli(*command, exits=2).stderr


def test_media_are_asked_for_before_anything_is_enqueued(cli: Cli, valkey: redis.Redis) -> None:
    before: Any = valkey.dbsize()
    sent = ("send", "--to", "+15550000001", "--from", "+15550000000")
    refused = cli(*sent, "--media", "https://127.0.0.1:1/a.png", "--check-media", exits=2)
    assert "medium 1 can't be fetched" in refused.stderr
    assert "nothing was enqueued" in refused.stderr
    assert valkey.dbsize() == before


def test_a_campaigns_media_are_asked_for_before_its_file_is_read(
    cli: Cli, valkey: redis.Redis, tmp_path: Path
) -> None:
    before: Any = valkey.dbsize()
    path = tmp_path / "people.csv"
    path.write_text("phone\n+13125550101\n", encoding="utf-8")
    plan = ("--from", "+15550000000", "--text", "Look", "--media", "https://127.0.0.1:1/a.png")
    for command in (("preflight", str(path)), ("start", str(path), "--name", "july", "--yes")):
        refused = cli("campaign", *command, *plan, "--check-media", exits=2)
        assert "medium 1 can't be fetched" in refused.stderr
    assert valkey.dbsize() == before
