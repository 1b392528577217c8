"""The answers to read requests: one message, the balance, the opt-outs."""

from urllib.parse import parse_qs

from ..decisions import Context
from ..gate import Admission
from ..http.exchange import HttpReply, Request
from . import replies
from .validation import BALANCE, OPTOUTS, READ_ONLY, REQUIRED

_BALANCE = (
    b'{"data":{"record_type":"balance","balance":"1000.00","credit_limit":"0.00",'
    b'"available_credit":"1000.00","pending":"0.00","currency":"USD"}}'
)


def retrieve(request: Request, admission: Admission, context: Context, now: float) -> HttpReply:
    """The reply to anything but a POST, at ``now`` in monotonic seconds."""
    number, problem = _number(request, context), admission.problem
    if not problem and request.method != "GET":
        exists = number is not None or request.path in (*READ_ONLY, *REQUIRED)
        problem = "method" if exists else "not_found"
    if not problem:
        body = _body(request, context, number, now)
        if body is not None:
            return HttpReply(200, body, headers=admission.rate_headers)
    return replies.refusal(problem or "not_found", request, admission, context.settings)


def _number(request: Request, context: Context) -> int | None:
    """The number of the message that the path names; each API shows only its own messages."""
    folder = "/messages/" if request.v1 else "/v2/messages/"
    if not request.path.startswith(folder):
        return None
    number = context.messages.number_of(request.path[len(folder) :])
    if number is not None and bool(context.messages[number].secret) != request.v1:
        return None
    return number


def _body(request: Request, context: Context, number: int | None, now: float) -> bytes | None:
    if number is not None:
        return context.messages.show(number, now)
    if request.path == BALANCE:
        return _BALANCE
    if request.path == OPTOUTS:
        return context.optouts.page(parse_qs(request.query))
    return None
