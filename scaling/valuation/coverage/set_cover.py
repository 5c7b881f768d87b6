"""Probabilistic set cover: how likely each concept is to be covered by an element of the set."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling.valuation.coverage.base import RowObjective
from scaling.valuation.coverage.checks import check_weights
from scaling.valuation.coverage.features import check_non_negative
from scaling.valuation.embeddings import Rows
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices


class SetCover(RowObjective):
    """sum_u w_u (1 - prod_{i in S} (1 - p_iu)); made by `build`. With p of 0 or 1 it is weighted set cover."""

    def __init__(self, name: str, covering: Rows, weights: Array, settings: dict[str, Any]) -> None:
        why = "what is left to cover of a concept shrinks with each element; products of probabilities"
        super().__init__(name, len(covering), Guarantee("submodular", why), settings)
        self._covering, self._weights = covering, weights
        self._restart()

    @classmethod
    def build(
        cls,
        X: ArrayLike | None,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "set_cover",
        probabilities: ArrayLike | None = None,
        weights: ArrayLike | None = None,
    ) -> Self:
        """Make the objective.

        Parameters
        ----------
        X : array_like (n, m)
            Probabilities that a candidate covers a concept, unless `probabilities` are given.
        k : int, optional
            Not used: the promise holds for every size.
        probabilities : array_like (n, m), optional
            Between 0 and 1, one row a candidate and one column a concept.
        weights : array_like (m,), optional
            Of concepts; 1 each by default.

        Returns
        -------
        SetCover

        Raises
        ------
        UsageError
            For numbers that do not agree.
        InputDataError
            For values outside 0 to 1, or not finite.
        """
        covering = check_non_negative(X, probabilities, "probabilities", largest=1)
        of_each = check_weights(weights, covering.shape[1], "concept")
        settings = {"concepts": covering.shape[1]} | ({} if weights is None else {"weights": "given"})
        return cls(name, covering, of_each, settings)

    def _empty(self) -> None:
        self._left = self._weights  # of each concept, times its weight

    def _gains(self, rows: Indices | None) -> Array:
        part = self._covering if rows is None else self._covering[rows]
        return np.asarray(part @ self._left.astype(part.dtype, copy=False), np.float64)

    def _add(self, row: int) -> float:
        part = self._covering[row].astype(np.float64)
        gain = float(part.dot(self._left))
        self._left = self._left * (1 - part)
        return gain
