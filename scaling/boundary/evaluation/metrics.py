"""Scores of a boundary on models: proper ones first, coverage beside them.

A coverage error alone says little: of a boundary that is never crossed it is 1 - tau, which is small. So there is no
object here that holds a coverage error without the pinball loss, and none that prints it alone.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.data import Labels
from scaling.boundary.evaluation.bins import bin_of
from scaling.formatting import format_estimate, format_number, format_percent
from scaling.serial import plain

Array = NDArray[np.float64]

ON_IT = 1e-9  # in score: models that a boundary goes through are below it, whatever the rounding
SMOOTHING = 50.0  # kappa of the smoothed loss that arXiv:2602.15327 compares by


@dataclass(frozen=True)
class Metrics:
    """How a boundary did on models.

    Parameters
    ----------
    n : int
        Models.
    tau : float
        Nominal share of them below the boundary.
    pinball, pinball_se : float
        Mean exact pinball loss, in score, and its standard error, clustered where there are groups.
    smoothed_pinball : float
        The same loss with a corner rounded by kappa 50, which favours boundaries that lie high.
    coverage, coverage_se : float
        Share of the models at or below the boundary, and its standard error.
    coverage_error : float
        Mean over bins of compute of the absolute difference of the share below and `tau`.
    coverage_error_micro : float
        The same, each bin weighted by its models.
    signed_coverage_error : float
        Mean over bins of the difference with its sign; below 0 models lie above the boundary too often.
    skill : float
        1 - pinball / that of the constant quantile of the models that were fitted; NaN where there is none.
    ratio_to_binned : float
        Pinball over that of the smoothed-optimal constants of the bins of the models that were fitted.
    smoothed_skill, smoothed_ratio_to_binned : float
        The same two of the smoothed loss, as published.
    """

    n: int
    tau: float
    pinball: float
    pinball_se: float
    smoothed_pinball: float
    coverage: float
    coverage_se: float
    coverage_error: float
    coverage_error_micro: float
    signed_coverage_error: float
    skill: float = float("nan")
    ratio_to_binned: float = float("nan")
    smoothed_skill: float = float("nan")
    smoothed_ratio_to_binned: float = float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(asdict(self))
        return table

    def __str__(self) -> str:
        skill = "" if np.isnan(self.skill) else f", skill {format_number(self.skill, 3)}"
        return (
            f"pinball {format_estimate(self.pinball, self.pinball_se)}{skill}; "
            f"{format_percent(self.coverage, 3)} of {self.n} below (nominal {format_percent(self.tau)}), "
            f"coverage error by bins {format_number(self.coverage_error, 3)}, "
            f"signed {format_number(self.signed_coverage_error, 3)}"
        )

    __repr__ = __str__


def pinball(score: Array, boundary: Array, tau: float) -> Array:
    """Exact pinball loss of each model (n,), in score."""
    away = score - boundary
    return np.asarray(np.where(away < 0, tau - 1, tau) * away)


def smoothed_pinball(score: Array, boundary: Array, tau: float, kappa: float = SMOOTHING) -> Array:
    """Pinball loss of each model (n,) with a rounded corner, ln(1 + exp(kappa u))/kappa + (tau - 1) u."""
    away = score - boundary
    return np.asarray(np.logaddexp(0, kappa * away) / kappa + (tau - 1) * away)


def measure(
    log10_compute: Array,
    score: Array,
    boundary: Array,
    tau: float,
    edges: Array,
    groups: Labels | None = None,
    constant: Array | None = None,
    binned: Array | None = None,
) -> Metrics:
    """Score a boundary on models.

    Parameters
    ----------
    log10_compute, score : ndarray (n,)
        The models.
    boundary : ndarray (n,)
        The boundary at their compute.
    tau : float
        Its quantile.
    edges : ndarray (k + 1,)
        Bins of compute for the coverage; empty bins do not count.
    groups : ndarray of object (n,), optional
        Clusters for the standard errors.
    constant, binned : ndarray (n,), optional
        The two boundaries that this one is compared with.

    Returns
    -------
    Metrics
    """
    loss, smooth = pinball(score, boundary, tau), smoothed_pinball(score, boundary, tau)
    below = (score <= boundary + ON_IT).astype(float)
    at = bin_of(log10_compute, edges)
    count = np.bincount(at).astype(float)
    filled = count > 0
    off = np.bincount(at, weights=below)[filled] / count[filled] - tau
    weight = count[filled] / count.sum()
    against = [
        np.nan if rival is None else _ratio(float(np.mean(ours)), float(np.mean(theirs(score, rival, tau))))
        for ours, theirs in ((loss, pinball), (smooth, smoothed_pinball))
        for rival in (constant, binned)
    ]
    return Metrics(
        n=len(score),
        tau=tau,
        pinball=float(loss.mean()),
        pinball_se=clustered_error(loss, groups),
        smoothed_pinball=float(smooth.mean()),
        coverage=float(below.mean()),
        coverage_se=clustered_error(below, groups),
        coverage_error=float(np.abs(off).mean()),
        coverage_error_micro=float(np.abs(off) @ weight),
        signed_coverage_error=float(off.mean()),
        skill=1 - against[0],
        ratio_to_binned=against[1],
        smoothed_skill=1 - against[2],
        smoothed_ratio_to_binned=against[3],
    )


def clustered_error(values: Array, groups: Labels | None = None) -> float:
    """Standard error of the mean of values (n,), by clusters where there are groups; NaN for a single one."""
    away = values - values.mean()
    if groups is not None:
        _, code = np.unique(groups.astype(str), return_inverse=True)
        away = np.bincount(code, weights=away)
    clusters = len(away)
    if clusters < 2:
        return float("nan")
    return float(np.sqrt(clusters / (clusters - 1) * np.sum(away**2)) / len(values))


def _ratio(ours: float, theirs: float) -> float:
    return ours / theirs if theirs > 0 else float("nan")
