"""Change points of a mean: the partition of least squares and a penalty, found exactly on sums of everything before.

Points of equal position are never parted. Sums are weighted, so a bootstrap replicate is a row of weights and all of
them are solved at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Indices = NDArray[np.intp]

_MAD = 0.6744897501960817  # of a normal distribution: median absolute deviation over standard deviation
_BLOCK = 4_000_000


def noise_of(values: Array) -> float:
    """Estimate the scatter around a mean that changes seldom: MAD of differences over 0.6745 sqrt(2).

    Where half of all differences are zero, as of scores that are 0 or 1, their root mean square over sqrt(2) is taken.
    """
    steps = np.diff(values)
    mad = float(np.median(np.abs(steps - np.median(steps)))) / (_MAD * np.sqrt(2))
    return mad if mad > 0 else float(np.sqrt(np.mean(steps**2) / 2))


def optimal_partition(values: Array, penalty: float, *, min_size: int = 5, blocks: Indices | None = None) -> Indices:
    """Split a series into stretches of one mean each.

    Parameters
    ----------
    values : ndarray (n,)
        In order.
    penalty : float
        What a further stretch has to take off the sum of squares.
    min_size : int, default 5
        Fewest values in a stretch.
    blocks : ndarray of int (n,), optional
        Values of the same number, which never falls, are never parted; each is alone where missing.

    Returns
    -------
    ndarray of int
        Where stretches begin, but for the first: rising, none for a series that does not change.
    """
    numbers = np.arange(len(values)) if blocks is None else blocks
    sums = block_sums(values, numbers, np.ones((1, len(values))))
    starts = np.concatenate([[0], np.flatnonzero(np.diff(numbers)) + 1])
    _, previous = _solve(sums, penalty, min_size)
    cuts, at = [], int(previous[0, -1])
    while at > 0:
        cuts.append(int(starts[at]))
        at = int(previous[0, at])
    return np.array(cuts[::-1], np.intp)


def first_changes(values: Array, penalty: float, weights: Array, *, min_size: int, blocks: Indices) -> Indices:
    """Return the first block of the second stretch, for each row of bootstrap weights (B, n); 0 where nothing changes.

    A concept that is drawn twice brings its own noise twice, so sums of squares of noise are twice as large as in the
    data; the penalty, which is set against them, is doubled. The fewest values of a stretch are distinct ones.
    """
    count = int(blocks[-1]) + 1
    step = max(1, _BLOCK // max(count, len(values)))
    out = np.zeros(len(weights), np.intp)
    for i in range(0, len(weights), step):
        sums = block_sums(values, blocks, weights[i : i + step])
        _, previous = _solve(sums, 2 * penalty, min_size)
        at = previous[:, -1].copy()
        rows = np.arange(len(at))
        while np.any(more := previous[rows, at] > 0):
            at = np.where(more, previous[rows, at], at)
        # blocks that were not drawn belong to neither side: the stretch begins at the first that was
        present = np.diff(sums[0], axis=1) > 0
        there = np.argmax(present & (np.arange(count) >= at[:, None]), axis=1)
        out[i : i + step] = np.where(at > 0, there, 0)
    return out


def block_sums(values: Array, blocks: Indices, weights: Array) -> Array:
    """Return sums of weights, values, squares and distinct values before each block, shape (4, B, blocks + 1)."""
    starts = np.concatenate([[0], np.flatnonzero(np.diff(blocks)) + 1])
    centred = values - values.mean()  # so that squares of prefixes keep their digits
    columns = (weights, weights * centred, weights * centred**2, (weights > 0).astype(float))
    parts = [np.add.reduceat(column, starts, axis=1) for column in columns]
    return np.stack([np.concatenate([np.zeros((len(weights), 1)), np.cumsum(part, axis=1)], axis=1) for part in parts])


def _solve(sums: Array, penalty: float, min_size: int) -> tuple[Array, Indices]:
    """Return the least cost up to each block, and where the last stretch before it begins; shapes (B, blocks + 1).

    A replicate whose values cannot make one stretch of the least size is one stretch.
    """
    mass, first, second, distinct = sums
    rows, width = mass.shape
    cost = np.full((rows, width), np.inf)
    cost[:, 0] = -penalty
    previous = np.zeros((rows, width), np.intp)
    for end in range(1, width):
        w = mass[:, end, None] - mass[:, :end]
        x = first[:, end, None] - first[:, :end]
        squares = second[:, end, None] - second[:, :end] - x**2 / np.where(w > 0, w, 1)
        enough = distinct[:, end, None] - distinct[:, :end] >= min_size
        total = np.where(enough, cost[:, :end] + np.maximum(squares, 0) + penalty, np.inf)
        best = np.argmin(total, axis=1)
        previous[:, end] = best
        cost[:, end] = total[np.arange(rows), best]
    return cost, previous


def best_break(values: Array, *, min_size: int, blocks: Indices) -> tuple[int, float]:
    """Return the block at which a single break takes off most, and its F against one mean; (0, 0) for no place."""
    gain, starts, straight = _gains(values[:, None], min_size, blocks)
    if not len(starts):
        return 0, 0.0
    best = int(np.argmax(gain[:, 0]))
    return int(blocks[starts[best]]), float(_f_of(gain[best], straight, len(values))[0])


def break_p_value(
    values: Array, *, min_size: int, blocks: Indices, permutations: int, seed: np.random.SeedSequence
) -> float:
    """Return the share of permutations of the values of which a single break takes off as much; the data are one."""
    _, found = best_break(values, min_size=min_size, blocks=blocks)
    mixed = np.random.default_rng(seed).permuted(np.tile(values, (permutations, 1)), axis=1).T
    gain, starts, straight = _gains(mixed, min_size, blocks)
    if not len(starts):
        return 1.0
    reached = _f_of(gain.max(axis=0), straight, len(values)) >= found * (1 - 1e-12)
    return (1 + int(reached.sum())) / (permutations + 1)


def _gains(values: Array, min_size: int, blocks: Indices) -> tuple[Array, Indices, Array]:
    """Return what a break before each place takes off the squares of columns of values, the places, and the squares."""
    n = len(values)
    starts = np.flatnonzero(np.diff(blocks)) + 1
    starts = starts[(starts >= min_size) & (n - starts >= min_size)]
    centred = values - values.mean(0)
    before = np.cumsum(centred, axis=0)[starts - 1]
    return before**2 * (n / (starts * (n - starts)))[:, None], starts, np.einsum("nb,nb->b", centred, centred)


def _f_of(gain: Array, straight: Array, n: int) -> Array:
    return np.asarray(gain / np.maximum((straight - gain) / (n - 2), 1e-300))
