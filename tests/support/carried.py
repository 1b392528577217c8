"""A brand whose recipients have carriers: the provider takes its messages and says which."""

from collections import Counter, deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import redis

from sluicegate.carriers import Carrier
from sluicegate.config.senders import Brand, Registration, Sender
from sluicegate.stored import Bill, BrandDay
from sluicegate_worker.wire import Grant, Settle

from .bench import Bench, settle_of
from .messages import message, plan, recipient

SENDER: Final = "+15550000001"
NAMES: Final = {"t_mobile": "T-MOBILE USA, INC.", "att": "AT&T", "other": "Verizon"}
PACIFIC: Final = ZoneInfo("America/Los_Angeles")
MORNING_MS: Final = datetime(2026, 3, 2, 9, 0, tzinfo=PACIFIC).timestamp() * 1000


def carrier_of(to: str) -> Carrier:
    """35 % of the numbers are T-Mobile's and 30 % AT&T's, by their last digits."""
    share = int(to[-4:]) * 37 % 100
    return "t_mobile" if share < 35 else "att" if share < 65 else "other"


def bill_of(to: str, parts: int = 1) -> Bill:
    carrier = carrier_of(to)
    return Bill(carrier=carrier, carrier_name=NAMES[carrier], parts=parts)


class Delivered(NamedTuple):
    """What the provider took: when it was sent (wall ms), for which carrier, in how many parts."""

    at_ms: float
    id: str
    to: str
    carrier: Carrier
    parts: int


class Carried:
    """A bench with the brand ``acme``; an answer comes ``latency_ms`` after its slot."""

    def __init__(
        self,
        store: redis.Redis,
        cap: int = 1_000_000,
        per_minute: float = 0.0,
        *,
        latency_ms: float = 200.0,
        repeat: bool = False,
        **fields: Any,
    ) -> None:
        brand = {"tmobile_share": fields.pop("tmobile_share", 1.0)}
        share = fields.pop("att_share", 1.0)
        self.bench = Bench(
            store,
            repeat=repeat,
            senders={SENDER: Sender(kind="10dlc", registration="notices")},
            registrations={
                "notices": Registration(sms_per_minute=per_minute, att_share=share, brand="acme")
            },
            brands={"acme": Brand(tmobile_daily=cap, **brand)},
            **{"limit": 2000, "concurrency": 2000} | fields,
        )
        self.bench.at(MORNING_MS)
        self.latency_ms = latency_ms
        self.sent: list[Delivered] = []
        self.parts: Callable[[str], int] = lambda to: 1
        self._answers: deque[tuple[float, Settle]] = deque()

    def campaign(self, people: Sequence[int], name: str = "july", sender: str = SENDER) -> None:
        of = plan(name, text="Hi", sender=sender)
        self.bench.campaigns.create(of)
        list(self.bench.campaigns.add(name, [recipient(of, n) for n in people]))
        self.bench.act(name, "start")

    def enqueue(self, *numbers: int, **fields: Any) -> None:
        fields = {"sender": SENDER, "priority": "bulk"} | fields
        self.bench.enqueue(*[message(n, **fields) for n in numbers])

    def begin(self, grant: Grant) -> Delivered:
        """Start a grant in its slot; the provider takes it."""
        lease = self.bench.store.hget(self.bench.keys("leases"), grant.id).decode()
        to = lease.split("|")[9]
        return Delivered(self.bench.now_ms, grant.id, to, carrier_of(to), self.parts(to))

    def run(self, ms: float, most: int = 10**9) -> int:
        """Send for so long, or until ``most`` went out; returns how many did."""
        bench, ends, before = self.bench, self.bench.now_ms + ms, len(self.sent)
        idle = 0
        while bench.now_ms < ends and len(self.sent) - before < most:
            due = []
            while self._answers and self._answers[0][0] <= bench.now_ms:
                due.append(self._answers.popleft()[1])
            claimed = bench.step(due[:50], want=50).claimed
            for rest in range(50, len(due), 50):
                bench.step(due[rest : rest + 50])
            if claimed.grants:
                idle = 0
                slots = [bench.now_ms + max(0.0, grant.slot_ms) for grant in claimed.grants]
                bench.at(max(slots))
                for grant, begun in zip(claimed.grants, bench.start(*claimed.grants), strict=True):
                    if begun:
                        self._take(grant)
                continue
            idle += not self._answers
            wait = max(1.0, claimed.wait_ms)
            if self._answers:
                wait = min(wait, max(1.0, self._answers[0][0] - bench.now_ms))
            elif idle > 3 and claimed.why != "again":
                if not self._parked_until():
                    break
                wait = max(wait, self._parked_until() - bench.now_ms)
            bench.later(min(wait, ends - bench.now_ms))
        return len(self.sent) - before

    def _parked_until(self) -> float:
        first = self.bench.store.zrange(self.bench.keys("parked:b"), 0, 0, withscores=True)
        return float(first[0][1]) if first else 0.0

    def _take(self, grant: Grant) -> None:
        taken = self.begin(grant)
        self.sent.append(taken)
        settle = settle_of(
            grant, "accepted", provider_id=f"p-{grant.id}", heard=True, took_ms=self.latency_ms,
            bill=bill_of(taken.to, taken.parts),
        )  # fmt: skip
        self._answers.append((self.bench.now_ms + self.latency_ms, settle))

    def answer_all(self) -> None:
        while self._answers:
            due, settle = self._answers.popleft()
            self.bench.at(max(self.bench.now_ms, due))
            self.bench.step([settle])

    def by_day(self, carrier: Carrier) -> Counter[str]:
        """Segments that a carrier got, by its day."""
        days: Counter[str] = Counter()
        for one in self.sent:
            if one.carrier == carrier:
                days[datetime.fromtimestamp(one.at_ms / 1000, PACIFIC).date().isoformat()] += (
                    one.parts
                )
        return days

    @property
    def used(self) -> float:
        """What is used of the brand's cap, on the day that is stored."""
        text = self.bench.store.hget(self.bench.keys("levels"), "brand:acme")
        return BrandDay.parse(text.decode()).segments if text else 0.0
