"""Water-filling: a budget of tokens over pools whose tokens lose worth with every repeat."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
_TIED = 1e-10  # difference of logarithms below which two worths are one
_HALVINGS = 90  # of a bracket that may be as wide as the epochs asked for


def water_fill(
    unique: Array, weights: Array, decays: Array, n_tokens: float, bonus: ArrayLike = 0.0
) -> tuple[Array, Array]:
    """Split tokens over pools so that the sum of effective tokens is the largest; exact.

    Parameters
    ----------
    unique : ndarray (k,)
        Unique tokens of each pool.
    weights, decays : ndarray (R, k)
        One problem a row.
    n_tokens : float
        D.
    bonus : float or array_like (R,), default 0
        What fresh tokens count more than their worth, as a share of it.

    Returns
    -------
    tokens : ndarray (R, k)
        Pools that are tied and not used up are used in proportion to their sizes.
    level : ndarray (R,)
        Marginal worth of the next token: that of every pool in use, and that of no other is larger.
    """
    with np.errstate(all="ignore"):
        later = np.log(weights)  # the logarithm of what a token is worth at its first repeat
        fresh = later + np.log1p(np.broadcast_to(np.asarray(bonus, float), len(weights)))[:, None]
        best = np.argmax(later, axis=1)
        rows = np.arange(len(weights))
        high = np.max(fresh, axis=1)
        low = later[rows, best] - n_tokens / (unique[best] * decays[rows, best]) - 1
        for _ in range(_HALVINGS):
            middle = 0.5 * (low + high)
            short = _used(unique, fresh, later, decays, middle).sum(axis=1) < n_tokens
            low, high = np.where(short, low, middle), np.where(short, middle, high)
        # The sets of pools are known now, and the rest is arithmetic.
        level = high
        partly = np.abs(fresh - level[:, None]) <= _TIED * np.maximum(1, np.abs(level))[:, None]
        repeated = (later > level[:, None]) & ~partly
        spread = np.where(repeated, unique * decays, 0.0).sum(axis=1)
        whole = np.where((fresh > level[:, None]) & ~partly, unique, 0.0).sum(axis=1)
        solved = (np.where(repeated, unique * decays * later, 0.0).sum(axis=1) + whole - n_tokens) / spread
        at_step = partly.any(axis=1)
        level = np.where(at_step, np.max(np.where(partly, fresh, -np.inf), axis=1), np.where(spread > 0, solved, level))
        out = np.where(partly, 0.0, _used(unique, fresh, later, decays, level))
        left = np.maximum(n_tokens - out.sum(axis=1), 0.0)
        size = np.where(partly, unique, 0.0)
        out += np.where(at_step, left / np.where(at_step, size.sum(axis=1), 1.0), 0.0)[:, None] * size
        return out, np.exp(level)


def _used(unique: Array, fresh: Array, later: Array, decays: Array, level: Array) -> Array:
    """Tokens of each pool (R, k) whose worth is above a level; all in logarithms."""
    x = level[:, None]
    return np.asarray(np.where(fresh > x, unique, 0.0) + np.where(later > x, unique * decays * (later - x), 0.0))
