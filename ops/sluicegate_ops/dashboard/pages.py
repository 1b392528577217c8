"""Every page: its path, what it reads, and the answer to one look at it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import redis

from sluicegate.errors import SluicegateError, UnknownCampaign

from ..cli.kit.output import hidden
from .accounts import OpenAccounts
from .campaigns import campaign, campaigns
from .overview import overview


class DashboardPage(NamedTuple):
    """A page: ``path`` is a pattern, whose groups ``read`` is given behind the session.

    ``tab`` is the slug of the page under whose tab it stands.
    """

    slug: str
    title: str
    path: str
    read: Callable[..., dict[str, Any]]
    tab: str


PAGES: Sequence[DashboardPage] = (
    DashboardPage("overview", "Overview", "/", overview, "overview"),
    DashboardPage("campaigns", "Campaigns", "/campaigns", campaigns, "campaigns"),
    DashboardPage("campaign", "Campaign", "/campaigns/([^/]+)", campaign, "campaigns"),
)

TABS: Sequence[DashboardPage] = tuple(page for page in PAGES if page.slug == page.tab)


class PageAnswer(NamedTuple):
    """What a page shows, in plain values, or the ``trouble`` for which it can't."""

    account: str
    accounts: Sequence[str]
    data: dict[str, Any]
    trouble: str = ""
    status: int = 200


def answered(
    opened: OpenAccounts, page: DashboardPage, account: str, *arguments: str
) -> PageAnswer:
    """Look at an account; whatever stands in the way is the answer, and none is raised."""
    accounts: Sequence[str] = ()
    try:
        accounts = opened.names
        session = opened.session(account)
        data = msgspec.to_builtins(page.read(session, *arguments), str_keys=True)
    except UnknownCampaign as error:
        return PageAnswer(account, accounts, {}, hidden(str(error)), 404)
    except SluicegateError as error:
        return PageAnswer(account, accounts, {}, hidden(str(error)), 503)
    except redis.RedisError as error:
        return PageAnswer(account, accounts, {}, hidden(f"Redis does not answer: {error}"), 503)
    return PageAnswer(session.name, accounts, data)
