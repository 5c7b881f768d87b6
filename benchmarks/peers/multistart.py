"""The published way to fit a boundary (arXiv:2602.15327), written from its description, with SciPy.

About 250 starts in middle and steepness; for each the two heights by SLSQP at a low quantile with a round corner; the
ten best are followed by SLSQP in all four parameters to the quantile and corner that are wanted. Gradients are exact.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Array = NDArray[np.float64]

LOW_B, HIGH_B = 0.05, 50.0
STAGES = ((0.90, 10.0), (0.90, 25.0), (0.90, 50.0), (0.95, 50.0), (0.98, 50.0))
BEST = 10
OPTIONS = {"ftol": 1e-9, "maxiter": 700}  # of every solve


def fit(z: Array, y: Array, ridge: float = 1e-3, seed: int = 0) -> tuple[Array, float]:
    """Return y0, L, z_mid, b and the objective at tau .98, kappa 50."""
    rng = np.random.default_rng(seed)
    middles = np.unique(np.r_[np.linspace(z.min(), z.max(), 10), np.quantile(z, [0.15, 0.35, 0.5, 0.65, 0.85])])
    starts = [(m, np.log(b)) for m in middles for b in np.geomspace(LOW_B, HIGH_B, 10)]
    starts += list(
        zip(rng.uniform(z.min(), z.max(), 100), rng.uniform(np.log(LOW_B), np.log(HIGH_B), 100), strict=True)
    )
    screened = []
    room = {"type": "ineq", "fun": lambda h: 1 - h[0] - h[1], "jac": lambda _: np.array([-1.0, -1.0])}
    for middle, log_b in starts:
        shape = 1 / (1 + np.exp(-np.exp(log_b) * (z - middle)))
        first = np.array([np.quantile(y, 0.1), max(np.quantile(y, 0.9) - np.quantile(y, 0.1), 0.05)])
        found = minimize(
            _heights, np.clip(first, 0, 0.5), args=(shape, y), jac=True, method="SLSQP", bounds=[(0, 1)] * 2,
            constraints=[room], options=OPTIONS,
        )  # fmt: skip
        screened.append((found.fun + ridge * np.exp(2 * log_b), [*found.x, middle, log_b]))
    screened.sort(key=lambda pair: pair[0])
    bounds = [(0, 1), (0, 1), (z.min(), z.max()), (np.log(LOW_B), np.log(HIGH_B))]
    room = {"type": "ineq", "fun": lambda p: 1 - p[0] - p[1], "jac": lambda _: np.array([-1.0, -1.0, 0.0, 0.0])}
    best, value = np.full(4, np.nan), np.inf
    for _, start in screened[:BEST]:
        at = np.array(start)
        for tau, kappa in STAGES:
            found = minimize(
                _all, at, args=(z, y, tau, kappa, ridge), jac=True, method="SLSQP", bounds=bounds, constraints=[room],
                options=OPTIONS,
            )  # fmt: skip
            at = np.clip(found.x, [b[0] for b in bounds], [b[1] for b in bounds])
            at[1] = min(at[1], 1 - at[0])
        end = _all(at, z, y, *STAGES[-1], ridge)[0]
        if end < value:
            best, value = np.array([at[0], at[1], at[2], np.exp(at[3])]), end
    return best, float(value)


def _rho(u: Array, tau: float, kappa: float) -> tuple[Array, Array]:
    loss = np.logaddexp(0, kappa * u) / kappa + (tau - 1) * u
    return loss, 0.5 + 0.5 * np.tanh(0.5 * kappa * u) + tau - 1


def _heights(h: Array, shape: Array, y: Array) -> tuple[float, Array]:
    loss, slope = _rho(y - h[0] - h[1] * shape, 0.90, 10.0)
    return float(loss.mean()), np.array([-slope.mean(), -(slope * shape).mean()])


def _all(p: Array, z: Array, y: Array, tau: float, kappa: float, ridge: float) -> tuple[float, Array]:
    b = np.exp(p[3])
    s = 0.5 + 0.5 * np.tanh(0.5 * b * (z - p[2]))
    loss, slope = _rho(y - p[0] - p[1] * s, tau, kappa)
    across = slope * p[1] * b * s * (1 - s)
    gradient = [-slope.mean(), -(slope * s).mean(), across.mean(), -(across * (z - p[2])).mean() + 2 * ridge * b * b]
    return float(loss.mean() + ridge * b * b), np.array(gradient)
