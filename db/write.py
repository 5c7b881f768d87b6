"""Writing a source into the store: its runs, their values and the record of where they came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import numpy as np

from db.assemble import metric_kind
from db.audit import record
from db.bulk_extra import kept_texts
from db.cells import STATUS_NAMES
from db.corrections import apply_corrections
from db.logged import BLOCK
from db.readers.table import READER
from db.sql_arrays import registered, texts
from db.version import package_version
from db.views import refresh_views
from scaling.errors import InputDataError

if TYPE_CHECKING:
    from db.ingest import IngestPlan
    from db.mapping import MetricSpec
    from db.store import Store

_MEMORY = "256MB"
_RUNS = 122_880  # that are written together: a row group of DuckDB
_FIELDS = {"run_id": "run_ids", "name": "names", "corpus": "corpora"}
_HIGHER_IS_BETTER = {"loss": False, "accuracy": True}


@dataclass(frozen=True)
class Outcome:
    """What writing did: ``ingested``, ``replaced`` or ``unchanged``, and how many runs were there before."""

    status: str
    n_replaced: int = 0
    n_removed: int = 0


def write_source(store: Store, plan: IngestPlan, *, replace: bool) -> Outcome:
    """Write a source in one transaction; see :func:`db.ingest.write_plan`."""
    with store.transaction() as connection, _little_memory(connection, plan):
        if _is_there(connection, plan):
            return Outcome("unchanged")
        uri = str(Path(plan.path).resolve())
        _refuse_scores(connection, plan, uri)
        old_runs = _old_runs(connection, plan, uri)
        taken = _taken_over(connection, plan, uri, replace=replace)
        gone = old_runs | taken
        _delete_runs(connection, gone)
        _delete_sources(connection, uri, plan.source_id)
        met = _met_before(connection, plan)
        _insert_source(connection, plan, uri)
        _insert_runs(connection, plan)
        _insert_metrics(connection, plan)
        for spec in plan.mapping.metrics:
            define_metric(connection, spec, plan.path)
        apply_corrections(connection, met)
        refresh_views(connection)
        new_runs = set(plan.runs.run_ids)
        outcome = Outcome("replaced" if gone else "ingested", len(gone & new_runs), len(gone - new_runs))
        detail = {
            "uri": uri,
            "sha256": plan.sha256,
            "n_rows": plan.n_rows,
            "n_runs": plan.n_runs,
            "n_refused": plan.n_refused,
            "n_replaced": outcome.n_replaced,
            "removed_runs": sorted(gone - new_runs),
        }
        record(connection, "replace" if gone else "ingest", "source", plan.source_id, detail)
        return outcome


def _is_there(connection: duckdb.DuckDBPyConnection, plan: IngestPlan) -> bool:
    """Whether this content was read with this mapping, and all its runs are still there."""
    rows = connection.execute(
        "SELECT n_runs, (SELECT count(*) FROM runs AS r WHERE r.source_id = s.source_id) FROM sources AS s "
        "WHERE source_id = ?",
        [plan.source_id],
    ).fetchall()
    return bool(rows) and rows[0][0] == rows[0][1]


def _refuse_scores(connection: duckdb.DuckDBPyConnection, plan: IngestPlan, uri: str) -> None:
    """Refuse a file that was read as a table of scores: its models and scores would lose their source."""
    rows = connection.execute("SELECT source_id FROM sources WHERE uri = ? AND n_scores > 0", [uri]).fetchall()
    if rows:
        raise InputDataError(
            f"{plan.path} was read as a table of scores before (source {rows[0][0]}).",
            f"Read it so again (--scores, or its preset or mapping), or remove it: scaling rm source {rows[0][0]}",
        )


def _old_runs(connection: duckdb.DuckDBPyConnection, plan: IngestPlan, uri: str) -> set[str]:
    """Runs that earlier readings of the file brought."""
    rows = connection.execute(
        "SELECT run_id FROM runs WHERE source_id IN (SELECT source_id FROM sources WHERE uri = ? OR source_id = ?)",
        [uri, plan.source_id],
    ).fetchall()
    return {row[0] for row in rows}


def _taken_over(connection: duckdb.DuckDBPyConnection, plan: IngestPlan, uri: str, *, replace: bool) -> set[str]:
    """Runs of the plan that another file brought."""
    with registered(connection, {"_new_runs": {"run_id": texts(plan.runs.run_ids)}}):
        rows = connection.execute(
            "SELECT r.run_id, s.uri, s.source_id FROM runs AS r JOIN sources AS s USING (source_id) "
            "WHERE r.run_id IN (SELECT run_id FROM _new_runs) AND s.uri <> ? AND s.source_id <> ? ORDER BY r.run_id",
            [uri, plan.source_id],
        ).fetchall()
    if rows and not replace:
        run_id, other, source_id = rows[0]
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        raise InputDataError(
            f"Run '{run_id}'{more} of {plan.path} came from another file already: {other} (source {source_id}).",
            f"Remove that source first (scaling rm source {source_id}), let this file take the runs over (--replace), "
            "or make the identifiers differ: [columns] run_id = [...] in a mapping file.",
        )
    return {row[0] for row in rows}


def _delete_runs(connection: duckdb.DuckDBPyConnection, run_ids: set[str]) -> None:
    if not run_ids:
        return
    with registered(connection, {"_gone": {"run_id": texts(sorted(run_ids))}}):
        for table in ("metrics", "runs", "run_logs", "run_facts"):
            connection.execute(f"DELETE FROM {table} WHERE run_id IN (SELECT run_id FROM _gone)").fetchall()


def _delete_sources(connection: duckdb.DuckDBPyConnection, uri: str, source_id: str) -> None:
    """Delete earlier readings of a file, as a table or as a log."""
    old = connection.execute(
        "DELETE FROM sources WHERE uri = ? OR source_id = ? RETURNING source_id", [uri, source_id]
    ).fetchall()
    for (old_id,) in old:
        connection.execute("DELETE FROM source_files WHERE source_id = ?", [old_id]).fetchall()


def _met_before(connection: duckdb.DuckDBPyConnection, plan: IngestPlan) -> list[str]:
    """Runs of the plan that the store has met: something may have been set of them by hand."""
    with registered(connection, {"_new_runs": {"run_id": texts(plan.runs.run_ids)}}):
        rows = connection.execute(
            "SELECT run_id FROM known_runs WHERE run_id IN (SELECT run_id FROM _new_runs)"
        ).fetchall()
    return [row[0] for row in rows]


def _insert_source(connection: duckdb.DuckDBPyConnection, plan: IngestPlan, uri: str) -> None:
    connection.execute(
        "INSERT INTO sources (source_id, format, uri, sha256, mapping, mapping_sha256, reader, reader_version, "
        "imported_at, n_rows, n_runs, n_refused, problems, warnings) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, now() AT TIME ZONE 'UTC', ?, ?, ?, ?, ?)",
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
            plan.n_runs,
            plan.n_refused,
            json.dumps([problem.to_dict() for problem in plan.problems]),
            json.dumps(list(plan.warnings)),
        ],
    ).fetchall()


def _insert_runs(connection: duckdb.DuckDBPyConnection, plan: IngestPlan) -> None:
    runs = plan.runs
    n_runs = len(runs.run_ids)
    size = min(n_runs, _RUNS)
    names = ("run_id", "name", "corpus", "n_params", "n_tokens", "compute_flop", "extra")
    numbers = ("n_params", "n_tokens", "compute_flop")  # NaN is read as NULL, which here means unknown
    # The same arrays for every block: what is registered in a transaction is held until it ends.
    batch = {name: np.empty(size, dtype=float if name in numbers else object) for name in names}
    with registered(connection, {"_batch": batch}):
        for start in range(0, n_runs, _RUNS):
            stop = min(start + _RUNS, n_runs)
            for name in names[:-1]:
                batch[name][: stop - start] = getattr(runs, _FIELDS.get(name, name))[start:stop]
            batch["extra"][: stop - start] = kept_texts(runs.extra, start, stop)
            _insert_block(connection, plan, stop - start)
    connection.execute(
        "INSERT INTO datasets (dataset_id, name) SELECT DISTINCT corpus, corpus FROM runs "
        "WHERE source_id = ? AND corpus IS NOT NULL AND corpus NOT IN (SELECT dataset_id FROM datasets)",
        [plan.source_id],
    ).fetchall()


def _insert_block(connection: duckdb.DuckDBPyConnection, plan: IngestPlan, n_runs: int) -> None:
    connection.execute(
        "INSERT INTO runs (run_id, source_id, name, corpus, n_params, n_tokens, compute_flop, loss_metric, extra) "
        "SELECT run_id, ?, CAST(name AS VARCHAR), CAST(corpus AS VARCHAR), n_params, n_tokens, compute_flop, ?, "
        "extra FROM (SELECT * FROM _batch LIMIT ?)",
        [plan.source_id, plan.metric, n_runs],
    ).fetchall()
    connection.execute(
        "INSERT INTO known_runs SELECT run_id, now() AT TIME ZONE 'UTC' FROM (SELECT * FROM _batch LIMIT ?) "
        "WHERE run_id NOT IN (SELECT run_id FROM known_runs)",
        [n_runs],
    ).fetchall()


def _insert_metrics(connection: duckdb.DuckDBPyConnection, plan: IngestPlan) -> None:
    """Insert the logged values in bulk; a row by row insert is a thousand times slower."""
    batches: dict[str, dict[str, np.ndarray]] = {
        "_runs": {"run": np.arange(len(plan.runs.run_ids)), "run_id": texts(plan.runs.run_ids)},
        "_metrics": {
            "metric": np.arange(len(plan.mapping.metrics)),
            "name": texts([spec.metric for spec in plan.mapping.metrics]),
        },
        "_statuses": {"status": np.arange(len(STATUS_NAMES)), "name": texts(STATUS_NAMES)},
    }
    # The same arrays for every block: what is registered in a transaction is held until it ends.
    values = plan.runs.values.room()
    with registered(connection, batches | {"_values": values}):
        for block in plan.runs.values.blocks():
            for key, array in block.items():
                values[key][: array.size] = array
            connection.execute(
                "INSERT INTO metrics (run_id, metric, step, tokens, value, value_status) "
                "SELECT r.run_id, m.name, nullif(v.step, -1), v.tokens, v.value, s.name "
                "FROM (SELECT * FROM _values LIMIT ?) AS v JOIN _runs AS r ON r.run = v.run "
                "JOIN _metrics AS m ON m.metric = v.metric JOIN _statuses AS s ON s.status = v.status",
                [block["run"].size],
            ).fetchall()


@contextmanager
def _little_memory(connection: duckdb.DuckDBPyConnection, plan: IngestPlan) -> Iterator[None]:
    """Let DuckDB keep little of what it writes of a large table to a file, for the length of a block."""
    is_large = plan.runs.values.size > BLOCK or len(plan.runs.run_ids) > _RUNS
    [(before, file)] = connection.execute(
        "SELECT current_setting('memory_limit'), path FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchall()
    if not is_large or file is None:
        yield
        return
    with suppress(duckdb.Error):  # where more than that is in use already
        connection.execute(f"SET memory_limit = '{_MEMORY}'").fetchall()
    try:
        yield
    finally:
        with suppress(duckdb.Error):
            connection.execute(f"SET memory_limit = '{before}'").fetchall()


def define_metric(connection: duckdb.DuckDBPyConnection, spec: MetricSpec, path: str) -> None:
    """Record what a metric means, and refuse a file that means something else by it."""
    kind = metric_kind(spec)
    rows = connection.execute("SELECT unit FROM metric_defs WHERE metric = ?", [spec.metric]).fetchall()
    if not rows:
        connection.execute(
            "INSERT INTO metric_defs VALUES (?, ?, ?, ?)", [spec.metric, kind, spec.unit, _HIGHER_IS_BETTER.get(kind)]
        ).fetchall()
    elif rows[0][0] == "unknown" and spec.unit != "unknown":
        connection.execute("UPDATE metric_defs SET unit = ? WHERE metric = ?", [spec.unit, spec.metric]).fetchall()
    elif spec.unit not in ("unknown", rows[0][0]):
        raise InputDataError(
            f"The metric '{spec.metric}' of {path} is in {spec.unit}, but the store has it in {rows[0][0]}.",
            'Convert it in the mapping file (an expression such as "val_loss * 0.6931"), or give it another name.',
        )
