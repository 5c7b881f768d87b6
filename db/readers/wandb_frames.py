"""The framing of a ``.wandb`` file: blocks of 32 KiB with checked fragments of records, as in a LevelDB log.

A fragment has seven bytes before it: a checksum (CRC-32 as in zlib, not the CRC-32C of LevelDB) of its kind and bytes,
a length, and a kind. It never crosses the end of a block, so after damage reading goes on at the next block at the
latest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from zlib import crc32

from db.readers.text import guarded
from scaling.errors import ReadError

IDENTITY = b":W&B"
HEADER = IDENTITY + b"\xe1\xbe\x00"
_BLOCK = 32_768
_CHUNK = 8 * _BLOCK
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_PREFIX = Struct("<IHB")
_LARGEST = 64 * 2**20  # of a record


@dataclass(frozen=True)
class Damage:
    """Bytes that are no whole record.

    Parameters
    ----------
    offset : int
        Where they begin.
    why : str
        What is wrong, as a clause.
    cut_off : bool, default False
        Whether it is merely the end of the file that cuts a record off.
    """

    offset: int
    why: str
    cut_off: bool = False


def records(path: Path) -> Iterator[bytes | Damage]:
    """Give the records of a file in their order.

    Parameters
    ----------
    path : Path
        The file.

    Yields
    ------
    bytes or Damage
        A record, or why there is none at a place.

    Raises
    ------
    ReadError
        If it cannot be read, or is no such file.
    """
    parts: list[bytes] = []
    size = begin = 0
    lost = False  # the rest of a record whose beginning is lost is not told again
    for offset, kind, found in _fragments(path):
        if isinstance(found, Damage):
            parts, size, lost = [], 0, True
            yield found
            continue
        if kind in (_FULL, _FIRST):
            if parts:
                yield Damage(begin, "a record has no end")
            parts, size, lost = [], 0, False
            if kind == _FULL:
                yield found
            else:
                parts, size, begin = [found], len(found), offset
            continue
        if not parts:
            if not lost:
                yield Damage(offset, "a record has no beginning")
            lost = True
            continue
        size += len(found)
        if size > _LARGEST:
            yield Damage(begin, f"a record has more than {_LARGEST // 2**20} MiB")
            parts, size, lost = [], 0, True
            continue
        parts.append(found)
        if kind == _LAST:
            yield b"".join(parts)
            parts, size = [], 0
    if parts:
        yield Damage(begin, "the last record has no end yet", cut_off=True)


def _fragments(path: Path) -> Iterator[tuple[int, int, bytes | Damage]]:
    with guarded(path), path.open("rb") as stream:
        base = 0
        while chunk := stream.read(_CHUNK):
            if base == 0:
                if len(chunk) < len(HEADER) and HEADER.startswith(chunk):
                    yield 0, 0, Damage(0, "the head of the file is not whole yet", cut_off=True)
                    return
                _check_header(chunk, path)
            for start in range(0, len(chunk), _BLOCK):
                block = chunk[start : start + _BLOCK]
                yield from _in_block(block, base + start)
            if len(chunk) < _CHUNK:
                return  # what is written from now on begins in the middle of a block
            base += len(chunk)
        if base == 0:
            yield 0, 0, Damage(0, "there is nothing in it yet", cut_off=True)


def _check_header(chunk: bytes, path: Path) -> None:
    if not chunk.startswith(HEADER[:-1]):
        raise ReadError(str(path), "it does not begin with :W&B and the number of such files", "byte 0")
    if chunk[len(HEADER) - 1] != HEADER[-1]:
        raise ReadError(
            str(path),
            f"it is of version {chunk[len(HEADER) - 1]} of the format, and only version 0 is known",
            "byte 6",
            "Export the run's history as JSON lines or Parquet.",
        )


def _in_block(block: bytes, base: int) -> Iterator[tuple[int, int, bytes | Damage]]:
    position, end, whole = 0 if base else len(HEADER), len(block), len(block) == _BLOCK
    unpack = _PREFIX.unpack_from
    while end - position >= 7:
        crc, length, kind = unpack(block, position)
        stop = position + 7 + length
        if stop <= end and crc32(block[position + 6 : stop]) == crc and _FULL <= kind <= _LAST:
            yield base + position, kind, block[position + 7 : stop]
            position = stop
            continue
        if not any(block[position:]):
            return  # room that was not written to
        if stop > end and not whole:
            why = f"the last {end - position:,} bytes are no whole record"
            yield base + position, 0, Damage(base + position, why, cut_off=True)
            return
        why = "a fragment is longer than its block" if stop > end else "the checksum of a fragment is another"
        yield base + position, 0, Damage(base + position, why)
        if not _holds(block, stop):
            return
        position = stop
    if not whole and any(block[position:]):
        why = f"the last {end - position:,} bytes are no whole record"
        yield base + position, 0, Damage(base + position, why, cut_off=True)


def _holds(block: bytes, position: int) -> bool:
    """Whether a fragment with the right checksum stands here, so that the length before it was right."""
    if len(block) - position < 7:
        return position <= len(block)
    crc, length, kind = _PREFIX.unpack_from(block, position)
    stop = position + 7 + length
    return bool(stop <= len(block) and _FULL <= kind <= _LAST and crc32(block[position + 6 : stop]) == crc)
