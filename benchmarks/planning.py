"""Hold the planner against chance, on runs that were really made.

A corpus starts with the cheapest fifth of its runs. The planner may buy further real runs for a share of what all the
others cost, chosen by N and D alone; each is then revealed and the law fitted to old and new. The forecast is held
against the largest runs of the corpus, which nobody could buy. Random choice spends the same on the same runs, over
many seeds. Prints a Markdown table.

    python benchmarks/planning.py FOLDER_OF_THE_REFERENCE_DATA [--seeds 40] [--law chinchilla]
"""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import scaling
from scaling.errors import ScalingError
from scaling.planning.designs import random_choice

Array = NDArray[np.float64]

START = 0.2  # of the runs, the cheapest
BUDGETS = (0.03, 0.1, 0.3)  # of the cost of the others
MAX_RUNS = 16


@dataclass(frozen=True)
class Pool:
    """Runs of one corpus: those that can be bought, and those to forecast."""

    name: str
    n: Array
    d: Array
    loss: Array
    target_n: Array
    target_d: Array
    target_loss: Array

    @property
    def cost(self) -> Array:
        """FLOP of each run."""
        return np.asarray(6 * self.n * self.d)


def read(path: Path) -> list[dict[str, str]]:
    """The rows of a table."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def loss_to_loss(folder: Path) -> list[Pool]:
    """The sweeps of six corpora, and for each the one run of a size that no sweep has."""
    sweep, largest = (read(folder / "loss_to_loss" / name) for name in ("sweep.csv", "extrapolation.csv"))
    pools = []
    for corpus in sorted({row["data"] for row in sweep}):
        parts = [
            [np.array([float(r[key]) for r in rows if r["data"] == corpus]) for key in ("params", "tokens", "val_loss")]
            for rows in (sweep, largest)
        ]
        pools.append(Pool(corpus, *parts[0], *parts[1]))
    return pools


def isoflops(folder: Path) -> list[Pool]:
    """IsoFLOP sets; the runs of the largest budget are the targets."""
    rows = read(folder / "isoflops_openathena" / "isoflops.csv")
    sets: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for row in rows:
        if row["outlier"] != "True":
            sets[row["experiment"]].append(tuple(float(row[key]) for key in ("N", "D", "loss", "C")))
    pools = []
    for name, table in sorted(sets.items()):
        n, d, loss, flop = np.array(table).T
        top = flop >= 0.99 * flop.max()
        pools.append(Pool(name, n[~top], d[~top], loss[~top], n[top], d[top], loss[top]))
    return pools


def error(pool: Pool, rows: NDArray[np.int64], law: str) -> float:
    """Root mean square error of ln loss at the targets, of a fit to some rows; NaN where it fails."""
    try:
        fit = scaling.fit(law, {"N": pool.n[rows], "D": pool.d[rows]}, pool.loss[rows], bootstrap=0)
    except ScalingError:
        return float("nan")
    predicted = fit.evaluate({"N": pool.target_n, "D": pool.target_d})[0]
    return float(np.sqrt(np.mean(np.log(predicted / pool.target_loss) ** 2)))


def measure(pool: Pool, share: float, law: str, seeds: int) -> tuple[float, Array, float, int, float]:
    """Errors of the plan, of random choices, and with nothing bought; runs bought, and the part of the budget spent."""
    order = np.argsort(pool.cost, kind="stable")
    cut = max(int(np.ceil(START * len(order))), 8)
    start, others = order[:cut], order[cut:]
    budget = share * float(pool.cost[others].sum())
    inputs = {"N": pool.n[start], "D": pool.d[start]}
    first = scaling.fit(law, inputs, pool.loss[start], bootstrap=400)
    plan = scaling.plan_runs(
        first, inputs, pool.loss[start], budget,
        target={"N": pool.target_n, "D": pool.target_d},
        candidates={"N": pool.n[others], "D": pool.d[others]}, repeats=False, max_runs=MAX_RUNS, simulations=2,
    )  # fmt: skip
    bought = [
        int(i)
        for run in plan.runs
        for i in others[(pool.n[others] == run.n_params) & (pool.d[others] == run.n_tokens)][: run.runs]
    ]
    affordable = others[pool.cost[others] <= budget]
    random = []
    for seed in range(seeds):
        drawn = random_choice(np.random.default_rng(seed), pool.cost[affordable], budget, MAX_RUNS, repeats=False)
        random.append(error(pool, np.concatenate([start, affordable[drawn]]), law))
    planned = error(pool, np.concatenate([start, np.array(bought, dtype=np.int64)]), law)
    return planned, np.array(random), error(pool, start, law), len(bought), plan.spent_flop / budget


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=40)
    parser.add_argument("--law", default="chinchilla")
    asked = parser.parse_args()
    print("| runs | budget | bought | nothing bought | plan | random, median | random, 16 to 84 % | plan beats |")
    print("|---|---|---|---|---|---|---|---|")
    better, ratios = [], []
    for pool in [*loss_to_loss(asked.folder), *isoflops(asked.folder)]:
        for share in BUDGETS:
            plan, random, nothing, bought, _ = measure(pool, share, asked.law, asked.seeds)
            known = random[np.isfinite(random)]
            low, middle, high = np.quantile(known, [0.16, 0.5, 0.84])
            better.append(float(np.mean(known > plan)))
            ratios.append(plan / middle)
            cells = (pool.name, f"{100 * share:g} %", str(bought), f"{100 * nothing:.2f} %", f"{100 * plan:.2f} %",
                     f"{100 * middle:.2f} %", f"{100 * low:.2f} to {100 * high:.2f} %",
                     f"{100 * better[-1]:.0f} %")  # fmt: skip
            print("| " + " | ".join(cells) + " |", flush=True)
    print(
        f"\nOver {len(better)} cases the plan beats {100 * np.mean(better):.0f} % of the random choices on average, "
        f"and its error is {np.exp(np.mean(np.log(ratios))):.2f} times the median random one (geometric mean)."
    )


if __name__ == "__main__":
    main()
