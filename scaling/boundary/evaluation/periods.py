"""Periods from dates: those of arXiv:2602.15327, calendar quarters and years, or any cut dates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import Labels
from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.formatting import format_plural
from scaling.serial import plain

Days = NDArray[np.datetime64]

PUBLISHED, OLD, QUARTER, YEAR = "published", "old", "quarter", "year"

#: First day of each period after the first. What comes before the first of the published periods belongs to it; the old
#: ones begin and end.
CUTS = {
    PUBLISHED: ("2024-07-01", "2024-10-01", "2025-01-01", "2025-04-01"),
    OLD: ("2023-07-01", "2023-12-01", "2024-02-01", "2024-04-01", "2024-07-01"),
}
_MISSING = ("", "nan", "nat", "none", "<na>", "null")


@dataclass(frozen=True)
class Periods:
    """Models sorted into periods.

    Parameters
    ----------
    labels : ndarray of object (n,)
        Period of each model; labels sort in time. Empty where the date is missing or outside all periods.
    names : tuple of str
        Periods that have models, in time.
    counts : dict of str to int
        Models of each.
    missing : int
        Models without a date.
    outside : int
        Models whose date lies outside all periods.
    notes : tuple of str
        The same in words.
    """

    labels: Labels
    names: tuple[str, ...]
    counts: dict[str, int]
    missing: int
    outside: int
    notes: tuple[str, ...]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.labels, dtype=dtype or object)

    def __len__(self) -> int:
        return len(self.labels)

    def to_dict(self) -> dict[str, Any]:
        """Return plain data: names, counts, what was left out."""
        table: dict[str, Any] = plain(
            {
                "names": self.names,
                "counts": self.counts,
                "missing": self.missing,
                "outside": self.outside,
                "notes": self.notes,
            }
        )
        return table


def split_periods(dates: ArrayLike, by: str | Sequence[Any] = PUBLISHED) -> Periods:
    """Sort models into periods by date.

    Parameters
    ----------
    dates : array_like (n,)
        Dates as numpy, datetime or text (``2024-07-15``, ``2024-07``, with or without a time of day).
    by : str or sequence, default 'published'
        ``published``: P1 up to June 2024, P2 July to September, P3 October to December, P4 January to March 2025, P5
        later (arXiv:2602.15327, by month of upload). ``old``: its periods of the first leaderboard, July 2023 to June
        2024. ``quarter`` and ``year``. Or dates, each the first day of a period: what comes before the first of them is
        P1.

    Returns
    -------
    Periods

    Raises
    ------
    InputDataError
        For something that is no date, and where no model has one.
    UsageError
        For an unknown scheme, or cut dates that do not ascend.

    Examples
    --------
    >>> split_periods(["2024-05-02", "2024-11", None, "2025-02-11T09:30"]).labels.tolist()
    ['P1', 'P3', '', 'P4']
    >>> split_periods(["2024-05-02", "2024-11-30"], by=["2024-06-01"]).labels.tolist()
    ['P1', 'P2']
    """
    days = read_dates(dates, "dates")
    there = ~np.isnat(days)
    if not there.any():
        raise InputDataError(
            f"none of {format_plural(len(days), 'date')} is there, so there are no periods",
            hint="Give the date of upload or of release of each model.",
        )
    labels = np.full(len(days), "", object)
    if isinstance(by, str) and by in (QUARTER, YEAR):
        labels[there] = [_calendar(day, by) for day in days[there]]
    else:
        labels[there] = _by_cuts(days[there], by)
    outside = int(np.sum(there & (labels == "")))
    missing = int(np.sum(~there))
    names = tuple(sorted({label for label in labels if label}))
    notes = []
    if missing:
        notes.append(f"Left out {format_plural(missing, 'model')} of {len(days)} whose date is missing.")
    if outside:
        notes.append(f"Left out {format_plural(outside, 'model')} of {len(days)} whose date is outside all periods.")
    counts = {name: int(np.sum(labels == name)) for name in names}
    return Periods(labels, names, counts, missing, outside, tuple(notes))


def read_periods(period: ArrayLike | Periods) -> tuple[ArrayLike, list[str]]:
    """Labels of periods, and what was done to get them: dates become calendar quarters."""
    if isinstance(period, Periods):
        return period.labels, []  # models without one are counted where the scores are read
    column = np.asarray(period)
    there = [value for value in column.ravel().tolist() if isinstance(value, date)] if column.dtype == object else []
    if column.dtype.kind == "M" or there:
        made = split_periods(column, QUARTER)
        return made.labels, ["Dates were taken as calendar quarters."]
    return column, []


def read_dates(dates: ArrayLike, name: str) -> Days:
    """Read dates as days.

    Parameters
    ----------
    dates : array_like (n,)
        numpy, datetime or text.
    name : str
        What they are called in messages.

    Returns
    -------
    ndarray of datetime64[D] (n,)
        NaT where there is none.

    Raises
    ------
    InputDataError
        For something that is no date.
    """
    column = np.atleast_1d(np.asarray(dates))
    if column.ndim != 1:
        raise InputDataError(f"'{name}' must be one column of dates, but has shape {column.shape}")
    if column.dtype.kind == "M":
        return column.astype("datetime64[D]")
    out = np.full(len(column), np.datetime64("NaT"), "datetime64[D]")
    for row, value in enumerate(column.tolist()):
        if value is None or str(value).strip().lower() in _MISSING:
            continue
        try:
            # Text in the form of ISO 8601; a zone moves a date by less than a day, so it is left off.
            out[row] = np.datetime64(str(value).strip().replace(" ", "T")[:19].removesuffix("Z").split("T")[0], "D")
        except ValueError as error:
            raise InputDataError(
                f"'{name}' holds '{value}' in row {row}, which is no date", hint="Write dates as 2024-07-15."
            ) from error
    return out


def _calendar(day: np.datetime64, by: str) -> str:
    year, month = str(day).split("-")[:2]
    return year if by == YEAR else f"{year}Q{(int(month) + 2) // 3}"


def _by_cuts(days: Days, by: str | Sequence[Any]) -> list[str]:
    if isinstance(by, str) and by not in CUTS:
        raise UsageError(f"there are no periods '{by}'", hint=did_you_mean(by, (*CUTS, QUARTER, YEAR)))
    cuts = read_dates(list(CUTS[by] if isinstance(by, str) else by), "cut dates")
    if not len(cuts) or np.isnat(cuts).any() or np.any(np.diff(cuts) <= np.timedelta64(0, "D")):
        raise UsageError("cut dates must ascend, and none may be missing", hint="Such as 2024-07-01, 2024-10-01.")
    number = np.searchsorted(cuts, days, side="right")
    if by == OLD:
        return [f"P{k}" if 1 <= k < len(cuts) else "" for k in number.tolist()]
    width = len(str(len(cuts) + 1))  # so that P02 sorts before P10
    return [f"P{k + 1:0{width}d}" for k in number.tolist()]
