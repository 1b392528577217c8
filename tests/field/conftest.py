"""What the tests of the field share: the command line, in an empty folder, on a real server."""

from pathlib import Path

import pytest
import redis

from support.command_line import Cli


@pytest.fixture
def cli(
    redis_url: str, valkey: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Cli:
    monkeypatch.chdir(tmp_path)
    return Cli(redis_url, valkey)
