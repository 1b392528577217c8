"""The account's API: which path lists, shows or changes what."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, TypeVar

import msgspec

from ..api.validation import Refusal
from ..http.exchange import Request
from . import shown
from .deliveries import WebhookDeliveries
from .detail_records import BadFilter, DetailRecords
from .holdings import Holdings, OwnedCampaign, OwnedNumber, OwnedProfile
from .pages import of_page, of_records, of_requests, options_of

Answer = bytes | Refusal
"""A body for 200, or what is wrong."""

_Options = Mapping[str, str]
_Owned = TypeVar("_Owned")
_READ_ONLY = {"id"}
_OWN = {f.name for f in OwnedProfile.__dataclass_fields__.values()}
_TFV = "/v2/messaging_tollfree/verification/requests"


class AccountApi:
    """Answers what is asked of the account, from ``holdings``.

    ``change`` keeps other holdings.
    """

    def __init__(
        self,
        holdings: Holdings,
        change: Callable[[Holdings], None],
        records: DetailRecords,
        deliveries: WebhookDeliveries,
        public_key: Callable[[], str],
    ) -> None:
        self._own, self._change = holdings, change
        self._records, self._deliveries, self._public_key = records, deliveries, public_key
        self._routes: list[tuple[str, re.Pattern[str], Callable[..., Answer]]] = [
            (method, re.compile(path.replace("ID", "([^/]+)")), act)
            for method, path, act in self._table()
        ]

    def _table(self) -> Iterable[tuple[str, str, Callable[..., Answer]]]:
        yield "GET", "/v2/balance", self._balance
        yield "GET", "/v2/public_key", self._key
        yield "GET", "/v2/messaging_profiles", self._profiles
        yield "GET", "/v2/messaging_profiles/ID", self._profile
        yield "PATCH", "/v2/messaging_profiles/ID", self._patch
        yield "GET", "/v2/messaging_profiles/ID/phone_numbers", self._numbers_of
        yield "GET", "/v2/messaging_profiles/ID/short_codes", self._codes_of
        yield "GET", "/v2/phone_numbers/messaging", self._numbers
        yield "GET", "/v2/phone_numbers/ID/messaging", self._number
        yield "GET", "/v2/short_codes", self._codes
        yield "GET", "/v2/10dlc/brand", self._brands
        yield "GET", "/v2/10dlc/brand/ID", self._brand
        yield "GET", "/v2/10dlc/campaign", self._campaigns
        yield "GET", "/v2/10dlc/campaign/ID", self._campaign
        yield "GET", "/v2/10dlc/campaign/ID/mnoMetadata", self._carriers
        yield "GET", "/v2/10dlc/phone_number_campaigns", self._assignments
        yield "GET", "/v2/10dlc/phone_number_campaigns/ID", self._assignment
        yield "GET", _TFV, self._verifications
        yield "GET", "/v2/detail_records", self._detail_records
        yield "GET", "/v2/webhook_deliveries", self._webhook_deliveries

    def answer(self, request: Request, now: float, wall: float) -> Answer | None:
        """The answer to a request; None where no path of the account's is asked for.

        ``now`` is in monotonic seconds, ``wall`` in Unix seconds.
        """
        self._now, self._wall = now, wall
        elsewhere = False
        for method, path, act in self._routes:
            if not (match := path.fullmatch(request.path)):
                continue
            if method != request.method:
                elsewhere = True
                continue
            last = request.body if method == "PATCH" else options_of(request.query)
            return act(*match.groups(), last)
        return Refusal("method") if elsewhere else None

    def _balance(self, _: _Options) -> Answer:
        own = self._own
        credit = {"balance": own.balance, "available_credit": own.balance, "credit_limit": "0.00"}
        kind = {"record_type": "balance", "pending": "0.00", "currency": own.currency}
        return _data({**kind, **credit})

    def _key(self, _: _Options) -> Answer:
        return _data({"public": self._public_key(), "record_type": "public_key"})

    # -- profiles, numbers, short codes

    def _profiles(self, options: _Options) -> Answer:
        exact = options.get("filter[name]", options.get("filter[name][eq]"))
        within = options.get("filter[name][contains]", "")
        chosen = [p for p in self._own.profiles if exact in (None, p.name) and within in p.name]
        return of_page([shown.profile(one) for one in chosen], options)

    def _profile(self, id: str, _: object) -> Answer:
        one = _find(self._own.profiles, lambda profile: profile.id, id)
        return Refusal("not_found") if one is None else _data(shown.profile(one))

    def _patch(self, id: str, body: bytes) -> Answer:
        old = _find(self._own.profiles, lambda profile: profile.id, id)
        if old is None:
            return Refusal("not_found")
        new = _changed(old, body)
        if isinstance(new, Refusal):
            return new
        profiles = tuple(new if one is old else one for one in self._own.profiles)
        self._change(replace(self._own, profiles=profiles))
        return _data(shown.profile(new))

    def _numbers_of(self, id: str, options: _Options) -> Answer:
        if isinstance(self._profile(id, None), Refusal):
            return Refusal("not_found")
        return self._numbers({**options, "filter[messaging_profile_id]": id})

    def _numbers(self, options: _Options) -> Answer:
        kind, profile = options.get("filter[type]"), options.get("filter[messaging_profile_id]")
        chosen = [
            number
            for number in self._own.numbers
            if options.get("filter[phone_number]", number.phone_number) == number.phone_number
            and kind in (None, number.type, number.type.replace("-", ""))
            and profile in (None, number.messaging_profile_id)
        ]
        return of_page([shown.number(one) for one in chosen], options)

    def _number(self, id: str, _: _Options) -> Answer:
        def named(number: OwnedNumber) -> str:
            return id if id in (number.phone_number, shown.id_of(number.phone_number)) else ""

        one = _find(self._own.numbers, named, id)
        return Refusal("not_found") if one is None else _data(shown.number(one))

    def _codes_of(self, id: str, options: _Options) -> Answer:
        if isinstance(self._profile(id, None), Refusal):
            return Refusal("not_found")
        return self._codes({**options, "filter[messaging_profile_id]": id})

    def _codes(self, options: _Options) -> Answer:
        profile = options.get("filter[messaging_profile_id]")
        chosen = [c for c in self._own.short_codes if profile in (None, c.messaging_profile_id)]
        return of_page([shown.short_code(one) for one in chosen], options)

    # -- registrations

    def _brands(self, options: _Options) -> Answer:
        own = self._own
        count = [sum(c.brand == brand.id for c in own.campaigns) for brand in own.brands]
        pairs = zip(own.brands, count, strict=True)
        return of_records([shown.brand(brand, campaigns) for brand, campaigns in pairs], options)

    def _brand(self, id: str, _: _Options) -> Answer:
        one = _find(self._own.brands, lambda brand: brand.id, id)
        campaigns = sum(campaign.brand == id for campaign in self._own.campaigns)
        return Refusal("not_found") if one is None else _json(shown.brand(one, campaigns))

    def _campaigns(self, options: _Options) -> Answer:
        if not (brand := options.get("brandId")):
            return Refusal("missing", "/brandId")
        chosen = [campaign for campaign in self._own.campaigns if campaign.brand == brand]
        return of_records([self._campaign_shown(one) for one in chosen], options)

    def _campaign(self, id: str, _: _Options) -> Answer:
        one = _find(self._own.campaigns, lambda campaign: campaign.id, id)
        return Refusal("not_found") if one is None else _json(self._campaign_shown(one))

    def _campaign_shown(self, one: OwnedCampaign) -> dict[str, Any]:
        owner = _find(self._own.brands, lambda brand: brand.id, one.brand)
        return shown.campaign(one, owner.name if owner else "")

    def _carriers(self, id: str, _: _Options) -> Answer:
        one = _find(self._own.campaigns, lambda campaign: campaign.id, id)
        if one is None:
            return Refusal("not_found")
        owner = _find(self._own.brands, lambda brand: brand.id, one.brand)
        return _json(shown.carriers(one, owner))

    def _assignments(self, options: _Options) -> Answer:
        wanted = options.get("filter[telnyx_campaign_id]")
        rows = [
            shown.assignment(campaign, number)
            for campaign in self._own.campaigns
            if wanted in (None, campaign.id)
            for number in campaign.numbers
        ]
        return of_records(rows, options)

    def _assignment(self, number: str, _: _Options) -> Answer:
        number = number.replace("%2B", "+")
        one = _find(self._own.campaigns, lambda c: number if number in c.numbers else "", number)
        return Refusal("not_found") if one is None else _json(shown.assignment(one, number))

    def _verifications(self, options: _Options) -> Answer:
        status, number = options.get("status"), options.get("phone_number")
        chosen = [
            one
            for one in self._own.verifications
            if status in (None, one.status) and (number is None or number in one.numbers)
        ]
        return of_requests([shown.verification(one) for one in chosen], options)

    # -- what was sent

    def _detail_records(self, options: _Options) -> Answer:
        try:
            return self._records.page(options, self._now, self._wall)
        except BadFilter as error:
            return Refusal("bad_request", str(error))

    def _webhook_deliveries(self, options: _Options) -> Answer:
        return self._deliveries.page(options)


def _changed(old: OwnedProfile, body: bytes) -> OwnedProfile | Refusal:
    """The profile with what a PATCH names; fields that nobody may write are ignored."""
    try:
        given = msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Refusal("bad_json")
    fields = {name: value for name, value in given.items() if name in _OWN - _READ_ONLY}
    try:
        return msgspec.convert({**asdict(old), **fields}, OwnedProfile)
    except msgspec.ValidationError as error:
        name = str(error).partition(":")[0]
        if name in ("webhook_url", "webhook_failover_url"):
            return Refusal("bad_url", f"/{name}")
        at = re.search(r"`\$\.(\w+)", str(error))
        return Refusal("bad_type", f"/{at[1]}" if at else f"/{name}")


def _find(all: Sequence[_Owned], key: Callable[[_Owned], str], id: str) -> _Owned | None:
    return next((one for one in all if key(one) == id), None)


def _data(value: object) -> bytes:
    return _json({"data": value})


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)
