"""What the input of a law is read from: a column of ``runs_final``, an SQL expression on it, or another metric.

The column ``loss`` of ``runs_final`` is the metric that is fitted, so it is no input: a law of it would be fitted to
itself. Another metric of the same run is written ``metric:NAME``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from db.problems import nearest
from db.views import final_value_sql, quote_name
from scaling.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from db.store import Store
    from scaling.laws.law import Law

#: Columns of ``runs_final`` that the usual names of inputs stand for.
USUAL_COLUMNS = {"N": "n_params", "D": "n_tokens", "C": "compute_flop"}
_METRIC = "metric"
_FITTED = "loss"  # the column of runs_final that shows the metric that is fitted


@dataclass(frozen=True)
class Column:
    """What an input is read from.

    Parameters
    ----------
    name : str
        As it is kept with a fit: a column of ``runs_final``, an expression in parentheses, or ``metric:NAME``.
    sql : str
        Its SQL, on rows of ``runs_final``.
    metric : str, optional
        The metric, where it is one.
    unit : str
        Of that metric; the one that the law declares, as assumed, where the store knows none.
    """

    name: str
    sql: str
    metric: str | None = None
    unit: str = ""


def usual_column(text: str, known: Sequence[str]) -> str | None:
    """Find the column that a text names.

    Parameters
    ----------
    text : str
        What was typed: a column in any case, or ``N``, ``D`` or ``C``.
    known : sequence of str
        Columns of ``runs_final``.

    Returns
    -------
    str or None
        None where it names no column. A column of the very name comes before what the letter stands for.
    """
    lower = {name.lower(): name for name in known}
    return lower.get(text.lower()) or lower.get(USUAL_COLUMNS.get(text, text).lower())


def column_of(name: str) -> Column:
    """Read a column as it is kept with a fit (`Column.name`); its unit is not kept there."""
    if name.startswith("("):
        return Column(name, name)
    prefix, colon, metric = name.partition(":")
    if colon and prefix == _METRIC:
        return Column(name, final_value_sql(metric), metric)
    return Column(name, quote_name(name))


def check_expression(text: str, what: str, example: str) -> None:
    """Refuse text that is not one SQL expression: a second statement, or a bracket closed to go on behind it.

    Parameters
    ----------
    text : str
        What was typed.
    what : str
        The option, for the message.
    example : str
        How it could look.

    Raises
    ------
    UsageError
        For any other text.
    """
    import duckdb

    try:
        duckdb.SQLExpression(text)
    except (duckdb.Error, TypeError) as error:  # the type error is for text that is no Unicode
        why = str(error).splitlines()[0].removeprefix("Parser Error: ")
        raise UsageError(f"{what} takes one SQL expression, not '{text}': {why}.", f"Such as: {example}") from error


def input_columns(store: Store, law: Law, chosen: Mapping[str, str], base: str, fitted: str) -> dict[str, Column]:
    """Find what each input of a law is read from.

    Parameters
    ----------
    store : Store
        An open store.
    law : Law
        Whose inputs they are.
    chosen : mapping of str to str
        What was typed for some of them: a column, an SQL expression, or ``metric:NAME``.
    base : str
        SQL of ``runs_final``.
    fitted : str
        The metric that is fitted.

    Returns
    -------
    dict of str to Column
        In the order of the law's inputs.

    Raises
    ------
    UsageError
        For an input that the law does not have, that nothing gives, or that is the fitted metric itself.
    """
    if odd := [name for name in chosen if name not in law.inputs]:
        raise UsageError(f"The law '{law.name}' has no input '{odd[0]}'.", did_you_mean(odd[0], law.inputs))
    known, _ = store.query(f"SELECT * FROM ({base}) LIMIT 0")
    _, rows = store.query("SELECT metric, kind, unit FROM metric_defs ORDER BY metric")
    metrics = {metric: (kind, unit) for metric, kind, unit in rows}
    others = [metric for metric in metrics if metric != fitted]
    found = {}
    for name in law.inputs:
        column = _chosen(name, chosen[name], known, list(metrics)) if name in chosen else _by_name(name, known)
        if column is None:
            raise UsageError(
                f"The law '{law.name}' needs the input '{name}', and runs_final has no column of that name.",
                f"Say which column it is: --input {name}=compute_flop. "
                + did_you_mean(name, [column for column in known if column != _FITTED])
                + (f" Or which metric: --input {name}=metric:{others[0]}. {nearest(name, others)}" if others else ""),
            )
        if column.metric == fitted or _reads_the_loss(store, column, base):
            typed = f"--input {name}={chosen[name]}" if name in chosen else f"The input '{name}'"
            raise _itself(typed, name, fitted, others)
        if column.metric is not None:
            column = replace(column, unit=_unit(*metrics[column.metric], law.inputs[name]))
        found[name] = column
    return found


def _itself(typed: str, name: str, fitted: str, others: Sequence[str]) -> UsageError:
    """Say that an input would be the fitted metric, and which other metrics there are."""
    shown = "" if fitted == _FITTED else f", which runs_final shows as {_FITTED}"
    hint = "The store has no other metric. A mapping file can name several of them, under [metrics]."
    if others:
        hint = f"Name another metric: --input {name}=metric:{others[0]}. {nearest('', others)}"
    return UsageError(
        f"{typed} is read from the metric that is fitted ({fitted}{shown}), so the law would be fitted to itself.", hint
    )


def _unit(kind: str, known: str, declared: str) -> str:
    """Unit of a metric; where nobody said one, that which the law declares, as assumed, or at least its kind."""
    if known != "unknown":
        return known
    if declared and not declared.startswith("any"):
        return f"{declared.removesuffix(', assumed')}, assumed"
    return "loss of unknown unit" if kind == "loss" else declared


def _by_name(name: str, known: Sequence[str]) -> Column | None:
    lower = {k.lower(): k for k in known}
    for candidate in (USUAL_COLUMNS.get(name, name), name):
        if column := lower.get(candidate.lower()):
            return Column(column, quote_name(column))
    return None


def _chosen(name: str, text: str, known: Sequence[str], metrics: Sequence[str]) -> Column:
    prefix, colon, rest = (part.strip() for part in text.partition(":"))
    if colon and prefix.lower() == _METRIC and not rest.startswith(":"):  # metric::VARCHAR is a cast
        quoted = len(rest) > 1 and rest[0] == rest[-1] == '"'
        metric = rest[1:-1].replace('""', '"') if quoted and rest not in metrics else rest
        if metric not in metrics:
            raise UsageError(f"No run in the store has the metric '{metric}'.", nearest(metric, metrics))
        return Column(f"{_METRIC}:{metric}", final_value_sql(metric), metric)
    if column := usual_column(text, known):
        return Column(column, quote_name(column))
    check_expression(text, "--input", f"{name}=n_params, {name}=n_tokens / n_params, or {name}=metric:NAME")
    return Column(f"({text})", f"({text})")


def _reads_the_loss(store: Store, column: Column, base: str) -> bool:
    """Whether SQL refers to the column that shows the fitted metric: it means nothing without that column."""
    if not column.name.startswith("("):
        return column.name == _FITTED
    sources = [f"(SELECT * FROM ({base})) AS runs_final", f"(SELECT * EXCLUDE ({_FITTED}) FROM ({base})) AS runs_final"]
    whole, without = (_binds(store, f"SELECT {column.sql} FROM {source} LIMIT 0") for source in sources)
    return whole and not without


def _binds(store: Store, sql: str) -> bool:
    try:
        store.query(sql)
    except UsageError:
        return False
    return True
