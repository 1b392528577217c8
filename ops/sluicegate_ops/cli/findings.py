"""What is wrong with an account, why, and what to do: the thinking behind ``status``."""

from collections.abc import Iterator, Sequence

import msgspec

from sluicegate_worker.halts import HaltInfo

from .output import clean, counted, hidden, lasting, when
from .state import Cause, State

LIVE_SECONDS = 10.0
"""A worker sweeps every second; one that was not heard for so long is taken for gone."""

_CAUSES_SHOWN = 3


class Finding(msgspec.Struct, frozen=True):
    """Something that a person should know; with ``person``, something that only they can end."""

    what: str
    why: str
    do: str
    person: bool = True


def findings(state: State) -> list[Finding]:
    """Everything that is wrong, what stops most first."""
    found = (_halts(state), _workers(state), _held(state), _dead(state), _blocked(state))
    return [finding for kind in found for finding in kind]


def _halts(state: State) -> Iterator[Finding]:
    for halt in state.halts:
        why = clean(hidden(halt.why))
        if halt.until_ms is None:
            do = f"remove the cause, then: sluicegate halt clear{_level(halt)}"
            yield Finding(f"{halt.level} is halted until somebody clears it", why, do)
        elif halt.until_ms > state.now_ms:
            left = lasting((halt.until_ms - state.now_ms) / 1000)
            what = f"{halt.level} is halted for another {left}, until {when(halt.until_ms)}"
            do = f"nothing: it clears itself. At once: sluicegate halt clear{_level(halt)}"
            yield Finding(what, why, do, person=False)


def _level(halt: HaltInfo) -> str:
    return "" if halt.level == "account" else f" --level {halt.level}"


def _workers(state: State) -> Iterator[Finding]:
    heard = min((worker.seconds_ago for worker in state.workers), default=None)
    if not state.work_due or (heard is not None and heard < LIVE_SECONDS):
        return
    counts = state.counts
    open_now = counts.waiting + counts.due + counts.granted + counts.started + counts.in_doubt
    silence = "in the last hour" if heard is None else f"for {lasting(heard)}"
    yield Finding(
        f"no worker has been heard {silence}",
        f"{counted(open_now, 'message')} not finished, and nobody sends",
        "start one: celery -A sluicegate_worker.app worker",
    )


def _held(state: State) -> Iterator[Finding]:
    if held := state.counts.held:
        yield Finding(
            f"{counted(held, 'message')} in doubt {'is' if held == 1 else 'are'} held for you: "
            "sent or not, nobody knows",
            _causes(state.held_causes),
            "sluicegate doubt list, then: sluicegate doubt resolve ID --accepted|--resend|--drop",
        )


def _dead(state: State) -> Iterator[Finding]:
    if dead := state.counts.dead:
        yield Finding(
            f"{counted(dead, 'dead letter')}: not sent again without you",
            _causes(state.dead_causes),
            "sluicegate dead list, then: sluicegate dead replay|purge ID",
        )


def _blocked(state: State) -> Iterator[Finding]:
    if state.rate.blocked_seconds > 0:
        yield Finding(
            f"sending pauses for {lasting(state.rate.blocked_seconds)}",
            "the provider answered 429: too many requests",
            "nothing: it goes on by itself",
            person=False,
        )


def _causes(causes: Sequence[Cause]) -> str:
    shown = [
        f"{cause.count} x {' '.join(filter(None, (cause.code, clean(cause.reason))))}"
        for cause in causes[:_CAUSES_SHOWN]
    ]
    return "; ".join(shown + ["..."] * (len(causes) > _CAUSES_SHOWN))
