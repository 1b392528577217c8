"""A message's record: every field of its hash, typed."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from ..errors import Malformed
from .bill import NO_BILL, Bill
from .costs import OtherBill
from .history import History
from .names import LaneName
from .tickets import Ticket

_COUNTS: Final = (
    "attempts", "free", "maybe", "maybe_before", "cancel_at", "age", "generation", "key_at",
    "due", "enqueued", "at", "delivery_at", "sent_at",
)  # fmt: skip
_BYTES: Final = ("content", "request")
_OTHER: Final = "bill:"
_RENAMED: Final = {"fate": "delivery", "fate_at": "delivery_at", "fate_code": "delivery_code"}

DELIVERY_FIELDS: Final = (*_RENAMED.values(), *_RENAMED)
"""What to ask of a record for its delivery: the fields, and what version 0.1 called them."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message's record; ``keys.py`` says what each field holds.

    A field that the hash has not is ``""``, ``b""``, 0 or None here, and so is one that was not
    asked for. ``state`` is ``""`` if there is no such record. Moments and ``age`` are in
    milliseconds. Mirrored by ``get`` and ``at_end`` in ``records.lua``.
    """

    state: str = ""
    digest: str = ""
    to: str = ""
    content: bytes = b""
    request: bytes = b""
    lane: LaneName | None = None
    ticket: Ticket | None = None
    token: str = ""
    attempts: int = 0
    free: int = 0
    maybe: int = 0
    maybe_before: int = 0
    cancel_at: int = 0
    age: int = 0
    replayed_by: str = ""
    generation: int = 0
    key_at: int = 0
    due: int = 0
    enqueued: int = 0
    at: int = 0
    provider_id: str = ""
    provider_id_2: str = ""
    delivery: str = ""
    delivery_at: int = 0
    delivery_code: str = ""
    sent_at: int = 0
    history: History = History()
    bill: Bill = NO_BILL
    billed: str = ""
    other_bills: Mapping[str, OtherBill] = {}
    line: str = ""
    counted: str = ""
    text: str = ""
    version: str = ""
    trace: str = ""
    at_brand: str = ""
    code: str = ""
    reason: str = ""
    answer: str = ""

    @property
    def maybe_sent(self) -> bool:
        """Whether it isn't accepted, but an attempt may have reached the provider.

        Needs ``state``, ``maybe`` and ``maybe_before``.
        """
        return self.state != "accepted" and self.maybe + self.maybe_before > 0

    @property
    def bills(self) -> list[Bill]:
        """What counts of it in sums of costs: the bill of each send, of one without a cost too.

        Needs ``bill`` and ``billed``, and the whole record where the provider has it twice.
        """
        first = [self.bill] if self.billed or self.bill.cost_billionths is not None else []
        return [*first, *(other.bill for other in self.other_bills.values())]

    def cost_told_ms(self, provider_id: str) -> int:
        """When a receipt told the cost of one send; 0 where its answer did, or nobody.

        Needs ``billed`` and ``delivery_at``, and the whole record for a second send. Mirrored by
        ``known`` in ``costs.lua``.
        """
        if provider_id != self.provider_id:
            other = self.other_bills.get(provider_id)
            return other.at_ms if other else 0
        told = self.billed.partition("|")[2]
        return self.delivery_at if told == "=" else int(told or 0)

    @classmethod
    def parse(cls, fields: Mapping[bytes, bytes]) -> "Record":
        """Read a whole hash, as HGETALL answers; raises Malformed.

        A field that only a newer version knows is left out.
        """
        named = {name.decode(): value for name, value in fields.items()}
        others = {
            name.removeprefix(_OTHER): OtherBill.parse(value.decode())
            for name, value in named.items()
            if name.startswith(_OTHER)
        }
        record = cls._of((name, value) for name, value in named.items() if name in _KNOWN)
        return msgspec.structs.replace(record, other_bills=others) if others else record

    @classmethod
    def parse_some(cls, names: Sequence[str], values: Sequence[bytes | None]) -> "Record":
        """Read the fields ``names`` alone, as HMGET answers; raises Malformed."""
        return cls._of(zip(names, values, strict=True))

    def format(self) -> dict[str, str | bytes]:
        """The fields that say something, as they are stored."""
        stored: dict[str, str | bytes] = {}
        for id, other in self.other_bills.items():
            stored[_OTHER + id] = other.format()
        for name in self.__struct_fields__:
            if name == "other_bills":
                continue
            value: Any = getattr(self, name)
            if isinstance(value, (LaneName, Ticket, History, Bill)):
                value = value.format()
            if value:
                stored[name] = value if isinstance(value, bytes) else str(value)
        return stored

    @classmethod
    def _of(cls, pairs: Iterable[tuple[str, bytes | None]]) -> "Record":
        named = ((_RENAMED.get(name, name), stored) for name, stored in pairs if stored)
        return cls(**{name: _value(name, stored) for name, stored in named})


_KNOWN: Final = frozenset({*Record.__struct_fields__, *_RENAMED} - {"other_bills"})


def _value(name: str, stored: bytes) -> Any:
    if name in _BYTES:
        return stored
    if name in _COUNTS:
        try:
            return int(stored)
        except ValueError as error:
            raise Malformed(f"record's {name}", stored) from error
    if name == "lane":
        return LaneName.parse(stored)
    if name == "ticket":
        return Ticket.parse(stored)
    text = stored.decode(errors="replace")  # answers and reasons are cut at a byte
    if name == "bill":
        return Bill.parse(text)
    return History.parse(text) if name == "history" else text
