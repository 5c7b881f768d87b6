"""Data valuation beside its peers, and on as many rows as this machine holds: one program, one report.

    OMP_NUM_THREADS=1 python benchmarks/valuation.py --peers .venv-peers/bin/python
    OMP_NUM_THREADS=1 python benchmarks/valuation.py --peers .venv-peers/bin/python --only knn

pyDVL needs NumPy before 2.0 and this project a later one, so the peers have an environment of their own, named by
``--peers``; how to make it stands in ``README.md``. Ours runs there too, from this working tree: whoever is compared
runs on the same NumPy, one after the other, in one process. What is measured without a peer runs in the environment
of this program. Each part is a process, so that the memory it needs is its own; everything is one thread, and seconds
are CPU seconds.

It prints Markdown: what ran where, a part after the other with ratios and what they have to reach, and what was not
reached. The exit code is 1 where anything was not.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).resolve().parent
PEERS = ("numpy", "scipy", "vendi-score", "apricot-select", "submodlib-py", "pyDVL", "scikit-learn", "numba")
OURS = ("numpy", "scipy", "duckdb")


class Part(NamedTuple):
    """A part: its heading, its program, and whether it runs beside peers."""

    heading: str
    program: tuple[str, ...]
    peers: bool


PARTS = {
    "spectral": Part("Greedy Vendi selection beside vendi-score", ("valuation_spectral.py",), True),
    "coverage": Part("Facility location beside apricot and submodlib", ("valuation_coverage.py",), True),
    "knn": Part("KNN-Shapley beside pyDVL", ("valuation_points.py",), True),
    "large": Part("Facility location of 50,000 examples", ("valuation_coverage.py", "--large"), False),
    "million": Part("Selection of 1,000 from a million", ("valuation_scale.py",), False),
    "shards": Part("Values of ten million examples in shards", ("valuation_shards.py",), False),
}


def environment() -> dict[str, str]:
    """One thread everywhere, and this working tree before anything that is installed."""
    threads = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR", "VECLIB", "NUMBA")}
    return {**os.environ, **threads, "PYTHONPATH": str(FOLDER.parent)}


def say(python: str, packages: tuple[str, ...]) -> str:
    """Ask an environment for its versions."""
    command = [python, str(FOLDER / "valuation_timing.py"), *packages]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment()).stdout.strip()


def processor() -> str:
    """Name the processor, and how many there are."""
    file = Path("/proc/cpuinfo")
    text = file.read_text(encoding="utf-8") if file.is_file() else ""
    names = [line.partition(":")[2].strip() for line in text.splitlines() if line.startswith("model name")]
    return f"{names[0] if names else platform.processor() or platform.machine()}, {os.cpu_count()} cores"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help="Python of the environment of the peers")
    parser.add_argument("--only", action="append", choices=PARTS, help="a part; all of them otherwise")
    given = parser.parse_args()
    wanted = {name: part for name, part in PARTS.items() if not given.only or name in given.only}
    if any(part.peers for part in wanted.values()) and not given.peers:
        parser.error("--peers names the Python of the environment of the peers; README.md says how to make it")
    print(f"* Ours: {say(sys.executable, OURS)}.")
    if given.peers:
        print(f"* Beside peers, all with {say(given.peers, PEERS)}.")
    print(f"* {processor()}; seconds are CPU seconds of one thread where nothing else is said.", flush=True)
    missed, start, before = [], time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    for name, part in wanted.items():
        shown = " --peers .venv-peers/bin/python" if part.peers else ""
        alone = f"OMP_NUM_THREADS=1 python benchmarks/valuation.py{shown} --only {name}"
        print(f"\n## {part.heading}\n\n```\n{alone}\n```\n", flush=True)
        python = given.peers if part.peers else sys.executable
        command = [python, str(FOLDER / part.program[0]), *part.program[1:]]
        if subprocess.run(command, check=False, env=environment()).returncode:
            missed.append(name)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"\n## In all\n\n{cpu:.0f} CPU seconds in {time.perf_counter() - start:.0f} seconds of wall clock; ", end="")
    print(f"not as promised: {', '.join(missed)}." if missed else "every part as promised.", flush=True)
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
