"""Which families to evaluate on a new task: whole families that fix a link best (arXiv:2405.10938, section 5).

The criterion is V-optimality: ``tr(X'X (S'S)^-1)``, with the components X of all models and S of those selected, is the
variance of a linear prediction summed over all models, in units of the noise of one evaluation. It is K for all models
and can only be larger for fewer. The published figures are its negative. Gram matrices add up over families, so a
subset of families costs one sum, and all subsets within a budget are tried.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.observational.subsets import (
    SINGULAR,
    FamilyProblem,
    count_subsets,
    enumerate_subsets,
    exchange_families,
)
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_number, format_plural
from scaling.serial import plain

Array = NDArray[np.float64]

LIMIT = 2_000_000  # subsets; some ten seconds and 200 MB
METHODS = ("exact", "exchange")


@dataclass(frozen=True)
class FamilySelection:
    """Families to evaluate.

    Parameters
    ----------
    families : tuple of str
        The selected ones, those forced first.
    forced : tuple of str
    models : tuple of int
        Rows of their models.
    n_models, budget : int
        Models that are evaluated, and the most that might have been.
    criterion : float
        ``tr(X'X (S'S)^-1)``; smaller is better.
    least : float
        The same for all models: the number of columns of X.
    method : {'exact', 'exchange'}
        Whether every subset was tried, or families were exchanged until nothing gained.
    n_tried : int
        Subsets that were worked out.
    median_same_size : float
        Median criterion of the subsets with as many models, that of an unplanned choice; NaN for ``exchange``.
    n_same_size : int
        How many there are that fix a link.
    """

    families: tuple[str, ...]
    forced: tuple[str, ...]
    models: tuple[int, ...]
    n_models: int
    budget: int
    criterion: float
    least: float
    method: str
    n_tried: int
    median_same_size: float
    n_same_size: int

    @property
    def variance_ratio(self) -> float:
        """Mean variance of a prediction, relative to evaluating all models."""
        return self.criterion / self.least

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(
            {f.name: getattr(self, f.name) for f in fields(self)} | {"variance_ratio": self.variance_ratio}
        )
        return table

    def summary(self) -> str:
        """Return the choice in plain text."""
        how = (
            "every subset within the budget was tried" if self.method == "exact" else "by exchange, maybe not the best"
        )
        lines = [
            f"evaluate {', '.join(self.families)}: {format_plural(self.n_models, 'model')} of at most {self.budget}",
            f"criterion {format_number(self.criterion)} (all models: {format_number(self.least)}), so predictions have "
            f"{format_number(self.variance_ratio, 3)} times the variance of evaluating all; {how} ({self.n_tried})",
        ]
        if self.n_same_size > 1:
            lines.append(
                f"the median of the {self.n_same_size} subsets of {self.n_models} models is "
                f"{format_number(self.median_same_size)}"
            )
        return "\n".join(lines)


def select_families(
    values: ArrayLike,
    families: Sequence[str],
    budget: int,
    *,
    forced: Sequence[str] = (),
    intercept: bool = False,
    max_families: int | None = None,
    method: str = "exact",
    limit: int = LIMIT,
) -> FamilySelection:
    """Select whole families to evaluate, within a budget of models.

    Parameters
    ----------
    values : array_like (n, K)
        Components of all models that may be evaluated.
    families : sequence of str (n,)
    budget : int
        Most models.
    forced : sequence of str
        Families that are to be among them; arXiv:2405.10938 forces Llama-2.
    intercept : bool, default False
        Whether the linear prediction has a constant, as the link has. The published figures are without.
    max_families : int, optional
        Most families, those forced included.
    method : {'exact', 'exchange'}, default 'exact'
        ``exchange`` adds, drops and swaps families while that gains, from every pair of families, and may miss the
        best.
    limit : int, default 2,000,000
        Subsets that ``exact`` is ready to try.

    Returns
    -------
    FamilySelection
        The same for the same data: there is no chance in it. Of equal criteria the one with fewer models is taken.

    Raises
    ------
    InputDataError
        For components that do not span their space, or where no subset within the budget fixes a link.
    UsageError
        For an unknown family or method, a budget that the forced families exceed, or more subsets than the limit.
    """
    families, forced = tuple(map(str, families)), tuple(map(str, forced))
    problem, factor = _pose(values, families, budget, forced, intercept, max_families)
    if method not in METHODS:
        raise UsageError(f"there is no method '{method}'", hint=did_you_mean(method, METHODS))
    if method == "exact":
        count = count_subsets(problem)
        if count > limit:
            raise UsageError(
                f"there are {count} subsets of families within the budget, more than the limit of {limit}",
                hint="Force more families, give max_families or a smaller budget, or take method='exchange'.",
            )
        best, value, median, same = enumerate_subsets(problem)
    else:
        best, value, count = exchange_families(problem)
        median, same = float("nan"), 0
    if not np.isfinite(value):
        raise InputDataError(
            f"no families within a budget of {format_plural(budget, 'model')} fix the {factor} weights of a link",
            hint="Allow more models, or take fewer components.",
        )
    chosen = tuple(forced) + tuple(
        n for n, taken, held in zip(problem.names, best, problem.forced, strict=True) if taken and not held
    )
    rows = tuple(i for i, family in enumerate(families) if family in chosen)
    return FamilySelection(
        chosen, tuple(forced), rows, len(rows), budget, value, float(factor), method, count, median, same
    )


def _pose(
    values: ArrayLike,
    families: Sequence[str],
    budget: int,
    forced: Sequence[str],
    intercept: bool,
    max_families: int | None,
) -> tuple[FamilyProblem, int]:
    """Check what was asked, and whiten the Gram matrices."""
    x = np.asarray(values, float)
    if x.ndim != 2 or len(families) != len(x) or not np.all(np.isfinite(x)):
        raise InputDataError(
            f"components of shape {x.shape} do not go with {len(families)} families, or are not finite"
        )
    if intercept:
        x = np.column_stack([np.ones(len(x)), x])
    names = tuple(dict.fromkeys(families))
    for family in forced:
        if family not in names:
            raise UsageError(f"there is no family '{family}' to force", hint=did_you_mean(family, names))
    label = np.array(families)
    sizes = np.array([int(np.sum(label == name)) for name in names])
    held = np.array([name in forced for name in names])
    most = len(names) if max_families is None else max_families
    if sizes[held].sum() > budget or held.sum() > most:
        raise UsageError(
            f"the forced families have {format_plural(int(sizes[held].sum()), 'model')} in "
            f"{format_plural(int(held.sum()), 'family').replace('familys', 'families')}, more than was allowed",
            hint="Raise the budget, or force fewer.",
        )
    total = x.T @ x
    spread = np.linalg.eigvalsh(total)
    if spread[0] <= SINGULAR * spread[-1]:
        raise InputDataError("the components of all models do not span their space", hint="Take fewer components.")
    white = x @ np.linalg.inv(np.linalg.cholesky(total)).T
    grams = np.array([white[label == name].T @ white[label == name] for name in names])
    return FamilyProblem(names, sizes, grams, held, budget, most), x.shape[1]
