"""Parses what an app asks of a campaign, and says in our shape why it can't be."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec

from sluicegate.campaigns.plan import Plan
from sluicegate.errors import (
    ArchiveUnavailable,
    BadFile,
    BadGuard,
    BadTemplate,
    BadTime,
    BadValue,
    CampaignExists,
    InvalidMessage,
    NotApproved,
    OutboxError,
    OutboxFull,
    SluicegateError,
    UnknownCampaign,
    WrongCampaignState,
)
from sluicegate.times import exact_time

from ..operating.campaign.resuming import StillStopped
from ..operating.words import hidden
from .problems import HttpProblem, not_found, unavailable

MOST_COST: Final = 10**9

_FIELD = re.compile(r"`\$\.(\w+)|field `(\w+)`")


class NewCampaign(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What a new campaign sends, how its rows are read, and what limits it."""

    name: str
    text: str
    to_column: str
    from_: str | None = msgspec.field(name="from", default=None)
    messaging_profile_id: str | None = None
    media_urls: tuple[str, ...] = ()
    region: str | None = None
    region_column: str | None = None
    key_column: str | None = None
    keep_columns: tuple[str, ...] = ()
    landlines: bool = True
    plain_punctuation: bool = False
    expires_at: str | None = None
    max_messages: Annotated[int, msgspec.Meta(ge=0, le=10**9)] = 0
    max_cost: Decimal | None = None
    per_second: Annotated[float, msgspec.Meta(ge=0, le=10_000)] = 0.0
    weight: Annotated[float, msgspec.Meta(ge=0.01, le=100)] = 1.0

    def plan(self, app: str) -> Plan:
        """The plan, checked but for its sender.

        Raises InvalidMessage, BadTemplate and BadTime, also for what limits it.
        """
        cost = self.max_cost
        if cost is not None and not (cost.is_finite() and 0 < cost <= MOST_COST):
            raise InvalidMessage("max_cost", str(self.max_cost), "must be above 0")
        expires_at = None if self.expires_at is None else exact_time(self.expires_at)
        return Plan(
            name=self.name,
            text=self.text,
            to_column=self.to_column,
            sender=self.from_,
            messaging_profile_id=self.messaging_profile_id,
            media_urls=self.media_urls,
            region=None if self.region is None else self.region.upper(),
            region_column=self.region_column,
            key_column=self.key_column,
            kept_columns=self.keep_columns,
            landlines=self.landlines,
            plain_punctuation=self.plain_punctuation,
            expires_at=expires_at,
            app=app,
        ).checked()


class NewText(msgspec.Struct, forbid_unknown_fields=True):
    """What the recipients of a campaign who wait are to get instead."""

    text: str


def read(body: bytes, kind: Any) -> Any:
    """The body as one of these; raises HttpProblem."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        found = _FIELD.search(str(error))
        name = (found[1] or found[2]) if found else ""
        reason = re.sub(r" - at `\$.*`$", "", str(error))
        pointer = f"/{name}"[:100] if name else ""
        raise HttpProblem(400, "10015", "Bad Request", f"{reason}.", pointer) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        detail = "The body does not parse as JSON."
        raise HttpProblem(400, "10023", "Invalid JSON", detail) from None


def campaign_problem(error: Exception) -> HttpProblem:
    """The answer to what can't be done; raises what is none of an app's affairs."""
    if isinstance(error, HttpProblem):
        return error
    for kinds, answer in _ANSWERS:
        if isinstance(error, kinds):
            return answer(error)
    raise error


def unknown(error: Any = None) -> HttpProblem:
    return not_found("This app has no such campaign.")


def _taken(error: Any) -> HttpProblem:
    detail = "The name is taken by a campaign with another plan: choose another name."
    return HttpProblem(422, "10027", "Unprocessable Entity", detail, "/name")


def _unapproved(error: Any) -> HttpProblem:
    detail = f"{error}. A person approves it: sluicegate campaign approve."
    return HttpProblem(403, "10010", "Authorization failed", detail)


def _wrong_state(error: Any) -> HttpProblem:
    state = getattr(error, "state", "paused")
    return HttpProblem(409, "10015", "Wrong state", f"{error}.", meta={"state": state})


def _full(error: Any) -> HttpProblem:
    return unavailable("Redis is too full to import: what was imported before stays.", 10)


def _bad_time(error: Any) -> HttpProblem:
    detail = "A time goes here in ISO 8601 with its zone, as 2030-01-31T09:00:00Z."
    return HttpProblem(400, "10015", "Bad Request", detail, "/expires_at")


def _invalid(error: Any) -> HttpProblem:
    field = getattr(error, "field", "")
    pointer = f"/{_FIELDS.get(field, field)}" if field else ""
    said = hidden(error.reason if field else str(error))[:1000]
    return HttpProblem(400, "10015", "Bad Request", said, pointer)


def _unclear(error: Any) -> HttpProblem:
    return unavailable("It may or may not have been done. Ask where it stands.", 1)


_FIELDS: Final = {"sender": "from", "kept_columns": "keep_columns"}
_ANSWERS: Final[tuple[tuple[Any, Callable[[Any], HttpProblem]], ...]] = (
    (UnknownCampaign, unknown),
    (CampaignExists, _taken),
    (NotApproved, _unapproved),
    ((WrongCampaignState, StillStopped), _wrong_state),
    (OutboxFull, _full),
    (BadTime, _bad_time),
    ((InvalidMessage, BadFile, BadTemplate, BadValue, BadGuard), _invalid),
    ((OutboxError, ArchiveUnavailable), _unclear),
    (SluicegateError, _invalid),
    (ValueError, _invalid),
)
"""How each is answered: the first that fits."""
