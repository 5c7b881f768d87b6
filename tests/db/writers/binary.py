"""Small writers of event files of TensorBoard and of the transaction log of W&B, after their formats."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.db.writers.made import Made

_POLYNOMIAL = 0x82F63B78
_TABLE = []
for _byte in range(256):
    for _ in range(8):
        _byte = _byte >> 1 ^ (_POLYNOMIAL if _byte & 1 else 0)
    _TABLE.append(_byte)
_BLOCK, _PREFIX = 32_768, 7


def varint(value: int) -> bytes:
    """A whole number as protobuf writes it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def part(number: int, value: bytes | str | int) -> bytes:
    """A field of a message."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def _masked(data: bytes) -> bytes:
    """The checksum of a record of TensorFlow."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _TABLE[(crc ^ byte) & 255] ^ crc >> 8
    crc ^= 0xFFFFFFFF
    return struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def event(step: int, values: bytes, time: float = 1.7e9) -> bytes:
    """A record of values with its checksums."""
    record = b"\x09" + struct.pack("<d", time) + part(2, step) + values
    length = struct.pack("<Q", len(record))
    return length + _masked(length) + record + _masked(record)


def scalar(metric: str, value: float) -> bytes:
    """A value as a plain number of 32 bits."""
    return part(5, part(1, part(1, metric) + b"\x15" + struct.pack("<f", value)))


def tensor(metric: str, value: float) -> bytes:
    """A value as a tensor of one number of 64 bits."""
    content = part(1, 2) + part(2, b"") + part(4, struct.pack("<d", value))
    return part(5, part(1, part(1, metric) + part(8, content)))


def tfevents(folder: Path, runs: Sequence[Made], of: Any = scalar) -> Path:
    """Write a run as TensorBoard does; it has no name, and no settings."""
    path = folder / "events.out.tfevents.1700000000.host.7.0"
    record = b"\x09" + struct.pack("<d", 1.7e9) + part(3, b"brain.Event:2")
    length = struct.pack("<Q", len(record))
    out = [length, _masked(length), record, _masked(record)]
    [run] = runs
    out += [event(step, of(metric, value)) for step, row in run.rows for metric, value in row.items()]
    path.write_bytes(b"".join(out))
    return path


def tfevents_tensors(folder: Path, runs: Sequence[Made]) -> Path:
    """The same as tensors."""
    return tfevents(folder, runs, tensor)


def _items(values: Mapping[str, Any], number: int) -> bytes:
    return b"".join(part(number, part(1, name) + part(16, json.dumps(value))) for name, value in values.items())


def history(step: int, row: Mapping[str, Any], number: int) -> bytes:
    """A record of the history of W&B."""
    return part(1, number) + part(2, _items(row | {"_step": step}, 1) + part(2, part(1, step)))


def framed(records: Iterable[bytes], at: int = 0) -> bytes:
    """Records in checked fragments that cross no block; `at` is where in the file they begin."""
    out = bytearray(b":W&B\xe1\xbe\x00" if at == 0 else b"")
    for record in records:
        rest, first = record, True
        while rest or first:
            left = _BLOCK - (at + len(out)) % _BLOCK
            if left < _PREFIX:
                out += bytes(left)
                continue
            piece, rest = rest[: left - _PREFIX], rest[left - _PREFIX :]
            kind = (2 if first else 3) if rest else (1 if first else 4)
            out += struct.pack("<IHB", zlib.crc32(bytes([kind]) + piece), len(piece), kind) + piece
            first = False
    return bytes(out)


def wandb(folder: Path, runs: Sequence[Made]) -> Path:
    """Write a run as W&B does offline: settings with the description of the run, a history, and its end."""
    [run] = runs
    path = folder / f"run-{run.key}.wandb"
    records = [part(1, 1) + part(17, part(1, run.key) + part(3, "scaling") + part(4, _items(run.config, 1)))]
    records += [history(step, row, i) for i, (step, row) in enumerate(run.rows, start=2)]
    records.append(part(1, len(records) + 1) + part(18, b""))
    path.write_bytes(framed(records))
    return path
