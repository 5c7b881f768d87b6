"""Joining another table to a table of scores by the names of models.

A name finds the row that is called exactly so; failing that, the one row whose name differs from it in capitals and in
marks between words alone. A name that two rows have, with different values, finds neither: that is said, not chosen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from db.cells import text_from_cell, typed_values
from db.readers.table import Table
from db.score_columns import Fields, cells_of, read_fields
from db.score_fields import DATE_FIELDS, NUMBER_FIELDS, TEXT_FIELDS
from db.score_mapping import TableSpec


@dataclass
class Joined:
    """What a join found.

    Parameters
    ----------
    rows : ndarray of int, shape (n,)
        Row of the other table for each name; -1 where there is none.
    missing : tuple of str
        Names that no row has, each once.
    ambiguous : tuple of str
        Names that several rows have, with different values.
    extra : list of dict
        Columns of the other table that are kept, one dictionary a name.
    """

    rows: np.ndarray
    missing: tuple[str, ...] = ()
    ambiguous: tuple[str, ...] = ()
    extra: list[dict[str, Any]] = field(default_factory=list)


def join(fields: Fields, names: Sequence[str | None], table: Table, spec: TableSpec) -> Joined:
    """Fill what the fields leave unknown from another table.

    Parameters
    ----------
    fields : Fields
        Fields of the first table, one value a row; changed in place.
    names : sequence of str (n,)
        The name in each row that is looked up.
    table : Table
        The other table.
    spec : TableSpec
        Its mapping, completed.

    Returns
    -------
    Joined
    """
    other = read_fields(table, spec.columns)
    fields.problems += other.problems
    keys = [text_from_cell(cell) for cell in cells_of(table, spec.key, "the join")]
    rows, ambiguous = _match(names, keys, lambda row: tuple(other.value(name, row) for name in spec.columns))
    for name in spec.columns:
        _fill(fields, other, name, rows)
    kept = {column: typed_values(table.columns[column]) for column in spec.keep}
    extra = [{c: v[row] for c, v in kept.items() if row >= 0 and v[row] is not None} for row in rows]
    lost = dict.fromkeys(n for n, row in zip(names, rows, strict=True) if n is not None and row < 0)
    missing = tuple(name for name in lost if name not in ambiguous)
    return Joined(rows, missing, ambiguous, extra)


def _match(names: Sequence[str | None], keys: Sequence[str | None], values: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    exact: dict[str, list[int]] = {}
    loose: dict[str, list[int]] = {}
    for row, key in enumerate(keys):
        if key is not None:
            exact.setdefault(key, []).append(row)
            loose.setdefault(simplified(key), []).append(row)
    found = np.full(len(names), -1)
    ambiguous: dict[str, None] = {}
    for i, name in enumerate(names):
        if name is None:
            continue
        rows = exact.get(name) or loose.get(simplified(name), [])
        if len({values(row) for row in rows}) > 1:
            ambiguous[name] = None
        elif rows:
            found[i] = rows[0]
    return found, tuple(ambiguous)


def simplified(name: str) -> str:
    """A name without capitals and marks between words."""
    return re.sub(r"[\s_\-./()]+", "", name.lower())


def _fill(fields: Fields, other: Fields, name: str, rows: np.ndarray) -> None:
    """Fill one field where it is unknown."""
    n_rows = len(rows)
    if name in NUMBER_FIELDS:
        mine = fields.numbers.setdefault(name, np.full(n_rows, np.nan))
        theirs = np.where(rows >= 0, other.numbers[name][rows], np.nan)
        fields.numbers[name] = np.where(np.isnan(mine), theirs, mine)
        return
    kinds = ((TEXT_FIELDS, fields.texts, other.texts), (DATE_FIELDS, fields.dates, other.dates))
    mine_of, theirs_of = next(((m, t) for f, m, t in kinds if name in f), (fields.booleans, other.booleans))
    values: list[Any] = list(mine_of.get(name, [None] * n_rows))
    for i, row in enumerate(rows):
        if values[i] is None and row >= 0:
            values[i] = theirs_of[name][row]
    mine_of[name] = values
