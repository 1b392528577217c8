"""``sluicegate relay``: hands over what apps wrote in transactions of their own."""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from sluicegate.errors import InvalidConfig
from sluicegate_worker.handing_over import hand_over

from ..operating.session import Session
from ..operating.words import clean, counted, hidden, when
from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, FAILED, fail
from .kit.options import AsJsonDocument
from .kit.output import table, write, write_document

if TYPE_CHECKING:
    from sluicegate.transactional.relay import Relay

_SHOWN = 50


class RefusedRow(msgspec.Struct, frozen=True):
    """A row that can't be enqueued, without its content."""

    seq: int
    id: str
    account: str
    app: str
    refused_ms: int
    error: str


class DatabaseState(msgspec.Struct, frozen=True):
    """What one database holds: rows that wait, and rows that were set aside."""

    database: str
    waiting: int
    oldest_ms: int
    refused: int
    rows: list[RefusedRow]


@option_set
class RelayOptions:
    """The options of ``relay``."""

    database: Annotated[
        str | None, typer.Option(metavar="NAME", help="One of [databases]; all if absent.")
    ] = None
    once: Annotated[bool, typer.Option("--once", help="Hand over what waits now, and end.")] = (
        False
    )
    status: Annotated[
        bool, typer.Option("--status", help="Show what waits and what was set aside.")
    ] = False
    retry: Annotated[
        list[int] | None,
        typer.Option(metavar="SEQ", help="Hand over after all what was set aside; repeatable."),
    ] = None
    drop: Annotated[
        list[int] | None,
        typer.Option(metavar="SEQ", help="Delete what was set aside; repeatable."),
    ] = None
    json: AsJsonDocument = False


@command
def relay(session: Session, options: RelayOptions) -> None:
    """Hand over what apps enqueued in transactions, until Ctrl-C.

    The messages are in [databases]: see docs/TRANSACTIONS.md. Workers do the same
    by themselves, unless in_workers is false; any number may run beside each other.
    A row that can't be enqueued is set aside with its error, and --status lists it;
    it exits with 1 if there is one.

    \b
    Example:
      sluicegate relay
      sluicegate relay --once
      sluicegate relay --status --json
      sluicegate relay --database shop --retry 17
    """
    databases = _chosen(session, options)
    if options.retry or options.drop:
        _decide(session, databases, options)
    elif options.status:
        _show(session, databases, as_json=options.json)
    elif options.once:
        _once(session, databases, as_json=options.json)
    else:
        hand_over_all(session, databases)


def _chosen(session: Session, options: RelayOptions) -> Sequence[str]:
    known = session.config.databases
    if not known:
        raise InvalidConfig(
            "databases", "none is configured: add a table [databases.NAME] with url"
        )
    acts = [bool(options.retry), bool(options.drop), options.status, options.once]
    if sum(acts) > 1:
        fail("--once, --status, --retry and --drop exclude each other", BAD_INPUT)
    if options.database is None:
        return list(known)
    if options.database not in known:
        names = ", ".join(known)
        fail(f"--database: no database {options.database}; known: {names}", BAD_INPUT)
    return [options.database]


@contextmanager
def _opened(session: Session, name: str) -> Iterator["Relay"]:
    from sluicegate.transactional.relay import Relay

    opened = Relay(session.config.databases[name].address(), session.config)
    try:
        yield opened
    finally:
        opened.close()


def _decide(session: Session, databases: Sequence[str], options: RelayOptions) -> None:
    if len(databases) > 1:
        fail("--database: say in which database these rows are", BAD_INPUT)
    [name] = databases
    seqs = options.retry or options.drop or []
    with _opened(session, name) as opened:
        changed = (opened.retry if options.retry else opened.drop)(seqs)
    done = "retried" if options.retry else "dropped"
    if options.json:
        write_document({"database": name, done: changed})
    else:
        typer.echo(f"{counted(changed, 'row')} {done}")
    if changed < len(set(seqs)):
        fail(f"{counted(len(set(seqs)) - changed, 'row')} of these are not set aside there")


def _once(session: Session, databases: Sequence[str], *, as_json: bool) -> None:
    done: dict[str, Mapping[str, int]] = {}
    for name in databases:
        with _opened(session, name) as opened:
            done[name] = opened.run_once()._asdict()
    if as_json:
        write_document(done)
    else:
        for name, what in done.items():
            typer.echo(
                f"{name}: {what['enqueued']:,} enqueued, {what['known']:,} known before, "
                f"{what['refused']:,} set aside"
            )
    if any(what["refused"] for what in done.values()):
        raise typer.Exit(FAILED)


def _show(session: Session, databases: Sequence[str], *, as_json: bool) -> None:
    states = [_state(session, name) for name in databases]
    if as_json:
        write_document(msgspec.to_builtins(states))
    else:
        _write(states)
    if any(state.refused for state in states):
        raise typer.Exit(FAILED)


def _state(session: Session, name: str) -> DatabaseState:
    with _opened(session, name) as opened:
        counts, rows = opened.waiting(), opened.refused(_SHOWN)
    refused = [
        RefusedRow(
            row.seq,
            row.message_id,
            row.account,
            row.app,
            row.refused_ms or 0,
            hidden(row.error),
        )
        for row in rows
    ]
    return DatabaseState(name, counts.waiting, counts.oldest_ms, counts.refused, refused)


def _write(states: Sequence[DatabaseState]) -> None:
    for state in states:
        since = f", the oldest since {when(state.oldest_ms)}" if state.oldest_ms else ""
        aside = f"{state.refused:,} set aside" if state.refused else "none set aside"
        typer.echo(f"{state.database}: {counted(state.waiting, 'row')} waiting{since}; {aside}")
        if not state.rows:
            continue
        rows = table("SEQ", "AT", "APP", "ID", "ERROR", spare=("AT", "APP"), right=("SEQ",))
        for row in state.rows:
            app = row.app or row.account
            rows.add_row(str(row.seq), when(row.refused_ms), app, row.id, clean(row.error))
        write(rows)
        if state.refused > len(state.rows):
            typer.echo(f"{state.refused:,} in all; the latest are listed", err=True)


def hand_over_all(session: Session, databases: Sequence[str]) -> None:
    """Hand over from these databases until Ctrl-C."""
    stop, accounts = threading.Event(), list(session.config.accounts)
    acts: list[Any] = []
    for name in databases:
        database = session.config.databases[name]
        database.address()  # what is missing is said at once
        acts.append(partial(hand_over, session.config, accounts, name, database, stop))
    threads = [threading.Thread(target=act, name="relay", daemon=True) for act in acts]
    for thread in threads:
        thread.start()
    typer.echo(f"handing over from {', '.join(databases)}")
    try:
        while any(thread.is_alive() for thread in threads):
            session.sleep(1.0)
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        for thread in threads:
            thread.join()
