"""Dead letters by what they have in common: how many, with which codes, and a sample."""

from collections import Counter

from ...operating.letters import Group, Grouping
from ...operating.words import clean, when
from ..kit.advice import write_codes
from ..kit.output import table, write

_CODES_SHOWN = 3


def show(groups: list[Group], by: Grouping) -> None:
    """Write the groups as a table; if they are codes, also the advice on each."""
    shown = [
        by.upper(),
        "LETTERS",
        "MAYBE SENT",
        "LAST",
        *([] if by is Grouping.CODE else ["CODES"]),
    ]
    figures = ("LETTERS", "MAYBE SENT")
    rows = table(*shown, "SUCH AS", "REASON", spare=("LAST",), right=figures)
    for group in groups:
        codes = [] if by is Grouping.CODE else [_codes(group.codes)]
        sample = group.sample
        counts = (f"{group.count:,}", f"{group.maybe:,}", when(group.last_ms))
        about = (*codes, f"{sample.id} to {sample.to}", sample.reason)
        rows.add_row(clean(group.name) or "-", *counts, *map(clean, about))
    write(rows)
    if by is Grouping.CODE:
        write_codes([group.name for group in groups])


def _codes(codes: Counter[str]) -> str:
    shown = [f"{count:,} x {code or '-'}" for code, count in codes.most_common(_CODES_SHOWN)]
    more = len(codes) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")
