"""What becomes of one POST: the order of the checks, and the moment of acceptance."""

from datetime import UTC, datetime
from typing import NamedTuple

from sluicegate.segments import Segments

from . import idempotency, validation
from .exchange import Request
from .faults import Dealer, Fault
from .gate import Passage
from .messages import Message, Messages

_KEY_HEADER = "/header/Idempotency-Key"


class Post(NamedTuple):
    """One POST under way through the checks; ``wall`` is the Unix time of its arrival."""

    request: Request
    passage: Passage
    body: validation.Body | validation.Refusal
    #: Empty where the body names none.
    recipient: str
    #: The idempotency key; None without the header, or where keys are not honoured.
    key: str | None
    wall: float


class Decision(NamedTuple):
    """What a POST comes to: a row of the error table, or the number of a message, or a fault."""

    problem: str = ""
    pointer: str = ""
    number: int = -1
    #: Of a message accepted just now.
    segments: Segments | None = None
    replayed: bool = False
    fault: Fault | None = None
    #: Whether the request came past its idempotency key, and so keeps it in progress.
    holds_key: bool = False


def decide(post: Post, messages: Messages, dealer: Dealer) -> Decision:
    """Judge a POST: the gate, the path, the idempotency key, the body, and then the faults."""
    if post.passage.problem:
        return Decision(post.passage.problem)
    if post.request.path not in validation.REQUIRED:
        return Decision("method" if post.request.path == "/v2/balance" else "not_found")
    if post.key is not None:
        known = _by_key(post, post.key, messages, dealer)
        if known is not None:
            return known
    return _fresh(post, messages, dealer)


def _by_key(post: Post, key: str, messages: Messages, dealer: Dealer) -> Decision | None:
    """What the idempotency key alone decides, or None when the request is a new one."""
    keys, scoped = post.passage.credential.keys, (post.request.path, key)
    if len(post.request.keys) > 1 or not idempotency.VALID.match(post.request.keys[0]):
        return Decision("bad_request", _KEY_HEADER)
    if scoped in keys.busy:
        return Decision("key_busy", _KEY_HEADER)
    number = keys.find(scoped, post.wall)
    if number is None:
        return None
    if messages[number].body != post.request.body:
        return Decision("key_reused", _KEY_HEADER)
    # A magic number's fault is over once the message is accepted; the dice know no such end.
    fault = dealer.roll()
    if fault is not None and not fault.accepts:
        return Decision(fault.problem, fault=fault)
    return Decision(number=number, replayed=True, fault=fault)


def _fresh(post: Post, messages: Messages, dealer: Dealer) -> Decision:
    body = post.body
    if isinstance(body, validation.Refusal):
        return Decision(*body, holds_key=True)
    checked = validation.check(body, post.request.path, datetime.fromtimestamp(post.wall, UTC))
    if isinstance(checked, validation.Refusal):
        return Decision(*checked, holds_key=True)
    fault = dealer.magic(post.recipient, post.key or post.recipient) or dealer.roll()
    if fault is not None and not fault.accepts:
        return Decision(fault.problem, fault=fault, holds_key=True)
    number = messages.add(Message(post.request.body, post.wall))
    if post.key is not None:
        scoped = (post.request.path, post.key)
        post.passage.credential.keys.store(scoped, number, post.wall)
    return Decision(number=number, segments=checked, fault=fault, holds_key=True)
