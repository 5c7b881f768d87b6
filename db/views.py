"""The views of the store, and the one place that writes the SQL of ``runs_final``.

Columns of a source that no mapping names are kept in ``runs.extra``; ``runs_final`` shows each of them as a column of
its own with the type that its values have, so they work by name in any SQL. Their set changes with the data, hence the
views are made again in the transaction that changes the runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from db.valuation_views import VALUATION_VIEW_COLUMNS, VALUATION_VIEW_COMMENTS

if TYPE_CHECKING:
    import duckdb

_COMMENTS = {
    "run_id": "Identifier of the run, unique in the store",
    "name": "Name of the run",
    "n_params": "Model size, unit: parameters",
    "n_tokens": "Training tokens seen by the last step, unit: tokens",
    "compute_flop": "Training compute, unit: FLOP; see compute_rule",
    "loss": "Metric of the run at its last logged step, in the unit of metric_defs.unit; NULL unless loss_status is ok",
    "loss_status": "ok, nan, inf, -inf or missing",
    "step": "Last step at which the metric was logged, unit: steps",
    "metric": "Metric that is shown as loss",
    "corpus": "Corpus that the run was trained on",
    "compute_rule": "Where compute_flop comes from: given by the source, or 6ND",
    "source_id": "Source that the run came from",
}
#: Columns that every ``runs_final`` has, in order.
RUNS_FINAL_COLUMNS = tuple(_COMMENTS)

_SCORES_COMMENTS = {
    "eval_id": "Identifier of the score, unique in the store",
    "model_id": "What was evaluated, as the source tells entries apart",
    "model": "Name of the model; several entries of a source may share it",
    "task": "Name of the task",
    "metric": "What was measured on the task, such as acc",
    "score": "The score, in the unit of score_unit",
    "score_unit": "Unit of score, stderr and chance: share (0 to 1) or points",
    "n_items": "Questions that were asked, unit: questions; NULL where unknown",
    "stderr": "Standard error of the score, in the unit of score_unit; NULL where unknown",
    "harness": "Program or site that ran the evaluation, with its version",
    "task_version": "Version of the task or of its grader",
    "superseded": "Whether a later grading of the same answers replaces it",
    "evaluated_on": "When it was evaluated or submitted",
    "released": "When the model was published",
    "date": "The date that periods are made of: released, else evaluated_on, else the last change of the files",
    "date_rule": "Which of them date is: released, evaluated or modified",
    "compute_flop": "Pretraining compute, unit: FLOP; see compute_rule",
    "log10_compute": "Logarithm of compute_flop to base 10, unit: decades of FLOP",
    "compute_rule": "How the compute was found: given by the source, 6ND, or 6ND of the active parameters",
    "compute_low": "Lower end where sources or ways of counting differ, unit: FLOP",
    "compute_high": "Upper end where sources or ways of counting differ, unit: FLOP",
    "compute_gap": "Between the lowest and the highest compute that sources give this name, unit: decades of FLOP",
    "n_params": "Model size with all experts, unit: parameters; NULL where unknown",
    "n_params_active": "Parameters that one token uses, unit: parameters; NULL where unknown",
    "n_tokens": "Tokens that the base model was pretrained on, unit: tokens",
    "base_model": "Pretrained model that it was made from",
    "organisation": "Who published it",
    "family": "Family of models that it belongs to",
    "type": "Kind of model, in the words of the source",
    "architecture": "Architecture, in the words of the source",
    "merged": "Whether it was merged from others; NULL where the source does not say",
    "moe": "Whether it is a mixture of experts; NULL where the source does not say",
    "flagged": "Whether the source itself warns of it; NULL where the source does not say",
    "concerns": "What does not fit together in the description of the model; NULL where nothing was found",
    "chat_template": "Whether questions were put into the chat template; NULL where the source does not say",
    "filter": "How answers were extracted before scoring",
    "n_shot": "Examples shown in the prompt, unit: examples",
    "chance": "Result of guessing at random, in the unit of score_unit",
    "source_key": "Identifier that the source itself gives the score or its row",
    "source_id": "Source that the score came from",
}
#: Columns that every ``scores`` has, in order.
SCORES_COLUMNS = tuple(_SCORES_COMMENTS)

_VIEW_COMMENTS = {
    "runs_final": "One row a run: size, tokens, compute and the loss at the last logged step, with the kept columns",
    "runs_wide": "One row a run, one column a metric: its value at the last logged step; the 300 that most runs have",
    "frontier": "Runs on the lower envelope of loss over compute, a metric at a time",
    "fit_latest": "The newest fit of each law on each selection of rows",
    "scores": "One row a score: task, metric and score, with the model's compute, size, base model and dates",
    **VALUATION_VIEW_COMMENTS,
}
_HAS_SCORES = "SELECT 1 FROM duckdb_columns() WHERE table_name = 'models' AND column_name = 'source_id'"
# Views of values do not depend on the data, so they are made once: with the tables that they show.
_LACKS_VALUED = (
    "SELECT 1 FROM duckdb_tables() WHERE table_name = 'appraisals' AND NOT internal "
    "AND NOT EXISTS (SELECT 1 FROM duckdb_views() WHERE view_name = 'chosen_examples' AND NOT internal)"
)
#: Metrics that ``runs_wide`` has columns for, and kept columns that are described: both cost their square.
MOST_COLUMNS = 300
_NON_FINITE_TEXT = ("NaN", "Infinity", "-Infinity")


@dataclass(frozen=True)
class KeptColumn:
    """A column of the sources that no mapping names.

    Parameters
    ----------
    name : str
        Name of the column in ``runs_final``.
    key : str
        Name of the column in the source.
    sql_type : str
        ``BOOLEAN``, ``BIGINT``, ``DOUBLE`` or ``VARCHAR``.
    """

    name: str
    key: str
    sql_type: str


def quote_name(name: str) -> str:
    """Write a name as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Write a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def kept_columns(connection: duckdb.DuckDBPyConnection) -> list[KeptColumn]:
    """Find the kept columns of all runs, with the narrowest type that holds all values of each.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An open store.

    Returns
    -------
    list of KeptColumn
        In alphabetical order. A name that is taken already, by a column of ``runs_final`` or by a name that differs
        in case only (SQL does not tell them apart), has a number appended: ``step_2``.
    """
    return _kept_of(connection, "runs", RUNS_FINAL_COLUMNS)


def kept_score_columns(connection: duckdb.DuckDBPyConnection) -> list[KeptColumn]:
    """Find the kept columns of all models and scores; as `kept_columns`, but for ``scores``."""
    both = "(SELECT extra FROM models UNION ALL SELECT extra FROM evals WHERE extra <> '{}')"
    return _kept_of(connection, both, SCORES_COLUMNS)


def _kept_of(connection: duckdb.DuckDBPyConnection, table: str, taken: Sequence[str]) -> list[KeptColumn]:
    found = connection.execute(
        f"""
        SELECT
            entry.key,
            list(DISTINCT CASE
                WHEN entry.type = 'VARCHAR' AND json_extract_string(entry.value, '$') IN (?, ?, ?) THEN 'DOUBLE'
                ELSE entry.type
            END)
        FROM {table} AS kept, json_each(kept.extra) AS entry
        GROUP BY entry.key
        ORDER BY lower(entry.key), entry.key
        """,
        list(_NON_FINITE_TEXT),
    ).fetchall()
    names = _free_names([key for key, _ in found], taken)
    return [
        KeptColumn(name, key, _sql_type(set(json_types))) for name, (key, json_types) in zip(names, found, strict=True)
    ]


def runs_final_sql(columns: list[KeptColumn], metric: str | None = None) -> str:
    """Write the SQL of ``runs_final``.

    Parameters
    ----------
    columns : list of KeptColumn
        Kept columns to show.
    metric : str, optional
        Metric to show as the loss. By default, that of each run.

    Returns
    -------
    str
        A SELECT statement.
    """
    kept = "".join(
        f",\n    CAST(json_extract_string(r.extra, {quote_text(_pointer(column.key))}) AS {column.sql_type})"
        f" AS {quote_name(column.name)}"
        for column in columns
    )
    shown = "r.loss_metric" if metric is None else quote_text(metric)
    return _fill("runs_final", kept=kept, metric=shown)


def scores_sql(columns: list[KeptColumn]) -> str:
    """Write the SQL of ``scores``.

    Parameters
    ----------
    columns : list of KeptColumn
        Kept columns to show.

    Returns
    -------
    str
        A SELECT statement.
    """
    kept = "".join(
        f",\n    CAST(coalesce(json_extract_string(e.extra, {key}), json_extract_string(m.extra, {key}))"
        f" AS {column.sql_type}) AS {quote_name(column.name)}"
        for column in columns
        for key in (quote_text(_pointer(column.key)),)
    )
    return _fill("scores", kept=kept)


def final_value_sql(metric: str) -> str:
    """Write the SQL expression, on rows of ``runs_final``, for the value at which a run's metric ended.

    Parameters
    ----------
    metric : str
        The metric, whether or not it is the one shown as the loss.

    Returns
    -------
    str
        In parentheses. The value of the last logged step, by the rule of ``runs_final``: NaN or infinite where the run
        ended so, NULL where it is missing.
    """
    return _fill("final_value", metric=quote_text(metric))


def refresh_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the views again, for the runs, metrics and fits that are there now.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        An open store, inside the transaction that changed the runs.
    """
    columns = kept_columns(connection)
    metrics = _shown_metrics(connection)
    shown = dict(zip(metrics, _free_names(metrics, ("run_id", "name", "corpus", "n_params", "n_tokens")), strict=True))
    wide = "".join(
        f",\n    any_value(f.value) FILTER (f.metric = {quote_text(metric)}) AS {quote_name(name)}"
        for metric, name in shown.items()
    )
    bodies = {
        "runs_final": runs_final_sql(columns),
        "runs_wide": _fill("runs_wide", wide=wide),
        "frontier": _fill("frontier"),
        "fit_latest": _fill("fit_latest"),
    }
    kept_scores = None
    if connection.execute(_HAS_SCORES).fetchall():  # not yet, while a store is brought up to date
        kept_scores = kept_score_columns(connection)
        bodies["scores"] = scores_sql(kept_scores)
    valued = VALUATION_VIEW_COLUMNS if connection.execute(_LACKS_VALUED).fetchall() else {}
    bodies |= {view: _fill(view) for view in valued}
    for view, body in bodies.items():
        connection.execute(f"CREATE OR REPLACE VIEW {view} AS\n{body}").fetchall()
    runs_final = dict(_COMMENTS)
    runs_final |= _kept_comments(columns)
    comments = {
        "runs_final": runs_final,
        "frontier": runs_final,
        "runs_wide": {name: _COMMENTS[name] for name in ("run_id", "name", "corpus", "n_params", "n_tokens")}
        | {name: f"Metric {metric!r} at its last logged step; unit in metric_defs" for metric, name in shown.items()},
        "fit_latest": _table_comments(connection, "fits"),
        **valued,
    }
    if kept_scores is not None:
        comments["scores"] = _SCORES_COMMENTS | _kept_comments(kept_scores)
    statements = [f"COMMENT ON VIEW {view} IS {quote_text(_VIEW_COMMENTS[view])}" for view in bodies]
    statements += [
        f"COMMENT ON COLUMN {view}.{quote_name(name)} IS {quote_text(text)}"
        for view, texts in comments.items()
        for name, text in texts.items()
    ]
    connection.execute("; ".join(statements)).fetchall()


def _shown_metrics(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Metrics that are columns of ``runs_wide``: all, or those that most runs logged, losses first."""
    metrics = [row[0] for row in connection.execute("SELECT DISTINCT metric FROM metrics ORDER BY 1").fetchall()]
    if len(metrics) <= MOST_COLUMNS:
        return metrics
    rows = connection.execute(
        "SELECT metric FROM metrics LEFT JOIN metric_defs USING (metric) GROUP BY metric "
        "ORDER BY any_value(kind) = 'loss' DESC NULLS LAST, count(DISTINCT run_id) DESC, metric LIMIT ?",
        [MOST_COLUMNS],
    ).fetchall()
    return sorted(row[0] for row in rows)


def _kept_comments(columns: Sequence[KeptColumn]) -> dict[str, str]:
    """What is said of kept columns; the more there are, the dearer is each: a comment copies the whole view."""
    shown = min(MOST_COLUMNS, MOST_COLUMNS**2 // max(len(columns), 1))
    return {column.name: f"Kept from column {column.key!r} of its source; unit as there" for column in columns[:shown]}


def _table_comments(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows = connection.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE NOT internal AND table_name = ?", [table]
    ).fetchall()
    return {name: comment for name, comment in rows if comment is not None}


def _free_names(wanted: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Names for columns, numbered where SQL would take two for the same."""
    used = {name.lower() for name in taken}
    names = []
    for word in (word or "unnamed" for word in wanted):
        name, number = word, 2
        while name.lower() in used:
            name, number = f"{word}_{number}", number + 1
        used.add(name.lower())
        names.append(name)
    return names


def _sql_type(json_types: set[str]) -> str:
    json_types = json_types - {"NULL"}
    if json_types == {"BOOLEAN"}:
        return "BOOLEAN"
    if json_types and json_types <= {"BIGINT", "UBIGINT"}:
        return "BIGINT"
    if json_types and json_types <= {"BIGINT", "UBIGINT", "DOUBLE"}:
        return "DOUBLE"
    return "VARCHAR"


def _pointer(key: str) -> str:
    """JSON pointer to a key of the top level (RFC 6901)."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _fill(view: str, **parts: str) -> str:
    """Fill the placeholders of a view in one pass, so that no part is read as a placeholder itself."""
    return re.sub(r"\{(metric|kept|wide)\}", lambda match: parts[match[1]], _template(view))


@cache
def _template(view: str) -> str:
    text = resources.files("db").joinpath("views.sql").read_text(encoding="utf-8")
    for block in text.split("-- view: ")[1:]:
        name, _, body = block.partition("\n")
        if name == view:
            return "\n".join(line for line in body.strip().splitlines() if not line.startswith("--"))
    raise KeyError(view)
