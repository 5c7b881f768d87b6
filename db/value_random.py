"""How random subsets are drawn that a selection is held against: as the selection itself was constrained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scaling.errors import InputDataError, ScalingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from db.store import Store
    from db.subsets import StoredSubset
    from scaling.valuation.appraisal.band import Band
    from scaling.valuation.choosing.constraints import Constraint

#: What bound a selection is kept under these names beside its settings.
KEPT = ("labels", "costs")


@dataclass(frozen=True)
class RandomLike:
    """Random subsets like a selection.

    Parameters
    ----------
    labels : ndarray (n,) or None
        Classes that are balanced; of subsets of other sizes too.
    within : Constraint or None
        Caps or a budget that they keep to.
    words : str
        What they are, in the plural.
    curve_words : str
        That those of other sizes are bound less; empty where they are not.
    unmatched : str
        Why they match the size of the selection alone; empty where they do not.
    """

    labels: NDArray[Any] | None = None
    within: Constraint | None = None
    words: str = "random subsets of its size"
    curve_words: str = ""
    unmatched: str = ""

    def band(self, score: Callable[..., float], size: int, n: int, draws: int, seed: int) -> Band:
        """Score random subsets of the size of the selection, or within its budget."""
        from scaling.valuation.appraisal.band import random_band

        return random_band(
            score, size, n=n, labels=self.labels, within=self.within, draws=draws, swap=0.0, seed=seed
        )  # fmt: skip


def random_like(
    n: int, size: int, *, k: int | None = None, labels: NDArray[Any] | None = None, per_class: int | None = None,
    caps: Mapping[str, int] | None = None, costs: NDArray[np.float64] | None = None, budget: float | None = None,
) -> RandomLike:  # fmt: skip
    """Say how random subsets are drawn for a selection.

    Parameters
    ----------
    n, size : int
        Candidates, and members of the selection.
    k : int or None
        Members that were asked for.
    labels, per_class, caps, costs, budget
        As of `scaling.valuation.select`.

    Returns
    -------
    RandomLike

    Raises
    ------
    UsageError, InputDataError
        For a constraint that no selection can have been under.
    """
    from scaling.valuation.appraisal.draws import class_quotas
    from scaling.valuation.choosing.constraints import make_constraint

    if labels is None and costs is None:
        return RandomLike()
    if costs is not None:
        limits, _ = make_constraint(
            n, k, labels=labels, per_class=per_class, caps=caps, costs=costs, budget=budget
        )  # fmt: skip
        also = " and caps of classes" if limits.groups is not None else ""
        free = "no budget and no class binds them"
        return RandomLike(None, limits, f"random subsets within the same budget{also}", free)
    limits, _ = make_constraint(n, min(size, k or size), labels=labels, per_class=per_class, caps=caps)
    assert limits.groups is not None
    assert limits.caps is not None
    even = np.array([places for _, places in class_quotas(limits.groups, size)])
    if np.array_equal(np.minimum(limits.caps, np.bincount(limits.groups)), even):
        return RandomLike(labels, None, "class-balanced random subsets of its size")
    return RandomLike(None, limits, "random subsets of its size under the same caps of classes", "no caps bind them")


def random_like_kept(store: Store, saved: StoredSubset, n: int) -> RandomLike:
    """Say the same for a selection that the store has.

    Parameters
    ----------
    store : Store
        An open store.
    saved : StoredSubset
        The selection.
    n : int
        Examples of its set.

    Returns
    -------
    RandomLike
        `unmatched` where what bound the selection is not kept, has gone, or is no longer the same.
    """
    from db.value_columns import read_values
    from db.value_data import open_data

    said = saved.options
    caps, budget = said.get("caps"), said.get("budget")
    where = {name: said.get(name) for name in KEPT}
    if caps is None and budget is None and where["labels"] is None:
        return RandomLike()
    if (caps is not None and where["labels"] is None) or (budget is not None and where["costs"] is None):
        what = "classes" if caps is not None and where["labels"] is None else "costs"
        return RandomLike(unmatched=f"which {what} bound the selection is not kept")
    try:
        data = open_data(store, str(saved.set_name))
        labels = None if where["labels"] is None else read_values(data, where["labels"], "label", "--labels")
        costs = None if where["costs"] is None else read_values(data, where["costs"], "cost", "--costs")
        named = None if caps is None or labels is None else _by_name(caps, labels)
        like = random_like(
            n, saved.size, k=said.get("k"), labels=labels, caps=named, costs=costs, budget=budget
        )  # fmt: skip
        _check(saved, labels, named, costs, budget)
    except ScalingError as error:
        return RandomLike(unmatched=f"what bound the selection cannot be read again: {error.message.rstrip('.')}")
    return like


def _by_name(caps: list[int], labels: NDArray[Any]) -> dict[str, int]:
    names = np.unique(labels).tolist()
    if len(names) != len(caps):
        raise InputDataError(f"there are {len(names)} classes now, and there were {len(caps)}")
    return dict(zip(names, caps, strict=True))


def _check(
    saved: StoredSubset, labels: NDArray[Any] | None, caps: Mapping[str, int] | None,
    costs: NDArray[np.float64] | None, budget: float | None,
) -> None:  # fmt: skip
    """Refuse classes and costs by which the selection itself would not have been allowed: they have changed."""
    if labels is not None and caps is not None:
        names, counts = np.unique(labels[saved.indices], return_counts=True)
        if over := [name for name, count in zip(names.tolist(), counts.tolist(), strict=True) if count > caps[name]]:
            raise InputDataError(f"the selection has more of '{over[0]}' than it might: the classes have changed")
    if costs is not None and budget is not None and float(costs[saved.indices].sum()) > budget * (1 + 1e-9):
        raise InputDataError("the selection costs more than its budget: the costs have changed")
