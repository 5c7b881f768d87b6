"""Maps between the losses of six corpora: how long they take beside the published procedure, and how often they hold.

Two questions on the sweep of arXiv:2411.12925 (76 to 86 pairs of runs for each of 30 pairs of corpora):

    python benchmarks/loss_to_loss.py speed --data DATA
    python benchmarks/loss_to_loss.py coverage --data DATA

`speed` fits every form of map to all 30 pairs with 1000 bootstrap replicates each, and lets the published procedure,
re-enacted with SciPy, do the same; it has no intervals of its own, so it is run again on resampled rows, on part of
them, and scaled in proportion. `coverage` holds the forecasts of 1e21 FLOP, twenty times the largest budget of any
pair, against what was measured there. The data are not in this repository; `--data` names the folder that holds them,
as for the reference tests. Set OMP_NUM_THREADS=1.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

import scaling
from scaling.loss_to_loss import Floor, fit_pairs, map_law
from scaling.loss_to_loss.maps import map_objective
from scaling.width import parts_of

sys.path.insert(0, str(Path(__file__).parent))
from peers import notebook

Array = NDArray[np.float64]
BOOTSTRAP = 1000
LEVEL = 0.9


class Pair(NamedTuple):
    """Paired losses of two corpora, or of one and a test set, and the large run."""

    source: str
    target: str
    x: Array
    y: Array
    budget: Array
    floor_x: float
    floor_y: float
    large_x: float
    large_y: float


def read(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read the sweep, the large runs and the published fits."""
    place = folder / "loss_to_loss"
    sweep, large, fits = (pd.read_csv(place / f"{n}.csv") for n in ("sweep", "extrapolation", "opt_params_data"))
    return sweep, large.set_index("data"), fits[fits.kaplan].set_index(["data", "loss_name"])


def corpus_pairs(folder: Path) -> Iterator[Pair]:
    """All ordered pairs of corpora, by their own held-out losses."""
    sweep, large, fits = read(folder)
    for one, other in permutations(sorted(sweep.data.unique()), 2):
        both = sweep[sweep.data == one].merge(sweep[sweep.data == other], on="tokens", suffixes=("_one", "_other"))
        yield Pair(
            one, other, both.val_loss_one.to_numpy(), both.val_loss_other.to_numpy(), both.iso_flop_one.to_numpy(),
            float(fits.loc[(one, "val_loss"), "E"]), float(fits.loc[(other, "val_loss"), "E"]),
            float(large.val_loss[one]), float(large.val_loss[other]),
        )  # fmt: skip


def test_pairs(folder: Path) -> Iterator[Pair]:
    """From the loss on its own corpus to every other loss of the same run."""
    sweep, large, fits = read(folder)
    for corpus in sorted(sweep.data.unique()):
        runs = sweep[sweep.data == corpus]
        for loss in fits.index.get_level_values(1).unique():
            if not np.array_equal(runs[loss], runs.val_loss):
                yield Pair(
                    corpus, loss, runs.val_loss.to_numpy(), runs[loss].to_numpy(), runs.iso_flop.to_numpy(),
                    float("nan"), float("nan"), float(large.val_loss[corpus]), float(large[loss][corpus]),
                )  # fmt: skip


class Row(NamedTuple):
    """One form of map: what is known, and how the peer fits it."""

    form: str
    known_x: bool = False
    known_y: bool = False
    peer: Callable[..., Array] | None = None
    replicates: int = 0  # that the peer is given


FORMS = {
    "shifted power, both floors known": Row("shifted_power", True, True, notebook.between_floors, 100),
    "shifted power, floor of x known": Row("shifted_power", True, False, notebook.above_one_floor, 20),
    "shifted power, no floor known": Row("shifted_power", peer=notebook.without_floors),
    "power with a floor of y": Row("offset_power"),
    "straight line of logarithms": Row("log_log", peer=notebook.line_of_logarithms, replicates=100),
    "straight line": Row("affine", peer=notebook.straight_line, replicates=100),
    "parabola": Row("quadratic", peer=notebook.parabola, replicates=100),
    "parabola of logarithms": Row("log_quadratic", peer=notebook.parabola_of_logarithms, replicates=100),
}


def seconds(work: Callable[..., object], *arguments: object, **settings: object) -> float:
    """CPU seconds of one thread."""
    start = time.process_time()
    work(*arguments, **settings)
    return time.process_time() - start


def again(peer: Callable[..., Array], p: Pair, count: int) -> None:
    """Let a peer fit resampled rows."""
    random = np.random.default_rng(0)
    for _ in range(count):
        rows = random.integers(len(p.x), size=len(p.x))
        peer(p.x[rows], p.y[rows], p.floor_x, p.floor_y)


def speed(folder: Path) -> None:
    """Print how long all forms of all 30 pairs take."""
    pairs = list(corpus_pairs(folder))
    for row in FORMS.values():  # formulas are compiled once a process
        scaling.fit(map_law(row.form), {"x": pairs[0].x}, pairs[0].y, objective="squared", bootstrap=0)
    print(f"{len(pairs)} pairs of corpora, {BOOTSTRAP} bootstrap replicates each; CPU seconds, one thread.")
    print("| map | ours, point and replicates | peer, point | peer, replicates (scaled from) | ratio |")
    print("|---|---|---|---|---|")
    total = 0.0
    for name, row in FORMS.items():
        ours = theirs = replicates = 0.0
        for p in pairs:
            floors = (Floor(p.floor_x) if row.known_x else None, Floor(p.floor_y) if row.known_y else None)
            law, goal = map_law(row.form, *floors), map_objective(row.form, *floors)
            ours += seconds(scaling.fit, law, {"x": p.x}, p.y, objective=goal, bootstrap=BOOTSTRAP)
            if row.peer is not None:
                theirs += seconds(row.peer, p.x, p.y, p.floor_x, p.floor_y)
                replicates += seconds(again, row.peer, p, row.replicates)
        total += ours
        if row.peer is None:
            print(f"| {name} | {ours:.2f} | - | - | - |")
            continue
        scaled = replicates * BOOTSTRAP / row.replicates if row.replicates else theirs * BOOTSTRAP
        origin = row.replicates or "the point fits"
        print(f"| {name} | {ours:.2f} | {theirs:.3f} | {scaled:.1f} ({origin}) | {(theirs + scaled) / ours:.1f} |")
    print(f"All forms together, ours: {total:.1f} s.")
    sweep, *_ = read(folder)
    ours = theirs = 0.0
    for corpus in sorted(sweep.data.unique()):
        runs = sweep[sweep.data == corpus]
        n, d, loss = (runs[c].to_numpy(float) for c in ("params", "tokens", "val_loss"))
        ours += seconds(scaling.fit, "kaplan", {"N": n, "D": d}, loss, bootstrap=0)
        theirs += seconds(notebook.law_of_size_and_data, n, d, loss)
    print(f"The law behind a floor, 6 corpora, point alone: ours {ours:.2f} s, peer {theirs:.2f} s, "
          f"ratio {theirs / ours:.1f}.")  # fmt: skip


def coverage(folder: Path) -> None:
    """Print how often intervals of forecasts at 1e21 FLOP held what was measured."""
    print(f"Forecasts of 1e21 FLOP from budgets up to 4.84e19; x measured; nominal {100 * LEVEL:g} %.")
    print("| maps | forecasts | mean error, % | median error, % | interval of | covered, % | mean half width, % |")
    print("|---|---|---|---|---|---|---|")
    everything = list(test_pairs(folder))
    groups = {
        "train to train, 30 pairs of corpora": list(corpus_pairs(folder)),
        "train to test, losses on other corpora": [p for p in everything if p.target.startswith("eval/") and
                                                   p.target.endswith("_val/CrossEntropyLoss")],
        "train to test, losses on tasks": [p for p in everything if "downstream" in p.target or "suite" in p.target],
    }  # fmt: skip
    for name, pairs in groups.items():
        rows = []
        refused = 0
        for p in pairs:
            fit = fit_pairs(p.x, p.y, budget=p.budget, bootstrap=BOOTSTRAP)
            if fit.verdict == "not identified":
                refused += 1
                continue
            target = {"x": np.array([p.large_x])}
            said = fit.predict(target, level=LEVEL)
            parts = parts_of(fit, target, LEVEL, "run")
            mean = float(said.mean[0])
            log = fit.objective.residual == "log"
            row = [abs(mean / p.large_y - 1)]
            for kept in (("parameters",), ("parameters", "noise"), tuple(parts)):
                half = float(np.sqrt(sum(parts[k][0][0] ** 2 for k in kept)))
                low, high = (mean * np.exp(-half), mean * np.exp(half)) if log else (mean - half, mean + half)
                row += [float(low <= p.large_y <= high), (high - low) / 2 / p.large_y]
            rows.append(row)
        table = 100 * np.array(rows)
        for k, what in enumerate(("parameters (bootstrap alone)", "and scatter", "all parts")):
            held, width = table[:, 1 + 2 * k], table[:, 2 + 2 * k]
            print(f"| {name} | {len(rows)} | {table[:, 0].mean():.2f} | {np.median(table[:, 0]):.2f} | {what} | "
                  f"{held.mean():.0f} | {width.mean():.2f} |")  # fmt: skip
        if refused:
            print(f"| {name} | {refused} refused | | | target rises or no longer falls with compute | | |")


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "coverage"))
    parser.add_argument("--data", type=Path, required=True, help="Folder with loss_to_loss/sweep.csv and the others.")
    asked = parser.parse_args()
    (speed if asked.what == "speed" else coverage)(asked.data)


if __name__ == "__main__":
    main()
