"""Selection of 1,000 from up to 1,000,000 x 256 float32: seconds and peak memory against the number of rows.

A part of `valuation.py`; ``--most 250000`` leaves the largest out.

Unit rows in 2,000 clusters of unequal size, written to a ``.npy`` file that is mapped. Three ways:

* ``vendi`` and ``facility location`` by stochastic greedy (epsilon 0.1) from the mapped array; the latter represents
  2,048 rows drawn by chance;
* ``vendi from shards``: the same objective, 62,500 rows in memory at a time, and a merge.

Each cell is a process of its own, so that its peak memory is its own: it counts mapped pages too. Seconds are CPU
seconds of one thread, with the certificate's pass over all rows and the check of the embeddings included. A line
through seconds over rows is fitted and its worst deviation printed. The run fails (exit code 1) where a cell takes more
than 4 GiB, or a line misses a cell by more than 15 %.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB")})

import numpy as np
from valuation_timing import failed, peak_gib, row, table

from scaling.formatting import format_number, format_percent
from scaling.valuation import select, select_from_shards

ROWS = (125_000, 250_000, 500_000, 1_000_000)
DIMS, CLUSTERS, K, REPRESENT, SHARD = 256, 2_000, 1_000, 2_048, 62_500
WAYS = ("vendi", "facility location", "vendi from shards")
LIMIT_GIB, MISS = 4.0, 0.15


def write(path: Path, n: int) -> None:
    """Write unit rows in clusters of unequal size, a part at a time."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, DIMS)).astype(np.float32)
    sizes = rng.dirichlet(np.full(CLUSTERS, 0.5))
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (n, DIMS))
    for start in range(0, n, SHARD):
        count = min(SHARD, n - start)
        part = centres[rng.choice(CLUSTERS, count, p=sizes)]
        part += np.float32(0.7) * rng.standard_normal((count, DIMS), dtype=np.float32)
        rows[start : start + count] = part / np.linalg.norm(part, axis=1, keepdims=True)
    rows.flush()


def measure(path: Path, n: int, way: str) -> dict[str, float]:
    """Select once in this process."""
    rows = np.load(path, mmap_mode="r")[:n]
    start = time.process_time()
    if way == "vendi from shards":
        found = select_from_shards(lambda i: rows[i * SHARD : (i + 1) * SHARD], K, count=n // SHARD)
    elif way == "vendi":
        found = select(rows, K, "vendi", "stochastic")
    else:
        drawn = np.sort(np.random.default_rng(1).choice(n, REPRESENT, replace=False))
        found = select(rows, K, "facility_location", "stochastic", represent=np.array(rows[drawn]), memory="on_the_fly")
    seconds = time.process_time() - start
    certified = found.certificate.score_share or found.certificate.share or 0.0
    return {"seconds": seconds, "gib": peak_gib(), "score": found.score, "certified": certified}


def cell(path: Path, n: int, way: str) -> dict[str, float]:
    """Measure in a fresh process."""
    command = [sys.executable, __file__, "--file", str(path), "--rows", str(n), "--way", way]
    made: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return made


def line(n: list[int], seconds: list[float]) -> tuple[float, float, float]:
    """Fit seconds = a + b n with relative weights; returns a, b per million rows, and the worst relative miss."""
    y = np.array(seconds)
    design = np.column_stack([np.ones(len(n)), np.array(n) / 1e6])
    (a, b), *_ = np.linalg.lstsq(design / y[:, None], np.ones(len(n)), rcond=None)
    return float(a), float(b), float(np.max(np.abs(design @ [a, b] / y - 1)))


def main() -> int:
    parser = argparse.ArgumentParser(description="Seconds and peak memory of a selection against the number of rows.")
    parser.add_argument("--most", type=int, default=ROWS[-1], help="largest number of rows")
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.file:
        print(json.dumps(measure(given.file, given.rows, given.way)))
        return 0
    sizes = [n for n in ROWS if n <= given.most]
    good = True
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.npy"
        write(path, sizes[-1])
        print(f"{K:,} of n rows of {DIMS} dimensions, float32.\n")
        table("way", "n", "seconds", "microseconds a row", "peak GiB", "score", "certified share")
        for way in WAYS:
            found = [cell(path, n, way) for n in sizes]
            for n, one in zip(sizes, found, strict=True):
                good &= one["gib"] <= LIMIT_GIB
                numbers = (one["seconds"], 1e6 * one["seconds"] / n, one["gib"], one["score"])
                certified = format_percent(np.floor(1000 * one["certified"]) / 1000, 3)
                row(way, f"{n:,}", *(format_number(number, 3) for number in numbers), certified)
            if len(sizes) > 2:
                a, b, miss = line(sizes, [one["seconds"] for one in found])
                good &= miss <= MISS
                fitted = f"{format_number(a, 3)} + {format_number(b, 3)} n / 1e6"
                row(way, "line", fitted, f"off by at most {format_percent(miss)}", "", "", "")
    return 0 if good else failed("the memory, or seconds that lie on no line")


if __name__ == "__main__":
    sys.exit(main())
