"""The inverse of a boundary: the compute at which it reaches a score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.formatting import format_factor, format_number, format_percent
from scaling.serial import plain

Array = NDArray[np.float64]

UNREACHABLE, REACHED, ANYWAY = "unreachable", "reached", "at any compute"


@dataclass(frozen=True)
class Inverse:
    """Compute that a score needs.

    Works as a number too: ``float(inverse)`` is log10 of the compute.

    Parameters
    ----------
    score : float
        The score.
    quantile : float
        Of the models of that compute, the share that stays below the score.
    log10_compute : float
        log10 FLOP; infinite where no compute reaches the score, minus infinity where any does.
    low, high : float
        Ends of the interval, log10 FLOP, infinite like that; NaN without bootstrap replicates.
    level : float
        Nominal coverage.
    status : str
        ``reached``, ``unreachable`` or ``at any compute``.
    extrapolation_factor : float
        How far outside the compute seen, as a ratio; 1 is inside, NaN where it is not reached.
    method : str
        How the interval was made.
    """

    score: float
    quantile: float
    log10_compute: float
    low: float
    high: float
    level: float
    status: str
    extrapolation_factor: float
    method: str

    @property
    def compute_flop(self) -> float:
        """Compute in FLOP; infinite, or 0, where the logarithm is."""
        return power_of_ten(self.log10_compute)

    def __float__(self) -> float:
        return self.log10_compute

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.log10_compute, dtype or float)

    def __str__(self) -> str:
        aim = f"a score of {format_number(self.score)} by {format_percent(1 - self.quantile)} of the models"
        if self.status == UNREACHABLE:
            return f"{aim}: unreachable, the boundary stays below it at any compute"
        if self.status == ANYWAY:
            return f"{aim}: at any compute"
        flop = self.compute_flop
        said = f"{aim}: {format_number(flop) if math.isfinite(flop) else f'1e{self.log10_compute:.0f}'} FLOP"
        if not math.isnan(self.low):
            # Decades apart, so each end is rounded by itself.
            ends = [format_number(power_of_ten(end), 2) for end in (self.low, self.high)]
            said += f" ({format_percent(self.level)} interval {ends[0]} to {ends[1]})"
        far = self.extrapolation_factor
        if far < 1.05:
            return said
        return f"{said}, extrapolating {format_factor(far) if math.isfinite(far) else 'by more than x1e308'}"

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: score, probability, compute and its interval in FLOP, status, extrapolation factor."""
        low, high = power_of_ten(self.low), power_of_ten(self.high)
        table: dict[str, Any] = plain(
            {
                "score": self.score,
                "quantile": self.quantile,
                "probability": 1 - self.quantile,
                "status": self.status,
                "compute_flop": self.compute_flop if self.status == REACHED else None,
                "low": low,
                "high": high,
                "level": self.level,
                "extrapolation_factor": self.extrapolation_factor,
                "method": self.method,
            }
        )
        return table


def power_of_ten(exponent: float) -> float:
    """Ten to a power; infinite where a float cannot hold it, as a flat curve may ask for."""
    with np.errstate(over="ignore"):
        return float(np.power(10.0, exponent))


def reach(theta: Array, score: float | Array) -> Array:
    """Work out where boundaries reach a score.

    Parameters
    ----------
    theta : ndarray (..., 4)
        y0, rise, b and z_mid.
    score : float or ndarray
        The score, or scores that go with the boundaries.

    Returns
    -------
    ndarray (...)
        log10 compute; infinite where a boundary stays below, minus infinity where it starts above.
    """
    y0, rise, b, middle = (theta[..., j] for j in range(4))
    height = (1 - y0) * rise
    with np.errstate(all="ignore"):
        share = (score - y0) / height
        at = middle + np.log(share / (1 - share)) / b
    at = np.where(share >= 1, np.inf, np.where(share <= 0, -np.inf, at))
    return np.asarray(np.where(height > 0, at, np.where(score > y0, np.inf, -np.inf)))


def inverse_of(
    at: float, replicates: Array, score: float, tau: float, level: float, support: tuple[float, float], method: str
) -> Inverse:
    """Put an inverse together.

    Parameters
    ----------
    at : float
        log10 compute, infinite where not reached.
    replicates : ndarray (B,)
        The same of the bootstrap replicates, percentiles of which are the interval.
    score, tau : float
        What was asked.
    level : float
        At which percentiles are taken.
    support : (float, float)
        Smallest and largest log10 compute seen.
    method : str
        How the interval was made.

    Returns
    -------
    Inverse
    """
    from scaling.bands import replicate_interval

    low, high = replicate_interval(replicates[:, None], level)
    status = REACHED if math.isfinite(at) else UNREACHABLE if at > 0 else ANYWAY
    far = power_of_ten(max(at - support[1], support[0] - at, 0.0)) if status == REACHED else math.nan
    return Inverse(score, tau, at, float(low[0]), float(high[0]), level, status, far, method)
