"""The answers to all but POSTs: one message, the opt-outs, the account."""

from ..account.pages import options_of
from ..account.routes import AccountApi
from ..decisions import Context
from ..gate import Admission
from ..http.exchange import HttpReply, Request
from . import replies
from .validation import OPTOUTS, READ_ONLY, REQUIRED


def retrieve(
    request: Request,
    admission: Admission,
    context: Context,
    account: AccountApi,
    now: float,
    wall: float,
) -> HttpReply:
    """The reply to anything but a POST, at ``now`` in monotonic and ``wall`` in Unix seconds."""
    number, problem = _number(request, context), admission.problem
    if not problem and (told := account.answer(request, now, wall)) is not None:
        if isinstance(told, bytes):
            return HttpReply(200, told, headers=admission.rate_headers)
        return replies.refusal(
            told.problem, request, admission, context.settings, pointer=told.pointer
        )
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
    if request.path == OPTOUTS:
        return context.optouts.page(options_of(request.query))
    return None
