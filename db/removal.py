"""Taking runs and sources out of the store; the audit table keeps that it was done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from db.audit import record
from db.corrections import forget_corrections
from db.problems import nearest
from db.score_write import delete_scores
from db.views import refresh_views
from scaling.errors import UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.store import Store


def remove_run(store: Store, run_id: str) -> int:
    """Remove a run and its values.

    Parameters
    ----------
    store : Store
        A store open for writing.
    run_id : str
        The run. Its source stays, and reading the file again brings the run back; what was set of it by hand goes.

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
        for table in ("runs", "run_logs", "run_facts"):
            connection.execute(f"DELETE FROM {table} WHERE run_id = ?", [run_id]).fetchall()
        detail = {"source_id": found[0][0], "n_values": n_values}
        if n_corrections := forget_corrections(connection, [run_id]):
            detail["n_corrections"] = n_corrections
        record(connection, "remove", "run", run_id, detail)
        refresh_views(connection)
    return int(n_values)


@dataclass(frozen=True)
class Removed:
    """What went with a source: its runs, or its models and their scores."""

    n_runs: int
    n_models: int
    n_scores: int

    def __str__(self) -> str:
        if self.n_scores or self.n_models:
            return f"{format_plural(self.n_scores, 'score')} of {format_plural(self.n_models, 'model')}"
        return format_plural(self.n_runs, "run")


def remove_source(store: Store, source: str) -> int:
    """Remove a source with all it brought; gives the number of runs that went with it. See `take_out_source`."""
    return take_out_source(store, source).n_runs


def take_out_source(store: Store, source: str) -> Removed:
    """Remove a source with all its runs, or with its models and their scores.

    Parameters
    ----------
    store : Store
        A store open for writing.
    source : str
        Identifier of the source, or the path of its file.

    Returns
    -------
    Removed
        What went with it.

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
        found = (
            found
            or connection.execute(  # a part of a directory has its format behind a #
                "SELECT source_id, uri, sha256 FROM sources WHERE starts_with(uri, ?) ORDER BY uri",
                [f"{Path(source).resolve()}#"],
            ).fetchall()
        )
        if len(found) > 1:
            listed = "; ".join(f"{source_id} ({uri})" for source_id, uri, _ in found)
            raise UsageError(f"Several sources lie at '{source}': {listed}.", "Name one by its identifier.")
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
        for table in ("metrics", "run_facts"):
            connection.execute(
                f"DELETE FROM {table} WHERE run_id IN (SELECT run_id FROM runs WHERE source_id = ?)", [source_id]
            ).fetchall()
        for table in ("runs", "run_logs", "source_files"):
            connection.execute(f"DELETE FROM {table} WHERE source_id = ?", [source_id]).fetchall()
        n_corrections = forget_corrections(connection, run_ids)
        n_models, n_scores = delete_scores(connection, source_id)
        connection.execute("DELETE FROM sources WHERE source_id = ?", [source_id]).fetchall()
        detail = {"uri": uri, "sha256": sha256, "removed_runs": run_ids}
        detail |= {"n_models": n_models, "n_scores": n_scores} if n_scores else {}
        detail |= {"n_corrections": n_corrections} if n_corrections else {}
        record(connection, "remove", "source", source_id, detail)
        refresh_views(connection)
    return Removed(len(run_ids), n_models, n_scores)
