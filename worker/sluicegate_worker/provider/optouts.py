"""The provider's own list of opt-outs, as far as it has one."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sluicegate.config import Account

if TYPE_CHECKING:  # heavy, and no worker needs it for this
    import httpx


class ListedOptOut(NamedTuple):
    """A number that the provider sends nothing to from a messaging profile (empty: not named)."""

    number: str
    profile: str


class OptOutPage(NamedTuple):
    """A page of the list, which has ``total`` entries, as far as the provider says so.

    ``unreadable`` entries name no number: the provider has hidden it, for one.
    """

    optouts: Sequence[ListedOptOut]
    total: int
    unreadable: int


class ListRefused(Exception):
    """The provider doesn't give its list: the text says why, without the credential."""


class OptOutPages(Protocol):
    """Reads an account's list page by page, with its credential, through ``client``."""

    def __call__(
        self, account: Account, key: str, client: "httpx.Client", sleep: Callable[[float], object]
    ) -> Iterator[OptOutPage]:
        """``sleep`` waits so many seconds where the provider asks for it. Raises ListRefused."""
        ...
