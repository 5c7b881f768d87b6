"""A part of a large table: whole runs that follow each other, as the table that the rest of the ingest knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from db.bulk_cells import decode_all
from db.bulk_source import Source, missing_sql
from db.cells import BAD, MISSING, Numbers, numbers_from_cells, numbers_from_floats
from db.readers.table import Table

_COLUMNS = 512  # in one statement, whose memory grows with them


@dataclass(frozen=True)
class Part(Table):
    """Rows of a large table, read when they are asked for.

    Parameters
    ----------
    source : Source
        The table.
    start, stop : int
        Positions of the rows.
    wanted : dict of str to None
        Columns that are asked for as numbers; whoever asks for another adds it, for parts to come.
    underscored : dict of str to bool
        Whether a column has a ``_`` in it, which DuckDB takes for a separator of digits.
    """

    source: Source = field(kw_only=True, repr=False)
    start: int = field(kw_only=True)
    stop: int = field(kw_only=True)
    wanted: dict[str, None] = field(kw_only=True, repr=False)
    underscored: dict[str, bool] = field(kw_only=True, repr=False)
    _found: dict[str, Numbers] = field(default_factory=dict, repr=False)

    def numbers(self, column: str) -> Numbers:
        """A column as numbers."""
        if column not in self._found:
            self.wanted[column] = None
            self.read([column])
        return self._found[column]

    def texts(self, columns: Sequence[str]) -> Sequence[str | None]:
        """Columns as joined texts, which are not read yet."""
        return Texts(tuple(columns), self.stop - self.start)

    def read(self, columns: Sequence[str]) -> None:
        """Read the lines, and columns as numbers."""
        if self.start == self.stop:
            self._found.update({column: numbers_from_floats(np.empty(0)) for column in columns})
            return
        # Lines of a file that was not sorted follow from the positions.
        select = [f"{self.source.position} AS position", *([] if self.source.first_line else ["line"])]
        select += [f"{self.number(column)} AS v{index}" for index, column in enumerate(columns)]
        arrays = self._fetch(", ".join(select))
        order: slice | np.ndarray = slice(None)
        position = arrays["position"]
        if not np.array_equal(position, np.arange(self.start, self.stop)):
            order = np.argsort(position)
        lines = self.lines
        assert isinstance(lines, np.ndarray)
        first = self.source.first_line
        lines[:] = np.arange(self.start + first, self.stop + first) if first else arrays["line"][order]
        for index, column in enumerate(columns):
            array = arrays[f"v{index}"]
            empty = np.ma.getmaskarray(array)[order]
            values = np.array(np.ma.getdata(array), dtype=float)[order]
            self._found[column] = self._with_status(column, values, empty)

    def read_wanted(self) -> None:
        """Read every column that earlier parts were asked for."""
        self.read(list(self.wanted))

    def cells(self, column: str) -> list[Any]:
        """A column as it stands in the file."""
        rows = self.query(f"{self.source.position}, {self.source.columns[column]}").fetchall()
        return [self.source.cell(column, raw) for _, raw in sorted(rows, key=_first)]

    def query(self, select: str, more: str = "") -> Any:
        """Select from the rows of the part."""
        return self.source.query(select, f"{self._where} {more}")

    @property
    def _where(self) -> str:
        at = self.source.position
        return f"WHERE {at} >= {self.start} AND {at} < {self.stop}"

    def hashes(self, columns: Sequence[str], kinds: Mapping[str, str]) -> list[tuple[np.ndarray, np.ndarray]]:
        """A number for the content of each cell of columns, and where nothing is written in them."""
        alike: dict[tuple[str, bool], list[str]] = {}
        for column in columns:
            alike.setdefault((self.source.kinds[column], kinds[column] != "text"), []).append(column)
        found: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for (kind, words), some in alike.items():
            missing = missing_sql("cell", kind, words=words)
            arrays = self.source.connection.execute(
                f"SELECT position - {self.start} AS row, k, CASE WHEN {missing} THEN NULL ELSE hash(cell) END AS h "
                f"FROM {self.source.cells(some, self._where)}"
            ).fetchnumpy()
            shape = (len(some), self.stop - self.start)
            hashes, empty = np.zeros(shape, dtype=np.uint64), np.ones(shape, dtype=bool)
            hashes[arrays["k"], arrays["row"]] = np.ma.getdata(arrays["h"])
            empty[arrays["k"], arrays["row"]] = np.ma.getmaskarray(np.ma.asarray(arrays["h"]))
            found.update({column: (hashes[k], empty[k]) for k, column in enumerate(some)})
        return [found[column] for column in columns]

    def cells_at(self, columns: Sequence[str], rows: np.ndarray) -> dict[int, tuple[Any, ...]]:
        """Cells of columns in some rows of the part, by the number of the row."""
        found = self.columns_at(columns, rows)
        return dict(zip(rows.tolist(), zip(*found, strict=True) if found else ((),) * rows.size, strict=True))

    def columns_at(self, columns: Sequence[str], rows: np.ndarray) -> list[Sequence[Any]]:
        """Cells of columns in some rows of the part, which are in order."""
        if not rows.size:
            return [() for _ in columns]
        connection, at = self.source.connection, self.source.position
        first, last = self.start + int(rows[0]), self.start + int(rows[-1])
        where = f"WHERE {at} BETWEEN {first} AND {last}"
        if last - first + 1 > rows.size:
            where += f" AND {at} IN (SELECT row FROM _rows)"
        connection.register("_rows", {"row": rows + self.start})
        try:
            cells: list[Sequence[Any]] = []
            for begin in range(0, len(columns), _COLUMNS):
                some = columns[begin : begin + _COLUMNS]
                select = ", ".join([at, *(self.source.columns[column] for column in some)])
                found = self.source.query(select, where).fetchall()
                found.sort(key=_first)
                _, *raws = zip(*found, strict=True)
                cells += [decode_all(raw, self.source.kinds[column]) for column, raw in zip(some, raws, strict=True)]
            return cells
        finally:
            connection.unregister("_rows")

    def _fetch(self, select: str) -> dict[str, Any]:
        found: dict[str, Any] = self.query(select).fetchnumpy()
        return found

    def number(self, column: str) -> str:
        """SQL of a column as a number, NULL where DuckDB knows none."""
        sql, kind = self.source.columns[column], self.source.kinds[column]
        if kind == "boolean":
            return "CAST(NULL AS DOUBLE)"
        if kind in ("integer", "float"):
            return f"CAST({sql} AS DOUBLE)"
        if column not in self.underscored:
            rows = self.source.query(f"bool_or(contains({sql}, '_'))").fetchall()
            self.underscored[column] = bool(rows[0][0])
        cast = f"TRY_CAST({sql} AS DOUBLE)"
        return f"CASE WHEN contains({sql}, '_') THEN NULL ELSE {cast} END" if self.underscored[column] else cast

    def _with_status(self, column: str, values: np.ndarray, empty: np.ndarray) -> Numbers:
        numbers = numbers_from_floats(values)
        if not empty.any():
            return numbers
        numbers.values[empty] = np.nan
        numbers.status[empty] = MISSING
        kind, sql = self.source.kinds[column], self.source.columns[column]
        if kind == "boolean":
            numbers.status[[row for row, cell in enumerate(self.cells(column)) if cell is not None]] = BAD
        elif kind not in ("integer", "float"):
            # What DuckDB does not read as a number, Python judges.
            odd = self.query(
                f"{self.source.position} AS position, {sql} AS cell",
                f"AND {sql} <> '' AND {self.number(column)} IS NULL",
            ).fetchall()
            if odd:
                judged = numbers_from_cells([self.source.cell(column, raw) for _, raw in odd])
                rows = np.array([position for position, _ in odd]) - self.start
                numbers.values[rows], numbers.status[rows] = judged.values, judged.status
        return numbers


@dataclass(frozen=True)
class Texts(Sequence[Any]):
    """Texts that are read only where they are needed, with the columns that they are made of."""

    columns: tuple[str, ...]
    n_rows: int

    def __len__(self) -> int:
        return self.n_rows

    def __getitem__(self, row: Any) -> Any:
        raise NotImplementedError("texts of a large table are read run by run")


class Cells(Mapping[str, Sequence[Any]]):
    """Columns of a part, read when they are asked for; the last one is kept."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = dict.fromkeys(names)
        self._last: tuple[str, list[Any]] | None = None
        self.part: Part | None = None

    def __getitem__(self, name: str) -> Sequence[Any]:
        if name not in self._names:
            raise KeyError(name)
        if self._last is None or self._last[0] != name:
            assert self.part is not None
            self._last = name, self.part.cells(name)
        return self._last[1]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Parts:
    """Makes parts of a large table, which share what is known of its columns.

    Parameters
    ----------
    source : Source
        The table.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.wanted: dict[str, None] = {}
        self.underscored: dict[str, bool] = {}

    def part(self, start: int, stop: int) -> Part:
        """The rows from one position to another, not read yet."""
        cells = Cells(list(self.source.columns))
        lines: Any = np.zeros(stop - start, dtype=np.int64)
        part = Part(
            self.source.path, self.source.format, cells, lines, stop - start,
            source=self.source, start=start, stop=stop, wanted=self.wanted, underscored=self.underscored,
        )  # fmt: skip
        cells.part = part
        return part

    def whole(self) -> Whole:
        """The table for those who look at its columns only."""
        nothing = self.part(0, 0)
        return Whole(self.source.path, self.source.format, nothing.columns, (), self.source.n_rows, nothing=nothing)


@dataclass(frozen=True)
class Whole(Table):
    """A large table without its rows."""

    nothing: Part = field(kw_only=True, repr=False)

    def mostly_numbers(self, column: str) -> bool:
        """Whether less than half of what a column holds is no number."""
        source, number = self.nothing.source, self.nothing.number(column)
        sql = source.columns[column]
        filled = source.query(f"count({sql}) FILTER (NOT {source.missing(column)})").fetchall()[0][0]
        if source.kinds[column] in ("integer", "float"):
            return bool(filled)
        bad = 0
        for rows in source.stream(f"{sql}, count(*)", f"WHERE {sql} IS NOT NULL AND {number} IS NULL GROUP BY ALL"):
            status = numbers_from_cells([source.cell(column, raw) for raw, _ in rows]).status
            bad += int(np.array([count for _, count in rows])[status == BAD].sum())
        return bool(bad < 0.5 * filled)


def _first(row: tuple[Any, ...]) -> Any:
    return row[0]
