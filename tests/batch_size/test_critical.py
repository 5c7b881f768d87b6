"""Critical batch sizes: the rules in closed form, their intervals, and what they say of themselves."""

import json
import math

import numpy as np
import pytest

from scaling.batch_size import fit_steps
from scaling.batch_size.conventions import FORMS, overhead_batch
from scaling.batch_size.critical import CriticalBatch, critical_batch_of
from scaling.batch_size.fieller import fieller_interval
from scaling.errors import UsageError

B = 2.0 ** np.arange(6, 15)
THETA = {
    "steps_to_target": [2000.0, 1.1e7],
    "steps_to_target_power": [2000.0, 2.5e7, 1.08],
    "steps_to_target_sharp": [2000.0, 1.1e7, 1.6],
}


def steps_of(form, batch):
    a, b, *rest = THETA[form]
    if form == "steps_to_target_sharp":
        return a * (1 + (b / (a * batch)) ** rest[0]) ** (1 / rest[0])
    return a + b / batch ** (rest[0] if rest else 1.0)


def noisy(seed=0, sigma=0.05, batch=B):
    rng = np.random.default_rng(seed)
    return steps_of("steps_to_target", batch) * np.exp(sigma * rng.standard_normal(len(batch)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("overhead", "anchor"), [(0.2, 256.0), (1.0, 64.0), (0.05, 4096.0)])
def test_samples_exceed_those_of_linear_scaling_by_the_overhead(form, overhead, anchor):
    (at,) = overhead_batch(form, np.array([THETA[form]]), overhead, anchor)
    assert at * steps_of(form, at) == pytest.approx((1 + overhead) * anchor * steps_of(form, anchor), rel=1e-12)
    assert at > (1 + overhead) * anchor


@pytest.mark.parametrize("form", ["steps_to_target", "steps_to_target_sharp"])
def test_without_an_anchor_the_comparison_is_with_the_fewest_samples(form):
    (at,) = overhead_batch(form, np.array([THETA[form]]), 0.2)
    assert at * steps_of(form, at) == pytest.approx(1.2 * THETA[form][1], rel=1e-12)
    (near,) = overhead_batch(form, np.array([THETA[form]]), 0.2, 1e-3)
    assert near == pytest.approx(at, rel=1e-3)


def test_the_closed_form_of_the_law():
    assert overhead_batch("steps_to_target", np.array([[2000.0, 1.1e7]]), 0.2, 256.0)[0] == pytest.approx(
        0.2 * 5500 + 1.2 * 256, rel=1e-14
    )
    assert overhead_batch("steps_to_target", np.array([[2000.0, 1.1e7]]))[0] == 5500


def test_the_three_forms_agree_where_they_are_one():
    one = [overhead_batch(form, np.array([[2000.0, 1.1e7, 1.0]]), 0.2, 256.0)[0] for form in FORMS]
    assert one == pytest.approx([one[0]] * 3, rel=1e-12)


def test_many_replicates_at_once_are_the_same_as_one_by_one():
    rng = np.random.default_rng(1)
    theta = np.array(THETA["steps_to_target_power"]) * np.exp(0.1 * rng.standard_normal((50, 3)))
    together = overhead_batch("steps_to_target_power", theta, 0.2, 256.0)
    assert together == pytest.approx(
        [overhead_batch("steps_to_target_power", row[None], 0.2, 256.0)[0] for row in theta], rel=1e-12
    )


def test_the_delta_interval_is_that_of_the_logarithm():
    s = fit_steps(B, noisy(), bootstrap=0)
    v = s.fit.covariance
    half = 2.364624 * math.sqrt(v[0, 0] + v[1, 1] - 2 * v[0, 1])  # t of 7 degrees of freedom, 95 %
    found = s.critical_batch(level=0.95, method="delta")
    ratio = s.estimates["b"] / s.estimates["a"]
    assert (found.low, found.high) == pytest.approx((ratio * math.exp(-half), ratio * math.exp(half)), rel=1e-5)
    with_anchor = s.critical_batch(0.2, 256, 0.95, "delta")
    assert with_anchor.low == pytest.approx(0.2 * found.low + 307.2, rel=1e-9)
    assert with_anchor.high == pytest.approx(0.2 * found.high + 307.2, rel=1e-9)


def test_fiellers_ends_are_where_the_difference_is_as_large_as_its_error():
    covariance = np.array([[4.0, 0.6], [0.6, 1.0]])
    low, high = fieller_interval(30.0, 10.0, covariance, 1.645)
    for ratio in (low, high):
        variance = covariance[0, 0] - 2 * ratio * covariance[0, 1] + ratio**2 * covariance[1, 1]
        assert abs(30.0 - ratio * 10.0) == pytest.approx(1.645 * math.sqrt(variance), rel=1e-12)
    assert low < 3 < high


def test_fiellers_interval_has_no_end_where_the_denominator_may_be_zero():
    low, high = fieller_interval(30.0, 1.0, np.diag([4.0, 1.0]), 1.645)
    assert math.isinf(high)
    variance = 4.0 + low**2
    assert abs(30.0 - low) == pytest.approx(1.645 * math.sqrt(variance), rel=1e-12)
    assert fieller_interval(1.0, 0.5, np.diag([4.0, 1.0]), 1.645) == (0.0, math.inf)
    low, high = fieller_interval(30.0, 0.0, np.diag([4.0, 1.0]), 2.0)
    assert (low, high) == (pytest.approx(math.sqrt((900 - 16) / 4)), math.inf)
    assert all(math.isnan(end) for end in fieller_interval(1.0, 1.0, np.full((2, 2), np.nan), 2.0))


def test_steps_that_keep_halving_have_no_critical_batch_size_and_say_so():
    s = fit_steps(B, 1.1e7 / B * np.exp(0.03 * np.random.default_rng(3).standard_normal(9)), bootstrap=200)
    found = s.critical_batch()
    assert not found.bounded
    assert found.low > 2 * B.max()
    assert "unbounded" in found.interval
    assert s.critical_batch(0.2, 256).low == pytest.approx(0.2 * found.low + 307.2)
    if math.isinf(found.estimate):
        assert any("no critical batch size is seen" in note for note in found.notes)


def test_exact_proportion_is_infinite_by_every_method():
    s = fit_steps(B, 1.1e7 / B, bootstrap=100)
    for method in ("fieller", "bootstrap", "delta"):
        assert math.isinf(s.critical_batch(method=method).estimate)
        assert math.isinf(s.critical_batch(method=method).high)
    assert s.verdict != "ok"
    assert any("no critical batch size is seen" in note for note in s.critical_batch().notes)


@pytest.mark.parametrize("power", [0.0, 0.1])
def test_steps_that_do_not_fall_at_all_put_every_batch_beyond_the_critical_one(power):
    s = fit_steps(B, 2000 * (B / 64) ** power, bootstrap=100)
    for method in ("fieller", "bootstrap", "delta"):
        found = s.critical_batch(method=method)
        assert found.estimate == pytest.approx(0, abs=1e-5)
        assert any("beyond the critical one already" in note for note in found.notes)
    found = s.critical_batch(0.2, 256)
    assert found.estimate == pytest.approx(307.2, abs=1e-5)
    assert found.low >= 307.2 - 1e-9
    assert found.high < 320


@pytest.mark.parametrize(("numerator", "denominator"), [(30.0, 10.0), (-30.0, 10.0), (30.0, -10.0), (1.0, 10.0)])
def test_fiellers_signed_ends_are_those_of_a_search(numerator, denominator):
    covariance = np.array([[4.0, -0.6], [-0.6, 1.0]])
    ratio = np.linspace(-8, 8, 160001)
    variance = covariance[0, 0] - 2 * ratio * covariance[0, 1] + ratio**2 * covariance[1, 1]
    held = ratio[(numerator - ratio * denominator) ** 2 <= 1.645**2 * variance]
    found = fieller_interval(numerator, denominator, covariance, 1.645, signed=True)
    assert found == pytest.approx((held[0], held[-1]), abs=2e-4)
    clipped = fieller_interval(numerator, denominator, covariance, 1.645)
    assert clipped == (max(found[0], 0.0), max(found[1], 0.0))


@pytest.mark.parametrize(("numerator", "denominator"), [(30.0, -1.0), (-30.0, 1.0), (-30.0, -1.0), (30.0, 1.0)])
def test_fiellers_lower_end_without_an_upper_one_is_that_of_a_search(numerator, denominator):
    covariance = np.array([[4.0, 0.6], [0.6, 1.0]])
    ratio = np.linspace(0, 200, 2000001)
    variance = covariance[0, 0] - 2 * ratio * covariance[0, 1] + ratio**2 * covariance[1, 1]
    held = ratio[(numerator - ratio * denominator) ** 2 <= 1.645**2 * variance]
    for signed in (False, True):
        low, high = fieller_interval(numerator, denominator, covariance, 1.645, signed=signed)
        assert (low, high) == (pytest.approx(held[0], abs=2e-4), math.inf)


def test_fiellers_interval_of_a_numerator_that_is_zero():
    low, high = fieller_interval(0.0, 10.0, np.diag([4.0, 1.0]), 1.645)
    assert low == 0
    assert high * 10 == pytest.approx(1.645 * math.sqrt(4 + high**2), rel=1e-12)


def test_a_batch_size_beyond_those_tried_says_that_it_rests_on_the_form():
    small = 2.0 ** np.arange(5, 12)
    found = fit_steps(small, noisy(batch=small, sigma=0.01), bootstrap=0).critical_batch()
    assert found.estimate > small.max()
    assert any("beyond the largest batch size tried, 2048" in note for note in found.notes)


def test_every_number_carries_its_convention():
    s = fit_steps(B, noisy(), unit="sequences", bootstrap=100)
    found = s.critical_batch(overhead=0.2, anchor=256)
    text = repr(found)
    for word in ("sequences", "20 %", "256", "90 %", "Fieller", "7 degrees of freedom"):
        assert word in text
    table = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert table["overhead"] == 0.2
    assert table["anchor"] == 256
    assert table["unit"] == "sequences"
    assert table["level"] == 0.9
    tokens = found.to_unit("tokens", 512)
    assert (tokens.estimate, tokens.anchor) == (found.estimate * 512, 131072)
    assert float(found) == found.estimate


def test_infinities_are_written_as_json_can():
    one = CriticalBatch(math.inf, 3e4, math.inf, 0.9, "none", None, None, "samples")
    assert one.to_dict()["estimate"] == "inf"
    assert one.to_dict()["bounded"] is False
    assert one.interval == "above 30000, unbounded"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"overhead": 0}, "overhead is a finite number above 0"),
        ({"overhead": math.nan}, "overhead is a finite number above 0"),
        ({"overhead": "a fifth"}, "overhead is a finite number above 0, not a fifth"),
        ({"overhead": 0.2, "anchor": "256"}, "anchor is a finite number above 0"),
        ({"level": "90 %"}, "level lies between 0 and 1"),
        ({"overhead": 0.2, "anchor": -1}, "anchor is a finite number above 0"),
        ({"anchor": 256}, "without an overhead"),
        ({"level": 90}, "level lies between 0 and 1"),
        ({"method": "felier"}, "no interval 'felier'"),
        ({"method": "bootstrap"}, "this fit has none"),
    ],
)
def test_conventions_that_are_none(settings, message):
    with pytest.raises(UsageError, match=message):
        fit_steps(B, noisy(), bootstrap=0).critical_batch(**settings)


def test_the_power_form_needs_an_anchor_and_no_fieller():
    s = fit_steps(B, noisy(), bootstrap=0, form="steps_to_target_power")
    with pytest.raises(UsageError, match="no fewest number of samples"):
        s.critical_batch(overhead=0.2)
    with pytest.raises(UsageError, match="Fieller"):
        s.critical_batch(method="fieller")
    found = s.critical_batch(overhead=0.2, anchor=256)
    assert found.low < found.estimate < found.high


def test_another_law_is_no_curve_of_steps():
    import scaling

    fit = scaling.fit("power", {"x": B}, 3 / B**0.1, objective="squared", bootstrap=0)
    with pytest.raises(UsageError, match="no curve of steps"):
        critical_batch_of(fit)


def test_a_corner_that_the_data_leave_open_is_unbounded_on_both_sides():
    """Steps in proportion to the batch but for 2 %: with a free sharpness any corner beyond the batches will do."""
    batch = 2.0 ** np.arange(5, 11)
    steps = 1e6 / batch * np.exp(0.02 * np.random.default_rng(0).standard_normal(6))
    found = fit_steps(batch, steps, form="steps_to_target_sharp", bootstrap=0).critical_batch()
    assert math.isfinite(found.estimate)
    assert (found.low, found.high, found.bounded) == (0.0, math.inf, False)


def test_one_degree_of_freedom_is_written_as_one():
    batch = np.array([32.0, 128.0, 512.0])
    found = fit_steps(batch, (1e3 + 1e6 / batch) * np.array([1.01, 0.99, 1.0]), bootstrap=0).critical_batch()
    assert found.method.endswith("t distribution with one degree of freedom")
