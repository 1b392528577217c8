"""``sluicegate campaign watch``: a running campaign, until it ends or you press Ctrl-C."""

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Protocol

import msgspec
import typer

from sluicegate.campaigns.ledger import STATES, Ledger
from sluicegate.campaigns.stored_campaign import Campaign

from ...inspect import CampaignCause, Why
from ...operating.campaign.causes import masked_causes
from ...operating.campaign.document import summary
from ...operating.message.deliveries import deliveries_of, summed, unknown
from ...operating.session import Session
from ...operating.status.reasons import expected, limit, own_pace, sentence
from ...operating.words import clean
from ..kit.command import command, option_set
from ..kit.options import AsJsonLines
from ..kit.output import console, grid, tell, write_lines
from .options import CampaignOptions
from .show import show_ledger

if TYPE_CHECKING:  # rich is heavy, and help does without it
    from rich.console import RenderableType

_LOOK_SECONDS = 0.5
_LINE_SECONDS = 2.0
_RATE_SECONDS = 10.0
_CODES_SECONDS = 5.0
_CODES_SHOWN = 5
_ENDS = ("finished", "cancelled")


class Moment(msgspec.Struct, frozen=True):
    """One look: where the campaign stands, and how fast it went in the last seconds.

    ``unknown`` is why the delivery of some accepted messages is unknown.
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
        """When it will be done, approximately; ``""`` if that can't be told."""
        ends = expected(self.why.finish, self.why.now_ms)
        return f"done {ends}" if ends else ""


class Shown(Protocol):
    """Shows one look after the other."""

    def __call__(self, moment: Moment) -> None: ...


@option_set
class WatchOptions(CampaignOptions):
    """The options of ``campaign watch``."""

    json: AsJsonLines = False


@command
def watch(session: Session, options: WatchOptions) -> None:
    """Follow a campaign until it is finished or cancelled.

    Ctrl-C ends only the watching; the campaign goes on.

    \b
    Example:
      sluicegate campaign watch july
    """
    name = options.name
    session.campaigns.get(name)
    try:
        with _shown(options) as show:
            for moment in _moments(session, name):
                show(moment)
                if moment.campaign.state in _ENDS:
                    break
                time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        state = session.campaigns.get(name).state
        if options.json:
            return
        tell(f"\n{name} is {state}; it goes on without being watched")
        return
    if options.json:
        return
    typer.echo(f"\n{name} is {moment.campaign.state}")
    show_ledger(session, moment.ledger)


def _moments(session: Session, name: str) -> Iterator[Moment]:
    """Look again and again; less often at the causes of death, since those take long to read."""
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
    """How many have been accepted or refused for good."""
    return ledger.states["accepted"] + ledger.states["dead"]


def _rate(seen: deque[tuple[float, int]], now: float, sent: int) -> float:
    """Messages per second over the last seconds, which ``seen`` remembers."""
    seen.append((now, sent))
    while now - seen[0][0] > _RATE_SECONDS:
        seen.popleft()
    began, before = seen[0]
    return max(0.0, (sent - before) / (now - began)) if now > began else 0.0


def _shown(options: WatchOptions) -> AbstractContextManager[Shown]:
    if options.json:
        return _lines(_write_moment)
    return _live() if sys.stdout.isatty() else _lines(lambda moment: typer.echo(_line(moment)))


def _write_moment(moment: Moment) -> None:
    rate = {"at_ms": int(moment.why.now_ms), "per_second": round(moment.per_second, 1)}
    write_lines([summary(moment.campaign, moment.ledger) | rate | {"finish": moment.why.finish}])


@contextmanager
def _lines(write: Shown) -> Iterator[Shown]:
    """A line every few seconds, and whenever the state changes."""
    said_at, said_state = 0.0, ""

    def show(moment: Moment) -> None:
        nonlocal said_at, said_state
        now, state = time.monotonic(), moment.campaign.state
        if now - said_at >= _LINE_SECONDS or state != said_state:
            said_at, said_state = now, state
            write(moment)
            sys.stdout.flush()

    yield show


def _line(moment: Moment) -> str:
    parts = [f"{moment.campaign.state}  {moment.done:,} of {moment.ledger.imported:,}"]
    parts += [_speed(moment), moment.done_about, _codes(moment), _deliveries(moment)]
    return ", ".join(filter(None, parts)) + _because(moment)


@contextmanager
def _live() -> Iterator[Shown]:
    """One screen that is redrawn in place."""
    from rich.live import Live

    with Live(console=console(), refresh_per_second=4) as live:
        yield lambda moment: live.update(_screen(moment))


def _screen(moment: Moment) -> "RenderableType":
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    ledger = moment.ledger
    total = max(1, ledger.imported)
    head = f"campaign {moment.campaign.name}: {moment.campaign.state}"
    share = f"{moment.done:,} of {ledger.imported:,}  {100 * moment.done / total:.1f} %"
    counts = grid()
    counts.add_column()
    counts.add_column(justify="right")
    for state in STATES:
        count = ledger.states[state]
        style = "bold" if count else "dim"
        counts.add_row(state.replace("_", " "), f"{count:,}", style=style)
    bar = grid()
    bar.add_row(ProgressBar(total=total, completed=moment.done, width=50), share)
    lines = [_speed(moment), moment.done_about, _codes(moment), _deliveries(moment)]
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
    shown = [f"{cause.count:,} x {clean(cause.code)}" for cause in moment.dead[:_CODES_SHOWN]]
    more = len(moment.dead) - _CODES_SHOWN
    return "dead: " + "; ".join(shown + [f"{more} more codes"] * (more > 0)) if shown else ""


def _deliveries(moment: Moment) -> str:
    """What receipts say of the accepted messages."""
    deliveries = deliveries_of(moment.ledger)
    if not any(deliveries.values()):
        return ""
    return f"of those accepted, {summed(deliveries)}" + f" ({moment.unknown})" * bool(
        deliveries["unknown"]
    )


def _because(moment: Moment) -> str:
    reason = sentence(moment.why)
    return f"  ({reason})" if reason else ""
