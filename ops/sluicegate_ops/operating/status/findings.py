"""What is wrong with an account, why, and what to do: the rules behind ``status``."""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from sluicegate_worker.distance import TOO_FAR_SECONDS

from ...inspect import LIVE_SECONDS, AccountCause, AccountState
from ..pasting import pasted
from ..words import clean, counted, lasting, listed, when
from .archiving import archiving
from .finding import Finding
from .money import money
from .reasons import (
    PROVIDER,
    SHARE,
    advice_on,
    differs,
    evidence_of,
    is_guess,
    limit,
    named,
    shared,
)
from .reconciled import reconciling
from .replies import braked, reviews, webhooks
from .standstills import deaf, hazards, memory, mended, paused, server, stalled
from .versions import versions

_CAUSES_SHOWN = 3
SERVE_SECONDS = 20.0
"""It is heard every 5 s; one that was not for so long is taken for gone."""


def findings(state: AccountState) -> list[Finding]:
    """Everything that is wrong, what stops most first."""
    return [
        replace(finding, kind=rule.__name__.strip("_"))
        for rule in _KINDS
        for finding in rule(state)
    ]


def _halts(state: AccountState) -> Iterator[Finding]:
    for halt in state.halts:
        why, level = clean(halt.why), named(halt.level)
        clear = f"sluicegate halt clear {pasted(halt.level)}"
        advice = advice_on(halt.why)
        if halt.until_ms is None:
            told = advice and f"{advice.for_key(state.key_variable)} {_portal(advice.portal)}"
            cause = told or "Remove the cause. "
            yield Finding(
                f"{level} is halted until somebody clears it",
                why,
                f"{cause}Then: {clear}",
                subject=halt.level,
                since_ms=halt.since_ms or 0,
            )
        elif halt.until_ms > state.now_ms:
            left = lasting((halt.until_ms - state.now_ms) / 1000)
            what = f"{level} is halted for another {left}, until {when(halt.until_ms)}"
            do = f"nothing: it ends by itself. To end it now: {clear}"
            yield Finding(
                what, why, do, person=False, subject=halt.level, since_ms=halt.since_ms or 0
            )


def _portal(place: str) -> str:
    return f"In the portal: {place}. " if place else ""


def no_worker(state: AccountState) -> Iterator[Finding]:
    heard = min((worker.seconds_ago for worker in state.workers), default=None)
    if state.server.refuses or not state.work_due or (heard is not None and heard < LIVE_SECONDS):
        return
    counts = state.counts
    open_now = counts.waiting + counts.due + counts.granted + counts.started + counts.in_doubt
    silence = "in the last hour" if heard is None else f"for {lasting(heard)}"
    yield Finding(
        f"no worker has been heard from {silence}",
        f"{counted(open_now, 'message')} not finished, and nothing is sent",
        "start one: celery -A sluicegate_worker.app worker",
    )


def distant(state: AccountState) -> Iterator[Finding]:
    """Live workers whose calls on Redis take long."""
    heard = {worker.name for worker in state.workers if not worker.silent}
    for name, away_ms in state.distant_ms.items():
        if name not in heard:
            continue
        too_far = away_ms > 1000 * TOO_FAR_SECONDS
        most = f"{1000 * TOO_FAR_SECONDS:.0f} ms"
        yield Finding(
            f"worker {name} is {away_ms:.0f} ms away from Redis",
            f"beyond {most} it gives what it claims back unsent"
            if too_far
            else f"it still sends; beyond {most} it would give back unsent what it claims",
            "run it nearer to Redis: in the same data centre",
            person=too_far,
            subject=name,
        )


def _breaker(state: AccountState) -> Iterator[Finding]:
    breaker = state.breaker
    if breaker.state == "closed":
        return
    since = "" if breaker.since_ms is None else f" since {when(breaker.since_ms)}"
    tried = "it is tried again, one message at a time"
    left = max(0.0, breaker.probe_ms - state.now_ms) / 1000
    probe = f"nothing is sent; the next probe comes in {lasting(left)}"
    answered = f"{clean(breaker.cause)}; " if breaker.cause else ""
    yield Finding(
        f"the provider has been failing or silent{since}",
        answered + (probe if breaker.state == "open" else tried),
        PROVIDER,
        person=False,
        since_ms=breaker.since_ms or 0,
    )


def _twice(state: AccountState) -> Iterator[Finding]:
    if twice := state.twice:
        yield Finding(
            f"{counted(twice, 'message was', 'messages were')} sent twice",
            "the provider accepted each of them under two ids; their recipients may have both",
            "sluicegate twice list, then, once it is dealt with: sluicegate twice clear --all "
            "--why WHY",
        )


def _held(state: AccountState) -> Iterator[Finding]:
    if held := state.counts.held:
        yield Finding(
            f"{counted(held, 'message')} in doubt {'is' if held == 1 else 'are'} held for you: "
            f"{'it' if held == 1 else 'they'} may have been sent",
            _causes(state.held_causes, held),
            "sluicegate doubt list, then: sluicegate doubt resolve ID (or --campaign NAME, --code "
            "CODE, --all), with --accepted, --resend or --drop",
        )


def _dead(state: AccountState) -> Iterator[Finding]:
    if dead := state.counts.dead:
        yield Finding(
            f"{counted(dead, 'dead letter')}: not sent again without you",
            _causes(state.dead_causes, dead),
            "sluicegate dead list, then: sluicegate dead replay ID, or: sluicegate dead purge ID",
        )


def serving(state: AccountState) -> Iterator[Finding]:
    """Nobody takes receipts and STOPs, though there is something to hear of."""
    receipts, counts = state.receipts, state.counts
    heard = receipts.heard_seconds_ago
    expected = receipts.needed and (state.work_due or counts.accepted > 0)
    if not expected or (heard is not None and heard < SERVE_SECONDS):
        return
    silent = "never been heard from" if heard is None else f"been silent for {lasting(heard)}"
    yield Finding(
        f"sluicegate serve has {silent}",
        "receipts and STOPs are not taken; the provider gives up on each after a few tries",
        "start it: sluicegate serve; if it runs, its log says why it can't reach this Redis",
    )


def receipts(state: AccountState) -> Iterator[Finding]:
    """Messages were accepted, but their receipts do not come."""
    receipts = state.receipts
    if not receipts.missing or 2 * receipts.missing < receipts.sampled:
        return
    received = sum(receipts.deliveries.values()) - receipts.deliveries["unknown"]
    yield Finding(
        f"no receipt came for {receipts.missing:,} of {receipts.sampled:,} sampled messages, "
        "accepted between an hour and a day ago",
        f"receipts are requested at {receipts.public_url}; {counted(received, 'receipt')} so far",
        "look at sluicegate_http_total of sluicegate serve: if nothing arrives, check the proxy, "
        "DNS and its certificate; if it is refused, the public key and the receipts' secret",
    )


def _others(state: AccountState) -> Iterator[Finding]:
    rate = state.rate
    if said := shared(rate):
        yield Finding(
            said,
            f"Sluicegate keeps to what they leave: {rate.budget:.3g} requests per window",
            SHARE,
            person=rate.shared >= rate.limit / 2,
        )


def _blocked(state: AccountState) -> Iterator[Finding]:
    if state.rate.blocked_seconds > 0:
        yield Finding(
            f"sending pauses for {lasting(state.rate.blocked_seconds)}",
            "the provider answered 429: too many requests",
            "nothing: it resumes by itself",
            person=False,
        )


def limits(state: AccountState) -> Iterator[Finding]:
    """The file read here differs from the limits that all workers obey."""
    limits = state.limits
    if not limits.differ:
        return
    newer = limits.version is not None and limits.here > limits.version
    do = "restart a worker with this file" if newer else _publish(limits.version or 0)
    yield Finding(
        f"limits of version {limits.version} are in force, not those of the file read here",
        f"they differ in {listed(limits.differ)}",
        do,
        person=False,
    )


def _publish(version: int) -> str:
    return (
        f"if this file is right, set its limits_version to {version + 1} and restart a worker "
        "with it; otherwise use the workers' file here"
    )


def _window(state: AccountState) -> Iterator[Finding]:
    """The provider's answers tell of another limit or window than the configured ones."""
    rate = state.rate
    configured = f"{rate.configured} per {rate.configured_seconds:g} s"
    if not differs(rate):
        return
    since = "" if rate.believed_since_ms is None else f" since {when(rate.believed_since_ms)}"
    if is_guess(rate):
        yield Finding(
            f"how long the provider's window is, is not certain; {configured} is configured",
            f"{evidence_of(rate)}; it names a limit of {rate.said or rate.limit:g}",
            "nothing: what remains of the limit is spread until its answers have told. To begin "
            "with what is right, set limit and window_seconds, and a higher limits_version",
            person=False,
        )
        return
    right = f"limit = {rate.limit:.0f}, window_seconds = {rate.window_seconds:g}"
    yield Finding(
        f"the provider allows {limit(rate)}; {configured} is configured",
        f"{evidence_of(rate)}{since}",
        f"nothing: the workers go by it. To begin with it: {right}, and a higher limits_version",
        person=False,
    )


def _bounded(state: AccountState) -> Iterator[Finding]:
    """Headers may not raise the rate without end."""
    rate = state.rate
    if rate.bounded and rate.limit:
        yield Finding(
            "the provider's headers allow more than ten times the configured rate",
            f"a rate above {limit(rate)} is not believed",
            "if the provider confirms its limit: set limit and window_seconds to it, and a higher "
            "limits_version",
        )


def _causes(causes: Sequence[AccountCause], total: int) -> str:
    """Why, by code; where there are more messages than were read, it says so."""
    shown = [
        f"{cause.count} x {' '.join(filter(None, (cause.code, clean(cause.reason))))}"
        for cause in causes[:_CAUSES_SHOWN]
    ]
    said = "; ".join(shown + ["..."] * (len(causes) > _CAUSES_SHOWN))
    read = sum(cause.count for cause in causes)
    return said if read >= total else f"of the latest {read:,}: {said}"


_KINDS = (
    server, memory, _halts, no_worker, deaf, distant, stalled, paused, _breaker,
    mended, _twice, reviews, braked, money, _held, _dead, serving, webhooks, receipts, _others,
    _blocked,
    limits, versions, _window, _bounded, hazards, archiving, reconciling,
)  # fmt: skip
