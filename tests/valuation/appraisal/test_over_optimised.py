"""Which scores count as over-optimised, why, and where they are capped."""

import json

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation.appraisal.over_optimised import detect_over_optimisation

RANDOM = np.arange(100) < 60


def table(before, after, pushed=None, seed=0):
    """60 random subsets around a score of 2 with sd 0.2, 40 others from 1 to 6, and a line that bends at 3."""
    rng = np.random.default_rng(seed)
    s = np.concatenate([2 + 0.2 * rng.standard_normal(60), np.linspace(1, 6, 40) if pushed is None else pushed])
    return s, 0.5 + before * s + (after - before) * np.maximum(0, s - 3) + 0.02 * rng.standard_normal(100)


def test_a_rise_that_turns_into_a_fall_is_flagged_at_the_bend():
    found = detect_over_optimisation(*table(0.1, -0.03), is_random=RANDOM, objective="vendi")
    assert "bend" in found.reasons
    assert found.slope_before == pytest.approx(0.1, abs=0.01)
    assert found.slope_after == pytest.approx(-0.03, abs=0.01)
    assert found.slope_after_interval[1] < 0
    assert found.cap == found.s0 == pytest.approx(3, abs=0.2)
    assert found.cap_interval == found.s0_interval
    assert found.cap_interval[0] < 3 < found.cap_interval[1]
    assert found.p_value == 0.001
    assert "vendi: over-optimised; more of it is worse above s0" in found.verdict
    assert "Optimise to" in repr(found)


def test_a_rise_that_ends_brings_nothing_which_is_less_than_worse():
    all_ = [detect_over_optimisation(*table(0.1, 0.0, seed=s), permutations=99, bootstrap=300) for s in range(10)]
    flat = [f for f in all_ if f.slope_after_interval[0] < 0 < f.slope_after_interval[1]]
    assert len(flat) >= 8  # 9.5 expected at 95 %
    below = [f for f in flat if f.slope_after <= 0]
    assert len(below) >= 2, "a slope of 0 is found below it every other time"
    for found in below:
        assert found.reasons == ("bend",)
        assert "more of it brings nothing" in found.verdict
    assert not any(f.flagged for f in flat if f.slope_after > 0)


def test_a_straight_rise_and_a_rise_that_slows_down_are_not_flagged():
    for after in (0.1, 0.05):
        found = detect_over_optimisation(*table(0.1, after), is_random=RANDOM)
        assert not found.flagged
        s, _ = table(0.1, after)
        assert found.n_pushed == np.sum(s[60:] > s[:60].mean() + 3 * s[:60].std(ddof=1))
        assert found.pushed_performance_z > 5
        assert np.isnan(found.cap)
        assert "not seen to be over-optimised" in found.verdict


def test_a_score_that_never_meant_anything_is_no_bend_and_yet_flagged_by_what_pushing_it_gave():
    found = detect_over_optimisation(*table(0.0, 0.0), is_random=RANDOM)
    assert found.reasons == ("z",)
    s, y = table(0.0, 0.0)
    mean, sd = s[:60].mean(), s[:60].std(ddof=1)
    far = np.flatnonzero((s > mean + 3 * sd) & ~RANDOM)
    z = (y[far] - y[:60].mean()) / y[:60].std(ddof=1)
    assert found.n_pushed == len(far)
    assert found.pushed_score_z == pytest.approx((s[far].mean() - mean) / sd)
    assert found.pushed_performance_z == pytest.approx(z.mean())
    assert found.pushed_rows == tuple(far[z <= 1])
    assert found.pushed_interval[0] < 0 < found.pushed_interval[1] < 1
    assert found.cap == pytest.approx(mean + 3 * sd)
    assert found.cap_interval[0] < found.cap < found.cap_interval[1]
    assert not detect_over_optimisation(*table(0.0, 0.0)).flagged, (
        "without random subsets there is nothing to hold it to"
    )


def test_a_loss_is_turned_around():
    s, y = table(0.1, -0.03)
    up, down = (detect_over_optimisation(s, v, is_random=RANDOM, better=b) for v, b in ((y, "higher"), (-y, "lower")))
    assert down.to_dict() == up.to_dict()
    assert detect_over_optimisation(s, y, is_random=RANDOM, better="lower").reasons != up.reasons


def test_a_seed_gives_the_same_and_another_gives_other_intervals():
    s, y = table(0.1, -0.03)
    one, same, other = (detect_over_optimisation(s, y, is_random=RANDOM, seed=i) for i in (1, 1, 2))
    assert one == same
    assert one.s0 == other.s0
    assert one.slope_before_interval != other.slope_before_interval


def test_it_is_plain_data():
    found = json.loads(json.dumps(detect_over_optimisation(*table(0.1, 0.1)).to_dict(), allow_nan=False))
    assert (found["flagged"], found["cap"], found["n_random"], found["seed"]) == (False, None, 0, 0)


def test_what_makes_no_sense_is_refused():
    s, y = table(0.1, 0.1)
    with pytest.raises(UsageError, match="19 and 2 at least"):
        detect_over_optimisation(s, y, permutations=10)
    with pytest.raises(UsageError, match="'higher' or 'lower'"):
        detect_over_optimisation(s, y, better="up")
    with pytest.raises(InputDataError, match="is_random has shape"):
        detect_over_optimisation(s, y, is_random=RANDOM[:5])
