"""What a simulator is told: limits, latency, faults, and how a running one is changed."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Literal

import msgspec

#: Settings that can't change while the simulator runs: the socket is open, the dice are thrown.
FIXED = ("host", "port", "seed")


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
        }
        for name, (holds, valid) in rules.items():
            if not holds:
                raise ValueError(f"{name} = {getattr(self, name)!r}: {valid}")


def changed(settings: Settings, changes: Mapping[str, object]) -> Settings:
    """The settings with some replaced by plain (JSON) values; the old ones are left as they are.

    ``faults`` is replaced as a whole: the kinds that it does not name become 0. Raises
    ``ValueError`` for a name that is unknown or fixed while running, with the list of those that
    are valid, and for a value of a wrong type or range.
    """
    _refuse_unknown("setting", changes, [f.name for f in fields(Settings) if f.name not in FIXED])
    faults = changes.get("faults")
    if isinstance(faults, Mapping):
        _refuse_unknown("fault", faults, [f.name for f in fields(Faults)])
    try:
        return msgspec.convert({**asdict(settings), **changes}, Settings)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def _refuse_unknown(what: str, given: Mapping[str, object], valid: list[str]) -> None:
    for name in given:
        if name not in valid:
            raise ValueError(f"no {what} {name!r} to change; valid: {', '.join(valid)}")
