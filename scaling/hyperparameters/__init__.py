"""Learning rate, batch and weight decay of the lowest loss: from sweeps to laws, and a recommendation with its regret.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import Any

_HOMES: dict[str, str] = {}

__all__: list[str] = []


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.hyperparameters' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
