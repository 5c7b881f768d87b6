"""Split a compute budget between parameters and tokens.

The minimum over N along the line of equal cost is found numerically, so every law of N and D has an allocation under
every cost that grows with both (`scaling.allocation.cost`), and a law whose loss falls all the way to one side is
refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.cost import SIX_N_D, CostModel
from scaling.allocation.decision import curve_interval, interval_method, quoted_backtest, reach
from scaling.allocation.surface import Surface, best_split, growth
from scaling.allocation.ties import fixed_growth, middle_of, tie_reasons
from scaling.allocation.walls import no_split, refuse_fractions
from scaling.bands import replicate_interval, simultaneous_band
from scaling.errors import UsageError
from scaling.formatting import format_number
from scaling.inputs import check_level
from scaling.parameter_counts import FLOP_PER_PARAMETER_TOKEN
from scaling.results import Fit
from scaling.rivals import Rival

__all__ = ["FLOP_PER_PARAMETER_TOKEN", "Allocation", "allocate", "curve"]

Array = NDArray[np.float64]
Ends = tuple[Array, Array]
_WORTH_NAMING = 0.01  # weight of a rival
_WORTH_ASKING = 0.001  # of one that estimates exponents which the law fixes


@dataclass(frozen=True)
class RivalOptimum:
    """Where a rival law puts the compute-optimal model.

    Parameters
    ----------
    law : str
        Its name.
    weight : float
        The share of trust it deserves.
    n_params, n_tokens, loss : ndarray (m,)
        Its optimum at each budget, and its loss there; NaN where it has none.
    """

    law: str
    weight: float
    n_params: Array
    n_tokens: Array
    loss: Array


@dataclass(frozen=True)
class Untied:
    """The optimum by a law that estimates the exponents which the law of an allocation fixes.

    Parameters
    ----------
    law : str
        Its name; it was fitted to the same rows.
    verdict : str
        That of its fit.
    n_params, n_tokens, loss : ndarray (m,)
        Its optimum at each budget, and its loss there.
    n_params_interval, n_tokens_interval : tuple of ndarray (m,)
        Percentiles of the optima of its replicates; NaN without replicates.
    exponent_params : ndarray (m,)
        d ln N*/d ln C, as the rows give it.
    exponent_params_interval : tuple of ndarray (m,)
        Its interval.
    """

    law: str
    verdict: str
    n_params: Array
    n_tokens: Array
    loss: Array
    n_params_interval: Ends
    n_tokens_interval: Ends
    exponent_params: Array
    exponent_params_interval: Ends

    def row(self, i: int) -> dict[str, Any]:
        """Return the numbers of one budget."""
        out: dict[str, Any] = {"law": self.law, "verdict": self.verdict, "loss": float(self.loss[i])}
        for name in ("n_params", "n_tokens", "exponent_params"):
            low, high = getattr(self, f"{name}_interval")
            out |= {name: float(getattr(self, name)[i]), f"{name}_low": float(low[i]), f"{name}_high": float(high[i])}
        return out


@dataclass(frozen=True)
class Allocation:
    """The compute-optimal model for each budget.

    Parameters
    ----------
    compute_flop : ndarray (m,)
        The budgets.
    n_params, n_tokens, loss : ndarray (m,)
        The optimum, and the loss there in the unit of the law.
    n_params_interval, n_tokens_interval : tuple of ndarray (m,)
        Low and high ends: percentiles of the optima of the bootstrap replicates; NaN without a bootstrap. They take the
        form of the law as true, but for rivals to whose optima they reach: those of weight 1 - `level` or more, and
        where the law fixes the exponents those of 0.1 % or more that do not.
    loss_interval : tuple of ndarray (m,)
        That of the law's curve at the optimum, as `Fit.predict` forecasts it, where the fit carries a back-test or
        rivals; otherwise percentiles of the replicates' lowest losses.
    level : float
        Nominal coverage.
    extrapolation_factor : ndarray (m,)
        How far the optimum lies beyond the data.
    edge_share : ndarray (m,)
        Share of the replicates that have no optimum inside; they are left out of the intervals.
    method : str
        How the intervals of N and D were made.
    verdict : str
        That of the fit, at least ``weak`` where there are `reasons`; or ``extrapolating x37``, and ``extrapolating x37
        downward`` for budgets below the data.
    tokens_per_param : ndarray (m,)
        D/N at the optimum.
    tokens_per_param_interval : tuple of ndarray (m,)
        Its interval.
    exponent_params, exponent_tokens : ndarray (m,)
        a = d ln N*/d ln C and b = d ln D*/d ln C at the budget. With C = 6 N D they sum to 1.
    exponent_params_interval, exponent_tokens_interval : tuple of ndarray (m,)
        Their intervals; NaN where the law fixes them.
    n_params_band, n_tokens_band, loss_band : tuple of ndarray (m,)
        One joint band, for all three at all budgets at once, nowhere inside the percentiles of one budget; see
        `scaling.bands.simultaneous_band`. It is of the parameters only and takes the form of the law as true, but that
        N and D reach to the same optima as their intervals.
    training_flop : ndarray (m,)
        The part of the budget that training takes; the rest serves tokens.
    beyond : tuple of str
        Whether the optimum lies ``within``, ``above``, ``below`` or ``beside`` the data.
    cost, counts : str
        The cost model, and which parameters its N counts.
    loss_method : str
        How the interval of the loss was made.
    rivals : tuple of RivalOptimum
        The optima of the rivals of weight 1 % or more, by falling weight; where the law fixes the exponents, also of
        those of 0.1 % or more that estimate them.
    exponents_fixed : bool
        Whether the law fixes the exponents under C = 6 N D, as one with the same exponent for N and D does: they were
        then not estimated.
    backtest : tuple of str (m,)
        What the back-test says about forecasts as far out as each optimum, or why it says nothing.
    reasons : tuple of str
        Why the split is weak, whatever the fit is.
    untied : Untied, optional
        Where the law fixes the exponents: the optimum by the law that estimates them, to which the intervals of N and D
        reach.

    Notes
    -----
    At one budget ln N and ln D lie on one line, because the cost is fixed: their joint region is the piece of that line
    between the ends of the interval of N, and no wider than it. D is smallest where N is largest.
    """

    compute_flop: Array
    n_params: Array
    n_tokens: Array
    loss: Array
    n_params_interval: Ends
    n_tokens_interval: Ends
    loss_interval: Ends
    level: float
    extrapolation_factor: Array
    edge_share: Array
    method: str
    verdict: str
    tokens_per_param: Array
    tokens_per_param_interval: Ends
    exponent_params: Array
    exponent_params_interval: Ends
    exponent_tokens: Array
    exponent_tokens_interval: Ends
    n_params_band: Ends
    n_tokens_band: Ends
    loss_band: Ends
    training_flop: Array
    beyond: tuple[str, ...]
    cost: str
    counts: str
    loss_method: str = ""
    rivals: tuple[RivalOptimum, ...] = ()
    exponents_fixed: bool = False
    backtest: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    untied: Untied | None = None

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a budget, as the command line prints it."""
        columns: dict[str, Array] = {"compute_flop": self.compute_flop}
        for name in ("n_params", "n_tokens", "tokens_per_param", "loss"):
            columns[name] = getattr(self, name)
            columns[f"{name}_low"], columns[f"{name}_high"] = getattr(self, f"{name}_interval")
        columns |= {"extrapolation_factor": self.extrapolation_factor, "replicates_without_optimum": self.edge_share}
        for name in ("exponent_params", "exponent_tokens"):
            columns[name] = getattr(self, name)
            columns[f"{name}_low"], columns[f"{name}_high"] = getattr(self, f"{name}_interval")
        for name in ("n_params", "n_tokens", "loss"):
            columns[f"{name}_band_low"], columns[f"{name}_band_high"] = getattr(self, f"{name}_band")
        columns["training_flop"] = self.training_flop
        rows: list[dict[str, Any]] = [
            {name: float(values[i]) for name, values in columns.items()} for i in range(len(self.compute_flop))
        ]
        return [
            row
            | {
                "exponents_fixed_by_law": self.exponents_fixed,
                "beyond": self.beyond[i],
                "loss_method": self.loss_method,
                "backtest": self.backtest[i],
                "reasons": list(self.reasons),
                "rivals": self._rivals_at(i),
                "untied": None if self.untied is None else self.untied.row(i),
            }
            for i, row in enumerate(rows)
        ]

    def _rivals_at(self, i: int) -> list[dict[str, Any]]:
        return [
            {"law": r.law, "weight": r.weight}
            | {name: float(getattr(r, name)[i]) for name in ("n_params", "n_tokens", "loss")}
            for r in self.rivals
        ]


def allocate(
    fit: Fit,
    compute_flop: ArrayLike,
    level: float = 0.95,
    force: bool = False,
    cost: CostModel = SIX_N_D,
    untied: Fit | None = None,
) -> Allocation:
    """Find the compute-optimal parameters and tokens.

    Parameters
    ----------
    fit : Fit
        Of a law with the inputs N and D.
    compute_flop : float or array_like (m,)
        Budgets, in the unit of `cost`.
    level : float, default 0.95
        Nominal coverage of the intervals.
    force : bool, default False
        Answer even where the verdict is ``not identified``.
    cost : CostModel, default 6*N*D
        What a budget pays for.
    untied : Fit, optional
        The same rows fitted by a law that estimates exponents which the law of `fit` fixes; see
        `scaling.allocation.ties.fit_untied`.

    Returns
    -------
    Allocation
        Intervals are of the law's own optimum and curve; the scatter of single runs is not in them.

    Raises
    ------
    UsageError
        Where the law is not one of N and D, or a budget is not positive.
    VerdictError
        Where the law is not identified, or has no optimum between the smallest and the largest model; where a budget is
        so large that the loss is the floor to rounding, or buys less than one parameter or one token.

    References
    ----------
    Hoffmann et al. 2022, arXiv:2203.15556.
    """
    surface = Surface.of(fit)
    try:
        budgets = np.atleast_1d(np.asarray(compute_flop, float))
    except (TypeError, ValueError) as error:
        raise UsageError(f"a compute budget is not a number: {error}") from error
    if budgets.ndim != 1 or not budgets.size or not np.all(np.isfinite(budgets)) or not np.all(budgets > 0):
        raise UsageError("compute budgets must be positive numbers, in FLOP")
    check_level(level)
    fit.require_identified(force)
    log_n, log_d, loss = best_split(surface, cost, budgets)
    for i in np.flatnonzero(np.isnan(log_n[0])):
        raise no_split(fit, surface, cost, float(budgets[i]), level)
    slope_n, slope_d = growth(surface, cost, budgets, log_n)
    n, d = np.exp(log_n), np.exp(log_d)
    refuse_fractions(budgets, n[0], d[0])
    reasons = tie_reasons(fit)
    factor, beyond, verdict = reach(fit, n[0], d[0], reasons)

    def ends(values: Array) -> Ends:
        return replicate_interval(values[1:], fit.percentile_level(level))

    freer = [rival for rival in fit.rivals if reasons and _estimates_growth(rival, middle_of(fit))]
    named = sorted(
        (r for r in fit.rivals if r.weight >= (_WORTH_ASKING if r in freer else _WORTH_NAMING)), key=lambda r: -r.weight
    )
    rivals = tuple(_rival_optimum(rival, cost, budgets) for rival in named)
    reached: list[RivalOptimum | Untied] = []
    words = {True: list[str](), False: list[str]()}
    for rival, optimum in zip(named, rivals, strict=True):
        free = rival in freer
        if (free or rival.counts_at(level)) and len(fit.replicates) and np.any(np.isfinite(optimum.n_params)):
            reached.append(optimum)
            words[free].append(f"{rival.law.name} ({format_number(rival.weight, 2)})")

    beside = None if untied is None else _untied(untied, budgets, level, cost)
    method = interval_method(fit)
    if beside is not None and len(fit.replicates):
        reached.append(beside)
        method += f"; stretched to the optimum of {beside.law}, fitted to the same rows"
    kinds = {True: "that estimate the exponents", False: f"of weight {format_number(1 - level, 2)} or more"}
    for free, names in words.items():
        if names:
            method += f"; stretched to the optima of the rivals {kinds[free]}: {', '.join(names)}"
    loss_interval, loss_method = ends(loss), interval_method(fit)
    if fit.backtest is not None or fit.rivals:
        loss_interval, loss_method = curve_interval(fit, n[0], d[0], level)

    low, high = simultaneous_band(np.hstack([log_n, log_d, loss]), level, _widening(fit, level))
    of_n, of_d, of_loss = zip(np.split(low, 3), np.split(high, 3), strict=True)
    best_n, best_d = [r.n_params for r in reached], [r.n_tokens for r in reached]
    of_n, of_d = ((np.exp(low), np.exp(high)) for low, high in (of_n, of_d))
    unknown = np.full(len(budgets), np.nan)
    return Allocation(
        compute_flop=budgets,
        n_params=n[0],
        n_tokens=d[0],
        loss=loss[0],
        n_params_interval=_stretched(ends(n), best_n),
        n_tokens_interval=_stretched(ends(d), best_d),
        loss_interval=loss_interval,
        level=level,
        extrapolation_factor=factor,
        edge_share=np.mean(np.isnan(log_n[1:]), axis=0) if len(fit.replicates) else unknown,
        method=method,
        verdict=verdict,
        tokens_per_param=(d / n)[0],
        tokens_per_param_interval=_stretched(ends(d / n), [r.n_tokens / r.n_params for r in reached]),
        exponent_params=slope_n[0],
        exponent_params_interval=(unknown, unknown) if reasons else ends(slope_n),
        exponent_tokens=slope_d[0],
        exponent_tokens_interval=(unknown, unknown) if reasons else ends(slope_d),
        n_params_band=_stretched(of_n, [*ends(n), *best_n]),
        n_tokens_band=_stretched(of_d, [*ends(d), *best_d]),
        loss_band=_stretched(of_loss, list(ends(loss))),
        training_flop=cost.training_flop(n[0], d[0]),
        beyond=beyond,
        cost=cost.label,
        counts=cost.counts,
        loss_method=loss_method,
        rivals=rivals,
        exponents_fixed=bool(reasons),
        backtest=quoted_backtest(fit, n[0], d[0]),
        reasons=reasons,
        untied=beside,
    )


def curve(
    fit: Fit,
    low: float,
    high: float,
    points: int = 25,
    level: float = 0.95,
    force: bool = False,
    cost: CostModel = SIX_N_D,
    untied: Fit | None = None,
) -> Allocation:
    """Find the compute-optimal models for all budgets between two.

    Parameters
    ----------
    fit : Fit
        Of a law with the inputs N and D.
    low, high : float
        The ends, in the unit of `cost`.
    points : int, default 25
        Budgets, at equal ratios.
    level, force, cost, untied
        As of `allocate`.

    Returns
    -------
    Allocation
        Its bands hold the whole curve at once, its intervals one budget each.

    Raises
    ------
    UsageError
        Where the ends do not make a range, or fewer than 2 points are asked for; and as `allocate`.
    VerdictError
        As `allocate`.
    """
    if not (np.isfinite(low) and np.isfinite(high) and 0 < low < high):
        raise UsageError(
            f"budgets from {format_number(low)} to {format_number(high)} make no range",
            hint="Give two positive numbers, the smaller one first.",
        )
    if points < 2:
        raise UsageError(f"a curve has 2 points or more, not {points}")
    return allocate(fit, np.geomspace(low, high, points), level, force, cost, untied)


def _untied(fit: Fit, budgets: Array, level: float, cost: CostModel) -> Untied:
    best = allocate(fit, budgets, level, True, cost)
    return Untied(
        fit.law.name, fit.verdict, best.n_params, best.n_tokens, best.loss, best.n_params_interval,
        best.n_tokens_interval, best.exponent_params, best.exponent_params_interval,
    )  # fmt: skip


def _estimates_growth(rival: Rival, budget: float) -> bool:
    """Whether a rival is a law of N and D whose exponents the data decide."""
    return set(rival.law.inputs) == {"N", "D"} and fixed_growth(rival.law, rival.estimates, budget) is None


def _rival_optimum(rival: Rival, cost: CostModel, budgets: Array) -> RivalOptimum:
    """Find a rival's own optimum; a law that asks for more than N and D has none."""
    n = d = loss = np.full(len(budgets), np.nan)
    if set(rival.law.inputs) == {"N", "D"}:
        log_n, log_d, losses = best_split(Surface.of_rival(rival), cost, budgets)
        n, d, loss = np.exp(log_n[0]), np.exp(log_d[0]), losses[0]
    return RivalOptimum(rival.law.name, rival.weight, n, d, loss)


def _stretched(span: Ends, others: list[Array]) -> Ends:
    """Let an interval or a band reach to what it may not leave out; one that is unknown (NaN) stays so."""
    low, high = span
    for other in others:
        known = np.isfinite(other)
        low, high = (np.where(known, f(end, other), end) for f, end in ((np.minimum, low), (np.maximum, high)))
    return low, high


def _widening(fit: Fit, level: float) -> float:
    """Return the factor by which replicates spread too little: sqrt(n/(n - p)), or what intervals allow for clusters.

    Few clusters tell their own scatter badly: `Fit.percentile_level` takes the percentiles of one budget further out,
    and the band goes out by as many standard deviations of the normal distribution.
    """
    from scipy.special import ndtri

    clusters = fit.diagnostics.groups
    if clusters and not fit.diagnostics.groups_are_rows:
        # Of two clusters the level rounds to 1, which the normal distribution reaches nowhere.
        tail = max((1 - fit.percentile_level(level)) / 2, np.finfo(float).eps / 4)
        return float(ndtri(tail) / ndtri((1 - level) / 2)) if clusters > 1 else float("nan")
    units, spent = fit.n_obs, len(fit.theta)
    return float(np.sqrt(units / (units - spent))) if units > spent else float("nan")
