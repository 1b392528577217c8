"""The providers' APIs: what sends each one's messages, and what checks and reads its webhooks.

To add a provider, write a folder beside ``telnyx`` and one row here:

1. A gateway: a class with the methods of ``gateway.Gateway``. ``exchange.Exchange`` makes the
   POST, and keeps the credential out of every text.
2. A function that returns ``webhooks.WebhookReader`` values. They check signatures and translate
   events, each status of the provider to its message's delivery among them.
3. A ``ProviderApi``. Its ``api`` is what the configuration must know. Apps read the configuration
   too, without the worker, so ``sluicegate/config/apis.py`` is where that part is written.

A provider that is not part of this package calls ``register`` with its row before the
configuration is read. In an app without the worker, it adds ``api`` to ``APIS`` instead.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sluicegate.config import Account, Config
from sluicegate.config.apis import APIS, TELNYX_V1, TELNYX_V2, Api, known_apis
from sluicegate.errors import InvalidConfig
from sluicegate.webhook_urls import WebhookUrls

from .gateway import Gateway
from .optouts import OptOutPage, OptOutPages
from .owned import AccountBooks, BooksFactory
from .reports import Reports, ReportsFactory
from .telnyx.v1 import TelnyxV1
from .telnyx.v2 import TelnyxV2
from .webhooks import WebhookReader

if TYPE_CHECKING:
    import httpx


class GatewayFactory(Protocol):
    """Makes the gateway of an account; a gateway's class is one."""

    def __call__(
        self, account: Account, secret: str, /, *, receipts: WebhookUrls | None
    ) -> Gateway:
        """``secret`` is the account's credential; ``receipts`` is None where none are wanted."""
        ...


class ProviderApi(NamedTuple):
    """One row.

    ``webhooks(account, environ)`` makes the readers for which the account has a key, and raises
    InvalidConfig for a malformed key. ``rate_headers``: whether answers say how much of the rate
    limit is left. ``optouts`` reads the provider's own list of opt-outs, where it has one, and
    ``books`` what the account owns there, where the key can tell. ``reports`` reads its records of
    the messages that were sent, to reconcile ours with.
    """

    api: Api
    gateway: GatewayFactory
    webhooks: Callable[[Account, Mapping[str, str]], Sequence[WebhookReader]]
    rate_headers: bool
    optouts: OptOutPages | None = None
    books: BooksFactory | None = None
    reports: ReportsFactory | None = None


def _telnyx_webhooks(account: Account, environ: Mapping[str, str]) -> Sequence[WebhookReader]:
    # Here, since only who serves webhooks has what checks their signatures.
    from .telnyx.webhooks import webhook_readers

    return webhook_readers(account, environ)


def _telnyx_optouts(
    account: Account, key: str, client: "httpx.Client", sleep: Callable[[float], object]
) -> Iterator[OptOutPage]:
    from .telnyx.optouts import optout_pages  # httpx takes 4 MB of each worker process

    return optout_pages(account, key, client, sleep)


def _telnyx_books(
    account: Account, key: str, client: "httpx.Client", sleep: Callable[[float], object]
) -> AccountBooks:
    from .telnyx.books import TelnyxBooks, TelnyxV1Books  # likewise

    kind = TelnyxBooks if account.api == TELNYX_V2.name else TelnyxV1Books
    return kind(account, key, client, sleep)


def _telnyx_reports(
    account: Account,
    key: str,
    client: "httpx.Client",
    sleep: Callable[[float], object],
    spacing_seconds: float,
) -> Reports:
    from .telnyx.reports import TelnyxReports, TelnyxV1Reports  # likewise

    kind = TelnyxReports if account.api == TELNYX_V2.name else TelnyxV1Reports
    return kind(account, key, client, sleep, spacing_seconds)


_PROVIDERS: dict[str, ProviderApi] = {
    row.api.name: row
    for row in (
        ProviderApi(
            TELNYX_V2,
            TelnyxV2,
            _telnyx_webhooks,
            True,
            _telnyx_optouts,
            _telnyx_books,
            _telnyx_reports,
        ),
        ProviderApi(
            TELNYX_V1, TelnyxV1, _telnyx_webhooks, False, None, _telnyx_books, _telnyx_reports
        ),
    )
}


def register(row: ProviderApi) -> Callable[[], None]:
    """Add an API to those that an account may name; returns a function that removes it again.

    Raises ValueError where there is an API of that name.
    """
    name = row.api.name
    if name in APIS:
        raise ValueError(f"there is an API {name!r} already")
    APIS[name], _PROVIDERS[name] = row.api, row

    def remove() -> None:
        del APIS[name], _PROVIDERS[name]

    return remove


def provider_of(account: Account) -> ProviderApi:
    """The row of an account's API; raises InvalidConfig for one that nobody knows."""
    try:
        return _PROVIDERS[account.api]
    except KeyError:
        raise InvalidConfig("api", f"must be one of {known_apis()}") from None


def gateway_of(config: Config, name: str, environ: Mapping[str, str] = os.environ) -> Gateway:
    """The gateway of the account ``name``.

    Raises InvalidConfig for an unknown account, and for a secret that is not set.
    """
    account, web = config.account(name), config.web
    receipts = None
    if web.public_url and account.receipts:
        receipts = WebhookUrls(web.public_url, web.receipts_secret(environ), name)
    return provider_of(account).gateway(account, account.api_key(environ), receipts=receipts)
