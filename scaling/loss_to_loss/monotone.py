"""Does a loss that should fall with compute rise, or stop falling? Then no map of it may be extrapolated."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.formatting import format_number, format_plural

#: Chance of calling a loss rising whose values at the larger budgets have no trend.
ERROR_RATE = 0.01
_FEWEST = 6  # rows; the smallest chance that fewer can show is hardly below the error rate
_FEWEST_FLAT = 10  # fewer often hide a fall that is there


def rising_chance(values: ArrayLike, order: ArrayLike) -> float:
    """Return the chance of a rise at least as steady as this where there is none: Kendall's rank test, one-sided.

    Parameters
    ----------
    values, order : array_like (n,)
        Whether the first rise with the second; ties in either are allowed for.

    Returns
    -------
    float
        Normal approximation with the variance for ties and a correction for continuity; 1 where all are tied.
    """
    y, t = np.asarray(values, float), np.asarray(order, float)
    n = len(y)
    score = float(np.sum(np.triu(np.sign(y[None] - y[:, None]) * np.sign(t[None] - t[:, None]), 1)))
    ties = [np.unique(column, return_counts=True)[1].astype(float) for column in (y, t)]
    pairs = [float(np.sum(u * (u - 1))) for u in ties]
    triples = [float(np.sum(u * (u - 1) * (u - 2))) for u in ties]
    variance = (n * (n - 1) * (2 * n + 5) - sum(float(np.sum(u * (u - 1) * (2 * u + 5))) for u in ties)) / 18
    if n > 1:
        variance += pairs[0] * pairs[1] / (2 * n * (n - 1))
    if n > 2:
        variance += triples[0] * triples[1] / (9 * n * (n - 1) * (n - 2))
    if variance <= 0:
        return 1.0
    return 0.5 * math.erfc((score - 1) / math.sqrt(2 * variance))


def larger_half(order: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which rows are of the larger half of the budgets, shape (n,); of rows where all budgets differ, half."""
    levels = np.unique(order)
    return np.asarray(order >= levels[len(levels) // 2])


def monotone_note(x: ArrayLike, y: ArrayLike, budget: ArrayLike | None = None) -> str:
    """Say that the target rises with compute at the larger budgets, or no longer falls there although the source does.

    Parameters
    ----------
    x, y : array_like (n,)
        Losses of the source and target.
    budget : array_like (n,), optional
        Training compute, FLOP; where missing, or not known of a pair, a lower x stands for more of it.

    Returns
    -------
    str
        A sentence, or nothing.

    Notes
    -----
    The tests are of the larger half of the budgets alone, since a loss may fall at first and rise later. A target
    without a trend there is called rising in `ERROR_RATE` of cases. One is called flat where a fall cannot be told from
    chance at that rate, while that of the source can: a fall that the scatter hides counts as none.
    """
    losses, values = np.asarray(x, float), np.asarray(y, float)
    order = -losses if budget is None else np.asarray(budget, float)
    if not np.all(np.isfinite(order)):
        order = -losses
    some = larger_half(_levels(order))
    order, n = _levels(order)[some], int(some.sum())
    if n < _FEWEST or len(np.unique(order)) < 2:
        return ""
    where = f"over the larger half of the budgets ({format_plural(n, 'pair')})"
    chance = rising_chance(values[some], order)
    if chance <= ERROR_RATE:
        how = "less than 0.0001" if chance < 1e-4 else format_number(chance, 1)
        return (
            f"The target is not monotone: {where} it rises with compute (chance of that without a trend: {how}), so a "
            "map of it says nothing beyond the data."
        )
    falls = rising_chance(-values[some], order)
    if n < _FEWEST_FLAT or falls <= ERROR_RATE or rising_chance(-losses[some], order) > ERROR_RATE:
        return ""
    return (
        f"The target is not monotone: {where} no fall with compute can be told from chance (one as steady comes up "
        f"with a chance of {format_number(falls, 1)} without a trend), while the source falls, so it may as well rise "
        "beyond the data, and a map of it says nothing there."
    )


def _levels(order: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make equal what differs in the last digits only, such as budgets worked out as 6*N*D."""
    levels = np.sort(order)
    new = np.ones(len(levels), bool)
    new[1:] = np.diff(levels) > 1e-6 * np.abs(levels[1:])
    first = levels[new]
    return np.asarray(first[np.searchsorted(first, order, side="right") - 1])
