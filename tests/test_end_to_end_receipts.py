"""Receipts and opt-outs through real processes: what the provider tells, believed or refused."""

import asyncio
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from urllib.request import urlopen

import msgspec

from deployment import HOLD, Account, deployment, eventually
from served import FORGER, PROVIDER, SIGNING_KEY, event, told
from sluicegate.campaign import Campaigns
from sluicegate.ledger import Ledger
from sluicegate.optouts import START_TO_POST_SECONDS
from sluicegate.plan import message_id
from sluicegate.receipts import FATE_OF, FATES
from sluicegate.scripts import Scripts
from sluicegate.webhook_urls import WebhookUrls
from sluicegate_ops.simulator import Faults, Settings, Webhooks
from sluicegate_ops.simulator.outgoing import Outgoing
from sluicegate_ops.stage import SECRETS
from sluicegate_ops.stage.provider import face
from sluicegate_worker.claims import PUBLISH, STEP, Claims, Grant, Settle, Start, stepped
from support import SENDER, message, plan, recipient

JULY = plan()
CONNECTIONS = 64


def number(row: int) -> str:
    return recipient(JULY, row).to


def imported(account: Account, rows: int) -> Campaigns:
    """The campaign ``july`` with so many recipients, not started yet."""
    campaigns = Campaigns(account.sluice.client, account.keys)
    campaigns.create(JULY, rows)
    for _ in campaigns.add(JULY.name, (recipient(JULY, row) for row in range(rows))):
        pass
    return campaigns


def heard(account: Account) -> dict[str, int]:
    """What the front door counted."""
    with urlopen(f"{account.stage.web_url}/metrics", timeout=10) as answer:  # noqa: S310
        text = answer.read().decode()
    found = re.findall(r'^sluicegate_http_total\{what="(\w+)",.*\} (\d+)$', text, re.MULTILINE)
    return {what: int(count) for what, count in found}


def told_all(account: Account) -> bool:
    """The provider has no webhook left to bring."""
    webhooks = account.stage.provider("webhooks")
    return not webhooks["waiting"] and not webhooks["under_way"]


def records(account: Account, ids: Sequence[str], *fields: str) -> list[tuple[str, ...]]:
    """These fields of the messages' records, empty where they are not there."""
    pipeline = account.store.pipeline(transaction=False)
    for id in ids:
        pipeline.hmget(account.keys.record(id), *fields)
    return [tuple((value or b"").decode() for value in found) for found in pipeline.execute()]


def cli(account: Account, *command: str) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "sluicegate_ops.cli", *command],
        env=account.stage.environ,
        cwd=account.stage.directory,
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout


# Twenty thousand receipts.


class Hand:
    """A worker's calls made by hand, so that a test says when an answer is settled."""

    def __init__(self, account: Account) -> None:
        self.claims = Claims(account.store, account.stage.config, "default")
        self.scripts = Scripts(account.store, account.keys.prefix)
        self.scripts.call(PUBLISH, self.claims.publish_args())

    def start(self, count: int, early: set[str]) -> list[Grant]:
        """Start so many messages and settle all but ``early``; those are returned, started."""
        kept: list[Grant] = []
        settles: list[Settle] = []
        while count:
            token = self.claims.token()
            args = self.claims.step_args(settles, want=50, token=token)
            claimed = stepped(self.scripts.call(STEP, args), token).claimed
            time.sleep(0 if claimed.grants else claimed.wait_ms / 1000)
            starts = [Start(grant.id, grant.token, b"{}") for grant in claimed.grants]
            begun = stepped(self.scripts.call(STEP, self.claims.step_args(starts=starts)), "")
            assert all(begun.started)
            count -= len(starts)
            kept += [grant for grant in claimed.grants if grant.id in early]
            settles = [accepted(grant) for grant in claimed.grants if grant.id not in early]
        self.settle(settles)
        return kept

    def settle(self, settles: Sequence[Settle]) -> Counter[str]:
        """What each of them did."""
        answers: Counter[str] = Counter()
        for first in range(0, len(settles), 50):
            args = self.claims.step_args(settles[first : first + 50])
            answers.update(stepped(self.scripts.call(STEP, args), "").settled)
        return answers


def accepted(grant: Grant) -> Settle:
    id = f"p-{grant.id}"
    return Settle(id=grant.id, token=grant.token, kind="accepted", provider_id=id, flags="h")


def answered(grant: Grant, place: int) -> Settle:
    """One of the answers that a POST may have had whose receipts came before it."""
    lost = Settle(id=grant.id, token=grant.token, kind="doubt", delay_ms=-1)
    refused = Settle(id=grant.id, token=grant.token, kind="retry", delay_ms=0, flags="hp")
    return (accepted(grant), lost, refused)[place % 3]


class Hook(NamedTuple):
    """A webhook on its way: header lines that sign its body, or claim to."""

    url: str
    headers: bytes
    body: bytes


class Case(NamedTuple):
    """A message, its end, and whether its receipts come before its answer, or the last first."""

    id: str
    url: str
    status: str
    code: str
    early: bool
    reordered: bool

    def receipts(self) -> list[Hook]:
        """In the order in which they come."""
        bodies = [self._body("sent"), self._body(self.status, self.code)]
        hooks = [self._hook(body, PROVIDER.headers(body, now())) for body in bodies]
        return hooks[::-1] if self.reordered else hooks

    def forgery(self, kind: int) -> Hook:
        """One that tells another end, or none at all, and must not be believed."""
        truth, lie = self._body(self.status, self.code), self._body(*self._contrary())
        return (
            self._hook(lie, PROVIDER.headers(truth, now())),
            self._hook(lie, FORGER.headers(lie, now())),
            self._hook(lie, PROVIDER.headers(lie, now() - 400)),
            self._hook(lie, PROVIDER.headers(lie, now() + 400)),
            self._hook(b"\xff not json", FORGER.headers(b"\xff not json", now())),
        )[kind % 5]

    @property
    def end(self) -> tuple[str, ...]:
        """What its record says in the end: see ``FIELDS``."""
        return "accepted", f"p-{self.id}", FATE_OF[self.status], self.code, "1"

    def outcomes(self) -> tuple[str, str]:
        """What its two receipts do, as they come."""
        if self.early:
            return "applied", "stale" if self.reordered else "applied"
        return ("applied", "stale") if self.reordered else ("stale", "applied")

    def _contrary(self) -> tuple[str, str]:
        return ("delivered", "") if self.code else ("delivery_failed", "40001")

    def _body(self, status: str, code: str = "") -> bytes:
        return msgspec.json.encode(told(status, f"p-{self.id}", f"{status}-{self.id}", code))

    def _hook(self, body: bytes, headers: bytes) -> Hook:
        return Hook(self.url, headers, body)


def now() -> int:
    return int(time.time())


def cases(account: Account, ids: Sequence[str], rng: random.Random) -> list[Case]:
    """Three in ten are out of order, before their answer, or both."""
    ends = [("delivery_failed", "40008"), ("delivery_unconfirmed", ""), *[("delivered", "")] * 8]
    odd = [(True, False), (False, True), (True, True), *[(False, False)] * 7]
    secret = SECRETS["SLUICEGATE_RECEIPTS_SECRET"]
    urls = WebhookUrls(account.stage.web_url, secret, "default")
    drawn = [odd[place % 10] for place in range(len(ids))]
    rng.shuffle(drawn)
    return [
        Case(id, urls.url(id), *ends[place % 10], *drawn[place]) for place, id in enumerate(ids)
    ]


def bring(tales: Iterable[Sequence[Hook]]) -> Counter[int]:
    """POST every tale, each hook after the last one's answer; the statuses of all answers."""
    left, statuses = iter(tales), Counter[int]()
    outgoing = Outgoing()

    async def connection() -> None:
        for tale in left:
            for hook in tale:
                statuses[await outgoing.post(*hook, timeout_seconds=20)] += 1

    async def all_of_them() -> None:
        await asyncio.gather(*(connection() for _ in range(CONNECTIONS)))
        outgoing.close()

    asyncio.run(all_of_them())
    return statuses


def test_twenty_thousand_receipts_in_any_order_repeated_and_forged(
    record_property: Callable[[str, object], None],
) -> None:
    count, rng = 10_000, random.Random(1)
    provider = Settings(limit=None, webhooks=Webhooks(signing_key=SIGNING_KEY))
    settings = {"limit": 10**6, "concurrency": 10**5, "lease_seconds": 300.0}
    with deployment(provider, 0, account=settings, receipts=True) as account:
        stage = account.stage
        stage.start_web()
        account.enqueue(0, count // 2)
        campaigns = imported(account, count // 2)
        campaigns.act(JULY.name, "start")
        ids = [f"m{n}" for n in range(count // 2)]
        ids += [message_id(JULY.name, recipient(JULY, n).hash) for n in range(count // 2)]
        rng.shuffle(ids)
        made = cases(account, ids, rng)
        hand = Hand(account)
        kept = hand.start(count, {case.id for case in made if case.early})

        tales = [case.receipts() for case in made]
        again = rng.sample([(row, place) for row in range(count) for place in (0, 1)], 2_000)
        late = [[tales[row][place]] for row, place in again[1_000:]]
        for row, place in sorted(again[:1_000], reverse=True):
            tales[row].insert(place, tales[row][place])
        for kind, row in enumerate(rng.sample(range(count), 200)):
            tales[row].insert(0, made[row].forgery(kind))
        stage.wait_for_web()

        began = time.perf_counter()
        assert bring(tales) == {200: 2 * count + 1_000, 401: 200}
        settled = hand.settle([answered(grant, place) for place, grant in enumerate(kept)])
        assert bring(late) == {200: 1_000}
        took = time.perf_counter() - began
        record_property("receipts per second, over HTTP", f"{(2 * count + 2_200) / took:,.0f}")

        did = Counter(outcome for case in made for outcome in case.outcomes())
        assert heard(account) == {
            "receipts_applied": did["applied"],
            "receipts_stale": did["stale"],
            "receipts_duplicate": 2_000,
            "forged": 200,
        }
        assert settled == Counter(
            "applied" if answered(grant, place).kind == "accepted" else "stale"
            for place, grant in enumerate(kept)
        )
        fields = ("state", "provider_id", "fate", "fate_code", "attempts")
        assert records(account, ids, *fields) == [case.end for case in made]
        print({k.decode(): int(v) for k, v in account.store.hgetall(account.keys("totals")).items()})
        print(account.store.llen(account.keys("unknown_events")))
        assert account.books() == {"accepted": count}
        ledger = campaigns.ledger(JULY.name)
        print(ledger)
        assert 0
