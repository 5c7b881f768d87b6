"""Growth of the best of a column in time: of its running maximum, of a high quantile, and by chance alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_STEEPEST = 20.0  # orders of magnitude a year that are looked at
_TURNS = 60
_GOLDEN = (5**0.5 - 1) / 2


def records(year: Array, value: Array) -> NDArray[np.int64]:
    """Find the models that were better than all before.

    Parameters
    ----------
    year, value : ndarray (n,)
        Dates, and what is to be large; models of one date count as they would at its end, the best of them.

    Returns
    -------
    ndarray of int (r,)
        Positions, in time.
    """
    order = np.lexsort((-value, year))
    best = np.maximum.accumulate(value[order])
    new = np.concatenate([[True], best[1:] > best[:-1]])
    return np.asarray(order[new])


def record_slope(year: Array, value: Array) -> float:
    """Slope of the line through the records, a year; NaN for fewer than three."""
    at = records(year, value)
    if len(at) < 3 or np.ptp(year[at]) == 0:
        return float("nan")
    off = year[at] - year[at].mean()
    return float(off @ value[at] / (off @ off))


def slope_by_chance(year: Array, value: Array, times: int, seed: int) -> Array:
    """Slopes of the records where dates are dealt out to the models at random: (times,), a rise without any growth."""
    rng = np.random.default_rng(seed)
    return np.array([record_slope(rng.permutation(year), value) for _ in range(times)])


def quantile_slope(year: Array, value: Array, tau: float, weight: Array | None = None) -> float:
    """Slope of the line below which a share of the models lie, by pinball loss.

    Parameters
    ----------
    year, value : ndarray (n,)
        Finite.
    tau : float
        The share.
    weight : ndarray (n,), optional
        How much each counts.

    Returns
    -------
    float
        A year; NaN where all have one date. Given a slope the best height is a quantile, and the loss is convex in the
        slope, which is found by golden section.
    """
    w = np.ones(len(year)) if weight is None else weight
    x, y, w = year[w > 0], value[w > 0], w[w > 0]
    if len(x) < 2 or np.ptp(x) == 0:
        return float("nan")
    x = x - x.mean()

    def loss(slope: float) -> float:
        away = y - slope * x
        order = np.argsort(away, kind="stable")
        mass = np.cumsum(w[order])
        away = away - away[order[min(int(np.searchsorted(mass, tau * mass[-1])), len(order) - 1)]]
        return float(w @ np.where(away < 0, (tau - 1) * away, tau * away))

    low, high = -_STEEPEST, _STEEPEST
    inner = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    found = [loss(s) for s in inner]
    for _ in range(_TURNS):
        if found[0] <= found[1]:
            high, inner[1], found[1] = inner[1], inner[0], found[0]
            inner[0] = high - _GOLDEN * (high - low)
            found[0] = loss(inner[0])
        else:
            low, inner[0], found[0] = inner[0], inner[1], found[1]
            inner[1] = low + _GOLDEN * (high - low)
            found[1] = loss(inner[1])
    return (low + high) / 2
