"""Designs that assume no curve: models at random, and money spread over bins of compute."""

from __future__ import annotations

import heapq

import numpy as np

from scaling.boundary.design.pool import Pool
from scaling.boundary.design.strata import bin_of, equal_mass_edges

#: Bins and exponent of the default, chosen among 10 to 400 bins and exponents 0 to 1 on two tables of six tasks and
#: three periods each (docs/evaluation_design.md).
BINS = 40
EXPONENT = 0.75


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
    pool: Pool,
    rng: np.random.Generator,
    *,
    n_bins: int = BINS,
    exponent: float = EXPONENT,
    ends: bool = True,
    by_group: bool = False,
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
    exponent : float, default 0.75
        A bin gets money in proportion to the cost of all its models to this power: at 0 all bins get the same, at 1
        all the same share of what they cost, as random choice gives them.
    ends : bool, default True
        Whether a model of the smallest and one of the largest compute come first: a boundary is flat beyond them.
    by_group : bool, default False
        Whether a bin takes a model of each group before a second one of any.

    Returns
    -------
    list of int
        Rows of the pool, in the order of choice: any beginning of it is a design for less money.
    """
    bins = _Bins(pool, n_bins, exponent)
    bins.queue(rng.permutation(len(pool.z)).tolist(), by_group)
    tie = rng.random(len(bins.share))
    if ends:
        for place in (pool.z.min(), pool.z.max()):
            if not np.any(pool.known & (pool.z == place)):
                bins.take_at(place)
    heap = [(bins.due(i), float(tie[i]), i) for i, queue in enumerate(bins.queues) if queue]
    heapq.heapify(heap)
    while heap:
        i = heapq.heappop(heap)[2]
        bins.take(i, bins.queues[i].pop())
        if bins.queues[i]:
            heapq.heappush(heap, (bins.due(i), float(tie[i]), i))
    return bins.order


class _Bins:
    """Money spent in bins, and the models that wait in each, the next one last."""

    def __init__(self, pool: Pool, n_bins: int, exponent: float) -> None:
        edges = equal_mass_edges(pool.z, n_bins)
        self.pool = pool
        self.at = bin_of(pool.z, edges)
        self.share = np.bincount(self.at, pool.cost, minlength=len(edges) - 1) ** exponent
        self.spent = np.bincount(self.at, pool.cost * pool.known, minlength=len(edges) - 1)
        self.queues: list[list[int]] = [[] for _ in self.share]
        self.order: list[int] = []
        self.total = 0.0

    def queue(self, rows: list[int], by_group: bool) -> None:
        """Let models wait in this order."""
        for row in rows:
            if not self.pool.known[row]:
                self.queues[self.at[row]].append(row)
        if by_group:
            self.queues = [_one_of_each_group(queue, self.pool) for queue in self.queues]
        for queue in self.queues:
            queue.reverse()

    def due(self, i: int) -> float:
        """How much of its share a bin has had once half of its next model is paid for.

        Half: a dear model waits until its bin is owed half of what it costs.
        """
        return float((self.spent[i] + self.pool.cost[self.queues[i][-1]] / 2) / self.share[i])

    def take(self, i: int, row: int) -> bool:
        """Choose a model of a bin, if it can be paid for."""
        if not self.pool.fits(self.total, row):
            return False
        self.order.append(row)
        self.total += float(self.pool.cost[row])
        self.spent[i] += self.pool.cost[row]
        return True

    def take_at(self, place: float) -> None:
        """Choose the first model of this compute that can be paid for."""
        for i, queue in enumerate(self.queues):
            for row in [r for r in reversed(queue) if self.pool.z[r] == place]:
                if self.take(i, row):
                    queue.remove(row)
                    return


def _one_of_each_group(queue: list[int], pool: Pool) -> list[int]:
    """Sort a queue by how many models of its group come before each, known ones first."""
    before = np.bincount(pool.group[pool.known], minlength=int(pool.group.max()) + 1)
    turn = []
    for row in queue:
        turn.append(int(before[pool.group[row]]))
        before[pool.group[row]] += 1
    return [queue[i] for i in np.argsort(turn, kind="stable")]
