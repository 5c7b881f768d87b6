"""Saturated coverage: similarity of each example to the set, up to a share of its similarity to all."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling.valuation.coverage.base import RowObjective
from scaling.valuation.coverage.checks import check_setting, check_weights
from scaling.valuation.coverage.sources import make_table
from scaling.valuation.coverage.tables import Table
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices


class SaturatedCoverage(RowObjective):
    """sum_i w_i min(sum_{j in S} s_ij, share * sum_{j in V} s_ij); made by `build`."""

    def __init__(
        self, name: str, table: Table, guarantee: Guarantee, settings: dict[str, Any], *, weights: Array, cap: Array
    ) -> None:
        super().__init__(name, table.n, guarantee, settings)
        self._table, self._weights, self._cap = table, weights, cap
        self._kind_weights = weights.astype(table.dtype, copy=False)
        self._restart()

    @classmethod
    def build(
        cls,
        X: ArrayLike | None,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "saturated_coverage",
        share: float = 0.25,
        kernel: str = "shifted_cosine",
        bandwidth: float | None = None,
        seed: int = 0,
        similarities: ArrayLike | None = None,
        represent: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        memory: str = "auto",
        memory_gib: float = 2.0,
    ) -> Self:
        """Make the objective.

        Parameters
        ----------
        X : array_like (n, m)
            Embeddings of the candidates.
        k : int, optional
            Not used: the promise holds for every size.
        share : float, default 0.25
            Of its similarity to all candidates, at which an example has enough; above 0 and at most 1. Once every
            example has, all gains are 0.
        kernel, bandwidth, seed, similarities, represent, weights, memory, memory_gib
            As of `FacilityLocation.build`.

        Returns
        -------
        SaturatedCoverage

        Raises
        ------
        UsageError
            For settings that are not known, or do not go together.
        InputDataError
            For embeddings, similarities or weights that cannot be used.
        """
        part = check_setting(share, "share", positive=True, largest=1)
        table, settings = make_table(
            X,
            kernel=kernel,
            bandwidth=bandwidth,
            seed=seed,
            similarities=similarities,
            represent=represent,
            memory=memory,
            memory_gib=memory_gib,
        )
        of_each = check_weights(weights, table.u, "represented example")
        settings |= {"share": part} | ({} if weights is None else {"weights": "given"})
        why = "a concave function (a minimum with a constant) of a sum of similarities of 0 or more"
        guarantee = Guarantee("submodular", why)
        return cls(name, table, guarantee, settings, weights=of_each, cap=part * table.column_sums())

    def _empty(self) -> None:
        self._rest = self._cap
        self._kind_rest = self._cap.astype(self._table.dtype)

    def _gains(self, rows: Indices | None) -> Array:
        return self._table.fill(rows, self._kind_rest, self._kind_weights)

    def _add(self, row: int) -> float:
        filled = np.minimum(self._table.row(row).astype(np.float64), self._rest)
        self._rest = self._rest - filled
        self._kind_rest = self._rest.astype(self._table.dtype)
        return float(filled.dot(self._weights))
