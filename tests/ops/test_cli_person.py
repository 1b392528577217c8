"""One person's data: erased everywhere, exported, held; and campaigns deleted."""

import hashlib
import json
import logging
import stat
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest
import redis

from sluicegate_rigs.embedded import EmbeddedServer
from support.bench import Bench
from support.command_line import Cli
from support.messages import member_id, message, plan, recipient
from support.receipts import tell

DAY_MS = 86_400_000
NUMBER, OTHER = "+14152000001", "+14152000002"
DIGITS = NUMBER[1:].encode()
JULY = plan()


@pytest.fixture
def cli(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sluicegate.toml").write_text("[archive]\nkeep_days = 30\n")
    office = Cli(redis_url, valkey, Bench(valkey))
    office.bench.at(time.time() * 1000 - 3 * DAY_MS)
    return office


def erase(cli: Cli, number: str = NUMBER, *, exits: int = 0) -> Any:
    args = ("erase", number, "--confirm", number, "--why", "asked by letter")
    return cli.document(*args, exits=exits)


def on_disk(store: redis.Redis) -> bytes:
    """What a snapshot of the server holds."""
    client: Any = store
    client.config_set("rdbcompression", "no")
    while client.info("persistence")["rdb_bgsave_in_progress"]:
        time.sleep(0.01)
    client.save()
    folder, name = (str(client.config_get(key)[key]) for key in ("dir", "dbfilename"))
    return Path(folder, name).read_bytes()


def campaign(cli: Cli, count: int = 4) -> list[str]:
    rows = [recipient(JULY, number) for number in range(count)]
    cli.bench.campaigns.create(JULY)
    cli.bench.add("july", *rows)
    cli.bench.act("july", "start")
    return [member_id("july", row) for row in rows]


def test_nothing_of_an_erased_number_is_left_anywhere(
    cli: Cli, valkey: redis.Redis, tmp_path: Path
) -> None:
    bench = cli.bench
    campaign(cli)
    bench.drain(5_000, most=2)  # two of the campaign are sent, two wait
    bench.enqueue(message(1, to=NUMBER), message(2, to=NUMBER, id=f"welcome-{NUMBER[1:]}"))
    bench.drain(5_000, most=2)
    cli("archive", "run")
    bench.enqueue(message(3, to=NUMBER, text="still waits"), message(4, to=OTHER))
    bench.enqueue(message(5, to=NUMBER))
    bench.cancel("m5")
    bench.act("july", "pause")
    cli("optout", "add", NUMBER, "--why", "asked")
    assert DIGITS in on_disk(valkey)
    done = erase(cli)
    assert done["left"] == []
    assert DIGITS not in on_disk(valkey)
    for file in tmp_path.glob("sluicegate-archive.sqlite3*"):
        assert DIGITS not in file.read_bytes(), file
    assert bench.record("m4")["to"] == OTHER
    bench.act("july", "resume")
    assert "proved" in cli("campaign", "status", "july", "--verify", exits=0).stdout
    assert DIGITS.decode() not in cli("audit", "list", "--json").stdout


def forms(number: str) -> dict[str, bytes]:
    """The number as it may stand in a file: plain, or as a hash that anybody can repeat."""
    told: dict[str, bytes] = {}
    for name, text in (("plain", number), ("digits", number[1:]), ("id", f"welcome-{number[1:]}")):
        told[name] = text.encode()
        for hash in ("md5", "sha1", "sha256", "blake2b"):
            digest = hashlib.new(hash, text.encode()).digest()
            told[f"{hash} of {name}"] = digest[:8]
            told[f"{hash} of {name} in hex"] = digest.hex()[:16].encode()
            told[f"{hash} of {name} in base64"] = urlsafe_b64encode(digest)[:10]
    return told


def found_in(folders: list[Path], number: str) -> dict[str, str]:
    """Which files hold the number, and in which form."""
    files = [file for folder in folders for file in folder.rglob("*") if file.is_file()]
    read = {str(file): file.read_bytes() for file in files}
    return {file: name for file, held in read.items()
            for name, form in forms(number).items() if form in held}  # fmt: skip


def test_no_file_holds_an_erased_number_in_any_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The append-only file, the snapshot, the archive with its journal, and what was logged."""
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    Path("sluicegate.toml").write_text("[archive]\n", encoding="utf-8")
    data = tmp_path / "data"
    data.mkdir()
    with (
        EmbeddedServer(append_only="everysec", directory=data) as server,
        redis.Redis.from_url(server.url) as client,
    ):
        store: Any = client
        store.config_set("rdbcompression", "no")  # or a number could hide in it
        cli = Cli(server.url, client, Bench(client))
        cli.bench.at(time.time() * 1000 - 3 * DAY_MS)
        cli.bench.enqueue(message(1, to=NUMBER), message(2, to=NUMBER, id=f"welcome-{NUMBER[1:]}"))
        cli.bench.drain(5_000, most=2)
        cli("archive", "run")
        cli.bench.enqueue(message(3, to=NUMBER), message(4, to=NUMBER), message(5, to=OTHER))
        cli.bench.cancel("m4")
        cli("optout", "add", NUMBER, "--why", f"{NUMBER} asked")
        store.hset(cli.bench.keys("reviews"), NUMBER, f"1 1 call {NUMBER}")
        store.save()
        before = found_in([tmp_path], NUMBER)
        assert {Path(file).suffix for file in before} >= {".aof", ".rdb", ".sqlite3"}
        assert erase(cli)["left"] == []
        written = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
        while any(store.info("persistence")[name] for name in written):
            time.sleep(0.02)
        found = found_in([tmp_path], NUMBER)
        assert found == {}
        assert found_in([data], OTHER)
        totals = cli.bench.totals()
        assert (totals["enqueued"], totals["accepted"], totals["cancelled"]) == (5, 2, 2)
        assert cli.bench.record("m5")["state"] == "waiting"
    assert NUMBER[1:] not in caplog.text


def test_an_erased_number_stays_opted_out(cli: Cli) -> None:
    cli("optout", "add", NUMBER, "--why", "asked")
    erase(cli)
    [result] = cli.bench.enqueue(message(9, to=NUMBER))
    assert result.outcome == "suppressed"
    [other] = cli.bench.enqueue(message(8, to=OTHER))
    assert other.outcome == "enqueued"
    campaign(cli)
    assert cli.bench.campaigns.ledger("july").states["suppressed"] == 1
    cli("optout", "remove", NUMBER, "--why", "came back")
    [again] = cli.bench.enqueue(message(7, to=NUMBER))
    assert again.outcome == "enqueued"


def test_a_draft_of_the_desk_that_has_the_number_is_named(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "sluicegate.toml").write_text("[web.desk]\n")
    for name, number in (("a", NUMBER), ("b", OTHER), ("c", "")):
        draft = tmp_path / ".sluicegate-desk" / name
        draft.mkdir(parents=True)
        (draft / "rows").write_text(f"phone\n{number}\n" if number else "")
    [left] = erase(cli, exits=1)["left"]
    assert left == {"where": ".sluicegate-desk/a/rows", "why": "remove its draft at the desk"}


def test_what_is_under_way_or_in_doubt_is_left_and_named(cli: Cli) -> None:
    cli.bench.enqueue(message(1, to=NUMBER))
    cli.bench.send(kind="doubt", delay_ms=-1)
    cli.bench.enqueue(message(2, to=NUMBER))
    cli.bench.begin()
    said = cli("erase", NUMBER, "--confirm", NUMBER, "--why", "asked", exits=1).stderr
    assert "in doubt" in said
    assert NUMBER not in said
    assert cli.bench.record("m1")["to"] == NUMBER


def test_what_is_dead_is_purged_and_erased(cli: Cli, valkey: redis.Redis) -> None:
    cli.bench.enqueue(message(1, to=NUMBER))
    cli.bench.send(kind="dead", code="40300", reason=f"{NUMBER} is blocked", answer="{}")
    erase(cli)
    assert cli.bench.record("m1")["state"] == "purged"
    assert DIGITS not in on_disk(valkey)
    cli.bench.check()


def test_a_held_number_is_not_erased_and_not_removed_after_its_time(cli: Cli) -> None:
    cli.bench.enqueue(message(1, to=NUMBER), message(2, to=OTHER))
    cli.bench.drain(5_000, most=2)
    cli.bench.at(time.time() * 1000 - 40 * DAY_MS)
    store: Any = cli.bench.store
    for id in ("m1", "m2"):
        store.hset(cli.bench.keys.record(id), "at", int(cli.bench.now_ms))
    cli("hold", "add", NUMBER, "--why", "case 4711")
    cli("archive", "run")
    assert cli.document("message", "show", "m1")["state"] == "accepted"
    assert "not known" in cli("message", "show", "m2", exits=2).stderr  # past keep_days
    said = cli("erase", NUMBER, "--confirm", NUMBER, "--why", "asked", exits=1).stderr
    assert "legal hold" in said
    [held] = cli.lines("hold", "list")
    assert held["why"] == "case 4711"
    cli("hold", "lift", NUMBER, "--why", "closed")
    assert erase(cli)["left"] == []


def test_a_held_campaign_is_not_deleted_and_keeps_its_recipients(cli: Cli) -> None:
    campaign(cli)
    cli.bench.drain(5_000, most=4)
    cli.bench.act("july", "cancel")
    cli("hold", "add", "july", "--why", "case 4711")
    args = ("campaign", "delete", "july", "--confirm", "july", "--why", "over")
    assert "held" in cli(*args, exits=1).stderr
    cli("erase", NUMBER, "--confirm", NUMBER, "--why", "asked", exits=1)
    assert NUMBER in cli("campaign", "export", "july", "--full").stdout


def test_a_deleted_campaign_is_gone_with_everybody_in_it(
    cli: Cli, valkey: redis.Redis, tmp_path: Path
) -> None:
    campaign(cli)
    cli.bench.drain(5_000, most=2)
    cli("archive", "run")
    args = ("campaign", "delete", "july", "--why", "the contract has ended")
    assert "running" in cli(*args, "--confirm", "july", exits=1).stderr
    cli.bench.act("july", "cancel")
    assert "nothing was done" in cli(*args, "--confirm", "jul", exits=1).stderr
    assert cli.document(*args, "--confirm", "july")["recipients"] == 4
    assert DIGITS not in on_disk(valkey)
    assert not [key for key in valkey.scan_iter() if b"july" in key]
    cli("campaign", "status", "july", exits=2)
    assert "delete campaign" in cli("audit", "list").stdout
    for file in tmp_path.glob("sluicegate-archive.sqlite3*"):
        assert DIGITS not in file.read_bytes(), file


def test_all_that_is_known_of_a_number_is_exported(cli: Cli, tmp_path: Path) -> None:
    cli.bench.enqueue(message(1, to=NUMBER))
    cli.bench.send()
    tell(cli.bench, "m1", "delivered")
    cli("archive", "run")
    cli.bench.enqueue(message(2, to=NUMBER, text="still waits"))
    cli("optout", "add", NUMBER, "--why", "asked by mail")
    cli("export", NUMBER, "--out", "person.json")
    path = tmp_path / "person.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    known = json.loads(path.read_text())
    assert known["archived"][0]["delivery"] == "delivered"
    assert "still waits" in json.dumps(known["redis"])
    assert known["opted_out"]["number"] == NUMBER
    assert known["consent"][0]["why"] == "asked by mail"
    said = cli("audit", "list", "--json").stdout
    assert "a person" in said
    assert NUMBER not in said


def test_an_erasure_is_confirmed_by_the_number_itself(cli: Cli) -> None:
    cli.bench.enqueue(message(1, to=NUMBER))
    said = cli("erase", NUMBER, "--confirm", OTHER, "--why", "asked", exits=1).stderr
    assert "nothing was done" in said
    assert "--why" in cli("erase", NUMBER, "--confirm", NUMBER, exits=2).stderr
    assert cli.bench.record("m1")["to"] == NUMBER
