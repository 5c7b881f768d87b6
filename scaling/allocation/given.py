"""Decisions with one thing fixed: the loss to reach, the model, or the tokens.

All are inversions of the law along one variable, done for the estimates and every replicate. A loss below what endless
data or endless parameters leave cannot be reached: that wall is named, with the share of the replicates that have it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.cost import SIX_N_D, CostModel
from scaling.allocation.decision import Decision, decide, positive, together
from scaling.allocation.surface import Surface, least_cost
from scaling.allocation.ties import tie_reasons
from scaling.allocation.walls import no_cheapest, wall_text
from scaling.errors import UsageError, VerdictError
from scaling.formatting import format_count, format_number, format_percent
from scaling.inputs import check_level
from scaling.results import Fit

Array = NDArray[np.float64]


def compute_for_loss(
    fit: Fit, loss: ArrayLike, level: float = 0.95, force: bool = False, cost: CostModel = SIX_N_D
) -> Decision:
    """Find the least compute that reaches a loss, and the model that does it.

    Parameters
    ----------
    fit : Fit
        Of a law with the inputs N and D.
    loss : float or array_like (m,)
        Targets, in the unit of the law.
    level : float, default 0.95
        Nominal coverage.
    force : bool, default False
        Answer even where the verdict is ``not identified``.
    cost : CostModel, default 6*N*D
        What is to be least. With served tokens in it the answer allows for inference (arXiv:2401.00448).

    Returns
    -------
    Decision
        ``compute_flop``, ``n_params``, ``n_tokens``, ``tokens_per_param``, ``training_flop``; ends of intervals are
        infinite where enough replicates never reach the target.

    Raises
    ------
    UsageError
        Where the law is not one of N and D, or a target is not positive.
    VerdictError
        Where the law is not identified, a target lies at or below the irreducible loss, or the cost falls all the way
        to one side.
    """
    surface, target = _begin(fit, level, force), positive(loss, "a target loss")
    floor = surface.wall()
    for wanted in target[target <= floor[0, 0]]:
        raise VerdictError(
            f"no compute reaches a loss of {format_number(wanted)}: the law '{fit.law.name}' has its floor at "
            f"{wall_text(fit, floor[:, 0], level, ('N', 'D'))}. {_shared(floor[:, 0] >= wanted, fit)}",
            hint="Ask for a loss above the floor.",
        )
    log_n, log_d, log_cost = least_cost(surface, cost, target)
    for wanted in target[np.isnan(log_cost[0])]:
        raise no_cheapest(fit, surface, cost, float(wanted))
    n, d, c = np.exp(log_n), np.exp(log_d), np.exp(log_cost)
    found = {
        "compute_flop": c,
        "n_params": n,
        "n_tokens": d,
        "tokens_per_param": np.exp(_difference(log_d, log_n)),
        "training_flop": _where_finite(cost.training_flop, n, d),
    }
    never = np.isinf(log_cost)
    return decide(
        "least compute for a loss",
        fit,
        cost,
        level,
        {"loss": target},
        found,
        (n[0], d[0]),
        never,
        _never_notes(never, target, fit, "no compute reaches a loss of {}"),
        reasons=tie_reasons(fit),
    )


def given_params(
    fit: Fit,
    n_params: ArrayLike,
    *,
    compute_flop: ArrayLike | None = None,
    loss: ArrayLike | None = None,
    level: float = 0.95,
    force: bool = False,
    cost: CostModel = SIX_N_D,
) -> Decision:
    """Decide on the tokens of a model of a given size: those that a budget buys, or those that a loss needs.

    Parameters
    ----------
    fit : Fit
        Of a law with the inputs N and D.
    n_params : float or array_like (m,)
        Parameters, as the law counts them.
    compute_flop : float or array_like (m,), optional
        The budgets; this or `loss`.
    loss : float or array_like (m,), optional
        The targets.
    level, force, cost
        As of `compute_for_loss`.

    Returns
    -------
    Decision
        ``loss`` for a budget (the tokens then follow exactly, and are among `given`); ``n_tokens``, ``compute_flop``
        and ``tokens_per_param`` for a loss.

    Raises
    ------
    UsageError
        For numbers that are not positive, both or neither of `compute_flop` and `loss`, or a budget that serving eats.
    VerdictError
        Where the law is not identified, or no amount of tokens reaches the loss.
    """
    return _given("N", fit, n_params, compute_flop, loss, level, force, cost)


def given_tokens(
    fit: Fit,
    n_tokens: ArrayLike,
    *,
    compute_flop: ArrayLike | None = None,
    loss: ArrayLike | None = None,
    level: float = 0.95,
    force: bool = False,
    cost: CostModel = SIX_N_D,
) -> Decision:
    """Decide on the size of a model for a given number of tokens; as `given_params`, with the two exchanged.

    Returns
    -------
    Decision
        As of `given_params`, with ``n_params`` in place of ``n_tokens``.
    """
    return _given("D", fit, n_tokens, compute_flop, loss, level, force, cost)


_WORDS = {"N": ("n_params", "n_tokens", "parameters"), "D": ("n_tokens", "n_params", "tokens")}


def _given(
    fixed: str,
    fit: Fit,
    size: ArrayLike,
    compute_flop: ArrayLike | None,
    loss: ArrayLike | None,
    level: float,
    force: bool,
    cost: CostModel,
) -> Decision:
    surface = _begin(fit, level, force)
    known, sought, word = _WORDS[fixed]
    hint = "Give compute_flop or loss (--flops or --loss)."
    if compute_flop is not None and loss is not None:
        raise UsageError(f"a given number of {word} takes a budget or a target loss, and not both", hint)
    sizes = positive(size, f"a given number of {word}")
    if compute_flop is not None:
        sizes, budgets = together(sizes, positive(compute_flop, "a compute budget"), f"{word} and budgets")
        other = cost.tokens_for(sizes, budgets) if fixed == "N" else cost.params_for(sizes, budgets)
        for i in np.flatnonzero(np.isnan(other)):
            raise UsageError(
                f"{format_number(budgets[i])} FLOP leave nothing for {format_count(sizes[i])} {word}",
                hint=f"The cost is {cost.label}; give a larger budget.",
            )
        n, d = (sizes, other) if fixed == "N" else (other, sizes)
        outcome = surface.loss(np.log(n), np.log(d))
        title = f"given {word} and a budget"
        given = {known: sizes, "compute_flop": budgets, sought: other, "tokens_per_param": d / n}
        never = np.zeros(outcome.shape, bool)
        return decide(title, fit, cost, level, given, {"loss": outcome}, (n, d), never, losses={"loss": (n, d)})
    if loss is None:
        raise UsageError(f"a given number of {word} needs a budget or a target loss", hint)
    sizes, target = together(sizes, positive(loss, "a target loss"), f"{word} and losses")
    log_size = np.log(sizes)
    if fixed == "N":
        root, wall = surface.tokens_for_loss(log_size, target), surface.wall(log_n=log_size)
    else:
        root, wall = surface.params_for_loss(log_size, target), surface.wall(log_d=log_size)
    for i in np.flatnonzero(~np.isfinite(root[0])):
        more = "tokens" if fixed == "N" else "parameters"
        subject = "a model of" if fixed == "N" else "training on"
        raise VerdictError(
            f"no amount of {more} gets {subject} {format_count(sizes[i])} {word} to a loss of "
            f"{format_number(target[i])}: its wall is {wall_text(fit, wall[:, i], level, fixed, sizes[i])}. "
            + _shared(wall[:, i] >= target[i], fit),
            hint=f"Ask for a loss above the wall, or give more {word}.",
        )
    log_n, log_d = np.broadcast_arrays(*((log_size, root) if fixed == "N" else (root, log_size)))
    with np.errstate(over="ignore"):
        compute = _where_finite(cost.flop, np.exp(log_n), np.exp(log_d))
        found = {sought: np.exp(root), "compute_flop": compute, "tokens_per_param": np.exp(_difference(log_d, log_n))}
    never = ~np.isfinite(root)
    what = f"no amount of {'tokens' if fixed == 'N' else 'parameters'} reaches a loss of {{}}"
    return decide(
        f"given {word} and a loss",
        fit,
        cost,
        level,
        {known: sizes, "loss": target},
        found,
        (np.exp(log_n[0]), np.exp(log_d[0])),
        never,
        _never_notes(never, target, fit, what),
    )


def _begin(fit: Fit, level: float, force: bool) -> Surface:
    """Check what every decision checks."""
    surface = Surface.of(fit)
    check_level(level)
    fit.require_identified(force)
    return surface


def _where_finite(function: Any, n: Array, d: Array) -> Array:
    """Work out a cost where both sizes are finite; elsewhere it is infinite, or NaN where there is no answer."""
    finite = np.isfinite(n) & np.isfinite(d)
    value = function(np.where(finite, n, 1.0), np.where(finite, d, 1.0))
    return np.where(finite, value, np.where(np.isnan(n) | np.isnan(d), np.nan, np.inf))


def _difference(log_d: Array, log_n: Array) -> Array:
    """Subtract logarithms of which both may be infinite: then the ratio is unknown."""
    with np.errstate(invalid="ignore"):
        return np.asarray(log_d - log_n)


def _shared(walled: NDArray[np.bool_], fit: Fit) -> str:
    """Say how many replicates agree that a target is out of reach."""
    if not len(fit.replicates):
        return "Without bootstrap replicates there is no telling how sure that is."
    return f"{format_percent(float(np.mean(walled[1:])))} of the replicates say the same."


def _never_notes(never: NDArray[np.bool_], target: Array, fit: Fit, what: str) -> tuple[str, ...]:
    if not len(fit.replicates):
        return ()
    shares = np.mean(never[1:], axis=0)
    return tuple(
        f"In {format_percent(float(share))} of the replicates {what.format(format_number(wanted))}."
        for share, wanted in zip(shares, target, strict=True)
        if share > 0
    )
