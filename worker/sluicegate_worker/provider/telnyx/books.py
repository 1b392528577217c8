"""An account's books at Telnyx: profiles, numbers, 10DLC and messages, read with its key."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx

from sluicegate.config import Account

from ..owned import (
    Assignment,
    KnownBrand,
    KnownCampaign,
    KnownNumber,
    KnownProfile,
    NumberKind,
    Owned,
    Unread,
)
from .calls import AccountCalls

_KINDS: Final[Mapping[str, NumberKind]] = {
    "longcode": "long_code",
    "tollfree": "toll_free",
    "shortcode": "short_code",
}
_WELL: Final = frozenset({"ACTIVE", "MNO_PROVISIONED", "MNO_ACCEPTED", "TELNYX_ACCEPTED"})
_ENDED: Final = frozenset(
    {
        *("TCR_SUSPENDED", "TCR_EXPIRED", "TCR_FAILED", "TELNYX_FAILED", "MNO_REJECTED"),
        *("MNO_PROVISIONING_FAILED", "SUSPENDED", "EXPIRED", "DEACTIVATED", "DORMANT"),
    }
)
_PROFILES: Final = "/messaging_profiles"
_V1: Final = "a messaging profile's secret can't read the account: name an account with api = v2"
_TFV: Final = "/messaging_tollfree/verification/requests"


class TelnyxBooks:
    """See ``owned.AccountBooks``."""

    def __init__(
        self, account: Account, key: str, client: httpx.Client, sleep: Callable[[float], object]
    ) -> None:
        headers = {"Authorization": f"Bearer {key}"}
        self._calls = AccountCalls(account.base_url, headers, key, client, sleep)

    def owned(self) -> Owned:
        """Everything; what the key may not read is named in ``unread``.

        Raises ``Unread`` if the key is refused, or if the profiles or numbers can't be read.
        """
        unread: dict[str, str] = {}

        def part(name: str, read: Callable[[], Any], otherwise: Any) -> Any:
            try:
                return read()
            except Unread as error:
                if error.status == 401:
                    raise
                unread[name] = str(error)
                return otherwise

        balance, currency = part("balance", self._balance, ("", ""))
        brands = part("brands", lambda: list(self._brands()), [])
        return Owned(
            profiles=list(self.profiles()),
            numbers=[*self._numbers(), *part("short codes", lambda: list(self._codes()), [])],
            brands=brands,
            campaigns=part("campaigns", lambda: list(self._campaigns(brands)), []),
            assignments=part("assignments", lambda: list(self._assignments()), []),
            verified=part("toll-free verification", lambda: dict(self._verified()), {}),
            balance=balance,
            currency=currency,
            public_key=part("public key", self._public_key, ""),
            unread=unread,
        )

    def profiles(self) -> Iterator[KnownProfile]:
        return map(_profile, self._calls.pages(_PROFILES))

    def profile(self, id: str) -> KnownProfile:
        return _profile(_data(self._calls.get(f"{_PROFILES}/{quote(id, safe='')}")))

    def set_webhooks(self, id: str, fields: Mapping[str, str | None]) -> KnownProfile:
        return _profile(_data(self._calls.patch(f"{_PROFILES}/{quote(id, safe='')}", fields)))

    def message(self, id: str) -> Mapping[str, object]:
        return _data(self._calls.get(f"/messages/{quote(id, safe='')}"))

    def balance(self) -> str:
        return " ".join(self._balance())

    def _balance(self) -> tuple[str, str]:
        data = _data(self._calls.get("/balance"))
        return _text(data.get("balance")), _text(data.get("currency"))

    def _public_key(self) -> str:
        return _text(_data(self._calls.get("/public_key")).get("public"))

    def _numbers(self) -> Iterator[KnownNumber]:
        return map(_number, self._calls.pages("/phone_numbers/messaging"))

    def _codes(self) -> Iterator[KnownNumber]:
        for entry in self._calls.pages("/short_codes"):
            yield KnownNumber(
                number=_text(entry.get("short_code")),
                kind="short_code",
                profile=_text(entry.get("messaging_profile_id")),
                country=_text(entry.get("country_code")),
            )

    def _brands(self) -> Iterator[KnownBrand]:
        for entry in self._calls.records("/10dlc/brand", "recordsPerPage", "totalRecords"):
            yield KnownBrand(
                id=_text(entry.get("brandId")),
                name=_text(entry.get("displayName") or entry.get("companyName")),
                status=_text(entry.get("status")),
            )

    def _campaigns(self, brands: Iterable[KnownBrand]) -> Iterator[KnownCampaign]:
        for brand in brands:
            listed = self._calls.records(
                "/10dlc/campaign", "recordsPerPage", "totalRecords", brandId=brand.id
            )
            for entry in listed:
                id = _text(entry.get("campaignId"))
                told = self._calls.get(f"/10dlc/campaign/{quote(id, safe='')}/mnoMetadata")
                yield campaign_of(entry, told)

    def _assignments(self) -> Iterator[Assignment]:
        path = "/10dlc/phone_number_campaigns"
        for entry in self._calls.records(path, "recordsPerPage", "totalRecords"):
            yield Assignment(
                number=_text(entry.get("phoneNumber")),
                campaign=_text(entry.get("telnyxCampaignId") or entry.get("campaignId")),
                status=_text(entry.get("assignmentStatus")),
            )

    def _verified(self) -> Iterator[tuple[str, str]]:
        for entry in self._calls.records(_TFV, "page_size", "total_records"):
            for number in entry.get("phoneNumbers") or ():
                if isinstance(number, dict):
                    yield _text(number.get("phoneNumber")), _text(entry.get("verificationStatus"))


class TelnyxV1Books:
    """What API v1 tells: the secret of a messaging profile reads messages, and nothing else."""

    def __init__(
        self, account: Account, key: str, client: httpx.Client, sleep: Callable[[float], object]
    ) -> None:
        self._calls = AccountCalls(account.base_url, {"X-Profile-Secret": key}, key, client, sleep)

    def owned(self) -> Owned:
        raise Unread(_V1)

    def profiles(self) -> Iterator[KnownProfile]:
        raise Unread(_V1)

    def profile(self, id: str) -> KnownProfile:
        raise Unread(_V1)

    def set_webhooks(self, id: str, fields: Mapping[str, str | None]) -> KnownProfile:
        raise Unread(_V1)

    def message(self, id: str) -> Mapping[str, object]:
        """A message detail record, flat as v1's are."""
        record: Mapping[str, object] = self._calls.get(f"/messages/{quote(id, safe='')}")
        return record

    def balance(self) -> str:
        raise Unread(_V1)


def campaign_of(entry: Mapping[str, Any], told: Mapping[str, Any]) -> KnownCampaign:
    """A campaign from its entry and from what carriers tell, under their registry's numbers."""
    told = told.get("mnoMetadata") or told
    carriers = [one for one in told.values() if isinstance(one, dict)]
    att = next((one for one in carriers if "AT&T" in _text(one.get("mno"))), {})
    tmobile = next((one for one in carriers if "T-Mobile" in _text(one.get("mno"))), {})
    scope = _text(att.get("tpmScope")).upper()
    return KnownCampaign(
        id=_text(entry.get("campaignId")),
        brand=_text(entry.get("brandId")),
        usecase=_text(entry.get("usecase")),
        status=_text(entry.get("campaignStatus") or entry.get("status")),
        suspended=_suspended(entry),
        att_class=_text(att.get("msgClass")).upper(),
        sms_per_minute=_amount(att.get("tpm")),
        mms_per_minute=_amount(att.get("mmsTpm")),
        per_number=scope not in ("", "CAMPAIGN"),
        tmobile_tier=_text(tmobile.get("brandTier")),
        tmobile_daily=_whole(tmobile.get("brandDailyCap")),
    )


def _suspended(entry: Mapping[str, Any]) -> str:
    states = [_text(entry.get(name)).upper() for name in ("campaignStatus", "status")]
    for state in states:
        if state in _ENDED:
            return state
    if entry.get("isTMobileSuspended") is True:
        return "suspended by T-Mobile"
    if states[0] and not _WELL & set(states):
        return f"not approved yet: {states[0]}"
    return ""


def _profile(entry: Mapping[str, Any]) -> KnownProfile:
    whitelist = entry.get("whitelisted_destinations")
    countries = tuple(map(_text, whitelist)) if isinstance(whitelist, list) else ()
    limited = entry.get("daily_spend_limit_enabled") is True
    return KnownProfile(
        id=_text(entry.get("id")),
        name=_text(entry.get("name")),
        enabled=entry.get("enabled") is not False,
        webhook_url=_text(entry.get("webhook_url")),
        webhook_failover_url=_text(entry.get("webhook_failover_url")),
        webhook_api_version=_text(entry.get("webhook_api_version")) or "2",
        countries=() if "*" in countries else countries,
        daily_spend=_text(entry.get("daily_spend_limit")) if limited else None,
        smart_encoding=entry.get("smart_encoding") is True,
        mms_fall_back_to_sms=entry.get("mms_fall_back_to_sms") is True,
        pool=isinstance(entry.get("number_pool_settings"), dict),
        v1_secret=_text(entry.get("v1_secret")),
    )


def _number(entry: Mapping[str, Any]) -> KnownNumber:
    kind = _text(entry.get("type")).replace("-", "").lower()
    features = entry.get("features")
    features = features if isinstance(features, dict) else {"sms": True, "mms": True}
    return KnownNumber(
        number=_text(entry.get("phone_number")),
        kind=_KINDS.get(kind, "other"),
        profile=_text(entry.get("messaging_profile_id")),
        country=_text(entry.get("country_code")),
        sms=bool(features.get("sms")),
        mms=bool(features.get("mms")),
    )


def _data(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    data = answer.get("data")
    if not isinstance(data, dict):
        raise Unread("the answer has no data")
    return data


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _amount(value: object) -> float | None:
    fits = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return float(value) if fits else None  # type: ignore[arg-type] # a number, by the line above


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
