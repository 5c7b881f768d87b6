"""Logs that lie elsewhere than when they were read, and those that they displace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from db.audit import record
from db.log_known import plain_path
from db.log_write import delete_runs
from db.score_write import delete_scores
from db.sql_arrays import registered, texts
from db.views import refresh_views

if TYPE_CHECKING:
    import duckdb


def move_sources(connection: duckdb.DuckDBPyConnection, moved: Mapping[str, str]) -> None:
    """Take note that sources lie elsewhere now, inside a transaction.

    What lay there before goes, as it does where the content of a log changes; unless it was moved as well.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The store, in a transaction.
    moved : mapping of str to str
        Addresses by the identifiers of the sources.
    """
    if not moved:
        return
    asked = {"source_id": texts(list(moved)), "uri": texts([plain_path(uri) for uri in moved.values()])}
    with registered(connection, {"_moved": asked}):
        displaced = connection.execute(
            "SELECT source_id, uri FROM sources WHERE uri IN (SELECT uri FROM _moved) "
            "AND source_id NOT IN (SELECT source_id FROM _moved) ORDER BY uri"
        ).fetchall()
        connection.execute(
            "UPDATE sources SET uri = m.uri FROM _moved AS m WHERE sources.source_id = m.source_id"
        ).fetchall()
    for source_id, uri in displaced:
        runs = connection.execute("SELECT run_id FROM runs WHERE source_id = ?", [source_id]).fetchall()
        delete_runs(connection, {run_id for (run_id,) in runs})
        delete_scores(connection, source_id)
        for table in ("source_files", "sources"):
            connection.execute(f"DELETE FROM {table} WHERE source_id = ?", [source_id]).fetchall()
        record(connection, "remove", "source", source_id, {"uri": uri, "removed_runs": sorted(run for (run,) in runs)})
    if displaced:
        refresh_views(connection)
