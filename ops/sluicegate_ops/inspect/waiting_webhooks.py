"""The webhooks that wait to be passed on to the apps' URLs, and why they wait."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sluicegate.keys import Keys

_TARGETS = 50
_KINDS = ("inbound", "receipt", "event")
_OF_APP = "bytes:"


class BehindTarget(msgspec.Struct, frozen=True):
    """A target that does not take its ``waiting`` webhooks: since when (wall ms), and why.

    ``host`` is ``inbound_url`` for what came in for the account.
    """

    kind: str
    host: str
    waiting: int
    since_ms: float
    why: str


class WaitingWebhooks(msgspec.Struct, frozen=True):
    """How many wait, and their bytes in Redis, by kind: ``inbound``, ``receipt`` or ``event``.

    ``app_bytes`` are those of the receipts of each app ("" for messages of none).
    ``behind`` are the targets that took nothing when they were last asked, the longest first.
    """

    waiting: dict[str, int] = {}
    bytes: dict[str, int] = {}
    app_bytes: dict[str, int] = {}
    behind: Sequence[BehindTarget] = ()

    def behind_seconds(self, now_ms: float) -> float:
        """For how long a target has been taking nothing, at most; 0 where all take theirs."""
        return max((now_ms - target.since_ms for target in self.behind), default=0.0) / 1000


def read_waiting_webhooks(client: Any, keys: Keys) -> WaitingWebhooks:
    """Read them: it costs as much as there are targets, 50 of them at most."""
    pipeline = client.pipeline(transaction=False)
    pipeline.hgetall(keys("relay_sums"))
    pipeline.zrange(keys("relay_targets"), 0, _TARGETS - 1)
    stored, targets = pipeline.execute()
    sums = {name.decode(): max(0, int(count)) for name, count in stored.items()}
    names = [target.decode() for target in targets]
    for name in names:
        pipeline.hgetall(keys(f"relay:{name}"))
        pipeline.zcard(keys(f"relays:{name}"))
    answers = iter(pipeline.execute())
    behind = [
        BehindTarget(
            kind=about.get(b"kind", b"").decode(),
            host=about.get(b"host", b"").decode(errors="replace"),
            waiting=waiting,
            since_ms=float(about[b"since"]),
            why=about.get(b"why", b"").decode(errors="replace"),
        )
        for about, waiting in zip(answers, answers, strict=True)
        if b"since" in about
    ]
    return WaitingWebhooks(
        waiting={kind: sums.get(kind, 0) for kind in _KINDS},
        bytes={kind: sums.get(f"{kind}_bytes", 0) for kind in _KINDS},
        app_bytes={
            name.removeprefix(_OF_APP): size
            for name, size in sums.items()
            if name.startswith(_OF_APP)
        },
        behind=sorted(behind, key=lambda target: target.since_ms),
    )
