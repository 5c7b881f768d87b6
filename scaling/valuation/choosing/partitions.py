"""Selection in parts that need not fit together in memory: greedy in each, then greedy among what they took."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scaling.valuation.choosing.constraints import Constraint
from scaling.valuation.choosing.greedy import Progress, Run
from scaling.valuation.objective import Indices, Objective

Optimiser = Callable[[Run], None]


@dataclass(frozen=True, eq=False)
class Merged:
    """What came of the parts.

    Parameters
    ----------
    members : ndarray of int
        The better of the merged set and the best part's.
    from_merge : bool
        Whether the merged set it is.
    sizes : tuple of int
        Candidates in each part.
    evaluations : int
        Gains that were evaluated.
    """

    members: Indices
    from_merge: bool
    sizes: tuple[int, ...]
    evaluations: int


def default_parts(n: int, k: int) -> int:
    """Return the number of parts that makes a part as large as the union of what the parts take."""
    return max(2, round(math.sqrt(n / k)))


def partitions(
    whole: Objective,
    constraint: Constraint,
    optimise: Optimiser,
    parts: int,
    seed: int,
    progress: Progress | None = None,
) -> Merged:
    """Choose within parts, then within the union of what was chosen.

    Parameters
    ----------
    whole : Objective
        Over all candidates.
    constraint : Constraint
        What sets have to keep to.
    optimise : callable
        Fills a run: `eager` or `lazy`.
    parts : int
        How many; each candidate goes to one of them by chance, independently of the others.
    seed : int
        Of the parts.
    progress : callable, optional
        Called with the parts that are done and their number, the merge counted as one.

    Notes
    -----
    For a monotone submodular objective and parts by chance, the better set has in expectation half of what greedy
    promises (Barbosa, Ene, Nguyen and Ward 2015; the scheme is GreeDi, Mirzasoleiman et al. 2013).
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed))
    owner = rng.integers(0, parts, size=constraint.n)
    groups = [rows for part in range(parts) if (rows := np.flatnonzero(owner == part)).size]
    taken, evaluations = [], 0
    for done, rows in enumerate(groups):
        chosen, count = _choose(whole, constraint, optimise, rows)
        taken.append(chosen)
        evaluations += count
        if progress is not None:
            progress(done + 1, len(groups) + 1)
    union = np.sort(np.concatenate(taken))
    merged, count = _choose(whole, constraint, optimise, union)
    evaluations += count
    sets = [merged, *taken]
    values = [whole.evaluate(members) for members in sets]
    best = int(np.argmax(values))
    if progress is not None:
        progress(len(groups) + 1, len(groups) + 1)
    return Merged(sets[best], best == 0, tuple(len(rows) for rows in groups), evaluations)


def _choose(whole: Objective, constraint: Constraint, optimise: Optimiser, rows: Indices) -> tuple[Indices, int]:
    """Return what is chosen among some candidates, by their numbers among all."""
    run = Run(whole.among(rows), constraint.among(rows))
    if run.room.open.any():
        optimise(run)
    return rows[np.array(run.objective.chosen, dtype=np.intp)], run.evaluations
