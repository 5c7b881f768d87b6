"""The estimator on scores whose boundary is known: published values, bias, optimum, scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scaling
from scaling.boundary.descent import derivatives
from scaling.boundary.solver import Points, curve, mean_loss, solve
from scaling.errors import UsageError
from scaling.fitting.objective import Objective
from tests.boundary.conftest import TRUTH, clustered, sigmoid

AT = np.array([21.5, 22.5, 23, 23.5, 24, 24.5])
# kappa, ridge, objective, curve at AT, share of models below: arXiv:2602.15327's settings in the last row.
KNOWN = [
    (2000, 0, 0.00235023, (0.1457, 0.27646, 0.39289, 0.52245, 0.63297, 0.70781), 0.98),
    (200, 0, 0.00247106, (0.14791, 0.27867, 0.39511, 0.52466, 0.63518, 0.71003), 0.98),
    (50, 0, 0.00332871, (0.17592, 0.30658, 0.42300, 0.55258, 0.66312, 0.73795), 1.00),
    (50, 1e-3, 0.00416334, (0.18676, 0.34313, 0.44066, 0.54299, 0.64183, 0.72992), 1.00),
]


def test_the_made_up_scores_are_the_published_ones(even):
    _, y = even
    assert len(y) == 10_050
    assert y.sum() == pytest.approx(2999.6043261, abs=1e-6)
    assert int(np.sum(y == 0)) == 1058


@pytest.mark.parametrize(("kappa", "ridge", "value", "levels", "below"), KNOWN)
def test_values_of_the_scores_without_chance(even, kappa, ridge, value, levels, below):
    b = scaling.boundary.fit(*even, kappa=kappa, ridge=ridge)
    assert b.objective_value <= value + 1e-7 / 2 + 5e-9
    np.testing.assert_allclose(b.predict(AT), levels, atol=1e-4)
    assert b.coverage == pytest.approx(below, abs=2e-4)


def test_the_preset_is_the_published_settings(even):
    z, y = even
    b, by_hand = scaling.boundary.fit(z, y, preset="zhang2026"), scaling.boundary.fit(z, y, kappa=50, ridge=1e-3)
    assert b.objective_value == by_hand.objective_value
    assert b.settings.preset == "zhang2026"
    assert scaling.boundary.fit(z, y, preset="zhang2026", ridge=1e-4).settings.ridge == 1e-4


def test_the_default_has_no_bias(even):
    b = scaling.boundary.fit(*even)
    assert np.max(np.abs(b.predict(AT) - sigmoid(AT, **TRUTH))) < 2e-3
    assert b.n_above == 201  # of 10,050 at two in a hundred


@pytest.mark.parametrize(
    ("u", "loss"),
    [(-0.2, 0.00400091), (-0.1, 0.00213431), (-0.05, 0.00257779), (-0.02, 0.00666523), (0, 0.01386294),
     (0.02, 0.02586523), (0.05, 0.05057779), (0.1, 0.09813431), (0.2, 0.19600091)],
)  # fmt: skip
def test_the_rounded_loss(u, loss):
    """Golden values at tau .98, kappa 50, in the engine and in the solver."""
    objective = Objective("pinball", "linear", tau=0.98, kappa=50)
    assert objective.rho(np.array([u]))[0] == pytest.approx(loss, abs=1e-8)
    points = Points.of(np.array([21.0, 22.0]), np.array([0.5 + u, 0.5 + u]))
    assert mean_loss(np.array([0.5, 0, 1, 21.5]), points, 0.98, 50) == pytest.approx(loss, abs=1e-8)


def test_slopes_and_curvatures_are_those_of_the_loss(models):
    z, y, _ = models
    points = Points.of(z, y)
    theta = np.array([[0.1, 0.6, np.log(0.9), 23.4], [0.3, 0.9, np.log(3.0), 22.1]])
    value, slope, bend = derivatives(theta, points, 0.9, 40.0, 1e-3)
    step = 1e-5
    for j in range(4):
        up, down = theta.copy(), theta.copy()
        up[:, j] += step
        down[:, j] -= step
        high, low = derivatives(up, points, 0.9, 40.0, 1e-3), derivatives(down, points, 0.9, 40.0, 1e-3)
        np.testing.assert_allclose(slope[:, j], (high[0] - low[0]) / (2 * step), rtol=1e-5, atol=1e-9)
        np.testing.assert_allclose(bend[:, j], (high[1] - low[1]) / (2 * step), rtol=1e-4, atol=1e-7)
    natural = theta.copy()
    natural[:, 2] = np.exp(natural[:, 2])
    for row, found in zip(natural, value, strict=True):
        assert found == pytest.approx(mean_loss(row, points, 0.9, 40.0) + 1e-3 * row[2] ** 2, rel=1e-12)


@pytest.mark.parametrize("kappa", [50.0, 2000.0])
@pytest.mark.parametrize("tau", [0.5, 0.9, 0.98])
def test_no_start_of_many_ends_lower(models, tau, kappa):
    z, y, _ = models
    points, rng = Points.of(z, y), np.random.default_rng(5)
    found = solve(points, tau, kappa, 1e-4)
    for _ in range(25):
        start = [rng.uniform(0, 0.5), rng.uniform(0, 1), np.exp(rng.uniform(-2, 3)), rng.uniform(21, 25)]
        at, sharpness = solve(points, tau, 50.0, 1e-4, starts=np.array(start)).theta, 50.0
        while sharpness < kappa:
            sharpness *= 2
            at = solve(points, tau, sharpness, 1e-4, starts=at).theta
        assert found.value <= mean_loss(at, points, tau, kappa) + 1e-4 * at[2] ** 2 + 1e-7


def test_the_engine_finds_the_same_boundary(models):
    """The general engine, with starts of its own, against the solver made for this formula."""
    z, y, _ = models
    b = scaling.boundary.fit(z, y, tau=0.9, kappa=300, ridge=1e-4)
    free = scaling.fit(
        "boundary", {"C": 10**z}, y, objective="pinball(0.9, 300)", residual="linear", bootstrap=0,
        penalty={"b": (0, 1e-4)},
    )  # fmt: skip
    assert free.objective_value / len(y) == pytest.approx(b.objective_value, abs=1e-9)
    assert b.fit.objective_value / len(y) == pytest.approx(b.objective_value, abs=1e-9)
    np.testing.assert_allclose(b.fit.evaluate({"C": 10**AT})[0], b.predict(AT), atol=1e-5)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.5, 0.9, 0.98]), st.floats(-3, 3))
def test_the_curve_rises_within_0_and_1_and_moves_with_the_unit_of_compute(seed, tau, shift):
    z, y, _ = clustered(seed, bases=12, each=5)
    b = scaling.boundary.fit(z, y, tau=tau)
    levels = b.predict(np.linspace(15, 32, 200))
    assert np.all(np.diff(levels) >= 0)
    assert levels[0] >= 0
    assert levels[-1] <= 1
    moved = scaling.boundary.fit(z + shift, y, tau=tau)
    assert moved.objective_value == pytest.approx(b.objective_value, abs=2e-6)


def test_the_order_of_the_models_does_not_matter(models):
    z, y, g = models
    order = np.random.default_rng(1).permutation(len(z))
    one = scaling.boundary.fit(z, y, groups=g, bootstrap=60, seed=4)
    other = scaling.boundary.fit(z[order], y[order], groups=g[order], bootstrap=60, seed=4)
    np.testing.assert_allclose(one.predict(AT), other.predict(AT), atol=1e-6)
    a, b = one.predict(AT, level=0.9), other.predict(AT, level=0.9)
    np.testing.assert_allclose(a.low, b.low, atol=1e-4)
    np.testing.assert_allclose(a.high, b.high, atol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"tau": 1.0}, "tau is the share"), ({"kappa": 0}, "kappa must be positive"), ({"ridge": -1}, "the ridge must be"),
     ({"preset": "zhang"}, "there is no preset"), ({"bootstrap": -1}, "bootstrap replicates must be")],
)  # fmt: skip
def test_settings_that_make_no_sense(models, wrong, said):
    with pytest.raises(UsageError, match=said):
        scaling.boundary.fit(models[0], models[1], **wrong)


def test_a_curve_of_several_boundaries():
    theta = np.array([[0.1, 0.5, 1.0, 23.0], [0.0, 1.0, 2.0, 22.0]])
    np.testing.assert_allclose(curve(theta, np.array([23.0])), [[0.325], [1 / (1 + np.exp(-2.0))]], rtol=1e-12)
