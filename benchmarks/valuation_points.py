"""KNN-Shapley beside pyDVL, and scores of millions of examples that come in shards.

    OMP_NUM_THREADS=1 python benchmarks/valuation_points.py            # beside pyDVL, in an environment that has it
    OMP_NUM_THREADS=1 python benchmarks/valuation_points.py --shards   # 10,000,000 x 64 a shard at a time, ours alone

Both get the same points: 10,000 Gaussian rows of 64 dimensions with labels of ten classes, and 200 tests, k = 5.
``pyDVL`` runs its KNNShapleyValuation on a scikit-learn classifier of k neighbours with brute-force search, which
scikit-learn chooses itself for 64 dimensions; progress bars are off, and there is one process. Seconds are CPU seconds
of one thread, the best of several runs after one that warms up; imports are in none. The run fails (exit code 1) where
a value differs from pyDVL's by more than 1e-12, or where the ratio is below 10.

With ``--shards`` rows are made shard by shard from the number of the shard, so that nothing but the score needs memory;
the seconds of making them are taken off. Peak memory is that of the whole process, after each score.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.valuation.points.nearest import knn_banzhaf, knn_shapley
from scaling.valuation.points.sharded import plan_scores, score_shards

LEAST_RATIO = 10
N, TESTS, DIMS, CLASSES, K = 10_000, 200, 64, 10, 5
Points = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


def points(n: int, tests: int, kind: type = np.float64) -> Points:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CLASSES, DIMS))
    y, y_test = rng.integers(0, CLASSES, n), rng.integers(0, CLASSES, tests)
    X = centres[y] + 3 * rng.normal(size=(n, DIMS))
    X_test = centres[y_test] + 3 * rng.normal(size=(tests, DIMS))
    return X.astype(kind), y, X_test.astype(kind), y_test


def seconds(work: Callable[[], Any], repeat: int) -> tuple[float, Any]:
    """CPU seconds of one thread, the best of several, and what came out."""
    best, out = np.inf, None
    for _ in range(repeat):
        start = time.process_time()
        out = work()
        best = min(best, time.process_time() - start)
    return best, out


def peer(given: Points) -> NDArray[np.float64]:
    from pydvl.valuation import Dataset, KNNShapleyValuation
    from sklearn.neighbors import KNeighborsClassifier

    X, y, X_test, y_test = given
    valuation = KNNShapleyValuation(
        KNeighborsClassifier(n_neighbors=K, algorithm="brute"), Dataset(X_test, y_test), progress=False
    )
    return np.asarray(valuation.fit(Dataset(X, y)).result.values)


def beside() -> int:
    given = points(N, TESTS)
    knn_shapley(*given, K)
    ours, values = seconds(lambda: knn_shapley(*given, K), 5)
    peer(points(100, 2))
    theirs, expected = seconds(lambda: peer(given), 2)
    difference = float(np.max(np.abs(values - expected)))
    print(f"n = {N}, {TESTS} tests, {DIMS} dimensions, k = {K}; CPU seconds of one thread\n")
    print("| program | seconds | ratio | largest difference |\n|---|---|---|---|")
    print(f"| knn_shapley | {ours:.3f} | 1 | |")
    print(f"| pyDVL | {theirs:.2f} | {theirs / ours:.1f} | {difference:.1e} |")
    single = points(N, TESTS, np.float32)
    print(f"\nfloat32: {seconds(lambda: knn_shapley(*single, K), 3)[0]:.3f} s; ", end="")
    print(f"Banzhaf: {seconds(lambda: knn_banzhaf(*given, K), 3)[0]:.3f} s; ", end="")
    regression = seconds(lambda: knn_shapley(*given, K, task="regression"), 3)[0]
    print(f"regression: {regression:.3f} s; ", end="")
    print(f"n = 50000: {seconds(lambda: knn_shapley(*points(50_000, TESTS), K), 1)[0]:.2f} s")
    if difference > 1e-12 or theirs / ours < LEAST_RATIO:
        print("FAILED: the values differ, or the ratio is too low", file=sys.stderr)
        return 1
    return 0


class Made:
    """Rows that are made from the number of their shard."""

    def __init__(self, n: int, m: int, size: int) -> None:
        self.n, self.m, self.size, self.spent = n, m, size, 0.0

    def __len__(self) -> int:
        return (self.n + self.size - 1) // self.size

    def rows(self, i: int) -> NDArray[np.float32]:
        """Make shard i."""
        start = time.process_time()
        rng = np.random.Generator(np.random.SFC64(i))
        made = rng.standard_normal((min(self.size, self.n - i * self.size), self.m), np.float32)
        made[:, :4] += 2
        self.spent += time.process_time() - start
        return made

    def gather(self, indices: NDArray[np.intp]) -> NDArray[np.float32]:
        """Make the shards that hold these rows, and take them."""
        parts = np.split(indices, np.searchsorted(indices, np.arange(1, len(self)) * self.size))
        return np.concatenate([self.rows(i)[p - i * self.size] for i, p in enumerate(parts) if len(p)])


def shards(n: int) -> int:
    print(f"{n} x {DIMS} float32 in shards of 262144 rows; CPU seconds of one thread without making the rows\n")
    print("| score | fit | score | rows a second | peak memory, GiB |\n|---|---|---|---|---|")
    queries = np.random.default_rng(1).normal(size=(16, DIMS))
    for method in ("similarity", "leverage", "prototype", "color"):
        source = Made(n, 2 if method == "color" else DIMS, 262_144)
        start = time.process_time()
        plan = plan_scores(method, source, queries=queries, k=100, sample=20_000)
        fit = time.process_time() - start - source.spent
        source.spent, start, seen = 0.0, time.process_time(), 0
        for _, scores in score_shards(plan, source):
            seen += int(np.isfinite(scores).sum())
        spent = time.process_time() - start - source.spent
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(f"| {method} | {fit:.1f} | {spent:.1f} | {n / spent:.2e} | {peak:.2f} |")
        if seen != n:
            print(f"FAILED: {seen} scores", file=sys.stderr)
            return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", action="store_true", help="score examples in shards instead")
    parser.add_argument("--n", type=int, default=10_000_000, help="examples in all shards")
    given = parser.parse_args()
    return shards(given.n) if given.shards else beside()


if __name__ == "__main__":
    sys.exit(main())
