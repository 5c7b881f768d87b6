"""Similarities to nearest neighbours alone: for each represented example those candidates that are most like it."""

from __future__ import annotations

from typing import Any

import numpy as np

from scaling.errors import UsageError
from scaling.valuation.coverage.tables import DenseTable, EmbeddingTable
from scaling.valuation.embeddings import Rows
from scaling.valuation.objective import Array, Indices

_BLOCK = 1 << 22  # similarities looked at at a time


class NeighbourTable:
    """Similarities by candidate, of which all but the largest ones of each represented example count as 0.

    Parameters
    ----------
    table : DenseTable or EmbeddingTable
        All similarities.
    neighbours : int
        Candidates that each represented example keeps.
    """

    def __init__(self, table: DenseTable | EmbeddingTable, neighbours: int) -> None:
        if not (isinstance(neighbours, int | np.integer) and neighbours > 0):
            raise UsageError(f"neighbours is {neighbours}; a whole number above 0 is expected.")
        self.n, self.u, self.dtype = table.n, table.u, table.dtype
        kept = min(int(neighbours), self.n)
        candidates = np.empty((self.u, kept), np.int32)
        values = np.empty((self.u, kept), self.dtype)
        step = max(1, _BLOCK // self.n)
        for start in range(0, self.u, step):
            part = _columns(table, start, min(start + step, self.u))
            # The largest by a partition; ties at the edge go as the partition leaves them.
            place = (
                np.argpartition(part, self.n - kept, axis=1)[:, self.n - kept :]
                if kept < self.n
                else np.broadcast_to(np.arange(self.n), part.shape)
            )
            candidates[start : start + step] = place
            values[start : start + step] = np.take_along_axis(part, place, axis=1)
        order = np.argsort(candidates.ravel(), kind="stable")
        self._represented = (order // kept).astype(np.intp)
        self._values = values.ravel()[order]
        self._starts = np.searchsorted(candidates.ravel()[order], np.arange(self.n + 1))

    def excess(self, rows: Indices | None, floor: Rows, weights: Array, cap: Rows | None = None) -> Array:
        """Return sum_i w_i max(0, min(s_vi, cap_i) - floor_i), shape (c,), over neighbours; floors are 0 or more."""
        made = np.empty(self.n if rows is None else len(rows))
        for place, row in enumerate(range(self.n) if rows is None else rows.tolist()):
            part = slice(self._starts[row], self._starts[row + 1])
            where = self._represented[part]
            values = self._values[part] if cap is None else np.minimum(self._values[part], cap[where])
            made[place] = np.maximum(values - floor[where], 0).dot(weights[where])
        return made

    def fill(self, rows: Indices | None, rest: Rows, weights: Array) -> Array:
        """Return sum_i w_i min(s_vi, rest_i), shape (c,), over neighbours."""
        made = np.empty(self.n if rows is None else len(rows))
        for place, row in enumerate(range(self.n) if rows is None else rows.tolist()):
            part = slice(self._starts[row], self._starts[row + 1])
            where = self._represented[part]
            made[place] = np.minimum(self._values[part], rest[where]).dot(weights[where])
        return made

    def row(self, row: int) -> Rows:
        """Return similarities of one candidate, shape (u,), with zeros."""
        made = np.zeros(self.u, self.dtype)
        part = slice(self._starts[row], self._starts[row + 1])
        made[self._represented[part]] = self._values[part]
        return made

    def row_sums(self, rows: Indices | None, weights: Array) -> Array:
        """Return sum_i w_i s_vi, shape (c,)."""
        owner = np.repeat(np.arange(self.n), np.diff(self._starts))
        sums = np.bincount(owner, self._values * weights[self._represented], minlength=self.n)
        return np.asarray(sums if rows is None else sums[rows])

    def column_sums(self) -> Array:
        """Return sum_v s_vi over all candidates, shape (u,)."""
        return np.asarray(np.bincount(self._represented, self._values, minlength=self.u))

    def describe(self) -> dict[str, Any]:
        """Return how many similarities are kept, as plain data."""
        return {"kept_similarities": len(self._values)}


def _columns(table: DenseTable | EmbeddingTable, start: int, stop: int) -> Rows:
    """Return similarities of represented examples start..stop to all candidates, one row each."""
    if isinstance(table, DenseTable):
        return np.ascontiguousarray(table.values[:, start:stop].T)
    return table.columns(start, stop)
