"""Facility location beside apricot and submodlib, and for 50,000 examples without a matrix of all pairs.

A part of `valuation.py`; with ``--large`` the second half of it.

All get the same 10,000 unit rows of 64 dimensions in 300 clusters of unequal size, the kernel (1 + cos)/2 and k = 500.
Each peer runs its own lazy greedy, on a kernel in the precision it asks for: ``apricot`` float64, ``submodlib`` and
ours float32. Seconds are CPU seconds of one thread, the best of three runs (submodlib: of two), with kernels made and
compiled code warm; what making them takes is printed beside. One function in float64 judges all sets. The run fails
(exit code 1) where a ratio is below 1.8 (apricot) or 6 (submodlib), or where values differ by more than 1e-7 of them.

With ``--large`` the kernel is worked out tile by tile; peak memory is that of the whole process, and fails at 1 GiB.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from valuation_timing import failed, peak_gib, row, seconds, table

from scaling.valuation import make_objective, select

N, LARGE, DIMS, CLUSTERS, K = 10_000, 50_000, 64, 300, 500
LEAST = {"apricot": 1.8, "submodlib": 6.0}
SAME = 1e-7  # of the value
LARGE_GIB = 1.0
Rows = NDArray[np.float32]


def examples(n: int) -> Rows:
    """Return unit rows in clusters of unequal size."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((CLUSTERS, DIMS))
    of = rng.choice(CLUSTERS, n, p=rng.dirichlet(np.full(CLUSTERS, 0.5)))
    made = centres[of] + 0.7 * rng.standard_normal((n, DIMS))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def judge(rows: Rows, members: Any) -> float:
    """Return the value of a set, in float64."""
    best = np.empty(len(rows))
    chosen = rows[np.asarray(members)].astype(np.float64).T
    for start in range(0, len(rows), 4000):
        best[start : start + 4000] = (0.5 + 0.5 * rows[start : start + 4000].astype(np.float64) @ chosen).max(axis=1)
    return float(best.sum())


def of_apricot(kernel: Rows) -> tuple[float, float, Any]:
    from apricot import FacilityLocationSelection

    build, wide = seconds(lambda: kernel.astype(np.float64), 1)
    FacilityLocationSelection(2, metric="precomputed", optimizer="lazy").fit(wide[:50, :50])
    taken, found = seconds(
        lambda: FacilityLocationSelection(K, metric="precomputed", optimizer="lazy").fit(wide).ranking, 3
    )
    return build, taken, found


def of_submodlib(kernel: Rows) -> tuple[float, float, Any]:
    from submodlib import FacilityLocationFunction

    build, function = seconds(
        lambda: FacilityLocationFunction(n=len(kernel), mode="dense", sijs=kernel, separate_rep=False), 1
    )
    options = {"stopIfZeroGain": False, "stopIfNegativeGain": False, "verbose": False, "show_progress": False}
    taken, found = seconds(lambda: function.maximize(budget=K, optimizer="LazyGreedy", **options), 2)
    return build, taken, [index for index, _ in found]


def beside() -> bool:
    rows = examples(N)
    kernel = (0.5 + 0.5 * rows @ rows.T).astype(np.float32)
    build, objective = seconds(lambda: make_objective("facility_location", rows, K, memory="dense"))
    ours, found = seconds(lambda: select(None, K, objective, "lazy", certify=False), 5)
    certified, shown = seconds(lambda: select(None, K, objective, "lazy"), 3)
    away = make_objective("facility_location", rows, K, memory="on_the_fly")
    tiled, other = seconds(lambda: select(None, K, away, "lazy", certify=False))
    value = judge(rows, found.indices)
    print(f"{N:,} examples of {DIMS} dimensions, k = {K}, lazy greedy.\n")
    table("program", "seconds", "ratio", "promised", "kernel (seconds)", "value")
    row("ours", f"{ours:.2f}", "1", "", f"{build:.2f}", f"{value:.4f}")
    good = True
    for name, peer in (("apricot", of_apricot), ("submodlib", of_submodlib)):
        made, taken, members = peer(kernel)
        theirs = judge(rows, members)
        row(name, f"{taken:.2f}", f"{taken / ours:.1f}", f"{LEAST[name]}", f"{made:.2f}", f"{theirs:.4f}")
        good &= taken >= LEAST[name] * ours and abs(theirs - value) <= SAME * value
    row("ours, with a certificate", f"{certified:.2f}", "", "", "", "")
    row("ours, no matrix of all pairs", f"{tiled:.2f}", "", "", "", f"{judge(rows, other.indices):.4f}")
    print(f"\n* The certificate says: {shown.certificate}.")
    print("* *Kernel* is what turns the float32 kernel that is there into that of the peer; for ours, making it.")
    return good


def large() -> bool:
    rows = examples(LARGE)
    before = peak_gib()
    taken, found = seconds(lambda: select(rows, K, "facility_location", "lazy", certify=False))
    peak = peak_gib()
    rng = np.random.default_rng(1)
    chance = [judge(rows, rng.choice(LARGE, K, replace=False)) for _ in range(5)]
    print(f"{LARGE:,} x {DIMS} float32, k = {K}, lazy greedy, the kernel worked out tile by tile.\n")
    table("CPU seconds", "peak GiB", "GiB before", "GiB of all pairs", "value", "value of random sets")
    pairs = LARGE**2 * 4 / 2**30
    numbers = (f"{taken:.1f}", f"{peak:.2f}", f"{before:.2f}", f"{pairs:.1f}", f"{judge(rows, found.indices):.1f}")
    row(*numbers, f"{np.mean(chance):.1f} +- {np.std(chance, ddof=1):.1f}")
    return peak < LARGE_GIB


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="50,000 examples, ours alone")
    warnings.simplefilter("ignore")  # of the peers
    good = large() if parser.parse_args().large else beside()
    return 0 if good else failed("a value, a ratio or the memory is not what is promised")


if __name__ == "__main__":
    sys.exit(main())
