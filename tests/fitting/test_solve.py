"""Whole problems: data in pieces, observed values by the row, costs, linear parameters, corners that are proved."""

from dataclasses import replace

import numpy as np
import pytest

import scaling
from scaling.fitting import solve
from scaling.fitting.compile import compile_law
from scaling.fitting.objective import Objective
from scaling.fitting.penalty import Penalty
from scaling.fitting.solve import Problem


def problem_of(n, objective="squared", residual="linear", seed=0, penalty=None):
    rng = np.random.default_rng(seed)
    x = rng.uniform(1, 9, n)
    y = 2 + 3 * x**-0.7 + 0.05 * rng.standard_normal(n)
    law = scaling.find_law("a + b*x**(-c)", {"x": [1.0]})
    kernel = compile_law(law, [False] * 3)
    goal = Objective.parse(objective, residual)
    return Problem(kernel, kernel.prepare({"x": x}), y, goal, np.full(3, -99.0), np.full(3, 99.0), penalty)


def test_pieces_of_the_data_add_up(monkeypatch):
    penalty = Penalty(np.array([1.0, 0, 0]), np.array([0.5, 0, 0]))
    whole = problem_of(1000, "huber(0.02)", penalty=penalty)
    theta = np.array([[2.0, 3.0, 0.7], [1.9, 2.0, 0.5]])
    weights = np.random.default_rng(1).uniform(0, 2, (2, 1000))
    known = [whole.values(theta, weights), *whole._derivatives(theta, weights, np.arange(2))]
    monkeypatch.setattr(solve, "_CHUNK_ELEMENTS", 130)
    cut = replace(whole)
    assert len(cut._pieces) == 8
    for a, b in zip([cut.values(theta, weights), *cut._derivatives(theta, weights, np.arange(2))], known, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-11)


@pytest.mark.parametrize("objective", ["squared", "huber(0.02)", "lad", "pinball(0.8)", "asymmetric(3, 0.02)"])
def test_each_row_may_have_observed_values_of_its_own(objective):
    problem = problem_of(60, objective)
    rng = np.random.default_rng(2)
    observed = problem.observed + 0.05 * rng.standard_normal((5, 60))
    weights, start = np.ones((5, 60)), np.tile([2.0, 3.0, 0.7], (5, 1))
    together = replace(problem, observed=observed).solve(start, weights, far=False)
    for row in range(5):
        alone = replace(problem, observed=observed[row], width=None).solve(start[:1], weights[:1], far=False)
        assert together.objective[row] == pytest.approx(alone.objective[0], rel=1e-6)
        np.testing.assert_allclose(together.theta[row], alone.theta[0], rtol=1e-3)


def test_costs_of_known_parameters_under_all_weights():
    penalty = Penalty(np.array([1.0, 0, 0]), np.array([0.5, 0, 0]))
    problem = problem_of(60, "huber(0.02)", penalty=penalty)
    rng = np.random.default_rng(3)
    known, weights = rng.uniform(0.5, 3, (7, 3)), rng.uniform(0, 2, (4, 60))
    observed = problem.observed + rng.standard_normal((4, 60))
    for one in (problem, replace(problem, observed=observed)):
        costs = one.costs(known, weights)
        assert costs.shape == (4, 7)
        for k in range(7):
            np.testing.assert_allclose(costs[:, k], one.values(np.tile(known[k], (4, 1)), weights), rtol=1e-12)


def test_costs_outside_the_domain_are_large_not_nan():
    problem = problem_of(60, "huber", "log")
    outside = np.array([[-50.0, 1.0, 1.0], [2.0, 3.0, 0.7]])
    costs = problem.costs(outside, np.ones((2, 60)))
    assert np.all(costs[:, 0] >= 1e300)
    assert np.all(costs[:, 1] < 100)


@pytest.mark.parametrize(
    ("formula", "linear"),
    [
        ("a + b*x**(-c)", {"a", "b"}),
        ("a*exp(-b*x) + c*exp(-d*x)", {"a", "c"}),
        ("a*b*x + c", {"a", "c"}),
        ("a/(1 + exp(b - c*x))", {"a"}),
        ("(1 + a*x)**b", set()),
    ],
)
def test_linear_parameters_are_told_by_their_second_derivatives(formula, linear):
    law = scaling.find_law(formula, {"x": [1.0]})
    kernel = compile_law(law, [False] * len(law.parameters))
    assert {name for name, is_linear in zip(kernel.names, kernel.linear, strict=True) if is_linear} == linear
    assert not compile_law(law, [True] * len(law.parameters)).linear.any()


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("K*(x - F)**k + E", {"K", "E"}),
        ("K*x**k", {"K"}),
        ("K*(x**k + M)", {"K"}),
        ("exp(K*x) + E", {"E"}),
    ],
)
def test_amplitudes_are_linear_behind_their_logarithm(formula, names):
    law = scaling.find_law(formula, {"x": [1.0]})
    kernel = compile_law(law, tuple(name == "K" for name in law.parameter_names))
    assert {name for name, yes in zip(kernel.names, kernel.projectable, strict=True) if yes} == names


def test_variable_projection_crosses_a_long_valley():
    """A shifted power law, whose amplitude, shift and exponent trade off: a thousand steps without it."""
    x = np.linspace(7, 12, 150)
    y = -2500 * (47 + x) ** (-1 / 0.93)
    start = {"b1": -2000.0, "b2": 50.0, "b3": 0.8}
    fit = scaling.fit("b1*(b2 + x)**(-1/b3)", {"x": x}, y, objective="squared", residual="linear", start=start,
                      bootstrap=0)  # fmt: skip
    assert fit.estimates["b1"] == pytest.approx(-2500, rel=1e-6)
    assert fit.estimates["b2"] == pytest.approx(47, rel=1e-6)
    assert fit.diagnostics.converged


def test_a_start_with_poor_linear_parameters_is_as_good_as_another():
    problem = problem_of(80)
    weights = np.ones((3, 80))
    starts = np.array([[2.0, 3.0, 0.7], [80.0, -90.0, 0.7], [-95.0, 70.0, 1.4]])
    minima = problem.solve(starts, weights, far=True)
    np.testing.assert_allclose(minima.objective, minima.objective[0], rtol=1e-12)
    np.testing.assert_allclose(minima.theta, np.tile(minima.theta[0], (3, 1)), rtol=1e-8)


@pytest.mark.parametrize("objective", ["lad", "pinball(0.8)"])
def test_corners_are_met_exactly(objective):
    """At the optimum of three parameters three rows are met, to rounding."""
    problem = problem_of(75, objective)
    minima = problem.solve(np.array([[2.0, 3.0, 0.7]]), np.ones((1, 75)), far=True)
    residuals = problem.observed - problem.kernel.value(minima.theta, problem.data)[0]
    assert np.sum(np.abs(residuals) < 1e-12) == 3
    assert minima.converged.all()
    for direction in np.random.default_rng(0).standard_normal((300, 3)):
        step = 1e-5 * direction[None]
        assert problem.values(minima.theta + step, np.ones((1, 75)))[0] >= minima.objective[0] * (1 - 1e-13)
