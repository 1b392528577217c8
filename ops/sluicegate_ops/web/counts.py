"""Counts of what came in over HTTP; what a person should know is logged, less and less often."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final, get_args

from sluicegate.receipts import ReceiptResult

from .keywords import Heard

log = logging.getLogger(__name__)

_NOTABLE: Final = {
    "foreign_addresses": "webhooks refused: not from web.webhook_networks",
    "forged": "webhooks refused: not signed by the provider. Is the public key right?",
    "bad_urls": "webhooks refused: not a URL of ours. Has the receipts' secret changed?",
    "unknown_events": "events of an unknown kind; the last of them are kept in Redis",
    "unauthorized": "requests refused: no app has that token",
    "relays_failed": "times that an app did not take a webhook; it is asked again",
    "relays_dropped": "webhooks not passed on",
    "events_off": "apps that are passed no more events: sluicegate events enable",
}
_REFUSED: Final = {
    "not_recorded": "webhooks answered 503, for the provider to send again",
    "not_stored": "messages answered 503, for the app to send again",
    "not_read": "questions about messages answered 503",
    "links_uncounted": "short links followed that could not be counted",
}
_CUT: Final = {
    "connections_refused": "connections refused: all that there may be are being answered",
    "connections_ended_for_room": "connections ended, to make room for newer ones",
    "connections_late": "connections ended: a request or the reading of its answer took too long",
    "not_http": "requests refused: not HTTP/1.1, or with too large a head",
}
_OFTEN: Final = {**_REFUSED, **_CUT}
_OFTEN_SECONDS: Final = 10.0
"""A line about these is logged so often: an outage, or a flood, is to be seen as one."""

_OF_NOBODY: Final = ("unauthorized", "links_unknown", "links_uncounted", *_CUT)
_OF_ACCOUNTS: Final = (
    *(*_NOTABLE, *_REFUSED, "messages_taken", "relays", "inbound_unclaimed"),
    *("links_person", "links_preview"),
    *(f"receipts_{answer}" for answer in get_args(ReceiptResult)),
    *(f"inbound_{answer}" for answer in get_args(Heard)),
)


ANSWERS: Final = (
    "taken", "replayed", "invalid", "forbidden", "per_second", "most_waiting", "daily_messages",
    "daily_money",
)  # fmt: skip
"""What a message of an app is answered: it is ours, or what refused it."""


class AppAnswers(Counter[tuple[str, str]]):
    """How often each app's messages were answered what, by its name and one of ``ANSWERS``.

    Each is there from the start, at 0. A cap that refuses is logged the 1st, the 10th... time.
    """

    def __init__(self, apps: Iterable[str] = ()) -> None:
        super().__init__({(app, answer): 0 for app in apps for answer in ANSWERS})

    def note(self, app: str, answer: str) -> None:
        self[app, answer] += 1
        count = self[app, answer]
        refused = ANSWERS.index(answer) >= ANSWERS.index("forbidden")
        if refused and str(count).strip("0") == "1":
            log.warning("app %s: %d messages refused: %s", app, count, answer)


class Counts(Counter[tuple[str, str]]):
    """How often each thing happened, by its name and its account (empty where it has none).

    Each is there from the start, at 0: a rate can't be told from a counter that begins at 1.
    """

    def __init__(
        self, accounts: Iterable[str] = (), monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__(
            {(what, account): 0 for account in accounts for what in _OF_ACCOUNTS}
            | {(what, ""): 0 for what in _OF_NOBODY}
        )
        self._monotonic = monotonic
        self._logged: dict[tuple[str, str], tuple[float, int]] = {}

    def note(self, what: str, account: str = "", why: str = "") -> None:
        """Count one; of what a person should know, log the 1st, the 10th, the 100th..."""
        self[what, account] += 1
        count = self[what, account]
        if what in _OFTEN:
            self._note_often(what, account, why)
        elif what in _NOTABLE and str(count).strip("0") == "1":
            log.warning("%s%d %s%s", _of(account), count, _NOTABLE[what], _because(why))

    def summarise(self) -> None:
        """Log how many there were of what was logged last too short a time before."""
        for (what, account), (_, logged) in list(self._logged.items()):
            if self[what, account] > logged:
                self._note_often(what, account, "")

    def _note_often(self, what: str, account: str, why: str) -> None:
        now, count = self._monotonic(), self[what, account]
        at, before = self._logged.get((what, account), (now - _OFTEN_SECONDS, 0))
        if now - at >= _OFTEN_SECONDS:
            self._logged[what, account] = now, count
            reason = f": {why}" if why else ""
            log.warning("%s%d %s%s", _of(account), count - before, _OFTEN[what], reason)


def _of(account: str) -> str:
    return f"{account}: " if account else ""


def _because(why: str) -> str:
    return f" ({why})" if why else ""
