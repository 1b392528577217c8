"""The configuration that follows from what an account owns: senders, registrations, brands."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, get_args

import msgspec

from sluicegate.config.senders import (
    PER_MINUTE,
    PER_NUMBER,
    Brand,
    CarrierClass,
    Registration,
    Sender,
)
from sluicegate_worker.provider.owned import KnownCampaign, KnownNumber, KnownProfile, Owned

TIERS: Final[Mapping[str, int]] = {
    "TOP": 200_000,
    **dict.fromkeys(("HIGH_MID", "UPPER_MID", "HIGH"), 40_000),
    **dict.fromkeys(("LOW_MID", "LOWER_MID", "MID"), 10_000),
    "LOW": 2_000,
    "SOLE_PROPRIETOR": 1_000,
}
"""What T-Mobile takes of a brand in a day, by its tier, where it doesn't tell the number."""

_MOST_MONEY: Final = 1_000_000  # what ``daily_money`` takes

_CLASSES: Final = frozenset(get_args(CarrierClass))


class SetAside(msgspec.Struct, frozen=True):
    """Something owned that is left out, why, and what would bring it in."""

    name: str
    why: str
    do: str


class Derived(msgspec.Struct, frozen=True):
    """What to configure, each with the reason for its values in ``reasons``, by its name."""

    senders: Mapping[str, Sender]
    registrations: Mapping[str, Registration]
    brands: Mapping[str, Brand]
    profiles: Sequence[KnownProfile]
    reasons: Mapping[str, str]
    set_aside: Sequence[SetAside]
    currency: str = ""


class Derivation:
    """Derives a configuration from ``owned``."""

    def __init__(self, owned: Owned) -> None:
        self._owned = owned
        self._profiles = {profile.id: profile for profile in owned.profiles}
        self._campaigns = {campaign.id: campaign for campaign in owned.campaigns}
        self._brand_names = {brand.id: brand.name for brand in owned.brands}
        self._assigned = {one.number: one for one in owned.assignments}
        self._reasons: dict[str, str] = {}
        self._aside: list[SetAside] = []
        self._used: dict[str, KnownCampaign] = {}

    def result(self) -> Derived:
        """The configuration; nothing in it is a guess."""
        senders = dict(self._senders())
        registrations, brands = self._registrations()
        return Derived(
            senders,
            registrations,
            brands,
            [profile for profile in self._owned.profiles if profile.enabled],
            self._reasons,
            self._aside,
            self._owned.currency,
        )

    # -- senders

    def _senders(self) -> Iterator[tuple[str, Sender]]:
        pools: dict[str, list[KnownNumber]] = defaultdict(list)
        for number in self._owned.numbers:
            profile = self._profiles.get(number.profile)
            if why := self._unusable(number, profile):
                self._aside.append(SetAside(number.number, *why))
            elif profile is not None and profile.pool and number.kind != "short_code":
                pools[profile.id].append(number)
            elif (sender := self._sender(number, profile)) is not None:
                yield number.number, sender
        for id, numbers in pools.items():
            yield id, self._pool(self._profiles[id], numbers)

    def _unusable(
        self, number: KnownNumber, profile: KnownProfile | None
    ) -> tuple[str, str] | None:
        if not number.profile:
            return "it is on no messaging profile", "assign it to one in the portal"
        if profile is None:
            return f"its messaging profile {number.profile} can't be read", "look in the portal"
        if not profile.enabled:
            return f"its messaging profile {profile.name} is disabled", "enable it in the portal"
        if not number.sms:
            return "it can't send SMS", "enable SMS for it in the portal"
        if number.kind == "other":
            return "it is of a kind that is not known here", "declare it by hand"
        if number.kind == "toll_free":
            return self._unverified(number)
        if number.kind == "long_code":
            return self._unregistered(number)
        return None

    def _unverified(self, number: KnownNumber) -> tuple[str, str] | None:
        state = self._owned.verified.get(number.number, "")
        if "toll-free verification" in self._owned.unread or state.lower() == "verified":
            return None
        told = f"it is {state}" if state else "no verification was requested"
        return f"toll-free numbers must be verified, and {told}", "have it verified in the portal"

    def _unregistered(self, number: KnownNumber) -> tuple[str, str] | None:
        if number.country != "US":
            return None
        if "assignments" in self._owned.unread:
            why = f"its 10DLC campaign can't be read: {self._owned.unread['assignments']}"
            return why, "give the key the right to read 10DLC, or declare it by hand"
        assignment = self._assigned.get(number.number)
        if assignment is None:
            why = "it is assigned to no 10DLC campaign, and US carriers would refuse its messages"
            return why, "assign it to a campaign in the portal"
        if assignment.status not in ("", "ASSIGNED"):
            why = f"its assignment to a 10DLC campaign is {assignment.status}"
            return why, "wait until carriers know of it"
        campaign = self._campaigns.get(assignment.campaign)
        if campaign is None:
            why = f"its 10DLC campaign {assignment.campaign} can't be read with this key"
            return why, "declare it and its registration by hand"
        if campaign.suspended:
            return f"its 10DLC campaign is {campaign.suspended}", "clear that in the portal"
        if not _rated(campaign):
            why = f"AT&T tells neither class nor rates of its 10DLC campaign {campaign.id}"
            return why, "declare the registration by hand"
        return None

    def _sender(self, number: KnownNumber, profile: KnownProfile | None) -> Sender | None:
        told = [f"messaging profile {profile.name}"] if profile else []
        told += ["no MMS"] * (not number.mms and number.kind != "short_code")
        if number.kind == "toll_free":
            told.append(f"verification: {self._owned.verified.get(number.number, 'not readable')}")
            sender = Sender(kind="toll_free")
        elif number.kind == "short_code":
            sender = Sender(kind="short_code")
        elif (campaign := self._campaign_of(number)) is not None:
            sender = Sender(kind="10dlc", registration=self._registration(campaign))
            told.append(f"10DLC campaign {campaign.id}")
        else:
            sender = Sender(kind="long_code")
        self._reasons[number.number] = "; ".join(told)
        return sender

    def _pool(self, profile: KnownProfile, numbers: Sequence[KnownNumber]) -> Sender:
        kinds = {number.kind for number in numbers}
        campaigns = {campaign.id: campaign for number in numbers
                     if (campaign := self._campaign_of(number)) is not None}  # fmt: skip
        count, told = len(numbers), f"number pool of messaging profile {profile.name}"
        registration, per_second = "", None
        if kinds == {"toll_free"}:
            per_second = 20.0
        elif kinds == {"long_code"} and len(campaigns) == 1:
            (campaign,) = campaigns.values()
            if all(self._campaign_of(number) for number in numbers):
                registration = self._registration(campaign)
        if not registration and (len(kinds) > 1 or campaigns):
            told += "; of several kinds or campaigns, so at the slowest rate of them"
        self._reasons[profile.id] = f"{told}, {count} numbers"
        return Sender(kind="pool", numbers=count, registration=registration, per_second=per_second)

    # -- registrations

    def _campaign_of(self, number: KnownNumber) -> KnownCampaign | None:
        assignment = self._assigned.get(number.number)
        return self._campaigns.get(assignment.campaign) if assignment else None

    def _registration(self, campaign: KnownCampaign) -> str:
        name = named(campaign.usecase or "campaign", campaign.id)
        self._used[name] = campaign
        return name

    def _registrations(self) -> tuple[dict[str, Registration], dict[str, Brand]]:
        registrations, brands = {}, {}
        caps: dict[str, list[int]] = defaultdict(list)
        for campaign in self._used.values():
            if cap := daily_cap(campaign):
                caps[campaign.brand].append(cap)
        for name, campaign in self._used.items():
            brand = ""
            if campaign.brand in caps:
                brand = named(self._brand_names.get(campaign.brand) or "brand", campaign.brand)
                brands[brand] = Brand(tmobile_daily=min(caps[campaign.brand]))
                tier = f", tier {campaign.tmobile_tier}" if campaign.tmobile_tier else ""
                self._reasons[f"brand {brand}"] = f"10DLC brand {campaign.brand}{tier}"
            else:
                why = "T-Mobile tells no daily cap of its brand, so none is kept here"
                do = "look it up in the portal and declare the brand by hand"
                self._aside.append(SetAside(f"the brand of registration {name}", why, do))
            registrations[name] = registration_of(campaign, brand)
            told = f"10DLC campaign {campaign.id}, AT&T class {campaign.att_class or 'not told'}"
            self._reasons[f"registration {name}"] = told
        return registrations, brands


def derive(owned: Owned) -> Derived:
    """The configuration that follows from what an account owns."""
    return Derivation(owned).result()


def registration_of(campaign: KnownCampaign, brand: str = "") -> Registration:
    """A campaign as it is configured: by its class, and by its rates where they are others."""
    known = campaign.att_class in _CLASSES
    carrier_class: CarrierClass | None = campaign.att_class if known else None  # type: ignore[assignment] # one of them
    table = PER_MINUTE[carrier_class] if carrier_class else (None, None)
    rates = (campaign.sms_per_minute, campaign.mms_per_minute)
    sms, mms = (
        told if told is not None and told != listed else None
        for told, listed in zip(rates, table, strict=True)
    )
    if carrier_class in PER_NUMBER and not campaign.per_number:
        carrier_class = None  # its rates hold for the campaign, as AT&T tells
        sms, mms = rates
    return Registration(
        carrier_class=carrier_class, sms_per_minute=sms, mms_per_minute=mms, brand=brand
    )


def daily_cap(campaign: KnownCampaign) -> int | None:
    """What T-Mobile takes of its brand in a day, as it tells or by the tier; None if neither."""
    return campaign.tmobile_daily or TIERS.get(campaign.tmobile_tier.upper().replace("-", "_"))


def spend_limit(profiles: Sequence[KnownProfile]) -> float | None:
    """What all that are enabled may spend in a day together; None where one has no limit."""
    limits = [_amount(profile.daily_spend) for profile in profiles if profile.enabled]
    told = [limit for limit in limits if limit]
    total = round(sum(told), 6)
    return total if told and len(told) == len(limits) and total <= _MOST_MONEY else None


def named(text: str, id: str) -> str:
    """A name for the configuration that stays the same: words, and the beginning of an id."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "x"
    return f"{words[:31].strip('-')}-{re.sub(r'[^A-Za-z0-9]', '', id)[:8] or '0'}"


def counted_kinds(derived: Derived) -> dict[str, int]:
    """How many senders of each kind there are."""
    return dict(Counter(sender.kind for sender in derived.senders.values()))


def _amount(text: str | None) -> float | None:
    """An amount of money; None for none, and for what is not one."""
    plain = text is not None and re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text.strip())
    return float(text or 0) if plain else None


def _rated(campaign: KnownCampaign) -> bool:
    return campaign.att_class in _CLASSES or None not in (
        campaign.sms_per_minute,
        campaign.mms_per_minute,
    )
