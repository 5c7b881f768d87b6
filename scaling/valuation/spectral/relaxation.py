"""A bound of the best set from a relaxation: tr phi is concave in the matrix, so its tangent bounds every set."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from scaling.valuation.embeddings import Rows
from scaling.valuation.spectral.phi import Phi

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
#: Gives the largest sum of worths over sets that may be chosen, and its members.
Best = Callable[[Array], tuple[float, Indices]]

CONCAVE = ("entropy", "power", "log", "ratio", "largest")
_STEPS = 40
_SAMPLE = 20_000  # rows on which the matrix is found, where there are more; the bound itself is of all rows
_BLOCK = 1 << 22  # values worked on at a time
_FLOOR = 1e-9  # of the largest eigenvalue: slopes at zero may be infinite


def relaxed_bound(rows: Rows, norms: Array, phi: Phi, constant: float, members: Indices, best: Best) -> float | None:
    """Bound ``tr phi(M_T) + constant * sum |x|^2`` over every set T that may be chosen.

    Parameters
    ----------
    rows : array (n, m)
        Features of the candidates.
    norms : ndarray (n,)
        Their squared lengths.
    phi : Phi
        The function of eigenvalues.
    constant : float
        What is added for each squared length.
    members : ndarray of int
        A good set, near which the search begins.
    best : callable
        From worths, shape (n,), to the largest sum over sets that may be chosen and the set.

    Returns
    -------
    float or None
        None where phi is not concave.

    Notes
    -----
    For any positive semi-definite A, ``tr phi(M_T) <= tr phi(A) - tr phi'(A) A + sum_{x in T} x' phi'(A) x``. The A
    that makes the right side small is sought by the steps of Frank and Wolfe over fractional sets; each A gives a
    bound, and those that are worked out on a sample only serve to find a better A.
    """
    if phi.name not in CONCAVE or not members.size:
        return None
    n, size = len(rows), members.size
    sample = np.arange(n)
    if n > _SAMPLE:
        sample = np.linspace(0, n - 1, _SAMPLE).astype(np.intp)
    few = max(1, round(size * len(sample) / n))
    spread = np.asarray(rows[sample], np.float64)
    lengths = norms[sample]
    matrix = 0.5 * _gram(rows[members]) + 0.5 * size / len(sample) * (spread.T @ spread)
    found = np.inf
    kept = matrix
    for step in range(_STEPS):
        worth, offset = _tangent(spread, lengths, matrix, phi, constant)
        if len(sample) == n:
            total, chosen = best(worth)
        else:
            chosen = np.argpartition(-worth, few - 1)[:few]
            total = float(worth[chosen].sum()) * size / few
        if offset + total < found:
            found, kept = offset + total, matrix
        pull = spread[chosen].T @ spread[chosen]
        if len(sample) < n:
            pull *= size / few
        matrix = matrix + (pull - matrix) / (step + 3)
    if len(sample) == n:
        return found
    worth, offset = _tangent(rows, norms, kept, phi, constant)
    return offset + best(worth)[0]


def _gram(rows: Rows) -> Array:
    part = np.asarray(rows, np.float64)
    return np.asarray(part.T @ part)


def _tangent(rows: Rows, norms: Array, matrix: Array, phi: Phi, constant: float) -> tuple[Array, float]:
    """Return what each row is worth under the tangent at a matrix, and the tangent's value at no rows."""
    values, vectors = np.linalg.eigh(matrix)
    values = np.maximum(values, _FLOOR * values[-1])
    if phi.name == "largest":
        slopes = np.zeros(len(values))
        slopes[-1] = -1.0
    else:
        slopes = np.array([phi.slope(float(value)) for value in values])
    offset = float(phi.total(values)) - float(slopes @ values)
    worth = np.empty(len(rows))
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        z = np.asarray(rows[start : start + step], np.float64) @ vectors
        worth[start : start + step] = np.square(z, out=z) @ slopes
    return worth + constant * norms, offset
