"""Turns a decision into a reply: its bytes, headers and latency."""

from math import ceil
from random import Random

from ..decisions import Decision, Post
from ..faults import SLOW_SECONDS
from ..gate import Admission
from ..http.exchange import HTML, HttpReply, Request
from ..messages import AcceptedMessages
from ..settings import Settings
from . import errors, v1_payload
from .validation import Body

_HTML_502 = b"<html><head><title>502 Bad Gateway</title></head><body>502</body></html>\r\n"
_REPLAYED = b"Idempotent-Replayed: true\r\n"

#: The latency's tail: the share of requests in it, and its mean as a multiple of the jitter.
_TAIL_SHARE, _TAIL_MEAN = 0.01, 5.0


def latency_seconds(settings: Settings, random: Random) -> float:
    """Draw a latency: normally distributed, never below 0, with a long tail for 1 in 100."""
    mean, jitter = settings.latency_ms / 1000, settings.latency_jitter_ms / 1000
    if jitter <= 0:
        return mean
    late = random.expovariate(1 / (_TAIL_MEAN * jitter)) if random.random() < _TAIL_SHARE else 0.0
    return max(0.0, random.gauss(mean, jitter)) + late


def refusal(
    problem: str,
    request: Request,
    admission: Admission,
    settings: Settings,
    *,
    pointer: str = "",
    detail: str = "",
) -> HttpReply:
    """An error's reply; ``problem`` is a row of the error table, ``detail`` replaces its text."""
    status = errors.PROBLEMS[problem].status or settings.block_status
    headers = admission.rate_headers
    # A reached spend cap is a 429 as well, but without a time: it lasts until midnight UTC. API v1
    # has no documented header for it.
    timed = status == 429 and problem != "spend_cap" and not request.v1
    if timed and not settings.drop_retry_after:
        headers += b"retry-after: %d\r\n" % max(1, ceil(admission.retry_seconds - 1e-6))
    if request.v1 and settings.v1_errors == "flat":
        return HttpReply(status, v1_payload.error(problem, status), headers=headers)
    return HttpReply(status, errors.render(problem, pointer, detail), headers=headers)


def tell(
    post: Post, decision: Decision, messages: AcceptedMessages, settings: Settings
) -> HttpReply:
    """The reply to a POST; its delay is only what a fault adds, without the latency."""
    fault, headers = decision.fault, post.admission.rate_headers
    effect = fault.effect if fault else ""
    if effect == "html":
        return HttpReply(502, _HTML_502, headers=headers, content_type=HTML)
    if effect in ("close", "hang"):
        held = settings.hang_seconds if effect == "hang" else 0.0
        return HttpReply(0, delay_seconds=held, how="hang" if effect == "hang" else "close")
    problem = decision.problem or (fault.problem if fault else "")
    if problem:
        return refusal(
            problem,
            post.request,
            post.admission,
            settings,
            pointer=decision.pointer,
            detail=_detail(problem, post),
        )
    body = post.body if isinstance(post.body, Body) else None
    reply = HttpReply(
        200, messages.answer(decision.number, body, decision.segments), headers=headers
    )
    if decision.replayed:
        reply.headers += _REPLAYED
    if effect == "truncated":
        reply.how = "truncated"
    if effect == "slow":
        reply.delay_seconds = SLOW_SECONDS
    return reply


def _detail(problem: str, post: Post) -> str:
    """The two numbers of a block, in the provider's words."""
    if problem != "opted_out" or not isinstance(post.body, Body):
        return ""
    return f"A STOP block rule stands between '{post.body.from_}' and '{post.recipient}'."
