"""Which models to evaluate for part of the money: designs held against random choice, on two public tables.

A period's models are the pool, their parameters the cost. Each design chooses for a share of the cost, the boundary of
the chosen models is fitted (tau 0.98, kappa 50, ridge 1e-3, as arXiv:2602.15327) and held against that of all models,
and against the scores of the next period. Means over six tasks and three periods; standard errors over draws of all
of it together. The default was chosen on these tables, so the fourth period stands beside them. Prints Markdown.

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

import scaling.boundary
from scaling.boundary.design import choose_models, compare_designs
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


def last_period(table: Mapping[str, Period], share: float, draws: int) -> dict[str, tuple[float, float]]:
    """Distance from the curve of all models of the fourth period, which was no pool while the default was chosen."""
    pool = table[PERIODS[-1]]
    curves: dict[str, list[Array]] = {}
    for score in pool.scores.values():
        found = compare_designs(
            pool.z, pool.cost, score, share, preset="zhang2026", designs=("stratified", "i_optimal"), draws=draws
        )
        for trial in found.trials:
            curves.setdefault(trial.name, []).append(np.array(trial.values["curve"]))
    means = {name: np.mean(columns, axis=0) for name, columns in curves.items()}
    return {name: (float(m.mean()), float(m.std(ddof=1) / np.sqrt(len(m)))) for name, m in means.items()}


def bought_later(table: Mapping[str, Period], start: str, design: str, draws: int) -> tuple[float, float]:
    """Distance from the curve where 5 % of the cost is known and 15 % more is spent by a design."""
    out = np.zeros(draws)
    for period in PERIODS[:-1]:
        pool = table[period]
        grid = np.linspace(pool.z.min(), pool.z.max(), 400)
        full = {
            task: scaling.boundary.fit(pool.z, score, preset="zhang2026").predict(grid)
            for task, score in pool.scores.items()
        }
        for seed in range(draws):
            if start == "random":
                known = choose_models(pool.z, pool.cost, 0.05, "random", seed=100 + seed).chosen
            else:
                order = np.lexsort((np.random.default_rng(seed).random(len(pool.z)), pool.cost))
                known = order[np.cumsum(pool.cost[order]) <= 0.05 * pool.cost.sum()]
            more = choose_models(pool.z, pool.cost, 0.15, design, known=known, seed=seed).chosen
            rows = np.union1d(known, more)
            at = np.clip(grid, pool.z[rows].min(), pool.z[rows].max())
            for task, score in pool.scores.items():
                mine = scaling.boundary.fit(pool.z[rows], score[rows], preset="zhang2026").predict(at)
                out[seed] += np.mean(np.abs(mine - full[task])) / (len(PERIODS) - 1) / len(pool.scores)
    return float(out.mean()), float(out.std(ddof=1) / np.sqrt(draws))


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
    tables = {"Open LLM Leaderboard": leaderboard(args.folder), "Proteus": proteus(args.folder)}
    for title, table in tables.items():
        print(f"\n{title}\n\n| % | design | models | {' | '.join(MEASURES[m] for m in shown)} |")
        print("|---|---|---|" + "---|" * len(shown))
        for percent in args.budgets:
            for name, (design, settings) in WAYS.items():
                fit = {"tau": 0.98} if args.sharp else {}
                found = measure(table, design, settings, percent / 100, args.draws, **fit)
                cells = [_cell(m, *found[m]) for m in shown]
                print(f"| {percent:g} | {name} | {found['models'][0]:.0f} | {' | '.join(cells)} |", flush=True)
        print("\nFourth period, distance from the curve\n")
        for percent in args.budgets:
            cells = [
                f"{name} {_cell('curve', *v)}" for name, v in last_period(table, percent / 100, args.draws).items()
            ]
            print(f"* {percent:g} %: {'; '.join(cells)}", flush=True)
    print("\n5 % of the cost known, 15 % more bought, leaderboard: distance from the curve\n")
    for start in ("random", "cheapest"):
        for design in ("stratified", "random"):
            found = bought_later(tables["Open LLM Leaderboard"], start, design, args.draws)
            print(f"* known: {start}, bought: {design}: {_cell('curve', *found)}", flush=True)


if __name__ == "__main__":
    main()
