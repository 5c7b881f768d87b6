"""Whether the worth of a subset moves with the size of the model."""

import json

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation import worth, worth_across_sizes
from tests.valuation.token_fits import chinchilla, exact, noisy, power

SIZES = np.geomspace(1e8, 1e10, 5)


def measured(ratio):
    """Losses of a subset of 10B tokens that is worth so many times as much at each size."""
    return chinchilla(SIZES, 1e10 * ratio)


@pytest.mark.parametrize(
    ("ratio", "trend"),
    [
        (2 * np.ones(5), "no trend found"),
        (3 * (SIZES / 1e8) ** -0.2, "shrinks"),
        (3 * (SIZES / 1e8) ** -0.24, "vanishes"),
        (3 * (SIZES / 1e8) ** -0.5, "reverses"),
        (1.3 * (SIZES / 1e8) ** 0.3, "grows"),
        (0.5 * (SIZES / 1e8) ** 0.1, "shrinks"),
        (0.3 * (SIZES / 1e8) ** 0.5, "reverses"),
    ],
)
def test_a_known_trend_is_named(ratio, trend):
    found = worth_across_sizes(noisy(400)[0], measured(ratio), SIZES, 1e10, loss_se=0.005)
    slope = np.polyfit(np.log(SIZES), np.log(ratio), 1)[0]
    assert found.trend == trend
    assert found.slope_interval[0] < slope < found.slope_interval[1]
    assert found.slope == pytest.approx(slope, abs=0.015)
    assert (found.p_value < 0.05) == (trend != "no trend found")
    assert np.all(found.ratio_interval[0] < ratio)
    assert np.all(ratio < found.ratio_interval[1])


def test_ratios_that_bend_are_no_line():
    log_n = np.log(SIZES / SIZES[2])
    straight, bent = (
        worth_across_sizes(noisy(400)[0], measured(np.exp(-0.2 * log_n - c * log_n**2)), SIZES, 1e10, loss_se=0.002)
        for c in (0, 0.15)
    )
    assert straight.bend_p_value > 0.05 > bent.bend_p_value
    assert "The ratios bend" in bent.words
    assert "The ratios bend" not in straight.words
    few = worth_across_sizes(noisy(400)[0], measured(np.ones(5))[:3], SIZES[:3], 1e10)
    assert np.isnan(few.bend_p_value)


def test_each_ratio_is_that_of_its_own_worth():
    fit = noisy(400)[0]
    found = worth_across_sizes(fit, measured(2 * np.ones(5)), SIZES, 1e10)
    for row in found.rows():
        alone = worth(fit, row["loss"], row["n_params"], n_tokens=1e10)
        assert row["ratio"] == pytest.approx(alone.ratio, rel=1e-12)
        assert row["ratio_high"] == pytest.approx(alone.ratio_interval[1], rel=0.05)


def test_where_the_line_crosses():
    found = worth_across_sizes(exact_with_replicates(), measured(3 * (SIZES / 1e8) ** -0.5), SIZES, 1e10, loss_se=0.005)
    assert found.crossing == pytest.approx(9e8, rel=1e-6)
    assert "The line crosses rho = 1 at 900M parameters" in found.words


def exact_with_replicates():
    from dataclasses import replace

    return replace(noisy(400)[0], estimates=exact().estimates)


def test_order_and_seeds():
    fit, ratio = noisy(400)[0], 3 * (SIZES / 1e8) ** -0.2
    one = worth_across_sizes(fit, measured(ratio), SIZES, 1e10)
    back = worth_across_sizes(fit, measured(ratio)[::-1], SIZES[::-1], 1e10)
    assert one.to_dict() == back.to_dict()
    assert one.slope_interval != worth_across_sizes(fit, measured(ratio), SIZES, 1e10, seed=1).slope_interval


@pytest.mark.slow
def test_a_trend_where_there_is_none_is_found_as_rarely_as_the_level_says():
    fit, found = noisy(400)[0], 0
    for i in range(200):
        noise = np.exp(0.005 * np.random.default_rng([3, i]).standard_normal(5))
        found += worth_across_sizes(fit, measured(np.ones(5)) * noise, SIZES, 1e10, seed=i).trend != "no trend found"
    assert 2 <= found <= 22  # 5 % of 200, and one law for all of them


def test_a_loss_that_no_data_reach_leaves_no_line():
    losses = measured(np.ones(5))
    losses[-1] = 1.6
    found = worth_across_sizes(noisy(400)[0], losses, SIZES, 1e10)
    assert np.isnan(found.slope)
    assert found.trend == "no trend found"
    assert found.lost_share == 1
    assert found.ratio[-1] == np.inf
    assert "there is no line" in found.words
    json.dumps(found.to_dict(), allow_nan=False)


def test_bad_input():
    fit, losses = noisy(400)[0], measured(np.ones(5))
    with pytest.raises(InputDataError, match="a trend needs losses at two sizes or more"):
        worth_across_sizes(fit, losses, np.full(5, 1e9), 1e10)
    with pytest.raises(InputDataError, match="one a model is expected"):
        worth_across_sizes(fit, losses[:4], SIZES, 1e10)
    with pytest.raises(InputDataError, match="a loss must be a finite number above 0, not nan"):
        worth_across_sizes(fit, [2.5, np.nan], SIZES[:2], 1e10)
    with pytest.raises(InputDataError, match="the number of tokens must be a finite number above 0, not -1"):
        worth_across_sizes(fit, losses, SIZES, -1)
    with pytest.raises(UsageError, match="rests on the bootstrap replicates"):
        worth_across_sizes(exact(), losses, SIZES, 1e10)
    assert "law: formula" in repr(
        worth_across_sizes(power(200), losses, SIZES, 1e10)
    )  # a law without N knows one curve
