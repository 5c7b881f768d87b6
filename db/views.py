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

_VIEW_COMMENTS = {
    "runs_final": "One row a run: size, tokens, compute and the loss at the last logged step, with the kept columns",
    "runs_wide": "One row a run, one column a metric: its value at the last logged step",
    "frontier": "Runs on the lower envelope of loss over compute, a metric at a time",
    "fit_latest": "The newest fit of each law on each selection of rows",
}
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
    found = connection.execute(
        """
        SELECT
            entry.key,
            list(DISTINCT CASE
                WHEN entry.type = 'VARCHAR' AND json_extract_string(entry.value, '$') IN (?, ?, ?) THEN 'DOUBLE'
                ELSE entry.type
            END)
        FROM runs, json_each(runs.extra) AS entry
        GROUP BY entry.key
        ORDER BY lower(entry.key), entry.key
        """,
        list(_NON_FINITE_TEXT),
    ).fetchall()
    names = _free_names([key for key, _ in found], RUNS_FINAL_COLUMNS)
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
    metrics = [row[0] for row in connection.execute("SELECT DISTINCT metric FROM metrics ORDER BY 1").fetchall()]
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
    for view, body in bodies.items():
        connection.execute(f"CREATE OR REPLACE VIEW {view} AS\n{body}").fetchall()
    runs_final = dict(_COMMENTS)
    runs_final |= {column.name: f"Kept from column {column.key!r} of its source; unit as there" for column in columns}
    comments = {
        "runs_final": runs_final,
        "frontier": runs_final,
        "runs_wide": {name: _COMMENTS[name] for name in ("run_id", "name", "corpus", "n_params", "n_tokens")}
        | {name: f"Metric {metric!r} at its last logged step; unit in metric_defs" for metric, name in shown.items()},
        "fit_latest": _table_comments(connection, "fits"),
    }
    statements = [f"COMMENT ON VIEW {view} IS {quote_text(text)}" for view, text in _VIEW_COMMENTS.items()]
    statements += [
        f"COMMENT ON COLUMN {view}.{quote_name(name)} IS {quote_text(text)}"
        for view, texts in comments.items()
        for name, text in texts.items()
    ]
    connection.execute("; ".join(statements)).fetchall()


def _table_comments(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows = connection.execute(
        "SELECT column_name, comment FROM duckdb_columns() WHERE NOT internal AND table_name = ?", [table]
    ).fetchall()
    return {name: comment for name, comment in rows if comment is not None}


def _free_names(wanted: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Names for columns, numbered where SQL would take two for the same."""
    used = {name.lower() for name in taken}
    names = []
    for word in wanted:
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
