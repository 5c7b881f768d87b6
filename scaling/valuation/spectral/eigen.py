"""The eigenpairs of M = X' X of a set, as far as they are no rounding, and what candidates are in their coordinates."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.valuation.embeddings import Rows

Array = NDArray[np.float64]

_THIN = 3  # a set this many times smaller than the dimension is decomposed by its rows


@dataclass(frozen=True)
class Eigen:
    """Eigenvalues above rounding with their vectors.

    Parameters
    ----------
    values : ndarray (r,)
        Positive, ascending.
    vectors : ndarray (m, r)
        Orthonormal columns; everything orthogonal to them has eigenvalue 0.
    """

    values: Array
    vectors: Array

    def coordinates(self, rows: Rows) -> tuple[Array, Array]:
        """Return coordinates (c, r) of rows, and squared lengths (c,) of what lies outside the span."""
        x = np.asarray(rows, np.float64)
        z = x @ self.vectors
        outside = x - z @ self.vectors.T
        return z, np.einsum("ij,ij->i", outside, outside)

    def resolvent(self, rows: Rows, nodes: Array) -> tuple[Array, Array]:
        """Return ``s = x' (M + t)^-1 x`` (c, J) and ``x' M x`` (c,) of rows, in float64."""
        z, outside = self.coordinates(rows)
        np.square(z, out=z)
        s = z @ (1 / (self.values[:, None] + nodes)) + outside[:, None] / nodes
        return s, z @ self.values

    def inverse(self, t: float) -> Array:
        """Return ``(M + t)^-1``, shape (m, m)."""
        q = self.vectors
        made = -(q * (self.values / (t * (self.values + t)))) @ q.T
        made[np.diag_indices(len(q))] += 1 / t
        return np.asarray(made)


def eigen_of(rows: Rows, covariance: Array) -> Eigen:
    """Decompose the smaller of a set's rows and its covariance.

    Parameters
    ----------
    rows : array (s, m)
        Members of the set.
    covariance : ndarray (m, m)
        ``rows' rows``.
    """
    s, m = rows.shape
    if s == 0:
        return Eigen(np.empty(0), np.empty((m, 0)))
    if s * _THIN <= m:
        _, lengths, vectors = np.linalg.svd(np.asarray(rows, np.float64), full_matrices=False)
        values, columns = (lengths**2)[::-1], vectors[::-1].T
    else:
        values, columns = np.linalg.eigh(covariance)
    kept = values > np.finfo(np.float64).eps * m * values[-1]
    return Eigen(values[kept], np.ascontiguousarray(columns[:, kept]))


def reach(largest: float, alignment: float, square: float) -> float:
    """Bound the largest eigenvalue of ``M + u u'`` by that of M, ``u' M u`` and ``|u|^2``.

    1/(x - d) is convex in d, so the secular equation has its largest root when u lies in eigenvectors of eigenvalue 0
    and `largest` alone, with the weights that give this ``u' M u``.
    """
    if largest <= 0:
        return square
    aligned = min(alignment / largest, square)
    total = largest + square
    return 0.5 * (total + math.sqrt(max(total * total - 4 * (square - aligned) * largest, 0.0)))


def largest_eigenvalue(matrix: Array) -> float:
    """Return the largest eigenvalue of a symmetric matrix."""
    from scipy.linalg import eigh

    top = len(matrix) - 1
    return float(eigh(matrix, eigvals_only=True, subset_by_index=(top, top), check_finite=False)[0])
