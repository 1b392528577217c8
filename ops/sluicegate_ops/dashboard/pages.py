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
from .people import audit, inbox, optouts
from .queue import queue
from .search import message


class DashboardPage(NamedTuple):
    """A page: ``path`` is a pattern, whose groups ``read`` is given behind the session.

    Behind those come the words of the address that ``asks`` names. ``tab`` is the slug of the page
    under whose tab it stands. ``whole``: ``read`` takes ``full``, for whoever may see numbers.
    """

    slug: str
    title: str
    path: str
    read: Callable[..., dict[str, Any]]
    tab: str
    asks: tuple[str, ...] = ()
    whole: bool = False


PAGES: Sequence[DashboardPage] = (
    DashboardPage("overview", "Overview", "/", overview, "overview"),
    DashboardPage("campaigns", "Campaigns", "/campaigns", campaigns, "campaigns"),
    DashboardPage("campaign", "Campaign", "/campaigns/([^/]+)", campaign, "campaigns"),
    DashboardPage("queue", "Queue", "/queue", queue, "queue"),
    DashboardPage("dead", "Dead letters", "/dead", dead, "dead", whole=True),
    DashboardPage("doubts", "In doubt", "/doubts", doubts, "doubts", whole=True),
    DashboardPage("twice", "Sent twice", "/twice", twice, "twice", whole=True),
    DashboardPage("message", "Message", "/message", message, "message", ("id",), whole=True),
    DashboardPage("inbox", "Replies", "/inbox", inbox, "inbox", whole=True),
    DashboardPage("optouts", "Opt-outs", "/optouts", optouts, "optouts", ("number",), whole=True),
    DashboardPage("audit", "Audit", "/audit", audit, "audit", whole=True),
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
    opened: OpenAccounts, page: DashboardPage, account: str, *arguments: str, full: bool = False
) -> PageAnswer:
    """Look at an account, ``full`` at whole numbers.

    Whatever stands in the way is the answer, and none is raised.
    """
    accounts: Sequence[str] = ()
    try:
        accounts = opened.names
        session = opened.session(account)
        whole = {"full": full} if page.whole else {}
        data = msgspec.to_builtins(page.read(session, *arguments, **whole), str_keys=True)
    except (UnknownCampaign, UnknownMessage) as error:
        return PageAnswer(account, accounts, {}, hidden(str(error)), 404)
    except SluicegateError as error:
        return PageAnswer(account, accounts, {}, hidden(str(error)), 503)
    except redis.RedisError as error:
        return PageAnswer(account, accounts, {}, hidden(f"Redis does not answer: {error}"), 503)
    return PageAnswer(session.name, accounts, data)
