"""``sluicegate doctor``: each fault of a deployment is found, and a sound one has none."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import msgspec
import pytest
import redis

from sluicegate import __version__
from sluicegate.config import Account, Config, Web
from sluicegate.keys import Keys
from sluicegate_ops.cli.doctor import credentials, host, reaching, rounds
from sluicegate_ops.cli.doctor.diagnosis import CannotLook, Diagnosis
from sluicegate_ops.cli.doctor.reaching import SelfAnswer
from sluicegate_ops.cli.doctor.server import server_findings
from sluicegate_ops.inspect import ServerVitals, read_vitals
from sluicegate_ops.simulator.account.sample import sample
from sluicegate_worker.provider.owned import Owned
from sluicegate_worker.queue import SWEEP
from support.account import KEY, account_at
from support.command_line import Cli

GB = 1 << 30
INFO: Mapping[str, Any] = {
    "redis_version": "7.2.4",
    "maxmemory_policy": "noeviction",
    "maxmemory": 64 * GB,
    "used_memory": GB,
    "aof_enabled": 1,
    "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok",
    "aof_last_bgrewrite_status": "ok",
    "role": "master",
}
SOUND = ServerVitals(INFO, 0.4, 0.0, (), "")
LOCAL = Config()
PUBLIC = Config(web=Web(public_url="https://sms.example.com"))


def kinds(found: Iterator[Diagnosis]) -> set[str]:
    listed = list(found)
    for one in listed:
        assert one.what, one
        assert one.why, one
        assert one.do, one
    return {one.kind for one in listed}


def vitals(**changed: Any) -> ServerVitals:
    of_info = {name: value for name, value in changed.items() if name not in _FIELDS}
    return msgspec.structs.replace(
        SOUND,
        info={**INFO, **of_info},
        **{name: value for name, value in changed.items() if name in _FIELDS},
    )


_FIELDS = ServerVitals.__struct_fields__


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        ({"maxmemory_policy": "allkeys-lru"}, "unsafe"),
        ({"aof_enabled": 0}, "unsafe"),
        ({"aof_last_write_status": "err"}, "unsafe"),
        ({"rdb_last_bgsave_status": "err"}, "server_saving"),
        ({"aof_last_bgrewrite_status": "err"}, "server_saving"),
        ({"maxmemory": 0}, "server_memory_unbounded"),
        ({"maxmemory": 2 * GB}, "server_memory"),
        ({"redis_version": "5.0.14"}, "server_version"),
        ({"valkey_version": "7.2.5"}, "server_version"),
        ({"role": "slave"}, "server_replica"),
        ({"cluster_enabled": 1}, "server_cluster"),
        (
            {"slave0": {"ip": "10.0.0.2", "port": 6379, "state": "online", "lag": 60}},
            "replica_lag",
        ),
        ({"slave0": {"state": "wait_bgsave"}}, "replica_lag"),
        ({"away_ms": 30.0}, "server_far"),
        ({"clock_ahead_seconds": 3600.0}, "clock"),
        ({"clock_ahead_seconds": -5.0}, "clock"),
        ({"refused": ("ZREM",)}, "server_acl"),
        ({"broken": "unknown command EVAL"}, "scripts_broken"),
    ],
)
def test_faults_of_redis(changed: dict[str, Any], kind: str) -> None:
    assert kinds(server_findings(vitals(**changed), LOCAL)) == {kind}


def test_a_sound_redis_has_none_and_one_that_keeps_silent_neither() -> None:
    assert kinds(server_findings(SOUND, LOCAL)) == set()
    assert kinds(server_findings(msgspec.structs.replace(SOUND, info={}), LOCAL)) == set()
    small = msgspec.structs.replace(LOCAL, retention_seconds=60)
    assert kinds(server_findings(vitals(maxmemory=2 * GB), small)) == set()


def test_redis_over_the_network_without_a_password() -> None:
    away = Config(redis_url="redis://10.0.0.1:6379/0")
    assert kinds(server_findings(SOUND, away)) == {"server_open"}
    guarded = Config(redis_url="redis://:word@10.0.0.1:6379/0")
    assert kinds(server_findings(SOUND, guarded)) == set()


def test_a_real_server_is_asked_and_not_changed(valkey: redis.Redis) -> None:
    before: Any = valkey.dbsize()
    seen = read_vitals(valkey, Keys("default"))
    assert (seen.refused, seen.broken) == ((), "")
    assert abs(seen.clock_ahead_seconds) < 2
    assert seen.info["role"] == "master"
    assert valkey.dbsize() == before
    behind = read_vitals(valkey, Keys("default"), wall=lambda: time.time() - 100)
    assert 95 < behind.clock_ahead_seconds < 105


# -- keys, secrets, the account


REAL = "KEY0190ABCDEF0123456789ABCDEF"
HOOK_KEY = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE="
WELL = {
    "SLUICEGATE_TELNYX_API_KEY": REAL,
    "SLUICEGATE_TELNYX_PUBLIC_KEY": HOOK_KEY,
    "SLUICEGATE_RECEIPTS_SECRET": "0123456789abcdef0123",
}


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, set()),
        ({"SLUICEGATE_TELNYX_API_KEY": ""}, {"key_missing"}),
        ({"SLUICEGATE_TELNYX_API_KEY": "test"}, {"unsafe"}),
        ({"SLUICEGATE_TELNYX_PUBLIC_KEY": ""}, {"public_key_missing"}),
        ({"SLUICEGATE_TELNYX_PUBLIC_KEY": "not base64"}, {"public_key_malformed"}),
        ({"SLUICEGATE_TELNYX_PUBLIC_KEY": "AAAA"}, {"public_key_malformed"}),
        ({"SLUICEGATE_RECEIPTS_SECRET": ""}, {"receipts_secret"}),
        ({"SLUICEGATE_RECEIPTS_SECRET": "short"}, {"receipts_secret"}),
    ],
)
def test_faults_of_keys_and_secrets(changed: dict[str, str], expected: set[str]) -> None:
    environ = {**WELL, **changed}
    assert kinds(credentials.secret_findings(PUBLIC, "default", environ)) == expected


def test_a_real_key_and_a_url_of_this_host_are_of_two_worlds() -> None:
    here = Config(accounts={"default": Account(base_url="http://127.0.0.1:8025/v2")})
    assert kinds(credentials.secret_findings(here, "default", WELL)) == {"unsafe"}


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://sms.example.com", set()),
        ("", {"public_url_missing"}),
        ("http://127.0.0.1:8080", {"public_url_loopback"}),
    ],
)
def test_faults_of_the_public_url(url: str, expected: set[str]) -> None:
    config = Config(web=Web(public_url=url))
    assert kinds(credentials.url_findings(config, "default")) == expected
    silent = Config(accounts={"default": Account(receipts=False)}, web=Web(public_url=url))
    assert kinds(credentials.url_findings(silent, "default")) == set()


@pytest.mark.parametrize(
    ("owned", "expected"),
    [
        (Owned(public_key=HOOK_KEY, balance="12.50"), set()),
        (Owned(public_key="B" * 43 + "="), {"public_key_other"}),
        (Owned(balance="0.00"), {"balance"}),
        (Owned(balance="-3.10"), {"balance"}),
        (Owned(balance="unlimited"), set()),
    ],
)
def test_faults_of_the_account(owned: Owned, expected: set[str]) -> None:
    assert kinds(credentials.owned_findings(PUBLIC, "default", owned, WELL)) == expected


# -- the way to serve

SOON = datetime.now(UTC) + timedelta(days=5)


@pytest.mark.parametrize(
    ("answer", "until", "expected"),
    [
        (SelfAnswer(401, "10009"), None, set()),
        (SelfAnswer(401, "10009"), SOON + timedelta(days=60), set()),
        (SelfAnswer(401, "10009"), SOON, {"certificate"}),
        (SelfAnswer(404, "10005"), None, {"serve_configuration"}),
        (SelfAnswer(404, ""), None, {"public_url_elsewhere"}),
        (SelfAnswer(200, ""), None, {"public_url_elsewhere"}),
        (SelfAnswer(301, ""), None, {"public_url_elsewhere"}),
        (SelfAnswer(502, ""), None, {"public_url_elsewhere"}),
        (
            SelfAnswer(problem="ConnectError: certificate expired"),
            None,
            {"public_url_unreachable"},
        ),
    ],
)
def test_faults_of_the_way_to_serve(
    answer: SelfAnswer, until: datetime | None, expected: set[str]
) -> None:
    asked: list[str] = []

    def ask(url: str) -> SelfAnswer:
        asked.append(url)
        return answer

    found = kinds(reaching.reach_findings(PUBLIC, "default", ask, lambda _: until))
    assert (found, asked) == (expected, ["https://sms.example.com/receipts/default"])


def test_a_url_that_nobody_answers_at() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))  # taken, and not listened at
        url = f"http://127.0.0.1:{one.getsockname()[1]}"
        assert "ConnectError" in reaching.asked(url).problem
        assert reaching.certificate_until(url.replace("http", "https")) is None


# -- this host


def test_faults_of_files(tmp_path: Path) -> None:
    config_file, secret = tmp_path / "sluicegate.toml", tmp_path / "key"
    spool, archive = tmp_path / "spool", tmp_path / "archive.sqlite3"
    for path in (config_file, secret, archive, tmp_path / "sluicegate.env"):
        path.write_text("x", encoding="utf-8")
        path.chmod(0o600)
    spool.mkdir(mode=0o700)
    config = msgspec.convert(
        {"spool_directory": str(spool), "archive": {"url": f"sqlite:///{archive}"}}, Config
    )
    environ = {"SLUICEGATE_TELNYX_API_KEY_FILE": str(secret)}

    def found() -> set[str]:
        return kinds(host.file_findings(config, config_file, environ))

    assert found() == set()
    faults: list[tuple[Path, int, str]] = [
        (secret, 0o644, "secret_readable"),
        (tmp_path / "sluicegate.env", 0o640, "secret_readable"),
        (config_file, 0o666, "config_writable"),
        (archive, 0o604, "archive_readable"),
        (spool, 0o755, "spool_readable"),
    ]
    for path, mode, kind in faults:
        before = path.stat().st_mode & 0o777
        path.chmod(mode)
        assert found() == {kind}, path
        host.close_to_others(path)
        assert found() == set(), path
        path.chmod(before)
    (spool / "default.1").write_text("x", encoding="utf-8")
    assert found() == {"spool_waiting"}
    away = msgspec.structs.replace(config, spool_directory="/proc/none/spool")
    if os.geteuid():
        assert "spool_unwritable" in kinds(host.file_findings(away, None, {}))


def test_a_disk_that_is_nearly_full() -> None:
    assert kinds(host.full_disk(Path("/"), 100 * GB, GB // 2)) == {"disk"}
    assert kinds(host.full_disk(Path("/"), 100 * GB, 2 * GB)) == set()
    assert kinds(host.full_disk(Path("/"), 2 * GB, GB)) == set()


def test_faults_of_python_and_its_packages() -> None:
    assert kinds(host.python_findings()) == set()
    assert kinds(host.python_findings((3, 10))) == {"python"}
    assert kinds(host.python_findings(needed=["msgspec>=99", "nobody-has-this>1", "?"])) == {
        "package_version"
    }


def test_too_few_open_files() -> None:
    assert kinds(host.limit_findings(LOCAL, 65_536)) == set()
    assert kinds(host.limit_findings(LOCAL, 100)) == {"open_files"}
    assert kinds(host.limit_findings(LOCAL, -1)) == set()  # no limit


def test_faults_of_ports() -> None:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        one.listen()
        taken = Config(web=Web(port=one.getsockname()[1], metrics_port=0))
        assert kinds(host.port_findings(taken, served=False)) == {"port_taken"}
        assert kinds(host.port_findings(taken, served=True)) == set()
    world = Config(web=Web(metrics_host="10.0.0.9", metrics_port=0, port=0))
    assert kinds(host.port_findings(world, served=True)) == {"open_to_the_world"}
    proxied = Config(web=Web(host="10.0.0.9", proxies=("10.0.0.1",), port=0, metrics_port=0))
    assert kinds(host.port_findings(proxied, served=True)) == set()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (LOCAL, set()),
        (Config(broker_url="amqp://guest@10.0.0.1//"), {"broker_plain"}),
        (Config(broker_url="redis://10.0.0.1/0"), {"broker_plain"}),
        (Config(broker_url="amqps://guest@10.0.0.1//"), set()),
        (Config(drain_seconds=400), {"drain_too_long"}),
    ],
)
def test_faults_of_the_broker(config: Config, expected: set[str]) -> None:
    assert kinds(host.broker_findings(config)) == expected


@pytest.mark.parametrize(
    ("status", "expected"), [(200, {"flower_open"}), (401, set()), (None, set())]
)
def test_a_flower_without_a_password(status: int | None, expected: set[str]) -> None:
    class Dashboard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status or 500)
            self.end_headers()
            self.wfile.write(b"<title>Flower</title>")

        def log_message(self, format: str, *args: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Dashboard) as server:
        if status is None:
            server.server_close()
        else:
            Thread(target=server.handle_request, daemon=True).start()
        found = host.flower_findings(f"http://127.0.0.1:{server.server_port}/")
        assert kinds(found) == expected


def test_a_broker_that_nobody_answers_at(cli: Cli) -> None:
    env = {"SLUICEGATE_BROKER_URL": "redis://127.0.0.1:1/0"}
    told = json.loads(cli("doctor", "--offline", "--json", exits=1, env=env).stdout)
    assert "broker_unreachable" in {one["kind"] for one in told["findings"]}


def test_an_account_of_v1_without_its_secret(cli: Cli) -> None:
    Path("sluicegate.toml").write_text('[accounts.default]\napi = "v1"\n', encoding="utf-8")
    env = {"SLUICEGATE_TELNYX_API_KEY": ""}
    told = json.loads(cli("doctor", "--offline", "--json", exits=1, env=env).stdout)
    assert "key_missing" in {one["kind"] for one in told["findings"]}


# -- the round


def test_a_check_that_hangs_is_given_up_and_the_next_is_made() -> None:
    def hanging() -> Iterator[Diagnosis]:
        yield Diagnosis("first", "a", "b", "c")
        time.sleep(30)

    def unable() -> Iterator[Diagnosis]:
        raise CannotLook("no key")
        yield

    def finding() -> Iterator[Diagnosis]:
        yield Diagnosis("second", "a", "b", "c")

    began = time.monotonic()
    checks: dict[str, Callable[[], Iterator[Diagnosis]]] = {
        "hanging": hanging,
        "unable": unable,
        "finding": finding,
    }
    report = rounds.make(checks, seconds=0.05)
    assert time.monotonic() - began < 5
    assert [one.kind for one in report.findings] == ["first", "second"]
    assert "longer than" in report.not_looked["hanging"]
    assert report.not_looked["unable"] == "no key"


def test_it_looks_at_everything_and_changes_nothing(cli: Cli, valkey: redis.Redis) -> None:
    with account_at(cli, sample()) as there:
        number = json.loads(json.dumps(replace(sample().numbers[0], mms=False), default=vars))
        toml = Path("sluicegate.toml").read_text(encoding="utf-8")
        Path("sluicegate.toml").write_text(
            f'{toml}[accounts.default.senders."+13125550001"]\nkind = "10dlc"\nper_second = 1.0\n',
            encoding="utf-8",
        )
        there.face("settings", {"account": {"numbers": [number], "verifications": []}})
        there.face("inbound", {"from": "+13125550002", "to": "+13125550001", "text": "STOP"})
        before: Any = valkey.dbsize()
        told = cli.document("doctor", exits=1)
        found = {one["kind"] for one in told["findings"]}
        assert {"mms_not_enabled", "optouts_not_synced", "public_url_missing"} <= found
        assert "redis_unreachable" not in found
        assert told["not_looked"] == {}
        assert valkey.dbsize() == before
        shown = cli("doctor", exits=1).stdout
        assert "do   sluicegate optout sync" in shown
        assert KEY not in shown + json.dumps(told)
        wrong = {"SLUICEGATE_TELNYX_API_KEY": "KEYWRONG0123456789"}
        refused = cli("doctor", "--json", exits=1, env=wrong).stdout
        assert "key_refused" in refused
        assert "KEYWRONG" not in refused
        there.simulator.base  # noqa: B018 - it must live until here


def swept(cli: Cli, worker: str, version: str) -> None:
    """A worker of that version is heard; "" is one from before versions were told."""
    bench = cli.bench
    bench.at(time.time() * 1000)
    args = bench.queue.sweep_args(worker, bench.token())
    args[-1] = version or "told by nobody"
    bench.call(SWEEP, args)
    if not version:  # such a version leaves the field as the one before it wrote it
        bench.store.hset(bench.keys("versions"), worker, "1700000000000 0.2.0")


@pytest.mark.parametrize(
    ("running", "named", "way_out"),
    [
        ({"a": __version__, "b": __version__}, "", ""),
        (
            {"a": "0.0.1", "b": __version__},
            "1 worker runs another version than {here}, which is here: a runs 0.0.1",
            "install {here} where a runs, and restart with SIGTERM",
        ),
        (
            {"a": "99.0", "b": "99.0"},
            "2 workers run another version than {here}, which is here: a runs 99.0, b runs 99.0",
            "install 99.0 on this host too",
        ),
        (
            {"a": "99.0", "b": __version__},
            "1 worker runs another version",
            "install 99.0 where b runs",
        ),
        (
            {"a": ""},
            "a runs one that does not tell it, so an older one",
            "install {here} where a runs",
        ),
        ({"a": "what a version"}, "a runs what a version", "install {here} where a runs"),
    ],
)
def test_workers_of_other_versions_are_named_with_who_has_to_upgrade(
    cli: Cli, running: dict[str, str], named: str, way_out: str
) -> None:
    for worker, version in running.items():
        swept(cli, worker, version)
    told = cli.document("doctor", "--offline", exits=1)
    found = [one for one in told["findings"] if one["kind"] == "worker_version"]
    status = cli("status", exits=0).stdout
    if not named:
        assert found == []
        assert f"), {__version__}, " in status
        return
    [fault] = found
    assert named.format(here=__version__) in fault["what"]
    assert way_out.format(here=__version__) in fault["do"]
    assert "docs/UPGRADE.md" in fault["do"]
    assert "another version" in status
    kept = {one["name"]: one["version"] for one in cli.document("status")["workers"]}
    assert kept == running


def test_a_worker_that_is_gone_is_of_no_version_and_forgotten_after_an_hour(cli: Cli) -> None:
    swept(cli, "gone", "0.0.1")
    bench = cli.bench
    bench.store.zadd(bench.keys("workers"), {"gone": 1000 * (time.time() - 60)})
    told = cli.document("doctor", "--offline", exits=1)
    assert "worker_version" not in {one["kind"] for one in told["findings"]}
    bench.store.zadd(bench.keys("workers"), {"gone": 1000 * (time.time() - 3700)})
    swept(cli, "here", __version__)
    assert set(bench.store.hkeys(bench.keys("versions"))) == {b"here"}


def test_what_could_not_be_looked_at_is_no_good_news(cli: Cli) -> None:
    cli.environment["SLUICEGATE_REDIS_URL"] = "redis://127.0.0.1:1/0"
    told = cli.document("doctor", "--offline", exits=1)
    assert "redis_unreachable" in {one["kind"] for one in told["findings"]}
    assert {"workers", "identity"} <= set(told["not_looked"])


def test_repair_closes_files_and_asks_first(cli: Cli) -> None:
    secret = Path("key")
    secret.write_text(KEY, encoding="utf-8")
    secret.chmod(0o644)
    del_env = {"SLUICEGATE_TELNYX_API_KEY_FILE": str(secret)}
    cli("doctor", "--offline", "--repair", stdin="n\n", exits=1, env=del_env)
    assert secret.stat().st_mode & 0o777 == 0o644
    cli("doctor", "--offline", "--repair", "--yes", exits=1, env=del_env)
    assert secret.stat().st_mode & 0o777 == 0o600
