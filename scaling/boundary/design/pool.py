"""Models that could be evaluated, and what for: compute, cost, what is known already, and the money there is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import without_na
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_percent, format_plural

Array = NDArray[np.float64]
Rows = NDArray[np.int64]
Mask = NDArray[np.bool_]

UNITS = ("share", "cost")
_RAW_COMPUTE = 100.0  # no log10 of a compute budget comes near it
_ROUNDING = 1e-12  # of the budget: sums of costs in another order


@dataclass(frozen=True)
class Pool:
    """Models that could be evaluated.

    Parameters
    ----------
    z : ndarray (n,)
        log10 training compute, FLOP.
    cost : ndarray (n,)
        Of evaluating each, above 0; in the unit of what was given.
    known : ndarray of bool (n,)
        Evaluated already: paid for, and never chosen.
    group : ndarray of int (n,)
        Number of the cluster of each; all different where no groups were given.
    kept : ndarray of int (n,)
        Positions of these models among those that were given.
    budget : float
        What may be spent, in the unit of the cost.
    grouped : bool
        Whether groups were given.
    notes : tuple of str
        What was left out.
    """

    z: Array
    cost: Array
    known: Mask
    group: Rows
    kept: Rows
    budget: float
    grouped: bool
    notes: tuple[str, ...]

    @property
    def cost_total(self) -> float:
        """Of evaluating the whole pool, those known included."""
        return float(self.cost.sum())

    def affordable(self, spent: float) -> Mask:
        """Tell which models the rest of the budget pays for."""
        return np.asarray(spent + self.cost <= self.budget * (1 + _ROUNDING))

    def fits(self, spent: float, row: int) -> bool:
        """Tell whether the rest of the budget pays for a model."""
        return bool(spent + self.cost[row] <= self.budget * (1 + _ROUNDING))


def read_pool(
    log10_compute: ArrayLike,
    cost: ArrayLike | None,
    budget: float,
    unit: str = "share",
    known: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> Pool:
    """Check a pool of models and a budget.

    Parameters
    ----------
    log10_compute, cost, budget, unit, known, groups
        As of `scaling.boundary.design.choose_models`.

    Returns
    -------
    Pool
        Without the models whose compute is missing or zero, which is noted.

    Raises
    ------
    InputDataError
        For columns that cannot be used, no model that is left to evaluate, or a budget below the cheapest of them.
    UsageError
        For a budget or a unit that makes no sense.
    """
    z = _numbers(log10_compute, "log10_compute")
    price = np.ones(len(z)) if cost is None else _numbers(cost, "cost")
    if price.shape != z.shape:
        raise InputDataError(f"'cost' has {len(price)} rows, but 'log10_compute' has {len(z)}")
    finite = np.isfinite(z)
    if not finite.any():
        raise InputDataError(f"none of the {len(z)} models has compute", hint="Give log10 of the training FLOP.")
    if np.median(z[finite]) > _RAW_COMPUTE:
        raise InputDataError(
            f"'log10_compute' has a median of {format_number(float(np.median(z[finite])))}, which is compute itself "
            "and not its logarithm",
            hint="Give numpy.log10(compute_flop).",
        )
    if bad := np.flatnonzero(finite & ~(np.isfinite(price) & (price > 0))).tolist():
        raise InputDataError(
            f"the cost of {format_plural(len(bad), 'model')} is no number above 0, first in row {bad[0]}: "
            f"{price[bad[0]]:g}",
            hint="A model that costs nothing needs no design: evaluate it, and name it in 'known'.",
        )
    done = _mask(known, len(z))
    notes = []
    if left := int(np.sum(~finite)):
        notes.append(f"Left out {format_plural(left, 'model')} of {len(z)} whose compute is missing or zero.")
    kept = np.flatnonzero(finite)
    labels = None if groups is None else np.asarray(groups)
    if labels is not None and labels.shape != z.shape:
        raise InputDataError(f"'groups' has shape {labels.shape}, but 'log10_compute' has {len(z)} rows")
    group = np.arange(len(kept)) if labels is None else np.unique(labels[kept].astype(str), return_inverse=True)[1]
    pool = Pool(
        z[kept], price[kept], done[kept], np.asarray(group, np.int64), kept,
        _budget(budget, unit, float(price[kept].sum())), labels is not None, tuple(notes),
    )  # fmt: skip
    _check_affordable(pool)
    return pool


def _check_affordable(pool: Pool) -> None:
    open_ = np.flatnonzero(~pool.known)
    if not len(open_):
        raise InputDataError(f"all {len(pool.z)} models of the pool are known, so there is none to choose")
    cheapest = float(pool.cost[open_].min())
    if not pool.fits(0.0, int(open_[np.argmin(pool.cost[open_])])):
        raise InputDataError(
            f"the budget of {format_number(pool.budget)} pays for no model: the cheapest costs "
            f"{format_number(cheapest)}, {format_percent(cheapest / pool.cost_total)} of the pool",
            hint="Raise the budget, or give a share of the pool: 20% is 0.2.",
        )


def _budget(budget: float, unit: str, total: float) -> float:
    if unit not in UNITS:
        raise UsageError(f"a budget is in units of {' or '.join(UNITS)}, not '{unit}'")
    if not (math.isfinite(budget) and budget > 0):
        raise UsageError(f"the budget must be a number above 0, not {budget}")
    if unit == "share" and budget > 1:
        raise UsageError(
            f"a budget of {format_number(budget)} is more than the whole pool: as a share it is at most 1",
            hint="Give 0.2 for a fifth of what the pool costs, or unit='cost' for a budget in units of the cost.",
        )
    return float(budget) * total if unit == "share" else float(budget)


def _numbers(column: ArrayLike, name: str) -> Array:
    try:
        out = np.atleast_1d(np.asarray(without_na(column), float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"'{name}' holds something that is not a number: {error}") from error
    if out.ndim != 1 or not out.size:
        raise InputDataError(f"'{name}' must be one column of numbers, but has shape {out.shape}")
    return out


def _mask(known: ArrayLike | None, n: int) -> Mask:
    """Read rows that are known: a mask, or positions."""
    out = np.zeros(n, bool)
    if known is None:
        return out
    rows = np.asarray(known)
    if rows.dtype == bool:
        if rows.shape != (n,):
            raise InputDataError(f"'known' has shape {rows.shape}, but there are {n} models")
        return np.asarray(rows, bool)
    if not rows.size:
        return out
    if not np.issubdtype(rows.dtype, np.integer) or rows.ndim != 1 or rows.min() < 0 or rows.max() >= n:
        raise InputDataError(
            f"'known' must hold positions from 0 to {n - 1}, or be a mask of {n} truth values",
            hint="Leave it out where no model is evaluated yet.",
        )
    out[rows] = True
    return out
