"""JSON lines of a large table as Parquet: most lines by DuckDB, the others one by one in Python.

Programs write the same keys in the same order, line after line. A line that has the shape of one seen before, and whose
values look the way that DuckDB and Python read alike, is left to DuckDB; whether it does is told by one pattern for the
whole line, so nothing is left to how lenient either is. What a line that fits no shape means, Python says: with bare
words in it, escapes, lists, keys that come twice, or no JSON at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from db.bulk_cells import encode_all
from db.bulk_parquet import allow_columns, parquet
from db.problems import Problem
from db.readers.json_list import JsonList
from db.readers.records import Lines, json_record, open_text
from db.views import quote_text

if TYPE_CHECKING:
    from db.bulk_source import Source

_SPACE = r"[ \t\r\n]*"
# Texts without escapes of characters, which may be half a character; numbers and words as both know them.
_VALUE = (
    r'(?:"(?:[^"\\\x00-\x1f]|\\["\\/bfnrt])*"|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?'
    r"|true|false|null|NaN|-?Infinity)"
)
_DIGITS = 1000  # in a row, from which on Python may refuse a number
_CHARACTERS = 2**23  # in a part
_CELLS = 2_000_000  # in a part that Python reads
_LIST_CELLS = 500_000  # in a part of a list
_SHAPES = 8  # that are looked for in a part
_MOST_NAMES = 256  # in a shape: a pattern of more would be slow to make
_SAMPLE = 1000  # lines of which a new shape has to fit some


@dataclass(frozen=True)
class Shape:
    """Keys of a line.

    Parameters
    ----------
    names : tuple of str
        Of its values; nested ones by their path.
    pattern : str
        What such a line looks like.
    pointers : tuple of str
        Where each value stands (RFC 6901).
    """

    names: tuple[str, ...]
    pattern: str
    pointers: tuple[str, ...]


def shape_of(text: str) -> Shape | None:
    """The shape of a line; None where it has none, or one that takes too long to look for."""
    import json

    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    pointers: dict[str, str] = {}
    try:
        pattern = _pattern(record, "", "", pointers) if isinstance(record, dict) else None
    except (_NoShapeError, RecursionError):
        return None
    return Shape(tuple(pointers), f"{_SPACE}{pattern}{_SPACE}", tuple(pointers.values())) if pattern else None


class _NoShapeError(Exception):
    pass


def _pattern(record: dict[str, Any], prefix: str, pointer: str, pointers: dict[str, str]) -> str:
    """Pattern of an object; adds where its values stand."""
    members = []
    for key, value in record.items():
        name, place = f"{prefix}{key}", f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        is_plain = key.isprintable() and key and not {'"', "\\"} & set(key)
        if not is_plain or isinstance(value, list) or name in pointers or len(pointers) >= _MOST_NAMES:
            raise _NoShapeError
        if isinstance(value, dict):
            inner = _pattern(value, f"{name}.", place, pointers)
            if name in pointers:
                raise _NoShapeError
        else:
            inner = _VALUE
            pointers[name] = place
        members.append(f'"{_literally(key)}"{_SPACE}:{_SPACE}{inner}')
    return rf"\{{{_SPACE}{f'{_SPACE},{_SPACE}'.join(members)}{_SPACE}\}}"


def _literally(key: str) -> str:
    return re.sub(r"[^0-9A-Za-z_]", lambda found: rf"\x{{{ord(found[0]):x}}}", key)


def write_json_lines(source: Source, most_rows: int, told: int) -> tuple[dict[str, int], list[str]]:
    """Write JSON lines to Parquet, a part of bounded size after the other.

    Parameters
    ----------
    source : Source
        The table; gets its number of rows, and what cannot be read of it.
    most_rows : int
        Rows of a part.
    told : int
        Problems to keep; the others are counted.

    Returns
    -------
    known : dict of str to int
        Columns, in the order in which they appear, with their numbers.
    files : list of str
        The files, as SQL.
    """
    writer = _Writer(source, told)
    with open_text(source.path) as stream:
        held: list[str] = []
        size = 0
        for block in Lines(source.path, stream).blocks():
            for at in range(0, len(block), most_rows):
                held += block[at : at + most_rows]
                size += sum(map(len, block[at : at + most_rows]))
                if len(held) >= most_rows or size >= _CHARACTERS:
                    writer.write(held)
                    held, size = [], 0
        writer.write(held)
    return writer.known, writer.files


def write_json_list(source: Source, most_rows: int, told: int) -> tuple[dict[str, int], list[str]]:
    """Write the rows of a JSON list to Parquet; see `write_json_lines`."""
    writer = _Writer(source, told)
    with open_text(source.path) as stream:
        rows = JsonList(source.path, stream)
        lines: list[int] = []
        records: list[dict[str, Any]] = []
        begun = n_cells = 0
        for row in rows:
            if isinstance(row, Problem):
                writer.refuse(row)
                continue
            lines.append(row[0])
            records.append(row[1])
            n_cells += len(row[1])
            if len(lines) >= most_rows or n_cells >= _LIST_CELLS or rows.characters - begun > 4 * _CHARACTERS:
                writer.write_rows(lines, records)
                lines, records, begun, n_cells = [], [], rows.characters, 0
        writer.write_rows(lines, records)
    return writer.known, writer.files


class _Writer:
    def __init__(self, source: Source, told: int) -> None:
        self.source = source
        self.told = told
        self.known: dict[str, int] = {}
        self.files: list[str] = []
        self._shapes: list[Shape] = []
        self._n_lines = 0

    def write(self, lines: list[str]) -> None:
        """Write lines that follow those before."""
        if not lines:
            return
        texts = np.empty(len(lines), dtype=object)
        texts[:] = lines
        shaped, rest = self._by_shape(texts)
        good = np.ones(len(lines), dtype=bool)
        records: list[dict[str, Any]] = []
        numbers: list[int] = []
        for number in rest.tolist():
            record = json_record(self.source.path, self._n_lines + number + 1, lines[number])
            good[number] = not (record is None or isinstance(record, Problem))
            if isinstance(record, Problem):
                self.refuse(record)
            elif record is not None:
                records.append(record[1])
                numbers.append(number)
        appear: list[tuple[int, Iterable[str]]] = [(int(rows[0]), shape.names) for shape, rows in shaped]
        appear += zip(numbers, records, strict=True)
        for _, names in sorted(appear, key=lambda one: one[0]):
            for name in names:
                self.known.setdefault(name, len(self.known))
        allow_columns(self.source.connection, len(self.known))
        row = self.source.n_rows + np.cumsum(good) - 1
        line = self._n_lines + 1 + np.arange(len(lines))
        for shape, rows in shaped:
            self._write_shape(shape, {"row": row[rows], "line": line[rows], "text": texts[rows]})
        width = max(map(len, records), default=1)
        step = max(_CELLS // max(width, 1), 1)
        for at in range(0, len(records), step):
            some = np.array(numbers[at : at + step])
            self._write_records({"row": row[some], "line": line[some]}, records[at : at + step])
        self.source.n_rows += int(good.sum())
        self._n_lines += len(lines)

    def write_rows(self, lines: list[int], records: list[dict[str, Any]]) -> None:
        """Write rows that Python has read, with the line of each."""
        if not records:
            return
        for record in records:
            for name in record:
                self.known.setdefault(name, len(self.known))
        allow_columns(self.source.connection, len(self.known))
        row = self.source.n_rows + np.arange(len(records))
        self._write_records({"row": row, "line": np.array(lines)}, records)
        self.source.n_rows += len(records)

    def refuse(self, problem: Problem) -> None:
        """Keep a problem, or count it."""
        self.source.n_unreadable += 1
        if len(self.source.problems) < self.told:
            self.source.problems.append(problem)

    def _by_shape(self, texts: np.ndarray) -> tuple[list[tuple[Shape, np.ndarray]], np.ndarray]:
        """Lines by their shapes, and those that fit none."""
        left = np.arange(texts.size)
        shaped: list[tuple[Shape, np.ndarray]] = []
        for shape in self._shapes:
            fits = self._fits(shape, texts[left])
            shaped.append((shape, left[fits]))
            left = left[~fits]
        odd: list[int] = []
        while left.size and len(shaped) + len(odd) < _SHAPES:
            new = shape_of(texts[left[0]])
            fits = self._fits(new, texts[left[:_SAMPLE]])
            if new is None or not fits[0] or fits.sum() < min(left.size, _SAMPLE) / 20:
                odd.append(int(left[0]))
                left = left[1:]
                continue
            fits = self._fits(new, texts[left])
            shaped.append((new, left[fits]))
            left = left[~fits]
        # Shapes that are not met any more are not looked for either; the most frequent is looked for first.
        shaped = sorted((one for one in shaped if one[1].size), key=lambda one: -one[1].size)
        self._shapes = [shape for shape, _ in shaped]
        return shaped, np.sort(np.append(left, np.array(odd, dtype=left.dtype)))

    def _fits(self, shape: Shape | None, texts: np.ndarray) -> np.ndarray:
        """Which lines have a shape."""
        fits = np.zeros(texts.size, dtype=bool)
        if shape is None or not texts.size:
            return fits
        connection = self.source.connection
        connection.register("_lines", {"row": np.arange(texts.size), "text": texts})
        found = connection.execute(
            f"SELECT row FROM _lines WHERE regexp_full_match(text, {quote_text(shape.pattern)}) "
            f"AND (strlen(text) <= {_DIGITS} OR NOT regexp_matches(text, '[0-9]{{{_DIGITS}}}'))"
        ).fetchnumpy()
        connection.unregister("_lines")
        fits[found["row"]] = True
        return fits

    def _write_shape(self, shape: Shape, batch: dict[str, np.ndarray]) -> None:
        """Let DuckDB write lines of a shape."""
        pointers = ", ".join(quote_text(pointer) for pointer in shape.pointers)
        cells = ", ".join(f"{_cell(f'x[{n}]')} AS c{self.known[name]}" for n, name in enumerate(shape.names, start=1))
        found = (
            f"SELECT row, line, CAST(json_extract(text, [{pointers}]) AS VARCHAR[]) AS x FROM _part"
            if pointers
            else "FROM _part"
        )
        self._copy(f"SELECT row, line, {cells or 'NULL AS nothing'} FROM ({found})", batch, len(shape.names))

    def _write_records(self, batch: dict[str, np.ndarray], records: Sequence[dict[str, Any]]) -> None:
        """Write what Python has read."""
        names = dict.fromkeys(name for record in records for name in record)
        for name in names:
            array = np.empty(len(records), dtype=object)
            array[:] = encode_all([record.get(name) for record in records])
            batch[f"c{self.known[name]}"] = array
        cells = ", ".join(f"CAST(c{number} AS VARCHAR) AS c{number}" for number in map(self.known.__getitem__, names))
        self._copy(f"SELECT row, line, {cells or 'NULL AS nothing'} FROM _part", batch, len(names))

    def _copy(self, select: str, batch: dict[str, np.ndarray], n_columns: int) -> None:
        target = quote_text(str(self.source.folder / f"part-{len(self.files)}.parquet"))
        connection = self.source.connection
        connection.register("_part", batch)
        connection.execute(f"COPY ({select}) TO {target} ({parquet(n_columns)})").fetchall()
        connection.unregister("_part")
        self.files.append(target)


def _cell(value: str) -> str:
    """SQL of a value of JSON as `db.bulk_cells.encode` writes it."""
    return (
        f"CASE WHEN starts_with({value}, '\"') THEN CASE WHEN contains({value}, '\\') "
        f"THEN '\"' || json_extract_string({value}, '$') ELSE left({value}, -1) END "
        f"WHEN {value} <> 'null' THEN {value} END"
    )
