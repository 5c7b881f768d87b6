"""Observational scaling: what scores on some benchmarks say about another task (Ruan et al., arXiv:2405.10938).

Scores of many published models have few dimensions. A model's principal components of them stand in for its compute,
across families that were trained differently, and a sigmoid of those components gives its score on a task.

`analyse` does all of it and holds it against compute alone; the other names are its steps. Everything is imported on
first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.boundary.observational.analysis import Analysis
    from scaling.boundary.observational.backtest import backtest_link
    from scaling.boundary.observational.components import Components, fit_components
    from scaling.boundary.observational.composed import compose
    from scaling.boundary.observational.entrance import analyse
    from scaling.boundary.observational.equivalent import EquivalentCompute, equivalent_compute
    from scaling.boundary.observational.families import FamilySelection, select_families
    from scaling.boundary.observational.imputation import Imputer, fit_imputer
    from scaling.boundary.observational.latent import LatentScore, fit_latent_score
    from scaling.boundary.observational.link import Link, fit_link

_HOMES = {
    "Analysis": "scaling.boundary.observational.analysis",
    "Components": "scaling.boundary.observational.components",
    "EquivalentCompute": "scaling.boundary.observational.equivalent",
    "FamilySelection": "scaling.boundary.observational.families",
    "Imputer": "scaling.boundary.observational.imputation",
    "LatentScore": "scaling.boundary.observational.latent",
    "Link": "scaling.boundary.observational.link",
    "analyse": "scaling.boundary.observational.entrance",
    "backtest_link": "scaling.boundary.observational.backtest",
    "compose": "scaling.boundary.observational.composed",
    "equivalent_compute": "scaling.boundary.observational.equivalent",
    "fit_components": "scaling.boundary.observational.components",
    "fit_imputer": "scaling.boundary.observational.imputation",
    "fit_latent_score": "scaling.boundary.observational.latent",
    "fit_link": "scaling.boundary.observational.link",
    "select_families": "scaling.boundary.observational.families",
}

__all__ = [
    "Analysis",
    "Components",
    "EquivalentCompute",
    "FamilySelection",
    "Imputer",
    "LatentScore",
    "Link",
    "analyse",
    "backtest_link",
    "compose",
    "equivalent_compute",
    "fit_components",
    "fit_imputer",
    "fit_latent_score",
    "fit_link",
    "select_families",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.boundary.observational' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
