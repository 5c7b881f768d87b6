"""Probabilities of a score, forecast for the period after the one that they were learned from, and what came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Labels, read_scores
from scaling.boundary.evaluation.calibration import Reliability, measure_reliability
from scaling.boundary.evaluation.periods import read_periods
from scaling.boundary.evaluation.rolling import check_periods
from scaling.errors import InputDataError, UsageError
from scaling.fitting.checks import whole
from scaling.formatting import format_plural

Array = NDArray[np.float64]

#: Quantiles of the scores of the period fitted that are asked for where no scores are.
ASKED = (0.5, 0.75, 0.9, 0.95)


@dataclass(frozen=True)
class Chances:
    """Forecast probabilities that a model scores at least so much, and whether it did; m forecasts.

    Parameters
    ----------
    probability : ndarray (m,)
        0 to 1; where the score lies beyond the outermost quantiles, the middle of what is left: 1 % above that of 98 %.
    outcome : ndarray (m,)
        1 where the model scored at least `threshold`, else 0.
    threshold, log10_compute : ndarray (m,)
        What was asked, and of what compute.
    period : ndarray of object (m,)
        Period of the model, forecast from the one before.
    groups : ndarray of object (m,), optional
        Cluster of the model; the model itself where it has none, since it is asked several times.
    at_an_end : ndarray of bool (m,)
        Where the quantiles could only say at most, or at least.
    notes : tuple of str
        What was left out.
    """

    probability: Array
    outcome: Array
    threshold: Array
    log10_compute: Array
    period: Labels
    groups: Labels
    at_an_end: NDArray[np.bool_]
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.probability)

    def reliability(self, bootstrap: int = 1000, level: float = 0.9, seed: int = 0) -> Reliability:
        """Hold them against what came; see `scaling.boundary.evaluation.calibration.measure_reliability`."""
        return measure_reliability(
            self.probability, self.outcome, self.groups, bootstrap=bootstrap, level=level, seed=seed
        )


def forecast_chances(
    log10_compute: ArrayLike,
    score: ArrayLike,
    period: ArrayLike,
    thresholds: Sequence[float] | None = None,
    groups: ArrayLike | None = None,
    mode: str = "single",
    taus: Sequence[float] | None = None,
    preset: str | None = None,
    kappa: float | None = None,
    ridge: float | None = None,
    seed: int = 0,
) -> Chances:
    """Forecast, for the models of each period, the chance of scores from the period before.

    Parameters
    ----------
    log10_compute, score, period, groups, mode
        As of `scaling.boundary.backtest`.
    thresholds : sequence of float, optional
        Scores asked for, 0 to 1; quantiles of the period fitted where missing.
    taus : sequence of float, optional
        Quantiles fitted; those of `scaling.boundary.grid` where missing.
    preset, kappa, ridge
        As of `scaling.boundary.fit`.
    seed : int, default 0
        Handed to the boundaries.

    Returns
    -------
    Chances
        Of models within the compute that was seen.

    Raises
    ------
    InputDataError
        For data that cannot be fitted, or where no step from a period to the next can be taken.
    UsageError
        For a score outside 0 to 1.
    """
    from scaling.boundary.estimate import fit

    labels, notes = read_periods(period)
    scores = read_scores(log10_compute, score, groups, labels)
    assert scores.period is not None
    if thresholds is not None and not all(0 <= t <= 1 for t in thresholds):
        raise UsageError("a score lies between 0 and 1", hint="0.7 stands for 70 %.")
    seed, parts = whole(seed, "the seed"), []
    z, y = scores.log10_compute, scores.score
    clusters = scores.kept.astype(object) if scores.groups is None else scores.groups
    for before, after in pairwise(check_periods(scores.period, mode)):
        train = scores.period <= before if mode == "cumulative" else scores.period == before
        if np.ptp(z[train]) == 0:
            continue
        test = np.flatnonzero((scores.period == after) & (z >= z[train].min()) & (z <= z[train].max()))
        if not test.size:
            continue
        grid = fit(z[train], y[train], preset=preset, kappa=kappa, ridge=ridge, seed=seed).grid(taus)
        asked = np.unique(np.quantile(y[train], ASKED) if thresholds is None else np.asarray(thresholds, float))
        row, of = (a.ravel() for a in np.meshgrid(test, asked, indexing="ij"))
        said = grid.probability(of, z[row])
        beyond = np.where(said.at_most, said.value / 2, (1 + said.value) / 2)
        end = said.at_most | said.at_least
        parts.append((row, of, np.where(end, beyond, said.value), end))
    if not parts:
        raise InputDataError("no step from a period to the next can be taken: they share no compute")
    row, of, chance, end = (np.concatenate(column) for column in zip(*parts, strict=True))
    left = format_plural(int(end.sum()), "forecast")
    return Chances(
        probability=chance,
        outcome=(y[row] >= of).astype(float),
        threshold=of,
        log10_compute=z[row],
        period=scores.period[row],
        groups=clusters[row],
        at_an_end=end,
        notes=(*notes, *scores.notes, f"{left} of {len(row)} lie beyond the outermost quantiles."),
    )
