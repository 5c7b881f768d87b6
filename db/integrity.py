"""Whether a store's file holds all the blocks that its tables are in.

DuckDB reads a block when it needs it, so a file that was cut short may open and fail later, in the middle of some work.
Asking on opening costs a few milliseconds, and only where the file is shorter than its header says.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

#: Three headers of 4096 bytes stand before the first block.
HEADER_BYTES = 3 * 4096


def lost_table(connection: duckdb.DuckDBPyConnection, path: str) -> str | None:
    """Find a table of which a block lies beyond the end of the file.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The open store, before anything was written to it.
    path : str
        Its file.

    Returns
    -------
    str or None
        Name of the table; None where the file is whole. Blocks at the end that no table uses may be missing: DuckDB
        itself cuts them off.
    """
    [(total_blocks, block_size)] = connection.execute(
        "SELECT total_blocks, block_size FROM pragma_database_size() WHERE database_name = current_database()"
    ).fetchall()
    n_bytes = Path(path).stat().st_size
    if n_bytes >= HEADER_BYTES + total_blocks * block_size:
        return None
    present = (n_bytes - HEADER_BYTES) // block_size
    tables = connection.execute(
        "SELECT schema_name || '.' || table_name FROM duckdb_tables() WHERE NOT internal AND NOT temporary"
    ).fetchall()
    for (table,) in tables:
        [(last,)] = connection.execute(
            "SELECT max(greatest(block_id, coalesce(list_max(additional_block_ids), -1))) FROM pragma_storage_info(?)",
            [table],
        ).fetchall()
        if last is not None and last >= present:
            return str(table)
    return None
