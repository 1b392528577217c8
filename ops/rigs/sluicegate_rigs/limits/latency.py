"""How long transactional messages take while bulk uses up the limit; with real processes."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from random import Random
from statistics import median, quantiles

import msgspec

from ..deployment import Deployment
from .deployed import START_SECONDS, RequestRow, deployment_at, enqueue_bulk
from .outcome import CaseResult, Targets
from .progress import progress
from .scenario import BEYOND_SLOTS_SECONDS

WORKERS = 2
ARRIVE_SECONDS = 10.0
MOST_429 = 0.001
LEAST_USED = 0.9  # or else bulk did not use up the limit
LINE_EVERY = 100  # messages


class Trickle(msgspec.Struct, frozen=True, kw_only=True):
    """Transactional ``messages`` at random times, ``per_second`` on average, during bulk sending.

    The limit is ``limit`` requests per ``window``; times are in seconds.
    """

    limit: int
    window: float = 1.0
    messages: int = 500
    per_second: float = 10.0
    warm_up: float = 5.0
    seed: int = 600

    @property
    def case(self) -> str:
        return f"transactional in full bulk load, {self.limit}/{self.window:.0f}, real processes"

    @property
    def target_ms(self) -> float:
        return 1000 * (2 * self.window / self.limit + BEYOND_SLOTS_SECONDS)

    @property
    def backlog(self) -> int:
        """More bulk messages than the run can send."""
        seconds = self.warm_up + 1.3 * self.messages / self.per_second + ARRIVE_SECONDS
        return int(self.limit / self.window * seconds)


TRICKLES = (Trickle(limit=200), Trickle(limit=50))


def latency(chosen: Callable[[str], bool]) -> Iterator[CaseResult]:
    """Run the chosen cases, one after the other."""
    for trickle in TRICKLES:
        if chosen(trickle.case):
            yield result_of(trickle, *trickled(trickle))


def trickled(trickle: Trickle) -> tuple[dict[str, float], list[RequestRow]]:
    """When each recipient's message was enqueued (monotonic seconds), and the provider's list."""
    with deployment_at(trickle.limit, trickle.window) as deployment:
        for _ in range(WORKERS):
            deployment.start_worker()
        deployment.wait_for_workers(START_SECONDS)
        enqueue_bulk(deployment, trickle.backlog)
        _wait_until_busy(deployment, trickle.warm_up)
        enqueued_at = _enqueue(deployment, trickle)
        ends = time.monotonic() + ARRIVE_SECONDS
        while not enqueued_at.keys() <= deployment.provider("recipients").keys():
            if time.monotonic() > ends:
                break  # the figures show what is missing
            time.sleep(0.2)
        return enqueued_at, deployment.provider("requests")


def _wait_until_busy(deployment: Deployment, seconds: float) -> None:
    ends = time.monotonic() + START_SECONDS
    while deployment.provider("report")["busy_seconds"] < seconds:
        if time.monotonic() > ends:
            raise TimeoutError("the workers did not begin to send")
        time.sleep(0.2)


def _enqueue(deployment: Deployment, trickle: Trickle) -> dict[str, float]:
    """Enqueue the messages as a Poisson process, each to its own recipient."""
    random = Random(trickle.seed)  # noqa: S311 - a simulation
    enqueued_at: dict[str, float] = {}
    title = f"transactional amid bulk, {trickle.limit}/{trickle.window:.0f}"
    with (
        deployment.sluice() as sluice,
        progress(title, trickle.messages, "sent", LINE_EVERY) as show,
    ):
        due = time.monotonic()
        for number in range(trickle.messages):
            due += random.expovariate(trickle.per_second)
            time.sleep(max(0.0, due - time.monotonic()))
            to = f"+1555200{number:04d}"
            enqueued_at[to] = time.monotonic()
            sluice.enqueue(to=to, sender="+15550000000", text="your code is 1234")
            show(number + 1)
    return enqueued_at


def result_of(
    trickle: Trickle, enqueued_at: Mapping[str, float], arrivals: Sequence[RequestRow]
) -> CaseResult:
    """Judge the arrival times, and how busy the provider was meanwhile."""
    arrived_at = {
        to: moment for moment, to, _, _, accepted in arrivals if accepted and to in enqueued_at
    }
    late_ms = [
        1000 * (arrived_at.get(to, float("inf")) - enqueued)
        for to, enqueued in enqueued_at.items()
    ]
    begins, ends = min(enqueued_at.values()), max(enqueued_at.values())
    used = sum(accepted for moment, *_, accepted in arrivals if begins <= moment < ends)
    utilisation = used * trickle.window / (trickle.limit * (ends - begins))
    share429 = sum(status == 429 for *_, status, _ in arrivals) / max(1, len(arrivals))
    p99_ms = quantiles(late_ms, n=100, method="inclusive")[-1]
    targets = Targets(p99_ms=trickle.target_ms, utilisation=LEAST_USED, share429=MOST_429)
    held = p99_ms <= trickle.target_ms and utilisation >= LEAST_USED and share429 <= MOST_429
    return CaseResult(
        case=trickle.case,
        target=str(targets),
        held=held,
        utilisation=utilisation,
        share429=share429,
        p50_ms=median(late_ms),
        p99_ms=p99_ms,
    )
