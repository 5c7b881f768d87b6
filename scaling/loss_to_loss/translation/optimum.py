"""Where the compute-optimal model of a law lies, sharp enough to tell whether two laws put it in the same place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy
from numpy.typing import NDArray

from scaling.laws.formula import symbol
from scaling.laws.law import Law

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

SAME = 1e-9  # relative difference below which two optima are one
ROUNDING = 1e-12  # relative differences below it are none
_BUDGETS = (1.0, 10.0, 100.0)  # in units of the largest budget of the data
_AROUND = 0.05  # of ln N, on both sides of what golden section found


@dataclass(frozen=True)
class Optima:
    """Compute-optimal parameters of a law before and after a translation, under C = 6 N D.

    Parameters
    ----------
    budgets : ndarray (m,)
        FLOP.
    before, after : ndarray (m,)
        N*(C) of each law; NaN where it has no optimum inside.
    """

    budgets: Array
    before: Array
    after: Array

    @property
    def known(self) -> bool:
        """Whether both laws have an optimum at each budget."""
        return bool(len(self.budgets) and np.all(np.isfinite(self.before) & np.isfinite(self.after)))

    @property
    def largest_difference(self) -> float:
        """Largest relative difference of the two; NaN where one is not known."""
        return float(np.max(np.abs(self.after / self.before - 1))) if self.known else float("nan")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: ``same`` is None where it is not known."""
        return {
            "budgets": self.budgets.tolist(),
            "n_params_source": self.before.tolist(),
            "n_params_target": self.after.tolist(),
            "same": self.largest_difference <= SAME if self.known else None,
            # What is left below is rounding, and another build of the same libraries rounds differently.
            "largest_relative_difference": 0.0 if self.largest_difference < ROUNDING else self.largest_difference,
        }


def optima(source: Fit, law: Law, estimates: Mapping[str, float]) -> Optima:
    """Find where two laws of N and D put the optimum, at the largest budget of the data and at 10 and 100 times it.

    Parameters
    ----------
    source : Fit
        The law before the translation, with the range of its data.
    law : Law
        The law after it.
    estimates : mapping of str to float
        Its parameters.

    Returns
    -------
    Optima
        Empty where the laws are not of N and D.
    """
    if set(source.law.inputs) != {"N", "D"} or "6*N*D" not in source.support:
        nothing = np.empty(0)
        return Optima(nothing, nothing, nothing)
    budgets = np.array(_BUDGETS) * source.support["6*N*D"][1]
    return Optima(budgets, best_params(source.law, source.estimates, budgets), best_params(law, estimates, budgets))


def best_params(law: Law, estimates: Mapping[str, float], budgets: Array) -> Array:
    """Find the compute-optimal parameters under C = 6 N D, as the zero of the exact slope along the line of a budget.

    Parameters
    ----------
    law : Law
        Of N and D.
    estimates : mapping of str to float
        Natural units.
    budgets : ndarray (m,)
        FLOP.

    Returns
    -------
    ndarray (m,)
        To about 1e-14 of their size, where a search for the lowest loss ends at 1e-8; NaN without an optimum inside.
    """
    from scipy.optimize import brentq

    from scaling.allocation.cost import SIX_N_D
    from scaling.allocation.surface import Surface, best_split
    from scaling.rivals import Rival

    surface = Surface.of_rival(Rival(law, dict(estimates), 1.0, float("nan"), ""))
    log_n = best_split(surface, SIX_N_D, budgets)[0][0]
    n, d = symbol("N"), symbol("D")
    fixed = {symbol(name): sympy.Float(estimates[name], 17) for name in law.parameter_names}
    slope = sympy.lambdify([n, d], (n * law.expression.diff(n) - d * law.expression.diff(d)).subs(fixed), "numpy")
    out = np.full(len(budgets), np.nan)
    for i, (start, budget) in enumerate(zip(log_n, budgets, strict=True)):
        if not np.isfinite(start):
            continue

        def tilt(x: float, budget: float = float(budget)) -> float:
            with np.errstate(all="ignore"):
                return float(slope(np.exp(x), budget / 6 / np.exp(x)))

        low, high = float(start) - _AROUND, float(start) + _AROUND
        if tilt(low) < 0 < tilt(high):
            out[i] = np.exp(brentq(tilt, low, high, xtol=1e-15, rtol=8.9e-16))
        else:
            out[i] = np.exp(start)
    return out
