"""Where functions of one variable cross zero or are lowest, for whole arrays of them at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Logarithms of the sizes between which answers are sought: far more than any number of parameters, tokens or FLOP, and
# little enough that products of three stay finite.
LOG_LOW, LOG_HIGH = float(np.log(1e-20)), float(np.log(1e90))
_TOLERANCE = 1e-14
_MOST = 120  # steps; bisection alone needs 55 for the whole range
_GOLDEN = (np.sqrt(5.0) - 1) / 2
_SHRINK = 48  # steps of golden section: an interval of 1 shrinks to 1e-10


def find_root(function: Callable[[Array], Array], low: float, high: float, shape: tuple[int, ...]) -> Array:
    """Find where functions change their sign.

    Parameters
    ----------
    function : callable
        Takes and returns an array of `shape`, element by element.
    low, high : float
        The ends of the bracket.
    shape : tuple of int
        Of the answer.

    Returns
    -------
    ndarray
        NaN where the ends have the same sign or the function is not defined there.

    References
    ----------
    Chandrupatla 1997, Advances in Engineering Software 28, 145: inverse quadratic interpolation where it is safe, and
    bisection elsewhere.
    """
    a, b = np.full(shape, low), np.full(shape, high)
    with np.errstate(all="ignore"):
        at_a, at_b = np.asarray(function(a), float), np.asarray(function(b), float)
        crosses = np.sign(at_a) * np.sign(at_b) <= 0
        t = np.full(shape, 0.5)
        c, at_c, best = a, at_a, np.where(np.abs(at_a) < np.abs(at_b), a, b)
        done = ~crosses
        for _ in range(_MOST):
            x = a + t * (b - a)
            at_x = np.asarray(function(x), float)
            same = np.sign(at_x) == np.sign(at_a)
            c, at_c = np.where(same, a, b), np.where(same, at_a, at_b)
            b, at_b = np.where(same, b, a), np.where(same, at_b, at_a)
            a, at_a = x, at_x
            nearer = np.where(np.abs(at_a) < np.abs(at_b), a, b)
            best = np.where(done, best, nearer)
            limit = _TOLERANCE * np.maximum(np.abs(nearer), 1.0) / np.abs(b - c)
            done = done | (limit > 0.5) | (np.minimum(np.abs(at_a), np.abs(at_b)) == 0)
            if np.all(done):
                break
            xi, phi = (a - b) / (c - b), (at_a - at_b) / (at_c - at_b)
            curved = at_a / (at_b - at_a) * at_c / (at_b - at_c)
            curved = curved + (c - a) / (b - a) * at_a / (at_c - at_a) * at_b / (at_c - at_b)
            t = np.where((phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi) & np.isfinite(curved), curved, 0.5)
            t = np.clip(t, np.minimum(limit, 0.5), 1 - np.minimum(limit, 0.5))
    return np.where(crosses, best, np.nan)


def find_lowest(function: Callable[[Array], Array], left: Array, right: Array) -> Array:
    """Find the lowest point of functions between two ends, by golden section.

    Parameters
    ----------
    function : callable
        Takes and returns an array of the shape of the ends; NaN counts as infinite.
    left, right : ndarray
        The ends; between them each function falls and then rises.

    Returns
    -------
    ndarray
        The places, to about 1e-8 (what rounding of the function lets be seen).
    """

    def value(x: Array) -> Array:
        y = np.asarray(function(x), float)
        return np.where(np.isnan(y), np.inf, y)

    a, b = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
    at_a, at_b = value(a), value(b)
    for _ in range(_SHRINK):
        lower = at_a < at_b
        left, right = np.where(lower, left, a), np.where(lower, b, right)
        a, b = (
            np.where(lower, right - _GOLDEN * (right - left), b),
            np.where(lower, a, left + _GOLDEN * (right - left)),
        )
        new = value(np.where(lower, a, b))
        at_a, at_b = np.where(lower, new, at_b), np.where(lower, at_a, new)
    return np.asarray(0.5 * (left + right))
