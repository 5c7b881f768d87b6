"""Sets of examples: what they are called, what class and group they belong to, what they cost, and what they lost.

A set is one table of examples beside one array of embeddings, row by row. The table is read by DuckDB, never row by
row in Python, and written whole in one transaction; embeddings stay where they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.audit import record
from db.embedding_files import Shards, open_embeddings
from db.example_files import ExampleFile, open_example_file, reading
from db.example_losses import LossesReport, ingest_losses
from db.example_read import ExampleSet, Losses, open_set, read_examples, read_ids, read_losses, set_entry
from db.example_write import former, insert_examples, insert_losses, insert_row, take_away
from db.readers.table import file_sha256
from db.version import package_version
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    import duckdb

    from db.store import Store

__all__ = [
    "ExampleSet", "ExamplesReport", "Losses", "LossesReport", "ingest_examples", "ingest_losses", "open_set",
    "read_examples", "read_ids", "read_losses", "set_entry",
]  # fmt: skip

LossKey = str | tuple[str, int]
_USUAL = {
    "id": ("example_id", "id"),
    "label": ("label",),
    "group": ("group", "grp"),
    "cost": ("cost",),
}


@dataclass(frozen=True)
class ExamplesReport:
    """What reading a set did.

    Parameters
    ----------
    status : str
        ``ingested``, ``replaced`` or ``unchanged``.
    set_name, path : str
        The set, and its table; the embeddings where there is no table.
    n_examples : int
        Examples.
    n_dims : int or None
        Width of the embeddings.
    n_labels, n_groups : int
        Classes and groups that occur.
    losses : tuple of dict
        ``role step n n_not_ok`` of each column of losses.
    columns : dict
        Which column was read as what.
    warnings : tuple of str
        What else is worth knowing.
    """

    status: str
    set_name: str
    path: str
    n_examples: int
    n_dims: int | None
    n_labels: int
    n_groups: int
    losses: tuple[dict[str, Any], ...]
    columns: dict[str, Any]
    warnings: tuple[str, ...]

    def __str__(self) -> str:
        examples = format_plural(self.n_examples, "example")
        if self.status == "unchanged":
            return f"{self.path}: unchanged, {examples} in the set '{self.set_name}' already."
        parts = [examples]
        parts += [f"embeddings of {self.n_dims} dimensions"] if self.n_dims else []
        parts += [f"{self.n_labels} classes"] if self.n_labels else []
        parts += [format_plural(self.n_groups, "group")] if self.n_groups else []
        parts += [f"losses in {format_plural(len(self.losses), 'column')}"] if self.losses else []
        return f"{self.path}: {', '.join(parts)} {self.status} as the set '{self.set_name}'."


def ingest_examples(
    store: Store,
    path: str | Path | None,
    set_name: str,
    *,
    id: str | None = None,  # noqa: A002 - what the column is
    label: str | None = None,
    group: str | None = None,
    cost: str | None = None,
    losses: Mapping[LossKey, str] | None = None,
    embeddings: str | Path | Shards | None = None,
    embedding_columns: str | Sequence[str] | None = None,
    check_embeddings: bool = True,
    replace: bool = False,
) -> ExamplesReport:
    """Read a table of examples, and where their embeddings are, into a store.

    Parameters
    ----------
    store : Store
        A store open for writing.
    path : str or Path or None
        A CSV, TSV, JSON lines or Parquet file, one row an example; None for embeddings alone.
    set_name : str
        Name of the set.
    id, label, group, cost : str, optional
        Columns. By default ``example_id`` or ``id``, ``label``, ``group`` or ``grp``, ``cost``, where there are such;
        without an identifier the position is one.
    losses : mapping, optional
        Columns of logged losses, by ``role`` or by ``(role, step)``.
    embeddings : str or Path or Shards, optional
        As for :func:`db.embedding_files.open_embeddings`, rows in the order of the table; or a column of the table,
        where that is Parquet.
    embedding_columns : str or sequence of str, optional
        Columns that hold the embeddings; of the table itself, where no embeddings are named.
    check_embeddings : bool, default True
        Whether all embeddings are read once to refuse NaN and infinite values.
    replace : bool, default False
        Whether a set of this name that came from another file is replaced.

    Returns
    -------
    ExamplesReport
        With the status ``unchanged`` where the same files were read in the same way before.

    Raises
    ------
    InputDataError
        If a file cannot be used, an identifier is missing or occurs twice, a cost is negative or no number, a loss is
        no number, or there are more or fewer embeddings than rows. The store is as it was.
    UsageError
        If there is no such column, or another set has the name.
    StoreError
        If the store is read-only or its disk is full. The store is as it was.
    """
    if not set_name:
        raise UsageError("A set of examples needs a name.")
    if path is None and embeddings is None:
        raise UsageError("Neither a table of examples nor embeddings are given.")
    with store.transaction() as connection:
        table = None if path is None else open_example_file(connection, path)
        columns = _columns(table, {"id": id, "label": label, "group": group, "cost": cost}, losses)
        shards = _embeddings(store, table, embeddings, embedding_columns)
        entry = _entry(set_name, path, table, columns, shards)
        old = former(connection, entry)
        if old == "unchanged":
            return _report(connection, "unchanged", entry, columns, ())
        if old == "other" and not replace:
            raise UsageError(
                f"There is a set '{set_name}' already, from another file.",
                f"Choose another name, replace it (replace=True, --replace), or: scaling rm set {set_name}",
            )
        warnings = take_away(connection, set_name) if old else ()
        source = str(path if path is not None else shards.uri if shards else "")
        with reading(source):
            n = insert_examples(connection, set_name, table, columns, shards)
            if table is not None:
                insert_losses(connection, set_name, table, columns["losses"])
        if shards is not None and shards.n != n:
            raise InputDataError(
                f"{source} has {format_plural(n, 'example')}, but {shards.uri} has embeddings of {shards.n}.",
                "Each row of the table needs the row of the embeddings with its number.",
            )
        if shards is not None and check_embeddings:
            for _ in shards:
                pass
        entry["n_examples"] = n
        insert_row(connection, "example_sets", entry)
        record(connection, "replace" if old else "ingest", "set", set_name, {"path": source, "n_examples": n})
        return _report(connection, "replaced" if old else "ingested", entry, columns, warnings)


def _columns(
    table: ExampleFile | None, given: dict[str, str | None], losses: Mapping[LossKey, str] | None
) -> dict[str, Any]:
    """Say which column is what, the usual names where nothing is said."""
    if table is None:
        named = [name for name, column in given.items() if column is not None] + ["losses"] * bool(losses)
        if named:
            raise UsageError(f"A column for {named[0]} is named, but there is no table of examples.", "Name a file.")
        return {**given, "losses": []}
    chosen: dict[str, Any] = {}
    for name, column in given.items():
        usual = next((word for word in _USUAL[name] if word in table.types), None)
        chosen[name] = usual if column is None else table.check(column)
    logged = []
    for key, column in (losses or {}).items():
        role, step = key if isinstance(key, tuple) else (key, None)
        logged.append({"role": role, "step": step, "column": table.check(column)})
    return {**chosen, "losses": logged}


def _embeddings(
    store: Store, table: ExampleFile | None, embeddings: str | Path | Shards | None, columns: str | Sequence[str] | None
) -> Shards | None:
    if embeddings is None:
        if columns is None or table is None:
            return None
        embeddings = table.path
    elif (
        isinstance(embeddings, str)
        and table is not None
        and table.format == "parquet"
        and embeddings in table.types
        and not Path(embeddings).exists()
    ):
        columns, embeddings = embeddings, table.path
    return open_embeddings(embeddings, store=store, columns=columns)


def _entry(
    set_name: str, path: str | Path | None, table: ExampleFile | None, columns: dict[str, Any], shards: Shards | None
) -> dict[str, Any]:
    sha256, of = shards.fingerprint() if shards else (None, None)
    listed = None if shards is None or shards.columns is None else json.dumps(list(shards.columns))
    return {
        "set_name": set_name,
        "n_examples": 0,
        "n_dims": shards.m if shards else None,
        "embeddings_uri": shards.uri if shards else None,
        "embeddings_format": shards.format if shards else None,
        "embeddings_columns": listed,
        "embeddings_sha256": sha256,
        "embeddings_sha256_of": of,
        "source_uri": None if table is None else table.path,
        "source_format": None if table is None else table.format,
        "source_sha256": None if path is None else file_sha256(path),
        "columns": json.dumps(columns),
        "package_version": package_version(),
    }


def _report(
    connection: duckdb.DuckDBPyConnection, status: str, entry: dict[str, Any], columns: dict[str, Any],
    warnings: tuple[str, ...],
) -> ExamplesReport:  # fmt: skip
    name = entry["set_name"]
    [(n, labels, groups)] = connection.execute(
        "SELECT count(*), count(DISTINCT label), count(DISTINCT grp) FROM examples WHERE set_name = ?", [name]
    ).fetchall()
    rows = connection.execute(
        "SELECT role, step, count(*), count(*) FILTER (value_status <> 'ok') FROM example_losses WHERE set_name = ? "
        "GROUP BY ALL ORDER BY ALL",
        [name],
    ).fetchall()
    logged = tuple(dict(zip(("role", "step", "n", "n_not_ok"), row, strict=True)) for row in rows)
    path = entry["source_uri"] or entry["embeddings_uri"]
    return ExamplesReport(status, name, path, n, entry["n_dims"], labels, groups, logged, columns, warnings)
