"""Dates as decimal years, and scores that have one."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Scores, read_scores
from scaling.errors import InputDataError

Array = NDArray[np.float64]

YEAR = 365.2425  # days, the mean of the calendar: all years are of one length, so that a rate a year is one number
_MISSING = ("", "None", "none", "null", "nan", "NaN", "NaT", "<NA>")
_PLAUSIBLE = (1900.0, 2200.0)


@dataclass(frozen=True)
class DatedScores:
    """Scores of models with dates.

    Parameters
    ----------
    scores : Scores
        The models that can be fitted, those without a date left out.
    year : ndarray (n,)
        Decimal year of each.
    """

    scores: Scores
    year: Array


def decimal_year(dates: Any) -> Array:
    """Turn dates into decimal years.

    Parameters
    ----------
    dates : array_like (n,)
        ISO texts (``2024-10-01``, ``2024-10``), dates, numpy or pandas timestamps, or decimal years. Missing ones may
        be empty, None or NaN.

    Returns
    -------
    ndarray (n,)
        1970 plus the days since then over 365.2425; NaN where missing.

    Raises
    ------
    InputDataError
        For what is no date, with its row.

    Examples
    --------
    >>> decimal_year(["2024-10-01", None, "1970-01-01"]).round(3).tolist()
    [2024.75, nan, 1970.0]
    """
    column = np.atleast_1d(np.asarray(dates))
    if column.ndim != 1:
        raise InputDataError(f"dates must be one column, but have shape {column.shape}")
    if column.dtype.kind == "M":
        days = column.astype("datetime64[s]")
        return np.where(np.isnat(days), np.nan, 1970 + days.astype(np.int64) / (86400 * YEAR))
    if column.dtype.kind in "fiu":
        years = column.astype(float)
    else:
        years = np.array([_year(value, row) for row, value in enumerate(column.tolist())], float)
    odd = np.isfinite(years) & ((years < _PLAUSIBLE[0]) | (years > _PLAUSIBLE[1]))
    if odd.any() or np.isinf(years).any():
        row = int(np.flatnonzero(odd | np.isinf(years))[0])
        raise InputDataError(
            f"row {row} has the date {column[row]}, which is no year between {_PLAUSIBLE[0]:g} and {_PLAUSIBLE[1]:g}",
            hint="Give ISO dates, timestamps or decimal years.",
        )
    return years


def _year(value: Any, row: int) -> float:
    if str(value) in _MISSING:
        return np.nan
    if isinstance(value, bool | int | float):
        return float(value)
    text = value.isoformat() if isinstance(value, datetime.date) else str(value).strip()
    try:
        day = np.datetime64(text[:10], "D")
    except ValueError as error:
        raise InputDataError(
            f"row {row} has the date '{value}', which cannot be read", hint="2024-10-01, say."
        ) from error
    return float(1970 + day.astype(np.int64) / YEAR)


def iso_day(year: float) -> str:
    """Write a decimal year as the nearest day, such as ``2024-10-01``."""
    return str(np.datetime64(round((year - 1970) * YEAR), "D"))


def one_year(date: Any, what: str) -> float:
    """Turn one date into a decimal year; `what` names it where it is refused."""
    years = decimal_year(date)
    if years.shape != (1,) or not np.isfinite(years[0]):
        raise InputDataError(f"{what} must be one date, not {date!r}")
    return float(years[0])


def read_dated(log10_compute: ArrayLike, score: ArrayLike, date: Any, groups: ArrayLike | None = None) -> DatedScores:
    """Check scores, compute and dates.

    Parameters
    ----------
    log10_compute, score, groups
        As of `scaling.boundary.data.read_scores`.
    date : array_like (n,)
        As of `decimal_year`; models without one are left out and counted.

    Returns
    -------
    DatedScores

    Raises
    ------
    InputDataError
        As of `scaling.boundary.data.read_scores` and `decimal_year`.
    """
    scores = read_scores(log10_compute, score, groups, decimal_year(date))
    assert scores.period is not None
    return DatedScores(replace(scores, period=None), scores.period.astype(float))
