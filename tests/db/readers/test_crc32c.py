"""CRC-32C against its published check values, and against the plain loop over bytes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.readers.crc32c import crc32c, crc32c_many, masked


def plain(data: bytes) -> int:
    """Bit by bit, as the definition has it."""
    sums = 0xFFFFFFFF
    for byte in data:
        sums ^= byte
        for _ in range(8):
            sums = (sums >> 1) ^ (0x82F63B78 if sums & 1 else 0)
    return sums ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("data", "expected"),
    [  # RFC 3720, appendix B.4
        (b"\0" * 32, 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_published_values(data, expected):
    assert crc32c(data) == expected


@pytest.mark.parametrize("size", [1, 2, 3, 1023, 1024, 1025, 2048, 3000, 65536, 65537, 70001])
def test_lengths_around_the_ends_of_rows_and_slabs(size):
    data = np.random.default_rng(size).bytes(size)
    assert crc32c(data) == plain(data)


@given(st.binary(max_size=200), st.lists(st.tuples(st.integers(0, 200), st.integers(0, 200)), max_size=20))
def test_many_messages_of_one_buffer(data, cuts):
    pairs = [(min(a, b, len(data)), min(max(a, b), len(data))) for a, b in cuts]
    found = crc32c_many(data, np.array([a for a, _ in pairs], int), np.array([b for _, b in pairs], int))
    assert found.tolist() == [plain(data[a:b]) for a, b in pairs]


def test_messages_of_many_slabs_short_and_long_among_each_other():
    rng = np.random.default_rng(3)
    data = rng.bytes(300_000)
    ends = np.cumsum(rng.integers(0, 2500, 200))
    starts = np.concatenate([[0], ends[:-1]])
    found = crc32c_many(data, starts, ends)
    some = rng.choice(200, 25, replace=False)
    assert [found[i] for i in some] == [plain(data[starts[i] : ends[i]]) for i in some]


def test_the_mask_of_a_file_that_tensorflow_wrote():
    # Length 24 and its checksum, as every file of events begins.
    head = bytes.fromhex("1800000000000000a37f4b22")
    assert masked(np.array([crc32c(head[:8])], np.uint32))[0] == int.from_bytes(head[8:], "little")
