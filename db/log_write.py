"""Writing sources of logs into the store, a batch in one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.cells import STATUS_NAMES
from db.corrections import apply_corrections
from db.log_json import to_json
from db.log_known import Writing, named_runs, plain_path
from db.log_lost import count_values, note_losses, values_lost
from db.log_names import is_loss
from db.readers.found import STATES
from db.score_write import drop_models_without_scores, insert_models, insert_scores
from db.sql_arrays import registered, texts
from db.version import package_version

if TYPE_CHECKING:
    import duckdb

    from db.facts.derive import Facts
    from db.log_files import FileState
    from db.log_read import RunRead
    from db.log_stage import Stage

#: Facts that are columns of runs; the others are kept columns under their own names.
COLUMNS = ("n_params", "n_tokens", "compute_flop", "corpus")


@dataclass(frozen=True)
class LogOutcome:
    """What writing a source did: how many runs were new, grew or changed, stayed as they were, and went.

    ``shrunk`` says of which runs the log has fewer values than before, if of any.
    """

    status: str
    n_new: int
    n_grown: int
    n_unchanged: int
    n_removed: int
    shrunk: str | None = None


def mapping_of(format_name: str, metric: str | None, options: Mapping[str, Any]) -> str:
    """How a source was read, as the JSON that its identity is made of; another version may read it otherwise."""
    asked = {"format": format_name, "metric": metric, "options": dict(options), "version": package_version()}
    return json.dumps(asked, sort_keys=True)


def write_logs(
    connection: duckdb.DuckDBPyConnection,
    batch: Sequence[Writing],
    stage: Stage,
    units: Mapping[str, str],
) -> list[LogOutcome]:
    """Write sources that were admitted, inside a transaction.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The store, in a transaction.
    batch : sequence of Writing
        The sources, as `db.log_known.Known.admit` left them.
    stage : Stage
        Where their values are.
    units : mapping of str to str
        Units of all metrics.

    Returns
    -------
    list of LogOutcome
        One a source.
    """
    before = count_values(connection, set().union(*((one.before | one.taken) - one.same for one in batch)))
    writer = named_runs(batch)
    runs = {
        one.names[key]: (one, run)
        for one in batch
        for key, run in one.read.runs.items()
        if writer[one.names[key]] is one
    }
    fresh = {run_id: pair for run_id, pair in runs.items() if run_id not in pair[0].same}
    delete_runs(connection, set().union(*((one.before | one.taken) - one.same for one in batch)))
    _delete_sources(connection, batch)
    _insert_sources(connection, batch)
    insert_files(connection, {one.source_id: one.read.files for one in batch})
    note_losses(connection, batch)
    _write_scores(connection, batch)
    if fresh:
        _insert_runs(connection, fresh)
        _insert_values(connection, {run.number: run_id for run_id, (_, run) in fresh.items()}, stage)
        _insert_facts(connection, {run_id: run.facts for run_id, (_, run) in fresh.items() if run.facts is not None})
    _show_losses(connection, {run_id: run.metric or "loss" for run_id, (_, run) in runs.items()})
    _define_metrics(connection, {name for _, run in runs.values() for name in run.metrics}, units)
    apply_corrections(connection, list(fresh))
    outcomes = [_outcome(one, before) for one in batch]
    _record(connection, batch, outcomes)
    return outcomes


def insert_files(connection: duckdb.DuckDBPyConnection, files: Mapping[str, Sequence[FileState]]) -> None:
    """Write what the files of sources, by their identifiers, were like, in place of what was known of them."""
    pairs = [(source_id, one) for source_id, states in files.items() for one in states]
    batch = {
        "source_id": texts([source_id for source_id, _ in pairs]),
        "path": texts([plain_path(one.path) for _, one in pairs]),
        "n_bytes": np.array([one.n_bytes for _, one in pairs], dtype=np.int64),
        "modified_ns": np.array([one.modified_ns for _, one in pairs], dtype=np.int64),
        "settled": np.array([one.settled for _, one in pairs], dtype=bool),
    }
    if pairs:
        with registered(connection, {"_files": batch}):
            connection.execute("DELETE FROM source_files WHERE source_id IN (SELECT source_id FROM _files)").fetchall()
            connection.execute(
                "INSERT INTO source_files SELECT source_id, path, n_bytes, modified_ns, settled FROM _files"
            ).fetchall()


def _outcome(one: Writing, before: Mapping[str, int]) -> LogOutcome:
    own = set(one.names.values())
    n_new = len(own - one.before)
    n_grown = len((own & one.before) - one.same)
    status = "replaced" if one.before or one.taken or one.old_ids else "ingested"
    return LogOutcome(status, n_new, n_grown, len(one.same), len(one.before - own), values_lost(one, before))


def delete_runs(connection: duckdb.DuckDBPyConnection, run_ids: set[str]) -> None:
    """Delete runs with all that logs said of them, inside a transaction; what was set of them by hand stays."""
    if not run_ids:
        return
    with registered(connection, {"_gone": {"run_id": texts(sorted(run_ids))}}):
        for table in ("metrics", "runs", "run_logs", "run_facts"):
            connection.execute(f"DELETE FROM {table} WHERE run_id IN (SELECT run_id FROM _gone)").fetchall()


def _delete_sources(connection: duckdb.DuckDBPyConnection, batch: Sequence[Writing]) -> None:
    """Take out earlier readings; runs that stay as they are go over to the new one."""
    pairs = [(old, one.source_id) for one in batch for old in sorted(one.old_ids)]
    if not pairs:
        return
    old = {"old": texts([old for old, _ in pairs]), "new": texts([new for _, new in pairs])}
    with registered(connection, {"_old": old}):
        for table in ("runs", "run_logs"):
            connection.execute(
                f"UPDATE {table} SET source_id = o.new FROM _old AS o "
                f"WHERE {table}.source_id = o.old AND o.old <> o.new"
            ).fetchall()
        for table in ("models", "evals", "source_files", "sources"):
            connection.execute(f"DELETE FROM {table} WHERE source_id IN (SELECT old FROM _old)").fetchall()


def _insert_sources(connection: duckdb.DuckDBPyConnection, batch: Sequence[Writing]) -> None:
    reads = [one.read for one in batch]

    def counts(values: Sequence[int]) -> np.ndarray:
        return np.array(values, dtype=np.int64)

    content = {
        "source_id": texts([one.source_id for one in batch]),
        "format": texts([read.source.format.NAME for read in reads]),
        "uri": texts([one.uri for one in batch]),
        "sha256": texts([read.sha256 for read in reads]),
        "mapping": texts([one.mapping for one in batch]),
        "mapping_sha256": texts([one.mapping_sha256 for one in batch]),
        "n_rows": counts([read.n_values + len(read.scores) for read in reads]),
        "n_runs": counts([len(read.runs) for read in reads]),
        "n_refused": counts([read.n_refused for read in reads]),
        "problems": texts([to_json([problem.to_dict() for problem in read.problems]) for read in reads]),
        "warnings": texts([to_json(read.notes) for read in reads]),
        "n_models": counts([len(one.scores.models) for one in batch]),
        "n_scores": counts([len(one.scores.scores) for one in batch]),
    }
    with registered(connection, {"_sources": content}):
        connection.execute(
            "INSERT INTO sources (source_id, format, uri, sha256, mapping, mapping_sha256, reader, reader_version, "
            "imported_at, n_rows, n_runs, n_refused, problems, warnings, n_models, n_scores) SELECT source_id, format, "
            "uri, sha256, mapping, mapping_sha256, format, ?, now() AT TIME ZONE 'UTC', n_rows, n_runs, n_refused, "
            "problems, warnings, n_models, n_scores FROM _sources",
            [package_version()],
        ).fetchall()


def _write_scores(connection: duckdb.DuckDBPyConnection, batch: Sequence[Writing]) -> None:
    """Write models and scores; of a score that several of the batch bring, the last one's stays."""
    writer = {eval_id: one for one in batch for eval_id in one.scores.scores}
    if not writer:
        return
    rows = [(one.scores.scores[eval_id], one.source_id) for eval_id, one in writer.items()]
    used = {(source_id, row["model_id"]) for row, source_id in rows}
    models = [
        (row, one.source_id)
        for one in batch
        for row in one.scores.models.values()
        if (one.source_id, row["model_id"]) in used
    ]
    with registered(connection, {"_taken": {"eval_id": texts(list(writer))}}):
        taken = connection.execute(
            "DELETE FROM evals WHERE eval_id IN (SELECT eval_id FROM _taken) RETURNING 1"
        ).fetchall()
    insert_models(connection, [row for row, _ in models], [source_id for _, source_id in models])
    insert_scores(connection, [row for row, _ in rows], [source_id for _, source_id in rows])
    if taken:
        drop_models_without_scores(connection)


def _insert_runs(connection: duckdb.DuckDBPyConnection, runs: Mapping[str, tuple[Writing, RunRead]]) -> None:
    read = [run for _, run in runs.values()]

    def numbers(fact: str) -> np.ndarray:
        return np.array([_number(run.facts, fact) for run in read])

    described = [run.described for run in read]
    batch = {
        "run_id": texts(list(runs)),
        "source_id": texts([one.source_id for one, _ in runs.values()]),
        "source_key": texts([run.key for run in read]),
        "name": _nullable([one.name for one in described]),
        "corpus": _nullable([_text(run.facts, "corpus") for run in read]),
        "n_params": numbers("n_params"),
        "n_tokens": numbers("n_tokens"),
        "compute_flop": numbers("compute_flop"),
        "metric": texts([run.metric or "loss" for run in read]),
        "extra": texts([to_json(_extra(run)) for run in read]),
        "state": _nullable([one.state if one.state in STATES else None for one in described]),
        "about": texts([to_json(one.about) for one in described]),
        "config": texts([to_json(one.config) for one in described]),
        "summary": texts([to_json(one.summary) for one in described]),
        "sha256": texts([run.digest for run in read]),
    }
    with registered(connection, {"_batch": batch}):
        connection.execute(
            "INSERT INTO runs (run_id, source_id, name, corpus, n_params, n_tokens, compute_flop, loss_metric, extra) "
            "SELECT run_id, source_id, nullif(name, ''), nullif(corpus, ''), n_params, n_tokens, compute_flop, metric, "
            "extra FROM _batch"
        ).fetchall()
        connection.execute(
            "INSERT INTO run_logs SELECT run_id, source_id, source_key, nullif(state, ''), about, config, summary, "
            "sha256 FROM _batch"
        ).fetchall()
        connection.execute(
            "INSERT INTO known_runs SELECT run_id, now() AT TIME ZONE 'UTC' FROM _batch "
            "WHERE run_id NOT IN (SELECT run_id FROM known_runs)"
        ).fetchall()
        connection.execute(
            "INSERT INTO datasets (dataset_id, name) SELECT DISTINCT corpus, corpus FROM _batch "
            "WHERE corpus <> '' AND corpus NOT IN (SELECT dataset_id FROM datasets)"
        ).fetchall()


def _insert_values(connection: duckdb.DuckDBPyConnection, runs: Mapping[int, str], stage: Stage) -> None:
    path = stage.write(runs)
    statuses = {"status": np.arange(len(STATUS_NAMES), dtype=np.int32), "name": texts(STATUS_NAMES)}
    with registered(connection, {"_statuses": statuses}):
        connection.execute(
            "INSERT INTO metrics (run_id, metric, step, tokens, value, value_status, significant_digits) "
            "SELECT v.run_id, v.metric, v.step, v.tokens, v.value, s.name, v.digits "
            "FROM read_parquet(?) AS v JOIN _statuses AS s USING (status)",
            [path],
        ).fetchall()


def _insert_facts(connection: duckdb.DuckDBPyConnection, runs: Mapping[str, Facts]) -> None:
    rows: list[tuple[str, str, float, str, str, str]] = []
    for run_id, facts in runs.items():
        for fact in facts.facts.values():
            number = np.nan if isinstance(fact.value, str) else float(fact.value)
            text = fact.value if isinstance(fact.value, str) else ""
            rows.append((run_id, fact.name, number, plain_path(text), fact.rule, to_json(list(fact.keys))))
        rows += [(run_id, name, np.nan, "", f"missing: {plain_path(why)}", "[]") for name, why in facts.missing.items()]
        rows += [(run_id, name, np.nan, "", f"in doubt: {plain_path(why)}", "[]") for name, why in facts.notes.items()]
    if not rows:
        return
    ids, names, values, text_values, rules, keys = zip(*rows, strict=True)
    batch = {
        "run_id": texts(ids), "fact": texts(names), "value": np.array(values), "text_value": texts(text_values),
        "rule": texts(rules), "keys": texts(keys),
    }  # fmt: skip
    with registered(connection, {"_facts": batch}):
        connection.execute(
            "INSERT INTO run_facts SELECT run_id, fact, CASE WHEN isnan(value) THEN NULL ELSE value END, "
            "nullif(text_value, ''), rule, keys FROM _facts"
        ).fetchall()


def _show_losses(connection: duckdb.DuckDBPyConnection, shown: Mapping[str, str]) -> None:
    """Say which metric is the loss, of runs that stayed too: another may have been asked for."""
    if not shown:
        return
    batch = {"run_id": texts(list(shown)), "metric": texts(list(shown.values()))}
    with registered(connection, {"_shown": batch}):
        connection.execute(
            "UPDATE runs SET loss_metric = s.metric FROM _shown AS s WHERE runs.run_id = s.run_id "
            "AND runs.loss_metric <> s.metric"
        ).fetchall()


def _define_metrics(connection: duckdb.DuckDBPyConnection, names: set[str], units: Mapping[str, str]) -> None:
    """Record what metrics mean."""
    listed = sorted(names)
    if not listed:
        return
    batch = {
        "metric": texts(listed),
        "kind": texts(["loss" if is_loss(name) else "other" for name in listed]),
        "unit": texts([units.get(name, "unknown") for name in listed]),
    }
    with registered(connection, {"_defs": batch}):
        connection.execute(
            "UPDATE metric_defs SET unit = d.unit FROM _defs AS d WHERE metric_defs.metric = d.metric "
            "AND metric_defs.unit = 'unknown' AND d.unit <> 'unknown'"
        ).fetchall()
        connection.execute(
            "INSERT INTO metric_defs SELECT metric, kind, unit, CASE kind WHEN 'loss' THEN FALSE END FROM _defs "
            "WHERE metric NOT IN (SELECT metric FROM metric_defs)"
        ).fetchall()


def _record(connection: duckdb.DuckDBPyConnection, batch: Sequence[Writing], outcomes: Sequence[LogOutcome]) -> None:
    details = [
        {
            "uri": one.uri,
            "sha256": one.read.sha256,
            "format": one.read.source.format.NAME,
            "n_runs": len(one.read.runs),
            "n_new": outcome.n_new,
            "n_grown": outcome.n_grown,
            "n_scores": len(one.scores.scores),
            "removed_runs": sorted(one.before - set(one.names.values())),
        }
        for one, outcome in zip(batch, outcomes, strict=True)
    ]
    rows = {
        "event": texts(["replace" if one.status == "replaced" else "ingest" for one in outcomes]),
        "source_id": texts([one.source_id for one in batch]),
        "detail": texts([to_json(detail) for detail in details]),
    }
    with registered(connection, {"_events": rows}):
        connection.execute(
            "INSERT INTO audit SELECT now() AT TIME ZONE 'UTC', event, 'source', source_id, detail, ? FROM _events",
            [package_version()],
        ).fetchall()


def _number(facts: Facts | None, name: str) -> float:
    fact = facts.facts.get(name) if facts else None
    return np.nan if fact is None or isinstance(fact.value, str) else float(fact.value)


def _text(facts: Facts | None, name: str) -> str | None:
    fact = facts.facts.get(name) if facts else None
    return plain_path(fact.value) if fact is not None and isinstance(fact.value, str) else None


def _extra(run: RunRead) -> dict[str, Any]:
    """Facts that are no columns of their own, and the state."""
    found = {} if run.facts is None else {name: fact.value for name, fact in run.facts.facts.items()}
    kept = {name: value for name, value in found.items() if name not in COLUMNS}
    return kept | ({"state": run.described.state} if run.described.state else {})


def _nullable(values: Sequence[str | None]) -> np.ndarray:
    return texts(["" if value is None else value for value in values])
