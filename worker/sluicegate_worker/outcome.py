"""What one attempt meant: a value, decided in one table.

The table is read by error code first, then by HTTP status; a transport's failure has its own two
rows. Each row also says whether the request may have been acted on, since such a message is only
ever sent again under the same idempotency key, where policy allows it.

    Accepted   the provider has it
    Retry      refused, or failed in passing; sent again later
    Dead       refused for good: a person's business now
    Doubt      it may have been sent, and nobody knows
    Halt       every further message would meet the same refusal
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec


class Accepted(msgspec.Struct, frozen=True):
    """The provider took it as ``provider_id``; ``replayed`` where it had it already."""

    provider_id: str
    replayed: bool = False


class Retry(msgspec.Struct, frozen=True):
    """To be sent again: after ``delay_seconds``, or when the policy says (None).

    ``charged`` attempts count towards the policy's maximum. ``perhaps``: it may have been acted
    on. ``throttled``: the rate limit refused it, which the bucket must hear.
    """

    why: str
    code: str = ""
    delay_seconds: float | None = None
    charged: bool = True
    perhaps: bool = False
    throttled: bool = False


class Dead(msgspec.Struct, frozen=True):
    """Refused for good, or out of attempts."""

    code: str
    why: str
    perhaps: bool = False


class Doubt(msgspec.Struct, frozen=True):
    """It may have reached the provider. ``hold``: only a person can tell, whatever the policy."""

    why: str
    code: str = ""
    hold: bool = False


class Halt(msgspec.Struct, frozen=True):
    """A level's stop, until ``until_ms`` (wall) or, with None, until someone clears it."""

    level: Literal["account"]
    why: str
    code: str = ""
    until_ms: int | None = None


Outcome = Accepted | Retry | Dead | Doubt | Halt

_SHOWN = 500


class Answer(msgspec.Struct, frozen=True):
    """What the provider answered, as far as the table looks: the first error's code and texts.

    ``wait_seconds`` is how long it asks to wait, 0 where it doesn't say.
    """

    status: int
    code: str = ""
    title: str = ""
    detail: str = ""
    wait_seconds: float = 0.0

    @property
    def explained(self) -> bool:
        """True where the body was the provider's own error, not some proxy's page."""
        return bool(self.code or self.title)

    @property
    def why(self) -> str:
        """One short line for people: status, code, title and detail."""
        said = ": ".join(text for text in (self.title, self.detail) if text)
        line = " ".join(text for text in (f"HTTP {self.status}", self.code, said) if text)
        return "".join(c if c.isprintable() else " " for c in line[:_SHOWN])


class Row(msgspec.Struct, frozen=True):
    """One row: what to do, and whether the request may have been acted on."""

    act: Literal["throttle", "later", "tomorrow", "retry", "dead", "doubt", "hold", "halt"]
    perhaps: bool = False
    delay_seconds: float | None = None


_DEAD, _HALT = Row("dead"), Row("halt")

CODES: Mapping[str, Row] = {
    # The rate limit of the API. Not an attempt: the bucket waits, the message keeps its place.
    "10011": Row("throttle"),
    # The sender's queue at the provider is full; it drains in minutes, whatever the API allows.
    "40318": Row("later", delay_seconds=30.0),
    # The messaging profile's daily spend limit: a 429 that holds until midnight UTC.
    "40333": Row("tomorrow"),
    # Nobody's message would pass: the key, the account's standing, its balance.
    "10005": _HALT,  # on a send: the authorization header was not seen
    "10009": _HALT,
    "20012": _HALT,
    "20100": _HALT,
    # In passing.
    "10007": Row("retry", perhaps=True),
    "10008": Row("retry", perhaps=True),
    "10037": Row("retry"),
    # The same key is being worked on: our earlier request arrived. Ask again, same bytes.
    "10036": Row("retry", perhaps=True, delay_seconds=1.0),
    # The same key came with other bytes: an earlier request arrived, and this is not it.
    "10027": Row("hold", perhaps=True),
}
"""By the provider's error code; codes not named here are decided by status."""

STATUSES: Mapping[int, Row] = {
    401: _HALT,
    402: _HALT,
    408: Row("retry", perhaps=True),
    409: Row("retry", perhaps=True),
    425: Row("retry"),
    429: Row("throttle"),
    500: Row("retry", perhaps=True),
    502: Row("doubt", perhaps=True),
    503: Row("retry"),
    504: Row("doubt", perhaps=True),
}
"""By HTTP status, for answers whose code decides nothing; others by their hundred."""

UNREADABLE = Row("doubt", perhaps=True)
"""A redirect, or a 5xx without the provider's own error, is from something on the way: and what
passed it?"""


def decided(answer: Answer, now: datetime) -> Outcome:
    """The outcome of a refusal; ``now`` is timezone-aware, for what ends at midnight UTC."""
    row = _row(answer)
    why, code = answer.why, answer.code or str(answer.status)
    match row.act:
        case "throttle":
            return Retry(why, code, 0.0, charged=False, throttled=True)
        case "later":
            return Retry(why, code, answer.wait_seconds or row.delay_seconds, charged=False)
        case "tomorrow":
            return Retry(why, code, _until_midnight(now), charged=False)
        case "retry":
            delay_seconds = answer.wait_seconds or row.delay_seconds
            return Retry(why, code, delay_seconds, perhaps=row.perhaps)
        case "halt":
            return Halt("account", why, code)
        case "doubt" | "hold":
            return Doubt(why, code, hold=row.act == "hold")
        case "dead":
            return Dead(code, why)


def not_sent(why: str) -> Outcome:
    """The outcome of a request that was never written: no connection."""
    return Retry(why, "not_sent")


def maybe_sent(why: str) -> Outcome:
    """The outcome of a request that was written, at least in part, and never answered whole."""
    return Doubt(why, "no_answer")


def _row(answer: Answer) -> Row:
    if answer.status < 400:
        return UNREADABLE
    row = CODES.get(answer.code)
    if row is not None and (row.act != "halt" or answer.status < 500):
        return row
    if answer.status == 404 and not answer.explained:
        return _HALT  # no such page at all: the base URL is wrong, for every message
    if answer.status >= 500:
        if not answer.explained:
            return UNREADABLE
        return STATUSES.get(answer.status, Row("retry", perhaps=True))
    return STATUSES.get(answer.status, _DEAD)


def _until_midnight(now: datetime) -> float:
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (today + timedelta(days=1) - now).total_seconds()
