"""The lowest point of a curve through the losses of one budget, for whole batches of row weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

CURVES = ("quadratic", "cubic", "akima")
WEIGHTINGS = ("equal", "near")
SAME_SIZE = 0.01  # in ln(size): sizes closer than this are one
_HELD = 0.999
_FINE = 2001  # points on which the lowest one of a spline is sought


@dataclass(frozen=True)
class Valley:
    """Curves through the losses of one budget.

    Parameters
    ----------
    vertex : ndarray (B,)
        ln(size) at the lowest point; NaN where the curve has none. It may lie outside the runs; that of a spline which
        is lowest at an end is infinite.
    curvature : ndarray (B,)
        Second derivative of the loss there; NaN for a spline.
    gain : float
        Variance of the first vertex for rows whose losses have the variance 1; NaN for a spline.
    fitted : ndarray (n,)
        Losses of the first curve; empty for a spline.
    noise : ndarray (n,)
        What each row leaves of the first curve, scaled up by its leverage so that its square is the variance of the
        row; empty for a spline. Where there are sizes enough it is taken from a polynomial of one degree more: what a
        parabola leaves because the valley is no parabola is no noise.
    degrees : int
        Degrees of freedom that the noise has; 0 for a spline.
    """

    vertex: Array
    curvature: Array
    gain: float
    fitted: Array
    noise: Array
    degrees: int

    @property
    def log_error(self) -> float:
        """Standard error of the first vertex, by the delta method; NaN without degrees of freedom."""
        return float(np.sqrt(self.gain * self.variance))

    @property
    def variance(self) -> float:
        """Of the losses of single runs; NaN without degrees of freedom."""
        return float(np.mean(self.noise**2)) if self.degrees > 0 else float("nan")


def distinct_sizes(x: Array) -> NDArray[np.int64]:
    """Number the sizes.

    Parameters
    ----------
    x : ndarray (n,)
        ln(size).

    Returns
    -------
    ndarray of int (n,)
        From 0, in ascending order; sizes within 1 % of a neighbour are one.
    """
    order = np.argsort(x, kind="stable")
    codes = np.empty(len(x), dtype=np.int64)
    codes[order] = np.concatenate([[0], np.cumsum(np.diff(x[order]) > SAME_SIZE)])
    return codes


def lowest_points(x: Array, y: Array, weights: Array, curve: str, weighting: str) -> Valley:
    """Fit a curve for each row of weights and find its lowest point.

    Parameters
    ----------
    x : ndarray (n,)
        ln(size).
    y : ndarray (n,) or (B, n)
        Losses; one row for each curve, or one for all.
    weights : ndarray (B, n)
        Of the runs; how often each stands in a replicate.
    curve : {'quadratic', 'cubic', 'akima'}
        The curve.
    weighting : {'equal', 'near'}
        Whether runs near the lowest point weigh more.

    Returns
    -------
    Valley
        NaN vertices where a replicate has fewer sizes than the curve needs.
    """
    if curve == "akima":
        return _spline(x, np.broadcast_to(y, weights.shape), weights)
    degree = 2 if curve == "quadratic" else 3
    first = _polynomial(x, y, weights, weights, degree)
    if weighting == "equal":
        return first
    fallback = x[np.argmin(np.broadcast_to(y, weights.shape), axis=1)]
    centre = np.clip(np.where(np.isnan(first.vertex), fallback, first.vertex), x.min(), x.max())
    return _polynomial(x, y, weights, weights / (1 + np.abs(x - centre[:, None])), degree)


def _polynomial(x: Array, y: Array, counts: Array, weights: Array, degree: int) -> Valley:
    middle, half = 0.5 * (x.min() + x.max()), 0.5 * float(np.ptp(x)) or 1.0
    u = (x - middle) / half  # in -1..1, so that the normal equations stay well conditioned
    powers = u[:, None] ** np.arange(degree + 1)
    codes = distinct_sizes(x)
    present = np.stack([counts[:, codes == k].sum(axis=1) > 0 for k in range(int(codes.max()) + 1)], axis=1)
    enough = present.sum(axis=1) > degree
    normal = np.einsum("bn,ni,nj->bij", weights, powers, powers)
    normal[~enough] = np.eye(degree + 1)
    right = np.einsum("bn,bn,ni->bi", weights, np.broadcast_to(y, weights.shape), powers)
    coefficients = np.linalg.solve(normal, right[..., None])[..., 0]
    vertex, bend = _stationary(coefficients, degree)
    vertex = np.where(enough, vertex, np.nan)

    # The delta method: a change dc of the coefficients moves the zero of the slope by -slope'(dc) / curvature.
    gain = float("nan")
    if np.isfinite(vertex[0]):
        power = np.arange(1, degree + 1)
        gradient = np.concatenate([[0.0], -power * vertex[0] ** (power - 1) / bend[0]])
        inverse = np.linalg.inv(normal[0])
        sandwich = inverse @ np.einsum("n,ni,nj->ij", weights[0] ** 2, powers, powers) @ inverse
        gain = float(gradient @ sandwich @ gradient) * half**2
    noise, degrees = _noise(u, np.broadcast_to(y, weights.shape)[0], degree + (int(codes.max()) + 1 >= degree + 4))
    return Valley(middle + half * vertex, bend / half**2, gain, powers @ coefficients[0], noise, degrees)


def _noise(u: Array, y: Array, degree: int) -> tuple[Array, int]:
    """Residuals of a polynomial over the root of one minus their leverage, and the degrees of freedom behind them."""
    q, _ = np.linalg.qr(u[:, None] ** np.arange(degree + 1))
    leverage = np.sum(q**2, axis=1)
    residual = y - q @ (q.T @ y)
    free = leverage < _HELD  # a row that alone decides a coefficient tells nothing of its own noise
    scaled = np.where(free, residual / np.sqrt(np.where(free, 1 - leverage, 1.0)), 0.0)
    degrees = len(y) - degree - 1
    if degrees > 0 and not free.all():  # such rows take the typical size of the others
        scaled[~free] = np.sqrt(np.mean(scaled[free] ** 2)) if free.any() else np.nan
    return scaled, degrees


def _stationary(coefficients: Array, degree: int) -> tuple[Array, Array]:
    """Where the polynomial is lowest, and its second derivative there; NaN where it is no valley."""
    with np.errstate(all="ignore"):
        if degree == 2:
            bend = 2 * coefficients[:, 2]
            vertex = -coefficients[:, 1] / bend
        else:  # of the two zeros of the slope, the one where the curve is convex, in the form without cancellation
            c1, c2, c3 = coefficients[:, 1], coefficients[:, 2], coefficients[:, 3]
            root = np.sqrt(c2**2 - 3 * c1 * c3)
            vertex = np.where(c2 >= 0, -c1 / (c2 + root), (-c2 + root) / (3 * c3))
            bend = 2 * root
        good = (bend > 0) & np.isfinite(vertex)
    return np.where(good, vertex, np.nan), np.where(good, bend, np.nan)


def _spline(x: Array, y: Array, weights: Array) -> Valley:
    from scipy.interpolate import Akima1DInterpolator

    codes = distinct_sizes(x)
    member = (codes[:, None] == np.arange(int(codes.max()) + 1)).astype(float)
    knots = (x @ member) / member.sum(axis=0)
    total = weights @ member
    mean = ((weights * y) @ member) / np.where(total > 0, total, 1.0)
    fine = np.linspace(knots[0], knots[-1], _FINE)
    vertex = np.full(len(weights), np.nan)
    for i in range(len(weights)):
        there = total[i] > 0
        if there.sum() > 3:
            inside = fine[(fine >= knots[there][0]) & (fine <= knots[there][-1])]
            curve = Akima1DInterpolator(knots[there], mean[i, there])(inside)
            j = int(np.argmin(curve))
            if j in (0, len(inside) - 1):
                vertex[i] = -np.inf if j == 0 else np.inf
                continue
            left, here, right = curve[j - 1 : j + 2]  # the vertex of these three, between the points of the grid
            bend = left - 2 * here + right
            vertex[i] = inside[j] + (0.5 * (left - right) / bend * (fine[1] - fine[0]) if bend > 0 else 0.0)
    return Valley(vertex, np.full(len(weights), np.nan), float("nan"), np.empty(0), np.empty(0), 0)
