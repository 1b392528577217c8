"""The version that a worker runs, with the time at which it told it."""

from typing import NamedTuple

from ..errors import Malformed


class HeardVersion(NamedTuple):
    """When the worker was heard (wall ms), and its version.

    Mirrored by ``note_version`` in ``sweep.lua``.
    """

    at_ms: int
    version: str

    @classmethod
    def parse(cls, text: bytes | str) -> "HeardVersion":
        """Read ``at_ms version``, a field of the hash; raises Malformed."""
        whole = text.decode(errors="replace") if isinstance(text, bytes) else text
        at, _, version = whole.partition(" ")
        try:
            return cls(int(at), version)
        except ValueError as error:
            raise Malformed("worker's version", text) from error

    def format(self) -> str:
        return f"{self.at_ms} {self.version}"
