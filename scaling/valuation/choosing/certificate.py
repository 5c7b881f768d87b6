"""What is certain of a set once it is chosen: a bound of the optimum from the gains that were seen on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from scaling.formatting import format_number, format_percent, format_plural
from scaling.valuation.choosing.constraints import Constraint
from scaling.valuation.objective import Array, Objective

_LOOKS = 33  # prefixes at which the bound is computed: it changes slowly, and sorting n gains is not free


@dataclass(frozen=True)
class Certificate:
    """A lower bound of a set's share of the optimum, that holds for these data.

    Parameters
    ----------
    share : float or None
        The set has at least this share of the largest value; None where nothing is certain, or values are below zero.
    value : float
        Of the set, in the objective's units.
    upper : float or None
        No set that may be chosen has a larger value.
    prefix : int or None
        Members of the prefix whose gains give the smallest bound; None where fractional sets give a smaller one.
    why : str
        What it rests on, or why there is none.
    score, score_upper, score_share : float or None
        The same in the units that people are told, such as a Vendi score.

    Notes
    -----
    For a monotone submodular f, any optimum O and any prefix A, ``f(O) <= f(O + A) <= f(A) + sum_{o in O} f(o|A)``: the
    largest sum of gains at A over sets that may be chosen bounds the right side (Minoux 1978). Under weak
    submodularity gains are divided by its ratio. With a budget of costs the sum is that of the fractional knapsack.
    """

    share: float | None
    value: float
    upper: float | None
    prefix: int | None
    why: str
    score: float | None = None
    score_upper: float | None = None
    score_share: float | None = None

    def __str__(self) -> str:
        if self.share is None and self.score_share is not None:
            return (
                f"a score of at least {format_percent(_down(self.score_share), 3)} of the largest, which is at most "
                f"{format_number(self.score_upper)} (fractional sets)"
            )
        if self.share is None:
            return f"none: {self.why}"
        basis = "fractional sets" if self.prefix is None else f"gains after {format_plural(self.prefix, 'member')}"
        said = (
            f"at least {format_percent(_down(self.share), 3)} of the optimum, which is at most "
            f"{format_number(self.upper)} ({basis})"
        )
        if self.score_share is not None:
            said += (
                f"; a score of at least {format_percent(_down(self.score_share), 3)} of the largest, which is at most "
                f"{format_number(self.score_upper)}"
            )
        return said

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "share": self.share,
            "value": self.value,
            "upper": self.upper,
            "prefix": self.prefix,
            "score": self.score,
            "score_upper": self.score_upper,
            "score_share": self.score_share,
            "why": self.why,
        }


class UpperBound:
    """The smallest bound of the optimum among the prefixes that were looked at.

    Parameters
    ----------
    objective : Objective
        Whose guarantee and error are used.
    constraint : Constraint
        What sets have to keep to.
    wanted : bool, default True
        Whether there is to be a certificate at all.
    """

    def __init__(self, objective: Objective, constraint: Constraint, *, wanted: bool = True) -> None:
        self.constraint = constraint
        self.value = math.inf
        self.prefix: int | None = None
        self.relaxed = False
        self.wanted = wanted
        self.most = constraint.most
        self._due = set(np.linspace(0, self.most, min(_LOOKS, self.most + 1)).astype(int).tolist())
        guarantee = objective.guarantee
        if guarantee.kind == "none":
            self.why_not = "gains of this objective can grow as the set does, so they bound nothing"
        elif not guarantee.monotone:
            self.why_not = "this objective is not monotone, so the optimum may lose by what was chosen"
        elif not wanted:
            self.why_not = "it was not asked for"
        else:
            self.why_not = ""

    def due(self, objective: Objective) -> bool:
        """Whether the set that was chosen so far is one to look at."""
        size = len(objective.chosen)
        reach = objective.monotone_to
        return not self.why_not and size in self._due and (size == 0 or reach is None or size + self.most <= reach)

    def look(self, objective: Objective, keys: Array) -> None:
        """Take note of upper bounds of all later gains, shape (n,), at the set that was chosen so far."""
        if not self.due(objective):
            return
        self._note(objective, keys)

    def finish(self, objective: Objective, keys: Array) -> None:
        """Take note of bounds at a finished set, whatever its size."""
        reach = objective.monotone_to
        if not self.why_not and (reach is None or len(objective.chosen) + self.most <= reach):
            self._note(objective, keys)

    def relax(self, objective: Objective) -> None:
        """Take note of what an objective knows of the optimum apart from gains."""
        if not self.wanted:
            return
        found = objective.relaxed_bound(self.constraint.largest)
        if found is not None and math.isfinite(found) and found < self.value:
            self.value, self.prefix, self.relaxed = found, None, True

    def _note(self, objective: Objective, keys: Array) -> None:
        worth = np.array(keys, dtype=np.float64)
        worth += objective.error / objective.guarantee.ratio
        worth[objective.chosen] = -math.inf
        if np.isnan(worth).any():
            return
        size = len(objective.chosen)
        self.offer(objective.value + size * objective.error + self.constraint.largest_sum(worth), size)

    def offer(self, value: float, size: int) -> None:
        """Take note of a bound of the optimum, from gains at a prefix of some size."""
        if value < self.value:
            self.value, self.prefix = value, size

    def _none(self, value: float) -> Certificate:
        return Certificate(None, value, None, None, self.why_not or "no gains of all candidates were seen")

    def certificate(self, objective: Objective) -> Certificate:
        """Return what is certain of the set that an objective holds."""
        value, size = objective.value, len(objective.chosen)
        if not math.isfinite(self.value):
            return self._none(value)
        upper = max(self.value, value)
        low = value - size * objective.error
        share: float | None = 1.0 if upper <= 0 else min(1.0, max(0.0, low / upper))
        score = upper_score = score_share = None
        if self.constraint.costs is None and size == self.constraint.k:
            score, upper_score = objective.score_at(low, size), objective.score_at(upper, size)
            if score is not None and upper_score is not None and upper_score > 0:
                score_share = min(1.0, max(0.0, score / upper_score))
        if self.relaxed and value < 0:  # a share of what is below zero means nothing; that of a score may
            if score_share is None:
                return self._none(value)
            share = None
        why = "gains shrink as the set grows, and no member takes value away"
        if self.relaxed:
            why = "the objective is concave over fractional sets, and no set is above a tangent of it"
        elif objective.guarantee.kind == "weak":
            why = f"gains grow by no more than a factor of {format_number(1 / objective.guarantee.ratio, 3)}, and no "
            why += "member takes value away"
        return Certificate(share, value, upper, self.prefix, why, score, upper_score, score_share)


def _down(share: float) -> float:
    """Round a share down to a tenth of a percent: a lower bound that is rounded up is none."""
    return math.floor(share * 1000 + 1e-9) / 1000
