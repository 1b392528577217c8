"""What a run finds: differences by name, counts of what was mended, and the sums of both books."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal, get_args

import msgspec

from sluicegate.masking import masked
from sluicegate.stored import UNITS, Bill

from ..provider.reports import ProviderRecord

DifferenceKind = Literal[
    "foreign", "missing", "doubt", "cost", "delivery", "status", "unreadable", "set_aside", "reply"
]
KINDS: Final = get_args(DifferenceKind)

WHAT: Final[Mapping[str, str]] = {
    "foreign": "on the account, and not ours",
    "missing": "accepted by our books, and the provider has no record",
    "doubt": "in doubt, and the records leave it open",
    "cost": "the cost differs, or one of the books has none",
    "delivery": "both books have a final delivery, and they differ",
    "status": "a status that nobody here knows",
    "unreadable": "a record that can't be compared",
    "set_aside": "archived, and the archiver has not applied what was found",
    "reply": "a reply that could not be delivered here: sluicegate optout sync",
}
"""What each kind of difference is, for people."""

Mended = Literal["accepted", "deliveries", "costs", "bills", "unsent", "receipts"]
MENDED: Final[Mapping[str, str]] = {
    "accepted": "in doubt or taken for unsent, and proven sent",
    "unsent": "in doubt, and proven not sent",
    "deliveries": "deliveries filled in",
    "receipts": "lost webhooks applied",
    "costs": "costs corrected",
    "bills": "carriers or parts corrected",
}
"""What a run mends, for people."""


class Difference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something in which the books differ, and that a run can't mend.

    ``id`` is our message, ``provider_id`` the provider's; either may be empty. ``to`` and
    ``sender`` are masked. ``at_ms`` is when it was sent (wall, the provider's clock).
    """

    kind: DifferenceKind
    id: str = ""
    provider_id: str = ""
    to: str = ""
    sender: str = ""
    profile: str = ""
    at_ms: int = 0
    cost_billionths: int | None = None
    currency: str = ""
    what: str = ""

    @property
    def name(self) -> str:
        """By which it is kept once, however often it is found."""
        return f"{self.kind} {self.provider_id or self.id}"

    @classmethod
    def of(
        cls, kind: DifferenceKind, record: ProviderRecord, id: str = "", what: str = ""
    ) -> "Difference":
        return cls(
            kind=kind,
            id=id,
            provider_id=record.id,
            to=masked(record.to) if record.to else "",
            sender=_shown(record.sender),
            profile=record.profile,
            at_ms=record.created_ms,
            cost_billionths=record.bill.cost_billionths,
            currency=record.bill.currency,
            what=what,
        )


class Found:
    """What was found since the last commit."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.left: dict[str, Difference] = {}
        self.gone: list[str] = []

    def differs(self, difference: Difference) -> None:
        self.counts[f"left:{difference.kind}"] += difference.name not in self.left
        self.left[difference.name] = difference

    def no_longer(self, difference: Difference) -> None:
        """Take one back that was found before."""
        if self.left.pop(difference.name, None) is None:
            self.gone.append(difference.name)
        self.counts[f"left:{difference.kind}"] -= 1

    def count(self, what: str, by: int = 1) -> None:
        """Count what was read."""
        self.counts[f"count:{what}"] += by

    def mend(self, what: Mended, by: int = 1) -> None:
        """Count what was mended."""
        self.counts[f"mended:{what}"] += by

    def add(self, sum: str, bill: Bill, by: int = 1) -> None:
        """Add a bill to one of the sums: billed, booked, foreign."""
        if bill.cost_billionths is not None:
            self.counts[f"sum:{sum}:{bill.currency}"] += by * bill.cost_billionths


class Reconciled(msgspec.Struct, frozen=True, kw_only=True):
    """What a run came to; all times are wall milliseconds.

    ``counts`` are of everything read, ``mended`` of what was mended, ``left`` of differences that
    stay, by kind. ``billed`` is what the provider bills for our messages and ``booked`` what our
    books have for the same, in billionths by currency. ``foreign`` is what is billed for messages
    that are not ours. ``whole``: every record of the time was read. ``cut_short`` says why a run
    stopped before its end, ``""`` if it didn't.
    """

    account: str
    since_ms: int
    until_ms: int
    began_ms: int
    ended_ms: int = 0
    dry_run: bool = False
    whole: bool = True
    cut_short: str = ""
    counts: Mapping[str, int] = {}
    mended: Mapping[str, int] = {}
    left: Mapping[str, int] = {}
    billed: Mapping[str, int] = {}
    booked: Mapping[str, int] = {}
    foreign: Mapping[str, int] = {}
    differences: Sequence[Difference] = ()

    @property
    def difference(self) -> dict[str, int]:
        """Billed less booked, in billionths by currency; no currency where nothing was billed."""
        names = sorted({*self.billed, *self.booked})
        return {name: self.billed.get(name, 0) - self.booked.get(name, 0) for name in names}

    @property
    def agrees(self) -> bool:
        """Whether the books are one, as far as they were to be read."""
        apart = any(self.difference.values())
        return self.whole and not (apart or self.cut_short or any(self.left.values()))


def summed(
    account: str,
    fields: Mapping[str, str],
    differences: Sequence[Difference],
    *,
    dry_run: bool = False,
    cut_short: str = "",
) -> Reconciled:
    """What a run's fields, as Redis keeps them, come to."""
    numbers = {name: int(text) for name, text in fields.items() if text.lstrip("-").isdecimal()}

    def group(prefix: str) -> dict[str, int]:
        return {n.removeprefix(prefix): v for n, v in numbers.items() if n.startswith(prefix)}

    return Reconciled(
        account=account,
        since_ms=numbers.get("since", 0),
        until_ms=numbers.get("until", 0),
        began_ms=numbers.get("began", 0),
        ended_ms=numbers.get("ended", 0),
        dry_run=dry_run,
        whole=not numbers.get("count:holes", 0),
        cut_short=cut_short,
        counts=group("count:"),
        mended={name: numbers.get(f"mended:{name}", 0) for name in MENDED},
        left={kind: count for kind in KINDS if (count := numbers.get(f"left:{kind}", 0))},
        billed=group("sum:billed:"),
        booked=group("sum:booked:"),
        foreign=group("sum:foreign:"),
        differences=differences,
    )


def amount(billionths: int) -> str:
    """An exact amount, with two decimals at least."""
    units, rest = divmod(abs(billionths), UNITS)
    decimals = f"{rest:09d}".rstrip("0").ljust(2, "0")
    return f"{'-' if billionths < 0 else ''}{units}.{decimals}"


def _shown(sender: str) -> str:
    """A sender may be a name, which hides nobody."""
    return masked(sender) if sender.startswith("+") else sender
