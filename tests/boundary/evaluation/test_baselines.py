import numpy as np
import pytest

from scaling.boundary.evaluation.baselines import NAMES, fit_baseline, smoothed_quantile
from scaling.boundary.evaluation.isplines import basis, fit_isplines
from scaling.boundary.evaluation.metrics import pinball, smoothed_pinball
from scaling.errors import UsageError

TAU = 0.9


@pytest.fixture(scope="module")
def models():
    rng = np.random.default_rng(3)
    z = np.round(rng.uniform(21, 25, 400), 2)
    y = (0.1 + 0.7 / (1 + np.exp(-1.5 * (z - 23)))) * rng.beta(4, 1.5, 400)
    return z, y


def test_every_baseline_answers_between_0_and_1(models):
    at = np.linspace(19, 27, 100)
    for name in NAMES:
        q = fit_baseline(name, *models, TAU)(at)
        assert q.shape == at.shape, name
        assert q.min() >= 0, name
        assert q.max() <= 1, name
    with pytest.raises(UsageError, match="no baseline 'spline'"):
        fit_baseline("spline", *models, TAU)


def test_constants(models):
    z, y = models
    assert fit_baseline("constant", z, y, TAU)(z)[0] == np.quantile(y, TAU)
    assert (fit_baseline("one", z, y, TAU)(z) == 1).all()


def test_no_straight_line_is_better(models):
    z, y = models
    line = fit_baseline("linear", z, y, TAU)
    loss = pinball(y, line(z), TAU).mean()
    a, b = line(np.array([22.0]))[0], line(np.array([23.0]))[0] - line(np.array([22.0]))[0]
    rng = np.random.default_rng(0)
    for scale in (1e-1, 1e-2, 1e-3, 1e-4):
        for da, db in rng.normal(0, scale, (50, 2)):
            assert pinball(y, a + da + (b + db) * (z - 22), TAU).mean() >= loss - 1e-12
    # The best one goes through two models, which are below it.
    assert np.sum(np.abs(y - line(z)) < 1e-9) == 2


def test_the_running_maximum_rises_and_starts_as_the_bins_do(models):
    z, y = models
    at = np.linspace(21, 25, 200)
    rising, steps = fit_baseline("isotonic", z, y, TAU)(at), fit_baseline("binned", z, y, TAU)(at)
    np.testing.assert_array_equal(rising, np.maximum.accumulate(steps))


def test_the_smoothed_quantile_has_the_least_loss():
    y = np.random.default_rng(2).uniform(0, 0.6, 60)
    best = smoothed_quantile(y, 0.95, 50)
    grid = np.linspace(0, 1, 2001)
    losses = [smoothed_pinball(y, np.full(60, c), 0.95).mean() for c in grid]
    assert best == pytest.approx(grid[int(np.argmin(losses))], abs=5e-4)
    assert smoothed_pinball(y, np.full(60, best), 0.95).mean() <= min(losses) + 1e-12


def test_splines_rise_from_0_to_1():
    knots = np.array([1.0, 2.0, 4.0, 5.0])
    z = np.linspace(0, 6, 200)
    X = basis(z, knots)
    assert X.shape == (200, 6)
    assert (np.diff(X, axis=0) >= -1e-12).all()
    np.testing.assert_allclose(X[z <= 1], 0, atol=1e-12)
    np.testing.assert_allclose(X[z >= 5], 1, atol=1e-12)


def test_a_boundary_of_splines_rises_and_does_no_worse_than_a_sigmoid(models):
    from scaling.boundary.solver import Points, solve

    z, y = models
    made = fit_isplines(z, y, TAU)
    assert (np.diff(made(np.linspace(20, 26, 300))) >= -1e-12).all()
    assert made.value <= solve(Points.of(z, y), TAU, 50, 0.0).value + 1e-3
    np.testing.assert_array_equal(made.theta, fit_isplines(z, y, TAU).theta)
