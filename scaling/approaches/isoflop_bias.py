"""By how much approach 2 misses the optimum on the grid of runs that it was given.

A valley of loss is steeper on one side than on the other unless alpha = beta, so a parabola laid through it has its
vertex beside the lowest point, however little the losses scatter. `symmetric_shift` is the closed form for sizes placed
evenly about the optimum. `design_shift` is exact for any grid: a law is evaluated, without noise, at the very runs of
each budget, approach 2 is carried out on that, and its answer is held against the true optimum of that law.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.surface import Surface, best_split
from scaling.approaches.budgets import Budgets, PowerCost, Refusal
from scaling.approaches.isoflop_line import IsoFlop, with_line
from scaling.approaches.valley import lowest_points
from scaling.errors import InputDataError, UsageError
from scaling.fitting.compile import compile_law
from scaling.formatting import format_number
from scaling.results import Fit

Array = NDArray[np.float64]

_SYMMETRIC = 1e-6  # in ln(size): how far a grid may be from its mirror image


def symmetric_shift(alpha: float, beta: float, log10_ratios: ArrayLike) -> float:
    """Work out how far the vertex of a parabola lies from the optimum of a Chinchilla law.

    Parameters
    ----------
    alpha, beta : float
        Exponents of the law.
    log10_ratios : array_like (n,)
        log10(N / N*) of the runs of a budget, placed evenly about 0: with every w also -w. C = 6 N D.

    Returns
    -------
    float
        ln(N of the vertex / N*). The tokens are off by the same in the other direction. It is the same for every
        budget, so the exponents of approach 2 are right and its coefficients are wrong; it is 0 where alpha = beta.

    Raises
    ------
    UsageError
        For exponents that are not positive, fewer than three sizes, or a grid that is not its own mirror image.

    Notes
    -----
    At a fixed budget the loss above its floor is proportional to ``f(w) = beta 10^(-alpha w) + alpha 10^(beta w)``. On
    a symmetric grid the linear and the quadratic coefficient of the parabola separate: ``q = sum w f / sum w^2`` and
    ``p = sum (w^2 - m) f / sum (w^2 - m)^2`` with m the mean of w^2; the vertex is at ``w = -q / (2 p)``.
    """
    w = np.sort(np.atleast_1d(np.asarray(log10_ratios, float)))
    if not (alpha > 0 and beta > 0):
        raise UsageError(f"exponents must be positive, not alpha = {alpha}, beta = {beta}")
    if np.unique(w).size < 3:
        raise UsageError("a parabola needs three sizes a budget")
    if np.any(np.abs(w + w[::-1]) > _SYMMETRIC):
        raise UsageError(
            "the grid is not placed evenly about the optimum, and the closed form is for such grids alone",
            hint="design_shift is exact for any grid.",
        )
    f = beta * 10 ** (-alpha * w) + alpha * 10 ** (beta * w)
    bend = w**2 - np.mean(w**2)
    q = np.sum(w * f) / np.sum(w**2)
    p = np.sum(bend * f) / np.sum(bend**2)
    return float(-q / (2 * p) * np.log(10))


def law_optimum(fit: Fit, compute_flop: ArrayLike, cost: PowerCost | None = None, theta: Array | None = None) -> Array:
    """Find the compute-optimal size of a law, for a whole batch of parameter rows.

    Parameters
    ----------
    fit : Fit
        Of a law of N and D.
    compute_flop : array_like (m,)
        Budgets, FLOP.
    cost : PowerCost, optional
        6 N D by default.
    theta : ndarray (B, p), optional
        Parameters, natural units; the estimates where missing.

    Returns
    -------
    ndarray (B, m)
        ln(N*); NaN where the loss falls all the way to one side. In closed form for ``chinchilla``, numerically to 1e-7
        for other laws.
    """
    cost = cost or PowerCost()
    log_c = np.log(np.atleast_1d(np.asarray(compute_flop, float)))
    rows = fit.theta[None] if theta is None else theta
    if fit.law.name == "chinchilla":
        value = dict(zip(fit.law.parameter_names, rows.T[:, :, None], strict=True))
        a, b = value["alpha"], value["beta"]
        with np.errstate(all="ignore"):
            ratio = np.log(a * value["A"] / (cost.power * b * value["B"]))
            out = (ratio + b * (log_c - np.log(cost.flop_per_cell))) / (a + cost.power * b)
        return np.where(np.isfinite(out), out, np.nan)
    kernel = compile_law(fit.law, fit.log_scaled)
    return best_split(Surface(kernel, kernel.to_internal(rows)), cost, np.exp(log_c))[0]


def design_shift(
    fit: Fit,
    n_params: ArrayLike,
    n_tokens: ArrayLike,
    budgets: Budgets,
    *,
    quantity: str = "N",
    curve: str = "quadratic",
    weighting: str = "equal",
    cost: PowerCost | None = None,
    theta: Array | None = None,
) -> Array:
    """Work out how far approach 2 misses the optimum of a law, on the very grid of the runs.

    Parameters
    ----------
    fit : Fit
        Of a law of N and D, taken as the truth.
    n_params, n_tokens : array_like (n,)
        The runs: any grid, even, uneven, off-centre or drifting with the budget.
    budgets : Budgets
        Which of them share a budget.
    quantity, curve, weighting : str
        As of `scaling.approaches.isoflop.fit_isoflops`.
    cost : PowerCost, optional
        What ties N and D at a budget, and so where the true optimum is; 6 N D by default.
    theta : ndarray (B, p), optional
        Parameters, natural units; the estimates where missing.

    Returns
    -------
    ndarray (B, m)
        ln(vertex / optimum) at each budget, for parameters or for tokens as `quantity` says; NaN where the law without
        noise has no vertex on that grid, or no optimum.
    """
    cost = cost or PowerCost()
    n, d = np.asarray(n_params, float), np.asarray(n_tokens, float)
    rows = fit.theta[None] if theta is None else theta
    truth = law_optimum(fit, budgets.compute_flop, cost, rows)
    if quantity == "D":
        truth = cost.log_tokens(np.log(budgets.compute_flop), truth)
    losses = fit.evaluate({"N": n, "D": d}, rows)
    x = np.log(n if quantity == "N" else d)
    out = np.full(truth.shape, np.nan)
    for j in range(len(budgets.compute_flop)):
        here = budgets.labels == j
        y = losses[:, here]
        sound = np.flatnonzero(np.all(np.isfinite(y), axis=1))
        if len(sound):
            ones = np.ones((len(sound), int(here.sum())))
            vertex = lowest_points(x[here], y[sound], ones, curve, weighting).vertex
            out[sound, j] = np.where(np.isfinite(vertex), vertex, np.nan) - truth[sound, j]
    return out


def corrected(optima: IsoFlop, shift: Array, shift_replicates: Array, source: str) -> IsoFlop:
    """Take the shift off the optima of the budgets, and lay the power law through them again.

    Parameters
    ----------
    optima : IsoFlop
        As approach 2 gives it.
    shift : ndarray (m,)
        From `design_shift`.
    shift_replicates : ndarray (B, m)
        The same for replicates of the law; replicate i is taken off replicate i of the optima. Where there are none,
        the shift counts as known.
    source : str
        What the shift comes from, for the method.

    Returns
    -------
    IsoFlop
        A budget whose shift is not known is refused (``no_correction``).
    """
    again = optima.vertex_replicates
    if len(shift_replicates) and len(again):
        if len(shift_replicates) != len(again):
            raise InputDataError(f"{len(again)} replicates of the optima, but {len(shift_replicates)} of their shift")
        again = again - shift_replicates
    else:
        again = again - shift
    vertices = optima.vertices - shift
    budgets = []
    for budget, by, ln_vertex in zip(optima.budgets, shift.tolist(), vertices.tolist(), strict=True):
        if budget.refusal is not None:
            budgets.append(budget)
        elif np.isnan(by):
            where = f"at {format_number(budget.compute_flop)} FLOP"
            why = Refusal("no_correction", f"{where} the law itself has no valley on the grid of the runs")
            budgets.append(replace(budget, optimum=np.nan, low=np.nan, high=np.nan, log_error=np.nan, refusal=why))
        else:
            factor = float(np.exp(-by))
            optimum = float(np.exp(ln_vertex))
            budgets.append(replace(budget, optimum=optimum, low=budget.low * factor, high=budget.high * factor))
    out = replace(
        optima,
        budgets=tuple(budgets),
        vertices=vertices,
        vertex_replicates=again,
        method=f"{optima.method}; less the bias on this grid under {source}",
    )
    return with_line(out)
