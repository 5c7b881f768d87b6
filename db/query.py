"""Ad-hoc SQL with the seat-belt on: read-only, nothing outside the store, a time and a memory limit.

This guards against accidents, not against attackers: SQL is code, and DuckDB draws no border of privilege inside a
process. Statements are not judged by their text; what may not happen is switched off in the connection.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb

from db.sql_errors import translate
from db.store import Parameters, Store
from scaling.errors import StoreError, UsageError

_HARDENING = (
    "SET temp_directory = ''",  # a query that outgrows its memory is stopped, not spilled to the disk
    "SET enable_external_access = false",
    "SET allow_community_extensions = false",
)


def run_readonly(
    path: str | Path,
    sql: str,
    *,
    params: Parameters = None,
    timeout_s: float = 30,
    memory_limit: str = "1GB",
    max_rows: int | None = None,
    lock_timeout: float = 2.0,
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one SQL statement on a store without being able to change anything.

    Parameters
    ----------
    path : str or Path
        The store.
    sql : str
        One statement, with ``?`` or ``$name`` for values.
    params : sequence or dict, optional
        The values.
    timeout_s : float, default 30
        Seconds after which the statement is stopped.
    memory_limit : str, default "1GB"
        Memory that it may use.
    max_rows : int, optional
        Rows to fetch at most. By default all.
    lock_timeout : float, default 2.0
        Seconds to wait while another process writes to the store.

    Returns
    -------
    columns : list of str
        Names of the columns.
    rows : list of tuple
        The rows.

    Raises
    ------
    UsageError
        If the statement is wrong (the message names the nearest column or table), is not one statement, or would read
        or change something outside.
    StoreError
        If the store cannot be opened, or the statement takes too long or too much memory.
    """
    with Store(path, read_only=True, lock_timeout=lock_timeout) as store:
        connection = store.connection
        _harden(connection, memory_limit)
        statement = _single_statement(connection, sql, store.path)

        return _run(connection, statement, params, max_rows, timeout_s, store.path, " (--timeout)")


def run_select(store: Store, sql: str, *, timeout_s: float = 60) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run one SELECT on a store that is open already, in a transaction that can write nothing.

    Parameters
    ----------
    store : Store
        An open store. What is not committed there is not seen. Files are out of reach where the store has them shut out
        (`db.select.shut_out_files`, as every command does): that cannot be undone, so it is not done here.
    sql : str
        One SELECT statement, or what amounts to one, without values to fill in.
    timeout_s : float, default 60
        Seconds after which it is stopped.

    Returns
    -------
    columns : list of str
        Names of the columns.
    rows : list of tuple
        The rows.

    Raises
    ------
    UsageError
        If it is wrong, or is anything else than one SELECT.
    StoreError
        If it takes too long.
    """
    statement = _single_statement(store.connection, sql, store.path)
    [parsed] = store.connection.extract_statements(sql)
    if parsed.type != duckdb.StatementType.SELECT:
        raise UsageError("A SELECT statement is needed, and this is another one.", "Rows are only read here.")
    with store.connection.cursor() as connection:
        connection.execute("BEGIN TRANSACTION READ ONLY").fetchall()
        return _run(connection, statement, None, None, timeout_s, store.path)


def _run(
    connection: duckdb.DuckDBPyConnection,
    statement: str,
    params: Parameters,
    max_rows: int | None,
    timeout_s: float,
    path: str,
    option: str = "",
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a statement that may take too long."""

    def work() -> tuple[list[str], list[tuple[Any, ...]]]:
        result = connection.execute(statement, params)
        columns = [column[0] for column in result.description or []]
        return columns, result.fetchall() if max_rows is None else result.fetchmany(max_rows)

    # In a thread of its own, because DuckDB does not always notice Ctrl-C while it works.
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(work)
        try:
            return running.result(timeout_s)
        except TimeoutError as error:
            connection.interrupt()
            raise StoreError(
                f"The query was stopped after {timeout_s:g} s.",
                f"Select fewer rows, or allow more time{option}.",
            ) from error
        except KeyboardInterrupt:
            connection.interrupt()
            raise
        except duckdb.Error as error:
            raise translate(error, connection, path) from error


def _harden(connection: duckdb.DuckDBPyConnection, memory_limit: str) -> None:
    for setting in _HARDENING:
        connection.execute(setting).fetchall()
    try:
        connection.execute("SET memory_limit = ?", [memory_limit]).fetchall()
    except duckdb.Error as error:
        raise UsageError(f"'{memory_limit}' is no amount of memory.", "Write it as in 512MB or 2GB.") from error
    connection.execute("SET lock_configuration = true").fetchall()


def _single_statement(connection: duckdb.DuckDBPyConnection, sql: str, path: str) -> str:
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise translate(error, connection, path) from error
    if len(statements) != 1:
        raise UsageError(
            f"One SQL statement is needed, and there are {len(statements)}.",
            "Run them one after the other." if statements else 'Such as: "SELECT * FROM runs_final"',
        )
    return sql
