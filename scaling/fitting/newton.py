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
_ROUNDING = 1e-12  # of the objective, relative: what a sum of squares leaves uncertain
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
    floor: float | Array = 0.0,
    max_iterations: int = 200,
    always_both: bool = False,
    damping: float = 1e-3,
    progress: Progress | None = None,
    linear: NDArray[np.bool_] | None = None,
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
    low, high : ndarray (p,) or (B, p)
        The box; one a row where rows differ in it. Equal ends hold a parameter.
    floor : float or ndarray (B,)
        Objective values below this are rounding noise of a perfect fit.
    max_iterations : int
        For each row.
    always_both : bool
        Try Newton and Gauss-Newton steps at every iteration; for starts from far away.
    damping : float
        To begin with.
    progress : callable, optional
        Told after each iteration how many rows are done, and of how many.
    linear : ndarray of bool (p,), optional
        Parameters in which the predictions are jointly linear. A third step is then tried at every iteration, which
        leaves them undamped and solves for them again where it lands: variable projection, for long curved valleys.

    Returns
    -------
    Minima
    """
    low, high = np.broadcast_to(low, theta.shape), np.broadcast_to(high, theta.shape)
    theta = np.clip(theta, low, high)
    batch = len(theta)
    active = np.arange(batch)
    objective, gradient, gauss, hessian = derivatives(theta, active)
    objective = np.where(np.isfinite(objective), objective, np.inf)
    damp, floor = np.full(batch, damping), np.broadcast_to(floor, batch)
    converged = np.zeros(batch, bool)
    active = active[np.isfinite(objective) & _smooth(gradient, gauss, hessian)]
    iterations = 0
    while active.size and iterations < max_iterations:
        iterations += 1
        at, now, least, most = theta[active], objective[active], low[active], high[active]
        g, scale, h, b = _projected(at, gradient[active], hessian[active], gauss[active], least, most)
        step = _newton_step(g, h, damp[active]) * scale
        trial = np.clip(at + step, least, most)
        value = _finite(evaluate(trial, active))
        _offer_along_bounds(trial, value, evaluate, active, at, step, g, h, scale, damp[active], least, most)
        again = np.ones(len(active), bool) if always_both else ~(value < now)
        if again.any():
            other_step = _damped_step(g[again], b[again], damp[active][again, None]) * scale[again]
            other = np.clip(at[again] + other_step, least[again], most[again])
            _take_lower(trial, value, np.flatnonzero(again), other, _finite(evaluate(other, active[again])))
        if linear is not None and linear.any():
            tried = _projected_trial(at, g, b, scale, damp[active], linear, derivatives, active, least, most)
            _take_lower(trial, value, np.arange(len(active)), tried, _finite(evaluate(tried, active)))
        moved = trial - at
        lowered = value < now
        # The first-order gain still to be had, and the size of the step, both free of units.
        gain = np.abs(np.einsum("bi,bi->b", g / scale, moved))
        tiny = np.max(np.abs(moved) / (np.abs(at) + scale * _root(now)[:, None] + 1e-300), axis=1)
        done = (gain <= _DECREMENT_TOLERANCE * now) | (tiny <= _STEP_TOLERANCE) | (now <= floor[active])
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


def to_linear_optimum(
    theta: Array, derivatives: Derivatives, low: Array, high: Array, linear: NDArray[np.bool_]
) -> Array:
    """Move the linear parameters of each row to their optimum, the others held.

    Parameters
    ----------
    theta : ndarray (B, p)
        Inside the box.
    derivatives, low, high, linear
        As of `minimise`.

    Returns
    -------
    ndarray (B, p)
        Rows without derivatives as they were.
    """
    low, high = np.broadcast_to(low, theta.shape), np.broadcast_to(high, theta.shape)
    return _linear_optimum(theta, derivatives, np.arange(len(theta)), low, high, linear)


def refine(theta: Array, derivatives: Derivatives, low: Array, high: Array, steps: int = 3) -> tuple[Array, Array]:
    """Take the last digits: undamped Newton steps, judged by the gradient, which shows what the objective rounds off.

    Parameters
    ----------
    theta : ndarray (B, p)
        Optima to about half of the digits.
    derivatives, low, high
        As of `minimise`.
    steps : int
        At most.

    Returns
    -------
    theta : ndarray (B, p)
        A row is moved only where that shrinks its gradient and does not raise its objective by more than rounding.
    objective : ndarray (B,)
    """
    low, high = np.broadcast_to(low, theta.shape), np.broadcast_to(high, theta.shape)
    rows = np.arange(len(theta))
    objective, gradient, gauss, hessian = derivatives(theta, rows)
    theta, objective = theta.copy(), np.where(np.isfinite(objective), objective, np.inf)
    rows = rows[np.isfinite(objective) & _smooth(gradient, gauss, hessian)]
    for _ in range(steps):
        if not rows.size:
            break
        at = theta[rows]
        g, scale, h, _ = _projected(at, gradient[rows], hessian[rows], gauss[rows], low[rows], high[rows])
        trial = np.clip(at + _newton_step(g, h, np.zeros(len(rows))) * scale, low[rows], high[rows])
        value, slope, inner, outer = derivatives(trial, rows)
        smaller = np.max(np.abs(np.where(g == 0, 0.0, slope * scale)), axis=1) < 0.5 * np.max(np.abs(g), axis=1)
        better = smaller & (value <= objective[rows] * (1 + _ROUNDING)) & _smooth(slope, inner, outer)
        rows = rows[better]
        theta[rows], objective[rows] = trial[better], value[better]
        gradient[rows], gauss[rows], hessian[rows] = slope[better], inner[better], outer[better]
    return theta, objective


def _take_lower(theta: Array, value: Array, rows: NDArray[np.int64], others: Array, other_values: Array) -> None:
    """Put others, each beside one of the rows, in their place where they are lower."""
    better = other_values < value[rows]
    theta[rows[better]], value[rows[better]] = others[better], other_values[better]


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


def _projected_trial(
    at: Array, g: Array, b: Array, scale: Array, damp: Array, linear: NDArray[np.bool_],
    derivatives: Derivatives, rows: NDArray[np.int64], low: Array, high: Array,
) -> Array:  # fmt: skip
    """Step with the linear parameters undamped, then move those to the optimum they have there."""
    trial = np.clip(at + _damped_step(g, b, damp[:, None] * ~linear) * scale, low, high)
    return _linear_optimum(trial, derivatives, rows, low, high, linear)


def _linear_optimum(
    theta: Array, derivatives: Derivatives, rows: NDArray[np.int64], low: Array, high: Array, linear: NDArray[np.bool_]
) -> Array:
    """Take one Gauss-Newton step of the linear parameters alone: exact for sums of squares, near it for the others."""
    theta = theta.copy()
    _, gradient, gauss, _ = derivatives(theta, rows)
    fit = _smooth(gradient, gauss)
    if fit.any():
        slope, scale, _, matrix = _projected(theta[fit], gradient[fit], gauss[fit], gauss[fit], low[fit], high[fit])
        matrix = np.where(linear[:, None] & linear[None, :], matrix, np.eye(len(linear)))
        with np.errstate(over="ignore"):  # a parameter that has no effect there goes to its bound
            step = _damped_step(np.where(linear, slope, 0.0), matrix, np.zeros((int(fit.sum()), 1))) * scale
        theta[fit] = np.clip(theta[fit] + step, low[fit], high[fit])
    return theta


def _offer_along_bounds(
    trial: Array, value: Array, evaluate: Evaluate, rows: NDArray[np.int64], at: Array, step: Array,
    g: Array, h: Array, scale: Array, damp: Array, low: Array, high: Array,
) -> None:  # fmt: skip
    """Where a step crosses a bound, take that parameter to it and the others to their best place from there, if lower.

    A step that is only cut off at a bound leaves the others where they belong to a point beyond it: in a narrow valley
    that is uphill, and steps have to become tiny before one goes down.
    """
    held = at + step != trial
    crossed = np.flatnonzero(np.any(held, axis=1))
    if not crossed.size:
        return
    at, g, h, scale, damp = (part[crossed] for part in (at, g, h, scale, damp))
    held, cut = held[crossed], trial[crossed]
    free = ~held
    moved = np.where(held, (cut - at) / scale, 0.0)
    slope = np.where(free, g + np.einsum("bij,bj->bi", h, moved), 0.0)
    matrix = np.where(free[:, :, None] & free[:, None, :], h, np.eye(at.shape[1]))
    along = np.where(held, cut, at + _newton_step(slope, matrix, damp) * scale)
    along = np.clip(along, low[crossed], high[crossed])
    _take_lower(trial, value, crossed, along, _finite(evaluate(along, rows[crossed])))


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
    """Levenberg-Marquardt step; the matrix has a unit diagonal, and `damp` is (B, 1) or (B, p)."""
    eye = np.eye(g.shape[1])
    matrix = b + np.maximum(damp, 1e-13)[:, :, None] * eye
    try:
        solution = np.linalg.solve(matrix, g[:, :, None])
    except np.linalg.LinAlgError:
        solution = np.linalg.solve(matrix + 1e-8 * eye, g[:, :, None])
    return -np.asarray(solution[:, :, 0], float)
