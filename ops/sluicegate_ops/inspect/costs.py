"""What messages cost, as the provider billed it: by day, app, sender, carrier and campaign."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

import msgspec
import redis

from sluicegate.keys import Keys
from sluicegate.stored import CostSum, SumField, SumKind, carrier_of_letter, parse_sums

EPOCH = date(1970, 1, 1)

CostKind = Literal["day", "app", "sender", "carrier", "campaign"]


class CostRow(msgspec.Struct, frozen=True):
    """What ``messages`` of ``name`` were billed in ``currency``: ``cost`` is exact.

    Those whose cost nobody told have a row of their own without currency and cost. A message that
    the provider has twice counts twice.
    """

    name: str
    currency: str | None
    cost: str | None
    messages: int
    parts: int


def amount_text(billionths: int) -> str:
    """An exact amount: with four decimals, or with more where it has more."""
    units, rest = divmod(billionths, 10**9)
    decimals = f"{rest:09d}".rstrip("0").ljust(4, "0")
    return f"{units}.{decimals}"


def cost_row(name: str, currency: str, sum: CostSum) -> CostRow:
    """A sum for people; of messages without a cost ``currency`` is ``""``."""
    cost = amount_text(sum.cost_billionths) if currency else None
    return CostRow(name, currency or None, cost, sum.messages, sum.parts)


def read_costs(
    client: redis.Redis, keys: Keys, days: Sequence[date], by: CostKind = "day"
) -> list[CostRow]:
    """The costs of some days, by day or by the names of a kind, the dearest name first.

    A carrier's name is one of ``CARRIERS``. An app's is ``""`` for messages of no app.
    """
    kind: SumKind = "all" if by == "day" else by
    sums: dict[tuple[str, str], CostSum] = {}
    for day, stored in _days(client, keys, days):
        for field, sum in stored.items():
            if field.kind == kind and sum.messages:
                place = (day.isoformat() if by == "day" else _name(field), field.currency)
                sums[place] = sums.get(place, CostSum()) + sum
    if by == "day":
        order = sorted(sums.items())
    else:
        order = sorted(sums.items(), key=lambda one: (-one[1].cost_billionths, one[0]))
    return [cost_row(name, currency, sum) for (name, currency), sum in order]


def cost_of_day(client: redis.Redis, keys: Keys, day: date) -> Mapping[SumField, CostSum]:
    """Every sum of one day; empty where nothing was billed, or it is gone."""
    [(_, sums)] = _days(client, keys, [day])
    return sums


def day_of(wall_ms: float) -> date:
    """The day (UTC) of a wall time."""
    return datetime.fromtimestamp(wall_ms / 1000, UTC).date()


def days_of_month(month: date) -> list[date]:
    """Every day of the month that ``month`` is in."""
    first = month.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return [first + timedelta(days=n) for n in range((following - first).days)]


def by_carrier(sums: Iterable[tuple[SumField, CostSum]]) -> Iterator[tuple[str, str, CostSum]]:
    """Carrier, currency and sum of every carrier's sum."""
    for field, sum in sums:
        if field.kind == "carrier" and sum.messages:
            yield carrier_of_letter(field.name), field.currency, sum


def _days(
    client: Any, keys: Keys, days: Sequence[date]
) -> Iterator[tuple[date, Mapping[SumField, CostSum]]]:
    pipeline = client.pipeline(transaction=False)
    for day in days:
        pipeline.hgetall(keys.day_costs((day - EPOCH).days))
    for day, stored in zip(days, pipeline.execute(), strict=True):
        yield day, parse_sums(stored)


def _name(field: SumField) -> str:
    return carrier_of_letter(field.name) if field.kind == "carrier" else field.name
