"""Taking runs and sources out of the store; the audit table keeps that it was done."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from db.audit import record
from db.problems import nearest
from db.views import refresh_views
from scaling.errors import UsageError

if TYPE_CHECKING:
    from db.store import Store


def remove_run(store: Store, run_id: str) -> int:
    """Remove a run and its values.

    Parameters
    ----------
    store : Store
        A store open for writing.
    run_id : str
        The run. Its source stays, and reading the file again brings the run back.

    Returns
    -------
    int
        Number of logged values that went with it.

    Raises
    ------
    UsageError
        If there is no such run; names the nearest.
    """
    with store.transaction() as connection:
        found = connection.execute("SELECT source_id FROM runs WHERE run_id = ?", [run_id]).fetchall()
        if not found:
            rows = connection.execute("SELECT run_id FROM runs ORDER BY run_id").fetchall()
            raise UsageError(f"There is no run '{run_id}' in the store.", nearest(run_id, [row[0] for row in rows]))
        [(n_values,)] = connection.execute("SELECT count(*) FROM metrics WHERE run_id = ?", [run_id]).fetchall()
        connection.execute("DELETE FROM metrics WHERE run_id = ?", [run_id]).fetchall()
        connection.execute("DELETE FROM runs WHERE run_id = ?", [run_id]).fetchall()
        record(connection, "remove", "run", run_id, {"source_id": found[0][0], "n_values": n_values})
        refresh_views(connection)
    return int(n_values)


def remove_source(store: Store, source: str) -> int:
    """Remove a source with all its runs.

    Parameters
    ----------
    store : Store
        A store open for writing.
    source : str
        Identifier of the source, or the path of its file.

    Returns
    -------
    int
        Number of runs that went with it.

    Raises
    ------
    UsageError
        If there is no such source.
    """
    with store.transaction() as connection:
        found = connection.execute(
            "SELECT source_id, uri, sha256 FROM sources WHERE source_id = ? OR uri = ?",
            [source, str(Path(source).resolve())],
        ).fetchall()
        if not found:
            rows = connection.execute("SELECT source_id, uri FROM sources ORDER BY imported_at").fetchall()
            listed = "; ".join(f"{source_id} ({uri})" for source_id, uri in rows) or "none"
            raise UsageError(f"There is no source '{source}' in the store.", f"There are: {listed}.")
        source_id, uri, sha256 = found[0]
        run_ids = [
            row[0]
            for row in connection.execute(
                "SELECT run_id FROM runs WHERE source_id = ? ORDER BY run_id", [source_id]
            ).fetchall()
        ]
        connection.execute(
            "DELETE FROM metrics WHERE run_id IN (SELECT run_id FROM runs WHERE source_id = ?)", [source_id]
        ).fetchall()
        connection.execute("DELETE FROM runs WHERE source_id = ?", [source_id]).fetchall()
        connection.execute("DELETE FROM sources WHERE source_id = ?", [source_id]).fetchall()
        detail = {"uri": uri, "sha256": sha256, "removed_runs": run_ids}
        record(connection, "remove", "source", source_id, detail)
        refresh_views(connection)
    return len(run_ids)
