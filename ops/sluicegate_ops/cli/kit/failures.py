"""How a command fails: one line that says what is wrong and what to do, and an exit status."""

import re
from typing import NoReturn

import redis
import typer

from sluicegate.errors import (
    ArchiveUnavailable,
    BadCondition,
    BadFile,
    BadGuard,
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
    WrongDeployment,
    WrongState,
)
from sluicegate.redis_errors import translated

from ...operating.campaign.resuming import StillStopped
from ...operating.message.screen import AppsMessage
from ...operating.naming import UnknownLevel
from ...operating.numbers import BadNumbers
from ...operating.pasting import pasted
from ...operating.session import Session
from .output import tell

FAILED, BAD_INPUT = 1, 2
"""Exit statuses: the command failed, or a person is needed; the command's input is wrong."""

_BAD_INPUT = (
    *(InvalidMessage, InvalidConfig, BadFile, BadCondition, BadGuard, BadTemplate),
    WrongDeployment,
    *(UnknownMessage, UnknownCampaign, IdReused, CampaignExists, UnknownLevel, StillStopped),
    BadNumbers,
)
_EXTRAS = ("jinja2", "openpyxl", "phonenumbers", "sqlalchemy")
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
    text = in_options(error) if isinstance(error, InvalidMessage) else str(error)
    say(f"{text}. {way_out}" if way_out else text)


_OPTIONS = {
    "sender": "--from",
    "media_urls": "--media",
    "messaging_profile_id": "--profile",
    "encoding": "--text-encoding",
    "key_column": "--key",
    "except_campaigns": "--except-campaign",
    "send_at": "--send-at",
    "expires_at": "--expires-at",
    **{name: f"--{name.replace('_', '-')}" for name in ("to", "text", "subject", "region", "id")},
    **{name: f"--{name.replace('_', '-')}" for name in ("name", "to_column")},
}
"""The options that stand for fields of a message or of a plan."""


def in_options(error: InvalidMessage) -> str:
    """An error about a field, in the words of the command line."""
    option = _OPTIONS.get(error.field, error.field)
    reason = _FIELD.sub(lambda field: _OPTIONS[field[0]], error.reason)
    return f"{f'message {error.id}: ' if error.id else ''}{option}{error.shown}: {reason}"


_FIELD = re.compile("|".join(name for name in _OPTIONS if "_" in name))


def end_with(error: Exception, session: Session | None) -> NoReturn:
    """End the command with one line for an expected error; raise any other again."""
    match error:
        case redis.RedisError():
            writes = session is None or session.writes
            complain(translated(error, (), wrote=writes), session)
            raise typer.Exit(FAILED) from error
        case SluicegateError():
            error = well_known(error, session)
            complain(error, session)
            raise typer.Exit(status_of(error)) from error
        case ModuleNotFoundError(name=str(name)) if name in _EXTRAS:
            say(str(error))
            raise typer.Exit(FAILED) from error
        case _:
            raise error


def well_known(error: SluicegateError, session: Session | None) -> SluicegateError:
    """The error, but for a message that is not here since it is in the archive."""
    if session is None or not isinstance(error, UnknownMessage):
        return error
    try:
        archived = session.archive.get(error.id)
    except ArchiveUnavailable as unavailable:
        return unavailable
    if archived is None:
        return error
    return WrongState(error.id, archived.record.state, "it has ended, and is in the archive")


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
        case AppsMessage():
            return ""
        case UnknownMessage():
            return f"Check the id and the account: this is {session.name}, --account names another"
        case WrongState(id=id):
            return f"See: sluicegate message show {pasted(id)}"
        case _:
            return _campaign_way_out(error)


_REDIS = "Its address comes from SLUICEGATE_REDIS_URL, or from redis_url in sluicegate.toml"


def _campaign_way_out(error: SluicegateError) -> str:
    match error:
        case UnknownCampaign():
            return "To list the campaigns: sluicegate campaign list"
        case CampaignExists():
            name = pasted(error.name)
            return (
                f"To see what it sends: sluicegate campaign status {name}. To send this to "
                f"whom it has not reached, end it with sluicegate campaign cancel {name}, and "
                f"start this under another name with --except-campaign {name}"
            )
        case WrongCampaignState(state="draft", name=name):
            return (
                f"To start it, give its file: sluicegate campaign start FILE --name {pasted(name)}"
            )
        case WrongCampaignState(state="scheduled", name=name):
            return (
                f"It has not begun: sluicegate campaign schedule {pasted(name)} starts it now, at "
                "another time or not at all"
            )
        case WrongCampaignState(state="finished"):
            return "It has nothing left to send; start it with another file to add recipients"
        case WrongCampaignState(state="cancelled"):
            return "Cancelling is final: send to the others with a campaign of another name"
        case _:
            return ""
