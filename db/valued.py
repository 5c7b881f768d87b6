"""Sets, valuations, subsets and appraisals by name: listed, described and removed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from db.appraisals import read_appraisal, remove_appraisal
from db.audit import record
from db.example_checks import referring
from db.example_read import set_entry
from db.example_write import delete_set
from db.subsets import read_subset, remove_subset
from db.valuations import best_items, read_def, remove_valuation
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.store import Store

#: What there is, with the table and the column of its names.
VALUED = {
    "set": ("example_sets", "set_name"),
    "valuation": ("valuation_defs", "valuation_name"),
    "subset": ("subsets", "subset_name"),
    "appraisal": ("appraisal_defs", "appraisal_name"),
}
_SHOWN = 5


def remove_set(store: Store, name: str) -> tuple[int, list[str]]:
    """Remove a set of examples with their losses; what was made of it stays.

    Parameters
    ----------
    store : Store
        A store open for writing.
    name : str
        The set.

    Returns
    -------
    n_examples : int
        Examples that went with it.
    kept : list of str
        Valuations and subsets of it; they know their examples by position only from now on.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    with store.transaction() as connection:
        n = int(set_entry(store, name)["n_examples"])
        kept = referring(connection, name)
        delete_set(connection, name)
        record(connection, "remove", "set", name, {"n_examples": n, "kept": kept})
    return n, kept


def remove_valued(store: Store, kind: str, name: str) -> str:
    """Remove a set, valuation, subset or appraisal.

    Parameters
    ----------
    store : Store
        A store open for writing.
    kind : str
        One of `VALUED`.
    name : str
        Which one.

    Returns
    -------
    str
        What was done, as a sentence.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    if kind == "set":
        n, kept = remove_set(store, name)
        made = f" Made of it, and known by position only from now on: {', '.join(kept)}." if kept else ""
        return f"Removed the set {name} with {format_plural(n, 'example')}; its files stay.{made}"
    removers: dict[str, tuple[Callable[[Store, str], int], str]] = {
        "valuation": (remove_valuation, "value"),
        "subset": (remove_subset, "example"),
        "appraisal": (remove_appraisal, "row"),
    }
    remove, word = removers[kind]
    return f"Removed the {kind} {name} of {format_plural(remove(store, name), word)}."


def describe_valued(store: Store, name: str) -> list[dict[str, Any]]:
    """Describe the sets, valuations, subsets and appraisals of a name.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        The name; several kinds may share it.

    Returns
    -------
    list of dict
        One for each, with ``kind`` and ``name`` first; plain data. Empty where there is none.
    """
    describers = {"set": _set, "valuation": _valuation, "subset": _subset, "appraisal": _appraisal}
    return [
        {"kind": kind, "name": name} | describers[kind](store, name)
        for kind, (table, column) in VALUED.items()
        if store.query(f"SELECT 1 FROM {table} WHERE {column} = ?", [name])[1]
    ]


def valued_names(store: Store) -> list[str]:
    """Names of all sets, valuations, subsets and appraisals."""
    sql = " UNION ALL ".join(f"SELECT {column} FROM {table}" for table, column in VALUED.values())
    return [row[0] for row in store.query(sql)[1]]


def _set(store: Store, name: str) -> dict[str, Any]:
    entry = set_entry(store, name)
    _, [(labels, groups, costs)] = store.query(
        "SELECT count(DISTINCT label), count(DISTINCT grp), sum(cost) FROM examples WHERE set_name = ?", [name]
    )
    columns, losses = store.query(
        "SELECT role, count(DISTINCT step) AS n_steps, count(*) AS n, count(*) FILTER (value_status <> 'ok') "
        "AS n_not_ok FROM example_losses WHERE set_name = ? GROUP BY role ORDER BY role",
        [name],
    )
    for column in ("columns", "embeddings_columns"):
        entry[column] = None if entry[column] is None else json.loads(entry[column])
    entry.pop("set_name")
    return entry | {
        "n_labels": labels,
        "n_groups": groups,
        "total_cost": costs,
        "losses": [dict(zip(columns, row, strict=True)) for row in losses],
        "made_of_it": referring(store.connection, name),
    }


def _valuation(store: Store, name: str) -> dict[str, Any]:
    definition = read_def(store, name)
    row = {key: value for key, value in definition.row().items() if key not in ("valuation_name", "options")}
    _, [(done, shards)] = store.query(
        "SELECT count(sha256), count(*) FROM valuation_shards WHERE valuation_name = ?", [name]
    )
    _, [(n, mean, low, median, high)] = store.query(
        "SELECT count(value), avg(value), min(value), median(value), max(value) FROM valuations "
        "WHERE valuation_name = ?",
        [name],
    )
    return row | {
        "options": dict(definition.options),
        "created_at": definition.created_at,
        "n_shards": shards,
        "n_shards_done": done,
        "n_finite": n,
        "mean": mean,
        "min": low,
        "median": median,
        "max": high,
        "highest": best_items(store, name, _SHOWN),
        "lowest": best_items(store, name, _SHOWN, lowest=True),
    }


def _subset(store: Store, name: str) -> dict[str, Any]:
    subset = read_subset(store, name)
    columns, rows = store.query(
        "SELECT rank, position, example_id, label, grp, gain FROM chosen_examples WHERE subset_name = ? "
        "ORDER BY rank LIMIT ?",
        [name, 2 * _SHOWN],
    )
    fields = (
        "set_name", "size", "objective", "method", "options", "seed", "value", "score", "certificate", "guarantee",
        "is_random", "inputs_sha256", "command", "created_at", "package_version",
    )  # fmt: skip
    first = [dict(zip(columns, row, strict=True)) for row in rows]
    return {field: getattr(subset, field) for field in fields} | {"first": first}


def _appraisal(store: Store, name: str) -> dict[str, Any]:
    appraisal = read_appraisal(store, name)
    fields = (
        "performance_metric", "performance_unit", "higher_is_better", "source_uri", "source_sha256", "options",
        "findings", "command", "created_at", "package_version",
    )  # fmt: skip
    rows = appraisal.rows
    return {
        "n_rows": len(rows),
        "n_subsets": len({row["subset_name"] for row in rows}),
        "n_random": len({row["subset_name"] for row in rows if row["is_random"]}),
        "objectives": sorted({row["objective"] for row in rows}),
        "regimes": sorted({row["regime"] for row in rows if row["regime"] is not None}),
    } | {field: getattr(appraisal, field) for field in fields}
