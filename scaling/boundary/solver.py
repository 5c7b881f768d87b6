"""The optimum of a sigmoid quantile boundary, found fast.

For a given steepness and middle the curve is linear in its two heights and the loss is convex in them. So a grid over
steepness and middle is solved for the heights, all of it in one batch, and the best few points are polished in all
four parameters. Measured on the 24 fits of six tasks and four periods of the Open LLM Leaderboard, that ends where 120
polished starts do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.descent import descend

Array = NDArray[np.float64]

STEEPNESS = (0.05, 50.0)  # logits for ten times the compute, the bounds of arXiv:2602.15327

_MIDDLES, _STEEPS = 9, 9
_SCREENED = 240  # points that the grid looks at
_TURNS = 5  # of Newton's method for the heights
_POLISHED = 4  # starts taken on from the screen
_GRID_KAPPA = 20.0
_GRID_TAU = 0.95  # a wider corner and a lower quantile: the grid needs a slope everywhere
_ROUND = 50.0  # kappa that a descent from the screen begins with
_STEP_UP = 4.0  # of kappa, on the way to a sharp corner


@dataclass(frozen=True)
class Optimum:
    """Where the loss of a boundary is least.

    Parameters
    ----------
    theta : ndarray (4,)
        y0, rise, b (per decade of compute) and z_mid (log10 FLOP): the parameters of the law ``boundary``.
    value : float
        Mean loss of a point, and the ridge.
    """

    theta: Array
    value: float


@dataclass(frozen=True)
class Points:
    """Scores over compute, compressed: many models share their compute.

    Parameters
    ----------
    z : ndarray (u,)
        Different values of log10 compute, ascending.
    at : ndarray of int (n,)
        Which of them each score belongs to.
    y : ndarray (n,)
        Scores, 0 to 1.
    weight : ndarray (n,)
        How much each score counts; they sum to 1.
    first : ndarray of int (u,)
        Where the scores of each value of compute begin.
    """

    z: Array
    at: NDArray[np.int64]
    y: Array
    weight: Array

    first: NDArray[np.int64]

    def total(self, each: Array) -> Array:
        """Weighted sums of (k, n) over the scores at each value of compute: (k, u)."""
        return np.asarray(np.add.reduceat(each * self.weight, self.first, axis=1))

    @classmethod
    def of(cls, log10_compute: Array, score: Array, weight: Array | None = None) -> Points:
        """Sort and compress columns of one length."""
        order = np.argsort(log10_compute, kind="stable")
        z, first, at = np.unique(log10_compute[order], return_index=True, return_inverse=True)
        w = np.ones(len(order)) if weight is None else weight[order]
        return cls(z, np.asarray(at, np.int64), score[order], w / w.sum(), np.asarray(first, np.int64))


def curve(theta: Array, z: Array) -> Array:
    """Work out boundaries (..., 4) at log10 compute (u,): (..., u)."""
    y0, rise, b, middle = (theta[..., j, None] for j in range(4))
    return np.asarray(y0 + (1 - y0) * rise * _sigmoid(b * (z - middle)))


def solve(points: Points, tau: float, kappa: float, ridge: float, starts: Array | None = None) -> Optimum:
    """Find the boundary of least loss.

    Parameters
    ----------
    points : Points
        At least two different values of compute.
    tau : float
        Quantile.
    kappa : float
        Sharpness of the corner of the pinball loss, one over score.
    ridge : float
        Times b squared, added to the mean loss.
    starts : ndarray (k, 4), optional
        Where to start, instead of the screen.

    Returns
    -------
    Optimum
    """
    thetas = (
        screen(points, tau, ridge, spread=kappa > _ROUND)
        if starts is None
        else np.atleast_2d(np.asarray(starts, float))
    )
    sharpness = min(kappa, _ROUND) if starts is None else kappa
    theta, value = _descend(thetas, points, tau, sharpness, ridge)
    while sharpness < kappa:  # a sharp corner has many small valleys: follow the optimum of a rounder one into it
        sharpness = min(kappa, sharpness * _STEP_UP)
        theta, value = _descend(theta, points, tau, sharpness, ridge)
    best = int(np.argmin(value))
    return Optimum(theta[best], float(value[best]))


def _descend(theta: Array, points: Points, tau: float, kappa: float, ridge: float) -> tuple[Array, Array]:
    """Polish boundaries (k, 4), steepness on its logarithm."""
    low = np.array([0, 0, np.log(STEEPNESS[0]), points.z[0]])
    high = np.array([1, 1, np.log(STEEPNESS[1]), points.z[-1]])
    start = theta.copy()
    start[:, 2] = np.log(np.clip(start[:, 2], *STEEPNESS))
    found, value = descend(start, points, tau, kappa, ridge, low, high)
    found[:, 2] = np.exp(found[:, 2])
    return found, value


def screen(points: Points, tau: float, ridge: float, spread: bool = False) -> Array:
    """Look over steepness and middle for starts.

    Parameters
    ----------
    points, tau, ridge
        As of `solve`.
    spread : bool
        Whether the best of each steepness are wanted too: a sharp corner makes more valleys.

    Returns
    -------
    ndarray (k, 4)
        The best starts, the best first.
    """
    n = len(points.y)
    pick = np.linspace(0, n - 1, _SCREENED).astype(int) if n > _SCREENED else np.arange(n)
    y, w = points.y[pick], points.weight[pick] / points.weight[pick].sum()
    middles = np.unique(
        np.concatenate(
            [np.linspace(points.z[0], points.z[-1], _MIDDLES), np.quantile(points.z[points.at], [0.15, 0.5, 0.85])]
        )
    )
    steeps = np.geomspace(0.1, 20, _STEEPS)
    middle, steep = (a.ravel() for a in np.meshgrid(middles, steeps, indexing="ij"))
    # Half the digits do for a start, at half the price.
    y, w = y.astype(np.float32), w.astype(np.float32)
    shape = _sigmoid(steep[:, None] * (points.z - middle[:, None])).astype(np.float32)[:, points.at[pick]]
    level = np.float32(min(tau, _GRID_TAU))
    low = np.full(len(middle), np.quantile(y, 0.1), np.float32)
    height = np.clip(np.float32(np.quantile(y, tau)) - low, 0.01, None)
    half = np.float32(0.5 * _GRID_KAPPA)
    for _ in range(_TURNS):
        inside = 0.5 * np.tanh(half * (y - low[:, None] - height[:, None] * shape))  # the sigmoid, less a half
        pull = (inside + (level - np.float32(0.5))) * shape
        bend = 2 * half * (np.float32(0.25) - inside * inside) + np.float32(1e-3)
        bent = bend * shape
        g0, g1 = -(inside @ w) - (level - np.float32(0.5)), -(pull @ w)
        h00, h01, h11 = bend @ w, bent @ w, (bent * shape) @ w + np.float32(1e-8)
        det = h00 * h11 - h01**2 + np.float32(1e-12)
        d0, d1 = (h11 * g0 - h01 * g1) / det, (h00 * g1 - h01 * g0) / det
        step = np.minimum(1, 0.3 / np.maximum(np.abs(d0) + np.abs(d1), 1e-9))
        low = np.clip(low - step * d0, 0, 1)
        height = np.clip(height - step * d1, 0, 1 - low)
    away = y - low[:, None] - height[:, None] * shape
    loss = _pinball(away, float(level), _GRID_KAPPA) @ w + ridge * steep**2
    best = np.argsort(loss, kind="stable")[:_POLISHED]
    if spread:
        each = [int(rows[np.argmin(loss[rows])]) for rows in (np.flatnonzero(steep == b) for b in steeps)]
        best = np.array(list(dict.fromkeys([*best.tolist(), *each])))
    rise = np.clip(height[best] / np.maximum(1 - low[best], 1e-9), 0, 1)
    return np.column_stack([low[best].astype(float), rise, steep[best], middle[best]])


def mean_loss(theta: Array, points: Points, tau: float, kappa: float | None) -> float:
    """Mean pinball loss of a boundary (4,), rounded by `kappa` or exact where it is None; without the ridge."""
    away = points.y - curve(theta, points.z)[points.at]
    if kappa is None:
        return float(np.sum(points.weight * np.where(away < 0, tau - 1, tau) * away))
    return float(np.sum(points.weight * _pinball(away, tau, kappa)))


def _pinball(away: Array, tau: float, kappa: float) -> Array:
    size = np.exp(-kappa * np.abs(away))
    return np.asarray(np.maximum(away, 0) + np.log1p(size) / kappa + (tau - 1) * away)


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))
