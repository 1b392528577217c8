"""Counts of what came in over HTTP; what a person should know is logged, less and less often."""

import logging
from collections import Counter
from typing import Final

log = logging.getLogger(__name__)

_NOTABLE: Final = {
    "forged": "webhooks refused: not signed by the provider. Is the public key right?",
    "bad_urls": "webhooks refused: not a URL of ours. Has the receipts' secret changed?",
    "unknown_events": "events of an unknown kind; the last of them are kept in Redis",
    "unauthorized": "requests refused: no app has that token",
    "relays_failed": "webhooks could not be passed on to their apps' URLs",
    "relays_dropped": "webhooks not passed on: too many are waiting",
}


class Counts(Counter[tuple[str, str]]):
    """How often each thing happened, by its name and its account (empty where it has none)."""

    def note(self, what: str, account: str = "", why: str = "") -> None:
        """Count one; of what a person should know, log the 1st, the 10th, the 100th..."""
        self[what, account] += 1
        count = self[what, account]
        if what in _NOTABLE and str(count).strip("0") == "1":
            log.warning(
                "%s%d %s%s",
                f"{account}: " if account else "",
                count,
                _NOTABLE[what],
                f" ({why})" if why else "",
            )
