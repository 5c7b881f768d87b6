"""What a collection budget buys: how many examples of each group, what comes of it, and what plainer splits give."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.formatting import (
    format_count,
    format_count_interval,
    format_factor,
    format_interval,
    format_money,
    format_number,
    format_percent,
)
from scaling.serial import plain

Array = NDArray[np.float64]

GOALS = {"sum": "the weighted sum of the losses", "worst": "the worst loss"}


@dataclass(frozen=True)
class Split:
    """A plainer way to spend the same budget.

    Parameters
    ----------
    name : str
        ``uniform``, as many examples of each group, or ``proportional``, in proportion to what is at hand.
    buy : ndarray (G,)
        Examples of each group.
    outcome : float
        Of the goal.
    better, low, high : float
        By how much the plan's outcome is lower, with an interval from the curves' replicates.
    """

    name: str
    buy: Array
    outcome: float
    better: float
    low: float
    high: float

    @property
    def told_apart(self) -> bool:
        """Whether the interval of the difference leaves 0 out."""
        return bool(self.low > 0)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "name": self.name, "buy": self.buy.tolist(), "outcome": self.outcome, "better": self.better,
            "better_low": self.low, "better_high": self.high, "told_apart": self.told_apart,
        }  # fmt: skip

    def sentence(self, level: float) -> str:
        """Say how much better the plan is."""
        interval = f"{format_percent(level, 3)} interval {format_interval(self.low, self.high)}"
        by = f"{format_number(self.better, 3)} ({interval})"
        if np.isnan(self.low):
            return f"{self.name}: the plan is better by {format_number(self.better, 3)}; without replicates no interval"
        if self.told_apart:
            return f"{self.name}: the plan is better by {by}"
        return f"{self.name}: not told apart from the plan, which is better by {by}"


@dataclass(frozen=True)
class CollectionPlan:
    """A collection budget spent on groups.

    Parameters
    ----------
    groups : tuple of str (G,)
        Names.
    goal : str
        One of `GOALS`.
    budget, spent : float
        Money given, and spent.
    cost, weight, have, available : ndarray (G,)
        Price of an example, weight of the loss, examples at hand, and to be had.
    buy, buy_low, buy_high : ndarray (G,)
        Examples to buy, and the interval of the best purchase over the curves' replicates.
    loss_now, loss_after, loss_low, loss_high : ndarray (G,)
        Loss of each group by its curve before and after, the latter with its interval.
    outcome_now, outcome, outcome_low, outcome_high : float
        The same of the goal.
    gain_low, gain_high : float
        Interval of what the goal falls by.
    price : ndarray (G,)
        What the goal's loss falls by with the next unit of money in each group; under ``worst`` 0 in those that do not
        have the worst loss.
    floor : ndarray (G,)
        Of the curves.
    factor : ndarray (G,)
        How far the purchase takes a group beyond the largest size that was measured.
    splits : tuple of Split
        Plainer ways.
    level : float
        Nominal coverage.
    draws : int
        Replicates behind the intervals.
    verdict : str
        The worst of the curves'.
    notes : tuple of str
        What to know, in sentences.
    """

    groups: tuple[str, ...]
    goal: str
    budget: float
    spent: float
    cost: Array
    weight: Array
    have: Array
    available: Array
    buy: Array
    buy_low: Array
    buy_high: Array
    loss_now: Array
    loss_after: Array
    loss_low: Array
    loss_high: Array
    outcome_now: float
    outcome: float
    outcome_low: float
    outcome_high: float
    gain_low: float
    gain_high: float
    price: Array
    floor: Array
    factor: Array
    splits: tuple[Split, ...]
    level: float
    draws: int
    verdict: str
    notes: tuple[str, ...]

    @property
    def gain(self) -> float:
        """What the goal falls by."""
        return self.outcome_now - self.outcome

    def rows(self) -> list[dict[str, Any]]:
        """Return one row a group, as plain data."""
        names = (
            "have", "buy", "buy_low", "buy_high", "cost", "weight", "available", "loss_now", "loss_after", "loss_low",
            "loss_high", "floor", "factor", "price",
        )  # fmt: skip
        table = {name: getattr(self, name).tolist() for name in names}
        spend = (self.buy * self.cost).tolist()
        return [
            {"group": group, "spend": spend[i]} | {name: plain(values[i]) for name, values in table.items()}
            for i, group in enumerate(self.groups)
        ]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        own = (
            "goal", "budget", "spent", "outcome_now", "outcome", "outcome_low", "outcome_high", "gain", "gain_low",
            "gain_high", "level", "draws", "verdict",
        )  # fmt: skip
        table = {name: plain(getattr(self, name)) for name in own}
        splits = [plain(split.to_dict()) for split in self.splits]
        return {**table, "groups": self.rows(), "splits": splits, "notes": list(self.notes)}

    def __repr__(self) -> str:
        level = format_percent(self.level, 3)
        lines = [f"{format_money(self.budget)} of money for {GOALS[self.goal]}: {format_money(self.spent)} spent"]
        for i, group in enumerate(self.groups):
            ends = format_count_interval(float(self.buy_low[i]), float(self.buy_high[i]))
            after = format_interval(float(self.loss_low[i]), float(self.loss_high[i]))
            each = format_money(float(self.cost[i]))
            lines.append(
                f"  {group}: buy {format_count(float(self.buy[i]))} ({ends}) at {each} each,"
                f" to {format_count(float(self.have[i] + self.buy[i]))} in all ({format_factor(float(self.factor[i]))} "
                f"of what was measured); loss {format_number(float(self.loss_now[i]))} to "
                f"{format_number(float(self.loss_after[i]))} ({after})"
            )
        ends = format_interval(self.outcome_low, self.outcome_high)
        lines.append(
            f"{GOALS[self.goal]}: {format_number(self.outcome_now)} to {format_number(self.outcome)} "
            f"({level} interval {ends})"
        )
        lines += [f"  {split.sentence(self.level)}" for split in self.splits]
        lines += [f"  note: {note}" for note in self.notes]
        return "\n".join([*lines, f"verdict: {self.verdict}"])
