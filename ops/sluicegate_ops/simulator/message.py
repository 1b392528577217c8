"""One accepted message as it is stored: the request's exact bytes, and the decision on it."""

import msgspec

from .api import v1_body, validation
from .billing import Billed
from .carriers import CARRIER
from .delivery import QUEUED, DeliveryState, PlannedDelivery


class AcceptedMessage(msgspec.Struct, gc=False):
    """An accepted message, as it was at its arrival."""

    body: bytes
    #: Unix seconds of the provider's clock.
    received_at: float
    #: Monotonic seconds.
    arrived: float
    #: The id of the messaging profile that sends it.
    profile: str
    #: Empty if there was none.
    idempotency_key: str
    segments: int
    wait_seconds: float
    billed: Billed
    #: Whose the recipient's number is.
    carrier: str = CARRIER
    #: The profile secret of a message sent with API v1, otherwise empty.
    secret: str = ""
    #: None if no webhook reports on it; it then stays queued.
    delivery: PlannedDelivery | None = None
    #: Whether its final event was acknowledged.
    finally_told: bool = False
    #: W3C Trace Context, as it came; empty if there was none.
    traceparent: str = ""

    def read(self) -> validation.Body:
        """The request's fields, by their names in API v2."""
        body = (v1_body if self.secret else validation).decode(self.body)
        assert isinstance(body, validation.Body)  # noqa: S101 - it was accepted as one
        return body

    def state(self, now: float) -> DeliveryState:
        """Its state at ``now``, in monotonic seconds."""
        if self.delivery is None:
            return QUEUED
        return self.delivery.state(self.received_at, now - self.arrived)
