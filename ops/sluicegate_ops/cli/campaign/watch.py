"""``sluicegate campaign watch``: a campaign under way, until it ends or you have seen enough."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import msgspec
import typer
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sluicegate.campaigns.campaign import Campaign
from sluicegate.campaigns.ledger import STATES, Ledger

from ...inspect import CampaignCause, Why
from ..kit.output import clean, console
from ..kit.session import Session
from ..message.fates import fates_of, summed, unknown
from ..status.reasons import expected, limit, own_pace, sentence
from .causes import masked_causes
from .show import Name, show_ledger

_LOOK_SECONDS = 0.5
_LINE_SECONDS = 2.0
_RATE_SECONDS = 10.0
_CODES_SECONDS = 5.0
_CODES_SHOWN = 5
_ENDS = ("finished", "cancelled")


class Moment(msgspec.Struct, frozen=True):
    """One look: where the campaign stands, and how fast it has been of late.

    ``unknown`` is why nothing more is known of some that were accepted.
    """

    campaign: Campaign
    ledger: Ledger
    why: Why
    dead: list[CampaignCause]
    per_second: float
    unknown: str

    @property
    def done(self) -> int:
        return self.ledger.imported - self.ledger.pending

    @property
    def done_about(self) -> str:
        """About when it is done; ``""`` where nobody can say."""
        ends = expected(self.why.finish, self.why.now_ms)
        return f"done {ends}" if ends else ""


class Shown(Protocol):
    """Takes each look, and shows it."""

    def __call__(self, moment: Moment) -> None: ...


def watch(ctx: typer.Context, name: Name) -> None:
    """Follow a campaign until it is finished or cancelled; Ctrl-C leaves it running.

    \b
    Example:
      sluicegate campaign watch july
    """
    session: Session = ctx.obj
    session.campaigns.get(name)
    try:
        with _live() if sys.stdout.isatty() else _lines() as show:
            for moment in _moments(session, name):
                show(moment)
                if moment.campaign.state in _ENDS:
                    break
                time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        state = session.campaigns.get(name).state
        typer.echo(f"\n{name} is {state}, and goes on so without being watched")
        return
    typer.echo(f"\n{name} is {moment.campaign.state}")
    show_ledger(session, moment.ledger)


def _moments(session: Session, name: str) -> Iterator[Moment]:
    """Look again and again; less often at what it died of, which is as much work as there is."""
    campaigns = session.campaigns
    seen: deque[tuple[float, int]] = deque()
    dead: list[CampaignCause] = []
    dead_seen, look_at = 0, 0.0
    while True:
        now = time.monotonic()
        campaign, ledger = campaigns.get(name), campaigns.ledger(name)
        if ledger.states["dead"] != dead_seen and now >= look_at:
            dead, dead_seen = masked_causes(session, name, "dead"), ledger.states["dead"]
            look_at = now + _CODES_SECONDS
        per_second = _rate(seen, now, _sent(ledger))
        why = session.waits.of(campaign, ledger)
        yield Moment(campaign, ledger, why, dead, per_second, unknown(session))


def _sent(ledger: Ledger) -> int:
    """How many have been through a request that told how it ended."""
    return ledger.states["accepted"] + ledger.states["dead"]


def _rate(seen: deque[tuple[float, int]], now: float, sent: int) -> float:
    """The rate over the last seconds; ``seen`` keeps them."""
    seen.append((now, sent))
    while now - seen[0][0] > _RATE_SECONDS:
        seen.popleft()
    began, before = seen[0]
    return max(0.0, (sent - before) / (now - began)) if now > began else 0.0


@contextmanager
def _lines() -> Iterator[Shown]:
    """A plain line now and then, and whenever the state changes."""
    said_at, said_state = 0.0, ""

    def show(moment: Moment) -> None:
        nonlocal said_at, said_state
        now, state = time.monotonic(), moment.campaign.state
        if now - said_at >= _LINE_SECONDS or state != said_state:
            said_at, said_state = now, state
            typer.echo(_line(moment))
            sys.stdout.flush()

    yield show


def _line(moment: Moment) -> str:
    parts = [f"{moment.campaign.state}  {moment.done:,} of {moment.ledger.imported:,}"]
    parts += [_speed(moment), moment.done_about, _codes(moment), _fates(moment)]
    return ", ".join(filter(None, parts)) + _because(moment)


@contextmanager
def _live() -> Iterator[Shown]:
    """One screen that is drawn anew."""
    from rich.live import Live

    with Live(console=console(), refresh_per_second=4) as live:
        yield lambda moment: live.update(_screen(moment))


def _screen(moment: Moment) -> RenderableType:
    ledger = moment.ledger
    total = max(1, ledger.imported)
    head = f"campaign {moment.campaign.name}: {moment.campaign.state}"
    share = f"{moment.done:,} of {ledger.imported:,}  {100 * moment.done / total:.1f} %"
    counts = Table.grid(padding=(0, 2))
    counts.add_column()
    counts.add_column(justify="right")
    for state in STATES:
        count = ledger.states[state]
        style = "bold" if count else "dim"
        counts.add_row(state.replace("_", " "), f"{count:,}", style=style)
    bar = Table.grid(padding=(0, 2))
    bar.add_row(ProgressBar(total=total, completed=moment.done, width=50), share)
    lines = [_speed(moment), moment.done_about, _codes(moment), _fates(moment)]
    lines.append(_because(moment).strip())
    return Group(
        Text(head, style="bold"),
        bar,
        *map(Text, filter(None, lines)),
        Text(),
        counts,
    )


def _speed(moment: Moment) -> str:
    own = own_pace(moment.campaign)
    speed = f"{moment.per_second:,.1f}/s, limit {limit(moment.why.rate)}"
    return f"{speed}, its own pace {own}" if own else speed


def _codes(moment: Moment) -> str:
    shown = [f"{one.count:,} x {clean(one.code)}" for one in moment.dead[:_CODES_SHOWN]]
    more = len(moment.dead) - _CODES_SHOWN
    return "dead: " + "; ".join(shown + [f"{more} more codes"] * (more > 0)) if shown else ""


def _fates(moment: Moment) -> str:
    """What receipts have told of those accepted."""
    fates = fates_of(moment.ledger)
    if not any(fates.values()):
        return ""
    return f"of those accepted {summed(fates)}" + f" ({moment.unknown})" * bool(fates["unknown"])


def _because(moment: Moment) -> str:
    reason = sentence(moment.why)
    return f"  ({reason})" if reason else ""
