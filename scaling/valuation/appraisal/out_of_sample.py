"""How well a rising curve of the score forecasts the performance of subsets that it has not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.intp]

_MOST_SINGLE = 150  # rows up to which each is left out alone
FOLDS = 10
_FEWEST = 3  # rows that a curve is drawn through


def held_out_errors(score: Array, performance: Array, strata: Codes, seed: np.random.SeedSequence) -> tuple[Array, str]:
    """Forecast each row from the others of its stratum: by isotonic regression of the score, and by the mean.

    Parameters
    ----------
    score, performance : ndarray (n,)
        Higher is better for both.
    strata : ndarray of int (n,)
        Curves are drawn within strata.
    seed : SeedSequence
        Of the folds.

    Returns
    -------
    errors : ndarray (n, 2)
        Squared errors of the curve and of the mean; NaN in strata of fewer than four rows.
    method : str
        How rows were held out, in words.

    Notes
    -----
    Between scores that were seen the curve is straight, beyond them it is level.
    """
    single = len(score) <= _MOST_SINGLE
    errors = np.full((len(score), 2), np.nan)
    generator = np.random.default_rng(seed)
    for code in np.unique(strata):
        rows = np.flatnonzero(strata == code)
        if len(rows) <= _FEWEST:
            continue
        fold = np.arange(len(rows)) if single else generator.permutation(len(rows)) % FOLDS
        for one in np.unique(fold):
            known, asked = rows[fold != one], rows[fold == one]
            x, y = rising_curve(score[known], performance[known])
            errors[asked, 0] = (performance[asked] - np.interp(score[asked], x, y)) ** 2
            errors[asked, 1] = (performance[asked] - performance[known].mean()) ** 2
    return errors, "each row left out" if single else f"{FOLDS} folds"


def rising_curve(x: Array, y: Array, weights: Array | None = None) -> tuple[Array, Array]:
    """Fit a curve that never falls by least squares.

    Parameters
    ----------
    x, y : ndarray (n,)
        Points; those of equal x are one, at their mean.
    weights : ndarray (n,), optional
        Of the points.

    Returns
    -------
    x, y : ndarray (k,)
        The curve at the distinct x, in order.
    """
    from scipy.optimize import isotonic_regression

    w = np.ones(len(x)) if weights is None else weights
    at, code = np.unique(x, return_inverse=True)
    mass = np.bincount(code, w)
    return at, np.asarray(isotonic_regression(np.bincount(code, w * y) / mass, weights=mass).x)


def r_squared(errors: Array, weights: Array) -> Array:
    """Return 1 less the errors of the curve over those of the mean, under weights (B, n); shape (B,)."""
    known = np.all(np.isfinite(errors), axis=1)
    if not known.any():
        return np.full(len(weights), np.nan)
    sums = weights[:, known] @ errors[known]
    out: Array = 1 - sums[:, 0] / np.where(sums[:, 1] > 0, sums[:, 1], np.nan)
    return out
