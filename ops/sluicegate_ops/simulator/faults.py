"""The faults that a request can meet, by dice or by its recipient's number."""

from dataclasses import asdict, dataclass
from random import Random
from typing import Literal

from .settings import Faults

Effect = Literal["error", "html", "truncated", "close", "hang", "slow"]

#: How much longer than usual the answer to the ``slow`` number takes.
SLOW_SECONDS = 2.0

#: Recipients with this prefix are magic if their last four digits are in a table.
MAGIC_PREFIX = "+1555555"

#: A well-formed sender that belongs to nobody.
UNOWNED_SENDER = "+15555550305"


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault: what the client sees, and whether the message is accepted first."""

    kind: str
    effect: Effect
    accepts: bool = False
    #: The row of the error table that is answered, if the effect is an error.
    problem: str = ""


FAULTS = {
    fault.kind: fault
    for fault in (
        Fault("error_500", "error", problem="unexpected"),
        Fault("error_503", "error", problem="unavailable"),
        Fault("error_429", "error", problem="rate"),
        Fault("accepted_500", "error", accepts=True, problem="unexpected"),
        Fault("hang", "hang", accepts=True),
        Fault("hang_before", "hang"),
        Fault("close_before", "close"),
        Fault("close_after", "close", accepts=True),
        Fault("html_502", "html"),
        Fault("truncated", "truncated", accepts=True),
        Fault("slow", "slow", accepts=True),
        Fault("unauthorized", "error", problem="unauthorized"),
        Fault("no_funds", "error", problem="no_funds"),
        Fault("forbidden", "error", problem="forbidden"),
        Fault("opted_out", "error", problem="opted_out"),
        Fault("bad_from", "error", problem="bad_from"),
        Fault("bad_region", "error", problem="bad_region"),
        Fault("disabled", "error", problem="disabled"),
        Fault("queue_full", "error", problem="queue_full"),
        Fault("sender_pending", "error", problem="sender_pending"),
        Fault("content", "error", problem="content"),
        Fault("spend_cap", "error", problem="spend_cap"),
    )
}

#: Last four digits: the fault of every attempt.
ALWAYS = {
    "0300": "opted_out",
    "0305": "bad_from",
    "0309": "bad_region",
    "0312": "disabled",
    "0318": "queue_full",
    "0320": "sender_pending",
    "0322": "content",
    "0333": "spend_cap",
    "4010": "unauthorized",
    "4020": "no_funds",
    "4030": "forbidden",
    "4290": "error_429",
    "5000": "error_500",
    "5020": "html_502",
    "5030": "error_503",
    "6000": "hang",
    "6010": "hang_before",
    "6020": "slow",
    "7000": "close_before",
    "7010": "close_after",
    "7020": "accepted_500",
    "7030": "truncated",
}

#: Last four digits: the fault of the first attempt only.
ONCE = {
    "4291": "error_429",
    "5001": "error_500",
    "5031": "error_503",
    "6001": "hang",
    "6011": "hang_before",
    "7001": "close_before",
    "7011": "close_after",
    "7021": "accepted_500",
}


class FaultInjector:
    """Injects faults by the tables of magic numbers, or by dice with a seed."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - repeatable dice, nothing secret
        self._injected: set[str] = set()
        self.change(faults)

    def change(self, faults: Faults) -> None:
        """Change the probabilities; the dice continue."""
        self._steps: list[tuple[float, Fault]] = []
        upto = 0.0
        for kind, chance in asdict(faults).items():
            if chance > 0:
                upto += chance
                self._steps.append((upto, FAULTS[kind]))

    def magic(self, recipient: str, attempt_of: str) -> Fault | None:
        """The fault of a magic number; ``attempt_of`` is common to repeated attempts."""
        if not recipient.startswith(MAGIC_PREFIX) or len(recipient) != len(MAGIC_PREFIX) + 4:
            return None
        digits = recipient[-4:]
        if digits in ONCE:
            if attempt_of in self._injected:
                return None
            self._injected.add(attempt_of)
            return FAULTS[ONCE[digits]]
        return FAULTS[ALWAYS[digits]] if digits in ALWAYS else None

    def roll(self) -> Fault | None:
        """Draw a fault; without any probability set, the dice are not rolled."""
        if not self._steps:
            return None
        rolled = self._random.random()
        for upto, fault in self._steps:
            if rolled < upto:
                return fault
        return None

    def forget(self) -> None:
        """Forget all attempts, so that first attempts meet their faults again."""
        self._injected.clear()
