"""The floor of the line coverage holds, by a run of a few tests, which must fail it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.long
def test_a_run_that_covers_too_little_fails_and_says_where() -> None:
    command = [sys.executable, "-m", "pytest", "-n", "2", "tests/producer/test_packing.py"]
    run = subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"SLUICEGATE_TEST_COVERAGE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert " passed" in run.stdout
    assert " failed" not in run.stdout
    assert "of 95% required: too little" in run.stdout
    # One that these tests run, in a process of xdist, and one that nothing here imports.
    lines = {line.split()[0]: line.split() for line in run.stdout.splitlines() if line}
    assert "producer/sluicegate/numbering.py" in lines
    assert lines["worker/sluicegate_worker/operator/erasing.py"][3] == "0"
