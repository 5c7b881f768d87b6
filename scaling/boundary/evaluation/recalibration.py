"""Probabilities put right by what came of earlier ones, and whether that helped with the next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Labels
from scaling.boundary.evaluation.calibration import read_forecasts
from scaling.boundary.evaluation.metrics import clustered_error
from scaling.boundary.evaluation.proper import brier_score, isotonic, log_score
from scaling.boundary.evaluation.rolling import check_periods
from scaling.boundary.margin import folds
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_estimate, format_number, format_plural
from scaling.serial import plain

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Recalibrator = Callable[[Array], Array]

NONE, PLATT, BETA, ISOTONIC = "none", "platt", "beta", "isotonic"
METHODS = (NONE, PLATT, BETA, ISOTONIC)
_EDGE = 1e-3  # probabilities nearer to 0 or 1 are moved there before their logits are taken
_PULL = 1e-4  # towards leaving probabilities as they are, where outcomes do not say otherwise
_SURE = 2.0  # standard errors


@dataclass(frozen=True)
class RecalibrationStep:
    """What recalibration did to one period.

    Parameters
    ----------
    test : str
        The period.
    method : str
        That did best on earlier periods, ``none`` among them.
    n_fit, n_test : int
        Earlier forecasts, and those of the period.
    brier_before, brier_after, log_before, log_after : float
        Mean proper scores of the period without and with it.
    gain, gain_se : float
        Brier score before less after, and its standard error by clusters.
    """

    test: str
    method: str
    n_fit: int
    n_test: int
    brier_before: float
    brier_after: float
    log_before: float
    log_after: float
    gain: float
    gain_se: float

    @property
    def helped(self) -> str:
        """``helped`` or ``harmed`` where it is by two standard errors, else ``no difference to be seen``."""
        if abs(self.gain) <= _SURE * self.gain_se or self.gain == 0:
            return "no difference to be seen"
        return "helped" if self.gain > 0 else "harmed"


@dataclass(frozen=True, repr=False)
class Recalibration:
    """Probabilities recalibrated by earlier periods; see `recalibrate`.

    Parameters
    ----------
    steps : tuple of RecalibrationStep
        A period each, from the second on.
    probability : ndarray (n,)
        Recalibrated; those of the first period as they were.
    """

    steps: tuple[RecalibrationStep, ...]
    probability: Array

    @property
    def gain(self) -> float:
        """Mean over the periods of the Brier score before less after."""
        return float(np.mean([step.gain for step in self.steps]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: the steps and the mean gain."""
        table: dict[str, Any] = plain(
            {"steps": [{**asdict(s), "helped": s.helped} for s in self.steps], "gain": self.gain}
        )
        return table

    def summary(self) -> str:
        """Return what it did to each period, as plain text."""
        return "\n".join(
            f"{s.test}: {s.method}, learned on {format_plural(s.n_fit, 'earlier forecast')}; Brier "
            f"{format_number(s.brier_before)} to {format_number(s.brier_after)} "
            f"(gain {format_estimate(s.gain, s.gain_se)}), log {format_number(s.log_before)} to "
            f"{format_number(s.log_after)}: {s.helped}"
            for s in self.steps
        )

    __repr__ = summary


def recalibrate(
    probability: ArrayLike,
    outcome: ArrayLike,
    period: ArrayLike,
    groups: ArrayLike | None = None,
    methods: Sequence[str] = METHODS,
) -> Recalibration:
    """Recalibrate the forecasts of each period by those of earlier ones.

    The method that does best by the Brier score is taken: fitted to all earlier periods but the last and scored on
    that; where there is but one, on clusters that are left out in turn. Leaving probabilities alone is one of them.

    Parameters
    ----------
    probability, outcome : array_like (n,)
        Forecasts, 0 to 1, and what came, 0 or 1.
    period : array_like (n,)
        Labels that sort in time.
    groups : array_like (n,), optional
        Clusters, such as base models.
    methods : sequence of str
        Of ``none``, ``platt`` (a straight line of logits), ``beta`` (ln p and ln(1 - p) each with a slope of its own;
        Kull, Silva Filho and Flach 2017, AISTATS) and ``isotonic``.

    Returns
    -------
    Recalibration

    Raises
    ------
    InputDataError
        For fewer than two periods, and what `measure_reliability` refuses.
    UsageError
        For an unknown method.
    """
    p, y, labels = read_forecasts(probability, outcome, groups)
    when = np.atleast_1d(np.asarray(period)).astype(object)
    if when.shape != p.shape:
        raise InputDataError(f"'period' has {len(when)} rows, but there are {len(p)} forecasts")
    for method in methods:
        _check(method)
    order = check_periods(when, "single")
    out, steps = p.copy(), []
    for k in range(1, len(order)):
        past, now = np.isin(when, order[:k]), when == order[k]
        method = _choose(p, y, when, labels, order[:k], methods)
        out[now] = fit_recalibrator(method, p[past], y[past])(p[now])
        change = brier_score(p[now], y[now]) - brier_score(out[now], y[now])
        steps.append(
            RecalibrationStep(
                test=str(order[k]),
                method=method,
                n_fit=int(past.sum()),
                n_test=int(now.sum()),
                brier_before=float(brier_score(p[now], y[now]).mean()),
                brier_after=float(brier_score(out[now], y[now]).mean()),
                log_before=float(log_score(p[now], y[now]).mean()),
                log_after=float(log_score(out[now], y[now]).mean()),
                gain=float(change.mean()),
                gain_se=clustered_error(change, None if labels is None else labels[now]),
            )
        )
    return Recalibration(tuple(steps), out)


def fit_recalibrator(method: str, probability: Array, outcome: Array) -> Recalibrator:
    """Fit a map from probabilities to probabilities.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    probability, outcome : ndarray (n,)
        Forecasts and what came.

    Returns
    -------
    callable

    Raises
    ------
    UsageError
        For an unknown method.
    """
    _check(method)
    if method == NONE:
        return lambda p: p
    if method == ISOTONIC:
        return _isotonic(probability, outcome)
    return _logistic(probability, outcome, method == BETA)


def _check(method: str) -> None:
    if method not in METHODS:
        raise UsageError(f"there is no recalibration '{method}'", hint=did_you_mean(method, METHODS))


def _choose(p: Array, y: Array, when: Labels, labels: Labels | None, past: list[Any], methods: Sequence[str]) -> str:
    """The method of least Brier score on earlier periods; the first of them where they are equal."""
    if len(past) > 1:
        splits = [(np.isin(when, past[:-1]), when == past[-1])]
    else:
        here = np.flatnonzero(when == past[0])
        fold = folds(None if labels is None else labels[here], len(here), 0)
        splits = []
        for k in np.unique(fold):
            test = np.zeros(len(p), bool)
            test[here[fold == k]] = True
            splits.append(((when == past[0]) & ~test, test))
    loss = {
        method: sum(
            float(brier_score(fit_recalibrator(method, p[train], y[train])(p[test]), y[test]).sum())
            for train, test in splits
            if train.any()
        )
        for method in methods
    }
    return min(loss, key=lambda method: loss[method])


def _isotonic(p: Array, y: Array) -> Recalibrator:
    order = np.argsort(p, kind="stable")
    at, value = np.unique(p[order], return_index=True)
    level = isotonic(p, y)[order][value]
    return lambda new: np.interp(new, at, level)


def _logistic(p: Array, y: Array, two: bool) -> Recalibrator:
    """A sigmoid of logits, or of ln p and ln(1 - p) by themselves, that never falls."""
    from scipy.optimize import minimize

    def columns(values: Array) -> Array:
        q = np.clip(values, _EDGE, 1 - _EDGE)
        parts = [np.log(q), -np.log1p(-q)]
        return np.column_stack([*(parts if two else [parts[0] + parts[1]]), np.ones(len(q))])

    X = columns(p)
    same = np.array([*([1.0] * (X.shape[1] - 1)), 0.0])

    def value_and_slope(theta: Array) -> tuple[float, Array]:
        eta = X @ theta
        loss = np.logaddexp(0, eta) - y * eta
        off = 0.5 + 0.5 * np.tanh(0.5 * eta) - y
        away = theta - same
        return float(loss.mean() + _PULL * away @ away), X.T @ off / len(y) + 2 * _PULL * away

    bounds = [*[(0.0, None)] * (X.shape[1] - 1), (None, None)]
    theta = minimize(value_and_slope, same, jac=True, method="L-BFGS-B", bounds=bounds).x
    return lambda new: np.asarray(0.5 + 0.5 * np.tanh(0.5 * (columns(new) @ theta)))
