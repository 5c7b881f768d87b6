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


def log_odds(share: Array, items: Array | None) -> tuple[Array, Array]:
    """Return log-odds of scores with half an item added on either side, and their variances.

    Parameters
    ----------
    share : ndarray (n,)
        Scores.
    items : ndarray (n,), optional
        Of how many; where not known, scores are clipped to 0.001 from 0 and 1, and the variances are 0.

    Returns
    -------
    x, variance : ndarray (n,)
    """
    if items is None:
        return logit(share, UNKNOWN_ITEMS), np.zeros(len(share))
    right, wrong = share * items + 0.5, (1 - share) * items + 0.5
    return np.log(right / wrong), 1 / right + 1 / wrong


def without_noise(x: Array, variance: Array, day: Array) -> Array:
    """Shrink log-odds to what is expected of them, given that items are few (regression calibration).

    Parameters
    ----------
    x, variance : ndarray (n,)
        Log-odds, and the variance of each from its items.
    day : ndarray (n,)
        Dates; the log-odds are shrunk towards a line over them.

    Returns
    -------
    ndarray (n,)

    Notes
    -----
    A score that is noisy predicts less than it would without noise; the line over it is too flat, and where A rises
    with time, newer models lie above it: a step that nothing but the noise made.
    """
    if not np.any(variance > 0):
        return x
    base = np.column_stack([np.ones(len(day)), (day - day.mean()) / max(float(day.std()), 1e-12)])
    spread = max(float(np.var(x)), 1e-12)
    for _ in range(20):  # method of moments, weights and all
        weight = 1 / (spread + variance)
        root = np.sqrt(weight)
        line, *_ = np.linalg.lstsq(root[:, None] * base, root * x, rcond=None)
        residual = x - base @ line
        new = max(float(np.sum(weight * (residual**2 - variance)) / np.sum(weight)) * len(x) / (len(x) - 2), 0.0)
        if abs(new - spread) < 1e-10:
            break
        spread = new
    middle = base @ line
    return np.asarray(middle + spread / (spread + variance) * (x - middle))


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
