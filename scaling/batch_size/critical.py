"""The critical batch size of a curve of steps, always with the convention that it was read off by.

Two rules are in use, and one curve gives numbers by them that differ by a factor of ten:

``b/a`` (no overhead)
    Where the asymptotes of the curve meet: a run takes twice the fewest steps and twice the fewest samples there
    (arXiv:1812.06162).
an overhead
    The largest batch whose samples exceed those of linear scaling from an anchor by no more than a share: the batch B*
    with ``B* S(B*) = (1 + overhead) anchor S(anchor)`` (arXiv:2410.21676, with 0.2 and 256 sequences). Without an
    anchor the comparison is with perfect scaling, the fewest samples of all.

With S = a + b/B it is ``overhead * b/a + (1 + overhead) * anchor``, so the anchor is an offset that does not grow with
the model, which is how a convention changes an exponent.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scaling.bands import replicate_interval
from scaling.batch_size.conventions import FORMS, beyond_offset, check_convention, offset_of
from scaling.batch_size.fieller import fieller_interval
from scaling.batch_size.units import convert
from scaling.errors import UsageError, did_you_mean
from scaling.formatting import format_interval, format_number, format_percent, format_whole
from scaling.inputs import check_level
from scaling.serial import plain

if TYPE_CHECKING:
    from scaling.results import Fit

Array = NDArray[np.float64]

METHODS = ("fieller", "delta", "bootstrap")
RECORD = "steps_to_target"  # of the settings of a fit: what `scaling.batch_size.fit_steps` keeps there
_AT_BOUND = 1 + 1e-6  # relative to the bound of an asymptote, which stands for 0
_STEP = 1e-5  # of central differences, of logarithms
_FEW_KNOWN = 0.5  # of the replicates; with fewer the others say nothing of an interval


@dataclass(frozen=True)
class CriticalBatch:
    """A critical batch size.

    Parameters
    ----------
    estimate : float
        In `unit`; infinite where the steps fall in proportion to the batch as far as it was tried.
    low, high : float
        The interval. `high` is infinite where the curve does not show that it levels off.
    level : float
        Nominal coverage.
    method : str
        How the interval was made.
    overhead : float or None
        Share by which samples exceed the comparison; None for b/a.
    anchor : float or None
        Batch size that linear scaling starts from, in `unit`; None for perfect scaling.
    unit : str
        ``samples``, ``sequences`` or ``tokens``.
    verdict : str
        That of the curve.
    notes : tuple of str
        What is to be known of it, in sentences.
    """

    estimate: float
    low: float
    high: float
    level: float
    method: str
    overhead: float | None
    anchor: float | None
    unit: str
    verdict: str = "ok"
    notes: tuple[str, ...] = ()

    @property
    def bounded(self) -> bool:
        """Whether the interval has an upper end."""
        return math.isfinite(self.high)

    @property
    def definition(self) -> str:
        """By which convention it is critical, in words."""
        if self.overhead is None:
            return "b/a, where steps and samples are twice the fewest"
        above = format_percent(self.overhead, 3)
        if self.anchor is None:
            return f"{above} more samples than perfect scaling takes"
        return f"{above} above linear scaling from a batch of {format_whole(self.anchor)} {self.unit}"

    @property
    def interval(self) -> str:
        """The interval, in words."""
        if math.isnan(self.low):
            return "unknown"
        if self.bounded:
            return format_interval(self.low, self.high)
        return f"above {format_number(self.low, 3)}, unbounded" if self.low > 0 else "unbounded on either side"

    def to_unit(self, unit: str, context_length: float | None = None) -> CriticalBatch:
        """Return the same in another unit; see `scaling.batch_size.units.convert`."""

        def turn(value: float) -> float:
            return float(convert(value, self.unit, unit, context_length))

        anchor = None if self.anchor is None else turn(self.anchor)
        return replace(
            self, estimate=turn(self.estimate), low=turn(self.low), high=turn(self.high), anchor=anchor, unit=unit
        )

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON: infinities are "inf", NaN is None."""
        table = {name: getattr(self, name) for name in self.__dataclass_fields__}
        out: dict[str, Any] = plain({**table, "definition": self.definition, "bounded": self.bounded})
        return out

    def __float__(self) -> float:
        return self.estimate

    def __repr__(self) -> str:
        lines = [
            f"critical batch size {format_number(self.estimate)} {self.unit} "
            f"({format_percent(self.level, 3)} interval {self.interval})",
            f"critical: {self.definition}",
            f"interval: {self.method}",
            f"verdict: {self.verdict}",
            *(f"  - {note}" for note in self.notes),
        ]
        return "\n".join(lines)


def critical_batch_of(
    fit: Fit,
    overhead: float | None = None,
    anchor: float | None = None,
    level: float = 0.9,
    method: str | None = None,
) -> CriticalBatch:
    """Read the critical batch size off a fitted curve of steps.

    Parameters
    ----------
    fit : Fit
        Of one of the laws `FORMS`.
    overhead : float, optional
        Share by which samples may exceed the comparison, such as 0.2. b/a where missing.
    anchor : float, optional
        Batch size that linear scaling starts from, in the unit of the fit; perfect scaling where missing.
    level : float, default 0.9
        Nominal coverage of the interval.
    method : {'fieller', 'delta', 'bootstrap'}, optional
        ``fieller`` for the law a + b/B, ``delta`` for the others, where missing. See Notes.

    Returns
    -------
    CriticalBatch

    Raises
    ------
    UsageError
        For a law that is no curve of steps, a convention that is none, or a method that the fit has nothing for.

    Notes
    -----
    ``fieller`` takes a and b as normal with their covariance, and has no upper end where a may be zero. ``delta`` takes
    the logarithm of what lies beyond (1 + overhead)*anchor as normal. Both use the t distribution. ``bootstrap`` takes
    percentiles of the replicates, at the level at which the normal distribution reaches as far as the t distribution
    does at the one asked for (Hesterberg 2015, arXiv:1411.5279). In simulated sweeps of 6 to 12 batch sizes, with and
    without censored rows, 90 % intervals of b/a by ``fieller`` and ``delta`` held the truth in 88 to 95 %, plain
    percentiles in 80 to 85 %.
    """
    form = fit.law.name
    if form not in FORMS:
        raise UsageError(
            f"the law '{form}' is no curve of steps over batch size",
            hint=f"Fit with scaling.batch_size.fit_steps. {did_you_mean(form, FORMS)}",
        )
    check_level(level)
    check_convention(form, overhead, anchor)
    method = _choose(fit, form, method)
    record = fit.settings.get(RECORD, {})

    def beyond(theta: Array) -> Array:
        with np.errstate(all="ignore"):
            return beyond_offset(form, without_bounds(fit, theta), overhead, anchor)

    offset = offset_of(overhead, anchor)
    at = float(beyond(fit.theta[None])[0])
    if method == "bootstrap":
        low, high = _percentiles(beyond(fit.replicates) + offset, _wider(level, fit.degrees))
        words = (
            f"percentile of {fit.interval_method.removeprefix('percentile of ')}, widened for "
            f"{format_number(fit.degrees, 3)} degrees of freedom"
        )
    else:
        from scaling.fitting.intervals import t_quantile

        t = t_quantile(level, fit.degrees)
        ends = _fieller(fit, t, overhead) if method == "fieller" else _delta(fit, beyond, at, t)
        low, high = (end + offset for end in ends)
        name = "Fieller's, from the covariance of a and b" if method == "fieller" else "delta method on the logarithm"
        degrees = "one degree" if fit.degrees == 1 else f"{format_number(fit.degrees, 3)} degrees"
        words = f"{name}, t distribution with {degrees} of freedom"
    found = CriticalBatch(
        estimate=at + offset, low=low, high=high, level=level, method=words, overhead=overhead, anchor=anchor,
        unit=str(record.get("unit", "samples")), verdict=fit.verdict, notes=fit.diagnostics.reasons,
    )  # fmt: skip
    return replace(found, notes=(*found.notes, *_notes(found, fit)))


def _notes(found: CriticalBatch, fit: Fit) -> list[str]:
    """Say what the number is not."""
    notes = []
    if math.isinf(found.estimate):
        notes.append(
            "The steps fall in proportion to the batch over all batch sizes tried: no critical batch size is seen, and "
            "it lies beyond them."
        )
    elif math.isinf(found.high):
        notes.append("The curve need not level off within the error, so the interval has no upper end.")
    smallest, largest = fit.support["B"]
    if found.estimate - offset_of(found.overhead, found.anchor) < smallest * (found.overhead or 1.0):
        notes.append(
            f"The steps hardly fall from the smallest batch size tried, {format_whole(smallest)}, on: that is beyond "
            "the critical one already."
        )
    if largest < found.estimate < math.inf:
        notes.append(
            f"It lies beyond the largest batch size tried, {format_whole(largest)}: it rests on the form of the law."
        )
    return notes


def _choose(fit: Fit, form: str, method: str | None) -> str:
    if method is None:
        return "fieller" if form == FORMS[0] else "delta"
    if method not in METHODS:
        raise UsageError(
            f"there is no interval '{method}' of a critical batch size", hint=did_you_mean(method, METHODS)
        )
    if method == "fieller" and form != FORMS[0]:
        raise UsageError(
            f"Fieller's interval is of the ratio b/a, which the law '{form}' does not rest on alone",
            hint="Take 'delta' or 'bootstrap'.",
        )
    if method == "bootstrap" and not len(fit.replicates):
        raise UsageError(
            "a bootstrap interval is made from replicates, but this fit has none", hint="Fit with bootstrap=1000."
        )
    return method


def without_bounds(fit: Fit, theta: Array) -> Array:
    """Put 0 for an asymptote that lies at its lower bound, which stands for it.

    Parameters
    ----------
    fit : Fit
        Of one of the laws `FORMS`.
    theta : ndarray (R, p)
        Its parameters, or replicates of them, natural units.

    Returns
    -------
    ndarray (R, p)
    """
    theta = np.array(theta, float)
    for j in (0, 1):
        low = fit.law.parameters[j].bounds(dict(fit.support))[0]
        theta[theta[:, j] <= low * _AT_BOUND, j] = 0.0
    return theta


def _wider(level: float, degrees: float) -> float:
    """Level at which a normal quantile is the t quantile of another: few rows tell their own scatter badly."""
    from scipy.special import ndtr

    from scaling.fitting.intervals import t_quantile

    return float(2 * ndtr(t_quantile(level, degrees)) - 1) if degrees > 0 else level


def _percentiles(values: Array, level: float) -> tuple[float, float]:
    known = ~np.isnan(values)
    if known.mean() < _FEW_KNOWN:
        return math.nan, math.nan
    low, high = replicate_interval(values[known, None], level)
    return float(low[0]), float(high[0])


def _fieller(fit: Fit, t: float, overhead: float | None) -> tuple[float, float]:
    share = 1.0 if overhead is None else overhead
    a, b = without_bounds(fit, fit.theta[None])[0]
    known = fit.settings.get(RECORD, {}).get("covariance")
    matrix = np.outer(fit.theta, fit.theta) * fit.covariance if known is None else np.array(known, float)
    low, high = fieller_interval(b, a, matrix[::-1, ::-1], t)
    return share * low, share * high


def _delta(fit: Fit, beyond: Callable[[Array], Array], at: float, t: float) -> tuple[float, float]:
    """Interval from the gradient of the logarithm with respect to the internal parameters."""
    if at == 0 or not math.isfinite(at):
        return math.nan, math.nan if at == 0 else math.inf
    log_scaled = np.array(fit.log_scaled)
    here = np.where(log_scaled, np.log(fit.theta), fit.theta)
    rows = here + _STEP * np.concatenate([np.eye(len(here)), -np.eye(len(here))])
    with np.errstate(all="ignore"):  # a parameter that the data do not determine makes the factor infinite
        values = np.log(beyond(np.where(log_scaled, np.exp(rows), rows)))
        gradient = (values[: len(here)] - values[len(here) :]) / (2 * _STEP)
        factor = float(np.exp(t * np.sqrt(gradient @ fit.covariance @ gradient)))
    return (at / factor, at * factor) if math.isfinite(factor) else (0.0, math.inf)
