"""``GET /openapi.json``: what can be asked of the server and how it answers, for machines.

It is written from the tables that requests are read with, and a test compares its paths with the
routes. To describe a new answer, add it to the operation's ``responses``.
"""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .answers import ALWAYS, TEXT, TOO_LARGE, Shape, answer, body, error, header, obj, path
from .campaigns import campaign_paths, campaign_schemas
from .events import event_paths
from .lookups import lookup, lookup_schema
from .messages import message_paths, message_schemas


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
            **message_paths(),
            **campaign_paths(),
            "/v2/number_lookup/{number}": {"get": lookup()},
            **event_paths(),
            "/receipts/{account}": {"post": _webhook("of_profile", {})},
            "/receipts/{account}/{id}/{mac}": {"post": _webhook("of_message", _OF_MESSAGE)},
            "/openapi.json": {"get": _openapi()},
        },
        "components": {
            "securitySchemes": _SCHEMES,
            "schemas": {
                **message_schemas(),
                **campaign_schemas(),
                "OneLookup": lookup_schema(),
                "Errors": obj(
                    {
                        "errors": {
                            "type": "array",
                            "minItems": 1,
                            "items": {"$ref": "#/components/schemas/Error"},
                        }
                    }
                ),
                "Error": _error(),
                "Document": {"type": "object"},
            },
        },
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

_OF_MESSAGE: Final[Shape] = {
    "403": answer(
        "The URL is not one of ours.",
        example=error("10010", "Authorization failed", "This URL is not one of ours."),
    ),
}
_EXAMPLES: Final = {"account": "default", "id": "order-4711", "mac": "0123456789abcdef"}


def _webhook(name: str, more: Mapping[str, Shape]) -> Shape:
    of_message = bool(more)
    names = ("account", "id", "mac") if of_message else ("account",)
    parameters = [path(one, {"type": "string"}, _EXAMPLES[one]) for one in names]
    if of_message:
        relay = {"type": "string", "description": "The app's own webhook URL, part of the MAC."}
        parameters.append({"name": "relay", "in": "query", "schema": relay})
    timestamp = {"type": "string", "description": "Unix seconds, beside an Ed25519 signature."}
    what = "one message" if of_message else "a messaging profile"
    return {
        "operationId": f"webhook_{name}",
        "summary": f"Take the provider's webhook about {what}; it is recorded before the answer.",
        "security": [{"signature": []}, {"signature_v1": []}],
        "parameters": [*parameters, header("telnyx-timestamp", timestamp)],
        "requestBody": body({}, {"data": {"event_type": "message.finalized", "payload": {}}}),
        "responses": {
            **ALWAYS,
            **TOO_LARGE,
            **more,
            "200": {"description": "It is recorded; there is no body."},
            "401": answer("The signature is missing, wrong or too old."),
        },
    }


def _openapi() -> Shape:
    found = answer("The document.", {}, "Document")
    return {
        "operationId": "get_openapi",
        "summary": "This document.",
        "security": [],
        "responses": {**ALWAYS, "200": found},
    }


def _error() -> Shape:
    fields: Shape = {
        "code": {"type": "string", "pattern": "^[0-9]{5}$"},
        "title": TEXT,
        "detail": TEXT,
        "source": {"type": "object", "properties": {"pointer": TEXT}},
        "meta": {"type": "object", "properties": {"id": TEXT, "state": TEXT}},
    }
    return obj(fields)
