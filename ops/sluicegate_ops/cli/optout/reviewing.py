"""``sluicegate optout review``: replies that a person must read, and what that person decides."""

from collections.abc import Sequence
from typing import Annotated

import typer

from sluicegate.optouts import ReviewAnswer, ReviewDecision
from sluicegate.stored import ReviewedNumber

from ...operating.numbers import numbers_of
from ...operating.reviews import masked_review
from ...operating.session import Session
from ...operating.words import clean, counted, hidden, when
from ..kit.acts import by_whom, note
from ..kit.asking import confirm
from ..kit.command import command, option_set
from ..kit.failures import BAD_INPUT, FAILED, fail, say
from ..kit.options import (
    AsJsonLines,
    Confirmed,
    ListLimit,
    RegionOption,
    Unmasked,
    WhoOption,
    WhyOption,
)
from ..kit.output import table, write, write_lines
from .changes import SOURCE

_TEXT_ASKED = 60


@option_set
class ReviewOptions:
    """The options of ``optout review``."""

    numbers: Annotated[
        list[str] | None,
        typer.Argument(metavar="NUMBER", help="Whose reply you decide about: +15551234567."),
    ] = None
    opt_out: Annotated[
        bool, typer.Option("--opt-out", help="It was a revocation: never send to them again.")
    ] = False
    release: Annotated[
        bool, typer.Option("--release", help="It was none: send what is held for them.")
    ] = False
    all: Annotated[bool, typer.Option("--all", help="All whose replies wait now.")] = False
    region: RegionOption = None
    who: WhoOption = None
    why: WhyOption = ""
    yes: Confirmed = False
    limit: ListLimit = 50
    json: AsJsonLines = False
    full: Unmasked = False


@command
def review(session: Session, options: ReviewOptions) -> None:
    """Read replies that may be revocations, and decide about them.

    A reply that holds STOP or the like and says more is put here, and nothing is
    sent to its writer until somebody has read it. What was to be sent waits, and
    goes out or is suppressed once you decide; the longest waiting comes first.

    \b
    Example:
      sluicegate optout review --full
      sluicegate optout review +15551234567 --opt-out --why "asks us to stop"
      sluicegate optout review +15551234568 --release --why "about a bill"
    """
    if options.opt_out and options.release:
        fail("give either --opt-out or --release", BAD_INPUT)
    waiting = session.sluice.optouts.reviews()
    if not (options.opt_out or options.release):
        if options.numbers or options.all:
            fail("decide with --opt-out or --release, or give no NUMBER to list them", BAD_INPUT)
        _list(waiting, options)
        return
    if bool(options.numbers) == options.all:
        fail("give either NUMBER... or --all", BAD_INPUT)
    _decide(session, options, waiting)


def _list(waiting: Sequence[ReviewedNumber], options: ReviewOptions) -> None:
    shown = [masked_review(one, options.full) for one in waiting[: options.limit or None]]
    if options.json:
        write_lines(shown)
        return
    if not shown:
        typer.echo("no reply waits for you")
        return
    rows = table(
        "NUMBER", "SINCE", "REPLIES", "LAST WRITTEN", spare=("SINCE",), right=("REPLIES",)
    )
    for one in shown:
        rows.add_row(one.number, when(one.since_ms), f"{one.count:,}", clean(one.text))
    write(rows)
    if len(shown) < len(waiting):
        typer.echo(f"{counted(len(waiting), 'number')} in all; --limit 0 lists them", err=True)


def _decide(session: Session, options: ReviewOptions, waiting: Sequence[ReviewedNumber]) -> None:
    """Decide about what stands on the list at this moment; a later reply is left to be read."""
    decision: ReviewDecision = "opt out" if options.opt_out else "release"
    by = by_whom(options.who, options.why, needed=options.release)
    known = {one.number: one for one in waiting}
    meant = list(known) if options.all else numbers_of(options.numbers or [], options.region)
    if not meant:
        typer.echo("no reply waits for you")
        return
    confirm(
        _question(decision, [known[number] for number in meant if number in known]), options.yes
    )
    seen = {number: known[number].at_ms if number in known else None for number in meant}
    answers = session.sluice.optouts.decide(seen, decision, SOURCE, who=by.who, why=by.why)
    done = sum(answer in ("opted out", "released") for answer in answers)
    if done:
        about = {"all": "yes"} if options.all else {}
        note(session, by, f"{decision} after review", about, done)
    _tell(meant, answers, decision, options)
    if done < len(meant):
        raise typer.Exit(FAILED)


def _question(decision: ReviewDecision, known: Sequence[ReviewedNumber]) -> str:
    act = "Never send to" if decision == "opt out" else "Send again to"
    if len(known) != 1:
        return f"{act} {counted(len(known), 'number')} whose replies wait?"
    text = clean(hidden(known[0].text))
    shown = text if len(text) <= _TEXT_ASKED else f"{text[:_TEXT_ASKED]}..."
    return f'{act} {hidden(known[0].number)}, who wrote "{shown}"?'


def _tell(
    numbers: Sequence[str],
    answers: Sequence[ReviewAnswer],
    decision: ReviewDecision,
    options: ReviewOptions,
) -> None:
    pairs = list(zip(numbers, answers, strict=True))
    if options.json:
        write_lines(
            {"number": hidden(number, options.full), "result": answer} for number, answer in pairs
        )
        return
    reasons = {"unknown": "no reply of it waits", "changed": "it has written again: read that"}
    for number, answer in pairs:
        if answer in reasons:
            say(f"{hidden(number, options.full)}: {reasons[answer]}")
    done = sum(answer not in reasons for answer in answers)
    typer.echo(f"{counted(done, 'number')} {'opted out' if decision == 'opt out' else 'released'}")
