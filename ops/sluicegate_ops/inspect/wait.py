"""What may hold messages back, as a value: its kind, its level, until when."""

from typing import Literal

import msgspec

from sluicegate.stored import HaltInfo

from .look import WhoseNumber

WaitKind = Literal[
    "draft",
    "scheduled",
    "paused",
    "read_only",
    "memory",
    "halted",
    "no_worker",
    "stalled",
    "failing",
    "trying",
    "blocked",
    "hours",
    "daily_cap",
    "money",
    "cap",
    "canary",
    "queue_full",
    "queue",
    "rate",
    "requests",
    "ceiling",
    "probing",
    "concurrency",
    "retrying",
    "review",
    "recipient",
    "held",
    "in_doubt",
    "turn",
]
"""What it is that holds messages back.

    draft, paused          its campaign is
    scheduled              its campaign starts by itself at that time
    read_only              Redis takes no writes
    memory                 Redis has too little memory left to send
    halted                 the level is, by a person or for a cause that all would meet
    no_worker              nobody sends
    stalled                workers are heard, something is ready, and nobody is granted it
    failing, trying        the provider fails or is silent; it is tried with one message at a time
    blocked                the provider answered 429
    hours                  it is not the hour at which recipients of the campaign may be sent to
    daily_cap              the brand's segments of the carrier's day are used up
    money                  what is under way may cost all that is left of a cap in money
    cap                    what is under way may use up a cap in messages or segments
    canary                 the first messages of a campaign have yet to be delivered
    queue_full, queue      the provider's own queue for the sender is full, or has yet to drain
    rate                   the level's segments per second
    requests               the account's requests per window
    ceiling                the account's requests per second, by its own configuration
    probing                only so many are under way before the provider's first answer
    concurrency            as many requests are under way as may be
    retrying               the rest is due later
    review                 their recipients wrote something that a person must read first
    recipient              limits on what their recipients get, or on numbers that begin alike
    held, in_doubt         nobody knows whether it was sent: a person decides, or policy does
    turn                   nothing: it goes out as its turn comes
"""


class Wait(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that holds messages back, by the level that it belongs to.

    ``level`` is account, account:sms, account:mms, sender:<s>, registration:<r>, brand:<b>,
    campaign:<n>, hours:<campaign> or app:<a>. ``until_ms`` (wall) is when it lets go, None where
    it takes a person or nobody can say. ``limit`` and ``used`` are in what it counts: segments per
    second, requests per window, segments a day, requests under way, messages; of ``review``,
    ``limit`` is how many numbers wrote. ``since_ms`` is when it began, where that is known.
    ``because`` is a halt's cause, as it was given: it may hold a phone number; or what Redis or a
    deaf worker says; or, where it is failing or trying, the message that failed last, the last
    ``used`` attempts in a row. ``said`` is then what the provider answered; it may hold a phone
    number.
    ``refuses`` says that a claim made now would refuse a message for it; a rate that is merely in
    use sets the pace, and refuses nothing at this moment. ``aside`` messages wait for it in side
    lanes, while what it does not concern goes on. ``stopped_by`` is which of its caps or guards
    has paused a campaign. ``number`` is that of the message that a carrier's level holds first.
    """

    kind: WaitKind
    level: str
    until_ms: float | None = None
    limit: float = 0.0
    used: float = 0.0
    since_ms: float | None = None
    because: str = ""
    said: str = ""
    refuses: bool = False
    aside: int = 0
    stopped_by: str = ""
    number: WhoseNumber | None = None


def halted(halt: HaltInfo) -> Wait:
    """A halt as what holds back."""
    return Wait(
        kind="halted",
        level=halt.level,
        until_ms=halt.until_ms,
        because=halt.why,
        refuses=True,
    )
