"""Three forms of the curve, chosen by what they say of batches that were left out."""

import json

import numpy as np
import pytest

from scaling.batch_size import compare_forms, fit_steps
from scaling.batch_size.forms import aicc

B = 2.0 ** np.arange(6, 18)
A_, B_ = 2000.0, 1.1e7
CURVES = {
    "steps_to_target": A_ + B_ / B,
    "steps_to_target_power": A_ + 2 * B_ / B**1.1,
    "steps_to_target_sharp": A_ * (1 + (B_ / (A_ * B)) ** 1.8) ** (1 / 1.8),
}


def compared(form, seed=0, sigma=0.02, **settings):
    return compare_forms(B, CURVES[form] * np.exp(sigma * np.random.default_rng(seed).standard_normal(12)), **settings)


@pytest.mark.parametrize("form", CURVES)
def test_the_form_behind_the_data_is_chosen(form):
    found = compared(form, bootstrap=0)
    assert found.chosen == form
    assert found.lowest_aicc == form
    assert found.choice.worse == min(f.worse for f in found.forms)
    assert all(f.cuts == 7 and f.held == 28 for f in found.forms)
    assert found.choice.steps.form == form


def test_each_form_says_what_it_forecasts_beyond_the_largest_batch():
    found = compared("steps_to_target_sharp", bootstrap=200)
    for form in found.forms:
        assert [row[0] for row in form.beyond] == [2 * B[-1], 4 * B[-1]]
        for _, steps, low, high in form.beyond:
            assert low < steps < high
    sharp, plain = found["steps_to_target_sharp"], found["steps_to_target"]
    assert sharp.beyond[1][1] == pytest.approx(A_, rel=0.02)
    assert plain.beyond[1][3] < 0.97 * A_  # the wrong form is sure of too few steps
    text = repr(found)
    assert "held out" in text
    assert found.chosen in text
    table = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert table["chosen"] == "steps_to_target_sharp"
    assert table["forms"][0]["beyond"][0]["batch"] == 2 * B[-1]


def test_the_criterion_is_that_of_normal_logarithms():
    steps = CURVES["steps_to_target"] * np.exp(0.05 * np.random.default_rng(1).standard_normal(12))
    s = fit_steps(B, steps, bootstrap=0)
    square = np.sum(s.fit.residuals**2)
    expected = 12 * np.log(2 * np.pi * square / 12) + 12 + 2 * 3 + 2 * 3 * 4 / (12 - 3 - 1)
    assert aicc(s) == pytest.approx(expected, rel=1e-12)


def test_with_few_batch_sizes_the_simplest_form_is_taken():
    found = compare_forms(B[:6], CURVES["steps_to_target_sharp"][:6], bootstrap=0)
    assert found.chosen == "steps_to_target"
    assert "too few batch sizes" in found.reason


def test_three_batch_sizes_leave_one_form():
    found = compare_forms(B[:3], CURVES["steps_to_target"][:3] * [1.01, 0.99, 1.01], bootstrap=0)
    assert [form.name for form in found.forms] == ["steps_to_target"]
    assert np.isnan(found.forms[0].aicc)
    assert found.forms[0].cuts == 0


def test_censored_rows_are_held_out_as_what_they_are():
    steps = CURVES["steps_to_target"] * np.exp(0.02 * np.random.default_rng(4).standard_normal(12))
    censored = np.arange(12) >= 10
    steps[censored] *= 0.5  # they end long before, and any form that forecasts more has not missed
    found = compare_forms(B, steps, censored, bootstrap=0)
    assert found.chosen == "steps_to_target"
    every = found["steps_to_target"]
    assert every.rms < 0.1
    whole = compare_forms(B[:10], steps[:10], bootstrap=0)
    assert every.held == whole["steps_to_target"].held
    assert np.isfinite(every.aicc)


def test_exact_data_choose_the_law_itself():
    found = compare_forms(B, CURVES["steps_to_target"], bootstrap=0)
    assert found.chosen == "steps_to_target"
