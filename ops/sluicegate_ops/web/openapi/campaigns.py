"""What the document says of ``/v2/campaigns`` and all below it."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from sluicegate.campaigns.campaign import Action
from sluicegate.campaigns.stored_campaign import CampaignState

from .answers import (
    ALWAYS,
    MOMENT,
    TEXT,
    TOO_LARGE,
    UNAUTHORIZED,
    Shape,
    answer,
    body,
    error,
    header,
    obj,
    path,
    reference,
)

_NAME: Final = path("name", TEXT, "july")
_WHY: Final = header("Sluicegate-Why", {**TEXT, "description": "Noted in the audit."})
_STATE: Final[Shape] = {"enum": list(get_args(CampaignState))}
_COUNT: Final[Shape] = {"type": "integer", "minimum": 0}
_NEW: Final[Shape] = {
    "name": "july",
    "text": "Hi {{ first_name }}, the clinic is closed on Friday.",
    "to_column": "phone",
    "from": "+15557654321",
    "region": "US",
    "max_messages": 5000,
}
_STANDS: Final[Shape] = {"name": "july", "state": "draft"}
_ROWS: Final = "phone,first_name\n+12125550123,Ann\n"
_IMPORTED: Final[Shape] = {
    "name": "july",
    "preflight": {"rows": 1, "sendable": 1},
    "imported": {"added": 1, "duplicate": 0, "suppressed": 0, "excluded": 0},
    "rejected": [],
}
_REFUSED: Final[Mapping[str, Shape]] = {
    "403": answer(
        "The app may not run campaigns, or this; or a person has yet to approve it.",
        example=error("10010", "Authorization failed", "This app may not run campaigns."),
    ),
}
_CONFLICT: Final[Mapping[str, Shape]] = {
    "409": answer(
        "The campaign's state does not allow it; meta.state says which that is.",
        example=error("10015", "Wrong state", "campaign july is draft: it can't resume."),
    ),
}


def campaign_paths() -> Shape:
    """The operations, by path."""
    one = "/v2/campaigns/{name}"
    revised = {"text": "Hi {{ first_name }}, the clinic is open."}
    taken = "The name is taken by a campaign with another plan."
    create = _operation("create_campaign", "Make a draft, or find the one that is the same.") | {
        "parameters": [_WHY],
        "requestBody": body(reference("NewCampaign"), _NEW),
    }
    create["responses"] |= {
        **TOO_LARGE,
        "200": _found("OneCampaign", _STANDS),
        "422": answer(taken, example=error("10027", "Unprocessable Entity", taken, "/name")),
    }
    listed = _operation("list_campaigns", "The app's latest 200 campaigns, the newest first.")
    listed["responses"]["200"] = _found("Campaigns", [_STANDS])
    return {
        "/v2/campaigns": {"post": create, "get": listed},
        one: {"get": _get("get_campaign", "Where a campaign stands.", "OneCampaign", _STANDS)},
        f"{one}/report": {
            "get": _get("report_campaign", "What became of everybody.", "OneCampaign", _STANDS)
        },
        f"{one}/approval": {"get": _approval()},
        f"{one}/approve": {"post": _approve()},
        f"{one}/preflight": {
            "post": _rows("preflight_campaign", "Check rows, and store nothing.")
        },
        f"{one}/recipients": {
            "post": _rows("import_recipients", "Import the rows that can be sent to.")
        },
        f"{one}/revise": {
            "post": _act("revise_campaign", "Give everybody who waits another text.")
            | {"requestBody": body(obj({"text": TEXT}), revised)}
        },
        **{
            f"{one}/{action}": {
                "post": _act(f"{action}_campaign", f"{action.title()} a campaign.")
            }
            for action in get_args(Action)
        },
    }


def campaign_schemas() -> Shape:
    """What they refer to."""
    stands = {"name": TEXT, "state": _STATE}
    imported = obj(dict.fromkeys(("added", "duplicate", "suppressed", "excluded"), _COUNT))
    row = obj({"row": _COUNT, "column": TEXT, "reason": TEXT})
    return {
        "NewCampaign": _new_campaign(),
        "OneCampaign": obj({"data": obj(stands)}),
        "Campaigns": obj({"data": {"type": "array", "items": obj(stands)}}),
        "Imported": obj(
            {
                "data": {
                    "type": "object",
                    "required": ["name", "preflight"],
                    "properties": {
                        "name": TEXT,
                        "preflight": {"type": "object"},
                        "imported": imported,
                        "rejected": {"type": "array", "items": row},
                    },
                }
            }
        ),
        "CampaignApproval": obj(
            {
                "data": obj(
                    {
                        "name": TEXT,
                        "needs_approval": {"type": "boolean"},
                        "hash": TEXT,
                        "recipients": _COUNT,
                        "changed_by": TEXT,
                        "approved": {"type": ["object", "null"]},
                    }
                )
            }
        ),
    }


def _operation(operation: str, summary: str) -> dict[str, Any]:
    return {
        "operationId": operation,
        "summary": summary,
        "security": [{"token": list[str]()}],
        "parameters": list[Shape](),
        "responses": {**ALWAYS, **UNAUTHORIZED, **_REFUSED},
    }


def _found(schema: str, data: object) -> Shape:
    return answer("Done, or as it is now.", {}, schema, {"data": data})


def _get(operation: str, summary: str, schema: str, data: object) -> Shape:
    found = _operation(operation, summary) | {"parameters": [_NAME]}
    found["responses"]["200"] = _found(schema, data)
    return found


def _act(operation: str, summary: str) -> Shape:
    found = _operation(operation, summary) | {"parameters": [_NAME, _WHY]}
    found["responses"] |= {**TOO_LARGE, **_CONFLICT, "200": _found("OneCampaign", _STANDS)}
    return found


def _rows(operation: str, summary: str) -> Shape:
    found = _operation(operation, summary) | {"parameters": [_NAME, _WHY]}
    said = "CSV with a line of column names, JSON lines, or an Excel workbook."
    media = {"schema": {**TEXT, "description": said}, "example": _ROWS}
    found["requestBody"] = {"required": True, "content": {"text/csv": media}}
    found["responses"] |= {**TOO_LARGE, **_CONFLICT, "200": _found("Imported", _IMPORTED)}
    return found


def _approval() -> Shape:
    shown = {
        "name": "july",
        "needs_approval": True,
        "hash": "0123456789abcdef",
        "recipients": 2,
        "changed_by": "app:shop",
        "approved": None,
    }
    summary = "What a person would approve, and whether one has to."
    return _get("get_approval", summary, "CampaignApproval", shown)


def _approve() -> Shape:
    summary = "Is always refused: an app is no person. People approve by command or at the desk."
    return _operation("approve_campaign", summary) | {"parameters": [_NAME]}


def _new_campaign() -> Shape:
    text = {"type": ["string", "null"]}
    names = {"type": "array", "items": TEXT}
    fields: Shape = {
        "name": {"type": "string", "pattern": "^[a-z0-9][a-z0-9_-]{0,59}$"},
        "text": {"type": "string", "description": "A Jinja template of the columns."},
        "to_column": {"type": "string", "description": "The column of phone numbers."},
        "from": text,
        "messaging_profile_id": text,
        "media_urls": names,
        "region": {**text, "description": "The country of national numbers, such as US."},
        "region_column": text,
        "key_column": text,
        "keep_columns": names,
        "landlines": {"type": "boolean"},
        "plain_punctuation": {"type": "boolean"},
        "expires_at": MOMENT,
        "max_messages": {"type": "integer", "minimum": 0, "maximum": 10**9},
        "max_cost": {"type": ["number", "string", "null"]},
        "per_second": {"type": "number", "minimum": 0, "maximum": 10_000},
        "weight": {"type": "number", "minimum": 0.01, "maximum": 100},
    }
    return {
        "type": "object",
        "properties": fields,
        "required": ["name", "text", "to_column"],
        "additionalProperties": False,
    }
