"""Boundaries of parts of the models, and the same of bootstrap replicates, drawn together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.data import Labels, Scores
from scaling.boundary.settings import Settings
from scaling.boundary.solver import Points, solve
from scaling.errors import InputDataError

Array = NDArray[np.float64]

_ROUND = 50.0
_STEP_UP = 4.0
_ONE_SIGMA = (0.158655, 0.841345)


def part_settings(settings: Settings, whole: int, part: int) -> Settings:
    """Settings of a part of the models: the same pull of the ridge in all, unless a preset fixes it."""
    if settings.preset:
        return settings
    return Settings(settings.tau, settings.kappa, settings.ridge * whole / part)


def fit_part(scores: Scores, settings: Settings, kept: NDArray[np.bool_], what: str) -> Array:
    """Fit the boundary of some of the models, which are called `what` where they are refused.

    Parameters
    ----------
    scores : Scores
        All of them.
    settings : Settings
        Of all of them.
    kept : ndarray of bool (n,)
        Which.
    what : str
        For messages.

    Returns
    -------
    ndarray (4,)
        y0, rise, b and z_mid.

    Raises
    ------
    InputDataError
        Where they have fewer than two different values of compute.
    """
    z, y = scores.log10_compute[kept], scores.score[kept]
    if len(z) < 2 or np.ptp(z) == 0:
        raise InputDataError(
            f"{what} has {len(z)} models of {len(np.unique(z))} different values of compute, so it has no boundary",
            hint="Merge it with another one, or leave it out.",
        )
    s = part_settings(settings, len(scores.score), len(z))
    return solve(Points.of(z, y), s.tau, s.kappa, s.ridge).theta


def refit_part(scores: Scores, settings: Settings, kept: NDArray[np.bool_], theta: Array, weights: Array) -> Array:
    """Fit some of the models again under the weights of a bootstrap.

    Parameters
    ----------
    scores, settings, kept
        As of `fit_part`.
    theta : ndarray (4,)
        Their boundary, where each replicate starts.
    weights : ndarray (B, n)
        Of all models, one replicate a row.

    Returns
    -------
    ndarray (B, 4)
        NaN where fewer than two different values of compute were drawn.
    """
    z, y = scores.log10_compute[kept], scores.score[kept]
    s = part_settings(settings, len(scores.score), len(z))
    made = np.full((len(weights), 4), np.nan)
    for row, drawn in enumerate(weights[:, kept]):
        if not drawn.any() or np.ptp(z[drawn > 0]) == 0:
            continue
        points, kappa = Points.of(z, y, drawn), min(s.kappa, _ROUND)
        found = solve(points, s.tau, kappa, s.ridge, starts=theta[None]).theta
        while kappa < s.kappa:  # a sharp corner has many small valleys
            kappa = min(s.kappa, kappa * _STEP_UP)
            found = solve(points, s.tau, kappa, s.ridge, starts=found[None]).theta
        made[row] = found
    return made


def expanded(level: float, groups: Labels | None) -> float:
    """Level at which percentiles are taken: few clusters tell their own scatter badly (arXiv:1411.5279)."""
    from scipy.special import ndtr

    from scaling.fitting.intervals import t_quantile

    count = 0 if groups is None else len(set(map(str, groups)))
    if count < 2 or (groups is not None and count == len(groups)):
        return level
    return float(2 * ndtr(np.sqrt(count / (count - 1)) * t_quantile(level, count - 1)) - 1)


def widening(groups: Labels | None) -> float:
    """Factor on deviations of replicates that corresponds to `expanded` at a level of 90 %."""
    from scipy.special import ndtri

    return float(ndtri((1 + expanded(0.9, groups)) / 2) / ndtri(0.95))


def spread(replicates: Array) -> Array:
    """Half of the central 68 % of replicates (B, m): (m,), NaN without any."""
    if not len(replicates):
        return np.full(replicates.shape[1], np.nan)
    low, high = np.nanquantile(replicates, _ONE_SIGMA, axis=0)
    return np.asarray((high - low) / 2)


def drawn_by(scores: Scores, bootstrap: int, seed: int) -> str:
    """How a bootstrap was drawn, in words."""
    if not bootstrap:
        return "none: there are no bootstrap replicates"
    count = 0 if scores.groups is None else len(set(map(str, scores.groups)))
    words = f"cluster bootstrap replicates of {count} groups" if count > 1 else "bootstrap replicates"
    return f"percentile of {bootstrap} {words}, seed {seed}"
