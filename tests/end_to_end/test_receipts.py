"""Receipts and opt-outs through real processes: what the provider tells, believed or refused."""

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple
from urllib.request import urlopen

import msgspec
import pytest

from sluicegate.campaigns.campaign import Campaigns
from sluicegate.optouts import START_TO_POST_SECONDS
from sluicegate.receipts import DELIVERIES
from sluicegate.scripts import Scripts
from sluicegate.webhook_urls import WebhookUrls
from sluicegate_ops.simulator import Faults, Settings, Webhooks
from sluicegate_ops.simulator.http.outgoing import Outgoing
from sluicegate_rigs.deployment import SECRETS
from sluicegate_rigs.deployment.provider import admin
from sluicegate_worker.provider.telnyx.events import DELIVERY_OF
from sluicegate_worker.queue import PUBLISH, STEP, Queue
from sluicegate_worker.wire import Grant, Settle, Start, parse_stepped
from support.command_line import invoked
from support.deployment import HOLD, Account, deployment, eventually
from support.effort import size
from support.messages import SENDER, message, plan, recipient
from support.served import FORGER, PROVIDER, SIGNING_KEY, told

JULY = plan()
CONNECTIONS = 64


def number(row: int) -> str:
    return recipient(JULY, row).to


def imported(account: Account, rows: int) -> tuple[Campaigns, list[str]]:
    """The campaign ``july``, not started yet, and the ids of its so many recipients."""
    campaigns = Campaigns(account.sluice.client, account.keys)
    campaigns.create(JULY, rows)
    added = campaigns.add(JULY.name, (recipient(JULY, row) for row in range(rows)))
    return campaigns, [campaigns.id_of(JULY.name, who) for who, _ in added]


def heard(account: Account) -> dict[str, int]:
    """What the front door counted, without what it never did."""
    with urlopen(f"{account.deployment.monitoring_url}/metrics", timeout=10) as answer:  # noqa: S310 - our own server
        text = answer.read().decode()
    found = re.findall(r'^sluicegate_http_total\{what="(\w+)",.*\} (\d+)$', text, re.MULTILINE)
    return {what: int(count) for what, count in found if int(count)}


def is_over(account: Account) -> bool:
    """The campaign is finished, and nobody holds or has yet to tell anything."""
    state = account.store.hget(account.keys.campaign(JULY.name), "state")
    webhooks = account.deployment.provider("webhooks")
    told_all = not webhooks["waiting"] and not webhooks["under_way"]
    return state == b"finished" and account.is_quiet() and told_all


def totals(account: Account) -> dict[str, int]:
    found = account.store.hgetall(account.keys("totals"))
    return {name.decode(): int(count) for name, count in found.items()}


def ends_of(account: Account, ids: Sequence[str]) -> list[tuple[str, ...]]:
    """State, the provider's id, delivery, its code and attempts, as each record has them."""
    pipeline = account.store.pipeline(transaction=False)
    for id in ids:
        fields = ("state", "provider_id", "delivery", "delivery_code", "attempts")
        pipeline.hmget(account.keys.record(id), *fields)
    return [tuple((value or b"").decode() for value in found) for found in pipeline.execute()]


def arrivals(account: Account) -> list[dict[str, Any]]:
    """The messages that the provider accepted, in order."""
    found: list[dict[str, Any]] = []
    while page := account.deployment.provider(f"arrivals?after={len(found)}"):
        found += page
    return found


def posted(account: Account) -> Counter[str]:
    """How often each recipient was POSTed, also where the provider refused it."""
    return Counter(request[1] for request in account.deployment.provider("requests"))


def write(account: Account, who: str, text: str) -> None:
    """Have a recipient write to us, by way of the provider."""
    admin(account.deployment.url, "inbound", {"from": who, "to": SENDER, "text": text})


def counts(shown: str) -> dict[str, int]:
    """The accepted, and what became of them, as a screen has it."""
    names = "|".join(("accepted", *DELIVERIES, "unknown"))
    found = re.findall(rf"^[ =+]*({names}) +([\d,]+)", shown, re.MULTILINE)
    return {name: int(count.replace(",", "")) for name, count in found}


def cli(account: Account, *command: str) -> str:
    result = invoked(command, env=account.deployment.environ)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


# Thousands of receipts.


class Hand:
    """A worker's calls made by hand, so that a test says when an answer is settled."""

    def __init__(self, account: Account) -> None:
        self.queue = Queue(account.store, account.deployment.config, "default")
        self.scripts = Scripts(account.store, account.keys.prefix)
        self.scripts.call(PUBLISH, self.queue.publish_args())

    def start(self, count: int, early: set[str]) -> list[Grant]:
        """Start so many messages and settle all but ``early``; those are returned, started."""
        kept: list[Grant] = []
        settles: list[Settle] = []
        while count:
            token = self.queue.token()
            args = self.queue.step_args(settles, want=50, token=token)
            claimed = parse_stepped(self.scripts.call(STEP, args), token).claimed
            time.sleep(0 if claimed.grants else claimed.wait_ms / 1000)
            starts = [Start(grant.id, grant.token, b"{}") for grant in claimed.grants]
            begun = parse_stepped(self.scripts.call(STEP, self.queue.step_args(starts=starts)), "")
            # On a busy machine some slots are over by now: those messages are claimed again.
            started = [g for g, done in zip(claimed.grants, begun.started, strict=True) if done]
            count -= len(started)
            kept += [grant for grant in started if grant.id in early]
            settles = [accepted(grant) for grant in started if grant.id not in early]
        self.settle(settles)
        return kept

    def settle(self, settles: Sequence[Settle]) -> Counter[str]:
        """What each of them did."""
        answers: Counter[str] = Counter()
        for first in range(0, len(settles), 50):
            args = self.queue.step_args(settles[first : first + 50])
            answers.update(parse_stepped(self.scripts.call(STEP, args), "").settled)
        return answers


def accepted(grant: Grant) -> Settle:
    id = f"p-{grant.id}"
    return Settle(id=grant.id, token=grant.token, kind="accepted", provider_id=id, heard=True)


def answered(grant: Grant, place: int) -> Settle:
    """One of the answers that a POST may have had whose receipts came before it."""
    lost = Settle(id=grant.id, token=grant.token, kind="doubt", delay_ms=-1)
    refused = Settle(
        id=grant.id, token=grant.token, kind="retry", delay_ms=0, heard=True, perhaps=True
    )
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
        """What its record says in the end: see ``ends_of``."""
        return "accepted", f"p-{self.id}", DELIVERY_OF[self.status], self.code, "1"

    def outcomes(self) -> tuple[str, str]:
        """What its two receipts do, as they come."""
        return "applied", "stale" if self.reordered else "applied"

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
    urls = WebhookUrls(account.deployment.web_url, secret, "default")
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


@pytest.mark.long
def test_thousands_of_receipts_in_any_order_repeated_and_forged(
    record_property: Callable[[str, object], None],
) -> None:
    count, rng = size(1_000, 10_000), random.Random(1)
    repeated, forged = count // 10, count // 50
    provider = Settings(limit=None, webhooks=Webhooks(signing_key=SIGNING_KEY))
    settings = {"limit": 10**6, "concurrency": 10**5, "lease_seconds": 300.0}
    with deployment(provider, 0, account=settings, receipts=True) as account:
        account.deployment.start_web()
        account.enqueue(0, count // 2)
        campaigns, ids = imported(account, count // 2)
        campaigns.act(JULY.name, "start")
        ids += [f"m{n}" for n in range(count // 2)]
        rng.shuffle(ids)
        made = cases(account, ids, rng)
        hand = Hand(account)
        kept = hand.start(count, {case.id for case in made if case.early})
        assert len(kept) == count // 5

        tales = [case.receipts() for case in made]
        again = rng.sample(
            [(row, place) for row in range(count) for place in (0, 1)], 2 * repeated
        )
        late = [[tales[row][place]] for row, place in again[repeated:]]
        for row, place in sorted(again[:repeated], reverse=True):
            tales[row].insert(place, tales[row][place])
        for kind, row in enumerate(rng.sample(range(count), forged)):
            tales[row].insert(0, made[row].forgery(kind))
        account.deployment.wait_for_web()
        began = time.perf_counter()
        assert bring(tales) == {200: 2 * count + repeated, 401: forged}
        assert account.size("started") == len(kept), "an answer was settled before its receipts"
        answers = [answered(grant, place) for place, grant in enumerate(kept)]
        settled = hand.settle(answers)
        assert bring(late) == {200: repeated}
        took = time.perf_counter() - began
        brought = 2 * count + 2 * repeated + forged
        record_property("receipts per second, over HTTP", f"{brought / took:,.0f}")

        news = sum(answer.kind == "accepted" for answer in answers)
        assert settled == {"applied": news, "stale": len(kept) - news}
        did = Counter(f"receipts_{outcome}" for case in made for outcome in case.outcomes())
        assert heard(account) == did | {"receipts_duplicate": 2 * repeated, "forged": forged}
        assert ends_of(account, ids) == [case.end for case in made]
        assert account.books() == {"accepted": count}
        deliveries = Counter(DELIVERY_OF[case.status] for case in made)
        proved = {"by_receipt": len(kept), "late": len(kept)}
        found = totals(account)
        found.pop("void", None)  # slots that were over before ``Hand`` came to start them
        assert found == {"enqueued": count, "accepted": count} | did | deliveries | proved
        shares = Counter(DELIVERY_OF[case.status] for case in made if case.id.startswith("july."))
        assert campaigns.ledger(JULY.name).deliveries == shares
        assert campaigns.recount(JULY.name) == campaigns.ledger(JULY.name)


# Whole deployments.


def test_what_lost_its_answer_is_resolved_by_its_receipt_and_never_sent_twice() -> None:
    """The provider knows no keys and doubts are held, so only receipts can end them."""
    rows = size(500, 1_000)
    webhooks = Webhooks(
        delivery_failed=0.1,
        delivery_unconfirmed=0.05,
        duplicate=0.1,
        reorder=0.1,
        forged=0.02,
        tampered=0.02,
        stale=0.02,
    )
    faults = Faults(close_after=0.05)
    provider = Settings(
        limit=400, latency_ms=20, idempotency=False, faults=faults, webhooks=webhooks
    )
    settings = {"limit": 400, "in_doubt": HOLD}
    with deployment(provider, 1, account=settings, receipts=True) as account:
        ours = account.deployment
        ours.start_web()
        ours.wait_for_web()
        campaigns, ids = imported(account, rows)
        campaigns.act(JULY.name, "start")
        eventually(lambda: is_over(account), 40, ours)

        lost = ours.provider("report")["faults"]["close_after"]
        assert lost >= rows * 0.02
        assert account.total("by_receipt") >= lost
        assert account.total("in_doubt") > 0, "no answer was missed: the test proved nothing"
        assert account.total("resent") == account.total("sent_twice") == 0
        assert account.books() == {"accepted": rows}
        assert account.received() == {number(row): 1 for row in range(rows)}

        final = {arrival["to"]: arrival["final"] for arrival in arrivals(account)}
        true = [DELIVERY_OF[final[number(row)]] for row in range(rows)]
        found = [(end[0], end[2], end[3] != "") for end in ends_of(account, ids)]
        assert found == [("accepted", delivery, delivery == "failed") for delivery in true]
        deliveries: Counter[str] = Counter(true)
        assert campaigns.ledger(JULY.name).deliveries == deliveries
        brought, came = ours.provider("webhooks"), heard(account)
        assert came["forged"] == sum(brought[lie] for lie in ("forged", "tampered", "stale")) > 0
        assert came["receipts_duplicate"] > 0

        shown = {"accepted": rows, **deliveries, "unknown": 0}
        for command in ("status", "report"):
            assert shown.items() <= counts(cli(account, "campaign", command, "july")).items()
        assert shown.items() <= counts(cli(account, "status")).items()


def test_stop_in_the_middle_of_a_campaign_and_start_again() -> None:
    rows = 240
    provider = Settings(limit=None, latency_ms=20)  # it refuses none, so each is POSTed once
    with deployment(provider, 1, account={"limit": 80}, receipts=True) as account:
        ours = account.deployment
        ours.start_web()
        ours.wait_for_web()
        profile = f"{ours.web_url}/receipts/default"
        ours.change_provider(webhooks={"url": profile})
        campaigns, _ = imported(account, rows)
        campaigns.act(JULY.name, "start")
        eventually(account.has_accepted(40), 20, ours)
        campaigns.pace(JULY.name, per_second=10)  # nobody's turn at the end comes meanwhile
        begun = posted(account)
        waiting = [number(row) for row in range(rows) if number(row) not in begun]
        # A few whose turn comes while they write, more whose turn comes much later.
        out, back = [*waiting[:40:8], *waiting[100:-1:4]], waiting[-1]
        for who in (*out, back):
            write(account, who, "Stop ")
        eventually(lambda: heard(account).get("inbound_heard") == len(out) + 1, 10, ours)
        time.sleep(START_TO_POST_SECONDS)  # what had started by then has been written
        overtaken = posted(account)
        assert back not in overtaken, "the campaign is over: the test proved nothing"
        write(account, back, "START")
        eventually(lambda: heard(account).get("inbound_heard") == len(out) + 2, 10, ours)
        campaigns.pace(JULY.name)
        eventually(lambda: is_over(account), 20, ours)

        gone = {who for who in out if who not in overtaken}
        assert len(gone) > len(out) / 2
        sent = posted(account)
        assert sent.keys() == {number(row) for row in range(rows)} - gone
        assert max(sent.values()) == 1
        ledger = campaigns.ledger(JULY.name)
        assert ledger.states["suppressed"] == len(gone)
        assert ledger.states["accepted"] == account.received().total()
        assert ledger.adds_up
        assert campaigns.recount(JULY.name) == ledger
        account.books()

        back_again = gone.pop()
        assert {one.number for one in account.sluice.optouts} == set(out)
        assert account.sluice.enqueue(message(1, to=back_again)).outcome == "suppressed"
        write(account, back_again, "unstop")
        eventually(lambda: back_again not in account.sluice.optouts, 10, ours)
        assert account.sluice.enqueue(message(2, to=back_again)).outcome == "enqueued"
        eventually(lambda: account.sluice.status("m2").state == "accepted", 10, ours)
        assert posted(account)[back_again] == 1


def test_without_receipts_what_became_of_the_accepted_is_unknown_and_says_why() -> None:
    with deployment(Settings(limit=None), 1) as account:
        campaigns, _ = imported(account, 20)
        campaigns.act(JULY.name, "start")
        eventually(account.has_accepted(20), 20, account.deployment)
        shown = {"accepted": 20, **dict.fromkeys(DELIVERIES, 0), "unknown": 20}
        for command in ("status", "report"):
            said = cli(account, "campaign", command, "july")
            assert shown.items() <= counts(said).items()
            assert re.search(r"unknown +20  receipts not set up\n", said)
        said = cli(account, "status")
        assert shown.items() <= counts(said).items()
        assert re.search(r"receipts +unknown: receipts not set up \(no web.public_url", said)
