"""Greedy selection: all candidates at each step, or only those that an earlier gain does not rule out."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from scaling.errors import InputDataError
from scaling.formatting import format_plural
from scaling.valuation.choosing.certificate import UpperBound
from scaling.valuation.choosing.constraints import Constraint, Mask
from scaling.valuation.objective import Array, Indices, Objective

Progress = Callable[[int, int], None]
_BATCH = 16  # candidates that a lazy step evaluates first; doubled until no other can win
_ROUNDING = 1e-12  # of the largest first gain: gains that differ by less are the same but for rounding
_FINALISTS = 64  # near ties that are evaluated without approximation, at most


class Run:
    """A selection in progress.

    Parameters
    ----------
    objective : Objective
        With the empty set, or with the members that are there already.
    constraint : Constraint
        What the set has to keep to.
    price : ndarray (n,), optional
        Divisor of gains: the candidate with the most gain for its price is taken.
    upper : UpperBound, optional
        Told of all gains that are seen.
    progress : callable, optional
        Called with the members so far and those to come.
    """

    def __init__(
        self,
        objective: Objective,
        constraint: Constraint,
        *,
        price: Array | None = None,
        upper: UpperBound | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.objective = objective
        self.constraint = constraint
        self.room = constraint.room(objective.chosen)
        self.price = price
        self.upper = upper
        self.progress = progress
        self.gains: list[float] = []
        self.evaluations = 0
        self.margin = 0.0
        self.ended = ""

    def evaluate(self, candidates: Indices | None = None) -> Array:
        """Return gains of some candidates, or of all, and count them."""
        gains = self.objective.gains(candidates)
        self.evaluations += self.objective.n if candidates is None else len(candidates)
        if np.isnan(gains).any():
            seen = gains if candidates is None else dict(zip(candidates.tolist(), gains, strict=True))
            bad = np.flatnonzero(np.isnan(gains))
            index = bad[~np.isin(bad, self.objective.chosen)] if candidates is None else candidates[bad]
            if len(index):
                raise InputDataError(f"The gain of candidate {index[0]} is {seen[int(index[0])]}.")
        if not self.margin:
            finite = np.abs(gains[np.isfinite(gains)])
            self.margin = _ROUNDING * float(finite.max(initial=0.0))
        return gains

    def scores(self, candidates: Indices, gains: Array) -> Array:
        """Return gains for their price."""
        return gains if self.price is None else gains / self.price[candidates]

    def slack(self, candidates: Indices) -> Array | float:
        """Return how far an approximate gain may be off, for its price."""
        return self.objective.error if self.price is None else self.objective.error / self.price[candidates]

    def take(self, candidates: Indices, gains: Array) -> bool:
        """Add the best of some candidates; False where none is worth adding, and the selection ends."""
        scores = self.scores(candidates, gains)
        top = float(scores.max(initial=-math.inf))
        if top == -math.inf:
            count = format_plural(len(self.objective.chosen), "member")
            self.ended = f"after {count} every further one takes the value to -inf: the selection ends there"
            return False
        if self.constraint.costs is not None and top < 0:
            self.ended = "the budget is not spent: every further member takes value away"
            return False
        index = self._best(candidates, scores)
        self.gains.append(self.objective.add(index))
        self.room.take(index)
        if self.progress is not None:
            self.progress(len(self.objective.chosen), self.constraint.most)
        return True

    def _best(self, candidates: Indices, scores: Array) -> int:
        """Return the candidate of the best score: near ties without approximation, true ties to the lowest index."""
        slack = self.slack(candidates)
        near = np.flatnonzero(scores + slack >= np.max(scores - slack) - self.margin)
        if near.size > 1 and self.objective.error > 0:
            rivals = _one_of_each(candidates[near], scores[near], self.margin)
            if len(rivals) > 1:
                exact = self.scores(rivals, self.objective.exact_gains(rivals))
                return int(rivals[exact >= exact.max() - self.margin].min())
            return int(rivals[0])
        return int(candidates[near].min())


def eager(run: Run) -> None:
    """Score all candidates at each step, and take the best."""
    ratio = run.objective.guarantee.ratio
    while True:
        open_ = np.flatnonzero(run.room.open)
        if not open_.size:
            return
        gains = run.evaluate()
        if run.upper is not None and run.upper.due(run.objective):
            run.upper.look(run.objective, gains / ratio)
        if not run.take(open_, gains[open_]):
            return


def lazy(run: Run) -> None:
    """Take the same members as `eager`, without the gains that earlier ones bound.

    Gains that never grow, or never by more than a known factor, bound all later ones; candidates are evaluated in
    batches, in the order of their bounds, until no bound that is left reaches the best gain.
    """
    ratio = run.objective.guarantee.ratio
    current = run.evaluate()
    keys = current / ratio
    fresh = np.ones(run.objective.n, dtype=bool)
    while True:
        if not run.room.open.any():
            return
        if not fresh.any():
            _refresh(run, keys, current, fresh, ratio)
        if run.upper is not None and run.upper.due(run.objective):
            run.upper.look(run.objective, keys)
        seen = np.flatnonzero(fresh & run.room.open)
        if not run.take(seen, current[seen]):
            return
        fresh[:] = False


def _refresh(run: Run, keys: Array, current: Array, fresh: Mask, ratio: float) -> None:
    """Evaluate candidates by their bounds until those that are left cannot be the best, nor tie with it."""
    open_ = run.room.open
    bounds = np.where(open_, keys, -math.inf)
    window: Array | float = run.margin + 4 * run.objective.error  # stale and new gain may both be off, in either way
    if run.price is not None:
        bounds = bounds / run.price
        window = run.margin + 4 * run.objective.error / run.price
    reach = bounds + window
    best, batch = -math.inf, _BATCH
    while True:
        waiting = np.flatnonzero((reach >= best) & (bounds > -math.inf) & ~fresh)
        if not waiting.size:
            return
        if waiting.size > batch:
            waiting = waiting[np.argpartition(-reach[waiting], batch)[:batch]]
            waiting.sort()
        gains = run.evaluate(waiting)
        current[waiting] = gains
        keys[waiting] = np.minimum(keys[waiting], gains / ratio)
        fresh[waiting] = True
        best = max(best, float(run.scores(waiting, gains).max()))
        batch *= 2


def all_gains(objective: Objective, block: int = 4096) -> Array:
    """Return the gains of all candidates, block by block, so that no state of all candidates has to be kept."""
    gains = np.empty(objective.n)
    for start in range(0, objective.n, block):
        rows = np.arange(start, min(start + block, objective.n))
        gains[rows] = objective.gains(rows)
    return gains


def _one_of_each(candidates: Indices, scores: Array, margin: float) -> Indices:
    """Return the lowest index of each run of scores that are equal but for rounding, the best runs first."""
    order = np.argsort(-scores, kind="stable")
    groups = np.concatenate([[0], np.cumsum(np.diff(-scores[order]) > margin)])
    count = int(groups[-1]) + 1
    lowest = np.full(count, np.iinfo(np.intp).max, dtype=np.intp)
    np.minimum.at(lowest, groups, candidates[order])
    return lowest[:_FINALISTS]
