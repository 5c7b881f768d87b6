"""How well boundaries have forecast: proper scores, coverage by bins, baselines, periods, calibration.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.boundary.evaluation.metrics import Metrics
    from scaling.boundary.evaluation.periods import Periods, split_periods
    from scaling.boundary.evaluation.result import BoundaryBacktest, StepRow, combine
    from scaling.boundary.evaluation.rolling import backtest

_HOMES = {
    "BoundaryBacktest": "scaling.boundary.evaluation.result",
    "Metrics": "scaling.boundary.evaluation.metrics",
    "Periods": "scaling.boundary.evaluation.periods",
    "StepRow": "scaling.boundary.evaluation.result",
    "backtest": "scaling.boundary.evaluation.rolling",
    "combine": "scaling.boundary.evaluation.result",
    "split_periods": "scaling.boundary.evaluation.periods",
}

__all__ = ["BoundaryBacktest", "Metrics", "Periods", "StepRow", "backtest", "combine", "split_periods"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.boundary.evaluation' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
