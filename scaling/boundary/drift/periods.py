"""Hold the boundaries of successive periods against each other."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.bands import replicate_interval
from scaling.boundary.data import Scores, in_order, read_scores
from scaling.boundary.drift.again import drawn_by, expanded, fit_part, refit_part, spread, widening
from scaling.boundary.drift.law import draws
from scaling.boundary.drift.steps import Drift, DriftStep
from scaling.boundary.settings import Settings, settle
from scaling.boundary.solver import curve
from scaling.errors import InputDataError, UsageError
from scaling.fitting.checks import whole
from scaling.formatting import format_number, format_plural
from scaling.inputs import check_level
from scaling.verdicts import NOT_IDENTIFIED, WEAK

if TYPE_CHECKING:
    from scaling.boundary.evaluation.metrics import Metrics

Array = NDArray[np.float64]

_SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)  # quantiles of the compute that both periods have, where they are compared
_FEW_ABOVE = 5.0
_FEW_GROUPS = 20
_LOST = 0.05  # of the replicates


def drift(
    log10_compute: ArrayLike,
    score: ArrayLike,
    period: ArrayLike | None = None,
    *,
    date: ArrayLike | None = None,
    by: Any = "quarter",
    at: ArrayLike | None = None,
    tau: float = 0.98,
    preset: str | None = None,
    kappa: float | None = None,
    ridge: float | None = None,
    groups: ArrayLike | None = None,
    bootstrap: int = 0,
    level: float = 0.9,
    seed: int = 0,
) -> Drift:
    """Fit a boundary to each period, and say how far each lies from the one before.

    Parameters
    ----------
    log10_compute, score : array_like (n,)
        As of `scaling.boundary.fit`.
    period : array_like (n,), optional
        Period of each model, in an order that sorts.
    date : array_like (n,), optional
        Instead: dates, which are split into periods.
    by : str or sequence, default 'quarter'
        How; as of `scaling.boundary.split_periods`.
    at : array_like (k,), optional
        log10 compute at which to compare; points outside the compute of two periods are left out of their step. Five
        quantiles of the compute that both have where missing.
    tau, preset, kappa, ridge, groups
        As of `scaling.boundary.fit`. Groups are drawn whole, in all periods at once.
    bootstrap : int, default 0
        Replicates; needed for intervals and for the test.
    level : float, default 0.9
        Nominal coverage of each interval.
    seed : int, default 0
        Of the bootstrap.

    Returns
    -------
    Drift

    Raises
    ------
    InputDataError
        For fewer than two periods, or a period that has no boundary.
    UsageError
        Where neither or both of `period` and `date` are given, for settings that make no sense, and where no step has a
        point of `at`.

    Notes
    -----
    Shifts are divided by their spread over replicates; their largest one, over all points of all steps, is compared
    with the largest deviation of each replicate from the estimates (single-step max-T). So p-values hold for all points
    of all steps together. Where nothing moved p was below .1 in 14 % of 150 samples of 25 clusters and in 13 % of those
    of 60: take a p just below a level for what it is.
    """
    check_level(level)
    names_of, notes = _labels(period, date, by)
    scores = read_scores(log10_compute, score, groups, names_of)
    scores = replace(scores, notes=(*notes, *scores.notes))
    assert scores.period is not None
    settings = settle(len(scores.score), tau, preset, kappa, ridge)
    count, seed = whole(bootstrap, "the number of bootstrap replicates"), whole(seed, "the seed")
    labels = scores.period.astype(str)
    names = [str(name) for name in in_order(scores.period)]  # 9 before 10
    if len(names) < 2:
        raise InputDataError(f"all models are of one period, {names[0]}, so there is no drift to see")
    kept = {name: labels == name for name in names}
    thetas = {name: fit_part(scores, settings, kept[name], f"period {name}") for name in names}
    weights = draws(scores, count, seed) if count else np.empty((0, len(labels)))
    again = {name: refit_part(scores, settings, kept[name], thetas[name], weights) for name in names}
    where = [_points(scores, kept[a], kept[b], at) for a, b in pairwise(names)]
    if at is not None and not any(z.size for z in where):
        _refuse_points(scores)
    shifts = [curve(thetas[b], z) - curve(thetas[a], z) for (a, b), z in zip(pairwise(names), where, strict=True)]
    replicates = [curve(again[b], z) - curve(again[a], z) for (a, b), z in zip(pairwise(names), where, strict=True)]
    p_all, p_steps, p_points = _max_t(shifts, replicates, widening(scores.groups))
    steps = []
    for i, (a, b) in enumerate(pairwise(names)):
        low, high = where[i], where[i]  # where there is no point, there are no ends either
        if where[i].size:
            low, high = replicate_interval(replicates[i], expanded(level, scores.groups))
        forecast = _forecast(scores, settings, kept[a], kept[b], thetas[a])
        steps.append(DriftStep(a, b, where[i], shifts[i], low, high, p_points[i], p_steps[i], forecast))
    findings = _findings(scores, settings, kept, where, again)
    return Drift(
        tuple(steps), thetas, {name: int(kept[name].sum()) for name in names}, settings, p_all, level,
        drawn_by(scores, count, seed), count, seed, findings, scores.notes,
    )  # fmt: skip


def _labels(period: ArrayLike | None, date: ArrayLike | None, by: Any) -> tuple[ArrayLike, list[str]]:
    if (period is None) == (date is None):
        raise UsageError("drift needs the periods of the models, or their dates, and not both")
    from scaling.boundary.evaluation.periods import read_periods, split_periods

    if period is not None:
        return read_periods(period)

    assert date is not None
    return split_periods(date, by).labels, []


def _points(scores: Scores, one: NDArray[np.bool_], other: NDArray[np.bool_], at: ArrayLike | None) -> Array:
    z = scores.log10_compute
    low, high = max(z[one].min(), z[other].min()), min(z[one].max(), z[other].max())
    if at is not None:
        points = np.unique(np.asarray(at, float))
        return np.asarray(points[(points >= low) & (points <= high)])
    both = z[(one | other) & (z >= low) & (z <= high)]
    return np.unique(np.quantile(both, _SHARES)) if both.size else np.empty(0)


def _refuse_points(scores: Scores) -> None:
    seen = f"{format_number(10 ** scores.log10_compute.min())} to {format_number(10 ** scores.log10_compute.max())}"
    raise UsageError(
        "no two successive periods both have models at the compute that was asked for",
        hint=f"All models together have {seen} FLOP. Leave the points out, and they are chosen where both have models.",
    )


def _max_t(shifts: list[Array], replicates: list[Array], wider: float) -> tuple[float, list[float], list[Array]]:
    """P-values of no shift at all, in each step, and at each point, all from the largest of all deviations."""
    every, drawn = np.concatenate(shifts), np.concatenate(replicates, axis=1)
    drawn = drawn[np.all(np.isfinite(drawn), axis=1)]
    ends = np.cumsum([len(s) for s in shifts])[:-1]
    if not len(drawn) or not every.size:
        unknown = np.full(len(every), np.nan)
        return np.nan, [np.nan] * len(shifts), np.split(unknown, ends)
    width = spread(drawn)
    with np.errstate(divide="ignore", invalid="ignore"):
        observed = np.where(every == 0, 0.0, np.abs(every) / width)
        away = np.where(drawn == every, 0.0, np.abs(drawn - every) / width)
    largest = wider * np.max(away, axis=1)
    p = (1 + np.sum(largest[:, None] >= observed, axis=0)) / (1 + len(largest))
    points = np.split(p, ends)
    return float(p.min()), [float(each.min()) if each.size else np.nan for each in points], points


def _forecast(
    scores: Scores, settings: Settings, one: NDArray[np.bool_], other: NDArray[np.bool_], theta: Array
) -> Metrics:
    """How the boundary of a period holds the models of the next one, within the compute that both have."""
    from scaling.boundary.evaluation.bins import TRAIN_OVERLAP, edges_for
    from scaling.boundary.evaluation.metrics import measure

    z = scores.log10_compute
    inside = other & (z >= z[one].min()) & (z <= z[one].max())
    if not inside.any():
        raise InputDataError("two successive periods have no compute in common, so no boundary holds in both")
    groups = None if scores.groups is None else scores.groups[inside]
    edges = edges_for(TRAIN_OVERLAP, z[one], z[other])
    return measure(z[inside], scores.score[inside], curve(theta, z[inside]), settings.tau, edges, groups)


def _findings(
    scores: Scores, settings: Settings, kept: dict[str, NDArray[np.bool_]], where: list[Array], again: dict[str, Array]
) -> tuple[tuple[str, str], ...]:
    found = []
    for name, rows in kept.items():
        beyond = float(rows.sum()) * min(settings.tau, 1 - settings.tau)
        if beyond < _FEW_ABOVE:
            word = NOT_IDENTIFIED if beyond < 1 else WEAK
            found.append(
                (word, f"In {name} the {settings.tau:g} quantile rests on single models: of "
                 f"{format_plural(int(rows.sum()), 'model')} {format_number(beyond, 2)} should lie above it.")
            )  # fmt: skip
        lost = float(np.mean(np.isnan(again[name][:, 0]))) if len(again[name]) else 0.0
        if lost > _LOST:
            found.append((WEAK, f"{format_number(100 * lost, 2)} % of the replicates have no boundary of {name}."))
    if any(not z.size for z in where):
        found.append((WEAK, "Some steps have no point of compute that both periods hold."))
    count = 0 if scores.groups is None else len(set(map(str, scores.groups)))
    if 0 < count < _FEW_GROUPS:
        found.append((WEAK, f"There are only {format_plural(count, 'group')}, which tell their own scatter badly."))
    return tuple(found)
