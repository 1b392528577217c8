"""Detail records: the messages that have left their queue, as the provider bills them."""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from sluicegate.segments import count

from ..api.payload import ORGANIZATION, MessagePayload, iso, shown
from ..billing import Billed, amount_text
from ..messages import AcceptedMessages
from .pages import bounds, listed_page

#: As published: the most records on a page.
MOST_ON_A_PAGE = 50

#: How long a list stays as it was, so that its pages cost little.
_KEPT_SECONDS = 2.0

_STATUSES = {
    "delivered": "delivered",
    "delivery_failed": "failed",
    "delivery_unconfirmed": "dlr_unconfirmed",
    "expired": "gw_timeout",
    "sending_failed": "gw_reject",
}
_FILTER = re.compile(r"filter\[(\w+)\](?:\[(\w+)\])?")
_COMPARED: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda value, given: value == given,
    "contains": lambda value, given: given in value,
    "starts_with": lambda value, given: value.startswith(given),
    "ends_with": lambda value, given: value.endswith(given),
    "gte": lambda value, given: value >= given,
    "gt": lambda value, given: value > given,
    "lte": lambda value, given: value <= given,
    "lt": lambda value, given: value < given,
}


class DetailRecord(msgspec.Struct, omit_defaults=True):
    """One message as it was billed; ``status`` is missing until it is final."""

    uuid: str
    cld: str
    cli: str
    profile_id: str
    carrier: str
    cost: str
    currency: str
    parts: int
    message_type: str
    created_at: str
    updated_at: str
    sent_at: str
    completed_at: str | None = None
    status: str | None = None
    carrier_fee: str | None = None
    rate: str | None = None
    delivery_status: str | None = None
    delivery_status_webhook_url: str | None = None
    delivery_status_failover_url: str | None = None
    errors: list[str] = []
    direction: str = "outbound"
    user_id: str = ORGANIZATION
    profile_name: str = ""
    country_code: str = ""

    def shown(self) -> dict[str, object]:
        """With the fields that are the same for all."""
        told: dict[str, object] = msgspec.to_builtins(self)
        always = {"direction": self.direction, "user_id": self.user_id, "errors": self.errors}
        return {"record_type": "message_detail_record", **always, **told}


class Filter(NamedTuple):
    """One condition: a field of the record, how it is compared, and with what."""

    field: str
    how: str
    value: str


class BadFilter(ValueError):
    """A filter that the provider refuses; its text says which."""


class DetailRecords:
    """The records of all accepted messages; ``now`` is in monotonic seconds."""

    def __init__(self, messages: AcceptedMessages, name_of: Callable[[str], str]) -> None:
        self._messages, self._name_of = messages, name_of
        self._kept: tuple[object, float, list[int]] = (None, 0.0, [])

    def page(self, options: Mapping[str, str], now: float, wall: float) -> bytes:
        """One page of the records; raises ``BadFilter``."""
        filters = list(_filters(options, wall))
        numbers = self._matching(filters, options.get("sort", "-created_at"), now)
        number, size = bounds(options, MOST_ON_A_PAGE)
        chosen = numbers[(number - 1) * size : number * size]
        records = [self._record(one, now).shown() for one in chosen]
        return listed_page(records, number, size, len(numbers))

    def _matching(self, filters: list[Filter], sort: str, now: float) -> list[int]:
        wanted, until, numbers = self._kept
        if wanted == (filters, sort) and now < until:
            return numbers
        numbers = [n for n in self._left(filters, now) if self._fits(n, filters, now)]
        if sort == "-created_at":
            numbers.reverse()
        self._kept = ((filters, sort), now + _KEPT_SECONDS, numbers)
        return numbers

    def _left(self, filters: list[Filter], now: float) -> Iterator[int]:
        """The messages that have left their queue, and may fit as far as their bytes tell."""
        cld = [f.value.encode() for f in filters if f.field == "cld" and f.how != "starts_with"]
        least, most = _seconds(filters)
        for number, message in enumerate(self._messages):
            if not least <= message.received_at <= most:
                continue
            delivery = message.delivery
            if delivery is None or now - message.arrived < delivery.sent_after:
                continue
            if all(value in message.body for value in cld):
                yield number

    def _fits(self, number: int, filters: list[Filter], now: float) -> bool:
        created = iso(self._messages[number].received_at)
        times = [f for f in filters if f.field == "created_at"]
        if not all(_COMPARED[f.how](created, f.value) for f in times):
            return False
        if len(times) == len(filters):
            return True
        record = msgspec.to_builtins(self._record(number, now))
        rest = (f for f in filters if f.field != "created_at")
        return all(_COMPARED[f.how](str(record.get(f.field) or ""), f.value) for f in rest)

    def _record(self, number: int, now: float) -> DetailRecord:
        message, id = self._messages[number], self._messages.id_of(number)
        body = message.read()
        segments = count(str(body.text or ""), body.encoding)  # type: ignore[arg-type] # checked when it came
        told = shown(id, message, body, segments, message.state(now))
        return _record(told, message.billed, self._name_of(told.messaging_profile_id))


def _record(told: MessagePayload, billed: Billed, profile_name: str) -> DetailRecord:
    to = told.to[0]
    final = _STATUSES.get(to.status or "")
    parts = billed.final_parts
    return DetailRecord(
        uuid=told.id,
        cld=to.phone_number,
        cli=told.from_.phone_number,
        profile_id=told.messaging_profile_id,
        profile_name=profile_name,
        carrier=to.carrier,
        cost=amount_text(billed.cost),
        currency=billed.currency,
        carrier_fee=amount_text(parts * billed.fee),
        rate=amount_text(billed.final_price),
        parts=parts,
        message_type=told.type,
        created_at=told.received_at,
        updated_at=told.completed_at or told.sent_at or told.received_at,
        sent_at=told.sent_at or told.received_at,
        completed_at=told.completed_at,
        status=final,
        errors=[error.code for error in told.errors],
        delivery_status_webhook_url=told.webhook_url,
        delivery_status_failover_url=told.webhook_failover_url,
    )


def _filters(options: Mapping[str, str], wall: float) -> Iterator[Filter]:
    """The filters of a query; raises ``BadFilter``: one ignored would answer wrongly."""
    known = set(DetailRecord.__struct_fields__) | {"record_type", "date_range"}
    if options.get("filter[record_type]") != "messaging":
        raise BadFilter("filter[record_type]: messaging is due")
    for name, value in options.items():
        if not name.startswith("filter["):
            continue
        parts = _FILTER.fullmatch(name)
        field, how = (parts[1], parts[2] or "eq") if parts else ("", "")
        if field not in known or how not in _COMPARED:
            raise BadFilter(f"{name}: no such filter for messaging")
        if field == "date_range":
            yield from _range(value, wall)
        elif field != "record_type":
            yield Filter(field, how, _time(value) if field.endswith("_at") else value)


def _seconds(filters: list[Filter]) -> tuple[float, float]:
    """Between which Unix seconds what fits was created, a millisecond more at either end."""
    least, most = 0.0, math.inf
    for each in filters:
        if each.field == "created_at" and each.how in ("gte", "gt", "lte", "lt"):
            seconds = datetime.fromisoformat(each.value).timestamp()
            if each.how.startswith("g"):
                least = max(least, seconds - 0.001)
            else:
                most = min(most, seconds + 0.001)
    return least, most


def _range(name: str, wall: float) -> Iterator[Filter]:
    today = datetime.fromtimestamp(wall, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begins, days = {"today": (0, 1), "yesterday": (1, 1)}.get(name, (0, 0))
    if match := re.fullmatch(r"last_([1-9][0-9]?)_days", name):
        begins = days = int(match[1])
    if not days:
        raise BadFilter(f"filter[date_range]: {name} is not known here")
    first = today - timedelta(days=begins)
    yield Filter("created_at", "gte", iso(first.timestamp()))
    yield Filter("created_at", "lt", iso((first + timedelta(days=days)).timestamp()))


def _time(text: str) -> str:
    """A time as records have it; a date is its midnight in UTC."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise BadFilter(f"{text}: a time such as 2026-07-01T00:00:00Z is due") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return iso(moment.timestamp())
