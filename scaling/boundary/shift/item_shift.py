"""Steps between two benchmarks at several cutoffs, by the likelihood of items, groups of models taken as groups."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.shift.flips import Randomised, against, flip_groups, group_sums
from scaling.boundary.shift.logit_shift import logit, quantile_bins, shuffles_within, support
from scaling.boundary.shift.quasi import BinomialFit, effective_scores, fit_binomial
from scaling.fitting.intervals import t_quantile

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Codes = NDArray[np.int64]

UNKNOWN_ITEMS = 1e-3  # clip of A where its number of items is not known
SCHEMES = ("flip", "permute")
_GRID = 161
_REACH = 6.0  # standard errors of a score that its grid spans on either side
_EM_STEPS = 300


@dataclass(frozen=True)
class Sample:
    """Models with scores on two benchmarks.

    Parameters
    ----------
    x : ndarray (n,)
        Log-odds of A.
    share_b, items_b : ndarray (n,)
        Score on B, and of how many items (1 where not known).
    day : ndarray (n,)
        Days since 1970.
    group : ndarray of int (n,)
        Models that may be alike.
    degree : int
        Of the polynomial in x.
    common_support : bool
        Whether a cutoff sees only models whose x lies where both its sides have some.
    seen : ndarray (n,), optional
        Log-odds of A before they were shrunk, by which models are called similar; x where missing.
    """

    x: Array
    share_b: Array
    items_b: Array
    day: Array
    group: Codes
    degree: int = 1
    common_support: bool = True
    seen: Array | None = None

    @property
    def plain(self) -> Array:
        """What models are called similar by."""
        return self.x if self.seen is None else self.seen

    def rows(self, cutoff: float) -> Mask:
        """Say which models a cutoff sees."""
        return support(self.plain, self.day >= cutoff) if self.common_support else np.ones(len(self.x), bool)

    def base(self, rows: Mask) -> Array:
        """Return the design without a step, x in units of its own spread so that powers stay comparable."""
        x = self.x[rows]
        scaled = (x - x.mean()) / max(float(x.std()), 1e-12)
        return np.column_stack([scaled**k for k in range(self.degree + 1)])


@dataclass(frozen=True)
class ItemShift:
    """A step at one cutoff.

    Parameters
    ----------
    n_before, n_after, n_groups : int
        Models on each side that were compared, and their groups.
    gamma, gamma_low, gamma_high : float
        The step in logits of B, with its interval (CR3 over groups); NaN where one side has all or none of the items.
    points, points_low, points_high : float
        Mean over the models after the cutoff of what the step adds to their B, as a share.
    dispersion : float
        How many times wider models scatter than their items alone would (variances); below 1 where B's number of items
        is not known.
    """

    n_before: int
    n_after: int
    n_groups: int
    gamma: float
    gamma_low: float
    gamma_high: float
    points: float
    points_low: float
    points_high: float
    dispersion: float


def log_odds(share: Array, items: Array | None) -> Array:
    """Return log-odds of scores, with half an item added on either side.

    Parameters
    ----------
    share : ndarray (n,)
        Scores.
    items : ndarray (n,), optional
        Of how many; where not known, scores are clipped to 0.001 from 0 and 1.

    Returns
    -------
    ndarray (n,)
    """
    if items is None:
        return logit(share, UNKNOWN_ITEMS)
    return np.asarray(np.log(share * items + 0.5) - np.log((1 - share) * items + 0.5))


def without_noise(share: Array, items: Array, day: Array) -> Array:
    """Return what log-odds are expected to be behind scores of few items (regression calibration).

    Parameters
    ----------
    share, items : ndarray (n,)
        Scores, and of how many items.
    day : ndarray (n,)
        Dates; before their scores are seen, models are taken to be normal about a line over the dates.

    Returns
    -------
    ndarray (n,)

    Notes
    -----
    A score that is noisy predicts less than it would without noise; the line over it is too flat, and where A rises
    with time, newer models lie above it: a step that nothing but the noise made. The line over the dates and the spread
    about it are found by maximum likelihood (EM), on a grid around each score.
    """
    x = log_odds(share, items)
    error = np.sqrt(1 / (share * items + 0.5) + 1 / ((1 - share) * items + 0.5))
    grid = x[:, None] + error[:, None] * np.linspace(-_REACH, _REACH, _GRID)
    likelihood = items[:, None] * (share[:, None] * grid - np.logaddexp(0, grid))
    likelihood -= likelihood.max(axis=1, keepdims=True)
    least = (2 * _REACH / (_GRID - 1) * float(error.max())) ** 2  # a narrower prior would fall between points of a grid
    base = np.column_stack([np.ones(len(day)), (day - day.mean()) / max(float(day.std()), 1e-12)])
    middle, spread = base @ np.linalg.lstsq(base, x, rcond=None)[0], max(float(np.var(x)), least)
    for _ in range(_EM_STEPS):
        weight = np.exp(likelihood - (grid - middle[:, None]) ** 2 / (2 * spread))
        weight /= weight.sum(axis=1, keepdims=True)
        expected = np.sum(weight * grid, axis=1)
        middle = base @ np.linalg.lstsq(base, expected, rcond=None)[0]
        new = max(float(np.mean(np.sum(weight * (grid - middle[:, None]) ** 2, axis=1))), least)
        done, spread = abs(new - spread) < 1e-8 * spread, new
        if done:
            break
    return np.asarray(expected)


def measure_step(sample: Sample, cutoff: float, level: float) -> ItemShift:
    """Fit a step at one cutoff.

    Parameters
    ----------
    sample : Sample
        The models.
    cutoff : float
        Days since 1970; models of that day are after it.
    level : float
        Nominal coverage.

    Returns
    -------
    ItemShift
    """
    rows = sample.rows(cutoff)
    side = (sample.day[rows] >= cutoff).astype(float)
    groups = len(np.unique(sample.group[rows]))
    design = np.column_stack([sample.base(rows), side])
    fit = fit_binomial(design, sample.share_b[rows], sample.items_b[rows], sample.group[rows])
    gamma = float(fit.coefficients[-1]) if fit.converged else math.nan
    variance = float(fit.covariance[-1, -1])
    half = t_quantile(level, groups - 1) * math.sqrt(variance) if variance >= 0 else math.nan
    linear = design[side > 0, :-1] @ fit.coefficients[:-1]
    added = (_added(linear, gamma), _added(linear, gamma - half), _added(linear, gamma + half))
    count = int(side.sum())
    return ItemShift(
        len(side) - count,
        count,
        groups,
        gamma,
        gamma - half,
        gamma + half,
        added[0],
        added[1],
        added[2],
        fit.dispersion,
    )


def randomise_steps(
    sample: Sample, cutoffs: Array, scheme: str, alternative: str, permutations: int, seed: int
) -> Randomised:
    """Test steps at all cutoffs, each randomisation common to all of them.

    Parameters
    ----------
    sample : Sample
        The models.
    cutoffs : ndarray (k,)
        Days since 1970.
    scheme : {'flip', 'permute'}
        Flip the signs of groups' contributions to the score of a step, or permute dates among models of similar x.
    alternative : {'two-sided', 'greater'}
        Whether a step downwards counts.
    permutations, seed : int
        Randomisations.

    Returns
    -------
    Randomised
        `statistic` is the step's score over the root of its sum of squares.
    """
    nulls = [_null(sample, sample.rows(cutoff)) for cutoff in cutoffs]
    if scheme == "flip":
        sums = []
        for (rows, base, fit), cutoff in zip(nulls, cutoffs, strict=True):
            side = (sample.day[rows] >= cutoff).astype(float)[:, None]
            part = np.zeros((len(sample.x), 1))
            part[rows] = effective_scores(base, side, fit, sample.share_b[rows])
            sums.append(group_sums(part, sample.group))
        return flip_groups(np.hstack(sums), permutations, seed, alternative)
    shuffled = sample.day[shuffles_within(quantile_bins(sample.plain), permutations, seed)].T
    both = np.column_stack([sample.day, shuffled])
    statistics = []
    for (rows, base, fit), cutoff in zip(nulls, cutoffs, strict=True):
        parts = effective_scores(base, (both[rows] >= cutoff).astype(float), fit, sample.share_b[rows])
        length = np.sqrt(np.sum(parts**2, axis=0))
        statistics.append(np.where(length > 0, parts.sum(axis=0) / np.where(length > 0, length, 1), 0.0))
    table = np.column_stack(statistics)
    return against(table[0], table[1:], alternative)


def _null(sample: Sample, rows: Mask) -> tuple[Mask, Array, BinomialFit]:
    base = sample.base(rows)
    return rows, base, fit_binomial(base, sample.share_b[rows], sample.items_b[rows], sample.group[rows])


def _added(linear: Array, step: float) -> float:
    from scipy.special import expit

    return float(np.mean(expit(linear + step) - expit(linear))) if math.isfinite(step) else math.nan
