"""From the cells of a table of scores to dates, yes and no, and scores as shares."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from db.cells import BAD, MISSING, OK, Cells, is_missing, numbers_from_cells

_ISO = re.compile(r"(\d{4})-(\d{1,2})(?:-(\d{1,2}))?(?:[T ].*)?\Z")
_SLASHED = re.compile(r"(\d{4})/(\d{1,2})/(\d{1,2})\b.*\Z")
_NAMED = re.compile(r"(\d{1,2})\.? ([A-Za-z]{3,9})\.?,? (\d{4})\b.*\Z")
_AMERICAN = re.compile(r"([A-Za-z]{3,9})\.? (\d{1,2}),? (\d{4})\b.*\Z")
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_SCORER = re.compile(r"\s*(?P<name>[^:,]+):(?P<score>[\d.eE+-]+)(?:±(?P<error>[\d.eE+-]+))?\s*\Z")
#: Quantile of a column above which its values are taken for percent, where it lies above 1.
PERCENT_QUANTILE = 0.95


def date_from_cell(cell: Any) -> datetime.date | str | None:
    """Read a date, with or without a time of day.

    Parameters
    ----------
    cell : object
        ``2024-05-11``, ``2024-05-11 09:30:00+00:00``, ``2024-05`` (its first day), ``17 November 2025 4:28pm``,
        ``November 17, 2025`` or ``2024/05/11``.

    Returns
    -------
    datetime.date or None or str
        None where there is no value; a text says why it is no date. ``03/04/2025`` is none: two days are meant by it.
    """
    if is_missing(cell):
        return None
    text = str(cell).strip()
    if text.lower() in ("nan", "nat"):
        return None
    if match := _ISO.match(text) or _SLASHED.match(text):
        parts: tuple[Any, ...] = (match[1], match[2], match[3] or 1)
    elif match := _NAMED.match(text):
        parts = (match[3], _month(match[2]), match[1])
    elif match := _AMERICAN.match(text):
        parts = (match[3], _month(match[1]), match[2])
    else:
        return "not a date that can be read one way only"
    try:
        return datetime.date(*(int(part) for part in parts))
    except ValueError:
        return "no such day"


def boolean_from_cell(cell: Any) -> bool | str | None:
    """Read yes or no; None where there is no value, a text where it is neither."""
    if isinstance(cell, bool):
        return cell
    if is_missing(cell) or str(cell).strip().lower() == "nan":
        return None
    return _BOOLEANS.get(str(cell).strip().lower().removesuffix(".0"), "neither true nor false")


@dataclass(frozen=True)
class Scores:
    """A column of scores.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        Shares, or points; NaN where there is none.
    absent : numpy.ndarray of bool, shape (n,)
        Where the table has no score: an empty cell or NaN.
    bad : dict of int to str
        Rows whose cell is no score, and why.
    unit : str
        ``share`` or ``points``.
    said : str, optional
        What was converted.
    factors : numpy.ndarray, shape (n,)
        What each number was multiplied by; its standard error is too.
    """

    values: np.ndarray
    absent: np.ndarray
    bad: dict[int, str]
    unit: str
    said: str | None
    factors: np.ndarray


def scores_from_cells(cells: Cells, unit: str = "auto") -> Scores:
    """Read scores, and bring percent to shares.

    Parameters
    ----------
    cells : sequence
        Numbers, or texts such as ``0.85`` and ``77.0%``.
    unit : str, default "auto"
        ``share``, ``percent``, ``points``, or ``auto``: where the 95th percentile of the numbers is above 1 they are
        percent, and where their largest is above 100 they are points of some other scale.

    Returns
    -------
    Scores
        A share outside 0 to 1 is bad.
    """
    signed = np.array([isinstance(cell, str) and cell.strip().endswith("%") for cell in cells], dtype=bool)
    plain = [cell.strip()[:-1] if sign else cell for cell, sign in zip(cells, signed, strict=True)]
    numbers = numbers_from_cells(plain)
    ok = numbers.status == OK
    values = np.where(ok, numbers.values, np.nan)
    bad = dict.fromkeys(np.flatnonzero(numbers.status == BAD).tolist(), "the score is not a number")
    bad |= dict.fromkeys(
        np.flatnonzero(~ok & ~np.isin(numbers.status, (BAD, MISSING)) & ~np.isnan(numbers.values)).tolist(),
        "the score is not finite",
    )
    absent = ~ok & np.array([i not in bad for i in range(len(cells))], dtype=bool)
    bare = values[ok & ~signed]
    said = "written with a percent sign: divided by 100" if signed.any() else None
    factor = 1.0
    if unit == "auto":
        unit = _unit_of(bare)
        if unit == "percent":
            said = "the 95th percentile is above 1, so they are percent: divided by 100"
        elif unit == "points":
            said = "values above 100 are neither shares nor percent: kept as points"
    if unit == "percent":
        factor = 0.01
    factors = np.where(signed, 0.01, factor)
    values = values * factors
    if unit != "points":
        for row in np.flatnonzero(ok & ((values < 0) | (values > 1))):
            bad[int(row)] = "the score is outside 0 to 1"
        values[list(bad)] = np.nan
    return Scores(values, absent, bad, "points" if unit == "points" else "share", said, factors)


def best_scorer(cell: Any) -> tuple[str | None, float | None]:
    """Read the best of several scorers, as in ``string:0.81±0.01,model:0.95±0.02``.

    Parameters
    ----------
    cell : object
        Name, score and standard error of each scorer.

    Returns
    -------
    scorer : str or None
        The one with the highest score; None where the cell cannot be read.
    stderr : float or None
        Its standard error. One printed as 0 has been rounded to 0, so it is unknown.
    """
    if is_missing(cell):
        return None, None
    found = [match for part in str(cell).split(",") if (match := _SCORER.match(part))]
    if not found:
        return None, None
    try:
        best = max(found, key=lambda match: float(match["score"]))
        error = float(best["error"]) if best["error"] else None
    except ValueError:
        return None, None
    return best["name"].strip(), error or None


def first_known(values: Sequence[Any]) -> Any:
    """The first value that is known; None where none is."""
    return next((value for value in values if value is not None), None)


def _unit_of(values: np.ndarray) -> str:
    if not values.size or np.quantile(values, PERCENT_QUANTILE) <= 1:
        return "share"
    return "percent" if values.max() <= 100 else "points"


def _month(word: str) -> int:
    short = word[:3].lower()
    return _MONTHS.index(short) + 1 if short in _MONTHS else 0
