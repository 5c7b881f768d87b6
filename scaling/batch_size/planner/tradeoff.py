"""Time against compute: what a batch size costs in either, exactly, and the front between them.

For ``S(B) = a + b/B`` with the critical batch size ``B_crit = b/a`` (arXiv:1812.06162), in units of the fewest steps a
and the fewest samples b::

    steps/a   = 1 + B_crit/B        samples/b = 1 + B/B_crit

so that (steps/a - 1)*(samples/b - 1) = 1, and no batch size is wrong: each is best for some price of time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.batch_size.planner.curve import StepsCurve, curve_of
from scaling.batch_size.planner.identities import (
    batch_for_overhead,
    batch_for_weight,
    compute_overhead,
    positive,
    time_ratio,
    tokens_of_sample,
)
from scaling.formatting import format_interval, format_number, format_percent
from scaling.inputs import check_level
from scaling.serial import plain

if TYPE_CHECKING:
    from scaling.batch_size.steps import StepsFit
    from scaling.results import Fit

__all__ = ["ParetoFront", "batch_for_overhead", "batch_for_weight", "compute_overhead", "pareto_front", "time_ratio"]

Array = NDArray[np.float64]

WEIGHTS = (0.1, 0.25, 0.5, 0.75)  # of time, where none are given
OVERHEADS = (0.1, 0.2, 0.5, 1.0)
_OCTAVES = 5  # of batch sizes on either side of the critical one, where none are given


@dataclass(frozen=True)
class ParetoFront:
    """What each batch size takes in time and in compute; none of them is better than another in both.

    Parameters
    ----------
    batch : ndarray (m,)
        In `unit`.
    steps, samples, time_ratio, overhead : ndarray (m,)
        Steps to the target; samples in `unit`; steps over the fewest; samples over the fewest, less 1.
    tokens, compute_flop : ndarray (m,)
        NaN where the tokens of a sample, or the FLOP of a token, are not known.
    intervals : dict of str to (ndarray (m,), ndarray (m,))
        Low and high ends of ``steps samples time_ratio overhead tokens compute_flop``: percentiles of the replicates,
        NaN without.
    critical, critical_low, critical_high : float
        The critical batch size b/a with percentiles of the replicates, in `unit`.
    level : float
        Nominal coverage.
    unit : str
        Of the batch and the samples.
    by_weight, by_overhead : dict of float to (float, float, float)
        The best batch for a weight of time, and the largest for an overhead, with intervals.
    verdict : str
        Of the curve.
    """

    batch: Array
    steps: Array
    samples: Array
    time_ratio: Array
    overhead: Array
    tokens: Array
    compute_flop: Array
    intervals: dict[str, tuple[Array, Array]]
    critical: float
    critical_low: float
    critical_high: float
    level: float
    unit: str
    by_weight: dict[float, tuple[float, float, float]]
    by_overhead: dict[float, tuple[float, float, float]]
    verdict: str

    @property
    def rows(self) -> list[dict[str, float]]:
        """One mapping a batch size: each quantity, and its ends as ``NAME_low`` and ``NAME_high``."""
        out = []
        for i, batch in enumerate(self.batch.tolist()):
            row = {"batch": batch}
            for name, (low, high) in self.intervals.items():
                row |= {name: float(getattr(self, name)[i])}
                row |= {f"{name}_low": float(low[i]), f"{name}_high": float(high[i])}
            out.append(row)
        return out

    def to_dict(self) -> dict[str, Any]:
        """Return plain data, strict JSON.

        Keys: ``unit``, ``level``, ``verdict``, ``critical_batch`` (``estimate low high``), ``front`` (a list of
        `rows`), ``by_weight`` and ``by_overhead`` (lists of ``weight`` or ``overhead`` with ``batch``, ``batch_low``
        and ``batch_high``).
        """
        critical = {"estimate": self.critical, "low": self.critical_low, "high": self.critical_high}
        out: dict[str, Any] = plain(
            {
                "unit": self.unit,
                "level": self.level,
                "verdict": self.verdict,
                "critical_batch": critical,
                "front": self.rows,
                "by_weight": _choices("weight", self.by_weight),
                "by_overhead": _choices("overhead", self.by_overhead),
            }
        )
        return out

    def __repr__(self) -> str:
        ends = format_interval(self.critical_low, self.critical_high)
        lines = [
            f"critical batch size {format_number(self.critical)} {self.unit} "
            f"({format_percent(self.level, 3)} interval {ends}): twice the fewest steps and samples"
        ]
        lines += [
            f"  B = {format_number(b)}: {format_number(t)} of the least time, {format_percent(o, 3)} more compute"
            for b, t, o in zip(self.batch, self.time_ratio, self.overhead, strict=True)
        ]
        return "\n".join([*lines, f"verdict: {self.verdict}"])


def pareto_front(
    curve: StepsFit | Fit | StepsCurve,
    batch: ArrayLike | None = None,
    *,
    tokens_per_sample: float | None = None,
    flop_per_token: float | None = None,
    weights: Sequence[float] = WEIGHTS,
    overheads: Sequence[float] = OVERHEADS,
    level: float = 0.9,
) -> ParetoFront:
    """Work out what batch sizes take in time and in compute.

    Parameters
    ----------
    curve : StepsFit, Fit or StepsCurve
        Steps over batch size; see `scaling.batch_size.planner.curve.curve_of`.
    batch : array_like (m,), optional
        Batch sizes in the unit of the curve; powers of two from 1/32 to 32 times the critical one where missing.
    tokens_per_sample : float, optional
        Context length; 1 where the unit is tokens.
    flop_per_token : float, optional
        Such as 6 times the parameters.
    weights, overheads : sequence of float
        For the tables of best batches.
    level : float, default 0.9
        Nominal coverage.

    Returns
    -------
    ParetoFront

    Raises
    ------
    UsageError
        For batch sizes, lengths or costs that are no numbers above 0.
    VerdictError
        For a fit that is not identified.
    """
    from scaling.batch_size.units import check_batch

    check_level(level)
    curve = curve_of(curve)
    sizes = _octaves(curve.critical) if batch is None else check_batch(batch)
    length = tokens_of_sample(curve.unit, tokens_per_sample)
    each = np.nan if flop_per_token is None else positive(flop_per_token, "the FLOP of a token")
    draws = curve.draws
    ratios = {"critical": _over(draws[:, 1], draws[:, 0])[:, None]}
    steps = draws[:, :1] + draws[:, 1:] / sizes
    samples = draws[:, :1] * sizes + draws[:, 1:]
    table = {
        "steps": steps,
        "samples": samples,
        "time_ratio": _over(steps, draws[:, :1]),
        "overhead": _over(draws[:, :1] * sizes, draws[:, 1:]),
        "tokens": samples * length,
        "compute_flop": samples * length * each,
    }

    def chosen(factors: Array) -> tuple[float, float, float]:
        low, high = curve.interval(factors[1:], level)
        return float(factors[0, 0]), float(low[0]), float(high[0])

    critical, low, high = chosen(ratios["critical"])
    return ParetoFront(
        batch=sizes,
        **{name: values[0] for name, values in table.items()},
        intervals={name: curve.interval(values[1:], level) for name, values in table.items()},
        critical=critical, critical_low=low, critical_high=high, level=level, unit=curve.unit,
        by_weight={w: chosen(batch_for_weight(ratios["critical"], w)) for w in weights},
        by_overhead={e: chosen(batch_for_overhead(ratios["critical"], e)) for e in overheads},
        verdict=curve.verdict,
    )  # fmt: skip


def _octaves(critical: float) -> Array:
    middle = round(float(np.log2(critical)))
    return np.asarray(2.0 ** np.arange(middle - _OCTAVES, middle + _OCTAVES + 1))


def _over(top: Array, bottom: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(top / bottom)


def _choices(name: str, table: dict[float, tuple[float, float, float]]) -> list[dict[str, float]]:
    return [{name: key, "batch": b, "batch_low": low, "batch_high": high} for key, (b, low, high) in table.items()]
