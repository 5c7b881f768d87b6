"""Measure the capability density of models and its growth."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.bands import replicate_interval
from scaling.boundary.drift.again import drawn_by, expanded
from scaling.boundary.drift.crowding import Density
from scaling.boundary.drift.dates import one_year
from scaling.boundary.drift.entrance import fit_in_time
from scaling.boundary.drift.frontier import quantile_slope, record_slope, records, slope_by_chance
from scaling.boundary.drift.in_time import DatedBoundary
from scaling.boundary.drift.law import draws, years_since
from scaling.boundary.drift.rate import YearlyGain
from scaling.boundary.drift.search import same_shape
from scaling.boundary.inverse import reach
from scaling.errors import InputDataError, UsageError
from scaling.inputs import check_level

Array = NDArray[np.float64]

_DEALT = 200  # times that dates are dealt out at random
_FAINT = 1.0  # orders of magnitude below the least density that is known: scores that any compute reaches


def density(
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
    reference: Any = None,
    earliest: Any = None,
    quantile: float | None = None,
    n_params: ArrayLike | None = None,
    level: float = 0.9,
) -> Density:
    """Measure how much models pack into their compute, and how fast that has grown.

    Parameters
    ----------
    log10_compute, score, date : array_like (n,)
        As of `fit_in_time`.
    tau, preset, kappa, ridge, groups, bootstrap, seed, earliest
        As of `fit_in_time`.
    reference : date-like, optional
        Whose boundary turns a score into compute; the median date where missing.
    quantile : float, optional
        Of the densities, whose growth is told beside that of their maximum; `tau` where missing.
    n_params : array_like (n,), optional
        Parameters of each model: all is then done again with them in place of compute.
    level : float, default 0.9
        Nominal coverage of the intervals.

    Returns
    -------
    Density

    Raises
    ------
    InputDataError
        For data that cannot be fitted, and where no model has a density.
    UsageError
        For settings that make no sense.

    Notes
    -----
    The density of arXiv:2412.04315 is effective over actual size, with a curve of reference models that turns a score
    into effective size; its maximum was found to double in 3.3 months. Here the curve is the boundary of a day.

    A running maximum never falls, so it rises with the number of models alone. What it rises by where dates are dealt
    out at random is told, and the growth of a quantile beside it, which does not depend on how many models there are.
    Where a bootstrap is asked for, each replicate has its own boundary, densities and rates.
    """
    check_level(level)
    boundary = fit_in_time(
        log10_compute, score, date, tau, preset, kappa, ridge, groups, bootstrap, seed, earliest=earliest
    )
    share = boundary.tau if quantile is None else float(quantile)
    if not 0 < share < 1:
        raise UsageError(f"the quantile is a share of the models, between 0 and 1, not {share:g}")
    at = float(np.median(boundary.year)) if reference is None else one_year(reference, "the reference date")
    made = _measure(boundary, at, share, level)
    if n_params is None:
        return made
    size = np.asarray(n_params, float)
    with np.errstate(divide="ignore", invalid="ignore"):
        log10_size = np.where(size > 0, np.log10(size), np.nan)
    other = fit_in_time(log10_size, score, date, tau, preset, kappa, ridge, groups, bootstrap, seed, earliest=earliest)
    return replace(made, in_parameters=replace(_measure(other, at, share, level), unit="parameters"))


def _measure(b: DatedBoundary, reference: float, quantile: float, level: float) -> Density:
    years = float(years_since(reference, b.origin, b.earliest))
    scores, year = b.scores, b.year
    effective: Array = reach(same_shape(b.optimum.theta, np.asarray(years)), scores.score)
    if not np.isfinite(effective).any():
        raise InputDataError("no model scores what the boundary of the reference date reaches at some compute")
    value, there = _ranked(effective - scores.log10_compute)
    best = np.flatnonzero(there)[records(year[there], value[there])]
    again = np.full((b.bootstrap, 2), np.nan)
    if b.bootstrap:
        thetas, weights = same_shape(b.fit.replicates, np.asarray(years)), draws(scores, b.bootstrap, b.seed)
        for row, (theta, weight) in enumerate(zip(thetas, weights, strict=True)):
            if np.isnan(theta).any():
                continue
            mine, known = _ranked(reach(theta, scores.score) - scores.log10_compute)
            known &= weight > 0
            again[row] = (
                record_slope(year[known], mine[known]),
                quantile_slope(year[known], mine[known], quantile, weight[known]),
            )
    chance = slope_by_chance(year[there], value[there], _DEALT, b.seed)
    low, mid, high = np.nanquantile(chance, [0.05, 0.5, 0.95]) if np.isfinite(chance).any() else [math.nan] * 3

    def rate(orders: float, column: int) -> YearlyGain:
        known = again[np.isfinite(again[:, column]), column]
        ends = replicate_interval(known[:, None], expanded(level, scores.groups))
        return YearlyGain(orders, float(ends[0][0]), float(ends[1][0]), level, drawn_by(scores, b.bootstrap, b.seed))

    return Density(
        b, reference, effective, best, quantile,
        rate(record_slope(year[there], value[there]), 0),
        rate(quantile_slope(year[there], value[there], quantile), 1),
        b.gain(level), (float(mid), float(low), float(high)),
    )  # fmt: skip


def _ranked(density: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Densities with those of scores that any compute reaches below all others, and which are known at all."""
    there = density < np.inf
    least = np.min(density[np.isfinite(density)], initial=0.0)
    return np.where(density == -np.inf, least - _FAINT, density), there
