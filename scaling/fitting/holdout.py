"""Back-test a law: hold out the largest runs, forecast them from the rest, and keep what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, ScalingError, UsageError
from scaling.fitting.backtest import USUAL, Backtest, Usual
from scaling.fitting.checks import check_rows
from scaling.fitting.fit import fit as fit_law
from scaling.fitting.objective import Objective
from scaling.fitting.rollout import (
    LADDER,
    change_beyond,
    evaluate,
    find_axis,
    find_cuts,
    find_units,
    trimmed,
    why_no_cuts,
    why_not,
)
from scaling.inputs import check_level
from scaling.laws.book import find_law
from scaling.laws.law import Law

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]
LawAt = Callable[[float], tuple[Law, Objective] | None]

#: Why a cut-off is skipped where a constant of the law, such as a floor, was not known yet.
UNKNOWN_THERE = "a floor that the law takes from elsewhere was not known from the runs up to there"


def backtest_law(
    law: str | Law | Fit,
    inputs: Mapping[str, ArrayLike],
    observed: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    by: str | ArrayLike | None = None,
    objective: str | Objective | None = None,
    delta: float | None = None,
    residual: str = "log",
    penalty: Mapping[str, tuple[float, float]] | None = None,
    trim: str | None = None,
    level: float = 0.9,
    bootstrap: int = 100,
    seed: int = 0,
    steps: Sequence[float] = LADDER,
    usual: Usual = USUAL,
    law_at: LawAt | None = None,
) -> Backtest:
    """Hold out the largest runs, fit the law to the rest, forecast what was held out; at several cut-offs.

    Parameters
    ----------
    law : str, Law or Fit
        As of `scaling.fit`; of a fit its law and, unless given, its objective, penalty and trimming. A fit does not
        keep its weights: give them again.
    inputs : mapping of str to array_like (n,)
        Natural units.
    observed : array_like (n,)
        What the law should predict.
    weights : array_like (n,), optional
        As of `scaling.fit`; a held-out row of weight zero is not forecast, and the others count the same.
    groups : array_like (n,), optional
        Cluster of each row; clusters stay together, and none is in part held out and in part fitted.
    by : str or array_like (n,), optional
        What makes a run large; see `scaling.fitting.rollout.find_axis`.
    objective, delta, residual, penalty
        As of `scaling.fit`.
    trim : str, optional
        What is left out of the rows before each fit; see `scaling.fitting.rollout.trimmed`. ``none`` where missing.
    level : float, default 0.9
        Nominal coverage of the intervals.
    bootstrap : int, default 100
        Replicates behind each interval; 0 for the covariance.
    seed : int, default 0
        Of the replicates.
    steps : sequence of float
        The largest compute is divided by these to give the cut-offs.
    usual : Usual
        What forecasts of such a quantity usually miss by, for a back-test of few cut-offs; see
        `scaling.fitting.backtest.Backtest.missed_share`.
    law_at : callable, optional
        For a law with constants that come from elsewhere, such as a floor: from the largest value of the axis that is
        left, what the law and its objective were there; None where that was not known yet.

    Returns
    -------
    Backtest
        Cut-offs that leave too little are in `Backtest.skipped`, with the reason. Forecasts that are no number (above
        0, where all observations are) are among the others, without an error.

    Raises
    ------
    InputDataError
        For data that cannot be fitted.
    UsageError
        For settings that make no sense; for a fit with weights where none are given; for one that was trimmed where the
        rows are those that its trimming left.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.geomspace(1, 1e4, 30)
    >>> found = backtest_law("power_floor", {"x": x}, 2 + 3 / x**0.5, objective="squared", bootstrap=0)
    >>> bool(found.at(5).rms < 1e-6)
    True
    """
    from scaling.results import Fit

    check_level(level)
    if isinstance(law, Fit):
        _check_as_fitted(law, weights, len(np.atleast_1d(np.asarray(observed))), trim)
        objective = law.objective if objective is None else objective
        penalty, trim = penalty or law.settings.get("penalty"), trim or _trim_of(law)
        law = law.law
    law, trim = find_law(law, inputs), trim or "none"
    goal = Objective.parse(objective or "huber", residual, delta)
    rows = check_rows(law, inputs, observed, goal, weights, groups)
    x, y = rows.inputs, rows.observed
    place = np.arange(rows.n) if weights is None else np.flatnonzero(np.asarray(weights, float) > 0)
    by = by if weights is None or by is None or isinstance(by, str) else np.asarray(by, float)[place]
    axis, units = find_axis(law, x, by), find_units(rows.groups, rows.n)
    log = bool(np.all(y > 0))
    parts: dict[str, list[Any]] = {name: [] for name in _PARTS}
    skipped: list[tuple[float, str]] = []
    for cut in find_cuts(axis.values, units, steps):
        left = np.flatnonzero(cut.left)
        left = left[trimmed(trim, axis.values[left], y[left])]
        mask = np.zeros(rows.n, bool)
        mask[left] = True
        if reason := why_not(law, x, mask, units):
            skipped.append((cut.edge, reason))
            continue
        if (there := law_there(law, goal, law_at, cut.edge)) is None:
            skipped.append((cut.edge, UNKNOWN_THERE))
            continue
        try:
            fitted = fit_law(
                there[0], {k: v[left] for k, v in x.items()}, y[left], objective=there[1], bootstrap=bootstrap,
                seed=seed, groups=None if rows.groups is None else rows.groups[left], penalty=penalty,
                weights=None if weights is None else rows.weights[left],
            )  # fmt: skip
        except InputDataError as error:
            skipped.append((cut.edge, error.message))
            continue
        held = np.flatnonzero(cut.held)
        target = {k: v[held] for k, v in x.items()}
        predicted = evaluate(there[0], fitted.theta, target)
        factor = axis.values[held] / cut.edge
        change = change_beyond(there[0], fitted.theta, target, factor, axis.inputs, fitted.support, log)
        low, high = _interval(fitted, target, level)
        with np.errstate(all="ignore"):
            error_ = np.log(predicted) - np.log(y[held]) if log else predicted - y[held]
            error_[~np.isfinite(error_)] = np.nan  # kept: what has no error are the forecasts that failed worst
        found = {
            "cut": np.full(len(held), cut.edge), "row": place[held], "unit": units[held], "compute": axis.values[held],
            "factor": factor, "observed": y[held], "predicted": predicted, "error": error_, "change": change,
            "scatter": np.full(len(held), _scatter(fitted, y[left], log)), "low": low, "high": high,
        }  # fmt: skip
        for name, values in found.items():
            parts[name].append(values)
    if not parts["cut"] and not skipped:
        skipped.append((float(axis.values.max()), why_no_cuts(axis, units)))
    columns: dict[str, Any] = {k: np.concatenate(v) if v else np.empty(0) for k, v in parts.items()}
    columns |= {name: columns[name].astype(np.int64) for name in ("row", "unit")}
    return Backtest(
        law=law.name, objective=str(goal), axis=axis.name, level=level, n_rows=rows.n, log=log, skipped=tuple(skipped),
        seed=seed, powers=axis.inputs, edge=float(axis.values.max()), trim=trim,
        usual=usual, **columns,
    )  # fmt: skip


def law_there(law: Law, objective: Objective, law_at: LawAt | None, edge: float) -> tuple[Law, Objective] | None:
    """Return a law and its objective as they were at a cut-off; None where that was not known yet."""
    return (law, objective) if law_at is None else law_at(edge)


def _trim_of(fit: Fit) -> str:
    """What a fit left out of its rows; one of the store has it as a condition of its rows, and in its back-test."""
    return str(fit.settings.get("trim") or (fit.backtest.trim if fit.backtest else "none"))


def _check_as_fitted(fit: Fit, weights: ArrayLike | None, n: int, trim: str | None) -> None:
    """Refuse to back-test something else than what was fitted."""
    fit.require_fitted("its back-test is not that of a law fitted to them")
    if fit.settings.get("weighted") and weights is None:
        raise UsageError(
            f"the fit of '{fit.law.name}' was made with weights, which it does not keep, so without them another fit "
            "would be back-tested",
            hint="Give the same weights=.",
        )
    trimming = _trim_of(fit)
    if trim is None and trimming != "none" and n == fit.n_obs:
        raise UsageError(
            f"the fit of '{fit.law.name}' left out rows (trimmed: {trimming}), and its back-test does that anew at "
            f"every cut-off, but these are the {n} rows that were left",
            hint="Give all the rows that it was chosen on.",
        )


_PARTS = (
    "cut", "row", "unit", "compute", "factor", "observed", "predicted", "error", "change", "scatter", "low", "high",
)  # fmt: skip


def _interval(fitted: Fit, target: Mapping[str, Array], level: float) -> tuple[Array, Array]:
    unknown = np.full(len(next(iter(target.values()))), np.nan)
    try:
        prediction = fitted.predict(target, level=level, force=True)
    except ScalingError:
        return unknown, unknown
    return np.asarray(prediction.low, float), np.asarray(prediction.high, float)


def _scatter(fitted: Fit, observed: Array, log: bool) -> float:
    """Root mean square residual on the scale of the errors."""
    away, goal = fitted.residuals, fitted.objective
    if goal.floor:  # of logarithms of what is above it; small beside the whole value
        away = away * (observed - goal.floor) / observed
    size = float(np.sqrt(np.mean(away**2)))
    if (fitted.objective.residual == "log") == log:
        return size
    return size / float(np.median(np.abs(observed))) if log else size * float(np.median(np.abs(observed)))
