"""A PostgreSQL of the tests' own, where its binaries are found; or a lent one, by its URL."""

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

LENT = "SLUICEGATE_TEST_POSTGRESQL_URL"
_PLACES = "/usr/lib/postgresql/*/bin"  # Debian's, which are not on the PATH
_USER = "postgres"


@contextmanager
def postgresql() -> Iterator[str]:
    """Yield the URL of a server that may make databases; skip the test where there is none."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    if lent := os.environ.get(LENT):
        yield lent
        return
    binaries = _binaries()
    if binaries is None:
        pytest.skip(f"no PostgreSQL is installed, and {LENT} names none")
    folder = Path(tempfile.mkdtemp(prefix="sluicegate-postgresql-"))
    # It refuses to run as root, so root lends its own user the folder.
    whose: dict[str, Any] = {"user": _USER} if os.geteuid() == 0 else {}
    if whose:
        shutil.chown(folder, _USER)
    try:
        _run(
            binaries / "initdb",
            "-D",
            "data",
            "-U",
            _USER,
            "-A",
            "trust",
            "-N",
            cwd=folder,
            **whose,
        )
        options = f"-k {folder} -h '' -c fsync=off -c max_connections=40"
        control = (binaries / "pg_ctl", "-D", "data", "-w", "-t", "60")
        _run(*control, "-o", options, "-l", "log", "start", cwd=folder, **whose)
        try:
            yield f"postgresql://{_USER}@/postgres?host={folder}"
        finally:
            _run(*control, "-m", "immediate", "stop", cwd=folder, **whose)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def database(server: str) -> Iterator[str]:
    """Yield the URL of an empty database of its own."""
    name = f"sluicegate_{secrets.token_hex(6)}"
    url = sa.make_url(server).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
    try:
        own = sa.make_url(server).set(database=name)
        yield own.render_as_string(hide_password=False)
    finally:
        with engine.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        engine.dispose()


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/").glob(_PLACES[1:]))
    return places[-1] if places else None


def _run(*command: str | Path, **options: Any) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **options)
