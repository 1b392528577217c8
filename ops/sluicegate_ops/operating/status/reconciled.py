"""What ``status`` says of reconciling: when it last was, and what is left of it."""

from collections.abc import Iterator

from ...inspect import AccountState
from ..words import counted, lasting, when
from .finding import Finding

LATE_PERIODS = 3
"""So many periods without a run that came to its end, and it has stopped."""


def reconciling(state: AccountState) -> Iterator[Finding]:
    """Differences that stay, and runs that don't come to their end."""
    run = state.reconcile
    if run.every_hours and run.ended_ms:
        late_ms = state.now_ms - run.ended_ms - LATE_PERIODS * run.every_hours * 3_600_000
        if late_ms > 0:
            yield Finding(
                f"the books have not been reconciled since {when(run.ended_ms)}",
                f"that should happen every {run.every_hours:g} h, and doubts, lost receipts and "
                "bills wait for it",
                "look for 'reconciling waits' in the workers' logs, or run: sluicegate reconcile",
            )
    if run.left:
        parts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(run.left.items()))
        yield Finding(
            f"{counted(run.differences, 'difference')} between our books and the provider's",
            f"as of {when(run.ended_ms)}: {parts}",
            "sluicegate reconcile lists them; docs/RECONCILE.md says what each kind means",
            person=False,
        )


def reconciled(state: AccountState) -> list[tuple[str, str]]:
    """The last run, for the table beside the counts."""
    run = state.reconcile
    rows = []
    if run.ended_ms:
        ago = lasting((state.now_ms - run.ended_ms) / 1000)
        left = counted(run.differences, "difference") if run.left else "nothing"
        rows.append(("reconciled", f"{ago} ago, {left} left"))
    if run.under_way_ms:
        rows.append(("reconciling", f"all until {when(run.under_way_ms)} is compared"))
    return rows
