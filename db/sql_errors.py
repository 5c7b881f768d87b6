"""What DuckDB says about a statement, in the words of this package."""

from __future__ import annotations

import json
import re

import duckdb

from db.connect import damaged_error, disk_full_error
from db.problems import nearest
from scaling.errors import ScalingError, StoreError, UsageError

_COLUMN = re.compile(r'(?:Referenced column|does not have a column named) "(?P<column>[^"]*)"')
_TABLE = re.compile(r"Table with name (?P<table>\S+) does not exist")
_FUNCTION = re.compile(r"Function with name (?P<function>\S+) does not exist")
# DuckDB checks a sum over every block it reads; 1.5 raises IOException for a wrong one, 2.0 the base class.
_DAMAGED = re.compile(r"read enough bytes|checksum|[Cc]orrupt")
# Fields of a table of scores that the view of scores shows under another name.
_SHOWN_AS = {"entry": "model_id", "key": "source_key", "version": "task_version", "evaluated": "evaluated_on"}
_MANY_COLUMNS = 1000
_MARKER = re.compile(r"^LINE \d+: ", re.MULTILINE)


def is_disk_full(error: duckdb.Error) -> bool:
    """Whether DuckDB failed because the disk has no space left."""
    return "No space left" in str(error)


def translate(  # noqa: PLR0911 - one return a cause
    error: duckdb.Error, connection: duckdb.DuckDBPyConnection, path: str
) -> ScalingError:
    """Turn an error of DuckDB into one that says what to do.

    Parameters
    ----------
    error : duckdb.Error
        What DuckDB raised.
    connection : duckdb.DuckDBPyConnection
        Connection it was raised on; asked for the names that there are.
    path : str
        The store, for the message.

    Returns
    -------
    ScalingError
        `UsageError` where the statement is wrong, `StoreError` where the store or the machine is.
    """
    text = str(error)
    if is_disk_full(error):
        return disk_full_error(path)
    if isinstance(error, duckdb.InterruptException):
        return StoreError("The query was interrupted.")
    if isinstance(error, duckdb.OutOfMemoryException):
        return StoreError(
            f"The query needs more memory than it may use: {_first_line(text)}",
            f"Select fewer rows or columns, or allow more memory.{_broad(connection)}",
        )
    if isinstance(error, duckdb.FatalException | duckdb.InternalException):
        return StoreError(
            f"DuckDB stopped working on the store {path}: {_first_line(text)}", "Close the store and open it again."
        )
    if _DAMAGED.search(text):
        return damaged_error(path, error)
    if isinstance(error, duckdb.IOException) or type(error) is duckdb.Error:
        return StoreError(
            f"DuckDB could not work with the files of the store {path}: {_first_line(text)}",
            "Check that its directory can be written to and its disk is sound.",
        )
    if isinstance(error, duckdb.PermissionException):
        return UsageError(
            f"The statement reaches outside the store: {_first_line(text)}",
            "Ad-hoc SQL reads the store only. Files come in with: scaling ingest FILE.",
        )
    if "read-only mode" in text:
        return UsageError(
            f"The store is open for reading only: {_first_line(text)}",
            "Ad-hoc SQL cannot change a store; runs come and go with the commands ingest and rm.",
        )
    return UsageError(f"The SQL cannot be run: {_body(text)}", _hint(text, connection))


def _broad(connection: duckdb.DuckDBPyConnection) -> str:
    """Say that ``runs_final`` is too broad to be selected whole, where that may be why memory does not suffice."""
    columns = _names(connection, "SELECT column_name FROM duckdb_columns() WHERE table_name = 'runs_final'")
    if len(columns) <= _MANY_COLUMNS:
        return ""
    return f" runs_final has {len(columns)} columns: name those that you want, and not *; scaling show RUN has all."


def _hint(text: str, connection: duckdb.DuckDBPyConnection) -> str | None:
    """Nearest names for an unknown column, table or function."""
    column = _COLUMN.search(text)
    if column:
        name = column["column"]
        mapped = _mapped_as(name, connection)
        if mapped:
            return f"Column '{name}' of the source was ingested as {mapped}."
        known = _names(
            connection,
            "SELECT DISTINCT column_name FROM duckdb_columns() WHERE NOT internal "
            "AND table_name IN ('runs_final', 'scores')",
        )
        return nearest(name, known) if known else None
    table = _TABLE.search(text)
    if table:
        sql = (
            "SELECT table_name FROM duckdb_tables() WHERE NOT internal "
            "UNION SELECT view_name FROM duckdb_views() WHERE NOT internal"
        )
        return nearest(table["table"].strip('"'), _names(connection, sql))
    function = _FUNCTION.search(text)
    if function:
        sql = "SELECT function_name FROM duckdb_functions() WHERE NOT internal AND function_type = 'macro'"
        return "Saved fits are functions in SQL. " + nearest(function["function"].strip('"'), _names(connection, sql))
    return None


def _mapped_as(column: str, connection: duckdb.DuckDBPyConnection) -> str | None:
    """Name under which a source's column went into the store."""
    try:
        rows = connection.execute("SELECT mapping FROM sources").fetchall()
    except duckdb.Error:
        return None
    for mapping in (json.loads(text) for (text,) in rows):
        for field, expression in mapping.get("columns", {}).items():
            if expression == column:
                return _SHOWN_AS.get(field, str(field)) if mapping.get("kind") == "scores" else str(field)
        for spec in mapping.get("scores", ()):
            if spec["column"] == column:
                return f"the task {spec['task']}, a row of scores a model"
    return None


def _names(connection: duckdb.DuckDBPyConnection, sql: str) -> list[str]:
    try:
        return [row[0] for row in connection.execute(sql).fetchall()]
    except duckdb.Error:
        return []


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0]


def _body(text: str) -> str:
    """The message without DuckDB's own suggestions, with the line that points at the place."""
    text = re.sub(r"^\w[\w ]* Error: ", "", text.strip())
    lines = [line for line in text.splitlines() if not line.startswith(("Candidate bindings", "Did you mean"))]
    kept = [line for line in lines if line.strip()]
    for index, line in enumerate(kept):
        marker = _MARKER.match(line)
        if marker:
            kept[index] = "  " + line[marker.end() :]
            if index + 1 < len(kept) and set(kept[index + 1].strip()) <= {"^"}:
                kept[index + 1] = "  " + kept[index + 1][marker.end() :]
    return "\n".join(kept)
