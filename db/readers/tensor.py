"""TensorFlow's tensors, as far as they are one number or one text."""

from __future__ import annotations

import struct
from typing import NamedTuple

import numpy as np

from db.readers.wire import Scalar, WireError, double, fields, signed, single, varint

#: Types of numbers by their code in TensorFlow's ``types.proto``, as numpy writes them.
_TYPES = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "u1",
    5: "<i2",
    6: "i1",
    9: "<i8",
    17: "<u2",
    19: "<f2",
    22: "<u4",
    23: "<u8",
}
_TEXT, _BRAIN, _HALF = 7, 14, 19
#: Fields that hold values one by one, and how each of them is written.
_SINGLES, _DOUBLES, _VARINTS, _HALVES, _TEXTS = {5}, {6}, {7, 10, 16, 17}, {13}, {8}
#: Decimal digits of floats of 16 bits: 11 and 8 bits of precision.
_DIGITS = {_HALF: 3, _BRAIN: 2}


class Tensor(NamedTuple):
    """A tensor of one element.

    Parameters
    ----------
    value : float or None
        The number; None where it is a text, or no number that is known.
    text : bytes or None
        The text.
    digits : int or None
        Decimal digits that its type keeps, where those are few.
    """

    value: float | None
    text: bytes | None
    digits: int | None


def one_element(message: bytes) -> Tensor | None:
    """Read a tensor.

    Parameters
    ----------
    message : bytes
        The tensor, as a protocol buffer.

    Returns
    -------
    Tensor or None
        None where it has not exactly one element.

    Raises
    ------
    WireError
        If it is no tensor.
    """
    kind, content, shape = 0, b"", 1
    values: list[float] = []
    texts: list[bytes] = []
    for number, form, value in fields(message):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number == 2 and isinstance(value, bytes):
            shape = _size(value)
        elif number == 4 and isinstance(value, bytes):
            content = value
        elif number in _TEXTS and isinstance(value, bytes):
            texts.append(value)
        else:
            values.extend(_listed(number, form, value, kind))
        if len(values) > 1 or len(texts) > 1:
            return None
    if shape != 1:
        return None
    if kind == _TEXT:
        return Tensor(None, texts[0], None) if texts else None
    if content:
        found = _content(content, kind)
        return None if found is None else Tensor(found, None, _DIGITS.get(kind))
    if kind not in _TYPES and kind != _BRAIN:
        return Tensor(None, None, None)
    return Tensor(values[0], None, _DIGITS.get(kind)) if values else None


def _size(shape: bytes) -> int:
    """How many elements a shape has; 0 where it is not known."""
    total = 1
    for number, _, dimension in fields(shape):
        if number == 3 and dimension:
            return 0
        if number == 2 and isinstance(dimension, bytes):
            size = 0
            for part, _, value in fields(dimension):
                if part == 1 and isinstance(value, int):
                    size = value
            total = min(total * size, 2)
    return total


def _content(content: bytes, kind: int) -> float | None:
    if kind == _BRAIN:
        return _brain(int.from_bytes(content, "little")) if len(content) == 2 else None
    kept = _TYPES.get(kind)
    if kept is None or len(content) != np.dtype(kept).itemsize:
        return None
    return float(np.frombuffer(content, kept)[0])


def _listed(number: int, form: int, value: Scalar, kind: int) -> list[float]:
    """Values of a field, packed or by themselves; no more than two of them, which is one too many."""
    if number in _SINGLES:
        return [single(value)] if form == 5 else [x for (x,) in struct.iter_unpack("<f", _whole(value, 4)[:8])]
    if number in _DOUBLES:
        return [double(value)] if form == 1 else [x for (x,) in struct.iter_unpack("<d", _whole(value, 8)[:16])]
    if number not in _VARINTS | _HALVES:
        return []
    if isinstance(value, int):
        found = [value]
    else:
        found, i = [], 0
        while i < len(value) and len(found) < 2:
            one, i = varint(value, i)
            found.append(one)
    if number in _HALVES:
        return [_brain(x) if kind == _BRAIN else _half(x) for x in found]
    return [float(x if number in (16, 17) else signed(x)) for x in found]


def _whole(value: Scalar, size: int) -> bytes:
    if not isinstance(value, bytes) or len(value) % size:
        raise WireError(f"packed numbers have not {size} bytes each")
    return value


def _brain(bits: int) -> float:
    """A bfloat16: the upper half of a float of four bytes."""
    return float(struct.unpack("<f", ((bits & 0xFFFF) << 16).to_bytes(4, "little"))[0])


def _half(bits: int) -> float:
    return float(struct.unpack("<e", (bits & 0xFFFF).to_bytes(2, "little"))[0])
