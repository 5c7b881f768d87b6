"""Selections of examples in the store: saved with how they were chosen, read, exported and removed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from db.audit import record
from db.example_read import read_ids, set_entry
from db.example_write import insert_row
from db.index_files import read_index, write_index
from db.problems import nearest
from db.sql_arrays import registered
from db.version import package_version
from scaling.errors import UsageError
from scaling.formatting import format_plural
from scaling.serial import plain

if TYPE_CHECKING:
    import duckdb

    from db.store import Store

__all__ = [
    "StoredSubset", "export_subset", "read_index", "read_subset", "remove_subset", "save_subset", "write_index",
]  # fmt: skip


@dataclass(frozen=True)
class StoredSubset:
    """A subset as it is kept.

    Parameters
    ----------
    name : str
        Its name.
    indices : ndarray of int64 (k,)
        Positions of its examples, in the order in which they were chosen.
    gains : ndarray of float64 (k,) or None
        What each added to the objective in its turn.
    set_name : str or None
        Set that it was chosen from.
    objective, method : str
        What was maximised and how; ``random`` where nothing was.
    options : dict
        Settings of the objective and of the selection.
    seed : int or None
        Seed of the random numbers.
    value, score : float or None
        Objective at the subset, and the score that the objective reports.
    certificate, guarantee : dict or None
        Lower bound on its share of the optimum, and what the objective promises.
    is_random : bool
        Whether it was drawn at random.
    inputs_sha256, command : str or None
        Hash of all that was read, and the command that makes it again.
    created_at : datetime
        When it was chosen, UTC.
    package_version : str
        Version of the package that chose it.
    """

    name: str
    indices: NDArray[np.int64]
    gains: NDArray[np.float64] | None
    set_name: str | None
    objective: str
    method: str
    options: dict[str, Any]
    seed: int | None
    value: float | None
    score: float | None
    certificate: dict[str, Any] | None
    guarantee: dict[str, Any] | None
    is_random: bool
    inputs_sha256: str | None
    command: str | None
    created_at: datetime
    package_version: str

    @property
    def size(self) -> int:
        """Examples in it."""
        return int(self.indices.size)


def save_subset(
    store: Store,
    name: str,
    indices: ArrayLike,
    *,
    objective: str,
    method: str,
    gains: ArrayLike | None = None,
    set_name: str | None = None,
    options: Mapping[str, Any] | None = None,
    seed: int | None = None,
    value: float | None = None,
    score: float | None = None,
    certificate: Mapping[str, Any] | None = None,
    guarantee: Mapping[str, Any] | None = None,
    is_random: bool = False,
    inputs_sha256: str | None = None,
    command: str | None = None,
    replace: bool = False,
) -> StoredSubset:
    """Save a selection, in one transaction.

    Parameters
    ----------
    store : Store
        A store open for writing.
    name : str
        Name of the subset, unique.
    indices : array_like of int (k,)
        Positions from 0, in the order in which they were chosen.
    objective, method : str
        What was maximised and how.
    gains : array_like (k,), optional
        What each added.
    set_name : str, optional
        Set of the store that it was chosen from.
    options, certificate, guarantee : mapping, optional
        Plain data; goes to JSON.
    seed, value, score, is_random, inputs_sha256, command
        As of `StoredSubset`.
    replace : bool, default False
        Whether a subset of that name gives way. Saving the same selection again is no error.

    Returns
    -------
    StoredSubset

    Raises
    ------
    UsageError
        If there is another subset of that name, no such set, a position occurs twice or is not in the set, or there is
        another number of gains.
    """
    rows = np.asarray(indices)
    if not name:
        raise UsageError("A subset needs a name.")
    if rows.ndim != 1 or rows.size == 0 or rows.dtype.kind not in "iu":
        raise UsageError(f"A subset is a list of positions, not an array of shape {rows.shape} and type {rows.dtype}.")
    rows = rows.astype(np.int64)
    added = None if gains is None else np.asarray(gains, dtype=np.float64)
    if added is not None and added.shape != rows.shape:
        raise UsageError(f"{format_plural(rows.size, 'position')} are given with gains of shape {added.shape}.")
    if np.unique(rows).size != rows.size or int(rows.min()) < 0:
        raise UsageError(f"A position of the subset '{name}' occurs twice, or is negative.")
    entry = {
        "subset_name": name, "set_name": set_name, "size": int(rows.size), "objective": objective,
        "options": _json(options or {}), "method": method, "seed": seed, "value": _finite(value),
        "score": _finite(score), "certificate": _json(certificate), "guarantee": _json(guarantee),
        "is_random": is_random, "inputs_sha256": inputs_sha256, "command": command,
        "package_version": package_version(),
    }  # fmt: skip
    with store.transaction() as connection:
        if set_name is not None and (last := int(rows.max())) >= (n := set_entry(store, set_name)["n_examples"]):
            raise UsageError(
                f"The set '{set_name}' has positions from 0 to {n - 1}, and the subset '{name}' has {last}."
            )
        old = _find(store, name)
        if old is not None:
            if not replace and _same(old, rows, added, entry):
                return old
            if not replace:
                raise UsageError(
                    f"There is another subset '{name}' already, of {format_plural(old.size, 'example')} by "
                    f"{old.objective}.",
                    f"Choose another name, replace it (replace=True, --replace), or: scaling rm subset {name}",
                )
            _delete(connection, name)
        insert_row(connection, "subsets", entry)
        batch: dict[str, NDArray[Any]] = {"rank": np.arange(rows.size), "position": rows}
        if added is not None:
            batch["gain"] = added
        gain = "CASE WHEN isfinite(gain) THEN gain END" if added is not None else "NULL"
        with registered(connection, {"_members": batch}):
            connection.execute(
                f"INSERT INTO subset_members SELECT ?, rank, position, {gain} FROM _members", [name]
            ).fetchall()
        detail = {"objective": objective, "method": method, "size": int(rows.size)}
        record(connection, "select", "subset", name, detail)
    return read_subset(store, name)


def read_subset(store: Store, name: str) -> StoredSubset:
    """Read a subset.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        The subset.

    Returns
    -------
    StoredSubset

    Raises
    ------
    UsageError
        If there is none of that name; names the nearest.
    """
    found = _find(store, name)
    if found is None:
        _, rows = store.query("SELECT subset_name FROM subsets ORDER BY 1")
        raise UsageError(f"The store has no subset '{name}'.", nearest(name, [row[0] for row in rows]))
    return found


def export_subset(store: Store, name: str, path: str | Path) -> Path:
    """Write a subset into a file; see :func:`db.index_files.write_index`.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        The subset.
    path : str or Path
        A ``.npy``, ``.txt``, ``.csv`` or ``.parquet`` file; the last two with identifiers and gains.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UsageError
        If there is no such subset, or the ending is not known.
    StoreError
        If the file cannot be written.
    """
    subset = read_subset(store, name)
    _, there = store.query("SELECT 1 FROM example_sets WHERE set_name = ?", [subset.set_name])
    ids = read_ids(store, str(subset.set_name), subset.indices) if there else None
    return write_index(path, subset.indices, gains=subset.gains, ids=ids)


def remove_subset(store: Store, name: str) -> int:
    """Remove a subset, which appraisals that name it outlive; recorded in the audit.

    Parameters
    ----------
    store : Store
        A store open for writing.
    name : str
        The subset.

    Returns
    -------
    int
        Number of its examples.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    with store.transaction() as connection:
        subset = read_subset(store, name)
        _delete(connection, name)
        record(connection, "remove", "subset", name, {"objective": subset.objective, "size": subset.size})
    return subset.size


def _find(store: Store, name: str) -> StoredSubset | None:
    columns, rows = store.query("SELECT * EXCLUDE (size) FROM subsets WHERE subset_name = ?", [name])
    if not rows:
        return None
    row = dict(zip(columns, rows[0], strict=True))
    for column in ("options", "certificate", "guarantee"):
        row[column] = None if row[column] is None else json.loads(row[column])
    found = store.connection.execute(
        "SELECT position, gain FROM subset_members WHERE subset_name = ? ORDER BY rank", [name]
    ).fetchnumpy()
    gains = np.ma.filled(found["gain"].astype(np.float64), np.nan)
    return StoredSubset(
        name=row.pop("subset_name"),
        indices=np.asarray(found["position"], dtype=np.int64),
        gains=None if np.isnan(gains).all() else gains,
        **row,
    )


def _same(old: StoredSubset, rows: NDArray[np.int64], gains: NDArray[np.float64] | None, entry: dict[str, Any]) -> bool:
    if not np.array_equal(old.indices, rows):
        return False
    if (old.gains is None) != (gains is None) or (gains is not None and not np.array_equal(old.gains, gains, True)):
        return False
    kept = ("set_name", "objective", "method", "seed", "value", "score", "is_random", "inputs_sha256")
    return all(getattr(old, key) == entry[key] for key in kept) and old.options == json.loads(entry["options"])


def _json(value: Mapping[str, Any] | None) -> str | None:
    return None if value is None else json.dumps(plain(dict(value)), sort_keys=True)


def _finite(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else float(value)


def _delete(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    for table in ("subset_members", "subsets"):
        connection.execute(f"DELETE FROM {table} WHERE subset_name = ?", [name]).fetchall()
