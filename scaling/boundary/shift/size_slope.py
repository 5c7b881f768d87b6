"""How much a score rises with size, month by month."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.fitting.intervals import t_quantile
from scaling.serial import plain

Array = NDArray[np.float64]
Codes = NDArray[np.int64]

LEAST = 10  # models of a month from which on there is a slope


@dataclass(frozen=True)
class SizeSlope:
    """Score against size in one month.

    Parameters
    ----------
    month : str
        Such as ``2024-09``.
    n, n_groups : int
        Models, and organisations that they come from.
    spearman : float
        Rank correlation of score and size; NaN where all scores or sizes are equal.
    slope, slope_low, slope_high : float
        Score per tenfold size, by least squares, with its interval (groups may be alike within, CR3).
    r2 : float
        Share of the variance of scores.
    """

    month: str
    n: int
    n_groups: int
    spearman: float
    slope: float
    slope_low: float
    slope_high: float
    r2: float

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        out: dict[str, Any] = plain(asdict(self))
        return out


def size_slopes(
    score: Array, log10_size: Array, month: Codes, month_names: tuple[str, ...], group: Codes, level: float = 0.95
) -> tuple[SizeSlope, ...]:
    """Measure, month by month, how scores rise with size.

    Parameters
    ----------
    score, log10_size : ndarray (n,)
        Shares, and log10 of parameters (or compute).
    month : ndarray of int (n,)
        Number of the month.
    month_names : tuple of str
        By that number.
    group : ndarray of int (n,)
        Organisations.
    level : float, default 0.95
        Nominal coverage of the intervals.

    Returns
    -------
    tuple of SizeSlope
        Months with fewer than 10 models are left out.
    """
    out = []
    for number, name in enumerate(month_names):
        rows = month == number
        if rows.sum() < LEAST:
            continue
        x, y, codes = log10_size[rows], score[rows], group[rows]
        slope, error, r2 = _line(x, y, codes)
        groups = len(np.unique(codes))
        half = t_quantile(level, groups - 1) * error
        out.append(SizeSlope(name, int(rows.sum()), groups, spearman(x, y), slope, slope - half, slope + half, r2))
    return tuple(out)


def spearman(x: Array, y: Array) -> float:
    """Return the rank correlation of x and y (n,), ties at their mean rank; NaN where one of them does not vary."""
    from scipy.stats import rankdata

    a, b = rankdata(x) - (len(x) + 1) / 2, rankdata(y) - (len(y) + 1) / 2
    length = math.sqrt(float(a @ a) * float(b @ b))
    return float(a @ b) / length if length > 0 else math.nan


def _line(x: Array, y: Array, codes: Codes) -> tuple[float, float, float]:
    """Slope of a line, its standard error over groups (CR3), and R2."""
    from scaling.boundary.shift.quasi import sandwich

    if np.ptp(x) == 0:
        return math.nan, math.nan, math.nan
    design = np.column_stack([np.ones(len(x)), x - x.mean()])
    coefficients, *_ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ coefficients
    matrix = sandwich(design, np.ones(len(x)), residual, codes)
    total = float(np.sum((y - y.mean()) ** 2))
    r2 = 1 - float(residual @ residual) / total if total > 0 else math.nan
    return float(coefficients[1]), math.sqrt(matrix[1, 1]) if matrix[1, 1] >= 0 else math.nan, r2
