"""The planner on runs that were really made: the sweeps of arXiv:2411.12925, forecasting the one larger run of each."""

from __future__ import annotations

import csv
from typing import Any

import numpy as np
import pytest

import scaling
from scaling.planning.designs import random_choice

pytestmark = pytest.mark.reference

CORPORA = ("fineweb-100b", "fineweb-edu-100b", "proof-pile-2", "slimpajama-chunk1", "smollm-corpus", "starcoder")
SHARE, MAX_RUNS, SEEDS = 0.3, 16, 15


@pytest.fixture(scope="module")
def tables(reference: Any) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The sweep, and the larger runs."""
    found = []
    for name in ("sweep.csv", "extrapolation.csv"):
        with reference("loss_to_loss", name).open(encoding="utf-8", newline="") as file:
            found.append(list(csv.DictReader(file)))
    return found[0], found[1]


def columns(rows: list[dict[str, str]], corpus: str) -> list[np.ndarray]:
    chosen = [row for row in rows if row["data"] == corpus]
    return [np.array([float(row[key]) for row in chosen]) for key in ("params", "tokens", "val_loss")]


def errors(corpus: str, tables: tuple[list[dict[str, str]], list[dict[str, str]]]) -> tuple[float, np.ndarray, int]:
    """Error of ln loss at the larger run: with the plan's runs, with random ones; and how many the plan has."""
    n, d, loss = columns(tables[0], corpus)
    [[big_n], [big_d], [big_loss]] = columns(tables[1], corpus)
    cost = 6 * n * d
    order = np.argsort(cost, kind="stable")
    start, others = np.split(order, [len(order) // 5])
    budget = SHARE * float(cost[others].sum())

    def error(more: np.ndarray) -> float:
        rows = np.concatenate([start, more])
        fit = scaling.fit("chinchilla", {"N": n[rows], "D": d[rows]}, loss[rows], bootstrap=0)
        return abs(float(np.log(fit.evaluate({"N": big_n, "D": big_d})[0, 0] / big_loss)))

    inputs = {"N": n[start], "D": d[start]}
    plan = scaling.plan_runs(
        scaling.fit("chinchilla", inputs, loss[start], bootstrap=300),
        inputs,
        loss[start],
        budget,
        target={"N": float(big_n), "D": float(big_d)},
        candidates={"N": n[others], "D": d[others]},
        repeats=False,
        max_runs=MAX_RUNS,
        simulations=2,
    )
    cells = {(run.n_params, run.n_tokens) for run in plan.runs}
    bought = np.array([i for i in others if (n[i], d[i]) in cells])
    assert cost[bought].sum() == pytest.approx(plan.spent_flop)
    assert plan.spent_flop <= budget
    random = [
        error(others[random_choice(np.random.default_rng(seed), cost[others], budget, MAX_RUNS, repeats=False)])
        for seed in range(SEEDS)
    ]
    return error(bought), np.array(random), len(bought)


@pytest.mark.slow
def test_with_a_third_of_the_compute_the_plan_beats_the_usual_random_choice(tables: Any) -> None:
    """Measured: the plan beats the median of random choices on all six corpora; one may fail by another build."""
    won = 0
    for corpus in CORPORA:
        plan, random, count = errors(corpus, tables)
        assert 1 <= count <= MAX_RUNS
        assert plan < 0.08  # the law itself is off by several per cent, 21 times beyond the sweep
        won += plan < np.median(random)
    assert won >= 5
