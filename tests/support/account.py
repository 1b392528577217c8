"""A configuration that sends through a simulator, and the simulator's account, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sluicegate_ops.simulator import Settings
from sluicegate_ops.simulator.account.holdings import Holdings

from .command_line import Cli
from .simulated import Client, simulated

KEY = "KEY0190SIMULATED0123456789"


@contextmanager
def account_at(cli: Cli, holdings: Holdings, toml: str = "") -> Iterator[Client]:
    """A simulator that owns ``holdings``, and a configuration of it in the working directory."""
    with simulated(Settings(limit=None, api_keys=(KEY,), account=holdings)) as client:
        client.http.headers["Authorization"] = f"Bearer {KEY}"
        cli.environment["SLUICEGATE_TELNYX_API_KEY"] = KEY
        base = f'[accounts.default]\nbase_url = "{client.simulator.url}"\n'
        Path("sluicegate.toml").write_text(toml or base, encoding="utf-8")
        yield client
