"""Embeddings that come in shards, one in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError, UsageError
from scaling.valuation.embeddings import Rows, as_embeddings

Indices = NDArray[np.intp]

_VALUES = 1 << 18  # of a block: 2 MiB in double precision, which stay in the cache from the check to the score


class ShardSource(Protocol):
    """What is asked of embeddings that come in shards.

    Attributes
    ----------
    n, m : int
        Examples in all shards, and dimensions.
    """

    @property
    def n(self) -> int:
        """Examples in all shards."""

    @property
    def m(self) -> int:
        """Dimensions."""

    def __len__(self) -> int:
        """Return the number of shards."""

    def rows(self, i: int, /) -> NDArray[Any]:
        """Return shard i, shape (rows, m)."""

    def gather(self, indices: Indices, /) -> NDArray[Any]:
        """Return rows by their index over all shards, which is ascending; shape (len(indices), m)."""


@dataclass(frozen=True)
class ArrayShards:
    """One array, mapped from a file perhaps, in shards of as many rows each.

    Parameters
    ----------
    array : ndarray (n, m)
        The embeddings, or one row of losses an example.
    size : int, default 65536
        Rows a shard.
    """

    array: NDArray[Any]
    size: int = 65536

    def __post_init__(self) -> None:
        if self.size < 1 or self.array.ndim != 2:
            raise UsageError(f"Shards of {self.size} rows of an array of shape {self.array.shape} cannot be made.")

    @property
    def n(self) -> int:
        """Examples."""
        return len(self.array)

    @property
    def m(self) -> int:
        """Dimensions."""
        return int(self.array.shape[1])

    def __len__(self) -> int:
        """Return the number of shards."""
        return (self.n + self.size - 1) // self.size

    def rows(self, i: int, /) -> NDArray[Any]:
        """Return shard i."""
        return self.array[i * self.size : (i + 1) * self.size]

    def gather(self, indices: Indices, /) -> NDArray[Any]:
        """Return rows by their index."""
        return np.asarray(self.array[indices])


def draw_rows(source: ShardSource, size: int, seed: int) -> tuple[NDArray[Any], Indices]:
    """Draw rows without replacement, evenly over all shards.

    Parameters
    ----------
    source : ShardSource
        Where from.
    size : int
        Rows; all where there are no more.
    seed : int
        Of the draw.

    Returns
    -------
    tuple of ndarray
        The rows and their indices, ascending. The same for any division into shards.

    Raises
    ------
    UsageError
        For a size below 1.
    """
    if size < 1:
        raise UsageError(f"A sample of {size} rows is none.")
    if size >= source.n:
        indices = np.arange(source.n)
    else:
        indices = np.sort(np.random.default_rng(seed).choice(source.n, size, replace=False, shuffle=False))
    return source.gather(indices), indices


def unit_blocks(shard: NDArray[Any], name: str) -> Iterator[tuple[slice, Rows]]:
    """Check a shard and bring its rows to length one, a block that fits the cache at a time.

    Parameters
    ----------
    shard : ndarray (s, m)
        Embeddings.
    name : str
        What to call it in messages.

    Yields
    ------
    tuple of slice and ndarray
        Which rows, and these at length one.

    Raises
    ------
    InputDataError
        For rows with NaN or nothing but zeros, counted from the start of the shard.
    """
    step = max(1, _VALUES // max(1, shard.shape[1]))
    for start in range(0, max(1, len(shard)), step):
        which = slice(start, min(start + step, len(shard)))
        try:
            rows = as_embeddings(shard[which], name=name)
        except InputDataError:
            as_embeddings(shard, name=name)  # says the same of the shard, whose rows are counted from its start
            raise
        yield which, rows
