"""Databases of SQLite that others write, read without a trace and in bounded memory."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from scaling.errors import ReadError

MAGIC = b"SQLite format 3\0"
_LARGEST = 64 * 2**20  # of a value
_WAITS = 5.0  # seconds for a writer
_CHECKED = 1_000_000  # steps of SQLite's machine between looks at how many there were
_STEPS = 200  # of the machine for each byte of the file; a query takes some five
_CLOSED = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


def write_ahead_log(path: Path) -> tuple[str, ...]:
    """Name of the log beside a database that is open for writing: what is new stands there first. Without one: none."""
    log = path.with_name(f"{path.name}-wal")
    return (log.name,) if log.is_file() and log.stat().st_size else ()


class Database:
    """A database that is open for reading; a context manager.

    Parameters
    ----------
    path : Path
        The file.

    Raises
    ------
    ReadError
        If it is no database, is damaged, or stays locked.

    Notes
    -----
    A database with a write-ahead log beside it is read together with that. One that is meant to have such a log, but
    has none, is at rest: it is opened as immutable, as SQLite would otherwise leave an empty log beside it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stale = False
        self._budget = 0
        log = path.with_name(path.name + "-wal")
        try:
            with path.open("rb") as stream:
                head = stream.read(20)
            logs = log.stat().st_size if log.exists() else 0
            self._size = path.stat().st_size + logs
        except OSError as error:
            raise ReadError(str(path), f"it cannot be read: {(error.strerror or str(error)).lower()}") from error
        if not head.startswith(MAGIC):
            raise ReadError(str(path), "it does not begin as a database of SQLite does", "byte 0")
        if head[18:20] == b"\2\2" and not logs:
            self._begin(immutable=True)
            return
        try:
            self._begin(immutable=False)
        except ReadError as error:
            if not logs or _code(error.__cause__) not in _CLOSED:
                raise
            # Where nothing may be written beside it, SQLite cannot share the log with its writer.
            self._begin(immutable=True)
            self.stale = True

    def _begin(self, immutable: bool) -> None:
        self._db = self._opened(immutable)
        try:
            self._tables = self._read_tables()
        except ReadError:
            self._db.close()
            raise

    def __enter__(self) -> Database:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    @property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """Names of the tables and of their columns; views and virtual tables are none."""
        return self._tables

    def require(self, table: str, columns: Sequence[str]) -> None:
        """Raise `ReadError` where a table lacks one of these columns, or is not there."""
        if table not in self._tables:
            raise ReadError(str(self.path), f"it has no table '{table}'")
        for column in columns:
            if column not in self._tables[table]:
                raise ReadError(str(self.path), f"it has no column '{column}'", f"table {table}")

    def rows(self, query: str, table: str) -> Iterator[tuple[Any, ...]]:
        """Give the rows of a query; `table` is what an error names.

        Raises
        ------
        ReadError
            If the database is damaged, locked, or gives more than its size can hold.
        """
        self._budget = _STEPS * self._size + 100 * _CHECKED
        cursor = None
        try:
            cursor = self._db.execute(query)
            yield from cursor
        except (sqlite3.Error, ValueError, MemoryError) as error:  # what SQLite says may itself be no text
            raise self._error(error, f"table {table}") from error
        finally:
            if cursor is not None:
                with suppress(sqlite3.Error):
                    cursor.close()

    def _opened(self, immutable: bool) -> sqlite3.Connection:
        name = quote(os.fsencode(self.path.absolute()))
        try:
            db = sqlite3.connect(
                f"file:{name}?mode=ro{'&immutable=1' if immutable else ''}",
                uri=True, timeout=_WAITS, isolation_level=None,
            )  # fmt: skip
        except (sqlite3.Error, ValueError) as error:
            raise self._error(error) from error
        db.text_factory = _text
        db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
        db.set_progress_handler(self._too_long, _CHECKED)
        return db

    def _read_tables(self) -> dict[str, tuple[str, ...]]:
        for pragma in ("query_only = ON", "trusted_schema = OFF", "cell_size_check = ON"):
            list(self.rows(f"PRAGMA {pragma}", "sqlite_master"))
        listed = self.rows("SELECT name, sql FROM sqlite_master WHERE type = 'table'", "sqlite_master")
        plain = [
            str(name)
            for name, sql in listed
            if not str(sql).lstrip().upper().startswith("CREATE VIRTUAL")  # such a table runs code
            and "\0" not in str(name)
        ]
        return {
            name: tuple(str(row[1]) for row in self.rows(f"PRAGMA table_info({quoted(name)})", name)) for name in plain
        }

    def _too_long(self) -> bool:
        """Count steps; a true value ends the query."""
        self._budget -= _CHECKED
        return self._budget < 0

    def _error(self, error: Exception, place: str | None = None) -> ReadError:
        code = _code(error)
        # SQLite refuses a size that cannot be as if memory had run out, without asking for any.
        path, said = str(self.path), str(error) or "a size in it is beyond all memory"
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return ReadError(path, "it is locked by a writer", place, "Read it again later, or read a copy.")
        if code == sqlite3.SQLITE_INTERRUPT:
            return ReadError(path, "it gives more rows than its size can hold, so it is damaged", place)
        if code in _CLOSED:
            return ReadError(
                path, f"it cannot be opened for reading only: {said}", place,
                "A writer that was killed may have left it unfinished: open it once with the tool that wrote it.",
            )  # fmt: skip
        return ReadError(path, f"the database is damaged: {said}", place)


def _code(error: BaseException | None) -> int:
    """The kind of an error of SQLite; 0 where it is none."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def quoted(name: str) -> str:
    """A name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _text(content: bytes) -> str:
    return content.decode("utf-8", errors="replace")
