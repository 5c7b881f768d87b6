"""The wire format of protocol buffers, as far as logs need it: fields by number, without any schema."""

from __future__ import annotations

import struct
from collections.abc import Iterator

Scalar = int | bytes


class WireError(ValueError):
    """Bytes that are no message."""


def fields(message: bytes) -> Iterator[tuple[int, int, Scalar]]:
    """Give the fields of a message.

    Parameters
    ----------
    message : bytes
        The message.

    Yields
    ------
    number : int
        Of the field.
    kind : int
        0 for a varint, 1 for eight bytes, 2 for bytes of a length, 5 for four bytes.
    value : int or bytes
        An int for a varint, otherwise the bytes.

    Raises
    ------
    WireError
        If the bytes are no message.
    """
    i, n = 0, len(message)
    while i < n:
        key, i = varint(message, i)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise WireError("a field has the number 0")
        value: Scalar
        if kind == 0:
            value, i = varint(message, i)
            yield number, kind, value
            continue
        if kind == 2:
            length, i = varint(message, i)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise WireError(f"a field has the unknown kind {kind}")
        if i + length > n:
            raise WireError("a field is longer than its message")
        yield number, kind, message[i : i + length]
        i += length


def varint(message: bytes, i: int) -> tuple[int, int]:
    """Read an integer of variable length at an index; gives it and the index behind it."""
    value = shift = 0
    while True:
        if i >= len(message):
            raise WireError("an integer is cut off")
        byte = message[i]
        i += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFF_FFFF_FFFF_FFFF, i
        shift += 7
        if shift > 63:
            raise WireError("an integer has more than 64 bits")


def signed(value: int) -> int:
    """A varint as a signed integer of 64 bits."""
    return value - 2**64 if value >= 2**63 else value


def text(value: Scalar) -> str:
    """A field of text; what is not UTF-8 in it is replaced."""
    if not isinstance(value, bytes):
        raise WireError("a text is a number")
    return value.decode("utf-8", errors="replace")


def double(value: Scalar) -> float:
    """A field of eight bytes as a number."""
    return float(struct.unpack("<d", _bytes(value, 8))[0])


def single(value: Scalar) -> float:
    """A field of four bytes as a number."""
    return float(struct.unpack("<f", _bytes(value, 4))[0])


def _bytes(value: Scalar, size: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != size:
        raise WireError(f"a number has not {size} bytes")
    return value
