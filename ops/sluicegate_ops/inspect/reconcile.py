"""When our books were last compared with the provider's, and what is left of that."""

from collections.abc import Mapping
from typing import Any

import msgspec

from sluicegate.keys import Keys


class ReconcileState(msgspec.Struct, frozen=True):
    """The last run that came to its end; moments are wall ms, 0 for never.

    ``left`` are differences by kind, ``pending`` messages too young to be judged, ``undecided``
    doubts likewise. ``holes``: something of the time could not be read. ``under_way_ms`` is where
    a run is that has not ended, or was cut short: all that was sent before is compared.
    ``every_hours`` is how often the configuration read here wants it, 0 for never.
    """

    ended_ms: int = 0
    since_ms: int = 0
    until_ms: int = 0
    left: Mapping[str, int] = {}
    mended: Mapping[str, int] = {}
    pending: int = 0
    undecided: int = 0
    holes: int = 0
    under_way_ms: int = 0
    every_hours: float = 0.0

    @property
    def differences(self) -> int:
        return sum(self.left.values())

    @property
    def foreign(self) -> int:
        """Messages on the account that are not ours."""
        return self.left.get("foreign", 0)


def read_reconcile(client: Any, keys: Keys) -> ReconcileState:
    """Read it; it costs the same however much there is."""
    pipeline = client.pipeline(transaction=False)
    pipeline.hgetall(keys("reconciled"))
    pipeline.hget(keys("reconcile"), "at")
    stored, at = pipeline.execute()
    fields = {name.decode(): int(text) for name, text in stored.items() if _is_whole(text)}
    return ReconcileState(
        ended_ms=fields.get("ended", 0),
        since_ms=fields.get("since", 0),
        until_ms=fields.get("until", 0),
        left=_group(fields, "left:"),
        mended=_group(fields, "mended:"),
        pending=fields.get("count:pending", 0),
        undecided=fields.get("count:undecided", 0),
        holes=fields.get("count:holes", 0),
        under_way_ms=int(at or 0),
    )


def _group(fields: Mapping[str, int], prefix: str) -> dict[str, int]:
    return {n.removeprefix(prefix): v for n, v in fields.items() if n.startswith(prefix) and v}


def _is_whole(text: bytes) -> bool:
    return text.removeprefix(b"-").isdigit()
