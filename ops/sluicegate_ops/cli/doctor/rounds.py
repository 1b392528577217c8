"""Makes the checks one after the other, none of them for longer than its time."""

import threading
from collections.abc import Mapping

import msgspec
import redis

from sluicegate.errors import SluicegateError

from .diagnosis import CannotLook, Check, Diagnosis

CHECK_SECONDS = 20.0


class DoctorReport(msgspec.Struct, frozen=True):
    """What was found, and which checks could not be made, with why."""

    findings: list[Diagnosis]
    not_looked: dict[str, str]


def make(checks: Mapping[str, Check], seconds: float = CHECK_SECONDS) -> DoctorReport:
    """Make all checks; one that takes too long is given up, and the next is made."""
    findings: dict[Diagnosis, None] = {}
    not_looked = {}
    for name, check in checks.items():
        found, why = _made(check, seconds)
        findings |= dict.fromkeys(found)
        if why:
            not_looked[name] = why
    return DoctorReport(list(findings), not_looked)


def _made(check: Check, seconds: float) -> tuple[list[Diagnosis], str]:
    found: list[Diagnosis] = []
    failed: list[str] = []

    def run() -> None:
        try:
            found.extend(check())
        except CannotLook as error:
            failed.append(str(error))
        except (SluicegateError, redis.RedisError, OSError) as error:
            failed.append(f"{type(error).__name__}: {error}")

    # A daemon, since nothing can end what hangs in a call of the system.
    thread = threading.Thread(target=run, daemon=True, name="doctor")
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        return list(found), f"it took longer than {seconds:g} s"
    return found, failed[0] if failed else ""
