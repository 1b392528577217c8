"""What a request's form says."""

from urllib.parse import parse_qs

from starlette.requests import Request

from ..dashboard.acts.acting import FormFields

MOST_BYTES = 262_144
MOST_FIELDS = 5_000


class TooLarge(Exception):
    """A form of more bytes or fields than any page sends."""


async def fields_of(request: Request) -> FormFields:
    """The fields of a form that is no upload; raises TooLarge."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise TooLarge
    try:
        text = body.decode("utf-8", errors="replace")
        return FormFields(parse_qs(text, keep_blank_values=True, max_num_fields=MOST_FIELDS))
    except ValueError as error:
        raise TooLarge from error


def asked_for(request: Request) -> FormFields:
    """The fields of a request's address."""
    names = dict.fromkeys(request.query_params.keys())
    return FormFields({name: request.query_params.getlist(name) for name in names})
