"""How a command fails: one line that says what and the way out, and the exit status."""

from typing import Any, NoReturn

import redis
import typer
from typer.core import TyperGroup

from sluicegate.errors import (
    IdReused,
    InvalidConfig,
    InvalidMessage,
    OutboxError,
    OutboxFull,
    OutboxUnavailable,
    SluicegateError,
    UnknownCampaign,
    UnknownMessage,
    WrongState,
)
from sluicegate.outbox import translated

from .session import Session

FAILED, BAD_INPUT = 1, 2
"""Exit statuses: it could not be done, or a person is needed; what was asked makes no sense."""

_BAD_INPUT = (InvalidMessage, InvalidConfig, UnknownMessage, UnknownCampaign, IdReused)


class Commands(TyperGroup):
    """A group of commands whose errors, where they are ours, end as one line and a status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except redis.RedisError as error:
            complain(translated(error, ()), ctx.obj)
            raise typer.Exit(FAILED) from error
        except SluicegateError as error:
            complain(error, ctx.obj)
            raise typer.Exit(status_of(error)) from error


def fail(text: str, status: int = FAILED) -> NoReturn:
    """Say what went wrong and end."""
    say(text)
    raise typer.Exit(status)


def say(text: str) -> None:
    """One line on stderr, so that stdout holds nothing but what was asked for."""
    typer.echo(f"sluicegate: {text}", err=True)


def complain(error: SluicegateError, session: Session | None) -> None:
    """Say an error and the way out."""
    way_out = _way_out(error, session) if session else ""
    say(f"{error}. {way_out}" if way_out else str(error))


def status_of(error: SluicegateError) -> int:
    """The exit status that an error stands for."""
    return BAD_INPUT if isinstance(error, _BAD_INPUT) else FAILED


def _way_out(error: SluicegateError, session: Session) -> str:
    match error:
        case OutboxUnavailable(ids=[id]):
            return f"Once Redis is back, repeat it with --id {id}: it goes out once. {_redis()}"
        case OutboxFull():
            return "Let the workers drain it, or raise Redis's maxmemory; then repeat the command"
        case OutboxError():
            return f"Redis is expected at {session.redis_at}. {_redis()}"
        case UnknownMessage():
            return f"Check the id and the account: this is {session.name}, --account names another"
        case UnknownCampaign():
            return "Those there are: sluicegate campaign list"
        case WrongState(id=id):
            return f"See: sluicegate message show {id}"
        case _:
            return ""


def _redis() -> str:
    return "SLUICEGATE_REDIS_URL, or redis_url in sluicegate.toml, says where it is"
