"""Bootstrap replicates as rows of weights: the data are never copied.

Each replicate seeds itself from its own child of one `SeedSequence`, so the rows do not depend on how many are drawn
at once, in which order, or by how many workers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def bootstrap_weights(n: int, replicates: int, seed: int, groups: NDArray[np.int64] | None = None) -> Array:
    """Draw the multiplicities of a bootstrap.

    Parameters
    ----------
    n : int
        Rows of data.
    replicates : int
        How many draws.
    seed : int
        Recorded with the fit.
    groups : ndarray of int (n,), optional
        Cluster of each row, numbered from 0. Clusters are then drawn whole: rows of one run are not independent.

    Returns
    -------
    ndarray (replicates, n)
        How often each row stands in each replicate.
    """
    units = n if groups is None else int(groups.max()) + 1
    rows = np.empty((replicates, n))
    for i, child in enumerate(np.random.SeedSequence(seed).spawn(replicates)):
        counts = np.bincount(np.random.default_rng(child).integers(0, units, units), minlength=units)
        rows[i] = counts if groups is None else counts[groups]
    return rows
