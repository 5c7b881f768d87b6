"""Bins of compute that hold about the same number of models, with models of one compute in one bin.

The construction is that of arXiv:2602.15327: an edge lies at the value of compute at which a bin is full, and that
value opens the next bin; bins that stay too small are merged into the smaller of their neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.errors import UsageError, did_you_mean

Array = NDArray[np.float64]

BINS, MIN_BIN = 10, 30

#: Bins of the models that are scored, or of the models that were fitted, cut to the compute that both have.
TEST_FIXED, TRAIN_OVERLAP = "test_fixed", "train_overlap"
SCHEMES = (TRAIN_OVERLAP, TEST_FIXED)


def equal_mass_edges(log10_compute: Array, bins: int = BINS, min_bin: int = MIN_BIN) -> Array:
    """Cut compute into bins of about the same number of models.

    Parameters
    ----------
    log10_compute : ndarray (n,)
        Of each model.
    bins : int, default 10
        At most so many.
    min_bin : int, default 30
        Models that a bin has at least, unless all of them are fewer.

    Returns
    -------
    ndarray (k + 1,)
        Edges, ascending; the last bin is closed, the others are open at their upper edge. One edge where all models
        have the same compute.
    """
    z, count = np.unique(log10_compute, return_counts=True)
    full = max(min_bin, int(np.ceil(count.sum() / min(bins, len(z)))))
    edges, held = [z[0]], 0
    for value, here in zip(z, count, strict=True):
        held += here
        if held >= full:
            if value > edges[-1]:  # the first value may fill a bin by itself, and already is an edge
                edges.append(value)
            held = 0
    if edges[-1] < z[-1]:
        edges.append(z[-1])
    return _merged(np.array(edges, float), log10_compute, min_bin)


def edges_for(
    scheme: str, train: Array, test: Array, bins: int = BINS, min_bin: int = MIN_BIN, within: Array | None = None
) -> Array:
    """Cut compute into the bins that a forecast is scored in.

    Parameters
    ----------
    scheme : {'train_overlap', 'test_fixed'}
        Bins of the models that were fitted, cut to the compute that both have; or of those that are scored.
    train, test : ndarray
        log10 compute of the models that were fitted, and of all in the period to come.
    bins, min_bin : int
        As of `equal_mass_edges`.
    within : ndarray, optional
        log10 compute of the models that are scored; those of `test` within the compute of `train` where missing.

    Returns
    -------
    ndarray (k + 1,)

    Raises
    ------
    UsageError
        For another scheme.
    """
    if scheme not in SCHEMES:
        raise UsageError(f"there are no bins '{scheme}'", hint=did_you_mean(scheme, SCHEMES))
    if scheme == TEST_FIXED:
        scored = test[(test >= train.min()) & (test <= train.max())] if within is None else within
        return equal_mass_edges(scored, bins, min_bin)
    low, high = max(train.min(), test.min()), min(train.max(), test.max())
    return np.unique(np.clip(equal_mass_edges(train, bins, min_bin), low, high))


def bin_of(log10_compute: Array, edges: Array) -> NDArray[np.int64]:
    """Number of the bin of each model (n,), from 0; compute outside the edges goes to the nearest bin."""
    inner = np.searchsorted(edges, log10_compute, side="right") - 1
    return np.clip(inner, 0, max(len(edges) - 2, 0)).astype(np.int64)


def _merged(edges: Array, z: Array, min_bin: int) -> Array:
    while len(edges) > 2:
        count = np.bincount(bin_of(z, edges), minlength=len(edges) - 1)
        small = np.flatnonzero(count < min_bin)
        if not small.size:
            break
        i, last = int(small[0]), len(count) - 1
        to_the_left = i == last or (i > 0 and count[i - 1] <= count[i + 1])
        edges = np.delete(edges, i if to_the_left else i + 1)
    return edges
