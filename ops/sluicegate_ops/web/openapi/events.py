"""What the document says of ``/v2/events``."""

from typing import Final

from ..event_routes import MOST_LINES, MOST_SECONDS, NEXT
from .answers import ALWAYS, TEXT, UNAUTHORIZED, Shape, answer, error, query

_LINE: Final = (
    '{"type":"message.delivered","timestamp":"2030-01-30T09:00:05.000+00:00",'
    '"data":{"event_type":"message.finalized","sluicegate":{"number":4711}}}\n'
)


def event_paths() -> Shape:
    """The paths at which apps read their events."""
    return {"/v2/events": {"get": _read()}}


def _read() -> Shape:
    after = {"type": "integer", "minimum": 0, "maximum": 999_999_999_999_999, "default": 0}
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_LINES, "default": 500}
    wait = {"type": "integer", "minimum": 0, "maximum": int(MOST_SECONDS), "default": 5}
    refused = error("10010", "Authorization failed", "This app reads no events.")
    return {
        "operationId": "read_events",
        "summary": "What became of the app's messages, a line each; it waits for the next.",
        "security": [{"token": list[str]()}],
        "parameters": [query("after", after), query("limit", limit), query("wait", wait)],
        "responses": {
            **ALWAYS,
            **UNAUTHORIZED,
            "200": {
                "description": "The events behind that number; none where none came in time.",
                "headers": {"cache-control": {"schema": TEXT}, NEXT: {"schema": TEXT}},
                "content": {"application/x-ndjson": {"schema": TEXT, "example": _LINE}},
            },
            "403": answer("The app reads no events: its table has none.", example=refused),
        },
    }
