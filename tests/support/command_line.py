"""The command line on one server, with a bench that makes the state it is to find there."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import redis
from typer.testing import CliRunner, Result

from sluicegate_ops.cli.app import app

from .bench import Bench
from .messages import message

NUMBER, SENDER = "+15550000001", "+15550000000"
MASKED = "+1555•••01"
ANSWER = "HTTP 400 40300 Blocked as spam"


class Cli:
    """The command line on one server, and a bench that makes the state it is to find there."""

    def __init__(self, url: str, client: redis.Redis, bench: Bench | None = None) -> None:
        self.environment = {"SLUICEGATE_REDIS_URL": url}
        # As without a file, unless a test has one.
        self.bench = bench or Bench(client, sms_per_second=50.0, mms_per_second=15.0)
        self.bench.at(time.time() * 1000 - 2_000)

    def __call__(
        self,
        *args: str,
        exits: int = 0,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Result:
        environment = self.environment | dict(env or {})
        result = CliRunner().invoke(app, args, input=stdin, env=environment)
        assert result.exit_code == exits, (args, result.exit_code, result.output, result.exception)
        return result

    def document(self, *args: str, exits: int = 0) -> Any:
        return json.loads(self(*args, "--json", exits=exits).stdout)

    def lines(self, *args: str) -> list[Any]:
        return [json.loads(line) for line in self(*args, "--json").stdout.splitlines()]

    def die(self, *numbers: int, perhaps: bool = False, code: str = "40300") -> None:
        for number in numbers:
            self.bench.enqueue(message(number))
            self.bench.send(
                kind="dead",
                code=code,
                reason=ANSWER,
                answer="{}",
                heard=True,
                perhaps=perhaps,
            )

    def doubt(self, *numbers: int, delay_ms: float = -1) -> None:
        for number in numbers:
            self.bench.enqueue(message(number))
            self.bench.send(kind="doubt", delay_ms=delay_ms, code="no_answer", reason="timed out")

    def halt(self, ends: str = "") -> None:
        self.bench.enqueue(message(9))
        fields = {"code": "20100", "reason": "HTTP 402 20100 No credit", "halt": "account"}
        self.bench.send(kind="back", halt_ends=ends, heard=True, **fields)


@pytest.fixture
def cli(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    """The command line in an empty folder, on the real server."""
    monkeypatch.chdir(tmp_path)
    return Cli(redis_url, valkey)
