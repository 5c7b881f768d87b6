"""A large table as Parquet that DuckDB reads piece by piece.

A Parquet file is read where it lies. CSV and JSON lines become Parquet in a temporary folder, cells as they stand: by
DuckDB where a CSV is plain (no quotes, every row on a line of its own), otherwise record by record in Python, which is
exact for everything and slower. Wherever DuckDB and the count of lines disagree, Python decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import numpy as np

from db.bulk_cells import decode, is_missing_sql
from db.bulk_json import write_json_lines, write_json_list
from db.bulk_parquet import MEMORY, allow_columns, parquet
from db.connect import processors
from db.problems import Problem
from db.readers.parquet_index import check_index
from db.readers.records import CsvRecords, open_bytes, open_text, text_encoding
from db.readers.table import no_rows, parquet_cells, parquet_error
from db.temporary import temporary_folder
from db.views import quote_name, quote_text
from scaling.errors import StoreError

#: How many problems of one kind are told; the rest is counted.
TOLD = 1000
#: Kinds of columns that are texts in SQL.
TEXTS = ("csv", "json", "text")
_PART_ROWS = 131_072
_PART_CELLS = 2_000_000
_PART_CHARACTERS = 2**26
_TOGETHER = 128  # columns in one condition
_FEW = 1000  # rows that may be blank, up to which each is looked at closely
_WHOLE = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER")
_NUMBERED = "file_row_number = true"


@dataclass
class Source:
    """A large table.

    Parameters
    ----------
    path, format : str
        The file as it was named, and ``csv``, ``tsv``, ``jsonl``, ``json`` or
        ``parquet``.
    folder : Path
        Temporary folder.
    connection : duckdb.DuckDBPyConnection
        Where it is read.
    columns : dict of str to str
        Name of each column to the SQL of its cells.
    kinds : dict of str to str
        What the cells of a column are: ``csv``, ``json`` or ``text`` (all text in SQL), ``integer``, ``float`` or
        ``boolean``.
    files, options : str
        SQL that lists the Parquet files, and how to read them.
    position : str
        SQL of the position of a row, from 0.
    first_line : int
        Line of the first row where every other stands on the next one; 0 where each has its own, as a column ``line``.
    n_rows, n_unreadable : int
        Rows that can be read, and rows that cannot.
    problems : list of Problem
        The first of the latter.
    warnings : tuple of str
        What else is worth knowing.
    """

    path: str
    format: str
    folder: Path
    connection: duckdb.DuckDBPyConnection
    columns: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, str] = field(default_factory=dict)
    files: str = ""
    options: str = _NUMBERED
    position: str = "file_row_number"
    first_line: int = 1
    n_rows: int = 0
    n_unreadable: int = 0
    problems: list[Problem] = field(default_factory=list)
    warnings: tuple[str, ...] = ()

    def query(self, select: str, where: str = "", parameters: list[Any] | None = None) -> duckdb.DuckDBPyConnection:
        """Select from the rows."""
        return self.connection.execute(f"SELECT {select} FROM {self.rows} {where}", parameters or [])

    def stream(self, select: str, where: str = "") -> Iterator[list[tuple[Any, ...]]]:
        """Select from the rows, some thousands at a time."""
        cursor = self.connection.cursor()
        try:
            result = cursor.execute(f"SELECT {select} FROM {self.rows} {where}")
            while rows := result.fetchmany(10_000):
                yield rows
        finally:
            cursor.close()

    @property
    def rows(self) -> str:
        """SQL of all rows."""
        return f"read_parquet({self.files}, {self.options})"

    def cell(self, column: str, raw: Any) -> Any:
        """A cell as a reader of small tables gives it."""
        return decode(raw, self.kinds[column])

    def missing(self, column: str, *, words: bool = True) -> str:
        """SQL that tells whether a cell holds no value; with `words`, those that mean so count too."""
        return missing_sql(self.columns[column], self.kinds[column], words=words)

    def cells(self, columns: Sequence[str], where: str = "") -> str:
        """SQL of rows with the ``position``, the number ``k`` of a column and the ``cell``, for columns of one kind.

        What is asked of thousands of columns is planned once so, and not once a column.
        """
        listed = ", ".join(self.columns[column] for column in columns)
        return (
            f"(SELECT {self.position} AS position, unnest(range({len(columns)})) AS k, unnest([{listed}]) AS cell "
            f"FROM {self.rows} {where})"
        )

    def count(self) -> None:
        """Count the rows."""
        self.n_rows = int(self.query("count(*)").fetchall()[0][0])

    def sort(self, keys: str, joins: str = "") -> None:
        """Write the rows anew in another order, each with its line."""
        target = self.folder / "sorted.parquet"
        line = f"{self.position} + {self.first_line}" if self.first_line else "line"
        cells = ", ".join(f"{sql} AS c{number}" for number, sql in enumerate(self.columns.values()))
        self.connection.execute(
            f"COPY (SELECT {line} AS line, {cells} FROM {self.rows} {joins} ORDER BY {keys}) "
            f"TO {quote_text(str(target))} ({parquet(len(self.columns))})"
        ).fetchall()
        self.files, self.options = f"[{quote_text(str(target))}]", _NUMBERED
        self.position, self.first_line = "file_row_number", 0
        self.columns = {name: f"c{number}" for number, name in enumerate(self.columns)}


def missing_sql(sql: str, kind: str, *, words: bool) -> str:
    """SQL that tells whether a cell of a kind holds no value."""
    if kind not in TEXTS:
        return f"{sql} IS NULL"
    text = sql
    if kind == "json":
        text = f"(CASE WHEN starts_with({sql}, '\"') THEN substr({sql}, 2) WHEN {sql} IS NULL THEN '' ELSE '0' END)"
    return is_missing_sql(text, words=words)


@contextmanager
def open_source(path: str | Path, kind: str) -> Iterator[Source]:
    """Make a large table readable.

    Parameters
    ----------
    path : str or Path
        The file.
    kind : str
        Its format.

    Yields
    ------
    Source

    Raises
    ------
    InputDataError
        If it is not readable as what it claims to be.
    StoreError
        If there is no space for temporary files.
    """
    with temporary_folder("bulk") as name:
        folder = Path(name)
        settings: dict[str, Any] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
            "memory_limit": f"{MEMORY}MB",
            "temp_directory": str(folder / "spilled"),
            "threads": min(processors(), 4),
        }
        connection = duckdb.connect(":memory:", config=settings)
        try:
            connection.execute("SET parquet_metadata_cache = true").fetchall()
            source = Source(str(path), kind, folder, connection)
            _READERS[kind](source)
            yield source
        except (duckdb.Error, OSError) as error:
            if "No space left" not in str(error):
                if kind == "parquet" and isinstance(error, duckdb.Error):
                    raise parquet_error(str(path), error) from error
                raise
            raise StoreError(
                f"The disk with temporary files is full; {path} needs about its own size there.",
                "Set TMPDIR to a folder with more space.",
            ) from error
        finally:
            connection.close()


def _read_parquet(source: Source) -> None:
    check_index(Path(source.path))
    # By a link, because a name may hold what DuckDB reads as a pattern.
    link = source.folder / "source.parquet"
    link.symlink_to(Path(source.path).resolve())
    source.files = f"[{quote_text(str(link))}]"
    try:
        described = source.connection.execute(f"DESCRIBE SELECT * FROM read_parquet({source.files})").fetchall()
        for name, sql_type, *_ in described:
            sql = parquet_cells(quote_name(name), sql_type)
            source.columns[name] = sql
            is_text = sql.endswith("AS VARCHAR)")
            source.kinds[name] = (
                "text" if is_text else "boolean" if sql_type == "BOOLEAN"
                else "integer" if sql_type in _WHOLE else "float"
            )  # fmt: skip
        if "file_row_number" in {name.lower() for name in source.columns}:
            source.options = "union_by_name = false"  # the rows cannot be numbered, only counted
        source.count()
    except duckdb.Error as error:
        raise parquet_error(source.path, error) from error
    if not source.n_rows:
        raise no_rows(source.path, ())


def _read_csv(source: Source) -> None:
    with open_text(source.path) as stream:
        records = CsvRecords(source.path, source.format, stream)
        source.kinds = dict.fromkeys(records.names, "csv")
        source.warnings = records.warnings
        allow_columns(source.connection, len(records.names))
        if not _read_plain(source, records):
            _write_parts(source, records)
    if not source.n_rows:
        raise no_rows(source.path, source.problems)


def _read_plain(source: Source, records: CsvRecords) -> bool:
    """Let DuckDB read a CSV in which a line is a row; False where it is none."""
    n_lines, ends = _plain_lines(source.path)
    if not n_lines or records.first_line != 1 or len(records.names) < 2:
        return False
    link = source.folder / ("source.csv.gz" if source.path.lower().endswith(".gz") else "source.csv")
    link.symlink_to(Path(source.path).resolve())
    target = source.folder / "plain.parquet"
    cells = ", ".join(f"'c{number}': 'VARCHAR'" for number in range(len(records.names)))
    sql = (
        f"COPY (SELECT * FROM read_csv({quote_text(str(link))}, columns = {{{cells}}}, header = false, skip = 1, "
        f"auto_detect = false, delim = {quote_text(records.delimiter)}, quote = '', escape = '', new_line = '{ends}', "
        f"null_padding = false, ignore_errors = false, max_line_size = {2**20}, buffer_size = {2**24})) "
        f"TO {quote_text(str(target))} ({parquet(len(records.names))})"
    )
    try:
        source.connection.execute(sql).fetchall()
    except duckdb.Error as error:
        if "No space left" in str(error):
            raise
        return False
    source.files = f"[{quote_text(str(target))}]"
    source.first_line = 2
    source.columns = {name: f"c{number}" for number, name in enumerate(records.names)}
    source.count()
    is_plain = source.n_rows == n_lines - 1 and not _blank_rows(source)
    if not is_plain:
        target.unlink()
        source.n_rows = 0
    return is_plain


def _blank_rows(source: Source) -> bool:
    """Whether a row may have nothing visible in it, which is no row; only Python knows for sure what is visible."""
    cells = list(source.columns.values())
    among = ""
    for at in range(0, len(cells), _TOGETHER):
        blank = " AND ".join(f"({cell} IS NULL OR {cell} < '!' OR {cell} > '~')" for cell in cells[at : at + _TOGETHER])
        found = source.query(source.position, f"WHERE {blank} {among} LIMIT {_FEW}").fetchall()
        if len(found) in (0, _FEW):
            return bool(found)
        among = f"AND {source.position} IN ({', '.join(str(row) for (row,) in found)})"
    return True


def _plain_lines(path: str) -> tuple[int, str]:
    """Count the lines of a file whose lines are its rows, and say how they end; 0 where that is not so."""
    if text_encoding(path) != "utf-8-sig":
        return 0, ""
    n_lines = n_returns = n_both = 0
    last = b""
    with open_bytes(path) as stream:
        while chunk := stream.read(2**18):
            if b'"' in chunk or b"\0" in chunk:
                return 0, ""
            codes = np.frombuffer(chunk, np.uint8)
            n_lines += int(np.count_nonzero(codes == 10))
            if b"\r" in chunk:
                n_returns += chunk.count(b"\r")
                n_both += chunk.count(b"\r\n")
            n_both += last == b"\r" and chunk[:1] == b"\n"
            last = chunk[-1:]
    if n_returns and not n_returns == n_both == n_lines:
        return 0, ""
    return n_lines + (last != b"\n"), "\\r\\n" if n_returns else "\\n"


def _read_json(source: Source) -> None:
    write = write_json_lines if source.format == "jsonl" else write_json_list
    known, files = write(source, _PART_ROWS, TOLD)
    source.kinds = dict.fromkeys(known, "json")
    _use_parts(source, known, files)
    if not source.n_rows:
        raise no_rows(source.path, source.problems)


def _write_parts(source: Source, records: CsvRecords) -> None:
    """Write records to Parquet, a part of bounded size after the other."""
    known = {name: number for number, name in enumerate(records.names)}
    part = _Part(source)
    begun = 0
    for record in records:
        if isinstance(record, Problem):
            source.n_unreadable += 1
            if len(source.problems) < TOLD:
                source.problems.append(record)
            continue
        part.lines.append(record[0])
        part.rows.append(record[1])
        if part.is_full() or records.lines.characters - begun > _PART_CHARACTERS:
            part.write()
            begun = records.lines.characters
    part.write()
    _use_parts(source, known, part.files)


def _use_parts(source: Source, known: dict[str, int], files: list[str]) -> None:
    """Read from the parts that were written."""
    source.columns = {name: f"c{number}" for name, number in known.items()}
    source.files = f"[{', '.join(files)}]"
    source.position, source.first_line, source.options = "row", 0, "union_by_name = true"
    if files and known:  # the first file lacks the columns that came later; one without rows has them all
        target = quote_text(str(source.folder / "columns.parquet"))
        cells = ", ".join(f"CAST(NULL AS VARCHAR) AS c{number}" for number in known.values())
        source.connection.execute(
            f"COPY (SELECT CAST(0 AS BIGINT) AS row, CAST(0 AS BIGINT) AS line, {cells} WHERE false) TO {target} "
            "(FORMAT parquet)"
        ).fetchall()
        source.files = f"[{', '.join([target, *files])}]"


class _Part:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.files: list[str] = []
        self._reset()

    def _reset(self) -> None:
        self.lines: list[int] = []
        self.rows: list[list[str]] = []

    def is_full(self) -> bool:
        n_rows = len(self.rows)
        return n_rows >= _PART_ROWS or n_rows * len(self.rows[-1]) >= _PART_CELLS

    def write(self) -> None:
        if not self.rows:
            return
        start, stop = self.source.n_rows, self.source.n_rows + len(self.rows)
        batch: dict[str, np.ndarray] = {"row": np.arange(start, stop), "line": np.array(self.lines)}
        for number, cells in enumerate(zip(*self.rows, strict=True)):
            array = np.empty(len(cells), dtype=object)
            array[:] = cells
            batch[f"c{number}"] = array
        target = quote_text(str(self.source.folder / f"part-{len(self.files)}.parquet"))
        self.source.connection.register("_part", batch)
        n_columns = len(batch) - 2
        parts = ", ".join(f"CAST(c{number} AS VARCHAR) AS c{number}" for number in range(n_columns))
        self.source.connection.execute(
            f"COPY (SELECT row, line, {parts} FROM _part) TO {target} ({parquet(n_columns)})"
        ).fetchall()
        self.source.connection.unregister("_part")
        self.files.append(target)
        self.source.n_rows = stop
        self._reset()


_READERS = {"csv": _read_csv, "tsv": _read_csv, "jsonl": _read_json, "json": _read_json, "parquet": _read_parquet}
