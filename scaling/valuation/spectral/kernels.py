"""Kernels whose features are explicit, and the eigenvalues of a set under them without what rounding leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.valuation.embeddings import Rows, as_embeddings, refuse_overflow

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

Array = NDArray[np.float64]
KERNELS = ("cosine", "shifted_cosine", "linear")
_BLOCK = 1 << 22  # values converted to float64 at a time


def kernel_rows(X: ArrayLike, kernel: str) -> Rows:
    """Return features whose inner products are the kernel, shape (n, m) or, shifted, (n, m + 1).

    Parameters
    ----------
    X : array_like (n, m)
        Embeddings.
    kernel : {"cosine", "shifted_cosine", "linear"}
        The cosine; (1 + cosine)/2, which is never negative; or the inner product of the rows as they are.
    """
    if kernel not in KERNELS:
        raise UsageError(f"There is no kernel '{kernel}' here.", did_you_mean(kernel, KERNELS))
    rows = as_embeddings(X, normalise=kernel != "linear")
    if kernel == "linear":
        refuse_overflow(rows)
    if kernel != "shifted_cosine":
        return rows
    made = np.empty((len(rows), rows.shape[1] + 1), rows.dtype)
    made[:, 0] = np.sqrt(0.5)
    np.multiply(rows, np.sqrt(0.5), out=made[:, 1:], casting="same_kind")
    return made


def covariance(rows: Rows, weights: Array | None = None) -> Array:
    """Return ``X' X``, or ``X' diag(weights) X``, in float64 and in blocks; shape (m, m)."""
    m = rows.shape[1]
    total = np.zeros((m, m))
    step = max(1, _BLOCK // m)
    for start in range(0, len(rows), step):
        part = np.asarray(rows[start : start + step], np.float64)
        if weights is not None:
            part = part * np.sqrt(weights[start : start + step, None])
        total += part.T @ part
    return total


def set_eigenvalues(rows: Rows, weights: Array | None = None) -> Array:
    """Return the eigenvalues above rounding of the kernel of some rows, ascending.

    The smaller of the kernel and its dual is taken. What lies below ``eps m l_max`` is rounding and left out, before
    anybody takes a small power of it.
    """
    n, m = rows.shape
    if n > m:
        matrix = covariance(rows, weights)
    else:
        part = np.asarray(rows, np.float64)
        if weights is not None:
            part = part * np.sqrt(weights[:, None])
        matrix = part @ part.T
    return above_rounding(np.asarray(np.linalg.eigvalsh(matrix), np.float64))


def above_rounding(values: Array, dtype: DTypeLike = np.float64) -> Array:
    """Leave out eigenvalues of a positive semi-definite matrix that are rounding, the last axis in ascending order.

    Raises
    ------
    InputDataError
        For one that is more negative than rounding can make it.
    """
    if values.size == 0 or values[-1] <= 0:
        return values[:0]
    epsilon = float(np.finfo(dtype).eps)
    if values[0] < -np.sqrt(epsilon) * values[-1]:
        raise InputDataError(
            f"The kernel is not positive semi-definite: its smallest eigenvalue is {values[0]:.4g}, its largest "
            f"{values[-1]:.4g}.",
            "Eigenvalues of such a kernel are no probabilities. Take one that is an inner product, such as the cosine.",
        )
    return np.asarray(values[values > epsilon * values.size * values[-1]])


def squared_lengths(rows: Rows) -> Array:
    """Return squared lengths of rows, in float64 and in blocks."""
    found = np.empty(len(rows))
    step = max(1, _BLOCK // rows.shape[1])
    for start in range(0, len(rows), step):
        part = np.asarray(rows[start : start + step], np.float64)
        found[start : start + step] = np.einsum("ij,ij->i", part, part)
    return found


def closest_to_mean(rows: Rows) -> int:
    """Return the row with the largest inner product with the mean of all; ties go to the lowest index."""
    step = max(1, _BLOCK // rows.shape[1])
    starts = range(0, len(rows), step)
    total = np.zeros(rows.shape[1])
    for start in starts:
        total += rows[start : start + step].sum(axis=0, dtype=np.float64)
    near = np.concatenate([np.asarray(rows[start : start + step], np.float64) @ total for start in starts])
    return int(np.flatnonzero(near >= near.max() - 1e-12 * abs(near.max()))[0])
