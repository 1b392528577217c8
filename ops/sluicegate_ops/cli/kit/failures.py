"""How a command fails: one line that says what is wrong and what to do, and an exit status."""

from typing import NoReturn

import redis
import typer

from sluicegate.errors import (
    BadFile,
    BadTemplate,
    CampaignExists,
    IdReused,
    InvalidConfig,
    InvalidMessage,
    OutboxError,
    OutboxFull,
    OutboxUnavailable,
    SluicegateError,
    UnknownCampaign,
    UnknownMessage,
    WrongCampaignState,
    WrongState,
)
from sluicegate.outbox import translated

from .output import tell
from .session import Session

FAILED, BAD_INPUT = 1, 2
"""Exit statuses: the command failed, or a person is needed; the command's input is wrong."""

_BAD_INPUT = (
    *(InvalidMessage, InvalidConfig, BadFile, BadTemplate),
    *(UnknownMessage, UnknownCampaign, IdReused, CampaignExists),
)
_EXTRAS = ("jinja2", "phonenumbers")
"""Modules that only some installations have; the error says which extra brings them."""

EXPECTED = (redis.RedisError, SluicegateError, ModuleNotFoundError)
"""What ``end_with`` looks at."""


def fail(text: str, status: int = FAILED) -> NoReturn:
    """Say what went wrong and end the command."""
    say(text)
    raise typer.Exit(status)


def say(text: str) -> None:
    """Write one line to stderr, so that stdout holds only what was asked for."""
    tell(f"sluicegate: {text}", indent=2, err=True)


def complain(error: SluicegateError, session: Session | None) -> None:
    """Write an error and what to do about it."""
    way_out = _way_out(error, session) if session else ""
    say(f"{error}. {way_out}" if way_out else str(error))


def end_with(error: Exception, session: Session | None) -> NoReturn:
    """End the command with one line for an expected error; raise any other again."""
    match error:
        case redis.RedisError():
            complain(translated(error, ()), session)
            raise typer.Exit(FAILED) from error
        case SluicegateError():
            complain(error, session)
            raise typer.Exit(status_of(error)) from error
        case ModuleNotFoundError(name=str(name)) if name in _EXTRAS:
            say(str(error))
            raise typer.Exit(FAILED) from error
        case _:
            raise error


def status_of(error: SluicegateError) -> int:
    """The exit status that an error stands for."""
    return BAD_INPUT if isinstance(error, _BAD_INPUT) else FAILED


def _way_out(error: SluicegateError, session: Session) -> str:
    match error:
        case OutboxUnavailable(ids=[id]):
            again = f"Once Redis is back, repeat the command with --id {id}"
            return f"{again}: the message is sent only once. {_REDIS}"
        case OutboxFull():
            return "Let the workers send what waits, or raise Redis's maxmemory; then try again"
        case OutboxError():
            return f"Redis is expected at {session.redis_at}. {_REDIS}"
        case UnknownMessage():
            return f"Check the id and the account: this is {session.name}, --account names another"
        case WrongState(id=id):
            return f"See: sluicegate message show {id}"
        case _:
            return _campaign_way_out(error)


_REDIS = "Its address comes from SLUICEGATE_REDIS_URL, or from redis_url in sluicegate.toml"


def _campaign_way_out(error: SluicegateError) -> str:
    match error:
        case UnknownCampaign():
            return "To list the campaigns: sluicegate campaign list"
        case CampaignExists(name=name):
            return (
                f"To see what it sends: sluicegate campaign status {name}. To send this to "
                f"whom it has not reached, end it with sluicegate campaign cancel {name}, and "
                f"start this under another name with --except-campaign {name}"
            )
        case WrongCampaignState(state="draft", name=name):
            return f"To start it, give its file: sluicegate campaign start FILE --name {name}"
        case WrongCampaignState(state="finished"):
            return "It has nothing left to send; start it with another file to add recipients"
        case WrongCampaignState(state="cancelled"):
            return "Cancelling is final: send to the others with a campaign of another name"
        case _:
            return ""
