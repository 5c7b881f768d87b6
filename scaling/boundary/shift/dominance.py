"""Whether a large model lies below small ones of its time, by three rules, for many ways of calling models small.

``running_max``
    Below the best small model so far: the rule of arXiv:2602.15327. It can only rise as small models are added, and one
    score that is too good stays for ever.
``window_quantile``
    Below a high quantile of the small models of the last months. The number of small models does not move it, and a
    score that is too good counts as one model, until it leaves the window.
``matched_best``
    Chance of lying below the best of a fixed number of small models, drawn at random from the last months: the running
    maximum at equal sample size, worked out exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

RULES = ("running_max", "window_quantile", "matched_best")
_CELLS = 1 << 22  # pairs of models at a time


@dataclass(frozen=True)
class Panel:
    """Models in order of their dates.

    Parameters
    ----------
    score : ndarray (n,)
        Shares.
    day : ndarray (n,)
        Days since 1970, in ascending order.
    small, large : ndarray of bool (n,)
        Models below and above the threshold of size; those at it are neither.
    group : ndarray of int (n,)
        Organisations, or whatever leaves one out.
    month : ndarray of int (n,)
        Number of the month, 0 for the first.
    month_names : tuple of str
        ``2024-09``, by that number.
    """

    score: Array
    day: Array
    small: Mask
    large: Mask
    group: NDArray[np.int64]
    month: NDArray[np.int64]
    month_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True)
class Rule:
    """How small models are summed up.

    Parameters
    ----------
    name : str
        One of `RULES`.
    window : int
        Days before a model, its own day included, whose small models count.
    quantile : float
        Of their scores.
    matched : int
        How many of them are drawn; the fewest there must be, for both rules of a window.
    """

    name: str
    window: int = 180
    quantile: float = 0.95
    matched: int = 20

    def __str__(self) -> str:
        if self.name == "running_max":
            return "the best small model so far"
        if self.name == "window_quantile":
            return f"the {self.quantile:g} quantile of the small models of the last {self.window} days"
        return f"the best of {self.matched} small models drawn from the last {self.window} days"


def make_panel(score: Array, size: Array, day: Array, group: NDArray[np.int64], threshold: float) -> Panel:
    """Sort models by date.

    Parameters
    ----------
    score, size, day : ndarray (n,)
        Shares, parameters and days since 1970, in any order.
    group : ndarray of int (n,)
        Organisations.
    threshold : float
        Parameters between small and large.

    Returns
    -------
    Panel
    """
    order = np.lexsort((score, day))
    stamps = day[order].astype("int64").astype("datetime64[D]").astype("datetime64[M]")
    names, month = np.unique(stamps, return_inverse=True)
    return Panel(
        score=score[order],
        day=day[order],
        small=size[order] < threshold,
        large=size[order] > threshold,
        group=group[order],
        month=month.astype(np.int64),
        month_names=tuple(str(name) for name in names),
    )


def dominated(panel: Panel, rule: Rule, small: Mask) -> Array:
    """Say of every model whether it lies below the small ones.

    Parameters
    ----------
    panel : Panel
        The models.
    rule : Rule
        What they are held against.
    small : ndarray of bool (n, k)
        Which models are called small, in k ways.

    Returns
    -------
    ndarray (n, k)
        0, 1 or, for ``matched_best``, a chance; NaN where there are too few small models. Models of the same day count,
        and a score equal to the small ones' is not below.
    """
    if rule.name == "running_max":
        return _below_running(panel, small)
    count, at_most = window_counts(panel, rule.window, small)
    return from_counts(rule, count, at_most)


def from_counts(rule: Rule, count: Array, at_most: Array) -> Array:
    """Work out a rule of a window from counts.

    Parameters
    ----------
    rule : Rule
        ``window_quantile`` or ``matched_best``.
    count, at_most : ndarray
        Small models in the window of a model, and those of them that score no more than it.

    Returns
    -------
    ndarray
        As of `dominated`.
    """
    enough = count >= rule.matched
    if rule.name == "window_quantile":
        # y < Q(q) = inf{s: F(s) >= q} exactly where F(y) < q; a hair of slack for q * count that rounds up
        out = (at_most < rule.quantile * count - 1e-9).astype(float)
    else:
        out = 1 - _none_above(count, at_most, rule.matched)
    return np.where(enough, out, np.nan)


def window_counts(panel: Panel, window: int, small: Array | Mask, rows: Mask | None = None) -> tuple[Array, Array]:
    """Count the small models in the window of each model, and those that score no more than it.

    Parameters
    ----------
    panel : Panel
        The models.
    window : int
        Days, the model's own included.
    small : ndarray (n, k)
        Which models are counted, in k ways.
    rows : ndarray of bool (n,), optional
        The m models to count for; all of them where missing.

    Returns
    -------
    count, at_most : ndarray (m, k)
    """
    marks = np.asarray(small, np.float32)
    chosen = np.arange(len(panel)) if rows is None else np.flatnonzero(rows)
    day, score = panel.day[chosen], panel.score[chosen]
    first = np.searchsorted(panel.day, day - window, side="right")
    last = np.searchsorted(panel.day, day, side="right")
    count, at_most = np.empty((len(chosen), marks.shape[1])), np.empty((len(chosen), marks.shape[1]))
    start = 0
    while start < len(chosen):
        # rows of a block share the columns from the first one's window on, so blocks are kept to few cells
        stop = start + 1
        while stop < len(chosen) and (stop + 1 - start) * (last[stop] - first[start]) <= _CELLS:
            stop += 1
        low, high = int(first[start]), int(last[stop - 1])
        columns, block = np.arange(low, high), slice(start, stop)
        inside = (columns >= first[block, None]) & (columns < last[block, None])
        count[block] = inside.astype(np.float32) @ marks[low:high]
        below = inside & (panel.score[low:high] <= score[block, None])
        at_most[block] = below.astype(np.float32) @ marks[low:high]
        start = stop
    return count, at_most


def _below_running(panel: Panel, small: Mask) -> Array:
    best = np.maximum.accumulate(np.where(small, panel.score[:, None], -np.inf), axis=0)
    frontier = best[np.searchsorted(panel.day, panel.day, side="right") - 1]
    return np.where(np.isfinite(frontier), (panel.score[:, None] < frontier).astype(float), np.nan)


def _none_above(count: Array, at_most: Array, drawn: int) -> Array:
    """Chance that none of `drawn` models out of `count` scores above, when `at_most` do not: C(at_most) / C(count)."""
    out = np.ones(count.shape)
    for k in range(drawn):  # a product of few factors is exact where a difference of logarithms of factorials is not
        out *= np.clip(at_most - k, 0, None) / np.maximum(count - k, 1)
    return np.asarray(out)
