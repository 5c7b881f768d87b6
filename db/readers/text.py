"""Lines of text and documents of JSON, in bounded memory and with a place for every complaint."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from db.readers.probe import Probe
from scaling.errors import ReadError

#: A line beyond this is cut; the rest of it is skipped.
LONGEST_LINE = 1_000_000
#: A document of JSON has to be held whole.
LARGEST_JSON = 64 * 2**20
_UNPACKED = 8 * 2**30  # of a compressed file, so that a bomb ends


def lines_of(path: Path) -> Lines:
    """Give the lines of a text file.

    Parameters
    ----------
    path : Path
        The file, plain or compressed with gzip; in UTF-8, in UTF-16 or UTF-32 with its mark, else in
        Latin-1; bytes that are none of it are replaced.

    Yields
    ------
    number : int
        Of the line, from 1.
    line : str
        Without its end; its first million characters.

    Raises
    ------
    ReadError
        If the file cannot be read.
    """
    return Lines(path)


class Lines(Iterator[tuple[int, str]]):
    """The lines of a text file; see `lines_of`.

    Attributes
    ----------
    ended : bool
        Whether the line that was read last had its end, as it was read: a file that is written to may look otherwise
        before and after. Of a compressed file it is taken to have.
    """

    def __init__(self, path: Path) -> None:
        self.ended = True
        self._packed = path.suffix.lower() == ".gz"
        self._lines = self._read(path)

    def __next__(self) -> tuple[int, str]:
        return next(self._lines)

    def _read(self, path: Path) -> Iterator[tuple[int, str]]:
        number = 0
        with guarded(path), _opened(path) as stream:
            rest = False
            while True:
                line = stream.readline(LONGEST_LINE)
                if not line:
                    return
                ended = line.endswith("\n")
                self.ended = ended or self._packed
                if not rest:
                    number += 1
                    yield number, line.rstrip("\r\n")
                rest = not ended


def json_lines(path: Path) -> Iterator[tuple[int, Any]]:
    """Give the documents of a file with one a line.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    number : int
        Of the line, from 1.
    record : object or ReadError
        What stands there, or why it cannot be read; a last line that is cut off is left out, as in the log of a run
        that goes on. Blank lines are left out.

    Raises
    ------
    ReadError
        If the file cannot be read.
    """
    held: tuple[int, ReadError] | None = None
    for number, line in lines_of(path):
        if held is not None:
            yield held
            held = None
        if not line.strip():
            continue
        try:
            yield number, json.loads(line)
        except (ValueError, RecursionError) as error:
            why = error.msg if isinstance(error, json.JSONDecodeError) else "it is nested too deeply or too long"
            held = number, ReadError(str(path), f"the line is not JSON: {why}", f"line {number}")
    # `held` is the last line: a writer that is still at it, or was killed.


def json_document(path: Path, limit: int = LARGEST_JSON) -> Any:
    """Read a document of JSON.

    Parameters
    ----------
    path : Path
        The file.
    limit : int
        Largest size in bytes that is read.

    Returns
    -------
    object

    Raises
    ------
    ReadError
        If it is too large, no JSON, or cannot be read; names the line.
    """
    with guarded(path):
        size = path.stat().st_size
        if size > limit:
            raise ReadError(
                str(path),
                f"a JSON document has to be held whole, and its {size / 2**20:.0f} MiB are above {limit / 2**20:.0f}",
                hint="Write the values one a line (JSON lines) or as Parquet.",
            )
        encoding = Probe(path).encoding or "utf-8"
        return parse_json(path.read_bytes().decode(encoding, errors="replace"), str(path))


def parse_json(text: str, path: str) -> Any:
    """Read JSON from text; raises `ReadError` that names the line."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ReadError(
            path, f"it is not JSON: {error.msg}", f"line {error.lineno}", "If it is still being written, read it later."
        ) from error
    except (RecursionError, ValueError) as error:
        raise ReadError(path, "its JSON is nested too deeply, or a number in it is too long") from error


def flatten(record: dict[str, Any], prefix: str = "", depth: int = 32) -> dict[str, Any]:
    """Name nested values by their path, ``optimizer.lr``; lists stay, and what is nested too deeply is left out."""
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict) and value and depth:
            flat.update(flatten(value, f"{name}.", depth - 1))
        elif not isinstance(value, dict) or not value:
            flat[name] = value if not isinstance(value, dict) else None
    return flat


@contextmanager
def guarded(path: Path) -> Iterator[None]:
    """Say what the system says of a file as a reader would."""
    try:
        yield
    except PermissionError as error:
        raise ReadError(str(path), "permission denied", hint="Change its permissions.") from error
    except FileNotFoundError as error:
        raise ReadError(str(path), "it is not there any more") from error
    except (zlib.error, EOFError) as error:
        raise ReadError(str(path), f"it is no whole gzip file: {error}", hint="Copy it again.") from error
    except OSError as error:
        raise ReadError(str(path), f"it cannot be read: {error.strerror or error}") from error


@contextmanager
def _opened(path: Path) -> Iterator[IO[str]]:
    if path.suffix.lower() == ".gz":
        import gzip

        with gzip.open(path) as packed:
            unpacked = io.BufferedReader(_Limited(packed, str(path)))
            yield io.TextIOWrapper(unpacked, encoding="utf-8-sig", errors="replace")
        return
    with path.open(encoding=Probe(path).encoding or "utf-8", errors="replace", newline=None) as stream:
        yield stream


class _Limited(io.RawIOBase):
    """A stream that ends with an error beyond a size."""

    def __init__(self, stream: Any, path: str) -> None:
        self._stream = stream
        self._path = path
        self._left = _UNPACKED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        self._left -= len(data)
        if self._left < 0:
            raise ReadError(self._path, f"it unpacks to more than {_UNPACKED / 2**30:.0f} GiB")
        buffer[: len(data)] = data
        return len(data)
