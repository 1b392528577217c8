"""A simulator's settings (limits, latency, faults), and how they change while it runs."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

import msgspec

from .account.holdings import Holdings
from .billing import Billing

ResetMeaning = Literal["usual", "first", "all"]

#: Settings that can't change while the simulator runs: its socket and its dice depend on them.
FIXED = ("host", "port", "seed")

#: As published: a message waits in its queue for up to 4 hours.
QUEUE_SECONDS = 4 * 3600.0

_CHANCES = ("loss", "duplicate", "reorder", "forged", "tampered", "stale")


@dataclass(frozen=True, kw_only=True)
class Faults:
    """The probability (0 to 1) of each kind of fault, for any POST that passes the limiter.

    ``hang``, ``close_after`` and ``accepted_500`` accept the message first and then lose the
    answer; the others refuse it. Raises ``ValueError`` if a probability is not between 0 and 1, or
    if their sum exceeds 1.
    """

    error_500: float = 0.0
    error_503: float = 0.0
    error_429: float = 0.0
    hang: float = 0.0
    close_before: float = 0.0
    close_after: float = 0.0
    accepted_500: float = 0.0

    def __post_init__(self) -> None:
        chances = asdict(self)
        for name, chance in chances.items():
            if not 0 <= chance <= 1:
                raise ValueError(f"faults.{name} = {chance!r}: must be 0 to 1")
        if sum(chances.values()) > 1 + 1e-9:
            raise ValueError(f"faults add up to {sum(chances.values())}: must be at most 1")


@dataclass(frozen=True, kw_only=True)
class Webhooks:
    """Where and when events are sent, what they report, and what goes wrong on the way.

    Raises ``ValueError``, naming the setting, for an invalid value.
    """

    #: The messaging profile's URLs, for inbound messages and for messages that name no URL.
    url: str = ""
    failover_url: str = ""
    #: Mean and standard deviation of two delays: from leaving the queue until sent, and from then
    #: until final.
    delay_seconds: float = 0.2
    jitter_seconds: float = 0.05
    #: The shares of messages with this final status; the others are delivered.
    delivery_failed: float = 0.0
    delivery_unconfirmed: float = 0.0
    #: The share that fails at a carrier, by its name, in place of ``delivery_failed``.
    carriers_failed: dict[str, float] = field(default_factory=dict)
    #: Error codes of failed deliveries, drawn evenly.
    failure_codes: tuple[str, ...] = ("40008",)
    #: The shares of events that are lost, and that are sent twice.
    loss: float = 0.0
    duplicate: float = 0.0
    #: The share of messages whose ``message.sent`` comes after ``message.finalized``.
    reorder: float = 0.0
    #: The shares of events accompanied by a false one with another status: signed with another
    #: key, changed after signing, or signed correctly but 10 minutes old.
    forged: float = 0.0
    tampered: float = 0.0
    stale: float = 0.0
    #: The most requests in flight.
    connections: int = 64
    #: As published: without an answer 2xx within 2 s, it tries again.
    timeout_seconds: float = 2.0
    #: The wait before the second try at a URL; the wait before the third is twice as long.
    retry_seconds: float = 1.0
    #: The private key, 32 bytes in base64; if empty, each simulator generates one.
    signing_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name in ("delivery_failed", "delivery_unconfirmed", *_CHANCES):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"webhooks.{name} = {getattr(self, name)!r}: must be 0 to 1")
        self._check_ends()
        for name in ("delay_seconds", "jitter_seconds", "timeout_seconds", "retry_seconds"):
            if getattr(self, name) < 0:
                raise ValueError(f"webhooks.{name} = {getattr(self, name)!r}: must be at least 0")
        if self.connections < 1:
            raise ValueError(f"webhooks.connections = {self.connections}: must be at least 1")
        if not self.failure_codes:
            raise ValueError("webhooks.failure_codes is empty: name at least one, such as 40008")
        if self.signing_key and not _is_key(self.signing_key):
            raise ValueError("webhooks.signing_key: must be 32 bytes in base64")

    def _check_ends(self) -> None:
        """The final states that are drawn are shares, and no more than all."""
        for carrier, share in self.carriers_failed.items():
            if not 0 <= share <= 1:
                reason = f"{carrier} = {share!r}: must be 0 to 1"
                raise ValueError(f"webhooks.carriers_failed: {reason}")
        failed = max(self.delivery_failed, *self.carriers_failed.values(), 0.0)
        if failed + self.delivery_unconfirmed > 1 + 1e-9:
            raise ValueError(
                "webhooks.delivery_failed and .delivery_unconfirmed exceed 1 together"
            )


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the imitated provider behaves.

    Raises ``ValueError``, naming the setting, for an invalid value.
    """

    host: str = "127.0.0.1"
    #: 0 chooses a free port.
    port: int = 0
    #: The valid bearer tokens; if empty, any token is valid.
    api_keys: tuple[str, ...] = ()
    #: The senders of the profile; if empty, any sender is. Others are refused with 40305.
    senders: tuple[str, ...] = ()
    #: Requests per window and credential; None means no limit and no rate headers.
    limit: int | None = 50
    window_seconds: float = 1.0
    limiter: Literal["fixed", "sliding", "bucket"] = "sliding"
    #: ``x-ratelimit-reset`` is documented both as a Unix time and as seconds from now; some
    #: providers leave it out.
    reset: Literal["epoch", "delta", "absent"] = "epoch"
    #: Whether it is rounded up to whole seconds; if not, it has milliseconds.
    reset_rounded: bool = True
    #: Whether it tells when the first of the quota in use is back, or when all of it is. Usual for
    #: a sliding log is the first, and for a bucket all; a fixed window's is back all at once.
    reset_means: ResetMeaning = "usual"
    rate_headers: bool = True
    #: Whether a request refused by the limiter still uses quota.
    count_rejected: bool = False
    #: From a request's arrival to its answer; acceptance is decided on arrival.
    latency_ms: float = 0.0
    #: About one standard deviation of the latency, which has a long tail for 1 in 100.
    latency_jitter_ms: float = 0.0
    #: Whether ``Idempotency-Key`` is honoured; if not, each request is new.
    idempotency: bool = True
    faults: Faults = field(default_factory=Faults)
    #: How long a hanging request is held before its connection is closed.
    hang_seconds: float = 60.0
    #: The most unanswered requests; the next is refused with 429. None means no cap.
    max_concurrency: int | None = None
    seed: int = 1
    #: HTTP status of 40300 (opted out) and 40318 (queue full), which is not documented.
    block_status: int = 400
    #: Whether to omit ``retry-after`` from every 429, as the provider's page on rates does.
    drop_retry_after: bool = False
    #: Segments per second of each sender: a number, an alphanumeric sender, or the profile id of
    #: a number pool. Messages above the rate are accepted and wait in the sender's queue.
    sender_rates: dict[str, float] = field(default_factory=dict)
    #: Segments per second of every other sender; None means no limit.
    default_sender_rate: float | None = None
    #: Segments per second of a credential over all its senders; None means no limit.
    account_sms_rate: float | None = None
    account_mms_rate: float | None = None
    #: The burst after a pause, in seconds of the rate; never less than 1 segment.
    burst_seconds: float = 1.0
    #: A queue's capacity, in seconds of its rate; further messages are refused with 40318.
    queue_seconds: float = QUEUE_SECONDS
    #: Messages that a messaging profile may send until midnight UTC; None means no cap.
    spend_cap: int | None = None
    #: Whose a number is, by what it begins with; the longest beginning counts.
    carriers: dict[str, str] = field(default_factory=dict)
    #: The valid profile secrets of API v1; if empty, any secret is valid.
    profile_secrets: tuple[str, ...] = field(default=(), repr=False)
    #: The format of API v1's errors, which is not documented: a flat object, or v2's array.
    v1_errors: Literal["flat", "array"] = "flat"
    webhooks: Webhooks = field(default_factory=Webhooks)
    billing: Billing = field(default_factory=Billing)
    #: What the account owns; with nothing, any sender may send and nothing is listed.
    account: Holdings = field(default_factory=Holdings)
    #: How far the imitated provider's clock is ahead. It decides what lasts a day or until
    #: midnight; rate headers and signatures use the true time.
    clock_offset_seconds: float = 0.0

    @property
    def paced(self) -> bool:
        """Whether there is any rate for a sender or a credential."""
        rates = (self.default_sender_rate, self.account_sms_rate, self.account_mms_rate)
        return bool(self.sender_rates) or rates != (None, None, None)

    def __post_init__(self) -> None:
        rules = {
            "port": (0 <= self.port <= 65535, "0 to 65535"),
            "limit": (self.limit is None or self.limit >= 1, "at least 1, or none"),
            "window_seconds": (self.window_seconds > 0, "more than 0"),
            "limiter": (
                self.limiter in ("fixed", "sliding", "bucket"),
                "fixed, sliding or bucket",
            ),
            "reset": (self.reset in ("epoch", "delta", "absent"), "epoch, delta or absent"),
            "reset_means": (
                self.reset_means in ("usual", "first", "all"),
                "usual, first or all",
            ),
            "latency_ms": (self.latency_ms >= 0, "at least 0"),
            "latency_jitter_ms": (self.latency_jitter_ms >= 0, "at least 0"),
            "hang_seconds": (self.hang_seconds >= 0, "at least 0"),
            "max_concurrency": (
                self.max_concurrency is None or self.max_concurrency >= 1,
                "at least 1, or none",
            ),
            "block_status": (400 <= self.block_status <= 599, "an error status, 400 to 599"),
            "sender_rates": (all(rate > 0 for rate in self.sender_rates.values()), "more than 0"),
            "default_sender_rate": _rate(self.default_sender_rate),
            "account_sms_rate": _rate(self.account_sms_rate),
            "account_mms_rate": _rate(self.account_mms_rate),
            "burst_seconds": (self.burst_seconds >= 0, "at least 0"),
            "queue_seconds": (self.queue_seconds >= 0, "at least 0"),
            "v1_errors": (self.v1_errors in ("flat", "array"), "flat or array"),
            "spend_cap": (self.spend_cap is None or self.spend_cap >= 0, "at least 0, or none"),
        }
        for name, (holds, valid) in rules.items():
            if not holds:
                raise ValueError(f"{name} = {getattr(self, name)!r}: must be {valid}")


def _rate(rate: float | None) -> tuple[bool, str]:
    return rate is None or rate > 0, "more than 0, or none"


def changed(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """A copy of the settings with some replaced by plain (JSON) values.

    ``faults`` is replaced as a whole: kinds that it does not name become 0. ``webhooks``,
    ``account`` and ``billing`` keep what they do not name. Raises ``ValueError`` for a name that
    is unknown or cannot be changed, with a list of valid names, and for a value of the wrong type
    or range.
    """
    _refuse_unknown("setting", changes, [f.name for f in fields(Settings) if f.name not in FIXED])
    faults = changes.get("faults")
    if isinstance(faults, Mapping):
        _refuse_unknown("fault", faults, [f.name for f in fields(Faults)])
    before, webhooks = asdict(settings), changes.get("webhooks")
    if isinstance(webhooks, Mapping):
        valid = [f.name for f in fields(Webhooks) if f.name != "signing_key"]
        _refuse_unknown("webhook setting", webhooks, valid)
        changes = {**changes, "webhooks": {**before["webhooks"], **webhooks}}
    billing = changes.get("billing")
    if isinstance(billing, Mapping):
        _refuse_unknown("billing setting", billing, [f.name for f in fields(Billing)])
        changes = {**changes, "billing": {**before["billing"], **billing}}
    account = changes.get("account")
    if isinstance(account, Mapping):
        _refuse_unknown("part of the account", account, [f.name for f in fields(Holdings)])
        changes = {**changes, "account": {**before["account"], **account}}
    try:
        return msgspec.convert({**before, **changes}, Settings)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _is_key(text: str) -> bool:
    try:
        return len(b64decode(text, validate=True)) == 32
    except ValueError:
        return False


def _refuse_unknown(what: str, given: Mapping[str, object], valid: list[str]) -> None:
    for name in given:
        if name not in valid:
            raise ValueError(f"cannot change the {what} {name!r}; choose from {', '.join(valid)}")
