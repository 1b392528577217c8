"""Every page: its path, what it reads, and the answer to one look at it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec
import redis

from sluicegate.errors import SluicegateError, UnknownCampaign, UnknownMessage

from ..operating.words import hidden
from .accounts import OpenAccounts
from .campaigns import campaign, campaigns
from .letters import dead, doubts, twice
from .overview import overview
from .people import audit, optouts
from .queue import queue
from .search import message


class DashboardPage(NamedTuple):
    """A page: ``path`` is a pattern, whose groups ``read`` is given behind the session.

    Behind those come the words of the address that ``asks`` names. ``tab`` is the slug of the page
    under whose tab it stands.
    """

    slug: str
    title: str
    path: str
    read: Callable[..., dict[str, Any]]
    tab: str
    asks: tuple[str, ...] = ()


PAGES: Sequence[DashboardPage] = (
    DashboardPage("overview", "Overview", "/", overview, "overview"),
    DashboardPage("campaigns", "Campaigns", "/campaigns", campaigns, "campaigns"),
    DashboardPage("campaign", "Campaign", "/campaigns/([^/]+)", campaign, "campaigns"),
    DashboardPage("queue", "Queue", "/queue", queue, "queue"),
    DashboardPage("dead", "Dead letters", "/dead", dead, "dead"),
    DashboardPage("doubts", "In doubt", "/doubts", doubts, "doubts"),
    DashboardPage("twice", "Sent twice", "/twice", twice, "twice"),
    DashboardPage("message", "Message", "/message", message, "message", ("id",)),
    DashboardPage("optouts", "Opt-outs", "/optouts", optouts, "optouts"),
    DashboardPage("audit", "Audit", "/audit", audit, "audit"),
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
    except (UnknownCampaign, UnknownMessage) as error:
        return PageAnswer(account, accounts, {}, hidden(str(error)), 404)
    except SluicegateError as error:
        return PageAnswer(account, accounts, {}, hidden(str(error)), 503)
    except redis.RedisError as error:
        return PageAnswer(account, accounts, {}, hidden(f"Redis does not answer: {error}"), 503)
    return PageAnswer(session.name, accounts, data)
