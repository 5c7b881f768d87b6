"""What a boundary has to be raised by to hold for models that it has not seen.

A boundary follows the best of the models at hand, so the best of others lie above it more often than its quantile says:
models of bases that it has not seen, and more so models of a later period. How far is measured on models that it was
not fitted to, and the margin is the height at which the wanted share of those lies below: once by leaving base models
out, and once for each step from a period to the next that lies in the past. The mean over these is taken, because one
step may be a leap that does not come again.

The height is the ceil((n + 1) tau)-th of n of them, which is what one-sided split conformal prediction takes
(arXiv:1604.04173): of n and one more to come, that one is as likely to hold any rank, so the tau quantile of the n
alone would be too low.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.data import Labels, Scores
from scaling.boundary.settings import Settings
from scaling.boundary.solver import Optimum, Points, curve, solve
from scaling.formatting import format_plural

Array = NDArray[np.float64]

#: Name of the part of a margin that is learned by leaving clusters out.
LEFT_OUT = "left out"

_FOLDS = 10
_FEWEST = 20  # models of a period that a step is learned from
_ROUNDING = 1e-9  # of a rank


@dataclass(frozen=True)
class Margin:
    """Height to add to a boundary for models to come.

    Parameters
    ----------
    value : float
        Mean of the parts, in score; not below 0.
    parts : dict of str to float
        What each source says: ``left out`` (clusters, or single models where there are none), and ``P1 > P2`` and so on
        for steps between periods.
    method : str
        In words.
    """

    value: float
    parts: dict[str, float]
    method: str


def learn_margin(
    scores: Scores, settings: Settings, seed: int = 0, history: Scores | None = None, cumulative: bool = False
) -> Margin:
    """Learn the margin of a boundary.

    Parameters
    ----------
    scores : Scores
        What it is fitted to.
    settings : Settings
        By what; the ridge is scaled where fewer models are fitted.
    seed : int, default 0
        Of the folds, where models have no groups.
    history : Scores, optional
        Models with periods, up to the last one that is known; `scores` where missing.
    cumulative : bool, default False
        Whether a step is from all periods so far to the next one, and not from one period.

    Returns
    -------
    Margin
    """
    alone, _ = left_out(scores, settings, seed)
    alone = alone[np.isfinite(alone)]
    parts = {LEFT_OUT: _height(alone if len(alone) else np.zeros(1), settings.tau)}
    known = history or scores
    if known.period is not None:
        names = sorted(set(known.period.tolist()))
        for before, after in pairwise(names):
            away = _step(known, settings, (before, after), len(scores.score), cumulative)
            if away is not None:
                parts[f"{before} > {after}"] = _height(away, settings.tau)
    method = f"learned by leaving {_clusters(scores)[1]} out ({_FOLDS} folds)"
    if len(parts) > 1:
        method += f" and from {format_plural(len(parts) - 1, 'step')} between periods"
    return Margin(float(np.mean(list(parts.values()))), parts, method)


def _height(away: Array, tau: float) -> float:
    """Height that one more model would stay below with probability tau, from 0 on; the largest where n is too small."""
    n = len(away)
    rank = min(n, int(np.ceil((n + 1) * tau - _ROUNDING)))
    return max(0.0, float(np.sort(away)[rank - 1]))


def _clusters(scores: Scores) -> tuple[Labels | None, str]:
    """What is left out together, and what that is in words."""
    if scores.groups is not None:
        return scores.groups, "base models or other groups"
    same = np.unique(scores.log10_compute, return_inverse=True)[1]
    if same.max() + 1 < len(same):  # what shares its compute to the last digit was most likely made from one base model
        return same.astype(object), "models of the same compute"
    return None, "models"


def left_out(scores: Scores, settings: Settings, seed: int = 0) -> tuple[Array, Labels | None]:
    """Work out how far each model lies above a boundary that was fitted without its cluster.

    Parameters
    ----------
    scores, settings, seed
        As of `learn_margin`.

    Returns
    -------
    away : ndarray (n,)
        In score; NaN where the other models have but one value of compute.
    clusters : ndarray of object (n,), optional
        What was left out together; single models where missing.
    """
    clusters, _ = _clusters(scores)
    fold = folds(clusters, len(scores.score), seed)
    away = np.full(len(fold), np.nan)
    for k in np.unique(fold):
        out = fold == k
        theta = _without(scores, settings, ~out, len(fold))
        if theta is not None:
            away[out] = scores.score[out] - curve(theta, scores.log10_compute[out])
    return away, clusters


def _step(scores: Scores, settings: Settings, periods: tuple[Any, Any], n: int, cumulative: bool) -> Array | None:
    """Scores of a period above the boundary of the one before, within the compute that both have."""
    assert scores.period is not None
    before, after = periods
    first, then = (scores.period <= before) if cumulative else (scores.period == before), scores.period == after
    if first.sum() < _FEWEST or np.ptp(scores.log10_compute[first]) == 0:
        return None
    z = scores.log10_compute
    then &= (z >= z[first].min()) & (z <= z[first].max())
    theta = _without(scores, settings, first, n)
    if then.sum() < _FEWEST or theta is None:
        return None
    return np.asarray(scores.score[then] - curve(theta, z[then]))


def _without(scores: Scores, settings: Settings, kept: NDArray[np.bool_], n: int) -> Array | None:
    z, y = scores.log10_compute[kept], scores.score[kept]
    if not len(z) or np.ptp(z) == 0:
        return None
    return ridged(z, y, settings, n).theta


def ridged(z: Array, y: Array, settings: Settings, n: int) -> Optimum:
    """Fit some of the models by the settings of n: the same pull of the ridge in all, unless a preset fixes it."""
    ridge = settings.ridge if settings.preset else settings.ridge * n / len(y)
    return solve(Points.of(z, y), settings.tau, settings.kappa, ridge)


def folds(groups: Labels | None, n: int, seed: int) -> NDArray[np.int64]:
    """Deal models into folds of about the same size, clusters whole.

    Parameters
    ----------
    groups : ndarray of object (n,), optional
        Clusters; single models, in random order, where missing.
    n : int
        Models.
    seed : int
        Of that order.

    Returns
    -------
    ndarray of int (n,)
    """
    if groups is None:
        order = np.random.default_rng(seed).permutation(n)
        fold = np.empty(n, np.int64)
        fold[order] = np.arange(n) % min(_FOLDS, n)
        return fold
    names, code, count = np.unique(groups.astype(str), return_inverse=True, return_counts=True)
    load, of = np.zeros(min(_FOLDS, len(names))), np.empty(len(names), np.int64)
    for name in np.argsort(-count, kind="stable"):  # the largest first, each into the emptiest fold
        of[name] = int(np.argmin(load))
        load[of[name]] += count[name]
    return np.asarray(of[code])
