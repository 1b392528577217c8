"""The command line on one server, with a bench that makes the state it is to find there."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest
import redis
from typer.main import get_command
from typer.testing import CliRunner, Result

from sluicegate_ops.cli.app import app

from .bench import Bench
from .messages import message

NUMBER, SENDER = "+15550000001", "+15550000000"
MASKED = "+1555•••01"
ANSWER = "HTTP 400 40300 Blocked as spam"


def invoked(
    args: Sequence[str], stdin: str | None = None, env: Mapping[str, str | None] | None = None
) -> Result:
    """Run the command line as ``CliRunner.invoke`` would.

    But that puts all commands together anew each time, which takes longer than most of them.
    """
    runner, code, exception = CliRunner(), 0, cast("BaseException | None", None)
    with runner.isolation(input=stdin, env=env) as (out, err, both):
        try:
            _command().main(args=list(args), prog_name="sluicegate")
        except SystemExit as ended:
            code, exception = _status(ended), ended if ended.code else None
        except Exception as error:
            code, exception = 1, error
        sys.stdout.flush()
        sys.stderr.flush()
        told = out.getvalue(), err.getvalue(), both.getvalue()
    return Result(runner, *told, None, code, exception)


@cache
def _command() -> Any:
    return get_command(app)


def _status(ended: SystemExit) -> int:
    """The exit status; words in its place are told, as Python does."""
    if ended.code is None or isinstance(ended.code, int):
        return ended.code or 0
    sys.stderr.write(f"{ended.code}\n")
    return 1


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
        result = invoked(args, stdin, environment)
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
