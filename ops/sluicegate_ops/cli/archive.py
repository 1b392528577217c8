"""``sluicegate archive``: where finished messages go, and whether they do."""

import time
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
import typer

from sluicegate.errors import InvalidConfig
from sluicegate_worker.archiver import Archived, Archiver, LeaseLost
from sluicegate_worker.archiving import FOLD_SECONDS, pass_seconds

from ..inspect import ArchiveState, read_archive, server_ms
from ..operating.session import Session
from ..operating.words import clean, counted, lasting, when
from .kit.acts import by_whom
from .kit.asking import confirm
from .kit.command import command, option_set
from .kit.failures import FAILED, fail
from .kit.groups import group
from .kit.options import AsJsonDocument, Confirmed, WhoOption, WhyOption
from .kit.output import write_document, write_pairs, write_result

archive = group("Look at the archive of finished messages, and write it.")

_PASSES_MISSED = 3


class ArchiveScreen(msgspec.Struct, frozen=True):
    """``archive status``: what Redis knows of it, and what the archive itself says."""

    redis: ArchiveState
    messages: int = 0
    bytes: int = 0
    oldest_ms: int = 0
    latest_ms: int = 0
    after_days: float | None = None
    keep_days: float | None = None


@option_set
class ArchiveStatusOptions:
    """The options of ``archive status``."""

    json: AsJsonDocument = False


@option_set
class ArchiveRunOptions:
    """The options of ``archive run``."""

    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until it is stopped, as a worker does.")
    ] = False
    json: AsJsonDocument = False


@option_set
class ArchiveAdoptOptions:
    """The options of ``archive adopt``."""

    who: WhoOption = None
    why: WhyOption = ""
    yes: Confirmed = False
    json: AsJsonDocument = False


@archive.command()
@command
def status(session: Session, options: ArchiveStatusOptions) -> None:
    """Show what has been archived, what is to be, and when it ends.

    Exits with 1 if what has ended is not archived.

    \b
    Example:
      sluicegate archive status
    """
    screen = _screen(session)
    late = is_late(screen.redis, session, server_ms(session.client))
    if options.json:
        write_document({"person_needed": late} | msgspec.to_builtins(screen))
    else:
        write_pairs(_pairs(screen))
    if late:
        raise typer.Exit(FAILED)


@archive.command()
@command
def run(session: Session, options: ArchiveRunOptions) -> None:
    """Archive what has ended, as fast as this process can.

    Workers do the same by themselves, in a share of a core, unless in_workers is
    false. It may run beside them and beside sending; one at a time archives.

    \b
    Example:
      sluicegate archive run
      sluicegate archive run --watch
    """
    if session.config.archive is None:
        raise InvalidConfig("archive", "none is configured: add a section [archive]")
    archiver = Archiver(session.client, session.config, session.name)
    while True:
        done = archiver.run()
        if done.busy and not options.watch:
            fail("another process archives this account now; it goes on by itself")
        if not options.watch or done.messages or done.removed:
            write_result(done._asdict(), _done(done), as_json=options.json)
        if not options.watch:
            break
        ends = time.monotonic() + pass_seconds(session.config.archive)
        while time.monotonic() < ends:
            session.sleep(FOLD_SECONDS)
            archiver.fold()
    archiver.close()


@archive.command()
@command
def adopt(session: Session, options: ArchiveAdoptOptions) -> None:
    """Make the configured archive this account's own.

    For a Redis that was lost, or books that go on elsewhere from now on. What is
    in the archive before stays there, and is no longer read.

    \b
    Example:
      sluicegate archive adopt --why "Redis was lost and is set up anew"
    """
    by = by_whom(options.who, options.why, needed=True)
    if session.config.archive is None:
        raise InvalidConfig("archive", "none is configured: add a section [archive]")
    before = read_archive(session.client, session.keys, session.config, 0).place
    whose = f"Its finished messages are in {before}." if before else "It has no archive yet."
    confirm(f"{whose} Make the configured archive that of account {session.name}?", options.yes)
    place = Archiver(session.client, session.config, session.name).adopt(by)
    text = f"account {session.name}: finished messages go to {place} from now on"
    write_result({"account": session.name, "place": place}, text, as_json=options.json)


@archive.command()
@command
def off(session: Session, options: ArchiveAdoptOptions) -> None:
    """Let this account have no archive any more.

    Take [archive] out of the configuration of every worker first. What is in the
    archive stays there and is no longer read; what ends expires in Redis again.
    Receipts that wait for archived messages are applied if it can be asked, and
    dropped otherwise. With adopt it can be taken up again.

    \b
    Example:
      sluicegate archive off --why "the disk is needed elsewhere"
    """
    by = by_whom(options.who, options.why, needed=True)
    state = read_archive(session.client, session.keys, session.config, 0)
    late = f" {counted(state.late, 'receipt')} may be dropped." if state.late else ""
    what = f"Messages in {state.place or 'it'} are no longer found.{late}"
    confirm(f"{what} Let account {session.name} have no archive?", options.yes)
    try:
        place = Archiver(session.client, session.config, session.name).off(by)
    except LeaseLost:
        fail("an archiver is at work just now; repeat this in a minute")
    text = f"account {session.name} has no archive any more; it was {place}"
    write_result(
        {"account": session.name, "place": place},
        text if place else f"account {session.name} had no archive",
        as_json=options.json,
    )


def is_late(state: ArchiveState, session: Session, now_ms: float) -> bool:
    """Whether passes have been missed that should have been made."""
    settings = session.config.archive
    if not state.place:
        return settings is not None
    every_ms = 1000 * (pass_seconds(settings) if settings else 3600.0)
    return bool(state.fault) or now_ms - state.passed_ms > _PASSES_MISSED * every_ms


def _screen(session: Session) -> ArchiveScreen:
    state = read_archive(session.client, session.keys, session.config, server_ms(session.client))
    settings, found = session.config.archive, dict[str, Any]()
    if settings is not None:
        found = {"after_days": settings.after_days, "keep_days": settings.keep_days}
    if state.place and (opened := session.archive.archive):
        oldest, latest = opened.span(session.name)
        found |= {"messages": opened.count(session.name), "bytes": opened.size_bytes()}
        found |= {"oldest_ms": oldest, "latest_ms": latest}
    return ArchiveScreen(state, **found)


def _pairs(screen: ArchiveScreen) -> Iterator[tuple[str, object]]:
    state = screen.redis
    if not state.place:
        yield "archive", _without(screen)
        return
    yield "archive", state.place
    yield "messages", f"{screen.messages:,}, {screen.bytes / 1e6:,.1f} MB"
    if screen.messages:
        yield "ended", f"{when(screen.oldest_ms)} to {when(screen.latest_ms)}"
    yield "last pass", when(state.passed_ms) if state.passed_ms else "none yet"
    oldest = f", the oldest ended {when(state.oldest_ms)}" if state.oldest_ms else ""
    yield "fails", clean(state.fault) or None
    yield "still in Redis", f"{counted(state.stay, 'finished message')}{oldest}"
    yield "archived after", _days(screen.after_days)
    yield "kept for", _days(screen.keep_days)
    yield "ids known", f"{state.ids:,} of apps' messages, until their retention is over"
    yield "late receipts", state.late or None


def _without(screen: ArchiveScreen) -> str:
    if screen.after_days is not None:
        return "configured, and nothing was archived yet: the first pass begins it"
    return "none: a campaign's recipients stay in Redis for ever; see docs/ARCHIVE.md"


def _days(days: float | None) -> str:
    return "ever" if days is None else lasting(days * 86_400)


def _done(done: Archived) -> str:
    removed = f", {done.removed:,} removed after their time" if done.removed else ""
    late = f", {counted(done.late, 'late receipt')} applied" if done.late else ""
    return (
        f"{counted(done.messages, 'message')} archived{late}{removed}; "
        f"{counted(done.stay, 'finished message')} will be in time"
    )
