"""Ridge leverage in two passes over shards: the second moments first, then the scores."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError, UsageError
from scaling.valuation.embeddings import Rows
from scaling.valuation.points.shard_source import ShardSource, unit_blocks

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SecondMoments:
    """The sum of ``x x^T`` over the rows that were seen.

    Parameters
    ----------
    matrix : ndarray (m, m)
        The sum.
    n : int
        Rows seen.
    """

    matrix: Array
    n: int

    @classmethod
    def none(cls, m: int) -> SecondMoments:
        """Return those of no rows of m dimensions."""
        return cls(np.zeros((m, m)), 0)

    def with_rows(self, rows: NDArray[Any], name: str = "shard") -> SecondMoments:
        """Return the moments with a shard added; what was is left as it is, so an interrupted pass can go on from it.

        Parameters
        ----------
        rows : ndarray (s, m)
            The shard; rows are brought to length one.
        name : str
            What to call it in messages.
        """
        if rows.ndim != 2 or rows.shape[1] != len(self.matrix):
            raise InputDataError(f"{name} has shape {rows.shape}; rows of {len(self.matrix)} columns are expected.")
        total = self.matrix.copy()
        for _, part in unit_blocks(rows, name):
            double = part.astype(np.float64)
            total += double.T @ double
        return SecondMoments(total, self.n + len(rows))


def second_moments(source: ShardSource, progress: Callable[[int, int], None] | None = None) -> SecondMoments:
    """Sum second moments over all shards, in their order.

    Parameters
    ----------
    source : ShardSource
        Embeddings.
    progress : callable, optional
        Called with the number of shards done and of all.

    Returns
    -------
    SecondMoments
    """
    moments = SecondMoments.none(source.m)
    for i in range(len(source)):
        moments = moments.with_rows(source.rows(i), f"shard {i}")
        if progress is not None:
            progress(i + 1, len(source))
    return moments


def whitener(moments: SecondMoments, ridge: float) -> Array:
    """Return W with ``W^T W = (M + ridge I)^{-1}``, so that the leverage of x is the squared length of ``W x``.

    Parameters
    ----------
    moments : SecondMoments
        M.
    ridge : float
        Above 0, in units of a squared length.

    Returns
    -------
    ndarray (m, m)

    Raises
    ------
    UsageError
        For a ridge that is not above 0.
    """
    if not (np.isfinite(ridge) and ridge > 0):
        raise UsageError(f"ridge is {ridge}; it has to be above 0.")
    values, vectors = np.linalg.eigh(moments.matrix)
    whitened: Array = vectors.T / np.sqrt(np.maximum(values, 0) + ridge)[:, None]
    return whitened


def leverage(rows: Rows, whitened: Array) -> Array:
    """Return the ridge leverage of each row, shape (s,), between 0 and 1 for rows that are in the moments.

    Parameters
    ----------
    rows : ndarray (s, m)
        Of length one.
    whitened : ndarray (m, m)
        Of `whitener`.
    """
    white = rows.astype(np.float64) @ whitened.T
    scores: Array = np.einsum("ij,ij->i", white, white)
    return scores
