"""Learning rate, batch and weight decay of the lowest loss: from sweeps to laws, and a recommendation with its regret.

Everything is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.hyperparameters.bowl import Bowl, fit_bowl, fit_bowls
    from scaling.hyperparameters.cells import Cell, Cells, find_cells
    from scaling.hyperparameters.decay import TunedTimescale, fit_timescale, timescale_of, weight_decay_of
    from scaling.hyperparameters.expected import ExpectedRegret, expected_regret
    from scaling.hyperparameters.laws import TunedLaw, TunedLaws, fit_laws
    from scaling.hyperparameters.loss_surface import LossSurface, fit_loss_surface
    from scaling.hyperparameters.methods import Compared, compare_methods
    from scaling.hyperparameters.optima import Method, Optima, find_optima
    from scaling.hyperparameters.published import PublishedRule, published_regrets, published_rules
    from scaling.hyperparameters.recommendation import Recommendation, recommend, whole_sequences
    from scaling.hyperparameters.regret import Regrets, cell_regret, leave_largest_out, leave_one_cell_out, regrets_of
    from scaling.hyperparameters.reproduce import PublishedCheck, check_published
    from scaling.hyperparameters.rules import beta2_at_batch, lr_at_batch
    from scaling.hyperparameters.slices import Slices, fit_slices
    from scaling.hyperparameters.surface_optimum import SurfaceOptimum
    from scaling.hyperparameters.threshold import fit_threshold

_PLACES = {
    "bowl": ("Bowl", "fit_bowl", "fit_bowls"),
    "cells": ("Cell", "Cells", "find_cells"),
    "decay": ("TunedTimescale", "fit_timescale", "timescale_of", "weight_decay_of"),
    "expected": ("ExpectedRegret", "expected_regret"),
    "laws": ("TunedLaw", "TunedLaws", "fit_laws"),
    "loss_surface": ("LossSurface", "fit_loss_surface"),
    "methods": ("Compared", "compare_methods"),
    "optima": ("Method", "Optima", "find_optima"),
    "published": ("PublishedRule", "published_regrets", "published_rules"),
    "recommendation": ("Recommendation", "recommend", "whole_sequences"),
    "regret": ("Regrets", "cell_regret", "leave_largest_out", "leave_one_cell_out", "regrets_of"),
    "reproduce": ("PublishedCheck", "check_published"),
    "rules": ("beta2_at_batch", "lr_at_batch"),
    "slices": ("Slices", "fit_slices"),
    "surface_optimum": ("SurfaceOptimum",),
    "threshold": ("fit_threshold",),
}
_HOMES = {name: f"scaling.hyperparameters.{module}" for module, names in _PLACES.items() for name in names}

__all__ = [
    "Bowl",
    "Cell",
    "Cells",
    "Compared",
    "ExpectedRegret",
    "LossSurface",
    "Method",
    "Optima",
    "PublishedCheck",
    "PublishedRule",
    "Recommendation",
    "Regrets",
    "Slices",
    "SurfaceOptimum",
    "TunedLaw",
    "TunedLaws",
    "TunedTimescale",
    "beta2_at_batch",
    "cell_regret",
    "check_published",
    "compare_methods",
    "expected_regret",
    "find_cells",
    "find_optima",
    "fit_bowl",
    "fit_bowls",
    "fit_laws",
    "fit_loss_surface",
    "fit_slices",
    "fit_threshold",
    "fit_timescale",
    "leave_largest_out",
    "leave_one_cell_out",
    "lr_at_batch",
    "published_regrets",
    "published_rules",
    "recommend",
    "regrets_of",
    "timescale_of",
    "weight_decay_of",
    "whole_sequences",
]


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling.hyperparameters' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
