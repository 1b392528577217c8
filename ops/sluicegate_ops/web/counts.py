"""What came in over HTTP, counted; what a person should hear of is logged, ever more seldom."""

import logging
from collections import Counter
from typing import Final

log = logging.getLogger(__name__)

_NOTABLE: Final = {
    "forged": "webhooks refused: not signed by the provider. Is the public key right?",
    "bad_urls": "webhooks refused: not a URL of ours. Has the receipts' secret changed?",
    "unknown_events": "events of a kind that is not known; the last are kept in Redis",
    "unauthorized": "requests refused: no app has that token",
    "relays_failed": "webhooks could not be passed on to their apps' URLs",
    "relays_dropped": "webhooks not passed on: too many wait for their apps",
}


class Counts(Counter[tuple[str, str]]):
    """How often what happened, by its name and the account, which is empty where there is none."""

    def note(self, what: str, account: str = "", why: str = "") -> None:
        """Count once, and log the 1st, the 10th, the 100th of what a person should hear of."""
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
