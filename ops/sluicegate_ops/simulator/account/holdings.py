"""What the imitated account owns: profiles, numbers, 10DLC registrations, verifications."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

CREATED_AT = "2026-01-05T09:00:00.000+00:00"

NumberType = Literal["long-code", "toll-free", "short-code"]
WebhookVersion = Literal["1", "2", "2010-04-01"]

_COUNTRY = re.compile(r"[A-Z]{2}|\*")
_MONEY = re.compile(r"[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, kw_only=True)
class OwnedProfile:
    """A messaging profile, with the provider's names for its settings.

    Raises ``ValueError``, naming the setting, for a value that the provider refuses.
    """

    id: str
    name: str = "main"
    enabled: bool = True
    webhook_url: str | None = None
    webhook_failover_url: str | None = None
    webhook_api_version: WebhookVersion = "2"
    whitelisted_destinations: tuple[str, ...] = ("*",)
    daily_spend_limit: str = "0"
    daily_spend_limit_enabled: bool = False
    smart_encoding: bool = False
    mms_fall_back_to_sms: bool = False
    mms_transcoding: bool = False
    mobile_only: bool = False
    number_pool_settings: dict[str, Any] | None = None
    url_shortener_settings: dict[str, Any] | None = None
    alpha_sender: str | None = None
    v1_secret: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        for name in ("webhook_url", "webhook_failover_url"):
            url = getattr(self, name)
            if url and not re.match(r"https?://[^/\s]+", url):
                raise ValueError(f"{name}: must be an http or https URL")
        if not all(map(_COUNTRY.fullmatch, self.whitelisted_destinations)):
            raise ValueError("whitelisted_destinations: each must be an ISO code, or *")
        if not _MONEY.fullmatch(self.daily_spend_limit):
            raise ValueError("daily_spend_limit: must be an amount such as 10.50")


@dataclass(frozen=True, kw_only=True)
class OwnedNumber:
    """A number and its messaging settings; ``messaging_profile_id`` is None if it has none."""

    phone_number: str
    messaging_profile_id: str | None = None
    type: NumberType = "long-code"
    country_code: str = "US"
    sms: bool = True
    mms: bool = True
    traffic_type: str = "A2P"


@dataclass(frozen=True, kw_only=True)
class OwnedShortCode:
    """A short code, which has a list of its own."""

    short_code: str
    messaging_profile_id: str | None = None
    country_code: str = "US"


@dataclass(frozen=True, kw_only=True)
class OwnedBrand:
    """A 10DLC brand; T-Mobile's tier and daily cap are told with each of its campaigns."""

    id: str
    name: str = "Acme"
    status: str = "OK"
    identity_status: str = "VERIFIED"
    entity_type: str = "PRIVATE_PROFIT"
    tmobile_tier: str = "LOW"
    tmobile_daily: int | None = 2000


@dataclass(frozen=True, kw_only=True)
class OwnedCampaign:
    """A 10DLC campaign of a brand, with the numbers that are assigned to it.

    ``tpm`` and ``mms_tpm`` are AT&T's segments a minute, as it tells them.
    """

    id: str
    brand: str
    usecase: str = "MIXED"
    status: str = "ACTIVE"
    campaign_status: str = "MNO_PROVISIONED"
    att_class: str | None = "F"
    tpm: int = 240
    mms_tpm: int = 150
    tpm_scope: str = "CAMPAIGN"
    tmobile_suspended: bool = False
    numbers: tuple[str, ...] = ()
    #: The state of each assignment: ASSIGNED, PENDING_ASSIGNMENT, FAILED_ASSIGNMENT.
    assignment: str = "ASSIGNED"


@dataclass(frozen=True, kw_only=True)
class OwnedVerification:
    """A request to have toll-free numbers verified."""

    id: str
    numbers: tuple[str, ...]
    status: str = "Verified"
    business: str = "Acme"


@dataclass(frozen=True, kw_only=True)
class Holdings:
    """All that the account owns; with nothing, any sender may send and nothing is listed."""

    profiles: tuple[OwnedProfile, ...] = ()
    numbers: tuple[OwnedNumber, ...] = ()
    short_codes: tuple[OwnedShortCode, ...] = ()
    brands: tuple[OwnedBrand, ...] = ()
    campaigns: tuple[OwnedCampaign, ...] = ()
    verifications: tuple[OwnedVerification, ...] = ()
    balance: str = "1000.00"
    currency: str = "USD"

    def __post_init__(self) -> None:
        ids = {profile.id for profile in self.profiles}
        named = [one.messaging_profile_id for one in self.numbers]
        named += [one.messaging_profile_id for one in self.short_codes]
        for profile in named:
            if profile is not None and profile not in ids:
                raise ValueError(f"account: no messaging profile {profile}")
        _unique("profile", (profile.id for profile in self.profiles))
        _unique("number", (number.phone_number for number in self.numbers))

    def __bool__(self) -> bool:
        return bool(self.profiles or self.numbers or self.short_codes)


def _unique(what: str, ids: Iterable[str]) -> None:
    known = set()
    for id in ids:
        if id in known:
            raise ValueError(f"account: the {what} {id} stands twice")
        known.add(id)
