"""One accepted message, as it is kept: the request's exact bytes, and what was decided of it."""

import msgspec

from .api import v1_body, validation
from .delivery import QUEUED, DeliveryState, PlannedDelivery


class AcceptedMessage(msgspec.Struct, gc=False):
    """An accepted message, as it stood on its arrival."""

    body: bytes
    #: Unix seconds of the provider's clock.
    received_at: float
    #: Monotonic seconds.
    arrived: float
    #: Empty without one.
    idempotency_key: str
    segments: int
    wait_seconds: float
    #: The profile secret of one that came by API v1, otherwise empty.
    secret: str = ""
    #: None while nobody is told of it: then it stays queued.
    delivery: PlannedDelivery | None = None

    def read(self) -> validation.Body:
        """The request's fields, those of API v1 as v2 names them."""
        body = (v1_body if self.secret else validation).decode(self.body)
        assert isinstance(body, validation.Body)  # noqa: S101 - it was accepted as one
        return body

    def state(self, now: float) -> DeliveryState:
        """How far it has come at ``now``, in monotonic seconds."""
        if self.delivery is None:
            return QUEUED
        return self.delivery.state(self.received_at, now - self.arrived)
