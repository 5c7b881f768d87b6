"""Rows of the store for approaches 1, 2 and 3: runs with their budgets, and their checkpoints with the tokens so far.

The store does not know learning-rate schedules. What it knows is where a run ended: a loss last logged before the
run's own last token, or before the tokens that a column says were planned, is from the middle of a schedule, and so is
every checkpoint.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from db.columns import check_expression, usual_column
from db.select import Excluded, Question, Selection, select
from db.views import quote_name
from scaling.errors import InputDataError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from db.store import Store

_SETS = ("corpus", "experiment")  # columns whose values tell data sets apart
_COMPLETE = 0.99  # of the tokens planned: a run that got so far counts as finished


@dataclass(frozen=True)
class BudgetRows:
    """Runs and checkpoints, as `scaling.compare_approaches` takes them.

    Parameters
    ----------
    run_ids : tuple of str (n,)
        Run of each row.
    n_params, n_tokens, loss : ndarray (n,)
        The rows; the last row of a run is its end.
    compute_flop : ndarray (n,) or None
        Compute as the source, or a column, gives it; None where it is 6 N D for all.
    mid_schedule : ndarray of bool (n,)
        Rows from before the end of a schedule. Of checkpoints only those that are the last of their run are flagged:
        that they are checkpoints is said by their number.
    pooled : dict of str to tuple of str
        Columns, of ``corpus`` and ``experiment``, of which the rows hold several values, with these.
    selection : Selection
        The runs that were selected, with the SQL, and what was left out.
    excluded : tuple of Excluded
        Runs left out here, beside those of `selection`.
    """

    run_ids: tuple[str, ...]
    n_params: NDArray[np.float64]
    n_tokens: NDArray[np.float64]
    loss: NDArray[np.float64]
    compute_flop: NDArray[np.float64] | None
    mid_schedule: NDArray[np.bool_]
    selection: Selection
    excluded: tuple[Excluded, ...]
    pooled: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def warnings(self) -> list[str]:
        """Say which corpora or experiments are pooled, as if they were one; empty where there is one."""
        return [
            f"The rows hold {len(values)} values of {column} ({', '.join(values[:3])}"
            f"{', ...' if len(values) > 3 else ''}), pooled as if they were one; "
            f"--where \"{column} = '...'\" takes one."
            for column, values in self.pooled.items()
        ]

    def about(self, store: str, where: str | None = None) -> str:
        """Name the data: rows, runs, store, metric and condition."""
        runs = format_plural(len(set(self.run_ids)), "run")
        condition = f", where {where}" if where else ""
        return (
            f"Data: {format_plural(len(self.run_ids), 'row')} of {runs} of {store}, {self.selection.metric}{condition}."
        )

    def left_out(self) -> dict[str, int]:
        """Count the runs left out, by reason."""
        counts = self.selection.reasons()
        for row in self.excluded:
            counts[row.reason] = counts.get(row.reason, 0) + 1
        return counts


def budget_rows(
    store: Store,
    *,
    metric: str | None = None,
    where: str | None = None,
    budget_column: str | None = None,
    planned_column: str | None = None,
) -> BudgetRows:
    """Select runs, their budgets and their checkpoints.

    Parameters
    ----------
    store : Store
        An open store.
    metric, where : str, optional
        As of `db.select.Question`.
    budget_column : str, optional
        Column of ``runs_final``, or SQL expression, that holds the compute of a run or the budget that it belongs to;
        N, D and C stand for their columns, as in laws. By default ``compute_flop``, where any run has it from its
        source.
    planned_column : str, optional
        Column or expression with the tokens that a run's schedule was planned for.

    Returns
    -------
    BudgetRows
        In the order of the run ids, and of the tokens within a run.

    Raises
    ------
    UsageError
        For a condition or column that is no SQL or is not there.
    InputDataError
        Where no run is left.
    """
    import numpy as np

    from scaling.laws.book import find_law

    # Any law of N and D would select the same runs.
    chosen = select(store, find_law("chinchilla"), Question(metric=metric, where=where), positive=True)
    base = store.runs_final_sql(metric) if metric else "SELECT * FROM runs_final"
    known, _ = store.query(f"SELECT * FROM ({base}) LIMIT 0")
    budget = _expression(budget_column, "--budget-column", "compute_flop", known)
    planned = _expression(planned_column, "--planned-column", "planned_tokens", known)
    seen_sql = "(SELECT r.n_tokens FROM runs AS r WHERE r.run_id = f.run_id)"
    parts = ["f.run_id", budget or "f.compute_flop", "f.compute_rule", planned or "NULL", seen_sql]
    _, found = store.query(f"SELECT {', '.join(parts)} FROM ({base}) AS f")
    facts = {str(run_id): rest for run_id, *rest in found}
    _, logged = store.query(
        "SELECT run_id, tokens, value FROM metrics WHERE metric = ? AND value_status = 'ok' AND tokens > 0 "
        "AND value > 0 ORDER BY run_id, tokens",
        [chosen.metric],
    )
    earlier: dict[str, list[tuple[float, float]]] = {}
    for run_id, tokens, value in logged:
        earlier.setdefault(str(run_id), []).append((float(tokens), float(value)))

    given = budget is not None or any(facts[run_id][1] == "given" for run_id in chosen.run_ids)
    rows: list[tuple[str, float, float, float, float, bool]] = []
    excluded = []
    for i, run_id in enumerate(chosen.run_ids):
        n, d, y = float(chosen.inputs["N"][i]), float(chosen.inputs["D"][i]), float(chosen.observed[i])
        flop, _, plan, seen = facts[run_id]
        cost = _number(flop, budget_column or "compute_flop", run_id)
        if given and cost is None:
            excluded.append(Excluded(run_id, f"{budget_column or 'compute_flop'} is missing or not positive"))
            continue
        goal = max(_number(plan, planned_column or "", run_id) or 0.0, float(seen or 0.0))
        for tokens, value in earlier.get(run_id, []):
            if tokens < d:
                rows.append((run_id, n, tokens, value, (cost or math.nan) * tokens / d, False))
        rows.append((run_id, n, d, y, cost or math.nan, d < _COMPLETE * goal))
    if not rows:
        raise InputDataError(
            f"None of the {format_plural(len(chosen), 'run')} has a budget: {excluded[0].reason}.",
            "Name the column that holds it: --budget-column compute_flop.",
        )
    ids, n_params, n_tokens, loss, compute, early = zip(*rows, strict=True)
    return BudgetRows(
        run_ids=ids,
        n_params=np.array(n_params),
        n_tokens=np.array(n_tokens),
        loss=np.array(loss),
        compute_flop=np.array(compute) if given else None,
        mid_schedule=np.array(early, dtype=bool),
        selection=chosen,
        excluded=tuple(excluded),
        pooled=_pooled(store, base, known, set(ids)),
    )


def _pooled(store: Store, base: str, known: list[str], used: set[str]) -> dict[str, tuple[str, ...]]:
    """Values of the columns that tell data sets apart, where there are several among the runs used."""
    names = {name.lower(): name for name in known}
    out = {}
    for column in _SETS:
        if column not in names:
            continue
        _, found = store.query(f"SELECT f.run_id, f.{quote_name(names[column])} FROM ({base}) AS f")
        values = {str(value) for run_id, value in found if str(run_id) in used and value is not None}
        if len(values) > 1:
            out[column] = tuple(sorted(values))
    return out


def _expression(text: str | None, option: str, example: str, known: list[str]) -> str | None:
    """A column of runs_final, quoted, or an SQL expression on it."""
    if text is None:
        return None
    if column := usual_column(text, known):
        return f"f.{quote_name(column)}"
    check_expression(text, option, example)
    return f"({text})"


def _number(value: Any, column: str, run_id: str) -> float | None:
    """Read a positive number; None where there is none."""
    if value is None:
        return None
    try:
        out = float(value)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"The column {column} holds '{value}' (run {run_id}), which is not a number.") from error
    return out if math.isfinite(out) and out > 0 else None
