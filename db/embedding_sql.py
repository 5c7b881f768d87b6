"""Embeddings that SQL reads: in Parquet files, and in tables of the store; read in pieces, without pyarrow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.problems import nearest
from db.sql_arrays import registered
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    import duckdb

    from db.store import Store

Rows = NDArray[Any]
_LIST = re.compile(r"(?P<item>.+)\[\d*\]$")
_NUMBERS = {
    "DOUBLE", "FLOAT", "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UBIGINT", "UINTEGER", "USMALLINT", "UTINYINT",
    "HUGEINT",
}  # fmt: skip


@dataclass(frozen=True)
class SqlPart:
    """Rows that SQL gives: of a Parquet file, or of a table of the store."""

    connection: duckdb.DuckDBPyConnection
    name: str
    table: str  # SQL of the table, with its parameters in `values`
    values: tuple[Any, ...]
    number: str | None  # column with the number of the row; without it, the order in which rows were inserted
    columns: tuple[str, ...]
    listed: bool  # whether the one column holds lists
    n: int
    m: int
    dtype: np.dtype[Any]

    def read(self, start: int, stop: int) -> Rows:
        """Rows of a piece."""
        if self.number is None:
            return self._fetch(f"SELECT {self._names} FROM {self.table} LIMIT ? OFFSET ?", (stop - start, start), start)
        inner = (
            f"SELECT {self._names} FROM {self.table} WHERE {self.number} >= ? AND {self.number} < ? "
            f"ORDER BY {self.number}"
        )
        return self._fetch(inner, (start, stop), start, stop - start)

    def gather(self, rows: NDArray[np.int64]) -> Rows:
        """Rows by number, ascending."""
        number = self.number or "_number"
        table = self.table
        if self.number is None:
            table = f"(SELECT *, row_number() OVER () - 1 AS _number FROM {self.table})"
        with registered(self.connection, {"_wanted": {"_row": rows}}):
            inner = f"SELECT {self._names} FROM {table} JOIN _wanted ON {number} = _row ORDER BY _row"
            return self._fetch(inner, (), None, len(rows))

    @property
    def _names(self) -> str:
        return ", ".join(quoted(name) for name in self.columns)

    def _fetch(self, inner: str, values: tuple[Any, ...], start: int | None, n: int | None = None) -> Rows:
        import duckdb

        n = values[0] if n is None else n
        kind = "FLOAT" if self.dtype == np.float32 else "DOUBLE"
        if self.listed:
            # The cast to a length refuses every other one: lists of 63 and 65 together would look right in the sum.
            picked = f"unnest(CAST({self._names} AS {kind}[{self.m}])) AS v"
        else:
            picked = ", ".join(f"CAST({quoted(name)} AS {kind}) AS v{place}" for place, name in enumerate(self.columns))
        try:
            found = self.connection.execute(f"SELECT {picked} FROM ({inner})", [*self.values, *values]).fetchnumpy()
        except duckdb.ConversionException as error:
            raise InputDataError(
                f"The embeddings of {self.name} are not all {self.m} wide{self._where(start)}.",
                "Every example needs a list of the same length, of numbers.",
            ) from error
        columns = [np.ma.filled(column.astype(self.dtype, copy=False), np.nan) for column in found.values()]
        rows = columns[0].reshape(-1, self.m) if self.listed else np.column_stack(columns)
        if len(rows) != n:
            raise InputDataError(
                f"The embeddings of {self.name} are missing for {n - len(rows)} of {n} rows"
                f"{self._where(start) if self.listed else ''}.",
                "Give every example an embedding, or leave it out.",
            )
        return rows

    def _where(self, start: int | None) -> str:
        """Name the first row whose list is missing or has another length."""
        if start is None or self.number is None:
            return ""
        sql = (
            f"SELECT {self.number}, len({self._names}) FROM {self.table} WHERE {self.number} >= ? "
            f"AND coalesce(len({self._names}), -1) <> ? ORDER BY {self.number} LIMIT 1"
        )
        found = self.connection.execute(sql, [*self.values, start, self.m]).fetchall()
        if not found:
            return ""
        row, width = found[0]
        return f": row {row} has none" if width is None else f": row {row} has {width}"


def parquet_part(connection: duckdb.DuckDBPyConnection, path: Path, columns: tuple[str, ...] | None) -> SqlPart:
    """Open a Parquet file by its schema and first row.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Reads the file.
    path : Path
        The file.
    columns : tuple of str, optional
        One column of lists, or several of numbers. By default the one column of lists that there is.

    Returns
    -------
    SqlPart

    Raises
    ------
    InputDataError
        If the file cannot be read, has no rows, or the column holds something else.
    UsageError
        If it has no such column, or more than one could be meant.
    """
    return _sql_part(
        connection, str(path), "read_parquet(?, file_row_number = true)", (str(path),), "file_row_number", columns
    )


def table_part(store: Store, table: str, columns: tuple[str, ...] | None) -> SqlPart:
    """Open a table of the store; rows are in the order of its column ``position``, or as they were inserted."""
    connection = store.connection
    names = {row[0] for row in connection.execute(f"DESCRIBE {quoted(table)}").fetchall()}
    is_table = bool(
        connection.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ? AND NOT internal", [table]).fetchall()
    )
    if "position" not in names and not is_table:
        raise UsageError(
            f"The view '{table}' has no column 'position', so its rows have no order.",
            "Add one: row_number() OVER (ORDER BY ...) - 1 AS position.",
        )
    if "position" in names:
        [(n, low, high, distinct)] = connection.execute(
            f"SELECT count(*), min(position), max(position), count(DISTINCT position) FROM {quoted(table)}"
        ).fetchall()
        if n and (low, high, distinct) != (0, n - 1, n):
            raise InputDataError(
                f"The column 'position' of the table '{table}' does not number its {n} rows from 0 to {n - 1}.",
                "Number them, or leave the column out: rows are then taken as they were inserted.",
            )
    number = "position" if "position" in names else None
    return _sql_part(connection, f"table {table}", quoted(table), (), number, columns)


def _sql_part(
    connection: duckdb.DuckDBPyConnection, name: str, table: str, values: tuple[Any, ...], number: str | None,
    columns: tuple[str, ...] | None,
) -> SqlPart:  # fmt: skip
    import duckdb

    try:
        types = {
            row[0]: row[1]
            for row in connection.execute(f"DESCRIBE SELECT * FROM {table}", list(values)).fetchall()
            if row[0] != number
        }
        [(n,)] = connection.execute(f"SELECT count(*) FROM {table}", list(values)).fetchall()
    except duckdb.Error as error:
        raise InputDataError(f"{name} cannot be read: {str(error).strip().splitlines()[0]}") from error
    if n == 0:
        raise InputDataError(f"{name} has no rows.")
    picked, listed, kind = _columns(name, types, columns)
    width = len(picked)
    if listed:
        one = quoted(picked[0])
        found = connection.execute(f"SELECT len({one}) FROM {table} WHERE {one} IS NOT NULL LIMIT 1", list(values))
        widths = found.fetchall()
        width = widths[0][0] if widths else 0
        if width == 0:
            raise InputDataError(f"Column '{picked[0]}' of {name} holds no numbers.")
    dtype = np.dtype(np.float32 if kind == "FLOAT" else np.float64)
    return SqlPart(connection, name, table, values, number, picked, listed, int(n), int(width), dtype)


def _columns(name: str, types: dict[str, str], columns: tuple[str, ...] | None) -> tuple[tuple[str, ...], bool, str]:
    """Choose the columns that hold embeddings: their names, whether they are lists, and the type of a number."""
    lists = {column: match["item"] for column, kind in types.items() if (match := _LIST.match(kind))}
    lists = {column: item for column, item in lists.items() if _is_number(item)}
    if columns is None:
        if len(lists) != 1:
            what = f"{len(lists)} columns of lists ({', '.join(lists)})" if lists else "no column of lists"
            raise UsageError(
                f"{name} has {what}, so which column holds the embeddings has to be said.",
                f"Name one column of lists, or several of numbers. There are: {', '.join(types)}.",
            )
        columns = (next(iter(lists)),)
    for column in columns:
        if column not in types:
            raise UsageError(f"{name} has no column '{column}'.", nearest(column, types))
        if not (_is_number(types[column]) or column in lists):
            raise InputDataError(f"Column '{column}' of {name} is of type {types[column]}, which holds no embeddings.")
    listed = [column for column in columns if column in lists]
    if listed and len(columns) > 1:
        raise UsageError(f"Column '{listed[0]}' of {name} holds lists and is given beside others.", "Give it alone.")
    kinds = {lists.get(column, types[column]) for column in columns}
    return tuple(columns), bool(listed), "FLOAT" if kinds == {"FLOAT"} else "DOUBLE"


def _is_number(kind: str) -> bool:
    return kind in _NUMBERS or kind.startswith("DECIMAL")


def quoted(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'
