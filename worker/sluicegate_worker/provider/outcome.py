"""What one attempt meant: a value, decided by one table.

The table is in ``codes``. It is read by error code first, then by HTTP status; a transport's
failure has its own two functions. Each row also says whether the request may have been acted on,
since such a message is only ever sent again under the same idempotency key, if policy allows it.

    Accepted   the provider has it
    Retry      refused, or failed in passing; sent again later
    Dead       refused for good: a person's business now
    Doubt      it may have been sent, and nobody knows
    Halt       every further message of the level would meet the same refusal
"""

import re
from collections.abc import Mapping
from typing import Literal, get_args

import msgspec

from sluicegate.config import Override

from .codes import CODES, OPTED_OUT, Act, Ends, Row, row_of


class Accepted(msgspec.Struct, frozen=True):
    """The provider took it as ``provider_id``; ``replayed`` where it had it already.

    ``wait_seconds`` is how long it stays in the provider's own queue before it is sent.
    """

    provider_id: str
    replayed: bool = False
    wait_seconds: float = 0.0


class Retry(msgspec.Struct, frozen=True):
    """To be sent again: after ``delay_seconds``, or when the policy says (None).

    ``charged`` attempts count towards the policy's maximum. ``perhaps``: it may have been acted
    on. ``throttled``: the rate limit refused it, which the bucket must hear. ``queue_full``: the
    sender's queue at the provider is full, and its lane has to cool down.
    """

    why: str
    code: str = ""
    delay_seconds: float | None = None
    charged: bool = True
    perhaps: bool = False
    throttled: bool = False
    queue_full: bool = False


class Dead(msgspec.Struct, frozen=True):
    """Refused for good, or out of attempts; ``opted_out`` where the recipient wants no more."""

    code: str
    why: str
    perhaps: bool = False
    opted_out: bool = False


class Doubt(msgspec.Struct, frozen=True):
    """It may have reached the provider. ``hold``: only a person can tell, whatever the policy."""

    why: str
    code: str = ""
    hold: bool = False


class Halt(msgspec.Struct, frozen=True):
    """A level's stop; its message goes back, uncharged, since it was surely refused.

    It lasts until someone clears it, or until midnight UTC by ``ends``; with ``seconds`` at most
    so long.
    """

    level: Literal["account", "sender"]
    why: str
    code: str = ""
    ends: Ends = "cleared"
    seconds: float | None = None


Outcome = Accepted | Retry | Dead | Doubt | Halt

_OVERRIDES: Mapping[str, Act] = {act: act for act in get_args(Override)}
_SHOWN = 500
_OPT_OUT = re.compile(r"\b(?:STOP message|due to STOP|block rule|opted[ -]out)\b", re.IGNORECASE)


class ErrorAnswer(msgspec.Struct, frozen=True):
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
    def opts_out(self) -> bool:
        """True where it says that the recipient has opted out; the code alone doesn't."""
        said = f"{self.title}\n{self.detail}"
        return self.code == OPTED_OUT and _OPT_OUT.search(said) is not None

    @property
    def why(self) -> str:
        """One short line for people: status, code, title and detail."""
        said = ": ".join(text for text in (self.title, self.detail) if text)
        line = " ".join(text for text in (f"HTTP {self.status}", self.code, said) if text)
        return "".join(c if c.isprintable() else " " for c in line[:_SHOWN])


def decided(answer: ErrorAnswer, overrides: Mapping[str, str] = {}) -> Outcome:
    """The outcome of whatever is not a success.

    ``overrides`` are the operator's, by code or status, and are looked at first; what may have
    been acted on stays so, however overridden.
    """
    row = _row(answer)
    why, code = answer.why, answer.code or str(answer.status)
    act = _overridden(answer, overrides) or row.act
    match act:
        case "throttle":
            return Retry(why, code, 0.0, charged=False, throttled=True)
        case "queue":
            return Retry(why, code, charged=False, queue_full=True)
        case "retry":
            return Retry(why, code, answer.wait_seconds or row.seconds, perhaps=row.perhaps)
        case "dead":
            return Dead(code, why, row.perhaps, answer.opts_out)
        case "halt" | "halt_sender" if not row.perhaps:
            return _halt("account" if act == "halt" else "sender", answer, row, why, code)
        case _:  # a halt gives its message back to be sent: not where it may have been acted on
            return Doubt(why, code, hold=row.act == "hold")


def not_sent(why: str) -> Outcome:
    """The outcome of a request that was never written: no connection."""
    return Retry(why, "not_sent")


def maybe_sent(why: str) -> Outcome:
    """The outcome of a request that was written, at least in part, and never answered whole."""
    return Doubt(why, "no_answer")


def _row(answer: ErrorAnswer) -> Row:
    by_status = row_of(answer.status, explained=answer.explained)
    row = CODES.get(answer.code)
    if row is None or answer.status < 400 or (answer.code == OPTED_OUT and not answer.opts_out):
        return by_status
    if answer.status >= 500 and row.act in ("dead", "halt", "halt_sender"):
        return by_status  # a server's fault is no message's, sender's or account's
    return row


def _overridden(answer: ErrorAnswer, overrides: Mapping[str, str]) -> Act | None:
    chosen = overrides.get(answer.code) or overrides.get(str(answer.status), "")
    return _OVERRIDES.get(chosen)


def _halt(
    level: Literal["account", "sender"], answer: ErrorAnswer, row: Row, why: str, code: str
) -> Halt:
    seconds = answer.wait_seconds or row.seconds if row.seconds else None
    return Halt(level, why, code, row.ends, seconds)
