"""Which runs share a compute budget, what a budget pays for, and what an answer that is refused says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.allocation.cost import CostModel
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_percent
from scaling.parameter_counts import FLOP_PER_PARAMETER_TOKEN

Array = NDArray[np.float64]

TOLERANCE = 0.1  # in ln(compute): runs without a nominal budget closer than this share one
_EXACT = 1e-6  # relative: nominal budgets closer than this are one
_PLAIN = 0.005  # in ln(cost): rows that are so close to 6 N D cost 6 N D
_SMEARED = 2.0  # widths of the tolerance: a chain of neighbours longer than this is no budget


@dataclass(frozen=True)
class Refusal:
    """Why there is no answer.

    Parameters
    ----------
    kind : str
        A word for programs, such as ``edge_optimum``.
    reason : str
        The sentence for people.
    """

    kind: str
    reason: str


@dataclass(frozen=True)
class Budgets:
    """The budgets of a set of runs.

    Parameters
    ----------
    labels : ndarray of int (n,)
        Budget of each row, numbered from 0, smallest first.
    compute_flop : ndarray (m,)
        The budgets, FLOP: the nominal value, or the geometric mean of the rows.
    spread : ndarray (m,)
        Largest over smallest compute in the budget.
    rule : str
        How rows were put together, as a sentence.
    tolerance : float
        In ln(compute).
    """

    labels: NDArray[np.int64]
    compute_flop: Array
    spread: Array
    rule: str
    tolerance: float

    def refusal(self, budget: int) -> Refusal | None:
        """Return why the rows of a budget are none: neighbours chained over a wide range; None where they are one."""
        if np.log(self.spread[budget]) <= _SMEARED * self.tolerance:
            return None
        return Refusal(
            "no_single_budget",
            f"near {format_number(float(self.compute_flop[budget]))} FLOP the compute of the runs is spread over a "
            f"factor of {format_number(float(self.spread[budget]), 3)} without a gap, so they share no budget",
        )


@dataclass(frozen=True)
class PowerCost(CostModel):
    """What a run costs: C = flop_per_cell N^power D.

    Parameters
    ----------
    flop_per_cell : float
        6 for C = 6 N D.
    power : float
        1 for C = 6 N D; another where small and large models cost differently per parameter, as embeddings and
        attention make them.
    """

    flop_per_cell: float = FLOP_PER_PARAMETER_TOKEN
    power: float = 1.0

    @property
    def label(self) -> str:
        """The cost in one line."""
        size = "N" if self.power == 1 else f"N**{format_number(self.power)}"
        return f"{format_number(self.flop_per_cell)}*{size}*D"

    def flop(self, n_params: ArrayLike, n_tokens: ArrayLike) -> Array:
        """Return the cost; see `CostModel.flop`."""
        return np.asarray(self.flop_per_cell * np.asarray(n_params, float) ** self.power * np.asarray(n_tokens, float))

    def tokens_for(self, n_params: ArrayLike, budget: ArrayLike) -> Array:
        """Return the tokens that a budget leaves."""
        return np.asarray(np.asarray(budget, float) / (self.flop_per_cell * np.asarray(n_params, float) ** self.power))

    def log_tokens(self, log_c: Array, log_n: Array) -> Array:
        """Return ln of the tokens that a budget leaves, from ln of the budget and of the parameters."""
        return np.asarray(log_c - np.log(self.flop_per_cell) - self.power * log_n)


def measured_cost(n_params: ArrayLike, n_tokens: ArrayLike, compute_flop: ArrayLike | None) -> PowerCost:
    """Find the cost that the budgets of a set of runs stand for.

    Parameters
    ----------
    n_params, n_tokens : array_like (n,)
        Of the runs.
    compute_flop : array_like (n,) or None
        Their compute, where the source gives it.

    Returns
    -------
    PowerCost
        6 N D without `compute_flop`, or where all rows agree with it to half a per cent; otherwise a power of N fitted
        to C / D by least squares in logarithms.
    """
    if compute_flop is None:
        return PowerCost()
    log_n, log_d, log_c = (np.log(np.asarray(v, float)) for v in (n_params, n_tokens, compute_flop))
    if np.all(np.abs(log_c - log_n - log_d - np.log(FLOP_PER_PARAMETER_TOKEN)) < _PLAIN):
        return PowerCost()
    middle = float(log_n.mean())
    away = log_n - middle
    spread = float(np.sum(away**2))
    per_token = log_c - log_d
    power = float(np.sum(away * per_token) / spread) if spread > 0 else 1.0
    return PowerCost(float(np.exp(per_token.mean() - power * middle)), power)


def group_budgets(
    n_params: ArrayLike, n_tokens: ArrayLike, compute_flop: ArrayLike | None = None, tolerance: float | None = None
) -> Budgets:
    """Put runs of the same compute together.

    Parameters
    ----------
    n_params, n_tokens : array_like (n,)
        Of the runs.
    compute_flop : array_like (n,), optional
        Compute as the source gives it. Where most values occur more than once they are taken as nominal budgets, and
        equal values make one. Otherwise, and without it for 6 N D, neighbours in ln(compute) are chained.
    tolerance : float, optional
        Largest gap between neighbours of one budget, in ln(compute); 0.1 by default. Given, it rules out the reading as
        nominal budgets.

    Returns
    -------
    Budgets

    Raises
    ------
    InputDataError
        For values that are not positive, or lengths that differ.
    UsageError
        For a tolerance that is not positive.
    """
    n, d = np.asarray(n_params, float), np.asarray(n_tokens, float)
    c = n if compute_flop is None else np.asarray(compute_flop, float)
    if n.ndim != 1 or not n.size or n.shape != d.shape or n.shape != c.shape:
        raise InputDataError(f"N, D and C have the shapes {n.shape}, {d.shape}, {c.shape}; one value a row is needed")
    c = FLOP_PER_PARAMETER_TOKEN * n * d if compute_flop is None else c
    for name, values in (("N", n), ("D", d), ("C", c)):
        if not np.all(np.isfinite(values) & (values > 0)):
            row = int(np.flatnonzero(~(np.isfinite(values) & (values > 0)))[0])
            raise InputDataError(f"'{name}' must be positive, but row {row} has {values[row]:g}")
    if tolerance is not None and not 0 < tolerance < np.inf:
        raise UsageError(f"a tolerance of budgets must be positive, not {tolerance}", hint="0.1 stands for about 11 %.")
    log_c = np.log(c)
    nominal = compute_flop is not None and tolerance is None and _mostly_shared(log_c)
    gap = _EXACT if nominal else (tolerance or TOLERANCE)
    order = np.argsort(log_c, kind="stable")
    labels = np.empty(len(c), dtype=np.int64)
    labels[order] = np.concatenate([[0], np.cumsum(np.diff(log_c[order]) > gap)])
    m = int(labels.max()) + 1
    members = [log_c[labels == j] for j in range(m)]
    what = "the compute given" if compute_flop is not None else "6 N D"
    near = f"runs within {format_percent(float(np.expm1(gap)))} of a neighbour in {what} share a budget"
    return Budgets(
        labels=labels,
        compute_flop=np.array([float(np.exp(x.mean())) for x in members]),
        spread=np.array([float(np.exp(np.ptp(x))) for x in members]),
        rule="runs of equal nominal compute share a budget" if nominal else near,
        tolerance=gap,
    )


def _mostly_shared(log_c: Array) -> bool:
    order = np.sort(log_c)
    same = np.diff(order) <= _EXACT
    shared = np.zeros(len(order), dtype=bool)
    shared[1:] |= same
    shared[:-1] |= same
    return bool(shared.mean() > 0.5)
