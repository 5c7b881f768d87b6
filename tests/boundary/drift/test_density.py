"""Densities grow by the rate of the boundary, and a running maximum is told from more models."""

import json

import numpy as np
import pytest
from scipy.optimize import linprog

from scaling.boundary.drift import density
from scaling.boundary.drift.frontier import quantile_slope, record_slope, records, slope_by_chance
from scaling.errors import InputDataError, UsageError


@pytest.fixture(scope="module")
def dense(models):
    return density(models.z, models.score, models.year, tau=0.95, groups=models.base, bootstrap=40, seed=4)


def test_density_is_effective_over_actual_compute(models, dense):
    b = dense.boundary
    at = b.at(dense.reference)
    y0, rise, steep, middle = at
    finite = np.isfinite(dense.effective)
    reached = y0 + (1 - y0) * rise / (1 + np.exp(-steep * (dense.effective[finite] - middle)))
    assert reached == pytest.approx(models.score[finite], abs=1e-9)
    assert dense.values[finite] == pytest.approx(10 ** (dense.effective[finite] - models.z[finite]))
    assert dense.reference == np.median(models.year)
    assert dense.below == np.sum(models.score <= y0)


def test_a_high_quantile_of_densities_grows_as_the_boundary_does(models, dense):
    assert dense.boundary_rate.orders == pytest.approx(models.rate, abs=0.06)
    assert dense.quantile_rate.orders == pytest.approx(models.rate, abs=0.15)
    assert dense.quantile_rate.low < models.rate < dense.quantile_rate.high
    assert dense.quantile == 0.95


def test_a_model_on_the_boundary_of_the_day_has_density_one(dense):
    b = dense.boundary
    z = np.array([22.5, 23.5])
    score = b.predict(z, dense.reference)
    assert [b.invert(float(s), dense.reference).log10_compute for s in score] == pytest.approx(z.tolist())


def test_records_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    year, value = rng.integers(0, 30, 200).astype(float), rng.normal(size=200)
    best, expected = -np.inf, []
    for day in np.unique(year):
        here = np.flatnonzero(year == day)
        top = here[np.argmax(value[here])]
        if value[top] > best:
            best = value[top]
            expected.append(int(top))
    assert records(year, value).tolist() == expected
    assert record_slope(year, value) == pytest.approx(np.polyfit(year[expected], value[expected], 1)[0])


def test_a_running_maximum_rises_without_any_growth():
    """The reason that the quantile stands beside it."""
    rng = np.random.default_rng(1)
    year, value = rng.uniform(2022, 2025, 800), rng.normal(size=800)
    chance = slope_by_chance(year, value, 100, 0)
    assert np.nanmin(chance) > 0
    assert np.nanquantile(chance, 0.05) < record_slope(year, value) < np.nanquantile(chance, 0.95)
    assert abs(quantile_slope(year, value, 0.9)) < 0.2
    assert np.array_equal(chance, slope_by_chance(year, value, 100, 0), equal_nan=True)


def test_growth_that_is_not_there_is_called_so(models):
    """Dates dealt out at random: the running maximum grew, and the verdict says why."""
    rng = np.random.default_rng(6)
    found = density(models.z, models.score, rng.permutation(models.year) + rng.uniform(0, 0.1, len(models.z)), tau=0.95)
    assert found.record_rate.orders > 0
    assert abs(found.quantile_rate.orders) < 0.25
    assert found.verdict == "weak"
    assert any("more models, not denser ones" in reason for reason in found.reasons)


@pytest.mark.parametrize("tau", [0.5, 0.9])
def test_the_slope_of_a_quantile_is_that_of_a_linear_program(tau):
    rng = np.random.default_rng(2)
    x, w = rng.uniform(0, 3, 60), rng.integers(0, 4, 60).astype(float)
    y = 0.7 * x + rng.normal(size=60) * (1 + x)
    n = len(x)
    cost = np.concatenate([[0, 0], tau * w, (1 - tau) * w])
    rows = np.column_stack([np.ones(n), x, np.eye(n), -np.eye(n)])
    best = linprog(cost, A_eq=rows, b_eq=y, bounds=[(None, None)] * 2 + [(0, None)] * 2 * n)
    slope = quantile_slope(x, y, tau, w)
    away = y - slope * x
    order = np.argsort(away)
    height = away[order][np.searchsorted(np.cumsum(w[order]), tau * w.sum())]
    loss = np.sum(w * np.where(away < height, tau - 1, tau) * (away - height))
    assert loss == pytest.approx(best.fun, rel=1e-9)


def test_parameters_in_place_of_compute(models):
    """Where parameters are a fixed share of compute, densities are the same ratio and grow alike."""
    found = density(models.z, models.score, models.year, tau=0.95, n_params=10.0 ** (models.z - 13))
    other = found.in_parameters
    assert other.unit == "parameters"
    assert other.boundary_rate.orders == pytest.approx(found.boundary_rate.orders, abs=0.02)
    assert other.quantile_rate.orders == pytest.approx(found.quantile_rate.orders, abs=0.05)
    assert "orders of magnitude of parameters a year" in found.summary()


def test_what_is_printed(dense):
    text = dense.summary()
    assert "it rises with the number of models: by chance alone" in text
    assert "boundary in time:" in text
    table = dense.to_dict()
    json.dumps(table, allow_nan=False)
    assert table["records"][-1]["density"] == pytest.approx(dense.values.max())
    assert [row["date"] for row in table["records"]] == sorted(row["date"] for row in table["records"])
    assert table["record_rate_by_chance"]["low"] <= table["record_rate_by_chance"]["high"]


def test_what_is_refused(models):
    with pytest.raises(UsageError, match="share of the models"):
        density(models.z, models.score, models.year, quantile=1.0)
    with pytest.raises(InputDataError, match="no model scores what"):
        density(models.z, np.full(len(models.z), 0.4), models.year)
