"""How well boundaries have forecast: proper scores, coverage by bins, baselines, periods, calibration.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.boundary.evaluation.calibration import Reliability, measure_reliability
    from scaling.boundary.evaluation.chances import Chances, forecast_chances
    from scaling.boundary.evaluation.metrics import Metrics
    from scaling.boundary.evaluation.periods import Periods, split_periods
    from scaling.boundary.evaluation.recalibration import Recalibration, recalibrate
    from scaling.boundary.evaluation.result import BoundaryBacktest, StepRow, combine
    from scaling.boundary.evaluation.rolling import backtest

_HOMES = {
    "BoundaryBacktest": "scaling.boundary.evaluation.result",
    "Chances": "scaling.boundary.evaluation.chances",
    "Metrics": "scaling.boundary.evaluation.metrics",
    "Periods": "scaling.boundary.evaluation.periods",
    "Recalibration": "scaling.boundary.evaluation.recalibration",
    "Reliability": "scaling.boundary.evaluation.calibration",
    "StepRow": "scaling.boundary.evaluation.result",
    "backtest": "scaling.boundary.evaluation.rolling",
    "combine": "scaling.boundary.evaluation.result",
    "forecast_chances": "scaling.boundary.evaluation.chances",
    "measure_reliability": "scaling.boundary.evaluation.calibration",
    "recalibrate": "scaling.boundary.evaluation.recalibration",
    "split_periods": "scaling.boundary.evaluation.periods",
}

__all__ = [
    "BoundaryBacktest",
    "Chances",
    "Metrics",
    "Periods",
    "Recalibration",
    "Reliability",
    "StepRow",
    "backtest",
    "combine",
    "forecast_chances",
    "measure_reliability",
    "recalibrate",
    "split_periods",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.boundary.evaluation' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
