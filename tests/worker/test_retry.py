"""The retry policy: what it asks of tenacity, and when it says that an attempt is repeated."""

import random
from typing import Any

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from sluicegate.config import RetrySettings as Settings
from sluicegate_worker.provider.outcome import Accepted, Dead, Doubt, Halt, Outcome, Retry
from sluicegate_worker.retry import decide, permitted, policy

FAILED = Retry("broke", "10007")


def delay(settings: Settings, rand: float, attempts: int, age: float = 0.0) -> float:
    one = decide(policy(settings, lambda: rand), FAILED, attempts, age)
    assert isinstance(one, Retry)
    assert one.delay_seconds is not None
    return one.delay_seconds


# -- tenacity's side of the contract


def test_the_fields_that_a_policy_is_asked_with() -> None:
    """Its parts read these fields only; a release that renames one fails here."""
    seen: list[tuple[Any, ...]] = []

    def stop(state: tenacity.RetryCallState) -> bool:
        assert state.outcome is not None
        seen.append(
            ("stop", state.attempt_number, state.seconds_since_start, state.outcome.failed)
        )
        return False

    def wait(state: tenacity.RetryCallState) -> float:
        seen.append(
            ("wait", state.attempt_number, state.seconds_since_start, state.upcoming_sleep)
        )
        return 4.5

    decided = decide(tenacity.Retrying(stop=stop, wait=wait), FAILED, 3, 12.5)
    assert decided == Retry("broke", "10007", 4.5)
    assert seen == [("wait", 3, 12.5, 0.0), ("stop", 3, 12.5, True)]


def test_tenacitys_own_parts_understand_the_state() -> None:
    def retrying(stop: Any, wait: Any) -> tenacity.Retrying:
        return tenacity.Retrying(stop=stop, wait=wait)

    fixed = tenacity.wait_fixed(2)
    for stop, attempts, age, dead in [
        (tenacity.stop_after_attempt(3), 2, 0.0, False),
        (tenacity.stop_after_attempt(3), 3, 0.0, True),
        (tenacity.stop_after_delay(10), 1, 9.9, False),
        (tenacity.stop_after_delay(10), 1, 10.0, True),
        (tenacity.stop_before_delay(10), 1, 7.9, False),
        (tenacity.stop_before_delay(10), 1, 8.1, True),
        (tenacity.stop_never, 10**6, 1e9, False),
    ]:
        one = decide(retrying(stop, fixed), FAILED, attempts, age)
        assert isinstance(one, Dead) is dead, (stop, attempts, age)
    exponential = tenacity.wait_exponential(multiplier=2, max=100)
    one = decide(retrying(tenacity.stop_never, exponential), FAILED, 4, 0.0)
    assert one == Retry("broke", "10007", 16.0)


def test_the_policy_is_never_entered_and_may_be_shared() -> None:
    shared = policy(Settings(), lambda: 0.5)
    first = [decide(shared, FAILED, attempts, 0.0) for attempts in (1, 2, 8)]
    assert [decide(shared, FAILED, attempts, 0.0) for attempts in (1, 2, 8)] == first


# -- delays


def test_the_delay_doubles_from_the_base_and_is_capped() -> None:
    settings = Settings(base_seconds=1.0, cap_seconds=300.0, max_attempts=100)
    delays = [delay(settings, 0.5, attempts) for attempts in range(1, 12)]
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]


@given(
    st.floats(0.001, 100),
    st.floats(0.001, 1000),
    st.floats(0, 1, exclude_max=True),
    st.integers(1, 2000),
)
def test_every_delay_is_within_its_bounds(
    base: float, cap: float, rand: float, attempts: int
) -> None:
    settings = Settings(base_seconds=base, cap_seconds=cap, max_attempts=10_000)
    whole = min(cap, base * 2.0 ** min(attempts - 1, 900))
    found = delay(settings, rand, attempts)
    assert found == pytest.approx(min(cap, whole * (0.5 + rand)))
    assert whole / 2 * 0.999 <= found <= cap


def test_the_jitter_is_random_by_itself() -> None:
    random.seed(7)
    shared = policy(Settings())
    found = {decide(shared, FAILED, 1, 0.0) for _ in range(20)}
    assert len(found) > 10


@given(st.floats(0, 900), st.integers(1, 7), st.booleans())
def test_a_told_delay_wins(told: float, attempts: int, charged: bool) -> None:
    outcome = Retry("later", "40318", told, charged=charged)
    assert decide(policy(Settings()), outcome, attempts, 0.0) == outcome


# -- where it stops


def test_the_eighth_attempt_is_the_last() -> None:
    shared = policy(Settings())
    assert isinstance(decide(shared, FAILED, 7, 0.0), Retry)
    dead = decide(shared, FAILED, 8, 0.0)
    assert dead == Dead("10007", "gave up after 8 attempts: broke")


def test_the_last_attempt_says_where_it_may_have_been_acted_on() -> None:
    perhaps = Retry("broke", "10007", perhaps=True)
    dead = decide(policy(Settings(max_attempts=1)), perhaps, 1, 0.0)
    assert isinstance(dead, Dead)
    assert dead.perhaps


def test_a_told_delay_does_not_stretch_the_attempts() -> None:
    assert isinstance(decide(policy(Settings()), Retry("no", "1", 5.0), 8, 0.0), Dead)


def test_age_stops_it() -> None:
    shared = policy(Settings(max_age_seconds=60))
    assert isinstance(decide(shared, FAILED, 1, 59.9), Retry)
    assert isinstance(decide(shared, FAILED, 1, 60.0), Dead)


@given(st.integers(0, 10**6), st.floats(0, 1e9), st.none() | st.floats(0, 900))
def test_what_is_not_charged_is_never_stopped(
    attempts: int, age: float, told: float | None
) -> None:
    outcome = Retry("full", "40318", told, charged=False)
    one = decide(policy(Settings()), outcome, attempts, age)
    assert isinstance(one, Retry)
    assert not one.charged
    assert one.delay_seconds is not None


def test_a_decision_keeps_what_the_outcome_said() -> None:
    outcome = Retry("why", "10036", 1.0, perhaps=True)
    assert decide(policy(Settings()), outcome, 1, 0.0) == outcome


# -- what the policy on doubt permits


@pytest.mark.parametrize("on_doubt", ["hold", "drop"])
def test_a_perhaps_is_a_doubt_unless_doubts_are_resent(on_doubt: str) -> None:
    perhaps = Retry("broke", "10007", perhaps=True)
    assert permitted(perhaps, on_doubt) == Doubt("broke", "10007")
    assert permitted(perhaps, "resend") == perhaps


@pytest.mark.parametrize(
    "outcome",
    [
        FAILED,
        Retry("limit", "10011", 0.0, charged=False, throttled=True),
        Accepted("p"),
        Dead("1", "no", perhaps=True),
        Doubt("who knows", hold=True),
        Halt("account", "no key"),
    ],
)
@pytest.mark.parametrize("on_doubt", ["resend", "hold", "drop"])
def test_everything_else_is_permitted(outcome: Outcome, on_doubt: str) -> None:
    assert permitted(outcome, on_doubt) == outcome
