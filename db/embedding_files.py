"""Where embeddings are: a file, a folder of files, or a set or table of the store."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from db.embedding_npy import npy_part
from db.embedding_shards import Part, Shard, Shards
from db.embedding_sql import parquet_part, table_part
from db.problems import nearest
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    import duckdb

    from db.store import Store

__all__ = ["FORMATS", "Shard", "Shards", "open_embeddings"]

#: Endings of the files that are read.
FORMATS = {".npy": "npy", ".parquet": "parquet", ".pq": "parquet"}
_TABLES = (".csv", ".tsv", ".jsonl", ".ndjson")  # of examples, which are ingested


def open_embeddings(
    source: str | Path | Shards,
    *,
    store: Store | None = None,
    columns: str | Sequence[str] | None = None,
    shard_rows: int | None = None,
) -> Shards:
    """Open embeddings without reading them.

    Parameters
    ----------
    source : str or Path or Shards
        A ``.npy`` or ``.parquet`` file, a folder of files of either (in the order of their names, in which shard-2
        comes before shard-10), or with a store the name of a set of examples or of a table. Shards are given back.
    store : Store, optional
        Where to look for a set or table of that name.
    columns : str or sequence of str, optional
        Of Parquet files and tables: one column of lists, or several of numbers. By default the only one of lists.
    shard_rows : int, optional
        Rows of a shard at most; by default as many as have 2**25 values.

    Returns
    -------
    Shards

    Raises
    ------
    InputDataError
        If there is nothing, a file is truncated or holds Python objects or no numbers, widths differ, or a set's
        embeddings have changed since it was read.
    UsageError
        If it is not clear which columns are meant, or whether a set or a file is.
    """
    if isinstance(source, Shards):
        return source
    if shard_rows is not None and shard_rows < 1:
        raise UsageError(f"Shards of {shard_rows} rows cannot be made.", "Give at least 1.")
    picked = (columns,) if isinstance(columns, str) else None if columns is None else tuple(columns)
    path = Path(source)
    if store is not None and (known := _in_store(store, str(source), picked, shard_rows)) is not None:
        if path.exists():
            raise UsageError(
                f"'{source}' is both a name in the store and a file here.", f"Name the file by its path: ./{source}"
            )
        return known
    if not path.exists():
        raise _nothing(source, store)
    files, format_ = _files(path)
    if format_ == "npy" and picked is not None:
        raise UsageError(f"Columns are named, but {path} has none: a .npy file is one array.", "Leave them out.")
    connection = None if format_ == "npy" else _connection()
    parts: list[Part] = []
    for file in files:
        part: Part = npy_part(file) if connection is None else parquet_part(connection, file, picked)
        if parts and part.m != parts[0].m:
            raise InputDataError(
                f"{file} is {part.m} wide, but {parts[0].name} is {parts[0].m} wide.",
                "All files of a folder need embeddings of one model.",
            )
        parts.append(part)
    used = picked if format_ == "npy" else getattr(parts[0], "columns", None)
    return Shards(parts, str(path.resolve()), format_, used, shard_rows)


def _connection() -> duckdb.DuckDBPyConnection:
    from db.connect import MEMORY, connect

    return connect(MEMORY, read_only=False, lock_timeout=0.0)


def _in_store(store: Store, name: str, columns: tuple[str, ...] | None, shard_rows: int | None) -> Shards | None:
    """Open the embeddings of a set or table of the store, if it has one of that name."""
    _, rows = store.query("SELECT 1 FROM example_sets WHERE set_name = ?", [name])
    if rows:
        from db.example_read import open_set

        return open_set(store, name, shard_rows=shard_rows)
    _, rows = store.query(
        "SELECT 1 FROM duckdb_columns() WHERE NOT internal AND schema_name = 'main' AND table_name = ? LIMIT 1", [name]
    )
    if not rows:
        return None
    part = table_part(store, name, columns)
    return Shards([part], name, "table", part.columns, shard_rows)


def _nothing(source: str | Path, store: Store | None) -> InputDataError:
    if store is None:
        return InputDataError(f"There are no embeddings at {source}.", "Name a .npy or .parquet file, or a folder.")
    _, rows = store.query("SELECT set_name FROM example_sets ORDER BY 1")
    near = f" Sets: {nearest(str(source), [row[0] for row in rows])}" if rows else ""
    return InputDataError(
        f"There is no file '{source}', and no set or table of that name in the store.",
        f"Name a .npy or .parquet file, a folder of them, or a set of the store.{near}",
    )


def _files(path: Path) -> tuple[list[Path], str]:
    """Files of embeddings at a path, in order, and their format."""
    if not path.is_dir():
        format_ = FORMATS.get(path.suffix.lower())
        if format_ is None:
            table = path.suffix.lower() in _TABLES
            raise InputDataError(
                f"The format of {path} is not known by its ending.",
                f"Embeddings are read from {', '.join(FORMATS)}. Convert with: numpy.save('X.npy', array)"
                + (f"; or make the table a set: scaling value add {path} --set NAME" if table else ""),
            )
        return [path], format_
    files = [
        entry
        for entry in path.iterdir()
        if entry.is_file() and not entry.name.startswith(".") and entry.suffix.lower() in FORMATS
    ]
    if not files:
        raise InputDataError(f"The folder {path} holds no file of embeddings.", f"They end in {', '.join(FORMATS)}.")
    formats = {FORMATS[file.suffix.lower()] for file in files}
    if len(formats) > 1:
        raise InputDataError(f"The folder {path} holds both .npy and Parquet files.", "Keep one format in a folder.")
    return sorted(files, key=lambda file: _natural(file.name)), formats.pop()


def _natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Order names by the numbers in them, so that shard-2 comes before shard-10."""
    words = re.findall(r"\d+|\D+", name)
    return [(0, int(word), "") if word.isdigit() else (1, 0, word) for word in words], name
