"""Receipts for a bench: applied by the real script to its messages."""

from collections.abc import Sequence
from typing import Any, cast

from sluicegate.receipts import RECEIPT, Receipt, ReceiptResult, receipt_args
from sluicegate_worker.provider.telnyx.events import DELIVERY_OF
from support.bench import Bench


def receipt(id: str, status: str = "delivered", event_id: str = "", **fields: Any) -> Receipt:
    """A receipt for message ``id``, with the provider's id that ``Bench.send`` gives it."""
    values: dict[str, Any] = {"provider_id": f"p-{id}", "occurred_ms": 1_700_000_000_000} | fields
    event_id = event_id or f"{status} {values['provider_id']}"
    return Receipt(event_id, id, delivery=DELIVERY_OF.get(status, ""), **values)


def apply(bench: Bench, receipts: Sequence[Receipt]) -> list[ReceiptResult]:
    """Apply receipts as one batch; return the result of each."""
    args = receipt_args(receipts, bench.config.retention_ms, bench.token())
    return [cast("ReceiptResult", answer.decode()) for answer in bench.call(RECEIPT, args)]


def tell(
    bench: Bench, id: str, status: str = "delivered", event_id: str = "", **fields: Any
) -> ReceiptResult:
    """Apply one receipt."""
    [result] = apply(bench, [receipt(id, status, event_id, **fields)])
    return result
