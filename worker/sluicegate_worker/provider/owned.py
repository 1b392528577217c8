"""What an account owns at the provider, as far as its key can read it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

from sluicegate.config import Account

if TYPE_CHECKING:  # heavy, and no worker needs it for this
    import httpx

NumberKind = Literal["long_code", "toll_free", "short_code", "other"]


class Unread(Exception):
    """The provider doesn't tell: the text says why, without the credential.

    ``status`` is its answer's, 0 if there was none.
    """

    def __init__(self, why: str, status: int = 0) -> None:
        super().__init__(why)
        self.status = status


class KnownProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A messaging profile; ``countries`` is empty for all, ``daily_spend`` None for no limit.

    ``pool`` says whether it picks among its numbers. ``v1_secret`` is never shown.
    """

    id: str
    name: str = ""
    enabled: bool = True
    webhook_url: str = ""
    webhook_failover_url: str = ""
    webhook_api_version: str = "2"
    countries: tuple[str, ...] = ()
    daily_spend: str | None = None
    smart_encoding: bool = False
    mms_fall_back_to_sms: bool = False
    pool: bool = False
    v1_secret: str = ""

    def __repr__(self) -> str:
        return f"KnownProfile({self.id!r}, {self.name!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("id", self.id), ("name", self.name)]


class KnownNumber(msgspec.Struct, frozen=True, kw_only=True):
    """A number or short code; ``profile`` is "" if it has none."""

    number: str
    kind: NumberKind
    profile: str = ""
    country: str = ""
    sms: bool = True
    mms: bool = True


class KnownBrand(msgspec.Struct, frozen=True, kw_only=True):
    """A 10DLC brand."""

    id: str
    name: str = ""
    status: str = ""


class KnownCampaign(msgspec.Struct, frozen=True, kw_only=True):
    """A 10DLC campaign; what carriers don't tell is None or "".

    ``sms_per_minute`` and ``mms_per_minute`` are AT&T's, for each number if ``per_number``.
    ``suspended`` says by whom or why it may not send, "" if it may.
    """

    id: str
    brand: str = ""
    usecase: str = ""
    status: str = ""
    suspended: str = ""
    att_class: str = ""
    sms_per_minute: float | None = None
    mms_per_minute: float | None = None
    per_number: bool = False
    tmobile_tier: str = ""
    tmobile_daily: int | None = None


class Assignment(msgspec.Struct, frozen=True, kw_only=True):
    """A number's 10DLC campaign, and whether carriers know of it yet."""

    number: str
    campaign: str
    status: str = ""


class Owned(msgspec.Struct, frozen=True, kw_only=True):
    """All of it. ``verified`` has the state of each toll-free number's verification.

    ``unread`` names the parts that the key can't read, and why.
    """

    profiles: Sequence[KnownProfile] = ()
    numbers: Sequence[KnownNumber] = ()
    brands: Sequence[KnownBrand] = ()
    campaigns: Sequence[KnownCampaign] = ()
    assignments: Sequence[Assignment] = ()
    verified: Mapping[str, str] = {}
    balance: str = ""
    currency: str = ""
    public_key: str = ""
    unread: Mapping[str, str] = {}


class AccountBooks(Protocol):
    """Reads an account at the provider, and changes its profiles' webhooks.

    Every method raises ``Unread``.
    """

    def owned(self) -> Owned:
        """Everything, in a bounded number of calls."""
        ...

    def profiles(self) -> Iterator[KnownProfile]:
        """The messaging profiles."""
        ...

    def profile(self, id: str) -> KnownProfile:
        """One messaging profile."""
        ...

    def set_webhooks(self, id: str, fields: Mapping[str, str | None]) -> KnownProfile:
        """Change what ``fields`` name: webhook_url, webhook_failover_url, webhook_api_version."""
        ...

    def message(self, id: str) -> Mapping[str, object]:
        """A message as the provider has it now."""
        ...

    def balance(self) -> str:
        """The balance, with its currency; the cheapest question that needs the key."""
        ...


class BooksFactory(Protocol):
    """Opens an account's books through ``client``; ``sleep`` waits so many seconds."""

    def __call__(
        self, account: Account, key: str, client: "httpx.Client", sleep: Callable[[float], object]
    ) -> AccountBooks: ...
