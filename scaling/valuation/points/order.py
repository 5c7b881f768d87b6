"""The training points from nearest to farthest of each test point, with ties in an order that nothing disturbs.

Distances come from a matrix product, so two copies of one row may differ in their last bit. Where neighbours in the
order are closer than that product can tell, their distances are summed again coordinate by coordinate, which gives
equal rows equal distances wherever they stand, and what is still equal goes by index.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.valuation.embeddings import Rows, as_embeddings, refuse_overflow

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

METRICS = ("euclidean", "cosine")
_PAIRS = 1 << 22  # pairs of test and training point in memory at a time, of about 64 bytes each
_VALUES = 1 << 22  # values of embeddings brought to double precision at a time
_MOST = 64  # tests a block: more gains nothing
_EPS = float(np.finfo(np.float64).eps)


class NearestFirst:
    """Order training points by their distance to test points.

    Parameters
    ----------
    X : array_like (n, m)
        Training points.
    X_test : array_like (t, m)
        Test points.
    metric : {"euclidean", "cosine"}
        What is near. Cosine brings rows to length one first.

    Raises
    ------
    InputDataError
        For widths that differ, NaN, or rows of zeros under the cosine.
    UsageError
        For another metric.
    """

    def __init__(self, X: ArrayLike, X_test: ArrayLike, metric: str = "euclidean") -> None:
        if metric not in METRICS:
            raise UsageError(f"There is no metric '{metric}'.", did_you_mean(str(metric), METRICS))
        self.rows: Rows = as_embeddings(X, normalise=metric == "cosine")
        self.tests: Rows = as_embeddings(X_test, normalise=metric == "cosine", name="X_test")
        for held, name in ((self.rows, "X"), (self.tests, "X_test")):
            refuse_overflow(held, name)
        self.n, self.m = self.rows.shape
        if self.tests.shape[1] != self.m:
            raise InputDataError(
                f"X has {self.m} columns and X_test has {self.tests.shape[1]}.", "Embed both with the same model."
            )
        # The mean is taken off because what a product loses to cancellation grows with the length of the rows.
        self._mean: Array = np.mean(self.rows, axis=0, dtype=np.float64)
        self._squares = np.concatenate([np.einsum("ij,ij->i", p, p) for _, p in self._parts()])

    def blocks(self, size: int | None = None) -> Iterator[tuple[slice, Indices]]:
        """Yield blocks of tests: which they are, and for each the indices of all training points, nearest first.

        Parameters
        ----------
        size : int, optional
            Tests a block; by default as many as keep the work within about 256 MiB, one at least.
        """
        size = max(1, min(_MOST, _PAIRS // self.n)) if size is None else size
        for start in range(0, len(self.tests), size):
            which = slice(start, min(start + size, len(self.tests)))
            yield which, self._order(self.tests[which])

    def _parts(self) -> Iterator[tuple[slice, Array]]:
        step = max(1, _VALUES // self.m)
        for start in range(0, self.n, step):
            which = slice(start, min(start + step, self.n))
            yield which, self.rows[which].astype(np.float64) - self._mean

    def _order(self, tests: Rows) -> Indices:
        centred = tests.astype(np.float64) - self._mean
        squares = np.einsum("ij,ij->i", centred, centred)
        distance = np.empty((len(tests), self.n))
        for which, part in self._parts():
            np.matmul(centred, part.T, out=distance[:, which])
        distance *= -2
        distance += self._squares
        distance += squares[:, None]
        order = np.argsort(distance, axis=1)  # not stable: what it leaves open is settled below
        gaps = np.diff(np.take_along_axis(distance, order, axis=1), axis=1)
        # Twice the rounding of a product of length m and of the sum that settles it, with a factor of two to spare.
        doubt = 4 * (self.m + 8) * _EPS * (np.sqrt(np.max(self._squares)) + np.sqrt(squares)) ** 2
        self._settle(order, gaps <= doubt[:, None], tests)
        return order

    def _settle(self, order: Indices, near: NDArray[np.bool_], tests: Rows) -> None:
        """Put runs of neighbours that could not be told apart in order, in place."""
        if not near.any():
            return
        to_left = np.zeros(order.shape, dtype=bool)
        to_left[:, 1:] = near
        member = to_left.copy()
        member[:, :-1] |= near
        row, column = np.nonzero(member)
        run = np.cumsum(~to_left[row, column])
        index = order[row, column]
        distance = np.zeros(len(index))
        step = max(1, _VALUES // self.m)
        for start in range(0, len(index), step):
            part = slice(start, start + step)
            apart = self.rows[index[part]].astype(np.float64) - tests[row[part]]
            for j in range(
                self.m
            ):  # one coordinate after another: the same sum for equal rows, whatever surrounds them
                distance[part] += apart[:, j] * apart[:, j]
        order[row, column] = index[np.lexsort((index, distance, run))]
