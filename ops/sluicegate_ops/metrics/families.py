"""What is known of the accounts, as Prometheus reads it."""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

import redis
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sluicegate.config import Config
from sluicegate.keys import Keys
from sluicegate.stored import UNITS, SumField, carrier_of_letter

from ..inspect import CAMPAIGNS_SHOWN, read_memory, receipts_are_set_up
from .account import BREAKER, LEVELS, Seen, look

_PREFIX: Final = "sluicegate_"
OTHER: Final = "other"
"""The label of apps that the configuration does not name."""


class Gauge(NamedTuple):
    """A gauge of one value per account."""

    help: str
    value: Callable[[Seen], float]


def _age(now_ms: float, at_ms: int) -> float:
    return max(0.0, now_ms - at_ms) / 1000 if at_ms else 0.0


GAUGES: Final[Mapping[str, Gauge]] = {
    "workers": Gauge("Workers heard in the last 10 s.", lambda s: s.workers),
    "ready": Gauge(
        "Senders and registrations with something to claim.",
        lambda s: s.ready,
    ),
    "stalled_seconds": Gauge(
        "For how long something has been ready while workers were granted nothing.",
        lambda s: s.facts.standstill.unclaimed_seconds(s.facts.now_ms),
    ),
    "deaf_workers": Gauge(
        "Workers heard lately whose signals start no drain.",
        lambda s: len(s.facts.standstill.deaf),
    ),
    "paused_messages": Gauge(
        "Messages that wait in paused campaigns.",
        lambda s: sum(campaign.waiting for campaign in s.facts.standstill.paused),
    ),
    "sending_stopped": Gauge(
        "1 while nothing is sent for want of Redis's memory.",
        lambda s: s.facts.standstill.full_ms is not None,
    ),
    "running_campaigns": Gauge("Campaigns that workers may send.", lambda s: s.campaigns),
    "sent_twice_messages": Gauge(
        "Messages that the provider accepted twice, and that nobody has cleared.",
        lambda s: s.twice,
    ),
    "opted_out_numbers": Gauge("Numbers on the opt-out list.", lambda s: s.optouts),
    "numbers_to_review": Gauge(
        "Numbers that are sent nothing until a person has read their replies.",
        lambda s: s.facts.reviewed,
    ),
    "messages_under_review": Gauge(
        "Messages that are held for those numbers.", lambda s: s.facts.reviewed_messages
    ),
    "messages_withheld": Gauge(
        "Messages that wait for limits on their recipients, or on numbers that begin alike.",
        lambda s: s.facts.withheld.waiting,
    ),
    "archive_waiting_messages": Gauge(
        "Finished messages that the archiver's last pass left in Redis.", lambda s: s.archive.stay
    ),
    "archive_oldest_seconds": Gauge(
        "Age of the oldest of them, 0 for none.",
        lambda s: _age(s.facts.now_ms, s.archive.oldest_ms),
    ),
    "archive_pass_seconds": Gauge(
        "How long ago the archiver's last pass ended, or it first began; 0 without an archive.",
        lambda s: _age(s.facts.now_ms, s.archive.passed_ms or s.archive.since_ms),
    ),
    "archive_late_receipts": Gauge(
        "Receipts that wait for their messages to be fetched back.", lambda s: s.archive.late
    ),
    "archived_messages": Gauge(
        "Messages that went to the archive, in all.", lambda s: s.archive.archived
    ),
    "reconciled_seconds": Gauge(
        "How long ago the last run of reconciling ended, 0 where there was none.",
        lambda s: _age(s.facts.now_ms, s.reconcile.ended_ms),
    ),
    "reconcile_differences": Gauge(
        "Differences between our books and the provider's that the last run left, without the "
        "foreign messages.",
        lambda s: s.reconcile.differences - s.reconcile.foreign,
    ),
    "reconcile_foreign_messages": Gauge(
        "Messages on the account that are not ours, as the last run found them.",
        lambda s: s.reconcile.foreign,
    ),
    "webhooks_behind_seconds": Gauge(
        "For how long an app has been taking none of the webhooks that wait for it.",
        lambda s: s.webhooks.behind_seconds(s.facts.now_ms),
    ),
    "notices_waiting": Gauge(
        "Notices that sluicegate notify has for a receiver that does not take them.",
        lambda s: s.notices,
    ),
    "limits_version": Gauge(
        "Version of the limits in force.", lambda s: float(s.facts.limits.get("version", 0))
    ),
    "limit_requests": Gauge(
        "Requests that a window may have, by the provider's word.", lambda s: s.facts.rate.limit
    ),
    "configured_requests": Gauge(
        "Requests that a window may have, by the configuration in force.",
        lambda s: s.facts.rate.configured,
    ),
    "ceiling_requests_per_second": Gauge(
        "Requests per second that the configuration allows at most; 0 for no such ceiling.",
        lambda s: s.facts.rate.ceiling,
    ),
    "window_seconds": Gauge("Length of a window.", lambda s: s.facts.rate.window_seconds),
    "budget_requests": Gauge(
        "Requests that a window really lets through: the limit less others' use and margin.",
        lambda s: s.facts.rate.budget,
    ),
    "used_requests": Gauge("Requests of the last window.", lambda s: s.facts.rate.used),
    "others_requests": Gauge(
        "Requests of a window that others use of the credential.",
        lambda s: max(s.facts.rate.others, s.facts.rate.shared),
    ),
    "margin_requests": Gauge("Requests left free after a 429.", lambda s: s.facts.rate.margin),
    "blocked_seconds": Gauge(
        "How long a 429 still blocks the account.", lambda s: s.facts.rate.blocked_seconds
    ),
    "concurrency_limit_requests": Gauge(
        "POSTs that may be under way.", lambda s: s.facts.rate.concurrency
    ),
    "round_trip_seconds": Gauge(
        "How long requests take, averaged over the last ones.",
        lambda s: s.facts.rate.round_trip_seconds,
    ),
}


class AccountMetrics(Collector):
    """Every configured account's metrics, read when they are collected; blocks meanwhile."""

    def __init__(self, client: redis.Redis | None, config: Config) -> None:
        self._client, self._config = client, config

    def collect(self) -> Iterator[Metric]:
        """All of them; where Redis is away, all without a value, and that it is."""
        seen: Mapping[str, Seen] | None = None
        memory: Mapping[str, float] = {}
        if self._client is not None:
            with suppress(redis.RedisError):
                seen = {name: look(self._client, Keys(name)) for name in self._config.accounts}
                memory = _memory(self._client, self._config)  # which a hosted Redis may refuse
        yield GaugeMetricFamily(
            f"{_PREFIX}redis_up", "Whether Redis answers.", value=seen is not None
        )
        writable = seen is not None and not any(one.facts.refuses for one in seen.values())
        yield GaugeMetricFamily(
            f"{_PREFIX}redis_writable",
            "Whether Redis takes writes: not as a replica, nor where it can't save.",
            value=writable,
        )
        for name, help in _MEMORY.items():
            full_name = f"{_PREFIX}redis_memory_{name}_bytes"
            yield GaugeMetricFamily(full_name, help, value=memory.get(name))
        yield from _families(seen or {}, self._config.web.apps)
        yield self._receipts(seen or {})
        yield self._reconcile(seen or {})

    def _receipts(self, seen: Mapping[str, Seen]) -> Metric:
        help = "1 where messages ask for receipts, by the configuration that serve reads."
        family = _gauge("receipts_expected", help)
        for name in seen:
            family.add_metric([name], receipts_are_set_up(self._config, name))
        return family

    def _reconcile(self, seen: Mapping[str, Seen]) -> Metric:
        settings = self._config.reconcile
        help = "1 where workers are to reconcile, by the configuration that serve reads."
        family = _gauge("reconcile_expected", help)
        for name in seen:
            family.add_metric([name], settings is not None and settings.in_workers)
        return family


def exposed(client: redis.Redis | None, config: Config) -> str:
    """Every account's metrics in Prometheus's text format; blocks.

    Without a client, or where Redis fails, it says only that Redis is away.
    """
    registry = CollectorRegistry()
    registry.register(AccountMetrics(client, config))
    return generate_latest(registry).decode()


_MEMORY: Final = {
    "used": "Memory that Redis uses.",
    "ceiling": "Memory beyond which no message is taken; 0 where Redis has no maxmemory.",
    "sending_ceiling": "Memory beyond which no message is claimed; 0 where there is no maxmemory.",
}


def _memory(client: Any, config: Config) -> dict[str, float]:
    memory = read_memory(client, config)
    return {name: getattr(memory, name) for name in _MEMORY}


def _families(seen: Mapping[str, Seen], apps: Collection[str]) -> Iterator[Metric]:
    for name, gauge in GAUGES.items():
        family = _gauge(name, gauge.help)
        for account, one in seen.items():
            family.add_metric([account], gauge.value(one))
        yield family
    messages = _gauge("messages", "Messages by state.", "state")
    breaker = _gauge("breaker", "1 for the state that the breaker is in.", "state")
    parked = _gauge("parked", "What waits for a level: lanes, senders, registrations.", "level")
    halts = _gauge("halts", "Halts in force, and who ends them.", "level", "ends")
    for account, one in seen.items():
        for state, count in one.states.items():
            messages.add_metric([account, state], count)
        for state in BREAKER:
            breaker.add_metric([account, state], one.facts.breaker.state == state)
        for level in LEVELS:
            parked.add_metric([account, level], one.parked[level])
            for ends in ("person", "itself"):
                halts.add_metric([account, level, ends], one.halts[level, ends])
    yield from (messages, breaker, parked, halts, *_webhooks(seen))
    yield from (*_campaigns(seen), *_apps(seen, apps), *_costs(seen, apps))
    yield _events(seen)


def _webhooks(seen: Mapping[str, Seen]) -> Iterator[Metric]:
    count = _gauge("webhooks_waiting", "Webhooks to be passed on to the apps' URLs.", "kind")
    size = _gauge("webhooks_waiting_bytes", "What they take in Redis.", "kind")
    for account, one in seen.items():
        for kind, waiting in one.webhooks.waiting.items():
            count.add_metric([account, kind], waiting)
        for kind, taken in one.webhooks.bytes.items():
            size.add_metric([account, kind], taken)
    yield from (count, size)


def _apps(seen: Mapping[str, Seen], apps: Collection[str]) -> Iterator[Metric]:
    """Each app's messages, by its name in the configuration; all others' are of ``other``."""
    waiting = _gauge("app_waiting_messages", "Messages of an app that have not ended.", "app")
    ended = _gauge("app_messages", "Messages of an app that ended, by how.", "app", "state")
    for account, one in seen.items():
        left, states = Counter[str](), Counter[tuple[str, str]]()
        for name, counts in one.apps.items():
            app = name if name in apps else OTHER
            left[app] += counts.waiting
            states.update({(app, state): count for state, count in counts.ended.items()})
        for app, count in left.items():
            waiting.add_metric([account, app], count)
        for (app, state), count in states.items():
            ended.add_metric([account, app, state], count)
    yield from (waiting, ended)


def _campaigns(seen: Mapping[str, Seen]) -> Iterator[Metric]:
    which = f"of the {CAMPAIGNS_SHOWN} newest campaigns that have not ended"
    recipients = _gauge("campaign_recipients", f"Recipients {which}.", "campaign", "state")
    deliveries = _gauge("campaign_deliveries", f"Receipts {which}.", "campaign", "delivery")
    for account, one in seen.items():
        for campaign, ledger in one.ledgers.items():
            for state, count in ledger.states.items():
                recipients.add_metric([account, campaign, state], count)
            for delivery, count in ledger.deliveries.items():
                deliveries.add_metric([account, campaign, delivery], count)
    yield from (recipients, deliveries)


def _costs(seen: Mapping[str, Seen], apps: Collection[str]) -> Iterator[Metric]:
    """What today's messages cost: in all by carrier, and each app of the configuration's."""
    day = "of messages accepted today (UTC)"
    cost = _gauge("cost_today", f"Cost as billed {day}.", "currency", "carrier")
    of_app = _gauge("app_cost_today", f"Cost as billed {day}, by app.", "app", "currency")
    unknown = _gauge("messages_without_cost_today", f"How many {day} have no cost told.")
    for account, one in seen.items():
        owned = Counter[tuple[str, str]]()
        for field, sum in one.costs.items():
            if field.currency and field.kind == "carrier":
                carrier = carrier_of_letter(field.name)
                cost.add_metric([account, field.currency, carrier], sum.cost_billionths / UNITS)
            elif field.currency and field.kind == "app" and field.name:
                app = field.name if field.name in apps else OTHER
                owned[app, field.currency] += sum.cost_billionths
        for (app, currency), billionths in owned.items():
            of_app.add_metric([account, app, currency], billionths / UNITS)
        untold = one.costs.get(SumField("", "all"))
        unknown.add_metric([account], untold.messages if untold else 0)
    yield from (cost, of_app, unknown)


def _events(seen: Mapping[str, Seen]) -> Metric:
    help = "What happened since the account's first message."
    events = CounterMetricFamily(f"{_PREFIX}events", help, labels=["account", "event"])
    for account, one in seen.items():
        for event, count in one.events.items():
            events.add_metric([account, event], count)
    return events


def _gauge(name: str, help: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(_PREFIX + name, help, labels=["account", *labels])
