"""Correlations of many scores with one performance, for many reweightings of the same rows at once.

A bootstrap replicate, a row left out and the data themselves are all rows of weights, so one function gives estimates,
replicates and jackknife, and differences between scores are paired. Where rows come in strata, such as subsets of one
size each, everything is measured within strata and summed: ranks are shares of the stratum, pairs are pairs of one
stratum. With one stratum these are the usual coefficients.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Codes = NDArray[np.intp]

MEASURES = ("spearman", "kendall", "pearson", "partial")
_BLOCK = 20_000_000  # numbers held at a time
_STILL = 1e-20
_MOST_LEFT_OUT = 200  # blocks of the jackknife


def correlate(scores: Array, performance: Array, controls: Array, strata: Codes, weights: Array) -> dict[str, Array]:
    """Correlate scores with performance under weights.

    Parameters
    ----------
    scores : ndarray (n, m)
        One column an objective.
    performance : ndarray (n,)
        Higher is better.
    controls : ndarray (n, p)
        What the partial rank correlation is given, one column each; none where p is 0.
    strata : ndarray of int (n,)
        Stratum of each row, numbered from 0.
    weights : ndarray (B, n)
        How often each row counts.

    Returns
    -------
    dict of str to ndarray (B, m)
        ``spearman``; ``kendall`` (tau-b); ``pearson``; and ``partial``, Spearman's given the controls: the partial
        correlation of ranks. NaN where a column does not vary, or where controls leave nothing.
    """
    columns = np.column_stack([scores, performance, controls])
    step = max(1, _BLOCK // (columns.size or 1))
    parts = [_some(columns, scores.shape[1], strata, weights[i : i + step]) for i in range(0, len(weights), step)]
    return {name: np.concatenate([part[name] for part in parts]) for name in MEASURES}


def _some(columns: Array, m: int, strata: Codes, weights: Array) -> dict[str, Array]:
    """Correlate under a block of weights; columns are m scores, the performance, and the controls."""
    count, width = len(weights), columns.shape[1]
    spread = columns.std(0)
    columns = (columns - columns.mean(0)) / np.where(spread > 0, spread, 1)
    ranked, plain = np.zeros((count, width, width)), np.zeros((count, m + 1, m + 1))
    agree, pairs = np.zeros((count, m)), np.zeros((count, m + 1))
    for code in np.unique(strata):
        rows = np.flatnonzero(strata == code)
        w, x = weights[:, rows], columns[rows]
        ranks = np.stack([_ranks(x[:, j], w) for j in range(width)], axis=2)
        ranked += _products(ranks, w)
        plain += _products(np.broadcast_to(x[:, : m + 1], (count, len(rows), m + 1)), w)
        order = np.sign(x[:, None, m] - x[None, :, m])
        for j in range(m + 1):
            signs = np.sign(x[:, None, j] - x[None, :, j])
            pairs[:, j] += np.einsum("bi,bi->b", w @ np.abs(signs), w)
            if j < m:
                agree[:, j] += np.einsum("bi,bi->b", w @ (signs * order), w)
    mass = weights.sum(1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        tau = agree / np.sqrt(pairs[:, :m] * pairs[:, m:])
    return {
        "spearman": _against(ranked, m, mass),
        "kendall": np.where(np.isfinite(tau), tau, np.nan),
        "pearson": _against(plain, m, mass),
        "partial": np.stack([_partial(ranked, j, m) for j in range(m)], axis=1),
    }


def _ranks(values: Array, weights: Array) -> Array:
    """Return mid-ranks of values (n,) under weights (B, n), as shares of the total weight; shape (B, n)."""
    order = np.argsort(values, kind="stable")
    start = np.concatenate([[True], np.diff(values[order]) > 0])
    group = np.cumsum(start) - 1
    mass = np.add.reduceat(weights[:, order], np.flatnonzero(start), axis=1)
    middle = np.cumsum(mass, axis=1) - mass / 2
    out = np.empty_like(weights)
    out[:, order] = middle[:, group]
    return np.asarray(out / np.maximum(weights.sum(1, keepdims=True), 1e-300))


def _products(x: Array, w: Array) -> Array:
    """Return weighted sums of products of deviations from the weighted mean; x (B, n, v), w (B, n) -> (B, v, v)."""
    total = np.maximum(w.sum(1), 1e-300)
    centred = x - np.einsum("bn,bnv->bv", w, x)[:, None] / total[:, None, None]
    return np.asarray(np.matmul((centred * w[:, :, None]).transpose(0, 2, 1), centred))


def _against(products: Array, m: int, mass: Array) -> Array:
    """Return correlations of the first m columns with column m, shape (B, m); NaN where one does not vary.

    Columns vary by about 1, so a variance far below that is rounding.
    """
    variance = np.einsum("bvv->bv", products)
    still = (variance[:, :m] <= _STILL * mass) | (variance[:, m : m + 1] <= _STILL * mass)
    scale = np.sqrt(np.where(still, 1, variance[:, :m] * variance[:, m : m + 1]))
    return np.where(still, np.nan, products[:, :m, m] / scale)


def _partial(products: Array, j: int, m: int) -> Array:
    """Return the correlation of columns j and m given the columns after m, shape (B,); NaN where nothing is left."""
    given = list(range(m + 1, products.shape[1]))
    if not given:
        return np.full(len(products), np.nan)
    kept = [j, m]
    z = products[:, given][:, :, given]
    cross = products[:, kept][:, :, given]
    inverse = np.linalg.pinv(z, rcond=1e-10, hermitian=True)
    left = products[:, kept][:, :, kept] - cross @ inverse @ cross.transpose(0, 2, 1)
    full = np.einsum("bvv->bv", products[:, kept][:, :, kept])
    own = np.einsum("bvv->bv", left)
    gone = np.any(own <= 1e-9 * full, axis=1)
    return np.where(gone, np.nan, left[:, 0, 1] / np.sqrt(np.where(gone, 1, own[:, 0] * own[:, 1])))


def resampled(strata: Codes, count: int, seed: np.random.SeedSequence) -> Array:
    """Draw bootstrap weights that keep the number of rows of each stratum, shape (count, n)."""
    weights = np.empty((count, len(strata)))
    generator = np.random.default_rng(seed)
    for code in np.unique(strata):
        rows = np.flatnonzero(strata == code)
        weights[:, rows] = generator.multinomial(len(rows), np.full(len(rows), 1 / len(rows)), size=count)
    return weights


def left_out(n: int) -> Array:
    """Return weights that leave out a row each, or one of 200 blocks of every 200th row, shape (J, n)."""
    blocks = min(n, _MOST_LEFT_OUT)
    return np.asarray(1.0 - (np.arange(n) % blocks == np.arange(blocks)[:, None]))
