"""What a larger pool changes in what a filter by two losses keeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError
from scaling.formatting import format_number, format_percent
from scaling.serial import plain
from scaling.valuation.points.losses import best_of, color_score, draw_pool

Array = NDArray[np.float64]


@dataclass(frozen=True)
class TauOverlap:
    """What a larger pool changes: the same number of examples kept from growing pools.

    Parameters
    ----------
    tau : ndarray (c,)
        Examples in the pool for each one kept.
    n_pool : ndarray (c,) of int
        Examples in the pool.
    threshold : ndarray (c,)
        Lowest score kept, in nats per token.
    mean_score : ndarray (c,)
        Mean score of those kept.
    overlap : ndarray (c, c)
        Share of the kept examples that two pools have in common.
    seed : int
        Of the order in which examples enter the pools.
    """

    tau: Array
    n_pool: NDArray[np.int64]
    threshold: Array
    mean_score: Array
    overlap: Array
    seed: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(vars(self))
        return table

    def __repr__(self) -> str:
        """Write a line for each pool."""
        lines = [
            f"  tau {format_number(t)}: from {format_number(c)} nats per token on, "
            f"{format_percent(share)} of it in that of tau {format_number(float(self.tau[-1]))}"
            for t, c, share in zip(self.tau, self.threshold, self.overlap[:, -1], strict=True)
        ]
        return "\n".join(["TauOverlap:", *lines])


def overlap_by_tau(
    prior: ArrayLike, conditional: ArrayLike, n: int, taus: Sequence[float], *, seed: int = 0
) -> TauOverlap:
    """Keep n examples from pools of growing size, and say how much they have in common.

    Parameters
    ----------
    prior, conditional : array_like (n_examples,)
        As for `color_score`.
    n : int
        Examples to keep of each pool.
    taus : sequence of float
        Examples in the pool for each one kept. Each pool holds the smaller ones, so only its size differs.
    seed : int, default 0
        Of the order in which examples enter the pools.

    Returns
    -------
    TauOverlap
        In ascending order of tau.

    Raises
    ------
    InputDataError
        For counts that differ, or a pool with fewer examples with both losses than are to be kept.
    UsageError
        For no tau, one below 1, or a pool larger than the examples.
    """
    scores = color_score(prior, conditional)
    asked = np.unique(np.asarray(taus, np.float64))
    if not len(asked) or not np.all(np.isfinite(asked)) or asked[0] < 1:
        raise UsageError(f"taus are {list(taus)}; each counts the examples looked at for one kept, so it is 1 or more.")
    entering = np.random.default_rng(seed).permutation(len(scores))
    pools = [draw_pool(len(scores), n, float(tau), entering) for tau in asked]
    kept = [best_of(scores, pool, n) for pool in pools]
    return TauOverlap(
        asked,
        np.array([len(pool) for pool in pools]),
        np.array([scores[k[-1]] for k in kept]),
        np.array([scores[k].mean() for k in kept]),
        np.array([[len(np.intersect1d(a, b)) / n for b in kept] for a in kept]),
        seed,
    )
