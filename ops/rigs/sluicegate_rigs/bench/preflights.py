"""``python -m sluicegate_rigs.bench.preflights COUNT``: time the preflight of a file, alone.

Prints {"rows": ..., "seconds": ..., "peak_mb": ...}. The file's recipients have time zones; three
conditions and a list of numbers choose among them, and leave nearly all.
"""

import json
import resource
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from sluicegate import Sluice
from sluicegate.campaigns.conditions import Condition
from sluicegate.campaigns.hours import SendingHours
from sluicegate.campaigns.number_list import NumberList
from sluicegate.campaigns.number_set import NumberSet
from sluicegate.campaigns.opening import open_rows
from sluicegate.campaigns.plan import Plan
from sluicegate.campaigns.preflight import preflight
from sluicegate.campaigns.recipients import RowReading
from sluicegate.campaigns.rejects import Rejects
from sluicegate.config import Account

from .bodies import SENDER, TEXT, number, variables

WHOLE, QUICK = 1_000_000, 20_000
_EXCLUDED = 10  # one row in so many is on the list
_CONDITIONS = ("plan!=none", "age>=18", "due<2030-01-01")
_ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "")


class PreflightFigures(msgspec.Struct, frozen=True):
    """How long the preflight of so many rows took, and its process's memory at most."""

    rows: int
    seconds: float
    peak_mb: float

    @property
    def seconds_per_million(self) -> float:
        return self.seconds * 1_000_000 / self.rows


def _write(path: Path, count: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write("phone,first_name,city,plan,age,due,zone\n")
        for n in range(count):
            about = ("gold", "silver", "bronze")[n % 3], 18 + n % 70, f"2026-{n % 12 + 1:02}-01"
            row = (number(n), *variables(n), *map(str, about), _ZONES[n % 5])
            file.write(",".join(row) + "\n")


def measured(count: int) -> PreflightFigures:
    """Measure it in this process, which should have done nothing else."""
    with Sluice() as sluice, tempfile.TemporaryDirectory() as directory:
        file, others = Path(directory, "people.csv"), Path(directory, "others.csv")
        _write(file, count)
        listed = (number(n) for n in range(0, count, _EXCLUDED))
        others.write_text("\n".join(["phone", *listed]), encoding="utf-8")
        plan = Plan(
            name="bench",
            text=TEXT,
            to_column="phone",
            sender=SENDER,
            region="US",
            hours=SendingHours(windows="09:00-18:00", zone_column="zone", zone="America/New_York"),
        )
        began = time.perf_counter()
        numbers = (each.number for each in NumberList(others, "US"))
        reading = RowReading(
            conditions=tuple(map(Condition, _CONDITIONS)),
            without=(NumberSet.of("others.csv", numbers),),
        )
        rows = open_rows(file)
        with Rejects(Path(directory, "rejected.csv"), rows) as rejects:
            report = preflight(
                plan, rows, Account(), sluice.client, sluice.keys, rejects, reading=reading
            )
        seconds = time.perf_counter() - began
        if report.sendable + report.excluded != count:
            raise RuntimeError(f"{report.sendable} and {report.excluded} of {count} rows")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return PreflightFigures(count, seconds, peak)


def main() -> None:
    """Measure as many rows as the argument says."""
    sys.stdout.write(json.dumps(msgspec.to_builtins(measured(int(sys.argv[1])))) + "\n")


if __name__ == "__main__":
    main()
