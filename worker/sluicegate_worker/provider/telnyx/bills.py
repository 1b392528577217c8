"""What Telnyx tells of a message that it took, on either API; reading it never raises."""

import re
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from sluicegate.carriers import carrier_of
from sluicegate.stored import MOST_COST, NO_BILL, Bill

_MOST = Decimal(MOST_COST).scaleb(-9)
_MOST_TEXT = 400  # characters of a word that are looked at: what is remembered has an end
_number = re.compile(r"[0-9]{1,16}(?:\.[0-9]{0,30})?(?:[eE][+-]?[0-9]{1,3})?", re.ASCII).fullmatch


def v2_bill(data: Mapping[str, object]) -> Bill:
    """What an answer's ``data``, or a webhook's ``payload``, says."""
    to = data.get("to")
    recipient = _table(to[0] if isinstance(to, list) and to else to)
    cost, currency = _money(data.get("cost"), data.get("currency"))
    if cost is None and (breakdown := data.get("cost_breakdown")):
        cost, currency = _sum(breakdown)
    return _bill(recipient, recipient.get("phone_number"), data.get("parts"), cost, currency,
                 data.get("tcr_campaign_id"))  # fmt: skip


def v1_bill(record: Mapping[str, object]) -> Bill:
    """What a v1 answer, or a message detail record, says."""
    cost, currency = _money(record.get("cost"), record.get("currency"))
    body = _table(record.get("body"))
    parts = record.get("parts", body.get("parts"))
    number = record.get("to", _table(record.get("msg")).get("dst"))
    return _bill(record, number, parts, cost, currency, None)


def record_bill(record: Mapping[str, object]) -> Bill:
    """What a detail record of API v2 says."""
    cost, currency = _money(record.get("cost"), record.get("currency"))
    number = record.get("cld")
    if isinstance(number, str) and number.isdecimal():
        number = f"+{number}"
    return _bill(record, number, record.get("parts"), cost, currency, None)


def _bill(
    said: Mapping[str, object],
    number: object,
    parts: object,
    cost: int | None,
    currency: str,
    registration: object,
) -> Bill:
    abroad = isinstance(number, str) and number.startswith("+") and not number.startswith("+1")
    return _bill_of(
        _text(said.get("carrier")),
        abroad,
        parts if type(parts) is int else 0,
        cost,
        currency,
        _text(said.get("line_type")),
        _text(registration),
    )


@lru_cache(maxsize=1024)
def _bill_of(
    name: str,
    abroad: bool,
    parts: int,
    cost: int | None,
    currency: str,
    line_type: str,
    registration: str,
) -> Bill:
    """A bill; a few carriers, lengths and prices make up nearly all of them."""
    # T-Mobile has namesakes in other countries, which have nothing to do with its limits.
    carrier = "other" if abroad and name else carrier_of(name)
    bill = Bill(
        carrier=carrier,
        parts=parts,
        cost_billionths=cost,
        currency=currency,
        line_type=line_type,
        registration=registration,
        carrier_name=name,
    )
    return bill if bill != NO_BILL else NO_BILL


def _money(cost: object, currency: object) -> tuple[int | None, str]:
    """An amount in billionths and its currency: of an object of both, or of one beside the other.

    An amount without a currency says nothing.
    """
    table = _table(cost)
    if table:
        cost, currency = table.get("amount"), table.get("currency")
    code = currency.strip().upper() if isinstance(currency, str) else ""
    amount = _billionths(cost)
    return (None, "") if amount is None or len(code) != 3 else (amount, code)


def _billionths(amount: object) -> int | None:
    """An amount as a text or a number; None for what is neither, or no price of a message.

    It is exact to a billionth.
    """
    if type(amount) not in (str, int, float):
        return None
    text = str(amount).strip()
    return _read_billionths(text) if len(text) <= _MOST_TEXT else None


@lru_cache(maxsize=256)
def _read_billionths(text: str) -> int | None:
    if not _number(text) or (exact := Decimal(text)) > _MOST:
        return None
    return int(exact.scaleb(9).to_integral_value(ROUND_HALF_EVEN))


def _sum(breakdown: object) -> tuple[int | None, str]:
    """The sum of a cost's parts, where each can be read and all are of one currency."""
    parts = [_money(part, None) for part in _table(breakdown).values() if part is not None]
    amounts = [amount for amount, _ in parts if amount is not None]
    currencies = {currency for _, currency in parts}
    if not parts or len(amounts) < len(parts) or len(currencies) != 1:
        return None, ""
    return sum(amounts), currencies.pop()


def _table(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value.strip()[:_MOST_TEXT] if isinstance(value, str) else ""
