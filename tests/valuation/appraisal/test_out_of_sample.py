"""Held-out errors of a rising curve: by hand, of chance, and within strata."""

import numpy as np
import pytest

from scaling.valuation.appraisal.out_of_sample import held_out_errors, r_squared, rising_curve

SEED = np.random.SeedSequence(0)


def test_a_curve_that_rises_is_forecast_and_chance_is_not():
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, 100)
    ones, same = np.ones((1, 100)), np.zeros(100, np.intp)
    errors, method = held_out_errors(x, np.exp(2 * x), same, SEED)
    assert method == "each row left out"
    assert r_squared(errors, ones)[0] > 0.99
    shares = [r_squared(held_out_errors(x, rng.standard_normal(100), same, SEED)[0], ones)[0] for _ in range(20)]
    assert np.mean(shares) < 0  # in the sample it is above 0 by construction
    x_in, y_in = rising_curve(x, noise := rng.standard_normal(100))
    assert 1 - np.sum((noise - np.interp(x, x_in, y_in)) ** 2) / np.sum((noise - noise.mean()) ** 2) > 0


def test_each_row_is_left_out_by_hand():
    x, y = np.array([1.0, 2, 3, 4, 5]), np.array([0.0, 2, 1, 3, 4])
    errors, _ = held_out_errors(x, y, np.zeros(5, np.intp), SEED)
    # Without x = 2 the curve is 0.5 there, halfway to (3, 1); without 5 it ends at 3, without 1 it begins at 1.5.
    assert errors[:, 0] == pytest.approx([1.5**2, 1.5**2, (1 - 2.5) ** 2, (3 - (1.5 + 4) / 2) ** 2, 1])
    assert errors[:, 1] == pytest.approx([(v - (10 - v) / 4) ** 2 for v in y])


def test_ties_are_one_point_and_weights_count():
    x, y = rising_curve(np.array([1, 1, 2, 3]), np.array([0.0, 2, 5, 3]), np.array([1.0, 3, 1, 1]))
    np.testing.assert_allclose(x, [1, 2, 3])
    np.testing.assert_allclose(y, [1.5, 4, 4])


def test_many_rows_are_held_out_in_seeded_folds_within_strata():
    rng = np.random.default_rng(1)
    x, strata = rng.uniform(0, 1, 400), np.repeat([0, 1], 200)
    y = np.where(strata == 0, x, 100 + x)
    errors, method = held_out_errors(x, y, strata, SEED)
    assert method == "10 folds"
    assert r_squared(errors, np.ones((1, 400)))[0] > 0.99  # each stratum has its own curve and its own mean
    assert np.max(errors[:, 1]) < 1
    np.testing.assert_array_equal(errors, held_out_errors(x, y, strata, SEED)[0])


def test_strata_of_three_rows_say_nothing():
    errors, _ = held_out_errors(np.arange(7.0), np.arange(7.0), np.repeat([0, 1], [4, 3]), SEED)
    assert np.isnan(errors[4:]).all()
    assert np.isfinite(errors[:4]).all()
    assert np.isnan(r_squared(errors[4:], np.ones((1, 3)))).all()
