"""The record of what was done to a store."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from db.version import package_version

if TYPE_CHECKING:
    import duckdb


def record(
    connection: duckdb.DuckDBPyConnection, event: str, object_kind: str, object_id: str, detail: dict[str, Any]
) -> None:
    """Write one event, in the transaction that does it.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An open store, inside a transaction.
    event : str
        What is done: ``ingest``, ``replace``, ``remove`` and so on.
    object_kind : str
        What it is done to: ``source``, ``run`` or ``fit``.
    object_id : str
        Identifier of that.
    detail : dict
        Counts and names; goes to JSON.
    """
    connection.execute(
        "INSERT INTO audit VALUES (now() AT TIME ZONE 'UTC', ?, ?, ?, ?, ?)",
        [event, object_kind, object_id, json.dumps(detail), package_version()],
    ).fetchall()
