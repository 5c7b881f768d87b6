"""A boundary of monotone splines: the shape-free rival of the sigmoid (arXiv:2602.15327).

q(z) = y0 + L sigmoid(a0 + X(z) w): X are I-splines, each rising from 0 to 1 over the compute seen, w are not negative,
so that the boundary rises; y0 and y0 + L lie between 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.evaluation.bins import equal_mass_edges

Array = NDArray[np.float64]

_DEGREE = 3  # of the splines that are integrated
_BINS = 3  # of about the same number of models; their edges are the knots
_PULL = 1e-4  # on the squares of the free coefficients
_FURTHEST = 8.0  # of a0, logits
_SCALES = (0.0, 0.5, 1.0, 2.0, 4.0)
_DRAWN = 20  # starts at random


@dataclass(frozen=True)
class ISplineBoundary:
    """A fitted boundary of monotone splines; call it with log10 compute.

    Parameters
    ----------
    knots : ndarray (k,)
        log10 FLOP, the ends included.
    theta : ndarray (3 + j,)
        Free parameters: logits of y0 and of L / (1 - y0), a0, and the w before their softplus.
    value : float
        Mean smoothed loss and the pull on the coefficients.
    """

    knots: Array
    theta: Array
    value: float

    def __call__(self, log10_compute: Array) -> Array:
        """Work out the boundary at log10 compute (m,)."""
        return _curve(self.theta, basis(np.asarray(log10_compute, float), self.knots))[0]


def basis(z: Array, knots: Array, degree: int = _DEGREE) -> Array:
    """I-splines at z (m,): (m, len(knots) + degree - 1), each rising from 0 to 1 between the outer knots."""
    from scipy.interpolate import BSpline

    order = degree + 1
    padded = np.concatenate([[knots[0]] * order, knots, [knots[-1]] * order])
    inside = np.clip(z, knots[0], knots[-1])
    every = BSpline.design_matrix(inside, padded, order).toarray()
    # The integral of an M-spline is the sum of the B-splines of one degree more, from the next one on.
    return np.asarray(np.cumsum(every[:, ::-1], axis=1)[:, ::-1][:, 1:])


def fit_isplines(log10_compute: Array, score: Array, tau: float, kappa: float = 50.0, seed: int = 0) -> ISplineBoundary:
    """Fit a boundary of monotone splines.

    Parameters
    ----------
    log10_compute, score : ndarray (n,)
        The models; at least two different values of compute.
    tau : float
        Quantile.
    kappa : float, default 50
        Sharpness of the corner of the pinball loss, one over score.
    seed : int, default 0
        Of the starts at random.

    Returns
    -------
    ISplineBoundary
    """
    from scipy.optimize import minimize

    parts = max(len(equal_mass_edges(log10_compute, _BINS)) - 1, 1)
    knots = np.unique(np.quantile(log10_compute, np.linspace(0, 1, parts + 1)))
    order = np.argsort(log10_compute, kind="stable")
    z, first, at = np.unique(log10_compute[order], return_index=True, return_inverse=True)
    X, y = basis(z, knots), score[order]
    free = X.shape[1]
    bounds = [(-20.0, 20.0)] * 2 + [(-_FURTHEST, _FURTHEST)] + [(-20.0, 20.0)] * free
    best, value = np.zeros(3 + free), np.inf
    for start in _starts(X, knots, y, tau, seed):
        found = minimize(
            _value_and_slope, start, args=(X, y, at, first, tau, kappa), jac=True, method="L-BFGS-B", bounds=bounds,
            options={"ftol": 1e-10, "maxiter": 500},
        )  # fmt: skip
        if found.fun < value:
            best, value = found.x, float(found.fun)
    return ISplineBoundary(knots, best, value)


def _starts(X: Array, knots: Array, y: Array, tau: float, seed: int) -> Array:
    """Rises centred between knots, of several heights, and some at random: (s, 3 + j)."""
    free = X.shape[1]
    low, high = np.clip([np.quantile(y, 0.1), np.quantile(y, tau)], 0.02, 0.98)
    reach = np.clip((high - low) / (1 - low), 0.05, 0.95)
    ends = [float(np.log(share / (1 - share))) for share in (low, reach)]
    rng, starts = np.random.default_rng(seed), []
    for middle in (knots[:-1] + knots[1:]) / 2:
        for scale in _SCALES:
            w = np.full(free, np.log(np.expm1(scale + 1e-2)))
            half = basis(np.array([middle]), knots)[0] @ np.logaddexp(0, w)
            starts.append([*ends, float(np.clip(-half, -_FURTHEST, _FURTHEST)), *w.tolist()])
    for _ in range(_DRAWN):
        starts.append([*ends, rng.uniform(-4, 2), *np.asarray(rng.normal(-2, 1.5, free)).tolist()])
    return np.array(starts)


def _curve(theta: Array, X: Array) -> tuple[Array, Array]:
    """The boundary, and the sigmoid in it."""
    y0, part = _sigmoid(theta[0]), _sigmoid(theta[1])
    s = _sigmoid(theta[2] + X @ np.logaddexp(0, theta[3:]))
    return np.asarray(y0 + (1 - y0) * part * s), s


def _value_and_slope(
    theta: Array, X: Array, y: Array, at: NDArray[np.int64], first: NDArray[np.int64], tau: float, kappa: float
) -> tuple[float, Array]:
    y0, part = _sigmoid(theta[0]), _sigmoid(theta[1])
    q, s = _curve(theta, X)
    away = y - q[at]
    size = np.exp(-kappa * np.abs(away))
    loss = np.mean(np.maximum(away, 0) + np.log1p(size) / kappa + (tau - 1) * away)
    pull = (np.where(away >= 0, 1, size) / (1 + size) + (tau - 1)) / len(y)
    total = -np.add.reduceat(pull, first)  # slope of the loss by the boundary at each value of compute
    across = total * (1 - y0) * part * s * (1 - s)
    beta = theta[3:]
    slope = np.concatenate(
        [
            [y0 * (1 - y0) * (total @ (1 - part * s)), (1 - y0) * part * (1 - part) * (total @ s), across.sum()],
            (across @ X) * _sigmoid(beta) + 2 * _PULL * beta,
        ]
    )
    return float(loss + _PULL * beta @ beta), slope


def _sigmoid(x: Array) -> Array:
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x))
