"""Penalties: what they add, on which scale, and that strength 0 changes nothing."""

import numpy as np
import pytest

import scaling
from scaling.errors import UsageError


@pytest.fixture(scope="module")
def line():
    rng = np.random.default_rng(1)
    x = rng.uniform(1, 10, 40)
    return {"x": x}, 3 + 0.5 * x + 0.2 * rng.standard_normal(40)


def test_ridge_regression_in_closed_form(line):
    inputs, y = line
    strength, centre, n = 0.7, 0.1, len(y)
    fit = scaling.fit("a + b*x", inputs, y, objective="squared", residual="linear", penalty={"b": (centre, strength)},
                      bootstrap=50)  # fmt: skip
    design = np.stack([np.ones(n), inputs["x"]], axis=1)
    pull = np.diag([0, n * strength])
    known = np.linalg.solve(design.T @ design + pull, design.T @ y + pull @ [0, centre])
    assert fit.theta == pytest.approx(known, rel=1e-10)
    rest = y - design @ known
    assert fit.objective_value == pytest.approx(rest @ rest + n * strength * (known[1] - centre) ** 2, rel=1e-12)
    # The sandwich of the penalised normal equations, s^2 with n - p degrees of freedom.
    inverse = np.linalg.inv(design.T @ design + pull)
    known_covariance = inverse @ (design.T @ design) @ inverse * (rest @ rest) / (n - 2)
    np.testing.assert_allclose(fit.covariance, known_covariance, rtol=1e-8)
    # A replicate is the same ridge regression of other rows.
    from scaling.fitting.resample import bootstrap_weights

    w = bootstrap_weights(n, 50, 0)[7]
    again = np.linalg.solve(design.T @ (w[:, None] * design) + pull, design.T @ (w * y) + pull @ [0, centre])
    assert fit.replicates[7] == pytest.approx(again, rel=1e-6)


@pytest.mark.parametrize("objective", ["squared", "huber", "lad", "pinball(0.8)", "pinball(0.8, 50)", "asymmetric(3)"])
def test_no_strength_changes_nothing(line, objective):
    inputs, y = line
    plain = scaling.fit("a + b*x", inputs, y, objective=objective, bootstrap=20)
    zero = scaling.fit("a + b*x", inputs, y, objective=objective, bootstrap=20, penalty={"b": (0.3, 0)})
    assert zero.estimates == plain.estimates
    assert zero.objective_value == plain.objective_value
    np.testing.assert_array_equal(zero.replicates, plain.replicates)
    np.testing.assert_array_equal(zero.covariance, plain.covariance)
    assert "penalty" not in plain.settings
    assert "penalty" not in zero.summary()


@pytest.mark.parametrize("objective", ["squared", "huber", "lad", "pinball(0.8)", "asymmetric(3)"])
def test_a_strong_penalty_holds_the_parameter(line, objective):
    inputs, y = line
    fit = scaling.fit("a + b*x", inputs, y, objective=objective, penalty={"b": (0.3, 1e4)}, bootstrap=0)
    assert fit.estimates["b"] == pytest.approx(0.3, abs=1e-3)
    free = scaling.fit("a + b*x", inputs, y, objective=objective, bootstrap=0)
    assert abs(free.estimates["b"] - 0.5) < 0.1


def test_the_penalised_median_is_its_own_optimum(line):
    """The exact corner with a penalty: no direction goes down from the optimum."""
    inputs, y = line
    fit = scaling.fit("a + b*x", inputs, y, objective="lad", residual="linear", penalty={"b": (0.0, 0.05)}, bootstrap=0)

    def value(a, b):
        return np.sum(np.abs(y - a - b * inputs["x"])) + len(y) * 0.05 * b**2

    best = value(*fit.theta)
    assert fit.objective_value == pytest.approx(best, rel=1e-12)
    for direction in np.random.default_rng(0).standard_normal((200, 2)):
        assert value(*(fit.theta + 1e-4 * direction)) >= best - 1e-9


def test_positive_parameters_are_penalised_on_their_logarithm(chinchilla_runs):
    inputs, loss, _ = chinchilla_runs
    fit = scaling.fit("chinchilla", inputs, loss, penalty={"A": (400, 1e3), "alpha": (0.34, 1e3)}, bootstrap=0)
    assert fit.estimates["A"] == pytest.approx(400, rel=1e-3)
    assert fit.estimates["alpha"] == pytest.approx(0.34, abs=1e-3)
    text = fit.summary()
    assert "penalty in it: n * (1000 * (ln A - ln 400)^2 + 1000 * (alpha - 0.34)^2)" in text
    assert fit.settings["penalty"] == {"A": [400.0, 1e3], "alpha": [0.34, 1e3]}
    assert scaling.Fit.from_json(fit.to_json()) == fit
    plain = fit.objective.rho(fit.residuals).sum()
    n = len(loss)
    pull = 1e3 * np.log(fit.estimates["A"] / 400) ** 2 + 1e3 * (fit.estimates["alpha"] - 0.34) ** 2
    assert fit.objective_value == pytest.approx(plain + n * pull, rel=1e-9)


def test_twice_the_rows_at_half_the_weight_is_the_same_problem(line):
    inputs, y = line
    settings = {"objective": "squared", "penalty": {"b": (0, 0.3)}, "bootstrap": 0}
    once = scaling.fit("a + b*x", inputs, y, **settings)
    twice = scaling.fit("a + b*x", {"x": np.tile(inputs["x"], 2)}, np.tile(y, 2), weights=np.full(80, 0.5), **settings)
    assert twice.theta == pytest.approx(once.theta, rel=1e-10)
    assert twice.objective_value == pytest.approx(once.objective_value, rel=1e-12)


@pytest.mark.parametrize(
    ("penalty", "says"),
    [
        ({"c": (0, 1)}, "there is no parameter 'c' to penalise"),
        ({"b": (0, -1)}, "a finite strength from 0 on"),
        ({"b": (float("nan"), 1)}, "needs a finite centre"),
        ({"b": 3}, "not a centre and a strength"),
        ({"b": (1, 2, 3)}, "not a centre and a strength"),
        ({"b": ("x", 1)}, "not a centre and a strength"),
    ],
)
def test_penalties_that_make_no_sense(line, penalty, says):
    with pytest.raises(UsageError, match=says):
        scaling.fit("a + b*x", *line, penalty=penalty, bootstrap=0)


def test_a_logarithm_needs_a_positive_centre(chinchilla_runs):
    inputs, loss, _ = chinchilla_runs
    with pytest.raises(UsageError, match="its centre must be positive, not 0"):
        scaling.fit("chinchilla", inputs, loss, penalty={"A": (0, 1)}, bootstrap=0)
