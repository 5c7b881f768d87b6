"""Rows of a valuation: checked, written, counted and deleted, inside a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from db.audit import record
from db.embedding_shards import Shards
from db.sql_arrays import registered, texts
from db.valuation_defs import ValuationDef
from scaling.errors import InputDataError, StoreError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    import duckdb

PIECE = 1 << 19  # items that are written at a time where nobody divides them


def pieces_of(definition: ValuationDef, shards: Shards | Sequence[tuple[int, int]] | None) -> list[tuple[int, int]]:
    """First position and number of items of each shard; raises where they do not divide the items."""
    if isinstance(shards, Shards):
        pieces = [(shard.first, shard.n) for shard in shards.shards]
    elif shards is None:
        n = definition.n_items
        pieces = [(first, min(PIECE, n - first)) for first in range(0, n, PIECE)]
    else:
        pieces = [(int(first), int(n)) for first, n in shards]
    ends = np.cumsum([0, *(n for _, n in pieces)])
    if [first for first, _ in pieces] != ends[:-1].tolist() or ends[-1] != definition.n_items:
        raise UsageError(
            f"The shards of the valuation '{definition.name}' do not divide its {definition.n_items} items: they must "
            "follow one another from 0."
        )
    return pieces


def checked_columns(
    definition: ValuationDef, shard: int, n: int, values: ArrayLike, low: ArrayLike | None, high: ArrayLike | None,
    items: Sequence[str] | None,
) -> dict[str, NDArray[Any]]:  # fmt: skip
    """Check the columns of a shard, and bring them to one type."""
    where = f"of shard {shard} of the valuation '{definition.name}'"
    if (low is None) != (high is None):
        raise UsageError(f"The intervals {where} have one end only.", "Give both ends, or none.")
    columns: dict[str, NDArray[Any]] = {}
    for name, column in (("value", values), ("low", low), ("high", high)):
        if column is None:
            continue
        columns[name] = np.ascontiguousarray(column, dtype=np.float64)
        if columns[name].shape != (n,):
            raise UsageError(
                f"The {name}s {where} have shape {columns[name].shape}; {format_plural(n, 'number')} are expected."
            )
    if low is not None and bool((columns["low"] > columns["high"]).any()):
        raise InputDataError(f"The intervals {where} have ends in the wrong order.")
    if (definition.what == "sources") != (items is not None):
        raise UsageError(
            "Sources are valued by name." if items is None else "Examples are named by their positions.",
            "Give items for sources, and none for examples.",
        )
    if items is not None:
        if len(items) != n or len(set(items)) != n:
            raise UsageError(f"{len(items)} names {where} are given for {n} sources, or two are the same.")
        columns["item"] = texts(items)
    return columns


def insert_values(
    connection: duckdb.DuckDBPyConnection, name: str, first: int, columns: dict[str, NDArray[Any]]
) -> None:
    """Write values whose columns were checked, from a position on."""
    n = len(columns["value"])
    # DuckDB reads NaN in an array as NULL, or as NaN: both are meant.
    batch = {"position": np.arange(first, first + n), **columns}
    ends = ", ".join(f"CASE WHEN isnan({end}) THEN NULL ELSE {end} END" if end in columns else "NULL" for end in
                     ("low", "high"))  # fmt: skip
    with registered(connection, {"_batch": batch}):
        connection.execute(
            "INSERT INTO valuations (valuation_name, position, item, value, value_status, low, high) SELECT ?, "
            f"position, {'CAST(item AS VARCHAR)' if 'item' in columns else 'NULL'}, "
            "CASE WHEN isfinite(value) THEN value END, CASE WHEN isfinite(value) THEN 'ok' "
            "WHEN value IS NULL OR isnan(value) "
            f"THEN 'nan' WHEN value > 0 THEN 'inf' ELSE '-inf' END, {ends} FROM _batch",
            [name],
        ).fetchall()


def mark_complete(connection: duckdb.DuckDBPyConnection, definition: ValuationDef) -> None:
    """Say that a valuation is complete; raises where it is not."""
    name = definition.name
    [(all_, done)] = connection.execute(
        "SELECT count(*), count(sha256) FROM valuation_shards WHERE valuation_name = ?", [name]
    ).fetchall()
    if done < all_:
        raise UsageError(f"The valuation '{name}' has {all_ - done} of {format_plural(all_, 'shard')} still to come.")
    [(n, low, high)] = connection.execute(
        "SELECT count(*), min(position), max(position) FROM valuations WHERE valuation_name = ?", [name]
    ).fetchall()
    if (n, low, high) != (definition.n_items, 0, definition.n_items - 1):
        raise StoreError(
            f"The valuation '{name}' has {n} values of {definition.n_items} items, which cannot be.",
            f"Somebody changed the table by hand: scaling rm valuation {name}, then make it again.",
        )
    connection.execute("UPDATE valuation_defs SET complete = true WHERE valuation_name = ?", [name]).fetchall()
    record(connection, "value", "valuation", name, {"method": definition.method, "n_values": n})


def delete_valuation(connection: duckdb.DuckDBPyConnection, name: str) -> int:
    """Delete a valuation, inside a transaction; gives the number of its values."""
    [(n,)] = connection.execute("SELECT count(*) FROM valuations WHERE valuation_name = ?", [name]).fetchall()
    for table in ("valuations", "valuation_shards", "valuation_defs"):
        connection.execute(f"DELETE FROM {table} WHERE valuation_name = ?", [name]).fetchall()
    return int(n)
