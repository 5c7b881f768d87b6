"""Fit a boundary to a period and hold it against the next, as it would have been done at the time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Labels, Scores, in_order, read_scores
from scaling.boundary.evaluation.baselines import CONSTANT, NAMES, SMOOTHED, fit_baseline
from scaling.boundary.evaluation.bins import BINS, MIN_BIN, SCHEMES, TRAIN_OVERLAP, edges_for, equal_mass_edges
from scaling.boundary.evaluation.metrics import Metrics, measure
from scaling.boundary.evaluation.periods import read_periods
from scaling.boundary.evaluation.result import FORECAST, PLAIN, BoundaryBacktest, StepRow
from scaling.boundary.margin import learn_margin
from scaling.boundary.settings import settle
from scaling.boundary.solver import Points, curve, solve
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.fitting.checks import whole
from scaling.formatting import format_plural

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MODES = ("single", "cumulative")
_TOLD = 4  # notes that a message holds
_MANY = 0.1  # periods for each model, from which they look like dates


def backtest(
    log10_compute: ArrayLike,
    score: ArrayLike,
    period: ArrayLike,
    tau: float = 0.98,
    preset: str | None = None,
    kappa: float | None = None,
    ridge: float | None = None,
    groups: ArrayLike | None = None,
    mode: str = "single",
    margin: bool = True,
    baselines: Sequence[str] | None = None,
    bins: str = TRAIN_OVERLAP,
    max_bins: int = BINS,
    min_bin: int = MIN_BIN,
    seed: int = 0,
) -> BoundaryBacktest:
    """Hold a boundary against the period after the one that it was fitted to.

    Parameters
    ----------
    log10_compute : array_like (n,)
        log10 of the training compute of each model, FLOP.
    score : array_like (n,)
        Score of each model, 0 to 1 or in percent.
    period : array_like (n,)
        Period of each model: labels that sort in time, such as those of
        `scaling.boundary.evaluation.periods.split_periods`. Dates of numpy, pandas or Python are taken as calendar
        quarters.
    tau, preset, kappa, ridge
        As of `scaling.boundary.fit`; where `ridge` is missing it follows the number of models fitted.
    groups : array_like (n,), optional
        Cluster of each model, its base model above all: for the margin and the standard errors.
    mode : {'single', 'cumulative'}, default 'single'
        Fitted to one period, or to all until then.
    margin : bool, default True
        Whether the forecast is the boundary with the margin learned from the periods up to the one fitted
        (`scaling.boundary.margin`). Nothing of the period to come enters it.
    baselines : sequence of str, optional
        Keys of `scaling.boundary.evaluation.baselines.NAMES`; all where missing.
    bins : {'train_overlap', 'test_fixed'}, default 'train_overlap'
        Bins of the coverage errors.
    max_bins, min_bin : int
        Bins at most, and models that each has at least.
    seed : int, default 0
        Of the folds that the margin is learned on, where there are no groups; recorded.

    Returns
    -------
    BoundaryBacktest
        A row a step: pinball, smoothed pinball, coverage, coverage errors, skill; the same of every baseline.

    Raises
    ------
    InputDataError
        For data that cannot be fitted, fewer than two periods, or periods that share no compute.
    UsageError
        For settings that make no sense.

    Notes
    -----
    Models to come are scored within the compute that was seen, as in arXiv:2602.15327.
    """
    names = tuple(NAMES) if baselines is None else tuple(baselines)
    _check(names, bins)
    seed, max_bins, min_bin = whole(seed, "the seed"), whole(max_bins, "max_bins"), whole(min_bin, "min_bin")
    if max_bins < 1 or min_bin < 1:
        raise UsageError("there must be at least one bin, and one model in each")
    labels, notes = read_periods(period)
    scores = read_scores(log10_compute, score, groups, labels)
    assert scores.period is not None
    order = check_periods(scores.period, mode)
    how = _How(tau, preset, kappa, ridge, mode, margin, names, bins, max_bins, min_bin, seed)
    notes, rows = [*notes, *scores.notes], []
    for before, after in pairwise(order):
        made = _step(scores, before, after, how)
        if isinstance(made, str):
            notes.append(made)
        else:
            rows.append(made)
    if not rows:
        said = [*notes[:_TOLD], *([f"And {len(notes) - _TOLD} more of the kind."] if len(notes) > _TOLD else [])]
        raise InputDataError(
            f"no step from a period to the next can be taken. {' '.join(said)}",
            hint=f"There are {len(order)} periods for {format_plural(len(scores.score), 'model')}; split_periods makes "
            "fewer from dates." if len(order) > _MANY * len(scores.score) else None,
        )  # fmt: skip
    asked = {"tau": tau, "preset": preset, "kappa": kappa, "ridge": ridge, "margin": margin, "seed": seed}
    found = BoundaryBacktest(tuple(rows), mode, bins, asked, tuple(notes))
    counted = set(map(id, found.counted))
    if few := [row for row in rows if id(row) not in counted]:
        named = ", ".join(f"{row.train} > {row.test} ({row.n_common})" for row in few)
        found = replace(found, notes=(*notes, f"Not in the means, for so few models to be scored: {named}."))
    return found


@dataclass(frozen=True)
class _How:
    """How each step is taken; as of `backtest`."""

    tau: float
    preset: str | None
    kappa: float | None
    ridge: float | None
    mode: str
    margin: bool
    names: tuple[str, ...]
    bins: str
    max_bins: int
    min_bin: int
    seed: int


def _step(scores: Scores, before: Any, after: Any, how: _How) -> StepRow | str:
    """Take one step, or say why it cannot be taken."""
    assert scores.period is not None
    known, train, test = scores.period <= before, scores.period == before, scores.period == after
    train = known if how.mode == "cumulative" else train
    z, z_test = scores.log10_compute[train], scores.log10_compute[test]
    if np.ptp(z) == 0:
        return f"No step from {before} to {after}: all {format_plural(len(z), 'model')} fitted have the same compute."
    common = test & (scores.log10_compute >= z.min()) & (scores.log10_compute <= z.max())
    if not common.any():
        return f"No step from {before} to {after}: no model of {after} lies within the compute of {before}."
    fitted, scored = _part(scores, train), _part(scores, common)
    settings = settle(len(z), how.tau, how.preset, how.kappa, how.ridge)
    theta = solve(Points.of(z, fitted.score), settings.tau, settings.kappa, settings.ridge).theta
    height = 0.0
    if how.margin:
        history = _part(scores, known)
        height = learn_margin(fitted, settings, how.seed, history, how.mode == "cumulative").value
    rivals = {name: fit_baseline(name, z, fitted.score, how.tau) for name in {*how.names, CONSTANT, SMOOTHED}}
    edges_in = equal_mass_edges(z, how.max_bins, how.min_bin)
    edges_out = edges_for(how.bins, z, z_test, how.max_bins, how.min_bin)

    def metrics(on: Scores, edges: Array, boundary: Array) -> Metrics:
        at = on.log10_compute
        return measure(at, on.score, boundary, how.tau, edges, on.groups, rivals[CONSTANT](at), rivals[SMOOTHED](at))

    def of_rivals(on: Scores, edges: Array) -> dict[str, Metrics]:
        return {name: metrics(on, edges, rivals[name](on.log10_compute)) for name in how.names}

    plain_curve = curve(theta, scored.log10_compute)
    return StepRow(
        train=str(before) if how.mode == "single" else f"up to {before}",
        test=str(after),
        n_train=len(z),
        n_test=int(test.sum()),
        n_common=int(common.sum()),
        tau=how.tau,
        margin=height,
        out={
            FORECAST: metrics(scored, edges_out, np.clip(plain_curve + height, 0, 1)),
            PLAIN: metrics(scored, edges_out, plain_curve),
            **of_rivals(scored, edges_out),
        },
        within={
            PLAIN: metrics(fitted, edges_in, curve(theta, fitted.log10_compute)),
            **of_rivals(fitted, edges_in),
        },
    )


def _part(scores: Scores, kept: Mask) -> Scores:
    groups, period = (None if c is None else c[kept] for c in (scores.groups, scores.period))
    return Scores(scores.log10_compute[kept], scores.score[kept], groups, period, scores.kept[kept], ())


def _check(names: tuple[str, ...], bins: str) -> None:
    if bins not in SCHEMES:
        raise UsageError(f"there are no bins '{bins}'", hint=did_you_mean(bins, SCHEMES))
    for name in names:
        if name not in NAMES:
            raise UsageError(f"there is no baseline '{name}'", hint=did_you_mean(name, NAMES))


def check_periods(period: Labels, mode: str) -> list[Any]:
    """Put periods in time; see `backtest` for what is refused."""
    if mode not in MODES:
        raise UsageError(f"there is no mode '{mode}'", hint=did_you_mean(mode, MODES))
    order = in_order(period)
    if len(order) < 2:
        raise InputDataError(
            f"all {format_plural(len(period), 'model')} are of one period, {order[0]}, so there is none to forecast",
            hint="Give a period of each model; split_periods makes them from dates.",
        )
    return order
