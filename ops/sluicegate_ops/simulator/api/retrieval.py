"""The answers to requests that only read: one message, the balance, the opt-outs."""

from urllib.parse import parse_qs

from ..decisions import Desk
from ..gate import Passage
from ..http.exchange import Reply, Request
from . import replies
from .validation import BALANCE, OPTOUTS, READ_ONLY, REQUIRED

_BALANCE = (
    b'{"data":{"record_type":"balance","balance":"1000.00","credit_limit":"0.00",'
    b'"available_credit":"1000.00","pending":"0.00","currency":"USD"}}'
)


def retrieve(request: Request, passage: Passage, desk: Desk, now: float) -> Reply:
    """The reply to anything but a POST, at ``now`` in monotonic seconds."""
    number, problem = _number(request, desk), passage.problem
    if not problem and request.method != "GET":
        known = number is not None or request.path in (*READ_ONLY, *REQUIRED)
        problem = "method" if known else "not_found"
    if not problem:
        body = _body(request, desk, number, now)
        if body is not None:
            return Reply(200, body, headers=passage.rate_headers)
    return replies.refusal(problem or "not_found", request, passage, desk.settings)


def _number(request: Request, desk: Desk) -> int | None:
    """The number of the message that the path names: by each API only what came by it."""
    folder = "/messages/" if request.v1 else "/v2/messages/"
    if not request.path.startswith(folder):
        return None
    number = desk.messages.number_of(request.path[len(folder) :])
    if number is not None and bool(desk.messages[number].secret) != request.v1:
        return None
    return number


def _body(request: Request, desk: Desk, number: int | None, now: float) -> bytes | None:
    if number is not None:
        return desk.messages.show(number, now)
    if request.path == BALANCE:
        return _BALANCE
    if request.path == OPTOUTS:
        return desk.optouts.page(parse_qs(request.query))
    return None
