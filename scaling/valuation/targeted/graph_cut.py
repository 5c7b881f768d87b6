"""Graph cut with a target (GCMI): similarity to queries, summed. Relevance alone: nothing keeps elements apart."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling.valuation.coverage.base import RowObjective
from scaling.valuation.coverage.checks import check_setting
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices
from scaling.valuation.targeted.queries import similarities_to


class Gcmi(RowObjective):
    """2 lam sum_{j in S, q in Q} s_jq, which is modular; made by `build`."""

    def __init__(self, name: str, relevance: Array, settings: dict[str, Any]) -> None:
        why = "a sum of what each element is worth by itself, of 0 or more: greedy is optimal"
        super().__init__(name, len(relevance), Guarantee("submodular", why), settings)
        self._relevance = relevance
        self._restart()

    @classmethod
    def build(
        cls,
        X: ArrayLike | None,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "gcmi",
        queries: ArrayLike | None = None,
        query_similarities: ArrayLike | None = None,
        lam: float = 0.5,
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
            Not used: the promise holds for every size.
        queries, query_similarities
            As of `scaling.valuation.targeted.facility.Flqmi.build`.
        lam : float, default 0.5
            A factor 2 lam of everything, as the definition has it; 1/2 leaves the plain sum, which is what
            `submodlib` works out.
        kernel, bandwidth, seed
            As of `scaling.valuation.coverage.facility.FacilityLocation.build`.

        Returns
        -------
        Gcmi

        Raises
        ------
        UsageError
            For settings that are not known, or do not go together.
        InputDataError
            For embeddings or similarities that cannot be used.
        """
        factor = 2 * check_setting(lam, "lam", positive=True)
        near, settings = similarities_to(X, queries, query_similarities, kernel=kernel, bandwidth=bandwidth, seed=seed)
        return cls(name, factor * near.sum(axis=1, dtype=np.float64), settings | {"lam": factor / 2})

    def _empty(self) -> None:
        """Nothing depends on the set."""

    def _gains(self, rows: Indices | None) -> Array:
        return np.array(self._relevance) if rows is None else self._relevance[rows]

    def _add(self, row: int) -> float:
        return float(self._relevance[row])
