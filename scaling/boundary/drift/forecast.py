"""What a dated boundary says of a compute and a date."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DatedForecast:
    """What scores a dated boundary says are attainable.

    Parameters
    ----------
    mean : float or ndarray
        The boundary, 0 to 1.
    low, high : float or ndarray
        The band around it.
    level : float
        Its nominal coverage.
    extrapolation_factor : float or ndarray
        How far the compute lies outside that seen, as a ratio; 1 is inside.
    years_beyond : float or ndarray
        How far the date lies outside those seen, years; 0 inside, and where the last date is held.
    method : str
        How the band was made.
    verdict : str
        That of the boundary, or ``extrapolating x37``.
    """

    mean: Any
    low: Any
    high: Any
    level: float
    extrapolation_factor: Any
    years_beyond: Any
    method: str
    verdict: str
