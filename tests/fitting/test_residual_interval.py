"""Where the residual of a new run lies: coverage of few rows, ends of many."""

import numpy as np
import pytest
from scipy import stats

from scaling.fitting.intervals import residual_interval
from scaling.fitting.objective import Objective

HUBER, SQUARED, UPPER = Objective(), Objective("squared"), Objective("pinball", tau=0.9)


def cover(draw, cdf, n, level, objective=HUBER, sweeps=600):
    """Mean coverage around the median of n values, or the mean, which stands for a law of one parameter."""
    rng, covered = np.random.default_rng(n), []
    for _ in range(sweeps):
        noise = draw(rng, n)
        centre = np.mean(noise) if objective is SQUARED else np.quantile(noise, objective.tau or 0.5)
        low, high = residual_interval(noise - centre, 1, objective, level)
        covered.append(cdf(centre + high) - cdf(centre + low))
    return float(np.mean(covered))


def normal(rng, n):
    return rng.standard_normal(n)


def heavy(rng, n):
    return rng.standard_t(3, n)


# Sample quantiles of the residuals, as they are, covered 80 % of 12 and 83 % of 20 normal ones at a nominal 90 %.
@pytest.mark.parametrize("n", [12, 20, 40, 100])
@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.99])
def test_few_normal_residuals_cover(n, level):
    assert level - 0.012 < cover(normal, stats.norm.cdf, n, level) < level + 0.03


@pytest.mark.parametrize("n", [12, 20, 40, 100])
@pytest.mark.parametrize(("level", "short"), [(0.5, 0.01), (0.9, 0.01), (0.95, 0.035)])
def test_few_residuals_with_heavy_tails_cover(n, level, short):
    """Nothing in 12 residuals tells that one in twenty lies three scales away, so those of t(3) fall short at 95 %."""
    assert level - short < cover(heavy, stats.t(3).cdf, n, level, sweeps=300) < level + 0.035


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_residuals_around_a_quantile_cover(level):
    for n in (20, 60):
        assert level - 0.01 < cover(normal, stats.norm.cdf, n, level, UPPER) < level + 0.03


def test_an_interval_around_a_quantile_reaches_its_curve():
    residuals = np.random.default_rng(2).standard_normal(60) - 1.28
    low, high = residual_interval(residuals, 1, UPPER, 0.5)
    assert low < -1.5
    assert high == 0


def test_the_ends_of_many_are_their_quantiles():
    residuals = np.random.default_rng(0).standard_t(3, 100_000)
    ends = residual_interval(residuals, 5, HUBER, 0.9)
    assert ends == pytest.approx(stats.t(3).ppf([0.05, 0.95]), rel=0.02)


def test_squared_residuals_are_normal():
    residuals = np.random.default_rng(1).standard_normal(12)
    half = stats.t.ppf(0.95, 9) * np.sqrt(np.sum(residuals**2) / 9)
    assert residual_interval(residuals, 3, SQUARED, 0.9) == pytest.approx((-half, half), rel=1e-12)


def test_no_row_to_spare_is_no_interval():
    assert np.isnan(residual_interval(np.zeros(3), 3, HUBER, 0.9)).all()


def test_rows_met_exactly_have_no_width():
    assert residual_interval(np.zeros(12), 3, HUBER, 0.95) == (0.0, 0.0)
