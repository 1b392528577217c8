"""Why a campaign did not reach people, as its report says it, and where their lists lie."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..operating.words import clean, hidden

LISTS: Final = {True: "unreached.csv", False: "unreached.masked.csv"}
"""The files of the list: with whole numbers, and without."""

_FAILED: Final = "failed"
"""The state of who was accepted and not delivered, beside those of a ledger."""

_NOT_ENDED: Final = ("in_doubt", "retrying")


def cause_lines(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Each cause in ``campaign report --json`` and how many met it; last, whose end is not known.

    ``again``: it surely failed and may be tried again, ``failed`` so or not; ``ended``: they
    surely got nothing.
    """
    undelivered = [
        {"state": _FAILED, "reason": "accepted, but not delivered"} | one
        for one in found.get("undelivered", ())
    ]
    causes = [one for one in (*undelivered, *found.get("codes", ())) if one["count"]]
    for one in sorted(causes, key=lambda one: (one["state"] in _NOT_ENDED, -one["count"])):
        yield {
            "state": one["state"].replace("_", " "),
            "code": one["code"],
            "count": one["count"],
            "why": clean(one["means"] or hidden(one["reason"])),
            "do": clean(one["advice"]),
            "portal": clean(one["portal"]),
            "again": one["state"] in (_FAILED, "dead") and one.get("again") != "never",
            "failed": one["state"] in (_FAILED, "dead"),
            "ended": one["state"] not in _NOT_ENDED,
        }
