"""What tests share: a real server, of our own or lent and empty, and its in-memory fake.

``redis_url`` and ``valkey`` stand for the real server; ``store`` runs a test on the fake as well.
Each test finds the database empty. A test that breaks its server starts one itself
(``sluicegate_rigs.embedded``), so that no other test meets the damage.
"""

import gc
import os
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fakeredis
import pytest
import redis
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from support.covered import COVERED  # first: it measures what is imported behind it

# isort: split
from sluicegate import Config
from sluicegate.archive.reading import close_archives
from sluicegate_rigs.embedded import EmbeddedServer
from support.bench import Bench, warm_bench
from support.fake import StillServer
from support.faulty import write_pems
from support.served import config

LENT = "SLUICEGATE_TEST_REDIS_URL"
#: What runs on both servers runs on the fake, many times slower, in the first test of each file
#: and in each such test behind it. ``make test-all`` runs it all.
FAKE_EVERY = 10
OUR_KEYS = "sluicegate:*"
#: Tests that start real processes: one at a time, so that they don't starve each other.
REAL_PROCESSES = tuple(
    f"tests/{name}" for name in ("end_to_end", "rigs", "test_examples.py", "test_packaging.py")
)

# No deadline per example: pytest-timeout watches the whole test, and a first call that loads a
# script is slower than the next. CI repeats the same examples, so that red means changed code.
settings.register_profile(
    "quick",
    deadline=None,
    print_blob=True,
    derandomize=bool(os.environ.get("CI")),
    max_examples=15,
)
settings.register_profile("thorough", settings.get_profile("quick"), max_examples=200)
settings.load_profile(os.environ.get("SLUICEGATE_TEST_PROFILE", "quick"))


@dataclass(frozen=True)
class Server:
    """The session's real server; ``lent`` when it is not ours, so nothing may be flushed."""

    url: str
    client: redis.Redis
    lent: bool

    def clear(self) -> None:
        """Empty it: all sixteen databases of our own, of a lent one only what we wrote."""
        if self.lent:
            for keys in iter(lambda: list(self.client.scan_iter(OUR_KEYS, count=1000)), []):
                self.client.unlink(*keys)
        else:
            self.client.flushall()


def pytest_configure(config: pytest.Config) -> None:
    """Refuse several processes on a lent Redis: each would find the others' keys in it.

    And hear Ctrl-C: a shell's background job ignores it, and so would what the tests start.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if COVERED:
        config.pluginmanager.register(COVERED)
    if os.environ.get(LENT) and config.getoption("numprocesses", None):
        raise pytest.UsageError(f"{LENT} lends one database: run the tests with -n 0")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave most of the fake to ``make test-all``, and put all in order."""
    on_fake = Counter[Path]()
    for item in filter(_runs_on_fake, items):
        slow = item.get_closest_marker("slow_on_fake")
        if slow or on_fake[item.path] % FAKE_EVERY:
            item.add_marker("long")
        on_fake[item.path] += not slow
    items.sort(key=lambda item: _turn(item.nodeid))  # stable


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Spare the garbage collector all that is imported and collected: none of it is garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


class FileByFile(LoadScopeScheduling):  # type: ignore[misc] # xdist has types that mypy cannot read
    """Keeps each file in one process, and whatever starts real processes in the first of them.

    xdist's own groups would do, but with pytest 9.2 it no longer sees them.
    """

    def _split_scope(self, nodeid: str) -> str:
        return "real processes" if _starts_real_processes(nodeid) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FileByFile:
    """Share the tests out over processes."""
    return FileByFile(config, log)


def _runs_on_fake(item: pytest.Item) -> bool:
    return hasattr(item, "callspec") and "fakeredis" in item.callspec.params.values()


def _turn(nodeid: str) -> int:
    """What takes longest comes first, and the many short files last: all end together."""
    return 0 if _starts_real_processes(nodeid) else 2 if nodeid.startswith("tests/field") else 1


def _starts_real_processes(nodeid: str) -> bool:
    return nodeid.startswith(REAL_PROCESSES)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """One real server for the whole session."""
    if url := os.environ.get(LENT):
        _refuse_unless_empty(url)
        with redis.Redis.from_url(url) as client:
            yield Server(url, client, lent=True)
    else:
        with EmbeddedServer() as ours, redis.Redis.from_url(ours.url) as client:
            yield Server(ours.url, client, lent=False)


@pytest.fixture
def redis_url(server: Server) -> Iterator[str]:
    """The URL of a real, empty database; its archives are closed behind the test."""
    server.clear()
    yield server.url
    close_archives()
    server.clear()


@pytest.fixture
def valkey(redis_url: str) -> Iterator[redis.Redis]:
    """A client of a real, empty database."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(params=["valkey", "fakeredis"])
def store(request: pytest.FixtureRequest) -> Iterator[redis.Redis]:
    """A client of an empty database: the test runs on the real server, then on the fake."""
    if request.param == "valkey":
        yield request.getfixturevalue("valkey")
    else:
        with fakeredis.FakeRedis(server=StillServer()) as client:
            yield client


@pytest.fixture
def bench(store: redis.Redis) -> Bench:
    """An account past its cold start; several files have one of their own instead."""
    return warm_bench(store)


@pytest.fixture
def front(redis_url: str) -> Config:
    """A configuration of ``sluicegate serve`` on the real server."""
    return config(redis_url)


@pytest.fixture(scope="session")
def pems(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a server's certificate and key."""
    folder = tmp_path_factory.mktemp("pems")
    write_pems(folder)
    return folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the figures that tests recorded, also of those that passed."""
    for report in terminalreporter.getreports("passed"):
        for name, figure in report.user_properties:
            terminalreporter.write_line(f"{name}: {figure}")


def _refuse_unless_empty(url: str) -> None:
    """End the session before it touches a database that somebody may need."""
    try:
        with redis.Redis.from_url(url) as client:
            size = client.dbsize()
    except (redis.RedisError, ValueError) as error:
        pytest.exit(f"{LENT}: no Redis answers there: {error}", returncode=2)
    if size:
        pytest.exit(
            f"{LENT}: that database holds {size} keys. Tests only use an empty one: name another "
            "database number (redis://host:port/NUMBER), or unset it to use the built-in server.",
            returncode=2,
        )
