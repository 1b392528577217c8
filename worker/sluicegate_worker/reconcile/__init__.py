"""Reconciling: the provider's records of what it sent, compared with our books, and ours mended.

gathering  reads our messages out of Redis and the archive
ours       every message that may have reached the provider, in a file that ends with the run
reading    the provider's records, a window of time at a time, each once
matching   which message a record is of, and what it tells that we don't know
findings   what differs, what was mended, and what both books come to
progress   where a run is, in Redis
comparing  a page of records, compared and mended
judging    messages without a record, and doubts
webhooks   those that the provider could not deliver
run        all of it together
"""

from .findings import MENDED, WHAT, Difference, Reconciled, amount
from .progress import ReconcileBusy
from .run import Reconciler, TimeSpan

__all__ = [
    "MENDED", "WHAT", "Difference", "ReconcileBusy", "Reconciled", "Reconciler", "TimeSpan",
    "amount",
]  # fmt: skip
