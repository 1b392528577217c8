"""Two apps of one account through real processes: neither stops, reads nor delays the other."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from sluicegate_ops.simulator import Settings
from sluicegate_rigs.deployment import SECRETS
from support.deployment import Account, deployment, eventually
from support.effort import size
from support.messages import SENDER

WRONG, THEIRS = size(150, 600), 10
AT_ONCE = 16
TOKENS = {"app": SECRETS["DEPLOYMENT_APP_TOKEN"], "other": SECRETS["DEPLOYMENT_OTHER_TOKEN"]}


def body(number: int, sender: str = SENDER) -> dict[str, str]:
    return {"from": sender, "to": f"+1312{5_550_000 + number:07d}", "text": f"text {number}"}


async def post(url: str, app: str, bodies: Sequence[dict[str, str]]) -> list[httpx.Response]:
    """Send as an app, each message under a key that the other app uses too."""
    turns = asyncio.Semaphore(AT_ONCE)
    headers = {"Authorization": f"Bearer {TOKENS[app]}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as http:

        async def one(number: int, content: dict[str, str]) -> httpx.Response:
            async with turns:
                key = {"Idempotency-Key": f"order-{number}"}
                return await http.post("/v2/messages", json=content, headers=key)

        return await asyncio.gather(*(one(n, content) for n, content in enumerate(bodies)))


def get(account: Account, app: str, id: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {TOKENS[app]}"}
    return httpx.get(f"{account.deployment.web_url}/v2/messages/{id}", headers=headers)


def states(account: Account, app: str, count: int) -> Counter[str]:
    pipeline = account.store.pipeline(transaction=False)
    for number in range(count):
        pipeline.hget(account.keys.record(f"{app}:order-{number}"), "state")
    return Counter(state.decode() for state in pipeline.execute())


def await_states(
    account: Account, app: str, count: int, wanted: dict[str, int], seconds: float
) -> None:
    eventually(lambda: states(account, app, count) == wanted, seconds, account.deployment)


@pytest.mark.long
def test_a_flood_of_wrong_senders_of_one_app_leaves_the_other_alone() -> None:
    provider = Settings(limit=200, senders=(SENDER,), latency_ms=20)
    with deployment(provider, receipts=True) as account:
        account.deployment.start_web()
        account.deployment.wait_for_web()
        url = account.deployment.web_url
        wrong = [body(n, sender=f"+1999{n:07d}") for n in range(WRONG)]
        taken: list[Any] = asyncio.run(post(url, "app", [*wrong, body(WRONG)]))
        assert {answer.status_code for answer in taken} == {200}
        began = time.monotonic()
        taken = asyncio.run(post(url, "other", [body(1000 + n) for n in range(THEIRS)]))
        assert {answer.status_code for answer in taken} == {200}
        assert not any("idempotent-replayed" in answer.headers for answer in taken)
        await_states(account, "other", THEIRS, {"accepted": THEIRS}, 10)
        assert time.monotonic() - began < 5  # alone they take less than one
        await_states(account, "app", WRONG + 1, {"dead": WRONG, "accepted": 1}, 30)
        assert not account.store.exists(account.keys("halts"))

        # Each finds its own under the same key, and nothing of the other's.
        theirs = get(account, "other", "order-0").json()["data"]
        assert theirs["to"][0]["phone_number"] == body(1000)["to"]
        assert get(account, "app", "order-0").json()["data"]["errors"][0]["code"] == "40305"
        last = f"order-{WRONG}"
        foreign, unknown = get(account, "other", last), get(account, "other", "never-there")
        assert (foreign.status_code, foreign.content) == (404, unknown.content)
        assert get(account, "other", f"app:{last}").content == unknown.content
        eventually(account.is_quiet, 5, account.deployment)
        account.books()
