"""Legal holds: what is held is neither erased nor removed after its time."""

from typing import Literal

import msgspec
import redis

from sluicegate.audit import By, act
from sluicegate.keys import Keys
from sluicegate.scripts import Argument, Script, Scripts, new_token

HOLD = Script("sluicegate.hold")

HoldKind = Literal["number", "campaign"]


class Holds:
    """One account's holds, on a synchronous client."""

    def __init__(self, client: redis.Redis, keys: Keys) -> None:
        self._scripts = Scripts(client, keys.prefix)

    def add(self, kind: HoldKind, name: str, by: By, at_ms: int) -> bool:
        """Hold a number or a campaign; return whether it was not held before."""
        hold = msgspec.json.encode({"at_ms": at_ms, "who": by.who, "why": by.why})
        return self._call("add", kind, name, by, hold) == b"added"

    def lift(self, kind: HoldKind, name: str, by: By) -> bool:
        """Lift a hold; return whether there was one."""
        return self._call("lift", kind, name, by, b"") == b"lifted"

    def _call(self, verb: str, kind: HoldKind, name: str, by: By, hold: bytes) -> bytes:
        about = {"campaign": name} if kind == "campaign" else {"of": "a number"}
        said = act(by, f"{verb} hold", filter=about).said()
        args: list[Argument] = [new_token(), verb, f"{kind}:{name}", hold, said]
        return bytes(self._scripts.call(HOLD, args)[0])
