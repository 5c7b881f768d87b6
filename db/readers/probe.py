"""A bounded look at a file or directory: enough to tell its format, however large it is."""

from __future__ import annotations

import codecs
import json
import os
from functools import cached_property
from pathlib import Path
from typing import Any

HEAD = 65_536
LINES = 200
_LISTED = 5_000
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Probe:
    """What can be known of a path without reading it.

    Parameters
    ----------
    path : Path
        A file or a directory.

    Raises
    ------
    OSError
        If it cannot be opened, at the first look into it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.name

    @cached_property
    def is_dir(self) -> bool:
        """Whether it is a directory."""
        return self.path.is_dir()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of files and directories in a directory, sorted; the first few thousand. Of a file: none."""
        if not self.is_dir:
            return ()
        with os.scandir(self.path) as entries:
            listed = [entry for _, entry in zip(range(_LISTED), entries, strict=False)]
            return tuple(sorted(entry.name for entry in listed if _is_real(entry)))

    @cached_property
    def head(self) -> bytes:
        """The first 64 KiB of a file. Of a directory, and of what is no plain file: nothing."""
        if not self.path.is_file():  # a pipe would be waited for
            return b""
        with self.path.open("rb") as stream:
            return stream.read(HEAD)

    @cached_property
    def encoding(self) -> str | None:
        """Encoding of a text, by its mark or because it is UTF-8; None where it is no text."""
        for mark, name in _MARKS:
            if self.head.startswith(mark):
                return name
        if b"\0" in self.head:
            return None
        try:
            codecs.getincrementaldecoder("utf-8")().decode(self.head, final=len(self.head) < HEAD)
        except UnicodeDecodeError:
            return "latin-1"  # mixed encodings; digits and letters of logs are the same in all of them
        return "utf-8"

    @cached_property
    def lines(self) -> tuple[str, ...]:
        """The first 200 lines within the first 64 KiB, without their ends; none where it is no text."""
        if self.encoding is None:
            return ()
        text = self.head.decode(self.encoding, errors="replace")
        lines = text.splitlines()
        if len(self.head) == HEAD and len(lines) > 1:
            lines.pop()  # cut off
        return tuple(lines[:LINES])

    @cached_property
    def keys(self) -> frozenset[str]:
        """Keys of the JSON object that the file is, or that its first line is, as far as the head shows them."""
        for line in self.lines:
            if line.strip():
                break
        else:
            return frozenset()
        try:
            record: Any = json.loads(line)
            return frozenset(record) if isinstance(record, dict) else frozenset()
        except (ValueError, RecursionError):
            return _keys_of("\n".join(self.lines))

    @cached_property
    def listed_keys(self) -> frozenset[str]:
        """Keys of the objects in the JSON list that the file is, as far as the head shows them."""
        text = "\n".join(self.lines).lstrip()
        return _keys_of(text[1:]) if text.startswith("[") else frozenset()

    @cached_property
    def tables(self) -> dict[str, tuple[str, ...]]:
        """Names of the tables of a SQLite database and of their columns; none where it is no such database.

        Raises
        ------
        ReadError
            If it is a database, and damaged or locked.
        """
        if not self.head.startswith(b"SQLite format 3\0"):
            return {}
        from db.readers.sqlite import Database

        with Database(self.path) as database:
            return database.tables

    @cached_property
    def footer(self) -> bytes:
        """The first 64 KiB of the footer of a Parquet file, where the names of its columns stand; else nothing."""
        if not self.head.startswith(b"PAR1"):
            return b""
        with self.path.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - 8))
            end = stream.read(8)
            length = int.from_bytes(end[:4], "little")
            if not end.endswith(b"PAR1") or length > size - 12:
                return b""
            stream.seek(size - 8 - length)
            return stream.read(min(length, HEAD))

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names in the first line of a table with commas; none where it is no such table."""
        import csv

        first = next((line for line in self.lines if line.strip()), "")
        try:
            return tuple(cell.strip() for cell in next(csv.reader([first]), []))
        except csv.Error:
            return ()


def _keys_of(text: str) -> frozenset[str]:
    """Keys of the outermost object of JSON text that may be cut off anywhere."""
    if not text.lstrip().startswith("{"):
        return frozenset()
    keys, depth, start, last = set(), 0, None, ""
    i = 0
    while i < len(text):
        sign = text[i]
        if start is not None:
            if sign == "\\":
                i += 1
            elif sign == '"':
                last, start = text[start:i], None
        elif sign == '"':
            start = i + 1
        elif sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
        elif sign == ":" and depth == 1:
            keys.add(last)
        i += 1
    return frozenset(keys)


def _is_real(entry: os.DirEntry[str]) -> bool:
    """Whether it is a file or a directory, and no pipe, device, or link that leads nowhere or in circles."""
    try:
        return entry.is_file() or entry.is_dir()
    except OSError:
        return False
