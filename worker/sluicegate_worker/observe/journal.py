"""What a drain tells the log: abnormal ends and stops, floods of them summed up when it ends.

The end of a message is no event: a million would drown what a person should read. A dead letter
and a doubt have their line at INFO, and the sum of them one at WARNING.
"""

import logging
from collections import Counter
from typing import Any

from sluicegate.stored import MessageId

from ..wire import Claimed, Settle

log = logging.getLogger(__name__)

_CODES_SHOWN = 5


class Journal:
    """One drain's, on one account."""

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
        """An attempt's outcome, or that of a message that couldn't be made."""
        if settle.kind in ("dead", "doubt"):
            self._ends[settle.kind][settle.code] += 1
            what = "dead letter" if settle.kind == "dead" else "in doubt"
            log.info("%s %s", what, settle.code, extra=self._about(settle))
        elif settle.halt:
            self._halt(settle)
        elif settle.throttled:
            self._ends["throttled"][settle.code] += 1

    def note_claim(self, claimed: Claimed) -> None:
        """A claim's answer: the breaker shows in it."""
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
        """The drain is over: say how much there was of what is many."""
        said = {
            "dead": "%d dead letters: %s",
            "doubt": "%d messages in doubt: %s",
            "throttled": "throttled %d times: %s",
        }
        for kind, codes in self._ends.items():
            if codes:
                most = ", ".join(f"{n} x {code}" for code, n in codes.most_common(_CODES_SHOWN))
                log.warning(said[kind], codes.total(), most, extra={"account": self._account})

    def _halt(self, settle: Settle) -> None:
        """Once for each cause, however many POSTs under way meet it."""
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
        campaign = MessageId.parse(settle.id).campaign
        about = {"account": self._account, "id": settle.id, "code": settle.code}
        return about | {"campaign": campaign} if campaign else about
