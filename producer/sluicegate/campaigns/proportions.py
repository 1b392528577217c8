"""Whether two shares differ by more than chance: the two-proportion z-test, with its p-value.

    z = (a/n - b/m) / sqrt(q (1 - q) (1/n + 1/m))    where q = (a + b) / (n + m)

The test is two-sided. It takes both numbers for normally distributed, which they are not where
there are few: where it expects fewer than five of either kind in either group, it says nothing.
"""

import math
from typing import Final

import msgspec

LEAST_EXPECTED: Final = 5
"""Of each kind in each group, by the pooled share: fewer are too few to say."""


class ShareTest(msgspec.Struct, frozen=True):
    """Two shares, ``one`` and ``other``, and how likely chance alone sets them so far apart.

    ``p`` is None where there are too few to say, and so is ``z``. A share of nothing is None.
    """

    one: float | None
    other: float | None
    z: float | None = None
    p: float | None = None

    @property
    def said(self) -> str:
        """The result in words."""
        if self.p is None:
            return "too few to say"
        p = "p < 0.0001" if self.p < 0.0001 else f"p = {self.p:.4f}"
        return f"they differ, {p}" if self.p < 0.05 else f"may be chance, {p}"


def share_test(count: int, of: int, other_count: int, other_of: int) -> ShareTest:
    """Test ``count`` of ``of`` against ``other_count`` of ``other_of``.

    Raises ValueError unless each count is 0 to what it is of.
    """
    if not (0 <= count <= of and 0 <= other_count <= other_of):
        raise ValueError("a count must be from 0 to what it is of")
    one = count / of if of else None
    other = other_count / other_of if other_of else None
    if one is None or other is None:
        return ShareTest(one, other)
    pooled = (count + other_count) / (of + other_of)
    least = min(of, other_of) * min(pooled, 1 - pooled)
    if least < LEAST_EXPECTED:
        return ShareTest(one, other)
    z = (one - other) / math.sqrt(pooled * (1 - pooled) * (1 / of + 1 / other_of))
    return ShareTest(one, other, z, math.erfc(abs(z) / math.sqrt(2)))
