"""Interval of a ratio of two estimates that are about normal (Fieller 1954)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def fieller_interval(
    numerator: float, denominator: float, covariance: Array, quantile: float, *, signed: bool = False
) -> tuple[float, float]:
    """Find the ratios that the estimates do not contradict, of two quantities that cannot be negative.

    Parameters
    ----------
    numerator, denominator : float
        The estimates; sampling may have left them negative.
    covariance : ndarray (2, 2)
        Theirs, in the same order.
    quantile : float
        Half-width of the interval, in standard errors.
    signed : bool, default False
        Whether an interval with both ends keeps what of it is negative, as a sign that something is wrong.

    Returns
    -------
    low, high : float
        `high` is infinite where the denominator may be zero: of the two rays, or the whole line, that are then held in,
        the part that is not negative, with `low` 0 where nothing bounds it. NaN where the covariance is not known.

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
    scale = np.where(estimates != 0, np.abs(estimates), np.where(errors > 0, errors, 1.0))
    above, below = np.sign(estimates)
    v = quantile**2 * matrix / np.outer(scale, scale)
    a, h, g = below**2 - v[1, 1], above * below - v[0, 1], above**2 - v[0, 0]
    square = h * h - a * g
    unit = float(scale[0] / scale[1])
    if a > 0:
        root, least = math.sqrt(max(square, 0.0)), -math.inf if signed else 0.0
        return float(max((h - root) / a * unit, least)), float(max((h + root) / a * unit, least))
    if square < 0 or a == 0:
        return float(g / (2 * h) * unit if a == 0 and h > 0 and g > 0 else 0.0), math.inf
    # What is ruled out lies between the roots: small ratios, where these lie on both sides of zero.
    if not g > 0:
        return 0.0, math.inf
    root = math.sqrt(square)
    return float((g / (h + root) if h > 0 else (h - root) / a) * unit), math.inf
