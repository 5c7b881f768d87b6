"""The back-test of a link: the largest models held out, components and link learned again from the smaller ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.observational.components import expanded_level
from scaling.boundary.observational.pipeline import Pipeline, enough, label, learn, refit
from scaling.fitting.backtest import Backtest
from scaling.fitting.rollout import find_cuts
from scaling.inputs import check_level

if TYPE_CHECKING:
    from scaling.boundary.observational.analysis import Analysis
    from scaling.boundary.observational.table import Mask, Table

Array = NDArray[np.float64]

AXIS = "training compute"
_SAME = 1 + 1e-6  # computes that should be equal differ in rounding
_COLUMNS = (
    "cut", "row", "unit", "compute", "factor", "observed", "predicted", "error", "change", "scatter", "low", "high",
)  # fmt: skip


def backtest_link(
    analysis: Analysis, objective: str, name: str, *, level: float = 0.9, bootstrap: int = 100, seed: int = 0
) -> Backtest:
    """Hold the largest training models out, and forecast their task from their benchmarks.

    Parameters
    ----------
    analysis : Analysis
        Whose training models are split at several computes. Its number of components is kept.
    objective, name : str
        What was minimised, and the law, as they are to be called.
    level : float, default 0.9
        Nominal coverage of the intervals: families drawn anew, and the scatter of single models.
    bootstrap : int, default 100
        Replicates behind each interval; 0 for none.
    seed : int, default 0
        Of the replicates.

    Returns
    -------
    Backtest
        Rows are the training models with a score on the task. A family may stand on both sides of a cut-off, as in the
        test of arXiv:2405.10938. Models of unknown compute take no part.
    """
    check_level(level)
    table, k = analysis.table, analysis.n_components
    taught = np.flatnonzero(analysis.train & np.isfinite(table.task))
    compute = 10.0**table.log10_compute
    sized = np.flatnonzero(np.isfinite(compute[taught]))  # of the rows of the fit
    values = compute[taught[sized]]
    parts: dict[str, list[Any]] = {column: [] for column in _COLUMNS}
    skipped: list[tuple[float, str]] = []
    for cut in find_cuts(values, np.arange(len(values))) if len(values) else ():
        with np.errstate(invalid="ignore"):
            small = analysis.train & (compute <= cut.edge * _SAME)
        if not enough(table, np.flatnonzero(small), k):
            skipped.append((cut.edge, f"the models up to there are too few or too alike for {label(k)}"))
            continue
        rows = sized[cut.held]
        found = _forecast(analysis, small, taught[rows], level, bootstrap, seed)
        factor = values[cut.held] / cut.edge
        found |= {"cut": np.full(len(rows), cut.edge), "factor": factor, "compute": values[cut.held]}
        for column, entries in (*found.items(), ("row", rows), ("unit", rows)):
            parts[column].append(entries)
    if not parts["cut"] and not skipped:
        edge = float(values.max()) if len(values) else float("nan")
        skipped.append((edge, "the models have about the same compute, or it is not known"))
    columns: dict[str, Any] = {c: np.concatenate(v) if v else np.empty(0) for c, v in parts.items()}
    columns |= {column: columns[column].astype(np.int64) for column in ("row", "unit")}
    return Backtest(
        law=name, objective=objective, axis=AXIS, level=level, n_rows=len(taught), log=False, skipped=tuple(skipped),
        seed=seed, edge=float(values.max()) if len(values) else float("nan"), **columns,
    )  # fmt: skip


def _forecast(
    analysis: Analysis, small: Mask, held: NDArray[np.intp], level: float, bootstrap: int, seed: int
) -> dict[str, Array]:
    """Learn from the small models, and forecast the held-out ones, with intervals."""
    from scaling.fitting.intervals import percentile_interval, t_quantile

    table, k = analysis.table, analysis.n_components
    rank, settings = analysis.settings["rank"], analysis.link.settings
    rows = np.flatnonzero(small)
    first = learn(table, rows, [k], rank, settings)[0]
    mean = first.predict(first.index(table.scores))
    residuals = (table.task - mean)[rows][np.isfinite(table.task[rows])]
    degrees = max(len(residuals) - (k + 1 + (settings.max_shift > 0)), 1)
    half = t_quantile(level, degrees) * float(np.sqrt(residuals @ residuals / degrees))
    low = high = np.full(len(held), np.nan)
    families = len({table.families[i] for i in rows})
    if bootstrap and families > 1:
        drawn = refit(table, small, first, rank, settings, bootstrap, seed).predicted[:, held]
        drawn = drawn[np.isfinite(drawn).all(axis=1)]
        if len(drawn) > 1:
            below, above = percentile_interval(drawn, expanded_level(level, families))
            low = mean[held] - np.hypot(np.maximum(mean[held] - below, 0.0), half)
            high = mean[held] + np.hypot(np.maximum(above - mean[held], 0.0), half)
            low, high = np.clip(low, 0.0, 1.0), np.clip(high, 0.0, 1.0)
    return {
        "observed": table.task[held],
        "predicted": mean[held],
        "error": mean[held] - table.task[held],
        "change": np.abs(mean[held] - _at_the_edge(table, first, held)),
        "scatter": np.full(len(held), float(np.sqrt(np.mean(residuals**2)))),
        "low": low,
        "high": high,
    }


def _at_the_edge(table: Table, first: Pipeline, held: NDArray[np.intp]) -> Array:
    """What the link says where each benchmark is brought back into the range of the models that taught it."""
    seen = first.imputer.filled
    clipped = np.clip(first.imputer.apply(table.scores[held]), seen.min(axis=0), seen.max(axis=0))
    return first.predict(first.index(clipped))
