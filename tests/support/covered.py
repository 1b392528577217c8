"""The line coverage of the producer and the worker, measured at next to no cost.

Before Python 3.14, coverage.py has the interpreter trace all that runs, which makes it half as
fast. SlipCover changes only the code that is measured, so all tests can be.

A line counts where a test has run it, in this process. The scripts in Lua are not counted: each is
a test of its own. Nor is what a child process runs.
"""

import io
import json
import os
from pathlib import Path
from typing import Any

import pytest

ASKED_FOR = bool(os.environ.get("SLUICEGATE_TEST_COVERAGE"))
if ASKED_FOR:
    import slipcover

SOURCES = [
    Path(__file__).parents[2] / name
    for name in ("producer/sluicegate", "worker/sluicegate_worker")
]
FLOOR_PERCENT = 95.0
#: SlipCover would take its probes out of a function that has been covered, by looking through the
#: modules of all threads while those import others. A probe left in costs some nanoseconds.
NEVER = 2**31 - 1
_SENT = "covered"


class Covered:
    """A plugin of pytest: measures in each process, then reports the sum and holds the floor."""

    def __init__(self) -> None:
        self._measured = slipcover.Slipcover(d_miss_threshold=NEVER, source=SOURCES)
        self._sum: dict[str, Any] | None = None
        matcher = slipcover.FileMatcher(sources=SOURCES)
        slipcover.ImportManager(self._measured, matcher).__enter__()

    def pytest_testnodedown(self, node: Any) -> None:
        """Add what a process of xdist has measured."""
        if sent := getattr(node, "workeroutput", {}).get(_SENT):
            self._add(json.loads(sent))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Send what was measured, or fail where it is too little."""
        here = self._measured.get_coverage()
        sent = getattr(session.config, "workeroutput", None)
        if sent is not None:
            sent[_SENT] = json.dumps(here)
            return
        self._add(here)
        if self._percent() < FLOOR_PERCENT and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print which lines no test has run."""
        table = io.StringIO()
        slipcover.print_coverage(self._sum, outfile=table, skip_covered=True)
        terminalreporter.section("line coverage")
        terminalreporter.write_line(table.getvalue())
        verdict = "" if self._percent() >= FLOOR_PERCENT else ": too little"
        terminalreporter.write_line(
            f"{self._percent():.2f}% of the lines, of {FLOOR_PERCENT:g}% required{verdict}"
        )

    def _add(self, measured: dict[str, Any]) -> None:
        self._sum = slipcover.merge_coverage(self._sum, measured) if self._sum else measured

    def _percent(self) -> float:
        return float(self._sum["summary"]["percent_covered"]) if self._sum else 0.0


#: Made before the first module that it measures is imported.
COVERED = Covered() if ASKED_FOR else None
