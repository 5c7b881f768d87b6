"""Scaling laws and data valuation: arrays in, frozen results out.

Which law when
--------------
``chinchilla``
    Loss of models that differ in size and in training tokens, from which a compute-optimal split follows.
``kaplan``, ``skaling``
    The same data where the two shortages interact; compare by a back-test before trusting either beyond the data.
``multiplicative``
    A baseline for the same data; it has no compute-optimal split.
``power_floor``, ``power``
    One variable: loss against compute, parameters or tokens.
``shifted_power``
    One loss from another, across corpora or test sets.

A law of your own is a formula (``scaling.fit("E + A/N**alpha", {"N": n_params}, loss)``) or a block of TOML.

Everything is imported on first use, so ``import scaling`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaling.allocation import Allocation, allocate
    from scaling.fitting.diagnostics import Diagnostics
    from scaling.fitting.fit import fit
    from scaling.fitting.objective import Objective
    from scaling.laws.book import find_law, law_names
    from scaling.laws.law import Law
    from scaling.prediction import Prediction
    from scaling.results import Fit

__version__ = "0.1.0"

_HOMES = {
    "Allocation": "scaling.allocation",
    "allocate": "scaling.allocation",
    "Diagnostics": "scaling.fitting.diagnostics",
    "fit": "scaling.fitting.fit",
    "Objective": "scaling.fitting.objective",
    "find_law": "scaling.laws.book",
    "law_names": "scaling.laws.book",
    "Law": "scaling.laws.law",
    "Fit": "scaling.results",
    "Prediction": "scaling.prediction",
}

__all__ = [
    "Allocation",
    "Diagnostics",
    "Fit",
    "Law",
    "Objective",
    "Prediction",
    "allocate",
    "find_law",
    "fit",
    "law_names",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'scaling' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
