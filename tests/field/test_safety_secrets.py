"""Secrets: who may see a connection, where they come from, and how they change with an overlap."""

import asyncio
import re
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from kombu.connection import Connection
from kombu.exceptions import OperationalError
from msgspec.structs import replace

from sluicegate import Sluice
from sluicegate.audit import Audit, By, act
from sluicegate.campaigns.campaign import Campaigns
from sluicegate.config import Account, Config, Web, load
from sluicegate.config.redis_url import tls_options
from sluicegate.config.web import from_environment
from sluicegate.connections import connect, connect_async, connect_async_client
from sluicegate.errors import InvalidConfig
from sluicegate.safety import hazards
from sluicegate.webhook_urls import WebhookUrls, verified
from sluicegate_ops.simulator import Settings
from sluicegate_ops.simulator.webhooks.signing import Signer
from sluicegate_rigs.deployment import Deployment
from sluicegate_worker.app import broker_tls, broker_url
from sluicegate_worker.observe.logs import secrets_of
from sluicegate_worker.provider.telnyx.webhooks import webhook_readers
from sluicegate_worker.provider.webhooks import Forged
from support.messages import message, plan, recipient
from support.served import FORGER, NOW, v1_signed, v2_signed
from support.tls import tls_valkey, write_certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("certificates")
    write_certificates(folder)
    return folder


@pytest.fixture(scope="module")
def tls_url(certificates: Path) -> Iterator[str]:
    with tls_valkey(certificates) as url:
        yield url


def answers(config: Config, who: str) -> bool:
    """Whether that part of us speaks with the server; False where it refuses the certificate."""
    try:
        if who == "the broker":
            made: Any = Connection  # kombu has no types
            once = {"max_retries": 1, "interval_start": 0, "interval_step": 0}
            url, ssl = broker_url(config), broker_tls(config)
            with made(url, ssl=ssl, transport_options=once) as broker:
                channel = broker.default_channel
                return bool(channel.client.ping())
        if who == "an app":
            with connect(config.redis_url) as client:
                return bool(client.ping())
        make = connect_async if who == "a worker" else connect_async_client
        return asyncio.run(_pinged(make(config.redis_url)))
    except (redis.ConnectionError, OperationalError) as error:
        if "CERTIFICATE_VERIFY_FAILED" not in str(error):
            raise
        return False


async def _pinged(client: redis.asyncio.Redis) -> bool:
    async with client:
        return bool(await client.ping())


EVERYBODY = ["an app", "an asynchronous app", "a worker", "the broker"]


@pytest.mark.parametrize("who", EVERYBODY)
def test_3_6_a_server_that_nobody_vouches_for_is_refused(tls_url: str, who: str) -> None:
    assert not answers(Config(redis_url=tls_url), who)


@pytest.mark.parametrize("who", EVERYBODY)
def test_3_6_the_ca_in_the_url_vouches_for_it(tls_url: str, certificates: Path, who: str) -> None:
    assert answers(Config(redis_url=f"{tls_url}?ssl_ca_certs={certificates / 'ca.pem'}"), who)


@pytest.mark.parametrize("who", EVERYBODY)
def test_3_6_a_certificate_for_another_host_is_refused(
    tls_url: str, certificates: Path, who: str
) -> None:
    url = tls_url.replace("127.0.0.1", "localhost")
    assert not answers(Config(redis_url=f"{url}?ssl_ca_certs={certificates / 'ca.pem'}"), who)
    named = f"{url}?ssl_ca_certs={certificates / 'ca.pem'}&ssl_check_hostname=false"
    assert answers(Config(redis_url=named), who)


def test_3_6_a_broker_of_its_own_has_its_own_options(tls_url: str, certificates: Path) -> None:
    own = f"{tls_url}?ssl_ca_certs={certificates / 'ca.pem'}&db=3"
    config = Config(broker_url=own)
    assert answers(config, "the broker")
    assert broker_url(config) == f"{tls_url.removesuffix('/0')}/3"
    assert broker_tls(Config(broker_url="amqps://host/")) is None
    assert broker_tls(Config()) is None


def test_3_6_one_place_says_how_tls_is_spoken() -> None:
    assert tls_options("redis://host/0") == {}
    assert tls_options("rediss://host/0") == {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
    }


def test_3_6_a_server_that_is_not_verified_is_a_hazard() -> None:
    open_door = Config(redis_url="rediss://host/0?ssl_cert_reqs=none")
    [found] = hazards(open_door, "default", {}, {})
    assert "ssl_ca_certs" in str(found)
    assert not hazards(Config(redis_url="rediss://host/0"), "default", {}, {})


# The Redis URL.


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?nonsense=1", "parameter nonsense that is not known; known: db,"),
        ("?decode_responses=true", "parameter decode_responses that is not known"),
        ("?password=hunter2", "parameter password that is not known"),
        ("?ssl_ca_certs=/ca.pem", "without TLS: write rediss://"),
        ("?db=one", "a database number"),
        ("?db=1&db=2", "db twice"),
        ("?%00=1", "a parameter that is not known"),
        ("?db", "a database number"),
    ],
)
@pytest.mark.parametrize("variable", ["SLUICEGATE_REDIS_URL", "SLUICEGATE_BROKER_URL"])
def test_4_4_an_unknown_parameter_of_a_redis_url_is_said_clearly(
    variable: str, query: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidConfig, match=variable) as refused:
        load(environ={variable: f"redis://user:hunter2@host:1/0{query}"})
    assert said in str(refused.value)
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?ssl_cert_reqs=maybe", "it must be required"),
        ("?ssl_check_hostname=perhaps", "true or false"),
        ("?ssl_ca_certs=", "the path of"),
    ],
)
def test_4_4_a_value_that_tls_can_not_use_is_said_clearly(
    query: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidConfig) as refused:
        load(environ={"SLUICEGATE_REDIS_URL": f"rediss://host:1/0{query}"})
    assert said in str(refused.value)


# Files instead of variables.


def test_4_7_each_secret_may_come_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    secrets = {
        "SLUICEGATE_REDIS_URL": "rediss://user:of-the-url@host:1/0",
        "SLUICEGATE_BROKER_URL": "redis://host:2/1",
        "SLUICEGATE_BROKER_PASSWORD": "of/the@broker",
        "SLUICEGATE_TELNYX_API_KEY": "KEY-of-the-account",
        "SLUICEGATE_TELNYX_PUBLIC_KEY": "public",
        "SLUICEGATE_TELNYX_PUBLIC_KEY_PREVIOUS": "public-before",
        "SLUICEGATE_RECEIPTS_SECRET": "the-secret-of-receipts",
        "SLUICEGATE_RECEIPTS_SECRET_PREVIOUS": "the-secret-before-it",
    }
    environ = {}
    for name, secret in secrets.items():
        file = tmp_path / name.lower()
        file.write_text(f"{secret}\n", encoding="utf-8")
        environ[f"{name}_FILE"] = str(file)
    config = load(environ=environ)
    account = config.account("default")
    assert config.redis_url == secrets["SLUICEGATE_REDIS_URL"]
    assert config.broker_url == "redis://:of%2Fthe%40broker@host:2/1"
    assert account.api_key(environ) == "KEY-of-the-account"
    assert account.public_keys(environ) == ("public", "public-before")
    assert config.web.receipts_secrets(environ) == (
        "the-secret-of-receipts",
        "the-secret-before-it",
    )
    hidden = secrets_of(config, environ)
    told = (
        "SLUICEGATE_BROKER_PASSWORD",
        "SLUICEGATE_TELNYX_API_KEY",
        "SLUICEGATE_RECEIPTS_SECRET",
    )
    assert {secrets[name] for name in told} <= set(hidden)
    assert "the-secret-before-it" in hidden
    for name in secrets:
        with pytest.raises(InvalidConfig, match=f"{name}_FILE: set it or {name}, not both"):
            from_environment(name, {**environ, name: "another"})


def test_4_7_a_password_stands_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    twice = {
        "SLUICEGATE_REDIS_URL": "redis://:one@host/0",
        "SLUICEGATE_REDIS_PASSWORD": "two-words",
    }
    with pytest.raises(InvalidConfig, match="SLUICEGATE_REDIS_PASSWORD: redis_url has a password"):
        load(environ=twice)
    with pytest.raises(InvalidConfig, match="there is no broker_url"):
        load(environ={"SLUICEGATE_BROKER_PASSWORD": "two"})
    named = load(environ={"SLUICEGATE_REDIS_URL": "unix://me@/run/r.sock?db=2",
                          "SLUICEGATE_REDIS_PASSWORD": "two-words"})  # fmt: skip
    assert named.redis_url == "unix://me:two-words@/run/r.sock?db=2"
    assert "two-words" not in repr(named)
    assert connect(named.redis_url).get_connection_kwargs()["password"] == "two-words"


def test_4_7_a_file_that_can_t_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"KEY_FILE: .*none can't be read"):
        Account(api_key_env="KEY").api_key({"KEY_FILE": str(tmp_path / "none")})


# Two at a time.


OLD, NEW = Signer(), Signer()
RECEIPTS = {"SLUICEGATE_RECEIPTS_SECRET": "the-secret-of-receipts"}


def test_4_7_webhooks_are_taken_under_both_public_keys_while_they_change() -> None:
    [reader] = webhook_readers(
        Account(),
        {
            "SLUICEGATE_TELNYX_PUBLIC_KEY": NEW.public_key,
            "SLUICEGATE_TELNYX_PUBLIC_KEY_PREVIOUS": OLD.public_key,
        },
    )
    for signer in (OLD, NEW):
        reader.check(v2_signed(b"{}", NOW, signer), b"{}", NOW)
    with pytest.raises(Forged):
        reader.check(v2_signed(b"{}", NOW, FORGER), b"{}", NOW)
    [alone] = webhook_readers(Account(), {"SLUICEGATE_TELNYX_PUBLIC_KEY": NEW.public_key})
    with pytest.raises(Forged):
        alone.check(v2_signed(b"{}", NOW, OLD), b"{}", NOW)


def test_4_7_and_under_both_secrets_of_api_v1() -> None:
    account = Account(api="v1", api_key_env="SECRET")
    [reader] = webhook_readers(account, {"SECRET": "new-secret", "SECRET_PREVIOUS": "old-secret"})
    for secret in ("new-secret", "old-secret"):
        reader.check(v1_signed(b"{}", NOW, secret), b"{}", NOW)
    with pytest.raises(Forged):
        reader.check(v1_signed(b"{}", NOW, "no-secret"), b"{}", NOW)


def test_4_7_a_receipt_s_url_of_before_the_change_is_ours() -> None:
    environ = RECEIPTS | {"SLUICEGATE_RECEIPTS_SECRET_PREVIOUS": "the-secret-before-it"}
    secrets = Web().receipts_secrets(environ)
    for secret in secrets:
        mac = WebhookUrls("", secret, "default").url("m1").rpartition("/")[2]
        assert verified(secrets, "default", "m1", mac, None)
        assert verified(secrets[:1], "default", "m1", mac, None) == (secret == secrets[0])


@pytest.mark.parametrize(
    "environ",
    [{"SLUICEGATE_TELNYX_PUBLIC_KEY_PREVIOUS": OLD.public_key},
     {"SLUICEGATE_TELNYX_PUBLIC_KEY": NEW.public_key,
      "SLUICEGATE_TELNYX_PUBLIC_KEY_PREVIOUS": "no key"}],
)  # fmt: skip
def test_4_7_a_previous_value_that_makes_no_sense_is_refused(environ: dict[str, str]) -> None:
    with pytest.raises(InvalidConfig, match="SLUICEGATE_TELNYX_PUBLIC_KEY_PREVIOUS"):
        webhook_readers(Account(), environ)
    short = RECEIPTS | {"SLUICEGATE_RECEIPTS_SECRET_PREVIOUS": "short"}
    with pytest.raises(InvalidConfig, match="SLUICEGATE_RECEIPTS_SECRET_PREVIOUS"):
        Web().receipts_secrets(short)


# What the security paper says of Redis.


PAPER = (Path(__file__).parents[2] / "SECURITY.md").read_text(encoding="utf-8")
SECTIONS = [
    *("## Reporting a vulnerability", "## Supported versions", "## Threat model"),
    *("## The network", "### The proxy", "### Redis: users and TLS", "## Secrets"),
    "## Traces of people, and how they end",
]


def block(language: str, holding: str) -> str:
    """The paper's only block of code in that language with a text in it."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", PAPER, re.MULTILINE | re.DOTALL)
    [found] = [text for text in blocks if holding in text]
    return str(found)


def test_4_8_the_paper_has_its_sections() -> None:
    assert all(f"\n{title}\n" in PAPER for title in SECTIONS)
    deployment = (Path(__file__).parents[2] / "docs" / "DEPLOYMENT.md").read_text(encoding="utf-8")
    assert "docs/DEPLOYMENT.md#the-proxy-in-front" in PAPER
    assert "proxy_request_buffering on" in deployment
    for words in ("assets", "is trusted"):
        assert words in PAPER.replace("| asset |", "assets").replace("| trusted |", "is trusted")


@pytest.fixture
def users(tmp_path: Path) -> Iterator[str]:
    """A server behind TLS with the paper's users; gives its URL with the CA, without a user."""
    write_certificates(tmp_path)
    acl = block("text", "user app").splitlines()
    with tls_valkey(tmp_path, *acl) as url:
        yield f"{url}?ssl_ca_certs={tmp_path / 'ca.pem'}"


def of_user(url: str, name: str) -> str:
    return url.replace("//", f"//{name}:{name.upper()}-PASSWORD@")


def test_4_8_the_paper_s_users_may_do_their_work_and_no_more(users: str) -> None:
    app = Config(redis_url=of_user(users, "app"))
    with Sluice(app) as sluice:
        assert sluice.enqueue(message(1)).ok
        assert sluice.status("m1").state == "waiting"
        assert sluice.optouts.add(["+15550000009"], "a test") == 1
        assert sluice.cancel("m1") == "cancelled"
        campaigns = Campaigns(sluice.client, sluice.keys)
        campaigns.create(plan())
        assert [result for _, result in campaigns.add("july", [recipient(plan(), 1)])] == ["added"]
        campaigns.act("july", "start")
        list(campaigns)
        campaigns.recount("july")
        Audit(sluice.client, sluice.keys).note(act(By(), "export"))
        store = cast("Any", sluice.client)
        for command in (["FLUSHALL"], ["CONFIG", "GET", "*"], ["ACL", "LIST"], ["KEYS", "*"],
                        ["GET", "other"], ["SHUTDOWN"],
                        ["RPUSH", "sluicegate-broker:x", "1"]):  # fmt: skip
            with pytest.raises(redis.exceptions.NoPermissionError):
                store.execute_command(*command)
    with pytest.raises(redis.AuthenticationError):
        connect(users).ping()
    worker = Config(redis_url=of_user(users, "worker"))
    assert answers(worker, "the broker")
    assert answers(worker, "a worker")


@pytest.mark.long
def test_4_8_a_worker_and_serve_run_as_the_paper_s_user(users: str) -> None:
    url = of_user(users, "worker")
    urls = {"SLUICEGATE_REDIS_URL": url, "SLUICEGATE_BROKER_URL": url.replace("/0?", "/1?")}
    hardened = Hardened(Settings(), receipts=True)
    hardened.urls = urls
    with hardened as deployment:
        with Sluice(replace(deployment.config, redis_url=url)) as sluice:
            list(sluice.enqueue_many(message(number) for number in range(5)))
            worker = deployment.start_worker()
            deployment.start_web()
            ends = time.monotonic() + 40
            while deployment.provider("report")["received"] < 5 and time.monotonic() < ends:
                time.sleep(0.05)
            assert deployment.provider("report")["received"] == 5, worker.log.read_text()[-2000:]
            deployment.wait_for_web()
        assert "NOPERM" not in worker.log.read_text() + deployment.web_log


class Hardened(Deployment):
    """A deployment whose processes find Redis at ``urls``."""

    urls: dict[str, str]

    @property
    def environ(self) -> dict[str, str]:
        return super().environ | self.urls

    @property
    def web_log(self) -> str:
        return self.web.log.read_text() if self.web else ""


@pytest.mark.parametrize("command", ["sluicegate erase", "sluicegate campaign delete"])
def test_4_8_the_paper_names_the_commands_that_end_what_is_kept_of_people(command: str) -> None:
    assert f"`{command}" in PAPER[PAPER.index(SECTIONS[-1]) :]


# The rules of bandit.


def test_12_bandit_s_rules_are_on_for_the_whole_project() -> None:
    """A suppression in a file says why beside it; those of whole folders are these."""
    settings = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    lint = settings["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    assert not [rule for rule in lint["ignore"] if rule.startswith("S1")]
    folders = {
        folder: {rule for rule in rules if re.match("S[0-9]", rule)}
        for folder, rules in lint["per-file-ignores"].items()
    }
    assert folders == {
        "tests/*": {"S101", "S105", "S106", "S311", "S603", "S607"},
        "examples/*": {"S311"},
    }
