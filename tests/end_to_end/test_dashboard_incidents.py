"""Six incidents of a live system: the open page names each within 5 s, until it is over."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sluicegate_ops.simulator import Settings
from sluicegate_rigs.deployment import API_KEY
from sluicegate_rigs.deployment.provider import admin
from support.command_line import invoked
from support.deployment import Account, deployment, eventually
from support.flowers import running
from support.novice import Novice, needs_a_browser, somebody

SENDER, STRANGE = "+15557654321", "+15559999999"
SOON_SECONDS = 5.0
DEADLINE_SECONDS = 60

pytestmark = [pytest.mark.long, pytest.mark.timeout(600), needs_a_browser]


class Watched:
    """A system that sends, and somebody who has Overview open and never touches it."""

    def __init__(self, account: Account, novice: Novice) -> None:
        self.account, self.system, self.novice = account, account.deployment, novice
        self._next = 1

    def run(self, *command: str) -> str:
        result = invoked(command, env=self.system.environ)
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result.stdout

    def send(self, count: int, sender: str = SENDER) -> None:
        self.account.enqueue(self._next, self._next + count, sender=sender)
        self._next += count

    def found(self, kind: str) -> dict[str, Any] | None:
        """The finding of that kind as the command line has it at this moment."""
        findings = json.loads(self.run("status", "--json"))["findings"]
        return next((one for one in findings if one["kind"] == kind), None)

    def holds(self, kind: str, cause: str, act: str, ends: Callable[[], object]) -> None:
        """What the command line finds, the page names soon; and no more once it has ended."""
        eventually(lambda: self.found(kind) is not None, DEADLINE_SECONDS, self.system)
        began, told = time.monotonic(), self.found(kind) or {}
        assert cause in f"{told['what']} {told['why']}"
        assert act in told["do"]
        while not self.has(cause, act):
            assert time.monotonic() - began < SOON_SECONDS, self.novice.page[:3000]
            time.sleep(0.05)
        ends()
        eventually(lambda: self.found(kind) is None, DEADLINE_SECONDS, self.system)
        over = time.monotonic()
        while self.has(cause, act):
            assert time.monotonic() - over < SOON_SECONDS, self.novice.page[:3000]
            time.sleep(0.05)
        assert self.novice.driver.execute_script("return window.opened"), "it was loaded again"

    def has(self, cause: str, act: str) -> bool:
        banner = self.novice.driver.execute_script(
            "return document.querySelector('.sg-findings')?.innerText ?? ''"
        )
        return cause in banner and act in banner


@pytest.fixture
def watched(tmp_path: Any) -> Iterator[Watched]:
    provider = Settings(limit=50, latency_ms=5, senders=(SENDER,), api_keys=(API_KEY,))
    with (
        deployment(provider, account={"limit": 50}, append_only="everysec", receipts=True) as one,
        running(one.deployment.environ, one.deployment.directory) as url,
        somebody(tmp_path, keyboard=False) as novice,
    ):
        one.deployment.start_web()
        one.deployment.wait_for_web()
        one.deployment.change_provider(
            webhooks={"url": f"{one.deployment.web_url}/receipts/default"}
        )
        novice.driver.get(url)
        novice.sees("Nothing is wrong.")
        novice.driver.execute_script("window.opened = true")
        yield Watched(one, novice)


def test_each_is_named_within_five_seconds_and_goes_when_it_is_over(watched: Watched) -> None:
    for incident in (wrong_key, provider_fails, dead_letters, opted_out, no_worker, redis_full):
        incident(watched)


def wrong_key(watched: Watched) -> None:
    system = watched.system
    system.change_provider(api_keys=["KEY-another"])
    watched.send(3)

    def ends() -> None:
        system.change_provider(api_keys=[API_KEY])
        watched.run("halt", "clear", "account", "--yes")

    watched.holds("halts", "Authentication failed", "sluicegate halt clear account", ends)


def provider_fails(watched: Watched) -> None:
    watched.system.change_provider(faults={"error_503": 1.0})
    watched.send(12)
    watched.holds(
        "breaker", "503", "status page", lambda: watched.system.change_provider(faults={})
    )


def dead_letters(watched: Watched) -> None:
    watched.send(20, sender=STRANGE)
    watched.holds(
        "dead",
        "x 40305",
        "sluicegate dead list",
        lambda: watched.run("dead", "purge", "--all", "--why", "a test", "--yes"),
    )


def opted_out(watched: Watched) -> None:
    """Too many of a campaign's recipients write STOP."""
    file = watched.system.directory / "july.csv"
    file.write_text("Phone\n" + "".join(f"+1415555{n:04}\n" for n in range(1_000, 1_900)))
    given = {"--name": "july", "--text": "Hi", "--from": SENDER, "--pause-if": "opted_out > 2%"}
    options = [part for pair in given.items() for part in pair]
    watched.run("campaign", "start", str(file), *options, "--rate", "20", "--yes")
    eventually(watched.account.has_accepted(215), DEADLINE_SECONDS, watched.system)
    for number in range(1_000, 1_020):
        said = {"from": f"+1415555{number}", "to": SENDER, "text": "STOP"}
        admin(watched.system.url, "inbound", said)
    watched.holds(
        "paused",
        "opted",
        "sluicegate campaign resume july",
        lambda: watched.run("campaign", "cancel", "july", "--yes"),
    )


def no_worker(watched: Watched) -> None:
    watched.system.stop_workers()
    watched.send(3)
    watched.holds(
        "no_worker",
        "3 messages not finished",
        "celery -A sluicegate_worker.app worker",
        watched.system.start_worker,
    )


def redis_full(watched: Watched) -> None:
    store = watched.account.store
    used = int(store.info("memory")["used_memory"])
    store.config_set("maxmemory", int(used / 0.93))
    watched.holds(
        "memory", "Redis is nearly full", "maxmemory", lambda: store.config_set("maxmemory", 0)
    )
