"""What no compute, no data and no parameters can beat, and why a budget has no best split, in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scaling.allocation.cost import CostModel
from scaling.allocation.surface import Surface, best_split
from scaling.bands import replicate_interval
from scaling.errors import VerdictError
from scaling.formatting import format_count, format_interval, format_number
from scaling.results import Fit
from scaling.roots import LOG_HIGH, LOG_LOW, find_root

Array = NDArray[np.float64]
_TINY = np.geomspace(1.0, 1e30, 61)  # budgets, in units of one parameter on one token
_ROUNDING = 1e-9  # of the floor: losses that differ by less cannot be told apart along a line of equal cost


def wall_text(fit: Fit, wall: Array, level: float, fixed: tuple[str, ...] | str, size: float = 1.0) -> str:
    """Write a wall with its interval, and with its formula where the law is a sum.

    Parameters
    ----------
    fit : Fit
        The law.
    wall : ndarray (1 + B,)
        The loss that is left, at the estimates and the replicates.
    level : float
        Nominal coverage of the interval.
    fixed : str or tuple of str
        The input that does not grow; or, as a tuple, those that all do.
    size : float, default 1
        What the fixed input is.

    Returns
    -------
    str
        Such as ``E + A/N**alpha = 2.175 (90 % interval 2.14 to 2.22)``.
    """
    text = format_number(wall[0])
    if isinstance(fixed, str):
        name = _static_terms(fit, {"N", "D"} - {fixed}, {fixed: size}, wall[0])
    else:
        name = _static_terms(fit, set(fixed), {}, wall[0])
    text = f"{name} = {text}" if name else text
    if len(wall) > 1:
        low, high = replicate_interval(wall[1:, None], fit.percentile_level(level))
        text += f" ({100 * level:g} % interval {format_interval(float(low[0]), float(high[0]))})"
    return text


def no_split(
    fit: Fit, surface: Surface, cost: CostModel, budget: float, level: float, purpose: str = ""
) -> VerdictError:
    """Return the error that says why a budget has no best split.

    Parameters
    ----------
    fit : Fit
        The law.
    surface : Surface
        Of the fit.
    cost : CostModel
        What the budget pays for.
    budget : float
        For which the search found none.
    level : float
        Of the interval of a floor.
    purpose : str, optional
        What the split was wanted for.

    Returns
    -------
    VerdictError
        To be raised: the loss is the floor of the law to rounding, the budget lies beyond all sizes that are searched,
        or the loss falls all the way to one side.
    """
    shown = format_number(budget)
    middle = find_root(lambda x: np.log(cost.flop(np.exp(x), np.exp(x))) - np.log(budget), LOG_LOW, LOG_HIGH, (1,))
    beyond = bool(np.isnan(middle[0]))
    at = np.full(1, LOG_HIGH) if beyond else middle
    floor = surface.wall()[:, 0]
    left = float(surface.loss(at, at)[0, 0]) - float(floor[0])
    if left <= _ROUNDING * abs(float(floor[0])):
        return VerdictError(
            f"at {shown} FLOP the loss of the law '{fit.law.name}' is its floor to rounding, "
            f"{wall_text(fit, floor, level, ('N', 'D'))}, so no split is better than another",
            hint="Ask for a smaller budget.",
        )
    if beyond:
        return VerdictError(
            f"a budget of {shown} FLOP lies beyond all sizes that are searched, up to "
            f"{format_number(float(np.exp(LOG_HIGH)))} parameters or tokens",
            hint="Ask for a smaller budget.",
        )
    return VerdictError(
        f"the law '{fit.law.name}' has no compute-optimal split{purpose} at {shown} FLOP: "
        "its loss falls all the way to one side",
        hint="Such a law cannot allocate compute; fit one with separate terms, such as chinchilla.",
    )


def refuse_fractions(budget: Array, n_params: Array, n_tokens: Array) -> None:
    """Refuse optima of less than one parameter or one token.

    Parameters
    ----------
    budget, n_params, n_tokens : ndarray (m,)
        In FLOP, and the optima at the estimates.

    Raises
    ------
    VerdictError
        For the first such budget.
    """
    small = np.flatnonzero((n_params < 1) | (n_tokens < 1))
    if small.size:
        i = small[0]
        raise VerdictError(
            f"{format_number(float(budget[i]))} FLOP buy no model: by the law the best would have "
            f"{format_count(float(n_params[i]))} parameters and {format_count(float(n_tokens[i]))} tokens",
            hint="Ask for a budget that trains one parameter or more on one token or more.",
        )


def no_cheapest(fit: Fit, surface: Surface, cost: CostModel, target: float) -> VerdictError:
    """Return the error that says why no model is the cheapest for a loss.

    Parameters
    ----------
    fit : Fit
        The law.
    surface : Surface
        Of the fit.
    cost : CostModel
        What is to be least.
    target : float
        A loss above the floor, for which the search found nothing.

    Returns
    -------
    VerdictError
        To be raised: less than one parameter or one token is enough, or the cost falls all the way to one side.
    """
    shown = format_number(target)
    budgets = float(cost.flop(1.0, 1.0)) * _TINY
    log_n, log_d, loss = (x[0] for x in best_split(Surface(surface.kernel, surface.theta[:1]), cost, budgets))
    whole = (log_n >= 0) & (log_d >= 0)
    if whole.any() and target > loss[whole].max():
        return VerdictError(
            f"by the law '{fit.law.name}' less than one parameter or less than one token reaches a loss of {shown}",
            hint="Ask for a lower loss.",
        )
    return VerdictError(
        f"the law '{fit.law.name}' has no cheapest model for a loss of {shown}: the cost falls all the way to one side",
        hint="Such a law cannot allocate compute; fit one with separate terms, such as chinchilla.",
    )


def _static_terms(fit: Fit, growing: set[str], at: dict[str, float], value: float) -> str:
    """Return the terms of a law that do not hold some inputs, if they are what is left when those grow without end."""
    import sympy

    from scaling.laws.formula import parse_formula, symbol

    left = [
        t for t in sympy.Add.make_args(parse_formula(fit.law.formula)) if not growing & {str(s) for s in t.free_symbols}
    ]
    numbers = {symbol(name): number for name, number in (fit.estimates | at).items()}
    try:
        if not abs(float(sympy.Add(*left).xreplace(numbers)) - value) <= 1e-9 * abs(value):
            return ""
    except TypeError:  # a term without a value
        return ""
    return " + ".join(sorted((str(t) for t in left), key=len))
