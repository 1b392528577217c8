"""Reads a campaign's rows from a database: what one query returns, by way of SQLAlchemy.

The query runs once, and its rows are copied into a temporary file, so that what is imported is
what was checked. It runs in a transaction that may only read, and is rolled back.
"""

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from ..errors import BadFile, InvalidConfig
from ..spreadsheet import GUARD, guarded
from .csv_file import CsvFile
from .temporary import OnRow, TemporaryCopy, ignored

_PAGE = 1_000  # rows that are in memory at a time
_PATH = Path("query")
_READS_ONLY = {  # a rollback alone leaves tables dropped that were: SQLite and MySQL commit those
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET TRANSACTION READ ONLY",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}


def open_query(url: str, query: str, on_row: OnRow = ignored) -> CsvFile:
    """Run ``query`` at ``url``, an SQLAlchemy URL; row 7 of the result is line 7.

    Columns are named as in the result. Raises BadFile if the query fails, returns no rows, or
    returns values that are no text, number, time or truth value; the error never has the password.
    Raises InvalidConfig if the URL is none, and ModuleNotFoundError without SQLAlchemy.
    """
    try:
        import sqlalchemy
        from sqlalchemy.exc import ArgumentError, SQLAlchemyError
        from sqlalchemy.pool import NullPool
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "queries need SQLAlchemy: install Sluicegate with its extra archive", name="sqlalchemy"
        ) from error
    try:
        parsed = sqlalchemy.make_url(url)
        engine = sqlalchemy.create_engine(parsed, poolclass=NullPool, hide_parameters=True)
    except (ArgumentError, ValueError, ImportError, SQLAlchemyError) as error:
        reason = "must be a URL such as postgresql+psycopg://user:password@host/database"
        missing = isinstance(error, ImportError) or "load plugin" in str(error)
        needs = f"needs a driver that is not installed: {error}"
        raise InvalidConfig("--database", needs if missing else reason) from None
    where = parsed.render_as_string(hide_password=True)
    try:
        with engine.connect() as link:
            if forbid := _READS_ONLY.get(engine.dialect.name):
                link.exec_driver_sql(forbid)
            link.execution_options(stream_results=True, yield_per=_PAGE)  # a cursor sets nothing
            # As it is: neither a colon nor a per cent sign stands for a parameter.
            result = link.execute(sqlalchemy.text(query.replace(":", r"\:")))
            if not result.returns_rows:
                raise _bad(where, "it returns no rows", "write a SELECT")
            columns = tuple(map(str, result.keys()))
            written = TemporaryCopy.of_rows(_texts(where, columns, result), on_row)
            link.rollback()
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).partition("\n")[0]
        raise _bad(where, said, "correct --query or --database") from None
    form = f"the result of a query at {where}"
    return CsvFile(
        _PATH, encoding="utf-8", delimiter=",", copy=written, columns=columns, form=form
    )


def _bad(where: str, reason: str, way_out: str) -> BadFile:
    return BadFile(_PATH, f"at {where}", reason, way_out)


def _texts(where: str, columns: tuple[str, ...], rows: Any) -> Iterator[list[str]]:
    for number, row in enumerate(rows, 1):
        yield [_text(where, number, *pair) for pair in zip(columns, row, strict=True)]


def _text(where: str, number: int, column: str, value: object) -> str:
    if isinstance(value, str):
        # An apostrophe of its own must not be taken for one that guards it from a spreadsheet.
        return guarded(value) if value[:1] == GUARD else value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat(" ")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, int | float | UUID | timedelta):
        return str(value)
    reason = f"row {number}, column {column!r} holds a {type(value).__name__}, which is no text"
    raise _bad(where, reason, "leave it out of the query, or CAST it to a text")
