"""Facility location: how well each example has one like it in the set.

f(S) = sum_i w_i max_{j in S} s_ij, over the candidates themselves or over another set that has to be represented. The
state is the best similarity that each example has so far, so a gain is a sum of what a candidate would add to it.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling.formatting import format_plural
from scaling.valuation.coverage.base import RowObjective
from scaling.valuation.coverage.checks import check_weights
from scaling.valuation.coverage.neighbours import NeighbourTable
from scaling.valuation.coverage.sources import make_table
from scaling.valuation.coverage.tables import DenseTable, EmbeddingTable, Table
from scaling.valuation.embeddings import Rows
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices

_SAMPLE = 2000  # represented examples on which a set found among neighbours is scored densely
_WHY = "what a better match adds shrinks as matches improve; sums of maxima of similarities of 0 or more"


class BestMatch(RowObjective):
    """sum_i w_i max(0, min(max_{j in S} s_ij, cap_i) - floor_i) + sum_{j in S} r_j: facility location and its kin.

    Parameters
    ----------
    name : str
        As the catalogue has it.
    table : Table
        Similarities.
    guarantee : Guarantee
        What is promised.
    settings : dict
        What `describe` returns.
    weights : ndarray (u,)
        Of what is represented.
    floor : ndarray (u,), optional
        What is matched already, without the set; 0 by default.
    cap : ndarray (u,), optional
        Beyond which a match counts no more.
    relevance : ndarray (n,), optional
        What each candidate is worth by itself.
    """

    def __init__(
        self,
        name: str,
        table: Table,
        guarantee: Guarantee,
        settings: dict[str, Any],
        *,
        weights: Array,
        floor: Rows | None = None,
        cap: Rows | None = None,
        relevance: Array | None = None,
    ) -> None:
        super().__init__(name, table.n, guarantee, settings)
        self._table = table
        self._weights = weights
        self._kind_weights = weights.astype(table.dtype, copy=False)
        self._floor = np.zeros(table.u, table.dtype) if floor is None else floor.astype(table.dtype, copy=False)
        self._plain = floor is None and cap is None
        self._cap = None if cap is None else cap.astype(table.dtype, copy=False)
        self._relevance = relevance
        self._restart()

    def _empty(self) -> None:
        self._best = self._floor

    @property
    def best(self) -> Rows:
        """Similarity of each represented example to what is nearest to it in the set, shape (u,)."""
        return self._best

    def _gains(self, rows: Indices | None) -> Array:
        if self._plain and self._best is self._floor:
            made = self._table.row_sums(rows, self._weights)
        else:
            made = self._table.excess(rows, self._best, self._kind_weights, self._cap)
        if self._relevance is not None:
            made = made + (self._relevance if rows is None else self._relevance[rows])
        return made

    def _add(self, row: int) -> float:
        match = self._table.row(row)
        if self._cap is not None:
            match = np.minimum(match, self._cap)
        better = np.maximum(match, self._best)
        gain = float((better.astype(np.float64) - self._best).dot(self._weights))
        self._best = better
        return gain if self._relevance is None else gain + float(self._relevance[row])


class FacilityLocation(BestMatch):
    """Facility location; made by `build`."""

    _scorer: tuple[EmbeddingTable | DenseTable, Array] | None = None

    @classmethod
    def build(
        cls,
        X: ArrayLike | None,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "facility_location",
        kernel: str = "shifted_cosine",
        bandwidth: float | None = None,
        seed: int = 0,
        similarities: ArrayLike | None = None,
        represent: ArrayLike | None = None,
        weights: ArrayLike | None = None,
        neighbours: int | None = None,
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
        kernel : {"shifted_cosine", "relu_cosine", "rbf"}
            ``(1 + cos)/2``, ``max(0, cos)``, or ``exp(-d^2 / (2 bandwidth^2))``.
        bandwidth : float, optional
            Of ``rbf``, in the unit of the embeddings; the median distance of a seeded sample by default.
        seed : int, default 0
            Of that sample, and of the one that a set found among neighbours is scored on.
        similarities : array_like (n, u), optional
            Similarities of 0 or more, one row a candidate, instead of embeddings.
        represent : array_like (u, m), optional
            Embeddings of what has to be represented; the candidates by default.
        weights : array_like (u,), optional
            Of what is represented; 1 each by default.
        neighbours : int, optional
            Let each represented example see that many candidates alone, those most like it. The set is then found
            for another function: `score` works the dense one out, on a sample.
        memory : {"auto", "dense", "on_the_fly"}
            Whether the n x u similarities are kept; ``auto`` keeps them up to `memory_gib`.
        memory_gib : float, default 2
            GiB that they may take.

        Returns
        -------
        FacilityLocation
            With the empty set. The precision is that of the embeddings: float32 takes half the memory.

        Raises
        ------
        UsageError
            For settings that are not known, or do not go together.
        InputDataError
            For embeddings, similarities or weights that cannot be used.
        """
        table, settings = make_table(
            X,
            kernel=kernel,
            bandwidth=bandwidth,
            seed=seed,
            similarities=similarities,
            represent=represent,
            memory="on_the_fly" if neighbours is not None and similarities is None else memory,
            memory_gib=memory_gib,
        )
        of_each = check_weights(weights, table.u, "represented example")
        if weights is not None:
            settings["weights"] = "given"
        if neighbours is None:
            return cls(name, table, Guarantee("submodular", _WHY), settings, weights=of_each)
        near = NeighbourTable(table, neighbours)
        sample = min(table.u, _SAMPLE)
        settings |= {"neighbours": int(neighbours), "memory": "neighbours alone", "seed": int(seed)}
        settings["scored_on"] = f"all similarities of {format_plural(sample, 'represented example')}"
        made = cls(name, near, Guarantee("submodular", f"{_WHY}; of neighbours alone"), settings, weights=of_each)
        taken = np.sort(np.random.default_rng(np.random.SeedSequence(seed)).choice(table.u, sample, replace=False))
        made._scorer = (table.representing(taken), of_each[taken])
        return made

    def score(self) -> float:
        """Return the (weighted) mean similarity of an example to what is nearest to it in the set.

        With ``neighbours`` it is that of all similarities, not of neighbours alone, on a seeded sample of what is
        represented: more neighbours can find sets whose dense score is lower.
        """
        if self._scorer is None:
            return self.value / float(self._weights.sum())
        table, weights = self._scorer
        best = np.zeros(table.u)
        for index in self.chosen:
            row = index if self._rows is None else int(self._rows[index])
            np.maximum(best, table.row(row), out=best)
        total = float(weights.sum())
        return float(best.dot(weights)) / total if total else float("nan")
