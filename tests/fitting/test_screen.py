"""Starting values: bounded least squares against SciPy, spreads that fill their ranges, starts inside the bounds."""

import numpy as np
import pytest

import scaling
from scaling.fitting.screen import _bounded_least_squares, _low_discrepancy, _spread, exponent_names, screen
from scaling.laws.book import find_law, law_names


def bounds_of(kind, size, rng):
    low, high = np.full(size, -np.inf), np.full(size, np.inf)
    if kind in ("both", "mixed"):
        low, high = rng.uniform(-2, 0.5, size), rng.uniform(0.6, 2, size)
    if kind == "positive":
        low = np.zeros(size)
    if kind == "mixed":
        low[rng.uniform(size=size) < 0.4] = -np.inf
        high[rng.uniform(size=size) < 0.4] = np.inf
    return low, high


@pytest.mark.parametrize("kind", ["free", "positive", "both", "mixed"])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_bounded_least_squares_is_scipys(kind, size):
    from scipy.optimize import lsq_linear

    rng = np.random.default_rng(size)
    batch, n = 25, 12
    columns = rng.normal(size=(batch, size, n)) * 10.0 ** rng.uniform(-4, 4, (batch, size, 1))
    low, high = bounds_of(kind, size, rng)
    # Bounds in the scale of the coefficients, so that some bind and some do not.
    typical = 1 / np.sqrt(np.mean(columns**2, axis=(0, 2)))
    low, high = low * typical, high * typical
    target = rng.normal(size=(batch, n))
    found = _bounded_least_squares(columns, target, low, high)
    held = 0
    for x, a, b in zip(found, columns, target, strict=True):
        best = lsq_linear(a.T, b, (low, high), method="bvls", tol=1e-14)
        assert np.all((x >= low - 1e-9 * typical) & (x <= high + 1e-9 * typical))
        assert np.sum((a.T @ x - b) ** 2) <= 2 * best.cost * (1 + 1e-9) + 1e-14
        held += int(np.any((x <= low) | (x >= high)))
    assert (held > 0) == (kind != "free"), "the case must exercise its bounds"


def test_columns_that_say_the_same_still_fit():
    x = np.linspace(1, 2, 9)
    columns = np.stack([x, 2 * x, np.ones(9)])[None]
    found = _bounded_least_squares(columns, (3 * x + 1)[None], np.full(3, -np.inf), np.full(3, np.inf))
    np.testing.assert_allclose(columns[0].T @ found[0], 3 * x + 1, rtol=1e-6)


def test_columns_without_a_number_have_no_answer():
    columns = np.ones((3, 2, 5))
    columns[0, 1, 2] = np.nan
    columns[1, 0, :] = np.inf
    columns[2, 0] = np.arange(5)
    found = _bounded_least_squares(columns, np.ones((3, 5)), np.full(2, -np.inf), np.full(2, np.inf))
    assert np.isnan(found[:2]).any(axis=1).all()
    np.testing.assert_allclose(found[2], [0, 1], atol=1e-9)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_spread_fills_its_box(count):
    ranges = [(1e-3, 1e5), (0.2, 1.5), (-3.0, 4.0), (1e2, 2e2)][:count]
    points = _spread(ranges)
    assert points.shape[1] == count
    for j, (low, high) in enumerate(ranges):
        assert np.all((points[:, j] > low) & (points[:, j] < high))
        scale = np.log if low > 0 and high / low >= 10 else np.asarray
        share = (scale(points[:, j]) - scale(low)) / (scale(high) - scale(low))
        counts, _ = np.histogram(share, bins=10, range=(0, 1))
        assert counts.min() > 0.5 * len(points) / 10


def test_unbounded_parameters_are_tried_on_both_sides_of_zero():
    points = _spread([(-np.inf, np.inf)])[:, 0]
    assert points.min() < -500
    assert points.max() > 500
    assert np.min(np.abs(points)) < 2e-3
    assert np.all(_spread([(2.0, np.inf)]) > 2)
    assert np.all(_spread([(-np.inf, 2.0)]) < 2)


def test_the_sequence_is_the_same_every_time_and_even_in_every_pair():
    points = _low_discrepancy(4096, 4)
    np.testing.assert_array_equal(points, _low_discrepancy(4096, 4))
    for i in range(4):
        for j in range(i):
            counts, *_ = np.histogram2d(points[:, i], points[:, j], bins=8, range=[[0, 1], [0, 1]])
            assert counts.min() > 0.6 * 4096 / 64
            assert counts.max() < 1.6 * 4096 / 64


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("name", law_names())
def test_the_best_start_is_near_and_inside_the_bounds(name, relative, draw, clean):
    law = find_law(name)
    for seed in range(3):
        inputs, truth = draw(name, np.random.default_rng(seed))
        observed = clean(name, inputs, truth)
        support = {k: (float(v.min()), float(v.max())) for k, v in inputs.items()}
        support[law.output] = (float(observed.min()), float(observed.max()))
        low, high = np.array([p.bounds(support) for p in law.parameters]).T
        ranges = [p.screening_range(support) for p in law.parameters]
        starts = screen(law, inputs, observed, low, high, ranges, relative)
        assert np.all((starts >= low) & (starts <= high))
        names = law.parameter_names
        misses = [
            np.sqrt(np.mean((clean(name, inputs, dict(zip(names, s, strict=True))) / observed - 1) ** 2))
            for s in starts
        ]
        assert np.nanmin(misses) < 0.2


def test_many_rows_are_thinned_and_give_the_same_kind_of_start():
    law = find_law("power_floor")
    x = np.geomspace(1, 1e6, 20_000)
    starts = screen(
        law, {"x": x}, 1.5 + 3 / x**0.4, np.array([0, 1e-6, 0.001]), np.array([1.5, 1e30, 3]),
        [(0, 1.5), (1e-6, 1e30), (0.01, 1.5)], relative=True,
    )  # fmt: skip
    nearest = starts[np.argmin(np.abs(starts[:, 2] - 0.4))]
    np.testing.assert_allclose(nearest, [1.5, 3, 0.4], rtol=0.1)


@pytest.mark.parametrize("seed", range(6))
def test_a_bare_formula_without_bounds_finds_the_optimum_of_the_bounded_law(seed):
    """Six free parameters, three of them exponents: nothing but the formula says where to look."""
    rng = np.random.default_rng(seed)
    inputs = {"N": 10 ** rng.uniform(7, 10, 80), "D": 10 ** rng.uniform(8.5, 11.5, 80)}
    amplitude, ratio, k = rng.uniform(50, 300), rng.uniform(1, 10), rng.uniform(0.5, 0.9)
    alpha, beta = rng.uniform(0.4, 0.6, 2)
    loss = 1.8 + amplitude * (inputs["N"] ** -alpha + ratio * inputs["D"] ** -beta) ** k
    loss *= np.exp(0.002 * rng.standard_normal(80))
    law = scaling.find_law("skaling")
    bounded = scaling.fit(law, inputs, loss, bootstrap=0)
    free = scaling.fit(law.formula, inputs, loss, bootstrap=0)
    assert free.objective_value <= bounded.objective_value * (1 + 1e-6)


def test_exponents_are_told_from_other_parameters():
    assert exponent_names("E + A*(N**(-alpha) + R*D**(-beta))**k + exp(c*N) + 2**d") == {"alpha", "beta", "k"}
