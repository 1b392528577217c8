"""``sluicegate setup``: from a key alone to a configuration that sends, and back again."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sluicegate.config import load
from sluicegate_ops.simulator.account.holdings import (
    Holdings,
    OwnedCampaign,
    OwnedNumber,
    OwnedProfile,
)
from sluicegate_ops.simulator.account.sample import SAMPLE_CAMPAIGN, SAMPLE_POOL, sample
from sluicegate_ops.simulator.api.payload import PROFILE
from support.account import KEY, account_at
from support.command_line import Cli
from support.simulated import Client

URL, HERE = "https://sms.example.com", "https://sms.example.com/receipts/default"
TOML = Path("sluicegate.toml")


class Office:
    """The command line, an account at a simulator, and no configuration yet."""

    def __init__(self, cli: Cli, there: Client) -> None:
        self.cli, self.there = cli, there

    def setup(self, *args: str, exits: int = 0, **given: Any) -> Any:
        base = ["--base-url", self.there.simulator.url]
        return self.cli("setup", *([] if "--undo" in args else base), *args, exits=exits, **given)

    def owns(self, **parts: Any) -> None:
        """Change the account at the provider."""
        holdings = self.there.simulator.settings.account
        account = json.loads(json.dumps(replace(holdings, **parts), default=vars))
        self.there.face("settings", {"account": account})

    def profile(self, id: str = PROFILE) -> dict[str, Any]:
        url = f"{self.there.simulator.url}/messaging_profiles/{id}"
        data: dict[str, Any] = self.there.http.get(url).json()["data"]
        return data

    def drift(self) -> list[str]:
        told = json.loads(self.setup("--check", "--json", exits=1).stdout)
        return [one["kind"] for one in told["drift"]]


@pytest.fixture
def office(cli: Cli) -> Iterator[Office]:
    with account_at(cli, sample()) as there:
        TOML.unlink()
        yield Office(cli, there)


def test_a_key_alone_makes_a_configuration_without_a_limit_typed_by_hand(office: Office) -> None:
    done = office.setup("--public-url", URL, "--yes").stdout
    assert "left out: +13125550099: it is on no messaging profile" in done
    account = load(TOML).accounts["default"]
    kinds = {name: sender.kind for name, sender in account.senders.items()}
    assert kinds == {
        "+13125550001": "10dlc",
        "+18005550199": "toll_free",
        "55512": "short_code",
        SAMPLE_POOL: "pool",
    }
    (name, registration), *_ = account.registrations.items()
    assert (registration.carrier_class, registration.per_minute) == ("C", (2400, 1200))
    assert account.senders["+13125550001"].registration == name
    assert account.senders[SAMPLE_POOL].registration == name
    assert account.senders[SAMPLE_POOL].numbers == 2
    assert account.brands[registration.brand].tmobile_daily == 2000
    assert account.messaging_profiles == (PROFILE, SAMPLE_POOL)
    text = TOML.read_text(encoding="utf-8")
    for source in (SAMPLE_CAMPAIGN, "AT&T class C", "tier LOW", "250.00 a day", "US, CA"):
        assert source in text
    for secret in (KEY, "v1-secret"):
        assert secret not in text + done


@pytest.mark.parametrize(
    ("limits", "own", "expected"),
    [
        (("250.00", "50.50"), None, 300.5),
        (("250.00", None), None, None),  # the other may spend without end
        (("250.00", "50.50"), 100.0, 100.0),
        (("250.00", "50.50"), 1000.0, 300.5),
    ],
)
def test_spend_limits_of_profiles_become_the_accounts_cap_in_money(
    office: Office, limits: tuple[str | None, ...], own: float | None, expected: float | None
) -> None:
    office.owns(
        profiles=tuple(
            replace(
                profile,
                daily_spend_limit=limit or "0",
                daily_spend_limit_enabled=limit is not None,
            )
            for profile, limit in zip(sample().profiles, limits, strict=True)
        )
    )
    if own is not None:
        TOML.write_text(f"[accounts.default]\ndaily_money = {own}\n", encoding="utf-8")
    office.setup("--public-url", URL, "--yes")
    assert load(TOML).accounts["default"].daily_money == expected
    office.setup("--check")


def test_what_checks_webhooks_is_named_and_kept_from_others(office: Office) -> None:
    office.setup("--public-url", URL, "--yes")
    env = Path("sluicegate.env")
    variables = dict(line.split("=", 1) for line in env.read_text(encoding="utf-8").splitlines())
    assert variables["SLUICEGATE_TELNYX_PUBLIC_KEY"] == office.there.simulator.public_key
    assert len(variables["SLUICEGATE_RECEIPTS_SECRET"]) == 64
    assert KEY not in str(variables)
    assert env.stat().st_mode & 0o077 == 0
    assert Path(".sluicegate-setup.json").stat().st_mode & 0o077 == 0
    before = env.read_text(encoding="utf-8")
    office.setup("--yes")
    assert env.read_text(encoding="utf-8") == before


def test_webhooks_are_pointed_here_and_undone_exactly(office: Office) -> None:
    was = {"webhook_url": "https://old.example.com/w", "webhook_api_version": "2010-04-01",
           "webhook_failover_url": "https://old.example.org/w"}  # fmt: skip
    url = f"{office.there.simulator.url}/messaging_profiles/{PROFILE}"
    office.there.http.patch(url, json=was)
    before = [office.profile(PROFILE), office.profile(SAMPLE_POOL)]
    shown = office.setup("--public-url", URL, "--yes").stdout
    assert f"webhook_url: https://old.example.com/w -> {HERE}" in shown
    after = office.profile()
    assert (after["webhook_url"], after["webhook_api_version"]) == (HERE, "2")
    assert after["webhook_failover_url"] is None
    assert office.profile(SAMPLE_POOL)["webhook_url"] == HERE
    asked = office.setup("--undo", stdin="n\n", exits=1).stderr
    assert "webhook_url: https://sms.example.com/receipts/default -> https://old" in asked
    office.setup("--undo", "--yes")
    assert [office.profile(PROFILE), office.profile(SAMPLE_POOL)] == before
    assert not TOML.exists()
    assert not Path("sluicegate.env").exists()
    assert not Path(".sluicegate-setup.json").exists()
    assert "could be undone" in office.setup("--undo", "--yes", exits=2).stderr


def test_undo_leaves_what_was_changed_since(office: Office) -> None:
    office.setup("--public-url", URL, "--yes")
    office.cli("profile", "set-webhook", PROFILE, "--url", "https://new.example.com/w", "--yes",
               env=_variables())  # fmt: skip
    TOML.write_text(TOML.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    left = office.setup("--undo", "--yes", exits=1).stderr
    assert "webhooks of profile Notices were changed since" in left
    assert "sluicegate.toml was changed since" in left
    assert office.profile()["webhook_url"] == "https://new.example.com/w"
    assert office.profile(SAMPLE_POOL)["webhook_url"] is None
    assert TOML.read_text(encoding="utf-8").endswith("# mine\n")


def test_two_runs_are_undone_one_after_the_other(office: Office) -> None:
    office.setup("--yes")
    first = TOML.read_text(encoding="utf-8")
    office.owns(numbers=office.there.simulator.settings.account.numbers[1:])
    office.setup("--yes")
    assert "+13125550001" not in load(TOML).accounts["default"].senders
    office.setup("--undo", "--yes")
    assert TOML.read_text(encoding="utf-8") == first
    office.setup("--undo", "--yes")
    assert not TOML.exists()


def test_nothing_is_written_without_consent(office: Office) -> None:
    office.setup("--public-url", URL, stdin="n\n", exits=1)
    assert not TOML.exists()
    assert office.profile()["webhook_url"] is None
    office.setup("--public-url", URL, "--no-webhooks", stdin="y\n")
    assert TOML.exists()
    assert office.profile()["webhook_url"] is None


def test_an_existing_configuration_keeps_what_is_not_read(office: Office) -> None:
    mine = (
        'redis_url = "redis://10.0.0.1:6379/3"  # ours\n\n[accounts.default]\n'
        f'base_url = "{office.there.simulator.url}"\nconcurrency = 7\n\n'
        '[accounts.default.senders."+13125550001"]\nkind = "long_code"\n\n'
        "[accounts.default.retry]\nmax_attempts = 3\n\n"
        "[accounts.other]\nlimit = 5\n"
    )
    TOML.write_text(mine, encoding="utf-8")
    shown = office.setup("--yes").stdout
    assert '-kind = "long_code"' in shown
    config = load(TOML)
    assert "# ours" in TOML.read_text(encoding="utf-8")
    account = config.accounts["default"]
    assert (config.redis_url, account.concurrency) == ("redis://10.0.0.1:6379/3", 7)
    assert (account.retry.max_attempts, config.accounts["other"].limit) == (3, 5)
    assert account.senders["+13125550001"].kind == "10dlc"
    assert account.limits_version == 1  # so that workers with the old file do not win
    again = office.setup("--yes").stdout
    assert "nothing to change" in again
    office.setup("--undo", "--yes")
    assert TOML.read_text(encoding="utf-8") == mine


@pytest.mark.parametrize(
    "odd",
    [
        'accounts.default.senders = {"+13125550001" = {kind = "long_code"}}\n',
        '[accounts.default]\nsenders.Acme.kind = "alphanumeric"\nconcurrency = 9 # mine\n',
        '[accounts.default]\ncurrency = """\nUSD"""\n',
        '[accounts.default.senders.Acme]\nkind = "alphanumeric"\n\n[web]\nport = 8081\n\n'
        "[accounts.default.retry] # rarely\nmax_attempts = 3\n",
        '[accounts . "default"]\r\nconcurrency = 9\r\ncountries = [\r\n "FR", # why\r\n]\r\n',
    ],
)
def test_a_file_in_another_form_keeps_what_is_not_read(office: Office, odd: str) -> None:
    Path("mine.toml").write_bytes(odd.encode())
    TOML.write_bytes(odd.encode())
    mine = load("mine.toml").accounts["default"]
    office.setup("--yes")
    account = load(TOML).accounts["default"]
    assert len(account.senders) == 4
    assert (account.concurrency, account.retry) == (mine.concurrency, mine.retry)
    comments = re.findall("# (?:mine|rarely)", odd)
    assert all(one in TOML.read_text(encoding="utf-8") for one in comments)
    assert "nothing to change" in office.setup("--yes").stdout
    office.setup("--undo", "--yes")
    assert TOML.read_bytes() == odd.encode()


def test_an_account_within_one_line_is_left_alone(office: Office) -> None:
    odd = '[accounts]\ndefault = {senders = {Acme = {kind = "alphanumeric"}}}\n'
    TOML.write_text(odd, encoding="utf-8")
    assert "--out" in office.setup("--yes", exits=2).stderr
    assert TOML.read_text(encoding="utf-8") == odd
    office.setup("--yes", "--out", "other.toml")
    assert len(load("other.toml").accounts["default"].senders) == 4


def test_a_key_in_a_file_or_another_variable(office: Office) -> None:
    del office.cli.environment["SLUICEGATE_TELNYX_API_KEY"]
    assert "SLUICEGATE_TELNYX_API_KEY" in office.setup("--yes", exits=2).stderr
    Path("key").write_text(f"{KEY}\n", encoding="utf-8")
    done = office.setup("--key-file", "key", "--yes").stdout
    assert "SLUICEGATE_TELNYX_API_KEY_FILE=key" in done
    office.setup("--undo", "--yes", "--key-file", "key")
    office.setup("--key-env", "MY_KEY", "--yes", env={"MY_KEY": KEY})
    assert load(TOML).accounts["default"].api_key_env == "MY_KEY"


def test_a_wrong_key_changes_nothing(office: Office) -> None:
    wrong = {"SLUICEGATE_TELNYX_API_KEY": "KEYWRONG0123456789"}
    refused = office.setup("--yes", exits=1, env=wrong).stderr
    assert "401 10009" in refused
    assert "KEYWRONG" not in refused
    assert not TOML.exists()
    assert office.setup("--check", exits=2, env=wrong).stderr


def test_a_number_that_may_not_send_is_left_out_with_the_way_in(office: Office) -> None:
    (campaign,) = office.there.simulator.settings.account.campaigns
    office.owns(
        campaigns=(replace(campaign, tmobile_suspended=True),),
        verifications=(),
    )
    done = office.setup("--yes").stdout
    assert "left out: +13125550001: its 10DLC campaign is suspended by T-Mobile" in done
    assert "left out: +18005550199: toll-free numbers must be verified" in done
    assert set(load(TOML).accounts["default"].senders) == {"55512"}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"att_class": "F", "tpm": 300, "mms_tpm": 150}, ("F", (300, 150))),
        ({"att_class": "Z", "tpm": 90, "mms_tpm": 40}, (None, (90, 40))),
        ({"att_class": "G", "tpm": 60, "mms_tpm": 50, "tpm_scope": "NUMBER"}, ("G", (60, 50))),
        ({"att_class": "G", "tpm": 60, "mms_tpm": 50}, (None, (60, 50))),
        ({"att_class": None}, None),
    ],
)
def test_rates_are_what_att_tells(office: Office, told: dict[str, Any], expected: Any) -> None:
    (campaign,) = office.there.simulator.settings.account.campaigns
    office.owns(campaigns=(replace(campaign, **told),))
    office.setup("--yes")
    registrations = [*load(TOML).accounts["default"].registrations.values()]
    found = [(one.carrier_class, one.per_minute) for one in registrations]
    assert found == ([] if expected is None else [expected])


def test_names_from_outside_break_nothing(office: Office) -> None:
    evil = 'x"]\n[web]\nport = 1\x00\x1b[31m "\\'
    profile = OwnedProfile(id=PROFILE, name=evil)
    office.owns(profiles=(profile,), numbers=(BRITISH,), short_codes=())
    office.setup("--yes")
    assert load(TOML).web.port == 8080
    assert load(TOML).accounts["default"].senders["+447700900123"].kind == "long_code"
    assert "\x1b" not in TOML.read_text(encoding="utf-8")


def test_check_is_quiet_where_all_fits(office: Office) -> None:
    office.setup("--public-url", URL, "--yes")
    told = json.loads(office.setup("--check", "--json").stdout)
    assert told["drift"] == []
    assert "0 differences" in office.setup("--check").stdout


def _changed(holdings: Holdings, which: str, index: int, **fields: Any) -> dict[str, Any]:
    owned = list(getattr(holdings, which))
    owned[index] = replace(owned[index], **fields)
    return {which: tuple(owned)}


def _without(holdings: Holdings, which: str, index: int) -> dict[str, Any]:
    owned = list(getattr(holdings, which))
    del owned[index]
    return {which: tuple(owned)}


def _split(campaign: OwnedCampaign) -> tuple[OwnedCampaign, ...]:
    return (
        replace(campaign, numbers=campaign.numbers[:1]),
        replace(campaign, id="c2", numbers=campaign.numbers[1:]),
    )


def _limited(profile: OwnedProfile) -> OwnedProfile:
    return replace(profile, daily_spend_limit="10.00", daily_spend_limit_enabled=True)


BRITISH = OwnedNumber(
    phone_number="+447700900123", country_code="GB", messaging_profile_id=PROFILE
)
DRIFTS: list[tuple[str, Any]] = [
    ("sender_not_owned", lambda h: _without(h, "numbers", 0)),
    ("sender_without_profile", lambda h: _changed(h, "numbers", 0, messaging_profile_id=None)),
    ("sender_kind", lambda h: _changed(h, "numbers", 1, type="long-code")),
    ("sender_kind", lambda h: _changed(h, "numbers", 0, type="toll-free")),
    ("sms_not_enabled", lambda h: _changed(h, "numbers", 0, sms=False)),
    ("mms_not_enabled", lambda h: _changed(h, "numbers", 0, mms=False)),
    ("not_registered", lambda h: _changed(h, "campaigns", 0, numbers=())),
    ("registration_pending", lambda h: _changed(h, "campaigns", 0, assignment="PENDING")),
    ("campaign_suspended", lambda h: _changed(h, "campaigns", 0, campaign_status="TCR_EXPIRED")),
    ("campaign_suspended", lambda h: _changed(h, "campaigns", 0, tmobile_suspended=True)),
    ("att_class", lambda h: _changed(h, "campaigns", 0, att_class="E", tpm=240, mms_tpm=150)),
    ("att_rates", lambda h: _changed(h, "campaigns", 0, tpm=1200)),
    ("tmobile_cap", lambda h: _changed(h, "brands", 0, tmobile_daily=10_000)),
    ("profile_disabled", lambda h: _changed(h, "profiles", 0, enabled=False)),
    ("profile_disabled", lambda h: _changed(h, "profiles", 1, enabled=False)),
    ("webhook_elsewhere", lambda h: _changed(h, "profiles", 0, webhook_url="https://x.example")),
    ("webhook_elsewhere", lambda h: _changed(h, "profiles", 0, webhook_url=None)),
    ("webhook_form", lambda h: _changed(h, "profiles", 0, webhook_api_version="2010-04-01")),
    (
        "failover_elsewhere",
        lambda h: _changed(h, "profiles", 0, webhook_failover_url="https://x.example"),
    ),
    ("spend_limit", lambda h: {"profiles": tuple(map(_limited, h.profiles))}),
    ("pool_off", lambda h: _changed(h, "profiles", 1, number_pool_settings=None)),
    ("pool_size", lambda h: _without(h, "numbers", 3)),
    ("toll_free_unverified", lambda h: _changed(h, "verifications", 0, status="Rejected")),
    ("sender_undeclared", lambda h: {"numbers": (*h.numbers, BRITISH)}),
    ("several_campaigns", lambda h: {"campaigns": _split(h.campaigns[0])}),
    (
        "profile_gone",
        lambda h: {
            "profiles": h.profiles[1:],
            "numbers": h.numbers[2:],
            "short_codes": (),
        },
    ),
]


def test_each_drift_is_found(office: Office) -> None:
    office.setup("--public-url", URL, "--yes")
    fits = office.there.simulator.settings.account
    for kind, change in DRIFTS:
        office.owns(**{name: getattr(fits, name) for name in fits.__dataclass_fields__})
        office.owns(**change(fits))
        assert kind in office.drift(), kind
    office.owns(**{name: getattr(fits, name) for name in fits.__dataclass_fields__})
    office.setup("--check")


def test_a_campaign_is_sent_with_what_setup_wrote(office: Office) -> None:
    office.setup("--public-url", URL, "--yes")
    Path("list.csv").write_text("to\n+13125550101\n+13125550102\n", encoding="utf-8")
    told = office.cli(
        *shlex.split("campaign preflight list.csv --from +13125550001 --text Hello --json"),
        env=_variables(),
    )
    assert json.loads(told.stdout)["held_by"].startswith(("registration", "account"))
    refused = office.cli(
        *shlex.split("send --to +13125550101 --from +13125550777 --text Hello"),
        env=_variables(),
        exits=2,
    )
    assert "+13125550777" in refused.stderr
    assert tomllib.loads(TOML.read_text(encoding="utf-8"))["web"]["public_url"] == URL


def _variables() -> dict[str, str]:
    text = Path("sluicegate.env").read_text(encoding="utf-8")
    return dict(line.split("=", 1) for line in text.splitlines())
