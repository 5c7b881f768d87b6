"""How the Parquet of large tables is written."""

from __future__ import annotations

import duckdb

#: Megabytes that DuckDB may use for a large table before it goes to disk, and more for each column that it writes.
MEMORY = 256
_MEMORY_A_COLUMN = 0.25
_ONE_THREAD = 1000  # columns from which on more threads only hinder each other, each with buffers for every column


def allow_columns(connection: duckdb.DuckDBPyConnection, n_columns: int) -> None:
    """Allow the memory that Parquet with many columns takes, for it is written a column at a time."""
    if n_columns > _ONE_THREAD:
        connection.execute("SET threads = 1").fetchall()
    connection.execute(f"SET memory_limit = '{MEMORY + _MEMORY_A_COLUMN * n_columns:.0f}MB'").fetchall()


def parquet(n_columns: int) -> str:
    """Options to write Parquet with; fewer rows in a group where there are many columns, for each group is held."""
    # Packing would take longer than writing and reading what it saves.
    n_rows = min(max(4_000_000 // max(n_columns, 1), 2048), 122_880)
    return f"FORMAT parquet, COMPRESSION uncompressed, ROW_GROUP_SIZE {n_rows}"
