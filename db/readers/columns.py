"""Columns of a table that a command names: numbers, yes and no, names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from db.cells import BAD, MISSING, OK, is_missing, numbers_from_cells, text_from_cell
from db.problems import nearest
from db.readers.table import Table
from scaling.errors import InputDataError, UsageError

Array = NDArray[np.float64]

_TRUTH = {
    "true": True, "1": True, "1.0": True, "yes": True, "random": True,
    "false": False, "0": False, "0.0": False, "no": False, "optimised": False, "optimized": False,
}  # fmt: skip


class ColumnReader:
    """Columns of a table as numbers, flags or names, with the line of what is wrong.

    Parameters
    ----------
    table : Table
        What was read of a file.
    """

    def __init__(self, table: Table) -> None:
        self.table = table

    def cells(self, column: str, option: str) -> Sequence[Any]:
        """Find a column."""
        if column not in self.table.columns:
            raise UsageError(
                f"{option}: {self.table.path} has no column '{column}'.", nearest(column, self.table.columns)
            )
        return self.table.columns[column]

    def numbers(self, column: str, option: str, *, full: bool = False, positive: bool = False) -> Array:
        """Read a column of numbers; NaN where nothing was written, unless it has to be `full`."""
        cells = self.cells(column, option)
        found = numbers_from_cells(cells)
        low = positive & (found.status == OK) & ~(found.values > 0)
        for row in np.flatnonzero((found.status == BAD) | (full & (found.status != OK)) | low).tolist():
            what = "above 0" if low[row] else "a finite number" if found.status[row] != BAD else "a number"
            said = "is empty" if found.status[row] == MISSING else f"holds '{cells[row]}', which is not {what}"
            raise InputDataError(f"{self.table.path}:{self.table.lines[row]}: the column '{column}' {said}.")
        return np.where(np.isfinite(found.values), found.values, np.nan)

    def flags(self, column: str, option: str) -> NDArray[np.bool_]:
        """Read a column of yes and no."""
        out = []
        for line, cell in zip(self.table.lines, self.cells(column, option), strict=True):
            word = str(cell).strip().lower()
            if word not in _TRUTH:
                said = "is empty" if is_missing(cell) else f"holds '{cell}'"
                raise InputDataError(
                    f"{self.table.path}:{line}: the column '{column}' {said}; true or false is expected.",
                    "True marks a subset that was drawn at random.",
                )
            out.append(_TRUTH[word])
        return np.array(out, bool)

    def texts(self, column: str, option: str) -> list[str]:
        """Read a column of names, of which none is missing."""
        found = [text_from_cell(cell) for cell in self.cells(column, option)]
        if None in found:
            line = self.table.lines[found.index(None)]
            raise InputDataError(f"{self.table.path}:{line}: the column '{column}' is empty.")
        return [str(text) for text in found]
