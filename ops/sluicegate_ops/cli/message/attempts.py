"""A message's history for people: each attempt, how late it was, how long it took, its outcome."""

from collections.abc import Mapping

import typer

from sluicegate.stored import History

from ...operating.message.attempts import COLUMNS, attempt_rows
from ..kit.output import table, write


def write_attempts(history: History, workers: Mapping[str, str]) -> None:
    """Write the attempts in order; nothing if there were none.

    ``workers`` has the names of those that are known, by their tags.
    """
    if history.attempts:
        rows = table(*COLUMNS, spare=("LATE", "WORKER"))
        for row in attempt_rows(history, workers):
            rows.add_row(*row)
        typer.echo()
        write(rows)
