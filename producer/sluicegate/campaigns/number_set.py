"""A set of recipients that a file is compared with: 8 bytes each, and there may be millions."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from .plan import key_hash


class NumberSet(NamedTuple):
    """The hashes of numbers in order, and what people call the set, such as the name of a file."""

    name: str
    hashes: "array[int]"

    @classmethod
    def of(cls, name: str, numbers: Iterable[str]) -> "NumberSet":
        """The set of ``numbers``, which are in E.164."""
        hashes = array("q", map(key_hash, numbers))
        return cls(name, array("q", sorted(hashes)))

    def holds(self, hash: int) -> bool:
        """Whether the number with this hash is in it."""
        index = bisect_left(self.hashes, hash)
        return index < len(self.hashes) and self.hashes[index] == hash
