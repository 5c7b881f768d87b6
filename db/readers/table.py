"""Tables of runs: CSV, JSON lines, JSON lists and Parquet, all but the last plain or compressed with gzip.

CSV and JSON are read here rather than by DuckDB, because every refused row is reported with its line, and
because a JSON log writes NaN and Infinity as bare words. Cells stay as they stand in the file; numbers are made later,
where the mapping knows which columns should be numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from db.cells import BAD, MISSING, Numbers, numbers_from_cells, text_from_cell
from db.problems import Problem
from db.readers.json_list import JsonList
from db.readers.parquet_index import check_index
from db.readers.records import CsvRecords, JsonRecords, open_text
from db.views import quote_name
from scaling.errors import InputDataError

READER = "table"
_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_PARQUET_AS_IS = frozenset(
    {"BOOLEAN", "DOUBLE", "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UINTEGER", "USMALLINT", "UTINYINT"}
)
_BLOCK = 65536


@dataclass(frozen=True)
class Table:
    """A file as columns of cells.

    Parameters
    ----------
    path : str
        The file, as it was named.
    format : str
        ``csv``, ``tsv``, ``jsonl``, ``json`` or ``parquet``.
    columns : mapping of str to sequence
        Cells of each column: text, numbers, booleans or None.
    lines : sequence of int
        Line of the file on which each row begins (for Parquet, the number of the row), from 1.
    n_rows : int
        Data rows in the file, with those that could not be read.
    problems : tuple of Problem
        Rows that could not be read.
    warnings : tuple of str
        What else is worth knowing.
    """

    path: str
    format: str
    columns: Mapping[str, Sequence[Any]]
    lines: Sequence[int]
    n_rows: int
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()

    def numbers(self, column: str) -> Numbers:
        """A column as numbers."""
        return numbers_from_cells(self.columns[column])

    def texts(self, columns: Sequence[str]) -> Sequence[str | None]:
        """A column as texts; several are joined by ``-``, and missing where one of them is."""
        rows = zip(*([text_from_cell(cell) for cell in self.columns[column]] for column in columns), strict=True)
        return [joined(row) for row in rows]

    def mostly_numbers(self, column: str) -> bool:
        """Whether less than half of what a column holds is no number."""
        status = self.numbers(column).status
        return bool((status == BAD).sum() < 0.5 * (status != MISSING).sum())


def joined(texts: Sequence[str | None]) -> str | None:
    """Texts joined by ``-``; None where one of them is."""
    return None if None in texts else "-".join(text for text in texts if text is not None)


def file_format(path: str | Path) -> str:
    """Tell the format of a table by the ending of its name.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    str
        ``csv``, ``tsv``, ``jsonl``, ``json`` or ``parquet``.

    Raises
    ------
    InputDataError
        If there is no such file, it is a directory, or its ending is not known.
    """
    file = Path(path)
    if file.is_dir():
        tables = sorted(entry.name for entry in file.iterdir() if ending_of(entry))[:3]
        among = f", such as {', '.join(tables)}" if tables else ""
        raise InputDataError(f"{path} is a directory, not a table of runs.", f"Name a file in it{among}.")
    if not file.exists():
        near = (
            sorted(entry.name for entry in file.parent.iterdir() if ending_of(entry))[:5]
            if file.parent.is_dir()
            else []
        )
        raise InputDataError(
            f"There is no file {path}.",
            f"Tables there: {', '.join(near)}." if near else "Check the path.",
        )
    found = ending_of(file)
    if found is None:
        raise InputDataError(
            f"The format of {path} is not known by its ending.",
            f"Tables end in {', '.join(_FORMATS)}; csv, tsv, jsonl and json also with .gz. Rename or convert it.",
        )
    return found


def file_sha256(path: str | Path) -> str:
    """SHA-256 of the bytes of a file, hex."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_table(path: str | Path) -> Table:
    """Read a table of runs.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Table

    Raises
    ------
    InputDataError
        If the file is missing, a directory, of an unknown format, empty, without rows, or not readable as what it
        claims to be.
    """
    kind = file_format(path)
    if Path(path).stat().st_size == 0:
        raise InputDataError(f"The file {path} is empty.", "Check that the export finished.")
    if kind == "parquet":
        return _read_parquet(str(path))
    with open_text(path) as stream:
        if kind in ("jsonl", "json"):
            return _read_json(str(path), kind, stream)
        return _read_csv(str(path), kind, stream)


def ending_of(file: Path) -> str | None:
    """Format of a table by the ending of its name; None where it is no table by it."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes[-1:] == [".gz"]:
        inner = _FORMATS.get(suffixes[-2]) if len(suffixes) > 1 else None
        return None if inner == "parquet" else inner
    return _FORMATS.get(suffixes[-1]) if suffixes else None


def _read_csv(path: str, kind: str, stream: IO[str]) -> Table:
    records = CsvRecords(path, kind, stream)
    columns: dict[str, list[Any]] = {name: [] for name in records.names}
    lines: list[int] = []
    problems: list[Problem] = []
    block: list[list[str]] = []

    def flush() -> None:
        for name, values in zip(records.names, zip(*block, strict=True), strict=True):
            columns[name].extend(values)
        block.clear()

    for record in records:
        if isinstance(record, Problem):
            problems.append(record)
            continue
        lines.append(record[0])
        block.append(record[1])
        if len(block) == _BLOCK:
            flush()
    if block:
        flush()
    return _finish(Table(path, kind, columns, lines, len(lines) + len(problems), tuple(problems), records.warnings))


def _read_json(path: str, kind: str, stream: IO[str]) -> Table:
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    problems: list[Problem] = []
    for record in JsonRecords(path, stream) if kind == "jsonl" else JsonList(path, stream):
        if isinstance(record, Problem):
            problems.append(record)
        else:
            lines.append(record[0])
            rows.append(record[1])
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return _finish(Table(path, kind, columns, lines, len(lines) + len(problems), tuple(problems)))


def _read_parquet(path: str) -> Table:
    import duckdb

    check_index(Path(path))
    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": False})
    try:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()
        parts = ", ".join(parquet_cells(quote_name(name), sql_type) for name, sql_type, *_ in described)
        names = [name for name, *_ in described]
        columns: dict[str, list[Any]] = {name: [] for name in names}
        result = connection.execute(f"SELECT {parts} FROM read_parquet(?)", [path])
        while rows := result.fetchmany(_BLOCK):
            for name, cells in zip(names, zip(*rows, strict=True), strict=True):
                columns[name].extend(cells)
    except duckdb.Error as error:
        raise parquet_error(path, error) from error
    finally:
        connection.close()
    n_rows = len(columns[names[0]])
    return _finish(Table(path, "parquet", columns, list(range(1, n_rows + 1)), n_rows))


def parquet_cells(quoted: str, sql_type: str) -> str:
    """SQL that reads a column of Parquet as text, a number or a boolean."""
    if sql_type in _PARQUET_AS_IS:
        return quoted
    if sql_type == "FLOAT" or sql_type.startswith(("DECIMAL", "UBIGINT", "HUGEINT", "UHUGEINT")):
        return f"CAST({quoted} AS DOUBLE)"
    return f"CAST({quoted} AS VARCHAR)"


def parquet_error(path: str, error: Exception) -> InputDataError:
    """Say that a file is no Parquet."""
    detail = str(error).strip().splitlines()[0]
    return InputDataError(f"The file {path} is not readable as Parquet: {detail}", "Write it again.")


def _finish(table: Table) -> Table:
    if table.lines:
        return table
    raise no_rows(table.path, table.problems)


def no_rows(path: str, problems: Sequence[Problem]) -> InputDataError:
    """Say that nothing of a file can be read."""
    if problems:
        return InputDataError(f"No row of {path} can be read; the first problem: {problems[0]}")
    return InputDataError(f"The file {path} has no rows.", "Check that the export finished.")
