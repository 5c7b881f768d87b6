"""Fit a boundary that a year moves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from scaling.boundary.drift.dates import one_year, read_dated
from scaling.boundary.drift.in_time import DatedBoundary
from scaling.boundary.drift.law import ORIGIN, clusters_of, law_in_time, years_since
from scaling.boundary.drift.search import Moved, search
from scaling.boundary.settings import settle
from scaling.errors import UsageError
from scaling.fitting.checks import whole

_KEPT = 4  # optima that the engine starts from


def fit_in_time(
    log10_compute: ArrayLike,
    score: ArrayLike,
    date: Any,
    tau: float = 0.98,
    preset: str | None = None,
    kappa: float | None = None,
    ridge: float | None = None,
    groups: ArrayLike | None = None,
    bootstrap: int = 0,
    seed: int = 0,
    *,
    origin: Any = None,
    earliest: Any = None,
) -> DatedBoundary:
    """Fit the score that a compute budget can buy at a date.

    Parameters
    ----------
    log10_compute : array_like (n,)
        log10 of the training compute of each model, FLOP.
    score : array_like (n,)
        Score of each model, 0 to 1 or in percent.
    date : array_like (n,)
        Date of each model: ISO texts, timestamps or decimal years. Models without one are left out and counted.
    tau, preset, kappa, ridge, groups, bootstrap, seed
        As of `scaling.boundary.fit`.
    origin : date-like, optional
        Day at which the middle of the boundary is read; it stands in the formula. 2024-10-01 where missing, ``middle``
        for the median date. It changes no prediction.
    earliest : date-like, optional
        Dates before it count as it: a few old models then do not set the rate. 2023-10-01 is what the published
        comparison takes.

    Returns
    -------
    DatedBoundary

    Raises
    ------
    InputDataError
        For data that cannot be fitted.
    UsageError
        For settings that make no sense.

    Notes
    -----
    q(z, t) = y0 + L sigmoid(b (z + c (t - t0) - z_mid)): the boundary of arXiv:2602.15327, over compute of which a year
    makes 10^c times as much. One rate for all compute and all dates.

    Examples
    --------
    >>> z = np.tile(np.repeat(np.linspace(21, 25, 40), 10), 3)
    >>> year = np.repeat([2023.0, 2024.0, 2025.0], 400)
    >>> top = 0.2 + 0.6 / (1 + np.exp(-1.5 * (z + 0.5 * (year - 2024) - 23)))
    >>> b = fit_in_time(z, top * np.tile(np.linspace(0.1, 1, 10), 120), year, tau=0.95)
    >>> round(b.gain().orders, 1)
    0.5
    """
    rows = read_dated(log10_compute, score, date, groups)
    scores = rows.scores
    settings = settle(len(scores.score), tau, preset, kappa, ridge)
    count, seed = whole(bootstrap, "the number of bootstrap replicates"), whole(seed, "the seed")
    if count == 1:
        raise UsageError("one bootstrap replicate has no spread", hint="Ask for some hundreds, or for 0.")
    clusters_of(scores, count)
    start = ORIGIN
    if origin is not None:
        start = float(np.median(rows.year)) if isinstance(origin, str) and origin == "middle" else one_year(
            origin, "the origin"
        )  # fmt: skip
    first = None if earliest is None else one_year(earliest, "the earliest date")
    if first is not None and first >= rows.year.max():
        raise UsageError("all models are older than the earliest date, so none would have a date of its own")
    moved = Moved.of(scores, years_since(rows.year, start, first), settings, law_in_time(start, first))
    optima = tuple(search(moved)[:_KEPT])
    return DatedBoundary(scores, rows.year, settings, optima, count, seed, start, first)
