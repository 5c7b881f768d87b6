"""Read many event files with this package and with its peers: `python benchmarks/readers_tfevents.py`.

Run by hand, never in CI. Every reader gets the same files, in one process and one thread, and has to find the same
numbers; the run fails (exit code 1) where one does not. `tensorboard` and `tbparse` are compared where they can be
imported, on a part of the files (`--peers`), by files a second. Seconds are CPU seconds, the median of three rounds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")})

import numpy as np

from db.readers import tfevents
from db.readers.crc32c import crc32c_many, masked
from db.readers.found import Values

TAGS = ("train/loss", "train/grad_norm", "optimizer/learning_rate")
Total = tuple[int, float]


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes((*out, value))


def part(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def event(step: int, tag: str, value: float, tensor: bool) -> bytes:
    """An event as PyTorch writes it, or with a tensor, as TensorFlow 2 and JAX do."""
    if tensor:
        number = part(8, b"\x08\x01" + part(2, b"") + part(5, struct.pack("<f", value)))
    else:
        number = b"\x15" + struct.pack("<f", value)
    return (
        b"\x09"
        + struct.pack("<d", 1.7e9 + step)
        + b"\x10"
        + varint(step)
        + part(5, part(1, part(1, tag.encode()) + number))
    )


def framed(records: Sequence[bytes]) -> bytes:
    lengths = [struct.pack("<Q", len(record)) for record in records]
    pieces = [piece for pair in zip(lengths, records, strict=True) for piece in pair]
    ends = np.cumsum([len(piece) for piece in pieces])
    sums = masked(crc32c_many(b"".join(pieces), ends - [len(piece) for piece in pieces], ends)).astype("<u4").tobytes()
    return b"".join(piece + sums[4 * i : 4 * i + 4] for i, piece in enumerate(pieces))


def write(folder: Path, files: int, steps: int, tensor: bool) -> list[Path]:
    """Files of one run each, in directories of their own."""
    head = b"\x09" + struct.pack("<d", 1.7e9) + part(3, b"brain.Event:2")
    paths = []
    for i in range(files):
        rows = [event(s, tag, 4 - s / 4096 + i / 65536, tensor) for s in range(steps) for tag in TAGS]
        paths.append(folder / f"run{i:05d}" / "events.out.tfevents.1700000000.host.7.0")
        paths[-1].parent.mkdir()
        paths[-1].write_bytes(framed([head, *rows]))
    return paths


def ours(paths: Sequence[Path]) -> Total:
    n, total = 0, 0.0
    for path in paths:
        for found in tfevents.read(path, ()):
            if isinstance(found, Values):
                n += len(found.value)
                total += float(found.value.sum())
    return n, total


def standard(paths: Sequence[Path]) -> Total:
    """The least that the standard library has to do: lengths, fields, numbers; no checksums, no arrays."""

    def number(data: bytes, i: int) -> tuple[int, int]:
        shift = value = 0
        while True:
            byte = data[i]
            i += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, i
            shift += 7

    def fields(data: bytes):  # type: ignore[no-untyped-def]
        i = 0
        while i < len(data):
            key, i = number(data, i)
            if key & 7 == 0:
                value, i = number(data, i)
                yield key >> 3, value
                continue
            size = 8 if key & 7 == 1 else 4
            if key & 7 == 2:
                size, i = number(data, i)
            yield key >> 3, data[i : i + size]
            i += size

    n, total = 0, 0.0
    for path in paths:
        data, i, found = path.read_bytes(), 0, []
        while i + 12 <= len(data):
            (size,) = struct.unpack_from("<Q", data, i)
            step = 0
            for key, value in fields(data[i + 12 : i + 12 + size]):
                if key == 2:
                    step = value
                elif key == 5:
                    for _, logged in fields(value):
                        tag = logs = None
                        for name, content in fields(logged):
                            if name == 1:
                                tag = content.decode()
                            elif name == 2:
                                (logs,) = struct.unpack("<f", content)
                            elif name == 8:
                                (logs,) = struct.unpack("<f", dict(fields(content))[5])
                        found.append((tag, step, logs))
            i += size + 16
        n += len(found)
        total += sum(value for _, _, value in found)
    return n, total


def accumulator(paths: Sequence[Path]) -> Total:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    n, total = 0, 0.0
    for path in paths:
        read = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0})
        read.Reload()
        for tag in read.Tags()["scalars"]:
            found = [one.value for one in read.Scalars(tag)]
            n, total = n + len(found), total + sum(found)
        for tag in read.Tags()["tensors"]:
            found = [float(make_ndarray(one.tensor_proto)) for one in read.Tensors(tag)]
            n, total = n + len(found), total + sum(found)
    return n, total


def tbparse(paths: Sequence[Path]) -> Total:
    from tbparse import SummaryReader

    n, total = 0, 0.0
    for path in paths:
        read = SummaryReader(str(path))
        for table in (read.scalars, read.tensors):
            if len(table):
                n += len(table)
                total += float(np.sum([float(value) for value in table["value"]]))
    return n, total


def timed(work: Callable[[Sequence[Path]], Total], paths: Sequence[Path], rounds: int) -> tuple[float, Total]:
    work(paths[:1])  # imports and tables are there
    seconds = []
    for _ in range(rounds):
        start = time.process_time()
        found = work(paths)
        seconds.append(time.process_time() - start)
    return statistics.median(seconds), found


def main() -> int:
    """Write the files, read them, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=100, help="of three numbers each, in every file")
    parser.add_argument("--peers", type=int, default=100, help="files that tensorboard and tbparse read")
    wanted = parser.parse_args()
    right = True
    for tensor in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            paths = write(Path(folder), wanted.files, wanted.steps, tensor)
            size = sum(path.stat().st_size for path in paths)
            kind = "tensors" if tensor else "plain numbers"
            print(f"\n{len(paths):,} files, {size / 1e6:.0f} MB, {wanted.steps * 3:,} {kind} each\n")
            print(
                "| reader | files | CPU seconds | files a second | numbers a second | of our rate |\n"
                "|---|--:|--:|--:|--:|--:|"
            )
            works = [("ours, with checksums", ours, paths, 3), ("standard library, without", standard, paths, 3)]
            if find_spec("tensorboard"):
                works.append(("tensorboard EventAccumulator", accumulator, paths[: wanted.peers], 3))
            if find_spec("tbparse"):
                works.append(("tbparse", tbparse, paths[: wanted.peers], 1))
            rate = 0.0
            for name, work, some, rounds in works:
                seconds, found = timed(work, some, rounds)
                rate = rate or len(some) / seconds
                share = len(some) / seconds / rate
                print(
                    f"| {name} | {len(some):,} | {seconds:.2f} | {len(some) / seconds:,.0f} | "
                    f"{found[0] / seconds:,.0f} | {share:.3f} |"
                )
                expected = ours(some)
                right &= found[0] == expected[0] and abs(found[1] - expected[1]) <= 1e-9 * abs(expected[1])
    print("\nAll found the same numbers." if right else "\nThey did not find the same numbers.")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
