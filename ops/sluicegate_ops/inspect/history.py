"""A message's history: its attempts, as its record keeps them.

    began,late,took,outcome,code,worker;+3;began,late,took,outcome,code,worker

Of many attempts the first and the last are kept, and ``+n`` says how many are left out between.
``books.lua`` writes it.
"""

import msgspec

_PARTS = 6


class PastAttempt(msgspec.Struct, frozen=True):
    """One POST: begun at ``began_ms`` (wall), ``late_ms`` after its slot; it took ``took_ms``.

    ``outcome`` is what was settled: accepted, retry, back, dead, doubt, unused, or lost where its
    worker fell silent. ``worker`` is the tag that the worker's tokens begin with.
    """

    began_ms: int
    late_ms: int
    took_ms: int
    outcome: str
    code: str
    worker: str


class History(msgspec.Struct, frozen=True):
    """The attempts, the first first; ``left_out`` more came after the first one."""

    attempts: tuple[PastAttempt, ...] = ()
    left_out: int = 0


def read_history(text: str) -> History:
    """Read a record's field ``history``; an entry that was cut short is left out."""
    attempts, left_out = [], 0
    for entry in text.split(";"):
        if entry.startswith("+") and entry[1:].isdecimal():
            left_out = int(entry[1:])
        elif found := _attempt(entry):
            attempts.append(found)
    return History(tuple(attempts), left_out)


def _attempt(entry: str) -> PastAttempt | None:
    parts = entry.split(",")
    if len(parts) != _PARTS:
        return None
    *times, outcome, code, worker = parts
    try:
        began, late, took = map(int, times)
    except ValueError:
        return None
    return PastAttempt(began, late, took, outcome, code, worker)
