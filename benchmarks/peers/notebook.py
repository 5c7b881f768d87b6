"""The procedure of arXiv:2411.12925, written from its description and re-enacted with SciPy.

Maps with both floors known are a straight line of logarithms; with one floor known, bounded least squares from
(1, 1, 0); with none known, the best of 100 x 100 floors, a straight line of logarithms each. The law behind a floor is
fitted by L-BFGS from 16 starts, 200 iterations at most. None of it gives an error; the bootstrap here does the same
again on resampled rows. Maps take pairs of losses and both published floors, and use those that they know.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import curve_fit, minimize

Array = NDArray[np.float64]

_DELTA = 1e-3
_STARTS = [(a, b, 0.5, 0.4, 0.4) for a, b in product((5.0, 10.0, 15.0, 20.0), repeat=2)]
_ITERATIONS = 200
_GRID = 100


def law_of_size_and_data(n: Array, d: Array, loss: Array) -> Array:
    """Fit E + ((A/N)**(alpha/beta) + B/D)**beta by mean Huber of ln(loss): ln A, ln B, ln E, alpha, beta."""
    log_n, log_d, log_loss = np.log(n), np.log(d), np.log(loss)

    def objective(theta: Array) -> float:
        a, b, e, alpha, beta = theta
        with np.errstate(all="ignore"):
            inner = np.logaddexp(alpha / beta * (a - log_n), b - log_d)
            size = np.abs(log_loss - np.logaddexp(beta * inner, e))
        value = float(np.mean(np.where(size <= _DELTA, 0.5 * size * size, _DELTA * (size - 0.5 * _DELTA))))
        return value if np.isfinite(value) else 1e3

    found = [
        minimize(lambda t: 1e6 * objective(t), start, method="L-BFGS-B", options={"maxiter": _ITERATIONS})
        for start in _STARTS
    ]
    return np.asarray(min(found, key=lambda one: one.fun).x)


def between_floors(x: Array, y: Array, floor_x: float, floor_y: float) -> Array:
    """Return K and kappa between two known floors."""
    kappa, log_scale = np.polyfit(np.log(x - floor_x), np.log(y - floor_y), 1)
    return np.array([np.exp(log_scale), kappa])


def above_one_floor(x: Array, y: Array, floor_x: float, _: float = 0.0) -> Array:
    """Return K, kappa and the floor of y above a known floor of x."""

    def curve(z: Array, kappa: float, scale: float, floor_y: float) -> Array:
        return np.asarray(scale * (z - floor_x) ** kappa + floor_y)

    (kappa, scale, floor_y), _ = curve_fit(
        curve, x, y, p0=(1.0, 1.0, 0.0), bounds=([0, 0, 0], [np.inf, np.inf, y.min()]), max_nfev=10_000
    )
    return np.array([scale, kappa, floor_y])


def without_floors(x: Array, y: Array, *_: float) -> Array:
    """Return K, floor of x, kappa and floor of y: the best of 100 times 100 floors, one by one."""
    best, lowest = np.full(4, np.nan), np.inf
    with np.errstate(all="ignore"):
        for floor_x, floor_y in product(np.linspace(0, x.min(), _GRID), np.linspace(0, y.min(), _GRID)):
            across, up = np.log(x - floor_x), np.log(y - floor_y)
            if not (np.all(np.isfinite(across)) and np.all(np.isfinite(up))):
                continue
            kappa, log_scale = np.polyfit(across, up, 1)
            error = float(np.mean((np.exp(log_scale + kappa * across) + floor_y - y) ** 2))
            if error < lowest:
                best, lowest = np.array([np.exp(log_scale), floor_x, kappa, floor_y]), error
    return best


def straight_line(x: Array, y: Array, *_: float) -> Array:
    """Return the coefficients of a straight line."""
    return np.asarray(np.polyfit(x, y, 1)[::-1])


def line_of_logarithms(x: Array, y: Array, *_: float) -> Array:
    """Return the coefficients of a straight line of logarithms."""
    return straight_line(np.log(x), np.log(y))


def parabola(x: Array, y: Array, *_: float) -> Array:
    """Return the coefficients of a parabola."""
    return np.asarray(np.polyfit(x, y, 2)[::-1])


def parabola_of_logarithms(x: Array, y: Array, *_: float) -> Array:
    """Return the coefficients of a parabola of logarithms."""
    return parabola(np.log(x), np.log(y))
