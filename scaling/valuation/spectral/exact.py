"""Gains without approximation: the eigenvalues before and after each candidate, many candidates at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.valuation.embeddings import Rows
from scaling.valuation.spectral.eigen import Eigen
from scaling.valuation.spectral.phi import Phi
from scaling.valuation.spectral.secular import largest_roots

Array = NDArray[np.float64]

_EPS = float(np.finfo(np.float64).eps)
_BATCH = 1 << 22  # values of a batch of matrices whose eigenvalues are taken together


def exact_changes(phi: Phi, eigen: Eigen, rows: Rows, candidates: NDArray[np.intp]) -> Array:
    """Return the change of tr phi that each candidate makes, shape (c,).

    A candidate lies in the span of the set but for one direction, so the matrices have one more row than the set has
    rank. The largest eigenvalue alone comes from the secular equation, without a matrix.

    Parameters
    ----------
    phi : Phi
        The function.
    eigen : Eigen
        Of the set.
    rows : array (n, m)
        All rows, and `candidates` (c,) among them.
    """
    found = np.empty(candidates.size)
    before = float(phi.total(eigen.values))
    size = eigen.values.size + 1
    step = max(1, _BATCH // (size if phi.name == "largest" else size * size))
    for start in range(0, candidates.size, step):
        part = slice(start, start + step)
        z, outside = eigen.coordinates(rows[candidates[part]])
        if phi.name == "largest":
            after = -largest_roots(np.concatenate([[0.0], eigen.values]), np.column_stack([outside, z * z]))
        else:
            after = phi.total(_updated(eigen.values, z, np.sqrt(outside), rows.shape[1]))
        found[part] = after - before
    return found


def _updated(values: Array, z: Array, outside: Array, m: int) -> Array:
    """Return eigenvalues (c, r + 1) of ``diag(0, values) + w w'``, w = (outside, z), with rounding set to zero."""
    w = np.column_stack([outside, z])
    matrices = w[:, :, None] * w[:, None, :]
    diagonal = np.arange(1, values.size + 1)
    matrices[:, diagonal, diagonal] += values
    found = np.linalg.eigvalsh(matrices)
    return np.asarray(np.where(found > _EPS * m * found[:, -1:], found, 0.0))
