"""What is wrong with an account's money: caps of the day that are nearly spent."""

from collections.abc import Iterator

from ...inspect import AccountState
from .finding import Finding
from .reasons import named


def money(state: AccountState) -> Iterator[Finding]:
    """Levels of which a person should know, and which no halt names already."""
    halted = {halt.level for halt in state.halts}
    for level in state.money_warned:
        if level not in halted:
            yield Finding(
                f"{named(level)} has nearly spent its money of the day",
                "what was billed today has passed money_warning's share of daily_money; at the "
                "cap it is halted until midnight UTC",
                "nothing, if that is meant; else raise daily_money, with a higher limits_version. "
                "What it went for: sluicegate costs --day today --by sender",
                person=False,
                subject=level,
            )
