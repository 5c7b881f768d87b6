"""Critical batch sizes as the points of a law: in one unit, of one convention, with their replicates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.conventions import check_convention, overhead_batch
from scaling.batch_size.critical import RECORD, CriticalBatch, without_bounds
from scaling.batch_size.units import check_unit
from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_number, format_percent

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Points:
    """Critical batch sizes, the points of a law.

    Parameters
    ----------
    critical : ndarray (m,)
        In `unit`.
    replicates : ndarray (R, m)
        Of each, in `unit`; empty where none came with them.
    unit : str
        ``tokens``, ``sequences`` or ``samples`` a step.
    overhead, anchor : float or None
        The convention: tokens spent beyond linear scaling from the anchor, and the anchor in the unit that the batches
        came in. Both None for b/a, or where the numbers came without a convention.
    convention : str
        The same in words.
    rows : int
        Batch sizes, over all points, that the numbers were fitted to; 0 where that is not known.
    lost : float
        Share of the replicates that were left out, because a critical batch had no end there.
    """

    critical: Array
    replicates: Array = field(repr=False)
    unit: str
    overhead: float | None
    anchor: float | None
    convention: str
    rows: int = 0
    lost: float = 0.0

    def in_tokens(self, length: float) -> Points:
        """Write the batches in tokens; the convention keeps the unit that it came in."""
        from dataclasses import replace

        return replace(self, critical=self.critical * length, replicates=self.replicates * length, unit="tokens")

    def without(self, row: int) -> Points:
        """Leave one point out."""
        from dataclasses import replace

        replicates = np.delete(self.replicates, row, axis=1) if len(self.replicates) else self.replicates
        rows = round(self.rows * (1 - 1 / len(self.critical)))
        return replace(self, critical=np.delete(self.critical, row), replicates=replicates, rows=rows)


def read_points(
    critical: ArrayLike | Sequence[Any],
    replicates: ArrayLike | None,
    overhead: float | None,
    anchor: float | None,
    unit: str | None,
    seed: np.random.SeedSequence,
) -> Points:
    """Read critical batch sizes.

    Parameters
    ----------
    critical, replicates, overhead, anchor, unit
        As of `scaling.batch_size.law.fit_critical_law`.
    seed : SeedSequence
        Of the order in which replicates of different points stand side by side.

    Returns
    -------
    Points

    Raises
    ------
    InputDataError
        For numbers that are none, or not positive and finite, or replicates of which hardly any are finite.
    UsageError
        For points of different conventions or units, and for settings that do not go with what is given.
    """
    items = list(np.atleast_1d(np.asarray(critical, object)).ravel())
    if not items:
        raise InputDataError("there are no critical batches", hint="Give one a model size or length of training.")
    if all(hasattr(item, "critical_batch") and hasattr(item, "fit") for item in items):
        if replicates is not None:
            raise UsageError("fits of steps to a target bring their own replicates", hint="Leave replicates out.")
        return _from_fits(items, overhead, anchor, unit, seed)
    if all(hasattr(item, "estimate") and hasattr(item, "overhead") for item in items):
        overhead, anchor = (_one_of(items, name, mine) for name, mine in (("overhead", overhead), ("anchor", anchor)))
        unit = _one_of(items, "unit", unit)
        items = [item.estimate for item in items]
    if overhead is None and anchor is not None:
        raise UsageError("an anchor belongs to an overhead, which is missing", hint="Give overhead=0.2, say.")
    check_convention("steps_to_target", overhead, anchor)
    values = _numbers(items)
    drawn, lost = _replicates(replicates, len(values))
    unit = check_unit(unit or "samples")
    return Points(values, drawn, unit, overhead, anchor, convention_words(overhead, anchor, unit, given=True), 0, lost)


def convention_words(overhead: float | None, anchor: float | None, unit: str, given: bool = False) -> str:
    """Say what counts as critical.

    Parameters
    ----------
    overhead, anchor : float or None
        Of the convention.
    unit : str
        Of the anchor.
    given : bool, default False
        Whether the numbers came as they are, so that nothing is known of them where no overhead is given.

    Returns
    -------
    str
    """
    if overhead is None and given:
        return "as given"
    unknown = math.nan
    return CriticalBatch(unknown, unknown, unknown, 0.9, "", overhead, anchor, unit).definition


def _from_fits(
    items: Sequence[Any], overhead: float | None, anchor: float | None, unit: str | None, seed: np.random.SeedSequence
) -> Points:
    """Take the critical batches of fits of the steps to a target, and those of their replicates."""
    values = _numbers([_critical_of(item.fit, item.fit.theta[None], overhead, anchor)[0] for item in items])
    units = {str(item.fit.settings.get(RECORD, {}).get("unit", "samples")) for item in items}
    if units == {"samples"} and unit is not None:
        units = {check_unit(unit)}  # what a sample is was not said before
    if len(units) > 1 or (unit is not None and units != {unit}):
        raise UsageError(
            f"the fits count batches in {' and '.join(sorted(units))}"
            + ("" if len(units) > 1 else f", and not in {unit}"),
            hint="Fit all of them in one unit.",
        )
    [unit] = units
    count = min(len(item.fit.replicates) for item in items)
    columns = []
    # Fits that were made with one seed draw the same rows of residuals, and points that move together would make the
    # exponent look better known than it is, or worse; so each column is put in an order of its own.
    for item, child in zip(items, seed.spawn(len(items)), strict=True):
        drawn = _critical_of(item.fit, item.fit.replicates[:count], overhead, anchor)
        columns.append(drawn[np.random.default_rng(child).permutation(count)])
    drawn, lost = _replicates(np.stack(columns, axis=1) if count else None, len(items))
    words = convention_words(overhead, anchor, unit)
    return Points(values, drawn, unit, overhead, anchor, words, sum(int(item.fit.n_obs) for item in items), lost)


def _critical_of(fit: Fit, theta: Array, overhead: float | None, anchor: float | None) -> Array:
    """Work critical batches out for rows (R, p) of parameters; infinite where the curve does not level off."""
    return overhead_batch(fit.law.name, without_bounds(fit, theta), overhead, anchor)


def _one_of(items: Sequence[Any], name: str, mine: Any) -> Any:
    """Take what all points agree on; refuse those that differ, among themselves or from what was asked for."""
    found = {getattr(item, name) for item in items}
    if len(found) > 1:
        raise UsageError(
            f"the critical batches differ in their {name}: {', '.join(map(str, sorted(found, key=str)))}",
            hint="Work all of them out by one convention and in one unit: a law across conventions means nothing.",
        )
    [value] = found
    if mine is not None and mine != value:
        raise UsageError(
            f"the {name} of the critical batches is {value}, and not {mine}",
            hint="Leave it out, or work them out anew.",
        )
    return value


def _numbers(items: Sequence[Any]) -> Array:
    try:
        values = np.array([float(item) for item in items])
    except (TypeError, ValueError) as error:
        raise InputDataError(
            f"a critical batch is not a number: {error}",
            hint="Give numbers, CriticalBatch results, or fits of fit_steps, and no mixture of them.",
        ) from error
    for row, value in enumerate(values.tolist()):
        if not (value > 0 and math.isfinite(value)):
            raise InputDataError(
                f"critical batch {row} is {format_number(value)}; a law is fitted to positive, finite ones",
                hint="Leave the point out: its sweep does not show where larger batches stop to pay.",
            )
    return values


def _replicates(replicates: ArrayLike | None, m: int) -> tuple[Array, float]:
    """Check replicates (R, m), leave out rows where a critical batch has no end, and tell their share."""
    if replicates is None:
        return np.empty((0, m)), 0.0
    try:
        drawn = np.asarray(replicates, float)
    except (TypeError, ValueError) as error:
        raise InputDataError(f"a replicate is not a number: {error}") from error
    if drawn.ndim != 2 or drawn.shape[1] != m:
        raise InputDataError(
            f"replicates have shape {drawn.shape}; there are {m} critical batches, so (R, {m}) is expected",
            hint="One row a replicate, one column a critical batch.",
        )
    if not len(drawn):
        return np.empty((0, m)), 0.0
    usable = np.all(np.isfinite(drawn) & (drawn > 0), axis=1)
    if usable.mean() < 0.5:
        raise InputDataError(
            f"in {format_percent(1 - float(usable.mean()))} of the replicates some critical batch has no end",
            hint="Leave out the points whose sweeps do not reach large batches.",
        )
    return drawn[usable], 1 - float(usable.mean())
