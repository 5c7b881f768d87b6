"""Worth in fresh tokens of the repeated runs of Muennighoff et al. (arXiv:2305.16264), by a law of the others.

Rows on another validation set and those that had failed (a loss of 7 or more) are left out. The law is of the 36 runs
of one epoch; what repeated runs are worth by it is set beside what the data-constrained law of the paper says, D'.
"""

import csv

import numpy as np
import pytest
from scipy.stats import spearmanr

import scaling
from scaling.valuation import effective_tokens, worth, worth_across_sizes

pytestmark = pytest.mark.reference

R_D = 15.387756


@pytest.fixture(scope="module")
def runs(reference):
    with reference("datablations", "runs.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["dedup"] == "False" and float(row["loss"]) < 7]
    columns = {k: np.array([float(row[k]) for row in rows]) for k in ("N", "D", "U", "loss")}
    return columns | {"epochs": columns["D"] / columns["U"]}


@pytest.fixture(scope="module")
def fresh(runs):
    once = runs["epochs"] < 1.001
    assert once.sum() == 36
    return scaling.fit("chinchilla", {k: runs[k][once] for k in "ND"}, runs["loss"][once], bootstrap=300)


def ratios(fresh, runs, kept):
    """Worth over tokens used, with its interval, and D'/D of the paper's law."""
    found = [
        worth(fresh, loss, n, n_tokens=d)
        for loss, n, d in zip(*(runs[k][kept] for k in ("loss", "N", "D")), strict=True)
    ]
    low, high = np.array([w.ratio_interval for w in found]).T
    law = effective_tokens(runs["D"][kept], runs["U"][kept], R_D) / runs["D"][kept]
    return np.array([w.ratio for w in found]), low, high, law


def test_a_loss_of_the_law_is_worth_its_own_tokens(fresh, runs):
    for n, d in zip(runs["N"][:20], runs["D"][:20], strict=True):
        loss = float(fresh.evaluate({"N": n, "D": d})[0, 0])
        found = worth(fresh, loss, n, n_tokens=d)
        assert found.ratio == pytest.approx(1, rel=1e-9)
        assert found.ratio_interval[0] < 1 < found.ratio_interval[1]


@pytest.mark.parametrize(
    ("epochs", "count", "held", "measured", "paper"),
    [((1.5, 5), 47, 0.97, 0.896, 0.957), ((5, 20), 33, 0.9, 0.63, 0.828)],
)
def test_few_epochs_are_worth_what_the_law_of_the_paper_says(fresh, runs, epochs, count, held, measured, paper):
    kept = (runs["epochs"] > epochs[0]) & (runs["epochs"] <= epochs[1]) & (runs["N"] > 1e9)
    ratio, low, high, law = ratios(fresh, runs, kept)
    assert len(ratio) == count
    assert np.mean((low <= law) & (law <= high)) >= held
    assert np.median(ratio) == pytest.approx(measured, abs=0.005)
    assert np.median(law) == pytest.approx(paper, abs=0.002)


def test_more_repeats_are_worth_less_in_the_same_order(fresh, runs):
    kept = (runs["epochs"] > 1.5) & (runs["epochs"] <= 20) & (runs["N"] > 1e9)
    ratio, _, _, law = ratios(fresh, runs, kept)
    assert len(ratio) == 80
    assert spearmanr(ratio, law).statistic == pytest.approx(0.735, abs=0.01)


def test_many_epochs_of_large_models_are_worth_less_than_effective_tokens_say(fresh, runs):
    """Tokens repeated 20 to 60 times: parameters that the unique tokens do not ask for hurt as well, and D' has no such
    term."""
    kept = (runs["epochs"] > 20) & (runs["epochs"] <= 60) & (runs["N"] > 1e9)
    ratio, _, high, law = ratios(fresh, runs, kept)
    assert len(ratio) == 21
    assert np.all(high < law)
    assert np.median(ratio / law) < 0.2


def test_repeated_tokens_are_worth_less_to_larger_models(fresh, runs):
    """39 epochs of 100M tokens: as good as fresh to the smallest of seven models, next to nothing to the largest."""
    kept = (runs["D"] == 3.9e9) & (runs["U"] == 1e8) & (runs["N"] > 8e7)
    found = worth_across_sizes(fresh, runs["loss"][kept], runs["N"][kept], 3.9e9)
    assert len(found.n_params) == 7
    assert found.slope_interval[1] < -0.5
    assert found.p_value < 0.02
    assert found.ratio_interval[0][0] < 1 < found.ratio_interval[1][0]
    assert found.ratio[-1] == pytest.approx(0.089, abs=0.002)
    assert found.trend == "grows"  # the loss against fresh tokens does
