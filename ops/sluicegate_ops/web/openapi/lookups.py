"""What the document says of looking a number up."""

from typing import Final

from .answers import (
    ALWAYS,
    CAPPED,
    TEXT,
    UNAUTHORIZED,
    Shape,
    answer,
    error,
    obj,
    path,
    query,
)

_NUMBER: Final = "+15551234567"
_FOUND: Final[Shape] = {
    "record_type": "number_lookup",
    "phone_number": _NUMBER,
    "country_code": "US",
    "valid_number": True,
    "carrier": {"name": "T-Mobile", "type": None},
    "opted_out": False,
}


def lookup() -> Shape:
    """The operation."""
    refused = error("10010", "Authorization failed", "This app may not look numbers up.")
    return {
        "operationId": "lookup_number",
        "summary": "What we ourselves know of a number; the provider is not asked.",
        "security": [{"token": list[str]()}],
        "parameters": [
            path("number", {"type": "string"}, _NUMBER),
            query("type", {"enum": ["carrier"]}),
        ],
        "responses": {
            **ALWAYS,
            **UNAUTHORIZED,
            **CAPPED,
            "200": answer("What is known.", {}, "OneLookup", {"data": _FOUND}),
            "403": answer("The app may not look numbers up, or not these.", example=refused),
        },
    }


def lookup_schema() -> Shape:
    """What it answers with."""
    carrier = {
        "type": ["object", "null"],
        "properties": {"name": TEXT, "type": {"type": ["string", "null"]}},
        "description": "As the provider's answers told it; the name is empty for another than "
        "AT&T and T-Mobile. Null where nothing is known.",
    }
    fields: Shape = {
        "record_type": {"const": "number_lookup"},
        "phone_number": TEXT,
        "country_code": {"type": ["string", "null"]},
        "valid_number": {"type": "boolean", "description": "By the country's numbering plan."},
        "carrier": carrier,
        "opted_out": {"type": "boolean"},
    }
    return obj({"data": obj(fields)})
