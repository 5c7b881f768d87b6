"""The records of a ``.wandb`` file: messages whose values are JSON, decoded no further than they are wanted."""

from __future__ import annotations

import json
from typing import Any

from db.readers.wire import Scalar, WireError, fields, text, varint

HISTORY, SUMMARY, CONFIG, METRIC, RUN, EXIT, ENVIRONMENT = 2, 3, 5, 12, 17, 18, 26
_WANTED = frozenset({HISTORY, SUMMARY, CONFIG, METRIC, RUN, EXIT, ENVIRONMENT})
_REMEMBERED = 100_000
_VALUE = b"\x82\x01"  # field 16 with a length: the value of an item, behind its names


def content(record: bytes) -> tuple[int, bytes] | None:
    """What a record holds, or None where it is of no kind that is read; raises `WireError` where it is no message."""
    found = None
    position, end = 0, len(record)
    while position < end:
        number, value, position = _field(record, position)
        if number in _WANTED and type(value) is bytes:
            found = number, value
    return found


class Items:
    """Reads named values; the names of a log repeat, so their bytes are remembered.

    Notes
    -----
    An item is its key, or the parts of a nested key, and then its value as JSON text.
    """

    def __init__(self) -> None:
        self._names: dict[bytes, str] = {}

    def read(self, message: bytes) -> tuple[list[tuple[str, bytes]], list[tuple[int, Scalar]]]:
        """Take a message of items apart.

        Parameters
        ----------
        message : bytes
            Of a history, a summary or a configuration: items are its field 1.

        Returns
        -------
        items : list of (str, bytes)
            Names, nested ones with dots, and the text of their values.
        others : list of (int, int or bytes)
            The other fields.

        Raises
        ------
        WireError
            If it is no such message.
        """
        items: list[tuple[str, bytes]] = []
        others: list[tuple[int, Scalar]] = []
        names, position, end = self._names, 0, len(message)
        while position < end:
            if message[position] != 0x0A:
                number, value, position = _field(message, position)
                others.append((number, value))
                continue
            position += 1
            if position < end and message[position] < 128:
                length = message[position]
                position += 1
            else:
                length, position = varint(message, position)
            stop = position + length
            if stop > end:
                raise WireError("a field is longer than its message")
            item = message[position:stop]
            position = stop
            at = item.find(_VALUE)
            name = names.get(item[:at]) if at >= 0 else None
            if name is not None:
                start = at + 3
                size = item[at + 2] if start <= length else 255
                if size > 127:
                    size, start = varint(item, at + 2)
                if start + size == length:
                    items.append((name, item[start:]))
                    continue
            items.append(self._item(item))
        return items, others

    def name(self, item: bytes) -> str:
        """The name of an item that may have no value."""
        return self._item(item)[0]

    def _item(self, item: bytes) -> tuple[str, bytes]:
        key, nested, value, numbers = "", [], b"", []
        for number, kind, found in fields(item):
            numbers.append(number)
            if kind != 2 or not isinstance(found, bytes):
                continue
            if number == 1:
                key = text(found)
            elif number == 2:
                nested.append(text(found))
            elif number == 16:
                value = found
        name = ".".join(nested) or key
        if numbers and numbers[-1] == 16 and {1, 2}.issuperset(numbers[:-1]) and len(self._names) < _REMEMBERED:
            self._names[item[: len(item) - len(value) - len(_length(len(value))) - len(_VALUE)]] = name
        return name, value


def _length(value: int) -> bytes:
    """A length as it is written when in its shortest form."""
    written = bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    return bytes([*written, value])


def _field(message: bytes, position: int) -> tuple[int, Scalar, int]:
    key, after = varint(message, position)
    number, kind = key >> 3, key & 7
    if kind == 0:
        value, after = varint(message, after)
        return number, value, after
    if kind == 2:
        length, after = varint(message, after)
    elif kind in (1, 5):
        length = 8 if kind == 1 else 4
    else:
        raise WireError(f"a field has the unknown kind {kind}")
    if after + length > len(message):
        raise WireError("a field is longer than its message")
    return number, message[after : after + length], after + length


def plain(raw: bytes) -> Any:
    """The value of an item; raises ValueError where it is no JSON."""
    try:
        return float(raw)  # most are numbers; NaN, Infinity and -Infinity stand there by these words
    except ValueError:
        return decoded(raw)


def decoded(raw: bytes) -> Any:
    """The value of an item, with whole numbers as such; raises ValueError where it is no JSON."""
    if raw.isdigit() and len(raw) < 19:
        return int(raw)
    try:
        return json.loads(raw)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
