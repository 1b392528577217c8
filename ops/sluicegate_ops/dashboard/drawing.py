"""Draws a page's answer as HTML, the same when it is opened and whenever it is polled."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from tornado.template import Loader

from ..operating.words import clean, counted, lasting, when
from .charts import account_charts, campaign_charts
from .pages import TABS, DashboardPage, PageAnswer

TEMPLATES, STATIC = (Path(__file__).parent / name for name in ("templates", "static"))

_LOADER = Loader(
    str(TEMPLATES),
    namespace={
        "account_charts": account_charts,
        "campaign_charts": campaign_charts,
        "clean": clean,
        "counted": counted,
        "lasting": lasting,
        "moment": when,
        "path_of": lambda text: quote(text, safe=""),
    },
)


def drawn(page: DashboardPage, answer: PageAnswer, prefix: str = "") -> str:
    """The page without what surrounds it; ``prefix`` is the path under which all pages stand."""
    name = "trouble" if answer.trouble else page.slug
    fields: Mapping[str, Any] = answer.data
    html = _LOADER.load(f"{name}.html").generate(
        **fields, page=page, tabs=TABS, answer=answer, prefix=prefix, link=_Links(answer, prefix)
    )
    return html.decode()


class _Links:
    """Paths of pages, which keep the account that is looked at."""

    def __init__(self, answer: PageAnswer, prefix: str) -> None:
        self._prefix = prefix
        many = len(answer.accounts) > 1
        self._query = f"?{urlencode({'account': answer.account})}" if many else ""

    def __call__(self, *parts: str) -> str:
        path = "/".join(quote(part, safe="") for part in parts)
        return f"{self._prefix}/{path}{self._query}"
