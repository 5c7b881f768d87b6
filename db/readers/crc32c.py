"""The checksum CRC-32C (Castagnoli) of many short messages at once, with numpy alone.

A checksum is linear: that of a message is the exclusive or of what each of its bytes adds, which depends on the byte
and on how far it stands from the end. So one look into a table for each byte, and one pass of exclusive or, do it for
all messages of a buffer together. A long message is cut into rows, and the checksums of the rows are put together.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

Sums = NDArray[np.uint32]
Index = NDArray[np.int64]

_POLYNOMIAL = 0x82F63B78
_ALL = 0xFFFF_FFFF
#: Bytes of a row; its table is 1 MiB, which the caches of processors hold.
_ROW = 1024
#: Bytes that are looked up together: their places in the table are some 12 times as many bytes.
_SLAB = 1 << 16


def crc32c(data: bytes) -> int:
    """Checksum of one message.

    Parameters
    ----------
    data : bytes-like
        The message.

    Returns
    -------
    int

    Examples
    --------
    >>> hex(crc32c(b"123456789"))
    '0xe3069283'
    """
    return int(crc32c_many(data, np.array([0]), np.array([len(data)]))[0])


def crc32c_many(data: bytes, starts: Index, ends: Index) -> Sums:
    """Checksums of messages that lie in one buffer.

    Parameters
    ----------
    data : bytes-like
        The buffer.
    starts, ends : ndarray of int64, shape (n,)
        Where each message begins, and the index behind its end. Messages may lie in any order, and overlap.

    Returns
    -------
    ndarray of uint32, shape (n,)
    """
    raw = np.frombuffer(data, dtype=np.uint8)
    starts, ends = np.asarray(starts, np.int64), np.asarray(ends, np.int64)
    sums = np.zeros(len(starts), np.uint32)
    length = ends - starts
    fits = length <= _ROW
    short = np.flatnonzero(fits & (length > 0))
    for some in _slabs(short, length):
        sums[some] = _linear(raw, starts[some], ends[some])
    for i in np.flatnonzero(~fits).tolist():
        sums[i] = _long(raw, int(starts[i]), int(ends[i]))
    # What is set before the first byte adds as much as four bytes of ones before the message would: by its length.
    sums[fits] ^= _of_ones()[length[fits]]
    return sums ^ np.uint32(_ALL)


def masked(sums: Sums) -> Sums:
    """Checksums as the files of TensorFlow and LevelDB keep them: turned by 15 bits, and a constant added."""
    return ((sums >> np.uint32(15)) | (sums << np.uint32(17))) + np.uint32(0xA282_EAD8)


def _slabs(which: NDArray[np.intp], length: Index) -> list[NDArray[np.intp]]:
    """Messages in groups of some 64 KiB."""
    total = np.cumsum(length[which])
    if not len(total):
        return []
    cuts = np.flatnonzero(np.diff(total // _SLAB)) + 1
    return np.split(which, cuts)


def _linear(raw: NDArray[np.uint8], starts: Index, ends: Index) -> Sums:
    """What the bytes of short messages add."""
    length = ends - starts
    if len(starts) > 1 and (length == length[0]).all():
        width = int(length[0])
        places = np.lib.stride_tricks.sliding_window_view(raw, width)[starts]
        return np.asarray(np.bitwise_xor.reduce(_table()[_distances(width) + places], axis=1), np.uint32)
    first = np.cumsum(length) - length
    n = int(length.sum())
    # The index of each byte in the buffer, and how far it stands from the end of its message, times 256.
    at = np.arange(n) + np.repeat(starts - first, length)
    row = np.repeat(ends - 1, length) - at
    return np.asarray(np.bitwise_xor.reduceat(_table()[(row << 8) + raw[at]], first), np.uint32)


def _long(raw: NDArray[np.uint8], start: int, end: int) -> int:
    """What the bytes of a long message and what is set before them add, by rows from a short first one on."""
    head = (end - start) % _ROW
    table, shift = _table(), _shift()
    total = int(_of_ones()[head])
    if head:
        total ^= int(_linear(raw, np.array([start]), np.array([start + head]))[0])
    for low in range(start + head, end, _SLAB):
        rows = raw[low : min(low + _SLAB, end)].reshape(-1, _ROW)
        for added in np.bitwise_xor.reduce(table[_distances(_ROW) + rows], axis=1).tolist():
            total = (
                shift[total & 255] ^ shift[256 + (total >> 8 & 255)] ^ shift[512 + (total >> 16 & 255)]
                ^ shift[768 + (total >> 24)] ^ added
            )  # fmt: skip
    return total


@cache
def _bytewise() -> Sums:
    """What each byte becomes by its own eight bits."""
    sums = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        sums = (sums >> np.uint32(1)) ^ np.where(sums & np.uint32(1), np.uint32(_POLYNOMIAL), np.uint32(0))
    return sums


@cache
def _table() -> Sums:
    """What a byte adds that stands so far from the end: at ``256 * distance + byte``."""
    first = _bytewise()
    table = np.empty((_ROW, 256), np.uint32)
    table[0] = first
    for i in range(1, _ROW):
        table[i] = (table[i - 1] >> np.uint32(8)) ^ first[table[i - 1] & np.uint32(255)]
    return table.reshape(-1)


@cache
def _distances(width: int) -> Index:
    """Where in the table the bytes of a message of this width begin."""
    return np.arange(width - 1, -1, -1, dtype=np.int64) << 8


@cache
def _of_ones() -> Sums:
    """What 32 ones that are set at first have become after so many bytes, up to a row."""
    first = _bytewise()
    sums, out = _ALL, [_ALL]
    for _ in range(_ROW):
        sums = (sums >> 8) ^ int(first[sums & 255])
        out.append(sums)
    return np.array(out, np.uint32)


@cache
def _shift() -> list[int]:
    """What the four bytes of a checksum become by a row of zeros behind it, at ``256 * byte + value``."""
    first = _bytewise()
    sums = np.concatenate([np.arange(256, dtype=np.uint32) << np.uint32(8 * i) for i in range(4)])
    for _ in range(_ROW):
        sums = (sums >> np.uint32(8)) ^ first[sums & np.uint32(255)]
    out: list[int] = sums.tolist()
    return out
