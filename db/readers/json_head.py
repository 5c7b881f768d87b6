"""The members of a large JSON object one by one, and the elements of a long list in it, without holding all of it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from db.readers.probe import Probe
from db.readers.text import guarded
from scaling.errors import ReadError

#: A member has to be held whole; characters.
LARGEST_MEMBER = 64 * 2**20
#: The same where the long list is given by its elements.
LARGEST_ELEMENT = 16 * 2**20
_CHUNK = 2**16
_NEAR = 64  # characters from the end of what is held, within which what looks wrong may only be cut off
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
    with _opened(path, limit) as text:
        for name in _names(text):
            if name in stop:
                return
            yield name, text.value()


def members(path: Path, listed: str, limit: int = LARGEST_ELEMENT) -> Iterator[tuple[str, int | None, Any]]:
    """Give all members of the object that a file is; of one that is a list, its elements.

    Parameters
    ----------
    path : Path
        The file.
    listed : str
        Name of the member whose elements are given one by one.
    limit : int
        Largest member or element that is read, in characters.

    Yields
    ------
    name : str
    number : int or None
        Of the element, from 1; None for a member that is given whole.
    value : object

    Raises
    ------
    ReadError
        If it is no JSON object, cut off, a member is too large, or it cannot be read; names the character.
    """
    with _opened(path, limit) as text:
        for name in _names(text):
            if name != listed or text.next() != "[":
                yield name, None, text.value()
                continue
            for number, value in enumerate(_elements(text), start=1):
                yield name, number, value
        if text.next():
            raise text.error("it is not JSON: something follows its end")


def elements(path: Path, limit: int = LARGEST_ELEMENT) -> Iterator[tuple[int, Any]]:
    """Give the elements of the list that a file is.

    Parameters
    ----------
    path : Path
        The file.
    limit : int
        Largest element that is read, in characters.

    Yields
    ------
    number : int
        Of the element, from 1.
    value : object

    Raises
    ------
    ReadError
        If it is no JSON list, cut off, an element is too large, or it cannot be read; names the character.
    """
    with _opened(path, limit) as text:
        yield from enumerate(_elements(text), start=1)
        if text.next():
            raise text.error("it is not JSON: something follows its end")


@contextmanager
def _opened(path: Path, limit: int) -> Iterator[_Text]:
    encoding = Probe(path).encoding or "utf-8"
    with guarded(path), path.open(encoding=encoding, errors="replace") as stream:
        yield _Text(stream, str(path), limit)


def _names(text: _Text) -> Iterator[str]:
    """The names of an object's members; whoever asks reads the value, or asks no more."""
    text.expect("{")
    if text.next() == "}":
        text.expect("}")
        return
    while True:
        name = text.value()
        if not isinstance(name, str):
            raise text.error("a name in quotes was expected")
        text.expect(":")
        yield name
        if text.next() == "}":
            text.expect("}")
            return
        text.expect(",")


def _elements(text: _Text) -> Iterator[Any]:
    text.expect("[")
    if text.next() == "]":
        text.expect("]")
        return
    while True:
        yield text.value()
        if text.next() == "]":
            text.expect("]")
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

    def error(self, reason: str, hint: str = "If it is still being written, read it later.") -> ReadError:
        return ReadError(self._path, reason, f"character {self._passed + self._at + 1}", hint)

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
            except json.JSONDecodeError as error:
                may_go_on = error.msg.startswith("Unterminated string") or error.pos > len(self._held) - _NEAR
                if not may_go_on or not self._more():
                    what = "not JSON, or cut off" if may_go_on else "not JSON"
                    self._at = max(self._at, min(error.pos, len(self._held)))
                    raise self.error(f"it is {what}: {error.msg}") from error
                continue
            except ValueError as error:
                raise self.error("it is not JSON: a number in it is too long") from error
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
            raise self.error(
                f"one part of it is above {self._limit / 2**20:.0f} million characters, and has to be held whole",
                "Write the values one a line (JSON lines) or as Parquet.",
            )
        added = self._stream.read(max(_CHUNK, len(self._held)))
        self._ended = not added
        self._held += added
        return bool(added)
