"""What losses are worth in random tokens under a saved law: single losses, those of a table, or those of runs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from db.readers.columns import ColumnReader
from db.readers.table import read_table
from db.saved import SavedFit, load_fit, unchanged_rows
from db.sweeps import check_column, number_of, runs_sql
from scaling.errors import InputDataError, ScalingError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from db.store import Store
    from scaling.results import Fit
    from scaling.valuation.equivalence.across_sizes import SizeTrend
    from scaling.valuation.equivalence.worth_result import Worth

COLUMNS = {"loss": "loss", "N": "n_params", "D": "n_tokens"}


@dataclass(frozen=True)
class Measured:
    """A loss, and the run that gave it.

    Parameters
    ----------
    run : str or None
        Which; None for a loss that was typed.
    loss : float
        Its loss.
    n_params, n_tokens : float or None
        N and D of the run; None where unknown.
    """

    run: str | None
    loss: float
    n_params: float | None
    n_tokens: float | None


@dataclass(frozen=True)
class WorthAnswer:
    """What losses are worth.

    Parameters
    ----------
    saved : SavedFit
        The law of random data.
    runs : tuple of str or None
        Which run each loss is of.
    worths : tuple of Worth
        One a loss.
    trend : SizeTrend or None
        Over the sizes; None where there is none to speak of.
    no_trend : str or None
        Why.
    excluded : dict of str to int
        Runs left out, by reason.
    """

    saved: SavedFit
    runs: tuple[str | None, ...]
    worths: tuple[Worth, ...]
    trend: SizeTrend | None
    no_trend: str | None
    excluded: dict[str, int] = field(default_factory=dict)

    @property
    def verdicts(self) -> list[str]:
        """Of the fit, and of each answer."""
        return [self.saved.fit.verdict, *(one.verdict for one in self.worths)]


def losses_of_table(path: str | Path) -> list[Measured]:
    """Read losses across sizes from a table.

    Parameters
    ----------
    path : str or Path
        With the columns ``n_params loss n_tokens``, and ``run`` where runs have names.

    Returns
    -------
    list of Measured

    Raises
    ------
    UsageError
        For a column that is missing.
    InputDataError
        For a cell that is no number.
    """
    reader = ColumnReader(read_table(path))
    read = {key: reader.numbers(column, "--across", full=True) for key, column in COLUMNS.items()}
    names: Sequence[str | None] = [None] * len(read["loss"])
    for column in ("run", "run_id"):
        if column in reader.table.columns:
            names = reader.texts(column, "--across")
    return [
        Measured(name, float(loss), float(n), float(d))
        for name, loss, n, d in zip(names, read["loss"], read["N"], read["D"], strict=True)
    ]


def losses_of_runs(
    store: Store, saved: SavedFit, where: str, tokens: str | None
) -> tuple[list[Measured], Counter[str]]:
    """Read the losses of runs of the store, by the columns and the metric that the law was fitted to.

    Parameters
    ----------
    store : Store
        An open store.
    saved : SavedFit
        The law.
    where : str
        Condition on columns of ``runs_final``.
    tokens : str, optional
        Input of the law that holds tokens.

    Returns
    -------
    list of Measured
        In the order of the runs' names.
    Counter
        Runs that have no loss, size or tokens, by reason.
    """
    from db.query import run_select
    from scaling.valuation.equivalence.token_curve import SOURCES, token_input

    if saved.pairs is not None or saved.of_scores:
        raise UsageError(f"The fit '{saved.name}' is not of single runs, so runs of the store are worth nothing by it.")
    sized = "N" in saved.fit.law.inputs
    sources = SOURCES in saved.fit.settings
    columns = {
        "N": saved.columns.get("N", "n_params") if sized else "n_params",
        "D": "n_tokens" if sources else saved.columns.get(token_input(saved.fit, tokens), "n_tokens"),
    }
    sql = {}
    for name, text in columns.items():
        if text.startswith("metric:"):
            raise UsageError(f"{name} is the metric {text[7:]}, which --runs does not read.", "Give a table: --across")
        sql[name] = check_column(store, text, f"the input {name}")
    names, rows = run_select(
        store,
        runs_sql(store, batch=f"TRY_CAST({sql['D']} AS DOUBLE)", where=where, metric=saved.metric,
                 settings={"N": f"TRY_CAST({sql['N']} AS DOUBLE)"}),
    )  # fmt: skip
    place = {name: j for j, name in enumerate(names)}
    kept, left = [], Counter[str]()
    for row in rows:
        loss, status = number_of(row[place["value"]]), row[place["status"]]
        n, d = number_of(row[place["set_N"]]), number_of(row[place["batch"]])
        if status != "ok" or not math.isfinite(loss):
            left[f"{saved.metric} is {status}"] += 1
        elif sized and not (math.isfinite(n) and n > 0):
            left[f"no {columns['N']}"] += 1
        elif not (math.isfinite(d) and d > 0):
            left[f"no {columns['D']}"] += 1
        else:
            kept.append(Measured(str(row[place["run_id"]]), loss, n if n > 0 else None, d))
    if not kept:
        why = "; ".join(f"{count} x {reason}" for reason, count in left.items()) or "the condition selects none"
        raise InputDataError(f"No run can be valued: {why}.", "See what there is with: scaling ls")
    return kept, left


def worths_of(
    store: Store,
    name: str,
    losses: Sequence[Measured] | None = None,
    *,
    where: str | None = None,
    loss_se: float | None = None,
    level: float = 0.9,
    method: str | None = None,
    at: Mapping[str, float] | None = None,
    tokens: str | None = None,
    seed: int = 0,
    force: bool = False,
    need_trend: bool = False,
) -> WorthAnswer:
    """Say what losses are worth.

    Parameters
    ----------
    store : Store
        An open store.
    name : str
        Of the fit.
    losses : sequence of Measured, optional
        The losses; those of runs of the store where missing.
    where : str, optional
        Which runs.
    loss_se, level, method, at, tokens, seed, force
        As of `scaling.valuation.worth`.
    need_trend : bool, default False
        Whether to fail where there is no trend over sizes, and not just to say why.

    Returns
    -------
    WorthAnswer

    Raises
    ------
    UsageError, InputDataError, VerdictError
        As of `scaling.valuation.worth` and `worth_across_sizes`.
    """
    from scaling.valuation.equivalence.tokens import worth

    saved = load_fit(store, name)
    left: Counter[str] = Counter()
    if losses is None:
        losses, left = losses_of_runs(store, saved, where or "true", tokens)
    fit, sized = saved.fit, "N" in saved.fit.law.inputs
    rows = None
    if method == "profile":
        selection = unchanged_rows(store, saved)
        rows = (selection.inputs, selection.observed)
    of_runs = where is not None
    runs, found = [], []
    for one in losses:
        try:
            answer = worth(
                fit, one.loss, one.n_params if sized else None, n_tokens=one.n_tokens, loss_se=loss_se, level=level,
                method=method, rows=rows, at=at, tokens=tokens, seed=seed, force=force,
            )  # fmt: skip
        except InputDataError as error:
            if not of_runs:
                raise
            left[error.message] += 1
            continue
        runs.append(one)
        found.append(answer)
    if not found:
        raise InputDataError(f"No run can be valued: {next(iter(left), 'none is selected')}.")
    trend, why = _trend(
        fit, runs, need_trend, loss_se=loss_se, level=level, at=at, tokens=tokens, seed=seed, force=force
    )  # fmt: skip
    return WorthAnswer(saved, tuple(one.run for one in runs), tuple(found), trend, why, dict(left))


def _trend(
    fit: Fit, runs: Sequence[Measured], needed: bool, **settings: Any
) -> tuple[SizeTrend | None, str | None]:  # fmt: skip
    """Whether worth depends on the size, or why that cannot be said."""
    from scaling.valuation.equivalence.across_sizes import worth_across_sizes

    sizes = {one.n_params for one in runs}
    if not needed:
        if "N" not in fit.law.inputs:
            return None, "the law has no number of parameters"
        if len(sizes) < 2:
            return None, f"there is {format_plural(len(sizes), 'size')}"
        if any(one.n_tokens is None for one in runs):
            return None, "the tokens that each was trained on are not known (--tokens)"
    try:
        n = np.array([one.n_params for one in runs], float)
        d = np.array([one.n_tokens for one in runs], float)
        return worth_across_sizes(fit, [one.loss for one in runs], n, d, **settings), None
    except ScalingError as error:
        if needed:
            raise
        return None, error.message
