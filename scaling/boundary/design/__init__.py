"""Which models to evaluate next, so that a boundary is known for little money."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.boundary.design.choose import choose_models
    from scaling.boundary.design.compare import compare_designs
    from scaling.boundary.design.comparison import DesignComparison, Measure, Trial
    from scaling.boundary.design.result import Design, DesignBin

_HOMES = {
    "Design": "scaling.boundary.design.result",
    "DesignBin": "scaling.boundary.design.result",
    "DesignComparison": "scaling.boundary.design.comparison",
    "Measure": "scaling.boundary.design.comparison",
    "Trial": "scaling.boundary.design.comparison",
    "choose_models": "scaling.boundary.design.choose",
    "compare_designs": "scaling.boundary.design.compare",
}

__all__ = ["Design", "DesignBin", "DesignComparison", "Measure", "Trial", "choose_models", "compare_designs"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.boundary.design' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
