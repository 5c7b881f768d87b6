"""Designs that assume no curve: models at random, and money spread over bins of compute."""

from __future__ import annotations

import heapq

import numpy as np

from scaling.boundary.design.pool import Pool
from scaling.boundary.design.strata import bin_of, equal_mass_edges

#: Bins and exponent of the default, chosen among 3 to 400 bins and exponents 0 to 1 on two tables of six tasks and
#: three periods each (docs/evaluation_design.md).
BINS = 40
EXPONENT = 2 / 3


def choose_random(pool: Pool, rng: np.random.Generator, *, fill: bool = True) -> list[int]:
    """Take models in random order while the budget lasts.

    Parameters
    ----------
    pool : Pool
        What there is.
    rng : Generator
        Of the order.
    fill : bool, default True
        Whether a model that is too dear is passed over for cheaper ones; otherwise the first such model ends it, and
        a little of the budget is left.

    Returns
    -------
    list of int
        Rows of the pool, in the order of choice.
    """
    order: list[int] = []
    spent = 0.0
    for row in rng.permutation(len(pool.z)).tolist():
        if pool.known[row]:
            continue
        if pool.fits(spent, row):
            order.append(row)
            spent += float(pool.cost[row])
        elif not fill:
            break
    return order


def choose_stratified(
    pool: Pool, rng: np.random.Generator, *, n_bins: int = BINS, exponent: float = EXPONENT, by_group: bool = False
) -> list[int]:
    """Spread money over bins of compute.

    Parameters
    ----------
    pool : Pool
        What there is. The cost of known models counts as spent in their bins.
    rng : Generator
        Of the order within a bin, and of ties between bins.
    n_bins : int, default 40
        Bins of equally many models; models of one compute share a bin.
    exponent : float, default 2/3
        A bin gets money in proportion to the cost of all its models to this power: at 0 all bins get the same, at 1
        all the same share of what they cost, as random choice gives them.
    by_group : bool, default False
        Whether a bin takes a model of each group before a second one of any.

    Returns
    -------
    list of int
        Rows of the pool, in the order of choice: any beginning of it is a design for less money.
    """
    edges = equal_mass_edges(pool.z, n_bins)
    at = bin_of(pool.z, edges)
    share = np.bincount(at, pool.cost, minlength=len(edges) - 1) ** exponent
    spent = np.bincount(at, pool.cost * pool.known, minlength=len(edges) - 1)
    queues: list[list[int]] = [[] for _ in share]
    for row in rng.permutation(len(pool.z)).tolist():
        if not pool.known[row]:
            queues[at[row]].append(row)
    if by_group:
        taken = np.bincount(pool.group[pool.known], minlength=int(pool.group.max()) + 1)
        queues = [_one_of_each_group(queue, pool, taken) for queue in queues]
    for queue in queues:
        queue.reverse()
    tie = rng.random(len(share))

    def due(i: int) -> tuple[float, float, int]:
        # The next model counts by half: a dear one waits until its bin is owed half of what it costs.
        return float((spent[i] + pool.cost[queues[i][-1]] / 2) / share[i]), float(tie[i]), i

    heap = [due(i) for i, queue in enumerate(queues) if queue]
    heapq.heapify(heap)
    order: list[int] = []
    total = 0.0
    while heap:
        i = heapq.heappop(heap)[2]
        row = queues[i].pop()
        if pool.fits(total, row):
            order.append(row)
            total += float(pool.cost[row])
            spent[i] += pool.cost[row]
        if queues[i]:
            heapq.heappush(heap, due(i))
    return order


def _one_of_each_group(queue: list[int], pool: Pool, taken: np.ndarray[tuple[int], np.dtype[np.int64]]) -> list[int]:
    """Sort a queue by how many models of its group come before each, known ones first."""
    before = taken.copy()
    turn = []
    for row in queue:
        turn.append(int(before[pool.group[row]]))
        before[pool.group[row]] += 1
    return [queue[i] for i in np.argsort(turn, kind="stable")]
