"""A row of the grid: the worst of its cells, and each that missed, with how to run it again."""

from collections.abc import Sequence
from itertools import groupby
from statistics import median

import msgspec

from .grid import Cell
from .scenario import RunFigures


class CellResult(msgspec.Struct, frozen=True, kw_only=True):
    """What one cell measured, from its second window on unless it says ``first``.

    ``p99_ms`` is how long a transactional message waited, all but one in a hundred (at least one),
    ``patience_ms`` how long it may. ``first_silence`` is a share of a window.
    """

    cell: str
    used: float
    answers: int
    refused: int
    p99_ms: float
    patience_ms: float
    first_refused: int
    first_silence: float
    first_wait_ms: float
    misses: tuple[str, ...]


class RowResult(msgspec.Struct, frozen=True, kw_only=True):
    """A row's cells taken together; ``share429`` is of all their answers."""

    row: str
    target: str
    held: bool
    used: float
    median: float
    share429: float
    cells: Sequence[CellResult]
    misses: Sequence[tuple[str, str]]

    @property
    def slowest(self) -> CellResult:
        """The cell whose transactional messages waited longest, by what they may."""
        return max(self.cells, key=lambda cell: cell.p99_ms / cell.patience_ms)


def verdicts(cells: Sequence[Cell], figures: Sequence[RunFigures]) -> list[RowResult]:
    """One result for each row, in the order of the cells."""
    pairs = zip(cells, figures, strict=True)
    return [
        _row(name, [(cell, run) for cell, run in group])
        for name, group in groupby(pairs, key=lambda pair: pair[0].row)
    ]


def _row(name: str, pairs: Sequence[tuple[Cell, RunFigures]]) -> RowResult:
    bounds = pairs[0][0].bounds
    results = [_cell(cell, run) for cell, run in pairs]
    refused, answers = sum(r.refused for r in results), sum(r.answers for r in results)
    share = refused / max(1, answers)
    misses = [(result.cell, ", ".join(result.misses)) for result in results if result.misses]
    if share > bounds.most_429:
        worst = max(results, key=lambda result: result.refused)
        misses.append((worst.cell, f"{worst.refused} of the row's {refused} answers 429"))
    return RowResult(
        row=name,
        target=str(bounds),
        held=not misses,
        used=min(result.used for result in results),
        median=median(result.used for result in results),
        share429=share,
        cells=results,
        misses=misses,
    )


def _cell(cell: Cell, run: RunFigures) -> CellResult:
    p99_ms, patience_ms = _p99(run.waits_ms), 1000 * cell.run.patience
    silence = run.first_silence / cell.run.window
    misses = {
        f"used {run.utilisation:.2%}": run.utilisation < cell.bounds.least_used,
        f"transactional waited {p99_ms:.0f} ms, not {patience_ms:.0f}": p99_ms > patience_ms,
        f"silent for {silence:.2f} of the first window": silence >= 1.0,
    }
    return CellResult(
        cell=cell.name,
        used=run.utilisation,
        answers=run.answers,
        refused=run.refused_later,
        p99_ms=p99_ms,
        patience_ms=patience_ms,
        first_refused=run.refused_in_first_window,
        first_silence=silence,
        first_wait_ms=run.first_wait_ms,
        misses=tuple(text for text, missed in misses.items() if missed),
    )


def _p99(waits_ms: Sequence[float]) -> float:
    """The longest but one in a hundred, at least one; infinite where too few were measured."""
    beyond = max(1, len(waits_ms) // 100)
    return sorted(waits_ms)[-1 - beyond] if len(waits_ms) > 1 else float("inf")
