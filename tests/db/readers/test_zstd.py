"""Frames of zstandard: those of a log that Inspect wrote, cut off and changed."""

import json
import zipfile
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.readers.zstd import unpack_json, walk_frames
from tests.db.readers.results import LOGS, mutated

SUMS = LOGS / "inspect" / "sums.eval"


def packed(name="header.json"):
    with zipfile.ZipFile(SUMS) as archive:
        info = archive.getinfo(name)
    start = info.header_offset + 30 + len(info.filename)
    return SUMS.read_bytes()[start : start + info.compress_size], info.file_size


def test_a_document_is_unpacked_whole():
    data, size = packed()
    found = unpack_json(data, size)
    assert len(found) == size
    assert json.loads(found)["eval"]["task"] == "sums"


def test_no_more_than_the_limit_is_unpacked():
    data, size = packed()
    with pytest.raises(ValueError, match="unpacks to more than"):
        unpack_json(data, size // 2)


def test_every_frame_that_is_cut_off_is_told():
    data, _ = packed()
    for size in range(len(data)):
        with pytest.raises(ValueError, match="cut off"):
            walk_frames(data[:size], 1 << 20)
    walk_frames(data, 1 << 20)
    walk_frames(data + data, 1 << 20)
    with pytest.raises(ValueError, match="cut off"):
        walk_frames(data + data[:-1], 1 << 20)


def test_a_raw_and_a_repeated_block():
    raw = b"\x28\xb5\x2f\xfd\x00\x58" + (5 << 3).to_bytes(3, "little") + b'{"a":'
    end = raw + (4 << 3 | 1 << 1).to_bytes(3, "little") + b"1" + (1 << 3 | 1).to_bytes(3, "little") + b"}"
    assert unpack_json(end, 10) == b'{"a":1111}'


def test_a_bomb_ends():
    block = (131072 << 3 | 1 << 1).to_bytes(3, "little") + b" "
    raw = b"\x28\xb5\x2f\xfd\x00\x58" + block * 65536 + (2 << 3 | 1).to_bytes(3, "little") + b"[]"  # 8 GiB
    with pytest.raises(ValueError, match="unpacks to more than"):
        unpack_json(raw, 2**20)
    data, size = packed()
    with pytest.raises(ValueError, match="unpacks to more than"):
        walk_frames(data * 100, size)


def test_two_documents_are_none():
    raw = b"\x28\xb5\x2f\xfd\x00\x58" + (4 << 3 | 1).to_bytes(3, "little") + b"{}{}"
    with pytest.raises(ValueError, match="not one document"):
        unpack_json(raw, 100)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=5))
def test_what_is_changed_ends(changes):
    data, size = packed()
    with suppress(ValueError):
        assert len(unpack_json(mutated(data, changes), size)) <= size
