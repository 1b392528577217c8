"""What trials in the field found about the examples: nobody is greeted with an empty name.

What the Django app does with a number that is none is ``test_15_`` in ``tests/test_examples.py``.
"""

import argparse
import csv
import io
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from sluicegate.testing import enqueued, outbox

BLAST = run_path(str(Path(__file__).parents[2] / "examples/blast.py"))
FILE = (
    "to,name,note\n+15551230001,Ann,\n+15551230002,,x\n+15551230003\n+15551230004,  ,x\n"
    "555,Bob,x\n,Cid,x\n+15551230005,Eve,x,more\n"
)


def test_15_a_blast_leaves_out_rows_with_an_empty_cell(capsys: pytest.CaptureFixture[str]) -> None:
    options = argparse.Namespace(name="spring", sender="+15557654321", text="Hi {name}!")
    rows: Any = csv.DictReader(io.StringIO(FILE), restval="")
    with outbox() as sluice:
        assert BLAST["blast"](sluice, rows, options) == 1
        assert [message.text for message in enqueued(sluice)] == ["Hi Ann!", "Hi Eve!"]
    shown = capsys.readouterr()
    assert shown.out == "2 enqueued, 4 incomplete, 1 invalid\n"
    assert [line.partition(":")[0] for line in shown.err.splitlines()] == [
        *("row 2", "row 3", "row 4", "row 6"),
        "row 5",
    ]
    assert "row 2: name empty" in shown.err


def test_15_a_blast_names_a_column_that_is_missing() -> None:
    options = argparse.Namespace(name="spring", sender="+15557654321", text="Hi {nick}!")
    rows: Any = csv.DictReader(io.StringIO(FILE), restval="")
    with outbox() as sluice, pytest.raises(KeyError, match="nick"):
        BLAST["blast"](sluice, rows, options)
