"""What can be bought: prices, weights, what is at hand and what is to be had, checked once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_count, format_factor, format_money, format_number, format_percent
from scaling.valuation.collection.filling import Curves, fill_sum, fill_worst
from scaling.valuation.collection.plan import GOALS

if TYPE_CHECKING:
    from scaling.valuation.collection.curves import LearningCurves

Array = NDArray[np.float64]
PerGroup = float | Mapping[str, float]

FILL = {"sum": fill_sum, "worst": fill_worst}
_NEAR_FLOOR = 0.9  # of a loss, above which a group is said to be nearly at its floor
_FAR = 10.0  # times what was measured, beyond which a purchase is said to rest on the form of the curve


@dataclass(frozen=True)
class Market:
    """What can be bought.

    Parameters
    ----------
    groups : tuple of str (G,)
        Names, in their order.
    budget : float
        Money.
    cost, weight, have, available : ndarray (G,)
        As of `CollectionPlan`.
    goal : str
        ``sum`` or ``worst``.
    """

    groups: tuple[str, ...]
    budget: float
    cost: Array
    weight: Array
    have: Array
    available: Array
    goal: str

    def fill(self, curves: Curves) -> Array:
        """Spend the budget for each draw, (R, G)."""
        return FILL[self.goal](curves, self.budget, self.cost, self.have, self.available)

    def outcome(self, curves: Curves, buy: Array) -> Array:
        """Return the goal (R,) after a purchase (G,) or (R, G)."""
        losses = curves.weight * curves.loss(self.have + buy)
        return np.asarray(losses.sum(axis=1) if self.goal == "sum" else losses.max(axis=1))


def read_market(
    curves: LearningCurves, budget: float, cost: PerGroup, goal: str, weights: PerGroup | None,
    have: PerGroup | None, available: PerGroup | None, whole: bool,
) -> Market:  # fmt: skip
    """Check what can be bought; see `scaling.valuation.collection.allocation.allocate_collection`."""
    return market_of(
        tuple(sorted(curves)), {g: curves[g].have for g in curves}, budget, cost, goal, weights, have, available, whole
    )


def market_of(
    groups: tuple[str, ...], most_measured: Mapping[str, float], budget: float, cost: PerGroup, goal: str,
    weights: PerGroup | None, have: PerGroup | None, available: PerGroup | None, whole: bool,
) -> Market:  # fmt: skip
    """Check what can be bought of groups, which have what was measured with unless `have` says otherwise."""
    if goal not in GOALS:
        raise UsageError(f"there is no goal '{goal}' of a collection", hint=did_you_mean(goal, GOALS))
    if not (np.isfinite(budget) and budget > 0):
        raise UsageError(f"a budget of {budget:g} buys nothing; it must be above 0 and finite")
    price = _per_group(cost, groups, "the price", None)
    if np.any(~np.isfinite(price) | (price <= 0)):
        i = int(np.flatnonzero(~np.isfinite(price) | (price <= 0))[0])
        raise UsageError(f"an example of {groups[i]} costs {price[i]:g}; a price must be above 0 and finite")
    weight = _per_group(weights, groups, "the weight", np.ones(len(groups)))
    if np.any(~np.isfinite(weight) | (weight <= 0)):
        i = int(np.flatnonzero(~np.isfinite(weight) | (weight <= 0))[0])
        raise UsageError(f"the loss of {groups[i]} counts {weight[i]:g}; a weight must be above 0 and finite")
    held = _per_group(have, groups, "what is at hand", np.array([most_measured[g] for g in groups]))
    if np.any(~np.isfinite(held) | (held < 1)):
        i = int(np.flatnonzero(~np.isfinite(held) | (held < 1))[0])
        raise UsageError(f"of {groups[i]} {held[i]:g} examples are at hand; a curve begins at 1")
    most = _per_group(available, groups, "what is to be had", np.full(len(groups), np.inf))
    if np.any(np.isnan(most) | (most < 0)):
        i = int(np.flatnonzero(np.isnan(most) | (most < 0))[0])
        raise UsageError(f"of {groups[i]} {most[i]:g} examples are to be had; that must be 0 or more")
    most = np.where(np.isfinite(most), np.floor(most), most) if whole else most
    if not np.any(most > 0):
        raise UsageError("no example of any group is to be had")
    if whole and not np.any((price <= budget) & (most >= 1)):
        raise UsageError(
            f"the budget of {budget:g} buys no single example: the cheapest to be had costs {price[most >= 1].min():g}"
        )
    return Market(groups, float(budget), price, weight, held, most, goal)


def stack(parts: list[Array], weight: Array) -> Curves:
    """Put parameters (R, 3) of each group side by side."""
    table = np.stack(parts, axis=1)
    return Curves(table[..., 0], table[..., 1], table[..., 2], weight)


def _per_group(said: PerGroup | None, groups: tuple[str, ...], what: str, usual: Array | None) -> Array:
    """Read a number of each group."""
    if said is None:
        assert usual is not None
        return usual
    if not isinstance(said, Mapping):
        return np.full(len(groups), float(said))
    if unknown := [name for name in said if name not in groups]:
        raise UsageError(
            f"{what} of '{unknown[0]}' is given, and there is no learning curve of it",
            hint=did_you_mean(str(unknown[0]), groups),
        )
    if usual is None and (missing := [g for g in groups if g not in said]):
        raise InputDataError(
            f"{what} of '{missing[0]}' is not given, so nothing can be said of what to buy",
            hint="Give each group a price, or one price for all.",
        )
    return np.array([float(said[g]) if g in said else float(usual[i]) for i, g in enumerate(groups)])  # type: ignore[index]


def notes_of(market: Market, best: Curves, buy: Array, losses: Array, factor: Array) -> tuple[str, ...]:
    """Say what to know of a purchase (G,): floors, what runs out, and what rests on the form of a curve."""
    notes = []
    weighted = market.weight * best.floor[0]
    if market.goal == "worst":
        top = int(np.argmax(weighted))
        if weighted[top] > 0:
            notes.append(
                f"No purchase takes the worst loss below {format_number(float(weighted[top]), 3)}, the floor of "
                f"{market.groups[top]} under its curve."
            )
        worst = int(np.argmax(market.weight * losses))
        if np.isfinite(market.available[worst]) and buy[worst] >= market.available[worst]:
            notes.append(f"All of {market.groups[worst]} is bought, and it still has the worst loss.")
    for i, group in enumerate(market.groups):
        share = float(best.floor[0, i] / losses[i])
        if share > _NEAR_FLOOR:
            notes.append(
                f"{group} is nearly at its floor: {format_percent(share)} of its loss after the purchase would stay "
                "whatever is bought."
            )
    left = market.budget - float(market.cost @ buy)
    if left > 1e-6 * market.budget and np.all(buy >= market.available):
        notes.append(f"Everything that is to be had is bought, and {format_money(left)} of the money is left.")
    far = int(np.argmax(factor))
    measured = format_count(float((market.have + buy)[far] / factor[far]))
    if factor[far] > _FAR:
        notes.append(
            f"{market.groups[far]} is taken {format_factor(float(factor[far]))} beyond the {measured} examples that it "
            "was measured with, which rests on the form of its curve. Buy in rounds."
        )
    return tuple(notes)
