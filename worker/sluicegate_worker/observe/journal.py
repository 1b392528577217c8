"""What a drain writes to the log: dead letters, doubts, throttling, halts and the breaker.

An accepted message has no line: a million of them would drown what a person should read. Each dead
letter and each doubt has a line at INFO; their sums are logged at WARNING when the drain ends.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import Any

from sluicegate.stored import MessageId

from ..wire import Claimed, Settle

log = logging.getLogger(__name__)

_CODES_SHOWN = 5


def warn_of_second(account: str, settles: Sequence[Settle], answers: Sequence[str]) -> None:
    """Name the messages of which a settle told a second acceptance; see ``step.lua``."""
    for settle, answer in zip(settles, answers, strict=True):
        if answer == "twice":
            log.warning(
                "message %s was sent twice, the second time as %s: sluicegate twice list",
                settle.id,
                settle.provider_id,
                extra={"account": account, "id": settle.id},
            )


class Journal:
    """The log lines of one drain on one account."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._ends: dict[str, Counter[str]] = {
            "dead": Counter(),
            "doubt": Counter(),
            "throttled": Counter(),
        }
        self._halted: set[tuple[str, str]] = set()
        self._broken = False

    def note_end(self, settle: Settle) -> None:
        """A message's lease ended with this outcome."""
        if settle.kind in ("dead", "doubt"):
            self._ends[settle.kind][settle.code] += 1
            label = "dead letter" if settle.kind == "dead" else "in doubt"
            log.info("%s %s", label, settle.code, extra=self._about(settle))
        elif settle.throttled:
            self._ends["throttled"][settle.code] += 1

    def note_settled(self, settles: Sequence[Settle], answers: Sequence[str]) -> None:
        """Redis has taken these outcomes, and decided what should stop a level for them."""
        for settle, answer in zip(settles, answers, strict=True):
            if settle.halt and answer == "applied":
                self._halt(settle)
            elif settle.halt and answer == "stranger":
                self._ends["dead"][settle.code] += 1
                text = "dead letter %s: nobody knows its sender, so nothing is halted for it"
                log.info(text, settle.code, extra=self._about(settle))

    def note_claim(self, claimed: Claimed) -> None:
        """A claim was answered, which shows whether the breaker is open."""
        broken = claimed.why in ("breaker", "probe")
        if broken and not self._broken:
            log.warning(
                "the breaker is open: the provider fails or is silent, nobody sends",
                extra={"account": self._account},
            )
        elif self._broken and claimed.grants:
            log.warning("the provider answers again", extra={"account": self._account})
        self._broken = broken or (self._broken and not claimed.grants)

    def close(self) -> None:
        """The drain is over: log the sums."""
        texts = {
            "dead": "%d dead letters: %s",
            "doubt": "%d messages in doubt: %s",
            "throttled": "throttled %d times: %s",
        }
        for kind, codes in self._ends.items():
            if codes:
                most = ", ".join(f"{n} x {code}" for code, n in codes.most_common(_CODES_SHOWN))
                log.warning(texts[kind], codes.total(), most, extra={"account": self._account})

    def _halt(self, settle: Settle) -> None:
        """Log each cause once, however many POSTs under way meet it."""
        if (settle.halt, settle.code) in self._halted:
            return
        self._halted.add((settle.halt, settle.code))
        log.error(
            "the %s is halted: %s",
            settle.halt if settle.halt == "account" else f"{settle.halt} of this message",
            settle.reason,
            extra=self._about(settle),
        )

    def _about(self, settle: Settle) -> dict[str, Any]:
        name = MessageId.parse(settle.id)
        about = {"account": self._account, "id": settle.id, "code": settle.code}
        whose = {"campaign": name.campaign, "app": name.app}
        return about | {kind: one for kind, one in whose.items() if one}
