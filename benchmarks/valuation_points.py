"""KNN-Shapley beside pyDVL; a part of `valuation.py`.

Both get the same points: 10,000 Gaussian rows of 64 dimensions with labels of ten classes, and 200 tests, k = 5.
``pyDVL`` runs its KNNShapleyValuation on a scikit-learn classifier of k neighbours with brute-force search, which
scikit-learn chooses itself for 64 dimensions; progress bars are off, and there is one process. Seconds are CPU seconds
of one thread, the best of several runs after one that warms up; imports are in none. The run fails (exit code 1) where
a value differs from pyDVL's by more than 1e-12, or where the ratio is below 10.
"""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from numpy.typing import NDArray
from valuation_timing import failed, row, seconds, table

from scaling.valuation.points.nearest import knn_banzhaf, knn_shapley

LEAST_RATIO, SAME = 10, 1e-12
N, LARGE, TESTS, DIMS, CLASSES, K = 10_000, 50_000, 200, 64, 10, 5
Points = tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]


def points(n: int, tests: int, kind: type = np.float64) -> Points:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(CLASSES, DIMS))
    y, y_test = rng.integers(0, CLASSES, n), rng.integers(0, CLASSES, tests)
    X = centres[y] + 3 * rng.normal(size=(n, DIMS))
    X_test = centres[y_test] + 3 * rng.normal(size=(tests, DIMS))
    return X.astype(kind), y, X_test.astype(kind), y_test


def peer(given: Points) -> NDArray[np.float64]:
    from pydvl.valuation import Dataset, KNNShapleyValuation
    from sklearn.neighbors import KNeighborsClassifier

    X, y, X_test, y_test = given
    valuation = KNNShapleyValuation(
        KNeighborsClassifier(n_neighbors=K, algorithm="brute"), Dataset(X_test, y_test), progress=False
    )
    return np.asarray(valuation.fit(Dataset(X, y)).result.values)


def main() -> int:
    warnings.simplefilter("ignore")  # of what pyDVL imports
    given, single = points(N, TESTS), points(N, TESTS, np.float32)
    knn_shapley(*given, K)
    peer(points(100, 2))
    ours, values = seconds(lambda: knn_shapley(*given, K), 7)
    theirs, expected = seconds(lambda: peer(given), 3)
    difference = float(np.max(np.abs(values - expected)))
    print(f"{N:,} examples, {TESTS} tests, {DIMS} dimensions, k = {K}.\n")
    table("program", "seconds", "best of", "ratio", "promised", "largest difference")
    row("`knn_shapley`", f"{ours:.3f}", "7", "1", "", "")
    row("pyDVL", f"{theirs:.2f}", "3", f"{theirs / ours:.1f}", f"{LEAST_RATIO}", f"{difference:.1e}")
    for name, work in (
        ("`knn_shapley`, float32", lambda: knn_shapley(*single, K)),
        ("`knn_shapley`, regression", lambda: knn_shapley(*given, K, task="regression")),
        ("`knn_banzhaf`", lambda: knn_banzhaf(*given, K)),
    ):
        row(name, f"{seconds(work, 3)[0]:.3f}", "3", "", "", "")
    large = points(LARGE, TESTS)
    row(f"`knn_shapley`, {LARGE:,} examples", f"{seconds(lambda: knn_shapley(*large, K))[0]:.2f}", "1", "", "", "")
    good = difference <= SAME and theirs >= LEAST_RATIO * ours
    return 0 if good else failed("the values differ, or the ratio is below what is promised")


if __name__ == "__main__":
    sys.exit(main())
