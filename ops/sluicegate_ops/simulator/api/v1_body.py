"""Reads a request of API v1 as the same message in API v2."""

from urllib.parse import parse_qsl

import msgspec

from .validation import Body, Refusal

_MEDIA = ("img", "audio", "video", "text")


class _Request(msgspec.Struct, rename={"from_": "from"}):
    to: object = None
    from_: object = None
    body: object = None
    subject: object = None
    media_urls: object = None
    delivery_status_webhook_url: object = None
    delivery_status_failover_url: object = None


_decoder = msgspec.json.Decoder(_Request)


def decode(body: bytes) -> Body | Refusal:
    """Read a body that is JSON or a form; a form has no media."""
    try:
        if not body.lstrip().startswith((b"{", b"[")):
            fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
            return _body(msgspec.convert(fields, _Request))
        return _body(_decoder.decode(body))
    except msgspec.ValidationError:
        return Refusal("bad_request")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Refusal("bad_json")


def _body(request: _Request) -> Body | Refusal:
    content = (request.subject or request.media_urls) is not None
    if (request.body is not None) == content:
        return Refusal("bad_content")
    media = request.media_urls
    if isinstance(media, list):
        media = [_url(item) for item in media]
    return Body(
        to=request.to,
        from_=request.from_,
        text=request.body,
        subject=request.subject,
        media_urls=media,
        webhook_url=request.delivery_status_webhook_url,
        webhook_failover_url=request.delivery_status_failover_url,
        type="MMS" if content else "SMS",
    )


def _url(item: object) -> object:
    """The URL in ``{"img": url}``; anything else unchanged, for the check to refuse."""
    if isinstance(item, dict) and len(item) == 1:
        kind, url = next(iter(item.items()))
        return url if kind in _MEDIA else item
    return item
