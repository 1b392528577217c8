"""The configuration: what it reads, what it refuses and how, and what it never shows."""

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sluicegate import Config, InvalidConfig, load_config
from sluicegate.config import (
    Account,
    App,
    ArchiveSettings,
    Brand,
    Desk,
    DeskUser,
    InDoubt,
    Registration,
    RetrySettings,
    Sender,
    Web,
)
from sluicegate.config.redis_url import without_tls_options

EXAMPLE = Path(__file__).parents[2] / "examples" / "sluicegate.toml"
KEY = "KEY0123456789ABCDEF0123456789ABCDEF_abcdefghijklmnopqrstuv"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sluicegate.toml"


def read(path: Path, text: str, **environ: str) -> Config:
    path.write_text(text, encoding="utf-8")
    return load_config(path, environ)


def refused(path: Path, text: str, **environ: str) -> InvalidConfig:
    with pytest.raises(InvalidConfig) as caught:
        read(path, text, **environ)
    return caught.value


def test_an_archive_is_a_file_beside_the_configuration_or_a_url(path: Path) -> None:
    at_home = read(path, "[archive]").archive
    assert at_home is not None
    assert at_home.url == f"sqlite:///{path.parent}/sluicegate-archive.sqlite3"
    elsewhere = read(path, '[archive]\nurl = "sqlite:////var/lib/a.sqlite3"').archive
    assert elsewhere is not None
    assert elsewhere.url == "sqlite:////var/lib/a.sqlite3"
    shared = read(path, "", SLUICEGATE_ARCHIVE_URL="postgresql://me:secret@db/books").archive
    assert shared is not None
    assert shared.url == "postgresql://me:secret@db/books"
    assert "secret" not in repr(shared)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('url = "mysql://db/books"', "must begin with sqlite:/// or postgresql://"),
        ('url = "sqlite://"', "must name a file"),
        ("after_days = 9\nkeep_days = 8", "must not be below after_days"),
        ("after_days = 0", "a number above 0"),
        ("every_day = 1", "no such setting; known: url"),
    ],
)
def test_an_archive_that_makes_no_sense_is_refused(path: Path, text: str, said: str) -> None:
    assert said in refused(path, f"[archive]\n{text}").reason


def test_the_example_is_the_defaults() -> None:
    assert load_config(EXAMPLE, {}) == Config()


def test_the_example_has_every_setting_each_explained() -> None:
    def names(value: Any, at: str = "") -> set[str]:
        if isinstance(value, dict):
            return {name for key, part in value.items() for name in names(part, f"{at}/{key}")}
        return {at}

    text = EXAMPLE.read_text(encoding="utf-8")
    # What is none unless it is named stands there as a comment.
    none = {"/archive", "/reconcile", "/web/desk", "/accounts/default/daily_money"}
    assert names(tomllib.loads(text)) == names(msgspec.to_builtins(Config())) - none
    assert all(re.search(rf"\b{name.rpartition('/')[2]}\b", text) for name in none)
    paragraphs = [part for part in text.split("\n\n") if "=" in part]
    bare = [part for part in paragraphs if not part.startswith("#") and "timeout" not in part]
    assert bare == []


def test_what_the_example_leaves_out_is_valid_as_it_stands(path: Path) -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    config = read(path, re.sub(r"(?m)^# (?=\[|\w+ = )", "", text))
    account = config.account("default")
    assert {sender.kind for sender in account.senders.values()} == {"toll_free", "10dlc", "pool"}
    assert set(account.registrations) == {"notices", "marketing"}
    assert set(account.brands) == {"acme"}
    assert account.outcomes == {"503": "doubt"}
    folder = path.parent
    url = f"sqlite:///{folder}/sluicegate-archive.sqlite3"
    assert config.archive == ArchiveSettings(url=url, keep_days=400.0)
    shop = App(
        token_env="SLUICEGATE_TOKEN_SHOP",
        senders=("+15557654321",),
        countries=("US", "CA"),
        per_second=20.0,
        daily_messages=100_000,
        daily_money=500.0,
        most_waiting=20_000,
        lookups=True,
        campaigns=True,
        older_ids=False,
        events="own",
        events_url="https://shop.example/events",
        events_secret_env="SHOP_EVENTS_SECRET",
    )
    assert config.web.apps == {"shop": shop}
    ann = DeskUser(roles=("send", "operate"))
    assert config.web.desk == Desk(url="https://desk.example.com", users={"ann": ann})


def test_without_a_file_there_are_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_config(environ={}) == Config()


def test_a_file_here_is_found_and_another_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sluicegate.toml").write_text('deployment = "here"', encoding="utf-8")
    Path("other.toml").write_text('deployment = "other"', encoding="utf-8")
    assert load_config(environ={}).deployment == "here"
    assert load_config(environ={"SLUICEGATE_CONFIG": "other.toml"}).deployment == "other"
    assert load_config("sluicegate.toml", {"SLUICEGATE_CONFIG": "other.toml"}).deployment == "here"


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"absent\.toml: cannot be read"):
        load_config(tmp_path / "absent.toml", {})
    with pytest.raises(InvalidConfig, match=r"gone\.toml: cannot be read"):
        load_config(environ={"SLUICEGATE_CONFIG": str(tmp_path / "gone.toml")})


def test_a_file_that_is_not_utf_8_is_refused(path: Path) -> None:
    path.write_bytes(b'deployment = "\xff"')
    with pytest.raises(InvalidConfig, match="cannot be read"):
        load_config(path, {})


def test_it_reads_every_section(path: Path) -> None:
    config = read(
        path,
        """
        redis_url = "rediss://:secret@cache.example:6380/2"
        [accounts.us]
        limit = 10
        api = "v1"
        mms_per_second = 0
        limits_version = 3
        outcomes = { 40300 = "dead", "503" = "halt" }
        retry.max_attempts = 3
        in_doubt = { policy = "drop" }
        [accounts.us.senders."+15557654321"]
        kind = "10dlc"
        registration = "notices"
        [accounts.us.senders.12345]
        kind = "short_code"
        per_second = 5
        [accounts.us.senders."3f-9A"]
        kind = "pool"
        numbers = 3
        [accounts.us.registrations.notices]
        carrier_class = "C"
        mms_per_minute = 0
        att_share = 0.5
        brand = "acme"
        [accounts.us.brands.acme]
        tmobile_daily = 2000
        [accounts.eu]
        window_seconds = 2
        receipts = false
        public_key_env = "EU_PUBLIC_KEY"
        v1_webhook_secret_env = "EU_V1"
        messaging_profiles = ["3f-9A"]
        [web]
        host = "::1"
        port = 0
        public_url = "https://sms.example/in"
        receipts_secret_env = "RECEIPTS"
        max_body_bytes = 1024
        apps.shop = { token_env = "SHOP", account = "eu" }
        [web.apps.clinic]
        token_env = "CLINIC"
        account = "us"
        """,
    )
    assert set(config.accounts) == {"us", "eu"}
    assert config.account("us") == Account(
        limit=10,
        api="v1",
        mms_per_second=0.0,
        limits_version=3,
        outcomes={"40300": "dead", "503": "halt"},
        retry=RetrySettings(max_attempts=3),
        in_doubt=InDoubt(policy="drop"),
        senders={
            "+15557654321": Sender(kind="10dlc", registration="notices"),
            "12345": Sender(kind="short_code", per_second=5.0),
            "3f-9A": Sender(kind="pool", numbers=3),
        },
        registrations={
            "notices": Registration(
                carrier_class="C", mms_per_minute=0.0, att_share=0.5, brand="acme"
            )
        },
        brands={"acme": Brand(tmobile_daily=2000)},
    )
    assert config.account("eu") == Account(
        window_seconds=2.0,
        receipts=False,
        public_key_env="EU_PUBLIC_KEY",
        v1_webhook_secret_env="EU_V1",
        messaging_profiles=("3f-9A",),
    )
    assert config.web == Web(
        host="::1",
        port=0,
        public_url="https://sms.example/in",
        receipts_secret_env="RECEIPTS",
        max_body_bytes=1024,
        apps={
            "shop": App(token_env="SHOP", account="eu"),
            "clinic": App(token_env="CLINIC", account="us"),
        },
    )


def test_an_unknown_account_is_named_with_the_known_ones() -> None:
    with pytest.raises(InvalidConfig, match="account us: not configured; known: default"):
        Config().account("us")


def test_the_environment_overrides_the_file(path: Path) -> None:
    text = 'redis_url = "redis://file:6379/0"\nbroker_url = "amqp://file"'
    config = read(
        path,
        text,
        SLUICEGATE_REDIS_URL="redis://variable:6379/1",
        SLUICEGATE_BROKER_URL="redis://variable:6379/2",
    )
    assert (config.redis_url, config.broker) == (
        "redis://variable:6379/1",
        "redis://variable:6379/2",
    )
    assert read(path, text, SLUICEGATE_REDIS_URL="").redis_url == "redis://file:6379/0"


def test_the_broker_is_the_data_redis_where_none_is_set(path: Path) -> None:
    assert read(path, "", SLUICEGATE_REDIS_URL="redis://one:6379/0").broker == "redis://one:6379/0"


def test_a_bare_redis_url_is_another_program_s(path: Path) -> None:
    environ = {"REDIS_URL": "redis://theirs:6379/0", "BROKER_URL": "redis://theirs:6379/0"}
    assert read(path, "", **environ) == Config()


SENDERS = "[accounts.a.senders"


def sender(kind: str, more: str = "", key: str = "12345") -> str:
    return f"{SENDERS}.'{key}']\nkind = '{kind}'\n{more}"


REFUSALS = [
    # text, line, what stands in the reason
    ("deploymnt = 'x'", 1, ["deploymnt", "no such setting", "deployment", "redis_url"]),
    ("\n[acounts.default]\nlimit = 5", 2, ["acounts", "no such setting", "accounts"]),
    ("[accounts.default]\n\nlimits = 5", 3, ["accounts.default.limits", "limit", "senders"]),
    ("[accounts.a]\n[accounts.a.retries]\nmax = 5", 2, ["accounts.a.retries", "in_doubt, retry"]),
    ("[accounts.a]\n[accounts.a.retry]\nattempts = 5", 3, ["retry.attempts", "max_attempts"]),
    ("[accounts.a]\nretry.attempts = 5", 2, ["accounts.a.retry.attempts", "max_attempts"]),
    ("[accounts.a]\nretry = { attempts = 5 }", 2, ["accounts.a.retry.attempts", "max_attempts"]),
    (
        "# limit = 1\n[accounts.a]\nlimit = 5\n[accounts.b]\nlimit = 0",
        5,
        ["accounts.b.limit", "a whole number, at least 1"],
    ),
    ("[accounts.a]\nlimit = '5'", 2, ["accounts.a.limit", "a whole number, at least 1"]),
    ("[accounts.a]\nlimit = 5.5", 2, ["accounts.a.limit", "a whole number, at least 1"]),
    ("[accounts.a]\nlimit = true", 2, ["accounts.a.limit", "a whole number"]),
    ("[accounts.a]\nsenders = '+1555'", 2, ["accounts.a.senders", "one table for each sender"]),
    (
        "[accounts.a]\nlimit = 1\nsenders = [\n  '+15551234567',\n]",
        3,
        ['[accounts.a.senders."+15557654321"] and below it kind = "long_code"'],
    ),
    ("[accounts.a]\nprice_per_segment = -1", 2, ["price_per_segment", "a number, at least 0"]),
    ("[accounts.a]\nsms_per_second = -1", 2, ["a number, at least 0, at most 1,000,000"]),
    ("[accounts.a]\nmms_per_second = nan", 2, ["mms_per_second", "a number, at least 0"]),
    ("[accounts.a]\nlimits_version = -1", 2, ["a whole number, at least 0"]),
    (
        "[accounts.a]\nbase_url = 'https://api.telnyx.com/v2'\napi = 'v1'",
        2,
        ["base_url: belongs to another API than v1: leave it out"],
    ),
    ("[accounts.a]\napi = 'v3'", 2, ["accounts.a.api", "one of 'v1', 'v2'"]),
    ("[accounts.a.outcomes]\n40300 = 'die'", 2, ["outcomes.40300", "'dead', 'doubt', 'halt'"]),
    ("[accounts.a.outcomes]\n1 = 'dead'", 2, ["outcomes.1", "an HTTP status from 300 to 599"]),
    ("[accounts.a.outcomes]\n200 = 'dead'", 2, ["outcomes.200", "from 300 to 599"]),
    ("[accounts.a.outcomes]\nE1 = 'dead'", 2, ["outcomes.E1", "five digits"]),
    (f"{SENDERS}.12345]\nnumber = 1", 2, ["senders.12345.number", "registration, numbers"]),
    (f"{SENDERS}.12345]\n\n[accounts.b]", 1, ["senders.12345", "needs kind, one of '10dlc'"]),
    (f"{SENDERS}.12345]\nkind = 'short'", 2, ["senders.12345.kind", "'short_code', 'toll_free'"]),
    (sender("short_code", "per_second = -1"), 3, ["12345.per_second", "a number, at least 0"]),
    (sender("short_code", "per_second = nan"), 3, ["12345.per_second", "a number, at least 0"]),
    (sender("short_code", "per_second = inf"), 3, ["12345.per_second", "at most 1,000,000"]),
    (sender("short_code", "per_second = '5'"), 3, ["12345.per_second", "a number, at least 0"]),
    (
        sender("short_code", "registration = 'r'"),
        3,
        ["registration", "10dlc and pool have one, not short_code"],
    ),
    (sender("short_code", "numbers = 2"), 3, ["numbers", "only a pool"]),
    (sender("pool", "numbers = 0"), 3, ["numbers", "a whole number, at least 1"]),
    (sender("pool", "registration = 'r'"), 3, ["no such registration; none is declared"]),
    (
        sender("pool", "registration = 'r'\n[accounts.a.registrations.s]\ncarrier_class = 'A'"),
        3,
        ["no such registration; known: s"],
    ),
    (sender("long_code"), 1, ["a sender of the kind long_code is named by an E.164 number"]),
    (sender("alphanumeric"), 1, ["named by 1 to 11 ASCII letters"]),
    (sender("alphanumeric", key="Acme & Sons"), 1, ["named by 1 to 11 ASCII letters"]),
    (sender("alphanumeric", key="Acme and Sons"), 1, ["named by 1 to 11 ASCII letters"]),
    (sender("toll_free", key="8005550199"), 1, ["named by an E.164 number, such as +15557654321"]),
    (sender("short_code", key="+12345"), 1, ["named by 3 to 8 digits"]),
    (sender("pool", key="a b"), 1, ["named by a messaging profile's id"]),
    (sender("10dlc", key="+15557654321"), 1, ["needs its registration, or per_second"]),
    ("[accounts.a.registrations.r]\nbrand = ''", 1, ["r: needs its carrier_class, or sms_per"]),
    ("[accounts.a.registrations.r]\ncarrier_class = 'Q'", 2, ["one of 'A', 'B', 'C'"]),
    (
        "[accounts.a.registrations.r]\ncarrier_class = 'A'\nbrand = 'b'",
        3,
        ["registrations.r.brand: no such brand; none is declared"],
    ),
    ("[accounts.a.registrations.r]\natt_share = 0", 2, ["a number above 0, at most 1"]),
    ("[accounts.a.registrations.r]\nsms_per_minute = -1", 2, ["a number, at least 0"]),
    ("[accounts.a.registrations.'r|']\ncarrier_class = 'A'", 1, ["r|: its name must be"]),
    ("[accounts.a.brands.b]\ntmobile_share = 1.0", 1, ["needs tmobile_daily, a whole number"]),
    ("[accounts.a.brands.b]\ntmobile_daily = 0", 2, ["tmobile_daily", "at least 1"]),
    ("[accounts.a.brands.b]\ntmobile_daily = 9\ntmobile_share = 2", 3, ["above 0, at most 1"]),
    ("[accounts.a.brands.'b c']\ntmobile_daily = 9", 1, ["b c: its name must be"]),
    ("[accounts.a]\nretry = 5", 2, ["accounts.a.retry", "a table"]),
    ("accounts = 5", 1, ["accounts", "a table"]),
    ("accounts.a = 5", 1, ["accounts.a", "a table"]),
    ("accounts = {}", 1, ["accounts", "at least one account"]),
    ("[accounts.a.in_doubt]\npolicy = 'resent'", 2, ["one of 'drop', 'hold', 'resend'"]),
    ("[accounts.a]\nwindow_seconds = 0", 2, ["window_seconds", "a number above 0"]),
    ("[accounts.a]\nwindow_seconds = nan", 2, ["window_seconds", "a number above 0"]),
    ("\nretention_seconds = inf", 2, ["retention_seconds", "at most 316,224,000"]),
    ("retention_seconds = '7 days'", 1, ["retention_seconds", "a number above 0"]),
    ("memory_ceiling = 1.5", 1, ["memory_ceiling", "a number above 0, at most 1"]),
    ("deployment = 5", 1, ["deployment", "a text in quotes"]),
    ("[accounts.Main]", 1, ["accounts.Main", "a-z 0-9"]),
    ("[accounts.'a b']\nlimit = 5", 1, ["accounts.a b", "a-z 0-9"]),
    ("[accounts.'a{b}']", 1, ["a-z 0-9"]),
    (f"[accounts.{'a' * 41}]", 1, ["1 to 40"]),
    ("[accounts._a]", 1, ["and begin with a letter or digit"]),
    ("[accounts.a]\nbase_url = 'http://api.telnyx.com/v2'", 2, ["base_url", "https"]),
    ("[accounts.a]\nbase_url = 'https://'", 2, ["base_url", "https"]),
    ("[accounts.a]\nbase_url = 'https://[::1'", 2, ["base_url", "https"]),
    ("[accounts.a]\nbase_url = 'https://api:99999'", 2, ["base_url", "https"]),
    ("redis_url = 'localhost:6379'", 1, ["redis_url", "redis://host:port/database-number"]),
    ("redis_url = 'http://localhost'", 1, ["redis_url", "redis://"]),
    ("redis_url = 'redis://localhost/main'", 1, ["redis_url", "database-number"]),
    ("redis_url = 'redis://localhost:port'", 1, ["redis_url", "redis://"]),
    ("broker_url = 'localhost'", 1, ["broker_url", "amqp://"]),
    ("[accounts.a]\nreceipts = 'no'", 2, ["accounts.a.receipts", "true or false"]),
    ("[accounts.a]\npublic_key_env = 'a key'", 2, ["public_key_env: must be the name of an env"]),
    ("[accounts.a]\nv1_webhook_secret_env = 'x'", 2, ["not the secret itself"]),
    ("[accounts.a]\nmessaging_profiles = 'p'", 2, ["messaging_profiles", "a list of messaging"]),
    ("[accounts.a]\nmessaging_profiles = [1]", 2, ["messaging_profiles", "a list of messaging"]),
    ("[accounts.a]\nmessaging_profiles = ['a b']", 2, ["messaging_profiles: each must be"]),
    ("[web]\nhosts = 'x'", 2, ["web.hosts: no such setting; known: host, port"]),
    ("[web]\nhost = ''", 2, ["web.host: must be an address"]),
    ("[web]\nport = 65536", 2, ["web.port", "a whole number, at least 0, at most 65,535"]),
    ("[web]\nmax_body_bytes = 1", 2, ["web.max_body_bytes", "at least 1024"]),
    ("[web]\nreceipts_secret = 'x'", 2, ["its variable's name in receipts_secret_env"]),
    ("[web]\nreceipts_secret_env = 'x'", 2, ["web.receipts_secret_env: must be the name of"]),
    *[
        (f"\n[web]\npublic_url = '{url}'", 3, ["web.public_url: must be an https URL"])
        for url in (
            *("http://sms.example", "https://sms.example/", "https://", "sms.example"),
            *("https://u:p@sms.example", "https://sms.example/?a", "https://sms.example/#a"),
            *("https://sms.example/ä", f"https://sms.example/{'a' * 200}"),
        )
    ],
    ("web.apps.a = 5", 1, ["web.apps.a", "a table"]),
    ("[web.apps.a]\naccount = 'default'", 1, ["web.apps.a: needs token_env, a text"]),
    ("[web.apps.a]\ntoken = 'x'", 2, ["web.apps.a.token", "its variable's name in token_env"]),
    ("[web.apps.a]\ntoken_env = 'x'", 2, ["web.apps.a.token_env: must be the name of"]),
    ("[web.apps.'a b']\ntoken_env = 'X'", 1, ["an app's name must be 1 to 40"]),
    ("[web.apps.a]\ntoken_env = 'X'\naccount = 'b'", 3, ["account: no such account; known: de"]),
    (
        "[web.apps.a]\ntoken_env = 'X'\n[web.apps.b]\ntoken_env = 'X'",
        4,
        ["web.apps.b.token_env: belongs to the app a: each app needs its own"],
    ),
    ("limit = 5\nlimit = 6\n\n", 2, ["not valid TOML"]),
    ("[accounts.a]\nlimit = five", 2, ["not valid TOML"]),
]


@pytest.mark.parametrize(("text", "line", "reasons"), REFUSALS, ids=[r[0] for r in REFUSALS])
def test_a_refusal_names_file_line_and_what_is_valid(
    path: Path, text: str, line: int, reasons: list[str]
) -> None:
    error = refused(path, text)
    assert error.where == f"{path}, line {line}"
    for reason in reasons:
        assert reason in error.reason
    assert str(error) == f"{error.where}: {error.reason}"


def test_the_legacy_api_has_its_own_defaults(path: Path) -> None:
    text = "[accounts.a]\napi = 'v1'\nin_doubt.bulk_wait_seconds = 5\n"
    account = read(path, text).account("a")
    assert account.base_url == "https://sms.telnyx.com"
    assert account.in_doubt == InDoubt(policy="hold", bulk_wait_seconds=5.0)
    with pytest.raises(InvalidConfig, match="set it to the account's messaging profile's secret"):
        account.api_key({})
    text += "in_doubt.policy = 'resend'\nbase_url = 'http://127.0.0.1:1'\n"
    account = read(path, text).account("a")
    assert (account.base_url, account.in_doubt.policy) == ("http://127.0.0.1:1", "resend")


@pytest.mark.parametrize(
    ("kind", "key"),
    [
        *[(kind, "+447911123456") for kind in ("long_code", "toll_free")],
        *[("short_code", key) for key in ("123", "12345678")],
        *[("alphanumeric", key) for key in ("A", "Acme 24 7", "ElevenChars")],
        *[("pool", key) for key in ("12345", "Acme", "40017a3c-96b5-4f05-b0a2-1f6a3e1bd7a3")],
    ],
)
def test_a_sender_is_named_as_its_kind_is(path: Path, kind: str, key: str) -> None:
    assert list(read(path, sender(kind, key=key)).account("a").senders) == [key]


def test_a_10dlc_number_without_a_registration_needs_a_rate(path: Path) -> None:
    text = sender("10dlc", "per_second = 1.5", key="+15557654321")
    assert read(path, text).account("a").senders["+15557654321"].own_per_second == 1.5


def test_toml_that_just_ends_is_refused_without_a_line(path: Path) -> None:
    assert refused(path, "deployment = 'x").reason.startswith("not valid TOML")


@pytest.mark.parametrize(
    "url", ["http://localhost:8000/v2", "http://127.0.0.1:1", "http://[::1]:1"]
)
def test_a_simulator_on_loopback_needs_no_https(path: Path, url: str) -> None:
    assert read(path, f"[accounts.a]\nbase_url = '{url}'").account("a").base_url == url


@pytest.mark.parametrize(
    "url",
    [
        "redis://h",
        "redis://h:1/",
        "redis://:p@h:1/15",
        "rediss://u:p@h/0",
        "unix:///run/redis.sock",
    ],
)
def test_every_kind_of_redis_url_goes(path: Path, url: str) -> None:
    assert read(path, "", SLUICEGATE_REDIS_URL=url).redis_url == url


@pytest.mark.parametrize("name", ["SLUICEGATE_REDIS_URL", "SLUICEGATE_BROKER_URL"])
def test_a_bad_variable_is_named_and_its_value_is_not_shown(path: Path, name: str) -> None:
    error = refused(path, "deployment = 'x'", **{name: "//user:s3cret@host"})
    assert error.where == name
    assert "redis://" in error.reason
    assert "s3cret" not in str(error)


@pytest.mark.parametrize(
    "text",
    [
        f"api_key = '{KEY}'",
        f"\n[accounts.default]\napi_key = '{KEY}'",
        f"[accounts.default]\nAPI_KEY = '{KEY}'",
        f"telnyx_api_key = '{KEY}'",
        f"[accounts.default]\nprofile_secret = '{KEY}'",
        f"[accounts.default.retry]\ntoken = '{KEY}'",
    ],
)
def test_an_api_key_in_the_file_is_refused_and_not_repeated(path: Path, text: str) -> None:
    error = refused(path, text)
    assert error.where == f"{path}, line {text.count(chr(10)) + 1}"
    assert "SLUICEGATE_TELNYX_API_KEY" in error.reason
    assert "environment" in error.reason
    assert "api_key_env" in error.reason
    assert_not_shown(error)


@pytest.mark.parametrize("value", [KEY, KEY.upper(), "KEY01234567", "a secret", "lower_case", ""])
def test_a_key_in_place_of_its_variable_s_name_is_refused(path: Path, value: str) -> None:
    error = refused(path, f"[accounts.default]\napi_key_env = '{value}'")
    assert error.where == f"{path}, line 2"
    assert "environment variable" in error.reason
    assert not value or value not in str(error)


def test_no_other_refusal_repeats_a_key(path: Path) -> None:
    for text in (
        f"api_key = {KEY}",
        f"limit = '{KEY}'",
        f"[accounts.a]\nlimit = '{KEY}'",
        f"[accounts.a]\nsenders = '{KEY}'",
        f"[accounts.a]\nin_doubt.policy = '{KEY}'",
        f"[accounts.a]\nbase_url = 'https://{KEY}@api.telnyx.com'",
        f"redis_url = 'redis://{KEY}'\nbroker_url = '{KEY}'",
    ):
        assert_not_shown(refused(path, text))


def assert_not_shown(error: BaseException | None) -> None:
    """Nothing that a traceback prints, causes included, holds the key."""
    while error is not None:
        assert KEY not in str(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def test_the_key_comes_from_the_environment_at_its_first_use(path: Path) -> None:
    account = read(path, "").account("default")
    assert account.api_key({"SLUICEGATE_TELNYX_API_KEY": f" {KEY}\n"}) == KEY
    renamed = read(path, "[accounts.eu]\napi_key_env = 'TELNYX_EU'").account("eu")
    assert renamed.api_key({"TELNYX_EU": KEY}) == KEY


@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_missing_key_is_named_by_its_variable(value: str | None) -> None:
    environ = {} if value is None else {"SLUICEGATE_TELNYX_API_KEY": value}
    with pytest.raises(InvalidConfig, match="SLUICEGATE_TELNYX_API_KEY: set it to"):
        Account().api_key(environ)


def test_what_signs_webhooks_comes_from_the_environment() -> None:
    environ = {"SLUICEGATE_TELNYX_PUBLIC_KEY": " k\n", "SLUICEGATE_TELNYX_API_KEY": "s", "X": "x"}
    account = Account()
    assert (account.public_keys(environ), account.webhook_secrets(environ)) == (("k",), ())
    assert Account(api="v1").webhook_secrets(environ) == ("s",)
    named = Account(public_key_env="X", v1_webhook_secret_env="X")
    assert (named.public_keys(environ), named.webhook_secrets(environ)) == (("x",), ("x",))
    assert (account.public_keys({}), Account(api="v1").webhook_secrets({})) == ((), ())


@pytest.mark.parametrize("value", [None, "", "  ", "fifteen letters"])
def test_a_secret_of_ours_must_be_there_and_not_short(value: str | None) -> None:
    environ = {} if value is None else {"SLUICEGATE_RECEIPTS_SECRET": value, "TOKEN": value}
    with pytest.raises(InvalidConfig, match=r"^SLUICEGATE_RECEIPTS_SECRET: set it to a secret"):
        Web().receipts_secret(environ)
    with pytest.raises(InvalidConfig, match=r"^TOKEN: set it to a token .* openssl rand -hex 32$"):
        App(token_env="TOKEN").tokens(environ)


def test_secrets_of_ours_come_from_the_environment() -> None:
    environ = {"SLUICEGATE_RECEIPTS_SECRET": f" {'s' * 16}\n", "TOKEN": "t" * 16}
    assert Web().receipts_secret(environ) == "s" * 16
    assert App(token_env="TOKEN").tokens(environ) == ("t" * 16,)


@pytest.mark.parametrize(
    "url", ["redis://u:s3cret@h:1/0", "redis://:s3@s3cret@h/0", "redis://h/0?password=s3cret"]
)
def test_no_password_shows_in_a_repr(url: str) -> None:
    config = Config(redis_url=url, broker_url=url)
    assert "s3cret" not in repr(config)
    assert "s3cret" not in str(config)
    assert "s3cret" not in str(list(config.__rich_repr__()))
    assert "redis://" in repr(config)
    assert config.redis_url == url


def test_a_repr_shows_the_rest() -> None:
    assert "retention_seconds=604800.0" in repr(Config())
    assert "redis_url='redis://127.0.0.1:6379/0'" in repr(Config())


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[databases.shop]\n", "databases.shop: needs either url or url_env"),
        ('[databases.shop]\nurl = "sqlite:///a"\nurl_env = "A"\n', "needs either"),
        ('[databases.shop]\nurl = "mysql://a/b"\n', "databases.shop.url: must begin with sqlite"),
        ('[databases.shop]\nurl = "sqlite://"\n', "must name a file"),
        ('[databases.shop]\nurl_env = "a b"\n', "databases.shop.url_env: must be the name"),
        ('[databases."A B"]\nurl = "sqlite:///a"\n', "a database's name must be"),
        ('databases = "sqlite:///a"\n', "one table for each app's database"),
    ],
)
def test_an_apps_database_is_checked(path: Path, text: str, named: str) -> None:
    path.write_text(text)
    with pytest.raises(InvalidConfig, match=re.escape(named)):
        load_config(path, {})


def test_an_apps_database_may_hold_a_password_in_the_environment(path: Path) -> None:
    path.write_text(
        '[databases.shop]\nurl_env = "SHOP_URL"\n[databases.tills]\nurl = "sqlite:///t"\n'
    )
    databases = load_config(path, {}).databases
    assert databases["tills"].address({}) == f"sqlite:///{path.parent / 't'}"
    url = "postgresql://shop:secret@db/shop"
    assert databases["shop"].address({"SHOP_URL": url}) == url
    assert "secret" not in repr(databases)
    for found in ({}, {"SHOP_URL": "mysql://a/b"}):
        with pytest.raises(InvalidConfig, match="SHOP_URL"):
            databases["shop"].address(found)


def test_a_socket_of_redis_keeps_its_slashes() -> None:
    assert without_tls_options("unix:///run/redis.sock?db=1") == "unix:///run/redis.sock?db=1"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('events = "some"\n', "events: must be one of 'all', 'own'"),
        ('events_url = "https://a.example/e"\n', "events: say which"),
        ('events = "own"\nevents_url = "https://a.example/e"\n', "events_secret_env: events are"),
        (
            'events = "own"\nevents_secret_env = "S"\nevents_url = "http://a.example/e"\n',
            "events_url: must be an https URL",
        ),
        (
            'events = "own"\nevents_secret_env = "S"\nevents_url = "http://127.0.0.1/e"\n',
            "events_url: is on this host",
        ),
    ],
)
def test_where_events_go_is_checked(path: Path, text: str, named: str) -> None:
    error = refused(path, f'[web.apps.shop]\ntoken_env = "TOKEN"\n{text}')
    assert named in str(error)
