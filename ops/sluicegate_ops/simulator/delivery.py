"""What happens to an accepted message, and when: drawn at acceptance, visible as time passes."""

from random import Random
from typing import NamedTuple

import msgspec

from .faults import MAGIC_PREFIX
from .settings import Webhooks


class DeliveryState(NamedTuple):
    """A message's state at one moment; times are Unix seconds of the provider's clock."""

    status: str
    sent_at: float | None = None
    completed_at: float | None = None
    #: The code of the delivery error, if the state has one.
    code: str = ""


QUEUED = DeliveryState("queued")

#: The delivery errors by code; the texts are shortened from the provider's.
DELIVERY_ERRORS = {
    "40001": "Not routable",
    "40002": "Blocked as spam - temporary",
    "40003": "Blocked as spam - permanent",
    "40004": "Rejected by destination",
    "40005": "Message expired during transmission",
    "40006": "Recipient server unavailable",
    "40008": "Undeliverable",
    "40010": "Not 10DLC registered",
    "40011": "Too many requests",
    "40012": "Invalid messaging destination number",
    "40014": "Message expired in queue",
    "40016": "T-Mobile 10DLC sending limit reached",
    "40018": "AT&T 10DLC sending limit reached",
}

#: Last four digits of a magic number: its final status and code. Without a status, no final event.
MAGIC = {
    "8000": ("delivery_unconfirmed", ""),
    "8099": ("", ""),
    **{f"80{code[-2:]}": ("delivery_failed", code) for code in DELIVERY_ERRORS},
    "8014": ("expired", "40014"),
}

#: The magic number that never causes an event.
SILENT = MAGIC_PREFIX + "8098"


class PlannedDelivery(msgspec.Struct, gc=False, frozen=True):
    """When a message is sent and becomes final, in seconds after arrival, and its final status."""

    sent_after: float
    final_after: float
    #: Empty if it never becomes final.
    status: str
    code: str = ""

    def state(self, received_at: float, passed: float) -> DeliveryState:
        """The state ``passed`` seconds after the arrival at ``received_at`` (Unix seconds)."""
        sent_at = received_at + self.sent_after
        if passed >= self.final_after and self.status:
            return DeliveryState(self.status, sent_at, received_at + self.final_after, self.code)
        return DeliveryState("sent", sent_at) if passed >= self.sent_after else QUEUED

    def contrary(self) -> "PlannedDelivery":
        """The opposite final status, for a false event."""
        failed = ("delivery_failed", "40008")
        return PlannedDelivery(
            self.sent_after,
            self.final_after,
            *(failed if self.status == "delivered" else ("delivered", "")),
        )


def draw(
    recipient: str, carrier: str, wait_seconds: float, webhooks: Webhooks, random: Random
) -> PlannedDelivery:
    """Draw a delivery: its end follows the recipient's magic number, or else the dice."""
    sent_after = wait_seconds + _delay(webhooks, random)
    final_after = sent_after + _delay(webhooks, random)
    end = None
    if recipient.startswith(MAGIC_PREFIX) and len(recipient) == len(MAGIC_PREFIX) + 4:
        end = MAGIC.get(recipient[-4:])
    return PlannedDelivery(sent_after, final_after, *(end or _end(webhooks, carrier, random)))


def _delay(webhooks: Webhooks, random: Random) -> float:
    return max(0.0, random.gauss(webhooks.delay_seconds, webhooks.jitter_seconds))


def _end(webhooks: Webhooks, carrier: str, random: Random) -> tuple[str, str]:
    rolled = random.random()
    failed = webhooks.carriers_failed.get(carrier, webhooks.delivery_failed)
    if rolled < failed:
        return "delivery_failed", random.choice(webhooks.failure_codes)
    if rolled < failed + webhooks.delivery_unconfirmed:
        return "delivery_unconfirmed", ""
    return "delivered", ""
