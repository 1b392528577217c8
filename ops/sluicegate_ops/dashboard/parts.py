"""Bars of which a template draws each part as wide as its share."""

from collections.abc import Mapping

import msgspec


class BarPart(msgspec.Struct, frozen=True):
    """One part of a bar: from ``at`` on, ``share`` wide, both in percent of the whole."""

    name: str
    amount: float
    at: float
    share: float


def bar(counts: Mapping[str, float], whole: float) -> list[BarPart]:
    """Parts in their order, none of them beyond the whole; those of nothing are left out."""
    parts: list[BarPart] = []
    at = 0.0
    for name, count in counts.items():
        share = min(100.0 * count / whole, 100.0 - at) if whole > 0 else 0.0
        if share > 0:
            parts.append(BarPart(name, count, round(at, 3), round(share, 3)))
            at += share
    return parts
