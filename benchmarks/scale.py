"""Time and peak memory of a fit against the number of rows and of replicates: `python benchmarks/scale.py`.

Simulated Chinchilla runs of known truth. Every cell is a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time

os.environ.update({f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB")})

import numpy as np

from scaling.formatting import format_number

ROWS = (100, 1_000, 10_000, 100_000)
REPLICATES = (0, 100, 1000)
TRUTH = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
NOISE = 0.005


def measure(n: int, replicates: int) -> dict[str, float]:
    """Fit once in this process: CPU seconds, and how far the peak memory rose above that before the fit."""
    import scaling

    rng = np.random.default_rng(0)
    inputs = {"N": 10 ** rng.uniform(7, 10, n), "D": 10 ** rng.uniform(8.5, 11.5, n)}
    loss = TRUTH["E"] + TRUTH["A"] / inputs["N"] ** TRUTH["alpha"] + TRUTH["B"] / inputs["D"] ** TRUTH["beta"]
    loss *= np.exp(NOISE * rng.standard_normal(n))
    few = slice(0, 50)
    scaling.fit("chinchilla", {k: v[few] for k, v in inputs.items()}, loss[few], bootstrap=10)  # compiles the law
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    scaling.fit("chinchilla", inputs, loss, bootstrap=replicates)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": seconds, "megabytes": (peak - before) / 1024}


def cell(n: int, replicates: int) -> dict[str, float]:
    """Measure in a fresh process."""
    command = [sys.executable, __file__, "--rows", str(n), "--replicates", str(replicates)]
    result: dict[str, float] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    return result


def slope(x: list[float], y: list[float]) -> float:
    """Of the logarithms, between the last two points."""
    return float(np.log(y[-1] / y[-2]) / np.log(x[-1] / x[-2]))


def table(header: list[str], body: list[list[str]]) -> str:
    """Markdown."""
    return "\n".join("| " + " | ".join(line) + " |" for line in [header, ["---"] * len(header), *body])


def main() -> int:
    parser = argparse.ArgumentParser(description="Time and peak memory of a fit against rows and replicates.")
    parser.add_argument("--most", type=int, default=ROWS[-1], help="largest number of rows")
    parser.add_argument("--rows", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--replicates", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.rows:
        print(json.dumps(measure(given.rows, given.replicates)))
        return 0
    sizes = [n for n in ROWS if n <= given.most]
    found = {(n, b): cell(n, b) for n in sizes for b in REPLICATES}
    per_fit = {(n, b): found[n, b]["seconds"] - found[n, 0]["seconds"] * (b > 0) for n, b in found}
    body = []
    for b in REPLICATES:
        name = "point fit" if b == 0 else f"{b} replicates, without the point fit"
        times = [per_fit[n, b] for n in sizes]
        body.append([name, *(f"{format_number(t, 3)} s" for t in times), format_number(slope(sizes, times), 3)])
    in_replicates = [
        format_number(slope([100, 1000], [per_fit[n, 100], per_fit[n, 1000]]), 3) if per_fit[n, 100] > 0 else ""
        for n in sizes
    ]
    body.append(["slope in replicates", *in_replicates, ""])
    print(table(["CPU time", *(f"{n} rows" for n in sizes), "slope in rows, last decade"], body), end="\n\n")
    memory = [
        [
            "point fit" if b == 0 else f"{b} replicates",
            *(f"{format_number(found[n, b]['megabytes'], 3)} MB" for n in sizes),
        ]
        for b in REPLICATES
    ]
    print(table(["peak memory above the start", *(f"{n} rows" for n in sizes)], memory))
    return 0


if __name__ == "__main__":
    sys.exit(main())
