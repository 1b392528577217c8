"""The values that go to the account's scripts and come back, and the form they have on the way.

``step.lua`` and ``sweep.lua`` read and write the other end. Nobody else knows the letters that a
settle's flags are sent as.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, compress
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import msgspec

from sluicegate.scripts import Argument
from sluicegate.stored import NO_BILL, Bill

from .provider.rate_headers import NO_RATE_HEADERS, RateHeaders

BATCH = 50
"""Most settles, starts or claims in one call: with more of them the server stalls for others."""

SettleKind = Literal["accepted", "retry", "back", "dead", "doubt", "unused"]


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one lease, for ``settle.lua``; all times are in milliseconds.

    ``kind`` says what becomes of the message:

    =========  =================================================================================
    accepted   the provider has it as ``provider_id``, and told ``bill`` of it; its sender waits
               for ``hold_ms``
    retry      it is sent again in ``delay_ms``
    back       it returns to the head of its lane, and the attempt is not charged; if it is refused
               again and again, and others are not, it is sent again in ``delay_ms``
    dead       nothing more happens without a person
    doubt      it may have been sent; the policy decides in ``delay_ms``, in a bulk lane in
               ``bulk_delay_ms`` unless that is -1; a person does if ``delay_ms`` is -1
    unused     its POST was never begun: it returns, and its slot is free again
    =========  =================================================================================

    What is known of the attempt:

    =========  =================================================================================
    heard      the provider answered
    failing    the provider, or the way to it, failed: the breaker counts it
    throttled  the rate limit refused it: the bucket waits for ``rate.wait_ms``
    queue_full the sender's queue at the provider is full: the sender cools down
    replayed   the provider knew the idempotency key already
    perhaps    the provider may have acted on it all the same
    uncharged  it doesn't count towards the most attempts
    opted_out  the recipient wants no more messages
    last       if it counts after all, it is the last that the policy allows
    =========  =================================================================================

    ``took_ms`` is how long the POST took, and ``answer`` what came back, for people. ``halt`` is
    a level to stop: ``account``, ``sender``, or ``mms`` for the sender's MMS alone. ``halt_ends``
    is ``""`` if a person is to lift the halt, ``midnight`` (in UTC), or a number of milliseconds.
    ``profile`` is the messaging profile that the message names beside its sender, where the
    configuration does not list it. ``trace`` is that of an accepted message: its event tells it.
    """

    id: str
    token: str
    kind: SettleKind
    provider_id: str = ""
    took_ms: float = 0
    heard: bool = False
    failing: bool = False
    throttled: bool = False
    queue_full: bool = False
    replayed: bool = False
    perhaps: bool = False
    uncharged: bool = False
    opted_out: bool = False
    last: bool = False
    rate: RateHeaders = NO_RATE_HEADERS
    delay_ms: float = 0
    bulk_delay_ms: float = -1
    code: str = ""
    reason: str = ""
    answer: str = ""
    hold_ms: float = 0
    halt: str = ""
    halt_ends: str = ""
    profile: str = ""
    bill: Bill = NO_BILL
    trace: str = ""

    def args(self) -> tuple[Argument, ...]:
        """The nine arguments of every settle, the last of them a count of pairs; then the pairs.

        A pair is a name and a value that differs from its default. Most settles have none, and
        each argument costs the server as much as a small command.
        """
        rate = self.rate
        pairs = [
            (name, value)
            for name, value, default in (
                ("delay", self.delay_ms, 0),
                ("bulk_delay", self.bulk_delay_ms, -1),
                ("code", self.code, ""),
                ("reason", self.reason, ""),
                ("answer", self.answer, ""),
                ("wait", rate.wait_ms, -1),
                ("window", rate.window_ms, -1),
                ("reset", rate.reset_ms, -1),
                ("hold", self.hold_ms, 0),
                ("halt", self.halt, ""),
                ("halt_ends", self.halt_ends, ""),
                ("profile", self.profile, ""),
                ("bill", "" if self.bill is NO_BILL else self.bill.format(), ""),
                ("trace", self.trace, ""),
            )
            if value != default
        ]
        return (
            self.id, self.token, self.kind, self.provider_id, self.took_ms, _letters(_known(self)),
            rate.limit, rate.remaining, len(pairs), *chain.from_iterable(pairs),
        )  # fmt: skip


_LETTERS = {
    "heard": "h",
    "failing": "b",
    "throttled": "t",
    "queue_full": "f",
    "replayed": "r",
    "perhaps": "p",
    "uncharged": "u",
    "opted_out": "o",
    "last": "l",
}


_known = attrgetter(*_LETTERS)


@lru_cache(maxsize=256)
def _letters(known: tuple[bool, ...]) -> str:
    return "".join(compress(_LETTERS.values(), known))


def parse_settle(line: bytes) -> Settle:
    """Read a settle that was kept as JSON; raises msgspec.DecodeError, UnicodeDecodeError.

    Workers before 0.2 wrote flags as letters, and the rate headers among the other fields.
    """
    fields = msgspec.json.decode(line, type=dict[str, Any])
    if "flags" in fields:
        flags = str(fields.pop("flags"))
        fields |= {name: True for name, letter in _LETTERS.items() if letter in flags}
        names = RateHeaders.__struct_fields__
        fields["rate"] = {name: fields.pop(name) for name in names if name in fields}
    return msgspec.convert(fields, Settle)


class Start(msgspec.Struct, frozen=True):
    """A granted message whose POST is about to be written.

    ``request`` is its bytes, or empty where Redis has them already. ``text`` is the keyed hash of
    what it says, where the same text may be limited and Redis has it not yet. ``version`` is which
    of its campaign's texts it was made of, ``""`` for the first or an app's message; ``segments``
    how long it is, where that is not what its ticket says.
    """

    id: str
    token: str
    request: bytes = b""
    text: str = ""
    version: str = ""
    segments: int = 0


class Renewal(msgspec.Struct, frozen=True):
    """A lease to be kept: its POST is still waiting for an answer."""

    id: str
    token: str


class Grant(msgspec.Struct, frozen=True):
    """One claimed message, to be started ``slot_ms`` from now.

    ``attempts`` of it were charged so far, of which the provider may have acted on ``maybe``;
    ``age_ms`` is the time spent in them and in backoff. ``content`` is the message, and
    ``request`` the bytes of its POST once it has been started. ``free`` attempts more cost it
    nothing: they were made to find out how the provider is. ``version`` is that of its campaign's
    text, ``""`` for the first; ``trace`` is that of an app's message, ``""`` for none.
    """

    id: str
    token: str
    slot_ms: float
    attempts: int
    maybe: int
    age_ms: int
    generation: int
    content: bytes
    request: bytes
    free: int = 0
    version: str = ""
    trace: str = ""

    def unused(self) -> Settle:
        """The settle that gives it back: nothing was written, and its slot is free again."""
        return Settle(id=self.id, token=self.token, kind="unused")


class Claimed(msgspec.Struct, frozen=True):
    """A claim's answer: ``grants``, or why there are none, and in how many ms to ask again.

    ``why`` is one of these:

    ============  ==============================================================================
    idle          nothing waits
    rate          the account's requests are used up
    level         another level's rate is used up, but not for long
    blocked       the provider asked everybody to wait
    concurrency   as many POSTs are under way as the account allows
    probing       the provider has not answered yet, and enough POSTs are under way to find out
    halted        the account is stopped
    memory        Redis has too little memory left to send
    again         the script looked at enough lanes for one call
    unconfigured  no limits are published
    breaker       the provider fails
    probe         the provider fails, and this worker is to find out whether it still does
    ============  ==============================================================================
    """

    wait_ms: float
    why: str
    grants: Sequence[Grant] = ()


class Stepped(msgspec.Struct, frozen=True):
    """What one step did, item by item in the order asked.

    ``doubted`` says which starts were refused because their message is in doubt: an earlier call,
    whose answer was lost, had started it, and its lease has ended since.
    """

    settled: Sequence[str]
    started: Sequence[bool]
    renewed: Sequence[bool]
    claimed: Claimed
    doubted: Sequence[bool] = ()


class Swept(msgspec.Struct, frozen=True):
    """How many messages one sweep repaired, and whether there is ``work`` for a drain.

    ``mended`` counts entries that were lost from an index, and put back. ``tend``: there are
    campaigns that have hours, or are scheduled.
    """

    given_back: int
    in_doubt: int
    resent: int
    held: int
    dropped: int
    work: bool
    mended: int = 0
    tend: bool = False


class Tended(NamedTuple):
    """How many recipients ended with their hours, whether ``more`` of them wait; who started.

    ``faults`` are campaigns whose hours can't be reckoned on, and why.
    """

    ended: int
    more: bool
    started: list[str]
    faults: list[str]


def parse_stepped(reply: Sequence[Any], token: str) -> Stepped:
    """Read the reply of ``step.lua`` to a call that claimed under ``token``."""
    settled, started, renewed, (wait_ms, why, grants) = reply
    return Stepped(
        [answer.decode() for answer in settled],
        [answer == b"started" for answer in started],
        [answer == b"renewed" for answer in renewed],
        Claimed(float(wait_ms), why.decode(), [_parse_grant(fields, token) for fields in grants]),
        [answer == b"doubted" for answer in started],
    )


def parse_swept(reply: Sequence[int]) -> Swept:
    """Read the reply of ``sweep.lua``."""
    given_back, in_doubt, resent, held, dropped, work, mended, tend = reply
    return Swept(given_back, in_doubt, resent, held, dropped, bool(work), mended, bool(tend))


def _parse_grant(fields: Sequence[bytes], token: str) -> Grant:
    id, slot_us, attempts, maybe, age_ms, generation, content, request, free, *more = fields
    return Grant(
        id.decode(),
        token,
        int(slot_us) / 1000,
        int(attempts),
        int(maybe),
        int(age_ms),
        int(generation),
        content,
        request,
        int(free),
        *(text.decode() for text in more),
    )
