"""How diverse a set of examples is: Vendi scores of any order, and their relatives.

The Vendi score (Friedman and Dieng) is the Hill number of the eigenvalues of a similarity kernel that is divided by its
trace: the effective number of distinct examples. Eigenvalues that are rounding are left
out before anything is raised to a small power, the smaller of the kernel and its dual is decomposed, and weights enter
either.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number
from scaling.valuation.spectral.kernels import covariance, kernel_rows
from scaling.valuation.spectral.orders import NEAR_ONE, as_order, hill_of, renyi_of, tsallis_of
from scaling.valuation.spectral.spectrum import Way, as_weights, kernel_matrix, spectrum_of

Array = NDArray[np.float64]


def vendi(X: ArrayLike | Any, q: float | str = 1.0, weights: ArrayLike | None = None, **way: Any) -> float:
    """Return the Vendi score of order q, the effective number of distinct examples.

    Parameters
    ----------
    X : array_like or scipy.sparse (n, m)
        Embeddings, one row an example; the kernel itself, (n, n), with ``kernel="precomputed"``.
    q : float or "inf", default 1
        Order in [0, inf]: 0 is the rank, 1 the exponential of the entropy, 2 one over the sum of squares, infinity one
        over the largest eigenvalue. Small orders count rare kinds as much as common ones.
    weights : array_like (n,), optional
        Of examples; divided by their sum. Equal by default.
    **way
        ``kernel`` ("cosine" by default, "shifted_cosine", "linear", "gaussian", "precomputed"), ``truncate``,
        ``landmarks``, ``features``, ``bandwidth`` and ``seed``, as `scaling.valuation.spectral.spectrum.Way` has them.

    Returns
    -------
    float
        From 1 to the rank.

    Raises
    ------
    InputDataError
        For rows that cannot be used, or a kernel that is not positive semi-definite.
    UsageError
        For an order or a setting that there is not.

    Examples
    --------
    >>> vendi([[1, 0], [0, 2], [0, 3], [1, 0]])
    2.0
    >>> round(vendi([[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]], q=2, kernel="precomputed"), 6)
    1.948052
    """
    order = as_order(q)
    return hill_of(spectrum_of(X, weights, _way(way)).values, order)


def renyi(X: ArrayLike | Any, q: float | str = 1.0, weights: ArrayLike | None = None, **way: Any) -> float:
    """Return the Renyi entropy of order q of the spectrum, in nats: the logarithm of `vendi`, with its arguments."""
    order = as_order(q)
    return renyi_of(spectrum_of(X, weights, _way(way)).values, order)


def tsallis(X: ArrayLike | Any, q: float | str = 2.0, weights: ArrayLike | None = None, **way: Any) -> float:
    """Return the Tsallis entropy of order q of the spectrum, ``(1 - sum l^q)/(q - 1)``; arguments as of `vendi`."""
    order = as_order(q)
    return tsallis_of(spectrum_of(X, weights, _way(way)).values, order)


def von_neumann(X: ArrayLike | Any, weights: ArrayLike | None = None, **way: Any) -> float:
    """Return the von Neumann entropy of the spectrum, in nats; arguments as of `vendi`."""
    return renyi(X, 1.0, weights, **way)


def leinster_cobbold(
    X: ArrayLike | Any, q: float | str = 1.0, weights: ArrayLike | None = None, *, kernel: str = "shifted_cosine"
) -> float:
    """Return the diversity of Leinster and Cobbold of order q.

    Parameters
    ----------
    X, q, weights
        As of `vendi`.
    kernel : {"shifted_cosine", "cosine", "linear", "precomputed"}
        Similarities must not be negative; (1 + cosine)/2 never is.

    Returns
    -------
    float
        ``(sum_i p_i (Kp)_i^(q-1))^(1/(1-q))``; never above `vendi` of that kernel (arXiv:2511.03849). No eigenvalue is
        needed: with explicit features it costs two passes over them.

    Raises
    ------
    InputDataError
        Where an example is not similar, on average, to the others: a kernel with negative values.
    """
    order = as_order(q)
    if kernel == "precomputed":
        matrix, _ = kernel_matrix(X)
        p = _simplex(weights, len(matrix))
        ordinariness = matrix @ p
    else:
        rows = kernel_rows(X.toarray() if hasattr(X, "toarray") else X, kernel)
        p = _simplex(weights, len(rows))
        ordinariness = np.asarray(rows @ (p @ rows), np.float64)
    ordinariness, p = ordinariness[p > 0], p[p > 0]
    if (bad := np.flatnonzero(ordinariness <= 0)).size:
        raise InputDataError(
            f"The mean similarity of example {bad[0]} to all is {ordinariness[bad[0]]:.4g}; this diversity needs "
            "similarities that are not negative.",
            'kernel="shifted_cosine", (1 + cosine)/2, never is.',
        )
    if math.isinf(order):
        return float(1 / ordinariness.max())
    if abs(order - 1) < NEAR_ONE:
        return float(np.exp(-(p @ np.log(ordinariness))))
    return float((p @ ordinariness ** (order - 1)) ** (1 / (1 - order)))


def log_det_score(X: ArrayLike | Any, ridge: float = 1.0, *, kernel: str = "cosine") -> float:
    """Return ``log det(I + K / ridge)``, the volume that the examples span.

    Parameters
    ----------
    X : array_like (n, m)
        Embeddings, or the kernel.
    ridge : float, default 1
        Positive.
    kernel : {"cosine", "shifted_cosine", "linear", "precomputed"}
        As of `vendi`.
    """
    if not (math.isfinite(ridge) and ridge > 0):
        raise UsageError(f"The ridge is {ridge}; it must be a positive number.")
    if kernel == "precomputed":
        matrix, _ = kernel_matrix(X)
    else:
        rows = kernel_rows(X.toarray() if hasattr(X, "toarray") else X, kernel)
        small = rows.shape[0] <= rows.shape[1]
        matrix = np.asarray(rows, np.float64) @ np.asarray(rows, np.float64).T if small else covariance(rows)
    return float(np.linalg.slogdet(np.eye(len(matrix)) + matrix / ridge)[1])


@dataclass(frozen=True)
class DiversityRow:
    """One Vendi score, with everything that a number needs to be compared with another.

    Parameters
    ----------
    order : float
        q.
    value : float
        The Vendi score.
    n : int
        Examples with a weight above zero.
    kernel, normalisation, method : str
        What the kernel is, what was divided by what, and which eigenvalues were taken.
    weighted : bool
        Whether examples had weights.
    """

    order: float
    value: float
    n: int
    kernel: str
    normalisation: str
    method: str
    weighted: bool

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; an infinite order is the text ``inf``."""
        return {**self.__dict__, "order": "inf" if math.isinf(self.order) else self.order}


@dataclass(frozen=True)
class DiversityTable:
    """Vendi scores of several orders of one set, from one decomposition."""

    rows: tuple[DiversityRow, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"rows": [row.to_dict() for row in self.rows]}

    def __str__(self) -> str:
        first = self.rows[0]
        weighted = ", weighted" if first.weighted else ""
        head = f"Vendi scores of {first.n} examples{weighted}: kernel {first.kernel}; {first.normalisation}"
        lines = [f"  order {format_number(row.order):>5}  {format_number(row.value)}" for row in self.rows]
        return "\n".join([f"{head}; {first.method}", *lines])

    __repr__ = __str__


def diversity_table(
    X: ArrayLike | Any,
    orders: Sequence[float | str] = (0, 0.5, 1, 2, math.inf),
    weights: ArrayLike | None = None,
    **way: Any,
) -> DiversityTable:
    """Return Vendi scores of several orders, with n, kernel and normalisation said.

    Parameters
    ----------
    X, weights, **way
        As of `vendi`.
    orders : sequence of float
        The orders q.

    Returns
    -------
    DiversityTable
    """
    wanted = [as_order(q) for q in orders]
    if not wanted:
        raise UsageError("There is no order to score.")
    found = spectrum_of(X, weights, _way(way))
    return DiversityTable(
        tuple(
            DiversityRow(
                order,
                hill_of(found.values, order),
                found.n,
                found.kernel,
                found.normalisation,
                found.method,
                weights is not None,
            )
            for order in wanted
        )
    )


def _way(settings: dict[str, Any]) -> Way:
    known = Way.__dataclass_fields__
    if unknown := [name for name in settings if name not in known]:
        raise UsageError(f"A diversity score has no setting '{unknown[0]}'.", f"It has: {', '.join(known)}.")
    return Way(**settings)


def _simplex(weights: ArrayLike | None, n: int) -> Array:
    found = as_weights(weights, n)
    return np.full(n, 1 / n) if found is None else found
