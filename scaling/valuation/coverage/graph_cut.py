"""Graph cut: similarity to all, less similarity within the set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import UsageError
from scaling.valuation.coverage.base import RowObjective
from scaling.valuation.coverage.checks import check_setting, check_similarities
from scaling.valuation.coverage.similarity import Kernel, make_kernel
from scaling.valuation.coverage.sources import prepare_other
from scaling.valuation.coverage.tables import EmbeddingTable
from scaling.valuation.embeddings import Rows
from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Array, Indices

_COLUMN = 1 << 14  # rows of a column of similarities worked out at a time
_MEMBERS = 1 << 11  # members whose similarities to all members are worked out at a time


class GraphCut(RowObjective):
    """sum_{i in V, j in S} s_ij - lam sum_{i, j in S} s_ij, over ordered pairs with the diagonal; made by `build`.

    The state is the similarity of each candidate to the set, so a step costs one column of similarities and a gain
    nothing: no n x n matrix.
    """

    def __init__(
        self,
        name: str,
        guarantee: Guarantee,
        settings: dict[str, Any],
        *,
        sums: Array,
        own: Array,
        lam: float,
        source: Rows | tuple[Kernel, Rows],
    ) -> None:
        super().__init__(name, len(sums), guarantee, settings)
        self._sums, self._own, self._lam, self._source = sums, own, lam, source
        self._restart()

    @classmethod
    def build(
        cls,
        X: ArrayLike | None,
        k: int | None = None,
        *,
        name: str = "graph_cut",
        lam: float = 0.5,
        kernel: str = "shifted_cosine",
        bandwidth: float | None = None,
        seed: int = 0,
        similarities: ArrayLike | None = None,
        represent: ArrayLike | None = None,
    ) -> Self:
        """Make the objective.

        Parameters
        ----------
        X : array_like (n, m)
            Embeddings of the candidates.
        k : int, optional
            Size of the sets to come, up to which the objective may be monotone although `lam` is above 1/2.
        lam : float, default 0.5
            Weight of similarity within the set, 0 or more; 1/2 is the largest that never makes an element unwanted.
        kernel, bandwidth, seed
            As of `FacilityLocation.build`.
        similarities : array_like (n, n), optional
            Symmetric similarities of 0 or more instead of embeddings.
        represent : array_like (u, m), optional
            Embeddings of what the set should be similar to; the candidates by default.

        Returns
        -------
        GraphCut

        Raises
        ------
        UsageError
            For settings that are not known, or do not go together.
        InputDataError
            For embeddings or similarities that cannot be used.
        """
        weight = check_setting(lam, "lam")
        settings: dict[str, Any]
        source: Rows | tuple[Kernel, Rows]
        if similarities is not None:
            if represent is not None or bandwidth is not None or kernel != "shifted_cosine":
                raise UsageError(
                    "Similarities are given, and so are settings that make similarities from embeddings.",
                    "Leave out either the similarities, or kernel, bandwidth and represent.",
                )
            n = None if X is None else len(np.asarray(X))
            table = check_similarities(similarities, n, square=True, symmetric=True)
            sums, own, source = table.sum(axis=1, dtype=np.float64), np.diag(table).astype(np.float64), table
            settings, largest = {"kernel": "precomputed"}, float(table.max())
        else:
            if X is None:
                raise UsageError("There are neither embeddings nor similarities.", "Give X, or similarities.")
            made, rows = make_kernel(X, kernel, bandwidth, seed)
            other = None if represent is None else prepare_other(made, rows, represent, "represent")
            everything = EmbeddingTable(made, rows, other)
            sums = everything.row_sums(None, np.ones(everything.u))
            own, source = np.ones(len(rows)), (made, rows)
            settings, largest = made.describe(), 1.0
        settings |= {"lam": weight}
        monotone = weight <= 0.5 and represent is None
        why = "similarities of 0 or more within the set can only take away from later gains"
        reach = None
        if not monotone and k is not None:
            # No gain of a set of up to k can be below this, whatever the set.
            monotone = bool(np.all(sums >= weight * (own + 2 * (k - 1) * largest)))
            reach = k if monotone else None
            why += f"; no gain is negative up to {k} elements" if monotone else ""
        why += "" if monotone else f"; with lam = {weight:g} gains can be negative"
        made_of = cls(
            name, Guarantee("submodular", why, monotone), settings, sums=sums, own=own, lam=weight, source=source
        )
        made_of.monotone_to = reach
        return made_of

    def _empty(self) -> None:
        self._within = np.zeros(len(self._sums))

    def _gains(self, rows: Indices | None) -> Array:
        if rows is None:
            return self._sums - self._lam * (self._own + 2 * self._within)
        return self._sums[rows] - self._lam * (self._own[rows] + 2 * self._within[rows])

    def _add(self, row: int) -> float:
        gain = float(self._sums[row] - self._lam * (self._own[row] + 2 * self._within[row]))
        self._within = self._within + self._column(row)
        return gain

    def score_of(self, subset: Sequence[int] | Indices) -> float:
        """Return f of any set, from similarities between its members alone: no row outside is looked at."""
        rows = self._rows_of(subset)
        if not rows.size:
            return 0.0
        if not isinstance(self._source, tuple):
            within = float(self._source[np.ix_(rows, rows)].sum(dtype=np.float64))
        else:
            kernel, data = self._source
            members, within = data[rows], 0.0
            for start in range(0, len(rows), _MEMBERS):
                part = kernel.left(members) @ kernel.right(members[start : start + _MEMBERS])
                within += float(kernel.finish(part).sum(dtype=np.float64))
        return float(self._sums[rows].sum()) - self._lam * within

    def _column(self, row: int) -> Rows:
        if not isinstance(self._source, tuple):
            return np.asarray(self._source[row])
        kernel, rows = self._source
        one = kernel.right(rows[row : row + 1])
        made = np.empty(len(rows), rows.dtype)
        for start in range(0, len(rows), _COLUMN):
            part = kernel.left(rows[start : start + _COLUMN]) @ one
            made[start : start + _COLUMN] = kernel.finish(part)[:, 0]
        return made
