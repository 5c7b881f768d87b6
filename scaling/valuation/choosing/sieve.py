"""Selection in one pass: many thresholds at once, each keeping what gains enough for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from scaling.valuation.choosing.constraints import Constraint
from scaling.valuation.choosing.greedy import Run, eager, lazy
from scaling.valuation.objective import Array, Indices, Objective

_LARGEST = 4096  # candidates scored at a time by a threshold that takes few of them


@dataclass(eq=False)
class Threshold:
    """The set that one guess of the optimum keeps.

    Parameters
    ----------
    guess : float
        Of the optimum's value.
    objective : Objective
        With the set that was kept so far.
    """

    guess: float
    objective: Objective
    step: int = field(default=16)

    def needed(self, k: int) -> float:
        """Gain that a candidate needs now: its share of what is missing to half of the guess."""
        return (self.guess / 2 - self.objective.value) / (k - len(self.objective.chosen))

    def pass_over(self, candidates: Indices, k: int) -> int:
        """Offer candidates in their order, as if one by one; returns how many gains were evaluated."""
        at = evaluated = 0
        while at < len(candidates) and len(self.objective.chosen) < k:
            block = candidates[at : at + self.step]
            gains = self.objective.gains(block)
            evaluated += len(block)
            enough = np.flatnonzero(gains >= self.needed(k))
            if enough.size:
                self.objective.add(int(block[enough[0]]))
                at += int(enough[0]) + 1
                self.step = max(self.step // 2, 1)
            else:
                at += len(block)
                self.step = min(self.step * 2, _LARGEST)
        return evaluated


@dataclass(eq=False)
class Sieve:
    """All thresholds of a pass.

    Parameters
    ----------
    empty : Objective
        With the empty set.
    k : int
        Most members.
    epsilon : float
        Step of the thresholds: each is ``1 + epsilon`` times the one below it.

    Notes
    -----
    Where f is monotone and submodular, the best of the sets has at least ``1/2 - epsilon`` of the optimum, and
    O(k log(k) / epsilon) candidates are kept at a time (Badanidiyuru, Mirzasoleiman, Karbasi and Krause 2014).
    """

    empty: Objective
    k: int
    epsilon: float
    thresholds: dict[int, Threshold] = field(default_factory=dict)
    largest: float = 0.0
    evaluations: int = 0

    def offer(self, candidates: Indices) -> None:
        """Offer candidates, in their order."""
        alone = self.empty.gains(candidates)
        self.evaluations += len(candidates)
        self.largest = max(self.largest, float(alone.max(initial=0.0)))
        for power in list(self._powers()):
            if power not in self.thresholds:
                self.thresholds[power] = Threshold((1 + self.epsilon) ** power, self.empty.fresh())
        low = math.log(self.largest) / math.log1p(self.epsilon) if self.largest > 0 else -math.inf
        for power in [p for p in self.thresholds if p < low - 1e-9]:
            del self.thresholds[power]  # the optimum is at least the largest gain of one candidate
        for threshold in self.thresholds.values():
            self.evaluations += threshold.pass_over(candidates, self.k)

    def move(self, empty: Objective, places: dict[int, int]) -> None:
        """Go on with another objective of the same f, in which candidates that are held have new numbers."""
        self.empty = empty
        for threshold in self.thresholds.values():
            members = [places[index] for index in threshold.objective.chosen]
            threshold.objective = empty.fresh()
            threshold.objective.extend(members)

    def kept(self) -> Indices:
        """Return the candidates that any threshold holds, in increasing order."""
        held = {index for threshold in self.thresholds.values() for index in threshold.objective.chosen}
        return np.array(sorted(held), dtype=np.intp)

    def best(self) -> Objective | None:
        """Return the set of the largest value; of the lowest threshold where several have it."""
        found = [self.thresholds[power].objective for power in sorted(self.thresholds)]
        return max(found, key=lambda objective: objective.value, default=None)

    def _powers(self) -> Iterator[int]:
        """Return the thresholds that the optimum can be near: from the largest single gain to k times it."""
        if self.largest <= 0:
            return iter(())
        base = math.log1p(self.epsilon)
        low = math.ceil(math.log(self.largest) / base - 1e-9)
        high = math.floor(math.log(2 * self.k * self.largest) / base + 1e-9)
        return iter(range(low, high + 1))


def blocks(n: int, size: int = _LARGEST) -> Iterator[Indices]:
    """Return candidates 0..n-1 in blocks, in their order."""
    for start in range(0, n, size):
        yield np.arange(start, min(start + size, n))


def sieve(empty: Objective, k: int, epsilon: float, progress: Callable[[int, int], None] | None = None) -> Sieve:
    """Pass once over all candidates of an objective."""
    made = Sieve(empty, k, epsilon)
    for block in blocks(empty.n):
        made.offer(block)
        if progress is not None:
            progress(int(block[-1]) + 1, empty.n)
    return made


def among_kept(empty: Objective, kept: Indices, best: Indices, k: int) -> tuple[Indices, int]:
    """Return the better of the best threshold's set, filled up, and a greedy set of all that was kept.

    Returns
    -------
    ndarray of int, int
        The set, and the number of gains that were evaluated.
    """
    filled = empty.fresh()
    filled.extend(best)
    waiting, evaluations = kept[~np.isin(kept, best)], 0
    while waiting.size and len(filled.chosen) < k:
        gains: Array = filled.gains(waiting)
        evaluations += len(waiting)
        at = int(np.argmax(gains))
        filled.add(int(waiting[at]))
        waiting = np.delete(waiting, at)
    if not kept.size:
        return kept, evaluations
    run = Run(empty.among(kept), Constraint(len(kept), min(k, len(kept))))
    (lazy if empty.guarantee.lazy else eager)(run)
    evaluations += run.evaluations
    greedy = kept[run.objective.chosen]
    better = empty.evaluate(greedy) > empty.evaluate(filled.chosen)
    return (greedy if better else np.array(filled.chosen, dtype=np.intp)), evaluations
