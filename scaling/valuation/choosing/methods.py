"""Run a method by name, under any constraint, and hand back one finished state."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from scaling.formatting import format_plural
from scaling.valuation.choosing.certificate import UpperBound
from scaling.valuation.choosing.constraints import Constraint
from scaling.valuation.choosing.greedy import Progress, Run, eager, lazy
from scaling.valuation.choosing.partitions import Optimiser, default_parts, partitions
from scaling.valuation.choosing.sieve import among_kept, sieve
from scaling.valuation.choosing.stochastic import stochastic
from scaling.valuation.objective import Array, Objective

#: Methods by name, with a line about each.
METHODS = {
    "eager": "all candidates at each step",
    "lazy": "the same set, without the gains that earlier ones bound",
    "stochastic": "the best of a random sample at each step",
    "sieve": "one pass, many thresholds",
    "partitions": "greedy in parts, then among what the parts took",
}
EPSILON = {"stochastic": 0.1, "sieve": 0.2}


@dataclass(eq=False)
class Finished:
    """A set, and how it came about.

    Parameters
    ----------
    objective : Objective
        Holding the set.
    gains : list of float
        In the order of the members.
    method : str
        The one that was used.
    evaluations : int
        Gains that were evaluated.
    notes : list of str
        What a reader should know.
    settings : dict
        Of the method.
    """

    objective: Objective
    gains: list[float]
    method: str
    evaluations: int
    notes: list[str] = field(default_factory=list)
    settings: dict[str, float | int | str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Plan:
    """What to run.

    Parameters
    ----------
    method : str
        As `METHODS` has it.
    constraint : Constraint
        What sets have to keep to.
    seed : int
        Of what is drawn.
    epsilon : float
        Of the stochastic and the sieve method.
    parts : int, optional
        Of the partitions.
    upper : UpperBound
        Told of gains on the way.
    progress : callable, optional
        Called with what is done and what there is to do.
    """

    method: str
    constraint: Constraint
    seed: int
    epsilon: float
    parts: int | None
    upper: UpperBound
    progress: Progress | None

    def run(self, empty: Objective) -> Finished:
        """Choose a set."""
        if self.method == "sieve":
            return self._sieve(empty)
        if self.method == "stochastic":
            return self._greedy(empty, lambda run: stochastic(run, self.epsilon, self.seed), {"epsilon": self.epsilon})
        optimise, notes = self._optimiser(empty)
        if self.method == "partitions":
            return self._partitions(empty, optimise, notes)
        made = self._greedy(empty, optimise, {})
        made.notes[:0] = notes
        made.method = "eager" if notes else self.method
        return made

    def _optimiser(self, empty: Objective) -> tuple[Optimiser, list[str]]:
        """Return what fills a run: bounds of earlier gains are used only where they are bounds."""
        if self.method == "eager":
            return eager, []
        if empty.guarantee.lazy:
            return lazy, []
        if self.method == "partitions":
            return eager, []
        return eager, ["lazy asked for; gains of this objective can grow, so every step scored all candidates"]

    def _greedy(self, empty: Objective, optimise: Optimiser, settings: dict[str, float | int | str]) -> Finished:
        """Fill one run; with costs two and the best single candidate, of which the best counts."""
        run = Run(empty.fresh(), self.constraint, upper=self.upper, progress=self.progress)
        optimise(run)
        made = _finished(run, self.method, settings)
        if self.constraint.costs is None:
            return made
        priced = Run(empty.fresh(), self.constraint, price=self.constraint.costs, upper=self.upper)
        optimise(priced)
        other = _finished(priced, self.method, settings)
        single = self._single(empty)
        ways = {
            "the most gain for its cost at each step": other,
            "the most gain at each step, whatever its cost": made,
            "the best candidate alone": single,
        }
        best = max(ways, key=lambda name: ways[name].objective.value)
        total = sum(way.evaluations for way in ways.values())
        chosen = ways[best]
        spent = float(self.constraint.costs[chosen.objective.chosen].sum())
        chosen.evaluations = total
        chosen.notes.append(f"best of three under the budget: {best}")
        chosen.settings = {**settings, "spent": spent}
        return chosen

    def _single(self, empty: Objective) -> Finished:
        """Return the best candidate alone, which a greedy set may fall short of where costs differ much."""
        run = Run(empty.fresh(), self.constraint)
        fits = np.flatnonzero(run.room.open)
        run.take(fits, run.evaluate(fits))
        return _finished(run, self.method, {})

    def _partitions(self, empty: Objective, optimise: Optimiser, notes: list[str]) -> Finished:
        parts = self.parts or default_parts(self.constraint.n, self.constraint.most)
        found = partitions(empty, self.constraint, optimise, parts, self.seed, self.progress)
        state = empty.fresh()
        gains = [state.add(int(index)) for index in found.members]
        said = "the merged set" if found.from_merge else "the best part's set, better than the merged one"
        sizes = f"{format_plural(len(found.sizes), 'part')} of {min(found.sizes)} to {max(found.sizes)} candidates"
        made = Finished(state, gains, self.method, found.evaluations, [*notes, f"{said}, of {sizes}"])
        made.settings = {"parts": parts}
        return made

    def _sieve(self, empty: Objective) -> Finished:
        k = self.constraint.k
        passed = sieve(empty, k, self.epsilon, self.progress)
        best, kept = passed.best(), passed.kept()
        members = np.array(best.chosen if best else [], dtype=np.intp)
        notes = [f"one pass in the order of the rows, {format_plural(len(passed.thresholds), 'threshold')}"]
        again, evaluations = among_kept(empty, kept, members, k)
        if len(again) < k:
            notes.append(f"{len(again)} of {k}: no threshold kept more, as nothing else gained enough")
        state = empty.fresh()
        gains = [state.add(int(index)) for index in again]
        total = passed.evaluations + evaluations
        return Finished(state, gains, self.method, total, notes, {"epsilon": self.epsilon})


def _finished(run: Run, method: str, settings: dict[str, float | int | str]) -> Finished:
    return Finished(run.objective, run.gains, method, run.evaluations, [run.ended] if run.ended else [], settings)


def scores_of(objective: Objective, gains: Array) -> Array | None:
    """Return the score of each prefix, where value and number of members say it; shape (k,)."""
    found = [objective.score_at(float(value), size + 1) for size, value in enumerate(np.cumsum(gains))]
    scores = [score for score in found if score is not None]
    return np.array(scores) if len(scores) == len(found) else None
