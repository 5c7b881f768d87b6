"""Hold the largest sizes of learning curves out, and say which way of fitting forecasts them best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, ScalingError
from scaling.formatting import format_number, format_plural
from scaling.valuation.collection.curve_fits import own_fit, pooled_fit
from scaling.valuation.collection.pooling import pool_exponents
from scaling.valuation.collection.rows import GroupRows, read_rows, rises

Array = NDArray[np.float64]

WAYS = ("power", "power_floor", "shared exponent")
_CUTS = 2  # sizes that are held out, one after another, where a form is chosen


@dataclass(frozen=True)
class HeldOutCurves:
    """What ways of fitting learning curves missed the largest size of each group by.

    Parameters
    ----------
    errors : dict of str to ndarray (m,)
        By way: ln(forecast) - ln(observed), one a group.
    groups : tuple of str
        Those whose largest size could be held out.
    """

    errors: dict[str, Array]
    groups: tuple[str, ...]

    def rms(self, way: str) -> float:
        """Root mean square error of a way."""
        return float(np.sqrt(np.mean(self.errors[way] ** 2)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"groups": list(self.groups), "rms": {way: self.rms(way) for way in self.errors}}

    def __repr__(self) -> str:
        said = ", ".join(f"{way} {format_number(self.rms(way), 3)}" for way in self.errors)
        return f"the largest size of {format_plural(len(self.groups), 'group')}, held out: off by {said} (rms of ln)"


def hold_out_largest(
    n_examples: ArrayLike,
    error_or_loss: ArrayLike,
    group: Sequence[Any] | ArrayLike | None = None,
    *,
    higher_is_better: bool = False,
    sizes: int = 1,
) -> HeldOutCurves:
    """Forecast the largest size of each group from its smaller ones, in three ways.

    Parameters
    ----------
    n_examples, error_or_loss, group, higher_is_better
        As of `learning_curves`.
    sizes : int, default 1
        How many of the largest sizes are held out; the largest is what is forecast.

    Returns
    -------
    HeldOutCurves
        For ``power``, ``power_floor`` and, with three groups or more, ``shared exponent``.

    Raises
    ------
    InputDataError
        Where no group keeps three sizes.
    """
    parts = read_rows(n_examples, error_or_loss, group, higher_is_better)
    kept = {name: rows for name, rows in parts.items() if len(rows.sizes) >= 3 + sizes and not rises(rows)}
    if not kept:
        raise InputDataError(f"no group has the {3 + sizes} sizes of which the largest could be held out")
    left = {name: before(rows, sizes) for name, rows in kept.items()}
    ways = WAYS if len(kept) >= 3 else WAYS[:2]
    pool = pool_exponents([(rows.x, rows.y) for rows in left.values()]) if len(ways) == 3 else None
    errors: dict[str, list[float]] = {way: [] for way in ways}
    for g, (name, rows) in enumerate(left.items()):
        for way in ways:
            made = own_fit(rows, way, 0, 0) if way != WAYS[2] or pool is None else pooled_fit(rows, pool, g, 0, 0)
            errors[way].append(_missed(made, kept[name]))
    return HeldOutCurves({way: np.array(v) for way, v in errors.items()}, tuple(kept))


def before(rows: GroupRows, sizes: int) -> GroupRows:
    """Return the rows of a group without its largest sizes."""
    some = rows.x < rows.sizes[-sizes]
    return GroupRows(rows.group, rows.x[some], rows.y[some])


def miss_of(rows: GroupRows, law: str) -> float:
    """Return the mean size of the error of logarithms at the largest size, from all but one or two sizes.

    NaN where fewer than three sizes are left.
    """
    missed = []
    for cut in range(1, _CUTS + 1):
        left = before(rows, cut) if len(rows.sizes) > cut else rows
        if len(left.sizes) < 3 or left is rows:
            continue
        try:
            missed.append(abs(_missed(own_fit(left, law, 0, 0), rows)))
        except ScalingError:
            return float("nan")
    return float(np.mean(missed)) if missed else float("nan")


def _missed(fit: Any, rows: GroupRows) -> float:
    largest = rows.x == rows.x.max()
    forecast = fit.evaluate({"x": rows.x.max()})[0, 0]
    return float(np.log(forecast) - np.mean(np.log(rows.y[largest])))
