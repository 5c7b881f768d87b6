"""Which models to evaluate for part of the money: designs held against random choice, on two public tables.

A period's models are the pool, their parameters the cost. Each design chooses for a share of the cost, the boundary of
the chosen models is fitted (tau 0.98, kappa 50, ridge 1e-3, as arXiv:2602.15327) and held against that of all models,
and against the scores of the next period. Means over six tasks and three periods; standard errors over draws of all
of it together. The exponent and the bins of the default were chosen on these tables. Prints Markdown.

    python benchmarks/evaluation_design.py FOLDER_OF_THE_REFERENCE_DATA [--draws 20] [--budgets 5 10 20 50]
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.design import compare_designs
from scaling.boundary.design.comparison import MEASURES

Array = NDArray[np.float64]

LEADERBOARD = ("IFEval Raw", "BBH Raw", "MATH Lvl 5 Raw", "GPQA Raw", "MUSR Raw", "MMLU-PRO Raw")
PROTEUS = ("ifeval_inst_strict", "bbh", "math_hard", "gpqa", "musr", "mmlu_pro")
PERIODS = ("P1", "P2", "P3", "P4")
WAYS: dict[str, tuple[str, Mapping[str, Any]]] = {
    "stratified (default)": ("stratified", {}),
    "stratified, the same money in 10 bins": ("stratified", {"n_bins": 10, "exponent": 0, "ends": False}),
    "stratified, one of each base model first": ("stratified", {"by_group": True}),
    "random": ("random", {}),
    "random, stopping at the first too dear": ("random", {"fill": False}),
    "I-optimal, balanced": ("i_optimal", {}),
    "D-optimal": ("d_optimal", {}),
}


@dataclass(frozen=True)
class Period:
    """Models of one period."""

    z: Array
    cost: Array
    base: NDArray[np.str_]
    scores: dict[str, Array]


def read(path: Path, tasks: tuple[str, ...], cost: str, base: str, period: str) -> dict[str, Period]:
    """Models with compute, by period."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["compute_flop"] and r[cost] and float(r["compute_flop"]) > 0]
    out = {}
    for name in PERIODS:
        part = [r for r in rows if r[period] == name]
        out[name] = Period(
            np.log10([float(r["compute_flop"]) for r in part]),
            np.array([float(r[cost]) for r in part]),
            np.array([r[base] for r in part]),
            {task: np.array([float(r[task]) for r in part]) for task in tasks},
        )
    return out


def leaderboard(folder: Path) -> dict[str, Period]:
    """The Open LLM Leaderboard, second version."""
    file = folder / "prescriptive" / "derived" / "oll_v2_recon_with_tokens.csv"
    return read(file, LEADERBOARD, "#Params (B)", "Identified base model", "period4")


def proteus(folder: Path) -> dict[str, Period]:
    """Models of the same benchmarks, evaluated anew by arXiv:2602.15327."""
    file = folder / "prescriptive" / "derived" / "proteus_2k_slim.csv"
    return read(file, PROTEUS, "num_params_B", "mapped_base_model", "period")


def measure(
    table: Mapping[str, Period], design: str, settings: Mapping[str, Any], share: float, draws: int, seed: int = 0,
    **fit: Any,
) -> dict[str, tuple[float, float]]:  # fmt: skip
    """Mean and standard error of each measure over tasks and periods; and of the models chosen."""
    values: dict[str, list[Array]] = {}
    models = []
    for train, test in pairwise(PERIODS):
        pool, later = table[train], table[test]
        for task in pool.scores:
            found = compare_designs(
                pool.z, pool.cost, pool.scores[task], share, groups=pool.base,
                test_log10_compute=later.z, test_score=later.scores[task], designs=(design,),
                settings={design: settings}, draws=draws, seed=seed, **(fit or {"preset": "zhang2026"}),
            ).trial(design)  # fmt: skip
            models.append(found.models)
            for name, column in found.values.items():
                values.setdefault(name, []).append(np.array(column))
    means = {name: np.mean(columns, axis=0) for name, columns in values.items()}
    out = {name: (float(m.mean()), float(m.std(ddof=1) / np.sqrt(len(m)))) for name, m in means.items()}
    return {"models": (float(np.mean(models)), 0.0), **out}


def _cell(name: str, mean: float, se: float) -> str:
    digits = 5 if "pinball" in MEASURES[name] else 4
    return f"{mean:.{digits}f} ± {se:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--budgets", type=float, nargs="+", default=[5, 10, 20, 50], metavar="PERCENT")
    parser.add_argument("--sharp", action="store_true", help="fit by the defaults of the boundary, not by the preset")
    args = parser.parse_args()
    shown = [m for m in MEASURES if not m.startswith("smoothed_in")]
    for title, table in (("Open LLM Leaderboard", leaderboard(args.folder)), ("Proteus", proteus(args.folder))):
        print(f"\n{title}\n\n| % | design | models | {' | '.join(MEASURES[m] for m in shown)} |")
        print("|---|---|---|" + "---|" * len(shown))
        for percent in args.budgets:
            for name, (design, settings) in WAYS.items():
                fit = {"tau": 0.98} if args.sharp else {}
                found = measure(table, design, settings, percent / 100, args.draws, **fit)
                cells = [_cell(m, *found[m]) for m in shown]
                print(f"| {percent:g} | {name} | {found['models'][0]:.0f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
