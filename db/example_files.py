"""Tables of examples as relations of SQL: CSV, TSV, JSON lines and Parquet, streamed and never held in Python.

Cells of text files stay text until they are asked for as numbers, because a loss that diverged (``nan``, ``Infinity``)
is another fact than one that was never logged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db.embedding_sql import quoted
from db.problems import nearest
from db.readers.table import file_format
from scaling.errors import InputDataError, UsageError

if TYPE_CHECKING:
    import duckdb

_MISSING = "('', 'na', 'n/a', 'none', 'null', '<na>', '-')"
_TEXT = ("VARCHAR", "JSON")
_SAMPLE = 100_000  # lines of a JSON file whose keys are looked at


@dataclass(frozen=True)
class ExampleFile:
    """A table of examples that SQL can read.

    Parameters
    ----------
    path, format : str
        The file, and ``csv``, ``tsv``, ``jsonl`` or ``parquet``.
    types : dict of str to str
        Type of each column, by its name.
    """

    path: str
    format: str
    types: dict[str, str]

    def relation(self, columns: Sequence[str]) -> tuple[str, list[Any]]:
        """Write the SQL of the rows, numbered from 0 as ``position``, with the columns named.

        Parameters
        ----------
        columns : sequence of str
            Columns to read; all are `check`-ed before.

        Returns
        -------
        sql : str
            A SELECT statement in parentheses.
        values : list
            Its parameters.
        """
        names = "".join(f", {quoted(column)}" for column in dict.fromkeys(columns))
        if self.format == "parquet":
            return f"(SELECT file_row_number AS position{names} FROM read_parquet(?, file_row_number = true))", [
                self.path
            ]
        if self.format == "jsonl":
            wanted = dict.fromkeys(columns) or dict.fromkeys(list(self.types)[:1])
            kinds = ", ".join(f"{quoted(column)}: 'VARCHAR'" for column in wanted)
            source = f"read_json(?, format = 'newline_delimited', columns = {{{kinds}}})"
        else:
            delimiter = ", delim = '\t'" if self.format == "tsv" else ""
            source = f"read_csv(?, header = true, all_varchar = true{delimiter})"
        # Without an order of its own the window keeps the order of the file, and needs no memory.
        return f"(SELECT row_number() OVER () - 1 AS position{names} FROM {source})", [self.path]

    def check(self, column: str) -> str:
        """Give back the name of a column; raises where there is none."""
        if column not in self.types:
            raise UsageError(f"{self.path} has no column '{column}'.", nearest(column, self.types))
        return column

    def text(self, column: str) -> str:
        """SQL of a column as text; NULL where there is none."""
        name = quoted(self.check(column))
        return f"nullif(CAST({name} AS VARCHAR), '')"

    def raw(self, column: str) -> str:
        """SQL of a column that should be a number, NULL where nothing was written."""
        name = quoted(self.check(column))
        kind = self.types[column]
        if kind == "BOOLEAN" or kind.endswith("]") or kind.startswith(("STRUCT", "MAP")):
            raise InputDataError(f"Column '{column}' of {self.path} is of type {kind}, not a number.")
        if self._is_text(column):
            return f"CASE WHEN lower(trim({name})) IN {_MISSING} THEN NULL ELSE trim({name}) END"
        return name

    def number(self, column: str) -> str:
        """SQL of a column as a number; NULL where it cannot be read as one."""
        return f"TRY_CAST({self.raw(column)} AS DOUBLE)"

    def status(self, column: str) -> str:
        """SQL of what a number is: ok, nan, inf, -inf, missing, or bad where it is none."""
        raw, value = self.raw(column), self.number(column)
        return (
            f"CASE WHEN {raw} IS NULL THEN 'missing' WHEN {value} IS NULL THEN 'bad' WHEN isnan({value}) THEN 'nan' "
            f"WHEN isinf({value}) THEN (CASE WHEN {value} > 0 THEN 'inf' ELSE '-inf' END) ELSE 'ok' END"
        )

    def _is_text(self, column: str) -> bool:
        return self.format != "parquet" or self.types[column] in _TEXT


def open_example_file(connection: duckdb.DuckDBPyConnection, path: str | Path) -> ExampleFile:
    """Look at the columns of a table of examples.

    Parameters
    ----------
    connection : duckdb.DuckDBPyConnection
        Reads the file.
    path : str or Path
        A CSV, TSV, JSON lines or Parquet file; text may be compressed with gzip.

    Returns
    -------
    ExampleFile

    Raises
    ------
    InputDataError
        If there is no such file, or it cannot be read.
    """
    format_ = file_format(path)
    if format_ == "json":
        raise InputDataError(f"{path} is a JSON document, and examples stand on lines.", "Write it as JSON lines.")
    full = str(Path(path).resolve())
    sources = {
        "parquet": "read_parquet(?)",
        "jsonl": f"read_json(?, format = 'newline_delimited', sample_size = {_SAMPLE}, maximum_depth = 1)",
        "csv": "read_csv(?, header = true, all_varchar = true)",
        "tsv": "read_csv(?, header = true, all_varchar = true, delim = '\t')",
    }
    with reading(path):
        rows = connection.execute(f"DESCRIBE SELECT * FROM {sources[format_]}", [full]).fetchall()
    return ExampleFile(full, format_, {row[0]: row[1] for row in rows})


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Say of an error of DuckDB in the block that it lies with the file, where it does."""
    import duckdb

    try:
        yield
    except (duckdb.InvalidInputException, duckdb.ConversionException) as error:
        lines = [line for line in str(error).strip().splitlines() if line.strip()]
        raise InputDataError(
            f"{path} cannot be read: {lines[0].removeprefix('Invalid Input Error: ')}",
            "Mend the file at that place, or convert it to Parquet.",
        ) from error
