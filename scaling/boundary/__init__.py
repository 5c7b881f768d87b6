"""Capability boundaries: the score that a compute budget can buy.

From benchmark scores of many models the attainable score, a high quantile, as a sigmoid of log compute, with bands that
know which models share a base; its inverse, its drift in time, how well it has forecast, and which models to evaluate
next.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.boundary.estimate import fit
    from scaling.boundary.evaluation.periods import Periods, split_periods
    from scaling.boundary.evaluation.result import BoundaryBacktest
    from scaling.boundary.evaluation.rolling import backtest
    from scaling.boundary.exceedance import Exceedances, find_exceedances
    from scaling.boundary.exceedance_pair import OneSidedExceedances, find_one_sided
    from scaling.boundary.grid import QuantileGrid
    from scaling.boundary.inverse import Inverse
    from scaling.boundary.result import Boundary, BoundaryForecast

_HOMES = {
    "Boundary": "scaling.boundary.result",
    "BoundaryBacktest": "scaling.boundary.evaluation.result",
    "BoundaryForecast": "scaling.boundary.result",
    "Exceedances": "scaling.boundary.exceedance",
    "Inverse": "scaling.boundary.inverse",
    "OneSidedExceedances": "scaling.boundary.exceedance_pair",
    "Periods": "scaling.boundary.evaluation.periods",
    "QuantileGrid": "scaling.boundary.grid",
    "backtest": "scaling.boundary.evaluation.rolling",
    "find_exceedances": "scaling.boundary.exceedance",
    "find_one_sided": "scaling.boundary.exceedance_pair",
    "fit": "scaling.boundary.estimate",
    "split_periods": "scaling.boundary.evaluation.periods",
}

__all__ = [
    "Boundary",
    "BoundaryBacktest",
    "BoundaryForecast",
    "Exceedances",
    "Inverse",
    "OneSidedExceedances",
    "Periods",
    "QuantileGrid",
    "backtest",
    "find_exceedances",
    "find_one_sided",
    "fit",
    "split_periods",
]


_PACKAGES = ("design", "drift", "evaluation", "observational", "shift")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _PACKAGES:
        return import_module(f"scaling.boundary.{name}")
    raise AttributeError(f"module 'scaling.boundary' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_PACKAGES])
