"""The answers that operations have in common, and how the parts of one are written."""

from collections.abc import Mapping
from typing import Any, Final

Shape = dict[str, Any]

TEXT: Final[Shape] = {"type": "string"}
MOMENT: Final[Shape] = {"type": ["string", "null"], "format": "date-time"}

_LIMITS: Final[Mapping[str, str]] = {
    "x-ratelimit-limit": "What the cap with least left allows.",
    "x-ratelimit-remaining": "What it leaves.",
    "x-ratelimit-reset": "In how many seconds it leaves more.",
}
LIMIT_HEADERS: Final[Mapping[str, Shape]] = {
    **{
        name: {"type": "string", "pattern": "^[0-9]+$", "description": said}
        for name, said in _LIMITS.items()
    },
    "ratelimit-policy": TEXT,
    "ratelimit": TEXT,
}
"""What an app's caps leave it: the provider's headers, and the IETF's."""


def error(code: str, title: str, detail: str, pointer: str = "") -> Shape:
    """An example of what a refusal is answered with."""
    source = {"pointer": pointer} if pointer else {}
    one = {"code": code, "title": title, "detail": detail, "source": source, "meta": {}}
    return {"errors": [one]}


def answer(
    description: str,
    headers: Mapping[str, Shape] = {},
    schema: str = "Errors",
    example: object = None,
) -> Shape:
    """An answer in JSON."""
    media: Shape = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    if example is not None:
        media["example"] = example
    shown = {name: {"schema": shape} for name, shape in {"cache-control": TEXT, **headers}.items()}
    return {"description": description, "headers": shown, "content": {"application/json": media}}


RETRY: Final[Mapping[str, Shape]] = {"retry-after": {"type": "string", "pattern": "^[0-9]+$"}}
_TRY_LATER: Final[Mapping[str, Shape]] = {**RETRY, "x-should-retry": {"const": "false"}}
ALWAYS: Final[Mapping[str, Shape]] = {
    "400": answer(
        "It is not HTTP/1.1, or not what is taken here; source.pointer names the part.",
        LIMIT_HEADERS,
        example=error("40310", "Invalid 'to' address", "must be an E.164 number", "/to"),
    ),
    "404": answer(
        "There is nothing of that name.",
        example=error("10005", "Resource not found", "No such message here."),
    ),
    "408": answer(
        "It did not come whole in time; the connection closes.",
        example=error("10008", "Request timeout", "The request did not come in time."),
    ),
    "431": answer(
        "The head has more than 16,384 bytes or 100 lines; the connection closes.",
        example=error("10015", "Request head too large", "It may have 16,384 bytes at most."),
    ),
    "500": answer(
        "Something broke on our side.",
        example=error("10007", "Unexpected error", "Something broke on our side."),
    ),
    "503": answer(
        "It could not be taken now; send it again after retry-after.",
        _TRY_LATER,
        example=error("10037", "Service unavailable", "Full for now; nothing was stored."),
    ),
}
UNAUTHORIZED: Final[Mapping[str, Shape]] = {
    "401": answer(
        "No app has that token.",
        {"www-authenticate": TEXT},
        example=error("10009", "Authentication failed", "Send an app's token."),
    ),
}
TOO_LARGE: Final[Mapping[str, Shape]] = {
    "413": answer(
        "The body is larger than max_body_bytes; the connection closes.",
        example=error("10015", "Bad Request", "The body is larger than 262,144 bytes."),
    ),
}
CAPPED: Final[Mapping[str, Shape]] = {
    "429": answer(
        "The app has reached a cap; nothing was stored.",
        {**_TRY_LATER, **LIMIT_HEADERS},
        example=error("10011", "Too many requests", "More than this app may send in a second."),
    ),
}


def header(name: str, schema: Shape) -> Shape:
    return {"name": name, "in": "header", "schema": schema}


def path(name: str, schema: Shape, example: str) -> Shape:
    return {"name": name, "in": "path", "required": True, "schema": schema, "example": example}


def query(name: str, schema: Shape) -> Shape:
    return {"name": name, "in": "query", "schema": schema}


def body(schema: Shape, example: object = None) -> Shape:
    """A request's body in JSON."""
    media: Shape = {"schema": schema}
    if example is not None:
        media["example"] = example
    return {"required": True, "content": {"application/json": media}}


def reference(schema: str) -> Shape:
    return {"$ref": f"#/components/schemas/{schema}"}


def obj(properties: Shape) -> Shape:
    """An object that has all of them."""
    return {"type": "object", "properties": properties, "required": list(properties)}
