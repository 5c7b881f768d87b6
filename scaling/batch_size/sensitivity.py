"""How a critical batch size, and the exponent of its growth, move with the convention that it is read off by.

One set of curves gives exponents that differ by a factor of two: the anchor adds a constant to every critical batch
size, which flattens a power law of what is left. A number without its overhead and anchor is therefore no number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError
from scaling.formatting import format_interval, format_number, format_percent
from scaling.inputs import check_level
from scaling.serial import plain

if TYPE_CHECKING:
    from scaling.batch_size.steps import StepsFit

Array = NDArray[np.float64]

OVERHEADS = (0.1, 0.2, 0.5, 1.0)
ANCHORS = (64.0, 128.0, 256.0, 512.0, 1024.0)
_LAWS = {"N": ("critical_batch_params", "p"), "D": ("critical_batch", "q")}


@dataclass(frozen=True)
class ConventionRow:
    """Critical batch sizes by one convention, and the power law through them.

    Parameters
    ----------
    overhead, anchor : float or None
        The convention; None and None for b/a, an anchor of None for perfect scaling.
    batches : tuple of float
        One a curve, in the unit of the table.
    exponent : float
        Of the power law over what the curves differ in.
    low, high : float
        Its interval; NaN without replicates.
    prefactor : float
        The critical batch size at 1 of that.
    """

    overhead: float | None
    anchor: float | None
    batches: tuple[float, ...]
    exponent: float
    low: float
    high: float
    prefactor: float


@dataclass(frozen=True)
class ConventionTable:
    """What conventions make of the same curves.

    Parameters
    ----------
    rows : tuple of ConventionRow
        The anchors at one overhead, the overheads at one anchor, b/a, and an overhead without an anchor.
    over : str
        ``N`` or ``D``: what the exponent is of.
    scale : tuple of float
        Parameters or tokens of each curve.
    unit : str
        Of the batch sizes.
    level : float
        Nominal coverage of the intervals.
    method : str
        How they were made.
    """

    rows: tuple[ConventionRow, ...]
    over: str
    scale: tuple[float, ...]
    unit: str
    level: float
    method: str

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest exponent of all conventions."""
        exponents = [row.exponent for row in self.rows]
        return min(exponents), max(exponents)

    def at(self, overhead: float | None, anchor: float | None) -> ConventionRow:
        """Return the row of a convention.

        Parameters
        ----------
        overhead, anchor : float or None
            Of the row.

        Returns
        -------
        ConventionRow

        Raises
        ------
        UsageError
            Where the table has none.
        """
        for row in self.rows:
            if (row.overhead, row.anchor) == (overhead, anchor):
                return row
        raise UsageError(f"the table has no row of the overhead {overhead} and the anchor {anchor}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON."""
        out: dict[str, Any] = plain(
            {
                "over": self.over,
                "scale": self.scale,
                "unit": self.unit,
                "level": self.level,
                "method": self.method,
                "rows": [{name: getattr(row, name) for name in row.__dataclass_fields__} for row in self.rows],
            }
        )
        return out

    def __repr__(self) -> str:
        lines = [f"overhead  anchor ({self.unit})  exponent of {self.over}"]
        for row in self.rows:
            overhead = "b/a" if row.overhead is None else format_percent(row.overhead, 3)
            anchor = "none" if row.anchor is None else format_number(row.anchor)
            interval = format_interval(row.low, row.high)
            lines.append(f"{overhead:8}  {anchor:>{9 + len(self.unit)}}  {format_number(row.exponent, 3)} ({interval})")
        return "\n".join([*lines, f"{format_percent(self.level, 3)} intervals: {self.method}"])


def convention_table(
    curves: Sequence[StepsFit],
    *,
    n_params: ArrayLike | None = None,
    n_tokens: ArrayLike | None = None,
    overheads: Sequence[float] = OVERHEADS,
    anchors: Sequence[float] = ANCHORS,
    overhead: float = 0.2,
    anchor: float = 256.0,
    level: float = 0.9,
    seed: int = 0,
) -> ConventionTable:
    """Read the same curves off by several conventions, and fit a power law through each set of critical batch sizes.

    Parameters
    ----------
    curves : sequence of StepsFit
        Two or more, of one unit.
    n_params, n_tokens : array_like (m,), optional
        Parameters or tokens of each curve; one of the two.
    overheads : sequence of float
        Tried at `anchor`.
    anchors : sequence of float
        Tried at `overhead`; in the unit of the curves.
    overhead, anchor : float
        The conventions that the other is tried at: those of arXiv:2410.21676, whose sequences have 512 tokens.
    level : float, default 0.9
        Nominal coverage of the intervals of the exponents.
    seed : int, default 0
        Of the order in which replicates of different curves are put together.

    Returns
    -------
    ConventionTable

    Raises
    ------
    InputDataError
        For fewer than two curves, curves of different units, and curves that have no critical batch size.
    UsageError
        Where not exactly one of `n_params` and `n_tokens` is given.
    """
    check_level(level)
    over, scale = _scale(n_params, n_tokens, len(curves))
    units = sorted({curve.unit for curve in curves})
    if len(units) > 1:
        raise InputDataError(
            f"the curves are in {' and in '.join(units)}", hint="Fit all of them in one unit, with the context length."
        )
    plans: list[tuple[float | None, float | None]] = [(overhead, float(value)) for value in anchors]
    plans += [(float(value), anchor) for value in overheads]
    plans += [(None, None)]
    if all(curve.form != "steps_to_target_power" for curve in curves):
        plans.append((overhead, None))
    replicates = _independent(curves, seed)
    rows = [_row(curves, replicates, over, scale, *plan, level) for plan in dict.fromkeys(plans)]
    method = "none, the curves have no replicates"
    if count := len(replicates[0]):
        method = (
            f"percentile of {count} bootstrap replicates of each curve, seed {seed}; without the scatter of the curves "
            "around a power law"
        )
    return ConventionTable(tuple(rows), over, tuple(scale.tolist()), units[0], level, method)


def _scale(n_params: ArrayLike | None, n_tokens: ArrayLike | None, count: int) -> tuple[str, Array]:
    if (n_params is None) == (n_tokens is None):
        raise UsageError("an exponent is of parameters or of tokens", hint="Give one of n_params and n_tokens.")
    over, given = ("N", n_params) if n_tokens is None else ("D", n_tokens)
    try:
        scale = np.atleast_1d(np.asarray(given, float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"{over} holds something that is not a number: {error}") from error
    if count < 2 or scale.shape != (count,):
        raise InputDataError(f"there are {count} curves and {scale.size} sizes; an exponent needs two or more of each")
    if not np.all(np.isfinite(scale) & (scale > 0)) or np.ptp(scale) == 0:
        raise InputDataError(f"{over} must be finite numbers above 0, and not all the same")
    return over, scale


def _independent(curves: Sequence[StepsFit], seed: int) -> list[Array]:
    """Return as many replicates of each curve (R, p), in an order of its own.

    Curves of as many rows that were fitted with one seed drew the same places, and would move together.
    """
    count = min(len(curve.fit.replicates) for curve in curves)
    streams = np.random.SeedSequence(seed).spawn(len(curves))
    return [
        curve.fit.replicates[np.random.default_rng(stream).permutation(len(curve.fit.replicates))[:count]]
        for curve, stream in zip(curves, streams, strict=True)
    ]


def _row(
    curves: Sequence[StepsFit],
    replicates: list[Array],
    over: str,
    scale: Array,
    overhead: float | None,
    anchor: float | None,
    level: float,
) -> ConventionRow:
    from scaling.batch_size.conventions import overhead_batch
    from scaling.fitting.fit import fit as fit_law
    from scaling.fitting.intervals import percentile_interval

    batches = np.array([curve.critical_batch(overhead, anchor).estimate for curve in curves])
    if not np.all(np.isfinite(batches) & (batches > 0)):
        at = int(np.flatnonzero(~(np.isfinite(batches) & (batches > 0)))[0])
        raise InputDataError(
            f"the curve at {over} = {format_number(scale[at])} has no critical batch size",
            hint="Leave it out, or add larger batch sizes to it.",
        )
    name, exponent = _LAWS[over]
    law = fit_law(name, {over: scale}, batches, objective="squared", bootstrap=0)
    low = high = np.nan
    if len(replicates[0]):
        drawn = zip(curves, replicates, strict=True)
        logs = np.log([overhead_batch(curve.form, theta, overhead, anchor) for curve, theta in drawn])
        x = np.log(scale) - np.log(scale).mean()
        slopes = x @ logs / (x @ x)  # what least squares of logarithms gives for a power law
        low, high = (float(end) for end in percentile_interval(slopes, level))
    return ConventionRow(
        overhead, anchor, tuple(batches.tolist()), law.estimates[exponent], low, high, law.estimates["k"]
    )
