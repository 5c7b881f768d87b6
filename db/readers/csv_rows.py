"""Rows of a CSV that a tool exported, with the line on which each begins."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from db.cells import is_missing
from db.readers.text import lines_of
from scaling.errors import ReadError

_LARGEST_CELL = 131_072


def csv_rows(path: Path) -> Iterator[tuple[int, list[str] | None]]:
    """Give the rows of a table with commas, the header first.

    Parameters
    ----------
    path : Path
        The file; cells may be quoted and hold line ends.

    Yields
    ------
    line : int
        On which the row begins, from 1.
    cells : list of str or None
        None for a last row that is cut off within a quoted cell. Empty lines are left out.

    Raises
    ------
    ReadError
        If it cannot be read, or is no CSV; names the line.
    """
    lines = _Lines(path)
    rows = csv.reader(lines, strict=True)
    while True:
        begin = rows.line_num + 1
        lines.of_row = 0
        try:
            cells = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            if "unexpected end" in str(error):
                yield begin, None
                return
            raise ReadError(str(path), f"it is no CSV: {error}", f"line {begin}") from error
        if cells:
            yield begin, cells


class _Lines:
    """Lines of a file, as long as a row has no more of them than a cell may hold.

    The csv module has a limit of its own, but one for the whole process, which others set as they need it.
    """

    def __init__(self, path: Path) -> None:
        self._lines = lines_of(path)
        self.of_row = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if self.of_row > _LARGEST_CELL:
            raise csv.Error(f"a cell goes on over more characters than the field limit ({_LARGEST_CELL})")
        line = f"{next(self._lines)[1]}\n"
        self.of_row += len(line)
        return line


def cell_number(cell: str) -> float | None:
    """A cell as a number, None where it says that there is none; raises ValueError where it is something else."""
    try:
        if "_" not in cell:
            return float(cell)
    except ValueError:
        pass
    if is_missing(cell):
        return None
    raise ValueError(cell)
