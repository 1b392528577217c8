"""What is wrong with this host: files that others read, disks, ports, Python, limits."""

import os
import shutil
import socket
import stat
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import httpx

from sluicegate.addresses import is_loopback
from sluicegate.config import Config
from sluicegate.config.web import previous

from .diagnosis import Diagnoses, Diagnosis

LEAST_FREE_BYTES = 1 << 30
_LEAST_PYTHON = (3, 11)
_SPARE_FILES = 64
_FLOWER = "http://127.0.0.1:5555/"


def file_findings(
    config: Config, config_file: Path | None, environ: Mapping[str, str] = os.environ
) -> Diagnoses:
    """Files that others may read or change, and folders that can't be written to."""
    for path in secret_files(config, config_file, environ):
        if (mode := _mode(path)) is not None and mode & 0o077:
            yield Diagnosis(
                "secret_readable",
                f"{path} can be read by others",
                "it holds a secret",
                f"chmod 600 {path}",
                repairs=str(path),
            )
    if config_file and (mode := _mode(config_file)) is not None and mode & 0o022:
        yield Diagnosis(
            "config_writable",
            f"{config_file} can be changed by others",
            "whoever changes it sends to other places, and faster",
            f"chmod go-w {config_file}",
            repairs=str(config_file),
        )
    yield from _spool(Path(config.spool_directory))
    archive = archive_file(config)
    if archive is not None and (mode := _mode(archive)) is not None and mode & 0o077:
        yield Diagnosis(
            "archive_readable",
            f"{archive} can be read by others",
            "it holds numbers and texts",
            f"chmod 600 {archive}",
            repairs=str(archive),
        )


def secret_files(
    config: Config, config_file: Path | None, environ: Mapping[str, str]
) -> list[Path]:
    """The files that hold secrets, as far as this environment names them."""
    variables = [config.web.receipts_secret_env, "SLUICEGATE_REDIS_PASSWORD"]
    variables += ["SLUICEGATE_BROKER_PASSWORD", "SLUICEGATE_REDIS_URL", "SLUICEGATE_BROKER_URL"]
    for account in config.accounts.values():
        variables += [account.api_key_env, account.public_key_env, account.v1_webhook_secret_env]
    variables += [app.token_env for app in config.web.apps.values()]
    named = [*variables, *map(previous, variables)]
    paths = [Path(path) for name in named if name and (path := environ.get(f"{name}_FILE"))]
    if config_file:
        paths += [config_file.with_suffix(".env"), config_file.parent / ".env"]
        paths.append(config_file.with_name(f".{config_file.stem}-setup.json"))
    return list(dict.fromkeys(paths))


def archive_file(config: Config) -> Path | None:
    """The archive's file, where it is one."""
    if config.archive is None or not config.archive.url.startswith("sqlite:///"):
        return None
    return Path(config.archive.url.removeprefix("sqlite:///"))


def _spool(folder: Path) -> Diagnoses:
    if not folder.exists():
        if not os.access(folder.absolute().parent, os.W_OK):
            yield Diagnosis(
                "spool_unwritable",
                f"spool_directory {folder} does not exist and can't be made",
                "a worker that stops while Redis is away would lose outcomes, and messages be "
                "in doubt",
                f"make it: mkdir -m 700 {folder}, or set another spool_directory",
            )
        return
    if not os.access(folder, os.W_OK):
        yield Diagnosis(
            "spool_unwritable",
            f"spool_directory {folder} can't be written to",
            "a worker that stops while Redis is away would lose outcomes",
            f"chown it to the workers' user, or set another spool_directory than {folder}",
        )
    if (mode := _mode(folder)) is not None and mode & 0o077:
        yield Diagnosis(
            "spool_readable",
            f"spool_directory {folder} can be read by others",
            "outcomes stand in it, with what the provider answered",
            f"chmod 700 {folder}",
            repairs=str(folder),
        )
    waiting = sorted(path.name for path in folder.iterdir() if path.is_file())
    if waiting:
        yield Diagnosis(
            "spool_waiting",
            f"{len(waiting)} files of outcomes wait in {folder}",
            "a worker stopped while Redis was away, and none was started here since",
            "start a worker on this host: it settles them",
        )


def disk_findings(config: Config, config_file: Path | None) -> Diagnoses:
    """Disks that are nearly full."""
    folders = [Path(config.spool_directory), *([config_file.parent] if config_file else [])]
    if (archive := archive_file(config)) is not None:
        folders.append(archive.parent)
    for folder in dict.fromkeys(map(_existing, folders)):
        usage = shutil.disk_usage(folder)
        yield from full_disk(folder, usage.total, usage.free)


def full_disk(folder: Path, total: int, free: int) -> Diagnoses:
    """What is told of a disk with so many bytes."""
    if free < min(LEAST_FREE_BYTES, total / 20):
        yield Diagnosis(
            "disk",
            f"the disk of {folder} has {free / 1e6:,.0f} MB left",
            "outcomes, archives and exports can't be written once it is full",
            "make room",
        )


def python_findings(
    running: Sequence[int] = sys.version_info[:2], needed: Sequence[str] | None = None
) -> Diagnoses:
    """Python, the packages, and the time zones."""
    if tuple(running[:2]) < _LEAST_PYTHON:
        yield Diagnosis(
            "python",
            f"Python {running[0]}.{running[1]} is too old",
            "the code is not tested with it",
            "use Python 3.11 or newer",
        )
    yield from _packages(_requirements() if needed is None else needed)
    try:
        ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:
        yield Diagnosis(
            "time_zones",
            "this host has no time zone data",
            "a brand's day ends at Pacific midnight, which can't be reckoned",
            "pip install tzdata",
        )


def _packages(needed: Sequence[str]) -> Diagnoses:
    from packaging.requirements import InvalidRequirement, Requirement

    for text in needed:
        try:
            requirement = Requirement(text)
            there = version(requirement.name)
        except (InvalidRequirement, PackageNotFoundError):
            continue  # of an extra that is not installed
        if there and not requirement.specifier.contains(there, prereleases=True):
            yield Diagnosis(
                "package_version",
                f"{requirement.name} {there} is installed, and {requirement.specifier} is due",
                "other versions are not tested, and may fail while messages are sent",
                "pip install -c constraints.txt 'sluicegate[all]'",
            )


def _requirements() -> list[str]:
    try:
        return [text.partition(";")[0] for text in requires("sluicegate") or []]
    except PackageNotFoundError:
        return []


def limit_findings(config: Config, most: int | None = None) -> Diagnoses:
    """Open files that a worker or serve may need, against what this host allows."""
    allowed = _open_files() if most is None else most
    posts = sum(account.worker_concurrency for account in config.accounts.values())
    needs = {
        "a worker": posts + _SPARE_FILES,
        "sluicegate serve": config.web.connections + _SPARE_FILES,
    }
    for who, needed in needs.items():
        if 0 <= allowed < needed:
            yield Diagnosis(
                "open_files",
                f"this host allows {allowed} open files, and {who} may need {needed}",
                "connections are refused at the worst time",
                "raise it: LimitNOFILE=4096 in systemd, ulimit -n 4096 in a shell",
            )


def _open_files() -> int:
    if sys.platform == "win32":
        return -1  # it has no such limit
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def port_findings(config: Config, *, served: bool) -> Diagnoses:
    """Ports that somebody else has, and pages that are open to the world."""
    web = config.web
    if not served:  # otherwise serve itself has them
        for setting, host, port in (
            ("web.port", web.host, web.port),
            ("web.metrics_port", web.metrics_host, web.metrics_port),
        ):
            if port and is_taken(host, port):
                yield Diagnosis(
                    "port_taken",
                    f"port {port} ({setting}) is taken on {host}, and serve is not heard of",
                    "sluicegate serve can't start",
                    f"end what has it, or set another {setting}",
                )
    for setting, host in (("web.metrics_host", web.metrics_host), ("web.host", web.host)):
        if not is_loopback(host) and not (setting == "web.host" and web.proxies):
            yield Diagnosis(
                "open_to_the_world",
                f"{setting} is {host}",
                "what it serves can be read on the way, and by whoever reaches this host",
                "listen on 127.0.0.1, behind a proxy with HTTPS",
            )
    yield from flower_findings()


def flower_findings(url: str = _FLOWER) -> Diagnoses:
    """A dashboard on this host that asks for no password."""
    try:
        with httpx.Client(timeout=2, follow_redirects=False, trust_env=False) as browser:
            answer = browser.get(url)
    except httpx.HTTPError:
        return
    if answer.status_code == 200 and b"Flower" in answer.content[:20_000]:
        yield Diagnosis(
            "flower_open",
            f"Flower at {url} asks for no password",
            "whoever reaches it stops workers and revokes tasks",
            "set FLOWER_BASIC_AUTH=name:password, and publish its port on loopback only",
        )


def is_taken(host: str, port: int) -> bool:
    """Whether somebody listens at a port of this host already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError:
            return True
    return False


def broker_findings(config: Config) -> Diagnoses:
    """The broker's URL, before anybody connects to it."""
    url = urlsplit(config.broker)
    plain = url.scheme in ("amqp", "redis") and not is_loopback(url.hostname or "")
    if plain and config.broker_url:
        yield Diagnosis(
            "broker_plain",
            f"the broker at {url.hostname} is spoken with without TLS",
            "whoever stands between starts and stops work",
            "use amqps:// or rediss://",
        )
    if config.drain_seconds + config.shutdown_grace_seconds > 300:
        yield Diagnosis(
            "drain_too_long",
            f"a drain may last {config.drain_seconds + config.shutdown_grace_seconds:g} s",
            "the broker gives a task to another worker after 300 s (its visibility timeout), so "
            "drains would be doubled",
            "set drain_seconds and shutdown_grace_seconds to less than 300 together",
        )


def _existing(folder: Path) -> Path:
    here = folder.absolute()
    return next(path for path in (here, *here.parents) if path.exists())


def _mode(path: Path) -> int | None:
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return None


def close_to_others(path: Path) -> None:
    """Let only its owner read a file or a folder, and only its owner change a configuration."""
    mode = path.stat().st_mode
    path.chmod(stat.S_IMODE(mode) & (~0o022 if path.suffix == ".toml" else ~0o077))
