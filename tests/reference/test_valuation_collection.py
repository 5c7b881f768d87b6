"""Learning curves and collections on published fine-tuning runs: three data sets, 30 models, 200 to 1.6M examples."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from scaling.valuation.collection.allocation import allocate_collection
from scaling.valuation.collection.curves import learning_curves
from scaling.valuation.collection.held_out import hold_out_largest
from scaling.valuation.collection.sequential import collect_in_rounds

Table = dict[str, dict[str, np.ndarray]]
PILOT, BUDGET = 7, 300_000  # sizes, up to 12,800 examples, and money for as many more at one each


@pytest.fixture(scope="module")
def curves(reference: Callable[..., Path]) -> Table:
    """Loss over examples, (2, 14), by model and data set."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    with reference("sft_rectified", "losses_long.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if float(row["sft_examples"]) > 0:
                one = found.setdefault(row["model"], {}).setdefault(row["dataset"], [])
                one.append((float(row["sft_examples"]), float(row["loss"])))
    return {model: {data: np.array(sorted(pairs)).T for data, pairs in sets.items()} for model, sets in found.items()}


def rows_of(sets: dict[str, np.ndarray], sizes: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    x, y = (np.concatenate([one[i, :sizes] for one in sets.values()]) for i in (0, 1))
    return x, y, [data for data in sets for _ in range(sizes)]


@pytest.mark.slow
def test_where_the_form_is_not_that_of_the_curves_neither_a_floor_nor_sharing_helps(curves: Table) -> None:
    every = {f"{model} {data}": one for model, sets in list(curves.items())[:12] for data, one in sets.items()}
    held = hold_out_largest(*rows_of(every, 5))
    assert len(held.groups) == 36
    assert held.rms("power") == pytest.approx(0.0209, abs=2e-4)
    assert held.rms("power_floor") == pytest.approx(0.0217, abs=2e-4)
    assert held.rms("power") < held.rms("shared exponent") < 1.1 * held.rms("power_floor")


@pytest.mark.slow
def test_rounds_miss_less_than_one_purchase_and_that_less_than_a_uniform_split(curves: Table) -> None:
    regret: dict[str, list[float]] = {"rounds": [], "once": [], "uniform": []}
    for sets in list(curves.values())[:12]:

        def loss(data: str, n: float, sets: dict[str, np.ndarray] = sets) -> float:
            return float(np.exp(np.interp(np.log(n), *np.log(sets[data]))))

        x, y, group = rows_of(sets, PILOT)
        once = allocate_collection(learning_curves(x, y, group, bootstrap=0), BUDGET, force=True)
        rounds = collect_in_rounds(x, y, group, BUDGET, loss, rounds=4, bootstrap=0, force=True)
        bought = {
            "rounds": np.array([rounds.have[g] for g in once.groups]) - once.have,
            "once": once.buy,
            "uniform": next(split.buy for split in once.splits if split.name == "uniform"),
        }

        def total(buy: np.ndarray, groups: tuple[str, ...] = once.groups, have: np.ndarray = once.have) -> float:
            return sum(loss(g, n) for g, n in zip(groups, have + buy, strict=True))

        shares = [(a, b, 1 - a - b) for a in np.linspace(0, 1, 21) for b in np.linspace(0, 1 - a, 21)]
        best = min(total(BUDGET * np.array(share)) for share in shares)
        for way, buy in bought.items():
            regret[way].append(total(buy) - best)
    mean = {way: float(np.mean(values)) for way, values in regret.items()}
    assert mean["rounds"] == pytest.approx(0.009, abs=0.003)
    assert mean["once"] == pytest.approx(0.024, abs=0.005)
    assert mean["uniform"] == pytest.approx(0.042, abs=0.005)
