"""A sample account, with one of each: for demonstrations, and for tests to change."""

from ..api.payload import PROFILE
from .holdings import (
    Holdings,
    OwnedBrand,
    OwnedCampaign,
    OwnedNumber,
    OwnedProfile,
    OwnedShortCode,
    OwnedVerification,
)

SAMPLE_POOL = "40017a3c-96b5-4f05-b0a2-1f6a3e1bd7a3"
SAMPLE_CAMPAIGN = "30000000-0000-4000-8000-000000000001"
SAMPLE_BRAND = "20000000-0000-4000-8000-000000000001"


def sample() -> Holdings:
    """Two profiles, one of them a number pool; a number of each kind; brand and campaign."""
    pool = {"toll_free_weight": 0, "long_code_weight": 1, "skip_unhealthy": False}
    return Holdings(
        profiles=(
            OwnedProfile(
                id=PROFILE,
                name="Notices",
                whitelisted_destinations=("US", "CA"),
                daily_spend_limit="250.00",
                daily_spend_limit_enabled=True,
                v1_secret="v1-secret-of-notices",  # noqa: S106 - of an imitated account
            ),
            OwnedProfile(
                id=SAMPLE_POOL,
                name="Offers",
                whitelisted_destinations=("US",),
                number_pool_settings=pool,
                v1_secret="v1-secret-of-offers",  # noqa: S106 - of an imitated account
            ),
        ),
        numbers=(
            OwnedNumber(phone_number="+13125550001", messaging_profile_id=PROFILE),
            OwnedNumber(
                phone_number="+18005550199", messaging_profile_id=PROFILE, type="toll-free"
            ),
            OwnedNumber(phone_number="+13125550011", messaging_profile_id=SAMPLE_POOL),
            OwnedNumber(phone_number="+13125550012", messaging_profile_id=SAMPLE_POOL),
            OwnedNumber(phone_number="+13125550099"),
        ),
        short_codes=(OwnedShortCode(short_code="55512", messaging_profile_id=PROFILE),),
        brands=(
            OwnedBrand(id=SAMPLE_BRAND, name="Acme Inc.", tmobile_tier="LOW", tmobile_daily=2000),
        ),
        campaigns=(
            OwnedCampaign(
                id=SAMPLE_CAMPAIGN,
                brand=SAMPLE_BRAND,
                usecase="CUSTOMER_CARE",
                att_class="C",
                tpm=2400,
                mms_tpm=1200,
                numbers=("+13125550001", "+13125550011", "+13125550012"),
            ),
        ),
        verifications=(
            OwnedVerification(
                id="50000000-0000-4000-8000-000000000001", numbers=("+18005550199",)
            ),
        ),
    )
