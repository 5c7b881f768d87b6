"""k-center: the distance of the farthest example from the set, by going to the farthest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling.valuation.coverage.base import RowObjective
from scaling.valuation.embeddings import Rows, as_embeddings
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices

_BLOCK = 1 << 20  # values worked on at a time
_WHY = (
    "the largest distance is not submodular, and what its fall would be says little of the next step; a gain is the "
    "distance of a candidate from the set instead, and going to the farthest first leaves at most twice the least "
    "possible largest distance"
)


class KCenter(RowObjective):
    """Farthest-first traversal; made by `build`.

    A gain is the distance of a candidate from the set, which is what the traversal goes by, and the value is the sum
    of the distances at which members were added: it depends on their order, and only `score` is about the set alone.
    The first member is the one nearest to the mean: its gain is how much nearer it is than the farthest.
    """

    def __init__(self, name: str, rows: Rows, settings: dict[str, Any]) -> None:
        super().__init__(name, len(rows), Guarantee("none", _WHY, monotone=False), settings)
        self._data = rows
        from_mean = self._distances(rows.mean(axis=0, dtype=np.float64))
        self._first = from_mean.max() - from_mean
        self._restart()

    @classmethod
    def build(
        cls,
        X: ArrayLike,
        k: int | None = None,  # noqa: ARG003
        *,
        name: str = "k_center",
        normalise: bool = True,
    ) -> Self:
        """Make the objective.

        Parameters
        ----------
        X : array_like (n, m)
            Embeddings.
        k : int, optional
            Not used.
        normalise : bool, default True
            Whether distances are those of rows of length one, sqrt(2 - 2 cos); else they have the unit of X.

        Returns
        -------
        KCenter

        Raises
        ------
        UsageError, InputDataError
            For embeddings that cannot be used.
        """
        return cls(name, as_embeddings(X, normalise=normalise), {"normalise": bool(normalise)})

    def _empty(self) -> None:
        self._nearest: Array | None = None

    def _gains(self, rows: Indices | None) -> Array:
        made = self._first if self._nearest is None else self._nearest
        return np.array(made) if rows is None else made[rows]

    def _add(self, row: int) -> float:
        distances = self._distances(self._data[row].astype(np.float64))
        gain = float(self._first[row] if self._nearest is None else self._nearest[row])
        self._nearest = distances if self._nearest is None else np.minimum(self._nearest, distances)
        return gain

    def _distances(self, point: Array) -> Array:
        """Return distances of all rows from a point, from differences: a duplicate is at 0 exactly."""
        made = np.empty(len(self._data))
        step = max(1, _BLOCK // len(point))
        for start in range(0, len(made), step):
            apart = self._data[start : start + step] - point.astype(self._data.dtype)
            made[start : start + step] = np.sqrt(np.einsum("ij,ij->i", apart, apart))
        return made

    def score_of(self, subset: Sequence[int] | Indices) -> float:
        """Return minus the distance of the farthest example from any set.

        The nearest member is sought by products of matrices, which lose digits of small distances; its distance is
        then taken from the difference, as elsewhere.
        """
        rows = self._rows_of(subset)
        if not rows.size:
            return -float("inf")
        members = self._data[rows].astype(np.float64)
        half = 0.5 * np.einsum("ij,ij->i", members, members)
        farthest, step = 0.0, max(1, _BLOCK // max(len(rows), members.shape[1]))
        for start in range(0, len(self._data), step):
            part = self._data[start : start + step]
            nearest = np.argmin(half - part.astype(np.float64) @ members.T, axis=1)
            apart = part - self._data[rows[nearest]]
            farthest = max(farthest, float(np.einsum("ij,ij->i", apart, apart).max()))
        return -float(np.sqrt(farthest))

    @property
    def radius(self) -> float:
        """Distance of the farthest example from the set; infinite for the empty set."""
        return float("inf") if self._nearest is None else float(self._nearest.max())

    def score(self) -> float:
        """Return minus the distance of the farthest example from the set, so that more is better."""
        return -self.radius
