"""The numbers a figure draws. Tests check these, and the table below each figure is made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from reports.words import factor_text, power_of_ten, printable, shortest
from scaling.formatting import UNKNOWN, format_count, format_number


@dataclass(frozen=True)
class Series:
    """One thing that is drawn: points, or a curve with its band.

    Parameters
    ----------
    name : str
        What it is; the caption of its table.
    columns : mapping of str to sequence (m,)
        What is drawn, by the heading a reader sees.
    units : mapping of str to {'text', 'flop', 'count', 'value', 'tick', 'edge', 'percent', 'factor'}
        How each column is written; ``tick`` with no more digits than it has, ``edge`` as a count that may lie outside
        the picture.
    curve : bool
        Whether the rows are samples of a curve, so that a long table may skip some evenly.
    order : str
        In which order points are listed, as words, where that matters for a table that is cut.
    """

    name: str
    columns: Mapping[str, Any]
    units: Mapping[str, str]
    curve: bool = False
    order: str = ""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, column: str) -> Any:
        return self.columns[column]

    def cells(self, row: int) -> tuple[str, ...]:
        """Write one row."""
        return tuple(_write(self.units[name], values[row]) for name, values in self.columns.items())


@dataclass(frozen=True)
class FigureData:
    """A figure without its picture.

    Parameters
    ----------
    key : str
        Handle, unique on the page.
    title : str
        What is shown, against what.
    finding : str
        What the picture says, in a sentence or two, for those who do not see it.
    caption : str
        How to read it: what is drawn, the objective, how intervals were made, and on which data.
    series : tuple of Series
        What is drawn.
    tooltips : mapping of str to sequence of str
        For groups of marks, by their handle in the picture: the text of each mark.
    """

    key: str
    title: str
    finding: str
    caption: str
    series: tuple[Series, ...]
    tooltips: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Series:
        for series in self.series:
            if series.name == name:
                return series
        raise KeyError(name)


_WRITERS: Mapping[str, Callable[[float], str]] = {
    "flop": format_number,
    "value": format_number,
    "tick": shortest,
    "count": format_count,
    "edge": lambda number: "–" if np.isnan(number) else format_count(number),
    "factor": factor_text,
    "percent": lambda number: UNKNOWN if np.isnan(number) else f"{format_number(number, 3)} %",
}


def _write(unit: str, value: Any) -> str:
    return printable(str(value)) if unit == "text" else _WRITERS[unit](float(value))


def tick_text(unit: str, value: float) -> str:
    """Write a value at an axis."""
    return format_count(value) if unit == "count" else power_of_ten(value)
