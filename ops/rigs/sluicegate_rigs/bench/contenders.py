"""The contenders: how each is started and fed, and how many messages make a run."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import msgspec

from .stub import Endpoint

NODE_DIRECTORY = Path("build/bench-node")
_PEERS = Path(__file__).parent / "peers"
_CELERY = ("-m", "celery", "-A")
_QUIETLY = ("--without-mingle", "--without-gossip", "--loglevel", "WARNING")


class Contender(msgspec.Struct, frozen=True, kw_only=True):
    """One of the programs compared.

    ``feed`` names its producer. ``at_0_ms`` and ``at_50_ms`` are about how many messages it sends
    per second; the length of its runs depends on them. ``command`` follows the interpreter;
    ``{n}`` in it stands for the worker's number.
    """

    name: str
    label: str
    feed: str
    command: tuple[str, ...]
    command_with_latency: tuple[str, ...] = ()
    at_0_ms: int
    at_50_ms: int
    ours: bool = False
    node: bool = False
    quick: bool = False

    def per_second(self, endpoint: Endpoint) -> int:
        """About how many messages it sends per second."""
        return self.at_50_ms if endpoint.latency_ms else self.at_0_ms

    def started(self, endpoint: Endpoint, worker: int) -> list[str]:
        """The command line of one worker."""
        command = (endpoint.latency_ms and self.command_with_latency) or self.command
        program = "node" if self.node else sys.executable
        return [program, *(part.replace("{n}", str(worker)) for part in command)]

    def fed(self, count: int, lanes: int, bodies: Path) -> list[str]:
        """The command line of its producer; ``bodies`` is a file of messages."""
        if self.node:
            return ["node", str(NODE_DIRECTORY.resolve() / "bullmq.mjs"), "produce", str(bodies)]
        produce = "sluicegate_rigs.bench.produce"
        return [sys.executable, "-m", produce, self.feed, str(count), str(lanes)]


def _celery(app: str, *options: str) -> tuple[str, ...]:
    return (*_CELERY, app, "worker", "-n", "bench{n}@bench", *_QUIETLY, *options)


_NAIVE = "sluicegate_rigs.bench.peers.celery_app"
_PLAIN = ("-m", "sluicegate_rigs.bench.peers.plain")

SLUICEGATE = Contender(
    name="sluicegate",
    label="Sluicegate under Celery",
    feed="campaign",
    command=_celery("sluicegate_worker.app"),
    at_0_ms=8000,
    at_50_ms=3500,
    ours=True,
    quick=True,
)
BARE = msgspec.structs.replace(
    SLUICEGATE,
    name="bare",
    label="Sluicegate, bare",
    command=("-m", "sluicegate_rigs.bench.peers.bare"),
)
MESSAGES = msgspec.structs.replace(
    BARE,
    name="messages",
    label="Sluicegate, app's messages",
    feed="messages",
    quick=False,
)
CELERY = Contender(
    name="celery",
    label="Celery, threads -c 50",
    feed="celery",
    command=_celery(_NAIVE, "-P", "threads", "-c", "50"),
    at_0_ms=1000,
    at_50_ms=800,
    quick=True,
)
CONTENDERS = (  # in the order of their turns; the most important pair comes first, side by side
    SLUICEGATE,
    CELERY,
    BARE,
    MESSAGES,
    msgspec.structs.replace(
        CELERY,
        name="celery200",
        label="Celery, threads -c 200",
        command=_celery(_NAIVE, "-P", "threads", "-c", "200"),
        quick=False,
    ),
    msgspec.structs.replace(
        CELERY,
        name="prefork",
        label="Celery, prefork -c 2 or 20",
        command=_celery(_NAIVE, "-P", "prefork", "-c", "2"),
        command_with_latency=_celery(_NAIVE, "-P", "prefork", "-c", "20"),
        at_50_ms=300,
        quick=False,
    ),
    Contender(
        name="httpx",
        label="script with httpx",
        feed="plain",
        command=(*_PLAIN, "httpx"),
        at_0_ms=1500,
        at_50_ms=500,
    ),
    Contender(
        name="aiohttp",
        label="script with aiohttp",
        feed="plain",
        command=(*_PLAIN, "aiohttp"),
        at_0_ms=5500,
        at_50_ms=3500,
    ),
    Contender(
        name="dramatiq",
        label="dramatiq -p 1 -t 50",
        feed="dramatiq",
        command=(
            *("-m", "dramatiq", "sluicegate_rigs.bench.peers.dramatiq_app"),
            *("-p", "1", "-t", "50"),
        ),
        at_0_ms=1300,
        at_50_ms=800,
    ),
    Contender(
        name="bullmq",
        label="BullMQ with undici",
        feed="bullmq",
        command=(str(NODE_DIRECTORY.resolve() / "bullmq.mjs"),),
        at_0_ms=3000,
        at_50_ms=2000,
        node=True,
    ),
)


def missing(contender: Contender) -> str:
    """Why a contender cannot run here, or "". Installs BullMQ if npm is available."""
    if contender.name == "dramatiq" and find_spec("dramatiq") is None:
        return "dramatiq is not installed"
    return _bullmq_missing() if contender.node else ""


def _bullmq_missing() -> str:
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "node or npm is not installed"
    wanted = (_PEERS / "package.json").read_text(encoding="utf-8")
    installed = NODE_DIRECTORY / "node_modules/installed.json"
    NODE_DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name in ("bullmq.mjs", "package.json"):
        shutil.copy(_PEERS / name, NODE_DIRECTORY / name)
    if installed.exists() and installed.read_text(encoding="utf-8") == wanted:
        return ""
    done = subprocess.run(  # noqa: S603 - npm itself, with arguments of ours
        [npm, "install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"],
        cwd=NODE_DIRECTORY,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        return f"npm install failed: {done.stderr.strip()[-200:]}"
    installed.write_text(wanted, encoding="utf-8")
    return ""
