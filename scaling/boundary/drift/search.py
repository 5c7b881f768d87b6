"""The optimum of a boundary that something moves along log compute: the year, or which of two groups a model is of.

q = y0 + (1 - y0) rise sigmoid(b (z + c t - z_mid)). For a given c it is a boundary over z + c t, so a few values of c
are screened by the solver of boundaries, and what it finds is polished in all five parameters. Of twelve such starts
on each of three tasks of the Open LLM Leaderboard all ended at one optimum; three values of c are looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from scaling.boundary.data import Scores
from scaling.boundary.settings import Settings
from scaling.boundary.solver import Optimum, Points, screen
from scaling.fitting.checks import bounds_of
from scaling.laws.law import Law

Array = NDArray[np.float64]

_SCREENED = (-0.5, 0.5, 2.0)  # orders of magnitude
_FROM_EACH = 4  # starts
_SAME = 2e-3  # in score: optima so near each other are one
_ROUND = 50.0  # kappa that a descent begins with
_STEP_UP = 4.0


@dataclass(frozen=True)
class Moved:
    """What a moved boundary is fitted to.

    Parameters
    ----------
    z, t, y, weight : ndarray (n,)
        log10 compute; what moves it, such as years; scores; weights, which sum to 1.
    tau, kappa, ridge : float
        As of `scaling.boundary.settings.Settings`.
    low, high : ndarray (5,)
        The box of y0, rise, b, z_mid and c.
    """

    z: Array
    t: Array
    y: Array
    weight: Array
    tau: float
    kappa: float
    ridge: float
    low: Array
    high: Array

    @classmethod
    def of(cls, scores: Scores, t: Array, settings: Settings, law: Law) -> Moved:
        """Put it together; the box is that of the law, of inputs C and whatever moves it."""
        z, n = scores.log10_compute, len(scores.score)
        support = {"C": (10.0 ** z.min(), 10.0 ** z.max())}
        box = bounds_of(law, support)
        return cls(
            z, t, scores.score, np.full(n, 1 / n), settings.tau, settings.kappa, settings.ridge, box[:, 0], box[:, 1]
        )

    def weighted(self, weight: Array) -> Moved:
        """The same with other weights."""
        return replace(self, weight=weight / weight.sum())


def moved_curve(theta: Array, z: Array, t: Array) -> Array:
    """Work out moved boundaries (..., 5) at z and t (m,): (..., m)."""
    y0, rise, b, middle, c = (theta[..., j, None] for j in range(5))
    return np.asarray(y0 + (1 - y0) * rise * (0.5 + 0.5 * np.tanh(0.5 * b * (z + c * t - middle))))


def search(rows: Moved) -> list[Optimum]:
    """Find the optimum, and what else descents from the screen ended at, the best first.

    Parameters
    ----------
    rows : Moved
        At least two values of compute.

    Returns
    -------
    list of Optimum
        Parameters (5,): y0, rise, b, z_mid, c.
    """
    found: list[Optimum] = []
    kappa = min(rows.kappa, _ROUND)
    for c in np.clip(_SCREENED, rows.low[4], rows.high[4]):
        points = Points.of(rows.z + c * rows.t, rows.y, rows.weight)
        for theta in screen(points, rows.tau, rows.ridge)[:_FROM_EACH]:
            found.append(_descend(rows, np.append(theta, c), kappa))
    ends: list[Optimum] = []
    for one in sorted(found, key=lambda optimum: optimum.value):  # most starts end at one place, which is followed once
        levels = moved_curve(one.theta, rows.z, rows.t)
        if all(np.max(np.abs(levels - moved_curve(end.theta, rows.z, rows.t))) > _SAME for end in ends):
            ends.append(one)
    return sorted((_sharpen(rows, end, kappa) for end in ends), key=lambda optimum: optimum.value)


def _sharpen(rows: Moved, at: Optimum, kappa: float) -> Optimum:
    """Follow an optimum into a sharper corner, which has many small valleys."""
    while kappa < rows.kappa:
        kappa = min(rows.kappa, kappa * _STEP_UP)
        at = _descend(rows, at.theta, kappa)
    return at


def _descend(rows: Moved, theta: Array, kappa: float) -> Optimum:
    low, high = rows.low.copy(), rows.high.copy()
    low[2], high[2] = np.log(low[2]), np.log(high[2])
    start = np.clip(theta, rows.low, rows.high)
    start[2] = np.log(start[2])
    found = minimize(
        _value_and_slope, start, args=(rows, kappa), jac=True, method="L-BFGS-B",
        bounds=list(zip(low, high, strict=True)), options={"maxiter": 500, "ftol": 1e-13, "gtol": 1e-9},
    )  # fmt: skip
    at = np.clip(found.x, low, high)
    at[2] = np.exp(at[2])
    return Optimum(np.clip(at, rows.low, rows.high), float(found.fun))


def _value_and_slope(theta: Array, rows: Moved, kappa: float) -> tuple[float, Array]:
    y0, rise, log_b, middle, c = theta
    b = np.exp(log_b)
    off = rows.z + c * rows.t - middle
    s = 0.5 + 0.5 * np.tanh(0.5 * b * off)
    away = rows.y - (y0 + (1 - y0) * rise * s)
    size = np.exp(-kappa * np.abs(away))
    loss = np.maximum(away, 0) + np.log1p(size) / kappa + (rows.tau - 1) * away
    pull = rows.weight * (np.where(away >= 0, 1, size) / (1 + size) + (rows.tau - 1))
    across = pull * (1 - y0) * rise * s * (1 - s) * b
    slope = np.array(
        [
            -pull @ (1 - rise * s),
            -pull @ ((1 - y0) * s),
            -across @ off + 2 * rows.ridge * b * b,
            across.sum(),
            -across @ rows.t,
        ]
    )
    return float(rows.weight @ loss + rows.ridge * b * b), slope


def refits(rows: Moved, optima: Sequence[Optimum], weights: Array) -> Array:
    """Fit again under other weights, each time from where the searches of the whole ended.

    Parameters
    ----------
    rows : Moved
        The whole.
    optima : sequence of Optimum
        Its optimum, and others where there are any. From the optimum alone, by way of rounder corners, 44 of 45
        replicates of three tasks ended where the best of seven starts did.
    weights : ndarray (B, n)
        One replicate a row.

    Returns
    -------
    ndarray (B, 5)
        NaN where all weight lies on one value of compute.
    """
    made = np.full((len(weights), 5), np.nan)
    kappa = min(rows.kappa, _ROUND)
    for i, weight in enumerate(weights):
        if np.ptp(rows.z[weight > 0]) > 0:
            drawn = rows.weighted(weight)
            ends = [_descend(drawn, one.theta, kappa) for one in optima]
            made[i] = _sharpen(drawn, min(ends, key=lambda end: end.value), kappa).theta
    return made


def same_shape(theta: Array, moved_by: Array) -> Array:
    """Boundaries (..., 4) that moved ones (..., 5) are where t is `moved_by` (...)."""
    out = theta[..., :4].copy()
    out[..., 3] -= theta[..., 4] * moved_by
    return out
