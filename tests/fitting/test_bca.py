"""Bias-corrected and accelerated intervals: against worked numbers, and where percentiles fail."""

import json

import numpy as np
import pytest
from scipy import stats

import scaling
from scaling.errors import UsageError
from scaling.fitting.intervals import bca_interval, percentile_interval

X = np.geomspace(1e6, 1e10, 40)
Y = (1.7 + 100 / X**0.25) * np.exp(0.004 * np.random.default_rng(1).standard_normal(40))


def bootstrap_of(statistic, data, count, seed):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(data), (count, len(data)))
    jackknife = np.array([statistic(np.delete(data, i)) for i in range(len(data))])
    return np.array([statistic(data[r]) for r in rows])[:, None], jackknife[:, None], statistic(data)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95])
def test_it_is_that_of_scipy(level):
    data = np.random.default_rng(3).lognormal(size=40)
    _, jackknife, estimate = bootstrap_of(np.var, data, 2, 5)
    reference = stats.bootstrap(
        (data,), np.var, n_resamples=2000, confidence_level=level, method="BCa", rng=np.random.default_rng(9)
    )
    replicates = reference.bootstrap_distribution[:, None]
    low, high = bca_interval(replicates, jackknife, [estimate], level)
    assert (low[0], high[0]) == pytest.approx(reference.confidence_interval, rel=1e-9)
    # The plain percentiles lie elsewhere: the variance of a skew sample is biased low and skew itself.
    assert high[0] - percentile_interval(replicates[:, 0], level)[1] > 0.04 * replicates.std()


def test_the_formula_on_paper():
    replicates = np.arange(1000.0)[:, None]  # a share of 0.3 lies below 300
    jackknife = np.array([[0.0], [0.0], [3.0]])
    low, high = bca_interval(replicates, jackknife, [300.0], 0.8)
    shift = stats.norm.ppf(0.3005)  # the tie counts half
    pull = np.array([1.0, 1.0, -2.0])
    a = np.sum(pull**3) / (6 * np.sum(pull**2) ** 1.5)
    ends = [stats.norm.cdf(shift + (shift + z) / (1 - a * (shift + z))) for z in stats.norm.ppf([0.1, 0.9])]
    assert (low[0], high[0]) == pytest.approx(np.quantile(replicates, ends), rel=1e-9)


def test_without_bias_or_skew_it_is_the_percentile():
    replicates = np.random.default_rng(0).normal(size=(999, 1))
    jackknife = np.array([[-1.0], [0.0], [1.0]])
    corrected = bca_interval(replicates, jackknife, np.median(replicates, axis=0), 0.9)
    np.testing.assert_allclose(corrected, percentile_interval(replicates, 0.9), rtol=1e-9)


def test_monotone_transformations_carry_the_interval_along():
    data = np.random.default_rng(3).lognormal(size=40)
    replicates, jackknife, estimate = bootstrap_of(np.mean, data, 2001, 5)
    plain = np.concatenate(bca_interval(replicates, jackknife, [estimate], 0.9))
    # Bias correction and percentiles follow exactly, the acceleration to the order of the method.
    moved = np.concatenate(bca_interval(np.log(replicates), np.log(jackknife), [np.log(estimate)], 0.9))
    np.testing.assert_allclose(np.exp(moved), plain, rtol=0.02)


def test_what_is_not_known_has_no_interval():
    replicates = np.random.default_rng(0).normal(size=(100, 4))
    replicates[:, 1] = np.nan
    replicates[3:, 0] = np.nan
    jackknife = np.random.default_rng(1).normal(size=(10, 4))
    jackknife[:, 2] = np.nan
    low, high = bca_interval(replicates, jackknife, [0, 0, 0, np.nan], 0.9)
    assert np.isfinite([low[0], high[0]]).all()
    assert np.isnan(low[1:]).all()
    assert np.isnan(high[1:]).all()


def test_replicates_all_on_one_side_stay_inside():
    replicates = np.linspace(1, 2, 200)[:, None]
    low, high = bca_interval(replicates, np.array([[0.0], [1.0], [0.5]]), [0.0], 0.95)
    assert 1 <= low[0] <= high[0] <= 2


def test_a_fit_keeps_what_it_needs():
    fit = scaling.fit("power_floor", {"x": X}, Y, objective="squared", bootstrap=300, interval="bca", seed=4)
    assert fit.jackknife.shape == (40, 3)
    assert fit.interval_kind == "bca"
    assert fit.interval_method == "BCa of 300 iid bootstrap replicates and 40 jackknife refits, seed 4"
    for j, name in enumerate(fit.law.parameter_names):
        expected = bca_interval(fit.replicates[:, [j]], fit.jackknife[:, [j]], [fit.estimates[name]], 0.9)
        assert fit.interval(name, 0.9) == pytest.approx(np.concatenate(expected))
        assert fit.interval(name, 0.9, "bca") == fit.interval(name, 0.9)
        ends = np.quantile(fit.replicates[:, j], [0.05, 0.95])
        assert fit.interval(name, 0.9, "percentile") == pytest.approx(ends)
    back = scaling.Fit.from_json(fit.to_json())
    assert back == fit
    np.testing.assert_array_equal(back.jackknife, fit.jackknife)
    assert "jackknife" not in json.loads(fit.to_json(replicates=False))


def test_the_jackknife_is_made_of_refits():
    fit = scaling.fit("power_floor", {"x": X}, Y, objective="squared", bootstrap=2, interval="bca")
    for i in (0, 17, 39):
        others = np.arange(40) != i
        alone = scaling.fit("power_floor", {"x": X[others]}, Y[others], objective="squared", bootstrap=0)
        np.testing.assert_allclose(fit.jackknife[i], alone.theta, rtol=1e-6)
    groups = np.arange(40) // 4
    clustered = scaling.fit(
        "power_floor", {"x": X}, Y, objective="squared", bootstrap=2, interval="bca", groups=groups
    )  # fmt: skip
    assert clustered.jackknife.shape == (10, 3)
    alone = scaling.fit("power_floor", {"x": X[groups != 0]}, Y[groups != 0], objective="squared", bootstrap=0)
    np.testing.assert_allclose(clustered.jackknife[0], alone.theta, rtol=1e-6)


def test_intervals_by_another_method():
    boot = scaling.fit("power_floor", {"x": X}, Y, objective="squared", bootstrap=50)
    plain = scaling.fit("power_floor", {"x": X}, Y, objective="squared", bootstrap=0)
    assert boot.jackknife.size == plain.jackknife.size == 0
    assert boot.interval("alpha", method="t") == pytest.approx(plain.interval("alpha"))
    assert plain.interval_kind == "t"
    chosen = scaling.fit("power_floor", {"x": X}, Y, objective="squared", bootstrap=50, interval="t")
    assert chosen.interval("alpha") == pytest.approx(plain.interval("alpha"))
    assert chosen.interval_method.startswith("t interval")
    with pytest.raises(
        UsageError, match='a bca interval needs a jackknife, but this fit has none\nFit with interval="bca"'
    ):
        boot.interval("alpha", method="bca")
    with pytest.raises(UsageError, match=r"a percentile interval is made from .*, but this fit has none"):
        plain.interval("alpha", method="percentile")
    with pytest.raises(UsageError, match="there is no interval 'bac'\nDid you mean 'bca'"):
        boot.interval("alpha", method="bac")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"interval": "bca", "bootstrap": 0},
            "a bca interval is made from bootstrap replicates, but none are",
        ),
        ({"interval": "percentiles"}, "there is no interval 'percentiles'\nDid you mean 'percentile'"),
    ],
)
def test_impossible_intervals(settings, says):
    with pytest.raises(UsageError, match=says):
        scaling.fit("power_floor", {"x": X}, Y, **settings)
