"""The Chinchilla law on the isoFLOP sets, by this package and by the published procedure.

``python benchmarks/isoflop.py isoflops.csv``, by hand, never in CI. One thread, the same rows, the same objective (mean
Huber, delta 0.001, of linear residuals). The published procedure (Hoffmann et al. 2022, arXiv:2203.15556) is SciPy's
L-BFGS-B with a numerical gradient from every start of a grid: alpha and beta in {0, .5, .. 2}, ln E in {-1, -.5, .. 1},
ln A and ln B in {0, 5, .. 25}, 4500 in all. `--starts` takes that many of them at random, and the seconds are scaled up
to all. SciPy stops by an absolute gradient of 1e-5, which the mean Huber of a good fit has everywhere, so here it gets
the objective times 1e6, and with that fits far better than without.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import os
import platform
import time
from pathlib import Path

# Before NumPy is imported: small arrays lose far more to threads than they gain, whoever fits them.
os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB")})

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

import scaling
from scaling.formatting import format_number

Array = NDArray[np.float64]

DELTA = 1e-3
GRID = (
    np.arange(-1, 1.1, 0.5),  # ln E
    np.arange(0, 26, 5.0),  # ln A
    np.arange(0, 26, 5.0),  # ln B
    np.arange(0, 2.1, 0.5),  # alpha
    np.arange(0, 2.1, 0.5),  # beta
)
SCALE = 1e6  # of the objective that SciPy gets
WORSE = 1e-9


def mean_huber(residuals: Array) -> float:
    size = np.abs(residuals)
    return float(np.mean(np.where(size <= DELTA, 0.5 * size**2, DELTA * (size - 0.5 * DELTA))))


def ours(n: Array, d: Array, y: Array, repeats: int) -> tuple[float, float]:
    """Objective, recomputed from the estimates, and the seconds of the fastest of some fits."""
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        fit = scaling.fit(
            "chinchilla", {"N": n, "D": d}, y, objective="huber", residual="linear", delta=DELTA, bootstrap=0
        )
        best = min(best, time.perf_counter() - start)
    return mean_huber(y - fit.evaluate({"N": n, "D": d})[0]), best


def published(n: Array, d: Array, y: Array, starts: list[tuple[float, ...]]) -> tuple[float, float, float]:
    """Objective of the best start, seconds of all of them, and the share that came within 1e-6 of the best."""
    log_n, log_d = np.log(n), np.log(d)

    def value(p: Array) -> float:
        return SCALE * mean_huber(y - np.exp(p[0]) - np.exp(p[1] - p[3] * log_n) - np.exp(p[2] - p[4] * log_d))

    begin, found = time.perf_counter(), []
    with np.errstate(all="ignore"):
        for start in starts:
            found.append(minimize(value, start, method="L-BFGS-B").fun)
    seconds = time.perf_counter() - begin
    values = np.array(found) / SCALE
    return float(values.min()), seconds, float(np.mean(values <= values.min() * (1 + 1e-6)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path, help="isoflops.csv")
    parser.add_argument("--starts", type=int, default=300, help="starts of the published grid to run")
    parser.add_argument("--repeats", type=int, default=3, help="fits of ours; the fastest counts")
    options = parser.parse_args()
    with options.file.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    grid = list(itertools.product(*GRID))
    some = [grid[i] for i in np.random.default_rng(0).permutation(len(grid))[: options.starts]]
    scale = len(grid) / len(some)
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, one thread, {os.cpu_count()} cores seen")
    print(f"published procedure: {len(some)} of {len(grid)} starts, seconds scaled up by {format_number(scale)}")
    print()
    heads = ("set", "rows", "ours x 1e6", "s", "published x 1e6", "s, all starts", "starts there", "ratio - 1", "speed")
    print(f"| {' | '.join(heads)} |")
    print("|---|---|---|---|---|---|---|---|---|")
    worst = 0.0
    ours(*(np.geomspace(1, 2, 20),) * 3, 1)  # compiles the law, which a process does once
    for name in sorted({row["experiment"] for row in rows}):
        mine = [row for row in rows if row["experiment"] == name]
        n, d, y = (np.array([float(row[key]) for row in mine]) for key in ("N", "D", "loss"))
        value, seconds = ours(n, d, y, options.repeats)
        other, other_seconds, share = published(n, d, y, some)
        worst = max(worst, value / other - 1)
        cells = [
            name, str(len(y)), f"{1e6 * value:.6f}", format_number(seconds, 2), f"{1e6 * other:.6f}",
            format_number(other_seconds * scale, 3), format_number(share, 2), format_number(value / other - 1, 2),
            format_number(other_seconds * scale / seconds, 2),
        ]  # fmt: skip
        print(f"| {' | '.join(cells)} |", flush=True)
    if worst > WORSE:
        raise SystemExit(f"an optimum of ours is worse by {format_number(worst)}")


if __name__ == "__main__":
    main()
