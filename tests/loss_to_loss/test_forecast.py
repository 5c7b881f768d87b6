"""What a map says at a measured loss: how far out in budgets, where it is undefined, and what is said instead."""

import json

import numpy as np
import pytest

import scaling
from scaling.errors import InputDataError, UsageError
from scaling.loss_to_loss import fit_pairs, forecast_map
from tests.loss_to_loss.test_pairs import BUDGETS, noisy, shifted, sweep


@pytest.fixture(scope="module")
def fit():
    x = sweep()
    return fit_pairs(x, noisy(shifted(x)), 1.6, 0.9, form="shifted_power", budget=BUDGETS, bootstrap=50)


def test_how_far_out_is_told_in_budgets_where_the_compute_is_known(fit):
    far = forecast_map(fit, 1.9, compute_flop=1e21)
    assert far.prediction.extrapolation_factor == pytest.approx(20)
    assert far.prediction.verdict == "extrapolating x20"
    assert far.prediction.backtest.startswith("Back-test at x20: ")
    near = forecast_map(fit, 1.9)
    assert near.prediction.extrapolation_factor < 1.5  # of the loss itself
    assert near.prediction.backtest.startswith("Back-test by budget, x")
    assert (near.prediction.mean, near.prediction.high) == (far.prediction.mean, far.prediction.high)
    assert far.question == "x measured"
    below = forecast_map(fit, 4.5, compute_flop=2e16)
    assert below.prediction.extrapolation_factor == pytest.approx(10)
    assert "no smaller runs were held out" in below.prediction.backtest
    odd = forecast_map(fit, 1.62, compute_flop=1e19)  # a budget of the pairs, and a loss that none of them came near
    assert odd.prediction.extrapolation_factor == near.prediction.extrapolation_factor * 1.9 / 1.62
    assert odd.prediction.verdict.startswith("extrapolating")
    inside = forecast_map(fit, 2.6, compute_flop=1e19)
    assert inside.prediction.verdict == fit.verdict


def test_below_the_floor_it_is_undefined_with_the_reason_and_another_map_speaks(fit):
    said = forecast_map(fit, 1.55, compute_flop=1e24)
    assert np.isnan(said.prediction.mean)
    assert "x = 1.550 lies at or below the floor of x, 1.600 (number)" in said.sentence
    assert said.instead_form in said.sentence
    rival = next(r for r in fit.rivals if r.law.name == said.instead_form)
    assert said.instead == pytest.approx(rival.evaluate({"x": [1.55]})[0])
    row = said.row()
    assert row["undefined"]
    assert (row["y"], row["low"], row["verdict"]) == (None, None, "not identified")
    json.dumps(row, allow_nan=False)
    assert forecast_map(fit, 1.9).sentence == ""


def test_bad_input_is_refused(fit):
    other = scaling.fit("power_floor", {"x": np.geomspace(1, 100, 20)}, 2 + 1 / np.geomspace(1, 100, 20), bootstrap=0)
    with pytest.raises(UsageError, match="no map of one loss to another"):
        forecast_map(other, 2.0)
    for bad in (0.0, -1.0, float("nan"), [2.0]):
        with pytest.raises(InputDataError, match="a loss is a number above 0"):
            forecast_map(fit, bad)
    with pytest.raises(InputDataError, match="a compute is a number above 0"):
        forecast_map(fit, 2.0, compute_flop=0.0)
