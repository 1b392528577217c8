"""Receipts: what the provider reports about a message that it has accepted.

They may come before the answer to the POST, twice, out of order, or never. Each proves that the
provider has the message, whatever its state is here. The first final delivery stays.

    state               what a receipt does
    waiting, leased     accepted on this evidence; the answer to the POST then changes nothing
    retrying, in doubt  accepted: the retry or the doubt ends
    dead                accepted: it is no longer a dead letter
    another end         accepted after all, and counted as late
    accepted            sets that it was sent, or the delivery, once; a second provider id counts
                        as sent twice
    no record           answered ``unknown``, and nothing changes; or, where there is an archive,
                        ``archived``: set aside until the archiver has fetched the record back
"""

from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import msgspec
import redis
import redis.asyncio
from msgspec.structs import force_setattr

from .config import Config
from .keys import Keys
from .redis_errors import translated
from .scripts import Argument, Script, Scripts, new_token
from .stored import NO_BILL, Bill
from .words import code_word, id_word

RECEIPT = Script("sluicegate.receipt")
BATCH = 50
"""Receipts per script call."""

FIELDS = 7
"""Arguments that the script takes for each of them."""

REMEMBERED_MS = 24 * 3_600_000
"""How long an event's id is remembered; the provider repeats an event within minutes."""

Delivery = Literal["delivered", "failed", "unconfirmed"]
DELIVERIES: Final = ("delivered", "failed", "unconfirmed")

ReceiptResult = Literal["applied", "twice", "stale", "duplicate", "archived", "unknown"]


class Receipt(msgspec.Struct, frozen=True):
    """The provider's event ``event_id`` about message ``id``.

    ``delivery`` is ``"sent"`` once the message was handed to the carrier, ``""`` before that and
    where the event doesn't say, and ``code`` is the provider's error
    code, ``""`` for none. ``occurred_ms`` is in wall milliseconds. The provider's id and code are
    as the gate for foreign words lets them through. ``bill`` is what it says of the number's
    carrier, the parts and the cost.
    """

    event_id: str
    id: str
    provider_id: str
    delivery: Delivery | Literal["sent", ""]
    occurred_ms: int
    code: str = ""
    bill: Bill = NO_BILL

    def __post_init__(self) -> None:
        """No code and no id of the provider passes as it came."""
        force_setattr(self, "provider_id", id_word(self.provider_id))
        force_setattr(self, "code", code_word(self.code))


class AsyncReceipts:
    """Applies the receipts of one account, on an asynchronous client.

    Tests pass ``time``: see ``Script.source``.
    """

    def __init__(
        self, client: redis.asyncio.Redis, config: Config, account: str, time: str | None = None
    ) -> None:
        self._scripts = Scripts(client, Keys(account).prefix, time)
        self._retention_ms = config.retention_ms

    async def apply(self, receipts: Sequence[Receipt]) -> list[ReceiptResult]:
        """Apply ``receipts``, and return what became of each, in order; this may be repeated.

        Raises OutboxError and those below it.
        """
        answers: list[ReceiptResult] = []
        for first in range(0, len(receipts), BATCH):
            args = receipt_args(receipts[first : first + BATCH], self._retention_ms)
            try:
                reply = await self._scripts.acall(RECEIPT, args)
            except redis.RedisError as error:
                raise translated(error, ()) from error
            answers += [cast("ReceiptResult", answer.decode()) for answer in cast("Any", reply)]
        return answers


def receipt_args(
    receipts: Sequence[Receipt], retention_ms: int, token: str = ""
) -> list[Argument]:
    """Return the arguments of ``RECEIPT`` for a batch, with a new token unless one is given."""
    args: list[Argument] = [token or new_token(), retention_ms, REMEMBERED_MS]
    for receipt in receipts:
        args += (
            receipt.event_id, receipt.id, receipt.provider_id, receipt.delivery,
            receipt.occurred_ms, receipt.code, receipt.bill.format(),
        )  # fmt: skip
    return args
