"""What is to be said of the settings that a sweep tried: ends of grids, and grids that do not overlap."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from scaling.errors import InputDataError
from scaling.formatting import format_number

Settings = Mapping[str, Any]

_RATES = ("lr", "learning_rate", "peak_lr", "max_lr", "learning_rate_peak")
_SAME = 1e-6  # relative difference of one setting written in two ways


def find_tuned(settings: Sequence[Settings], tuned: str | Sequence[str] | None = None) -> tuple[str, ...]:
    """Find which settings were tuned.

    Parameters
    ----------
    settings : sequence of mapping
        Of all runs.
    tuned : str or sequence of str, optional
        Their names. The learning rate where missing, by its usual names; where there is none, all that are numbers.

    Returns
    -------
    tuple of str

    Raises
    ------
    InputDataError
        For a name that no run has.
    """
    there = list(dict.fromkeys(name for row in settings for name in row))
    if isinstance(tuned, str):
        tuned = (tuned,)
    if tuned is not None:
        if missing := [name for name in tuned if name not in there]:
            known = ", ".join(there) or "none"
            raise InputDataError(f"no run has the setting '{missing[0]}'", hint=f"There are: {known}.")
        return tuple(tuned)
    rates = [name for name in there if name.lower() in _RATES]
    return tuple(rates or [name for name in there if any(_number(row.get(name)) is not None for row in settings)])


def find_edges(settings: Sequence[Settings], best: int, names: Sequence[str]) -> tuple[str, ...]:
    """Say which settings of the best run lie at an end of what was tried.

    Parameters
    ----------
    settings : sequence of mapping
        Of the runs of one batch size.
    best : int
        Which of them is the best.
    names : sequence of str
        The settings to look at; of one that has a single value there is no end to lie at.

    Returns
    -------
    tuple of str
        Such as ``lr at its largest``.
    """
    found = []
    for name in names:
        mine, grid = _number(settings[best].get(name)), _grid(settings, name)
        if mine is None or len(grid) < 2:
            continue
        if mine <= grid[0] + _SAME * abs(grid[0]):
            found.append(f"{name} at its smallest")
        elif mine >= grid[-1] - _SAME * abs(grid[-1]):
            found.append(f"{name} at its largest")
    return tuple(found)


def notes_on_grids(by_batch: Sequence[tuple[float, Sequence[Settings]]], name: str) -> list[str]:
    """Say what is wrong with the values of a setting across batch sizes.

    Parameters
    ----------
    by_batch : sequence of (float, sequence of mapping)
        Batch sizes, ascending, and the settings of their runs.
    name : str
        The setting.

    Returns
    -------
    list of str
        A sentence on batch sizes with one value only, and one for each pair of neighbours whose values do not overlap.
    """
    grids = [(batch, grid) for batch, settings in by_batch if (grid := _grid(settings, name))]
    notes = []
    single = [batch for batch, grid in grids if len(grid) == 1]
    if single and len(grids) > 1:
        at = ", ".join(format_number(batch) for batch in single)
        notes.append(f"Only one {name} was tried, so it was not tuned, at B = {at}.")
    for (batch, grid), (other, next_grid) in pairwise(grids):
        if grid[-1] < next_grid[0] * (1 - _SAME) or next_grid[-1] < grid[0] * (1 - _SAME):
            notes.append(
                f"The values of {name} at B = {format_number(batch)} ({_ends(grid)}) and at B = {format_number(other)} "
                f"({_ends(next_grid)}) do not overlap, so what differs between the two may be {name} and not the batch."
            )
    return notes


def _number(value: Any) -> float | None:
    """The value as a finite number; None for texts, booleans and NaN."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        return None
    return float(value) if math.isfinite(value) else None


def _grid(settings: Sequence[Settings], name: str) -> list[float]:
    """Different values of a setting, ascending."""
    values = sorted(v for row in settings if (v := _number(row.get(name))) is not None)
    return [v for i, v in enumerate(values) if i == 0 or v > values[i - 1] + _SAME * abs(v)]


def _ends(grid: list[float]) -> str:
    return format_number(grid[0]) if len(grid) == 1 else f"{format_number(grid[0])} to {format_number(grid[-1])}"
