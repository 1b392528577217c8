"""The JSON of what the account owns, with the provider's names and shapes."""

from dataclasses import asdict
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ..api.payload import ORGANIZATION
from .holdings import (
    CREATED_AT,
    OwnedBrand,
    OwnedCampaign,
    OwnedNumber,
    OwnedProfile,
    OwnedShortCode,
    OwnedVerification,
)

_TIMES = {"created_at": CREATED_AT, "updated_at": CREATED_AT}
_CAMEL_TIMES = {"createdAt": CREATED_AT, "updatedAt": CREATED_AT}
_OTHER_CARRIERS = {"10036": "Verizon Wireless", "10037": "US Cellular", "10038": "ClearSky"}
_RULES = {
    "qualify": True,
    "minMsgSamples": 2,
    "reqSubscriberOptin": True,
    "reqSubscriberOptout": True,
    "reqSubscriberHelp": True,
    "noEmbeddedLink": False,
    "noEmbeddedPhone": False,
    "mnoReview": False,
    "mnoSupport": True,
}


def id_of(name: str) -> str:
    """The id of a number or short code: it follows from its name."""
    return str(uuid5(NAMESPACE_URL, name))


def profile(one: OwnedProfile) -> dict[str, Any]:
    """A messaging profile."""
    fixed = {"record_type": "messaging_profile", "organization_id": ORGANIZATION}
    return {**asdict(one), **fixed, **_TIMES}


def number(one: OwnedNumber) -> dict[str, Any]:
    """A number's messaging settings."""
    features = {"domestic_two_way": True, "international_inbound": True}
    both = features | {"international_outbound": True}
    return {
        "id": id_of(one.phone_number),
        "phone_number": one.phone_number,
        "type": one.type,
        "messaging_profile_id": one.messaging_profile_id,
        "country_code": one.country_code,
        "features": {"sms": both if one.sms else None, "mms": both if one.mms else None},
        "traffic_type": one.traffic_type,
        "messaging_product": one.traffic_type,
        "eligible_messaging_products": ["A2P", "P2P"],
        "record_type": "messaging_settings",
        "organization_id": ORGANIZATION,
        "tags": [],
        **_TIMES,
    }


def short_code(one: OwnedShortCode) -> dict[str, Any]:
    """A short code."""
    return {
        "id": id_of(one.short_code),
        "short_code": one.short_code,
        "messaging_profile_id": one.messaging_profile_id,
        "country_code": one.country_code,
        "record_type": "short_code",
        "tags": [],
        **_TIMES,
    }


def brand(one: OwnedBrand, campaigns: int) -> dict[str, Any]:
    """A brand, which has so many campaigns."""
    return {
        "brandId": one.id,
        "tcrBrandId": f"B{one.id[:6].upper()}",
        "displayName": one.name,
        "companyName": one.name,
        "entityType": one.entity_type,
        "identityStatus": one.identity_status,
        "status": one.status,
        "brandRelationship": "BASIC_ACCOUNT",
        "vertical": "TECHNOLOGY",
        "country": "US",
        "email": "office@example.com",
        "website": "https://example.com",
        "assignedCampaingsCount": campaigns,
        **_CAMEL_TIMES,
    }


def campaign(one: OwnedCampaign, brand_name: str) -> dict[str, Any]:
    """A campaign."""
    return {
        "campaignId": one.id,
        "tcrCampaignId": f"C{one.id[:6].upper()}",
        "brandId": one.brand,
        "tcrBrandId": f"B{one.brand[:6].upper()}",
        "brandDisplayName": brand_name,
        "cspId": "S000001",
        "usecase": one.usecase,
        "subUsecases": [],
        "description": "Notices to customers",
        "status": one.status,
        "campaignStatus": one.campaign_status,
        "isTMobileRegistered": True,
        "isTMobileSuspended": one.tmobile_suspended,
        "assignedPhoneNumbersCount": len(one.numbers),
        "termsAndConditions": True,
        "mock": False,
        "createDate": CREATED_AT,
    }


def carriers(one: OwnedCampaign, owner: OwnedBrand | None) -> dict[str, Any]:
    """What each carrier allows the campaign, by the registry's number of the carrier."""
    told: dict[str, Any] = {id: {"mno": name, **_RULES} for id, name in _OTHER_CARRIERS.items()}
    if one.att_class is not None:
        rates = {"tpm": one.tpm, "mmsTpm": one.mms_tpm, "tpmScope": one.tpm_scope}
        told["10017"] = {"mno": "AT&T", "msgClass": one.att_class, **rates, **_RULES}
    if owner is not None and owner.tmobile_daily is not None:
        cap = {"brandTier": owner.tmobile_tier, "brandDailyCap": owner.tmobile_daily}
        told["10035"] = {"mno": "T-Mobile", **cap, **_RULES}
    return told


def assignment(one: OwnedCampaign, phone_number: str) -> dict[str, Any]:
    """A number's assignment to a campaign."""
    return {
        "phoneNumber": phone_number,
        "campaignId": one.id,
        "telnyxCampaignId": one.id,
        "tcrCampaignId": f"C{one.id[:6].upper()}",
        "brandId": one.brand,
        "tcrBrandId": f"B{one.brand[:6].upper()}",
        "assignmentStatus": one.assignment,
        **_CAMEL_TIMES,
    }


def verification(one: OwnedVerification) -> dict[str, Any]:
    """A request to have toll-free numbers verified."""
    return {
        "id": one.id,
        "verificationRequestId": one.id,
        "verificationStatus": one.status,
        "phoneNumbers": [{"phoneNumber": number} for number in one.numbers],
        "businessName": one.business,
        "corporateWebsite": "https://example.com",
        "businessAddr1": "1 Main Street",
        "businessCity": "Springfield",
        "businessState": "IL",
        "businessZip": "62701",
        "businessContactFirstName": "Ann",
        "businessContactLastName": "Smith",
        "businessContactEmail": "office@example.com",
        "businessContactPhone": "+13125550100",
        "messageVolume": "10,000",
        "useCase": "Account Notifications",
        "useCaseSummary": "Notices",
        "productionMessageContent": "Your order is ready.",
        "optInWorkflow": "On the web site",
        "optInWorkflowImageURLs": [],
        "additionalInformation": "",
        **_CAMEL_TIMES,
    }
