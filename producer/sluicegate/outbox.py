"""Enqueueing without I/O: turns messages into script arguments, and replies into results.

The synchronous and the asynchronous client share all of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import msgspec

from .caps import AppLeft, CapName, Caps
from .config import NAME, NAME_RULE, Config
from .config.apis import APIS
from .declared import check_country, check_sender
from .errors import (
    CapReached,
    IdReused,
    InvalidConfig,
    InvalidMessage,
    Malformed,
    UnknownMessage,
)
from .keys import FINAL_STATES, Keys
from .memory import intake_refusal, server_memory
from .message import Message, content_digest, encode, from_dict, new_ids
from .numbering import check_countries
from .rules import plain, validated
from .scripts import Argument, Script, new_token
from .segments import MAX_PARTS
from .stored import (
    DELIVERY_FIELDS,
    LaneName,
    Lease,
    MessageId,
    Record,
    sender_name,
    ticket_middle,
    ticket_text,
    wall_ms,
)
from .tracing import TracedSpan, context_of
from .webhook_urls import relay_fault

BATCH = 1000
"""Messages that ``enqueue_many`` reads at a time, for several calls of the script."""

CALL = 250
"""Messages per script call: about 1 ms of the server's time."""

ENQUEUE = Script("sluicegate.enqueue")
CANCEL = Script("sluicegate.cancel")

Item = Message | Mapping[str, Any]

EnqueueOutcome = Literal["enqueued", "known", "suppressed", "reused", "invalid", "capped"]
_OUTCOMES: dict[str, EnqueueOutcome] = {
    "e": "enqueued",
    "k": "known",
    "s": "suppressed",
    "r": "reused",
}

_CAPS: dict[str, CapName] = {
    "P": "per_second",
    "W": "most_waiting",
    "D": "daily_messages",
    "M": "daily_money",
}
"""By the script's letter, the cap that refused a message."""
_WITHOUT_CAPS = str.maketrans("", "", "".join(_CAPS))

MessageState = Literal[
    "waiting", "scheduled", "granted", "started", "retrying", "in_doubt", "accepted", "dead",
    "cancelled", "expired", "suppressed", "purged",
]  # fmt: skip
"""The states in ``keys.STATES``, and ``granted`` or ``started`` while a worker has the message."""

MessageDelivery = Literal["", "unknown", "delivered", "failed", "unconfirmed"]
"""What receipts said of an accepted message, ``unknown`` before one came; else ``""``."""

CancelResult = Literal[
    "cancelled", "maybe_sent", "in_flight", "in_doubt", "accepted", "dead", "expired",
    "suppressed", "purged",
]  # fmt: skip
"""``maybe_sent`` is cancelled too, but an attempt before may have reached the provider."""

_LANES_KNOWN = 10_000  # with more senders, some messages are checked in full again
_SMS_MIDDLES = tuple(ticket_middle(parts, "SMS", None) for parts in range(MAX_PARTS + 1))
_Fields = tuple[str, str, str, str, str, bytes, int | str]
"""What the script takes of a message: id, digest, lane, ticket, to, content, send_at_ms."""


class EnqueueResult(msgspec.Struct, frozen=True):
    """What became of one message handed to ``enqueue`` or ``enqueue_many``.

    ``outcome`` is ``enqueued``, ``known`` (same id and content: nothing was done) or
    ``suppressed`` (the recipient has opted out, which is recorded); or, with the reason in
    ``error``, ``reused`` (same id, other content), ``invalid``, or ``capped`` (beyond a cap of the
    app's that holds for each message; ``left`` is what these caps leave it).
    """

    id: str
    outcome: EnqueueOutcome
    error: InvalidMessage | IdReused | CapReached | None = None
    left: AppLeft | None = None

    @property
    def ok(self) -> bool:
        """Whether Sluicegate accounts for the message, now or already before."""
        return self.error is None


class MessageStatus(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where one message stands.

    Its ``state`` is ``granted`` or ``started`` while a worker holds it. Times are wall
    milliseconds. ``provider_id`` is Telnyx's own id, once Telnyx has accepted the message.
    ``delivery`` is what its receipt said, at ``delivery_ms`` and with ``delivery_code``.
    ``maybe_sent``: it is not known to be accepted, but an attempt may have reached the provider.
    """

    id: str
    state: MessageState
    to: str = ""
    enqueued_ms: int = 0
    changed_ms: int = 0
    attempts: int = 0
    generation: int = 0
    provider_id: str = ""
    second_provider_id: str = ""
    code: str = ""
    reason: str = ""
    delivery: MessageDelivery = ""
    delivery_ms: int = 0
    delivery_code: str = ""
    maybe_sent: bool = False

    @property
    def finished(self) -> bool:
        """Whether the message is done with, unless new evidence says otherwise."""
        return self.state in FINAL_STATES


STATUS_FIELDS = (
    "state", "to", "enqueued", "at", "attempts", "generation", "provider_id", "provider_id_2",
    "code", "reason", "maybe", "maybe_before", *DELIVERY_FIELDS,
)  # fmt: skip


class Batch(msgspec.Struct):
    """The arguments of one script call, and the ids of its messages, in order.

    ``refused`` are the results of invalid items, each with its index among all items. ``app`` is
    whose batch it is, ``""`` for nobody's.
    """

    args: list[Argument]
    ids: list[str] = []
    refused: list[tuple[int, EnqueueResult]] = []
    app: str = ""

    def results(self, reply: bytes | list[bytes]) -> list[EnqueueResult]:
        """Return one result per item, in order, from the script's answers; raises CapReached."""
        if isinstance(reply, bytes):
            results = _results(self.ids, reply)
        elif len(reply) == 2:
            cap, wait_ms = reply
            raise CapReached(self.app, cast("CapName", cap.decode()), int(wait_ms), self.ids)
        else:
            results = self._each(reply[0].decode(), AppLeft.parse(reply[1:]))
        for index, result in self.refused:
            results.insert(index, result)
        return results

    def _each(self, letters: str, left: AppLeft) -> list[EnqueueResult]:
        """Read an answer in which a cap may have refused some of the messages."""
        taken = [id for id, letter in zip(self.ids, letters, strict=True) if letter not in _CAPS]
        results = iter(_results(taken, letters.translate(_WITHOUT_CAPS).encode(), left))
        return [
            self._capped(id, _CAPS[letter], left) if letter in _CAPS else next(results)
            for id, letter in zip(self.ids, letters, strict=True)
        ]

    def _capped(self, id: str, cap: CapName, left: AppLeft) -> EnqueueResult:
        error = CapReached(self.app, cap, left.wait_ms(cap), [id])
        return EnqueueResult(id, "capped", error, left)


class Outbox:
    """Makes one account's arguments for the scripts, and reads their replies.

    ``app`` is the name of the app that enqueues, ``""`` for none; its messages' ids are its own
    keys for them, and ``id_of`` says under which ids they are stored. ``caps`` are held in the
    same call that stores.

    Raises InvalidConfig for a name that no app may have, and for countries that are none.
    """

    def __init__(
        self, config: Config, account: str, app: str = "", caps: Caps | None = None
    ) -> None:
        if app and not NAME.fullmatch(app):
            raise InvalidConfig("app", f"an app's {NAME_RULE}")
        self.config, self.keys = config, Keys(account)
        self.app, self._caps = app, caps
        self._account = config.account(account)
        check_countries(f"accounts.{account}.countries", self._account.countries)
        # The SMS lanes of senders that were checked in full, by priority and sender.
        self._lanes: dict[tuple[str, str | None], str] = {}

    def id_of(self, key: str) -> str:
        """The id under which the app's message ``key`` is stored: ``shop:order-1``."""
        return MessageId.of_app(self.app, key).short if self.app else key

    def checked(self, message: Message | Mapping[str, Any]) -> Message:
        """Validate ``message``, and give it an id if it has none; raises InvalidMessage."""
        if not isinstance(message, Message):
            message = from_dict(message)
        message = validated(message)
        check_sender(self._account, message.sender, message.messaging_profile_id, message.id)
        check_country(self._account, message.to, message.id)
        self._check_subject(message)
        self._check_relay(message)
        return message

    def _check_subject(self, message: Message) -> None:
        """Refuse now an MMS of a subject alone that the account's API would not send."""
        api = APIS.get(self._account.api)
        if message.text is None and not message.media_urls and api and not api.subject_alone:
            reason = f"API {api.name} sends no subject alone: add a text or media, or use API v1"
            raise InvalidMessage("text", None, reason, message.id)

    def _check_relay(self, message: Message) -> None:
        """Refuse now a webhook URL with which no worker could make the request."""
        public_url, relay = self.config.web.public_url, message.webhook_url
        if not (relay and public_url and self._account.receipts):
            return
        if fault := relay_fault(public_url, self.keys.account, message.id, relay):
            raise InvalidMessage("webhook_url", relay, fault, message.id)

    @property
    def dry(self) -> bool:
        """Whether nothing is stored, and only what would become of a message is said."""
        return self._caps is not None and self._caps.dry

    def batch(
        self, items: Sequence[Item], token: str = "", span: TracedSpan | None = None
    ) -> Batch:
        """Check ``items`` and make the arguments of ``ENQUEUE``; invalid ones are set aside.

        ``token`` marks the batch: a repeat after a lost reply gets the same answer. ``span`` is
        that of the call that enqueues them, if there is one.
        """
        batch = Batch([token or new_token(), self.config.retention_ms, ""], app=self.app)
        messages, traces = list[Message](), ""
        for item, id in zip(items, new_ids(len(items)), strict=True):
            try:
                message = item if isinstance(item, Message) else from_dict(item)
                fields = self._quick_fields(message, id) or self._checked_fields(message)
            except InvalidMessage as error:
                batch.refused.append((len(batch.ids) + len(batch.refused), refused(error)))
            else:
                batch.ids.append(fields[0] if not self.app else MessageId.parse(fields[0]).key)
                batch.args += fields
                messages.append(message)
                if span is not None or message.traceparent is not None:
                    traces += _trace_line(len(messages), message, span)
        if self._caps:
            batch.args[2] = self._caps.text(self.app, messages)
        if traces:
            batch.args.append(traces)
        return batch

    def ids(self, batch: Batch, rest: Sequence[Item]) -> list[str]:
        """Return the ids of a batch and of the items after it, for an error."""
        return [*batch.ids, *self.batch(rest).ids]

    def enqueue_args(self, messages: Sequence[Message], token: str = "") -> list[Argument]:
        """Return the arguments of ``ENQUEUE`` for valid messages that have ids; see ``batch``."""
        args: list[Argument] = [token or new_token(), self.config.retention_ms, ""]
        for message in messages:
            args += self._fields(message)
        if self._caps:
            args[2] = self._caps.text(self.app, messages)
        lines = "".join(_trace_line(n, one, None) for n, one in enumerate(messages, 1))
        return [*args, lines] if lines else args

    @staticmethod
    def results(messages: Sequence[Message], reply: bytes) -> list[EnqueueResult]:
        """Return one result per message, in order, from the script's answers."""
        return _results([message.id for message in messages], reply)

    def _quick_fields(self, message: Message, new_id: str) -> _Fields | None:
        """``_checked_fields`` of a plain message from a sender checked before; else None."""
        measured = plain(message)
        lane = measured and self._lanes.get((message.priority, message.sender))
        if not (measured and lane):
            return None
        parts, content = measured
        id, to = self.id_of(message.id or new_id), message.to
        check_country(self._account, to, message.id)
        ticket = id + _SMS_MIDDLES[parts] + to
        return id, content_digest(content), lane, ticket, to, content, ""

    def _checked_fields(self, message: Message) -> _Fields:
        """Check a message and return its fields; raises InvalidMessage."""
        message = self.checked(message)
        fields = self._fields(message)
        if message.type == "SMS" and message.messaging_profile_id is None:
            if len(self._lanes) >= _LANES_KNOWN:
                self._lanes.clear()
            self._lanes[message.priority, message.sender] = fields[2]
        return fields

    def _fields(self, message: Message) -> _Fields:
        id, kind, to, content = self.id_of(message.id), message.type, message.to, encode(message)
        sender = sender_name(message.sender, message.messaging_profile_id)
        lane = LaneName(message.priority, kind, sender, app=self.app).format()
        ticket = ticket_text(id, message.segments.parts, kind, message.expires_at, to)
        send_at = "" if message.send_at is None else wall_ms(message.send_at)
        return id, content_digest(content), lane, ticket, to, content, send_at

    def cancel_args(self, id: str) -> list[Argument]:
        """Return the arguments of ``CANCEL``."""
        return [self.id_of(id), self.config.retention_ms, new_token()]

    @staticmethod
    def cancelled(id: str, reply: bytes) -> CancelResult:
        """Read the answer to a cancel; raises UnknownMessage."""
        if reply == b"unknown":
            raise UnknownMessage(id)
        return cast("CancelResult", reply.decode())

    def ask_status(self, pipeline: Any, id: str) -> None:
        """Queue the reads for ``status`` on ``pipeline``; raises UnknownMessage for a bad id."""
        stored_id = self.id_of(id)
        try:
            campaign = MessageId.parse(stored_id).campaign
        except Malformed:
            raise UnknownMessage(id) from None
        pipeline.hmget(self.keys.record(stored_id), *STATUS_FIELDS)
        pipeline.hget(self.keys("leases"), stored_id)
        pipeline.hget(self.keys.campaign(campaign), "state")

    @staticmethod
    def status(id: str, replies: Sequence[Any]) -> MessageStatus:
        """Read a message's status from the replies; raises UnknownMessage."""
        fields, lease, campaign = replies
        record = Record.parse_some(STATUS_FIELDS, fields)
        state = record.state
        if not state:
            raise UnknownMessage(id)
        if lease is not None:
            state = Lease.parse(lease).state
        elif state == "waiting" and campaign == b"cancelled":
            state = "cancelled"  # with its campaign, whose lane was dropped as a whole
        delivery = record.delivery or ("unknown" if state == "accepted" else "")
        return MessageStatus(
            id,
            cast("MessageState", state),
            to=record.to,
            enqueued_ms=record.enqueued,
            changed_ms=record.at or record.enqueued,
            attempts=record.attempts,
            generation=record.generation,
            provider_id=record.provider_id,
            second_provider_id=record.provider_id_2,
            code=record.code,
            reason=record.reason,
            delivery=cast("MessageDelivery", delivery),
            delivery_ms=record.delivery_at,
            delivery_code=record.delivery_code,
            maybe_sent=record.maybe_sent,
        )

    def full(self, info: Mapping[str, Any]) -> str | None:
        """Say so if Redis uses more memory than enqueueing may use, by its INFO; else None."""
        return intake_refusal(server_memory(info, self.config))


def _trace_line(n: int, message: Message, span: TracedSpan | None) -> str:
    """What tells the script of the trace of a batch's n-th message; ``""`` where it has none."""
    own = context_of(message)
    context = own if span is None else span.context_of(own)
    return f"{n} {context.format()}\n" if context else ""


def refused(error: InvalidMessage) -> EnqueueResult:
    """Return the result of an invalid message."""
    return EnqueueResult(error.id, "invalid", error)


def _results(ids: Sequence[str], reply: bytes, left: AppLeft | None = None) -> list[EnqueueResult]:
    """Read the script's letters, one for each id.

    If an id comes twice in one batch, the script takes the second for a repeat of the batch and
    answers ``enqueued`` to both; here the second is ``known``.
    """
    if reply == b"e" * len(ids) and len(set(ids)) == len(ids):  # nearly every batch
        return [EnqueueResult(id, "enqueued", None, left) for id in ids]
    results, seen = list[EnqueueResult](), set[str]()
    for id, letter in zip(ids, reply.decode(), strict=True):
        outcome = _OUTCOMES[letter]
        error = IdReused(id) if outcome == "reused" else None
        if id in seen and not error and not (left and outcome == "suppressed"):
            outcome = "known"
        results.append(EnqueueResult(id, outcome, error, left))
        seen.add(id)
    return results
