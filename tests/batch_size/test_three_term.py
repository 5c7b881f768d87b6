"""The law of size, steps and batch, and the batch that follows from it."""

import math

import numpy as np
import pytest

from scaling.batch_size.three_term import fit_three_term
from scaling.errors import InputDataError

TRUE = {"E": 1.5, "A": 400.0, "alpha": 0.34, "F": 8.0, "beta": 0.3, "G": 40.0, "gamma": 0.25}
EXPONENT = 0.3 / 0.55


def sweep(noise=0.0, seed=0):
    n, d, b = (
        v.ravel() for v in np.meshgrid([5e7, 2e8, 8e8, 3.2e9], [1e9, 4e9, 1.6e10, 6.4e10], 2.0 ** np.arange(14, 23, 2))
    )
    t = TRUE
    loss = t["E"] + t["A"] / n ** t["alpha"] + t["F"] / (d / b) ** t["beta"] + t["G"] / b ** t["gamma"]
    return n, d, b, loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(n)))


def best(tokens):
    """The batch of the lowest loss by brute force."""
    b = np.geomspace(1e3, 1e9, 400_001)
    loss = TRUE["F"] / (tokens / b) ** TRUE["beta"] + TRUE["G"] / b ** TRUE["gamma"]
    return b[np.argmin(loss)]


def test_recovers_the_law_and_its_lowest_point():
    found = fit_three_term(*sweep(), bootstrap=0)
    for name, value in TRUE.items():
        assert found.fit.estimates[name] == pytest.approx(value, rel=1e-4)
    assert found.exponent == pytest.approx(EXPONENT, rel=1e-5)
    for tokens in (1e9, 6.4e10):
        assert found.optimal_batch(tokens).estimate == pytest.approx(best(tokens), rel=1e-3)


def test_intervals_hold_the_truth():
    found = fit_three_term(*sweep(noise=0.003), objective="squared", bootstrap=100)
    low, high = found.exponent_interval(0.95)
    assert low < EXPONENT < high
    assert high - low < 0.3
    at = found.optimal_batch([2e9, 3e10], level=0.95)
    for k, tokens in enumerate((2e9, 3e10)):
        assert at.low[k] < best(tokens) < at.high[k]
        assert at.high[k] / at.low[k] < 3


def test_cells_are_drawn_whole():
    found = fit_three_term(*sweep(noise=0.003), bootstrap=20)
    assert found.fit.diagnostics.groups == 16
    assert found.fit.settings["resample"] == "cluster"


def test_extrapolation():
    found = fit_three_term(*sweep(), bootstrap=0)
    at = found.optimal_batch(6.4e12)
    assert at.extrapolation_factor == pytest.approx(100)
    assert math.isnan(at.low)
    assert found.optimal_batch(1e10).extrapolation_factor == 1


def test_says_that_the_exponent_is_soft():
    found = fit_three_term(*sweep(), bootstrap=0)
    assert "exponent is soft" in repr(found)
    assert "exponent is soft" in found.to_dict()["notes"][-1]


def test_too_few_runs():
    n, d, b, loss = (v[:5] for v in sweep())
    with pytest.raises(InputDataError, match="5 rows cannot determine the 7 parameters"):
        fit_three_term(n, d, b, loss)
