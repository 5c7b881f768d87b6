"""What comes in: scores, sizes, dates and groups as people have them, made arrays of one length."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.boundary.data import without_na
from scaling.errors import InputDataError, UsageError
from scaling.inputs import check_level

Array = NDArray[np.float64]
Codes = NDArray[np.int64]
Days = NDArray[np.datetime64]

_MISSING = {"", "nan", "nat", "none", "null", "na"}
_NEVER = np.datetime64("NaT", "D")


@dataclass(frozen=True)
class Cleaned:
    """Rows that can be used.

    Parameters
    ----------
    columns : dict of str to ndarray (n,)
        Numbers.
    kept : ndarray of bool (all rows,)
        Which rows of the input they are.
    left_out : dict of str to int
        Why rows are missing, and how many for each reason.
    notes : tuple of str
        What was done to the numbers.
    """

    columns: dict[str, Array]
    kept: NDArray[np.bool_]
    left_out: dict[str, int]
    notes: tuple[str, ...] = field(default=())


def numbers(values: ArrayLike, name: str) -> Array:
    """Read one column of numbers, NaN where missing.

    Parameters
    ----------
    values : array_like (n,)
        Numbers; None counts as missing.
    name : str
        What to call it in a message.

    Returns
    -------
    ndarray (n,)

    Raises
    ------
    InputDataError
        For what is no number, or no column.
    """
    try:
        column = np.atleast_1d(np.asarray(without_na(values), dtype=float))
    except (TypeError, ValueError) as error:
        raise InputDataError(f"'{name}' holds something that is not a number: {error}") from error
    if column.ndim != 1:
        raise InputDataError(f"'{name}' has shape {column.shape}; one value a model is expected")
    return column


def shares(values: ArrayLike, name: str) -> tuple[Array, str]:
    """Read scores, as shares of 1.

    Parameters
    ----------
    values : array_like (n,)
        Shares, or percentages: a column whose 95th percentile is above 1 is divided by 100.
    name : str
        What to call it in a message.

    Returns
    -------
    score : ndarray (n,)
        NaN where missing.
    note : str
        What was done, empty where nothing was.

    Raises
    ------
    InputDataError
        For scores outside 0 to 1 (or 0 to 100).
    """
    column, note = numbers(values, name), ""
    seen = column[np.isfinite(column)]
    if len(seen) and np.quantile(seen, 0.95) > 1:
        column, note = column / 100, f"'{name}' is in percent and was divided by 100"
    outside = (column < 0) | (column > 1)
    if np.any(outside):
        row = int(np.flatnonzero(outside)[0])
        raise InputDataError(
            f"'{name}' is {numbers(values, name)[row]:g} in row {row}, and a score lies in 0 to 1 "
            "(or, in percent, in 0 to 100)",
            hint="Give the share of items solved, all rows in one unit.",
        )
    return column, note


def days(values: ArrayLike, name: str = "date") -> Days:
    """Read dates, NaT where missing.

    Parameters
    ----------
    values : array_like (n,)
        ISO texts, `datetime.date`, `numpy.datetime64` or what has an ``isoformat``; of a time only the day counts.
    name : str
        What to call it in a message.

    Returns
    -------
    ndarray of datetime64[D] (n,)

    Raises
    ------
    InputDataError
        For what is no date.
    """
    raw = np.atleast_1d(np.asarray(values))
    if raw.dtype.kind == "M":
        return raw.astype("datetime64[D]")
    out = np.full(len(raw), _NEVER)
    for row, value in enumerate(raw.tolist()):
        text = value.isoformat() if hasattr(value, "isoformat") else str(value).strip()
        if text.lower() in _MISSING:
            continue
        try:
            if len(text) < 7:  # NumPy reads "20" as a year
                raise ValueError(text)
            out[row] = np.datetime64(text[:10], "D")
        except ValueError as error:
            raise InputDataError(
                f"'{name}' is '{value}' in row {row}, which is no date", hint="Write it as 2025-02-06."
            ) from error
    return out


def iso(day: float) -> str:
    """Write a day, given in days since 1970, as ``2025-02-06``."""
    return str(np.datetime64(int(day), "D"))


def clusters(groups: ArrayLike | None, n: int, name: str = "groups") -> tuple[Codes, tuple[str, ...]]:
    """Number the groups that rows belong to.

    Parameters
    ----------
    groups : array_like (n,), optional
        Such as base models or organisations. A row without one is a group of its own, as are all where it is None.
    n : int
        Rows.
    name : str
        What to call it in a message.

    Returns
    -------
    codes : ndarray of int (n,)
    labels : tuple of str
        Of the groups, in order of their codes.

    Raises
    ------
    InputDataError
        For another number of rows.
    """
    if groups is None:
        return np.arange(n), tuple(f"row {i}" for i in range(n))
    raw = np.atleast_1d(np.asarray(groups, dtype=object))
    if raw.shape != (n,):
        raise InputDataError(f"'{name}' has shape {raw.shape}, and there are {n} rows")
    names = [
        f"row {i}" if value is None or str(value).strip().lower() in _MISSING else str(value)
        for i, value in enumerate(raw.tolist())
    ]
    labels, codes = np.unique(np.array(names, dtype=object).astype(str), return_inverse=True)
    return codes.astype(np.int64), tuple(str(label) for label in labels)


def same_length(columns: Mapping[str, NDArray[Any]]) -> int:
    """Refuse columns of different lengths.

    Parameters
    ----------
    columns : mapping of str to ndarray
        By name.

    Returns
    -------
    int
        Rows.

    Raises
    ------
    InputDataError
        Where they differ, or there are none.
    """
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) != 1:
        raise InputDataError(
            "columns differ in length: " + ", ".join(f"{name} has {length} rows" for name, length in lengths.items())
        )
    length = next(iter(lengths.values()))
    if not length:
        raise InputDataError("there are no rows")
    return length


def usable(columns: Mapping[str, NDArray[Any]], notes: tuple[str, ...] = ()) -> Cleaned:
    """Keep rows in which nothing is missing.

    Parameters
    ----------
    columns : mapping of str to ndarray
        Numbers or days, by name.
    notes : tuple of str
        Carried along; empty ones are dropped.

    Returns
    -------
    Cleaned
        `columns` holds days as numbers of days since 1970.
    """
    n = same_length(columns)
    kept, left_out = np.ones(n, bool), {}
    for name, column in columns.items():
        lost = np.isnat(column) if column.dtype.kind == "M" else ~np.isfinite(column)
        if count := int(np.sum(lost & kept)):
            left_out[f"{name} missing"] = count
        kept &= ~lost
    out = {name: column[kept].astype(float) for name, column in columns.items()}
    return Cleaned(out, kept, left_out, tuple(note for note in notes if note))


def check_settings(level: float, permutations: int, seed: int) -> None:
    """Refuse settings that mean nothing.

    Parameters
    ----------
    level : float
        Nominal coverage.
    permutations : int
        How many.
    seed : int
        Of the random numbers.

    Raises
    ------
    UsageError
        For a level outside 0 to 1, a seed below 0, or fewer than 19 permutations (no p-value of 0.05 could come out).
    """
    check_level(level)
    if permutations < 19:
        raise UsageError(
            f"{permutations} permutations cannot give a p-value of 0.05 or less",
            hint="Ask for 19 at least; 2000 give it to two digits.",
        )
    if seed < 0:
        raise UsageError(f"a seed is 0 or above, not {seed}")
