"""Scaling laws and data valuation: arrays in, frozen results out.

Which law when
--------------
``chinchilla``
    Loss of models that differ in size and in training tokens, from which a compute-optimal split follows.
``kaplan``, ``skaling``, ``farseer``
    The same data where the two shortages interact; compare by a back-test before trusting any beyond the data.
``gadre``
    The same data with one exponent for both, where runs are few or over-trained.
``multiplicative``
    A baseline for the same data; it has no compute-optimal split.
``power_floor``, ``power``
    One variable: loss against compute, parameters or tokens.
``shifted_power``, ``quadratic``, ``log_log``, ``affine`` and others
    One loss from another, across corpora or test sets: `scaling.loss_to_loss`.
``downstream_error``
    The error on tasks from a loss.
``data_constrained``
    Parameters, tokens and unique tokens, where a corpus is repeated.

The whole book, with precision, shape, groups of runs and Kaplan's laws of one variable: ``scaling laws``.

A law of your own is a formula (``scaling.fit("E + A/N**alpha", {"N": n_params}, loss)``) or a block of TOML.

Everything is imported on first use, so ``import scaling`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.allocation.allocate import Allocation, allocate
    from scaling.allocation.data_constrained import allocate_repeated, epochs_until, worth_of_epochs
    from scaling.allocation.deadweight import catch_up, overhead
    from scaling.allocation.decision import Decision
    from scaling.allocation.given import compute_for_loss, given_params, given_tokens
    from scaling.approaches.compare import compare_approaches
    from scaling.approaches.side_by_side import Approaches
    from scaling.comparison.compare import compare
    from scaling.comparison.comparison import Comparison
    from scaling.downstream import chain
    from scaling.fitting.backtest import Backtest
    from scaling.fitting.diagnostics import Diagnostics
    from scaling.fitting.fit import fit
    from scaling.fitting.holdout import backtest_law
    from scaling.fitting.objective import Objective
    from scaling.fitting.profile import Profile, ProfileRegion, profile_likelihood, profile_region, profile_test
    from scaling.laws.book import family_names, find_family, find_law, law_names
    from scaling.laws.law import Law
    from scaling.planning.plan import Plan
    from scaling.planning.plan_runs import plan_runs
    from scaling.prediction import Prediction
    from scaling.results import Fit
    from scaling.rivals import Rival
    from scaling.selection.select import select
    from scaling.selection.selected import Selection

__version__ = "0.1.0"

_HOMES = {
    "Allocation": "scaling.allocation.allocate",
    "allocate": "scaling.allocation.allocate",
    "Approaches": "scaling.approaches.side_by_side",
    "compare_approaches": "scaling.approaches.compare",
    "Comparison": "scaling.comparison.comparison",
    "compare": "scaling.comparison.compare",
    "Plan": "scaling.planning.plan",
    "plan_runs": "scaling.planning.plan_runs",
    "Decision": "scaling.allocation.decision",
    "catch_up": "scaling.allocation.deadweight",
    "compute_for_loss": "scaling.allocation.given",
    "given_params": "scaling.allocation.given",
    "given_tokens": "scaling.allocation.given",
    "overhead": "scaling.allocation.deadweight",
    "Backtest": "scaling.fitting.backtest",
    "backtest_law": "scaling.fitting.holdout",
    "Diagnostics": "scaling.fitting.diagnostics",
    "fit": "scaling.fitting.fit",
    "Objective": "scaling.fitting.objective",
    "Profile": "scaling.fitting.profile",
    "ProfileRegion": "scaling.fitting.profile",
    "profile_likelihood": "scaling.fitting.profile",
    "profile_region": "scaling.fitting.profile",
    "profile_test": "scaling.fitting.profile",
    "find_law": "scaling.laws.book",
    "family_names": "scaling.laws.book",
    "find_family": "scaling.laws.book",
    "allocate_repeated": "scaling.allocation.data_constrained",
    "epochs_until": "scaling.allocation.data_constrained",
    "worth_of_epochs": "scaling.allocation.data_constrained",
    "chain": "scaling.downstream",
    "law_names": "scaling.laws.book",
    "Law": "scaling.laws.law",
    "Fit": "scaling.results",
    "Prediction": "scaling.prediction",
    "Rival": "scaling.rivals",
    "Selection": "scaling.selection.selected",
    "select": "scaling.selection.select",
}

__all__ = [
    "Allocation",
    "Approaches",
    "Backtest",
    "Comparison",
    "Decision",
    "Diagnostics",
    "Fit",
    "Law",
    "Objective",
    "Plan",
    "Prediction",
    "Profile",
    "ProfileRegion",
    "Rival",
    "Selection",
    "allocate",
    "allocate_repeated",
    "backtest_law",
    "catch_up",
    "chain",
    "compare",
    "compare_approaches",
    "compute_for_loss",
    "epochs_until",
    "family_names",
    "find_family",
    "find_law",
    "fit",
    "given_params",
    "given_tokens",
    "law_names",
    "overhead",
    "plan_runs",
    "profile_likelihood",
    "profile_region",
    "profile_test",
    "select",
    "worth_of_epochs",
]


_PACKAGES = ("batch_size", "boundary", "hyperparameters", "loss_to_loss", "valuation")


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in _PACKAGES:
        return import_module(f"scaling.{name}")
    raise AttributeError(f"module 'scaling' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__, *_PACKAGES])
