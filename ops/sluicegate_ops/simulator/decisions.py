"""Decides each POST: the order of the checks, and the moment of acceptance."""

from datetime import UTC, datetime
from typing import NamedTuple

import msgspec

from sluicegate.segments import Segments

from . import idempotency
from .account.owner import Owner
from .api import payload, validation
from .billing import Billed, bill
from .carriers import carrier_of
from .faults import Fault, FaultInjector
from .gate import Admission
from .http.exchange import Request
from .message import AcceptedMessage
from .messages import AcceptedMessages
from .optouts import Optouts
from .settings import Settings
from .throughput import QueueItem

_KEY_HEADER = "/header/Idempotency-Key"


class Post(msgspec.Struct, gc=False):
    """One POST to be decided.

    It arrived at ``now`` in monotonic seconds, and at ``wall`` in Unix seconds of the provider's
    clock.
    """

    request: Request
    admission: Admission
    body: validation.Body | validation.Refusal
    #: Empty if the body names none.
    recipient: str
    #: The idempotency key; None without the header, or if keys are ignored.
    key: str | None
    now: float
    wall: float
    #: The profile secret of a request to API v1.
    secret: str = ""


class Context(NamedTuple):
    """What the decision on a POST depends on."""

    settings: Settings
    messages: AcceptedMessages
    injector: FaultInjector
    optouts: Optouts
    owner: Owner
    #: Whether the settings have any rate or cap for messages.
    spends: bool


class Decision(msgspec.Struct, gc=False):
    """The decision on a POST: a row of the error table, the number of a message, or a fault."""

    problem: str = ""
    pointer: str = ""
    number: int = -1
    #: The segments of a newly accepted message.
    segments: Segments | None = None
    replayed: bool = False
    fault: Fault | None = None
    #: Whether the request passed the check of its idempotency key, which is then in progress.
    holds_key: bool = False


def decide(post: Post, context: Context) -> Decision:
    """Check a POST in this order: gate, path, key, body, opt-out, faults, spend cap, queues."""
    if post.admission.problem:
        return Decision(post.admission.problem)
    if post.request.path not in validation.REQUIRED:
        return Decision("method" if post.request.path in validation.READ_ONLY else "not_found")
    if post.key is not None:
        decision = _by_key(post, post.key, context)
        if decision is not None:
            return decision
    return _fresh(post, context)


def _by_key(post: Post, key: str, context: Context) -> Decision | None:
    """The decision by the idempotency key alone; None if the request is new."""
    keys, scoped = post.admission.credential.keys, (post.request.path, key)
    if len(post.request.keys) > 1 or not idempotency.VALID.match(post.request.keys[0]):
        return Decision("bad_request", _KEY_HEADER)
    if scoped in keys.busy:
        return Decision("key_busy", _KEY_HEADER)
    number = keys.find(scoped, post.wall)
    if number is None:
        return None
    if context.messages[number].body != post.request.body:
        return Decision("key_reused", _KEY_HEADER)
    # A magic number's fault ends once the message is accepted; dice go on.
    fault = context.injector.roll()
    if fault is not None and not fault.accepts:
        return Decision(fault.problem, fault=fault)
    return Decision(number=number, replayed=True, fault=fault)


def _fresh(post: Post, context: Context) -> Decision:
    body, injector = post.body, context.injector
    if isinstance(body, validation.Refusal):
        return Decision(*body, holds_key=True)
    checked = validation.check(body, post.request.path, datetime.fromtimestamp(post.wall, UTC))
    if isinstance(checked, validation.Refusal):
        return Decision(*checked, holds_key=True)
    owned = context.settings.senders
    if owned and body.from_ and body.from_ not in owned:
        return Decision("bad_from", "/from", holds_key=True)
    if (refused := context.owner.refusal(body)) is not None:
        return Decision(*refused, holds_key=True)
    profile = context.owner.profile_id(body)
    if context.optouts.blocks and (profile, body.to) in context.optouts.blocks:
        return Decision("opted_out", holds_key=True)
    fault = injector.magic(post.recipient, post.key or post.recipient) or injector.roll()
    if fault is not None and not fault.accepts:
        return Decision(fault.problem, fault=fault, holds_key=True)
    return _accept(post, body, checked, fault, context)


def _accept(
    post: Post, body: validation.Body, segments: Segments, fault: Fault | None, context: Context
) -> Decision:
    parts = payload.parts_of(body, segments)
    wait_seconds = 0.0
    if context.spends:
        spent = _spend(post, body, parts, context)
        if isinstance(spent, str):
            return Decision(spent, holds_key=True)
        wait_seconds = spent
    carrier = carrier_of(context.settings.carriers, post.recipient)
    message = AcceptedMessage(
        post.request.body,
        post.wall,
        post.now,
        context.owner.profile_id(body),
        post.key or "",
        parts,
        wait_seconds,
        _billed(post, body, parts, carrier, context),
        carrier,
        post.secret,
        traceparent=post.request.traceparent.decode("latin-1"),
    )
    number = context.messages.add(message)
    if post.key is not None:
        scoped = (post.request.path, post.key)
        post.admission.credential.keys.store(scoped, number, post.wall)
    return Decision(number=number, segments=segments, fault=fault, holds_key=True)


def _billed(
    post: Post, body: validation.Body, parts: int, carrier: str, context: Context
) -> Billed:
    settings, number = context.settings, context.messages.count
    kind = payload.kind_of(body)
    return bill(post.recipient, kind, carrier, parts, number, settings.billing, settings.seed)


def _spend(post: Post, body: validation.Body, parts: int, context: Context) -> str | float:
    """The seconds that the message waits in its queues, or the problem that refuses it."""
    credential, settings = post.admission.credential, context.settings
    profile = context.owner.profile_id(body)
    cap = settings.spend_cap
    if cap is not None and not credential.spending.has_room(profile, cap, post.wall):
        return "spend_cap"
    item = QueueItem(str(body.from_ or profile), payload.kind_of(body) == "MMS", parts)
    wait_seconds = credential.queues.take(item, post.now, settings)
    if wait_seconds is None:
        return "queue_full"
    if cap is not None:
        credential.spending.count(profile)
    return wait_seconds
