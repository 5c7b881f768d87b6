"""Flips of groups: exact where they can be enumerated, of the right size where contributions are noise."""

import itertools

import numpy as np
import pytest

from scaling.boundary.shift.flips import flip_groups
from scaling.errors import UsageError


def test_p_values_are_those_of_all_flips():
    sums = np.random.default_rng(1).normal(0.4, 1, (8, 3))
    unit = sums / np.sqrt(np.sum(sums**2, axis=0))
    flips = np.abs(np.array(list(itertools.product([-1, 1], repeat=8))) @ unit)
    observed = np.abs(unit.sum(axis=0))
    exact = (flips >= observed - 1e-12).mean(axis=0)
    corrected = (flips.max(axis=1)[:, None] >= observed - 1e-12).mean(axis=0)
    found = flip_groups(sums, 20000, 0)
    np.testing.assert_allclose(found.p_single, exact, atol=0.01)
    np.testing.assert_allclose(found.p_corrected, corrected, atol=0.01)
    assert np.all(found.p_corrected >= found.p_single)


def test_a_p_value_is_never_zero_and_one_sided_ones_know_their_side():
    sums = np.column_stack([np.full(40, 1.0), np.full(40, -1.0), np.zeros(40)])
    found = flip_groups(sums, 99, 0, "greater")
    assert found.p_single.tolist() == [0.01, 1.0, 1.0]
    assert flip_groups(sums, 99, 0).p_single[1] == 0.01
    assert found.statistic[2] == 0


def test_the_seed_decides():
    sums = np.random.default_rng(2).normal(0.3, 1, (12, 2))
    one, two, other = (flip_groups(sums, 199, seed).largest for seed in (0, 0, 1))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_noise_of_groups_that_differ_by_far_is_called_a_shift_as_rarely_as_it_should():
    rng = np.random.default_rng(3)
    sd = np.exp(rng.normal(0, 1, 25))[:, None]
    found = [flip_groups(rng.normal(0, 1, (25, 6)) * sd, 199, k).p_corrected.min() <= 0.05 for k in range(600)]
    assert 0.03 <= np.mean(found) <= 0.07


def test_another_alternative_is_refused():
    with pytest.raises(UsageError, match="less"):
        flip_groups(np.ones((3, 1)), 19, 0, "less")
