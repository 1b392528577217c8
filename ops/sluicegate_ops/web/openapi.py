"""``GET /openapi.json``: what can be asked of the server and how it answers, for machines.

It is written from the tables that requests are read with, and a test compares its paths with the
routes. To describe a new answer, add it to the operation's ``responses``.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any, Final, get_args

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from sluicegate.message import Encoding, Priority
from sluicegate.rules import MAX_MEDIA, MAX_MMS_TEXT, MAX_SUBJECT, RECIPIENT
from sluicegate.urls import MAX_URL

from .requests import EXPIRES_AT, KEY, PRIORITY
from .shapes import MESSAGE_STATUSES

Shape = dict[str, Any]

_ID: Final = "^[A-Za-z0-9_-]{1,200}$"
_MOMENT: Final[Shape] = {"type": ["string", "null"], "format": "date-time"}
_TEXT: Final[Shape] = {"type": "string"}


async def get(request: Request) -> Response:
    """The document; it holds no settings and no secrets, so anybody may read it."""
    headers = {"cache-control": "max-age=300"}
    return Response(_encoded(), headers=headers, media_type="application/json")


@cache
def _encoded() -> bytes:
    return msgspec.json.encode(document())


def document() -> Shape:
    """The document, in OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sluicegate",
            "version": version("sluicegate"),
            "description": "Messages from apps, in the shape of Telnyx's API v2, and the "
            "provider's webhooks. Errors have the provider's shape and codes.",
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/v2/messages": {"post": _post()},
            "/v2/messages/{id}": {"get": _get()},
            "/receipts/{account}": {"post": _webhook("of_profile", {})},
            "/receipts/{account}/{id}/{mac}": {"post": _webhook("of_message", _OF_MESSAGE)},
            "/openapi.json": {"get": _openapi()},
        },
        "components": {"securitySchemes": _SCHEMES, "schemas": _schemas()},
    }


_SCHEMES: Final[Shape] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token of an app, a [web.apps.NAME] of the configuration.",
    },
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "telnyx-signature-ed25519",
        "description": "Telnyx's API v2: Ed25519 over telnyx-timestamp, | and the body.",
    },
    "signature_v1": {
        "type": "apiKey",
        "in": "header",
        "name": "x-telnyx-signature",
        "description": "Telnyx's API v1: t=TIME,h=HMAC, SHA-256 with the profile's secret.",
    },
}


# Answers.


def _answer(description: str, headers: Mapping[str, Shape] = {}, schema: str = "Errors") -> Shape:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    shown = {
        name: {"schema": shape} for name, shape in {"cache-control": _TEXT, **headers}.items()
    }
    return {"description": description, "headers": shown, "content": content}


_RETRY: Final[Mapping[str, Shape]] = {"retry-after": {"type": "string", "pattern": "^[0-9]+$"}}
_TRY_LATER: Final[Mapping[str, Shape]] = {**_RETRY, "x-should-retry": {"const": "false"}}
_ALWAYS: Final[Mapping[str, Shape]] = {
    "400": _answer(
        "It is not HTTP/1.1, or not what is taken here; source.pointer names the part."
    ),
    "404": _answer("There is nothing of that name."),
    "408": _answer("It did not come whole in time; the connection closes."),
    "431": _answer("The head has more than 16,384 bytes or 100 lines; the connection closes."),
    "500": _answer("Something broke on our side."),
    "503": _answer("It could not be taken now; send it again after retry-after.", _TRY_LATER),
}
_UNAUTHORIZED: Final[Mapping[str, Shape]] = {
    "401": _answer("No app has that token.", {"www-authenticate": _TEXT}),
}
_TOO_LARGE: Final[Mapping[str, Shape]] = {
    "413": _answer("The body is larger than max_body_bytes; the connection closes."),
}


# Operations.


def _post() -> Shape:
    replayed = {"idempotent-replayed": {"const": "true"}}
    return {
        "operationId": "send_message",
        "summary": "Take a message; it is answered once it is stored.",
        "security": [{"token": []}],
        "parameters": [
            _header(KEY, {"type": "string", "pattern": "^[A-Za-z0-9_:-]{1,255}$"}),
            _header(PRIORITY, {"enum": list(get_args(Priority))}),
            _header(EXPIRES_AT, {"type": "string", "format": "date-time"}),
        ],
        "requestBody": _body({"$ref": "#/components/schemas/NewMessage"}),
        "responses": {
            **_ALWAYS,
            **_UNAUTHORIZED,
            **_TOO_LARGE,
            "200": _answer("It is stored, or was before.", replayed, "OneMessage"),
            "403": _answer("The app may not use this sender, country or priority."),
            "429": _answer("The app has reached a cap; nothing was stored.", _TRY_LATER),
            "422": _answer("It has too many parts, or its key came with another message before."),
        },
    }


def _get() -> Shape:
    state = {"sluicegate-state": _TEXT, "sluicegate-provider-id": _TEXT}
    return {
        "operationId": "get_message",
        "summary": "Where a message stands.",
        "security": [{"token": []}],
        "parameters": [_path("id", {"type": "string"})],
        "responses": {
            **_ALWAYS,
            **_UNAUTHORIZED,
            "200": _answer("The message as it is now.", state, "OneMessage"),
        },
    }


_OF_MESSAGE: Final[Shape] = {
    "403": _answer("The URL is not one of ours."),
}


def _webhook(name: str, more: Mapping[str, Shape]) -> Shape:
    of_message = bool(more)
    names = ("account", "id", "mac") if of_message else ("account",)
    parameters = [_path(one, {"type": "string"}) for one in names]
    if of_message:
        relay = {"type": "string", "description": "The app's own webhook URL, part of the MAC."}
        parameters.append({"name": "relay", "in": "query", "schema": relay})
    timestamp = {"type": "string", "description": "Unix seconds, beside an Ed25519 signature."}
    what = "one message" if of_message else "a messaging profile"
    return {
        "operationId": f"webhook_{name}",
        "summary": f"Take the provider's webhook about {what}; it is recorded before the answer.",
        "security": [{"signature": []}, {"signature_v1": []}],
        "parameters": [*parameters, _header("telnyx-timestamp", timestamp)],
        "requestBody": _body({}),
        "responses": {
            **_ALWAYS,
            **_TOO_LARGE,
            **more,
            "200": {"description": "It is recorded; there is no body."},
            "401": _answer("The signature is missing, wrong or too old."),
        },
    }


def _openapi() -> Shape:
    return {
        "operationId": "get_openapi",
        "summary": "This document.",
        "security": [],
        "responses": {**_ALWAYS, "200": _answer("The document.", {}, "Document")},
    }


def _header(name: str, schema: Shape) -> Shape:
    return {"name": name, "in": "header", "schema": schema}


def _path(name: str, schema: Shape) -> Shape:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _body(schema: Shape) -> Shape:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


# Schemas.


def _schemas() -> Shape:
    return {
        "NewMessage": _new_message(),
        "OneMessage": _object({"data": {"$ref": "#/components/schemas/Message"}}),
        "Message": _message(),
        "Errors": _object({"errors": {"type": "array", "minItems": 1, "items": _error()}}),
        "Document": {"type": "object"},
    }


def _new_message() -> Shape:
    url = {"type": ["string", "null"], "maxLength": MAX_URL, "pattern": "^[Hh][Tt][Tt][Pp]"}
    media = {"type": "string", "maxLength": MAX_URL, "pattern": "^[Hh][Tt][Tt][Pp][Ss]://"}
    profile = {"type": ["string", "null"], "pattern": "^[A-Za-z0-9_-]{1,100}$"}
    flag = {"type": ["boolean", "null"]}
    fields: Shape = {
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
        "send_at": _MOMENT,
    }
    return {
        "type": "object",
        "properties": fields,
        "required": ["to"],
        "anyOf": [_given("from"), _given("messaging_profile_id")],
        "additionalProperties": False,
        "description": "As at Telnyx. An SMS has a text of at most 10 parts, an MMS media_urls; "
        "null is as good as absent.",
    }


def _given(name: str) -> Shape:
    return {"required": [name], "properties": {name: {"type": "string"}}}


def _message() -> Shape:
    to = {
        "phone_number": _TEXT,
        "status": {"enum": sorted(MESSAGE_STATUSES)},
        "carrier": _TEXT,
        "line_type": _TEXT,
    }
    always = {
        "record_type": {"const": "message"},
        "direction": {"const": "outbound"},
        "id": {"type": "string", "pattern": _ID},
        "to": {"type": "array", "minItems": 1, "maxItems": 1, "items": _object(to)},
        "received_at": {"type": "string", "format": "date-time"},
        "sent_at": _MOMENT,
        "completed_at": _MOMENT,
        "errors": {"type": "array", "items": {"type": "object"}},
    }
    while_kept = {
        "type": {"enum": ["SMS", "MMS"]},
        "text": _TEXT,
        "parts": {"type": "integer", "minimum": 1},
    }
    return _object(always) | {
        "properties": always | while_kept,
        "additionalProperties": True,
        "description": "As at Telnyx. The text and what belongs to it go once it is finished.",
    }


def _error() -> Shape:
    fields: Shape = {
        "code": {"type": "string", "pattern": "^[0-9]{5}$"},
        "title": _TEXT,
        "detail": _TEXT,
        "source": {"type": "object", "properties": {"pointer": _TEXT}},
        "meta": {"type": "object", "properties": {"id": _TEXT}},
    }
    return _object(fields)


def _object(properties: Shape) -> Shape:
    return {"type": "object", "properties": properties, "required": list(properties)}
