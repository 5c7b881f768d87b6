"""Eigenvalues of ``diag(d) + z z'`` by its secular equation: the exact path, and the largest one of many candidates.

The roots of ``f(x) = 1 + sum_i z_i^2 / (d_i - x)`` lie one in each gap between the d, the last above them all. Each is
found as an offset from the nearer of its two poles, so a root a hair away from a pole keeps its digits, and the
differences that the eigenvectors need do too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_TINY = 1e-300
_STEPS = 200  # bisection alone needs about 60, and up to 1075 only towards a root at a pole, where it is cut off


@dataclass(frozen=True)
class Roots:
    """Eigenvalues of a diagonal matrix after an update of rank one.

    Parameters
    ----------
    values : ndarray (m,)
        Ascending.
    differences : ndarray (m, m)
        ``d_j - values_i`` in row i, column j, without cancellation.
    """

    values: Array
    differences: Array


def secular_roots(d: Array, z: Array) -> Roots:
    """Return the eigenvalues of ``diag(d) + z z'``.

    Parameters
    ----------
    d : ndarray (m,)
        Ascending.
    z : ndarray (m,)
        The vector of the update, in the same coordinates.

    Returns
    -------
    Roots

    Examples
    --------
    >>> secular_roots(np.array([0.0, 0.5, 1.0, 2.0]), np.full(4, 0.5)).values.round(12).tolist()
    [0.120430812272, 0.661547124252, 1.295092691195, 2.422929372281]
    """
    m = d.size
    squares = z * z
    values, differences = np.empty(m), np.empty((m, m))
    for i in range(m):
        origin, high = i, float(squares.sum())
        if i + 1 < m:
            with np.errstate(divide="ignore", invalid="ignore"):
                origin = i if 1 + float(np.sum(squares / (d - 0.5 * (d[i] + d[i + 1])))) >= 0 else i + 1
            high = float(d[i + 1] - d[origin])
        shifted = d - d[origin]
        x = _root(shifted, squares, i, high)
        values[i] = d[origin] + x
        differences[i] = shifted - x
    return Roots(values, differences)


def _root(delta: Array, squares: Array, i: int, high: float) -> float:
    """Return the root between pole i and `high`, as an offset from the origin of `delta`."""
    low = float(delta[i])
    scale = max(abs(low), abs(high), _EPS * float(np.abs(delta).max()), _TINY)
    alone = squares[i] == 0 and low == 0
    if high - low <= _EPS * scale or (alone and _value(delta, squares, _EPS * (high - low)) > 0):
        return low  # two poles in one, or a coordinate that the update leaves alone
    last = i + 1 == delta.size
    if last:
        high += 4 * _EPS * scale  # with one pole alone the root is that bound itself
    x = 0.5 * (low + high)
    for _ in range(_STEPS):
        away = delta - x
        if not np.all(away):
            return x
        terms = squares / away
        below, over = float(terms[: i + 1].sum()), float(terms[i + 1 :].sum())
        f = 1 + below + over
        if f < 0:
            low = x
        else:
            high = x
        if abs(f) <= _EPS * (1 + abs(below) + abs(over)):
            break
        slopes = terms / away
        new = float(delta[i]) + _one_pole(away[i], f, slopes) if last else x + _two_poles(away, f, slopes, i)
        if not low < new < high:
            new = 0.5 * (low + high)
        if new in (low, high):
            return new
        # A step this small against the distance to the poles squares away below the last digit.
        done = abs(new - x) <= 1e-9 * (abs(away[i]) if last else min(abs(away[i]), abs(away[i + 1])))
        x = new
        if done:
            break
    return x


def _value(delta: Array, squares: Array, x: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return 1 + float(np.nansum(np.where(squares > 0, squares / (delta - x), 0.0)))


def _one_pole(distance: float, f: float, slopes: Array) -> float:
    """Return how far above its pole the root of the curve with one pole lies that has this value and slope."""
    slope = float(slopes.sum())
    over = f - distance * slope
    return distance * distance * slope / over if over > 0 else 0.0


def _two_poles(away: Array, f: float, slopes: Array, i: int) -> float:
    """Return the step to the root of the curve with the two neighbouring poles that has this value and slopes."""
    left, right = away[i], away[i + 1]
    below, over = float(slopes[: i + 1].sum()), float(slopes[i + 1 :].sum())
    c = f - left * below - right * over
    a = (left + right) * f - left * right * (below + over)
    b = left * right * f
    root = np.sqrt(max(a * a - 4 * b * c, 0.0))
    if a > 0:
        return float(2 * b / (a + root))
    return float((a - root) / (2 * c)) if c != 0 else float(b / a) if a != 0 else 0.0


def updated_vectors(d: Array, z: Array, roots: Roots) -> Array:
    """Return the eigenvectors of ``diag(d) + z z'``, orthogonal to the last digits, in columns.

    Parameters
    ----------
    d, z : ndarray (m,)
        As in `secular_roots`; no two d may be equal and no z zero.
    roots : Roots
        What that returned.

    Notes
    -----
    The vectors belong to the z for which the computed roots are exact (Gu and Eisenstat), not to the given one.
    """
    gaps = d[None, :] - d[:, None]  # [i, j] = d_j - d_i
    np.fill_diagonal(gaps, 1.0)
    own = -roots.differences  # [i, j] = mu_i - d_j
    # Pair each ratio with its neighbour: mu_i lies between d_i and d_{i+1}, so none of them is far from one.
    logs = np.log(np.abs(own)) - np.log(np.abs(gaps))
    weights = np.sqrt(np.exp(logs.sum(axis=0))) * np.where(z < 0, -1.0, 1.0)
    vectors = weights / roots.differences
    return np.asarray((vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).T)


def largest_roots(d: Array, squares: Array) -> Array:
    """Return the largest eigenvalue of ``diag(d) + z z'`` for many z at once.

    Parameters
    ----------
    d : ndarray (r,)
        Ascending.
    squares : ndarray (c, r)
        Squares of the coordinates of each z.

    Returns
    -------
    ndarray (c,)

    Notes
    -----
    The step that keeps the last pole approaches the root from one side, quadratically; a bracket guards it.
    """
    top = float(d[-1])
    delta = d - top
    low, high = squares[:, -1].copy(), squares.sum(axis=1)
    x = np.maximum(low, np.maximum(_EPS * high, _TINY))  # a pole of no weight is passed, never met
    for _ in range(_STEPS):
        away = delta - x[:, None]
        terms = squares / away
        f = 1 + terms.sum(axis=1)
        slope = (terms / away).sum(axis=1)
        low, high = np.where(f < 0, x, low), np.where(f < 0, high, x)
        over = f + x * slope
        with np.errstate(divide="ignore", invalid="ignore"):
            new = x * x * slope / over
        inside = (new >= low) & (new <= high)
        new = np.maximum(np.where(inside, new, 0.5 * (low + high)), _TINY)
        if np.all(np.abs(new - x) <= 4 * _EPS * (np.abs(new) + top)):
            return np.asarray(top + new)
        x = new
    return np.asarray(top + x)
