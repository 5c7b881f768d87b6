"""The three rules against their definitions, counted by hand."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from scaling.boundary.shift.dominance import Rule, dominated, make_panel, window_counts

RNG = np.random.default_rng(7)
N = 150
SCORE = np.round(RNG.random(N), 2)  # ties included
SIZE = RNG.choice([3e9, 7e9, 13e9, 34e9, 70e9], N)
DAY = RNG.integers(19000, 19400, N).astype(float)


@pytest.fixture(scope="module")
def panel():
    return make_panel(SCORE, SIZE, DAY, np.arange(N) % 9, 13e9)


def window(panel, i, days):
    return panel.score[panel.small & (panel.day > panel.day[i] - days) & (panel.day <= panel.day[i])]


def test_models_of_the_threshold_are_neither_small_nor_large(panel):
    assert panel.small.sum() == np.sum(SIZE < 13e9)
    assert panel.large.sum() == np.sum(SIZE > 13e9)
    assert np.all(np.diff(panel.day) >= 0)


def test_the_running_rule_is_below_the_best_so_far(panel):
    found = dominated(panel, Rule("running_max"), panel.small[:, None])[:, 0]
    for i in range(N):
        so_far = panel.score[panel.small & (panel.day <= panel.day[i])]
        assert (np.isnan(found[i]) and not len(so_far)) or found[i] == (panel.score[i] < so_far.max())


def test_the_quantile_rule_is_below_the_quantile_of_the_window(panel):
    rule = Rule("window_quantile", window=90, quantile=0.9, matched=5)
    found = dominated(panel, rule, panel.small[:, None])[:, 0]
    for i in range(N):
        others = window(panel, i, 90)
        if len(others) < 5:
            assert np.isnan(found[i])
        else:
            assert found[i] == (panel.score[i] < np.quantile(others, 0.9, method="inverted_cdf"))


def test_the_matched_rule_is_the_chance_that_one_of_the_drawn_scores_more(panel):
    rule = Rule("matched_best", window=90, matched=5)
    found = dominated(panel, rule, panel.small[:, None])[:, 0]
    for i in range(N):
        others = window(panel, i, 90)
        if len(others) < 5:
            assert np.isnan(found[i])
        else:
            above = int(np.sum(others > panel.score[i]))
            assert found[i] == pytest.approx(1 - hypergeom(len(others), above, 5).pmf(0), abs=1e-12)


def test_many_ways_of_calling_models_small_are_counted_at_once(panel, monkeypatch):
    ways = RNG.random((N, 4)) < 0.5
    count, at_most = window_counts(panel, 60, ways)
    monkeypatch.setattr("scaling.boundary.shift.dominance._CELLS", 50)  # a block for almost every row
    again = window_counts(panel, 60, ways)
    assert np.array_equal(count, again[0])
    assert np.array_equal(at_most, again[1])
    some = window_counts(panel, 60, ways, panel.large)
    assert np.array_equal(some[0], count[panel.large])
    inside = (panel.day > panel.day[99] - 60) & (panel.day <= panel.day[99])
    assert count[99].tolist() == (ways & inside[:, None]).sum(axis=0).tolist()
    assert at_most[99].tolist() == (ways & (inside & (panel.score <= panel.score[99]))[:, None]).sum(axis=0).tolist()
