"""Intervals of shares against statsmodels, and the design effect against what it stands for."""

import numpy as np
import pytest
from statsmodels.stats.proportion import proportion_confint

from scaling.boundary.shift.proportions import design_effect, proportion_interval
from scaling.errors import UsageError


@pytest.mark.parametrize("method", ["wilson", "jeffreys"])
@pytest.mark.parametrize(("k", "n"), [(58, 64), (1, 9), (22, 23), (97, 100)])
def test_intervals_are_those_of_statsmodels(method, k, n):
    theirs = proportion_confint(k, n, alpha=0.1, method=method)
    np.testing.assert_allclose(proportion_interval(k, n, 0.9, method), theirs, rtol=1e-10)


@pytest.mark.parametrize("method", ["wilson", "jeffreys"])
def test_nothing_and_everything_reach_the_ends(method):
    low, high = proportion_interval([0, 12, 0], [12, 12, 0], method=method)
    assert low.tolist()[::2] == [0, 0]
    assert high.tolist()[1:] == [1, 1]
    assert 0.15 < high[0] < 0.3
    assert 0.7 < low[1] < 0.85


def test_an_interval_of_another_name_is_refused():
    with pytest.raises(UsageError, match="wald"):
        proportion_interval(1, 2, method="wald")
    with pytest.raises(UsageError, match="successes"):
        proportion_interval(3, 2)


def test_models_of_one_group_that_agree_count_once():
    values = np.repeat([0.0, 1, 1, 0, 1, 0], 5)
    groups, months = np.repeat(np.arange(6), 5), np.repeat([0, 0, 0, 1, 1, 1], 5)
    np.testing.assert_allclose(design_effect(values, groups, months), [5, 5], rtol=0.2)
    assert np.array_equal(design_effect(values, np.arange(30), months), [1, 1])


def test_models_of_one_group_that_have_nothing_in_common_count_fully():
    rng = np.random.default_rng(0)
    values = (rng.random(4000) < 0.4).astype(float)
    effect = design_effect(values, np.arange(4000) // 4, np.zeros(4000, int))
    assert effect[0] == pytest.approx(1, abs=0.1)
