"""Random subsets, with each draw's own child of a seed, so that they are the same however the work is shared out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_plural

if TYPE_CHECKING:
    from scaling.valuation.choosing.constraints import Constraint
    from scaling.valuation.objective import Objective

Array = NDArray[np.float64]
Indices = NDArray[np.intp]
Score = Callable[[Indices], float]
Task = TypeVar("Task")
Done = TypeVar("Done")


def as_score(score: Score | Objective) -> Score:
    """Turn an objective into a function of a set: what people are told of it, such as a Vendi score."""
    return score if callable(score) else score.score_of


def class_quotas(labels: NDArray[Any], k: int) -> list[tuple[Indices, int]]:
    """Share k places out to classes as evenly as their members allow: candidates and places of each class.

    Classes that are too small give what they have, and the others share the rest; what does not divide goes to the
    classes that sort first.
    """
    members = [np.flatnonzero(labels == one) for one in np.unique(labels)]
    places = np.zeros(len(members), int)
    for _ in range(k):
        open_ = [i for i, rows in enumerate(members) if places[i] < len(rows)]
        places[min(open_, key=lambda i: (places[i], i))] += 1
    return list(zip(members, places.tolist(), strict=True))


class Draws:
    """Random subsets of one size.

    Parameters
    ----------
    n, k : int
        Candidates, and members of a subset.
    labels : array_like (n,), optional
        Classes; subsets then hold as many of each as of the others, as far as that goes.

    Raises
    ------
    InputDataError
        For labels of another number.
    UsageError
        For a size that leaves no choice.
    """

    def __init__(self, n: int, k: int, labels: ArrayLike | None = None) -> None:
        if not 1 <= k <= n:
            raise UsageError(f"There is no random subset of {k} out of {format_plural(n, 'candidate')}.")
        self.n, self.k = n, k
        if labels is None:
            self.quotas = [(np.arange(n), k)]
        else:
            given = np.asarray(labels)
            if given.shape != (n,):
                raise InputDataError(f"labels have shape {given.shape}; one for each of {n} candidates is expected.")
            self.quotas = class_quotas(given, k)

    def one(self, generator: np.random.Generator) -> Indices:
        """Draw a subset, in order of the candidates."""
        parts = [generator.choice(rows, count, replace=False) for rows, count in self.quotas if count]
        return np.sort(np.concatenate(parts))

    def swapped(self, subset: Indices, generator: np.random.Generator) -> Indices | None:
        """Exchange a member for a candidate of its class that is none; None where every candidate is a member."""
        free = [(i, np.setdiff1d(rows, subset)) for i, (rows, count) in enumerate(self.quotas) if count]
        free = [(i, rows) for i, rows in free if rows.size]
        if not free:
            return None
        sizes = np.array([self.quotas[i][1] for i, _ in free], float)
        pick, outside = free[int(generator.choice(len(free), p=sizes / sizes.sum()))]
        inside = np.flatnonzero(np.isin(subset, self.quotas[pick][0]))
        other = subset.copy()
        other[generator.choice(inside)] = generator.choice(outside)
        return np.sort(other)


class ConstrainedDraws:
    """Random subsets that keep to what a selection keeps to.

    Candidates come in random order, and each is taken that still fits: a class that is full or a cost beyond what is
    left passes it over, so that a budget is spent to its end as a selection spends it.

    Parameters
    ----------
    constraint : Constraint
        Most members, most of a class, and costs with their budget. With a budget subsets differ in size.
    """

    def __init__(self, constraint: Constraint) -> None:
        self.constraint = constraint
        self.n, self.k = constraint.n, constraint.most

    def one(self, generator: np.random.Generator) -> Indices:
        """Draw a subset, in order of the candidates."""
        own = self.constraint
        order = generator.permutation(own.n)
        if own.groups is not None and own.caps is not None and own.costs is None:
            order = order[_turns(own.groups[order]) < own.caps[own.groups[order]]]
        if own.costs is not None:
            order = _affordable(order, own)
        return np.sort(order[: own.k])


def _turns(groups: Indices) -> Indices:
    """Return how many of its class come before each, shape (n,)."""
    by_class = np.argsort(groups, kind="stable")
    sorted_ = groups[by_class]
    turns = np.empty(len(groups), np.intp)
    turns[by_class] = np.arange(len(groups)) - np.searchsorted(sorted_, sorted_)
    return turns


def _affordable(order: Indices, constraint: Constraint) -> Indices:
    """Take candidates in an order while they fit the budget, their class and the number of members."""
    assert constraint.costs is not None
    left = constraint.budget * (1 + 1e-12)  # sums of costs round
    costs, cheapest = constraint.costs.tolist(), float(constraint.costs.min())
    groups = None if constraint.groups is None else constraint.groups.tolist()
    free = None if constraint.caps is None else constraint.caps.tolist()
    taken: list[int] = []
    for index in order.tolist():
        if left < cheapest or len(taken) == constraint.k:
            break
        if costs[index] > left or (groups is not None and free is not None and not free[groups[index]]):
            continue
        if groups is not None and free is not None:
            free[groups[index]] -= 1
        left -= costs[index]
        taken.append(index)
    return np.array(taken, np.intp)


def run_all(work: Callable[[Task], Done], tasks: Sequence[Task], jobs: int) -> list[Done]:
    """Do each task, in threads where more than one job is asked for; results in the order of the tasks."""
    if jobs < 1:
        raise UsageError(f"{jobs} jobs do no work.")
    if jobs == 1:
        return [work(task) for task in tasks]
    with ThreadPoolExecutor(jobs) as pool:
        return list(pool.map(work, tasks))


def candidates_of(score: Any, n: int | None) -> int:
    """Return how many candidates there are: as an objective knows, or as was given."""
    known = getattr(score, "n", None)
    if n is not None and known is not None and n != known:
        raise UsageError(f"The objective has {known} candidates, not {n}.")
    found = known if n is None else n
    if found is None:
        raise UsageError("How many candidates there are is not known of a function.", "Give n.")
    return int(found)


def checked(value: float, what: str) -> float:
    """Refuse a score that is no finite number."""
    if not np.isfinite(value):
        raise InputDataError(f"The score of {what} is {value}.", "A score that random subsets cannot have has no band.")
    return float(value)
