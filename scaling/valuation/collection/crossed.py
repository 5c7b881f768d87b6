"""Spend a collection budget on groups that also learn from each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.formatting import format_count, format_number, format_percent
from scaling.valuation.collection.cross import CrossEffects
from scaling.valuation.collection.filling import fill_sum, fill_worst
from scaling.valuation.collection.market import Market, PerGroup, market_of, stack
from scaling.valuation.collection.plan import GOALS

Array = NDArray[np.float64]

_EXCHANGES = 20000
_EXACT = 1e-10  # of the gain that the bound may leave open
_HALVINGS = 80


@dataclass(frozen=True)
class CrossedPlan:
    """A budget spent where examples of one group help others too.

    Parameters
    ----------
    groups : tuple of str (G,)
        Names.
    goal : str
        ``sum`` or ``worst``.
    buy : ndarray (G,)
        Examples of each, not rounded.
    outcome_now, outcome : float
        Of the goal, before and after.
    gap : float
        The best purchase lowers the goal by no more than this beyond the plan.
    alone : float
        Outcome of the plan that takes every group for itself.
    spent : float
        Money.
    """

    groups: tuple[str, ...]
    goal: str
    buy: Array
    outcome_now: float
    outcome: float
    gap: float
    alone: float
    spent: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        buy = dict(zip(self.groups, self.buy.tolist(), strict=True))
        names = ("goal", "outcome_now", "outcome", "gap", "alone", "spent")
        return {name: getattr(self, name) for name in names} | {"buy": buy}

    def __repr__(self) -> str:
        bought = ", ".join(f"{g} {format_count(float(n))}" for g, n in zip(self.groups, self.buy, strict=True))
        share = max(self.alone - self.outcome, 0.0) / max(self.outcome_now - self.outcome, 1e-300)
        return (
            f"buy {bought}: {GOALS[self.goal]} {format_number(self.outcome_now)} to {format_number(self.outcome)} "
            f"(the best is at most {format_number(self.gap, 2)} lower); taking every group for itself forgoes "
            f"{format_percent(share)} of that"
        )


def allocate_crossed(
    effects: CrossEffects,
    budget: float,
    *,
    cost: PerGroup = 1.0,
    goal: str = "sum",
    weights: PerGroup | None = None,
    have: PerGroup | None = None,
    available: PerGroup | None = None,
    force: bool = False,
) -> CrossedPlan:
    """Say how many examples of each group to buy, where examples of one help others too.

    Parameters
    ----------
    effects : CrossEffects
        The curves and what examples are worth to other groups; pairs that are not identified count as worth nothing.
    budget, cost, goal, weights, available, force
        As of `allocate_collection`.
    have : float or mapping of str to float, optional
        Examples at hand; the most that a run trained on where missing.

    Returns
    -------
    CrossedPlan
        For ``sum`` by exchanges of money between two groups, each along its exact optimum, until a bound by the slopes
        says that nothing is left; for ``worst`` by a linear program at every level.

    Raises
    ------
    UsageError, InputDataError
        As `allocate_collection`.
    VerdictError
        For a curve that is not identified.
    """
    for group in effects.groups:
        effects.fits[group].require_identified(force)
    most = dict(zip(effects.groups, effects.have.tolist(), strict=True))
    market = market_of(effects.groups, most, budget, cost, goal, weights, have, available, False)
    solver = _Crossed(market, effects.parameters, effects.shares)
    buy = solver.best_sum() if goal == "sum" else solver.best_worst()
    curves = stack([row[None] for row in effects.parameters], market.weight)
    fill = fill_sum if goal == "sum" else fill_worst
    # Taken for itself, a group has what others gave it so far, and nothing more from what is bought of them.
    own = fill(curves, market.budget, market.cost, solver.mix @ market.have, market.available)[0]
    gap = solver.gap(buy) if goal == "sum" else 0.0
    return CrossedPlan(
        market.groups, goal, buy, solver.goal(np.zeros(len(buy))), solver.goal(buy), gap, solver.goal(own),
        float(market.cost @ buy),
    )  # fmt: skip


@dataclass(frozen=True)
class _Crossed:
    """The problem: losses E + A m^-alpha at m = mix (have + buy)."""

    market: Market
    parameters: Array
    mix: Array

    def losses(self, buy: Array) -> Array:
        floor, size, alpha = self.parameters.T
        return np.asarray(self.market.weight * (floor + size * (self.mix @ (self.market.have + buy)) ** -alpha))

    def goal(self, buy: Array) -> float:
        losses = self.losses(buy)
        return float(losses.sum() if self.market.goal == "sum" else losses.max())

    def worth(self, buy: Array) -> Array:
        """What the sum falls by with the next unit of money in each group."""
        _, size, alpha = self.parameters.T
        own = self.market.weight * alpha * size * (self.mix @ (self.market.have + buy)) ** (-alpha - 1)
        return np.asarray(own @ self.mix / self.market.cost)

    def gap(self, buy: Array) -> float:
        """Bound what any purchase lowers the sum by beyond this one: it is convex, so its slopes bound it."""
        worth, left = self.worth(buy), self.market.budget
        best = np.zeros(len(buy))
        for i in np.argsort(-worth):
            best[i] = min(left, self.market.available[i] * self.market.cost[i])
            left -= best[i]
        return max(float(worth @ (best - buy * self.market.cost)), 0.0)

    def best_sum(self) -> Array:
        market = self.market
        top = market.available * market.cost
        money = np.zeros(len(top))
        left = market.budget
        for i in np.argsort(-self.worth(money)):  # any purchase will do to begin with
            money[i] = min(left, top[i])
            left -= money[i]
        now = self.goal(np.zeros(len(top)))
        for _ in range(_EXCHANGES):
            buy = money / market.cost
            if self.gap(buy) <= _EXACT * max(now - self.goal(buy), 1e-300):
                break
            worth = self.worth(buy)
            up = int(np.argmax(np.where(money < top, worth, -np.inf)))
            down = int(np.argmin(np.where(money > 0, worth, np.inf)))
            if worth[up] <= worth[down]:
                break
            money = self._exchange(money, up, down, min(money[down], top[up] - money[up]))
        return np.asarray(money / market.cost)

    def _exchange(self, money: Array, up: int, down: int, most: float) -> Array:
        """Move money from one group to another until both are worth the same."""
        move = np.zeros(len(money))
        move[up], move[down] = 1.0, -1.0

        def better(step: float) -> bool:
            worth = self.worth(np.maximum(money + step * move, 0.0) / self.market.cost)
            return bool(worth[up] > worth[down])

        low, high = 0.0, most
        if better(most):
            low = most
        else:
            for _ in range(_HALVINGS):
                middle = (low + high) / 2
                low, high = (middle, high) if better(middle) else (low, middle)
        out = money + low * move
        out[down] = 0.0 if low == most and most == money[down] else max(out[down], 0.0)
        return np.asarray(out)

    def best_worst(self) -> Array:
        from scipy.optimize import linprog

        market = self.market
        floor, size, alpha = self.parameters.T
        before = self.mix @ market.have
        bounds = [(0.0, float(top) if np.isfinite(top) else None) for top in market.available]

        def cheapest(level: float) -> Array | None:
            room = level / market.weight - floor
            if np.any(room <= 0):
                return None
            need = np.maximum((size / room) ** (1 / alpha) - before, 0.0)
            scale = max(float(need.max()), 1.0)
            found = linprog(
                market.cost, A_ub=-self.mix, b_ub=-need / scale, bounds=[(a, b and b / scale) for a, b in bounds]
            )
            if found.status != 0:
                return None
            buy = np.asarray(found.x, float) * scale
            return buy if float(market.cost @ buy) <= market.budget * (1 + 1e-12) else None

        low, high = 0.0, self.goal(np.zeros(len(before)))
        best = np.zeros(len(before))
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            made = cheapest(middle)
            if made is None:
                low = middle
            else:
                high, best = middle, made
            if high - low <= 1e-12 * high:
                break
        return best
