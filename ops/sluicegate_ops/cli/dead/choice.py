"""Which dead letters a command means: by id, by what they died of, whose they are, and when."""

import math
import re
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from datetime import datetime
from typing import Annotated, Any

import msgspec
import typer

from sluicegate.errors import UnknownMessage, WrongState
from sluicegate_worker.operator.deadletters import DeadLetter

from ...inspect import server_ms
from ..kit.failures import BAD_INPUT, fail
from ..kit.progress import Meter
from ..kit.session import Session

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="Ids of messages.")]
Every = Annotated[bool, typer.Option("--all", help="All dead letters.")]
Code = Annotated[str | None, typer.Option(help="Those that died of this code, such as 40300.")]
Campaign = Annotated[
    str | None, typer.Option(metavar="NAME", help="Those of a campaign; - for an app's own.")
]
From = Annotated[
    str | None, typer.Option("--sender", metavar="SENDER", help="Those that it was to send.")
]
_WHEN = "as 90s, 15m, 2h, 30d, or a time as 2030-01-31T09:00Z"
Since = Annotated[
    str | None, typer.Option(metavar="WHEN", help=f"Those that died since: so long ago, {_WHEN}.")
]
OlderThan = Annotated[
    str | None, typer.Option(metavar="WHEN", help=f"Those that died before: {_WHEN}.")
]

_QUIET = 1_000  # fewer are read in no time
_LENGTH = re.compile(r"([0-9]+(?:\.[0-9]+)?)(s|min|m|h|d)")
_UNIT_MS = {"s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_FILTERS = ("code", "campaign", "sender", "since", "older_than")


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """The dead letters meant: ``ids``, or those that pass what is not None.

    ``given`` is how that was said. Times are wall milliseconds.
    """

    ids: tuple[str, ...] = ()
    code: str | None = None
    campaign: str | None = None
    sender: str | None = None
    since_ms: float = -math.inf
    before_ms: float = math.inf
    given: Mapping[str, str] = {}

    @property
    def words(self) -> str:
        """How they were chosen, for people; ``""`` for all."""
        filters = {name: self.given[name] for name in _FILTERS if name in self.given}
        said = " ".join(f"{name.replace('_', '-')} {text}" for name, text in filters.items())
        return f" with {said}" if said else ""

    def letters(self, session: Session, *, first: bool = False) -> Iterator[DeadLetter]:
        """They, the latest first, or the ``first``; how far that is stands on stderr.

        Raises UnknownMessage and WrongState for an id that is of no dead letter.
        """
        return self._named(session) if self.ids else self._read(session, first)

    def _named(self, session: Session) -> Iterator[DeadLetter]:
        for id in self.ids:
            yield dead_letter(session, id)

    def _read(self, session: Session, first: bool) -> Iterator[DeadLetter]:
        total = session.dead.count(self.since_ms, self.before_ms)
        read = session.dead.died(self.since_ms, self.before_ms, first=first)
        with nullcontext() if total < _QUIET else Meter("reading", total) as meter:
            for at, letter in enumerate(read, 1):
                if meter is not None:
                    meter.at(at, at)
                if self._passes(letter):
                    yield letter

    def _passes(self, letter: DeadLetter) -> bool:
        return (
            self.code in (None, letter.code)
            and self.campaign in (None, letter.campaign or "-")
            and self.sender in (None, letter.sender, letter.sender.removeprefix("pool:"))
        )


def chosen(session: Session, params: Mapping[str, Any]) -> Choice:
    """The choice that a command's options make, all where they make none; may end it."""
    given = {name: params[name] for name in _FILTERS if params.get(name) is not None}
    now = server_ms(session.client) if {"since", "older_than"} & given.keys() else 0.0
    return Choice(
        code=given.get("code"),
        campaign=given.get("campaign"),
        sender=given.get("sender"),
        since_ms=_moment("since", given["since"], now) if "since" in given else -math.inf,
        before_ms=_moment("older-than", given["older_than"], now)
        if "older_than" in given
        else math.inf,
        given=given,
    )


def meant(session: Session, params: Mapping[str, Any]) -> Choice:
    """``chosen`` for a command that changes something: nothing is meant unless it is said."""
    ids, every = tuple(dict.fromkeys(params.get("ids") or ())), params["all"]
    filtered = any(params.get(name) is not None for name in _FILTERS)
    if (bool(ids), every, filtered).count(True) != 1:
        ways = "by ID..., by filters such as --code, or with --all"
        fail(f"name dead letters {ways}: exactly one of them", BAD_INPUT)
    if ids:
        return Choice(ids=ids)
    choice = chosen(session, params)
    given = {**choice.given, **({"all": "yes"} if every else {})}
    limit = params.get("limit") or 0
    given |= {"limit": str(limit)} if limit else {}
    return msgspec.structs.replace(choice, given=given)


def dead_letter(session: Session, id: str) -> DeadLetter:
    """One dead letter; raises UnknownMessage, and WrongState where the message is not dead."""
    try:
        return session.dead.get(id)
    except UnknownMessage:
        state = session.sluice.status(id).state
        raise WrongState(id, state, "not a dead letter") from None


def _moment(option: str, text: str, now_ms: float) -> float:
    if found := _LENGTH.fullmatch(text):
        return now_ms - float(found[1]) * _UNIT_MS[found[2]]
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        fail(f"--{option} {text}: {_WHEN}", BAD_INPUT)
    if time.tzinfo is None:
        fail(f"--{option} {text}: must have a zone, as 2030-01-31T09:00Z", BAD_INPUT)
    return time.timestamp() * 1000
