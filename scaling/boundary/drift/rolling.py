"""Fit a dated boundary to all models up to a period and hold it against the next, as it would have been done then."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Labels, in_order, read_scores
from scaling.boundary.drift.backtest_result import CONSTANT, FOLLOWED, HELD, LAST, UNDATED, InTimeBacktest, InTimeStep
from scaling.boundary.drift.concerns import concerns_in_time
from scaling.boundary.drift.dates import decimal_year, iso_day, one_year
from scaling.boundary.drift.entrance import fit_in_time
from scaling.boundary.drift.in_time import DatedBoundary
from scaling.boundary.drift.law import law_in_time, years_since
from scaling.boundary.evaluation.baselines import SMOOTHED, fit_baseline
from scaling.boundary.evaluation.bins import BINS, MIN_BIN, SCHEMES, TRAIN_OVERLAP, edges_for
from scaling.boundary.evaluation.metrics import measure
from scaling.boundary.settings import settle
from scaling.boundary.solver import Points, curve, solve
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.checks import whole
from scaling.formatting import format_plural

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TOLD = 4  # notes that a message holds


def backtest_in_time(
    log10_compute: ArrayLike,
    score: ArrayLike,
    date: Any,
    period: ArrayLike | None = None,
    tau: float = 0.98,
    preset: str | None = None,
    kappa: float | None = None,
    ridge: float | None = None,
    groups: ArrayLike | None = None,
    seed: int = 0,
    *,
    earliest: Any = None,
    by: Any = "quarter",
    least: int | None = None,
    bins: str = TRAIN_OVERLAP,
    max_bins: int = BINS,
    min_bin: int = MIN_BIN,
    progress: Callable[[int, int], None] | None = None,
) -> InTimeBacktest:
    """Hold a dated boundary of all models up to a period against the next period.

    Parameters
    ----------
    log10_compute : array_like (n,)
        log10 of the training compute of each model, FLOP.
    score : array_like (n,)
        Score of each model, 0 to 1 or in percent.
    date : array_like (n,)
        As of `scaling.boundary.drift.fit_in_time`; models without one are left out and counted.
    period : array_like (n,), optional
        Period of each model: labels that sort in time. Made from the dates where missing.
    tau, preset, kappa, ridge, earliest
        As of `scaling.boundary.drift.fit_in_time`; where `ridge` is missing it follows the number of models fitted.
    groups : array_like (n,), optional
        Cluster of each model, its base model above all: for the standard errors.
    seed : int, default 0
        Recorded. Nothing is drawn, since no step has a bootstrap.
    by : str or sequence, default 'quarter'
        Periods that dates are split into; as of `scaling.boundary.split_periods`.
    least : int, optional
        Models that a period needs to be a step, as the last one fitted or the next; as many as leave one model beyond
        the boundary where missing, 50 of 0.98. Models of smaller periods are fitted with the later ones.
    bins : {'train_overlap', 'test_fixed'}, default 'train_overlap'
        Bins of the coverage errors.
    max_bins, min_bin : int
        Bins at most, and models that each has at least.
    progress : callable, optional
        Told how many steps are done, and of how many.

    Returns
    -------
    InTimeBacktest
        A row a step: the dated boundary with the last date held and with the trend followed, the undated boundary of
        all earlier models and that of the last period alone, and the constant quantile of all earlier models.

    Raises
    ------
    InputDataError
        For data that cannot be fitted, fewer than two periods, or where no step can be taken.
    UsageError
        For settings that make no sense.

    Notes
    -----
    The boundaries are those of arXiv:2602.15327, and models to come are scored within the compute that was fitted, as
    there. Nothing of the period to come enters but the compute and the date of the models that are forecast.
    """
    if bins not in SCHEMES:
        raise UsageError(f"there are no bins '{bins}'", hint=did_you_mean(bins, SCHEMES))
    seed, max_bins, min_bin = whole(seed, "the seed"), whole(max_bins, "max_bins"), whole(min_bin, "min_bin")
    if max_bins < 1 or min_bin < 1:
        raise UsageError("there must be at least one bin, and one model in each")
    models = _read(log10_compute, score, date, period, groups, by)
    settings = settle(len(models.score), tau, preset, kappa, ridge)
    beyond = min(settings.tau, 1 - settings.tau)
    fewest = math.ceil(1 / beyond - 1e-9) if least is None else whole(least, "least")
    how = _How(settings.tau, preset, kappa, ridge, earliest, bins, max_bins, min_bin, seed)
    order = in_order(models.period)
    if len(order) < 2:
        raise InputDataError(
            f"all {format_plural(len(models.score), 'model')} are of one period, {order[0]}, so there is none to "
            "forecast",
            hint="Give a period of each model, or split the dates into shorter ones.",
        )
    counts = {name: int(np.sum(models.period == name)) for name in order}
    small = ", ".join(f"{name} ({count})" for name, count in counts.items() if count < fewest)
    notes = list(models.notes)
    if small:
        notes.append(
            f"Periods of fewer than {format_plural(fewest, 'model')}, fitted with later ones but no step: {small}."
        )
    pairs = list(pairwise(name for name in order if counts[name] >= fewest))
    steps = []
    for done, (before, after) in enumerate(pairs, start=1):
        made = _step(models, before, after, how)
        if isinstance(made, str):
            notes.append(made)
        else:
            steps.append(made)
        if progress is not None:
            progress(done, len(pairs))
    if not steps:
        raise InputDataError(
            f"no step from a period to the next can be taken. {' '.join(notes[-_TOLD:])}".rstrip(),
            hint="Take longer periods, such as years, so that each has more models and dates.",
        )
    asked = {"tau": how.tau, "preset": preset, "kappa": kappa, "ridge": ridge, "seed": seed, "least": fewest,
             "earliest": None if earliest is None else iso_day(one_year(earliest, "the earliest date"))}  # fmt: skip
    found = InTimeBacktest(tuple(steps), asked, tuple(notes))
    few = ", ".join(f"{one.train} > {one.test} ({one.n_scored})" for one in found if one not in found.counted)
    if few:
        found = replace(found, notes=(*notes, f"Not in the means, for so few models to be scored: {few}."))
    return found


@dataclass(frozen=True)
class _Models:
    """Models with dates and periods, (n,) each; see `backtest_in_time`."""

    z: Array
    score: Array
    year: Array
    period: Labels
    groups: Labels | None
    notes: tuple[str, ...]

    def groups_of(self, kept: Mask) -> Labels | None:
        return None if self.groups is None else self.groups[kept]


@dataclass(frozen=True)
class _How:
    """How each step is taken; as of `backtest_in_time`."""

    tau: float
    preset: str | None
    kappa: float | None
    ridge: float | None
    earliest: Any
    bins: str
    max_bins: int
    min_bin: int
    seed: int


def _read(z: ArrayLike, score: ArrayLike, date: Any, period: ArrayLike | None, groups: Any, by: Any) -> _Models:
    from scaling.boundary.evaluation.periods import read_periods, split_periods

    year = decimal_year(date)
    notes: list[str] = []
    if period is None:
        days = np.array([None if np.isnan(one) else iso_day(one) for one in year.tolist()], object)
        labels: Any = split_periods(days, by).labels
    else:
        labels, notes = read_periods(period)
        labels = np.asarray(labels, object)
        if labels.shape != year.shape:
            raise InputDataError(f"'period' has {len(labels)} rows, but 'date' has {len(year)}")
        labels = np.where(np.isnan(year), None, labels)
    scores = read_scores(z, score, groups, labels)
    assert scores.period is not None
    year = year[scores.kept]
    order = in_order(scores.period)
    for before, after in pairwise(order):
        if year[scores.period == before].max() > year[scores.period == after].min():
            # What had no score yet at the time would be fitted, and a date be held that is later than one forecast.
            raise InputDataError(
                f"the periods {before} and {after} overlap in their dates, so the one does not come before the other",
                hint="Leave the periods out, and they are made from the dates.",
            )
    return _Models(
        scores.log10_compute, scores.score, year, scores.period, scores.groups, (*notes, *scores.notes)
    )  # fmt: skip


def _step(models: _Models, before: Any, after: Any, how: _How) -> InTimeStep | str:
    """Take one step, or say why it cannot be taken."""
    order = in_order(models.period)
    known = np.isin(models.period, order[: order.index(before) + 1])
    last, test = models.period == before, models.period == after
    where = f"No step from {before} to {after}"
    if np.ptp(models.z[last]) == 0:
        return f"{where}: all {format_plural(int(last.sum()), 'model')} of {before} have the same compute."
    z, y = models.z[known], models.score[known]
    first = None if how.earliest is None else one_year(how.earliest, "the earliest date")
    if np.ptp(years_since(models.year[known], 0.0, first)) == 0:
        return f"{where}: all {format_plural(len(z), 'model')} fitted count as of one date, which tells no rate."
    scored = test & (models.z >= z.min()) & (models.z <= z.max())
    if not scored.any():
        return f"{where}: no model of {after} lies within the compute that was fitted."
    dated = fit_in_time(
        z, y, models.year[known], how.tau, how.preset, how.kappa, how.ridge, models.groups_of(known), seed=how.seed,
        earliest=how.earliest,
    )  # fmt: skip
    at, year = models.z[scored], models.year[scored]
    constant, binned = (fit_baseline(name, z, y, how.tau)(at) for name in (CONSTANT, SMOOTHED))
    forecasts = {
        HELD: dated.predict(at, year, hold=True),
        FOLLOWED: dated.predict(at, year),
        UNDATED: _undated(z, y, how, at),
        LAST: _undated(models.z[last], models.score[last], how, at),
        CONSTANT: constant,
    }
    edges = edges_for(how.bins, z, models.z[test], how.max_bins, how.min_bin)
    groups = models.groups_of(scored)
    return InTimeStep(
        train=str(before),
        test=str(after),
        last_date=iso_day(dated.dates[1]),
        n_train=len(z),
        n_last=int(last.sum()),
        n_test=int(test.sum()),
        n_scored=int(scored.sum()),
        tau=how.tau,
        rate=dated.estimates["c"],
        reasons=_reasons(dated),
        out={
            name: measure(at, models.score[scored], boundary, how.tau, edges, groups, constant, binned)
            for name, boundary in forecasts.items()
        },
    )


def _undated(z: Array, y: Array, how: _How, at: Array) -> Array:
    """Fit a boundary without dates, and work it out at log10 compute (m,)."""
    s = settle(len(z), how.tau, how.preset, how.kappa, how.ridge)
    return curve(solve(Points.of(z, y), s.tau, s.kappa, s.ridge).theta, at)


def _reasons(dated: DatedBoundary) -> tuple[str, ...]:
    """Say what speaks against the rate, without the fit of the engine that a verdict takes."""
    c = law_in_time(dated.origin, dated.earliest).parameters[-1]
    found = concerns_in_time(
        dated.scores.log10_compute, dated.years, dated.fitted, dated.estimates["c"], (float(c.low), float(c.high)),
        np.empty(0),
    )  # fmt: skip
    return tuple(sentence for _, sentence in found)
