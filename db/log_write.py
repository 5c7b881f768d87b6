"""Writing sources of logs into the store: each in one transaction with all it brought."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.audit import record
from db.cells import STATUS_NAMES
from db.corrections import apply_corrections
from db.log_names import is_loss, unit_of
from db.log_scores import write_scores_found
from db.mapping import MetricSpec
from db.version import package_version
from db.write import define_metric, registered, texts
from scaling.errors import InputDataError

if TYPE_CHECKING:
    import duckdb

    from db.facts.derive import Facts
    from db.log_read import RunRead, SourceRead
    from db.log_stage import Stage

#: Facts that are columns of runs; the others are kept columns under their own names.
COLUMNS = ("n_params", "n_tokens", "compute_flop", "corpus")
_PROBLEMS = 1000


@dataclass(frozen=True)
class LogOutcome:
    """What writing a source did: how many runs were new, grew, stayed as they were, and went."""

    status: str
    n_new: int
    n_grown: int
    n_unchanged: int
    n_removed: int


def mapping_of(format_name: str, metric: str | None, options: Mapping[str, Any]) -> str:
    """How a source was read, as the JSON that its identity is made of; another version may read it otherwise."""
    asked = {"format": format_name, "metric": metric, "options": dict(options), "version": package_version()}
    return json.dumps(asked, sort_keys=True)


def name_runs(connection: duckdb.DuckDBPyConnection, read: SourceRead, uri: str, taken: set[str]) -> dict[str, str]:
    """Identifiers of the runs of a source, by key.

    A run that the source brought before keeps its identifier. A run that its log names has that name, for it is the
    same run wherever its log lies; one without a name is called by where its log lies, by more of the path where that
    is taken.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The store.
    read : SourceRead
        The source.
    uri : str
        Its absolute path.
    taken : set of str
        Identifiers that runs of other sources have, those of this ingest included.
    """
    rows = connection.execute(
        "SELECT source_key, run_id FROM run_logs JOIN sources USING (source_id) WHERE uri = ?", [uri]
    ).fetchall()
    before = dict(rows)
    names: dict[str, str] = {}
    for key in read.runs:
        if key in before:
            names[key] = before[key]
        elif key:
            names[key] = key
        else:
            names[key] = _free(read, taken)
    return names


def _free(read: SourceRead, taken: set[str]) -> str:
    label = read.source.label
    above = [part for part in read.source.path.resolve().parts[:-1] if part != "/"]
    below = label.count("/")
    for more in range(len(above) - below + 1):
        cut = above[len(above) - below - more : len(above) - below] if more else []
        name = "/".join([*cut, label])
        if name not in taken:
            return name
    return label


def write_log(
    connection: duckdb.DuckDBPyConnection,
    read: SourceRead,
    names: Mapping[str, str],
    stage: Stage,
    *,
    uri: str,
    source_id: str,
    mapping: str,
    mapping_sha256: str,
    replace: bool,
) -> LogOutcome:
    """Write a source, inside a transaction.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The store, in a transaction.
    read : SourceRead
        The source.
    names : mapping of str to str
        Identifiers of its runs, by key.
    stage : Stage
        Where its values are.
    uri, source_id, mapping, mapping_sha256 : str
        Its absolute path, identifier, and how it was read.
    replace : bool
        Take over runs that another source brought.

    Returns
    -------
    LogOutcome

    Raises
    ------
    InputDataError
        If another source brought one of its runs, or a metric is stored in another unit.
    """
    runs = {names[key]: run for key, run in read.runs.items()}
    taken = _taken_over(connection, list(runs), read, uri, source_id, replace=replace)
    old_ids = [row[0] for row in connection.execute(
        "SELECT source_id FROM sources WHERE uri = ? OR source_id = ?", [uri, source_id]
    ).fetchall()]  # fmt: skip
    before = dict(
        connection.execute(
            "SELECT run_id, (SELECT any_value(sha256) FROM run_logs AS l WHERE l.run_id = r.run_id) FROM runs AS r "
            "WHERE list_contains(CAST(? AS VARCHAR[]), r.source_id)",
            [old_ids],
        ).fetchall()
    )
    same = {run_id for run_id, run in runs.items() if before.get(run_id) == run.digest}
    gone = (set(before) | taken) - same
    _delete(connection, gone)
    for old in old_ids:
        if old != source_id:
            connection.execute("UPDATE runs SET source_id = ? WHERE source_id = ?", [source_id, old]).fetchall()
            connection.execute("UPDATE run_logs SET source_id = ? WHERE source_id = ?", [source_id, old]).fetchall()
        for table in ("models", "evals", "source_files"):
            connection.execute(f"DELETE FROM {table} WHERE source_id = ?", [old]).fetchall()
        connection.execute("DELETE FROM sources WHERE source_id = ?", [old]).fetchall()
    fresh = {run_id: run for run_id, run in runs.items() if run_id not in same}
    n_models = write_scores_found(connection, read, source_id, replace=replace)
    _insert_source(connection, read, uri, source_id, mapping, mapping_sha256, n_models)
    if fresh:
        _insert_runs(connection, fresh, read, source_id)
        _insert_values(connection, fresh, stage)
        _insert_facts(connection, {run_id: run.facts for run_id, run in fresh.items() if run.facts is not None})
    shown: dict[str, list[str]] = {}
    for run_id, run in runs.items():
        shown.setdefault(run.metric or "loss", []).append(run_id)
    for metric, run_ids in shown.items():  # of runs that stayed, too: another metric may have been asked for
        connection.execute(
            "UPDATE runs SET loss_metric = ? WHERE loss_metric <> ? AND list_contains(CAST(? AS VARCHAR[]), run_id)",
            [metric, metric, run_ids],
        ).fetchall()
    for metric in sorted({name for run in runs.values() for name in run.metrics}):
        told = read.unit_of(metric)
        unit = unit_of(metric) if told == "unknown" else told
        spec = MetricSpec(metric, metric, unit, "loss" if is_loss(metric) else "other")
        define_metric(connection, spec, str(read.source.path))
    apply_corrections(connection, list(fresh))
    grown = set(fresh) & set(before)
    outcome = LogOutcome(
        "replaced" if before or taken else "ingested",
        len(fresh) - len(grown), len(grown), len(same), len(gone - set(runs)),
    )  # fmt: skip
    detail = {
        "uri": uri,
        "sha256": read.sha256,
        "format": read.source.format.NAME,
        "n_runs": len(runs),
        "n_new": outcome.n_new,
        "n_grown": outcome.n_grown,
        "n_scores": len(read.scores),
        "removed_runs": sorted(gone - set(runs)),
    }
    record(connection, "replace" if before or taken else "ingest", "source", source_id, detail)
    return outcome


def _taken_over(
    connection: duckdb.DuckDBPyConnection,
    run_ids: list[str],
    read: SourceRead,
    uri: str,
    source_id: str,
    *,
    replace: bool,
) -> set[str]:
    """Runs that another source brought."""
    if not run_ids:
        return set()
    with registered(connection, {"_new_runs": {"run_id": texts(run_ids)}}):
        rows = connection.execute(
            "SELECT r.run_id, s.uri, s.source_id FROM runs AS r JOIN sources AS s USING (source_id) "
            "WHERE r.run_id IN (SELECT run_id FROM _new_runs) AND s.uri <> ? AND s.source_id <> ? ORDER BY r.run_id",
            [uri, source_id],
        ).fetchall()
    if rows and not replace:
        run_id, other, other_id = rows[0]
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        raise InputDataError(
            f"Run '{run_id}'{more} of {read.source.path} came from elsewhere already: {other} (source {other_id}).",
            f"Remove that source first (scaling rm source {other_id}), or let this one take the runs over (--replace).",
        )
    return {row[0] for row in rows}


def _delete(connection: duckdb.DuckDBPyConnection, run_ids: set[str]) -> None:
    if not run_ids:
        return
    with registered(connection, {"_gone": {"run_id": texts(sorted(run_ids))}}):
        for table in ("metrics", "runs", "run_logs", "run_facts"):
            connection.execute(f"DELETE FROM {table} WHERE run_id IN (SELECT run_id FROM _gone)").fetchall()


def _insert_source(
    connection: duckdb.DuckDBPyConnection,
    read: SourceRead,
    uri: str,
    source_id: str,
    mapping: str,
    mapping_sha256: str,
    n_models: int,
) -> None:
    connection.execute(
        "INSERT INTO sources (source_id, format, uri, sha256, mapping, mapping_sha256, reader, reader_version, "
        "imported_at, n_rows, n_runs, n_refused, problems, warnings, n_models, n_scores) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, now() AT TIME ZONE 'UTC', ?, ?, ?, ?, ?, ?, ?)",
        [
            source_id,
            read.source.format.NAME,
            uri,
            read.sha256,
            mapping,
            mapping_sha256,
            read.source.format.NAME,
            package_version(),
            read.n_values + len(read.scores),
            len(read.runs),
            len(read.problems),
            json.dumps([problem.to_dict() for problem in read.problems[:_PROBLEMS]]),
            json.dumps(read.notes),
            n_models,
            len(read.scores),
        ],
    ).fetchall()
    files = {
        "path": texts([file.path for file in read.files]),
        "n_bytes": np.array([file.n_bytes for file in read.files], dtype=np.int64),
        "modified_ns": np.array([file.modified_ns for file in read.files], dtype=np.int64),
        "settled": np.array([file.settled for file in read.files], dtype=bool),
    }
    with registered(connection, {"_files": files}):
        connection.execute("INSERT INTO source_files SELECT ?, * FROM _files", [source_id]).fetchall()


def _insert_runs(
    connection: duckdb.DuckDBPyConnection, runs: Mapping[str, RunRead], read: SourceRead, source_id: str
) -> None:
    def numbers(fact: str) -> np.ndarray:
        return np.array([_number(run.facts, fact) for run in runs.values()])

    described = [run.described for run in runs.values()]
    batch = {
        "run_id": texts(list(runs)),
        "source_key": texts([run.key for run in runs.values()]),
        "name": _nullable([one.name for one in described]),
        "corpus": _nullable([_text(run.facts, "corpus") for run in runs.values()]),
        "n_params": numbers("n_params"),
        "n_tokens": numbers("n_tokens"),
        "compute_flop": numbers("compute_flop"),
        "extra": texts([_json(_extra(run)) for run in runs.values()]),
        "state": _nullable([one.state for one in described]),
        "about": texts([_json(one.about) for one in described]),
        "config": texts([_json(one.config) for one in described]),
        "summary": texts([_json(one.summary) for one in described]),
        "sha256": texts([run.digest for run in runs.values()]),
    }
    with registered(connection, {"_batch": batch}):
        connection.execute(
            "INSERT INTO runs (run_id, source_id, name, corpus, n_params, n_tokens, compute_flop, loss_metric, extra) "
            "SELECT run_id, ?, nullif(name, ''), nullif(corpus, ''), n_params, n_tokens, compute_flop, ?, extra "
            "FROM _batch",
            [source_id, read.metric or "loss"],
        ).fetchall()
        connection.execute(
            "INSERT INTO run_logs SELECT run_id, ?, source_key, nullif(state, ''), about, config, summary, sha256 "
            "FROM _batch",
            [source_id],
        ).fetchall()
        connection.execute(
            "INSERT INTO known_runs SELECT run_id, now() AT TIME ZONE 'UTC' FROM _batch "
            "WHERE run_id NOT IN (SELECT run_id FROM known_runs)"
        ).fetchall()
        connection.execute(
            "INSERT INTO datasets (dataset_id, name) SELECT DISTINCT corpus, corpus FROM _batch "
            "WHERE corpus <> '' AND corpus NOT IN (SELECT dataset_id FROM datasets)"
        ).fetchall()


def _insert_values(connection: duckdb.DuckDBPyConnection, runs: Mapping[str, RunRead], stage: Stage) -> None:
    path = stage.write([(run.number, run_id) for run_id, run in runs.items()])
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
            rows.append((run_id, fact.name, number, text, fact.rule, json.dumps(list(fact.keys))))
        rows += [(run_id, name, np.nan, "", f"missing: {why}", "[]") for name, why in facts.missing.items()]
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


def _number(facts: Facts | None, name: str) -> float:
    fact = facts.facts.get(name) if facts else None
    return np.nan if fact is None or isinstance(fact.value, str) else float(fact.value)


def _text(facts: Facts | None, name: str) -> str | None:
    fact = facts.facts.get(name) if facts else None
    return fact.value if fact is not None and isinstance(fact.value, str) else None


def _extra(run: RunRead) -> dict[str, Any]:
    """Facts that are no columns of their own, and the state."""
    found = {} if run.facts is None else {name: fact.value for name, fact in run.facts.facts.items()}
    kept = {name: value for name, value in found.items() if name not in COLUMNS}
    return kept | ({"state": run.described.state} if run.described.state else {})


def _nullable(values: Sequence[str | None]) -> np.ndarray:
    return texts(["" if value is None else value for value in values])


def _json(content: Mapping[str, Any]) -> str:
    """JSON without what it lacks: NaN and infinite numbers are written as text, as everywhere in the store."""
    return json.dumps(_plain(dict(content)), allow_nan=False, default=str)


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not np.isfinite(value):
        return "NaN" if np.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
