"""Buy data in rounds: after each, new sizes are measured, the curves fitted again, and the rest is spent anew."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.fitting.checks import whole as check_whole
from scaling.formatting import format_count, format_interval, format_money, format_number, format_plural
from scaling.valuation.collection.allocation import allocate_collection
from scaling.valuation.collection.curves import LearningCurves, learning_curves
from scaling.valuation.collection.market import PerGroup
from scaling.valuation.collection.plan import GOALS, CollectionPlan
from scaling.valuation.collection.rows import ALL

Array = NDArray[np.float64]
#: What was measured with so many examples of a group.
Observe = Callable[[str, float], float]


@dataclass(frozen=True)
class Round:
    """One round of buying.

    Parameters
    ----------
    plan : CollectionPlan
        What was bought, by the curves known before it.
    observed : dict of str to (float, float)
        By group: examples at hand after it, and what was measured with them; empty for a last round.
    """

    plan: CollectionPlan
    observed: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Rounds:
    """A budget spent in rounds.

    Parameters
    ----------
    rounds : tuple of Round
        Those that were bought.
    have : dict of str to float
        Examples of each group at the end.
    spent, budget : float
        Money.
    curves : LearningCurves
        Fitted to all that was measured.
    stopped : str
        Why money was left, in words; empty where all rounds were bought.
    goal : str
        As of `allocate_collection`.
    """

    rounds: tuple[Round, ...]
    have: dict[str, float]
    spent: float
    budget: float
    curves: LearningCurves
    stopped: str
    goal: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        rounds = [
            {"plan": one.plan.to_dict(), "observed": {g: list(pair) for g, pair in one.observed.items()}}
            for one in self.rounds
        ]
        return {
            "goal": self.goal, "budget": self.budget, "spent": self.spent, "have": dict(self.have),
            "stopped": self.stopped, "rounds": rounds, "curves": self.curves.to_dict(),
        }  # fmt: skip

    def __repr__(self) -> str:
        lines = [
            f"{format_money(self.spent)} of {format_money(self.budget)} spent in "
            f"{format_plural(len(self.rounds), 'round')}, for {GOALS[self.goal]}"
        ]
        for i, one in enumerate(self.rounds, start=1):
            bought = ", ".join(
                f"{g} {format_count(float(n))}" for g, n in zip(one.plan.groups, one.plan.buy, strict=True) if n
            )
            gain = f"{format_number(one.plan.gain, 3)} ({format_interval(one.plan.gain_low, one.plan.gain_high)})"
            lines.append(f"  round {i}: {bought}; expected gain {gain}")
        return "\n".join([*lines, *([self.stopped] if self.stopped else [])])


def collect_in_rounds(
    n_examples: ArrayLike,
    error_or_loss: ArrayLike,
    group: Sequence[Any] | None,
    budget: float,
    observe: Observe,
    *,
    rounds: int = 3,
    cost: PerGroup = 1.0,
    goal: str = "sum",
    weights: PerGroup | None = None,
    have: PerGroup | None = None,
    available: PerGroup | None = None,
    least_gain: float = 0.0,
    law: str = "power_floor",
    pool: bool = False,
    bootstrap: int = 200,
    level: float = 0.9,
    seed: int = 0,
    force: bool = False,
) -> Rounds:
    """Spend a collection budget in rounds of equal money.

    Parameters
    ----------
    n_examples, error_or_loss, group
        What is measured so far, as of `learning_curves`.
    budget : float
        Money of all rounds together.
    observe : callable
        Given a group and how many examples of it are at hand, what was measured with them; asked after each round for
        every group that was bought.
    rounds : int, default 3
        How many.
    cost, goal, weights, have, available, level, force
        As of `allocate_collection`; `available` counts what is to be had in all rounds.
    least_gain : float, default 0.0
        Stop before a round whose money would lower the goal by less than this, even by the upper end of the interval
        (by the estimate, without replicates).
    law, pool, bootstrap, seed
        As of `learning_curves`.

    Returns
    -------
    Rounds

    Raises
    ------
    UsageError, InputDataError, VerdictError
        As `learning_curves` and `allocate_collection`; for a round whose outcome is no number.
    """
    if (rounds := check_whole(rounds, "the number of rounds")) < 1:
        raise UsageError("there must be one round at least")
    if not least_gain >= 0:
        raise UsageError(f"the least gain is {least_gain:g}; it must be 0 or more")
    x, y = (
        np.atleast_1d(np.asarray(n_examples, float)).tolist(),
        np.atleast_1d(np.asarray(error_or_loss, float)).tolist(),
    )
    labels = [ALL] * len(x) if group is None else [str(g) for g in group]

    def fitted() -> LearningCurves:
        return learning_curves(x, y, labels, law=law, pool=pool, bootstrap=bootstrap, seed=seed)

    curves = fitted()
    held = _start(have, curves)
    left = None if available is None else {g: _of(available, g, np.inf) for g in curves}
    made: list[Round] = []
    money, stopped = float(budget), ""
    for i in range(rounds):
        plan = allocate_collection(
            curves, money / (rounds - i), cost=cost, goal=goal, weights=weights, have=held, available=left, level=level,
            force=force,
        )  # fmt: skip
        upper = plan.gain_high if np.isfinite(plan.gain_high) else plan.gain
        if upper < least_gain:
            stopped = (
                f"stopped before round {i + 1}: its money would lower {GOALS[goal]} by "
                f"{format_number(plan.gain, 3)}, and by {format_number(upper, 3)} at most, less than the "
                f"{format_number(least_gain, 3)} asked for"
            )
            break
        held = {g: held[g] + float(n) for g, n in zip(plan.groups, plan.buy, strict=True)}
        if left is not None:
            left = {g: left[g] - float(n) for g, n in zip(plan.groups, plan.buy, strict=True)}
        money -= plan.spent
        seen = {g: (held[g], _seen(observe, g, held[g])) for g, n in zip(plan.groups, plan.buy, strict=True) if n > 0}
        for g, (size, value) in seen.items():
            x.append(size)
            y.append(value)
            labels.append(g)
        made.append(Round(plan, seen))
        curves = fitted()
        if left is not None and not any(n >= 1 for n in left.values()):
            break
    return Rounds(tuple(made), held, float(budget) - money, float(budget), curves, stopped, goal)


def _start(have: PerGroup | None, curves: LearningCurves) -> dict[str, float]:
    return {g: _of(have, g, curves[g].have) for g in curves}


def _of(said: PerGroup | None, group: str, usual: float) -> float:
    if said is None:
        return float(usual)
    return float(said.get(group, usual)) if isinstance(said, Mapping) else float(said)


def _seen(observe: Observe, group: str, size: float) -> float:
    value = float(observe(group, size))
    if not (np.isfinite(value) and value > 0):
        raise InputDataError(
            f"with {size:g} examples of {group}, {value:g} was observed, which no curve can be fitted to"
        )
    return value
