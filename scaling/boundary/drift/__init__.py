"""Boundaries in time: how far a year moves them, what it is worth in compute, and how dense models have become.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.boundary.drift.backtest_result import InTimeBacktest, InTimeStep
    from scaling.boundary.drift.crowding import Density
    from scaling.boundary.drift.dates import decimal_year
    from scaling.boundary.drift.entrance import fit_in_time
    from scaling.boundary.drift.forecast import DatedForecast
    from scaling.boundary.drift.groups import compute_equivalent_gain
    from scaling.boundary.drift.in_time import DatedBoundary
    from scaling.boundary.drift.models import density
    from scaling.boundary.drift.pair import GroupGain
    from scaling.boundary.drift.periods import drift
    from scaling.boundary.drift.rate import ComputeGain, YearlyGain
    from scaling.boundary.drift.rolling import backtest_in_time
    from scaling.boundary.drift.steps import Drift, DriftStep

_HOMES = {
    "ComputeGain": "rate",
    "DatedBoundary": "in_time",
    "DatedForecast": "forecast",
    "Density": "crowding",
    "Drift": "steps",
    "DriftStep": "steps",
    "GroupGain": "pair",
    "InTimeBacktest": "backtest_result",
    "InTimeStep": "backtest_result",
    "YearlyGain": "rate",
    "backtest_in_time": "rolling",
    "compute_equivalent_gain": "groups",
    "decimal_year": "dates",
    "density": "models",
    "drift": "periods",
    "fit_in_time": "entrance",
}

__all__ = [
    "ComputeGain",
    "DatedBoundary",
    "DatedForecast",
    "Density",
    "Drift",
    "DriftStep",
    "GroupGain",
    "InTimeBacktest",
    "InTimeStep",
    "YearlyGain",
    "backtest_in_time",
    "compute_equivalent_gain",
    "decimal_year",
    "density",
    "drift",
    "fit_in_time",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"scaling.boundary.drift.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'scaling.boundary.drift' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
