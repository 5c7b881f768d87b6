"""What must not change a fit, and what must change it in a known way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scaling
from scaling.laws.book import law_names

# Many parameters, or slow curves: seconds for each fit.
LONG = ("data_constrained", "farseer", "gemstones", "precision", "repeated_pools", "tuned_loss")
steady = settings(derandomize=True, deadline=None, max_examples=15)


# The corner of least absolute deviations is approached through smooth objectives, and met to seven digits.
VALUE_DIGITS = {"squared": 1e-9, "huber": 1e-9, "lad": 1e-7}


def noisy(name, draw, clean, seed=3, scatter=0.003):
    rng = np.random.default_rng(seed)
    inputs, truth = draw(name, rng)
    observed = clean(name, inputs, truth)
    return inputs, observed * np.exp(scatter * rng.standard_normal(len(observed)))


def fitted(name, inputs, observed, **settings_):
    return scaling.fit(name, inputs, observed, **({"objective": "squared", "bootstrap": 0} | settings_))


@pytest.mark.parametrize(
    ("name", "objective"),
    [
        *(
            pytest.param(name, o, marks=[pytest.mark.slow] if name in LONG else [])
            for name in law_names()
            for o in ("squared", "huber")
        ),
        ("chinchilla", "lad"),
        ("power", "lad"),
    ],
)
def test_the_order_of_the_rows_does_not_matter(name, objective, draw, clean):
    inputs, observed = noisy(name, draw, clean)
    shuffle = np.random.default_rng(0).permutation(len(observed))
    one = fitted(name, inputs, observed, objective=objective)
    two = fitted(name, {k: v[shuffle] for k, v in inputs.items()}, observed[shuffle], objective=objective)
    assert two.objective_value == pytest.approx(one.objective_value, rel=VALUE_DIGITS[objective])
    if objective == "squared":
        assert two.theta == pytest.approx(one.theta, rel=1e-6)
        assert two.covariance == pytest.approx(one.covariance, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "objective"),
    [("chinchilla", "squared"), ("chinchilla", "huber"), ("chinchilla", "lad"), ("shifted_power", "squared"),
     ("shifted_power", "huber")],
)  # fmt: skip
def test_a_row_twice_is_a_row_of_weight_two(name, objective, draw, clean):
    inputs, observed = noisy(name, draw, clean)
    twice = np.arange(len(observed)) % 3 == 0
    rows = np.concatenate([np.arange(len(observed)), np.flatnonzero(twice)])
    copied = fitted(name, {k: v[rows] for k, v in inputs.items()}, observed[rows], objective=objective)
    weighed = fitted(name, inputs, observed, weights=1.0 + twice, objective=objective)
    assert weighed.objective_value == pytest.approx(copied.objective_value, rel=VALUE_DIGITS[objective])
    if objective == "squared":
        assert weighed.theta == pytest.approx(copied.theta, rel=1e-6)


def test_every_row_twice_at_half_weight_is_the_same_fit(draw, clean):
    inputs, observed = noisy("chinchilla", draw, clean)
    once = fitted("chinchilla", inputs, observed)
    half = fitted(
        "chinchilla", {k: np.tile(v, 2) for k, v in inputs.items()}, np.tile(observed, 2),
        weights=np.full(2 * len(observed), 0.5),
    )  # fmt: skip
    assert half.objective_value == pytest.approx(once.objective_value, rel=1e-12)
    assert half.theta == pytest.approx(once.theta, rel=1e-7)


@pytest.mark.parametrize("objective", ["squared", "huber", "lad"])
def test_a_common_factor_of_the_weights_changes_the_value_alone(objective, draw, clean):
    inputs, observed = noisy("chinchilla", draw, clean)
    weights = np.random.default_rng(1).uniform(0.5, 2, len(observed))
    one = fitted("chinchilla", inputs, observed, weights=weights, objective=objective)
    ten = fitted("chinchilla", inputs, observed, weights=10 * weights, objective=objective)
    assert ten.objective_value == pytest.approx(10 * one.objective_value, rel=VALUE_DIGITS[objective])
    if objective == "squared":
        assert ten.theta == pytest.approx(one.theta, rel=1e-6)
        for name in one.estimates:
            assert ten.interval(name) == pytest.approx(one.interval(name), rel=1e-6)


@steady
@given(st.floats(1e-4, 1e6), st.sampled_from(["N", "D"]))
def test_a_unit_moves_its_own_amplitude_alone(unit, which):
    n, d = (g.ravel() for g in np.meshgrid(np.geomspace(1e7, 1e10, 5), np.geomspace(2e8, 2e12, 5)))
    noise = np.exp(0.003 * np.random.default_rng(2).standard_normal(25))
    loss = (1.69 + 406.4 / n**0.34 + 410.7 / d**0.28) * noise
    inputs = {"N": n, "D": d}
    plain = fitted("chinchilla", inputs, loss)
    scaled = fitted("chinchilla", inputs | {which: inputs[which] * unit}, loss)
    amplitude, exponent = {"N": ("A", "alpha"), "D": ("B", "beta")}[which]
    factor = unit ** plain.estimates[exponent]
    if not 1e-2 < factor * plain.estimates[amplitude] < 1e17:
        return  # the bound of the book is in the way
    expected = plain.estimates | {amplitude: plain.estimates[amplitude] * factor}
    assert scaled.estimates == pytest.approx(expected, rel=1e-5)
    assert scaled.objective_value == pytest.approx(plain.objective_value, rel=1e-9)


@steady
@given(st.floats(0.01, 100))
def test_nats_or_bits_scale_the_amplitudes_alone(factor):
    x = np.geomspace(1e6, 1e10, 25)
    loss = (1.7 + 100 / x**0.25) * np.exp(0.002 * np.random.default_rng(5).standard_normal(25))
    nats = fitted("power_floor", {"x": x}, loss)
    bits = fitted("power_floor", {"x": x}, loss * factor)
    expected = {"E": nats.estimates["E"] * factor, "A": nats.estimates["A"] * factor, "alpha": nats.estimates["alpha"]}
    assert bits.estimates == pytest.approx(expected, rel=1e-5)


def test_names_do_not_matter(draw, clean):
    inputs, observed = noisy("chinchilla", draw, clean)
    one = fitted("E + A/N**alpha + B/D**beta", inputs, observed)
    two = fitted(
        "lambda + t0/x1**v1 + v0/x0**t1", {"x1": inputs["N"], "x0": inputs["D"]}, observed
    )  # fmt: skip
    assert two.theta == pytest.approx(one.theta, rel=1e-9)


@pytest.mark.parametrize("name", ["chinchilla", "kaplan", "skaling", "multiplicative"])
def test_a_law_of_the_book_falls_with_size_and_with_data(name, draw, clean):
    inputs, observed = noisy(name, draw, clean)
    fit = fitted(name, inputs, observed)
    grid = np.geomspace(1e6, 1e12, 40)
    assert np.all(np.diff(fit.evaluate({"N": grid, "D": 1e11})[0]) < 0)
    assert np.all(np.diff(fit.evaluate({"N": 1e9, "D": grid})[0]) < 0)


def test_predictions_do_not_depend_on_the_unit(draw, clean):
    inputs, observed = noisy("chinchilla", draw, clean)
    fit = fitted("chinchilla", inputs, observed)
    other = fitted("chinchilla", {"N": inputs["N"] / 1e6, "D": inputs["D"] / 1e6}, observed)
    one = fit.predict({"N": 3e10, "D": 1e13})
    two = other.predict({"N": 3e4, "D": 1e7})
    assert (two.mean, two.low, two.high) == pytest.approx((one.mean, one.low, one.high), rel=1e-7)
    assert two.extrapolation_factor == pytest.approx(one.extrapolation_factor)


def test_the_same_seed_gives_the_same_text_and_another_seed_another_one(draw, clean):
    inputs, observed = noisy("chinchilla", draw, clean)
    first, second, other = (
        fitted("chinchilla", inputs, observed, objective="huber", bootstrap=60, seed=seed) for seed in (7, 7, 8)
    )
    assert first.to_json() == second.to_json()
    assert other.estimates == first.estimates
    assert not np.array_equal(other.replicates, first.replicates)
    assert (first.seed, other.seed) == (7, 8)


def test_more_replicates_begin_with_the_same_ones(draw, clean):
    inputs, observed = noisy("chinchilla", draw, clean)
    few, many = (fitted("chinchilla", inputs, observed, bootstrap=b) for b in (40, 300))
    np.testing.assert_allclose(many.replicates[:40], few.replicates, rtol=1e-5)


def test_a_row_of_weight_zero_is_no_row():
    x = np.geomspace(1, 1e3, 30)
    y = (2 + 3 / x**0.5) * np.exp(0.01 * np.random.default_rng(4).standard_normal(30))
    wild_x, wild_y = np.append(x, [1e9, 1e9]), np.append(y, [50.0, 60.0])
    weights = np.append(np.ones(30), [0.0, 0.0])
    for objective in ("squared", "huber", "lad"):
        without = scaling.fit("power_floor", {"x": x}, y, objective=objective, bootstrap=50)
        given = scaling.fit("power_floor", {"x": wild_x}, wild_y, objective=objective, bootstrap=50, weights=weights)
        assert given.estimates == without.estimates
        assert given.n_obs == 30
        assert given.support == without.support
        assert given.predict({"x": 1e4}) == without.predict({"x": 1e4})


@pytest.mark.slow
def test_runs_that_share_one_ratio_of_tokens_to_parameters_do_not_identify_a_law_of_both():
    rng = np.random.default_rng(0)
    n = np.geomspace(2e7, 2e9, 30)
    for _ in range(5):
        loss = (1.8 + 480 / n**0.35 + 2100 / (20 * n) ** 0.37) * np.exp(0.005 * rng.standard_normal(30))
        assert scaling.fit("chinchilla", {"N": n, "D": 20 * n}, loss, bootstrap=200).verdict == "not identified"
