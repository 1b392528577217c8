"""Receipts: what the provider says became of a message after it accepted it.

They come before the answer to the POST, twice, out of order, or never. Any of them proves that the
provider has the message, whatever state it is in here; its delivery is told once and then stays.

    waiting, leased     accepted, by evidence; the lease's own answer finds it so
    retrying, in doubt  accepted: the retry or the doubt ends
    dead                accepted: no dead letter any more
    an end              accepted after all, counted as late
    accepted            its delivery, once; another provider id is kept and counted as sent twice
    no record           unknown: nothing is done
"""

from collections.abc import Sequence
from typing import Any, Final, Literal, cast

import msgspec
import redis
import redis.asyncio

from .config import Config
from .keys import Keys
from .outbox import translated
from .scripts import Argument, Script, Scripts, new_token

RECEIPT = Script("sluicegate.receipt")
BATCH = 50
REMEMBERED_MS = 24 * 3_600_000
"""How long an event's id is known: the provider repeats one within minutes."""

Delivery = Literal["delivered", "failed", "unconfirmed"]
DELIVERIES: Final = ("delivered", "failed", "unconfirmed")

ReceiptResult = Literal["applied", "stale", "duplicate", "unknown"]


class Receipt(msgspec.Struct, frozen=True):
    """An event about message ``id``.

    ``delivery`` is empty while the message is under way; ``code`` is the provider's error code,
    empty where there is none.
    """

    event_id: str
    id: str
    provider_id: str
    delivery: Delivery | Literal[""]
    occurred_ms: int
    code: str = ""


class AsyncReceipts:
    """The receipts of one account, on an asynchronous client; ``time`` is for tests."""

    def __init__(
        self, client: redis.asyncio.Redis, config: Config, account: str, time: str | None = None
    ) -> None:
        self._scripts = Scripts(client, Keys(account).prefix, time)
        self._retention_ms = config.retention_ms

    async def apply(self, receipts: Sequence[Receipt]) -> list[ReceiptResult]:
        """What each of them did; safe to repeat. Raises OutboxUnavailable."""
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
    """Arguments of ``RECEIPT`` for a batch, under a new token unless one is given."""
    args: list[Argument] = [token or new_token(), retention_ms, REMEMBERED_MS]
    for receipt in receipts:
        args += (
            receipt.event_id, receipt.id, receipt.provider_id, receipt.delivery,
            receipt.occurred_ms, receipt.code,
        )  # fmt: skip
    return args
