"""Cells of runs: which runs are of the same size, up to a relative tolerance."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError
from scaling.formatting import format_percent

Array = NDArray[np.float64]

_ROUNDING = 1e-9  # a tolerance of 0 still allows for the last digits


def _reach(tolerance: float) -> float:
    return math.log1p(tolerance) + _ROUNDING


def number_cells(place: Array, tolerance: float, labels: list[tuple[str, str]]) -> list[int]:
    """Number the cells: runs within reach of each other in all coordinates.

    Parameters
    ----------
    place : ndarray (n, k)
        Logarithms of what must be equal.
    tolerance : float
        Largest relative difference.
    labels : list of (str, str)
        Side and name of each run, for the message.

    Returns
    -------
    list of int (n,)
        Runs of one cell have one number.

    Raises
    ------
    InputDataError
        Where a run is within reach of two that are not within reach of each other.
    """
    reach = _reach(tolerance)
    order = np.lexsort(place.T[::-1])
    sorted_ = place[order]
    if not len(place):
        return []
    ends = np.searchsorted(sorted_[:, 0], sorted_[:, 0] + reach, side="right")
    parent = list(range(len(order)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    for i, end in enumerate(ends):
        near = np.all(np.abs(sorted_[i + 1 : end] - sorted_[i]) <= reach, axis=1)
        for j in np.flatnonzero(near):
            parent[root(i + 1 + int(j))] = root(i)
    cell = [0] * len(order)
    for i, k in enumerate(order):
        cell[int(k)] = root(i)
    for number in set(cell):
        rows = np.array([k for k, one in enumerate(cell) if one == number])
        if np.any(np.ptp(place[rows], axis=0) > reach):
            raise _ambiguous(place, rows, reach, tolerance, labels)
    return cell


def _ambiguous(
    place: Array, rows: NDArray[np.int64], reach: float, tolerance: float, labels: list[tuple[str, str]]
) -> InputDataError:
    """Name a run within reach of two that are not within reach of each other; a cell wider than its reach has one."""
    apart = np.max(np.abs(place[rows][:, None] - place[rows][None]), axis=2)
    near = apart <= reach
    middle = next(m for m in range(len(rows)) if np.any(apart[np.ix_(near[m], near[m])] > reach))
    both = np.flatnonzero(near[middle])
    inner = apart[np.ix_(both, both)]
    a, b = np.unravel_index(int(np.argmax(inner)), inner.shape)
    names = [" ".join(labels[int(rows[k])]) for k in (middle, both[a], both[b])]
    least = math.expm1(float(np.min(apart[apart > _ROUNDING])))
    return InputDataError(
        f"the tolerance of {format_percent(tolerance)} is ambiguous: the run {names[0]} is within reach of {names[1]} "
        f"and of {names[2]}, which are not within reach of each other, so it belongs to two cells",
        hint=f"Take a smaller --tolerance; the nearest of these that differ are {format_percent(least)} apart.",
    )
