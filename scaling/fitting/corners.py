"""Finish objectives with a corner at zero: their optimum mostly meets as many rows exactly as there are parameters.

Such a point is found by solving those rows as equations, and proved by its multipliers: where the pull of all other
rows can be balanced by slopes that the corner allows, nothing near it is lower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scaling.fitting.solve import Problem

Array = NDArray[np.float64]

_STEPS = 5  # of Newton's method on the rows to be met; the start is close
_MET = 1e-12  # a residual counts as none below this, relative to the observed value
_SLACK = 1e-9  # of a multiplier, in slopes of rho


def meet_rows(problem: Problem, theta: Array, weights: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Move each problem to the point where the law meets the rows that it nearly meets.

    Parameters
    ----------
    problem : Problem
        Its objective has a corner.
    theta : ndarray (B, p)
        Near the optimum.
    weights : ndarray (B, n)
        One row a problem.

    Returns
    -------
    theta : ndarray (B, p)
        Anything where that was not possible.
    proved : ndarray of bool (B,)
        Whether the point is a local optimum.
    """
    p = theta.shape[1]
    inside = np.all((theta > problem.low) & (theta < problem.high), axis=1)
    if problem.data.n < p or not inside.any():
        return theta, np.zeros(len(theta), bool)
    residuals, jacobian = _linearise(problem, theta)
    near = np.argsort(np.where(weights > 0, np.abs(residuals), np.inf), axis=1, kind="stable")[:, :p]
    with np.errstate(all="ignore"):
        for step in range(_STEPS):
            if step:
                residuals, jacobian = _linearise(problem, theta)
            theta = theta - _solve(_rows(jacobian, near), np.take_along_axis(residuals, near, 1))
        residuals, jacobian = _linearise(problem, theta)
        left = np.abs(np.take_along_axis(residuals, near, 1))
        observed = np.broadcast_to(problem.observed, residuals.shape)
        size = problem.objective.unit(np.take_along_axis(observed, near, 1))
        met = np.all(left <= _MET * np.maximum(size, 1e-300), axis=1)
        slope = weights * problem.objective.score(residuals)
        np.put_along_axis(slope, near, 0.0, axis=1)
        pull = np.einsum("bn,bnp->bp", slope, jacobian)
        if problem.penalty is not None:
            total = 2 * weights.sum(axis=1, keepdims=True)
            pull += total * problem.penalty.strength * (theta - problem.penalty.centre)
        balance = -_solve(np.swapaxes(_rows(jacobian, near), 1, 2), pull)
        ends = problem.objective.score(np.array([-1e300, 1e300]))
        share = balance / np.take_along_axis(weights, near, 1)
        balanced = np.all((share >= ends[0] - _SLACK) & (share <= ends[1] + _SLACK), axis=1)
    inside &= np.all((theta > problem.low) & (theta < problem.high), axis=1)
    return theta, met & balanced & inside


def _linearise(problem: Problem, theta: Array) -> tuple[Array, Array]:
    """Residuals (B, n) and their derivatives (B, n, p)."""
    predicted = problem.kernel.value(theta, problem.data)
    jacobian = problem.objective.slopes_on_scale(-problem.kernel.jacobian(theta, problem.data), predicted)
    return problem.objective.residuals(problem.observed, predicted), jacobian


def _rows(jacobian: Array, rows: NDArray[np.int64]) -> Array:
    return np.take_along_axis(jacobian, rows[:, :, None], axis=1)


def _solve(matrix: Array, right: Array) -> Array:
    """Solve (B, p, p) systems with columns and rows scaled; NaN where one is singular."""
    scale = np.max(np.abs(matrix), axis=1, keepdims=True)
    usable = np.all(np.isfinite(matrix), axis=(1, 2)) & np.all(scale > 0, axis=(1, 2))
    safe = np.where(usable[:, None, None], matrix / scale, np.eye(matrix.shape[1]))
    rank = np.linalg.matrix_rank(safe) == matrix.shape[1]
    safe[~rank] = np.eye(matrix.shape[1])
    solution = np.linalg.solve(safe, np.nan_to_num(right)[:, :, None])[:, :, 0] / scale[:, 0, :]
    return np.where((usable & rank)[:, None], solution, np.nan)
