"""What the provider's own books say of the messages that it has sent, page by page."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from sluicegate.config import Account
from sluicegate.receipts import Delivery
from sluicegate.stored import NO_BILL, Bill

from .webhooks import WebhookEvent

if TYPE_CHECKING:  # heavy, and few processes need it for this
    import httpx


class ProviderRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One message as the provider's books have it.

    ``id`` is the provider's. ``created_ms`` is when it took the message, 0 where it doesn't say,
    and ``told_ms`` when it last changed the record, both wall milliseconds of its clock.
    ``status`` is its own word, and ``delivery`` what that means, ``""`` while it is not final;
    ``known`` is False for a word that nobody here knows. ``urls`` are where its receipts go.
    """

    id: str
    to: str = ""
    sender: str = ""
    profile: str = ""
    inbound: bool = False
    type: str = ""
    created_ms: int = 0
    told_ms: int = 0
    status: str = ""
    delivery: Delivery | Literal["sent", ""] = ""
    known: bool = True
    code: str = ""
    bill: Bill = NO_BILL
    urls: tuple[str, ...] = ()


class RecordPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of records, of ``total`` in all, None where the provider doesn't say.

    ``unreadable`` entries name no message. ``last``: no page follows it.
    """

    records: Sequence[ProviderRecord]
    unreadable: int = 0
    total: int | None = None
    last: bool = False


class LostWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook that the provider could deliver nowhere; ``read(id)`` is what it tells of ``id``.

    ``urls`` are where it was tried, and ``started_ms`` is when that began.
    """

    urls: Sequence[str]
    started_ms: int
    read: Callable[[str], WebhookEvent]


class WebhookPage(msgspec.Struct, frozen=True, kw_only=True):
    """A page of lost webhooks."""

    webhooks: Sequence[LostWebhook]
    unreadable: int = 0
    last: bool = False


class Reports(Protocol):
    """An account's books at the provider, read with its key; every method raises ``Unread``.

    Pages count from 1, and records come by the time of their creation, the oldest first. Without
    ``lists`` one message can be asked for, by the provider's id, and nothing else.
    """

    lists: bool
    page_size: int

    def records(self, since_ms: int, until_ms: int, page: int, to: str = "") -> RecordPage:
        """What was created from ``since_ms`` to before ``until_ms``; to one number, if any."""
        ...

    def record(self, id: str) -> ProviderRecord | None:
        """One message by the provider's id; None where it has none of that id (any more)."""
        ...

    def lost_webhooks(self, since_ms: int, until_ms: int, page: int) -> WebhookPage:
        """Webhooks of that time which nobody took."""
        ...


class ReportsFactory(Protocol):
    """Opens an account's reports through ``client``.

    ``sleep`` waits so many seconds; two calls begin ``spacing_seconds`` apart at least.
    """

    def __call__(
        self,
        account: Account,
        key: str,
        client: "httpx.Client",
        sleep: Callable[[float], object],
        spacing_seconds: float,
    ) -> Reports: ...


def whole(value: Any) -> int | None:
    """A count as it came; None for anything else."""
    return value if type(value) is int and value >= 0 else None
