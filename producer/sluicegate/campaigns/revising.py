"""What another text would do to the recipients of a campaign who still wait for it."""

from collections.abc import Iterable
from decimal import Decimal

import msgspec

from ..config import Account
from ..errors import BadValue, InvalidMessage
from ..numbering import region_of
from ..stored import Ticket
from .plan import Plan
from .prices import Prices


class TextEffect(msgspec.Struct):
    """How many ``recipients`` get another text, and its segments and cost beside those before.

    ``refused`` of them could not be sent it; ``reason`` is why the first of these can't.
    """

    recipients: int = 0
    segments_before: int = 0
    segments_after: int = 0
    cost_before: Decimal = Decimal(0)
    cost_after: Decimal = Decimal(0)
    refused: int = 0
    reason: str = ""


class TextEffects:
    """Adds up what ``revised`` does to the tickets that it is shown."""

    def __init__(self, revised: Plan, account: Account) -> None:
        self._plan, self._prices = revised, Prices(account, revised.kind)
        self.found = TextEffect()
        self._countries: dict[str, tuple[int, int, int]] = {}

    def look(self, tickets: Iterable[bytes]) -> None:
        """Look at some more tickets."""
        found, plan = self.found, self._plan
        for text in tickets:
            ticket = Ticket.parse(text)
            found.recipients += 1
            try:
                values = plan.values_of(ticket)
                after = plan.segments(ticket.to, plan.template.render(values)).parts
            except (BadValue, InvalidMessage) as error:
                found.refused += 1
                found.reason = found.reason or str(error)
                continue
            found.segments_before += ticket.segments
            found.segments_after += after
            country = region_of(ticket.to)
            texts, before, later = self._countries.get(country, (0, 0, 0))
            self._countries[country] = (texts + 1, before + ticket.segments, later + after)

    def summed(self) -> TextEffect:
        """All of it, with its costs."""
        costs = self._countries.items()
        of = self._prices.cost
        self.found.cost_before = sum((of(c, n, b).cost for c, (n, b, _) in costs), Decimal(0))
        self.found.cost_after = sum((of(c, n, a).cost for c, (n, _, a) in costs), Decimal(0))
        return self.found
