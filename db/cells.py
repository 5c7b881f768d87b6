"""From the cells of a log to numbers with a status, and to the typed values of kept columns.

A number that is not finite keeps why: ``nan``, ``inf``, ``-inf`` and ``missing`` are different facts about a run, and
none of them is 0.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

OK, NAN, INF, NEGATIVE_INF, MISSING, BAD = range(6)
#: How the store writes each status. BAD never gets there: such a cell is refused.
STATUS_NAMES = ("ok", "nan", "inf", "-inf", "missing")

# What programs write for "no value". A NaN is none of these: it is a value that diverged.
_MISSING_TEXT = frozenset({"", "na", "n/a", "none", "null", "<na>", "-"})
_INTEGER = re.compile(r"[-+]?(?:0|[1-9]\d*)\Z")
_DECIMAL = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\Z")
_NON_FINITE = re.compile(r"[-+]?(?:nan|inf|infinity)\Z", re.IGNORECASE)
_LEADING_ZERO = re.compile(r"[-+]?0\d")
_BOOLEANS = {"true": True, "false": False}
_INT64 = 2**63
_LARGEST = int(sys.float_info.max)

Cells = Sequence[Any]


@dataclass(frozen=True)
class Numbers:
    """A column of numbers.

    Parameters
    ----------
    values : numpy.ndarray, shape (n,)
        The numbers; not finite where the status is not OK.
    status : numpy.ndarray, shape (n,)
        OK, NAN, INF, NEGATIVE_INF, MISSING or BAD.
    """

    values: np.ndarray
    status: np.ndarray


def numbers_from_floats(values: np.ndarray) -> Numbers:
    """Numbers from floats, with the status that each value itself has."""
    status = np.zeros(values.shape, dtype=np.uint8)
    status[np.isnan(values)] = NAN
    status[np.isposinf(values)] = INF
    status[np.isneginf(values)] = NEGATIVE_INF
    return Numbers(values, status)


def numbers_from_cells(cells: Cells) -> Numbers:
    """Read cells as numbers.

    Parameters
    ----------
    cells : sequence
        Text, numbers, booleans or None, as the reader found them.

    Returns
    -------
    Numbers
        BAD where a cell is neither a number nor empty; booleans are BAD too.
    """
    try:
        # Nearly every column is clean, and then one conversion in C does.
        if not any(cell is None or type(cell) is bool or (type(cell) is str and "_" in cell) for cell in cells):
            return numbers_from_floats(np.array(cells, dtype=object).astype(float))
    except (TypeError, ValueError, OverflowError):
        pass
    values = np.full(len(cells), np.nan)
    status = np.zeros(len(cells), dtype=np.uint8)
    for index, cell in enumerate(cells):
        values[index], status[index] = _number(cell)
    return Numbers(values, status)


def is_missing(cell: Any) -> bool:
    """Whether a cell holds no value."""
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in _MISSING_TEXT)


def text_from_cell(cell: Any) -> str | None:
    """A cell as text; None where it holds no value."""
    if cell is None or (isinstance(cell, str) and not cell.strip()):
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < _INT64:
        return str(int(cell))
    return str(cell).strip()


def typed_values(cells: Cells) -> list[Any]:
    """Give a kept column the narrowest type that holds all of it.

    Parameters
    ----------
    cells : sequence
        Text, numbers, booleans or None, as the reader found them.

    Returns
    -------
    list
        All booleans, all integers, all floats or all texts, with None where there is no value. Numbers that are not
        finite are written ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``, which JSON lacks and SQL reads back.
    """
    kind = column_kind(cells)
    return [typed(cell, kind) for cell in cells]


def column_kind(cells: Iterable[Any]) -> str:
    """Tell the narrowest type that holds all of some cells.

    Parameters
    ----------
    cells : iterable
        Text, numbers, booleans or None.

    Returns
    -------
    str
        ``empty``, ``boolean``, ``integer``, ``float`` or ``text``; whatever follows, a text stays one.
    """
    filled = [cell for cell in cells if not is_missing(cell)]
    if not filled:
        return "empty"
    if all(isinstance(cell, bool) or str(cell).strip().lower() in _BOOLEANS for cell in filled):
        return "boolean"
    if any(isinstance(cell, bool) for cell in filled) or not all(map(_is_numeric, filled)):
        return "text"
    return "integer" if all(map(_is_integer, filled)) else "float"


def typed(cell: Any, kind: str) -> Any:
    """A cell as a value of the kind of its column."""
    if kind == "text":
        # Words that mean "missing" in a column of numbers are just words in a column of text.
        return text_from_cell(cell)
    if is_missing(cell):
        return None
    if kind == "boolean":
        return _BOOLEANS[str(cell).strip().lower()]
    return int(cell) if kind == "integer" else _json_float(float(cell))


def _number(cell: Any) -> tuple[float, int]:
    if is_missing(cell):
        return math.nan, MISSING
    if isinstance(cell, bool):
        return math.nan, BAD
    if isinstance(cell, str) and not (_DECIMAL.match(cell.strip()) or _NON_FINITE.match(cell.strip())):
        return math.nan, BAD
    try:
        value = float(cell)
    except OverflowError:  # whole numbers of JSON may have any number of digits; 1e400 is infinite too
        value = math.inf if cell > 0 else -math.inf
    except (TypeError, ValueError):
        return math.nan, BAD
    if math.isfinite(value):
        return value, OK
    return value, NAN if math.isnan(value) else INF if value > 0 else NEGATIVE_INF


def _is_numeric(cell: Any) -> bool:
    if isinstance(cell, str):
        text = cell.strip()
        if _LEADING_ZERO.match(text):  # 007 is a label, and 0123e4 may be half a hash
            return False
        if _NON_FINITE.match(text):
            return True
        return _DECIMAL.match(text) is not None and math.isfinite(float(text))
    # A whole number that no float holds is a text, as it is where it was written in quotes.
    return isinstance(cell, float) or (isinstance(cell, int) and abs(cell) <= _LARGEST)


def _is_integer(cell: Any) -> bool:
    if isinstance(cell, str):
        return _INTEGER.match(cell.strip()) is not None and abs(int(cell)) < _INT64
    return isinstance(cell, int) and abs(cell) < _INT64


def _json_float(value: float) -> float | str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value
