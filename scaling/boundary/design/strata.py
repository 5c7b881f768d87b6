"""Bins of log compute with about equally many models each, that never split models of one compute."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rows = NDArray[np.int64]


def equal_mass_edges(z: Array, n_bins: int, least: int = 1) -> Array:
    """Cut a column where about equally many rows lie between two cuts, as arXiv:2602.15327 does.

    Parameters
    ----------
    z : ndarray (n,)
        Values, with ties; at least one.
    n_bins : int
        Bins at most.
    least : int
        Rows that a bin holds at least; smaller ones are joined to the smaller neighbour.

    Returns
    -------
    ndarray (b + 1,)
        Edges, ascending. A bin holds its lower edge and the last one both; a single value has two equal edges.
    """
    values, counts = np.unique(z, return_counts=True)
    if len(values) == 1:
        return np.array([values[0], values[0]])
    target = max(least, math.ceil(len(z) / min(n_bins, len(values))))
    edges, held = [values[0]], 0
    for value, count in zip(values, counts, strict=True):
        held += count
        if held >= target:
            # The value that fills a bin becomes its upper edge, and so belongs to the next one.
            if value > edges[-1]:
                edges.append(value)
            held = 0
    if edges[-1] < values[-1]:
        edges.append(values[-1])
    while len(edges) > 2:
        inside = np.bincount(bin_of(z, np.array(edges)), minlength=len(edges) - 1)
        small = np.flatnonzero(inside < least)
        if not len(small):
            break
        i = int(small[0])
        left = i > 0 and (i == len(inside) - 1 or inside[i - 1] <= inside[i + 1])
        del edges[i if left else i + 1]
    return np.array(edges)


def bin_of(z: Array, edges: Array) -> Rows:
    """Say which bin each value lies in; values beyond the edges count to the outermost bins."""
    return np.asarray(np.clip(np.searchsorted(edges, z, side="right") - 1, 0, len(edges) - 2), np.int64)
