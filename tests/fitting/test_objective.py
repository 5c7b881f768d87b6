"""What is summed: definitions, limits, and the messages of settings that make no sense."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scaling
from scaling.errors import UsageError
from scaling.fitting.objective import Objective

steady = settings(derandomize=True, deadline=None)


def test_the_definitions():
    r = np.array([-3.0, -0.5, 0.0, 0.5, 1.0, 2.0])
    np.testing.assert_allclose(Objective("squared").rho(r), [9, 0.25, 0, 0.25, 1, 4])
    np.testing.assert_allclose(Objective("lad").rho(r), [3, 0.5, 0, 0.5, 1, 2])
    np.testing.assert_allclose(Objective("huber", delta=1).rho(r), [2.5, 0.125, 0, 0.125, 0.5, 1.5])
    np.testing.assert_allclose(Objective("huber", delta=0.25).rho(r), [0.71875, 0.09375, 0, 0.09375, 0.21875, 0.46875])


@steady
@given(st.floats(-1e3, 1e3), st.floats(1e-6, 1e3), st.sampled_from(["squared", "huber", "lad"]))
def test_the_score_is_the_derivative_of_rho(r, delta, name):
    objective = Objective(name, delta=delta if name == "huber" else None)
    step = 1e-6 * max(1.0, abs(r))
    near_kink = min(abs(abs(r) - delta), abs(r)) < 2 * step
    if near_kink:
        return
    ends = objective.rho(np.array([r - step, r + step]))
    slope = (ends[1] - ends[0]) / (2 * step)
    assert objective.score(np.array([r]))[0] == pytest.approx(slope, rel=1e-6, abs=1e-6)


@steady
@given(st.floats(-1e6, 1e6), st.floats(1e-9, 1e6))
def test_huber_lies_between_its_limits(r, delta):
    huber = float(Objective("huber", delta=delta).rho(np.array(r)))
    assert huber <= 0.5 * r * r * (1 + 1e-12)
    assert huber <= delta * abs(r) * (1 + 1e-12)
    assert huber >= delta * (abs(r) - delta / 2) * (1 - 1e-9) - 1e-300


def test_nothing_outside_the_domain_is_ever_an_optimum():
    for name in ("squared", "huber", "lad"):
        objective = Objective(name)
        r = objective.residuals(np.array([1.0, 1.0, 1.0]), np.array([1.0, -1.0, np.nan]))
        np.testing.assert_array_equal(objective.rho(r), [0, np.inf, np.inf])


def test_residuals():
    y, f = np.array([2.0, 4.0]), np.array([1.0, 8.0])
    np.testing.assert_allclose(Objective("squared", "log").residuals(y, f), [np.log(2), -np.log(2)])
    np.testing.assert_allclose(Objective("squared", "linear").residuals(y, f), [1, -4])


def test_the_name_says_everything():
    assert str(Objective()) == "huber(0.001) on log residuals"
    assert str(Objective("squared", "linear")) == "squared on linear residuals"
    assert str(Objective("huber", "log", 0.25)) == "huber(0.25) on log residuals"
    assert str(Objective("lad")) == "lad on log residuals"
    assert Objective().delta == 1e-3


@pytest.mark.parametrize(
    ("settings_", "says"),
    [
        (("huger",), "there is no objective 'huger'\nDid you mean 'huber'"),
        (("huber", "logg"), "there is no residual 'logg'\nDid you mean 'log'"),
        (("huber", "log", 0), "delta must be positive and finite, not 0"),
        (("huber", "log", -1), "delta must be positive and finite, not -1"),
        (("huber", "log", float("inf")), "delta must be positive and finite, not inf"),
        (("huber", "log", float("nan")), "delta must be positive and finite, not nan"),
        (("squared", "log", 1e-3), "delta belongs to the objective 'huber' or 'asymmetric', not to 'squared'"),
        (("lad", "log", 1e-3), "delta belongs to the objective 'huber' or 'asymmetric', not to 'lad'"),
    ],
)
def test_settings_that_make_no_sense(settings_, says):
    with pytest.raises(UsageError, match=says):
        Objective(*settings_)


def noisy_line(seed, n):
    rng = np.random.default_rng(seed)
    x = np.sort(rng.uniform(0, 10, n))
    return x, 2 + 0.7 * x + rng.standard_t(3, n)


def test_a_wide_huber_is_half_of_squared():
    x, y = noisy_line(1, 40)
    wide = scaling.fit("a + b*x", {"x": x}, y, objective="huber", delta=1e6, residual="linear", bootstrap=0)
    squared = scaling.fit("a + b*x", {"x": x}, y, objective="squared", residual="linear", bootstrap=0)
    assert wide.objective_value == pytest.approx(squared.objective_value / 2, rel=1e-12)
    assert wide.theta == pytest.approx(squared.theta, rel=1e-10)
    slope, level = np.polyfit(x, y, 1)
    assert squared.theta == pytest.approx([level, slope], rel=1e-10)


@pytest.mark.parametrize("seed", range(20))
def test_lad_is_the_exact_linear_programme(seed):
    from scipy.optimize import linprog

    n = 25 + seed
    x, y = noisy_line(seed, n)
    fit = scaling.fit("a + b*x", {"x": x}, y, objective="lad", residual="linear", bootstrap=0)
    design = np.stack([np.ones(n), x], axis=1)
    best = linprog(
        np.r_[0, 0, np.ones(2 * n)],
        A_eq=np.hstack([design, np.eye(n), -np.eye(n)]),
        b_eq=y,
        bounds=[(None, None)] * 2 + [(0, None)] * (2 * n),
    )
    assert fit.objective_value == pytest.approx(best.fun, rel=1e-9)


def test_lad_is_the_limit_of_huber_over_delta():
    x, y = noisy_line(3, 41)
    lad = scaling.fit("a + b*x", {"x": x}, y, objective="lad", residual="linear", bootstrap=0)
    for delta in (1e-1, 1e-2, 1e-3, 1e-4):
        huber = scaling.fit("a + b*x", {"x": x}, y, delta=delta, residual="linear", bootstrap=0)
        # Row by row |r| exceeds huber / delta by no more than delta / 2.
        assert 0 < lad.objective_value - huber.objective_value / delta < 41 * delta / 2
    assert lad.theta == pytest.approx(huber.theta, abs=1e-3)


def test_the_printed_value_is_the_plain_sum(chinchilla_runs):
    inputs, loss, _ = chinchilla_runs
    weights = np.random.default_rng(0).uniform(0.2, 2, len(loss))
    for name, residual in [(o, r) for o in ("squared", "huber", "lad") for r in ("log", "linear")]:
        fit = scaling.fit("chinchilla", inputs, loss, objective=name, residual=residual, weights=weights, bootstrap=0)
        predicted = fit.evaluate(inputs)[0]
        r = np.log(loss / predicted) if residual == "log" else loss - predicted
        size = np.abs(r)
        rho = {"squared": r**2, "lad": size, "huber": np.where(size <= 1e-3, r**2 / 2, 1e-3 * (size - 5e-4))}[name]
        assert fit.objective_value == pytest.approx(float(weights @ rho), rel=1e-9)
        np.testing.assert_allclose(fit.residuals, r, atol=1e-13)
