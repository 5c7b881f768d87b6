"""Values of examples and sources in the store: begun, gone on with, read and removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from db.audit import record
from db.valuation_defs import ValuationDef, find_def, read_def
from db.valuation_rows import delete_valuation
from db.valuation_writer import ValuationWriter, begin_valuation, save_valuation
from scaling.errors import UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.store import Store

__all__ = [
    "StoredValuation", "ValuationDef", "ValuationWriter", "begin_valuation", "best_items", "find_def", "read_def",
    "read_valuation", "remove_valuation", "save_valuation",
]  # fmt: skip

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class StoredValuation:
    """A valuation as it was read.

    Parameters
    ----------
    definition : ValuationDef
        How it was made.
    values : ndarray of float64 (n_items,)
        In the order of the positions; NaN or infinite where an item has no finite value.
    low, high : ndarray of float64 (n_items,) or None
        Ends of the intervals.
    items : tuple of str or None
        Names of the sources; None for examples, which their positions name.
    """

    definition: ValuationDef
    values: Floats
    low: Floats | None
    high: Floats | None
    items: tuple[str, ...] | None


def read_valuation(store: Store, name: str, *, partial: bool = False) -> StoredValuation:
    """Read a valuation.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        The valuation.
    partial : bool, default False
        Whether one that is not complete is read too; NaN where a value is still to come.

    Returns
    -------
    StoredValuation

    Raises
    ------
    UsageError
        If there is none of that name, or it is not complete.
    """
    definition = read_def(store, name)
    if not (definition.complete or partial):
        _, [(done, all_)] = store.query(
            "SELECT count(sha256), count(*) FROM valuation_shards WHERE valuation_name = ?", [name]
        )
        raise UsageError(
            f"The valuation '{name}' is not complete: {done} of {format_plural(all_, 'shard')} are done.",
            f"Go on with it: {definition.command}" if definition.command else "Go on with it, by the same call.",
        )
    found = store.connection.execute(
        "SELECT position, coalesce(value, TRY_CAST(value_status AS DOUBLE)) AS value, low, high FROM valuations "
        "WHERE valuation_name = ?",
        [name],
    ).fetchnumpy()
    columns = []
    for column in ("value", "low", "high"):
        made = np.full(definition.n_items, np.nan)
        made[found["position"]] = np.ma.filled(found[column].astype(np.float64, copy=False), np.nan)
        columns.append(made)
    values, low, high = columns
    intervals = not (np.isnan(low).all() and np.isnan(high).all())
    items = None
    if definition.what == "sources":
        _, rows = store.query("SELECT item FROM valuations WHERE valuation_name = ? ORDER BY position", [name])
        items = tuple(row[0] for row in rows)
    return StoredValuation(definition, values, low if intervals else None, high if intervals else None, items)


def best_items(store: Store, name: str, k: int = 10, *, lowest: bool = False) -> list[dict[str, Any]]:
    """Give the items of highest value, with what is known of them.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        The valuation.
    k : int, default 10
        How many.
    lowest : bool, default False
        Whether those of lowest value are wanted.

    Returns
    -------
    list of dict
        ``position item value low high label grp cost``, in order; ties by position. Items without a finite value are
        left out.
    """
    definition = read_def(store, name)
    columns, rows = store.query(
        "SELECT v.position, coalesce(v.item, e.example_id, CAST(v.position AS VARCHAR)) AS item, v.value, v.low, "
        "v.high, e.label, e.grp, e.cost FROM (SELECT * FROM valuations WHERE valuation_name = ? AND value IS NOT NULL "
        f"ORDER BY value {'ASC' if lowest else 'DESC'}, position LIMIT ?) AS v "
        "LEFT JOIN examples AS e ON e.set_name = ? AND e.position = v.position AND v.item IS NULL "
        f"ORDER BY v.value {'ASC' if lowest else 'DESC'}, v.position",
        [name, k, definition.set_name],
    )
    return [dict(zip(columns, row, strict=True)) for row in rows]


def remove_valuation(store: Store, name: str) -> int:
    """Remove a valuation; recorded in the audit.

    Parameters
    ----------
    store : Store
        A store open for writing.
    name : str
        The valuation.

    Returns
    -------
    int
        Number of values that went with it.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    with store.transaction() as connection:
        definition = read_def(store, name)
        n = delete_valuation(connection, name)
        record(connection, "remove", "valuation", name, {"method": definition.method, "n_values": n})
    return n
