"""What the noise scale is worth as a stand-in for the critical batch size: their ratio on the same runs.

Both answer how large a batch may be, but only a sweep over batch sizes measures it. The noise scale needs one run, and
its ratio to the critical batch size is not the same everywhere: about a factor of ten separates tasks (McCandlish et
al. 2018, arXiv:1812.06162), and Merrill et al. 2025 (arXiv:2505.23971) find it below the critical batch size that they
measure. So it stands in for one only after calibration, and only near where it was calibrated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from scaling.errors import InputDataError
from scaling.formatting import format_interval, format_number, format_percent, format_plural
from scaling.serial import plain

Array = NDArray[np.float64]

PROXY = (
    "The noise scale is a proxy: its ratio to the critical batch size differs about tenfold between tasks "
    "(arXiv:1812.06162), so this ratio holds for runs like these alone."
)


class BatchEstimate(Protocol):
    """An estimate of a batch size with its interval: a `NoiseScale` or a `CriticalBatch`."""

    @property
    def estimate(self) -> float:
        """Best value."""

    @property
    def low(self) -> float:
        """Lower end of the interval."""

    @property
    def high(self) -> float:
        """Upper end of the interval."""

    @property
    def level(self) -> float:
        """Nominal coverage of the interval."""

    @property
    def unit(self) -> str:
        """What a batch counts."""


@dataclass(frozen=True)
class CalibratedCell:
    """Critical batch size over noise scale, in one set of runs.

    Parameters
    ----------
    critical, noise : float
        The two batch sizes, in one unit.
    ratio, low, high : float
        `critical` over `noise`, and its interval; `low` is 0 where the noise scale has no upper end.
    """

    critical: float
    noise: float
    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Calibration:
    """How many noise scales the critical batch size is.

    Parameters
    ----------
    ratio, low, high : float
        Geometric mean of the cells' ratios and its interval: that of the one cell, or of the mean over cells by their
        scatter.
    level : float
        Nominal coverage.
    spread : float
        Largest ratio of the cells over the smallest; 1 for a single cell.
    cells : tuple of CalibratedCell
        As given.
    n_left_out : int
        Cells whose noise scale is negative, which have no ratio.
    unit : str
        That of the batch sizes.
    words : str
        What may be made of it.
    """

    ratio: float
    low: float
    high: float
    level: float
    spread: float
    cells: tuple[CalibratedCell, ...]
    n_left_out: int
    unit: str
    words: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data.

        Returns
        -------
        dict of str to object
        """
        table: dict[str, Any] = plain(asdict(self))
        return table

    def __repr__(self) -> str:
        """Write the ratio with its interval and where it comes from."""
        number, ends = format_number(self.ratio), format_interval(self.low, self.high)
        cells = format_plural(len(self.cells), "cell")
        return (
            f"Calibration: critical batch = {number} noise scales ({format_percent(self.level)}: {ends}), from {cells}"
        )


def calibrate_noise_scale(
    critical: BatchEstimate | Sequence[BatchEstimate], noise: BatchEstimate | Sequence[BatchEstimate]
) -> Calibration:
    """Compare noise scales with the critical batch sizes of the same runs.

    Parameters
    ----------
    critical : CriticalBatch or sequence of these
        Measured by steps to a target, one a cell (a model size, a dataset).
    noise : NoiseScale or sequence of these
        Of the same cells in the same order, at the same level and in the same unit.

    Returns
    -------
    Calibration
        Each cell's interval combines those of both, on logarithms and with their asymmetry (Zou and Donner 2008, Stat.
        Med. 27, 1693), as if they erred independently of each other.

    Raises
    ------
    InputDataError
        For numbers of cells, levels or units that differ, critical batches that are not positive, or no noise scale
        above 0.
    """
    crits = list(critical) if isinstance(critical, Sequence) else [critical]
    noises = list(noise) if isinstance(noise, Sequence) else [noise]
    if len(crits) != len(noises) or not crits:
        cells = f"{format_plural(len(crits), 'cell')} of critical batches and {len(noises)} of noise scales"
        raise InputDataError(f"{cells} cannot be paired", hint="Give one of each a cell.")
    level, unit = crits[0].level, crits[0].unit
    for item in [*crits, *noises]:
        if item.unit != unit:
            raise InputDataError(
                f"batch sizes in {unit} and in {item.unit} have no ratio", hint="Bring both to tokens first."
            )
        if not math.isclose(item.level, level):
            levels = f"{format_percent(level)} and {format_percent(item.level)}"
            raise InputDataError(f"intervals at {levels} do not combine", hint="Ask for both at one level.")
    if not all(c.estimate > 0 and math.isfinite(c.estimate) for c in crits):
        raise InputDataError("a critical batch size is a finite number above 0")
    usable = [(c, n) for c, n in zip(crits, noises, strict=True) if n.estimate > 0 and math.isfinite(n.estimate)]
    if not usable:
        raise InputDataError("no noise scale is above 0", hint="Average over more steps, or larger batches.")
    found = tuple(_cell(c, n) for c, n in usable)
    ratio, low, high = _pooled(found, level)
    ratios = [cell.ratio for cell in found]
    spread = max(ratios) / min(ratios)
    return Calibration(
        ratio=ratio,
        low=low,
        high=high,
        level=level,
        spread=spread,
        cells=found,
        n_left_out=len(crits) - len(found),
        unit=unit,
        words=_words(len(found), spread),
    )


def _cell(critical: BatchEstimate, noise: BatchEstimate) -> CalibratedCell:
    """Ratio of one cell, its interval from those of its parts."""
    ratio = critical.estimate / noise.estimate
    down, up = _log_distances(critical)
    noise_down, noise_up = _log_distances(noise)
    low, high = ratio * math.exp(-math.hypot(down, noise_up)), ratio * _exp(math.hypot(up, noise_down))
    return CalibratedCell(critical.estimate, noise.estimate, ratio, low, high)


def _log_distances(item: BatchEstimate) -> tuple[float, float]:
    """How far the ends of an interval lie from the estimate, in logarithms."""
    down = math.log(item.estimate / item.low) if item.low > 0 else math.inf
    return max(down, 0.0), max(math.log(item.high / item.estimate), 0.0) if math.isfinite(item.high) else math.inf


def _exp(value: float) -> float:
    return math.exp(value) if value < 700 else math.inf


def _pooled(cells: Sequence[CalibratedCell], level: float) -> tuple[float, float, float]:
    """Geometric mean over cells; by their scatter, which holds what differs between them as well as their errors."""
    if len(cells) == 1:
        return cells[0].ratio, cells[0].low, cells[0].high
    from scipy.special import stdtrit

    logs = np.log([cell.ratio for cell in cells])
    half = float(stdtrit(len(cells) - 1, 0.5 + level / 2)) * float(logs.std(ddof=1)) / math.sqrt(len(cells))
    centre = float(logs.mean())
    return math.exp(centre), math.exp(centre - half), _exp(centre + half)


def _words(count: int, spread: float) -> str:
    """What may be made of a calibration."""
    if count == 1:
        return f"{PROXY} One cell says nothing of how it changes with size or data."
    return f"{PROXY} Between the {count} cells here it differs {format_number(spread, 2)}-fold."
