"""The power law through the optima of the budgets, and what approach 2 returns."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.approaches.budgets import Refusal
from scaling.fitting.intervals import percentile_interval, t_quantile
from scaling.formatting import format_number, format_percent, format_plural
from scaling.verdicts import NOT_IDENTIFIED, OK, WEAK

Array = NDArray[np.float64]

QUANTITIES = {"N": "parameters", "D": "tokens"}
_LOST = 0.2  # share of the replicates in which a budget, or the line, has no optimum
_SHOWN = 3  # refused budgets that a sentence names; `IsoFlop.rows` has them all
_CHANCE = 0.05  # of a scatter about the line as large, if the errors of the vertices were all there is


@dataclass(frozen=True)
class BudgetOptimum:
    """What the runs of one budget say.

    Parameters
    ----------
    compute_flop : float
        The budget.
    n_rows, n_sizes : int
        Runs, and sizes that differ by more than 1 %.
    smallest, largest : float
        Size of the smallest and of the largest run.
    optimum : float
        Size with the lowest loss; NaN where refused.
    low, high : float
        t interval of the delta method; NaN where the curve leaves no freedom, or for ``akima``.
    log_error : float
        Standard error of ln(optimum).
    curvature : float
        Second derivative of the loss with respect to ln(size), in units of the loss; NaN for ``akima``.
    lost : float
        Share of the bootstrap replicates in which this budget has no optimum.
    refusal : Refusal or None
        ``too_few_sizes``, ``no_single_budget``, ``not_convex`` or ``edge_optimum``.
    """

    compute_flop: float
    n_rows: int
    n_sizes: int
    smallest: float
    largest: float
    optimum: float
    low: float
    high: float
    log_error: float
    curvature: float
    lost: float
    refusal: Refusal | None


@dataclass(frozen=True)
class IsoFlop:
    """Optima of the budgets, and the power law through them: optimum = exp(log_level) (C / C_centre)^exponent.

    Parameters
    ----------
    quantity : {'N', 'D'}
        Whether the sizes are parameters or tokens.
    budgets : tuple of BudgetOptimum
        One a budget, smallest first; those refused included.
    exponent, log_level : float
        Of the power law; NaN where `refusal` is set.
    log_centre : float
        ln of the compute at which `log_level` is.
    vertices : ndarray (m,)
        ln of the optima; NaN where refused.
    line_weights : ndarray (m,)
        What each vertex counts in the line.
    scatter : float
        Variance of a vertex that counts 1; NaN where the runs leave nothing to judge it by.
    vertex_replicates : ndarray (B, m)
        ln of the optima of the bootstrap replicates.
    replicates : ndarray (B, 2)
        Exponent and level of each.
    degrees : int
        Degrees of freedom of the scatter of the runs; 0 where it is not known, as of splines.
    level : float
        Nominal coverage of the intervals.
    widened : float
        Factor by which the intervals of the line are widened, because the vertices scatter about it by more than their
        errors; 1 where they do not.
    method : str
        How the optima and the intervals were made.
    verdict : str
        ``ok``, ``weak`` or ``not identified``.
    reasons : tuple of str
        Why it is not ``ok``.
    refusal : Refusal or None
        ``too_few_budgets``, where there is no power law.
    """

    quantity: str
    budgets: tuple[BudgetOptimum, ...]
    exponent: float
    log_level: float
    log_centre: float
    vertices: Array
    line_weights: Array
    scatter: float
    vertex_replicates: Array
    replicates: Array
    degrees: int
    level: float
    widened: float
    method: str
    verdict: str
    reasons: tuple[str, ...]
    refusal: Refusal | None

    @property
    def compute_flop(self) -> Array:
        """The budgets, shape (m,)."""
        return np.array([budget.compute_flop for budget in self.budgets])

    @property
    def interval_known(self) -> bool:
        """Whether three budgets or more stand behind the line, and replicates behind them."""
        return int(np.isfinite(self.vertices).sum()) >= 3 and len(self.replicates) > 0

    def exponent_interval(self) -> tuple[float, float]:
        """Return the interval of the exponent; NaN where `interval_known` is false."""
        low, high = self._spread(self.replicates[:, :1], np.array([self.exponent]))
        return float(low[0]), float(high[0])

    def at(self, compute_flop: ArrayLike) -> tuple[Array, Array, Array]:
        """Return the optimum at budgets, from the line.

        Parameters
        ----------
        compute_flop : array_like (k,)
            Budgets, FLOP.

        Returns
        -------
        value, low, high : ndarray (k,)
            NaN where there is no line, or no interval of it.
        """
        distance = np.log(np.atleast_1d(np.asarray(compute_flop, float))) - self.log_centre
        value = self.log_level + self.exponent * distance
        low, high = self._spread(self.replicates[:, 1:] + self.replicates[:, :1] * distance, value)
        return np.exp(value), np.exp(low), np.exp(high)

    def _spread(self, replicates: Array, value: Array) -> tuple[Array, Array]:
        if not self.interval_known:
            return np.full(value.shape, np.nan), np.full(value.shape, np.nan)
        factor = self.widened
        if self.degrees > 0:
            factor *= t_quantile(self.level, self.degrees) / t_quantile(self.level, np.inf)
        return percentile_interval(value + (replicates - value) * factor, self.level)

    def rows(self) -> list[dict[str, Any]]:
        """Return one dict a budget, as the command line prints it."""
        return [
            {"quantity": self.quantity}
            | {field.name: getattr(b, field.name) for field in fields(b) if field.name != "refusal"}
            | {"refused": b.refusal.kind if b.refusal else None, "reason": b.refusal.reason if b.refusal else None}
            for b in self.budgets
        ]


def with_line(optima: IsoFlop) -> IsoFlop:
    """Lay the power law through the optima of the budgets, and judge it.

    Parameters
    ----------
    optima : IsoFlop
        Whose vertices, their weights, scatter and replicates are used; the rest is worked out again.

    Returns
    -------
    IsoFlop
    """
    good = np.isfinite(optima.vertices)
    word = QUANTITIES[optima.quantity]
    if good.sum() < 2:
        refused = [b for b in optima.budgets if b.refusal]
        why = f" {_listed(refused)}" if refused else ""
        reason = (
            f"Of {format_plural(len(good), 'budget')} {int(good.sum())} can tell an optimum in {word}, and a power law "
            f"needs two, or three for an interval.{why}"
        )
        return replace(optima, refusal=Refusal("too_few_budgets", reason), reasons=(reason,), verdict=NOT_IDENTIFIED)
    log_c = np.log(optima.compute_flop)
    centre = float(np.average(log_c[good], weights=optima.line_weights[good]))
    line = fit_line(log_c - centre, optima.vertices[None], optima.line_weights)[0]
    lines = fit_line(log_c - centre, optima.vertex_replicates, optima.line_weights)
    widened, reasons = 1.0, []
    residual = optima.vertices - line[1] - line[0] * (log_c - centre)
    degrees = int(good.sum()) - 2
    square = float(np.sum(optima.line_weights[good] * residual[good] ** 2))
    scatter = optima.scatter
    if degrees > 0 and scatter > 0:
        from scipy.special import chdtrc

        if float(chdtrc(degrees, square / scatter)) < _CHANCE:
            widened = float(np.sqrt(square / scatter / degrees))
            reasons.append(
                f"The optima in {word} lie {format_number(widened, 2)} times as far from a power law as their errors "
                "explain; the intervals are widened by that factor."
            )
    if degrees == 0:
        reasons.append("Two budgets determine a power law and leave nothing to judge it by: it has no interval.")
    for budget in optima.budgets:
        if budget.refusal is None and budget.lost > _LOST:
            reasons.append(
                f"At {format_number(budget.compute_flop)} FLOP {format_percent(budget.lost)} of the replicates have no "
                "optimum between the smallest and the largest run; the intervals are of the others."
            )
    if refused := [b for b in optima.budgets if b.refusal]:
        reasons.append(f"{format_plural(len(refused), 'budget')} of {len(good)} left out. {_listed(refused)}")
    return replace(
        optima,
        exponent=float(line[0]),
        log_level=float(line[1]),
        log_centre=centre,
        replicates=lines,
        widened=widened,
        verdict=WEAK if reasons else OK,
        reasons=tuple(reasons),
        refusal=None,
    )


def fit_line(x: Array, y: Array, weights: Array) -> Array:
    """Fit straight lines by weighted least squares.

    Parameters
    ----------
    x : ndarray (m,)
        Where the points are.
    y : ndarray (B, m)
        The points of each line; NaN ones are left out.
    weights : ndarray (m,)
        Of the points.

    Returns
    -------
    ndarray (B, 2)
        Slope, and value at x = 0; NaN where fewer than two points are left.
    """
    w = np.where(np.isfinite(y), np.where(np.isfinite(weights), weights, 0.0), 0.0)
    v = np.where(np.isfinite(y), y, 0.0)
    enough = np.count_nonzero(w, axis=1) >= 2
    total = np.where(enough, w.sum(axis=1), 1.0)
    mean_x, mean_y = w @ x / total, (w * v).sum(axis=1) / total
    away = x - mean_x[:, None]
    spread = np.where(enough, (w * away**2).sum(axis=1), 1.0)
    slope = (w * away * (v - mean_y[:, None])).sum(axis=1) / spread
    lines = np.column_stack([slope, mean_y - slope * mean_x])
    lines[~enough] = np.nan
    return lines


def _listed(refused: list[BudgetOptimum]) -> str:
    texts = [b.refusal.reason for b in refused if b.refusal]
    more = f"; and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    text = "; ".join(texts[:_SHOWN]) + more
    return text[:1].upper() + text[1:] + "."
