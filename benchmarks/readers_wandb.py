"""Read many W&B logs with this package and a plain pass of the standard library: `python benchmarks/readers_wandb.py`.

Run by hand, never in CI. The plain pass takes frames and messages apart and parses the JSON of every value of the
history; it checks no checksum, reads no settings and no summary, and keeps nothing. Both get the same copies of a log
that W&B made, in one process and one thread, and have to find the same number of values and the same sum of losses; the
run fails (exit code 1) where they do not. Where `wandb` can be imported, its own messages are compared on the same
frames. Seconds are CPU seconds, the median of three rounds.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from zlib import crc32

from db.readers import wandb_offline
from db.readers.found import Values

LOG = next((Path(__file__).parents[1] / "tests" / "fixtures" / "logs" / "wandb" / "wandb").glob("*-small1/*.wandb"))
LEFT_OUT = {"_step", "_runtime", "_timestamp"}
Total = tuple[int, float]


def frames(data: bytes) -> Iterator[bytes]:
    position, held = 7, b""
    while position + 7 <= len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, position)
        part = data[position + 7 : position + 7 + length]
        position += 7 + length
        held = part if kind in (1, 2) else held + part
        if kind in (1, 4):
            yield held


def varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
        shift += 7


def fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    at = 0
    while at < len(data):
        key, at = varint(data, at)
        if key & 7 == 0:
            number, at = varint(data, at)
            yield key >> 3, number
            continue
        length, at = varint(data, at) if key & 7 == 2 else (8 if key & 7 == 1 else 4, at)
        yield key >> 3, data[at : at + length]
        at += length


def plain(paths: Sequence[Path]) -> Total:
    count, total = 0, 0.0
    for path in paths:
        for record in frames(path.read_bytes()):
            for number, history in fields(record):
                if number != 2:
                    continue
                for of_row, item in fields(history):
                    if of_row == 1:
                        parts = list(fields(item))
                        name = ".".join(part.decode() for key, part in parts if key == 2)
                        value = json.loads(next(part for key, part in parts if key == 16))
                        if name not in LEFT_OUT and (value is None or type(value) in (int, float)):
                            count += 1
                            total += value if name == "train/loss" else 0.0
    return count, total


def by_wandb(paths: Sequence[Path]) -> Total:
    record = import_module("wandb.proto.wandb_internal_pb2").Record()
    count, total = 0, 0.0
    for path in paths:
        for frame in frames(path.read_bytes()):
            record.ParseFromString(frame)
            for item in record.history.item:
                name, value = ".".join(item.nested_key), json.loads(item.value_json)
                if name not in LEFT_OUT and (value is None or type(value) in (int, float)):
                    count += 1
                    total += value if name == "train/loss" else 0.0
    return count, total


def ours(paths: Sequence[Path]) -> Total:
    count, total = 0, 0.0
    for path in paths:
        for found in wandb_offline.read(path):
            if isinstance(found, Values):
                count += len(found.step)
                total += float(found.value.sum()) if found.metric == "train/loss" else 0.0
    return count, total


def checksums(paths: Sequence[Path]) -> Total:
    for path in paths:
        for frame in frames(path.read_bytes()):
            crc32(frame)
    return 0, 0.0


def framing(paths: Sequence[Path]) -> Total:
    for path in paths:
        for _ in frames(path.read_bytes()):
            pass
    return 0, 0.0


def seconds(reader: Callable[[Sequence[Path]], Total], paths: Sequence[Path]) -> tuple[float, Total]:
    taken = []
    for _ in range(3):
        start = time.process_time()
        total = reader(paths)
        taken.append(time.process_time() - start)
    return statistics.median(taken), total


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--log", type=Path, default=LOG, help="the log of which copies are read")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(shutil.copy(given.log, Path(folder) / f"run-{i:04d}.wandb")) for i in range(given.files)]
        size = sum(path.stat().st_size for path in paths) / 1e6
        base, expected = seconds(plain, paths)
        told, found = seconds(ours, paths)
        rows = [("plain pass", base), ("scaling-suite, with checksums, settings and summary", told)]
        if find_spec("wandb") is not None:
            rows.append(("wandb's own messages", seconds(by_wandb, paths)[0]))
        sums = seconds(checksums, paths)[0] - seconds(framing, paths)[0]
    print(f"{given.files} logs, {size:.1f} MB, {expected[0]:,} values")
    for name, taken in rows:
        print(
            f"{taken:8.2f} s {given.files / taken:8,.0f} files/s {size / taken:6.1f} MB/s {base / taken:6.2f} x  {name}"
        )
    print(f"{sums:8.2f} s of it are checksums")
    if found[0] != expected[0] or abs(found[1] - expected[1]) > 1e-9 * abs(expected[1]):
        print(f"the readers differ: {expected} and {found}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
