"""Settings of what one recipient gets at most, and of the numbers that begin alike."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Final, Literal, get_args

import msgspec

from ..message import Priority
from .senders import SettingFaults
from .web import NAME, NAME_RULE

WEEK_SECONDS: Final = 7 * 86_400.0
MOST: Final = 1_000
"""The highest number that a limit can have: so many times are kept of one recipient."""

_PREFIX: Final = re.compile(r"\+[1-9][0-9]{0,9}")
_MOST_PREFIXES: Final = 200

PRIORITIES: Final[tuple[Priority, ...]] = get_args(Priority)
HowMany = Annotated[int, msgspec.Meta(ge=0, le=MOST)]
UpToAWeek = Annotated[float, msgspec.Meta(ge=0, le=WEEK_SECONDS)]
Beyond = Literal["", "wait", "end"]
_COUNTS: Final = ("hourly", "daily", "weekly")
_TIMES: Final = ("quiet_seconds", "same_text_seconds")


class RecipientLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one recipient gets at most of one priority, whoever sends it.

    At most ``hourly``, ``daily`` and ``weekly`` messages in any 1, 24 and 168 hours. At least
    ``quiet_seconds`` from one to the next, and ``same_text_seconds`` until the same text again.
    0 is no such limit. A message ``beyond`` that waits until it may go (``wait``), or ends
    (``end``); it also ends if it would wait beyond its expiry. ``""`` is ``wait``, and an app's
    ``""`` is what its account does.
    """

    hourly: HowMany = 0
    daily: HowMany = 0
    weekly: HowMany = 0
    quiet_seconds: UpToAWeek = 0.0
    same_text_seconds: UpToAWeek = 0.0
    beyond: Beyond = ""

    @property
    def windows(self) -> list[tuple[float, int]]:
        """The seconds of each window that has a limit, and how many messages it takes."""
        lengths = (3_600.0, 86_400.0, WEEK_SECONDS)
        counts = (self.hourly, self.daily, self.weekly)
        return [(length, most) for length, most in zip(lengths, counts, strict=True) if most]

    @property
    def kept(self) -> int:
        """How many times of one recipient these limits need."""
        return max([most for _, most in self.windows] + [int(self.quiet_seconds > 0)])

    @property
    def longest_seconds(self) -> float:
        """For how long what was sent must be remembered; 0 if nothing is limited."""
        lengths = [length for length, _ in self.windows]
        return max([*lengths, self.quiet_seconds, self.same_text_seconds])


_NONE: Final = RecipientLimits()


class AppLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a recipient may have got, from whomever, for an app's message to go."""

    bulk: RecipientLimits = RecipientLimits()
    transactional: RecipientLimits = RecipientLimits()


class PerRecipient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The limits of each priority; messages of one do not count for the other.

    ``apps`` may be stricter, by name: their messages are held to both, and what others sent to the
    recipient counts as well.
    """

    bulk: RecipientLimits = RecipientLimits()
    transactional: RecipientLimits = RecipientLimits()
    apps: dict[str, AppLimits] = {}

    @property
    def rules(self) -> dict[tuple[Priority, str], RecipientLimits]:
        """What each app is held to, by priority and name; ``""`` is everybody else.

        Nothing where a priority has no limit at all. Where only an app has one, everybody's
        messages have to be counted.
        """
        found: dict[tuple[Priority, str], RecipientLimits] = {}
        for priority in PRIORITIES:
            account: RecipientLimits = getattr(self, priority)
            of_apps = {name: getattr(app, priority) for name, app in self.apps.items()}
            own = {name: stricter(one, account) for name, one in of_apps.items() if one != _NONE}
            if account.longest_seconds or own:
                found[priority, ""] = account
            found |= {(priority, name): limits for name, limits in own.items()}
        return found


class PerPrefix(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A brake against pumping: at most ``messages`` in any ``window_seconds`` to similar numbers.

    Similar are those whose first ``digits`` are the same, country code included. 0 ``messages``
    is no brake. ``prefixes`` have figures of their own: all numbers that begin so count together,
    and the longest prefix of a number applies. ``bulk``: whether it also counts and holds bulk.
    """

    messages: Annotated[int, msgspec.Meta(ge=0)] = 0
    window_seconds: Annotated[float, msgspec.Meta(ge=10, le=86_400)] = 600.0
    digits: Annotated[int, msgspec.Meta(ge=1, le=14)] = 7
    bulk: bool = False
    prefixes: dict[str, Annotated[int, msgspec.Meta(ge=0)]] = {}

    @property
    def brakes(self) -> bool:
        """Whether any number is limited."""
        return bool(self.messages or any(self.prefixes.values()))


def recipient_faults(recipients: PerRecipient, prefixes: PerPrefix) -> SettingFaults:
    """Yield what the types can't check of an account's limits."""
    for priority in PRIORITIES:
        account = getattr(recipients, priority)
        for name, reason in _order_faults(account):
            yield ("per_recipient", priority, name), reason
        for app, limits in recipients.apps.items():
            for name, reason in looser(getattr(limits, priority), account):
                yield ("per_recipient", "apps", app, priority, name), reason
    for app in recipients.apps:
        if not NAME.fullmatch(app):
            yield ("per_recipient", "apps", app), f"an app's {NAME_RULE}"
    for prefix in prefixes.prefixes:
        if not _PREFIX.fullmatch(prefix):
            yield (
                ("per_prefix", "prefixes", prefix),
                "must be + and the first 1 to 10 digits of a number, such as +44 or +2376",
            )
    if len(prefixes.prefixes) > _MOST_PREFIXES:
        yield ("per_prefix", "prefixes"), f"at most {_MOST_PREFIXES} may have their own figures"


def _order_faults(limits: RecipientLimits) -> list[tuple[str, str]]:
    """A shorter window that takes more than a longer one never limits anything."""
    named = [(name, getattr(limits, name)) for name in _COUNTS]
    named = [(name, most) for name, most in named if most]
    return [
        (name, f"is above {longer}, so that it would never limit anything")
        for (name, most), (longer, least) in pairwise(named)
        if most > least
    ]


def looser(own: RecipientLimits, account: RecipientLimits) -> list[tuple[str, str]]:
    """Say why an app's own limits can't stand that allow more than its account's."""
    found = _order_faults(own)
    for name in _COUNTS:
        mine, theirs = getattr(own, name), getattr(account, name)
        if mine and theirs and mine > theirs:
            found.append((name, f"must not be above its account's {theirs}"))
    for name in _TIMES:
        mine, theirs = getattr(own, name), getattr(account, name)
        if 0 < mine < theirs:
            found.append((name, f"must not be below its account's {theirs:g}"))
    return found


def stricter(own: RecipientLimits, account: RecipientLimits) -> RecipientLimits:
    """An app's limits: of each the stricter one, and what becomes of a message as it says."""
    strict: Mapping[str, object] = {
        name: min((most for most in _both(name, own, account) if most), default=0)
        for name in _COUNTS
    }
    times = {name: max(_both(name, own, account)) for name in _TIMES}
    return RecipientLimits(**strict, **times, beyond=own.beyond or account.beyond)  # type: ignore[arg-type] # values of several fields


def _both(name: str, own: RecipientLimits, account: RecipientLimits) -> tuple[float, float]:
    return getattr(own, name), getattr(account, name)
