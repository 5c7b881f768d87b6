"""Products of powers under least squares of logarithms: one regression a replicate, where that is what it is."""

import numpy as np
import pytest

import scaling
from scaling.fitting.checks import bounds_of, check_rows, log_scaled_by, make_problem, ranges
from scaling.fitting.objective import Objective
from scaling.fitting.penalty import read_penalty
from scaling.fitting.resample import bootstrap_weights
from scaling.fitting.straight import straight_line
from scaling.laws.book import find_law

rng = np.random.default_rng(5)
N, D = np.exp(rng.uniform(18, 22, 40)), np.exp(rng.uniform(21, 26, 40))
LR = 2.0 * N**-0.6 * D**0.2 * np.exp(0.2 * rng.normal(size=40))


def problem_of(law, inputs, observed, objective="squared", residual="log", penalty=None):
    found = find_law(law, inputs)
    goal = Objective.parse(objective, residual, None)
    rows = check_rows(found, inputs, observed, goal, None, None)
    bounds = bounds_of(found, ranges(found, rows))
    pull = read_penalty(penalty, found.parameter_names, log_scaled_by(bounds))
    return make_problem(found, rows, goal, bounds, pull)


def test_replicates_are_regressions_to_the_last_digits():
    fit = scaling.fit("optimal_learning_rate", {"N": N, "D": D}, LR, objective="squared", bootstrap=100, seed=3)
    design, y = np.stack([np.ones(40), np.log(N), np.log(D)], axis=1), np.log(LR)
    for weights, found in zip(bootstrap_weights(40, 100, 3), fit.replicates, strict=True):
        root = np.sqrt(weights)
        c = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
        assert found == pytest.approx([np.exp(c[0]), c[1], c[2]], rel=1e-9)
    c = np.linalg.lstsq(design, y, rcond=None)[0]
    assert fit.theta == pytest.approx([np.exp(c[0]), c[1], c[2]], rel=1e-10)
    assert fit.objective_value == pytest.approx(float(np.sum((y - design @ c) ** 2)), rel=1e-12)


@pytest.mark.parametrize("resample", ["iid", "dirichlet", "wild", "residual"])
def test_it_ends_where_steps_end(monkeypatch, resample):
    settings = {"objective": "squared", "bootstrap": 60, "resample": resample}
    inputs = {"N": N, "D": D}
    exact = scaling.fit("optimal_learning_rate", inputs, LR, **settings)
    monkeypatch.setattr("scaling.fitting.solve.straight_line", lambda problem: None)
    steps = scaling.fit("optimal_learning_rate", inputs, LR, **settings)
    assert exact.theta == pytest.approx(steps.theta, rel=1e-8)
    assert exact.replicates == pytest.approx(steps.replicates, rel=1e-5)
    assert exact.objective_value <= steps.objective_value * (1 + 1e-12)
    assert exact.verdict == steps.verdict


@pytest.mark.parametrize(
    ("law", "inputs"),
    [
        ("optimal_learning_rate", {"N": N, "D": D}),
        ("optimal_batch", {"D": D}),
        ("critical_batch_joint", {"N": N, "D": D}),
    ],
)
def test_products_of_powers_are_lines(law, inputs):
    line = straight_line(problem_of(law, inputs, LR))
    assert line is not None
    assert line.basis.T @ line.basis == pytest.approx(np.eye(line.basis.shape[1]), abs=1e-12)


@pytest.mark.parametrize(
    ("law", "inputs"),
    [
        ("power_floor", {"x": N}),
        ("steps_to_target", {"B": N}),
        ("chinchilla", {"N": N, "D": D}),
        ("critical_batch_loss", {"L": N}),
    ],
)
def test_sums_and_inverse_exponents_are_not(law, inputs):
    assert straight_line(problem_of(law, inputs, LR)) is None


@pytest.mark.parametrize(
    "settings",
    [{"objective": "huber"}, {"residual": "linear"}, {"residual": "log above 1e-9"}, {"penalty": {"p": (-0.7, 0.1)}}],
)
def test_other_objectives_are_not(settings):
    assert straight_line(problem_of("optimal_learning_rate", {"N": N, "D": D}, LR, **settings)) is None


def test_a_line_in_disguise_is_not_taken_for_one():
    """A law of the sum of two exponents squared has the same slopes wherever that sum is the same."""
    bounds = {name: {"low": 0.0, "high": 1.0} for name in ("a", "b")} | {"k": {"low": 1e-9, "high": 1e9}}
    law = find_law("k*x**((a + b)**2)*y**a", {"x": N, "y": D}, bounds)
    goal = Objective.parse("squared", "log", None)
    rows = check_rows(law, {"x": N, "y": D}, LR, goal, None, None)
    assert straight_line(make_problem(law, rows, goal, bounds_of(law, ranges(law, rows)))) is None


def test_inputs_on_one_line_are_not():
    assert straight_line(problem_of("optimal_learning_rate", {"N": N, "D": 20 * N}, LR)) is None


def test_a_bound_that_holds_is_respected():
    steep = 5.0 * N**-3.5 * D**0.2
    fit = scaling.fit("optimal_learning_rate", {"N": N, "D": D}, steep, objective="squared", bootstrap=20)
    assert fit.estimates["p"] == -3
    assert "p" in fit.diagnostics.at_bound
    assert np.all(fit.replicates[:, 1] >= -3)


def test_a_replicate_that_determines_nothing_leaves_the_others_alone():
    """Of five rows some draws have one size alone."""
    n, d = np.array([1e8, 1e8, 1e8, 1e8, 1e9]), np.array([1e9, 4e9, 2e10, 1e11, 1e10])
    lr = 2.0 * n**-0.6 * d**0.2 * np.array([1.1, 0.9, 1.05, 0.97, 1.0])
    fit = scaling.fit("optimal_learning_rate", {"N": n, "D": d}, lr, objective="squared", bootstrap=200)
    with_both = bootstrap_weights(5, 200, 0)[:, 4] > 0
    assert 0 < with_both.mean() < 1
    assert np.all(np.isfinite(fit.replicates))
    design = np.stack([np.ones(5), np.log(n), np.log(d)], axis=1)
    enough = with_both & (np.sum(bootstrap_weights(5, 200, 0)[:, :4] > 0, axis=1) > 1)
    for k in np.flatnonzero(enough)[:20]:
        root = np.sqrt(bootstrap_weights(5, 200, 0)[k])
        c = np.linalg.lstsq(design * root[:, None], np.log(lr) * root, rcond=None)[0]
        assert fit.replicates[k, 1:] == pytest.approx(c[1:], rel=1e-6)
