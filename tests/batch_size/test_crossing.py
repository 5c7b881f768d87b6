"""When a curve first reaches a target, between its evaluations."""

import math

import numpy as np
import pytest

from scaling.batch_size.crossing import first_crossing, loss_at
from scaling.errors import InputDataError, UsageError

STEP = np.array([100, 200, 400, 800, 1600, 3200])


def test_on_a_power_law_the_interpolation_is_exact():
    loss = 20 * STEP**-0.3
    found = first_crossing(STEP, loss, 20 * 700**-0.3)
    assert found.steps == pytest.approx(700, rel=1e-12)
    assert (found.low, found.high, found.reached, found.at_first) == (400, 800, True, False)


def test_a_target_that_an_evaluation_meets_is_met_there():
    found = first_crossing(STEP, [6, 5, 4, 3, 2, 1], 4)
    assert found.steps == 400
    assert (found.low, found.high) == (200, 400)


def test_the_first_of_several_crossings_counts():
    found = first_crossing(STEP, [6, 3.9, 4.5, 3.5, 3.2, 3], 4)
    assert 100 < found.steps < 200
    assert found.high == 200


def test_averages_pass_over_one_lucky_evaluation():
    step = np.arange(100, 1200, 100)
    loss = np.array([6, 5.8, 5.6, 3.9, 5.2, 5.0, 4.8, 4.6, 3.8, 3.6, 3.4])
    assert first_crossing(step, loss, 4).high == 400
    assert first_crossing(step, loss, 4, smooth=3).high == 900  # the mean of 4.6, 3.8 and 3.6 is 4 exactly


def test_a_target_met_at_the_first_evaluation_is_an_upper_bound():
    found = first_crossing(STEP, [3.9, 3.8, 3.7, 3.6, 3.5, 3.4], 4)
    assert (found.steps, found.low, found.high, found.reached, found.at_first) == (100, 0, 100, True, True)


def test_a_target_that_is_not_reached_is_censored_at_the_last_step():
    found = first_crossing(STEP, [6, 5, 4, 3, 2.5, 2.6], 2)
    assert (found.steps, found.high, found.reached) == (3200, math.inf, False)
    assert found.lowest == 2.5
    assert not found.diverged


def test_losses_that_are_no_numbers_are_passed_over_and_counted():
    found = first_crossing(STEP, [6, np.nan, 4.2, np.inf, 3.9, 3], 4)
    assert (found.low, found.high, found.lost, found.diverged) == (400, 1600, 2, False)
    broken = first_crossing(STEP, [6, 5, 4.2, np.nan, np.nan, np.nan], 4)
    assert (broken.steps, broken.reached, broken.diverged, broken.lost) == (400, False, True, 3)
    nothing = first_crossing(STEP, [np.nan] * 6, 4)
    assert (nothing.steps, nothing.reached, nothing.diverged) == (0, False, True)
    assert math.isnan(nothing.lowest)


def test_a_run_that_diverged_to_high_losses_after_the_target_has_reached_it():
    found = first_crossing(STEP, [6, 5, 3.9, 9, 11, 11], 4)
    assert (found.high, found.reached, found.diverged) == (400, True, True)


@pytest.mark.parametrize(("end", "diverged"), [(5.9, False), (6.1, True), (11, True)])
def test_a_loss_more_than_half_above_the_lowest_is_that_of_a_diverged_run(end, diverged):
    assert first_crossing(STEP, [8, 7, 4, 4.2, 5, end], 2).diverged is diverged


def test_evaluations_in_any_order_and_twice():
    loss = 20 * STEP**-0.3
    order = np.random.default_rng(0).permutation(6)
    step, loss = np.append(STEP[order], 800), np.append(loss[order], 9.0)
    assert first_crossing(step, loss, 20 * 700**-0.3).high == 1600  # the later of the two at 800 counts


def test_what_has_no_logarithm_is_interpolated_linearly():
    assert first_crossing([0, 100], [10.0, 2.0], 4).steps == pytest.approx(100 * math.log(2.5) / math.log(5))
    assert first_crossing([100, 200], [1.0, -1.0], 0).steps == pytest.approx(100 * 2**0.5)


@pytest.mark.parametrize(
    ("step", "loss", "message"),
    [([], [], "no evaluations"), ([1, 2], [3], "steps"), ([-1, 2], [3, 2], "step -1"), ([np.nan, 2], [3, 2], "nan")],
)
def test_curves_that_are_none(step, loss, message):
    with pytest.raises(InputDataError, match=message):
        first_crossing(step, loss, 2.5)


def test_settings_that_make_no_sense():
    with pytest.raises(UsageError, match="target"):
        first_crossing(STEP, STEP, math.nan)
    with pytest.raises(UsageError, match="no middle"):
        first_crossing(STEP, STEP, 3, smooth=4)


def test_the_loss_between_evaluations():
    loss = 20 * STEP**-0.3
    assert loss_at(STEP.astype(float), loss, 700) == pytest.approx(20 * 700**-0.3, rel=1e-12)
    assert loss_at(STEP.astype(float), loss, 3200) == pytest.approx(loss[-1], rel=1e-12)
    assert math.isnan(loss_at(STEP.astype(float), loss, 99))
    assert math.isnan(loss_at(STEP.astype(float), loss, 3300))
