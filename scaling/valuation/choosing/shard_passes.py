"""Passes over shards: greedy in each, or many thresholds at once, and what is held of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural
from scaling.valuation.choosing.constraints import Constraint
from scaling.valuation.choosing.greedy import Progress, Run, eager, lazy
from scaling.valuation.choosing.sieve import Sieve, among_kept, blocks
from scaling.valuation.choosing.stochastic import stochastic
from scaling.valuation.embeddings import Rows, as_embeddings
from scaling.valuation.objective import Indices, Objective

Maker = Callable[[Rows], Objective]


@dataclass(frozen=True, eq=False)
class Kept:
    """Rows that are held beyond their shard.

    Parameters
    ----------
    ids : ndarray (h,) of int
        Their numbers among all rows.
    rows : ndarray (h, m)
        The rows.
    sets : list of ndarray of int
        Sets that were found, by places among the rows held.
    n : int
        Rows of all shards.
    shards : int
        How many there were.
    evaluations : int
        Gains that were evaluated.
    note : str
        What was done, in words.
    """

    ids: Indices
    rows: Rows
    sets: list[Indices]
    n: int
    shards: int
    evaluations: int
    note: str


class Source:
    """Shards in their order, with the number of the first row of each."""

    def __init__(self, shards: Iterable[ArrayLike] | Callable[[int], ArrayLike], count: int | None) -> None:
        self.load: Callable[[int], ArrayLike] | None = None
        self.shards: Iterable[ArrayLike] = ()
        if callable(shards):
            if count is None or count < 1:
                raise UsageError("count is missing: how many shards there are.")
            self.load, self.count = shards, count
        else:
            if count is not None:
                raise UsageError("count is of shards that are loaded by number; these come by themselves.")
            self.shards, self.count = shards, len(shards) if isinstance(shards, Sequence) else 0
        self.again = not isinstance(shards, Iterator)

    def __iter__(self) -> Iterator[tuple[int, int, Rows]]:
        parts = self.shards if self.load is None else (self.load(index) for index in range(self.count))
        first, width = 0, 0
        for number, part in enumerate(parts):
            rows = as_embeddings(part, normalise=False, name=f"Shard {number}")
            if width and rows.shape[1] != width:
                raise InputDataError(f"Shard {number} has {rows.shape[1]} columns, and those before it {width}.")
            width = rows.shape[1]
            yield number, first, rows
            first += len(rows)


def parted(
    source: Source,
    make: Maker,
    k: int,
    within: str,
    epsilon: float,
    seed: int,
    progress: Progress | None,
) -> Kept:
    """Choose k of each shard."""
    ids, held, sets = [], [], []
    n = evaluations = place = 0
    for number, first, rows in source:
        if len(rows) <= k:
            chosen = np.arange(len(rows))
        else:
            run = Run(make(rows), Constraint(len(rows), k))
            if within == "stochastic":
                stochastic(run, epsilon, np.random.SeedSequence(seed, spawn_key=(number,)))
            else:
                (lazy if run.objective.guarantee.lazy else eager)(run)
            chosen = np.array(run.objective.chosen, dtype=np.intp)
            evaluations += run.evaluations
        ids.append(first + chosen)
        held.append(np.array(rows[chosen]))
        sets.append(place + np.arange(len(chosen)))
        place += len(chosen)
        n = first + len(rows)
        if progress is not None:
            progress(number + 1, source.count)
    if n < k:
        raise InputDataError(f"The shards have {format_plural(n, 'row')}, and k is {k}.")
    note = f"greedy in {format_plural(len(ids), 'shard')}, then among the {format_plural(place, 'row')} that they took"
    return Kept(np.concatenate(ids), np.concatenate(held), sets, n, len(ids), evaluations, note)


def sieved(source: Source, make: Maker, k: int, epsilon: float, progress: Progress | None) -> Kept:
    """Pass over all rows once, holding those that a threshold keeps."""
    passed: Sieve | None = None
    places: dict[int, int] = {}
    ids, held = np.empty(0, dtype=np.intp), None
    n = count = 0
    for number, first, rows in source:
        if passed is not None and held is not None:
            kept = passed.kept()
            places = {int(old): new for new, old in enumerate(kept)}
            ids, held = ids[kept], held[kept]
        together = np.array(rows) if held is None else np.concatenate([held, rows])
        before = len(ids)
        empty = make(together)
        if passed is None:
            passed = Sieve(empty, k, epsilon)
        else:
            passed.move(empty, places)
        ids, held = np.concatenate([ids, first + np.arange(len(rows))]), together
        for block in blocks(len(rows)):
            passed.offer(before + block)
        n, count = first + len(rows), number + 1
        if progress is not None:
            progress(number + 1, source.count)
    if passed is None or held is None or n < k:
        raise InputDataError(f"The shards have {format_plural(n, 'row')}, and k is {k}.")
    kept = passed.kept()
    places = {int(old): new for new, old in enumerate(kept)}
    best = passed.best()
    members = np.array([places[index] for index in best.chosen] if best else [], dtype=np.intp)
    note = f"one pass in the order of the rows, {format_plural(len(passed.thresholds), 'threshold')}"
    return Kept(ids[kept], held[kept], [members], n, count, passed.evaluations, note)


def merged(empty: Objective, kept: Kept, k: int, *, fills: bool) -> tuple[Objective, int]:
    """Return the best set of the rows that were held."""
    if fills:
        members, evaluations = among_kept(empty, np.arange(len(kept.ids)), kept.sets[0], k)
        state = empty.fresh()
        state.extend(members)
        return state, kept.evaluations + evaluations
    if len(kept.sets) == 1:
        state = empty.fresh()
        state.extend(kept.sets[0])
        return state, kept.evaluations
    run = Run(empty.fresh(), Constraint(len(kept.ids), min(k, len(kept.ids))))
    (lazy if empty.guarantee.lazy else eager)(run)
    state = run.objective
    for members in kept.sets:
        if len(members) == k and empty.evaluate(members) > state.value + k * state.error:
            state = empty.fresh()
            state.extend(members)
    return state, kept.evaluations + run.evaluations
