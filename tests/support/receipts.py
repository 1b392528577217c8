"""Receipts for a bench: what the provider says became of a message, told to the real script."""

from collections.abc import Sequence
from typing import Any, cast

from sluicegate.receipts import RECEIPT, Receipt, ReceiptResult, receipt_args
from sluicegate_worker.provider.telnyx.events import DELIVERY_OF
from support.bench import Bench


def receipt(id: str, status: str = "delivered", event_id: str = "", **fields: Any) -> Receipt:
    """A receipt of message ``id``, of the provider id that ``Bench.send`` settles it with."""
    made: dict[str, Any] = {"provider_id": f"p-{id}", "occurred_ms": 1_700_000_000_000} | fields
    event_id = event_id or f"{status} {made['provider_id']}"
    return Receipt(event_id, id, delivery=DELIVERY_OF.get(status, ""), **made)


def apply(bench: Bench, receipts: Sequence[Receipt]) -> list[ReceiptResult]:
    """Bring receipts as one batch; what each of them did."""
    args = receipt_args(receipts, bench.config.retention_ms, bench.token())
    return [cast("ReceiptResult", answer.decode()) for answer in bench.call(RECEIPT, args)]


def tell(
    bench: Bench, id: str, status: str = "delivered", event_id: str = "", **fields: Any
) -> ReceiptResult:
    """Bring one receipt."""
    [answer] = apply(bench, [receipt(id, status, event_id, **fields)])
    return answer
