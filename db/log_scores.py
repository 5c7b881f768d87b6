"""Results of models that evaluation logs hold, as models and scores of the store."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from db.score_write import delete_scores, insert_models, insert_scores
from db.write import registered, texts
from scaling.errors import InputDataError

if TYPE_CHECKING:
    import duckdb

    from db.log_read import SourceRead
    from db.readers.found import ScoreFound

_MODEL = (
    "name", "base_model", "organisation", "family", "type", "architecture", "n_params", "n_params_active", "n_tokens",
    "compute_flop", "compute_rule", "compute_low", "compute_high", "released", "modified", "merged", "moe", "flagged",
    "concerns",
)  # fmt: skip


def write_scores_found(
    connection: duckdb.DuckDBPyConnection, read: SourceRead, source_id: str, *, replace: bool
) -> int:
    """Write the results of a source, inside a transaction, in place of those that it brought before.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        The store, in a transaction.
    read : SourceRead
        The source.
    source_id : str
        Its identifier.
    replace : bool
        Take over results that another source brought.

    Returns
    -------
    int
        Models.

    Raises
    ------
    InputDataError
        If another source brought one of its results.
    """
    delete_scores(connection, source_id)
    if not read.scores:
        return 0
    scores: dict[str, dict[str, Any]] = {}
    models: dict[str, dict[str, Any]] = {}
    for found in read.scores:
        model_id = model_id_of(found)
        models[model_id] = models.get(model_id, {}) | _model(found, model_id)
        row = _score(found, model_id)
        scores[row["eval_id"]] = row  # the same result twice in one log is one result
    _refuse_taken(connection, read, list(scores), replace=replace)
    insert_models(connection, list(models.values()), source_id)
    insert_scores(connection, list(scores.values()), source_id)
    return len(models)


def model_id_of(found: ScoreFound) -> str:
    """What tells an evaluated model apart: its name, its revision and the step of its checkpoint."""
    parts = [found.model]
    if revision := found.about_model.get("revision"):
        parts.append(f"@{revision}")
    if found.step is not None:
        parts.append(f" step {found.step}")
    return "".join(parts)


def _model(found: ScoreFound, model_id: str) -> dict[str, Any]:
    known = {name: found.about_model.get(name) for name in _MODEL} | {"name": found.model, "model_id": model_id}
    if known["organisation"] is None and "/" in found.model:
        known["organisation"] = found.model.split("/")[0]
    extra = {name: value for name, value in found.about_model.items() if name not in _MODEL}
    return known | {"extra": json.dumps(extra, default=str)}


def _score(found: ScoreFound, model_id: str) -> dict[str, Any]:
    extra: dict[str, Any] = dict(found.extra)
    unit = extra.pop("unit", None) or ("share" if 0 <= found.value <= 1 else "points")
    if found.step is not None:
        extra.setdefault("checkpoint_step", found.step)
    what = [
        found.key,
        model_id,
        found.task,
        found.metric,
        found.filter,
        found.n_shot,
        found.harness,
        found.task_version,
    ]
    return {
        "eval_id": hashlib.sha256(json.dumps(what).encode(errors="surrogateescape")).hexdigest()[:16],
        "source_key": found.key,
        "model_id": model_id,
        "task": found.task,
        "task_version": found.task_version,
        "superseded": False,
        "metric": found.metric,
        "filter": found.filter,
        "n_shot": found.n_shot,
        "value": found.value,
        "unit": unit,
        "stderr": found.stderr,
        "n_samples": found.n_samples,
        "chance": None,
        "harness": found.harness,
        "chat_template": extra.pop("chat_template", None),
        "evaluated_on": found.evaluated,
        "extra": json.dumps(extra, default=str),
    }


def _refuse_taken(
    connection: duckdb.DuckDBPyConnection, read: SourceRead, eval_ids: list[str], *, replace: bool
) -> None:
    with registered(connection, {"_new_scores": {"eval_id": texts(eval_ids)}}):
        rows = connection.execute(
            "SELECT e.eval_id, e.model_id, e.task, coalesce(s.uri, 'by hand'), e.source_id FROM evals AS e "
            "LEFT JOIN sources AS s USING (source_id) WHERE e.eval_id IN (SELECT eval_id FROM _new_scores) "
            "ORDER BY e.model_id, e.task"
        ).fetchall()
        if rows and not replace:
            _, model, task, other, other_id = rows[0]
            more = f" and {len(rows) - 1} more scores" if len(rows) > 1 else ""
            raise InputDataError(
                f"The score of '{model}' on {task}{more} of {read.source.path} came from elsewhere already: {other} "
                f"(source {other_id}). Kept twice, it would count twice.",
                f"Remove that source first (scaling rm source {other_id}), or let this one take the scores over "
                "(--replace).",
            )
        connection.execute("DELETE FROM evals WHERE eval_id IN (SELECT eval_id FROM _new_scores)").fetchall()
