"""Which tables are read in parts, and which are more than is read at all.

What is held of a large table is a run and what each run is, so both have a bound: rows of one run, and runs. It is
checked before any row of them is held.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from db.readers.parquet_index import check_index
from db.readers.records import open_bytes
from db.temporary import temporary_folder
from scaling.errors import InputDataError

if TYPE_CHECKING:
    from db.bulk_source import Source

#: Rows of a run, and runs of a table, beyond which it is refused.
MOST_ROWS = 5_000_000
MOST_RUNS = 2_000_000
_CHUNK = 2**18
_A_CELL = 4  # bytes that a cell of a Parquet file stands for, however well it is packed
_PACKED = 20  # how much more a packed file usually holds than its size says


def holds_much(path: str | Path, kind: str, least: int) -> bool:
    """Whether a table holds much text, packed or not.

    Parameters
    ----------
    path : str or Path
        The file.
    kind : str
        Its format.
    least : int
        Bytes of text that are much.

    Returns
    -------
    bool
        False where it is damaged before that; who reads it says so.
    """
    file = Path(path)
    size = file.stat().st_size
    if kind == "parquet":
        return size >= least // _PACKED or _parquet_cells(file) >= least // _A_CELL
    if file.suffix.lower() != ".gz":
        return size >= least
    try:
        with open_bytes(path) as stream:
            while least > 0 and (chunk := stream.read(min(least, _CHUNK))):
                least -= len(chunk)
    except (OSError, EOFError, zlib.error):
        return False
    return least <= 0


def _parquet_cells(file: Path) -> int:
    """Rows times columns, by the index of a Parquet file; 0 where it has none."""
    check_index(file)
    with temporary_folder("bulk") as folder, duckdb.connect() as connection:
        link = Path(folder) / "source.parquet"  # because a name may hold what DuckDB reads as a pattern
        link.symlink_to(file.resolve())
        try:
            [(n_rows,)] = connection.execute("SELECT num_rows FROM parquet_file_metadata(?)", [str(link)]).fetchall()
            described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [str(link)]).fetchall()
        except duckdb.Error:
            return 0
    return int(n_rows) * len(described)


def too_many_rows(source: Source, name: str, n_rows: int, position: int, n_more: int) -> InputDataError:
    """Say that a run has more rows than can be held.

    Parameters
    ----------
    source : Source
        The table.
    name : str
        The run.
    n_rows : int
        Its rows.
    position : int
        Of its first row.
    n_more : int
        Other runs with too many.

    Returns
    -------
    InputDataError
    """
    line = position + source.first_line
    if not source.first_line:
        [(line,)] = source.query("line", f"WHERE {source.position} = {position}").fetchall()
    more = f" (so do {n_more} more runs)" if n_more else ""
    return InputDataError(
        f"{source.path}: run '{name}' has {n_rows:,} rows, from line {line} on{more}. A run of a table is held whole, "
        f"and {MOST_ROWS:,} rows are the most.",
        "Keep fewer: every hundredth step is enough for a curve. Or read the log that the tracker itself wrote; there "
        "a run may have any length.",
    )


def too_many_runs(path: str) -> InputDataError:
    """Say that a table has more runs than can be held."""
    return InputDataError(
        f"{path} has more than {MOST_RUNS:,} runs, the most that are read from one table.",
        "Split it into several tables. If its rows are the steps of fewer runs, say in a mapping file which column is "
        'the run, and which the step: [columns] run_id = "COLUMN" and step = "COLUMN"',
    )


def no_numbers(path: str) -> InputDataError:
    """Say that a column has the name that the rows are numbered under, so that the table has to be held whole."""
    return InputDataError(
        f"{path} has a column 'file_row_number', and with it at most {MOST_RUNS:,} rows are read.",
        "Give the column another name, or leave it out.",
    )
