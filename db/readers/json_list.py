"""Rows of a JSON document that is one list of objects, of any length, without holding more than one of them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import IO, Any

from db.problems import Problem
from db.readers import records
from db.readers.records import Record, flatten
from scaling.errors import InputDataError

#: Characters of one row beyond which it is none.
LARGEST_ROW = 2**26
_CHUNK = 2**20
_NEAR = 64  # characters from the end of what is held, within which what looks wrong may only be cut off
_SPACE = re.compile(r"[ \t\r\n]*")
_LINE_END = re.compile(r"\r\n?|\n")


class JsonList:
    """Objects of a list as flat records.

    Parameters
    ----------
    path : str
        The file, for messages.
    stream : file
        Its text, at the start.

    Attributes
    ----------
    characters : int
        How many were read.
    """

    def __init__(self, path: str, stream: IO[str]) -> None:
        self.characters = 0
        self._path = path
        self._stream = stream
        self._limit = records.LARGEST_UNPACKED if path.lower().endswith(".gz") else math.inf
        self._held = ""
        self._at = 0
        self._line = 1
        self._ended = False
        self._decoder = json.JSONDecoder()

    def __iter__(self) -> Iterator[Record | Problem]:
        """Records with the line on which each begins, and what is refused of them."""
        if self._next() != "[":
            raise InputDataError(
                f"{self._path} is a JSON document that is no list of rows.",
                "A table is a list of objects, [{...}, {...}], or has one object a line and a name that ends in "
                ".jsonl. pandas writes such with to_json(orient='records').",
            )
        self._pass(1)
        if self._next() == "]":
            return
        while True:
            self._next()
            line = self._line
            value = self._value()
            if isinstance(value, dict):
                try:
                    yield line, flatten(value)
                except RecursionError:
                    yield Problem(self._path, line, None, None, "the row is nested too deeply")
            else:
                yield Problem(self._path, line, None, json.dumps(value)[:100], "the row is not a JSON object")
            sign = self._next()
            if sign not in (",", "]"):
                raise self._error("a comma between two rows was expected" if sign else "it ends within its list")
            self._pass(1)
            if sign == "]":
                if self._next():
                    raise self._error("there is more behind the end of its list")
                return

    def _error(self, reason: str) -> InputDataError:
        return InputDataError(
            f"The file {self._path} is not whole JSON: {reason} (line {self._line}).",
            "Check that the export finished; with one object a line, and a name that ends in .jsonl, all whole lines "
            "could be read.",
        )

    def _pass(self, count: int) -> None:
        self._line += len(_LINE_END.findall(self._held, self._at, self._at + count))
        self._at += count

    def _next(self) -> str:
        """The next character that is no space, or nothing at the end; it stays where it is."""
        while True:
            found = _SPACE.match(self._held, self._at)
            end = found.end() if found else self._at
            # A return at the end of what is held may be the first half of an end of a line.
            self._pass((end - 1 if self._held[end - 1 : end] == "\r" and end == len(self._held) else end) - self._at)
            if self._at < len(self._held) and end < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ""

    def _value(self) -> Any:
        """Read a value; one that is not whole yet is read again with more text, twice as much each time."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._at)
            except RecursionError as error:
                raise self._error("a row is nested too deeply") from error
            except json.JSONDecodeError as error:
                is_cut_off = error.msg.startswith("Unterminated string") or error.pos > len(self._held) - _NEAR
                if not is_cut_off or not self._more():
                    raise self._error(error.msg) from error
                continue
            except ValueError as error:
                raise self._error("a number is too long") from error
            if end == len(self._held) and self._more():
                continue  # a number may go on
            self._pass(end - self._at)
            return value

    def _more(self) -> bool:
        """Read on; False at the end."""
        if self._ended:
            return False
        self._held, self._at = self._held[self._at :], 0
        if len(self._held) > LARGEST_ROW:
            raise self._error(f"a row of its list is longer than {LARGEST_ROW} characters")
        added = self._stream.read(max(_CHUNK, len(self._held)))
        self.characters += len(added)
        if self.characters > self._limit:
            raise InputDataError(
                f"{self._path} unpacks to more than {records.LARGEST_UNPACKED} characters (line {self._line}).",
                "If it is what it should be, unpack it by hand.",
            )
        self._ended = not added
        self._held += added
        return bool(added)
