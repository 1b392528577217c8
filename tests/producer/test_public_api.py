"""The public API: its types, as type checkers read them, and the names that the root exports."""

import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import get_args, get_type_hints

import msgspec
import pytest

import sluicegate
from sluicegate.keys import STATES
from sluicegate.message import Message, MessageFields
from sluicegate.outbox import MessageState

ROOT = Path(__file__).parents[2]
API = ROOT / "tests/typing/api.py"
MARKED = re.compile(r"# error: (\S+)$")


def marked() -> set[tuple[int, str]]:
    """The lines that must be refused, each with mypy's code."""
    lines = enumerate(API.read_text(encoding="utf-8").splitlines(), 1)
    return {(number, mark[1]) for number, line in lines if (mark := MARKED.search(line))}


def output(*module: str) -> str:
    """What a type checker prints; it fails, since there are errors to find."""
    command = (sys.executable, "-m", *module)
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1, run.stdout + run.stderr
    return run.stdout


@pytest.mark.timeout(300)  # without mypy's cache
def test_mypy_refuses_the_marked_lines_and_no_others() -> None:
    error = re.compile(r"^\S+api\.py:(\d+): error: .*\[(\S+)\]$", re.MULTILINE)
    reported = error.findall(output("mypy", str(API)))
    assert {(int(number), code) for number, code in reported} == marked()


@pytest.mark.long
@pytest.mark.timeout(300)
def test_pyright_refuses_the_same_lines() -> None:
    pytest.importorskip("pyright")  # it brings a Node.js, which not every platform can run
    interpreter = ("--pythonpath", sys.executable)
    report = msgspec.json.decode(output("pyright", "--outputjson", *interpreter, str(API)))
    refused = {each["range"]["start"]["line"] + 1 for each in report["generalDiagnostics"]}
    assert refused == {number for number, _ in marked()}


def test_the_fields_of_enqueue_are_those_of_a_message() -> None:
    typed = get_type_hints(MessageFields)
    assert typed == get_type_hints(Message)
    assert tuple(typed) == Message.__struct_fields__
    required = {field.name for field in msgspec.structs.fields(Message) if field.required}
    assert MessageFields.__required_keys__ == required


def test_a_status_may_have_any_state_of_a_record_or_of_a_lease() -> None:
    assert set(get_args(MessageState)) == {*STATES, "granted", "started"}


def test_the_root_exports_what_it_lists() -> None:
    assert sorted(sluicegate.__all__) == sluicegate.__all__
    assert all(hasattr(sluicegate, name) for name in sluicegate.__all__)
    assert sluicegate.count_segments("hi").parts == 1


def test_the_version_is_that_of_the_installed_package() -> None:
    assert sluicegate.__version__ == version("sluicegate")
    with pytest.raises(AttributeError, match="no attribute 'count'"):
        sluicegate.count  # type: ignore[attr-defined]  # noqa: B018 - it is not there
