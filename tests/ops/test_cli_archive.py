"""What has left Redis for the archive, from the command line: it is read as if it were there."""

import csv
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from sluicegate import Sluice, UnknownMessage, load_config
from sluicegate.archive import reading
from sluicegate.errors import ArchiveUnavailable
from support.bench import Bench
from support.command_line import Cli
from support.messages import message, plan
from support.receipts import tell

DAY_MS = 86_400_000
JULY = plan()
TOML = "[archive]\nafter_days = 1.0\n"


class Office(Cli):
    """A folder with a configuration that names an archive, and everything that ended long ago."""

    folder: Path

    def archived(self) -> None:
        self("archive", "run")

    def campaign(self, count: int = 3) -> list[str]:
        return self.bench.campaign(JULY, count)


@pytest.fixture
def cli(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Office:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sluicegate.toml").write_text(TOML)
    office = Office(redis_url, valkey, Bench(valkey))
    office.folder = tmp_path
    office.bench.at(time.time() * 1000 - 3 * DAY_MS)
    return office


def sent(cli: Office, number: int = 1) -> None:
    cli.bench.enqueue(message(number))
    cli.bench.send()


def test_a_message_is_shown_from_the_archive_as_it_was_from_redis(cli: Office) -> None:
    sent(cli)
    tell(cli.bench, "m1", "delivered")
    before = cli.document("message", "show", "m1", "--full")
    cli.archived()
    assert cli.bench.record("m1") == {}
    after = cli.document("message", "show", "m1", "--full")
    ages = ("key_age_seconds",)
    assert {k: v for k, v in after.items() if k not in ages} == {
        k: v for k, v in before.items() if k not in ages
    }
    config = load_config(cli.folder / "sluicegate.toml", cli.environment)
    with Sluice(config) as sluice:
        assert sluice.status("m1").delivery == "delivered"


def test_a_message_that_nobody_knows_is_unknown(cli: Office) -> None:
    sent(cli)
    cli.archived()
    assert "not known" in cli("message", "show", "m9", exits=2).stderr


def test_without_the_archive_a_message_is_never_called_unknown(cli: Office) -> None:
    sent(cli)
    cli.archived()
    reading.close_archives()
    (cli.folder / "sluicegate-archive.sqlite3").rename(cli.folder / "elsewhere")
    said = cli("message", "show", "m1", exits=1).stderr
    assert "sluicegate-archive.sqlite3 is not there" in said
    (cli.folder / "sluicegate.toml").unlink()
    said = cli("message", "show", "m1", exits=1).stderr
    assert "this configuration has no [archive]" in said
    config = load_config(environ=cli.environment)
    with Sluice(config) as sluice, pytest.raises(ArchiveUnavailable):
        sluice.status("m1")


def test_an_account_without_an_archive_is_not_asked_for_one(cli: Office) -> None:
    (cli.folder / "sluicegate.toml").unlink()
    with Sluice(load_config(environ=cli.environment)) as sluice, pytest.raises(UnknownMessage):
        sluice.status("m1")


def test_a_campaign_adds_up_with_its_recipients_in_the_archive(cli: Office) -> None:
    ids = cli.campaign()
    cli.bench.send()
    failed = cli.bench.send().id
    tell(cli.bench, failed, "delivery_failed", code="40008")
    cli.bench.act("july", "cancel")
    report = cli.document("campaign", "report", "july")
    cli("campaign", "export", "july", "--out", "before.csv", "--full")
    cli.archived()
    assert not list(cli.bench.store.scan_iter(f"{cli.bench.keys.record('july.')}*"))
    assert cli.document("campaign", "report", "july") == report
    cli("campaign", "export", "july", "--out", "after.csv", "--full")
    before, after = (
        sorted(csv.reader(Path(name).read_text().splitlines()))
        for name in ("before.csv", "after.csv")
    )
    assert [row[:3] for row in after] == [row[:3] for row in before]
    assert len(after) == len(ids) + 1
    assert "proved" in cli("campaign", "status", "july", "--verify").stdout


def test_whom_a_campaign_reached_is_left_out_of_another_by_the_archive(cli: Office) -> None:
    cli.campaign()
    cli.bench.send()
    cli.bench.act("july", "cancel")
    cli.archived()
    header, rows = "phone,first_name,code", [f"+1415{2_000_000 + n:07d},a,b" for n in range(3)]
    Path("r.csv").write_text("\n".join([header, *rows]) + "\n")
    said = cli.document(
        "campaign", "preflight", "r.csv", "--name", "august", "--text", "Hi {{ first_name }}",
        "--from", "+15550000000", "--except-campaign", "july",
    )  # fmt: skip
    assert said["excluded"] == 1


def test_whom_anything_reached_lately_is_known_from_the_archive(cli: Office) -> None:
    sent(cli)
    cli.bench.campaign(JULY, 1)
    cli.bench.send()
    cli.archived()
    [number] = [
        row["to"]
        for row in csv.DictReader(cli("campaign", "export", "july", "--full").stdout.splitlines())
    ]
    (cli.folder / "people.csv").write_text(f"phone\n{number}\n+14152999999")
    given = ("campaign", "preflight", "people.csv", "--from", "+15550000000", "--text", "Hi")
    reached = cli.document(*given, "--not-reached-for", "30d")
    assert reached["excluded_by"] == {"reached in the last 30d": 1}
    assert cli.document(*given, "--not-reached-for", "1d")["excluded"] == 0


def test_an_archived_message_is_not_replayed_and_not_called_unknown(cli: Office) -> None:
    sent(cli)
    cli.archived()
    said = cli("doubt", "resolve", "m1", "--accepted", "--why", "it was", exits=1).stderr
    assert "in the archive" in said


def test_archive_status_tells_what_there_is_and_what_is_to_come(cli: Office) -> None:
    assert "nothing was archived yet" in cli("archive", "status", exits=1).stdout
    sent(cli)
    cli.archived()
    cli.bench.at(time.time() * 1000)
    sent(cli, 2)
    cli.archived()
    found = cli.document("archive", "status")
    assert found["messages"] == 1
    assert found["redis"]["stay"] == 1
    assert found["redis"]["ids"] == 1
    shown = cli("archive", "status").stdout
    assert "kept for" in shown
    assert "ever" in shown


def test_status_says_when_nothing_is_archived_any_more(cli: Office, valkey: redis.Redis) -> None:
    sent(cli)
    cli.archived()
    assert "1, 0 to come, last pass" in cli("status").stdout
    valkey.hset(cli.bench.keys("archive"), "passed", int(time.time() * 1000) - DAY_MS)
    found = [finding["what"] for finding in cli.document("status", exits=1)["findings"]]
    assert any(what.startswith("nothing has been archived since") for what in found)


def test_status_says_what_grows_without_an_archive(cli: Office, valkey: redis.Redis) -> None:
    (cli.folder / "sluicegate.toml").write_text("")
    cli.campaign()
    cli.bench.act("july", "cancel")
    assert "recipients kept" in cli("status").stdout
    valkey.hset(cli.bench.keys.ledger("july"), "imported", 1_000_000)
    found = [finding["why"] for finding in cli.document("status")["findings"]]
    assert any("370.0 MB" in why for why in found)


def test_a_new_redis_adopts_the_archive_that_it_lost(cli: Office, valkey: redis.Redis) -> None:
    sent(cli)
    cli.archived()
    valkey.delete(cli.bench.keys("archive"))
    assert "archive adopt" in cli("archive", "run", exits=1).stderr
    cli("archive", "adopt", "--why", "Redis was lost", "--yes")
    cli.archived()
    assert cli.document("message", "show", "m1")["state"] == "accepted"
    assert "adopt archive" in cli("audit", "list").stdout


def test_no_archive_configured_is_said(cli: Office) -> None:
    (cli.folder / "sluicegate.toml").write_text("")
    assert "[archive]" in cli("archive", "run", exits=2).stderr
    assert "for ever" in cli("archive", "status").stdout


def test_an_archive_is_given_up_with_a_reason(cli: Cli) -> None:
    assert "--why" in cli("archive", "off", "--yes", exits=2).stderr
    cli("archive", "run")
    assert "sqlite" in cli.document("archive", "off", "--why", "moved", "--yes")["place"]
    assert cli.document("archive", "off", "--why", "moved", "--yes")["place"] == ""
    assert "archive off" in cli("audit", "list").stdout
    cli("archive", "adopt", "--why", "back again", "--yes")
    cli("archive", "run")


def test_what_an_archive_fails_with_is_told(cli: Cli) -> None:
    cli("archive", "run")
    store: Any = cli.bench.store
    store.hset(cli.bench.keys("archive"), "fault", "database or disk is full")
    assert "database or disk is full" in cli("archive", "status", exits=1).stdout
    assert "database or disk is full" in cli("status", exits=1).stdout
