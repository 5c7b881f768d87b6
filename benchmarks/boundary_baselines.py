"""Boundaries held against the next period beside every baseline, on a public leaderboard. Prints Markdown.

Six tasks of the Open LLM Leaderboard and the three steps between the four periods of arXiv:2602.15327: fitted to one
period, scored on the models of the next within the compute that was seen. Means over the 18 steps.

    python benchmarks/boundary_baselines.py FOLDER_OF_THE_REFERENCE_DATA
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

import scaling.boundary
from scaling.boundary.evaluation import combine, forecast_chances, measure_reliability, recalibrate
from scaling.boundary.evaluation.baselines import NAMES

TASKS = ("IFEval", "BBH", "MATH Lvl 5", "GPQA", "MUSR", "MMLU-PRO")
HEAD = (
    "exact",
    "smoothed",
    "skill",
    "ratio to bins",
    "below",
    "error, bins of the fitted",
    "signed",
    "own bins",
    "signed",
)


def load(folder: Path) -> Any:
    """Read the leaderboard: one row a model with compute."""
    import pandas as pd

    table = pd.read_csv(folder / "prescriptive" / "derived" / "oll_v2_recon_with_tokens.csv", low_memory=False)
    table = table[table.compute_flop > 0].copy()
    table["z"] = np.log10(table.compute_flop)
    return table


def measure(board: Any, **settings: Any) -> tuple[Any, Any]:
    """Back-test all tasks, in either kind of bins."""
    made = []
    for bins in ("train_overlap", "test_fixed"):
        args = {"groups": board["Identified base model"], "bins": bins} | settings
        made.append(
            combine({t: scaling.boundary.backtest(board.z, board[f"{t} Raw"], board.period4, **args) for t in TASKS})
        )
    return made[0], made[1]


def table(overlap: Any, fixed: Any, part: str) -> None:
    """Print the means of every model."""
    print("| boundary | " + " | ".join(HEAD if part == "means" else HEAD[:7]) + " |")
    print("|---" * (1 + len(HEAD if part == "means" else HEAD[:7])) + "|")
    for model, m in getattr(overlap, part).items():
        own = getattr(fixed, part)[model]
        cells = [
            f"{m['pinball']:.5f}",
            f"{m['smoothed_pinball']:.5f}",
            f"{m['skill']:.3f}",
            f"{m['ratio_to_binned']:.3f}",
            f"{m['coverage']:.4f}",
            f"{m['coverage_error']:.4f}",
            f"{m['signed_coverage_error']:+.4f}",
        ]
        if part == "means":
            cells += [f"{own['coverage_error']:.4f}", f"{own['signed_coverage_error']:+.4f}"]
        print(f"| {NAMES.get(model, model)} | " + " | ".join(cells) + " |")
    print()


def steps(made: Any) -> None:
    """Print each step of the forecast."""
    print("| step | margin | exact pinball | skill | below | error by bins, signed |\n|---|---|---|---|---|---|")
    for row in made:
        print(
            f"| {row.train} > {row.test[-2:]} | {row.margin:.3f} | {row.pinball:.5f} ± {row.pinball_se:.5f} | "
            f"{row.skill:.2f} | {row.coverage:.3f} | {row.coverage_error:.4f}, {row.signed_coverage_error:+.4f} |"
        )
    print()


def calibration(board: Any) -> None:
    """Print how forecast chances of scores came true, and what recalibration did."""
    made = {
        t: forecast_chances(board.z, board[f"{t} Raw"], board.period4, groups=board["Identified base model"])
        for t in TASKS
    }
    pooled = [
        np.concatenate([getattr(c, name) for c in made.values()]) for name in ("probability", "outcome", "groups")
    ]
    rows = {t: c.reliability() for t, c in made.items()} | {"all tasks": measure_reliability(*pooled)}
    print(
        "| task | Brier | miscalibration | discrimination | calibration error | of right ones | p |\n"
        + "|---" * 7
        + "|"
    )
    for task, r in rows.items():
        print(
            f"| {task} | {r.brier.score:.3f} | {r.brier.miscalibration:.4f} | {r.brier.discrimination:.4f} | "
            f"{r.calibration_error:.3f} ({r.low:.3f} to {r.high:.3f}) | {r.expected:.3f} | {r.p_value:.2f} |"
        )
    print("\n| task | period | method | gain of the Brier score | |\n|---|---|---|---|---|")
    for task, c in made.items():
        for s in recalibrate(c.probability, c.outcome, c.period, c.groups).steps:
            print(f"| {task} | {s.test} | {s.method} | {s.gain:+.4f} ± {s.gain_se:.4f} | {s.helped} |")


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    board = load(parser.parse_args().folder)
    overlap, fixed = measure(board)
    print("Periods to come\n")
    table(overlap, fixed, "means")
    print("Models fitted\n")
    table(overlap, fixed, "within")
    steps(overlap)
    for what, settings in {
        "all periods so far": {"mode": "cumulative"},
        "no base models known": {"groups": None},
    }.items():
        one, two = measure(board, baselines=["zhang2026"], **settings)
        print(f"{what}\n")
        table(one, two, "means")
    calibration(board)


if __name__ == "__main__":
    main()
