"""What comes in to the simulator: keywords, the blocks that they set, and the list of blocks."""

import json
from typing import Any

import httpx
import pytest

from sluicegate_ops.simulator import Settings, Webhooks
from sluicegate_ops.simulator.inbound import read
from sluicegate_ops.simulator.optouts import KEYWORDS, Optouts
from support.receiver import receiving
from support.simulated import Still, simulated

OURS, THEIRS = "+13125550001", "+13125550002"
AT_ONCE: dict[str, Any] = {"delay_seconds": 0, "jitter_seconds": 0}


def write(still: Still, text: str, **more: str) -> str | None:
    written = {"from": THEIRS, "to": OURS, "text": text} | more
    return still.provider.receive(read(json.dumps(written).encode())).autoresponse_type


@pytest.mark.parametrize("keyword", [word for word, kind in KEYWORDS.items() if kind == "STOP"])
def test_stop_blocks_until_start(keyword: str) -> None:
    still = Still()
    assert write(still, f" {keyword.lower()} ") == "STOP"
    assert still.code() == (400, "40300")
    reply = json.loads(still.send().body)["errors"][0]
    assert reply["title"] == "Blocked due to STOP message"
    assert OURS in reply["detail"]
    assert write(still, "unstop") == "START"
    assert still.wait() == 0


@pytest.mark.parametrize("text", ["please stop", "STOP IT", "hello", "", "HELP"])
def test_anything_else_blocks_nobody(text: str) -> None:
    still = Still()
    assert write(still, text) in (None, "HELP")
    assert still.wait() == 0


def test_a_block_is_the_whole_profile_s_and_no_other_s() -> None:
    still = Still()
    still.send(messaging_profile_id="one")
    assert write(still, "STOP") == "STOP"
    assert still.code("+13125550009", messaging_profile_id="one") == (400, "40300")
    assert still.wait(messaging_profile_id="two") == 0
    assert still.wait(messaging_profile_id="one", to="+13125550003") == 0
    write(still, "STOP", messaging_profile_id="two")
    assert still.code(messaging_profile_id="two") == (400, "40300")


def test_a_reset_lifts_every_block() -> None:
    still = Still()
    write(still, "STOP")
    still.provider.reset()
    assert still.wait() == 0


def test_blocks_are_listed_page_by_page_and_filtered() -> None:
    optouts = Optouts()
    for number in range(5):
        optouts.hear(f"p{number % 2}", OURS, f"+1312555000{number}", "QUIT", "2026-01-01")

    def page(**query: str) -> tuple[list[str], dict[str, int]]:
        answer = json.loads(optouts.page(query))
        return [one["to"][-1] for one in answer["data"]], answer["meta"]

    assert page()[0] == ["0", "1", "2", "3", "4"]
    second = page(**{"page[number]": "2", "page[size]": "2"})
    assert second[0] == ["2", "3"]
    assert (second[1]["total_pages"], second[1]["total_results"]) == (3, 5)
    assert page(**{"filter[messaging_profile_id]": "p1"})[0] == ["1", "3"]
    assert page(**{"filter[from]": THEIRS})[0] == []
    assert page(**{"page[number]": "x"})[0] == ["0", "1", "2", "3", "4"]


def test_what_came_in_is_told_by_webhook() -> None:
    with receiving() as receiver:
        webhooks = Webhooks(url=receiver.url, **AT_ONCE)
        with simulated(Settings(limit=None, webhooks=webhooks)) as client:
            answer = client.face("inbound", {"from": THEIRS, "to": OURS, "text": "Stop"})
            (hook,) = receiver.hooks(1)
            assert hook.kind == "message.received"
            assert hook.payload == answer
            assert hook.payload["autoresponse_type"] == "STOP"
            assert hook.payload["from"]["phone_number"] == THEIRS
            assert hook.payload["to"][0]["phone_number"] == OURS
            assert client.send(THEIRS).json()["errors"][0]["code"] == "40300"
            with pytest.raises(httpx.HTTPStatusError, match="400"):
                client.face("inbound", {"from": THEIRS})
