"""Noise-free data give their own law back, and the engine finds what the book's bounds would hide."""

import json

import numpy as np
import pytest

import scaling
from scaling.laws.book import find_law, law_names
from tests import truths

DRAWS = [25, pytest.param(200, marks=pytest.mark.slow)]
OBJECTIVES = [("squared", "log"), ("huber", "log"), ("squared", "linear"), ("huber", "linear"), ("lad", "log")]


# The laws of tests/truths.py take longer; what they must give back is in tests/laws.
@pytest.mark.parametrize("draws", DRAWS)
@pytest.mark.parametrize("name", [name for name in law_names() if name not in truths.BY_HAND])
def test_every_parameter_comes_back_to_eight_digits(name, draws, draw, clean):
    # One failure in a thousand draws is allowed over all laws, so none in the 200 of one.
    rng = np.random.default_rng(2026)
    failures = []
    for i in range(draws):
        inputs, truth = draw(name, rng)
        objective, residual = OBJECTIVES[i % 5 if i < 50 else i % 4]
        fit = scaling.fit(name, inputs, clean(name, inputs, truth), objective=objective, residual=residual, bootstrap=0)
        worst = max(abs(fit.estimates[k] / truth[k] - 1) for k in truth)
        if worst > 1e-8 or fit.verdict == "not identified":
            failures.append((i, objective, residual, worst, fit.verdict))
    assert failures == []


@pytest.mark.parametrize("name", ["chinchilla", "multiplicative", "power", "power_floor"])
def test_a_bare_formula_finds_the_optimum_of_the_book(name, draw, clean):
    law = find_law(name)
    for seed in range(8):
        rng = np.random.default_rng(seed)
        inputs, truth = draw(name, rng)
        observed = clean(name, inputs, truth)
        observed = observed * np.exp(0.002 * rng.standard_normal(len(observed)))
        objective = ("squared", "huber")[seed % 2]
        book = scaling.fit(name, inputs, observed, objective=objective, bootstrap=0)
        bare = scaling.fit(law.formula, inputs, observed, objective=objective, bootstrap=0)
        assert bare.objective_value <= book.objective_value * (1 + 1e-9)
        for key in truth:
            assert bare.estimates[key] == pytest.approx(book.estimates[key], rel=1e-5)


@pytest.mark.parametrize("name", ["kaplan", "skaling", "shifted_power"])
def test_a_bare_formula_with_bounds_finds_the_optimum_of_the_book(name, draw, clean):
    law = find_law(name)
    rng = np.random.default_rng(4)
    inputs, truth = draw(name, rng)
    observed = clean(name, inputs, truth)
    observed = observed * np.exp(0.002 * rng.standard_normal(len(observed)))
    book = scaling.fit(name, inputs, observed, bootstrap=0)
    # The quantity that a bare formula predicts is called y.
    bounds = json.loads(json.dumps({p.name: p.to_dict() for p in law.parameters}).replace("(loss)", "(y)"))
    bare = scaling.fit(law.formula, inputs, observed, bootstrap=0, parameters=bounds)
    assert bare.objective_value == pytest.approx(book.objective_value, rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kaplan", "skaling", "shifted_power"])
def test_a_bare_formula_that_misses_the_optimum_says_so(name, draw, clean):
    for seed in range(4):
        rng = np.random.default_rng(100 + seed)
        inputs, truth = draw(name, rng)
        observed = clean(name, inputs, truth)
        observed = observed * np.exp(0.002 * rng.standard_normal(len(observed)))
        book = scaling.fit(name, inputs, observed, objective="squared", bootstrap=0)
        bare = scaling.fit(find_law(name).formula, inputs, observed, objective="squared", bootstrap=0)
        missed = bare.objective_value > book.objective_value * (1 + 1e-6)
        assert not (missed and bare.verdict == "ok")


def test_every_start_is_tried_and_the_best_one_wins(draw, clean):
    rng = np.random.default_rng(8)
    inputs, truth = draw("chinchilla", rng)
    observed = clean("chinchilla", inputs, truth) * np.exp(0.01 * rng.standard_normal(len(inputs["N"])))
    free = scaling.fit("chinchilla", inputs, observed, bootstrap=0)
    poor = {"E": 0.1, "A": 1e10, "B": 1.0, "alpha": 1.5, "beta": 0.02}
    several = scaling.fit("chinchilla", inputs, observed, start=[poor, free.estimates], bootstrap=0)
    assert several.objective_value == pytest.approx(free.objective_value, rel=1e-12)
    assert several.diagnostics.starts == 2
    assert free.diagnostics.starts > 10


def test_a_start_outside_the_bounds_is_moved_in(draw, clean):
    inputs, truth = draw("power_floor", np.random.default_rng(1))
    observed = clean("power_floor", inputs, truth)
    fit = scaling.fit("power_floor", inputs, observed, start=truth | {"E": 1e3}, bootstrap=0)
    assert fit.estimates["E"] <= observed.min()
    assert fit.estimates["alpha"] == pytest.approx(truth["alpha"], rel=1e-8)
