"""Writing a source of scores into the store: its models, their scores, and the record of where they came from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from db.audit import record
from db.score_checks import compare_with_store
from db.sql_arrays import registered, texts
from db.version import package_version
from db.views import refresh_views
from scaling.errors import InputDataError

if TYPE_CHECKING:
    import duckdb

    from db.score_ingest import ScorePlan
    from db.store import Store

READER = "scores"
_MODEL_COLUMNS = {
    "model_id": "VARCHAR", "name": "VARCHAR", "base_model": "VARCHAR", "organisation": "VARCHAR", "family": "VARCHAR",
    "type": "VARCHAR", "architecture": "VARCHAR", "n_params": "DOUBLE", "n_params_active": "DOUBLE",
    "n_tokens": "DOUBLE", "compute_flop": "DOUBLE", "compute_rule": "VARCHAR", "compute_low": "DOUBLE",
    "compute_high": "DOUBLE", "released": "DATE", "modified": "DATE", "merged": "BOOLEAN", "moe": "BOOLEAN",
    "flagged": "BOOLEAN", "concerns": "VARCHAR", "extra": "JSON",
}  # fmt: skip
_EVAL_COLUMNS = {
    "eval_id": "VARCHAR", "source_key": "VARCHAR", "model_id": "VARCHAR", "task": "VARCHAR", "task_version": "VARCHAR",
    "superseded": "BOOLEAN", "metric": "VARCHAR", "filter": "VARCHAR", "n_shot": "INTEGER", "value": "DOUBLE",
    "unit": "VARCHAR", "stderr": "DOUBLE", "n_samples": "BIGINT", "chance": "DOUBLE", "harness": "VARCHAR",
    "chat_template": "BOOLEAN", "evaluated_on": "DATE", "extra": "JSON",
}  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    """What writing did, and how many scores were there before."""

    status: str
    n_replaced: int = 0
    n_removed: int = 0
    warnings: tuple[str, ...] = ()


def write_scores(store: Store, plan: ScorePlan, *, replace: bool) -> Outcome:
    """Write a source in one transaction; see :func:`db.score_ingest.write_score_plan`."""
    uri = str(Path(plan.path).resolve())
    with store.transaction() as connection:
        if _is_there(connection, plan):
            return Outcome("unchanged")
        old = _earlier(connection, plan, uri)
        warnings = compare_with_store(store, plan.content.models, old)
        before = _scores_of(connection, old)
        taken = _taken_over(connection, plan, old, replace=replace)
        for source_id in old:
            delete_scores(connection, source_id)
        if taken:
            with registered(connection, {"_taken": {"eval_id": texts(sorted(taken))}}):
                connection.execute("DELETE FROM evals WHERE eval_id IN (SELECT eval_id FROM _taken)").fetchall()
            drop_models_without_scores(connection)
        connection.execute("DELETE FROM sources WHERE uri = ? OR source_id = ?", [uri, plan.source_id]).fetchall()
        _insert_source(connection, plan, uri, warnings)
        insert_models(connection, plan.content.models, plan.source_id)
        insert_scores(connection, plan.content.scores, plan.source_id)
        refresh_views(connection)
        new = {score["eval_id"] for score in plan.content.scores}
        gone = before | taken
        detail = {
            "uri": uri,
            "sha256": plan.sha256,
            "joined": dict(plan.mapping.joined),
            "n_rows": plan.n_rows,
            "n_models": plan.n_models,
            "n_scores": plan.n_scores,
            "n_refused": plan.n_refused,
            "n_replaced": len(gone & new),
            "n_removed": len(gone - new),
        }
        status = "replaced" if gone else "ingested"
        record(connection, "replace" if gone else "ingest", "source", plan.source_id, detail)
        return Outcome(status, len(gone & new), len(gone - new), tuple(warnings))


def insert_models(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[dict[str, Any]], source_id: str | Sequence[str]
) -> None:
    """Insert models of a source, or of one a row, inside a transaction; each row has every column of a model."""
    _insert(connection, "models", _MODEL_COLUMNS, rows, source_id)


def insert_scores(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[dict[str, Any]], source_id: str | Sequence[str]
) -> None:
    """Insert scores of a source, or of one a row, inside a transaction; each row has every column of a score."""
    _insert(connection, "evals", _EVAL_COLUMNS, rows, source_id)


def drop_models_without_scores(connection: duckdb.DuckDBPyConnection) -> None:
    """Delete models whose scores have all been taken over by another source, inside a transaction."""
    connection.execute(_WITHOUT_SCORES).fetchall()


def delete_scores(connection: duckdb.DuckDBPyConnection, source_id: str) -> tuple[int, int]:
    """Delete the models and scores of a source, inside a transaction; gives how many of each."""
    counts = []
    for table in ("models", "evals"):
        [(n,)] = connection.execute(f"SELECT count(*) FROM {table} WHERE source_id = ?", [source_id]).fetchall()
        connection.execute(f"DELETE FROM {table} WHERE source_id = ?", [source_id]).fetchall()
        counts.append(int(n))
    return counts[0], counts[1]


# Models whose scores have all been taken over by another source; what was written by hand has no source and stays.
_WITHOUT_SCORES = """
DELETE FROM models AS m WHERE source_id IN (SELECT source_id FROM sources)
AND NOT EXISTS (SELECT 1 FROM evals AS e WHERE e.source_id = m.source_id AND e.model_id = m.model_id)
"""


def _is_there(connection: duckdb.DuckDBPyConnection, plan: ScorePlan) -> bool:
    """Whether this content was read with this mapping, and all its scores are still there."""
    rows = connection.execute(
        "SELECT n_scores, (SELECT count(*) FROM evals AS e WHERE e.source_id = s.source_id) FROM sources AS s "
        "WHERE source_id = ?",
        [plan.source_id],
    ).fetchall()
    return bool(rows) and rows[0][0] == rows[0][1]


def _earlier(connection: duckdb.DuckDBPyConnection, plan: ScorePlan, uri: str) -> list[str]:
    """Sources that are earlier readings of the file."""
    rows = connection.execute(
        "SELECT source_id, n_runs FROM sources WHERE uri = ? OR source_id = ? ORDER BY 1", [uri, plan.source_id]
    ).fetchall()
    if any(n_runs for _, n_runs in rows):
        raise InputDataError(
            f"{plan.path} was read as a log of runs before (source {rows[0][0]}).",
            f"Remove that first: scaling rm source {rows[0][0]}",
        )
    return [source_id for source_id, _ in rows]


def _scores_of(connection: duckdb.DuckDBPyConnection, sources: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for source_id in sources:
        rows = connection.execute("SELECT eval_id FROM evals WHERE source_id = ?", [source_id]).fetchall()
        found |= {row[0] for row in rows}
    return found


def _taken_over(
    connection: duckdb.DuckDBPyConnection, plan: ScorePlan, old: Sequence[str], *, replace: bool
) -> set[str]:
    """Scores of the plan that another file brought."""
    with registered(connection, {"_new": {"eval_id": texts([s["eval_id"] for s in plan.content.scores])}}):
        rows = connection.execute(
            "SELECT e.eval_id, e.model_id, e.task, coalesce(s.uri, 'by hand'), coalesce(e.source_id, 'by hand') "
            "FROM evals AS e LEFT JOIN sources AS s USING (source_id) "
            "WHERE e.eval_id IN (SELECT eval_id FROM _new) AND NOT list_contains(CAST(? AS VARCHAR[]), e.source_id) "
            "ORDER BY e.model_id, e.task",
            [list(old)],
        ).fetchall()
    if rows and not replace:
        _, model, task, other, source_id = rows[0]
        more = f" and {len(rows) - 1} more scores" if len(rows) > 1 else ""
        raise InputDataError(
            f"The score of '{model}' on {task}{more} of {plan.path} came from another file already: {other} "
            f"(source {source_id}). Kept twice, it would count twice.",
            f"Remove that source first (scaling rm source {source_id}), let this file take the scores over "
            "(--replace), or, where these are other evaluations, name who ran them in a mapping file: "
            '[constants] harness = "NAME"',
        )
    return {row[0] for row in rows}


def _insert_source(connection: duckdb.DuckDBPyConnection, plan: ScorePlan, uri: str, more: Sequence[str]) -> None:
    connection.execute(
        "INSERT INTO sources (source_id, format, uri, sha256, mapping, mapping_sha256, reader, reader_version, "
        "imported_at, n_rows, n_runs, n_refused, problems, warnings, n_models, n_scores) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, now() AT TIME ZONE 'UTC', ?, 0, ?, ?, ?, ?, ?)",
        [
            plan.source_id,
            plan.format,
            uri,
            plan.sha256,
            plan.mapping.to_json(),
            plan.mapping.sha256,
            READER,
            package_version(),
            plan.n_rows,
            plan.n_refused,
            json.dumps([problem.to_dict() for problem in plan.problems]),
            json.dumps([*plan.warnings, *more]),
            plan.n_models,
            plan.n_scores,
        ],
    ).fetchall()


def _insert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    columns: dict[str, str],
    rows: Sequence[dict[str, Any]],
    source_id: str | Sequence[str],
) -> None:
    """Insert rows in bulk; a row by row insert is a thousand times slower."""
    batch: dict[str, np.ndarray] = {}
    parts = []
    for name, kind in columns.items():
        values = [row[name] for row in rows]
        if kind in ("DOUBLE", "INTEGER", "BIGINT"):
            # NaN is read as NULL, which here means unknown.
            batch[name] = np.array([np.nan if value is None else value for value in values], dtype=float)
            parts.append(f"CAST(CASE WHEN isnan({name}) THEN NULL ELSE {name} END AS {kind})")
        else:
            # DuckDB 1.5 stumbles over None where its sample of the column holds nothing else; no text here is empty.
            batch[name] = texts(["" if value is None else str(value) for value in values])
            parts.append(f"CAST(nullif({name}, '') AS {kind})")
    batch["source_id"] = texts([source_id] * len(rows) if isinstance(source_id, str) else source_id)
    with registered(connection, {"_batch": batch}):
        connection.execute(
            f"INSERT INTO {table} (source_id, {', '.join(columns)}) SELECT source_id, {', '.join(parts)} FROM _batch"
        ).fetchall()
