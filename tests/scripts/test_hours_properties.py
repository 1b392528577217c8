"""Hours over any sequence: nothing outside its window, nothing lost, no expiry late."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sluicegate.campaigns.hours import Classes, DayHours, HoursKeeper, SendingHours, format_hours
from sluicegate.campaigns.hours.windows import merged
from sluicegate.campaigns.plan import Plan
from sluicegate.scripts import Scripts
from sluicegate_worker.wire import Grant
from support.bench import Bench
from support.clock import CLOCK
from support.effort import size
from support.messages import plan, recipient

ZONES = (
    "America/New_York", "America/Los_Angeles", "America/Phoenix", "America/St_Johns",
    "Europe/Berlin", "Europe/London", "Africa/Casablanca", "Asia/Kolkata", "Asia/Kathmandu",
    "Australia/Lord_Howe", "Pacific/Apia", "Pacific/Kiritimati", "America/Sao_Paulo", "UTC",
)  # fmt: skip
SPREAD_MS = 90  # a POST may be written so much after its start
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: Before clocks are set in the north, in the south, in Morocco for Ramadan, and before a holiday.
SINCE = tuple(
    map(
        datetime.fromisoformat,
        (
            *("2026-03-07T20:00Z", "2026-03-28T12:00Z", "2026-10-31T21:30Z", "2026-10-24T23:00Z"),
            *("2026-02-14T12:00Z", "2026-04-04T03:00Z", "2026-12-24T02:00Z", "2017-10-14T22:00Z"),
        ),
    )
)
week = st.sets(
    st.tuples(st.integers(0, 6), st.integers(0, 95), st.integers(1, 96))
    .filter(lambda window: window[1] < window[2])
    .map(lambda window: DayHours(window[0], 15 * window[1], 15 * window[2])),
    min_size=3,
    max_size=12,
).map(merged)
hours = st.builds(
    SendingHours,
    windows=week.map(format_hours),
    zone_column=st.just("zone"),
    closed=st.sampled_from([(), ("2026-10-25",), ("2026-03-08", "2026-12-25")]),
    holidays=st.sampled_from([(), ("US",), ("DE-BY",)]),
    on_close=st.sampled_from(["hold", "expire"]),
)
Step = tuple[str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(["claim", "hold", "late", "retry", "pause", "import", "jump", "restart"]),
        st.integers(1, 30 * 3600),
    ),
    min_size=5,
    max_size=size(20, 60),
)


class World:
    """A campaign with hours at a time of our own; whatever is started is checked by its clocks."""

    def __init__(self, store: redis.Redis, july: Plan, since: datetime) -> None:
        for key in list(store.scan_iter(count=1000)):
            store.delete(key)
        self.bench = Bench(store, limit=1000)
        self.bench.at(since.timestamp() * 1000)
        assert july.hours
        self.plan, self.hours = july, july.hours
        self.classes = Classes(july.hours, lambda: self.bench.now_ms / 1000)
        self.zones: dict[str, str] = {}
        self.imported, self.sent = 0, 0
        self.held: list[Grant] = []

    def add(self, zones: Sequence[str]) -> None:
        for zone in zones:
            self.imported += 1
            row = recipient(self.plan, self.imported)
            row = row._replace(hours=self.classes.of(row.to, zone))
            self.zones[self.bench.campaigns.id_of("july", row)] = zone
            assert self.bench.add("july", row) == "a"

    def begin(self, grants: Sequence[Grant]) -> list[Grant]:
        """Start what was granted; what is begun may be written until SPREAD_MS later."""
        begun = [
            grant for grant, yes in zip(grants, self.bench.start(*grants), strict=True) if yes
        ]
        for grant in begun:
            for at_ms in (self.bench.now_ms, self.bench.now_ms + SPREAD_MS):
                assert self.is_open(self.zones[grant.id], at_ms / 1000), (grant.id, at_ms)
        return begun

    def is_open(self, zone: str, at: float) -> bool:
        """Whether the clock there says that it is open: read anew, from the words alone."""
        there = datetime.fromtimestamp(at, ZoneInfo(zone))
        day, clock = f"{there:%a}".lower(), f"{there:%H:%M}"
        if f"{there:%Y-%m-%d}" in self.hours.closed or self._is_holiday(there):
            return False
        for entry in self.hours.windows.split(", "):
            days, *ranges = entry.split(" ")
            if days[0].isdigit():
                days, ranges = "mon-sun", [days, *ranges]
            names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
            first, _, last = days.partition("-")
            if names.index(first) <= names.index(day) <= names.index(last or first):
                pairs = (pair.split("-") for pair in ranges)
                if any(opens <= clock < closes for opens, closes in pairs):
                    return True
        return False

    def _is_holiday(self, there: datetime) -> bool:
        fixed = {"US": {"12-25", "01-01", "07-04"}, "DE-BY": {"12-25", "12-26", "01-01", "10-03"}}
        return any(f"{there:%m-%d}" in fixed[code] for code in self.hours.holidays)

    def settle(self, grants: Sequence[Grant], kind: str = "accepted") -> None:
        for grant in grants:
            fields = {"provider_id": f"p-{grant.id}", "heard": True}
            if kind == "retry":
                fields = {"delay_ms": 30_000, "code": "500", "reason": "HTTP 500"}
            self.bench.settle(grant, kind, **fields)
            self.sent += kind == "accepted"

    def send(self, want: int = 5, kind: str = "accepted") -> None:
        grants = self.bench.claim(want).grants
        self.bench.later(max([0.0, *(grant.slot_ms for grant in grants)]))
        self.settle(self.begin(grants), kind)

    def step(self, what: str, seconds: int) -> None:
        bench = self.bench
        if what == "late":  # a worker that holds what it was granted, for longer than it may
            self.held += bench.claim(3).grants
            bench.later(seconds % 70)
            self.begin_held()
        elif what == "pause":
            if bench.campaigns.get("july").state == "running":
                bench.act("july", "pause")
                bench.later(1000 * seconds)
                self.tend()
                bench.act("july", "resume")
        elif what == "import":
            self.add([ZONES[seconds % len(ZONES)]])
        elif what == "restart":  # nobody was there meanwhile
            bench.later(1000 * 10 * seconds)
        elif what == "jump":
            bench.later(1000 * seconds)
        else:
            self.send(kind="retry" if what == "retry" else "accepted")
            bench.later(1000 * (seconds % 7200))
        self.tend()

    def _opens_next(self) -> float:
        kept = HoursKeeper(Scripts(self.bench.store, self.bench.keys.prefix, CLOCK)).read("july")
        opens = [times.next_ms(self.bench.now_ms) for times in kept.stored.times.values()]
        return min((at for at in opens if at), default=0)

    def begin_held(self) -> None:
        self.settle(self.begin(self.held))
        self.held = []

    def tend(self) -> None:
        """A sweep; behind it, nobody waits whose hours are over."""
        self.bench.sweep()
        self.bench.tend()
        expires_at = self.plan.expires_at
        if expires_at and self.bench.now_ms >= expires_at.timestamp() * 1000:
            assert self.bench.campaigns.ledger("july").states["waiting"] == len(
                self.bench.store.hkeys(self.bench.keys("leases"))
            )

    def end(self) -> None:
        """Given time, everybody was sent to or has expired, and the sums are right."""
        for _ in range(1000):
            ledger = self.bench.campaigns.ledger("july")
            if not ledger.pending:
                break
            self.send(50)
            self.bench.at(max(self.bench.now_ms + 600_000, self._opens_next()))
            self.tend()
        assert ledger.pending == 0
        assert ledger.states["accepted"] == self.sent
        assert ledger.states["accepted"] + ledger.states["expired"] == self.imported
        if self.hours.on_close == "hold" and not self.plan.expires_at:
            assert ledger.states["expired"] == 0
        assert self.bench.campaigns.recount("july") == ledger
        self.bench.check()


@settings(max_examples=size(6, 400), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    hours,
    st.sampled_from(SINCE),
    st.lists(st.sampled_from(ZONES), min_size=1, max_size=6),
    steps,
    st.none() | st.integers(1, 72),
)
def test_nothing_is_sent_outside_its_window_nothing_lost_and_no_expiry_late(
    valkey: redis.Redis,
    hours: SendingHours,
    since: datetime,
    zones: list[str],
    steps: list[Step],
    expires_in_hours: int | None,
) -> None:
    expires_at = since + expires_in_hours * HOUR if expires_in_hours else None
    july = plan(hours=hours, expires_at=expires_at)
    assert july.hours
    july.hours.checked()
    world = World(valkey, july, since)
    world.bench.campaigns.create(july)
    world.add(zones)
    world.bench.act("july", "start")
    for what, seconds in steps:
        world.step(what, seconds)
    world.end()
