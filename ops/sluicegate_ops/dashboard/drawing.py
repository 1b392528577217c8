"""Draws a page's answer as HTML, the same when it is opened and whenever it is polled."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec
from tornado.template import Loader

from ..operating.words import clean, counted, lasting, when
from .acts.performing import ACTS
from .charts import PlainPoint, TrendCharts, account_charts, campaign_charts
from .pages import TABS, DashboardPage, PageAnswer
from .person import NOBODY, Person
from .polling import marked

TEMPLATES, STATIC = (Path(__file__).parent / name for name in ("templates", "static"))

_LOADER = Loader(
    str(TEMPLATES),
    namespace={
        "clean": clean,
        "counted": counted,
        "lasting": lasting,
        "moment": when,
        "path_of": lambda text: quote(text, safe=""),
        "account_trend": lambda minutes: _trend("account", minutes),
        "campaign_trend": lambda minutes, hours: _trend("campaign", minutes, hours),
    },
)
_CHARTS: Mapping[str, Callable[..., TrendCharts | None]] = {
    "account": account_charts,
    "campaign": campaign_charts,
}


def drawn(
    page: DashboardPage,
    answer: PageAnswer,
    prefix: str = "",
    person: Person = NOBODY,
    token: str = "",
    *,
    desk: bool = False,
) -> str:
    """The page without what surrounds it, with the acts that ``person`` may do.

    ``prefix`` is the path under which all pages stand; ``token`` shows that a form is ours.
    ``desk`` says that campaigns are prepared here.
    """
    name = "trouble" if answer.trouble else page.slug
    fields: Mapping[str, Any] = answer.data
    link = _Links(answer, prefix)
    button = _Buttons(person, answer, prefix, desk)
    html = _LOADER.load(f"{name}.html").generate(
        **fields,
        page=page,
        tabs=TABS,
        answer=answer,
        prefix=prefix,
        link=link,
        button=button,
        token=token,
    )
    return html.decode()


def _trend(kind: str, *points: Sequence[PlainPoint]) -> str:
    return _drawn_trend(kind, msgspec.json.encode(points))


@lru_cache(maxsize=64)
def _drawn_trend(kind: str, points: bytes) -> str:
    """Charts and their table as HTML: drawn once a minute, whoever looks how often."""
    trend = _CHARTS[kind](*msgspec.json.decode(points))
    return marked(_LOADER.load("trend.html").generate(trend=trend).decode())


_CHOOSE = {
    "dead": ("replay", "dead", "Choose among the dead letters"),
    "held": ("resolve", "doubts", "Decide on them"),
    "twice": ("clear-twice", "twice", "Deal with them"),
    "reviews": ("decide", "inbox", "Read the replies"),
}
"""By a finding's kind: the act, the page on which people choose what it is done to, its link."""


class _Links:
    """Paths of pages, which keep the account that is looked at."""

    def __init__(self, answer: PageAnswer, prefix: str) -> None:
        self._prefix = prefix
        many = len(answer.accounts) > 1
        self._query = f"?{urlencode({'account': answer.account})}" if many else ""

    def __call__(self, *parts: str) -> str:
        path = "/".join(quote(part, safe="") for part in parts)
        return f"{self._prefix}/{path}{self._query}"


class _Buttons:
    """What leads to the question of an act; nothing for whoever may not do it."""

    def __init__(self, person: Person, answer: PageAnswer, prefix: str, desk: bool) -> None:
        self._person, self._prefix, self._desk = person, prefix, desk
        many = len(answer.accounts) > 1
        self._account = {"account": answer.account} if many else {}

    def may(self, slug: str) -> bool:
        """Whether the person may do an act."""
        return self._person.may(*ACTS[slug].roles)

    def remedy(self, finding: Mapping[str, Any]) -> str:
        """What ends a finding, beside its command line: the act, or the page to choose on."""
        kind, subject = finding["kind"], finding["subject"]
        if kind == "halts" and subject:
            told = self("clear-halt", f"Let {subject} go on", level=subject)
        elif kind == "paused" and subject:
            told = self("resume", f"Resume {subject}", campaign=subject)
        elif kind in _CHOOSE:
            slug, page, label = _CHOOSE[kind]
            url = f"{self._prefix}/{page}" + (f"?{urlencode(self._account)}" * bool(self._account))
            link = f'<a class="sg-button" href="{escape(url)}">{label}</a>'
            told = link if self.may(slug) else ""
        else:
            told = ""
        return f'<p class="sg-acts">{told}</p>' if told else ""

    def draft(self, kind: str, label: str, campaign: str) -> str:
        """A link to the campaign desk, where there is one: Flower has none."""
        if not (self._desk and self._person.may("send")):
            return ""
        path = f"{self._prefix}/campaigns/{quote(campaign, safe='')}/{kind}"
        query = f"?{urlencode(self._account)}" if self._account else ""
        return f'<a class="sg-button" href="{escape(path + query)}">{escape(label)}</a>'

    def path(self, slug: str) -> str:
        """Where an act is asked and done."""
        return f"{self._prefix}/act/{slug}"

    def fields(self) -> Iterable[tuple[str, str]]:
        """What a form that leads there must carry."""
        return self._account.items()

    def __call__(self, slug: str, label: str, **fields: str) -> str:
        """A link with the look of a button, as HTML; ``as_`` stands for a field ``as``."""
        if not self.may(slug):
            return ""
        named = {name.rstrip("_"): text for name, text in fields.items()}
        url = f"{self.path(slug)}?{urlencode(named | self._account)}"
        red = " sg-red" if slug in ("halt", "cancel", "purge") else ""
        return f'<a class="sg-button{red}" href="{escape(url)}">{escape(label)}</a>'
