"""Greedy selection among a random few: each step looks at so many that one of the best k is likely to be there."""

from __future__ import annotations

import math

import numpy as np

from scaling.valuation.choosing.greedy import Run


def sample_size(n: int, k: int, epsilon: float) -> int:
    """Return how many candidates a step draws: n/k log(1/epsilon), and at most all."""
    return max(1, min(n, math.ceil(n / k * math.log(1 / epsilon))))


def stochastic(run: Run, epsilon: float, seed: int | np.random.SeedSequence) -> None:
    """Take the best of a random sample at each step.

    Parameters
    ----------
    run : Run
        The selection.
    epsilon : float
        In (0, 1): chance that a sample misses a set of k candidates; n log(1/epsilon) gains are evaluated in all.
    seed : int or SeedSequence
        Of the samples.

    Notes
    -----
    In expectation the set of a monotone submodular objective has at least ``1 - exp(-(1 - epsilon))`` of the optimum
    (Mirzasoleiman, Badanidiyuru, Karbasi, Vondrak and Krause 2015: 1 - 1/e - epsilon, which is a little less).
    """
    rng = np.random.default_rng(seed if isinstance(seed, np.random.SeedSequence) else np.random.SeedSequence(seed))
    size = sample_size(run.objective.n, run.constraint.most, epsilon)
    while True:
        open_ = np.flatnonzero(run.room.open)
        if not open_.size:
            return
        drawn = open_ if open_.size <= size else np.sort(open_[_distinct(rng, open_.size, size)])
        if not run.take(drawn, run.evaluate(drawn)):
            return


def _distinct(rng: np.random.Generator, n: int, size: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Draw distinct numbers below n; where they are few among many, without a permutation of all."""
    if size > n // 8:
        return rng.permutation(n)[:size]
    found = np.empty(0, dtype=np.int64)
    while found.size < size:
        found = np.concatenate([found, rng.integers(0, n, size=size - found.size + 16)])
        _, first = np.unique(found, return_index=True)
        found = found[np.sort(first)]
    return found[:size]
