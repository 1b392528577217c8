"""What the document says of ``/v2/messages`` and all below it."""

from collections.abc import Mapping
from typing import Any, Final, get_args

from sluicegate.message import Encoding, Priority
from sluicegate.rules import MAX_MEDIA, MAX_MMS_TEXT, MAX_SUBJECT, RECIPIENT
from sluicegate.trace_context import TRACEPARENT, TRACESTATE
from sluicegate.urls import MAX_URL

from ..requests import EXPIRES_AT, KEY, KINDS, PRIORITY, MessageKind
from ..shapes import MESSAGE_STATUSES
from .answers import (
    ALWAYS,
    CAPPED,
    LIMIT_HEADERS,
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
    query,
    reference,
)

_TRACE: Final = [header(name, {"type": "string"}) for name in (TRACEPARENT, TRACESTATE)]
_ID: Final = "^[A-Za-z0-9_-]{1,200}$"
_KEY: Final[Shape] = {"type": "string", "pattern": "^[A-Za-z0-9_:-]{1,255}$"}
_PRIORITY: Final[Shape] = {"enum": list(get_args(Priority))}
_DRY_RUN: Final = query("dry_run", {"enum": ["true", "false"]})
_COUNT: Final[Shape] = {"type": "integer", "minimum": 0}
_TOKEN: Final = [{"token": list[str]()}]

_NEW: Final[Shape] = {
    "from": "+15557654321",
    "to": "+15551234567",
    "text": "Your parcel is on its way.",
}
_BY_KIND: Final[Mapping[str, Shape]] = {
    "schedule": {**_NEW, "send_at": "2030-01-31T09:00:00Z"},
    "long_code": _NEW,
    "short_code": {**_NEW, "from": "12345"},
    "number_pool": {
        "messaging_profile_id": "40017a3c-96b5-4f05-b0a2-1f6a3e1bd7a3",
        "to": "+15551234567",
        "text": "Your parcel is on its way.",
    },
    "alphanumeric_sender_id": {
        **_NEW,
        "from": "Parcels",
        "messaging_profile_id": "40017a3c-96b5-4f05-b0a2-1f6a3e1bd7a3",
    },
}
_SHOWN: Final[Shape] = {
    "record_type": "message",
    "direction": "outbound",
    "id": "order-4711",
    "to": [{"phone_number": "+15551234567", "status": "queued", "carrier": "", "line_type": ""}],
    "received_at": "2030-01-30T09:00:00.000+00:00",
    "sent_at": None,
    "completed_at": None,
    "cost": None,
    "errors": [],
    "type": "SMS",
    "text": "Your parcel is on its way.",
    "parts": 1,
}
_CANCELLED: Final[Shape] = {
    **{name: value for name, value in _SHOWN.items() if name not in ("type", "text", "parts")},
    "to": [
        {"phone_number": "+15551234567", "status": "cancelled", "carrier": "", "line_type": ""}
    ],
    "completed_at": "2030-01-30T09:00:05.000+00:00",
}


def message_paths() -> Shape:
    """The operations, by path."""
    return {
        "/v2/messages": {"post": _post("send_message", "NewMessage", _NEW)},
        **{
            f"/v2/messages/{name}": {
                "post": _post(f"send_{name}", _kind_schema(name), _BY_KIND[name])
            }
            for name in KINDS
        },
        "/v2/messages/bulk": {"post": _bulk()},
        "/v2/messages/{id}": {"get": _get(), "delete": _delete()},
    }


def message_schemas() -> Shape:
    """What they refer to."""
    return {
        "NewMessage": _new_message(),
        **{_kind_schema(name): _of_kind(kind) for name, kind in KINDS.items()},
        "BulkLine": _bulk_line(),
        "BulkResult": _bulk_result(),
        "BulkSummary": obj(dict.fromkeys(("taken", "replayed", "refused"), _COUNT)),
        "OneMessage": obj({"data": reference("Message")}),
        "Message": _message(),
    }


def _kind_schema(name: str) -> str:
    return "".join(part.title() for part in name.split("_")) + "Message"


def _post(operation: str, schema: str, example: Shape) -> Shape:
    replayed = {
        "idempotent-replayed": {"const": "true"},
        "sluicegate-dry-run": {"const": "true"},
        **LIMIT_HEADERS,
    }
    return {
        "operationId": operation,
        "summary": "Take a message; it is answered once it is stored.",
        "description": "With dry_run=true everything is checked and reckoned, and nothing stored.",
        "security": _TOKEN,
        "parameters": [
            _DRY_RUN,
            header(KEY, _KEY),
            header(PRIORITY, _PRIORITY),
            header(EXPIRES_AT, {"type": "string", "format": "date-time"}),
            *_TRACE,
        ],
        "requestBody": body(reference(schema), example),
        "responses": {
            **ALWAYS,
            **UNAUTHORIZED,
            **TOO_LARGE,
            **CAPPED,
            "200": answer(
                "It is stored, or was before.", replayed, "OneMessage", {"data": _SHOWN}
            ),
            "403": answer(
                "The app may not use this sender, country or priority.",
                example=error(
                    "40309", "Invalid destination region", "This app may not send there.", "/to"
                ),
            ),
            "422": answer(
                "It has too many parts, or its key came with another message before.",
                LIMIT_HEADERS,
                example=error(
                    "10027",
                    "Unprocessable Entity",
                    "This key came with another message before.",
                    f"/header/{KEY}",
                ),
            ),
        },
    }


_TO: Final = ("+15551234567", "+15551234568")
_LINES: Final = "application/x-ndjson"


def _bulk() -> Shape:
    lines = [{"idempotency_key": f"a-{n}", **_NEW, "to": to} for n, to in enumerate(_TO, 1)]
    refused = error("40300", "Blocked due to STOP message", "The recipient has opted out.", "/to")
    results = [
        {"line": 1, "status": 200, "id": "a-1"},
        {"line": 2, "status": 400, "id": "a-2", **refused},
    ]
    return {
        "operationId": "send_messages",
        "summary": "Take many messages, a JSON line each; each is answered once it is stored.",
        "description": "The answer is streamed while the request still comes: a JSON line, a "
        "BulkResult, for each line that is not blank, in their order. A line without a result is "
        "not taken. With Prefer: return=minimal only refusals have a line, and the last line "
        "counts the rest.",
        "security": _TOKEN,
        "parameters": [
            _DRY_RUN,
            header("Prefer", {**TEXT, "examples": ["return=minimal"]}),
            *_TRACE,
        ],
        "requestBody": {
            "required": True,
            "content": {_LINES: {"schema": _lines_of("BulkLine"), "example": lines}},
        },
        "responses": {
            **ALWAYS,
            **UNAUTHORIZED,
            "415": answer(
                "The lines are compressed.",
                example=error(
                    "10015",
                    "Bad Request",
                    "Send the lines as they are, not compressed.",
                    "/header/Content-Encoding",
                ),
            ),
            "200": {
                "description": "A line for each line; what became of it is there.",
                "headers": {
                    "cache-control": {"schema": TEXT},
                    "preference-applied": {"schema": {"const": "return=minimal"}},
                },
                "content": {
                    _LINES: {"schema": _lines_of("BulkResult", "BulkSummary"), "example": results}
                },
            },
        },
    }


def _lines_of(*schemas: str) -> Shape:
    """JSON lines: OpenAPI 3.1 has no word for them, so they are shown as an array."""
    said = "One JSON object a line, with no commas and no brackets around them."
    items = {"anyOf": [reference(schema) for schema in schemas]}
    return {"type": "array", "items": items, "description": said}


def _get() -> Shape:
    return {
        "operationId": "get_message",
        "summary": "Where a message stands.",
        "security": _TOKEN,
        "parameters": [path("id", TEXT, "order-4711")],
        "responses": {
            **ALWAYS,
            **UNAUTHORIZED,
            "200": answer("The message as it is now.", _STATE, "OneMessage", {"data": _SHOWN}),
        },
    }


_STATE: Final[Mapping[str, Shape]] = {
    "sluicegate-state": TEXT,
    "sluicegate-provider-id": TEXT,
}


def _delete() -> Shape:
    maybe = {"sluicegate-maybe-sent": {"const": "true"}}
    not_now = error("10010", "Authorization failed", "It has ended before: accepted.", "/id")
    not_now["errors"][0]["meta"] = {"state": "accepted"}
    return {
        "operationId": "cancel_message",
        "summary": "Cancel a message that waits, is scheduled, or is to be tried again.",
        "description": "Once it is answered, no further attempt begins, whatever the answer. "
        "Repeating it is safe. As at Telnyx, the message has no envelope.",
        "security": _TOKEN,
        "parameters": [path("id", TEXT, "order-4711")],
        "responses": {
            **ALWAYS,
            **UNAUTHORIZED,
            "200": answer("It is cancelled.", {**_STATE, **maybe}, "Message", _CANCELLED),
            "403": answer("It can't be taken back; meta.state says why.", example=not_now),
        },
    }


def _new_message() -> Shape:
    return _request(_fields(), ["to"]) | {
        "anyOf": [_given("from"), _given("messaging_profile_id")],
        "description": "As at Telnyx. An SMS has a text of at most 10 parts, an MMS media_urls; "
        "null is as good as absent.",
    }


def _of_kind(kind: MessageKind) -> Shape:
    needed = ("to", *kind.needed)
    fields = {
        name: _never_null(shape) if name in needed else shape
        for name, shape in _fields().items()
        if name not in kind.absent
    }
    schema = _request(fields, list(needed))
    return (
        schema
        if "from" in kind.needed or "messaging_profile_id" in kind.needed
        else (schema | {"anyOf": [_given("from"), _given("messaging_profile_id")]})
    )


def _bulk_line() -> Shape:
    more: Shape = {
        "idempotency_key": {**_KEY, "type": ["string", "null"]},
        "priority": {"enum": [*get_args(Priority), None]},
        "expires_at": MOMENT,
        TRACEPARENT: {},
        TRACESTATE: {},
    }
    return _request(_fields() | more, ["to"]) | {
        "anyOf": [_given("from"), _given("messaging_profile_id")],
        "description": "A NewMessage, with what is in the headers there.",
    }


def _bulk_result() -> Shape:
    fields: Shape = {
        "line": {"type": "integer", "minimum": 1},
        "status": {"type": "integer", "description": "What the message alone would be answered."},
        "id": {**TEXT, "pattern": _ID},
        "replayed": {"const": True},
        "parts": {"type": "integer", "description": "In a dry run."},
        "cost": {"type": ["object", "null"], "description": "In a dry run."},
        "retry_after": {"type": "integer"},
        "errors": {"type": "array", "items": reference("Error")},
    }
    return {"type": "object", "properties": fields, "required": ["line", "status"]}


def _request(fields: Shape, needed: list[str]) -> Shape:
    return {
        "type": "object",
        "properties": fields,
        "required": needed,
        "additionalProperties": False,
    }


def _fields() -> Shape:
    url = {"type": ["string", "null"], "maxLength": MAX_URL, "pattern": "^[Hh][Tt][Tt][Pp]"}
    media = {"type": "string", "maxLength": MAX_URL, "pattern": "^[Hh][Tt][Tt][Pp][Ss]://"}
    profile = {"type": ["string", "null"], "pattern": "^[A-Za-z0-9_-]{1,100}$"}
    flag = {"type": ["boolean", "null"]}
    return {
        "to": {"type": "string", "pattern": RECIPIENT.pattern.replace(r"\Z", "$")},
        "from": {"type": ["string", "null"], "description": "A number, short code or name."},
        "text": {"type": ["string", "null"], "maxLength": MAX_MMS_TEXT},
        "media_urls": {"type": ["array", "null"], "maxItems": MAX_MEDIA, "items": media},
        "subject": {"type": ["string", "null"], "maxLength": MAX_SUBJECT},
        "messaging_profile_id": profile,
        "type": {"enum": ["SMS", "MMS", None]},
        "encoding": {"enum": [*get_args(Encoding), None]},
        "webhook_url": url,
        "webhook_failover_url": url,
        "use_profile_webhooks": flag,
        "auto_detect": flag,
        "send_at": MOMENT,
    }


def _never_null(shape: Shape) -> Shape:
    kind: Any = shape.get("type")
    return {**shape, "type": kind[0]} if isinstance(kind, list) else shape


def _given(name: str) -> Shape:
    return {"required": [name], "properties": {name: {"type": "string"}}}


def _message() -> Shape:
    to = {
        "phone_number": TEXT,
        "status": {"enum": sorted(MESSAGE_STATUSES)},
        "carrier": TEXT,
        "line_type": TEXT,
    }
    money = {"type": ["object", "null"], "properties": {"amount": TEXT, "currency": TEXT}}
    always = {
        "record_type": {"const": "message"},
        "direction": {"const": "outbound"},
        "id": {"type": "string", "pattern": _ID},
        "to": {"type": "array", "minItems": 1, "maxItems": 1, "items": obj(to)},
        "received_at": {"type": "string", "format": "date-time"},
        "sent_at": MOMENT,
        "completed_at": MOMENT,
        "cost": {**money, "description": "Reckoned by the account's prices, in a dry run."},
        "errors": {"type": "array", "items": {"type": "object"}},
    }
    while_kept = {
        "type": {"enum": ["SMS", "MMS"]},
        "text": TEXT,
        "parts": {"type": "integer", "minimum": 1},
    }
    return obj(always) | {
        "properties": always | while_kept,
        "additionalProperties": True,
        "description": "As at Telnyx. The text and what belongs to it go once it is finished.",
    }
