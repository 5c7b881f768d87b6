"""Damped Newton for a handful of boundaries at once, with the exact Hessian, inside the box.

The general engine does this for any law; here the formula is known, and the scores that share their compute share the
slopes of the curve, so sums over scores come first and everything else is done once a value of compute.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scaling.boundary.solver import Points

Array = NDArray[np.float64]

_SHRINK, _GROW, _LEAST_DAMPING = 0.1, 10.0, 1e-7
_MOST_DAMPING = 1e8
_LEAST_GAIN = 1e-12  # of the mean loss, which is known to 1e-6 at best: scores have three digits
_SOFTEST = 1e-9  # of the largest curvature: directions that change nothing are left alone
_GLANCE = 4  # steps after which starts are compared
_BEHIND = 2e-5  # of the mean loss; the steps after that gain less
_ROWS, _COLUMNS = (0, 0, 0, 1, 1, 2, 2, 3), (1, 2, 3, 2, 3, 2, 3, 3)
_SAME_CURVE = 2e-3  # in score: two starts so near each other end at one optimum


def descend(
    theta: Array,
    points: Points,
    tau: float,
    kappa: float,
    ridge: float,
    low: Array,
    high: Array,
    patience: int = 60,
) -> tuple[Array, Array]:
    """Minimise the loss of boundaries.

    Parameters
    ----------
    theta : ndarray (k, 4)
        Starts: y0, rise, ln b and z_mid.
    points, tau, kappa, ridge
        As of `scaling.boundary.solver.solve`.
    low, high : ndarray (4,)
        The box.
    patience : int
        Steps at most.

    Returns
    -------
    theta : ndarray (k, 4)
    value : ndarray (k,)
        Starts that fell behind, or ran into another one, are returned as far as they came.
    """
    theta = np.clip(theta, low, high)
    value, slope, bend = derivatives(theta, points, tau, kappa, ridge)
    damp, live = np.full(len(theta), 1e-3), np.arange(len(theta))
    for turn in range(patience):
        at = theta[live]
        step = _step(at, slope[live], bend[live], damp[live], low, high)
        trial = np.clip(at + step, low, high)
        found, up, curved = derivatives(trial, points, tau, kappa, ridge)
        lower = found < value[live]
        gain = value[live] - found
        done = (lower & (gain < _LEAST_GAIN)) | (~lower & (damp[live] > _MOST_DAMPING))
        done |= ~lower & (np.abs(gain) < _LEAST_GAIN)
        rows = live[lower]
        theta[rows], value[rows], slope[rows], bend[rows] = trial[lower], found[lower], up[lower], curved[lower]
        damp[live] = np.where(lower, np.maximum(damp[live] * _SHRINK, _LEAST_DAMPING), damp[live] * _GROW)
        live = live[~done]
        if turn >= _GLANCE and len(live) > 1:
            live = _worth(live, theta, value, points)
        if not live.size:
            break
    return theta, value


def _worth(live: NDArray[np.int64], theta: Array, value: Array, points: Points) -> NDArray[np.int64]:
    """Keep the best start and those that may yet end somewhere else, and lower."""
    from scaling.boundary.solver import curve

    best = int(np.argmin(value))
    natural = theta.copy()
    natural[:, 2] = np.exp(natural[:, 2])
    levels = curve(natural, points.z)
    near = np.max(np.abs(levels - levels[best]), axis=1) < _SAME_CURVE
    return np.asarray(live[(live == best) | ((value[live] < value[best] + _BEHIND) & ~near[live])])


def _step(at: Array, slope: Array, bend: Array, damp: Array, low: Array, high: Array) -> Array:
    """Newton's step (k, 4) within the box, with curvatures taken positive and damped.

    Parameters pushed against the box stay. Those that the step would take out of it go as far as they can, and the
    others are stepped again given that.
    """
    free = ~(((at <= low) & (slope > 0)) | ((at >= high) & (slope < 0)))
    step = _solved(slope, bend, damp, free)
    kept = np.clip(at + step, low, high) - at
    out = np.abs(kept - step) > 0
    if out.any():
        fixed = np.where(out, kept, 0.0)
        again = _solved(slope + (bend @ fixed[:, :, None])[:, :, 0], bend, damp, free & ~out)
        kept = np.where(out, kept, again)
    return kept


def _solved(slope: Array, bend: Array, damp: Array, free: NDArray[np.bool_]) -> Array:
    curvature, directions = np.linalg.eigh(bend * (free[:, :, None] & free[:, None, :]))
    size = np.abs(curvature)
    most = np.maximum(size.max(axis=1, keepdims=True), 1e-12)
    along = ((slope * free)[:, None] @ directions)[:, 0]
    along /= np.maximum(size, _SOFTEST * most) + damp[:, None] * most
    return np.asarray(-(directions @ along[:, :, None])[:, :, 0] * free)


def derivatives(theta: Array, points: Points, tau: float, kappa: float, ridge: float) -> tuple[Array, Array, Array]:
    """Mean loss and ridge (k,), gradient (k, 4) and Hessian (k, 4, 4) of boundaries (k, 4) in y0, rise, ln b, z_mid."""
    y0, rise, log_b, middle = (theta[:, j, None] for j in range(4))
    b = np.exp(log_b)
    x = b * (points.z - middle)
    s = 0.5 + 0.5 * np.tanh(0.5 * x)
    away = points.y - (y0 + (1 - y0) * rise * s)[:, points.at]
    size = np.exp(-kappa * np.abs(away))
    share = 1 / (1 + size)
    above = np.where(away >= 0, share, 1 - share)
    loss = np.maximum(away, 0) + np.log1p(size) / kappa + (tau - 1) * away
    pull = points.total(above + (tau - 1))
    stiff = kappa * points.total(size * share * share)
    steep = s * (1 - s)
    bent = steep * (1 - 2 * s)
    # The slopes of the curve in the four parameters, and what their own slopes are made of.
    terms = np.empty((len(theta), 10, len(points.z)))
    terms[:, 0], terms[:, 1], terms[:, 2], terms[:, 3] = 1 - rise * s, (1 - y0) * s, steep * x, steep
    terms[:, 4], terms[:, 5], terms[:, 6] = s, bent * x * x, bent * x
    terms[:, 7] = bent
    terms[:, 8], terms[:, 9] = terms[:, 2], terms[:, 3]
    room = (1 - y0) * rise
    terms[:, 2] *= room
    terms[:, 3] *= -room * b
    first = terms[:, :4]
    sums = (terms @ pull[:, :, None])[:, :, 0]
    ridge_b = ridge * b[:, 0] ** 2
    slope = -sums[:, :4]
    slope[:, 2] += 2 * ridge_b
    bend = (first * stiff[:, None]) @ first.transpose(0, 2, 1)
    bend -= _second(sums[:, 4:], b[:, 0], 1 - y0[:, 0], rise[:, 0])
    bend[:, 2, 2] += 4 * ridge_b
    return loss @ points.weight + ridge_b, slope, bend


def _second(sums: Array, b: Array, up: Array, rise: Array) -> Array:
    """Second derivatives of the curve, summed with the pulls of the scores: (k, 4, 4)."""
    p0, q11, q12, q22, p1, p2 = sums.T
    p2, q12, q22 = p2 * b, q12 * b, q22 * b * b
    room = up * rise
    out = np.zeros((len(b), 4, 4))
    upper = np.array([-p0, -rise * p1, rise * p2, up * p1, -up * p2, room * (q11 + p1), -room * (q12 + p2), room * q22])
    out[:, _ROWS, _COLUMNS] = out[:, _COLUMNS, _ROWS] = upper.T
    return out
