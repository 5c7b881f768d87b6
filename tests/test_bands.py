"""Bands over whole curves."""

from __future__ import annotations

import numpy as np
import pytest

from scaling.bands import replicate_interval, simultaneous_band


@pytest.fixture
def curves():
    values = np.random.default_rng(0).standard_normal((501, 3))
    values[0] = 0
    return values


def test_the_band_holds_the_share_of_the_replicates_that_it_says(curves):
    low, high = simultaneous_band(curves, 0.9)
    inside = np.all((curves[1:] >= low) & (curves[1:] <= high), axis=1)
    assert inside.mean() == pytest.approx(0.9, abs=0.002)
    assert np.mean(np.all(np.abs(curves[1:]) <= 1.645, axis=1)) < 0.8  # separate intervals would not


@pytest.mark.parametrize("rest", [0.0, 1e-17])
def test_a_point_at_which_most_replicates_agree_has_a_band_that_holds(curves, rest):
    others = simultaneous_band(curves[:, [0, 2]], 0.9)
    curves[1:, 1] = rest
    curves[1:71, 1] = 0.5
    low, high = simultaneous_band(curves, 0.9)  # warnings are errors
    inside = np.all((curves[1:] >= low) & (curves[1:] <= high), axis=1)
    # The 70 replicates that differ there are equally far out, so the band holds all of them or none.
    assert 0.9 <= inside.mean() < 0.99
    assert high[1] == pytest.approx(0.5, rel=1e-9)
    # For the other points that costs sqrt(1/0.14) = 2.67 spreads in place of 1.9.
    assert 1 <= high[0] / others[1][0] < 1.5


def test_a_point_that_never_moves_has_a_band_of_no_width(curves):
    curves[:, 1] = 3.0
    low, high = simultaneous_band(curves, 0.9)
    assert (low[1], high[1]) == (3.0, 3.0)
    curves[0, 1] = 2.5  # the estimate lies beside all its replicates
    low, high = simultaneous_band(curves, 0.9)
    assert low[1] < 2.5
    assert high[1] >= 3.0


def test_too_few_replicates_give_no_band(curves):
    for ends in simultaneous_band(curves[:15], 0.9):
        assert np.isnan(ends).all()


def test_percentiles_of_endless_replicates(curves):
    values = curves[1:].copy()
    values[:100, 0] = -np.inf
    values[:10, 1] = np.inf
    values[:, 2] = np.nan
    low, high = replicate_interval(values, 0.9)
    assert (low[0], np.isfinite(high[0])) == (-np.inf, True)
    assert np.isfinite([low[1], high[1]]).all()
    assert np.isnan([low[2], high[2]]).all()
