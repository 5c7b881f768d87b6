"""The laws of the best learning rate and batch, with 1000 bootstrap replicates: ours beside loops of SciPy and NumPy.

    OMP_NUM_THREADS=1 python benchmarks/batch_size.py --data DATA

The rows are the 129 runs of the sweep of arXiv:2503.04715 that lie within 0.25 % of the best of their cell, and the
resamples are of its 17 cells, drawn whole; everybody gets the same rows, and draws the same resamples by the same
function. Two laws are fitted by least squares of logarithms, of the learning rate over N and D and of the batch over D.

* ``scipy``: `scipy.optimize.least_squares` from the point optimum in each replicate, residuals of logarithms, its own
  numerical derivatives: what one writes for any law.
* ``curve_fit``: the same by `scipy.optimize.curve_fit`.
* ``lstsq``: `numpy.linalg.lstsq` in a loop, which a power law allows because it is linear in logarithms.

The data are not in this repository; `--data` names the folder that holds them, as for the reference tests. The run
fails (exit code 1) where a peer's coefficients differ from ours by more than a peer's tolerance explains, or where the
ratio to the scipy loop is below 20.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import curve_fit, least_squares

import scaling
from scaling.fitting.resample import _kept_counts, bootstrap_weights
from scaling.hyperparameters import find_cells, find_optima

Array = NDArray[np.float64]
REPLICATES = 1000
LEAST_RATIO = 20
BEST_OF = 5


class Law(NamedTuple):
    """One law: its name in the book, its inputs, what is observed, and the design of its logarithm."""

    name: str
    inputs: dict[str, Array]
    observed: Array
    design: Array


def read(folder: Path) -> tuple[tuple[Law, Law], NDArray[np.int64], NDArray[np.str_]]:
    """Read the sweep, and return both laws, the cell of each row and its label."""
    table = pd.read_csv(folder / "steplaw" / "dense_lr_bs_loss.csv")
    cells = find_cells(
        table.N, table.D, table.lr, table.bs, table["smooth loss"], context_length=2048, batch_unit="sequences"
    )
    best = find_optima(cells, "threshold")
    one, n, d = np.ones(best.n), np.log(best.n_params), np.log(best.n_tokens)
    lr = Law("optimal_learning_rate", {"N": best.n_params, "D": best.n_tokens}, best.lr, np.stack([one, n, d], axis=1))
    batch = Law("optimal_batch", {"D": best.n_tokens}, best.batch, np.stack([one, d], axis=1))
    return (lr, batch), best.group, np.array([f"{g:02d}" for g in best.group])


def seconds(work: Callable[[], object], repeat: int) -> tuple[float, object]:
    """CPU seconds of one thread, the best of several, and what came out."""
    best, out = np.inf, None
    for _ in range(repeat):
        start = time.process_time()
        out = work()
        best = min(best, time.process_time() - start)
    return best, out


def draw(group: NDArray[np.int64]) -> Array:
    """Draw the resamples, which the engine would keep from one call to the next."""
    _kept_counts.cache_clear()
    return bootstrap_weights(len(group), REPLICATES, 0, group)


def ours(laws: tuple[Law, ...], labels: NDArray[np.str_]) -> list[Array]:
    """The whole call of `scaling.fit`, with its screen, its diagnostics, its draws and its replicates."""
    _kept_counts.cache_clear()
    fits = [
        scaling.fit(x.name, x.inputs, x.observed, objective="squared", groups=labels, bootstrap=REPLICATES)
        for x in laws
    ]
    return [np.column_stack([np.log(f.replicates[:, 0]), f.replicates[:, 1:]]) for f in fits]


def scipy_loop(laws: tuple[Law, ...], weights: Array) -> list[Array]:
    """`least_squares` in every replicate, from the point optimum."""

    def refit(x: Law) -> Array:
        y = np.log(x.observed)

        def residuals(theta: Array, root: Array) -> Array:
            return root * (y - x.design @ theta)

        start = least_squares(residuals, np.zeros(x.design.shape[1]), args=(np.ones(len(y)),), x_scale="jac").x
        return np.array([least_squares(residuals, start, args=(np.sqrt(w),), x_scale="jac").x for w in weights])

    return [refit(x) for x in laws]


def curve_fit_loop(laws: tuple[Law, ...], weights: Array) -> list[Array]:
    """`curve_fit` in every replicate, the drawn rows copied."""

    def refit(x: Law) -> Array:
        y = np.log(x.observed)

        def curve(at: Array, *theta: float) -> Array:
            return at @ np.array(theta)

        start = curve_fit(curve, x.design, y, p0=np.zeros(x.design.shape[1]))[0]
        drawn = (np.repeat(np.arange(len(y)), w.astype(int)) for w in weights)
        return np.array([curve_fit(curve, x.design[rows], y[rows], p0=start)[0] for rows in drawn])

    return [refit(x) for x in laws]


def lstsq_loop(laws: tuple[Law, ...], weights: Array) -> list[Array]:
    """`numpy.linalg.lstsq` in every replicate."""

    def refit(x: Law) -> Array:
        y = np.log(x.observed)
        roots = np.sqrt(weights)
        return np.array([np.linalg.lstsq(x.design * r[:, None], y * r, rcond=None)[0] for r in roots])

    return [refit(x) for x in laws]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds steplaw/")
    laws, group, labels = read(parser.parse_args().data)

    first, _ = seconds(lambda: ours(laws, labels), 1)  # compiles the formulas, once a process
    warm, mine = seconds(lambda: ours(laws, labels), BEST_OF)
    peers: dict[str, tuple[Callable[[], list[Array]], int]] = {
        "scipy.optimize.least_squares, a loop": (lambda: scipy_loop(laws, draw(group)), 2),
        "scipy.optimize.curve_fit, a loop": (lambda: curve_fit_loop(laws, draw(group)), 2),
        "numpy.linalg.lstsq, a loop": (lambda: lstsq_loop(laws, draw(group)), BEST_OF),
    }
    print(f"Both laws, {len(group)} runs in {len(np.unique(group))} cells, {REPLICATES} draws of whole cells.")
    print("| tool | seconds | best of | ratio to ours | with our compilation | largest difference |")
    print("|---|---|---|---|---|---|")
    print(f"| scaling.fit, point fit, diagnostics and replicates | {warm:.3f} | {BEST_OF} | 1 | ({first:.3f} s) | |")
    bad = False
    for name, (work, repeat) in peers.items():
        took, found = seconds(work, repeat)
        # Exponents and logarithms of the amplitudes, in units of how far they scatter over the replicates.
        away = max(float(np.max(np.abs(a - b) / b.std(axis=0))) for a, b in zip(found, mine, strict=True))
        print(f"| {name} | {took:.3f} | {repeat} | {took / warm:.1f} | {took / first:.1f} | {away:.1e} |")
        bad |= away > 1e-3 or (name.startswith("scipy.optimize.least") and took / warm < LEAST_RATIO)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
