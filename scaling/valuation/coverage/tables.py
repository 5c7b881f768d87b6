"""Similarities of candidates to what they represent: kept whole, or computed a tile at a time from embeddings.

Both answer the same questions, so that objectives need not know which one they have. Rounding is in one direction: the
sum over a row is made in the same order whatever the batch, and every step of it is monotone, so a gain from a whole
table never grows by rounding as what is covered grows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from scaling.valuation.coverage.similarity import Kernel
from scaling.valuation.embeddings import Rows
from scaling.valuation.objective import Array, Indices

Work = Callable[[Rows, Rows], None]

_SHORT = 2048  # columns below which rows are worked on many at a time
_BATCH = 1 << 16  # values in such a batch
_ROWS, _COLUMNS = 128, 4096  # of a tile: 2 MiB in float32, which stays in the cache


class Table(Protocol):
    """Similarities of n candidates to u represented examples."""

    n: int
    u: int
    dtype: np.dtype[Any]

    def excess(self, rows: Indices | None, floor: Rows, weights: Array, cap: Rows | None = None) -> Array:
        """Return sum_i w_i max(0, min(s_vi, cap_i) - floor_i), shape (c,)."""

    def fill(self, rows: Indices | None, rest: Rows, weights: Array) -> Array:
        """Return sum_i w_i min(s_vi, rest_i), shape (c,)."""

    def row(self, row: int) -> Rows:
        """Return similarities of one candidate, shape (u,)."""

    def row_sums(self, rows: Indices | None, weights: Array) -> Array:
        """Return sum_i w_i s_vi, shape (c,)."""

    def column_sums(self) -> Array:
        """Return sum_v s_vi over all candidates, shape (u,)."""


class DenseTable:
    """Similarities that are kept whole.

    Parameters
    ----------
    values : ndarray (n, u) of float32 or float64
        One row a candidate, contiguous.
    """

    def __init__(self, values: Rows) -> None:
        self.values = np.ascontiguousarray(values)
        self.n, self.u = values.shape
        self.dtype: np.dtype[Any] = values.dtype
        self._buffer = np.empty(self.u, values.dtype)

    def excess(self, rows: Indices | None, floor: Rows, weights: Array, cap: Rows | None = None) -> Array:
        """Return sum_i w_i max(0, min(s_vi, cap_i) - floor_i), shape (c,)."""

        def work(part: Rows, out: Rows) -> None:
            if cap is not None:
                part = np.minimum(part, cap, out=out)
            np.maximum(part, floor, out=out)
            np.subtract(out, floor, out=out)

        return self._over(rows, work, weights)

    def fill(self, rows: Indices | None, rest: Rows, weights: Array) -> Array:
        """Return sum_i w_i min(s_vi, rest_i), shape (c,)."""

        def work(part: Rows, out: Rows) -> None:
            np.minimum(part, rest, out=out)

        return self._over(rows, work, weights)

    def _over(self, rows: Indices | None, work: Work, weights: Array) -> Array:
        """Work on rows, and sum over what each represents; a row at a time where one fills the cache."""
        kind = weights.astype(self.dtype, copy=False)
        made = np.empty(self.n if rows is None else len(rows))
        if self.u > _SHORT:
            buffer, values = self._buffer, self.values
            for place, row in enumerate(range(self.n) if rows is None else rows.tolist()):
                work(values[row], buffer)
                made[place] = buffer.dot(kind)
            return made
        step = max(1, _BATCH // self.u)
        for start in range(0, len(made), step):
            stop = start + step
            part = self.values[start:stop].copy() if rows is None else self.values[rows[start:stop]]
            work(part, part)
            part *= kind
            made[start:stop] = part.sum(axis=1)
        return made

    def row(self, row: int) -> Rows:
        """Return similarities of one candidate, shape (u,)."""
        return np.asarray(self.values[row])

    def row_sums(self, rows: Indices | None, weights: Array) -> Array:
        """Return sum_i w_i s_vi, shape (c,)."""

        def work(part: Rows, out: Rows) -> None:
            if part is not out:
                np.copyto(out, part)

        return self._over(rows, work, weights)

    def representing(self, columns: Indices) -> DenseTable:
        """Return similarities to some of what is represented."""
        return DenseTable(self.values[:, columns])

    def column_sums(self) -> Array:
        """Return sum_v s_vi over all candidates, shape (u,)."""
        return np.asarray(self.values.sum(axis=0, dtype=np.float64))


class EmbeddingTable:
    """Similarities that are computed when they are asked for, so that n x u of them never lie in memory.

    Parameters
    ----------
    kernel : Kernel
        How similar two rows are.
    rows : ndarray (n, m)
        Candidates, prepared by the kernel; may be a mapped file.
    represented : ndarray (u, m), optional
        What is represented, prepared by the kernel; the candidates when it is not given.
    """

    def __init__(self, kernel: Kernel, rows: Rows, represented: Rows | None = None) -> None:
        self.kernel = kernel
        self.rows = rows
        self.dtype: np.dtype[Any] = rows.dtype
        right = rows if represented is None else represented.astype(rows.dtype, copy=False)
        self._right = kernel.right(right)
        self.n, self.u = len(rows), len(right)

    def excess(self, rows: Indices | None, floor: Rows, weights: Array, cap: Rows | None = None) -> Array:
        """Return sum_i w_i max(0, min(s_vi, cap_i) - floor_i), shape (c,).

        Where a similarity is affine in the cosine, the floor goes into the product itself.
        """
        zero = self.dtype.type(0)
        if cap is None and self.kernel.linear and (self.kernel.name == "shifted_cosine" or floor.min() >= 0):
            self._right[-1] = self.kernel.shift - floor

            def cut(tile: Rows, _: slice) -> None:
                np.maximum(tile, zero, out=tile)

            try:
                return self._over(rows, cut, weights, raw=True)
            finally:
                self._right[-1] = self.kernel.shift

        def work(tile: Rows, columns: slice) -> None:
            if cap is not None:
                np.minimum(tile, cap[columns], out=tile)
            np.maximum(tile, floor[columns], out=tile)
            np.subtract(tile, floor[columns], out=tile)

        return self._over(rows, work, weights)

    def fill(self, rows: Indices | None, rest: Rows, weights: Array) -> Array:
        """Return sum_i w_i min(s_vi, rest_i), shape (c,)."""

        def work(tile: Rows, columns: slice) -> None:
            np.minimum(tile, rest[columns], out=tile)

        return self._over(rows, work, weights)

    def _over(
        self, rows: Indices | None, work: Callable[[Rows, slice], None], weights: Array, raw: bool = False
    ) -> Array:
        kind = weights.astype(self.dtype, copy=False)
        made = np.zeros(self.n if rows is None else len(rows))
        for start in range(0, len(made), _ROWS):
            stop = min(start + _ROWS, len(made))
            left = self.kernel.left(self.rows[start:stop] if rows is None else self.rows[rows[start:stop]])
            buffer = np.empty((stop - start, min(_COLUMNS, self.u)), self.dtype)
            for first in range(0, self.u, _COLUMNS):
                columns = slice(first, min(first + _COLUMNS, self.u))
                width = columns.stop - first
                tile = buffer if width == buffer.shape[1] else np.empty((stop - start, width), self.dtype)
                np.matmul(left, self._right[:, columns], out=tile)
                if not raw:
                    self.kernel.finish(tile)
                work(tile, columns)
                made[start:stop] += tile @ kind[columns]
        return made

    def row(self, row: int) -> Rows:
        """Return similarities of one candidate, shape (u,)."""
        return np.asarray(self.kernel.finish(self.kernel.left(self.rows[row : row + 1]) @ self._right)[0])

    def row_sums(self, rows: Indices | None, weights: Array) -> Array:
        """Return sum_i w_i s_vi, shape (c,); in closed form where a similarity is affine in the cosine."""
        if self.kernel.name not in {"shifted_cosine", "cosine"}:
            return self._over(rows, lambda *_: None, weights)
        # A product with the whole right factor, summed first: O(n m) in place of O(n u m).
        total = np.zeros(len(self._right))
        for first in range(0, self.u, _COLUMNS):
            columns = slice(first, first + _COLUMNS)
            total += self._right[:, columns].astype(np.float64) @ weights[columns]
        made = np.empty(self.n if rows is None else len(rows))
        for start in range(0, len(made), _COLUMNS):
            stop = start + _COLUMNS
            part = self.rows[start:stop] if rows is None else self.rows[rows[start:stop]]
            made[start:stop] = self.kernel.left(part).astype(np.float64) @ total
        return made

    def column_sums(self) -> Array:
        """Return sum_v s_vi over all candidates, shape (u,); in closed form where a similarity is affine."""
        made = np.zeros(self.u)
        if self.kernel.name in {"shifted_cosine", "cosine"}:
            total = np.zeros(len(self._right))
            for start in range(0, self.n, _COLUMNS):
                total += self.kernel.left(self.rows[start : start + _COLUMNS]).sum(axis=0, dtype=np.float64)
            for first in range(0, self.u, _COLUMNS):
                columns = slice(first, first + _COLUMNS)
                made[columns] = total @ self._right[:, columns].astype(np.float64)
            return made
        for start in range(0, self.n, _ROWS):
            left = self.kernel.left(self.rows[start : start + _ROWS])
            for first in range(0, self.u, _COLUMNS):
                columns = slice(first, first + _COLUMNS)
                made[columns] += self.kernel.finish(left @ self._right[:, columns]).sum(axis=0, dtype=np.float64)
        return made

    def columns(self, start: int, stop: int) -> Rows:
        """Return similarities of represented examples start..stop to all candidates, one row each."""
        right = np.ascontiguousarray(self._right[:, start:stop].T)
        made = np.empty((stop - start, self.n), self.dtype)
        for first in range(0, self.n, _COLUMNS):
            made[:, first : first + _COLUMNS] = right @ self.kernel.left(self.rows[first : first + _COLUMNS]).T
        return self.kernel.finish(made)

    def representing(self, columns: Indices) -> EmbeddingTable:
        """Return similarities to some of what is represented."""
        made = copy.copy(self)
        made._right = np.ascontiguousarray(self._right[:, columns])
        made.u = len(columns)
        return made

    def dense(self) -> DenseTable:
        """Return the same similarities kept whole."""
        values = np.empty((self.n, self.u), self.dtype)
        for start in range(0, self.n, _ROWS):
            part = values[start : start + _ROWS]
            np.matmul(self.kernel.left(self.rows[start : start + _ROWS]), self._right, out=part)
            self.kernel.finish(part)
        return DenseTable(values)
