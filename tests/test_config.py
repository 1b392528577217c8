"""The configuration: what it reads, what it refuses and how, and what it never shows."""

import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sluicegate import Config, InvalidConfig, load
from sluicegate.config import Account, InDoubt, Retry

EXAMPLE = Path(__file__).parents[1] / "examples" / "sluicegate.toml"
KEY = "KEY0123456789ABCDEF0123456789ABCDEF_abcdefghijklmnopqrstuv"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sluicegate.toml"


def read(path: Path, text: str, **environ: str) -> Config:
    path.write_text(text, encoding="utf-8")
    return load(path, environ)


def refused(path: Path, text: str, **environ: str) -> InvalidConfig:
    with pytest.raises(InvalidConfig) as caught:
        read(path, text, **environ)
    return caught.value


def test_the_example_is_the_defaults() -> None:
    assert load(EXAMPLE, {}) == Config()


def test_the_example_has_every_setting_each_explained() -> None:
    def names(value: Any, at: str = "") -> set[str]:
        if isinstance(value, dict):
            return {name for key, part in value.items() for name in names(part, f"{at}/{key}")}
        return {at}

    text = EXAMPLE.read_text(encoding="utf-8")
    assert names(tomllib.loads(text)) == names(msgspec.to_builtins(Config()))
    paragraphs = [part for part in text.split("\n\n") if "=" in part]
    bare = [part for part in paragraphs if not part.startswith("#") and "timeout" not in part]
    assert bare == []


def test_without_a_file_there_are_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(environ={}) == Config()


def test_a_file_here_is_found_and_another_is_named_by_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sluicegate.toml").write_text('deployment = "here"', encoding="utf-8")
    Path("other.toml").write_text('deployment = "other"', encoding="utf-8")
    assert load(environ={}).deployment == "here"
    assert load(environ={"SLUICEGATE_CONFIG": "other.toml"}).deployment == "other"
    assert load("sluicegate.toml", {"SLUICEGATE_CONFIG": "other.toml"}).deployment == "here"


def test_a_file_that_is_named_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match=r"absent\.toml: cannot be read"):
        load(tmp_path / "absent.toml", {})
    with pytest.raises(InvalidConfig, match=r"gone\.toml: cannot be read"):
        load(environ={"SLUICEGATE_CONFIG": str(tmp_path / "gone.toml")})


def test_a_file_that_is_not_utf_8_is_refused(path: Path) -> None:
    path.write_bytes(b'deployment = "\xff"')
    with pytest.raises(InvalidConfig, match="cannot be read"):
        load(path, {})


def test_it_reads_every_section(path: Path) -> None:
    config = read(
        path,
        """
        redis_url = "rediss://:secret@cache.example:6380/2"
        [accounts.us]
        limit = 10
        senders = ["+15557654321", "12345"]
        retry.max_attempts = 3
        in_doubt = { policy = "hold" }
        [accounts.eu]
        window_seconds = 2
        """,
    )
    assert set(config.accounts) == {"us", "eu"}
    assert config.account("us") == Account(
        limit=10,
        senders=("+15557654321", "12345"),
        retry=Retry(max_attempts=3),
        in_doubt=InDoubt(policy="hold"),
    )
    assert config.account("eu").window_seconds == 2.0


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
    ("[accounts.a]\nsenders = '+1555'", 2, ["accounts.a.senders", "a list of texts"]),
    ("[accounts.a]\nsenders = [\n  15551234567,\n]", 2, ["accounts.a.senders", "a list of texts"]),
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
    ("[accounts.Main]", 1, ["accounts.Main", "a-z, 0-9"]),
    ("[accounts.'a b']\nlimit = 5", 1, ["accounts.a b", "a-z, 0-9"]),
    ("[accounts.'a{b}']", 1, ["a-z, 0-9"]),
    (f"[accounts.{'a' * 41}]", 1, ["1 to 40"]),
    ("[accounts._a]", 1, ["no _ or - first"]),
    ("[accounts.a]\nbase_url = 'http://api.telnyx.com/v2'", 2, ["base_url", "https"]),
    ("[accounts.a]\nbase_url = 'https://'", 2, ["base_url", "https"]),
    ("[accounts.a]\nbase_url = 'https://[::1'", 2, ["base_url", "https"]),
    ("[accounts.a]\nbase_url = 'https://api:99999'", 2, ["base_url", "https"]),
    ("redis_url = 'localhost:6379'", 1, ["redis_url", "redis://host:port/database-number"]),
    ("redis_url = 'http://localhost'", 1, ["redis_url", "redis://"]),
    ("redis_url = 'redis://localhost/main'", 1, ["redis_url", "database-number"]),
    ("redis_url = 'redis://localhost:port'", 1, ["redis_url", "redis://"]),
    ("broker_url = 'localhost'", 1, ["broker_url", "amqp://"]),
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
