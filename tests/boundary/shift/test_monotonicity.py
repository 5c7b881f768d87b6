"""A rise with compute where many models share it: none for shuffled scores, all of it for scores that only rise."""

import json

import numpy as np
import pytest
from scipy.stats import kendalltau, linregress, spearmanr

from scaling.boundary.shift import measure_monotonicity
from scaling.boundary.shift.size_slope import size_slopes
from scaling.errors import InputDataError, UsageError

RNG = np.random.default_rng(0)
COMPUTE = np.sort(RNG.choice(np.linspace(21, 25, 60), 900, p=RNG.dirichlet(np.full(60, 0.4))))
SCORE = np.clip(0.3 + 0.1 * (COMPUTE - 23) + RNG.normal(0, 0.1, 900), 0, 1)


@pytest.mark.parametrize("statistic", ["mean", 0.9])
def test_shuffled_scores_give_nothing_on_average(statistic):
    found = [
        measure_monotonicity(
            COMPUTE, np.random.default_rng(k).permutation(SCORE), statistic=statistic, permutations=99, seed=k
        )
        for k in range(25)
    ]
    assert np.mean([m.isotonic_adjusted for m in found]) == pytest.approx(0, abs=0.02)
    assert np.mean([m.tau - m.tau_shuffled for m in found]) == pytest.approx(0, abs=0.03)
    assert np.mean([m.rises for m in found]) <= 0.15
    assert np.mean([m.isotonic_r2 for m in found]) > 0.02  # what a rising step function gains by chance


def test_scores_that_rise_are_told():
    found = measure_monotonicity(COMPUTE, SCORE)
    levels = np.unique(COMPUTE)
    means = [SCORE[level == COMPUTE].mean() for level in levels]
    assert found.tau == pytest.approx(kendalltau(levels, means).statistic)
    assert found.n_compute == len(levels)
    assert found.isotonic_adjusted > 0.6
    assert found.tau_p == pytest.approx(1 / 1001)
    assert "Scores rise" in found.verdict
    only = measure_monotonicity(COMPUTE, (COMPUTE - 21) / 4)
    assert (only.tau, only.isotonic_adjusted) == (pytest.approx(1), pytest.approx(1))
    falls = measure_monotonicity(COMPUTE, 1 - SCORE)
    assert falls.tau_p == 1.0
    assert "No rise" in falls.verdict


def test_the_largest_of_many_is_no_rise():
    compute = np.repeat(np.linspace(21, 25, 30), np.arange(1, 31) * 3)  # more models at more compute
    rises = []
    for seed in range(12):
        noise = np.random.default_rng(seed).uniform(0, 0.5, len(compute))
        found = measure_monotonicity(compute, noise, statistic="max", permutations=99)
        rises.append(found.rises)
        assert found.tau_shuffled > 0.3
    assert sum(rises) <= 2


def test_what_says_nothing_is_refused():
    with pytest.raises(InputDataError, match="3 values"):
        measure_monotonicity([21, 22, 23], [0.1, 0.2, 0.3])
    with pytest.raises(InputDataError, match="say nothing"):
        measure_monotonicity(COMPUTE, np.full(900, 0.5))
    with pytest.raises(UsageError, match="mode"):
        measure_monotonicity(COMPUTE, SCORE, statistic="mode")
    assert json.dumps(measure_monotonicity(COMPUTE, SCORE, permutations=19).to_dict(), allow_nan=False)


def test_slopes_by_month_are_least_squares():
    size, month = RNG.uniform(9, 11, 60), np.repeat([0, 1, 2], [25, 9, 26])
    score = 0.1 * size + RNG.normal(0, 0.1, 60)
    found = size_slopes(score, size, month, ("a", "b", "c"), np.arange(60))
    assert [s.month for s in found] == ["a", "c"]  # nine models are too few
    theirs = linregress(size[:25], score[:25])
    assert found[0].slope == pytest.approx(theirs.slope)
    assert found[0].r2 == pytest.approx(theirs.rvalue**2)
    assert found[0].spearman == pytest.approx(spearmanr(size[:25], score[:25]).statistic)
    assert found[0].slope_high - found[0].slope == pytest.approx(2.06 * theirs.stderr, rel=0.4)
    flat = size_slopes(score[:25], np.full(25, 9.0), month[:25], ("a",), np.arange(25))[0]
    assert np.isnan([flat.slope, flat.spearman]).all()
