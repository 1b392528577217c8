"""Fairness and levels with real processes, judged by what arrives at the provider."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from sluicegate.campaigns.campaign import Campaigns
from sluicegate_ops.simulator import Settings
from sluicegate_worker.operator.halts import Halts
from support.deployment import Account, deployment, eventually
from support.effort import size
from support.messages import message, plan, recipient

LIMIT = 400
FAST = Settings(limit=LIMIT, window_seconds=1.0)


@pytest.fixture
def account(request: pytest.FixtureRequest) -> Iterator[Account]:
    levels = getattr(request, "param", {})
    with deployment(FAST, workers=2, account={"limit": LIMIT, **levels}) as made:
        yield made


def halts(account: Account) -> Halts:
    return Halts(account.sluice.client, account.keys)


def imported(account: Account, name: str, first: int, rows: int, **fields: Any) -> Campaigns:
    """A draft with so many recipients, numbered from ``first`` on."""
    campaigns = Campaigns(account.sluice.client, account.keys)
    made = plan(name, **fields)
    campaigns.create(made, rows)
    for _ in campaigns.add(name, (recipient(made, n) for n in range(first, first + rows))):
        pass
    return campaigns


def arrivals(account: Account, count: int) -> list[dict[str, Any]]:
    """The first ``count`` messages that the provider accepted, in the order of their arrival."""
    found: list[dict[str, Any]] = []
    while len(found) < count:
        page = account.deployment.provider(f"arrivals?after={len(found)}&limit=1000")
        if not page:
            break
        found += page
    return found[:count]


def arrived(account: Account, count: int, seconds: float = 60) -> list[dict[str, Any]]:
    eventually(
        lambda: account.deployment.provider("report")["accepted"] >= count,
        seconds,
        account.deployment,
    )
    return arrivals(account, count)


def number(arrival: dict[str, Any]) -> int:
    """Which recipient it was: see ``support.messages.recipient``."""
    return int(arrival["to"][5:]) - 2_000_000


@pytest.mark.long  # test_lanes.py holds the same shares on a clock of its own
@pytest.mark.parametrize("senders", [1, 3])
def test_campaigns_share_by_their_weights(account: Account, senders: int) -> None:
    weights = {"one": 1.0, "two": 1.0, "three": 2.0}
    for place, (name, weight) in enumerate(weights.items()):
        sender = f"+1555000000{place % senders}"
        campaigns = imported(account, name, place * 10_000, 1500, sender=sender)
        campaigns.pace(name, weight=weight)
    halts(account).set("account", "until all of them are started")
    for name in weights:
        campaigns.act(name, "start")
    halts(account).clear("account")
    shares = Counter(number(arrival) // 10_000 for arrival in arrived(account, 2000))
    assert [shares[place] for place in range(3)] == pytest.approx([500, 500, 1000], rel=0.05)


@pytest.mark.long
def test_a_small_campaign_beside_a_big_one_ends_when_its_share_says(account: Account) -> None:
    campaigns = imported(account, "big", 0, size(10_000, 100_000))
    imported(account, "small", 200_000, 1000)
    campaigns.act("big", "start")
    arrived(account, 200)  # the big one is under way
    campaigns.act("small", "start")
    found = arrived(account, 2600)
    small = [place for place, arrival in enumerate(found) if number(arrival) >= 200_000]
    assert len(small) == 1000
    assert small[-1] - small[0] == pytest.approx(2000, rel=0.05)


@pytest.mark.long
@pytest.mark.parametrize(
    "account",
    [
        {
            "senders": {
                "+15550000001": {"kind": "toll_free", "per_second": 5},
                "+15550000002": {"kind": "toll_free", "per_second": 1000},
            }
        }
    ],
    indirect=True,
)
def test_a_sender_at_its_rate_never_slows_another(account: Account) -> None:
    """One sender may send 5 segments a second; the other gets the rest.

    How exactly the rates are used is judged on a clock of the tests' own, in
    ``test_levels_in_claims.py``. Here workers may be kept from their slots, and those are gone:
    how long it takes is the machine's affair.
    """
    slow = [message(n, sender="+15550000001") for n in range(1, 401)]
    fast = [message(n, sender="+15550000002") for n in range(1001, 3001)]
    assert all(result.ok for result in account.sluice.enqueue_many([*slow, *fast]))
    found = arrived(account, 600)
    senders = Counter(arrival["from"] for arrival in found)
    seconds = found[-1]["arrived"] - found[0]["arrived"]
    assert 1 <= senders["+15550000001"] <= 5 * seconds + 3
    assert senders["+15550000002"] == 600 - senders["+15550000001"]
    waiting = 400 - senders["+15550000001"]
    assert waiting > 0, "the one at its rate never waited, so nothing was shown"


REGISTERED = {
    "registrations": {"shop": {"sms_per_minute": 1200}},
    "senders": {
        "+15550000001": {"kind": "10dlc", "registration": "shop"},
        "+15550000002": {"kind": "10dlc", "registration": "shop"},
        "+15550000003": {"kind": "toll_free", "per_second": 100},
    },
}


@pytest.mark.long  # test_levels_in_claims.py holds the same rates on a clock of its own
@pytest.mark.parametrize("account", [REGISTERED], indirect=True)
def test_two_campaigns_on_one_registration_stay_within_its_rate(account: Account) -> None:
    for place, name in enumerate(("one", "two")):
        sender = f"+1555000000{place + 1}"
        campaigns = imported(account, name, place * 10_000, 500, sender=sender)
        campaigns.act(name, "start")
    campaigns = imported(account, "other", 50_000, 1000, sender="+15550000003")
    campaigns.act("other", "start")
    found = arrived(account, 900)
    registered = [a["arrived"] for a in found if a["from"] != "+15550000003"]
    seconds = registered[-1] - registered[0]
    assert len(registered) <= 20 * seconds + 3
    # 20 and 100 segments a second: a sixth is theirs.
    assert 900 / 12 < len(registered) < 900 / 4
