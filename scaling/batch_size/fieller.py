"""Interval of a ratio of two estimates that are about normal (Fieller 1954)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def fieller_interval(numerator: float, denominator: float, covariance: Array, quantile: float) -> tuple[float, float]:
    """Find the ratios that the estimates do not contradict, of two quantities that cannot be negative.

    Parameters
    ----------
    numerator, denominator : float
        The estimates, not negative.
    covariance : ndarray (2, 2)
        Theirs, in the same order.
    quantile : float
        Half-width of the interval, in standard errors.

    Returns
    -------
    low, high : float
        `high` is infinite where the denominator may be zero, and `low` is then 0 where the numerator may be zero as
        well. NaN where the covariance is not known.

    Notes
    -----
    A ratio r is held in where ``(numerator - r*denominator)^2 <= quantile^2 * var(numerator - r*denominator)``, which
    is a quadratic in r: ``A r^2 - 2 H r + G <= 0``. With A <= 0 what it holds in has no end.
    """
    matrix = np.asarray(covariance, float)
    if not np.all(np.isfinite(matrix)):
        return math.nan, math.nan
    # In units of the estimates, or of their errors where they are 0.
    estimates, errors = np.array([numerator, denominator]), np.sqrt(np.diag(matrix))
    scale = np.where(estimates > 0, estimates, np.where(errors > 0, errors, 1.0))
    above, below = (estimates > 0).astype(float)
    v = quantile**2 * matrix / np.outer(scale, scale)
    a, h, g = below - v[1, 1], above * below - v[0, 1], above - v[0, 0]
    square = h * h - a * g
    unit = float(scale[0] / scale[1])
    if a > 0:
        root = math.sqrt(max(square, 0.0))
        return max((h - root) / a, 0.0) * unit, max((h + root) / a, 0.0) * unit
    if square < 0 or a == 0:
        return (g / (2 * h) * unit if a == 0 and h > 0 and g > 0 else 0.0), math.inf
    first, last = sorted(((h - math.sqrt(square)) / a, (h + math.sqrt(square)) / a))
    return (0.0 if first > 0 else max(last, 0.0)) * unit, math.inf
