"""The first members of a large JSON object, without reading the rest of it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO, Any

from db.readers.probe import Probe
from db.readers.text import guarded
from scaling.errors import ReadError

#: A member has to be held whole; characters.
LARGEST_MEMBER = 64 * 2**20
_CHUNK = 2**16
_SPACE = re.compile(r"[ \t\r\n]*")


def first_members(path: Path, stop: Collection[str], limit: int = LARGEST_MEMBER) -> Iterator[tuple[str, Any]]:
    """Give the members of the object that a file is, up to one of some names.

    Parameters
    ----------
    path : Path
        The file.
    stop : collection of str
        Names of members at which to stop, unread.
    limit : int
        Largest member that is read, in characters.

    Yields
    ------
    name : str
    value : object

    Raises
    ------
    ReadError
        If it is no JSON object, cut off before one of those members, a member is too large, or it cannot be read;
        names the character.
    """
    encoding = Probe(path).encoding or "utf-8"
    with guarded(path), path.open(encoding=encoding, errors="replace") as stream:
        text = _Text(stream, str(path), limit)
        text.expect("{")
        if text.next() == "}":
            return
        while True:
            name = text.value()
            if not isinstance(name, str):
                raise text.error("a name in quotes was expected")
            if name in stop:
                return
            text.expect(":")
            yield name, text.value()
            if text.next() == "}":
                return
            text.expect(",")


class _Text:
    """Text that is read as far as it is needed."""

    def __init__(self, stream: IO[str], path: str, limit: int) -> None:
        self._stream = stream
        self._path = path
        self._limit = limit
        self._held = ""
        self._at = 0
        self._passed = 0  # characters that are not held any more
        self._ended = False
        self._decoder = json.JSONDecoder()

    def error(self, reason: str) -> ReadError:
        place = f"character {self._passed + self._at + 1}"
        return ReadError(self._path, reason, place, "If it is still being written, read it later.")

    def next(self) -> str:
        """The next character that is no space, or nothing at the end; it stays where it is."""
        while True:
            found = _SPACE.match(self._held, self._at)
            self._at = found.end() if found else self._at
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._more():
                return ""

    def expect(self, sign: str) -> None:
        """Pass one sign."""
        found = self.next()
        if found != sign:
            raise self.error(f"it is not JSON: {sign} was expected" if found else "it is cut off")
        self._at += 1

    def value(self) -> Any:
        """Read a value; one that is not whole yet is read again with more text, twice as much each time."""
        self.next()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._held, self._at)
            except RecursionError as error:
                raise self.error("its JSON is nested too deeply") from error
            except ValueError as error:
                if not self._more():
                    why = error.msg if isinstance(error, json.JSONDecodeError) else "a number in it is too long"
                    raise self.error(f"it is not JSON, or cut off: {why}") from error
                continue
            if end == len(self._held) and self._more():
                continue  # a number may go on
            self._at = end
            return value

    def _more(self) -> bool:
        if self._ended:
            return False
        self._passed += self._at
        self._held, self._at = self._held[self._at :], 0
        if len(self._held) > self._limit:
            raise self.error(f"one member of it is above {self._limit / 2**20:.0f} million characters")
        added = self._stream.read(max(_CHUNK, len(self._held)))
        self._ended = not added
        self._held += added
        return bool(added)
