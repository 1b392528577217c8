"""What is told of one recipient of a campaign."""

import msgspec


class RecipientStatus(msgspec.Struct, frozen=True):
    """One recipient; ``when`` is when it last changed, "" where it never moved.

    ``delivery`` is what a receipt said of one that was accepted, "unknown" without one.
    ``maybe_sent``: it isn't accepted, whatever its state, but may have been sent a message.
    ``cost`` is what was billed for it, an exact amount, "" where that is not known; for each time
    where it was sent a message twice, with a comma between, and likewise ``currency``.
    ``version`` is that of its campaign's text, ``carrier`` the number's, as the provider names it.
    ``country`` is an ISO code, and ``area`` as ``area_of`` tells it. ``variant`` is which of
    two texts it got, a or b, where the campaign has two. ``clicked``: somebody followed one of its
    short links.
    """

    id: str
    to: str
    state: str
    attempts: int = 0
    provider_id: str = ""
    code: str = ""
    reason: str = ""
    when: str = ""
    delivery: str = ""
    delivery_at: str = ""
    delivery_code: str = ""
    maybe_sent: bool = False
    cost: str = ""
    currency: str = ""
    parts: int = 0
    version: int = 1
    carrier: str = ""
    country: str = ""
    area: str = ""
    variant: str = ""
    clicked: bool = False
