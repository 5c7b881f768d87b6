"""Messages of protocol buffers, whole and broken."""

from __future__ import annotations

import struct
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.readers.wire import WireError, double, fields, signed, single, text, varint


def encoded(value: int) -> bytes:
    """A varint, as every writer makes it."""
    out = bytearray()
    while True:
        value, low = value >> 7, value & 127
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def message(*parts) -> bytes:
    """Fields of a number and an int, a float or bytes."""
    out = b""
    for number, value in parts:
        if isinstance(value, int):
            out += encoded(number << 3) + encoded(value)
        elif isinstance(value, float):
            out += encoded(number << 3 | 1) + struct.pack("<d", value)
        else:
            out += encoded(number << 3 | 2) + encoded(len(value)) + value
    return out


PART = st.tuples(
    st.integers(1, 2**29 - 1), st.integers(0, 2**64 - 1) | st.binary(max_size=200) | st.floats(allow_nan=False)
)


@given(st.lists(PART, max_size=8))
def test_what_is_written_is_read(parts) -> None:
    read = [(number, double(value) if kind == 1 else value) for number, kind, value in fields(message(*parts))]
    assert read == parts


@given(st.lists(PART, min_size=1, max_size=4), st.data())
def test_a_message_that_is_cut_off_gives_what_is_whole_and_says_so(parts, data) -> None:
    whole = message(*parts)
    cut = data.draw(st.integers(0, len(whole) - 1))
    given_, error = [], None
    try:
        given_.extend(fields(whole[:cut]))
    except WireError as caught:
        error = caught
    ends = [len(message(*parts[:n])) for n in range(len(parts) + 1)]
    assert len(given_) == sum(end <= cut for end in ends) - 1
    assert (error is None) == (cut in ends)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_message_or_none(content) -> None:
    found = []
    with suppress(WireError):
        found.extend(fields(content))
    assert all(number > 0 and kind in (0, 1, 2, 5) and isinstance(value, int | bytes) for number, kind, value in found)
    assert len(found) <= len(content) / 2


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"\x00\x00", "the number 0"), (b"\x0b", "unknown kind 3"), (b"\x08\x80", "cut off"),
        (b"\x08" + b"\xff" * 10 + b"\x01", "more than 64 bits"), (b"\x0a\x05ab", "longer than its message"),
    ],
)  # fmt: skip
def test_what_is_no_message_is_said(content, why) -> None:
    with pytest.raises(WireError, match=why):
        list(fields(content))


def test_numbers_and_texts() -> None:
    assert signed(2**64 - 1) == -1
    assert signed(5) == 5
    assert varint(b"\xff" * 9 + b"\x01", 0) == (2**64 - 1, 10)
    assert text(b"a\xffb") == "a\ufffdb"
    assert single(struct.pack("<f", 0.5)) == 0.5
    for read, value in ((text, 3), (double, b"1234"), (single, 1)):
        with pytest.raises(WireError):
            read(value)
