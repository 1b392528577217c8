"""A message's history: its attempts, as its record keeps them.

    began,late,took,outcome,code,worker;+3;began,late,took,outcome,code,worker

Of many attempts the first and the last are kept, and ``+n`` says how many are left out between.
"""

import msgspec

from ..errors import Malformed


class PastAttempt(msgspec.Struct, frozen=True):
    """One POST: begun at ``began_ms`` (wall), ``late_ms`` after its slot; it took ``took_ms``.

    ``outcome`` is what was settled: accepted, retry, back, dead, doubt, unused, or lost if its
    worker fell silent. ``worker`` is the tag that the worker's tokens begin with.
    Mirrored by ``with_attempt`` in ``history.lua``.
    """

    began_ms: int
    late_ms: int
    took_ms: int
    outcome: str
    code: str
    worker: str

    @classmethod
    def parse(cls, text: str) -> "PastAttempt":
        """Read one entry; raises Malformed."""
        try:
            began, late, took, outcome, code, worker = text.split(",")
            return cls(int(began), int(late), int(took), outcome, code, worker)
        except ValueError as error:
            raise Malformed("attempt", text) from error

    def format(self) -> str:
        return ",".join(map(str, msgspec.structs.astuple(self)))


class History(msgspec.Struct, frozen=True):
    """The attempts, the first first; ``left_out`` more came after the first one.

    Mirrored by ``with_attempt`` and ``shortened`` in ``history.lua``.
    """

    attempts: tuple[PastAttempt, ...] = ()
    left_out: int = 0

    @classmethod
    def parse(cls, text: str) -> "History":
        """Read a record's field ``history``; an entry that was cut short is left out."""
        attempts, left_out = list[PastAttempt](), 0
        for entry in text.split(";"):
            if entry.startswith("+") and entry[1:].isdecimal():
                left_out = int(entry[1:])
                continue
            try:
                attempts.append(PastAttempt.parse(entry))
            except Malformed:
                continue
        return cls(tuple(attempts), left_out)

    def format(self) -> str:
        entries = [attempt.format() for attempt in self.attempts]
        if self.left_out:
            entries.insert(1, f"+{self.left_out}")
        return ";".join(entries)
