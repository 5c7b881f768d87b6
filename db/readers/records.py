"""Records of tables in text: rows of CSV and objects of JSON lines, each with the line on which it begins.

Nothing larger than a line is held, a line has a largest length, and what is compressed a largest size.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from db.cells import is_missing, numbers_from_cells
from db.problems import Problem
from scaling.errors import InputDataError

DELIMITERS = ",\t;|"
LARGEST_CELL = 10_000_000
#: Characters of a line beyond which it is no record, and of what a compressed file may hold.
LONGEST_LINE = 2**28
LARGEST_UNPACKED = 2**34
#: Bytes of a packed table beyond which it is a bomb, where they are also this many times its size.
MOST_UNPACKED = 2**33
MOST_TIMES = 50
_BLOCK = 2**20

Record = tuple[int, Any]
# The longer marks first: that of UTF-16 begins that of UTF-32.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@contextmanager
def open_text(path: str | Path) -> Iterator[IO[str]]:
    """Open a table in text; what cannot be read as that is an `InputDataError` that names the line.

    Parameters
    ----------
    path : str or Path
        The file, plain or compressed with gzip; UTF-8, or UTF-16 or UTF-32 with its mark.

    Yields
    ------
    file
        The text; line ends as they stand.
    """
    encoding = "utf-8"
    try:
        encoding = text_encoding(path)
        with open_bytes(path) as stream, io.TextIOWrapper(stream, encoding=encoding, newline="") as text:
            yield text
    except UnicodeDecodeError as error:
        where = _where_undecodable(path, encoding)
        name = "UTF-8" if encoding == "utf-8-sig" else encoding.upper()
        byte = error.object[error.start]
        raise InputDataError(
            f"The file {path} is not {name} text (byte {byte:#04x}){where}.", "Save it again as UTF-8."
        ) from error
    except PermissionError as error:
        raise InputDataError(
            f"The file {path} cannot be read: permission denied.", "Change its permissions."
        ) from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputDataError(
            f"The file {path} is not a whole gzip file: {error}.", "Copy it again, or unpack it by hand."
        ) from error


def open_bytes(path: str | Path) -> IO[bytes]:
    """Open the bytes of a table, unpacked where its name ends in ``.gz``; a bomb is refused when it has grown large."""
    if Path(path).suffix.lower() == ".gz":
        return io.BufferedReader(_Unpacked(path), _BLOCK // 8)
    return Path(path).open("rb")


class _Unpacked(io.RawIOBase):
    """What a packed file holds, up to a size."""

    def __init__(self, path: str | Path) -> None:
        self._path = path
        self._packed = gzip.open(path)  # noqa: SIM115 - closed with this
        self._most = max(MOST_UNPACKED, MOST_TIMES * Path(path).stat().st_size)
        self._given = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._given = self._packed.seek(offset, whence)
        return self._given

    def readinto(self, buffer: Any) -> int:
        count = self._packed.readinto(buffer)
        self._given += count
        if self._given > self._most:
            raise InputDataError(
                f"{self._path} unpacks to more than {MOST_UNPACKED / 2**30:.0f} GiB, and to more than {MOST_TIMES} "
                "times its size.",
                "If it is what it should be, unpack it by hand.",
            )
        return count

    def close(self) -> None:
        self._packed.close()
        super().close()


def text_encoding(path: str | Path) -> str:
    """Encoding of a text by its mark; UTF-8 where it has none."""
    with open_bytes(path) as stream:
        head = stream.read(4)
    return next((name for mark, name in _MARKS if head.startswith(mark)), "utf-8-sig")


class CsvRecords:
    """Rows of a table with separators.

    Parameters
    ----------
    path : str
        The file, for messages.
    kind : str
        ``csv`` or ``tsv``.
    stream : file
        Its text, at the start.

    Attributes
    ----------
    names : list of str
        Names of the columns, each once.
    warnings : tuple of str
        What was made of names that are missing or taken.
    delimiter : str
        What separates the cells.
    first_line : int
        Line on which the header ends.
    lines : Lines
        The lines, and how much of them is read.

    Raises
    ------
    InputDataError
        If there is no header, or it holds numbers.
    """

    def __init__(self, path: str, kind: str, stream: IO[str]) -> None:
        csv.field_size_limit(LARGEST_CELL)
        self.path = path
        first = next((line for line in Lines(path, stream) if line.strip()), "")
        stream.seek(0)
        self.delimiter = "\t" if kind == "tsv" else max(DELIMITERS, key=first.count)
        self.lines = Lines(path, stream)
        self._reader = csv.reader(iter(self.lines), delimiter=self.delimiter, strict=True)
        _, cells = next(self._records(), (0, []))
        if not cells:
            raise InputDataError(f"The file {path} is empty.", "Check that the export finished.")
        if len(cells) > 1 and all(not is_missing(cell) and _is_number(cell) for cell in cells):
            raise InputDataError(
                f"The first line of {path} holds numbers where the names of the columns should be.",
                "Write a header line, such as: run_id,N,D,loss",
            )
        self.names, self.warnings = _unique_names(cells)
        self.first_line = int(self._reader.line_num)

    def __iter__(self) -> Iterator[Record | Problem]:
        """Rows with their line, and what is refused of them."""
        n_cells = len(self.names)
        for line, row in self._records():
            if len(row) == n_cells:
                yield line, row
            else:
                reason = f"the row has {len(row)} cells, the header has {n_cells}"
                yield Problem(self.path, line, None, None, reason)

    def _records(self) -> Iterator[tuple[int, list[str]]]:
        """Records with the line on which each begins; blank lines are skipped."""
        while True:
            line = self._reader.line_num + 1
            try:
                row = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                raise InputDataError(
                    f"{self.path}:{line}: the CSV cannot be read: {error}.",
                    "Check the quotes on that line; a text that holds the separator or a quote is quoted whole.",
                ) from error
            if any(cell.strip() for cell in row):
                yield line, row


class JsonRecords:
    """Objects of JSON lines as flat records.

    Parameters
    ----------
    path : str
        The file, for messages.
    stream : file
        Its text, at the start.

    Attributes
    ----------
    lines : Lines
        The lines, and how much of them is read.
    """

    def __init__(self, path: str, stream: IO[str]) -> None:
        self.path = path
        self.lines = Lines(path, stream)

    def __iter__(self) -> Iterator[Record | Problem]:
        """Records with their line, and what is refused of them."""
        for line, text in enumerate(self.lines, start=1):
            record = json_record(self.path, line, text)
            if record is not None:
                yield record


def json_record(path: str, line: int, text: str) -> Record | Problem | None:
    """A line of JSON as a flat record, or what is wrong with it; None where it is blank."""
    if not text.strip():
        return None
    try:
        record = json.loads(text)
        flat = flatten(record) if isinstance(record, dict) else None
    except (ValueError, RecursionError) as error:
        why = error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deeply or too long"
        return Problem(path, line, None, text.strip(), f"the line is not JSON: {why}")
    if flat is None:
        return Problem(path, line, None, text.strip(), "the line is not a JSON object")
    return line, flat


class Lines:
    """Lines of a text, none too long and not too many.

    Parameters
    ----------
    path : str
        The file, for messages.
    stream : file
        Its text.

    Attributes
    ----------
    characters : int
        How many were read.
    """

    def __init__(self, path: str, stream: IO[str]) -> None:
        self.characters = 0
        self._path = path
        self._stream = stream
        self._number = 0
        self._limit = LARGEST_UNPACKED if path.lower().endswith(".gz") else math.inf

    def __iter__(self) -> Iterator[str]:
        """The lines, each with its end."""
        while line := self._stream.readline(LONGEST_LINE):
            self._check(line)
            yield line

    def blocks(self) -> Iterator[list[str]]:
        """The lines, many together, which is faster."""
        begun: list[str] = []  # of a line whose end is not read yet
        size = 0
        while text := self._stream.read(_BLOCK):
            if "\n" not in text and "\r" not in text and not (begun and begun[-1].endswith("\r")):
                begun.append(text)
                size += len(text)
                if size >= LONGEST_LINE:
                    raise self._too_long(self._number + 1)
                continue
            lines = io.StringIO("".join([*begun, text]), newline="").readlines()
            # A return may be the first half of an end.
            begun = [] if lines[-1].endswith("\n") else [lines.pop()]
            size = sum(map(len, begun))
            self._check_all(lines)
            if size >= LONGEST_LINE:
                raise self._too_long(self._number + 1)
            if lines:
                yield lines
        if begun:
            rest = ["".join(begun)]
            self._check_all(rest)
            yield rest

    def _check_all(self, lines: list[str]) -> None:
        size = sum(map(len, lines))
        if self.characters + size <= self._limit and max(map(len, lines), default=0) < LONGEST_LINE:
            self.characters += size
            self._number += len(lines)
            return
        for line in lines:
            self._check(line)

    def _check(self, line: str) -> None:
        self._number += 1
        self.characters += len(line)
        if len(line) >= LONGEST_LINE:
            raise self._too_long(self._number)
        if self.characters > self._limit:
            raise InputDataError(
                f"{self._path} unpacks to more than {LARGEST_UNPACKED} characters (line {self._number}).",
                "If it is what it should be, unpack it by hand.",
            )

    def _too_long(self, number: int) -> InputDataError:
        return InputDataError(
            f"{self._path}:{number}: the line is longer than {LONGEST_LINE} characters.",
            "A table has one row a line. A JSON document that is a list of rows is read too where its name ends in "
            ".json.",
        )


def flatten(record: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Name nested values by their path, ``config.lr``; lists stay together as JSON text."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        if isinstance(value, dict):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = json.dumps(value) if isinstance(value, list) else value
    return flat


def _unique_names(header: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Name columns that have no name, or one that is taken."""
    names: dict[str, None] = {}
    renamed: list[str] = []
    for number, cell in enumerate(header, start=1):
        name = cell.strip() or f"column_{number}"
        if name in names:
            while name in names:
                name = f"{name}_{number}"
            renamed.append(name)
        names[name] = None
    warning = f"Columns share a name; the later ones are called {', '.join(renamed)}."
    return list(names), (warning,) if renamed else ()


def _is_number(cell: str) -> bool:
    return bool(numbers_from_cells([cell]).status[0] < 4)


def _where_undecodable(path: str | Path, encoding: str) -> str:
    """Say on which line the bytes are no text."""
    if encoding != "utf-8-sig":
        return ""
    try:
        with open_bytes(path) as stream:
            number = 0
            while line := stream.readline(LONGEST_LINE):
                number += 1
                try:
                    line.decode("utf-8")
                except UnicodeDecodeError:
                    return f" in line {number}"
    except (gzip.BadGzipFile, EOFError, zlib.error):  # what is packed is damaged too, so its lines say nothing
        return ""
    return ""
