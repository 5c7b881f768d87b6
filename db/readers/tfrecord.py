"""The framing of TensorFlow's record files: a length, its checksum, the bytes, their checksum.

Lengths lead from one record to the next, so those of a part of the file are followed first, and all checksums of the
part are looked at together. After a length that changed, the next record is looked for byte by byte: eight bytes that
are followed by their own checksum are hardly ever there by chance.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from db.readers.crc32c import crc32c_many, masked
from db.readers.text import guarded
from scaling.errors import ReadError

_PART = 2**20
_BEFORE, _AROUND = 12, 16  # bytes of a frame before a record, and around it
_LENGTH = Struct("<Q")
#: A record beyond this is passed over: it holds a graph or pictures, and no values.
LARGEST = 64 * 2**20
#: So many times a file is gone on with after its frames were lost.
_TRIES = 100
_WINDOW = 65_536
_CHANGED = "the checksum of a record is another than that of its bytes"


@dataclass(frozen=True)
class Records:
    """Records in their order.

    Parameters
    ----------
    first : int
        Number of the first one in the file, from 1.
    found : list of bytes
        The records.
    """

    first: int
    found: list[bytes]


@dataclass(frozen=True)
class Lost:
    """Bytes that hold no record that could be trusted.

    Parameters
    ----------
    number : int
        Number of the record that stood there, or of the first of them.
    offset : int
        Where in the file.
    why : str
        What is wrong, as a clause.
    cut_off : bool
        Whether it is merely the end of the file that cuts a record off.
    too_large : bool
        Whether it is whole, and was passed over.
    """

    number: int
    offset: int
    why: str
    cut_off: bool = False
    too_large: bool = False


def records(path: Path) -> Iterator[Records | Lost]:
    """Give the records of a file in their order, and the places where they are lost.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    Records or Lost

    Raises
    ------
    ReadError
        If it cannot be read, is no such file, or is damaged in more than a hundred places.
    """
    with guarded(path), path.open("rb", buffering=0) as stream:
        yield from _Reading(path, stream).all()


def is_frame(head: bytes) -> bool:
    """Whether bytes begin with a length and its checksum."""
    return len(head) >= _BEFORE and bool(_whole(head, np.array([0], np.int64), np.array([8], np.int64))[0])


def _whole(data: bytes, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether messages are followed by their own checksums."""
    raw = np.frombuffer(data, np.uint8)
    kept = np.ascontiguousarray(raw[ends[:, None] + np.arange(4)]).view("<u4")[:, 0]
    return np.asarray(masked(crc32c_many(data, starts, ends)) == kept)


class _Reading:
    """A file on the way: what of it is held, and where that begins."""

    def __init__(self, path: Path, stream: BinaryIO) -> None:
        self.path, self.stream = path, stream
        self.data, self.base, self.number, self.tries = b"", 0, 1, 0
        self.ended = False
        self.lost_at: int | None = None

    def all(self) -> Iterator[Records | Lost]:
        wanted = _PART
        while not self.ended:
            chunk = self.stream.read(wanted)
            self.ended = len(chunk) < wanted
            self.data = self.data + chunk if self.data else chunk
            wanted = _PART
            while True:
                if self.lost_at is not None and not self._find():
                    break
                yield from self._part()
                if self.lost_at is None:
                    break
                yield self._lost_frame()
            if self.lost_at is None and len(self.data) >= _BEFORE:
                (length,) = _LENGTH.unpack_from(self.data)
                if length > LARGEST:
                    yield from self._pass_over(length)
                else:
                    wanted = max(_PART, length + _AROUND - len(self.data))
        if self.lost_at is None and self.data:
            yield Lost(self.number, self.base, "the last record has no end yet", cut_off=True)

    def _part(self) -> Iterator[Records | Lost]:
        """Give on the whole records of what is held; `lost_at` is set where a length is wrong."""
        data, end = self.data, len(self.data)
        unpack = _LENGTH.unpack_from
        heads, i = [], 0
        while i + _AROUND <= end:
            heads.append(i)
            i += _AROUND + unpack(data, i)[0]
        whole = len(heads) if i <= end else len(heads) - 1
        if i > end:
            i = heads[-1]
        elif i + _BEFORE <= end:
            heads.append(i)  # its length can be looked at, though its record cannot
        if not heads:
            return
        begins = np.array(heads, np.int64)
        good_length = _whole(data, begins, begins + 8)
        if not good_length.all():
            wrong = int(np.argmin(good_length))
            whole, i = min(whole, wrong), heads[wrong]
            self.lost_at = self.base + i
        yield from self._checked(begins[:whole])
        self.data, self.base = data[i:], self.base + i

    def _checked(self, begins: NDArray[np.int64]) -> Iterator[Records | Lost]:
        """Give on records whose lengths are right, without those whose bytes changed."""
        if not len(begins):
            return
        data, first = self.data, self.number
        behind = np.append(begins[1:], begins[-1] + _AROUND + _LENGTH.unpack_from(data, int(begins[-1]))[0])
        good = _whole(data, begins + _BEFORE, behind - 4)
        heads, ends = begins.tolist(), behind.tolist()
        found = [data[a + _BEFORE : b - 4] for a, b in zip(heads, ends, strict=True)]
        self.number += len(found)
        low = 0
        for bad in np.flatnonzero(~good).tolist():
            if found[low:bad]:
                yield Records(first + low, found[low:bad])
            yield Lost(first + bad, self.base + heads[bad], _CHANGED)
            low = bad + 1
        if found[low:]:
            yield Records(first + low, found[low:])

    def _lost_frame(self) -> Lost:
        """Say that the way from record to record is lost at the beginning of what is held."""
        self.tries += 1
        if self.number == 1 and self.base == 0 and not self._find(peek=True):
            raise ReadError(
                str(self.path), "it does not begin with a length and its checksum, as files of records do", "byte 0"
            )
        if self.tries > _TRIES:
            raise ReadError(
                str(self.path),
                f"it is damaged in more than {_TRIES} places",
                f"byte {self.base}",
                "Copy the file again from where it was written.",
            )
        rest = "zeros" if self.ended and not any(self.data) else "bytes"
        why = f"the length of a record is wrong, so the {rest} up to the next record that is whole were left out"
        return Lost(self.number, self.base, why)

    def _find(self, peek: bool = False) -> bool:
        """Look for the next frame, and let what is held begin there; otherwise keep what may be the start of one."""
        data = self.data
        low, last = int(self.lost_at == self.base), len(data) - _BEFORE
        for start in range(low, last + 1, _WINDOW):
            places = np.arange(start, min(start + _WINDOW, last + 1), dtype=np.int64)
            good = _whole(data, places, places + 8)
            if good.any():
                if not peek:
                    i = start + int(np.argmax(good))
                    self.data, self.base, self.lost_at = data[i:], self.base + i, None
                    self.number += 1
                return True
        if not peek:
            keep = max(low, last + 1)
            self.data, self.base = data[keep:], self.base + keep
        return False

    def _pass_over(self, length: int) -> Iterator[Lost]:
        """Go behind a record that is too large to be held."""
        size = self.stream.seek(0, 2)
        behind = self.base + _AROUND + length
        if behind > size:
            yield Lost(self.number, self.base, "the last record has no end yet", cut_off=True)
            self.ended = True
        else:
            why = f"a record of more than {LARGEST // 2**20} MiB was passed over"
            yield Lost(self.number, self.base, why, too_large=True)
            self.stream.seek(behind)
            self.ended, self.number = False, self.number + 1
        self.data, self.base = b"", behind
