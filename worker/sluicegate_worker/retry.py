"""When a failed attempt is repeated: exponential backoff with jitter, stored with the message.

The policy is an ordinary ``tenacity.Retrying`` that never runs. Its parts are asked what they
would do, and the answer is stored: the message waits in Redis, so a retry outlives any worker.
"""

import random
from collections.abc import Callable

import msgspec
import tenacity

from sluicegate.config import RetrySettings as Settings

from .provider.outcome import Dead, Doubt, Outcome, Retry

_EXHAUSTED = "gave up after {attempts} attempts: {why}"


class Failed(Exception):
    """An attempt that failed, as tenacity's predicates see it."""

    def __init__(self, outcome: Retry) -> None:
        super().__init__(outcome.why)
        self.outcome = outcome


class _JitteredBackoff(tenacity.wait.wait_base):
    """Exponential backoff with jitter: ``min(cap, base * 2^n * (0.5 + random))`` seconds.

    ``n`` is how many attempts there were before this one, and ``random`` is in [0, 1). So the
    jitter takes a wait to between half and one and a half times its size, and many messages that
    fail together come back apart.
    """

    def __init__(self, settings: Settings, rand: Callable[[], float]) -> None:
        self._exponential = tenacity.wait_exponential(
            multiplier=settings.base_seconds, max=settings.cap_seconds
        )
        self._cap, self._rand = settings.cap_seconds, rand

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        return min(self._cap, self._exponential(retry_state) * (0.5 + self._rand()))


class _ToldOr(tenacity.wait.wait_base):
    """The wait that the provider asked for; ``otherwise`` if it asked for none."""

    def __init__(self, otherwise: tenacity.wait.wait_base) -> None:
        self._otherwise = otherwise

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        outcome = _outcome_of(retry_state)
        told = outcome.delay_seconds
        # What a 429 asks for is the bucket's to wait; the message's own wait comes on top.
        if told is None or outcome.throttled:
            return self._otherwise(retry_state)
        return told


def policy(settings: Settings, rand: Callable[[], float] = random.random) -> tenacity.Retrying:
    """The account's policy: it limits the attempts, and the time spent in them and in backoff."""
    return tenacity.Retrying(
        stop=tenacity.stop_any(
            tenacity.stop_after_attempt(settings.max_attempts),
            tenacity.stop_after_delay(settings.max_age_seconds),
        ),
        wait=_ToldOr(_JitteredBackoff(settings, rand)),
        retry=tenacity.retry_if_exception_type(Failed),
    )


def decide(
    retrying: tenacity.Retrying,
    outcome: Retry,
    attempts: int,
    age_seconds: float,
    free: int = 0,
) -> Outcome:
    """The retry with its delay, or Dead if the policy stops it.

    ``attempts`` is how many were charged, including this one; ``age_seconds`` is the time spent in
    attempts and backoff. ``free`` attempts more cost nothing, but the waits grow with them too. An
    attempt that was not charged is never the last one here.
    """
    state = tenacity.RetryCallState(retrying, None, (), {})
    state.outcome = tenacity.Future.construct(max(1, attempts), Failed(outcome), True)
    state.start_time, state.outcome_timestamp = 0.0, age_seconds
    state.attempt_number = max(1, attempts + free)
    delay = retrying.wait(state)
    state.attempt_number = max(1, attempts)
    state.upcoming_sleep = delay
    over = bool(retrying.stop(state))
    if outcome.charged and over:
        return _exhausted(outcome, attempts)
    last = over and not outcome.charged
    return msgspec.structs.replace(outcome, delay_seconds=delay, last=last)


def permitted(outcome: Outcome, policy_on_doubt: str) -> Outcome:
    """``outcome``, or a Doubt if it may have been acted on and the policy does not resend."""
    if isinstance(outcome, Retry) and outcome.perhaps and policy_on_doubt != "resend":
        return Doubt(outcome.why, outcome.code)
    return outcome


def _exhausted(outcome: Retry, attempts: int) -> Dead:
    why = _EXHAUSTED.format(attempts=attempts, why=outcome.why)
    return Dead(outcome.code, why, outcome.perhaps)


def _outcome_of(state: tenacity.RetryCallState) -> Retry:
    failed = state.outcome.exception() if state.outcome else None
    if not isinstance(failed, Failed):
        raise TypeError(f"the policy is asked about failures only, not {failed!r}")
    return failed.outcome
