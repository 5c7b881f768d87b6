"""Which sets may be chosen: a number of members, at most so many of a class, a budget of costs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_plural
from scaling.valuation.appraisal.draws import class_quotas
from scaling.valuation.objective import Array, Indices

Mask = NDArray[np.bool_]
_ROUNDING = 1e-12  # of a budget: sums of costs round


@dataclass(frozen=True, eq=False)
class Constraint:
    """What a set has to keep to.

    Parameters
    ----------
    n : int
        Candidates.
    k : int
        Most members.
    groups : ndarray (n,) of int, optional
        Class of each candidate, 0, 1, ...
    caps : ndarray (classes,) of int, optional
        Most members of each class: a partition matroid.
    costs : ndarray (n,), optional
        Positive costs, such as tokens.
    budget : float
        Most that the members may cost together.
    """

    n: int
    k: int
    groups: Indices | None = None
    caps: Indices | None = None
    costs: Array | None = None
    budget: float = float("inf")

    @property
    def counts_only(self) -> bool:
        """Whether the number of members is all that is asked."""
        return self.groups is None and self.costs is None

    @property
    def most(self) -> int:
        """Members that a set may have at most."""
        if self.costs is None:
            return self.k
        affordable = np.cumsum(np.sort(self.costs)) <= self.budget * (1 + _ROUNDING)
        return min(self.k, int(affordable.sum()))

    @property
    def budget_alone(self) -> bool:
        """Whether the budget is all that ends a selection."""
        return self.costs is not None and self.groups is None and (self.k >= self.n or self.most < self.k)

    def room(self, members: ArrayLike = ()) -> Room:
        """Return what still fits beside some members."""
        room = Room(self)
        for index in np.asarray(members, np.intp):
            room.take(int(index))
        return room

    def among(self, rows: Indices) -> Constraint:
        """Return the same for some candidates alone, numbered 0..len(rows)-1."""
        groups = None if self.groups is None else self.groups[rows]
        costs = None if self.costs is None else self.costs[rows]
        return Constraint(len(rows), min(self.k, len(rows)), groups, self.caps, costs, self.budget)

    def largest_sum(self, keys: Array) -> float:
        """Return an upper bound of the sum of `keys`, shape (n,), over any set that may be chosen.

        Exact for numbers of members and for caps; with a budget the last member may be a fraction.
        """
        return self.largest(keys)[0]

    def largest(self, keys: Array) -> tuple[float, Indices]:
        """Return `largest_sum`, and the members of a set that has it, or nearly so where a budget is in the way."""
        worth = np.maximum(keys, 0.0)
        counted = np.arange(self.n)
        if self.groups is not None and self.caps is not None:
            order = np.lexsort((-worth, self.groups))
            ordered = self.groups[order]
            starts = np.searchsorted(ordered, np.arange(len(self.caps)))
            within = np.arange(self.n) - starts[ordered]
            counted = order[within < self.caps[ordered]]
        if len(counted) > self.k:
            counted = counted[np.argpartition(-worth[counted], self.k - 1)[: self.k]]
        bound = float(worth[counted].sum())
        if self.costs is not None:
            fraction, affordable = _fractional(worth, self.costs, self.budget * (1 + _ROUNDING))
            if fraction < bound:
                return fraction, affordable
        return bound, counted

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        made: dict[str, Any] = {"k": self.k}
        if self.caps is not None:
            made["caps"] = self.caps.tolist()
        if self.costs is not None:
            made["budget"] = self.budget
        return made


class Room:
    """What still fits beside the members of a set.

    Parameters
    ----------
    constraint : Constraint
        What the set has to keep to.

    Attributes
    ----------
    open : ndarray (n,) of bool
        Candidates that may be added; one that is closed stays closed.
    """

    def __init__(self, constraint: Constraint) -> None:
        self.constraint = constraint
        self.left = constraint.k
        self.open: Mask = np.ones(constraint.n, dtype=bool)
        self._caps = None if constraint.caps is None else constraint.caps.copy()
        self._budget = constraint.budget * (1 + _ROUNDING)
        if constraint.costs is not None:
            self.open &= constraint.costs <= self._budget
        if self._caps is not None and constraint.groups is not None:
            self.open &= self._caps[constraint.groups] > 0

    def take(self, index: int) -> None:
        """Note a new member, and close what no longer fits."""
        known = self.constraint
        self.open[index] = False
        self.left -= 1
        if self._caps is not None and known.groups is not None:
            group = known.groups[index]
            self._caps[group] -= 1
            if self._caps[group] <= 0:
                self.open[known.groups == group] = False
        if known.costs is not None:
            self._budget -= known.costs[index]
            self.open &= known.costs <= self._budget
        if self.left <= 0:
            self.open[:] = False


def make_constraint(
    n: int,
    k: int | None,
    *,
    labels: ArrayLike | None = None,
    per_class: int | None = None,
    caps: Mapping[Any, int] | None = None,
    costs: ArrayLike | None = None,
    budget: float | None = None,
) -> tuple[Constraint, list[str]]:
    """Check what a selection has to keep to; see `scaling.valuation.select`.

    Returns
    -------
    Constraint, list of str
        With what a reader should know of it.

    Raises
    ------
    UsageError
        For settings that do not go together, or more members than candidates.
    InputDataError
        For labels or costs that do not fit the candidates, or caps that leave too few.
    """
    if (costs is None) != (budget is None):
        missing = "budget" if budget is None else "costs"
        raise UsageError(f"{missing} is missing: costs and a budget belong together.")
    if k is None:
        if budget is None:
            raise UsageError("k is missing: how many to choose.", "Give k, or costs and a budget.")
        if labels is not None and per_class is None and caps is None:
            raise UsageError(
                "k is missing: classes as equal as they can be share out a number of members.",
                "Give k beside the budget, or per_class or caps.",
            )
        k = n
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1:
        raise UsageError(f"k is {k}: a whole number of members, from 1 on, is expected.")
    if k > n:
        there = "is only 1 candidate" if n == 1 else f"are only {n} candidates"
        raise UsageError(f"k is {k}, and there {there}.", f"Give k of at most {n}.")
    notes: list[str] = []
    groups, limits = None, None
    if labels is not None:
        groups, limits, notes = _classes(n, int(k), labels, per_class, caps)
    elif per_class is not None or caps is not None:
        raise UsageError("labels are missing: most members of a class need the class of every candidate.")
    checked, most = None, float("inf")
    if costs is not None and budget is not None:
        checked, most = _costs(n, costs, budget)
    return Constraint(n, int(k), groups, limits, checked, most), notes


def _classes(
    n: int, k: int, labels: ArrayLike, per_class: int | None, caps: Mapping[Any, int] | None
) -> tuple[Indices, Indices, list[str]]:
    """Return classes and caps: those given, or shares of k that are as equal as they can be."""
    values = np.asarray(labels)
    if values.shape != (n,):
        raise InputDataError(
            f"labels have shape {values.shape}, and there are {format_plural(n, 'candidate')}: one label each."
        )
    if missing := [i for i, value in enumerate(values.tolist()) if value is None or _nan(value)]:
        raise InputDataError(f"Candidate {missing[0]} has no label.", "Give it one, or leave it out.")
    names, groups = np.unique(values.astype(str) if values.dtype.kind == "O" else values, return_inverse=True)
    if per_class is not None and caps is not None:
        raise UsageError("per_class and caps both say how many of a class there may be.", "Give one of them.")
    notes = []
    if caps is not None:
        texts = {str(name): number for name, number in caps.items()}
        if unknown := [str(name) for name in texts if name not in {str(x) for x in names}]:
            raise UsageError(f"caps name a class that no candidate has: {unknown[0]}.")
        limits = np.array([texts.get(str(name), k) for name in names])
    elif per_class is not None:
        limits = np.full(len(names), per_class)
    else:
        limits = np.array([places for _, places in class_quotas(groups, k)])
    if limits.dtype.kind not in "iu" or limits.min() < 0:
        raise UsageError("Most members of a class are whole numbers, from 0 on.")
    if len(names) == 1:
        notes.append(f"all labels are '{names[0]}': with one class there is nothing to balance")
    sizes = np.array([Counter(groups.tolist())[i] for i in range(len(names))])
    if (most := int(np.minimum(sizes, limits).sum())) < k:
        raise InputDataError(
            f"The classes leave room for {most} members, and k is {k}: the smallest class, '{names[sizes.argmin()]}', "
            f"has {format_plural(int(sizes.min()), 'candidate')}.",
            "Raise per_class or caps, or lower k.",
        )
    return groups.astype(np.intp), limits.astype(np.intp), notes


def _nan(value: object) -> bool:
    return (isinstance(value, float) and math.isnan(value)) or type(value).__name__ == "NAType"  # that of pandas


def _costs(n: int, costs: ArrayLike, budget: float) -> tuple[Array, float]:
    """Return costs and a budget, checked."""
    try:
        values = np.asarray(costs, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"costs hold something that is not a number: {error}") from error
    if values.shape != (n,):
        raise InputDataError(
            f"costs have shape {values.shape}, and there are {format_plural(n, 'candidate')}: one cost each."
        )
    if (bad := np.flatnonzero(~((values > 0) & np.isfinite(values)))).size:
        raise InputDataError(
            f"The cost of candidate {bad[0]} is {format_number(values[bad[0]])}: costs are positive numbers.",
            "Leave out what costs nothing and take it anyway.",
        )
    if not (budget > 0 and np.isfinite(budget)):
        raise UsageError(f"budget is {format_number(budget)}: a positive number is expected.")
    if values.min() > budget:
        raise InputDataError(
            f"Nothing fits: the cheapest candidate costs {format_number(values.min())}, and the budget is "
            f"{format_number(budget)}."
        )
    return values, float(budget)


def _fractional(worth: Array, costs: Array, budget: float) -> tuple[float, Indices]:
    """Return the most worth that a budget buys where the last purchase may be a fraction, and what is bought whole."""
    fits = np.flatnonzero((costs <= budget) & (worth > 0))
    worth, costs = worth[fits], costs[fits]
    order = np.argsort(-worth / costs, kind="stable")
    spent = np.cumsum(costs[order])
    whole = int(np.searchsorted(spent, budget, side="right"))
    total = float(worth[order[:whole]].sum())
    if whole < len(order):
        left = budget - (spent[whole - 1] if whole else 0.0)
        total += float(worth[order[whole]] * left / costs[order[whole]])
    return total, fits[order[:whole]]
