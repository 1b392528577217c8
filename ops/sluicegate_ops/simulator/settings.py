"""What a simulator is told: limits, latency, faults, and how a running one is changed."""

from base64 import b64decode
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

import msgspec

#: Settings that can't change while the simulator runs: the socket is open, the dice are thrown.
FIXED = ("host", "port", "seed")

#: What the provider publishes: a message waits in its queue for up to 4 hours.
QUEUE_SECONDS = 4 * 3600.0

_CHANCES = ("loss", "duplicate", "reorder", "forged", "tampered", "stale")


@dataclass(frozen=True, kw_only=True)
class Faults:
    """The probability (0 to 1) of each kind of fault, dealt to any POST that passes the limiter.

    ``hang``, ``close_after`` and ``accepted_500`` accept the message first and then lose the
    answer; the others refuse it. Raises ``ValueError`` when a probability is outside 0 to 1, or
    when they add up to more than 1.
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
                raise ValueError(f"faults.{name} = {chance!r}: a probability is 0 to 1")
        if sum(chances.values()) > 1 + 1e-9:
            raise ValueError(f"faults add up to {sum(chances.values())}: at most 1 is possible")


@dataclass(frozen=True, kw_only=True)
class Webhooks:
    """Where events go and when, what the receipts say, and what goes wrong on the way.

    Raises ``ValueError``, naming the setting, for a value that makes no sense.
    """

    #: The messaging profile's URLs: for what comes in, and for messages that name none.
    url: str = ""
    failover_url: str = ""
    #: From a message's leaving its queue until it is sent, and again until it is final: the mean
    #: and one standard deviation.
    delay_seconds: float = 0.2
    jitter_seconds: float = 0.05
    #: The shares of messages that end so; the others are delivered.
    delivery_failed: float = 0.0
    delivery_unconfirmed: float = 0.0
    #: Codes of those that failed, drawn evenly.
    failure_codes: tuple[str, ...] = ("40008",)
    #: The share of events that are lost, and of those that come once more.
    loss: float = 0.0
    duplicate: float = 0.0
    #: The share of messages whose ``message.sent`` comes after their ``message.finalized``.
    reorder: float = 0.0
    #: The shares of events beside which a false one comes, that tells another outcome: signed by
    #: another key, changed after its signature, or true but 10 minutes old.
    forged: float = 0.0
    tampered: float = 0.0
    stale: float = 0.0
    #: Requests under way at most.
    connections: int = 64
    #: What the provider publishes: an answer 2xx within 2 s, or it tries again.
    timeout_seconds: float = 2.0
    #: Until the second try at a URL; twice as long until the third.
    retry_seconds: float = 1.0
    #: 32 bytes in base64, the private key; without, each simulator makes its own.
    signing_key: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name in ("delivery_failed", "delivery_unconfirmed", *_CHANCES):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"webhooks.{name} = {getattr(self, name)!r}: a share is 0 to 1")
        if self.delivery_failed + self.delivery_unconfirmed > 1 + 1e-9:
            raise ValueError("webhooks.delivery_failed and delivery_unconfirmed exceed 1 together")
        for name in ("delay_seconds", "jitter_seconds", "timeout_seconds", "retry_seconds"):
            if getattr(self, name) < 0:
                raise ValueError(f"webhooks.{name} = {getattr(self, name)!r}: at least 0")
        if self.connections < 1:
            raise ValueError(f"webhooks.connections = {self.connections}: at least 1")
        if not self.failure_codes:
            raise ValueError("webhooks.failure_codes is empty: at least one code, such as 40008")
        if self.signing_key and not _is_key(self.signing_key):
            raise ValueError("webhooks.signing_key: 32 bytes in base64")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the imitated provider behaves.

    Raises ``ValueError``, naming the setting, for a value that makes no sense.
    """

    host: str = "127.0.0.1"
    #: 0 takes a free port.
    port: int = 0
    #: Bearer tokens that are accepted; with none, any is.
    api_keys: tuple[str, ...] = ()
    #: Requests per window and credential; None is no limit, and no rate headers.
    limit: int | None = 50
    window_seconds: float = 1.0
    limiter: Literal["fixed", "sliding", "bucket"] = "sliding"
    #: Both readings of ``x-ratelimit-reset`` are published: a Unix time, and seconds from now.
    reset: Literal["epoch", "delta"] = "epoch"
    rate_headers: bool = True
    #: Whether a request that the limiter refuses uses up quota all the same.
    count_rejected: bool = False
    #: From the arrival of a request to its answer; acceptance is decided at arrival.
    latency_ms: float = 0.0
    #: The spread of the latency, about one standard deviation, with a long tail for 1 in 100.
    latency_jitter_ms: float = 0.0
    #: Whether ``Idempotency-Key`` is honoured; without, each request is a new one.
    idempotency: bool = True
    faults: Faults = field(default_factory=Faults)
    #: How long a request that hangs is held before its connection is closed.
    hang_seconds: float = 60.0
    #: Unanswered requests at which the next is refused with 429; None is no cap.
    max_concurrency: int | None = None
    seed: int = 1
    #: HTTP status of 40300 (opted out) and 40318 (queue full): the provider publishes none.
    block_status: int = 400
    #: Leaves ``retry-after`` out of every 429, as the provider's own page on rates does.
    drop_retry_after: bool = False
    #: Segments per second of each sender: a number, an alphanumeric sender, or a number pool by
    #: its profile's id. Over its rate a sender's messages are accepted, and wait in its queue.
    sender_rates: dict[str, float] = field(default_factory=dict)
    #: Segments per second of every other sender; None is no limit.
    default_sender_rate: float | None = None
    #: Segments per second of a credential, over all of its senders; None is no limit.
    account_sms_rate: float | None = None
    account_mms_rate: float | None = None
    #: What a rate lets pass at once after a pause, in seconds of it; never less than 1 segment.
    burst_seconds: float = 1.0
    #: How much a queue holds, in seconds of its rate; beyond, messages are refused with 40318.
    queue_seconds: float = QUEUE_SECONDS
    #: Messages that a messaging profile may send until midnight UTC; None is no cap.
    spend_cap: int | None = None
    #: Profile secrets that API v1 accepts; with none, any is.
    profile_secrets: tuple[str, ...] = field(default=(), repr=False)
    #: How API v1 tells an error, which is not published: a flat object, or v2's array.
    v1_errors: Literal["flat", "array"] = "flat"
    webhooks: Webhooks = field(default_factory=Webhooks)
    #: How far the imitated provider's clock is ahead of ours: what lasts a day, and until
    #: midnight, goes by it. Rate headers and signatures go by the true time.
    clock_offset_seconds: float = 0.0

    @property
    def paced(self) -> bool:
        """Whether any message can meet a rate of its sender or of its credential."""
        rates = (self.default_sender_rate, self.account_sms_rate, self.account_mms_rate)
        return bool(self.sender_rates) or rates != (None, None, None)

    def __post_init__(self) -> None:
        rules = {
            "port": (0 <= self.port <= 65535, "0 to 65535"),
            "limit": (self.limit is None or self.limit >= 1, "at least 1, or none at all"),
            "window_seconds": (self.window_seconds > 0, "more than 0"),
            "limiter": (self.limiter in ("fixed", "sliding", "bucket"), "fixed, sliding, bucket"),
            "reset": (self.reset in ("epoch", "delta"), "epoch or delta"),
            "latency_ms": (self.latency_ms >= 0, "at least 0"),
            "latency_jitter_ms": (self.latency_jitter_ms >= 0, "at least 0"),
            "hang_seconds": (self.hang_seconds >= 0, "at least 0"),
            "max_concurrency": (
                self.max_concurrency is None or self.max_concurrency >= 1,
                "at least 1, or none at all",
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
                raise ValueError(f"{name} = {getattr(self, name)!r}: {valid}")


def _rate(rate: float | None) -> tuple[bool, str]:
    return rate is None or rate > 0, "more than 0, or none at all"


def changed(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """The settings with some replaced by plain (JSON) values; the old ones are left as they are.

    ``faults`` is replaced as a whole: the kinds that it does not name become 0. What ``webhooks``
    does not name stays. Raises ``ValueError`` for a name that is unknown or fixed while running,
    with the list of those that are valid, and for a value of a wrong type or range.
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
            raise ValueError(f"no {what} {name!r} to change; valid: {', '.join(valid)}")
