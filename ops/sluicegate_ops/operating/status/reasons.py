"""What holds messages back, in words: which level, until when, and what would change it."""

import re
from collections.abc import Callable, Mapping

from sluicegate.campaigns.stored_campaign import Campaign
from sluicegate_worker.provider.codes import Advice, advice_for

from ...inspect import Finish, RequestRate, Wait, WaitKind, Why
from ..pasting import pasted
from ..words import clean, counted, hidden, lasting, local, when
from .ways_on import way_on

SETTINGS = (
    "A change to sluicegate.toml takes effect once its limits_version is raised and a worker is "
    "restarted with it."
)
_BY_ITSELF = "nothing to do, it resumes by itself"
_MANY_FAILURES = 2
_NEARLY = 0.8  # of their peak, which the average of the last seconds is not far from
PROVIDER = (
    "nothing to do, it ends within 15 s of the provider's recovery; check Telnyx's status page, "
    "and that a worker's host can reach base_url"
)
READ_ONLY = (
    "wait for the failover to end: workers go on by themselves; if none is under way, name the "
    "primary in SLUICEGATE_REDIS_URL, or make this server one"
)
MORE_MEMORY = (
    "give Redis more memory: CONFIG SET maxmemory BYTES, and the same in its configuration; "
    "halts, pauses, cancels and opt-outs still work"
)
STALLED = (
    "in Flower, let the workers consume their queues again and lift the rate limit of "
    "sluicegate.drain; or restart the workers"
)
SHARE = (
    "find who else sends with this key: another deployment, an app, a script; give each a key of "
    "its own, or set max_requests_per_second so that all fit"
)
_HTTP = re.compile(r"HTTP (?P<status>[0-9]{3})(?: (?P<code>[0-9]{5})\b)?")


def named(level: str) -> str:
    """A level for people: ``sender +15557654321``."""
    kind, _, name = level.partition(":")
    if kind == "account":
        return f"the account's {name.upper()}" if name else "the account"
    if kind == "hours":
        return f"the hours of campaign {name}"
    return f"MMS of sender {name}" if kind == "mms" else f"{kind} {name}"


def what(wait: Wait, rate: RequestRate) -> str:
    """Which level holds messages back, and how; ``rate`` is the account's."""
    return _WHAT[wait.kind](wait, rate)


def until(wait: Wait, now_ms: float) -> str:
    """When it ends; ``""`` if that can't be told."""
    return "" if wait.until_ms is None else moment(wait.until_ms, now_ms)


def moment(at_ms: float, now_ms: float) -> str:
    """A time for people here: ``14:03:05 CET, in 12 s``."""
    left = (at_ms - now_ms) / 1000
    return f"{local(at_ms, now_ms)}, in {lasting(left)}" if left >= 1 else "in less than 1 s"


def until_word(wait: Wait) -> str:
    """What ``until`` means: for a rate, it is only when the next message may go."""
    if wait.kind == "failing":
        return "next probe"
    return "next" if wait.kind in ("rate", "requests", "ceiling", "retrying") else "until"


def change(wait: Wait, rate: RequestRate) -> str:
    """What would change it: a command, or a setting."""
    if wait.kind in ("requests", "blocked") and rate.is_shared:
        return SHARE
    return _CHANGE[wait.kind](wait)


def sentence(why: Why) -> str:
    """What holds back most, until when, and what would change it; ``""`` if nothing does."""
    if not why.waits:
        return ""
    first = why.waits[0]
    ends = until(first, why.now_ms)
    goes_on = f", {until_word(first)} {ends}" if ends else ""
    return f"{what(first, why.rate)}{goes_on}: {change(first, why.rate)}"


def expected(finish: Finish | None, now_ms: float) -> str:
    """When a campaign will be done, approximately; ``""`` if that can't be told."""
    if finish is None:
        return ""
    others = f", shared with {counted(finish.beside, 'other campaign')}" if finish.beside else ""
    return f"about {moment(finish.at_ms, now_ms)}, at the pace of {named(finish.level)}{others}"


def own_pace(campaign: Campaign) -> str:
    """A campaign's own rate and its weight, for people; ``""`` if it has neither."""
    rate = [f"{campaign.per_second:g} segments per s"] * bool(campaign.per_second)
    weight = [f"weight {campaign.weight:g}"] * (campaign.weight != 1)
    return ", ".join(rate + weight)


def limit(rate: RequestRate) -> str:
    """The account's limit of requests, for people."""
    if not rate.limit:
        return "unknown: no worker has published it yet"
    return f"{rate.limit:g} per {rate.window_seconds:g} s"


def differs(rate: RequestRate) -> bool:
    """Whether the provider's answers told of another limit or window than the configured ones."""
    configured = (rate.configured, rate.configured_seconds)
    return bool(rate.limit) and (rate.limit, rate.window_seconds) != configured


def is_guess(rate: RequestRate) -> bool:
    """Whether nothing yet has told how long the window is; a policy that names it is believed."""
    return rate.in_doubt and rate.evidence != "policy"


def evidence_of(rate: RequestRate) -> str:
    """What told how long the provider's window is, for people."""
    seconds = f"{rate.window_seconds:.4g} s"
    return {
        "": "its answers name another limit",
        "policy": "its policy names the window",
        "reset": f"all that was used came back at once, and its reset was {seconds} away then",
        "limit": "its answers name another limit, but no window",
        "quiet": f"for {seconds} nothing of what was used came back",
        "drops": f"all that was used came back at once, {seconds} apart",
        "age": f"each request stopped counting after {seconds}",
        "refill": f"what was used came back evenly, at {rate.limit:g} in {seconds}",
        "room": "all that was used came back at once after each request",
    }[rate.evidence]


def shared(rate: RequestRate) -> str:
    """What others use of the key; ``""`` if that is little, or not known."""
    if not rate.is_shared:
        return ""
    per = "/s" if rate.window_seconds == 1 else f" per {rate.window_seconds:g} s"
    return f"others use {rate.shared:.0f} of {rate.limit:g}{per} of this key"


def advice_on(reason: str) -> Advice | None:
    """The advice on the provider's answer that a worker wrote into a halt's cause."""
    match = _HTTP.match(reason)
    return advice_for(match["code"] or match["status"]) if match else None


def _halted(wait: Wait, rate: RequestRate) -> str:
    return f"{named(wait.level)} is halted ({clean(hidden(wait.because))})"


def _no_worker(wait: Wait, rate: RequestRate) -> str:
    silence = f"for {lasting(wait.used)}" if wait.used else "in the last hour"
    return f"no worker has been heard from {silence}"


def _failing(wait: Wait, rate: RequestRate) -> str:
    why = f"the provider has been failing or silent{_since(wait)}, so nothing is sent"
    return why + _answered(wait) + _culprit(wait)


def _trying(wait: Wait, rate: RequestRate) -> str:
    why = f"the provider was failing{_since(wait)} and is tried again, one message at a time"
    return why + _answered(wait) + _culprit(wait)


def _answered(wait: Wait) -> str:
    return f" ({clean(hidden(wait.said))})" if wait.said else ""


def _culprit(wait: Wait) -> str:
    """The message that failed several times in a row: that may be its own fault."""
    if wait.used < _MANY_FAILURES:
        return ""
    return f" (message {wait.because} failed the last {wait.used:.0f} attempts)"


def _since(wait: Wait) -> str:
    return "" if wait.since_ms is None else f" since {when(wait.since_ms)}"


def _waiting_since(wait: Wait) -> str:
    waiting = f": {counted(int(wait.used), 'message')} waiting" if wait.used else ""
    return f"{_since(wait)}{waiting}"


def _stalled(wait: Wait, rate: RequestRate) -> str:
    because = f": {clean(wait.because)}" if wait.because else ""
    return f"messages are ready{_since(wait)}, workers are heard, and nobody claims them{because}"


def _rate(wait: Wait, rate: RequestRate) -> str:
    per_second = f"{wait.limit:,.4f}".rstrip("0").rstrip(".")
    word = "MMS" if wait.level == "account:mms" else "segments"
    return f"the rate of {named(wait.level)}, {per_second} {word} per s, is used up"


def _requests(wait: Wait, rate: RequestRate) -> str:
    taken = f"{wait.used:,.0f} used in the last window"
    others = f", {rate.others:g} by others" if rate.others else ""
    if rate.shared >= _NEARLY * rate.others and (said := shared(rate)):
        others = f"; {said}"
    margin = f", {rate.margin:.2g} kept as a margin after a 429" if rate.margin >= 0.05 else ""
    return f"the account's requests, {limit(rate)}: {taken}{others}{margin}"


def _daily_cap(wait: Wait, rate: RequestRate) -> str:
    return (
        f"the daily cap of {named(wait.level)} at T-Mobile is used up, {wait.used:,.0f} of "
        f"{wait.limit:,.0f} segments{_aside(wait)}"
    )


def _aside(wait: Wait) -> str:
    if not wait.aside:
        return ""
    those = counted(wait.aside, "message")
    return f"; {those} to its numbers, or to unknown ones, wait for it while others go on"


def _busy(wait: Wait, rate: RequestRate) -> str:
    return f"{wait.used:,.0f} of {wait.limit:,.0f} requests are under way"


_WHAT: Mapping[WaitKind, Callable[[Wait, RequestRate], str]] = {
    "draft": lambda wait, rate: f"{named(wait.level)} is a draft{_waiting_since(wait)}",
    "scheduled": lambda wait, rate: f"{named(wait.level)} is scheduled{_waiting_since(wait)}",
    "paused": lambda wait, rate: (
        f"{named(wait.level)} is paused{_waiting_since(wait)}"
        + f": {wait.because}" * bool(wait.because)
    ),
    "read_only": lambda wait, rate: f"{wait.because}, so nothing is sent",
    "memory": lambda wait, rate: f"Redis is full{_since(wait)}, so nothing is sent",
    "halted": _halted,
    "no_worker": _no_worker,
    "stalled": _stalled,
    "failing": _failing,
    "trying": _trying,
    "blocked": lambda wait, rate: "; ".join(
        filter(None, ("the provider answered 429, too many requests", shared(rate)))
    ),
    "hours": lambda wait, rate: (
        f"{named(wait.level)} are closed for {counted(int(wait.used), 'message')} that wait"
    ),
    "daily_cap": _daily_cap,
    "queue_full": lambda wait, rate: f"Telnyx's queue for {named(wait.level)} is full (40318)",
    "queue": lambda wait, rate: f"Telnyx still queues what {named(wait.level)} has sent",
    "rate": _rate,
    "requests": _requests,
    "ceiling": lambda wait, rate: (
        f"the account's own ceiling, {wait.limit:g} requests per s, is used up"
    ),
    "probing": lambda wait, rate: f"{_busy(wait, rate)} until the provider's first answer",
    "concurrency": lambda wait, rate: f"{_busy(wait, rate)}, the most allowed",
    "retrying": lambda wait, rate: f"{counted(int(wait.used), 'message')} due later",
    "review": lambda wait, rate: (
        f"{counted(int(wait.used), 'message')} held until you have read what "
        f"{counted(int(wait.limit), 'recipient')} wrote"
    ),
    "recipient": lambda wait, rate: (
        f"{counted(int(wait.used), 'message')} wait until limits on their recipients allow more"
    ),
    "held": lambda wait, rate: f"{counted(int(wait.used), 'message')} in doubt, held for you",
    "in_doubt": lambda wait, rate: (
        f"{counted(int(wait.used), 'message')} in doubt, left to policy"
    ),
    "money": lambda wait, rate: (
        f"what is under way may cost all that is left of the cap in money of {named(wait.level)}"
    ),
    "cap": lambda wait, rate: (
        f"what is under way may use up all that is left of a cap of {named(wait.level)}"
    ),
    "canary": lambda wait, rate: (
        f"the rest of {named(wait.level)} waits until enough of its canary was delivered"
    ),
    "turn": lambda wait, rate: "no level holds it back, it only waits for its turn",
}


def _name(wait: Wait) -> str:
    return wait.level.partition(":")[2]


def _faster(wait: Wait) -> str:
    kind, _, name = wait.level.partition(":")
    if kind == "account":
        return f"raise {name}_per_second, if Telnyx allows the account more"
    if kind == "campaign":
        return f"sluicegate campaign pace {pasted(name)} --rate MORE, or --rate none"
    if kind == "registration":
        return f"carrier_class of registrations.{name}, if AT&T allows it more"
    key = name.removeprefix("pool:")
    return f'raise per_second of senders."{key}", if Telnyx allows it more, or add senders'


_CHANGE: Mapping[WaitKind, Callable[[Wait], str]] = {
    "scheduled": lambda wait: (
        f"{_BY_ITSELF}, once approved where that is asked; "
        f"sluicegate campaign schedule {pasted(_name(wait))} --now"
    ),
    "draft": lambda wait: f"sluicegate campaign start FILE --name {pasted(_name(wait))}",
    "paused": lambda wait: way_on(_name(wait), wait.stopped_by),
    "read_only": lambda wait: READ_ONLY,
    "memory": lambda wait: MORE_MEMORY,
    "halted": lambda wait: f"sluicegate halt clear {pasted(wait.level)}",
    "no_worker": lambda wait: "celery -A sluicegate_worker.app worker",
    "stalled": lambda wait: STALLED,
    "failing": lambda wait: PROVIDER,
    "trying": lambda wait: _BY_ITSELF,
    "blocked": lambda wait: f"{_BY_ITSELF}; if it happens often, set max_requests_per_second",
    "hours": lambda wait: f"{_BY_ITSELF}; sluicegate campaign hours {pasted(_name(wait))}",
    "daily_cap": lambda wait: f"tmobile_daily of brands.{_name(wait)}, if T-Mobile allows it more",
    "queue_full": lambda wait: f"{_BY_ITSELF}; to avoid it, lower the sender's per_second",
    "queue": lambda wait: f"{_BY_ITSELF}; to keep that queue short, lower the sender's per_second",
    "rate": _faster,
    "requests": lambda wait: "raise limit, if Telnyx allows the account more in window_seconds",
    "ceiling": lambda wait: "raise max_requests_per_second; the provider's limit is higher",
    "probing": lambda wait: _BY_ITSELF,
    "concurrency": lambda wait: "raise concurrency, if Telnyx allows more connections",
    "retrying": lambda wait: _BY_ITSELF,
    "review": lambda wait: "sluicegate optout review",
    "recipient": lambda wait: (
        f"{_BY_ITSELF}; sluicegate message show ID names the limit and the time; to allow more, "
        "raise per_recipient or per_prefix"
    ),
    "held": lambda wait: "sluicegate doubt list",
    "in_doubt": lambda wait: f"{_BY_ITSELF}; sluicegate doubt list shows when",
    "money": lambda wait: f"{_BY_ITSELF}, once their costs are known",
    "cap": lambda wait: f"{_BY_ITSELF}, once their answers are known",
    "canary": lambda wait: f"sluicegate campaign guard {pasted(_name(wait))} shows it",
    "turn": lambda wait: "sluicegate lanes shows the order",
}
