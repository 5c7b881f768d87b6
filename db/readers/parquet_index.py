"""A look at the index at the end of a Parquet file, before DuckDB makes what it says.

DuckDB makes room for as many entries as a list of the index says that it has, before it reads the first of them: a few
damaged bytes ask for gigabytes, which none of its limits of memory counts. So the lists are looked at first, in the
compact protocol of Thrift that the index is written in: none may have more entries than there are bytes for them.
"""

from __future__ import annotations

import os
from pathlib import Path

from db.readers.text import guarded
from scaling.errors import ReadError

_MAGIC = b"PAR1"
#: An index beyond this is that of no table: ten thousand columns take some two MiB for each group of rows.
_LARGEST = 2**28
_DEEPEST = 32
_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT, _UUID = 1, 2, 3, 7, 8, 9, 10, 11, 12, 13
_NUMBERS = frozenset((4, 5, 6))  # of 16 to 64 bits, each as many bytes as it needs
_FIXED = {_BYTE: 1, _DOUBLE: 8, _UUID: 16}


def check_index(path: Path) -> None:
    """Raise `ReadError` where the index of a Parquet file cannot be what it says.

    Parameters
    ----------
    path : Path
        The file. Whether it is one of Parquet at all is left to who reads it.
    """
    with guarded(path), path.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(max(0, size - 8))
        end = stream.read(8)
        length = int.from_bytes(end[:4], "little")
        if end[4:] != _MAGIC or length > size - 12:
            return
        if length > _LARGEST:
            raise ReadError(str(path), f"its index has {length / 2**20:,.0f} MiB, as that of no table has", "its end")
        stream.seek(size - 8 - length)
        index = stream.read(length)
    try:
        _struct(index, 0, 0)
    except (IndexError, _OddError) as error:
        why = str(error) if isinstance(error, _OddError) else "it ends too early"
        raise ReadError(
            str(path), f"the index of the Parquet file is damaged: {why}", "its end", "Copy it again."
        ) from None


class _OddError(Exception):
    """Bytes that no index has."""


def _varint(data: bytes, i: int) -> tuple[int, int]:
    byte = data[i]
    if byte < 128:
        return byte, i + 1
    value, shift = byte & 127, 7
    for place in range(i + 1, i + 10):
        byte = data[place]
        value |= (byte & 127) << shift
        if byte < 128:
            return value, place + 1
        shift += 7
    raise _OddError("a number in it has no end")


def _struct(data: bytes, i: int, depth: int) -> int:
    """Walk over a struct; gives the place behind it."""
    if depth > _DEEPEST:
        raise _OddError("it is nested too deeply")
    while kind := data[i]:
        i += 1
        if not kind >> 4:
            _, i = _varint(data, i)  # the number of the field
        kind &= 15
        if kind not in (_TRUE, _FALSE):  # which are their own values
            i = _value(data, i, kind, depth)
    return i + 1


def _value(data: bytes, i: int, kind: int, depth: int) -> int:
    if kind in _NUMBERS:
        while data[i] > 127:
            i += 1
        return i + 1
    if kind == _BINARY:
        size, i = _varint(data, i)
        return _within(data, i + size)
    if kind == _STRUCT:
        return _struct(data, i, depth + 1)
    if kind in (_LIST, _SET):
        return _list(data, i, depth)
    if kind in _FIXED:
        return _within(data, i + _FIXED[kind])
    if kind == _MAP:
        raise _OddError("it has a map, and Parquet knows none")
    raise _OddError(f"a field is of the unknown kind {kind}")


def _list(data: bytes, i: int, depth: int) -> int:
    count, kind = data[i] >> 4, data[i] & 15
    i += 1
    if count == 15:
        count, i = _varint(data, i)
    least = 2 if kind == _STRUCT else 1  # an entry without any field says nothing
    if count * least > len(data) - i:
        raise _OddError(f"a list of {count:,} entries cannot stand in {len(data) - i:,} bytes")
    if kind in (_TRUE, _FALSE):
        return i + count
    for _ in range(count):
        if kind == _STRUCT and not data[i]:
            raise _OddError("an entry of a list is empty")
        i = _value(data, i, kind, depth + 1)
    return i


def _within(data: bytes, i: int) -> int:
    if i > len(data):
        raise _OddError("a text in it is longer than what is left")
    return i


def literally(path: Path) -> str:
    """A path as DuckDB takes it for a name and no pattern: what it would expand is escaped."""
    return "".join(f"[{sign}]" if sign in "*?[" else sign for sign in str(path))
