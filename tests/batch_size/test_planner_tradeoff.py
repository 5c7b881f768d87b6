"""Time against compute: the identities, the front, and the curve that both rest on."""

import json

import numpy as np
import pytest

from scaling.batch_size import fit_steps
from scaling.batch_size.planner.curve import StepsCurve, curve_from_law, curve_of
from scaling.batch_size.planner.tradeoff import (
    batch_for_overhead,
    batch_for_weight,
    compute_overhead,
    pareto_front,
    time_ratio,
)
from scaling.errors import InputDataError, UsageError, VerdictError

# 302M parameters, fitted to the steps of arXiv:2410.21676: sequences of 512 tokens.
A, B = 2095.35, 1.13833e7
CRITICAL = B / A
CURVE = StepsCurve(A, B, unit="sequences")


@pytest.mark.parametrize(
    ("batch", "time", "overhead"), [(1024, 6.305, 0.188), (2048, 3.653, 0.377), (16384, 1.332, 3.016)]
)
def test_the_published_curve_gives_these_ratios(batch, time, overhead):
    assert time_ratio(batch, CRITICAL) == pytest.approx(time, abs=5e-4)
    assert compute_overhead(batch, CRITICAL) == pytest.approx(overhead, abs=6e-4)


@pytest.mark.parametrize(("weight", "batch"), [(0.1, 603.6), (0.25, 1810.9), (0.5, 5432.6), (0.75, 16297.9)])
def test_the_best_batch_for_a_weight_of_time(weight, batch):
    assert batch_for_weight(CRITICAL, weight) == pytest.approx(batch, abs=0.06)


def test_a_fit_is_as_good_as_its_curve():
    sizes = 2.0 ** np.arange(6, 15)
    fit = fit_steps(sizes, (A + B / sizes) * np.exp(0.02 * np.cos(5 * np.arange(9))), bootstrap=50, unit="sequences")
    assert pareto_front(fit).to_dict() == pareto_front(curve_of(fit)).to_dict()


def test_the_identities_hold_exactly():
    sizes = np.geomspace(1, 1e6, 40)
    steps = A + B / sizes
    np.testing.assert_allclose(time_ratio(sizes, CRITICAL), steps / A, rtol=1e-14)
    np.testing.assert_allclose(1 + compute_overhead(sizes, CRITICAL), steps * sizes / B, rtol=1e-14)
    # McCandlish's hyperbola.
    np.testing.assert_allclose((time_ratio(sizes, CRITICAL) - 1) * compute_overhead(sizes, CRITICAL), 1, rtol=1e-12)
    assert (time_ratio(CRITICAL, CRITICAL), compute_overhead(CRITICAL, CRITICAL)) == (2, 1)


@pytest.mark.parametrize("weight", [0.1, 0.37, 0.5, 0.75])
def test_the_weighted_product_has_its_minimum_there(weight):
    def product(batch):
        return weight * np.log(time_ratio(batch, CRITICAL)) + (1 - weight) * np.log1p(compute_overhead(batch, CRITICAL))

    best = float(batch_for_weight(CRITICAL, weight))
    around = best * np.exp(np.linspace(-3, 3, 60_001))
    assert around[np.argmin(product(around))] == pytest.approx(best, rel=1.01e-4)


def test_the_price_of_time_is_the_overhead():
    """d ln(compute) = -overhead * d ln(time) along the front."""
    for batch in (300.0, CRITICAL, 4e4):
        near = batch * np.exp([-1e-4, 1e-4])
        time, compute = np.log(time_ratio(near, CRITICAL)), np.log1p(compute_overhead(near, CRITICAL))
        assert np.diff(compute)[0] / -np.diff(time)[0] == pytest.approx(
            float(compute_overhead(batch, CRITICAL)), rel=1e-6
        )


def test_the_largest_batch_of_an_overhead_spends_it():
    largest = batch_for_overhead(CRITICAL, 0.2)
    assert largest == pytest.approx(0.2 * CRITICAL, rel=1e-15)
    assert (A * largest + B) / B == pytest.approx(1.2, rel=1e-14)


@pytest.mark.parametrize(("function", "value"), [(batch_for_weight, 0), (batch_for_weight, 1), (batch_for_weight, 1.2),
                                                 (batch_for_overhead, 0), (batch_for_overhead, np.inf)])  # fmt: skip
def test_weights_and_overheads_that_are_none_are_refused(function, value):
    with pytest.raises(UsageError):
        function(CRITICAL, value)


def test_the_front_counts_steps_tokens_and_compute():
    front = pareto_front(CURVE, [1024, 4096], tokens_per_sample=512, flop_per_token=6 * 302e6, overheads=[0.2])
    np.testing.assert_allclose(front.steps, [13211.853906, 4874.475977], rtol=1e-9)
    np.testing.assert_allclose(front.samples, front.steps * front.batch, rtol=1e-14)
    np.testing.assert_allclose(front.tokens, 512 * front.samples, rtol=1e-14)
    np.testing.assert_allclose(front.compute_flop, 6 * 302e6 * front.tokens, rtol=1e-14)
    assert front.by_overhead[0.2][0] == pytest.approx(1086.53, abs=0.01)
    assert np.isnan(front.intervals["steps"][0]).all()
    assert "unknown" in repr(front)


def test_without_a_length_tokens_are_unknown_and_say_so():
    row = pareto_front(CURVE, [1024]).to_dict()["front"][0]
    assert (row["tokens"], row["compute_flop"]) == (None, None)
    assert row["time_ratio"] == pytest.approx(6.305, abs=5e-4)
    # A batch in tokens needs no length.
    assert pareto_front(StepsCurve(A, B, unit="tokens"), [1024]).tokens[0] == pytest.approx(A * 1024 + B)


def test_batch_sizes_are_octaves_about_the_critical_one_where_none_are_given():
    sizes = pareto_front(CURVE).batch
    np.testing.assert_array_equal(sizes, 2.0 ** np.arange(7, 18))
    assert sizes[0] < CRITICAL / 16
    assert sizes[-1] > 16 * CRITICAL


def fitted(seed=0, **settings):
    batch = 2.0 ** np.arange(5, 16)
    noise = np.exp(0.04 * np.random.default_rng(seed).standard_normal(len(batch)))
    return fit_steps(batch, (A + B / batch) * noise, unit="sequences", **({"bootstrap": 400} | settings))


def test_intervals_are_those_of_the_replicates_and_hold_the_truth():
    made = fitted()
    front = pareto_front(curve_of(made), [256, 4096], tokens_per_sample=512, flop_per_token=1e9, level=0.9)
    ratios = made.fit.replicates[:, 1] / made.fit.replicates[:, 0]
    assert (front.critical_low, front.critical_high) == pytest.approx(
        tuple(np.quantile(ratios, [0.05, 0.95])), rel=0.02
    )
    for name, (low, high) in front.intervals.items():
        value = getattr(front, name)
        assert np.all((low < value) & (value < high)), name
    wide = pareto_front(curve_of(made), [256, 4096], level=0.99)
    assert wide.critical_low < front.critical_low < front.critical_high < wide.critical_high
    assert wide.critical_low < CRITICAL < wide.critical_high


def test_a_front_is_strict_json():
    table = pareto_front(curve_of(fitted(bootstrap=50)), [64, 4096]).to_dict()
    assert json.loads(json.dumps(table, allow_nan=False)) == table
    assert list(table) == ["unit", "level", "verdict", "critical_batch", "front", "by_weight", "by_overhead"]
    assert [row["weight"] for row in table["by_weight"]] == [0.1, 0.25, 0.5, 0.75]


def test_replicates_without_a_floor_of_steps_have_no_end():
    draws = np.array([[A, B]] * 15 + [[0.0, B]] * 5)
    front = pareto_front(StepsCurve(A, B, draws), [1024])
    assert front.critical_low == pytest.approx(CRITICAL)
    assert front.critical_high == np.inf
    assert front.intervals["overhead"][0][0] == 0
    assert pareto_front(StepsCurve(A, B, draws), [1024]).to_dict()["critical_batch"]["high"] == "inf"


def test_a_curve_needs_both_asymptotes():
    for a, b in ((0.0, B), (A, 0.0), (np.nan, B)):
        with pytest.raises(InputDataError, match="above 0"):
            StepsCurve(a, b)


def test_another_form_is_refused():
    with pytest.raises(UsageError, match="fit of 'steps_to_target_power'"):
        curve_of(fitted(form="steps_to_target_power", bootstrap=0))


def test_a_fit_that_is_not_identified_is_no_plan():
    batch = np.array([64.0, 256, 1024, 4096])
    few = fit_steps(batch, A + B / batch, unit="sequences", bootstrap=0)
    assert few.verdict == "not identified"
    with pytest.raises(VerdictError, match="too few rows"):
        curve_of(few)
    assert curve_of(few, force=True).critical == pytest.approx(CRITICAL, rel=1e-6)


class TestFromALaw:
    TOKENS = np.geomspace(1e9, 5e10, 12)

    def law(self, **settings):
        from scaling.batch_size.law import fit_critical_law

        noise = np.exp(0.05 * np.random.default_rng(1).standard_normal(12))
        settings = {"unit": "tokens", "bootstrap": 200} | settings
        return fit_critical_law(164.06 * self.TOKENS**0.4266 * noise, n_tokens=self.TOKENS, **settings)

    def test_the_curve_is_that_of_the_tokens_and_the_critical_batch(self):
        law = self.law()
        said = law.predict(n_tokens=2e10)
        curve = curve_from_law(law, 2e10)
        assert (curve.b, curve.unit, curve.verdict) == (2e10, "tokens", "ok")
        assert curve.critical == pytest.approx(float(np.squeeze(said.estimate)), rel=1e-12)
        low, high = curve.interval(curve.replicates[:, 1:] / curve.replicates[:, :1], 0.9)
        assert (low[0], high[0]) == pytest.approx((float(np.squeeze(said.low)), float(np.squeeze(said.high))), rel=0.05)
        assert "was not measured" in curve.reasons[-1]

    def test_a_batch_at_an_overhead_is_turned_back_into_the_ratio(self):
        ratio = 164.06 * self.TOKENS**0.4266
        from scaling.batch_size.law import fit_critical_law

        convention = {"overhead": 0.2, "anchor": 1e4, "unit": "tokens", "bootstrap": 0}
        law = fit_critical_law(0.2 * ratio + 1.2 * 1e4, n_tokens=self.TOKENS, **convention)
        star = float(np.squeeze(law.predict(n_tokens=2e10).estimate))
        assert curve_from_law(law, 2e10).critical == pytest.approx((star - 1.2e4) / 0.2, rel=1e-12)

    def test_the_anchor_of_sequences_is_turned_into_tokens_with_the_batch(self):
        from scaling.batch_size.law import fit_critical_law

        ratio = 164.06 * self.TOKENS**0.4266 / 512
        settings = {"overhead": 0.2, "anchor": 16, "unit": "sequences", "tokens_per_sample": 512, "bootstrap": 0}
        law = fit_critical_law(0.2 * ratio + 1.2 * 16, n_tokens=self.TOKENS, **settings)
        star = float(np.squeeze(law.predict(n_tokens=2e10, unit="tokens").estimate))
        assert curve_from_law(law, 2e10).critical == pytest.approx((star - 1.2 * 16 * 512) / 0.2, rel=1e-12)
        assert curve_from_law(law, 2e10).critical == pytest.approx(164.06 * 2e10**0.4266, rel=0.02)

    def test_a_batch_below_its_own_anchor_is_refused(self):
        law = self.law(overhead=0.2, anchor=1e9)
        with pytest.raises(InputDataError, match="below what linear scaling from its own anchor reaches"):
            curve_from_law(law, 2e10)

    def test_a_run_without_tokens_is_refused(self):
        with pytest.raises(UsageError, match="tokens of a run"):
            curve_from_law(self.law(bootstrap=0), 0)
