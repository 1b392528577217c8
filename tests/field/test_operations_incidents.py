"""Incidents, each staged: status, Overview and notices name the same cause and the same act."""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from html import unescape
from pathlib import Path
from typing import NamedTuple

import pytest
import redis

from sluicegate.stored import OptOutAct
from sluicegate_ops.dashboard.accounts import OpenAccounts
from sluicegate_ops.dashboard.drawing import drawn
from sluicegate_ops.dashboard.pages import PAGES, answered
from sluicegate_ops.web.keywords import HEAR
from sluicegate_rigs.embedded import EmbeddedServer
from support.bench import Bench
from support.command_line import SENDER, Cli
from support.messages import message
from support.receipts import tell
from support.receiver import receiving
from support.standstills import (
    campaign,
    deaf,
    full,
    halted,
    no_worker,
    provider_away,
    read_only,
    serve_away,
    stalled,
    sweep,
    waiting,
)

OVERVIEW = PAGES[0]
SOON_SECONDS = 5.0


def refused(code: str, reason: str) -> Callable[[Bench], None]:
    """The provider's answer to a known sender halts the account."""

    def make(bench: Bench) -> None:
        waiting(bench)
        bench.enqueue(message(3))
        bench.send(kind="back", code=code, reason=reason, halt="account", heard=True)

    return make


def silent(bench: Bench) -> None:
    bench.at(time.time() * 1000 - 4_000)
    bench.enqueue(*(message(number) for number in range(9)))
    sweep(bench)
    bench.send()
    for _ in range(5):
        bench.start(*bench.claim_all(1))
    bench.later(1_500)
    bench.step(want=1)


def poisoned(bench: Bench) -> None:
    waiting(bench)
    bench.store.lpush(bench.keys.lane(f"ts:{SENDER}"), b"garbage")
    bench.drain(1_000)


def index_lost(bench: Bench) -> None:
    waiting(bench)
    bench.store.delete(bench.keys("ready:ts"))
    sweep(bench)
    sweep(bench)


def sent_twice(bench: Bench) -> None:
    waiting(bench)
    grant = bench.send()
    tell(bench, grant.id, provider_id="first")


def doubtful(bench: Bench) -> None:
    waiting(bench)
    bench.send(kind="doubt", delay_ms=-1, code="no_answer", reason="timed out")


def replied(bench: Bench) -> None:
    waiting(bench)
    said = OptOutAct(source="recipient", text="We have got to STOP this bill").said()
    bench.call(
        HEAR,
        ["+15551234567", "review", int(bench.now_ms), "", said, "e1", 1000, 1, "t"],
    )


class Incident(NamedTuple):
    """What is found of it: its kind, and what its cause and its act say.

    With ``ends`` it ends by itself, and no person is needed.
    """

    make: Callable[[Bench], None]
    kind: str
    cause: str
    act: str
    ends: bool = False
    config: str = ""


INCIDENTS: Mapping[str, Incident] = {
    "a wrong key": Incident(
        refused("20100", "HTTP 401 10009 Authentication failed"),
        "halts",
        "HTTP 401 10009 Authentication failed",
        "sluicegate halt clear account",
    ),
    "no money": Incident(
        refused("20100", "HTTP 402 20100 No credit"),
        "halts",
        "HTTP 402 20100 No credit",
        "sluicegate halt clear account",
    ),
    "a sender halted": Incident(
        halted(f"sender:{SENDER}"), "halts", "a test", "sluicegate halt clear sender:"
    ),
    "the provider fails": Incident(provider_away, "breaker", "5 of 5", "status page", ends=True),
    "the provider is silent": Incident(
        silent, "breaker", "5 of 5: no answer", "status page", ends=True
    ),
    "no worker": Incident(
        no_worker, "no_worker", "1 message not finished", "celery -A sluicegate_worker.app worker"
    ),
    "a worker is deaf": Incident(
        deaf("the task sluicegate.drain has a rate limit"), "deaf", "rate limit", "restart"
    ),
    "nobody claims": Incident(stalled, "stalled", "no worker ever claimed", "restart"),
    "a campaign paused": Incident(
        campaign("paused"), "paused", "3 messages waiting", "sluicegate campaign resume july"
    ),
    "Redis full": Incident(full, "memory", "sending stops at", "maxmemory"),
    "Redis read-only": Incident(read_only, "server", "nothing is sent", "primary"),
    "an index lost": Incident(index_lost, "mended", "somebody deleted keys", "sluicegate repair"),
    "a poisoned ticket": Incident(poisoned, "dead", "unreadable", "sluicegate dead list"),
    "sent twice": Incident(sent_twice, "twice", "under two ids", "sluicegate twice list"),
    "serve is silent": Incident(
        serve_away,
        "serving",
        "receipts and STOPs are not taken",
        "sluicegate serve",
        config='[web]\npublic_url = "https://sms.example.com"\n',
    ),
    "in doubt": Incident(doubtful, "held", "1 x no_answer", "sluicegate doubt resolve"),
    "a reply to read": Incident(
        replied, "reviews", "nothing is sent to them", "sluicegate optout review"
    ),
}
BREAK_THEIR_SERVER = {"Redis full", "Redis read-only"}
TOLD_AT_ONCE = {"Redis full", "a wrong key", "the provider fails", "a campaign paused", "in doubt"}
TOLD = [
    pytest.param(name, marks=() if name in TOLD_AT_ONCE else pytest.mark.long)
    for name in INCIDENTS
    if name != "Redis read-only"  # nothing can be noted down: only the service tells of it
]


@pytest.fixture
def cli_of(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], Cli]]:
    """The command line for an incident: on a server of its own where it breaks that."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as opened:

        def made(name: str) -> Cli:
            cli = Cli(redis_url, valkey)
            if name in BREAK_THEIR_SERVER:
                own = opened.enter_context(EmbeddedServer())
                cli = Cli(own.url, opened.enter_context(redis.Redis.from_url(own.url)))
            monkeypatch.setenv("SLUICEGATE_REDIS_URL", cli.environment["SLUICEGATE_REDIS_URL"])
            Path("sluicegate.toml").write_text(INCIDENTS[name].config)
            cli.bench.publish()
            return cli

        yield made


def words(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@pytest.mark.parametrize("name", INCIDENTS)
def test_each_incident_is_named_with_its_cause_and_its_act(
    name: str, cli_of: Callable[[str], Cli]
) -> None:
    incident, cli = INCIDENTS[name], cli_of(name)
    incident.make(cli.bench)
    began = time.monotonic()
    state = cli.document("status", exits=int(not incident.ends))
    found = next(one for one in state["findings"] if one["kind"] == incident.kind)
    assert incident.cause in f"{found['what']} {found['why']}"
    assert incident.act in found["do"]
    assert found["person"] is not incident.ends
    first = cli("status", exits=int(not incident.ends)).stdout.splitlines()[0]
    assert ("no person is needed" in first) is incident.ends
    answer = answered(OpenAccounts(), OVERVIEW, "")
    shown = words(drawn(OVERVIEW, answer))
    assert " ".join(found["do"].split()) in shown
    assert first.rpartition(": ")[2] in shown
    assert time.monotonic() - began < SOON_SECONDS


@pytest.mark.parametrize("name", TOLD)
def test_people_are_told_of_each_incident(name: str, cli_of: Callable[[str], Cli]) -> None:
    incident, cli = INCIDENTS[name], cli_of(name)
    incident.make(cli.bench)
    with receiving() as receiver:
        cli.environment["SLUICEGATE_NOTIFY_WEBHOOK_URL"] = receiver.url
        cli("notify", "--once")
        cli("notify", "--once")
        [told] = receiver.hooks(1)
    text = told.json["text"]
    assert incident.cause in text
    assert incident.act in text
    assert not re.search(r"\+\d{8,}", text)
