"""Intervals from replicates: of one number, and of a whole curve at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.intervals import percentile_interval

Array = NDArray[np.float64]
_FEWEST = 20  # replicates that a largest deviation can be calibrated on
_STILL = 1e-12  # of the largest value: a spread below it is rounding
_ONE_SIGMA = (0.158655, 0.841345)
_HUGE = 1e300  # stands for infinity while percentiles are taken: two infinities have no mean


def replicate_interval(replicates: Array, level: float) -> tuple[Array, Array]:
    """Take percentiles of replicates of which some may be infinite.

    Parameters
    ----------
    replicates : ndarray (B, m)
        Infinite where a replicate says "never"; NaN where it says nothing and is left out.
    level : float
        Nominal coverage.

    Returns
    -------
    low, high : ndarray (m,)
        Infinite where enough replicates are; NaN without replicates.
    """
    if not len(replicates):
        nothing = np.full(replicates.shape[1:], np.nan)
        return nothing, nothing
    low, high = percentile_interval(bounded(replicates), level)
    return endless(low), endless(high)


def bounded(values: Array) -> Array:
    """Put huge numbers in place of infinite ones, so that percentiles can be taken; NaN stays."""
    return np.clip(values, -_HUGE, _HUGE)


def endless(values: Array) -> Array:
    """Turn what `bounded` made, and any mean with it, back into infinity."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(values) > _HUGE / 1e10, np.sign(values) * np.inf, values)


def simultaneous_band(values: Array, level: float, widen: float = 1.0) -> tuple[Array, Array]:
    """Find a band that holds a whole curve, and not only each of its points.

    The largest deviation of a replicate from the estimates, over all points and in units of the spread there, is found
    for every replicate; the band reaches as far as the `level` quantile of those. The spread is half the central 68 %.
    Where those all agree but for rounding, as at a bound, it is the root mean square deviation of all replicates.

    Parameters
    ----------
    values : ndarray (1 + B, m)
        A curve a row, the estimates first; replicates with a NaN are left out.
    level : float
        Nominal coverage of the whole curve.
    widen : float, default 1
        Factor on the width: replicates of few rows spread too little, by about sqrt((n - p)/n).

    Returns
    -------
    low, high : ndarray (m,)
        NaN without replicates.

    Notes
    -----
    In simulations of 36 and of 144 runs of a Chinchilla law the band of N, D and loss at 13 budgets covered the true
    curve in 89 % of the cases at a nominal 90 %; the separate intervals all covered it in about half of them.
    """
    curves = values[1:][np.all(np.isfinite(values[1:]), axis=1)]
    if len(curves) < _FEWEST:
        nothing = np.full(values.shape[1], np.nan)
        return nothing, nothing
    low, high = np.quantile(curves, _ONE_SIGMA, axis=0)  # the tails may be heavy, and are the business of the quantile
    spread = (high - low) / 2
    deviation = np.abs(curves - values[0])
    still = spread <= _STILL * np.max(np.abs(curves), axis=0)
    spread = np.where(still, np.sqrt(np.mean(deviation**2, axis=0)), spread)
    largest = np.max(np.divide(deviation, spread, out=np.zeros_like(deviation), where=spread > 0), axis=1)
    reach = float(np.quantile(largest, level)) * widen * spread
    return values[0] - reach, values[0] + reach
