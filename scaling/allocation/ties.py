"""Laws that fix how the optimum grows with compute, so that no data have a say in it.

Where N and D share one exponent, the best N grows as C^0.500 whatever the rows say: its narrow interval is the law's
assumption and not knowledge. Whether a law does that is seen by moving its parameters, so a formula of the user's is
judged like those of the book, with replicates or without.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.cost import SIX_N_D
from scaling.allocation.surface import Surface, best_split, growth
from scaling.errors import UsageError
from scaling.fitting.compile import compile_law
from scaling.formatting import format_number
from scaling.laws.book import find_law, law_names
from scaling.laws.law import Law
from scaling.results import Fit

Array = NDArray[np.float64]

_MOVED = 0.05  # of each parameter, up and down; an exponent that is estimated then moves by a hundredth or so
_MOVED_EXPONENT = 0.01  # at least, of one below 1, away from 0: a share of next to nothing moves nothing
_SAME = 1e-5  # exponents are worked out to about 1e-8


def fixed_growth(law: Law, estimates: Mapping[str, float], budget: float) -> tuple[float, float] | None:
    """Return the exponents of the optimum where the law fixes them under C = 6 N D.

    Parameters
    ----------
    law : Law
        Of N and D.
    estimates : mapping of str to float
        Natural units.
    budget : float
        Where to look, in FLOP; within the data.

    Returns
    -------
    (float, float) or None
        d ln N*/d ln C and d ln D*/d ln C, if they stay as they are when any parameter moves; None where they move, or
        there is no optimum.
    """
    kernel = compile_law(law, (False,) * len(law.parameters))
    theta = np.array([estimates[name] for name in law.parameter_names])
    # Towards 0 the moves stay relative, for an exponent beyond it may leave no optimum.
    powers = _exponents(law)
    steps = np.array(
        [
            np.copysign(_MOVED_EXPONENT, x) if name in powers and abs(_MOVED * x) < _MOVED_EXPONENT else _MOVED * x
            for name, x in zip(law.parameter_names, theta.tolist(), strict=True)
        ]
    )
    outwards, inwards = np.diag(steps), np.diag(_MOVED * theta)
    surface = Surface(kernel, kernel.to_internal(np.concatenate([theta[None], theta + outwards, theta - inwards])))
    budgets = np.array([budget])
    a, b = growth(surface, SIX_N_D, budgets, best_split(surface, SIX_N_D, budgets)[0])
    if not np.all(np.abs(a - a[0]) <= _SAME):  # NaN, too
        return None
    return float(a[0, 0]), float(b[0, 0])


def _exponents(law: Law) -> set[str]:
    """Return the parameters of a law that stand in an exponent."""
    import sympy

    from scaling.laws.formula import parse_formula

    formula = parse_formula(law.formula)
    powers = [p.exp for p in formula.atoms(sympy.Pow, sympy.exp)]
    return {str(s) for power in powers for s in power.free_symbols} & set(law.parameter_names)


def tie_reasons(fit: Fit) -> tuple[str, ...]:
    """Say that the splits of a fit rest on the form of its law, where the law fixes how the optimum grows.

    Parameters
    ----------
    fit : Fit
        Of a law of N and D.

    Returns
    -------
    tuple of str
        One sentence, or none.
    """
    fixed = fixed_growth(fit.law, fit.estimates, middle_of(fit))
    if fixed is None:
        return ()
    a, b = (format_number(power, 3) for power in fixed)
    return (
        f"The law '{fit.law.name}' fixes how the best split grows under C = 6 N D, N as C^{a} and D as C^{b}, whatever "
        "the data: the split rests on that form, and its interval leaves out that the form may be wrong. Hold it "
        "against a law that estimates both exponents, such as chinchilla.",
    )


def untied_law(law: Law) -> Law | None:
    """Find the law of the book that becomes a law when two of its parameters are made one.

    Parameters
    ----------
    law : Law
        Such as ``gadre``, in which N and D share one exponent.

    Returns
    -------
    Law or None
        Such as ``chinchilla``; None where the book has none.
    """
    from scaling.laws.formula import parse_formula, symbol

    tied = parse_formula(law.formula)
    for name in law_names():
        other = find_law(name)
        if set(other.inputs) != set(law.inputs) or len(other.parameters) != len(law.parameters) + 1:
            continue
        free = parse_formula(other.formula)
        if any(free.subs(symbol(a), symbol(b)) == tied for a, b in permutations(other.parameter_names, 2)):
            return other
    return None


def fit_untied(
    fit: Fit,
    inputs: Mapping[str, ArrayLike],
    observed: ArrayLike,
    groups: ArrayLike | None = None,
    weights: ArrayLike | None = None,
) -> Fit | None:
    """Fit the law without the tie to the rows of a fit, by the same objective and with as many replicates.

    Penalties of the fit are paid again by the parameters of the same names.

    Parameters
    ----------
    fit : Fit
        Of a law that fixes how the optimum grows.
    inputs : mapping of str to array_like (n,)
        Its rows.
    observed : array_like (n,)
        Their losses.
    groups : array_like (n,), optional
        Clusters, as the fit was given them.
    weights : array_like (n,), optional
        Weights, as the fit was given them; it does not keep them.

    Returns
    -------
    Fit or None
        For `scaling.allocate`, which sets its optimum beside that of `fit`; None where the law fixes nothing, or the
        book has no such law.

    Raises
    ------
    UsageError
        Where the fit was made with weights and none are given.
    ScalingError
        As `scaling.fit`.
    """
    from scaling.fitting.fit import fit as fit_law

    law = untied_law(fit.law) if tie_reasons(fit) else None
    if law is None:
        return None
    if fit.settings.get("weighted") and weights is None:
        raise UsageError(
            f"the fit of '{fit.law.name}' was made with weights, which it does not keep, so without them "
            f"{law.name} would be fitted to other rows in effect",
            hint="Give the same weights=.",
        )
    # `untied_law` renames no parameter, so none of those with a penalty is missing from its law.
    return fit_law(
        law, inputs, observed, objective=fit.objective, groups=groups, weights=weights, bootstrap=len(fit.replicates),
        resample=fit.settings.get("resample") if len(fit.replicates) else None, seed=fit.seed,
        penalty=fit.settings.get("penalty"),
    )  # fmt: skip


def middle_of(fit: Fit) -> float:
    """Return a budget in the middle of the data of a fit of N and D, in FLOP."""
    return float(np.sqrt(np.prod(fit.support["6*N*D"])))
