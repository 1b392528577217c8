"""A provider is one folder and one row: one that the package lacks sends, and is believed."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from sluicegate import Config, Sluice
from sluicegate.config import Account, load
from sluicegate.config.apis import APIS
from sluicegate.errors import InvalidConfig
from sluicegate_worker.engine import Engine
from sluicegate_worker.provider.registry import provider_of, register
from sluicegate_worker.transport import GateClosed, Reply, Transport
from support.consistency import check_consistency
from support.messages import message
from support.served import NOW, Front, run
from support.third_provider import PIGEON
from support.third_provider.gateway import PigeonGateway
from support.third_provider.webhooks import SIGNATURE, TIME, signature_of

TOKEN = "token-of-the-pigeon"
ENVIRON = {"PIGEON_TOKEN": TOKEN, "SLUICEGATE_RECEIPTS_SECRET": "a secret of the receipts' URLs"}
SETTINGS = """
redis_url = "{url}"
drain_seconds = 3.0
spool_directory = "{spool}"

[accounts.default]
api = "pigeon"
api_key_env = "PIGEON_TOKEN"

[web]
public_url = "https://sms.example"
"""


class Pigeons(Transport):
    """A transport to the provider: it keeps what was posted, and accepts it."""

    def __init__(self) -> None:
        self.posts = list[tuple[str, Mapping[str, str], Any]]()

    async def post(
        self,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        gate: Callable[[], bool] = lambda: True,
    ) -> Reply:
        if not gate():
            raise GateClosed
        self.posts.append((url, headers, json.loads(body)))
        return Reply(202, {"x-pigeon-reference": f"p-{len(self.posts)}"}, b"")

    async def get(self, url: str, headers: Mapping[str, str]) -> Reply:
        raise AssertionError("nothing is free to ask for")

    async def aclose(self) -> None:
        """Nothing is open."""


@pytest.fixture
def pigeons() -> Iterator[Pigeons]:
    """The provider, registered for this test, at the other end of a transport."""
    transport = Pigeons()
    remove = register(
        PIGEON._replace(
            gateway=lambda account, token, *, receipts: PigeonGateway(
                account, token, transport, receipts
            )
        )
    )
    yield transport
    remove()


@pytest.fixture
def config(
    pigeons: Pigeons, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Config:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "sluicegate.toml"
    file.write_text(SETTINGS.format(url=redis_url, spool=tmp_path / "spool"))
    return load(file, ENVIRON)


def test_a_message_is_sent_and_its_receipt_applied(
    config: Config, pigeons: Pigeons, valkey: redis.Redis
) -> None:
    with Sluice(config) as sluice:
        sluice.enqueue(message())
        drain(config)
        status = sluice.status("m1")
        assert (status.state, status.provider_id) == ("accepted", "p-1")

        [(url, headers, body)] = pigeons.posts
        assert url == "https://api.pigeon.example/sms"
        assert headers["X-Pigeon-Token"] == TOKEN
        assert (body["recipient"], body["content"]) == ("+15550000001", "hello")

        landed = {"event": "e1", "reference": "p-1", "state": "LANDED"}
        front = tell(config, body["callback"], landed)
        assert front.count("receipts_applied") == 1
        assert valkey.hget(sluice.keys.record("m1"), "delivery") == b"delivered"
        assert check_consistency(valkey, sluice.keys)["accepted"] == 1


def test_what_it_did_not_sign_is_not_believed(config: Config) -> None:
    async def story(front: Front) -> None:
        raw = b'{"state": "LANDED"}'
        for token in ("another token", ""):
            answer = await front.hook("/receipts/default", raw, signed(token, raw))
            assert answer.status_code == 401
        # Nor is what Telnyx signs: the account has nothing to do with it.
        assert (await front.hook("/receipts/default", raw)).status_code == 401
        assert front.count("forged") == 3

    run(config, story, environ=ENVIRON)


def test_its_row_gives_an_account_its_defaults_and_the_words_for_its_secret(
    config: Config,
) -> None:
    account = config.account("default")
    assert (account.base_url, account.in_doubt.policy) == ("https://api.pigeon.example", "drop")
    with pytest.raises(InvalidConfig, match="PIGEON_TOKEN: set it to the account's pigeon token"):
        account.api_key({})


def test_two_apis_cannot_have_one_name(pigeons: Pigeons) -> None:
    with pytest.raises(ValueError, match="there is an API 'pigeon' already"):
        register(PIGEON)


def test_what_is_not_registered_is_not_known(tmp_path: Path) -> None:
    assert "pigeon" not in APIS
    file = tmp_path / "sluicegate.toml"
    file.write_text('[accounts.default]\napi = "pigeon"\n')
    with pytest.raises(InvalidConfig, match=r"line 2: accounts.default.api: must be one of 'v1'"):
        load(file, {})
    with pytest.raises(InvalidConfig, match="api: must be one of 'v1', 'v2'"):
        provider_of(Account(api="pigeon"))


def drain(config: Config) -> None:
    """Have a worker's engine do all its work, as Celery would have it."""
    engine = Engine(config, "worker@test", lambda account: None)
    try:
        engine.drain("default")
    finally:
        engine.close()


def tell(config: Config, url: str, event: Mapping[str, str]) -> Front:
    """Bring a webhook to ``url``, as the provider signs it; return the front that took it."""
    fronts = list[Front]()

    async def story(front: Front) -> None:
        raw = json.dumps(event).encode()
        answer = await front.hook(urlsplit(url).path, raw, signed(TOKEN, raw))
        assert answer.status_code == 200
        fronts.append(front)

    run(config, story, environ=ENVIRON)
    return fronts[0]


def signed(token: str, raw: bytes) -> dict[str, str]:
    return {TIME: str(NOW), SIGNATURE: signature_of(token, str(NOW), raw)}
