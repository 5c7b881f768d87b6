"""Applying a mapping of scores to a table: each field as one value a row."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from db import expression
from db.cells import BAD, OK, Numbers, numbers_from_cells, numbers_from_floats, text_from_cell
from db.problems import Problem, nearest
from db.readers.table import Table
from db.score_fields import BOOLEAN_FIELDS, DATE_FIELDS, FIELDS, NUMBER_FIELDS, TEXT_FIELDS, canonical
from db.score_mapping import Columns
from db.score_values import boolean_from_cell, date_from_cell
from scaling.errors import InputDataError, UsageError

#: Counts and amounts: one that is not above 0 says nothing, and is unknown.
AMOUNTS = ("n_params", "n_params_active", "n_tokens", "compute_flop", "compute_low", "compute_high", "n_items")


@dataclass
class Fields:
    """The fields of a table, one value a row; None or NaN where unknown.

    Parameters
    ----------
    texts, dates, booleans : dict of str to list
        Fields by their name.
    numbers : dict of str to ndarray (n,)
        Fields by their name, natural units.
    used : set of str
        Columns that a field is made of.
    problems : list of Problem
        Cells that could not be read; the value alone is left out.
    n_zero : dict of str to int
        Amounts that are 0 or below, which are taken as unknown.
    """

    texts: dict[str, list[str | None]] = field(default_factory=dict)
    dates: dict[str, list[datetime.date | None]] = field(default_factory=dict)
    booleans: dict[str, list[bool | None]] = field(default_factory=dict)
    numbers: dict[str, np.ndarray] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)
    n_zero: dict[str, int] = field(default_factory=dict)

    def value(self, name: str, row: int) -> Any:
        """The value of a field in a row; None where unknown."""
        for values in (self.texts, self.dates, self.booleans):
            if name in values:
                return values[name][row]
        if name in self.numbers and not np.isnan(self.numbers[name][row]):
            return float(self.numbers[name][row])
        return None


def read_fields(table: Table, columns: Columns, constants: Any = None) -> Fields:
    """Read every field that is a column, an expression or a constant.

    Parameters
    ----------
    table : Table
        The file.
    columns : mapping of str to str
        Field to column or expression; ``score`` is left to others.
    constants : mapping, optional
        Field to value.

    Returns
    -------
    Fields

    Raises
    ------
    InputDataError
        If a column is not there; names the nearest.
    UsageError
        If an expression cannot be read.
    """
    fields = Fields()
    n_rows = len(table.lines)
    for name, text in columns.items():
        assert isinstance(text, str)
        if name == "score":
            fields.used.add(text)
        elif name in NUMBER_FIELDS:
            fields.numbers[name] = _numbers(table, name, text, fields)
        else:
            _others(table, name, text, fields)
    for name, value in (constants or {}).items():
        if name in NUMBER_FIELDS:
            fields.numbers[name] = np.full(n_rows, float(value))
        elif name in DATE_FIELDS:
            read = date_from_cell(value)
            if not isinstance(read, datetime.date):
                raise UsageError(f"[constants] {name} is no date: {value!r}.", 'Write it as in "2024-05-11".')
            fields.dates[name] = [read] * n_rows
        else:
            (fields.booleans if name in BOOLEAN_FIELDS else fields.texts)[name] = [value] * n_rows
    return fields


def derive(text: str, name: str, numbers: dict[str, np.ndarray], n_rows: int) -> np.ndarray:
    """Compute a derived field from other fields, shape (n,); NaN where one of them is unknown."""

    def lookup(part: expression.Name) -> Numbers:
        full = canonical(part.name)
        if full in numbers:
            return numbers_from_floats(numbers[full].copy())
        if full in NUMBER_FIELDS:
            return numbers_from_floats(np.full(n_rows, np.nan))
        raise UsageError(
            f"[derived] {name} is made of '{part.name}', which is no field.\n  {text}\n  {' ' * part.position}^",
            nearest(part.name, FIELDS),
        )

    values = expression.evaluate(expression.parse(text), lookup).values
    return np.broadcast_to(np.where(np.isfinite(values), values, np.nan), (n_rows,)).copy()


def cells_of(table: Table, column: str, what: str) -> list[Any]:
    """Cells of a column that must be there; in quotes or not."""
    bare = column.strip("\"'") if column not in table.columns else column
    if bare not in table.columns:
        raise InputDataError(
            f"{table.path} has no column '{bare}', which {what} is made of.", nearest(bare, table.columns)
        )
    return table.columns[bare]


def _numbers(table: Table, name: str, text: str, fields: Fields) -> np.ndarray:
    def lookup(part: expression.Name) -> Numbers:
        fields.used.add(part.name)
        return numbers_from_cells(cells_of(table, part.name, name))

    if text in table.columns:
        numbers = numbers_from_cells(table.columns[text])
        fields.used.add(text)
    else:
        numbers = expression.evaluate(expression.parse(text), lookup)
    column = text if text in table.columns else None
    for row in np.flatnonzero(numbers.status == BAD):
        cell = None if column is None else str(table.columns[column][row])
        fields.problems.append(Problem(table.path, table.lines[row], column, cell, f"{name} is not a number", "value"))
    values = np.where(numbers.status == OK, numbers.values, np.nan)
    if name in AMOUNTS:
        below = np.nan_to_num(values, nan=1.0) <= 0
        if below.any():
            fields.n_zero[name] = int(below.sum())
            values[below] = np.nan
    return values


def _others(table: Table, name: str, text: str, fields: Fields) -> None:
    cells = cells_of(table, text, name)
    fields.used.add(text if text in table.columns else text.strip("\"'"))
    if name in TEXT_FIELDS:
        fields.texts[name] = [None if (read := text_from_cell(c)) is None or read == "nan" else read for c in cells]
        return
    read_cell = date_from_cell if name in DATE_FIELDS else boolean_from_cell
    values: list[Any] = []
    for row, cell in enumerate(cells):
        value = read_cell(cell)
        if isinstance(value, str):
            fields.problems.append(Problem(table.path, table.lines[row], text, str(cell), f"{name}: {value}", "value"))
            value = None
        values.append(value)
    if name in DATE_FIELDS:
        fields.dates[name] = values
    else:
        fields.booleans[name] = values
