"""Tables of runs: CSV, JSON lines and Parquet, plain or (the first two) compressed with gzip.

CSV and JSON lines are read here rather than by DuckDB, because every refused row is reported with its line, and
because a JSON log writes NaN and Infinity as bare words. Cells stay as they stand in the file; numbers are made later,
where the mapping knows which columns should be numbers.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from db.cells import is_missing, numbers_from_cells
from db.problems import Problem
from scaling.errors import InputDataError

READER = "table"
_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
_DELIMITERS = ",\t;|"
_PARQUET_AS_IS = frozenset(
    {"BOOLEAN", "DOUBLE", "BIGINT", "INTEGER", "SMALLINT", "TINYINT", "UINTEGER", "USMALLINT", "UTINYINT"}
)
_BLOCK = 65536
_LARGEST_CELL = 10_000_000


@dataclass(frozen=True)
class Table:
    """A file as columns of cells.

    Parameters
    ----------
    path : str
        The file, as it was named.
    format : str
        ``csv``, ``tsv``, ``jsonl`` or ``parquet``.
    columns : dict of str to list
        Cells of each column: text, numbers, booleans or None.
    lines : list of int
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
    columns: dict[str, list[Any]]
    lines: list[int]
    n_rows: int
    problems: tuple[Problem, ...] = ()
    warnings: tuple[str, ...] = ()


def file_format(path: str | Path) -> str:
    """Tell the format of a table by the ending of its name.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    str
        ``csv``, ``tsv``, ``jsonl`` or ``parquet``.

    Raises
    ------
    InputDataError
        If there is no such file, it is a directory, or its ending is not known.
    """
    file = Path(path)
    if file.is_dir():
        tables = sorted(entry.name for entry in file.iterdir() if _format_of(entry))[:3]
        among = f", such as {', '.join(tables)}" if tables else ""
        raise InputDataError(f"{path} is a directory, not a table of runs.", f"Name a file in it{among}.")
    if not file.exists():
        near = (
            sorted(entry.name for entry in file.parent.iterdir() if _format_of(entry))[:5]
            if file.parent.is_dir()
            else []
        )
        raise InputDataError(
            f"There is no file {path}.",
            f"Tables there: {', '.join(near)}." if near else "Check the path.",
        )
    found = _format_of(file)
    if found is None:
        raise InputDataError(
            f"The format of {path} is not known by its ending.",
            f"Tables end in {', '.join(_FORMATS)}; csv, tsv and jsonl also with .gz. Rename or convert it.",
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
    try:
        if kind == "parquet":
            return _read_parquet(str(path))
        with _open_text(Path(path)) as stream:
            return _read_json_lines(str(path), stream) if kind == "jsonl" else _read_csv(str(path), kind, stream)
    except UnicodeDecodeError as error:
        raise InputDataError(
            f"The file {path} is not UTF-8 text (byte {error.object[error.start]:#04x}).",
            "Save it again as UTF-8.",
        ) from error
    except PermissionError as error:
        raise InputDataError(
            f"The file {path} cannot be read: permission denied.", "Change its permissions."
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputDataError(
            f"The file {path} is not a whole gzip file: {error}.", "Copy it again, or unpack it by hand."
        ) from error


def _format_of(file: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes[-1:] == [".gz"]:
        inner = _FORMATS.get(suffixes[-2]) if len(suffixes) > 1 else None
        return None if inner == "parquet" else inner
    return _FORMATS.get(suffixes[-1]) if suffixes else None


def _open_text(file: Path) -> IO[str]:
    if file.suffix.lower() == ".gz":
        return io.TextIOWrapper(gzip.open(file), encoding="utf-8-sig", newline="")
    return file.open(encoding="utf-8-sig", newline="")


def _read_csv(path: str, kind: str, stream: IO[str]) -> Table:
    csv.field_size_limit(_LARGEST_CELL)
    first = stream.readline()
    while first and not first.strip():
        first = stream.readline()
    stream.seek(0)
    delimiter = "\t" if kind == "tsv" else max(_DELIMITERS, key=first.count)
    records = _csv_records(path, csv.reader(stream, delimiter=delimiter, strict=True))
    _, cells = next(records, (0, []))
    if not cells:
        raise InputDataError(f"The file {path} is empty.", "Check that the export finished.")
    if len(cells) > 1 and all(not is_missing(cell) and _is_number(cell) for cell in cells):
        raise InputDataError(
            f"The first line of {path} holds numbers where the names of the columns should be.",
            "Write a header line, such as: run_id,N,D,loss",
        )
    header, warnings = _unique_names(cells)
    columns: dict[str, list[Any]] = {name: [] for name in header}
    lines: list[int] = []
    problems: list[Problem] = []
    block: list[list[str]] = []

    def flush() -> None:
        for name, values in zip(header, zip(*block, strict=True), strict=True):
            columns[name].extend(values)
        block.clear()

    for line, row in records:
        if len(row) != len(header):
            reason = f"the row has {len(row)} cells, the header has {len(header)}"
            problems.append(Problem(path, line, None, None, reason))
            continue
        block.append(row)
        lines.append(line)
        if len(block) == _BLOCK:
            flush()
    if block:
        flush()
    return _finish(Table(path, kind, columns, lines, len(lines) + len(problems), tuple(problems), tuple(warnings)))


def _csv_records(path: str, reader: Any) -> Iterator[tuple[int, list[str]]]:
    """Records with the line on which each begins; blank lines are skipped."""
    while True:
        line = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputDataError(
                f"{path}:{line}: the CSV cannot be read: {error}.",
                "Check the quotes on that line; a text that holds the separator or a quote is quoted whole.",
            ) from error
        if any(cell.strip() for cell in row):
            yield line, row


def _read_json_lines(path: str, stream: IO[str]) -> Table:
    rows: list[dict[str, Any]] = []
    lines: list[int] = []
    problems: list[Problem] = []
    for line, text in enumerate(stream, start=1):
        if not text.strip():
            continue
        try:
            record = json.loads(text)
        except (ValueError, RecursionError) as error:
            why = error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deeply or too long"
            problems.append(Problem(path, line, None, text.strip(), f"the line is not JSON: {why}"))
            continue
        if not isinstance(record, dict):
            problems.append(Problem(path, line, None, text.strip(), "the line is not a JSON object"))
            continue
        rows.append(_flatten(record))
        lines.append(line)
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = {name: [row.get(name) for row in rows] for name in names}
    return _finish(Table(path, "jsonl", columns, lines, len(lines) + len(problems), tuple(problems)))


def _read_parquet(path: str) -> Table:
    import duckdb

    connection = duckdb.connect(":memory:", config={"autoinstall_known_extensions": False})
    try:
        described = connection.execute("DESCRIBE SELECT * FROM read_parquet(?)", [path]).fetchall()
        parts = ", ".join(_parquet_column(name, sql_type) for name, sql_type, *_ in described)
        rows = connection.execute(f"SELECT {parts} FROM read_parquet(?)", [path]).fetchall()
    except duckdb.Error as error:
        detail = str(error).strip().splitlines()[0]
        raise InputDataError(f"The file {path} is not readable as Parquet: {detail}", "Write it again.") from error
    finally:
        connection.close()
    names = [name for name, *_ in described]
    columns = {name: [row[index] for row in rows] for index, name in enumerate(names)}
    return _finish(Table(path, "parquet", columns, list(range(1, len(rows) + 1)), len(rows)))


def _parquet_column(name: str, sql_type: str) -> str:
    """SQL that reads a column as text, a number or a boolean."""
    quoted = '"' + name.replace('"', '""') + '"'
    if sql_type in (
        "BOOLEAN",
        "DOUBLE",
        "BIGINT",
        "INTEGER",
        "SMALLINT",
        "TINYINT",
        "UINTEGER",
        "USMALLINT",
        "UTINYINT",
    ):
        return quoted
    if sql_type == "FLOAT" or sql_type.startswith(("DECIMAL", "UBIGINT", "HUGEINT", "UHUGEINT")):
        return f"CAST({quoted} AS DOUBLE) AS {quoted}"
    return f"CAST({quoted} AS VARCHAR) AS {quoted}"


def _finish(table: Table) -> Table:
    if table.lines:
        return table
    if table.problems:
        raise InputDataError(f"No row of {table.path} can be read; the first problem: {table.problems[0]}")
    raise InputDataError(f"The file {table.path} has no rows.", "Check that the export finished.")


def _flatten(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name nested values by their path, ``config.lr``; lists stay together as JSON text."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat.update(_flatten(value, f"{name}."))
        else:
            flat[name] = json.dumps(value) if isinstance(value, list) else value
    return flat


def _unique_names(header: list[str]) -> tuple[list[str], list[str]]:
    """Name columns that have no name, or one that is taken."""
    names: list[str] = []
    renamed: list[str] = []
    for number, cell in enumerate(header, start=1):
        name = cell.strip() or f"column_{number}"
        if name in names:
            name = f"{name}_{number}"
            renamed.append(name)
        names.append(name)
    warning = f"Columns share a name; the later ones are called {', '.join(renamed)}."
    return names, [warning] if renamed else []


def _is_number(cell: str) -> bool:
    return bool(numbers_from_cells([cell]).status[0] < 4)
