"""Telnyx's SDKs for Python and Node at every route of ours that they know, errors included."""

from __future__ import annotations

import importlib
import json
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import redis

from sluicegate import Sluice
from sluicegate.config import App
from sluicegate_ops.inspect import AppEvent
from sluicegate_ops.web.event_shapes import event_body
from sluicegate_ops.web.event_signing import EventSigner
from support.bench import Bench
from support.served import NUMBER, OTHER_TOKEN, PROFILE, SENDER, TOKEN, config, served

pytestmark = pytest.mark.long

SCRIPT = Path(__file__).parents[1] / "support" / "sdk_calls.mjs"
SECRET = "whsec_" + "A" * 43 + "="
AWAY, STRANGER = "away", "no app's token"
OPTED_OUT = "+12025550199"


class Call(NamedTuple):
    """A call of the SDK, by the names that it has in Python, and what has to come of it.

    That is the id and the status, or a number and its country; or the error's class, its HTTP
    status and its code.
    """

    method: str
    came: list[Any]
    args: Sequence[str] = ()
    fields: Mapping[str, Any] = MappingProxyType({})
    key: str = ""
    token: str = TOKEN


def one(**fields: Any) -> dict[str, Any]:
    return {"to": NUMBER, "from": SENDER, "text": "hi"} | fields


POOL = {"to": NUMBER, "text": "hi", "messaging_profile_id": PROFILE}
BAD, DENIED, MISSING = "BadRequestError", "PermissionDeniedError", "NotFoundError"
UNFIT, AWAY_ERROR = "UnprocessableEntityError", "InternalServerError"
CALLS = [
    Call("messages.send", ["k1", "queued"], fields=one(), key="k1"),
    Call("messages.send", ["k1", "queued"], fields=one(), key="k1"),
    Call("messages.send", [UNFIT, 422, "10027"], fields=one(text="other"), key="k1"),
    Call("messages.send", [BAD, 400, "40310"], fields=one(to="555")),
    Call("messages.send", [BAD, 400, "40300"], fields=one(to=OPTED_OUT)),
    Call("messages.send", [BAD, 400, "40317"], fields=one(media_urls=["http://a.test/x.png"])),
    Call("messages.send", [UNFIT, 422, "10015"], fields=one(text="x" * 2000)),
    Call("messages.send", ["AuthenticationError", 401, "10009"], fields=one(), token=STRANGER),
    Call("messages.send", ["c1", "queued"], fields=one(), key="c1", token=OTHER_TOKEN),
    Call("messages.send", ["RateLimitError", 429, "40333"], fields=one(), token=OTHER_TOKEN),
    Call("messages.send", [AWAY_ERROR, 503, "10037"], fields=one(), key="a1", token=AWAY),
    Call("messages.send_long_code", ["k2", "queued"], fields=one(), key="k2"),
    Call("messages.send_short_code", ["k3", "queued"], fields=one(**{"from": "12345"}), key="k3"),
    Call("messages.send_short_code", [BAD, 400, "40305"], fields=one()),
    Call("messages.send_number_pool", ["k4", "queued"], fields=POOL, key="k4"),
    Call(
        "messages.send_with_alphanumeric_sender",
        ["k5", "queued"],
        fields=POOL | {"from": "Parcels"},
        key="k5",
    ),
    Call(
        "messages.schedule",
        ["k6", "scheduled"],
        fields=one(send_at="2090-01-31T09:00:00Z"),
        key="k6",
    ),
    Call("messages.schedule", [BAD, 400, "10004"], fields=one()),
    Call("messages.send_group_mms", ["APIStatusError", 405, "10030"], fields=one(to=[NUMBER])),
    Call("messages.retrieve_group_messages", [MISSING, 404, "10005"], ["group"]),
    Call("messages.retrieve", ["k1", "queued"], ["k1"]),
    Call("messages.retrieve", [MISSING, 404, "10005"], ["nobody"]),
    Call("messages.retrieve", [AWAY_ERROR, 503, "10037"], ["k1"], token=AWAY),
    Call("messages.cancel_scheduled", ["k6", "cancelled"], ["k6"]),
    Call("messages.cancel_scheduled", [DENIED, 403, "10010"], ["gone"]),
    Call("messages.cancel_scheduled", [MISSING, 404, "10005"], ["nobody"]),
    Call("number_lookup.retrieve", ["+12025550123", "US"], ["+12025550123"]),
    Call("number_lookup.retrieve", [DENIED, 403, "10010"], [NUMBER], token=OTHER_TOKEN),
]


@pytest.fixture
def calls(redis_url: str, valkey: redis.Redis) -> Iterator[list[dict[str, Any]]]:
    """The calls as both SDKs make them, at a server that knows what they ask for."""
    apps = {
        "shop": App(token_env="TOKEN_SHOP", lookups=True),
        "clinic": App(token_env="TOKEN_CLINIC", daily_messages=1),
    }
    bench = Bench(valkey, app="shop")
    with Sluice(config(redis_url), app="shop") as sluice:
        sluice.enqueue(id="gone", to=NUMBER, sender=SENDER, text="hi")
        sluice.optouts.add([OPTED_OUT], "test")
    bench.send()
    with ExitStack() as servers:
        url = servers.enter_context(served(config(redis_url, apps=apps)))
        away = servers.enter_context(served(config("redis://127.0.0.1:1/0", apps=apps)))
        yield [
            call._asdict()
            | {"fields": dict(call.fields)}
            | ({"url": away, "token": TOKEN} if call.token == AWAY else {"url": url})
            for call in CALLS
        ]


def test_the_python_sdk(calls: list[dict[str, Any]]) -> None:
    telnyx: Any = importlib.import_module("telnyx")
    for call in calls:
        assert came_of(telnyx, call) == call["came"], call


def came_of(telnyx: Any, call: dict[str, Any]) -> list[Any]:
    fields = {f"{name}_" if name == "from" else name: v for name, v in call["fields"].items()}
    if call["key"]:
        fields["extra_headers"] = {"Idempotency-Key": call["key"]}  # not all know an option for it
    resource, name = call["method"].split(".")
    with telnyx.Telnyx(api_key=call["token"], base_url=f"{call['url']}/v2", max_retries=0) as sdk:
        try:
            answer = getattr(getattr(sdk, resource), name)(*call["args"], **fields)
        except telnyx.APIStatusError as error:
            code = error.response.json()["errors"][0]["code"]
            return [type(error).__name__, error.status_code, code]
    data = (getattr(answer, "data", None) or answer).model_dump()
    if "to" in data:
        return [data["id"], data["to"][0]["status"]]
    return [data["phone_number"], data["country_code"]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages from npm, and our script beside them."""
    npm = shutil.which("npm")
    if not npm or not shutil.which("node"):
        pytest.skip("needs node and npm")
    folder = tmp_path_factory.mktemp("node")
    install = [npm, "install", "--no-audit", "--no-fund", "telnyx@7", "standardwebhooks@1"]
    done = subprocess.run(install, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"npm installs nothing here: {done.stderr.strip()[-200:]}")
    shutil.copy(SCRIPT, folder)
    return folder


@pytest.mark.timeout(300)
def test_the_node_sdk_and_the_published_library_for_events(
    folder: Path, calls: list[dict[str, Any]]
) -> None:
    signer = EventSigner("SECRET", [SECRET])
    facts = {"to": NUMBER, "sender": SENDER, "state": "accepted"}
    body = event_body("default", "shop", AppEvent(7, "delivered", 1, "shop:order-1", facts))
    event = {
        "body": body.decode(),
        "headers": signer.headers("default-7-1", body, int(time.time())),
        "secret": SECRET,
        "key": signer.public_key,
    }
    done = subprocess.run(
        ["node", SCRIPT.name],
        cwd=folder,
        input=json.dumps({"calls": calls, "event": event}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for call, came in zip(calls, told["calls"], strict=True):
        assert came == call["came"], call
    true, altered = told["event"]
    assert true == ["message.delivered", "message.finalized", "order-1"]
    assert altered == ["WebhookVerificationError", "TelnyxWebhookVerificationError"]
