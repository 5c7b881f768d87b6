"""Choose the rows that a law is fitted to, and say which were left out and why."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from db.columns import USUAL_COLUMNS, Column, check_expression, column_of, input_columns
from db.views import quote_name
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from db.store import Store
    from scaling.laws.law import Law


@dataclass(frozen=True)
class Excluded:
    """A run that was looked at and left out.

    Parameters
    ----------
    run_id : str
        Which.
    reason : str
        Why.
    group : str, optional
        Value of the column that the rows are split by.
    """

    run_id: str
    reason: str
    group: str | None = None


@dataclass(frozen=True)
class Selection:
    """The rows of a fit.

    Parameters
    ----------
    run_ids : tuple of str (n,)
        One a row.
    inputs : dict of str to ndarray (n,)
        One column an input of the law, natural units.
    observed : ndarray (n,)
        The loss.
    clusters : tuple of str (n,), optional
        Which cluster each row belongs to.
    groups : tuple of str (n,), optional
        Value of the column that the rows are split by.
    sql : str
        What was asked of the store.
    sha256 : str
        Of the sorted values.
    excluded : tuple of Excluded
        Rows that the SQL selected and no law can use.
    not_selected : int
        Runs that the condition left out.
    columns : dict of str to str
        Column, SQL expression in parentheses, or ``metric:NAME`` of each input.
    metric : str
        The metric that is taken as the loss.
    units : dict of str to str
        Unit of each input that is a metric.
    order : ndarray (n,), optional
        What rows are held out by in a back-test, where the inputs do not say it.
    members : tuple of tuple of str (n,), optional
        The runs behind each row, where a row is of several.
    """

    run_ids: tuple[str, ...]
    inputs: dict[str, NDArray[np.float64]]
    observed: NDArray[np.float64]
    sql: str
    sha256: str
    excluded: tuple[Excluded, ...]
    not_selected: int
    columns: dict[str, str]
    metric: str
    units: dict[str, str] = field(default_factory=dict)
    clusters: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    order: NDArray[np.float64] | None = None
    members: tuple[tuple[str, ...], ...] | None = None

    def __len__(self) -> int:
        return len(self.run_ids)

    @property
    def runs(self) -> tuple[str, ...]:
        """All runs behind the rows, each once: the rows themselves, or the members of each."""
        if self.members is None:
            return self.run_ids
        return tuple(dict.fromkeys(run for row in self.members for run in row))

    def take(self, value: str) -> Selection:
        """Return the rows of one group and what was left out of it; a run without a value counts with every group."""
        import numpy as np

        assert self.groups is not None
        rows = np.flatnonzero(np.array(self.groups) == value)
        ids = tuple(self.run_ids[i] for i in rows)
        inputs = {k: v[rows] for k, v in self.inputs.items()}
        return Selection(
            run_ids=ids,
            inputs=inputs,
            observed=self.observed[rows],
            sql=self.sql,
            sha256=hash_rows(ids, inputs, self.observed[rows]),
            excluded=tuple(e for e in self.excluded if e.group in (None, value)),
            not_selected=self.not_selected,
            columns=self.columns,
            metric=self.metric,
            units=self.units,
            clusters=None if self.clusters is None else tuple(self.clusters[i] for i in rows),
            order=None if self.order is None else self.order[rows],
            members=None if self.members is None else tuple(self.members[i] for i in rows),
        )

    def reasons(self) -> dict[str, int]:
        """Count the rows left out, by reason."""
        counts: dict[str, int] = {}
        if self.not_selected:
            counts["not selected by the condition"] = self.not_selected
        for row in self.excluded:
            counts[row.reason] = counts.get(row.reason, 0) + 1
        return counts


@dataclass(frozen=True)
class Question:
    """What to fit to: everything that chooses rows.

    Parameters
    ----------
    metric : str, optional
        Metric to take as the loss; that of each run's ingest where missing.
    where : str, optional
        SQL condition on the columns of ``runs_final``.
    inputs : mapping of str to str
        Column, SQL expression or ``metric:NAME`` for each input that has no usual one.
    by : str, optional
        Column to fit each value of by itself.
    cluster : str, optional
        Column whose values are resampled whole.
    coarse : bool, default False
        Take losses that their log printed with three digits or fewer, each of them up to 0.5 % off.
    """

    metric: str | None = None
    where: str | None = None
    inputs: Mapping[str, str] = field(default_factory=dict)
    by: str | None = None
    cluster: str | None = None
    coarse: bool = False


# A loss that its log printed with three digits is 0.5 % off, more than what a fit looks for.
_COARSE = (
    "EXISTS (SELECT 1 FROM metrics AS printed WHERE printed.run_id = runs_final.run_id AND printed.metric = "
    "runs_final.metric AND printed.step IS NOT DISTINCT FROM runs_final.step AND printed.significant_digits <= 3)"
)
_COARSE_REASON = "the loss was printed with three digits or fewer (--coarse takes it)"


class _Row(NamedTuple):
    """One run as the store gives it."""

    run_id: str
    inputs: tuple[Any, ...]
    observed: float | None
    status: str
    group: str | None
    cluster: str | None


def select(store: Store, law: Law, question: Question, *, positive: bool) -> Selection:
    """Select the rows to fit a law to.

    Parameters
    ----------
    store : Store
        An open store.
    law : Law
        Which inputs are needed.
    question : Question
        Which rows.
    positive : bool
        Whether the loss must be positive (residuals are of logarithms).

    Returns
    -------
    Selection
        In the order of the run ids.

    Raises
    ------
    UsageError
        For a condition that is no SQL, a column that is not there, an input that no column gives.
    InputDataError
        Where no row is left, or a column holds text.
    """
    base = store.runs_final_sql(question.metric) if question.metric else "SELECT * FROM runs_final"
    source = "runs_final" if not question.metric else f"({base}) AS runs_final"
    if question.where is not None:
        check_expression(question.where, "--where", "corpus = 'web' AND n_params > 1e8")
    condition = f"\nWHERE ({question.where}\n)" if question.where else ""
    metric = _one_metric(store, f"SELECT DISTINCT metric FROM {source}{condition}", question.metric)
    columns = input_columns(store, law, question.inputs, base, metric)
    coarse = [] if question.coarse else _coarse_runs(store, source, condition)
    if coarse:
        condition = f"{condition} AND NOT {_COARSE}" if condition else f"\nWHERE NOT {_COARSE}"
    parts = [("run_id", "run_id"), *((name, column.sql) for name, column in columns.items())]
    parts += [("observed", "loss"), ("status", "loss_status")]
    labels = (("by", question.by), ("cluster", question.cluster))
    parts += [(name, f"CAST({quote_name(column)} AS VARCHAR)") for name, column in labels if column]
    listed = ", ".join(f"{part} AS {quote_name(name)}" for name, part in parts)
    sql = f"SELECT {listed}\nFROM {source}{condition}\nORDER BY 1"
    _, rows = store.query(sql)
    _, [(total,)] = store.query(f"SELECT count(*) FROM ({base})")
    found = [_row(row, law, question) for row in rows]
    if coarse and not found:
        raise InputDataError(
            f"The losses of all {len(coarse)} runs selected were printed with three digits or fewer, so each is up to "
            "0.5 % off.",
            "Read the tracker of these runs and not their text logs, or fit to them all the same: --coarse",
        )
    chosen = _clean(law, found, columns, sql, total - len(rows) - len(coarse), positive, question, metric)
    _check_not_itself(chosen)
    left_out = tuple(Excluded(run_id, _COARSE_REASON) for run_id in coarse)
    return replace(chosen, excluded=(*chosen.excluded, *left_out)) if left_out else chosen


def _coarse_runs(store: Store, source: str, condition: str) -> list[str]:
    """Runs that are selected, and whose last loss has too few digits to be fitted."""
    _, [(any_such,)] = store.query("SELECT count(*) > 0 FROM metrics WHERE significant_digits <= 3")
    if not any_such:
        return []
    where = f"{condition} AND {_COARSE}" if condition else f" WHERE {_COARSE}"
    _, rows = store.query(f"SELECT run_id FROM {source}{where} ORDER BY 1")
    return [str(run_id) for (run_id,) in rows]


def select_by_sql(
    store: Store, law: Law, question: Question, sql: str, columns: dict[str, str], metric: str, *, positive: bool
) -> Selection:
    """Select rows by an SQL text that `select` wrote once, and not by asking its question anew.

    Parameters
    ----------
    store : Store
        An open store.
    law : Law
        Which inputs are needed.
    question : Question
        What the text was written for; tells which columns it gives.
    sql : str
        The text: `Selection.sql`. It is run so that it can write nothing (`db.query.run_select`).
    columns, metric
        Of the selection then.
    positive : bool
        As for `select`.

    Returns
    -------
    Selection

    Raises
    ------
    UsageError
        Where the text is no SELECT, fails, or gives other columns.
    InputDataError
        Where no row is left, or a column holds text.
    """
    from db.query import run_select

    labels = [name for name, column in (("by", question.by), ("cluster", question.cluster)) if column]
    wanted = ["run_id", *law.inputs, "observed", "status", *labels]
    named, rows = run_select(store, sql)
    if named != wanted:
        raise UsageError(f"It gives the columns {', '.join(named)}, and not {', '.join(wanted)}.")
    _, [(total,)] = store.query("SELECT count(*) FROM runs")
    found = [_row(row, law, question) for row in rows]
    kept = {name: column_of(column) for name, column in columns.items()}
    return _clean(law, found, kept, sql, total - len(rows), positive, question, metric)


def shut_out_files(store: Store) -> None:
    """Let conditions and inputs reach nothing outside the store, until it is closed.

    A fit whose rows depend on another file could not be checked later. The store itself can still be written.

    Parameters
    ----------
    store : Store
        An open store.
    """
    store.query("SET enable_external_access = false")


def _one_metric(store: Store, sql: str, chosen: str | None) -> str:
    """Refuse to fit different metrics as if they were one."""
    _, rows = store.query(sql)
    names = sorted(str(row[0]) for row in rows)
    if len(names) > 1:
        raise UsageError(
            f"The runs show different metrics as their loss: {', '.join(names)}.",
            f"Choose one: --metric {names[0]}, or select the runs of one with --where.",
        )
    return names[0] if names else chosen or "loss"


def _check_not_itself(rows: Selection) -> None:
    """Refuse an input that has the values of the metric that is fitted, whatever way it was written."""
    import numpy as np

    for name, values in rows.inputs.items():
        if len(rows) > 1 and np.array_equal(values, rows.observed):
            raise UsageError(
                f"The input '{name}' has the very values of the metric that is fitted ({rows.metric}) in all "
                f"{len(rows)} rows, so the law would be fitted to itself.",
                f"Name another metric: --input {name}=metric:NAME. See them with: scaling ls --what metrics",
            )


def _row(values: Sequence[Any], law: Law, question: Question) -> _Row:
    """Name the values of a row by their place: an input of a law may be called like any of the others."""
    n = len(law.inputs)
    run_id, inputs, (observed, status, *labels) = values[0], values[1 : 1 + n], values[1 + n :]
    group = labels.pop(0) if question.by else None
    cluster = labels.pop(0) if question.cluster else None
    return _Row(str(run_id), tuple(inputs), observed, status, group, cluster)


def _clean(
    law: Law,
    rows: Sequence[_Row],
    columns: Mapping[str, Column],
    sql: str,
    not_selected: int,
    positive: bool,
    question: Question,
    metric: str,
) -> Selection:
    import numpy as np

    reasons = [_reason(row, columns, positive, question) for row in rows]
    kept = [row for row, reason in zip(rows, reasons, strict=True) if reason is None]
    excluded = [Excluded(row.run_id, reason, row.group) for row, reason in zip(rows, reasons, strict=True) if reason]
    if not kept:
        _raise_empty(rows, excluded, question)
    inputs = {name: np.array([float(row.inputs[i]) for row in kept]) for i, name in enumerate(law.inputs)}
    observed = np.array([row.observed for row in kept], dtype=float)
    ids = tuple(row.run_id for row in kept)
    return Selection(
        run_ids=ids,
        inputs=inputs,
        observed=observed,
        sql=sql,
        sha256=hash_rows(ids, inputs, observed),
        excluded=tuple(excluded),
        not_selected=not_selected,
        columns={name: column.name for name, column in columns.items()},
        metric=metric,
        units={name: column.unit for name, column in columns.items() if column.unit},
        clusters=tuple(str(row.cluster) for row in kept) if question.cluster else None,
        groups=tuple(str(row.group) for row in kept) if question.by else None,
    )


def _reason(row: _Row, columns: Mapping[str, Column], positive: bool, question: Question) -> str | None:
    """Why no law can use a row; None where one can."""
    if row.status != "ok":
        return f"the loss is {row.status}"
    if bad := _bad_input(row, columns):
        return bad
    if positive and row.observed is not None and row.observed <= 0:
        return "the loss is not positive, so it has no logarithm"
    labels = ((question.by, row.group), (question.cluster, row.cluster))
    return next((f"{column} is missing" for column, value in labels if column and value is None), None)


def _bad_input(row: _Row, columns: Mapping[str, Column]) -> str | None:
    """What is wrong with the inputs of a row."""
    import math

    for (name, column), value in zip(columns.items(), row.inputs, strict=True):
        what = name if column.metric is None else f"the metric {column.metric}"
        if value is None:
            return f"{what} is missing"
        try:
            number = float(value)
        except (TypeError, ValueError) as error:
            raise InputDataError(
                f"The column for '{name}' holds '{value}' (run {row.run_id}), which is not a number.",
                'Choose another column with --input, or convert it: --input "x=TRY_CAST(column AS DOUBLE)".',
            ) from error
        if not math.isfinite(number):
            return f"{what} is {number}"
        if name in USUAL_COLUMNS and number <= 0:
            return f"{name} is not positive"
    return None


def _raise_empty(rows: Sequence[Any], excluded: Sequence[Excluded], question: Question) -> None:
    if not rows:
        found = f"No run meets the condition {question.where}." if question.where else "The store has no runs."
        raise InputDataError(found, "See what there is with: scaling ls")
    first = excluded[0]
    raise InputDataError(
        f"None of the {len(rows)} runs selected can be fitted: of run {first.run_id}, {first.reason}.",
        "See the runs with: scaling sql 'SELECT * FROM runs_final'",
    )


def hash_rows(run_ids: Sequence[str], inputs: Mapping[str, NDArray[np.float64]], observed: NDArray[np.float64]) -> str:
    """Hash the rows of a fit, whatever their order: SHA-256 of the sorted run ids and exact values."""
    lines = sorted(
        "\t".join([run_id, *(float(column[i]).hex() for column in (*inputs.values(), observed))])
        for i, run_id in enumerate(run_ids)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
