"""What ``status`` and ``doctor`` find of workers that run another version than theirs."""

from collections.abc import Iterator

from packaging.version import InvalidVersion, Version

from ...inspect import AccountState, WorkerState
from ..words import clean, counted, listed
from .finding import Finding

_WHY = (
    "an older one does not know what a newer one, a command or an app may store: it would send "
    "outside of hours, past a cap, or another text"
)


def versions(state: AccountState) -> Iterator[Finding]:
    """Workers that are heard, and don't run the version that is read here."""
    heard = sorted((one for one in state.workers if not one.silent), key=lambda one: one.name)
    here = state.version
    others = [worker for worker in heard if worker.version != here]
    if not others:
        return
    told = listed([f"{clean(one.name)} runs {_told(one)}" for one in others])
    many = counted(len(others), "worker runs another version", "workers run another version")
    yield Finding(
        f"{many} than {here}, which is here: {told}",
        _WHY,
        _way_out(here, heard),
        person=False,
        subject=",".join(sorted({one.version for one in others})),
    )


def _told(worker: WorkerState) -> str:
    return clean(worker.version) or "one that does not tell it, so an older one"


def _way_out(here: str, heard: list[WorkerState]) -> str:
    """Upgrade what is older: the workers, before anything else, or else this host."""
    newest = max((here, *(worker.version for worker in heard)), key=_order)
    old = [clean(worker.name) for worker in heard if worker.version != newest]
    if old:
        where = f"{listed(old)} {'run' if len(old) > 1 else 'runs'}"
        restart = "and restart with SIGTERM; docs/UPGRADE.md has the order"
        return f"install {clean(newest)} where {where}, {restart}"
    return f"install {clean(newest)} on this host too; docs/UPGRADE.md has the order"


def _order(version: str) -> Version:
    try:
        return Version(version)
    except InvalidVersion:
        return Version("0")
