"""Webhooks that the provider could not deliver: receipts are applied, lost replies are named."""

from collections.abc import Sequence
from typing import Final

from sluicegate.masking import masked
from sluicegate.receipts import Receipt
from sluicegate.webhook_urls import owner_of

from ..provider.owned import Unread
from ..provider.reports import LostWebhook, Reports
from ..provider.webhooks import InboundMessage
from .findings import Difference, Found
from .progress import Progress

_MOST_PAGES: Final = 1_000


def apply_lost(
    reports: Reports,
    progress: Progress,
    account: str,
    secrets: tuple[str, ...],
    between_ms: tuple[int, int],
    found: Found,
    *,
    dry_run: bool,
) -> None:
    """Apply what was lost in that time; a key that may not ask for it is no fault.

    The provider's records tell the rest. An event has its own id: one that still comes changes
    nothing.
    """
    for number in range(1, _MOST_PAGES + 1):
        try:
            page = reports.lost_webhooks(*between_ms, number)
        except Unread as error:
            if error.status not in (403, 404):
                raise
            found.count("webhooks_unread")
            return
        found.count("webhooks", len(page.webhooks))
        receipts = list(_receipts(page.webhooks, account, secrets, found))
        if receipts and not dry_run:
            results = progress.apply(receipts)
            found.mend("receipts", sum(result in ("applied", "archived") for result in results))
        if page.last:
            return


def _receipts(
    webhooks: Sequence[LostWebhook], account: str, secrets: tuple[str, ...], found: Found
) -> list[Receipt]:
    receipts = []
    for webhook in webhooks:
        owners = filter(None, (owner_of(url, secrets) for url in webhook.urls))
        id = next((owner.id for owner in owners if owner.account == account), "")
        event = webhook.read(id)
        if isinstance(event, InboundMessage):
            found.count("replies")
            found.differs(
                Difference(
                    kind="reply",
                    provider_id=event.event_id,
                    sender=masked(event.number),
                    profile=event.profile,
                    at_ms=event.occurred_ms,
                )
            )
        elif isinstance(event, Receipt) and id and event.provider_id:
            receipts.append(event)
    return receipts
