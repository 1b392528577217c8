"""What one attempt meant: a value, decided by one table.

The table is in ``codes``. An answer is looked up by its error code first, then by its HTTP status;
a transport's failures have two functions of their own. Each row also says whether the provider may
have acted on the request: such a message is only sent again under the same idempotency key, and
only if policy allows it.

    Accepted   the provider has it
    Retry      refused, or a passing failure; sent again later
    Dead       refused for good: a person decides what becomes of it
    Doubt      it may or may not have been sent
    Halt       every further message of the level would meet the same refusal
"""

import re
from collections.abc import Mapping
from typing import Literal, get_args

import msgspec
from msgspec.structs import force_setattr

from sluicegate.config import Override
from sluicegate.stored import NO_BILL, Bill
from sluicegate.words import code_word, id_word, title_word

from .codes import CODES, OPTED_OUT, SENSES, CodeRow, Ends, Verdict, row_of

HaltLevel = Literal["account", "sender", "mms"]


class Accepted(msgspec.Struct, frozen=True):
    """The provider took it as ``provider_id``; ``replayed`` where it had taken it before.

    ``wait_seconds`` is how long it stays in the provider's own queue, and ``bill`` what the
    provider said of the number's carrier, the parts and the cost.
    """

    provider_id: str
    replayed: bool = False
    wait_seconds: float = 0.0
    bill: Bill = NO_BILL

    def __post_init__(self) -> None:
        """The id is as the gate for foreign words lets it through."""
        force_setattr(self, "provider_id", id_word(self.provider_id))


class Retry(msgspec.Struct, frozen=True):
    """To be sent again: after ``delay_seconds``, or when the policy says (None).

    ``charged`` attempts count towards the policy's maximum. ``perhaps``: the provider may have
    acted on it. ``throttled``: the rate limit refused it, which the bucket must know.
    ``queue_full``: the sender's queue at the provider is full, so its lane has to wait. ``last``:
    not ``charged``, but if it is after all, the policy allows no further attempt.
    """

    why: str
    code: str = ""
    delay_seconds: float | None = None
    charged: bool = True
    perhaps: bool = False
    throttled: bool = False
    queue_full: bool = False
    last: bool = False


class Dead(msgspec.Struct, frozen=True):
    """Refused for good, or out of attempts; ``opted_out`` where the recipient has opted out."""

    code: str
    why: str
    perhaps: bool = False
    opted_out: bool = False


class Doubt(msgspec.Struct, frozen=True):
    """It may have reached the provider. ``hold``: a person must decide, whatever the policy."""

    why: str
    code: str = ""
    hold: bool = False


class Halt(msgspec.Struct, frozen=True):
    """A level's stop; the message was certainly refused, so it goes back uncharged.

    By ``ends`` it lasts until a person clears it or until midnight UTC, and with ``seconds`` at
    most that long. ``delay_seconds`` and ``last`` are those of a retry, for a message that is
    refused alone. ``mms`` is the sender's MMS, and not its SMS.
    """

    level: HaltLevel
    why: str
    code: str = ""
    ends: Ends = "cleared"
    seconds: float | None = None
    delay_seconds: float = 0.0
    last: bool = False


Outcome = Accepted | Retry | Dead | Doubt | Halt

_OVERRIDES: Mapping[str, Verdict] = {verdict: verdict for verdict in get_args(Override)}
_LEVELS: Mapping[Verdict, HaltLevel] = {
    "halt": "account",
    "halt_sender": "sender",
    "halt_mms": "mms",
}
_SHOWN = 500
_OPT_OUT = re.compile(r"\b(?:STOP message|due to STOP|block rule|opted[ -]out)\b", re.IGNORECASE)


class ErrorAnswer(msgspec.Struct, frozen=True):
    """An answer that is not a success: its status, and its first error's code and texts.

    The texts are as the gate for foreign words lets them through. ``wait_seconds`` is how long it
    asks to wait, 0 where it doesn't say.
    """

    status: int
    code: str = ""
    title: str = ""
    detail: str = ""
    wait_seconds: float = 0.0

    def __post_init__(self) -> None:
        """No code, title or detail passes as it came."""
        force_setattr(self, "code", code_word(self.code))
        force_setattr(self, "title", title_word(self.title))
        force_setattr(self, "detail", self.detail[:_SHOWN])

    @property
    def explained(self) -> bool:
        """True where the body was the provider's own error, not some proxy's page."""
        return bool(self.code or self.title)

    @property
    def opts_out(self) -> bool:
        """True where it says that the recipient has opted out, which the code alone doesn't."""
        texts = f"{self.title}\n{self.detail}"
        return self.code == OPTED_OUT and _OPT_OUT.search(texts) is not None

    @property
    def why(self) -> str:
        """One short line for people: status, code, title and detail."""
        texts = ": ".join(text for text in (self.title, self.detail) if text)
        line = " ".join(text for text in (f"HTTP {self.status}", self.code, texts) if text)
        return "".join(c if c.isprintable() else " " for c in line[:_SHOWN])


def decided(answer: ErrorAnswer, overrides: Mapping[str, str] = {}) -> Outcome:
    """The outcome of an answer that is not a success.

    ``overrides`` are the operator's, by code or status, and take precedence; they never make an
    outcome certain where the provider may have acted on the request.
    """
    row = _row(answer)
    why, code = answer.why, answer.code or str(answer.status)
    verdict = _overridden(answer, overrides) or row.verdict
    match verdict:
        case "throttle":
            return Retry(why, code, 0.0, charged=False, throttled=True)
        case "queue":
            return Retry(why, code, charged=False, queue_full=True)
        case "retry":
            return Retry(why, code, answer.wait_seconds or row.seconds, perhaps=row.perhaps)
        case "dead":
            return Dead(code, why, row.perhaps, answer.opts_out)
        case "halt" | "halt_sender" | "halt_mms" if not row.perhaps:
            return _halt(_LEVELS[verdict], answer, row, why, code)
        case _:  # a halt would send its message again, which may have been acted on
            return Doubt(why, code, hold=row.verdict == "hold")


def not_sent(why: str) -> Outcome:
    """The outcome of a request that was never written: no connection."""
    return Retry(why, "not_sent")


def maybe_sent(why: str) -> Outcome:
    """The outcome of a request that was written, at least in part, and not fully answered."""
    return Doubt(why, "no_answer")


def _row(answer: ErrorAnswer) -> CodeRow:
    by_status = row_of(answer.status, explained=answer.explained)
    row = _by_text(answer) or CODES.get(answer.code)
    if row is None or answer.status < 400 or (answer.code == OPTED_OUT and not answer.opts_out):
        return by_status
    if answer.status >= 500 and row.verdict in ("dead", "halt", "halt_sender", "halt_mms"):
        return by_status  # a server's fault is no message's, sender's or account's
    return row


def _by_text(answer: ErrorAnswer) -> CodeRow | None:
    """The row of a code that is published with two senses, where status and text say which."""
    texts = f"{answer.title}\n{answer.detail}"
    for sense in SENSES.get(answer.code, ()):
        if sense.status in (0, answer.status) and re.search(sense.text, texts, re.IGNORECASE):
            return sense.row
    return None


def _overridden(answer: ErrorAnswer, overrides: Mapping[str, str]) -> Verdict | None:
    chosen = overrides.get(answer.code) or overrides.get(str(answer.status), "")
    return _OVERRIDES.get(chosen)


def _halt(level: HaltLevel, answer: ErrorAnswer, row: CodeRow, why: str, code: str) -> Halt:
    seconds = answer.wait_seconds or row.seconds if row.seconds else None
    return Halt(level, why, code, row.ends, seconds)
