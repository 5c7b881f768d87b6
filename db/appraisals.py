"""Appraisals in the store: scores of subsets beside their performance on held-out data."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from db.audit import record
from db.example_write import insert_row
from db.problems import nearest
from db.sql_arrays import registered, texts
from db.version import package_version
from scaling.errors import InputDataError, UsageError
from scaling.serial import plain

if TYPE_CHECKING:
    import duckdb

    from db.store import Store

#: Columns of a row, with their types in the store; the first two and ``is_random`` are never missing.
APPRAISAL_COLUMNS = {
    "subset_name": "VARCHAR", "objective": "VARCHAR", "is_random": "BOOLEAN", "regime": "VARCHAR", "size": "BIGINT",
    "budget": "DOUBLE", "class_entropy": "DOUBLE", "score": "DOUBLE", "z_random": "DOUBLE", "n_eq": "DOUBLE",
    "performance": "DOUBLE",
}  # fmt: skip


@dataclass(frozen=True)
class StoredAppraisal:
    """An appraisal as it is kept.

    Parameters
    ----------
    name : str
        Its name.
    rows : tuple of dict
        Subsets with their scores and performance; keys as of `APPRAISAL_COLUMNS`, in the order in which they were
        given.
    performance_metric, performance_unit : str or None
        What was measured on held-out data, and its unit.
    higher_is_better : bool or None
        Whether higher performance is better.
    source_uri, source_sha256 : str or None
        Table that was appraised.
    options : dict
        Settings of the appraisal.
    findings : dict or None
        What came of it.
    command : str or None
        Command that makes it again.
    created_at : datetime
        When it was made, UTC.
    package_version : str
        Version of the package that made it.
    """

    name: str
    rows: tuple[dict[str, Any], ...]
    performance_metric: str | None
    performance_unit: str | None
    higher_is_better: bool | None
    source_uri: str | None
    source_sha256: str | None
    options: dict[str, Any]
    findings: dict[str, Any] | None
    command: str | None
    created_at: datetime
    package_version: str


def save_appraisal(
    store: Store,
    name: str,
    rows: Sequence[Mapping[str, Any]],
    *,
    performance_metric: str | None = None,
    performance_unit: str | None = None,
    higher_is_better: bool | None = None,
    source_uri: str | None = None,
    source_sha256: str | None = None,
    options: Mapping[str, Any] | None = None,
    findings: Mapping[str, Any] | None = None,
    command: str | None = None,
    replace: bool = False,
) -> StoredAppraisal:
    """Save an appraisal, in one transaction.

    Parameters
    ----------
    store : Store
        A store open for writing.
    name : str
        Name of the appraisal, unique.
    rows : sequence of mapping
        One a subset, regime and objective: ``subset_name``, ``objective`` and ``is_random``, and of the other
        `APPRAISAL_COLUMNS` those that are known. NaN is kept as not known.
    performance_metric, performance_unit, higher_is_better, source_uri, source_sha256, options, findings, command
        As of `StoredAppraisal`; plain data.
    replace : bool, default False
        Whether an appraisal of that name gives way.

    Returns
    -------
    StoredAppraisal

    Raises
    ------
    UsageError
        If there is an appraisal of that name, or a column is not known.
    InputDataError
        If there are no rows, one lacks what may not be missing, or two are of one subset, regime and objective.
    """
    if not name:
        raise UsageError("An appraisal needs a name.")
    _check(name, rows)
    entry = {
        "appraisal_name": name, "performance_metric": performance_metric, "performance_unit": performance_unit,
        "higher_is_better": higher_is_better, "source_uri": source_uri, "source_sha256": source_sha256,
        "options": json.dumps(plain(dict(options or {}))),
        "findings": None if findings is None else json.dumps(plain(dict(findings))), "command": command,
        "package_version": package_version(),
    }  # fmt: skip
    with store.transaction() as connection:
        if connection.execute("SELECT 1 FROM appraisal_defs WHERE appraisal_name = ?", [name]).fetchall():
            if not replace:
                raise UsageError(
                    f"There is an appraisal '{name}' already.",
                    f"Choose another name, replace it (replace=True, --replace), or: scaling rm appraisal {name}",
                )
            _delete(connection, name)
        insert_row(connection, "appraisal_defs", entry)
        _insert(connection, name, rows)
        record(connection, "appraise", "appraisal", name, {"n_rows": len(rows)})
    return read_appraisal(store, name)


def read_appraisal(store: Store, name: str) -> StoredAppraisal:
    """Read an appraisal.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        The appraisal.

    Returns
    -------
    StoredAppraisal

    Raises
    ------
    UsageError
        If there is none of that name; names the nearest.
    """
    columns, found = store.query("SELECT * FROM appraisal_defs WHERE appraisal_name = ?", [name])
    if not found:
        _, known = store.query("SELECT appraisal_name FROM appraisal_defs ORDER BY 1")
        raise UsageError(f"The store has no appraisal '{name}'.", nearest(name, [row[0] for row in known]))
    entry = dict(zip(columns, found[0], strict=True))
    for column in ("options", "findings"):
        entry[column] = None if entry[column] is None else json.loads(entry[column])
    names, rows = store.query(
        f"SELECT {', '.join(APPRAISAL_COLUMNS)} FROM appraisals WHERE appraisal_name = ? ORDER BY rowid", [name]
    )
    kept = tuple(dict(zip(names, row, strict=True)) for row in rows)
    return StoredAppraisal(name=entry.pop("appraisal_name"), rows=kept, **entry)


def remove_appraisal(store: Store, name: str) -> int:
    """Remove an appraisal; recorded in the audit.

    Parameters
    ----------
    store : Store
        A store open for writing.
    name : str
        The appraisal.

    Returns
    -------
    int
        Number of its rows.

    Raises
    ------
    UsageError
        If there is none of that name.
    """
    with store.transaction() as connection:
        n = len(read_appraisal(store, name).rows)
        _delete(connection, name)
        record(connection, "remove", "appraisal", name, {"n_rows": n})
    return n


def _check(name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        raise InputDataError(f"The appraisal '{name}' has no rows.")
    seen: dict[tuple[Any, ...], int] = {}
    for number, row in enumerate(rows, start=1):
        if unknown := sorted(set(row) - set(APPRAISAL_COLUMNS)):
            raise UsageError(
                f"Row {number} of the appraisal '{name}' has '{unknown[0]}', which an appraisal does not keep.",
                nearest(unknown[0], APPRAISAL_COLUMNS),
            )
        for column in ("subset_name", "objective", "is_random"):
            if row.get(column) is None:
                raise InputDataError(f"Row {number} of the appraisal '{name}' has no {column}.")
        key = (row["subset_name"], row.get("regime"), row["objective"])
        if key in seen:
            raise InputDataError(
                f"Row {number} of the appraisal '{name}' scores the subset '{key[0]}' by {key[2]} again: so does row "
                f"{seen[key]}."
            )
        seen[key] = number


def _insert(connection: duckdb.DuckDBPyConnection, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
    batch: dict[str, Any] = {"turn": np.arange(len(rows))}
    parts = []
    for column, kind in APPRAISAL_COLUMNS.items():
        values = [row.get(column) for row in rows]
        if kind in ("DOUBLE", "BIGINT"):
            batch[column] = np.array([np.nan if value is None else float(value) for value in values])
            parts.append(f"CAST(CASE WHEN isnan({column}) THEN NULL ELSE {column} END AS {kind})")
        else:
            batch[column] = texts(["" if value is None else str(value) for value in values])
            parts.append(f"CAST(nullif({column}, '') AS {kind})")
    with registered(connection, {"_rows": batch}):
        connection.execute(
            f"INSERT INTO appraisals (appraisal_name, {', '.join(APPRAISAL_COLUMNS)}) "
            f"SELECT ?, {', '.join(parts)} FROM _rows ORDER BY turn",
            [name],
        ).fetchall()


def _delete(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    for table in ("appraisals", "appraisal_defs"):
        connection.execute(f"DELETE FROM {table} WHERE appraisal_name = ?", [name]).fetchall()
