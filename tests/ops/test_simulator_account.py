"""The official SDK finds the imitated account as the provider shows one, and changes it."""

from __future__ import annotations

import importlib
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sluicegate_ops.simulator import Settings, Simulator, Webhooks, simulator_in_thread
from sluicegate_ops.simulator.account.holdings import Holdings, OwnedNumber, OwnedProfile
from sluicegate_ops.simulator.account.sample import (
    SAMPLE_BRAND,
    SAMPLE_CAMPAIGN,
    SAMPLE_POOL,
    sample,
)
from sluicegate_ops.simulator.api.payload import PROFILE
from support.receiver import receiving
from support.simulated import Client, simulated

if TYPE_CHECKING:
    import telnyx

SENDER, RECIPIENT = "+13125550001", "+13125550002"


@pytest.fixture(scope="module", autouse=True)
def _import_sdk() -> None:
    """Only for these tests: each process that collects them would take seconds to import it."""
    globals()["telnyx"] = importlib.import_module("telnyx")


def at_once(**account: Any) -> Settings:
    webhooks = Webhooks(delay_seconds=0, jitter_seconds=0, retry_seconds=0)
    holdings = replace(sample(), **account)
    return Settings(limit=None, api_keys=("KEY",), account=holdings, webhooks=webhooks)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with simulator_in_thread(at_once()) as one:
        yield one


@pytest.fixture
def client(simulator: Simulator) -> Iterator[Client]:
    one = Client(simulator)
    with one.http:
        yield one


@pytest.fixture
def sdk(simulator: Simulator) -> Iterator[telnyx.Telnyx]:
    with telnyx.Telnyx(api_key="KEY", base_url=simulator.url, max_retries=0) as client:
        yield client


def test_lists_profiles_page_by_page_and_by_name(sdk: telnyx.Telnyx) -> None:
    assert [one.name for one in sdk.messaging_profiles.list(page_size=1)] == ["Notices", "Offers"]
    (one,) = sdk.messaging_profiles.list(filter={"name": "Offers"})
    assert (one.id, one.whitelisted_destinations) == (SAMPLE_POOL, ["US"])
    assert one.number_pool_settings is not None
    assert one.number_pool_settings.long_code_weight == 1
    (one,) = sdk.messaging_profiles.list(filter_name_contains="otic")
    assert (one.daily_spend_limit, one.daily_spend_limit_enabled) == ("250.00", True)
    assert (one.webhook_api_version, one.v1_secret) == ("2", "v1-secret-of-notices")


def test_shows_what_belongs_to_a_profile(sdk: telnyx.Telnyx) -> None:
    assert sdk.messaging_profiles.retrieve(PROFILE).data.name == "Notices"  # type: ignore[union-attr] # there is one
    listed = [*sdk.messaging_profiles.list_phone_numbers(PROFILE)]
    assert [(one.phone_number, one.type) for one in listed] == [
        (SENDER, "long-code"),
        ("+18005550199", "toll-free"),
    ]
    assert [one.short_code for one in sdk.messaging_profiles.list_short_codes(PROFILE)] == [
        "55512"
    ]
    with pytest.raises(telnyx.NotFoundError):
        sdk.messaging_profiles.retrieve("none")


def test_shows_numbers_with_what_they_can_do(sdk: telnyx.Telnyx) -> None:
    assert len([*sdk.phone_numbers.messaging.list()]) == 5
    (one,) = sdk.phone_numbers.messaging.list(filter_type="tollfree")
    assert one.phone_number == "+18005550199"
    found = sdk.phone_numbers.messaging.retrieve(SENDER).data
    assert found is not None
    assert found.features is not None
    assert found.features.mms is not None
    assert found.features.mms.domestic_two_way
    assert found.messaging_profile_id == PROFILE
    assert [one.short_code for one in sdk.short_codes.list()] == ["55512"]


def test_shows_registrations_with_what_carriers_allow(sdk: telnyx.Telnyx) -> None:
    dlc = sdk.messaging_10dlc
    (brand,) = dlc.brand.list()
    assert (brand.brand_id, brand.display_name) == (SAMPLE_BRAND, "Acme Inc.")
    assert dlc.brand.retrieve(SAMPLE_BRAND).status == "OK"
    (campaign,) = dlc.campaign.list(brand_id=SAMPLE_BRAND)
    assert (campaign.campaign_id, campaign.usecase) == (SAMPLE_CAMPAIGN, "CUSTOMER_CARE")
    assert dlc.campaign.retrieve(SAMPLE_CAMPAIGN).campaign_status == "MNO_PROVISIONED"
    told = dlc.campaign.get_mno_metadata(SAMPLE_CAMPAIGN).model_dump()
    by_name = {one["mno"]: one for one in told.values() if one}
    assert (by_name["AT&T"]["msgClass"], by_name["AT&T"]["tpm"]) == ("C", 2400)
    assert (by_name["T-Mobile"]["brandTier"], by_name["T-Mobile"]["brandDailyCap"]) == (
        "LOW",
        2000,
    )
    rows = [*dlc.phone_number_campaigns.list(records_per_page=2)]
    assert {row.phone_number for row in rows} == {SENDER, "+13125550011", "+13125550012"}
    assert dlc.phone_number_campaigns.retrieve(SENDER).campaign_id == SAMPLE_CAMPAIGN
    with pytest.raises(telnyx.NotFoundError):
        dlc.phone_number_campaigns.retrieve("+18005550199")


def test_shows_verifications_balance_and_the_public_key(
    sdk: telnyx.Telnyx, simulator: Simulator
) -> None:
    (one,) = sdk.messaging_tollfree.verification.requests.list(page=1, page_size=20)
    assert (one.verification_status, one.phone_numbers[0].phone_number) == (
        "Verified",
        "+18005550199",
    )
    balance = sdk.balance.retrieve().data
    assert balance is not None
    assert (balance.balance, balance.currency) == ("1000.00", "USD")
    told = sdk.get("/public_key", cast_to=object)
    assert told == {"data": {"public": simulator.public_key, "record_type": "public_key"}}


def test_a_patch_changes_what_it_names(sdk: telnyx.Telnyx) -> None:
    changed = sdk.messaging_profiles.update(
        SAMPLE_POOL,
        webhook_url="https://sms.example.com/w",
        webhook_failover_url="https://sms.example.org/w",
        webhook_api_version="2010-04-01",
        whitelisted_destinations=["US", "MX"],
        daily_spend_limit="12.50",
        daily_spend_limit_enabled=True,
        smart_encoding=True,
        mms_fall_back_to_sms=True,
        number_pool_settings=None,
    ).data
    assert changed is not None
    again = sdk.messaging_profiles.retrieve(SAMPLE_POOL).data
    assert again == changed
    assert (changed.webhook_url, changed.webhook_api_version) == (
        "https://sms.example.com/w",
        "2010-04-01",
    )
    assert (changed.whitelisted_destinations, changed.number_pool_settings) == (["US", "MX"], None)
    assert changed.v1_secret == "v1-secret-of-offers"
    cleared = sdk.messaging_profiles.update(SAMPLE_POOL, webhook_url=None).data
    assert cleared is not None
    assert (cleared.webhook_url, cleared.webhook_failover_url) == (
        None,
        "https://sms.example.org/w",
    )


@pytest.mark.parametrize(
    ("changes", "code", "pointer"),
    [
        ({"webhook_url": "nowhere"}, "10003", "/webhook_url"),
        ({"webhook_api_version": "3"}, "10026", "/webhook_api_version"),
        ({"whitelisted_destinations": ["Mexico"]}, "10026", "/whitelisted_destinations"),
        ({"daily_spend_limit": "much"}, "10026", "/daily_spend_limit"),
        ({"enabled": "yes"}, "10026", "/enabled"),
    ],
)
def test_a_patch_with_a_bad_value_changes_nothing(
    sdk: telnyx.Telnyx, changes: dict[str, Any], code: str, pointer: str
) -> None:
    before = sdk.messaging_profiles.retrieve(PROFILE).data
    with pytest.raises(telnyx.BadRequestError) as caught:
        sdk.messaging_profiles.update(PROFILE, **changes)
    (error,) = caught.value.response.json()["errors"]
    assert (error["code"], error["source"]) == (code, {"pointer": pointer})
    assert sdk.messaging_profiles.retrieve(PROFILE).data == before


def test_a_key_is_needed_and_other_methods_are_refused(client: Client) -> None:
    url = client.simulator.url + "/messaging_profiles"
    assert client.http.get(url, headers={"Authorization": "Bearer X"}).status_code == 401
    assert client.http.patch(url, json={}).status_code == 405
    assert client.http.get(url + "/none/nothing").status_code == 404


# -- sending


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (200, "")),
        ({"from": "+13125550099"}, (400, "40305")),  # on no profile
        ({"from": "+13125550777"}, (400, "40305")),  # somebody else's
        ({"from": "55512"}, (200, "")),
        ({"messaging_profile_id": SAMPLE_POOL}, (400, "40305")),  # not the sender's
        ({"from": None, "messaging_profile_id": SAMPLE_POOL}, (200, "")),
        ({"from": "Acme", "messaging_profile_id": "unknown"}, (400, "40305")),
        ({"to": "+4915112345678"}, (400, "40309")),  # not whitelisted
    ],
)
def test_only_what_the_account_owns_may_send(
    client: Client, fields: dict[str, Any], expected: tuple[int, str]
) -> None:
    answer = client.send(**({"to": RECIPIENT} | fields))
    errors = answer.json().get("errors", [{"code": ""}])
    assert (answer.status_code, errors[0]["code"]) == expected


def test_a_disabled_profile_sends_nothing() -> None:
    with simulated(at_once()) as client:
        assert client.send().status_code == 200
        profiles = client.face("settings")["account"]["profiles"]
        assert "v1_secret" not in profiles[0]
        profiles[0]["enabled"] = False
        client.face("settings", {"account": {"profiles": profiles}})
        answer = client.send()
        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (403, "40312")


def test_a_profile_has_webhooks_of_its_own(sdk: telnyx.Telnyx) -> None:
    with receiving() as receiver, simulated(at_once()) as client:
        with telnyx.Telnyx(api_key="KEY", base_url=client.simulator.url) as own:
            own.messaging_profiles.update(PROFILE, webhook_url=receiver.url)
        client.face("inbound", {"from": RECIPIENT, "to": SENDER, "text": "STOP"})
        client.face("inbound", {"from": RECIPIENT, "to": "+13125550011", "text": "STOP"})
        (hook,) = receiver.hooks(1)
        assert hook.payload["messaging_profile_id"] == PROFILE
        assert client.send().json()["errors"][0]["code"] == "40300"


def test_holdings_that_contradict_themselves_are_refused() -> None:
    number = OwnedNumber(phone_number=SENDER, messaging_profile_id="none")
    with pytest.raises(ValueError, match="no messaging profile none"):
        Holdings(numbers=(number,))
    with pytest.raises(ValueError, match="stands twice"):
        Holdings(profiles=(OwnedProfile(id="1"), OwnedProfile(id="1")))


# -- what was sent


def test_detail_records_hold_what_has_left_its_queue() -> None:
    with (
        simulated(at_once()) as client,
        telnyx.Telnyx(api_key="KEY", base_url=client.simulator.url) as own,
    ):
        sent = [
            client.send(to=f"+1312555{number}", webhook_url="http://127.0.0.1:9/w").json()["data"]
            for number in (2001, 2002, 2003)
        ]
        failed = client.send(to="+15555558001").json()["data"]
        client.face("settings", {"sender_rates": {SENDER: 0.01}, "burst_seconds": 0})
        for _ in range(2):
            client.send(to="+13125559999")  # the second waits in its queue
        records = {one.uuid: one for one in _records(own, page_size=2)}
        assert {one["id"] for one in sent} < set(records)
        one = records[sent[0]["id"]]
        assert (one.cld, one.cli, one.status) == ("+13125552001", SENDER, "delivered")
        assert (one.cost, one.currency, one.parts) == (sent[0]["cost"]["amount"], "USD", 1)
        assert one.delivery_status_webhook_url == "http://127.0.0.1:9/w"
        assert (one.profile_id, one.profile_name) == (PROFILE, "Notices")
        assert (records[failed["id"]].status, records[failed["id"]].errors) == (
            "failed",
            ["40001"],
        )
        assert [r.cld for r in records.values()].count("+13125559999") == 1
        (only,) = _records(own, cld="+13125552002")
        assert only.uuid == sent[1]["id"]
        assert _records(own, created_at={"gte": "2100-01-01"}) == []
        since = _records(own, created_at={"gte": sent[0]["received_at"]}, status="failed")
        assert [record.uuid for record in since] == [failed["id"]]
        today = _records(own, date_range="last_2_days", status="failed")
        assert today == []  # whole days, and none of them is today
        with pytest.raises(telnyx.BadRequestError):
            _records(own, nonsense="1")


def _records(own: telnyx.Telnyx, page_size: int = 50, **filters: Any) -> list[Any]:
    of_messages: Any = {"record_type": "messaging", **filters}
    return [*own.detail_records.list(filter=of_messages, page_size=page_size)]


def test_webhook_deliveries_tell_what_became_of_each() -> None:
    with receiving(lambda n: 200 if n else 500) as receiver, simulated(at_once()) as client:
        client.send(webhook_url=receiver.url)
        client.send(to="+13125550003", webhook_url="http://127.0.0.1:9/gone")
        receiver.hooks(3)
        with telnyx.Telnyx(api_key="KEY", base_url=client.simulator.url) as own:
            listed = _all_deliveries(own)
            taken = [one for one in listed if one.status == "delivered"]
            assert sorted(len(one.attempts or []) for one in taken) == [1, 2]
            lost = [*own.webhook_deliveries.list(filter={"status": {"eq": "failed"}})]
            assert [len(one.attempts or []) for one in lost] == [3, 3]
            assert {one.webhook.event_type for one in lost if one.webhook} == {
                "message.sent",
                "message.finalized",
            }
            since = {"started_at": {"gte": "2100-01-01T00:00:00Z"}}
            assert [*own.webhook_deliveries.list(filter=since)] == []  # type: ignore[arg-type] # as documented


def _all_deliveries(own: telnyx.Telnyx) -> list[Any]:
    for _ in range(200):
        if len(listed := [*own.webhook_deliveries.list()]) == 4:
            return listed
        time.sleep(0.01)
    pytest.fail(f"{len(listed)} of 4 ended")
