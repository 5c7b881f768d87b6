"""From examples to the eigenvalues of a kernel that sum to one, in one of several ways, with what was done said."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_number
from scaling.valuation.embeddings import as_embeddings
from scaling.valuation.spectral.kernels import KERNELS, above_rounding, covariance, kernel_rows

Array = NDArray[np.float64]
Precision = type[np.float32] | type[np.float64]

ALL_KERNELS = (*KERNELS, "gaussian", "precomputed")
_DENSE = 20_000  # rows of a kernel without features of fewer dimensions: 3 GB, and an hour
_UNIT = 1e-6  # how far a diagonal may be from one


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues of a kernel, divided by their sum.

    Parameters
    ----------
    values : ndarray
        Ascending, positive, summing to one; rounding is left out.
    n : int
        Examples with a weight above zero.
    kernel, normalisation, method : str
        What the kernel is, what was divided by what, and how eigenvalues came about, in words.
    """

    values: Array
    n: int
    kernel: str
    normalisation: str
    method: str


@dataclass(frozen=True)
class Way:
    """Which kernel, and whether all of it: the keyword settings of every diversity score.

    Parameters
    ----------
    kernel : {"cosine", "shifted_cosine", "linear", "gaussian", "precomputed"}
        ``shifted_cosine`` is (1 + cosine)/2; ``gaussian`` is exp(-d^2 / (2 bandwidth^2)); ``precomputed`` takes X as
        the kernel itself, dense or sparse.
    truncate : int, optional
        Keep this many of the largest eigenvalues, and give each an equal share of the rest (arXiv:2410.21719).
    landmarks : int, optional
        Score the features that this many examples, drawn at random, give all others (Nystrom).
    features : int, optional
        Score this many pairs of random Fourier features of the Gaussian kernel.
    bandwidth : float, optional
        Of the Gaussian kernel.
    seed : int, default 0
        Of what is drawn.
    """

    kernel: str = "cosine"
    truncate: int | None = None
    landmarks: int | None = None
    features: int | None = None
    bandwidth: float | None = None
    seed: int = 0

    def checked(self) -> Way:
        """Return itself, or raise `UsageError` for settings that do not go together."""
        if self.kernel not in ALL_KERNELS:
            raise UsageError(f"There is no kernel '{self.kernel}'.", did_you_mean(self.kernel, ALL_KERNELS))
        for name in ("truncate", "landmarks", "features"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or int(value) != value or value < 1):
                raise UsageError(f"{name} is {value}; a whole number from 1 on is expected.")
        if self.features is not None and self.kernel != "gaussian":
            raise UsageError(f"Random features stand for the Gaussian kernel, not for '{self.kernel}'.", _GAUSSIAN)
        if self.features is not None and self.landmarks is not None:
            raise UsageError("Landmarks and random features are two ways to the same thing; one of them is enough.")
        if self.kernel == "gaussian":
            if self.bandwidth is None or not (np.isfinite(self.bandwidth) and self.bandwidth > 0):
                raise UsageError(f"The bandwidth of the Gaussian kernel is {self.bandwidth}.", _GAUSSIAN)
        elif self.bandwidth is not None:
            raise UsageError(f"The kernel '{self.kernel}' has no bandwidth.", _GAUSSIAN)
        return self

    def words(self) -> str:
        """Return the kernel in words."""
        if self.kernel == "gaussian":
            return f"gaussian, bandwidth {format_number(self.bandwidth)}"
        return {"shifted_cosine": "shifted_cosine, (1 + cosine)/2"}.get(self.kernel, self.kernel)


_GAUSSIAN = 'Pass kernel="gaussian" and bandwidth, the distance at which similarity has fallen to exp(-1/2).'


def spectrum_of(X: ArrayLike | Any, weights: ArrayLike | None, way: Way) -> Spectrum:
    """Return the eigenvalues of a kernel of examples.

    Parameters
    ----------
    X : array_like or scipy.sparse (n, m), or (n, n) where the kernel is precomputed
        Examples.
    weights : array_like (n,), optional
        Of examples, not negative; divided by their sum. Equal by default.
    way : Way
        Kernel and approximations.

    Returns
    -------
    Spectrum
    """
    way = way.checked()
    if way.kernel == "precomputed":
        matrix, weight, n, normalisation, precision = _precomputed(X, weights)
        method = "all eigenvalues of the kernel"
        if way.landmarks is not None:
            matrix, method = _nystrom(matrix, way)
        values = np.linalg.eigvalsh(_weighted(matrix, weight) if way.landmarks is None else _dual(matrix, weight))
        return _finish(values, precision, n, way, normalisation, method)
    rows = _dense(X)
    weight = as_weights(weights, len(rows))
    if weight is not None:
        rows, weight = rows[weight > 0], weight[weight > 0]
    n = len(rows)
    normalisation = (
        "rows of length one" if way.kernel in ("cosine", "shifted_cosine") else "values at zero distance are one"
    )
    if way.kernel == "linear":
        normalisation = "divided by the mean squared length of rows"
    made: Any
    if way.features is not None:
        made, method = _fourier(as_embeddings(rows, normalise=False), way), f"{way.features} pairs of random features"
    elif way.landmarks is not None:
        made, method = _landmark_features(rows, way)
    elif way.kernel == "gaussian":
        _limit(n)
        matrix = _gaussian(rows.astype(np.float64), rows.astype(np.float64), way)
        values = np.linalg.eigvalsh(_weighted(matrix, weight))
        return _finish(values, np.float64, n, way, normalisation, "all eigenvalues of the kernel")
    else:
        made = kernel_rows(rows, way.kernel)
        method = "dual, all eigenvalues" if n > made.shape[1] else "all eigenvalues of the kernel"
    if n > made.shape[1]:
        return _finish(np.linalg.eigvalsh(_dual(made, weight)), np.float64, n, way, normalisation, method)
    part = np.asarray(made, np.float64)
    return _finish(np.linalg.eigvalsh(_weighted(part @ part.T, weight)), np.float64, n, way, normalisation, method)


def as_weights(weights: ArrayLike | None, n: int) -> Array | None:
    """Return weights that sum to one, or None for equal ones.

    Raises
    ------
    UsageError
        For as many weights as there are not examples.
    InputDataError
        For a weight that is negative or not finite, or none above zero.
    """
    if weights is None:
        return None
    try:
        found = np.asarray(weights, np.float64)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"The weights hold something that is not a number: {error}") from error
    if found.shape != (n,):
        raise UsageError(f"There are {n} examples, and weights of shape {found.shape}.", "One weight an example.")
    if (bad := np.flatnonzero(~np.isfinite(found) | (found < 0))).size:
        raise InputDataError(f"The weight of example {bad[0]} is {found[bad[0]]}; weights are finite and not negative.")
    if found.sum() <= 0:
        raise InputDataError("All weights are zero: there is nothing to score.")
    return np.asarray(found / found.sum())


def kernel_matrix(K: ArrayLike | Any) -> tuple[Array, Precision]:
    """Return a precomputed kernel as a dense matrix, checked, and the precision it came in."""
    given: Any = K
    if hasattr(given, "toarray"):
        _limit(given.shape[0])
        given = given.toarray()
    matrix: Any = np.asarray(given)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise UsageError(f"A precomputed kernel is square; this one has shape {matrix.shape}.")
    precision: Precision = np.float32 if matrix.dtype in (np.float16, np.float32) else np.float64
    matrix = as_embeddings(matrix, normalise=False, name="the kernel").astype(np.float64)
    scale = float(np.abs(matrix).max())
    if np.abs(matrix - matrix.T).max() > np.sqrt(np.finfo(precision).eps) * scale:
        raise InputDataError("The kernel is not symmetric.", "Pass (K + K.T)/2 if that is what is meant.")
    if np.any(np.diag(matrix) <= 0):
        row = int(np.flatnonzero(np.diag(matrix) <= 0)[0])
        raise InputDataError(f"The kernel of example {row} with itself is {matrix[row, row]}; it must be above zero.")
    return matrix, precision


def _precomputed(K: ArrayLike | Any, weights: ArrayLike | None) -> tuple[Array, Array | None, int, str, Precision]:
    matrix, precision = kernel_matrix(K)
    weight = as_weights(weights, len(matrix))
    if weight is not None:
        kept = weight > 0
        matrix, weight = matrix[np.ix_(kept, kept)], weight[kept]
    unit = np.abs(np.diag(matrix) - 1).max() <= _UNIT
    normalisation = "diagonal of ones as given" if unit else "divided by the mean of its diagonal"
    return matrix, weight, len(matrix), normalisation, precision


def _weighted(matrix: Array, weight: Array | None) -> Array:
    if weight is None:
        return matrix / len(matrix)
    root = np.sqrt(weight)
    return np.asarray(matrix * root[:, None] * root)


def _dual(rows: Any, weight: Array | None) -> Array:
    return covariance(rows, weight) if weight is not None else covariance(rows) / len(rows)


def _finish(values: Any, precision: Precision, n: int, way: Way, normalisation: str, method: str) -> Spectrum:
    found = above_rounding(np.asarray(values, np.float64), precision)
    if not found.size:
        raise InputDataError("All rows are zeros: there is nothing to score.")
    found = found / found.sum()
    if way.truncate is not None and way.truncate < found.size:
        kept = found[-way.truncate :]
        found = kept + (1 - kept.sum()) / way.truncate
        method = f"{method}, the {way.truncate} largest kept"
    return Spectrum(found, n, way.words(), normalisation, method)


def _limit(n: int) -> None:
    if n > _DENSE:
        hint = "Use explicit features (cosine, shifted_cosine, linear), landmarks, or random Gaussian features."
        raise UsageError(f"All eigenvalues of a kernel of {n} examples are out of reach; {_DENSE} is the limit.", hint)


def _dense(X: ArrayLike | Any) -> Any:
    """Return rows as an array; sparse ones lose nothing but their zeros."""
    return X.toarray() if hasattr(X, "toarray") else as_embeddings(X, normalise=False)


def _gaussian(x: Array, y: Array, way: Way) -> Array:
    assert way.bandwidth is not None
    squares = np.einsum("ij,ij->i", x, x)[:, None] - 2 * x @ y.T + np.einsum("ij,ij->i", y, y)
    return np.asarray(np.exp(-np.maximum(squares, 0.0) / (2 * way.bandwidth**2)))


def _fourier(rows: Any, way: Way) -> Array:
    """Return 2 r features whose inner products are, on average, the Gaussian kernel."""
    assert way.features is not None
    assert way.bandwidth is not None
    drawn = np.random.default_rng(way.seed).normal(size=(rows.shape[1], way.features)) / way.bandwidth
    angles = np.asarray(rows, np.float64) @ drawn
    return np.asarray(np.hstack([np.cos(angles), np.sin(angles)]) / np.sqrt(way.features))


def _draw(n: int, way: Way) -> NDArray[np.intp]:
    assert way.landmarks is not None
    if way.landmarks > n:
        raise UsageError(f"There are {n} examples, and {way.landmarks} landmarks were asked for.")
    return np.sort(np.random.default_rng(way.seed).choice(n, way.landmarks, replace=False))


def _half_inverse(matrix: Array) -> Array:
    values, vectors = np.linalg.eigh(matrix)
    kept = values > np.finfo(np.float64).eps * len(values) * values[-1]
    return np.asarray(vectors[:, kept] / np.sqrt(values[kept]))


def _nystrom(matrix: Array, way: Way) -> tuple[Array, str]:
    drawn = _draw(len(matrix), way)
    return matrix[:, drawn] @ _half_inverse(matrix[np.ix_(drawn, drawn)]), f"{drawn.size} landmarks, seed {way.seed}"


def _landmark_features(rows: Any, way: Way) -> tuple[Array, str]:
    drawn = _draw(len(rows), way)
    if way.kernel == "gaussian":
        x = np.asarray(rows, np.float64)
        against, among = _gaussian(x, x[drawn], way), _gaussian(x[drawn], x[drawn], way)
    else:
        x = np.asarray(kernel_rows(rows, way.kernel), np.float64)
        against = x @ x[drawn].T
        among = against[drawn]
    return against @ _half_inverse(among), f"{drawn.size} landmarks, seed {way.seed}"
