"""Split a compute budget between parameters and tokens.

The cost is C = 6 N D (Kaplan et al. 2020, arXiv:2001.08361): forward and backward pass of a dense model, attention
left out. The minimum over N at fixed C is found numerically, so every law of N and D has an allocation, and one whose
loss falls all the way to one side is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import UsageError, VerdictError
from scaling.fitting.compile import Data, Kernel, compile_law
from scaling.formatting import format_factor
from scaling.results import Fit
from scaling.verdicts import NOT_IDENTIFIED

Array = NDArray[np.float64]

FLOP_PER_PARAMETER_TOKEN = 6.0
_REACH = np.log(1e8)  # how far from N = D = sqrt(C/6) the optimum is sought, either way
_COARSE = 161
_GOLDEN = (np.sqrt(5.0) - 1) / 2
_LEVEL = 1e-9  # of the loss: what it must rise by, far from the optimum
_ITERATIONS = 48  # of golden section: an interval of 0.2 shrinks below 1e-10


@dataclass(frozen=True)
class Allocation:
    """The compute-optimal model for each budget.

    Parameters
    ----------
    compute_flop : ndarray (m,)
        The budgets.
    n_params, n_tokens, loss : ndarray (m,)
        The optimum, and the loss there in the unit of the law.
    n_params_interval, n_tokens_interval, loss_interval : tuple of ndarray (m,)
        Low and high ends: percentiles of the optima of the bootstrap replicates; NaN without a bootstrap.
    level : float
        Nominal coverage.
    extrapolation_factor : ndarray (m,)
        How far the optimum lies beyond the data.
    edge_share : ndarray (m,)
        Share of the replicates that have no optimum inside; they are left out of the intervals.
    method : str
        How the intervals were made.
    verdict : str
        That of the fit, or ``extrapolating x37``.
    """

    compute_flop: Array
    n_params: Array
    n_tokens: Array
    loss: Array
    n_params_interval: tuple[Array, Array]
    n_tokens_interval: tuple[Array, Array]
    loss_interval: tuple[Array, Array]
    level: float
    extrapolation_factor: Array
    edge_share: Array
    method: str
    verdict: str

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a budget, as the command line prints it."""
        return [
            {
                "compute_flop": float(self.compute_flop[i]),
                "n_params": float(self.n_params[i]),
                "n_params_low": float(self.n_params_interval[0][i]),
                "n_params_high": float(self.n_params_interval[1][i]),
                "n_tokens": float(self.n_tokens[i]),
                "n_tokens_low": float(self.n_tokens_interval[0][i]),
                "n_tokens_high": float(self.n_tokens_interval[1][i]),
                "tokens_per_param": float(self.n_tokens[i] / self.n_params[i]),
                "loss": float(self.loss[i]),
                "loss_low": float(self.loss_interval[0][i]),
                "loss_high": float(self.loss_interval[1][i]),
                "extrapolation_factor": float(self.extrapolation_factor[i]),
                "replicates_without_optimum": float(self.edge_share[i]),
            }
            for i in range(len(self.compute_flop))
        ]


def allocate(fit: Fit, compute_flop: ArrayLike, level: float = 0.95, force: bool = False) -> Allocation:
    """Find the compute-optimal parameters and tokens.

    Parameters
    ----------
    fit : Fit
        Of a law with the inputs N and D.
    compute_flop : float or array_like (m,)
        Budgets, C = 6 N D.
    level : float, default 0.95
        Nominal coverage of the intervals.
    force : bool, default False
        Answer even where the verdict is ``not identified``.

    Returns
    -------
    Allocation
        Intervals are of the law's own optimum and curve; the scatter of single runs is not in them.

    Raises
    ------
    UsageError
        Where the law is not one of N and D, or a budget is not positive.
    VerdictError
        Where the law is not identified, or has no optimum between the smallest and the largest model.
    """
    if set(fit.law.inputs) != {"N", "D"}:
        raise UsageError(
            f"the law '{fit.law.name}' has the inputs {', '.join(fit.law.inputs)}, so there is nothing to allocate",
            hint="Fit a law of N and D, such as chinchilla.",
        )
    try:
        budgets = np.atleast_1d(np.asarray(compute_flop, float))
    except (TypeError, ValueError) as error:
        raise UsageError(f"a compute budget is not a number: {error}") from error
    if budgets.ndim != 1 or not budgets.size or not np.all(np.isfinite(budgets)) or not np.all(budgets > 0):
        raise UsageError("compute budgets must be positive numbers, in FLOP")
    if not 0 < level < 1:
        raise UsageError(f"a level lies between 0 and 1, not at {level}", hint="0.9 stands for 90 %.")
    fit.require_identified(force)
    kernel = compile_law(fit.law, fit.log_scaled)
    theta = kernel.to_internal(np.concatenate([fit.theta[None], fit.replicates]))
    log_n, loss = np.empty((len(theta), len(budgets))), np.empty((len(theta), len(budgets)))
    for i, budget in enumerate(budgets):
        log_n[:, i], loss[:, i] = _minimise(kernel, theta, float(budget))
    if np.any(np.isnan(log_n[0])):
        budget = budgets[np.isnan(log_n[0])][0]
        raise VerdictError(
            f"the law '{fit.law.name}' has no compute-optimal split at {budget:.3g} FLOP: "
            "its loss falls all the way to one side",
            hint="Such a law cannot allocate compute; fit one with separate terms, such as chinchilla.",
        )
    n = np.exp(log_n)
    d = budgets / FLOP_PER_PARAMETER_TOKEN / n
    nothing = np.full(len(budgets), np.nan)
    if len(fit.replicates):
        from scaling.fitting.intervals import percentile_interval

        of_n, of_d, of_loss = (percentile_interval(values[1:], level) for values in (n, d, loss))
        edge = np.mean(np.isnan(log_n[1:]), axis=0)
    else:
        of_n = of_d = of_loss = (nothing, nothing)
        edge = nothing
    factor = fit.extrapolation_factor({"N": n[0], "D": d[0]})
    largest = float(factor.max())
    extrapolates = largest >= 1.05 and fit.verdict != NOT_IDENTIFIED
    verdict = f"extrapolating {format_factor(largest)}" if extrapolates else fit.verdict
    method = fit.interval_method if len(fit.replicates) else "none: the fit has no bootstrap replicates"
    return Allocation(budgets, n[0], d[0], loss[0], of_n, of_d, of_loss, level, factor, edge, method, verdict)


def _minimise(kernel: Kernel, theta: Array, budget: float) -> tuple[Array, Array]:
    """Minimise the loss over ln N at fixed C for every parameter row: a shared grid, then golden section row by row."""
    log_cells = np.log(budget / FLOP_PER_PARAMETER_TOKEN)
    order = list(kernel.log_inputs)

    def loss(log_n: Array) -> Array:
        columns = {"N": log_n, "D": log_cells - log_n}
        inputs = tuple(columns[k] if kernel.log_inputs[k] else np.exp(columns[k]) for k in order)
        return kernel.value(theta, Data(inputs, np.empty((0, 0))))

    grid = 0.5 * log_cells + np.linspace(-_REACH, _REACH, _COARSE)
    values = loss(grid)
    values = np.where(np.isnan(values), np.inf, values)
    j = np.argmin(values, axis=1)
    # A loss that depends on N*D alone is level along the budget: its lowest point is rounding, no optimum.
    ends = np.minimum(values[:, 0], values[:, -1])
    inside = (j > 0) & (j < _COARSE - 1) & (ends > values.min(axis=1) + _LEVEL * np.abs(ends))
    k = np.clip(j, 1, _COARSE - 2)
    left, right = grid[k - 1][:, None], grid[k + 1][:, None]
    a, b = right - _GOLDEN * (right - left), left + _GOLDEN * (right - left)
    at_a, at_b = loss(a), loss(b)
    for _ in range(_ITERATIONS):
        lower = at_a < at_b
        left, right = np.where(lower, left, a), np.where(lower, b, right)
        a, b, at_a, at_b = (
            np.where(lower, right - _GOLDEN * (right - left), b),
            np.where(lower, a, left + _GOLDEN * (right - left)),
            np.where(lower, np.nan, at_b),
            np.where(lower, at_a, np.nan),
        )
        new = loss(np.where(lower, a, b))
        at_a, at_b = np.where(lower, new, at_a), np.where(lower, at_b, new)
    best = 0.5 * (left + right)
    out = loss(best)[:, 0]
    return np.where(inside, best[:, 0], np.nan), np.where(inside, out, np.nan)
