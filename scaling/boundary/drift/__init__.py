"""Boundaries in time: how far a year moves them, what it is worth in compute, and how dense models have become.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.boundary.drift.dates import decimal_year
    from scaling.boundary.drift.entrance import fit_in_time
    from scaling.boundary.drift.in_time import DatedBoundary, DatedForecast
    from scaling.boundary.drift.rate import ComputeGain, YearlyGain

_HOMES = {
    "ComputeGain": "rate",
    "DatedBoundary": "in_time",
    "DatedForecast": "in_time",
    "YearlyGain": "rate",
    "decimal_year": "dates",
    "fit_in_time": "entrance",
}

__all__ = [
    "ComputeGain",
    "DatedBoundary",
    "DatedForecast",
    "YearlyGain",
    "decimal_year",
    "fit_in_time",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"scaling.boundary.drift.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'scaling.boundary.drift' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
