"""Information about queries under a Gaussian process (LogDetMI), by two Cholesky factors that grow with the set."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cho_factor, solve_triangular

from scaling.errors import InputDataError, UsageError
from scaling.valuation.coverage.base import RowObjective
from scaling.valuation.coverage.checks import check_setting, check_similarities
from scaling.valuation.coverage.similarity import Kernel, make_kernel
from scaling.valuation.coverage.sources import prepare_other
from scaling.valuation.embeddings import Rows
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices

_COLUMN = 1 << 14  # rows of a column of similarities worked out at a time
_WHY = (
    "two elements may say of a query together what neither says alone, so a gain can grow; it is information, so it is "
    "never negative"
)


class LogDetMi(RowObjective):
    """logdet S_A - logdet(S_A - eta^2 S_AQ S_Q^-1 S_QA), with a ridge on S_A and S_Q; made by `build`.

    Twice the mutual information, in nats, of noisy values at the set and at the queries. A gain is the logarithm of
    the ratio of two conditional variances, without and with the queries; a step costs O(n |S|), and memory is
    2 n |S| values.
    """

    def __init__(
        self,
        name: str,
        settings: dict[str, Any],
        *,
        source: Rows | tuple[Kernel, Rows],
        own: Array,
        told: Array,
    ) -> None:
        super().__init__(name, len(own), Guarantee("none", _WHY), settings)
        self._source, self._own, self._told = source, own, told
        self._restart()

    @classmethod
    def build(
        cls,
        X: ArrayLike | None,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "log_det_mi",
        queries: ArrayLike | None = None,
        eta: float = 1.0,
        ridge: float = 0.1,
        similarities: ArrayLike | None = None,
        query_similarities: ArrayLike | None = None,
        query_kernel: ArrayLike | None = None,
        kernel: str = "shifted_cosine",
        bandwidth: float | None = None,
        seed: int = 0,
    ) -> Self:
        """Make the objective.

        Parameters
        ----------
        X : array_like (n, m)
            Embeddings of the candidates.
        k : int, optional
            Not used.
        queries : array_like (q, m)
            Embeddings of what is looked for.
        eta : float, default 1
            How strongly candidates and queries are related, 0 to 1; more would take variances below 0.
        ridge : float, default 0.1
            Variance of the noise on each value, above 0.
        similarities, query_similarities, query_kernel : array_like (n, n), (n, q) and (q, q), optional
            The kernel within the candidates, to the queries and within the queries, all three instead of embeddings.
            It has to be positive semidefinite; entries may be negative.
        kernel : {"shifted_cosine", "cosine", "rbf"}
            All positive semidefinite.
        bandwidth, seed
            As of `scaling.valuation.coverage.facility.FacilityLocation.build`.

        Returns
        -------
        LogDetMi

        Raises
        ------
        UsageError
            For settings that are not known, or do not go together.
        InputDataError
            For values that cannot be used, or a kernel that is not positive semidefinite.
        """
        strength = check_setting(eta, "eta", largest=1)
        noise = check_setting(ridge, "ridge", positive=True)
        source: Rows | tuple[Kernel, Rows]
        if similarities is not None or query_similarities is not None or query_kernel is not None:
            n = None if X is None else len(np.asarray(X))
            source, to_queries, among = _blocks(n, queries, similarities, query_similarities, query_kernel)
            own, settings = np.diag(source).astype(np.float64), {"kernel": "precomputed", "queries": len(among)}
        else:
            if X is None or queries is None:
                raise UsageError("log_det_mi needs embeddings of the candidates and of the queries.", "Give queries.")
            if kernel == "relu_cosine":
                raise UsageError(
                    "The kernel 'relu_cosine' is not positive semidefinite.",
                    "Take 'shifted_cosine', 'cosine' or 'rbf'.",
                )
            made, rows = make_kernel(X, kernel, bandwidth, seed, signed=True)
            right = prepare_other(made, rows, queries, "queries")
            to_queries = made.between(rows, right).astype(np.float64)
            among = made.between(right, right).astype(np.float64)
            source, own, settings = (made, rows), np.ones(len(rows)), made.describe() | {"queries": len(right)}
        try:
            factor, _ = cho_factor(among + noise * np.eye(len(among)), lower=True)
        except LinAlgError as error:
            raise InputDataError(
                "The kernel within the queries is not positive semidefinite: with the ridge it still has no Cholesky "
                "factor.",
                "Use a kernel that is, or a larger ridge.",
            ) from error
        told = strength * solve_triangular(factor, to_queries.T, lower=True)
        settings |= {"eta": strength, "ridge": noise}
        return cls(name, settings, source=source, own=own + noise, told=np.ascontiguousarray(told.T))

    def _empty(self) -> None:
        self._alone = self._own  # variance given the set, then that given the set and the queries
        self._with = self._own - np.einsum("ij,ij->i", self._told, self._told)
        self._factors: tuple[list[Array], list[Array]] = ([], [])

    def _gains(self, rows: Indices | None) -> Array:
        alone, both = (self._alone, self._with) if rows is None else (self._alone[rows], self._with[rows])
        # Members have next to no variance left beside the noise; theirs is whatever comes.
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.log(alone) - np.log(both))

    def _add(self, row: int) -> float:
        alone, both = float(self._alone[row]), float(self._with[row])
        if not (alone > 0 and both > 0):
            raise InputDataError(
                f"The kernel is not positive semidefinite: candidate {row} is left with a variance of "
                f"{min(alone, both):.4g}.",
                "Use a kernel that is, or a larger ridge.",
            )
        column = self._column(row)
        self._alone, first = _condition(self._alone, column, self._factors[0], row)
        self._with, second = _condition(self._with, column - self._told @ self._told[row], self._factors[1], row)
        self._factors = ([*self._factors[0], first], [*self._factors[1], second])
        return float(np.log(alone) - np.log(both))

    def _column(self, row: int) -> Array:
        """Return the kernel of all candidates with one, without the noise; on its own place only noise matters."""
        if not isinstance(self._source, tuple):
            return np.asarray(self._source[row], np.float64)
        kernel, rows = self._source
        one = kernel.right(rows[row : row + 1])
        made = np.empty(len(rows))
        for start in range(0, len(rows), _COLUMN):
            part = kernel.left(rows[start : start + _COLUMN]) @ one
            made[start : start + _COLUMN] = kernel.finish(part)[:, 0]
        return made


def _condition(variance: Array, column: Array, factors: list[Array], row: int) -> tuple[Array, Array]:
    """Return variances given one more element, and its column of the Cholesky factor."""
    left = column.copy()
    for factor in factors:
        left -= factor[row] * factor
    left /= np.sqrt(variance[row])
    return np.asarray(variance - left**2), left


def _blocks(
    n: int | None,
    queries: ArrayLike | None,
    similarities: ArrayLike | None,
    query_similarities: ArrayLike | None,
    query_kernel: ArrayLike | None,
) -> tuple[Rows, NDArray[np.float64], NDArray[np.float64]]:
    """Check the three blocks of a kernel that comes ready made."""
    if queries is not None or similarities is None or query_similarities is None or query_kernel is None:
        raise UsageError(
            "log_det_mi needs either embeddings of queries, or all three blocks of the kernel.",
            "Give queries, or similarities, query_similarities and query_kernel.",
        )
    within = check_similarities(similarities, n, square=True, symmetric=True, signed=True)
    to_queries = check_similarities(query_similarities, len(within), name="query_similarities", signed=True)
    among = check_similarities(
        query_kernel, to_queries.shape[1], name="query_kernel", square=True, symmetric=True, signed=True
    )
    return within, to_queries.astype(np.float64), among.astype(np.float64)
