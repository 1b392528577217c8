"""What ``doctor`` finds: one thing that is wrong, why it matters, and what to do about it."""

from collections.abc import Callable, Iterator

import msgspec

from sluicegate.safety import Hazard

from ...operating.status.finding import Finding
from ..setup.drift import Drift


class Diagnosis(msgspec.Struct, frozen=True):
    """One thing.

    ``kind`` is its name for programs, ``repairable`` if --repair mends it."""

    kind: str
    what: str
    why: str
    do: str
    repairs: str = ""


Diagnoses = Iterator[Diagnosis]
Check = Callable[[], Diagnoses]


class CannotLook(Exception):
    """A check that can't be made; its text says why, without any secret."""


def of_finding(kind: str, finding: Finding) -> Diagnosis:
    """What ``status`` found."""
    return Diagnosis(kind, finding.what, finding.why, finding.do)


def of_hazard(hazard: Hazard) -> Diagnosis:
    """What a worker warns of at its start."""
    return Diagnosis("unsafe", hazard.what, hazard.why, hazard.do)


def of_drift(drift: Drift) -> Diagnosis:
    """What ``setup --check`` found."""
    return Diagnosis(drift.kind, drift.what, drift.why, drift.do)
