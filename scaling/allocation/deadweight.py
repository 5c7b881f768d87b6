"""What leaving the compute-optimal split costs, and when a smaller model catches up.

A choice (N, D) reaches a loss that a compute-optimal model would have reached for C*(L); the rest of its compute is
deadweight. That a model is smaller than optimal can be made up for by tokens, up to a wall (Hoffmann et al. 2022,
arXiv:2203.15556, in closed form for their law).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.cost import SIX_N_D, CostModel
from scaling.allocation.decision import Decision, Estimate, decide, positive, together
from scaling.allocation.surface import Surface, best_split, least_cost
from scaling.allocation.ties import tie_reasons
from scaling.allocation.walls import no_cheapest, no_split, refuse_fractions
from scaling.formatting import format_count, format_number, format_percent
from scaling.inputs import check_level
from scaling.results import Fit

Array = NDArray[np.float64]


def overhead(
    fit: Fit,
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    level: float = 0.95,
    force: bool = False,
    cost: CostModel = SIX_N_D,
) -> Decision:
    """Compare models with the compute-optimal ones of the same loss.

    Parameters
    ----------
    fit : Fit
        Of a law with the inputs N and D.
    n_params, n_tokens : float or array_like (m,)
        The choices.
    level : float, default 0.95
        Nominal coverage.
    force : bool, default False
        Answer even where the verdict is ``not identified``.
    cost : CostModel, default 6*N*D
        What counts. With served tokens in it, a small model trained for long may be the cheaper one.

    Returns
    -------
    Decision
        ``loss`` of the choice, ``optimal_flop`` for that loss, ``deadweight_flop`` and its ``deadweight_share`` of the
        choice's own compute, ``optimal_n_params``, ``optimal_n_tokens``, and ``loss_at_optimum`` of the same compute.
        Both losses have the interval of the forecast of the curve; the differences between the choice and the optimum
        have percentiles of the replicates, without the errors of form and back-test.

    Raises
    ------
    UsageError
        Where the law is not one of N and D, or a size is not positive.
    VerdictError
        Where the law is not identified, or has no compute-optimal split.
    """
    surface, n, d = _begin(fit, n_params, n_tokens, level, force)
    spent = cost.flop(n, d)
    reached = surface.loss(np.log(n), np.log(d))
    log_n, log_d, log_cost = least_cost(surface, cost, reached)
    best_n, best_d, best_loss = best_split(surface, cost, spent)
    for i in np.flatnonzero(np.isnan(best_loss[0])):
        raise no_split(fit, surface, cost, float(spent[i]), level, " to compare with")
    refuse_fractions(spent, np.exp(best_n[0]), np.exp(best_d[0]))
    for i in np.flatnonzero(np.isnan(log_cost[0])):
        raise no_cheapest(fit, surface, cost, float(reached[0, i]))
    # The optimum is not above the choice, but for rounding.
    least = np.minimum(np.exp(log_cost), spent)
    found = {
        "loss": reached,
        "optimal_flop": least,
        "deadweight_flop": spent - least,
        "deadweight_share": 1 - least / spent,
        "optimal_n_params": np.exp(log_n),
        "optimal_n_tokens": np.exp(log_d),
        "loss_at_optimum": np.minimum(best_loss, reached),
    }
    given = {"n_params": n, "n_tokens": d, "compute_flop": spent}
    losses = {"loss": (n, d), "loss_at_optimum": (np.exp(best_n[0]), np.exp(best_d[0]))}
    answer = decide(
        "overhead of a choice", fit, cost, level, given, found, (n, d), np.isinf(log_cost), losses=losses,
        reasons=tie_reasons(fit),
    )  # fmt: skip
    # No choice wastes less than nothing, so that near the optimum every replicate lies above the estimate.
    shown = {
        name: Estimate(e.point, np.minimum(e.low, e.point), e.high) if name.startswith("deadweight") else e
        for name, e in answer.found.items()
    }
    return replace(answer, found=shown)


def catch_up(
    fit: Fit,
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    size_factor: ArrayLike = 0.5,
    level: float = 0.95,
    force: bool = False,
    cost: CostModel = SIX_N_D,
) -> Decision:
    """Find the tokens at which a model of another size reaches the same loss.

    Parameters
    ----------
    fit : Fit
        Of a law with the inputs N and D.
    n_params, n_tokens : float or array_like (m,)
        The model to be caught up with.
    size_factor : float or array_like (m,), default 0.5
        Size of the other model, as a multiple of `n_params`.
    level, force, cost
        As of `overhead`.

    Returns
    -------
    Decision
        ``n_tokens_needed``, ``tokens_factor`` (those over `n_tokens`), ``compute_factor``; infinite where the other
        model never catches up.

    Raises
    ------
    UsageError
        Where the law is not one of N and D, or a number is not positive.
    VerdictError
        Where the law is not identified.

    Notes
    -----
    From a compute-optimal model of the law of Hoffmann et al. it is
    ``tokens_factor = (1 - (k**-alpha - 1) beta/alpha)**(-1/beta)`` with k the size factor, the same for every budget.
    """
    surface, n, d = _begin(fit, n_params, n_tokens, level, force)
    factor = positive(size_factor, "a size factor")
    n, factor = together(n, factor, "models and size factors")
    d, factor = together(d, factor, "models and size factors")
    reached = surface.loss(np.log(n), np.log(d))
    log_d = surface.tokens_for_loss(np.log(n * factor), reached)
    never = np.isinf(log_d) & (log_d > 0)
    with np.errstate(over="ignore"):
        tokens = np.exp(log_d)
        # A loss above that of a single token does not matter here: the answer is then as good as no tokens.
        spent = np.where(never, np.inf, cost.flop(n * factor, np.where(never, 1.0, tokens)))
    found = {
        "n_tokens_needed": tokens,
        "tokens_factor": tokens / d,
        "compute_factor": spent / cost.flop(n, d),
        "loss": reached,
    }
    wall = surface.wall(log_n=np.log(n * factor))
    notes = []
    for i in range(len(n)):
        smaller = f"a model of {format_count(n[i] * factor[i])} parameters"
        share = float(np.mean(never[1:, i])) if len(fit.replicates) else float("nan")
        if never[0, i]:
            notes.append(
                f"By the estimates {smaller} never catches up: endless data leave it at {format_number(wall[0, i])}, "
                f"above {format_number(reached[0, i])}."
            )
        if share > 0:
            notes.append(f"In {format_percent(share)} of the replicates {smaller} never catches up.")
    given = {"n_params": n, "n_tokens": d, "size_factor": factor}
    at = (n * factor, tokens[0])
    return decide("catching up", fit, cost, level, given, found, at, never, tuple(notes), losses={"loss": (n, d)})


def _begin(
    fit: Fit, n_params: ArrayLike, n_tokens: ArrayLike, level: float, force: bool
) -> tuple[Surface, Array, Array]:
    surface = Surface.of(fit)
    check_level(level)
    fit.require_identified(force)
    n, d = together(positive(n_params, "a number of parameters"), positive(n_tokens, "a number of tokens"), "models")
    return surface, n, d
