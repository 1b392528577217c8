"""``sluicegate profile`` and ``message retrieve``: what the provider has, shown and changed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sluicegate_ops.simulator.account.sample import SAMPLE_POOL, sample
from sluicegate_ops.simulator.api.payload import PROFILE
from support.account import KEY, account_at
from support.command_line import Cli
from support.simulated import Client

HERE = "https://sms.example.com/receipts/default"


@pytest.fixture
def there(cli: Cli) -> Iterator[Client]:
    with account_at(cli, sample()) as client:
        toml = Path("sluicegate.toml").read_text(encoding="utf-8")
        Path("sluicegate.toml").write_text(
            f'[web]\npublic_url = "https://sms.example.com"\n{toml}', encoding="utf-8"
        )
        yield client


def test_profiles_are_listed_and_shown_without_their_secret(cli: Cli, there: Client) -> None:
    listed = cli.lines("profile", "list")
    assert [(one["name"], one["countries"]) for one in listed] == [
        ("Notices", ["US", "CA"]),
        ("Offers", ["US"]),
    ]
    shown = cli("profile", "show", PROFILE).stdout
    assert "250.00 a day" in shown
    assert "v1-secret" not in shown + str(cli.document("profile", "show", PROFILE)) + str(listed)
    assert "nowhere" in cli("profile", "list").stdout


def test_webhooks_are_pointed_here_after_showing_what_was_there(cli: Cli, there: Client) -> None:
    asked = cli("profile", "set-webhook", PROFILE, stdin="n\n", exits=1)
    assert f"webhook_url: none -> {HERE}" in asked.stderr
    assert not cli.document("profile", "show", PROFILE)["here"]
    done = cli("profile", "set-webhook", PROFILE, "--yes", "--why", "opt-outs")
    assert HERE in done.stdout
    assert cli.document("profile", "show", PROFILE)["here"]
    (entry,) = [one for one in cli.lines("audit", "list") if one["action"] == "set webhook"]
    assert (entry["filter"]["webhook_url before"], entry["filter"]["webhook_url"]) == (
        "none",
        HERE,
    )
    assert "nothing to change" in cli("profile", "set-webhook", PROFILE).stdout


def test_a_failover_is_set_and_taken_away(cli: Cli, there: Client) -> None:
    url, other = "https://one.example.com/w", "https://two.example.com/w"
    cli("profile", "set-webhook", SAMPLE_POOL, "--url", url, "--failover-url", other, "--yes")
    shown = cli.document("profile", "show", SAMPLE_POOL)
    assert (shown["webhook_url"], shown["webhook_failover_url"]) == (url, other)
    cli("profile", "set-webhook", SAMPLE_POOL, "--url", "none", "--failover-url", "none", "--yes")
    shown = cli.document("profile", "show", SAMPLE_POOL)
    assert (shown["webhook_url"], shown["webhook_failover_url"]) == ("", "")


@pytest.mark.parametrize(
    "url", ["http://example.com/x", "ftp://x", "https://", "x", "https://a b"]
)
def test_a_url_that_is_none_is_refused_before_anything_is_asked(
    cli: Cli, there: Client, url: str
) -> None:
    refused = cli("profile", "set-webhook", PROFILE, "--url", url, "--yes", exits=2)
    assert "--url" in refused.stderr


def test_what_the_provider_refuses_is_said_without_the_key(cli: Cli, there: Client) -> None:
    unknown = cli("profile", "show", "nobody", exits=2).stderr
    assert "404 10005" in unknown
    wrong = {"SLUICEGATE_TELNYX_API_KEY": "KEYWRONG-0123456789"}
    refused = cli("profile", "list", env=wrong, exits=1).stderr
    assert "401 10009" in refused
    assert "SLUICEGATE_TELNYX_API_KEY" in refused
    assert "KEYWRONG" not in refused


def test_a_message_is_retrieved_with_its_number_masked(cli: Cli, there: Client) -> None:
    sent = there.send(text="Your code is 12345").json()["data"]
    shown = cli("message", "retrieve", sent["id"]).stdout
    assert "+1312•••02" in shown
    assert "12345" not in shown + str(cli.document("message", "retrieve", sent["id"]))
    assert sent["id"] in shown
    full = cli("message", "retrieve", sent["id"], "--full").stdout
    assert "+13125550002" in full
    assert "Your code is 12345" in full
    assert "404" in cli("message", "retrieve", "b0c7e8cb", exits=2).stderr


def test_a_message_detail_record_of_v1_is_retrieved(cli: Cli, there: Client) -> None:
    base = there.simulator.base
    Path("sluicegate.toml").write_text(
        f'[accounts.default]\napi = "v1"\nbase_url = "{base}"\n', encoding="utf-8"
    )
    sent = there.http.post(
        f"{base}/messages",
        json={"from": "+13125550001", "to": "+13125550002", "body": "Hello"},
        headers={"X-Profile-Secret": KEY},
    ).json()
    told = cli.document("message", "retrieve", sent["sms_id"])
    assert (told["sms_id"], told["direction"], told["type"]) == (sent["sms_id"], "outbound", "SMS")
    assert told["to"] == "+1312•••02"
    assert "api = v2" in cli("profile", "list", exits=1).stderr
