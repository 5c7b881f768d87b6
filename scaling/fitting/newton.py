"""Minimise many small problems at once: box-projected Newton with the exact Hessian, Gauss-Newton where that wins.

The exact Hessian converges quadratically, but stalls in long curved valleys far from the optimum, where Gauss-Newton
steps with Levenberg-Marquardt damping get through. So every row of the batch tries the Newton step, and the
Gauss-Newton step where Newton's does not lower the objective (or always, for starts from far away); the better one is
taken. Both are damped and measured in the scale of the Gauss-Newton diagonal, so the units of a parameter do not
matter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Evaluate = Callable[[Array, NDArray[np.int64]], Array]
Progress = Callable[[int, int], None]
Derivatives = Callable[[Array, NDArray[np.int64]], tuple[Array, Array, Array, Array]]

_SHRINK, _GROW, _LAST_DAMPING = 0.15, 8.0, 1e10
_STEP_TOLERANCE = 1e-12  # of the parameter, relative to its size and to the curvature's own scale
_DECREMENT_TOLERANCE = 1e-15  # of the objective


@dataclass(frozen=True)
class Minima:
    """Where each row of a batch ended.

    Parameters
    ----------
    theta : ndarray (B, p)
        Internal parameters.
    objective : ndarray (B,)
        Value there.
    converged : ndarray of bool (B,)
        Whether no step can lower it any more.
    iterations : int
        Of the slowest row.
    """

    theta: Array
    objective: Array
    converged: NDArray[np.bool_]
    iterations: int


def minimise(
    theta: Array,
    evaluate: Evaluate,
    derivatives: Derivatives,
    low: Array,
    high: Array,
    *,
    floor: float = 0.0,
    max_iterations: int = 200,
    always_both: bool = False,
    damping: float = 1e-3,
    progress: Progress | None = None,
) -> Minima:
    """Minimise each row of a batch inside a box.

    Parameters
    ----------
    theta : ndarray (B, p)
        Starts; moved into the box.
    evaluate : callable
        Objective (b,) of parameters (b, p), given which rows of the batch they are.
    derivatives : callable
        Objective, gradient, Gauss-Newton matrix and exact Hessian, likewise.
    low, high : ndarray (p,)
        The box.
    floor : float
        Objective values below this are rounding noise of a perfect fit.
    max_iterations : int
        For each row.
    always_both : bool
        Try Newton and Gauss-Newton steps at every iteration; for starts from far away.
    damping : float
        To begin with.
    progress : callable, optional
        Told after each iteration how many rows are done, and of how many.

    Returns
    -------
    Minima
    """
    theta = np.clip(theta, low, high)
    batch = len(theta)
    active = np.arange(batch)
    objective, gradient, gauss, hessian = derivatives(theta, active)
    objective = np.where(np.isfinite(objective), objective, np.inf)
    damp = np.full(batch, damping)
    converged = np.zeros(batch, bool)
    active = active[np.isfinite(objective) & _smooth(gradient, gauss, hessian)]
    iterations = 0
    while active.size and iterations < max_iterations:
        iterations += 1
        at, now = theta[active], objective[active]
        g, scale, h, b = _projected(at, gradient[active], hessian[active], gauss[active], low, high)
        step = _newton_step(g, h, damp[active]) * scale
        trial = np.clip(at + step, low, high)
        value = _finite(evaluate(trial, active))
        again = np.ones(len(active), bool) if always_both else ~(value < now)
        if again.any():
            other_step = _damped_step(g[again], b[again], damp[active][again]) * scale[again]
            other = np.clip(at[again] + other_step, low, high)
            other_value = _finite(evaluate(other, active[again]))
            better = other_value < value[again]
            rows = np.flatnonzero(again)[better]
            trial[rows], value[rows], step[rows] = other[better], other_value[better], other_step[better]
        moved = trial - at
        lowered = value < now
        # The first-order gain still to be had, and the size of the step, both free of units.
        gain = np.abs(np.einsum("bi,bi->b", g / scale, moved))
        tiny = np.max(np.abs(moved) / (np.abs(at) + scale * _root(now)[:, None] + 1e-300), axis=1)
        done = (gain <= _DECREMENT_TOLERANCE * now) | (tiny <= _STEP_TOLERANCE) | (now <= floor)
        # Rounding hides what is left: no step helps, and none was predicted to help by more than rounding can show.
        done |= ~lowered & (gain <= 1e-11 * now) & (damp[active] <= 1.0)
        stuck = ~lowered & (damp[active] > _LAST_DAMPING)
        theta[active[lowered]], objective[active[lowered]] = trial[lowered], value[lowered]
        damp[active] = np.where(lowered, np.maximum(damp[active] * _SHRINK, 1e-14), damp[active] * _GROW)
        converged[active[done]] = True
        stay = ~(done | stuck)
        fresh = active[lowered & stay]
        if fresh.size:
            _, *new = derivatives(theta[fresh], fresh)
            smooth = _smooth(*new)
            for known, found in zip((gradient, gauss, hessian), new, strict=True):
                known[fresh[smooth]] = found[smooth]
            # At a pole (a power of zero, where a floor meets its lowest row) there is no way on: go less far.
            back = np.flatnonzero(lowered & stay)[~smooth]
            theta[active[back]], objective[active[back]] = at[back], now[back]
            damp[active[back]] *= _GROW / _SHRINK
        active = active[stay]
        if progress is not None:
            progress(batch - len(active), batch)
    return Minima(theta, objective, converged, iterations)


def _smooth(*derivatives: Array) -> NDArray[np.bool_]:
    """Tell which rows have derivatives at all."""
    return np.asarray(np.all([np.isfinite(d).reshape(len(d), -1).all(axis=1) for d in derivatives], axis=0))


def _finite(values: Array) -> Array:
    return np.where(np.isfinite(values), values, np.inf)


def _root(objective: Array) -> Array:
    return np.asarray(np.sqrt(np.maximum(objective, 0.0)))


def _projected(
    at: Array, gradient: Array, hessian: Array, gauss: Array, low: Array, high: Array
) -> tuple[Array, Array, Array, Array]:
    """Scale to unit Gauss-Newton diagonal and take out the parameters that a bound holds."""
    held = ((at <= low) & (gradient > 0)) | ((at >= high) & (gradient < 0))
    diagonal = np.einsum("bii->bi", gauss)
    top = np.max(diagonal, axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        scale = np.where(
            diagonal > 1e-300, 1 / np.sqrt(np.maximum(diagonal, 1e-300)), 1 / np.sqrt(np.maximum(top, 1e-300))
        )
    free = ~held
    both = free[:, :, None] & free[:, None, :]
    frame = scale[:, :, None] * scale[:, None, :]
    eye = np.eye(at.shape[1])
    with np.errstate(all="ignore"):
        h = np.where(both, hessian * frame, eye)
        b = np.where(both, gauss * frame, eye)
    return np.where(free, gradient * scale, 0.0), scale, np.nan_to_num(h), np.nan_to_num(b)


def _newton_step(g: Array, h: Array, damp: Array) -> Array:
    """Newton step with the eigenvalues made positive, so that it always goes down."""
    values, vectors = np.linalg.eigh(h)
    size = np.abs(values)
    top = size.max(axis=1, keepdims=True)
    top = np.where(top > 0, top, 1.0)  # no curvature at all, as where every residual lies beyond delta
    size = np.maximum(size, 1e-12 * top) + 1e-2 * damp[:, None] * top
    along = np.einsum("bij,bi->bj", vectors, g) / size
    return -np.asarray(np.einsum("bij,bj->bi", vectors, along), float)


def _damped_step(g: Array, b: Array, damp: Array) -> Array:
    """Levenberg-Marquardt step; the matrix has a unit diagonal."""
    eye = np.eye(g.shape[1])
    matrix = b + np.maximum(damp, 1e-13)[:, None, None] * eye
    try:
        solution = np.linalg.solve(matrix, g[:, :, None])
    except np.linalg.LinAlgError:
        solution = np.linalg.solve(matrix + 1e-8 * eye, g[:, :, None])
    return -np.asarray(solution[:, :, 0], float)
