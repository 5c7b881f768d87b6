"""Forecasts of the critical batch size, and how one of them turned out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CriticalForecast:
    """What a law says about the critical batch size somewhere.

    Parameters
    ----------
    estimate, low, high : float or ndarray
        In `unit`.
    level : float
        Nominal coverage.
    unit : str
        ``tokens``, ``sequences`` or ``samples`` a step.
    convention : str
        What counts as critical.
    extrapolation_factor : float or ndarray
        How far beyond the points; 1 is inside.
    verdict : str
        That of the law, or ``extrapolating x37``.
    method : str
        What the interval holds and how it was made.
    notes : tuple of str
        What else is to be known, in sentences.
    """

    estimate: Any
    low: Any
    high: Any
    level: float
    unit: str
    convention: str
    extrapolation_factor: Any
    verdict: str
    method: str
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        from dataclasses import asdict

        from scaling.serial import plain

        out: dict[str, Any] = plain(asdict(self))
        return out


@dataclass(frozen=True)
class HeldOut:
    """The critical batch of the largest point, forecast from the others.

    Parameters
    ----------
    forecast : CriticalForecast
        Of the law without it.
    measured : float
        In the unit of the forecast.
    missed : float
        Forecast over measured, less 1.
    points : int
        That the law was fitted to.
    """

    forecast: CriticalForecast
    measured: float
    missed: float
    points: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        forecast = self.forecast.to_dict()
        return {"forecast": forecast, "measured": self.measured, "missed": self.missed, "points": self.points}
