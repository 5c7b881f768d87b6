"""Regression of shares on a logit scale, where rows scatter more than coins and come in groups."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

_STEPS = 60
_TOLERANCE = 1e-9
_EXTREME = 30.0  # a logit beyond which a share is 0 or 1 in floating point's own terms


@dataclass(frozen=True)
class BinomialFit:
    """A fitted logistic regression of counts.

    Parameters
    ----------
    coefficients : ndarray (p,)
        On the logit scale.
    covariance : ndarray (p, p)
        Allows any dependence within groups (CR3); NaN where there are too few of them.
    mean : ndarray (n,)
        Fitted shares.
    weight : ndarray (n,)
        What a row is worth: items, or fewer where rows scatter more than items would alone.
    dispersion : float
        Pearson's chi-squared over its degrees of freedom, for items as given: 1 where only chance of items is at work.
    correlation : float
        Of two items of one row (Williams 1982), by moments; 0 where the dispersion is 1 or less.
    converged : bool
        False where the data are separated: a coefficient then has no finite estimate.
    """

    coefficients: Array
    covariance: Array
    mean: Array
    weight: Array
    dispersion: float
    correlation: float
    converged: bool


def fit_binomial(design: Array, share: Array, items: Array, groups: Codes) -> BinomialFit:
    """Fit a logistic regression to shares of items, with over-dispersion.

    Parameters
    ----------
    design : ndarray (n, p)
        Columns of the linear predictor, a constant among them.
    share : ndarray (n,)
        Items solved, as a share.
    items : ndarray (n,)
        How many items; repeats included.
    groups : ndarray of int (n,)
        Rows of one group may depend on each other.

    Returns
    -------
    BinomialFit

    Notes
    -----
    The variance of a share is taken as ``m(1-m)/n * (1 + (n-1) r)``, that of a beta-binomial: r follows from Pearson's
    chi-squared, weights from r, and so on for a few rounds (Williams 1982, Applied Statistics 31, 144). Where all rows
    have the same number of items, estimates are those of plain binomial likelihood whatever r is.
    """
    correlation, weight = 0.0, items.astype(float)
    coefficients = np.zeros(design.shape[1])
    converged = False
    for round_ in range(6):
        coefficients, mean, converged = _newton(design, share, weight, coefficients)
        chi2 = (share - mean) ** 2 / np.maximum(mean * (1 - mean), 1e-12)
        if round_ == 0:
            dispersion = float(np.sum(items * chi2)) / max(len(share) - design.shape[1], 1)
        if np.all(items <= 1) or not converged:
            break
        new = _correlation(chi2, items, len(share) - design.shape[1])
        weight = items / (1 + (items - 1) * new)
        if abs(new - correlation) < 1e-6:
            break
        correlation = new
    spread = np.maximum(mean * (1 - mean), 1e-12) * weight
    covariance = sandwich(design, spread, weight * (share - mean), groups)
    return BinomialFit(coefficients, covariance, mean, weight, dispersion, correlation, converged)


def sandwich(design: Array, curvature: Array, score: Array, groups: Codes) -> Array:
    """Work out the covariance of coefficients over groups, each score given back what the fit took from it (CR3).

    Parameters
    ----------
    design : ndarray (n, p)
        Columns.
    curvature : ndarray (n,)
        Minus the second derivative of each row with respect to its linear predictor.
    score : ndarray (n,)
        The first derivative.
    groups : ndarray of int (n,)
        Rows that may depend on each other.

    Returns
    -------
    ndarray (p, p)
        NaN where leaving out a group leaves the coefficients undetermined.
    """
    p = design.shape[1]
    nothing = np.full((p, p), np.nan)
    information = design.T @ (curvature[:, None] * design)
    if np.linalg.cond(information) > 1e14:
        return nothing
    inverse = np.linalg.inv(information)
    order = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
    meat = np.zeros((p, p))
    for rows in np.split(order, starts[1:]):
        part = design[rows]
        block = np.eye(p) - (part.T * curvature[rows]) @ part @ inverse  # what is left of the information without it
        if np.linalg.cond(block) > 1e10:
            return nothing
        moved = np.linalg.solve(block, part.T @ score[rows])
        meat += np.outer(moved, moved)
    count = len(starts)
    return inverse @ meat @ inverse * (count - 1) / count if count > 1 else nothing


def effective_scores(design: Array, columns: Array, fit: BinomialFit, share: Array) -> Array:
    """Return contributions of rows to the score of columns that the fit left out, its own estimates allowed for.

    Parameters
    ----------
    design : ndarray (n, p)
        What was fitted.
    columns : ndarray (n, k)
        What was left out, one column a contrast.
    fit : BinomialFit
        Of `design`.
    share : ndarray (n,)
        What it was fitted to.

    Returns
    -------
    ndarray (n, k)
        Columns are first made orthogonal to the design, in the metric of the information.
    """
    spread = fit.weight * np.maximum(fit.mean * (1 - fit.mean), 1e-12)
    root = np.sqrt(spread)[:, None]
    hat, *_ = np.linalg.lstsq(root * design, root * columns, rcond=None)
    left: Array = (columns - design @ hat) * (fit.weight * (share - fit.mean))[:, None]
    return left


def _newton(design: Array, share: Array, weight: Array, start: Array) -> tuple[Array, Array, bool]:
    """Maximise the binomial likelihood by damped Newton steps."""
    coefficients = start
    value = _likelihood(design @ coefficients, share, weight)
    for _ in range(_STEPS):
        mean = _logistic(design @ coefficients)
        spread = weight * np.maximum(mean * (1 - mean), 1e-12)
        gradient = design.T @ (weight * (share - mean))
        step, *_ = np.linalg.lstsq(design.T @ (spread[:, None] * design), gradient, rcond=None)
        size = 1.0
        while size > 1e-6:
            trial = coefficients + size * step
            new = _likelihood(design @ trial, share, weight)
            if new >= value:
                break
            size /= 2
        coefficients, gain, value = trial, new - value, new
        if float(np.max(np.abs(size * step))) < _TOLERANCE or (0 <= gain < 1e-14 * (1 + abs(value))):
            break
    linear = design @ coefficients
    return coefficients, _logistic(linear), bool(np.max(np.abs(linear)) < _EXTREME)


def _correlation(chi2: Array, items: Array, freedom: int) -> float:
    """Correlation of items that makes Pearson's chi-squared what it should be, by bisection."""

    def excess(r: float) -> float:
        return float(np.sum(items / (1 + (items - 1) * r) * chi2)) - freedom

    if excess(0.0) <= 0:
        return 0.0
    low, high = 0.0, 1.0
    if excess(high) >= 0:
        return high
    for _ in range(50):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return (low + high) / 2


def _likelihood(linear: Array, share: Array, weight: Array) -> float:
    return float(np.sum(weight * (share * linear - np.logaddexp(0, linear))))


def _logistic(linear: Array) -> Array:
    from scipy.special import expit

    return np.asarray(expit(linear))
