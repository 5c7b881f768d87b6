"""Laws that are straight lines of logarithms, under least squares of logarithms: the optimum in one step.

For a product of powers, such as ``k*N**p*D**q``, the logarithm of the prediction is linear in the internal parameters,
so every replicate is a weighted linear regression. All of them are solved in one batch, in coordinates in which the
rows are orthogonal, because normal equations of ln N and a constant lose half of the digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scaling.fitting.solve import Problem

Array = NDArray[np.float64]

_SAME = 1e-12  # relative difference of derivatives at points far apart, below which they are the same
_SAME_OFFSET = 1e-10  # and of what is left of the logarithms
_INDEPENDENT = 1e-7  # smallest part of a column that the columns before it do not have, of the largest
_WELL_POSED = 1e-8  # smallest eigenvalue of a replicate's normal matrix, of the largest
_POINTS = 4  # drawn between the bounds; a law that is no straight line does not have the same slopes at all of them
_RANGE = 2.0  # from the middle of the bounds at most, so that no power overflows


@dataclass(frozen=True)
class StraightLine:
    """A law whose logarithm is ``offset + design @ theta``, in orthogonal coordinates.

    Parameters
    ----------
    offset : ndarray (n,)
        What no parameter moves.
    basis : ndarray (n, p)
        Orthonormal columns that span the design.
    back : ndarray (p, p)
        From their coefficients to internal parameters.
    """

    offset: Array
    basis: Array
    back: Array

    def solve(self, target: Array, weights: Array) -> tuple[Array, NDArray[np.bool_]]:
        """Regress.

        Parameters
        ----------
        target : ndarray (n,) or (B, n)
            Logarithms of what was observed.
        weights : ndarray (B, n)
            One row a problem.

        Returns
        -------
        theta : ndarray (B, p)
            Internal parameters, without bounds.
        sound : ndarray of bool (B,)
            Where the rows that count determine them.
        """
        n, p = self.basis.shape
        products = (self.basis[:, :, None] * self.basis[:, None, :]).reshape(n, p * p)
        matrix = (weights @ products).reshape(-1, p, p)
        left = target - self.offset
        right = weights @ (self.basis * left[:, None]) if left.ndim == 1 else (weights * left) @ self.basis
        values = np.linalg.eigvalsh(matrix)
        sound = values[:, 0] > _WELL_POSED * values[:, -1]
        solved = np.linalg.solve(np.where(sound[:, None, None], matrix, np.eye(p)), right[..., None])[..., 0]
        return np.asarray(solved @ self.back.T), sound


def straight_line(problem: Problem) -> StraightLine | None:
    """Tell whether a problem is a linear regression of logarithms.

    Parameters
    ----------
    problem : Problem
        The law, its data and the objective.

    Returns
    -------
    StraightLine or None
        None for other objectives, penalties, laws that are no products of powers of their parameters, and rows that do
        not tell the parameters apart.
    """
    goal = problem.objective
    if (goal.name, goal.residual, goal.floor) != ("squared", "log", 0.0) or problem.penalty is not None:
        return None
    if problem.low.ndim > 1 or problem.data.n < len(problem.low) or not np.all(problem.high > problem.low):
        return None
    found = _regression(problem)
    if found is None:
        return None
    offset, design = found
    size = np.abs(design).max(axis=0)
    basis, triangle = np.linalg.qr(design / np.where(size > 0, size, 1.0))
    diagonal = np.abs(np.diag(triangle))
    if not diagonal.min() > _INDEPENDENT * diagonal.max():
        return None
    return StraightLine(offset, basis, np.linalg.inv(triangle) / size[:, None])


def _regression(problem: Problem) -> tuple[Array, Array] | None:
    """Offset (n,) and design (n, p) of the logarithm of a law, None where it is not linear."""
    if not (np.all(np.isfinite(problem.low)) and np.all(np.isfinite(problem.high))):
        return None
    middle, half = (problem.low + problem.high) / 2, np.minimum((problem.high - problem.low) / 2, _RANGE)
    at = middle + half * np.random.default_rng(0).uniform(-1, 1, (_POINTS, len(middle)))
    with np.errstate(all="ignore"):
        value = problem.kernel.value(at, problem.data)
        slopes = problem.kernel.jacobian(at, problem.data) / value[..., None]
        log_value = np.log(value)
        design = slopes[0]
        offset = log_value - at @ design.T
        same = np.all(np.abs(slopes - design) <= _SAME * np.abs(slopes).max(axis=(0, 1)))
        straight = np.all(np.abs(offset - offset[0]) <= _SAME_OFFSET * (1 + np.abs(log_value).max()))
    return (offset.mean(axis=0), design) if same and straight and np.all(np.isfinite(offset)) else None
