"""TensorFlow's events: a step, and what was logged there."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from db.readers.tensor import Tensor, one_element
from db.readers.wire import Scalar, WireError, double, fields, signed, single, text, varint

_SINGLE = struct.Struct("<f").unpack_from
_STEP, _SHORTEST = 0x10, 20
#: How a tensor's list of floats, or its content, begins, where it has four bytes.
_PACKED = (b"\x2a\x04", b"\x22\x04")
_TAGS = 100_000
#: Fields of a summary's value that hold what is no number: what they are called.
_OTHERS = {3: "histograms", 4: "images", 5: "histograms", 6: "audio"}
#: Plugins whose tensors are no values even where they have one element.
_NO_VALUES = frozenset({"histograms", "images", "audio", "pr_curves", "mesh", "custom_scalars", "graphs", "profile"})
#: Depth to which settings are nested.
_DEPTH = 16
_STATES = {1: "finished", 2: "failed", 3: "running"}


class Logged(NamedTuple):
    """One thing that was logged.

    Parameters
    ----------
    tag : str
        Its name.
    value : float or None
        The number, where it is one.
    digits : int or None
        Decimal digits that its type keeps, where those are few.
    other : str or None
        What it is otherwise: ``"histograms"``, ``"texts"``, ``"hparams"`` and so on.
    content : bytes
        A text, or settings.
    """

    tag: str
    value: float | None = None
    digits: int | None = None
    other: str | None = None
    content: bytes = b""


class Event(NamedTuple):
    """An event.

    Parameters
    ----------
    time : float or None
        Seconds since 1970.
    step : int
        The step; 0 where none is written, as it is for step 0.
    starts : bool
        Whether it says that a session starts here.
    summary : list of bytes
        What was logged.
    """

    time: float | None
    step: int
    starts: bool
    summary: list[bytes]


class Short:
    """A short way to read events of one float, as nearly all are.

    Of a tag, such events differ in time, in step, and in their last four bytes. So when one has been read the long way,
    the bytes between step and number are kept, if two other numbers put in their place are found there again.
    """

    def __init__(self) -> None:
        self._tags: dict[bytes, str] = {}

    def read(self, record: bytes) -> tuple[int, str, float] | None:
        """Step, tag and number of an event; None where it has to be read the long way."""
        if record[:1] != b"\x09" or len(record) < _SHORTEST:
            return None
        i, step = 9, 0
        if record[9] == _STEP:
            byte = record[10]
            step, shift, i = byte & 127, 7, 11
            while byte > 127:
                if shift > 56 or i >= len(record):
                    return None
                byte = record[i]
                step |= (byte & 127) << shift
                shift += 7
                i += 1
        tag = self._tags.get(record[i:-4])
        return None if tag is None else (step, tag, _SINGLE(record, len(record) - 4)[0])

    def learn(self, record: bytes, tag: str, plugins: dict[str, str]) -> None:
        """Take note of an event that was found to be one number of this tag."""
        if record[-5:-4] != b"\x15" and record[-6:-4] not in _PACKED:
            return
        i = 9
        if record[9:10] == b"\x10":
            _, i = varint(record, 10)
        for number in (1.5, -2.25):
            found = event(record[:-4] + struct.pack("<f", number))
            values = [one for summary in found.summary for one in logged(summary, plugins)]
            if values != [Logged(tag, number)] or found.starts:
                return
        if record[i : i + 1] == b"\x2a":  # nothing but what was logged stands behind the step
            if len(self._tags) >= _TAGS:
                self._tags.clear()
            self._tags[record[i:-4]] = tag
            again = self.read(record)
            if again is None or again[0] != event(record).step:
                del self._tags[record[i:-4]]  # the step is written twice


def event(record: bytes) -> Event:
    """Read an event; raises `WireError` where it is none."""
    time, step, starts, summary = None, 0, False, []
    for number, _, value in fields(record):
        if number == 1:
            time = double(value)
        elif number == 2 and isinstance(value, int):
            step = signed(value)
        elif number == 5:
            summary.append(_message(value))
        elif number == 7:
            starts = any(part == 1 and status == 1 for part, _, status in fields(_message(value)))
    return Event(time, step, starts, summary)


def logged(summary: bytes, plugins: dict[str, str]) -> Iterator[Logged]:
    """Read what a summary holds.

    Parameters
    ----------
    summary : bytes
        The summary.
    plugins : dict of str to str
        Which plugin a tag belongs to, by its first event; added to.

    Yields
    ------
    Logged

    Raises
    ------
    WireError
        If it is none.
    """
    for number, _, value in fields(summary):
        if number == 1:
            yield _logged(_message(value), plugins)


def _logged(message: bytes, plugins: dict[str, str]) -> Logged:
    tag, plain, tensor, other, content = "", None, None, None, b""
    for number, _, value in fields(message):
        if number == 1:
            tag = text(value)
        elif number == 2:
            plain = single(value)
        elif number == 8:
            tensor = _message(value)
        elif number == 9:
            name, content = _plugin(_message(value))
            if name:
                plugins[tag] = name
        elif number in _OTHERS:
            other = _OTHERS[number]
    plugin = plugins.get(tag, "")
    if plain is not None:
        return Logged(tag, plain)
    if plugin == "hparams":
        return Logged(tag, other="hparams", content=content)
    if other is not None or plugin in _NO_VALUES:
        return Logged(tag, other=other or plugin)
    return _of_tensor(tag, plugin, None if tensor is None else one_element(tensor))


def _of_tensor(tag: str, plugin: str, found: Tensor | None) -> Logged:
    if found is None:
        return Logged(tag, other="texts" if plugin == "text" else "tensors of several elements or none")
    if found.text is not None:
        return Logged(tag, other="texts", content=found.text)
    return Logged(tag, found.value, found.digits, None if found.value is not None else "tensors of other types")


def _plugin(metadata: bytes) -> tuple[str, bytes]:
    name, content = "", b""
    for number, _, value in fields(metadata):
        if number == 1:
            for part, _, inner in fields(_message(value)):
                if part == 1:
                    name = text(inner)
                elif part == 2:
                    content = _message(inner)
    return name, content


def hparams(content: bytes) -> tuple[dict[str, Any], str | None]:
    """Read what the plugin of hyperparameters keeps: the settings of a session, and the state it ended in."""
    settings: dict[str, Any] = {}
    state = None
    for number, _, value in fields(content):
        if number == 3:
            for part, _, entry in fields(_message(value)):
                if part == 1:
                    _entry(_message(entry), settings, "", _DEPTH)
        elif number == 4:
            for part, _, status in fields(_message(value)):
                if part == 1 and isinstance(status, int):
                    state = _STATES.get(status)
    return settings, state


def _entry(message: bytes, settings: dict[str, Any], prefix: str, depth: int) -> None:
    """Take one entry of a map of names to values."""
    name, value = "", b""
    for number, _, part in fields(message):
        if number == 1:
            name = text(part)
        elif number == 2:
            value = _message(part)
    for number, _, part in fields(value):
        if number == 5:
            for inner, _, entry in fields(_message(part)):
                if inner == 1 and depth:
                    _entry(_message(entry), settings, f"{prefix}{name}.", depth - 1)
            return
    settings[prefix + name] = _plain(value, depth)


def _plain(message: bytes, depth: int) -> Any:
    """A value of JSON as protocol buffers write it, without maps."""
    for number, _, value in fields(message):
        if number == 2:
            return double(value)
        if number == 3:
            return text(value)
        if number == 4:
            return bool(value)
        if number == 6 and depth:
            return [_plain(_message(item), depth - 1) for part, _, item in fields(_message(value)) if part == 1]
    return None


def _message(value: Scalar) -> bytes:
    if not isinstance(value, bytes):
        raise WireError("a message is a number")
    return value
