"""Reading a set of examples from the store: labels, groups and costs, losses, and where the embeddings are.

Ten million labels as Python strings would take a gigabyte, so labels and groups come as codes with their names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from db.embedding_shards import Shards
from db.embedding_sql import table_part
from db.problems import nearest
from db.sql_arrays import registered
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.store import Store

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True)
class ExampleSet:
    """What is known of the examples of a set, in the order of their positions.

    Parameters
    ----------
    set_name : str
        The set.
    n : int
        Examples.
    label_codes, group_codes : ndarray of int64 (n,)
        Place in the names of each example's class and group; -1 where unknown.
    label_names, group_names : tuple of str
        Classes and groups, in the order of their numbers where all are numbers, else of the alphabet.
    costs : ndarray of float64 (n,)
        NaN where unknown.
    """

    set_name: str
    n: int
    label_codes: Codes
    label_names: tuple[str, ...]
    group_codes: Codes
    group_names: tuple[str, ...]
    costs: Floats

    @property
    def has_labels(self) -> bool:
        """Whether every example has a class."""
        return bool(self.label_names) and bool((self.label_codes >= 0).all())

    @property
    def has_groups(self) -> bool:
        """Whether every example has a group."""
        return bool(self.group_names) and bool((self.group_codes >= 0).all())

    @property
    def has_costs(self) -> bool:
        """Whether every example has a cost."""
        return not bool(np.isnan(self.costs).any())

    @property
    def labels(self) -> NDArray[np.object_]:
        """Classes as text, None where unknown."""
        return np.array([*self.label_names, None], dtype=object)[self.label_codes]

    @property
    def groups(self) -> NDArray[np.object_]:
        """Groups as text, None where unknown."""
        return np.array([*self.group_names, None], dtype=object)[self.group_codes]

    @property
    def targets(self) -> Floats:
        """Labels as numbers, for regression; NaN where unknown; raises `InputDataError` where one is none."""
        numbers = []
        for name in self.label_names:
            try:
                numbers.append(float(name))
            except ValueError as error:
                raise InputDataError(f"The label '{name}' of the set '{self.set_name}' is not a number.") from error
        return np.array([*numbers, np.nan])[self.label_codes]


@dataclass(frozen=True)
class Losses:
    """Logged losses of one role.

    Parameters
    ----------
    set_name, role : str
        The set, and the model that the losses are of.
    steps : ndarray of int64 (t,) or None
        Training steps of the checkpoints, ascending; None where the role has one model only.
    values : ndarray of float64 (n,) or (n, t)
        NaN or infinite where the log said so, NaN where nothing was logged.
    n_missing, n_not_finite : int
        Values that were not logged, and values that were NaN or infinite.
    """

    set_name: str
    role: str
    steps: Codes | None
    values: Floats
    n_missing: int
    n_not_finite: int


def read_examples(store: Store, set_name: str) -> ExampleSet:
    """Read labels, groups and costs of a set.

    Parameters
    ----------
    store : Store
        An open store.
    set_name : str
        The set.

    Returns
    -------
    ExampleSet
    --------

    Raises
    ------
    UsageError
        If there is no such set.
    """
    n = int(set_entry(store, set_name)["n_examples"])
    codes: dict[str, Codes] = {}
    names: dict[str, tuple[str, ...]] = {}
    for column in ("label", "grp"):
        _, rows = store.query(
            f"SELECT DISTINCT {column} FROM examples WHERE set_name = ? AND {column} IS NOT NULL", [set_name]
        )
        names[column] = tuple(sorted((row[0] for row in rows), key=_by_number([row[0] for row in rows])))
        codes[column] = np.full(n, -1, dtype=np.int64)
        if rows:
            batch = {"name": np.array(names[column], dtype=object), "code": np.arange(len(rows))}
            with registered(store.connection, {"_names": batch}):
                found = store.connection.execute(
                    f"SELECT e.position, k.code FROM examples AS e JOIN _names AS k ON k.name = e.{column} "
                    "WHERE e.set_name = ?",
                    [set_name],
                ).fetchnumpy()
            codes[column][found["position"]] = found["code"]
    costs = np.full(n, np.nan)
    found = store.connection.execute(
        "SELECT position, cost FROM examples WHERE set_name = ? AND cost IS NOT NULL", [set_name]
    ).fetchnumpy()
    costs[found["position"]] = found["cost"]
    return ExampleSet(set_name, n, codes["label"], names["label"], codes["grp"], names["grp"], costs)


def read_ids(store: Store, set_name: str, positions: ArrayLike | None = None) -> list[str]:
    """Read identifiers of examples.

    Parameters
    ----------
    store : Store
        An open store.
    set_name : str
        The set.
    positions : array_like of int, optional
        Which examples, in which order; all by default.

    Returns
    -------
    list of str

    Raises
    ------
    UsageError
        If there is no such set, or no such position in it.
    """
    n = int(set_entry(store, set_name)["n_examples"])
    if positions is None:
        _, rows = store.query("SELECT example_id FROM examples WHERE set_name = ? ORDER BY position", [set_name])
        return [row[0] for row in rows]
    wanted = np.asarray(positions, dtype=np.int64).ravel()
    with registered(store.connection, {"_wanted": {"turn": np.arange(wanted.size), "place": wanted}}):
        _, rows = store.query(
            "SELECT e.example_id FROM _wanted AS w JOIN examples AS e ON e.position = w.place AND e.set_name = ? "
            "ORDER BY w.turn",
            [set_name],
        )
    if len(rows) != wanted.size:
        raise UsageError(
            f"{format_plural(wanted.size - len(rows), 'position')} of {wanted.size} are not in the set '{set_name}', "
            f"which has positions from 0 to {n - 1}."
        )
    return [row[0] for row in rows]


def read_losses(store: Store, set_name: str, role: str) -> Losses:
    """Read the logged losses of a role.

    Parameters
    ----------
    store : Store
        An open store.
    set_name : str
        The set.
    role : str
        Model that the losses are of.

    Returns
    -------
    Losses

    Raises
    ------
    UsageError
        If there is no such set or role.
    """
    n = int(set_entry(store, set_name)["n_examples"])
    _, found = store.query(
        "SELECT step, count(*) FROM example_losses WHERE set_name = ? AND role = ? GROUP BY step ORDER BY step",
        [set_name, role],
    )
    if not found:
        _, rows = store.query("SELECT DISTINCT role FROM example_losses WHERE set_name = ? ORDER BY 1", [set_name])
        hint = nearest(role, [row[0] for row in rows]) if rows else "It has no losses at all."
        raise UsageError(f"The set '{set_name}' has no losses of the role '{role}'.", hint)
    steps = [row[0] for row in found if row[0] is not None]
    if steps and len(steps) != len(found):
        raise InputDataError(
            f"Some losses of the role '{role}' of the set '{set_name}' have a training step, others have none.",
            "Give them roles of their own.",
        )
    values = np.full((n, len(steps) or 1), np.nan)
    n_logged = n_not_finite = 0
    for place, step in enumerate(steps or [None]):
        logged_rows = store.connection.execute(
            "SELECT position, coalesce(value, TRY_CAST(value_status AS DOUBLE)) AS value, "
            "value_status = 'missing' AS missing FROM example_losses WHERE set_name = ? AND role = ? "
            "AND step IS NOT DISTINCT FROM ?",
            [set_name, role, step],
        ).fetchnumpy()
        logged = np.ma.filled(logged_rows["value"].astype(float), np.nan)
        values[logged_rows["position"], place] = logged
        n_logged += int((~logged_rows["missing"]).sum())
        n_not_finite += int((~np.isfinite(logged) & ~logged_rows["missing"]).sum())
    return Losses(
        set_name,
        role,
        np.array(steps, dtype=np.int64) if steps else None,
        values if steps else values[:, 0],
        values.size - n_logged,
        n_not_finite,
    )


def open_set(store: Store, set_name: str, *, shard_rows: int | None = None, verify: bool = True) -> Shards:
    """Open the embeddings of a set.

    Parameters
    ----------
    store : Store
        An open store.
    set_name : str
        The set.
    shard_rows : int, optional
        As for :func:`db.embedding_files.open_embeddings`.
    verify : bool, default True
        Whether embeddings that have changed since the set was read are refused.

    Returns
    -------
    Shards

    Raises
    ------
    UsageError
        If there is no such set, or it has no embeddings.
    InputDataError
        If its files are gone or have changed.
    """
    entry = set_entry(store, set_name)
    uri = entry["embeddings_uri"]
    if uri is None:
        raise UsageError(
            f"The set '{set_name}' has no embeddings.",
            "Read it again with them: scaling value add ... --embeddings FILE",
        )
    columns = None if entry["embeddings_columns"] is None else json.loads(entry["embeddings_columns"])
    if entry["embeddings_format"] == "table":
        part = table_part(store, uri, tuple(columns))
        shards = Shards([part], uri, "table", part.columns, shard_rows)
    else:
        if not Path(uri).exists():
            raise InputDataError(
                f"The embeddings of the set '{set_name}' are no longer at {uri}.",
                "Put them back, or read the set again.",
            )
        from db.embedding_files import open_embeddings

        shards = open_embeddings(uri, columns=columns, shard_rows=shard_rows)
    if shards.n != entry["n_examples"] or (verify and shards.fingerprint()[0] != entry["embeddings_sha256"]):
        raise InputDataError(
            f"The embeddings of the set '{set_name}' at {uri} have changed since it was read.", "Read the set again."
        )
    return shards


def set_entry(store: Store, set_name: str) -> dict[str, Any]:
    """Give the row of ``example_sets`` of a set; raises `UsageError` where there is none."""
    names, rows = store.query("SELECT * FROM example_sets WHERE set_name = ?", [set_name])
    if not rows:
        _, known = store.query("SELECT set_name FROM example_sets ORDER BY 1")
        raise UsageError(f"The store has no set '{set_name}'.", nearest(set_name, [row[0] for row in known]))
    return dict(zip(names, rows[0], strict=True))


def _by_number(names: Sequence[str]) -> Any:
    """Key that sorts names as numbers where all of them are."""
    try:
        numbers = {name: float(name) for name in names}
    except ValueError:
        return None
    return lambda name: (numbers[name], name)
