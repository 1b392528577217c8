"""``sluicegate notify``: tells a webhook or mail what needs a person, each thing once."""

import logging
import time
from enum import StrEnum
from typing import Annotated

import redis
import typer

from sluicegate.errors import InvalidConfig, OutboxError, SluicegateError, WrongDeployment
from sluicegate.stored import Notice
from sluicegate_worker.observe.logs import configure, secrets_of, style

from ..notify.receivers import NotTaken, Receiver, receivers_of
from ..notify.remembering import NotifyBusy
from ..notify.telling import Teller, Told
from ..operating.session import Session
from ..operating.words import clean, counted, hidden, listed
from .kit.command import command, option_set
from .kit.failures import BAD_INPUT, FAILED, fail
from .kit.options import AsJsonLines
from .kit.output import tell, write_lines

_AWAY_SECONDS = 60.0
"""A Redis that is away for less may be restarting."""

log = logging.getLogger(__name__)


class NotifyWhat(StrEnum):
    """What ``notify`` may be asked to do besides telling."""

    TEST = "test"


@option_set
class NotifyOptions:
    """The options of ``notify``."""

    what: Annotated[
        NotifyWhat | None,
        typer.Argument(metavar="test", help="test: send a test to each receiver, and end."),
    ] = None
    once: Annotated[bool, typer.Option("--once", help="Look once and end, for cron.")] = False
    json: AsJsonLines = False


@command
def notify(session: Session, options: NotifyOptions) -> None:
    """Tell a webhook or mail what needs a person, until Ctrl-C.

    Halts, the breaker, paused and finished campaigns, doubts that are held, new
    dead letters, replies to read, and whatever else status says needs a person:
    each once, with its cause and the command that ends it. What a receiver did
    not take is sent again. Set SLUICEGATE_NOTIFY_WEBHOOK_URL, or mail_to and an
    SMTP server in [notify]. It tells of every account.

    \b
    Example:
      sluicegate notify test
      sluicegate notify
      sluicegate notify --once    # from cron, every minute
    """
    configure(logging.WARNING, style(), secrets_of(session.config))
    receivers = receivers_of(session.config.notify)
    if not receivers:
        variable = session.config.notify.webhook_url_env
        fail(f"nobody would be told: set {variable}, or mail_to in [notify]", BAD_INPUT)
    if options.what is NotifyWhat.TEST:
        _test(receivers)
    elif options.once:
        _once(session, receivers, as_json=options.json)
    else:
        keep_telling(session, receivers, as_json=options.json)


def _test(receivers: list[Receiver]) -> None:
    """Send each a test; ends with 1 if one does not take it."""
    at_ms = int(time.time() * 1000)
    what = "this is a test: notices of this deployment arrive here"
    notice = Notice(at_ms=at_ms, what=what, why="somebody ran sluicegate notify test")
    failed = False
    for receiver in receivers:
        try:
            receiver.send("sluicegate: a test", [notice])
            tell(f"{receiver.name}: taken")
        except NotTaken as error:
            failed = True
            tell(f"{receiver.name}: {error}")
    if failed:
        raise typer.Exit(FAILED)


def _once(session: Session, receivers: list[Receiver], *, as_json: bool) -> None:
    failed = False
    for account in session.every_account():
        teller = Teller(account, session.config.notify, receivers)
        try:
            told = teller.look(time.monotonic())
            teller.leave()
        except NotifyBusy:
            tell(f"account {account.name}: another sluicegate notify tells of it", err=True)
            continue
        _write(told, as_json=as_json)
        failed = failed or bool(told.failed)
    if failed:
        raise typer.Exit(FAILED)


def keep_telling(session: Session, receivers: list[Receiver], *, as_json: bool) -> None:
    """Look again and again; a Redis that is away is told of as well, once."""
    settings = session.config.notify
    tellers: list[Teller] = []
    outage = Outage(receivers)
    names = listed([receiver.name for receiver in receivers])
    tell(f"telling {names} of {counted(len(session.config.accounts), 'account')}", err=True)
    while True:
        try:
            if not tellers:
                accounts = session.every_account()
                tellers = [Teller(account, settings, receivers) for account in accounts]
            for teller in tellers:
                _look(teller, as_json=as_json)
            outage.over()
        except (redis.RedisError, OutboxError) as error:
            log.warning("Redis can't be used, trying again: %s", clean(str(error)))
            outage.goes_on(time.monotonic(), error)
        session.sleep(settings.every_seconds)


def _look(teller: Teller, *, as_json: bool) -> None:
    try:
        told = teller.look(time.monotonic())
    except NotifyBusy:
        return  # it goes on as soon as the other one ends
    except (InvalidConfig, WrongDeployment, OutboxError):
        raise
    except SluicegateError as error:  # a text that can't be read, say: the others are told of
        log.error("an account can't be told of, trying again: %s", hidden(clean(str(error))))
        return
    if told.notices or told.sent or told.failed:
        _write(told, as_json=as_json)


def _write(told: Told, *, as_json: bool) -> None:
    if as_json:
        write_lines([told])
        return
    for notice in told.notices:
        tell(f"account {told.account}: {notice.what}")
    for name, why in told.failed.items():
        tell(f"account {told.account}: {name} took nothing, it is tried again: {why}", err=True)


def _fault(error: Exception) -> str:
    """A server that refuses answers; one that is away doesn't."""
    refuses = isinstance(error, redis.ResponseError)
    return "Redis takes no writes" if refuses else "Redis does not answer"


class Outage:
    """A Redis that can't be used: nothing can be remembered there, so it is here."""

    def __init__(self, receivers: list[Receiver]) -> None:
        self._receivers = receivers
        self._since: float | None = None
        self._told: set[str] = set()

    def goes_on(self, now: float, error: Exception) -> None:
        self._since = now if self._since is None else self._since
        if now - self._since < _AWAY_SECONDS:
            return
        notice = Notice(
            at_ms=int(time.time() * 1000),
            what=f"{_fault(error)}: nothing is enqueued, and nothing is sent",
            why=hidden(clean(str(error))),
            do="sluicegate doctor, on its host; start it, or point everybody at the primary",
            person=True,
        )
        self._send(notice, {receiver.name for receiver in self._receivers} - self._told)

    def over(self) -> None:
        if self._told:
            notice = Notice(at_ms=int(time.time() * 1000), what="over: Redis can be used again")
            self._send(notice, set(self._told))
        self._since = None
        self._told.clear()

    def _send(self, notice: Notice, names: set[str]) -> None:
        for receiver in self._receivers:
            if receiver.name not in names:
                continue
            try:
                receiver.send(f"sluicegate: {notice.what}", [notice])
                self._told.add(receiver.name)
            except NotTaken as error:
                log.warning("%s took nothing: %s", receiver.name, error)
