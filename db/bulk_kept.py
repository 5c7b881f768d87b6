"""Kept columns of a large table: for each run the last value that is written in them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from contextlib import suppress
from json.encoder import encode_basestring_ascii
from typing import Any

import numpy as np

from db.assemble import is_nothing
from db.bulk_part import Part
from db.bulk_source import TEXTS, Source
from db.cells import column_kind, typed

# What is surely a whole number or a fraction, and finite, however Python looks at it, where it is not too long.
_WHOLE = "[-+]?(0|[1-9][0-9]*)"
_WHOLE_LENGTH = 18
_FRACTION = r"[-+]?((0|[1-9][0-9]*)\.[0-9]*|\.[0-9]+)([eE][-+]?[0-9][0-9]?)?|[-+]?(0|[1-9][0-9]*)[eE][-+]?[0-9][0-9]?"
_FRACTION_LENGTH = 99
_CELLS = 4_000_000  # that are looked at together
_HELD = 1_000_000  # that are held together where a row is a run
_COLUMNS = 512  # in one statement, for a plan of many takes long


class Kept:
    """Columns that no mapping names.

    Parameters
    ----------
    source : Source
        The table.
    columns : sequence of str
        The columns.
    stepwise : set of str
        Columns whose change within a run is told elsewhere.
    """

    def __init__(self, source: Source, columns: Sequence[str], stepwise: set[str]) -> None:
        self.source = source
        self.kinds = kinds_of(source, columns)
        self.columns = [column for column in columns if not is_nothing(column, self.kinds[column] == "empty")]
        self._stepwise = stepwise
        self._varying: set[str] = set()

    @property
    def varying(self) -> list[str]:
        """Columns that change within a run."""
        return [column for column in self.columns if column in self._varying]

    def values(self, part: Part, rows: np.ndarray, codes: np.ndarray, n_runs: int) -> list[dict[str, Any]]:
        """The last value of each column in each run.

        Parameters
        ----------
        part : Part
            A part of the table.
        rows : numpy.ndarray
            Its rows that are taken, by run and step.
        codes : numpy.ndarray
            The run of each of them.
        n_runs : int
            How many runs there are.

        Returns
        -------
        list of dict
            One a run.
        """
        extra: list[dict[str, Any]] = [{} for _ in range(n_runs)]
        together = min(max(_CELLS // max(part.stop - part.start, 1), 1), _COLUMNS)
        for at in range(0, len(self.columns), together):
            self._add(extra, part, self.columns[at : at + together], rows, codes)
        return extra

    def row_texts(self, part: Part, rows: np.ndarray) -> list[str]:
        """What some rows have in each column as JSON, where a row is a run; the rows are in order."""
        if not self.columns:
            return ["{}"] * rows.size
        found: list[str] = []
        form = ", ".join(f"{json.dumps(column)}: ".replace("%", "%%") + "%s" for column in self.columns)
        together = max(_HELD // len(self.columns), 1)
        for at in range(0, rows.size, together):
            columns = zip(self.columns, part.columns_at(self.columns, rows[at : at + together]), strict=True)
            texts = [_json_texts(typed_column(cells, self.kinds[column])) for column, cells in columns]
            found += map(f"{{{form}}}".__mod__, zip(*texts, strict=True))
        return found

    def _add(
        self, extra: list[dict[str, Any]], part: Part, columns: list[str], rows: np.ndarray, codes: np.ndarray
    ) -> None:
        lasts = []
        pairs: dict[str, np.ndarray] = {}
        begins = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
        for column, (hashes, missing) in zip(columns, part.hashes(columns, self.kinds), strict=True):
            there = ~missing[rows]
            filled, runs = rows[there], codes[there]
            last = np.full(len(extra), -1, dtype=np.int64)
            last[runs] = filled  # of several rows of a run, the assignment that comes last stays
            lasts.append(last)
            if column not in self._stepwise and column not in self._varying:
                if (~there[begins] & (last >= 0)).any():  # written later than the run begins
                    self._varying.add(column)
                    continue
                differs = (runs[1:] == runs[:-1]) & (hashes[filled[1:]] != hashes[filled[:-1]])
                if differs.any():
                    pairs[column] = np.stack([filled[:-1][differs], filled[1:][differs]])
        self._compare(part, pairs)
        wanted = np.unique(np.concatenate(lasts))
        cells = part.cells_at(columns, wanted[wanted >= 0])
        for index, (column, last) in enumerate(zip(columns, lasts, strict=True)):
            kind = self.kinds[column]
            for run, row in enumerate(last.tolist()):
                extra[run][column] = None if row < 0 else typed(cells[row][index], kind)

    def _compare(self, part: Part, pairs: dict[str, np.ndarray]) -> None:
        """Find out whether cells that are not the same text are not the same value either."""
        # One pair of each column settles it nearly always, and all of those are read together.
        some = {column: found[:, :1] for column, found in pairs.items()}
        self._judge(part, some)
        for column, found in pairs.items():
            if column not in self._varying and found.shape[1] > 1:
                self._judge(part, {column: found[:, 1:]})

    def _judge(self, part: Part, pairs: dict[str, np.ndarray]) -> None:
        if not pairs:
            return
        columns = list(pairs)
        cells = part.cells_at(columns, np.unique(np.concatenate([found.ravel() for found in pairs.values()])))
        for index, (column, found) in enumerate(pairs.items()):
            kind = self.kinds[column]
            if any(typed(cells[a][index], kind) != typed(cells[b][index], kind) for a, b in found.T.tolist()):
                self._varying.add(column)


def typed_column(cells: Sequence[Any], kind: str) -> list[Any]:
    """Cells as values of the kind of their column; see :func:`db.cells.typed`."""
    # Nearly every column is clean, and then one look at it is enough.
    with suppress(TypeError, ValueError, AttributeError):
        if kind == "integer":
            return list(map(int, cells))
        if kind == "float" and all(map(math.isfinite, values := list(map(float, cells)))):
            return values
        if kind == "text" and all(texts := list(map(str.strip, cells))):
            return texts
    return [typed(cell, kind) for cell in cells]


def _json_texts(values: list[Any]) -> list[str]:
    """Values of a column as JSON, each as `json.dumps` writes it."""
    kinds = set(map(type, values))
    if kinds <= {int} or kinds <= {float}:
        return list(map(repr, values))
    return list(map(encode_basestring_ascii if kinds <= {str} else json.dumps, values))


def kinds_of(source: Source, columns: Sequence[str]) -> dict[str, str]:
    """The narrowest type that holds all of each column; see :func:`db.cells.column_kind`."""
    kinds: dict[str, str] = {}
    texts = [column for column in columns if source.kinds[column] in TEXTS]
    others = [column for column in columns if source.kinds[column] not in TEXTS]
    for at in range(0, len(others), _COLUMNS):
        some = others[at : at + _COLUMNS]
        counts = source.query(", ".join(f"count({source.columns[column]})" for column in some)).fetchall()[0]
        kinds |= {column: source.kinds[column] if n else "empty" for column, n in zip(some, counts, strict=True)}
    for at in range(0, len(texts), _COLUMNS):
        some = texts[at : at + _COLUMNS]
        seen = source.connection.execute(
            f"SELECT k, bit_or({_seen('cell')}) FROM {source.cells(some)} WHERE cell IS NOT NULL GROUP BY k"
        ).fetchall()
        kinds |= dict.fromkeys(some, "empty")
        for k, found in seen:
            sure: list[Any] = [text for bit, text in ((1, "1"), (2, "1.5")) if found & bit]
            kinds[some[k]] = _kind(source, some[k], sure) if found & 4 else column_kind(sure)
    return kinds


def _seen(sql: str) -> str:
    """SQL of what a cell is: 1 for a whole number, 2 for a fraction, 4 for what only Python can judge."""
    return (
        f"CASE WHEN strlen({sql}) <= {_WHOLE_LENGTH} AND regexp_full_match({sql}, '{_WHOLE}') THEN 1 "
        f"WHEN strlen({sql}) <= {_FRACTION_LENGTH} AND regexp_full_match({sql}, '{_FRACTION}') THEN 2 ELSE 4 END"
    )


def _kind(source: Source, column: str, cells: list[Any]) -> str:
    """The type of a column with cells that only Python can judge, besides some that it need not see."""
    kind = "empty"
    # One cell of each kind is enough to remember: what a column is depends on which kinds there are.
    for rows in source.stream(f"DISTINCT {source.columns[column]}", f"WHERE {_seen(source.columns[column])} = 4"):
        cells = _samples(cells + [source.cell(column, raw) for (raw,) in rows])
        kind = column_kind(cells)
        if kind == "text":
            break
    return kind


def _samples(cells: list[Any]) -> list[Any]:
    """One cell of each kind."""
    return list({(column_kind([cell]), isinstance(cell, bool)): cell for cell in cells}.values())
