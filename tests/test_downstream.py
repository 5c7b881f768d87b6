"""The chain from N and D by way of the loss to the error on tasks."""

import dataclasses

import numpy as np
import pytest

import scaling
from scaling.downstream import chain, check_loss_input
from scaling.errors import InputDataError, UsageError, VerdictError
from tests.truths import crossed

LAW = {"E": 1.7, "A": 300.0, "B": 400.0, "alpha": 0.3}
ERROR = {"eps": 0.85, "k": 2.2, "gamma": 0.72}
TARGET = {"N": 3e9, "D": 4e11}


def loss_of(n, d):
    return LAW["E"] + LAW["A"] / n ** LAW["alpha"] + LAW["B"] / d ** LAW["alpha"]


def error_of(loss):
    return ERROR["eps"] - ERROR["k"] * np.exp(-ERROR["gamma"] * loss)


def two_fits(seed=0, bootstrap=200, scatter=0.003, noise=0.004):
    rng = np.random.default_rng(seed)
    x = crossed(N=np.geomspace(1e7, 2e9, 6), D=np.geomspace(1e9, 1e11, 6))
    loss = loss_of(x["N"], x["D"]) * np.exp(scatter * rng.standard_normal(36))
    error = error_of(loss) + noise * rng.standard_normal(36)
    first = scaling.fit("gadre", x, loss, objective="squared", bootstrap=bootstrap, seed=seed)
    second = scaling.fit(
        "downstream_error", {"L": loss}, error, objective="squared", residual="linear", bootstrap=bootstrap, seed=seed
    )
    return first, second


@pytest.fixture(scope="module")
def fits():
    return two_fits()


def test_the_error_is_that_at_the_forecast_loss(fits):
    found = chain(*fits, TARGET)
    assert found.loss == fits[0].predict(TARGET).mean
    assert found.mean == pytest.approx(fits[1].predict({"L": found.loss}).mean, rel=1e-12)
    assert found.mean == pytest.approx(error_of(loss_of(**{k.lower(): v for k, v in TARGET.items()})), abs=0.01)


def test_replicates_go_in_pairs(fits):
    first, second = fits
    found = chain(first, second, TARGET, level=0.8, kind="curve")
    errors = [
        second.evaluate({"L": first.evaluate(TARGET, a[None])[0]}, b[None])[0, 0]
        for a, b in zip(first.replicates, second.replicates, strict=True)
    ]
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(errors, [0.1, 0.9])), rel=1e-12)
    forecast = first.predict(TARGET, level=0.8, kind="curve")
    assert (found.loss_low, found.loss_high) == (forecast.low, forecast.high)
    assert "200 pairs" in found.method


def test_a_run_scatters_more_than_the_curve(fits):
    curve, run, again = (chain(*fits, TARGET, kind=kind, seed=3) for kind in ("curve", "run", "run"))
    assert run.high - run.low > 1.3 * (curve.high - curve.low)
    assert run.mean == curve.mean
    assert run == again
    assert chain(*fits, TARGET, seed=4).low != run.low


def test_without_scatter_the_chain_is_exact():
    found = chain(*two_fits(scatter=0.0, noise=0.0), TARGET)
    truth = error_of(loss_of(TARGET["N"], TARGET["D"]))
    assert (found.mean, found.low, found.high) == pytest.approx((truth,) * 3, rel=1e-6)


@pytest.mark.slow
def test_the_interval_holds_the_error_of_a_new_run_about_as_often_as_it_says():
    hits, runs = 0, 60
    for seed in range(runs):
        found = chain(*two_fits(seed, bootstrap=100), TARGET, level=0.9)
        rng = np.random.default_rng([seed, 1])
        loss = loss_of(TARGET["N"], TARGET["D"]) * np.exp(0.003 * rng.standard_normal())
        hits += found.low <= error_of(loss) + 0.004 * rng.standard_normal() <= found.high
    assert 44 <= hits <= 60  # of 60 at 90 %, a binomial count stays there but once in ten thousand


def test_several_targets_and_how_far_each_link_reaches(fits):
    found = chain(*fits, {"N": [1e8, 1e12], "D": [1e10, 1e14]})
    assert found.mean.shape == found.low.shape == (2,)
    assert found.extrapolation_factor[0] == 1
    assert found.extrapolation_factor[1] == pytest.approx(1e12 * 1e14 / (2e9 * 1e11), rel=1e-9)
    assert found.loss_extrapolation_factor[0] == 1
    lowest = fits[1].support["L"][0]
    assert found.loss_extrapolation_factor[1] == pytest.approx(lowest / found.loss[1], rel=1e-9)
    assert found.verdict.startswith("extrapolating x")


def test_without_replicates_there_is_no_interval():
    found = chain(*two_fits(bootstrap=0), TARGET)
    assert np.isnan([found.low, found.high, found.loss_low]).all()
    assert np.isfinite(found.mean)
    assert found.method == "none: both fits need bootstrap replicates"


def test_what_cannot_be_chained(fits):
    first, second = fits
    with pytest.raises(UsageError, match="has the inputs N, D, not the loss alone"):
        chain(first, first, TARGET)
    with pytest.raises(UsageError, match="no kind of prediction 'point'"):
        chain(first, second, TARGET, kind="point")
    with pytest.raises(UsageError, match="a level lies between 0 and 1"):
        chain(first, second, TARGET, level=90)
    with pytest.raises(InputDataError, match="needs the input 'D'"):
        chain(first, second, {"N": 1e9})


def test_a_link_that_is_not_identified_is_refused(fits):
    n = np.geomspace(1e7, 1e9, 5)
    few = scaling.fit("gadre", {"N": n, "D": 20 * n}, loss_of(n, 20 * n), objective="squared", bootstrap=0)
    with pytest.raises(VerdictError, match="'gadre' is not identified"):
        chain(few, fits[1], TARGET)
    assert chain(few, fits[1], TARGET, force=True).verdict == "not identified"


@pytest.fixture(scope="module")
def doubted(fits):
    """Both fits with a back-test of their own."""
    rng = np.random.default_rng(0)
    x = crossed(N=np.geomspace(1e7, 2e9, 6), D=np.geomspace(1e9, 1e11, 6))
    loss = loss_of(x["N"], x["D"]) * np.exp(0.003 * rng.standard_normal(36))
    error = error_of(loss) + 0.004 * rng.standard_normal(36)
    first, second = fits
    return (
        dataclasses.replace(first, backtest=scaling.backtest_law(first, x, loss, bootstrap=20)),
        dataclasses.replace(second, backtest=scaling.backtest_law(second, {"L": loss}, error, bootstrap=20)),
    )


def test_the_loss_in_between_is_that_of_its_own_forecast(doubted):
    for kind in ("curve", "run"):
        found, forecast = chain(*doubted, TARGET, level=0.9, kind=kind), doubted[0].predict(TARGET, 0.9, kind)
        assert (found.loss_low, found.loss_high) == (forecast.low, forecast.high)


def test_errors_of_form_and_back_test_go_through_the_second_law(fits, doubted):
    """The loss alone is doubted: the ends of its interval, through a law that is sure, are those of the error."""
    plain = chain(*fits, TARGET, level=0.9, kind="curve")
    first = dataclasses.replace(doubted[0], replicates=np.tile(fits[0].theta, (200, 1)))
    sure = dataclasses.replace(fits[1], replicates=np.tile(fits[1].theta, (200, 1)))
    found = chain(first, sure, TARGET, level=0.9, kind="curve")
    ends = [error_fit_at(fits[1], loss) for loss in (found.loss_low, found.loss_high)]
    # 200 evenly spread draws put the ends within a hundredth of where endless ones would.
    assert (found.low, found.high) == pytest.approx(tuple(ends), abs=0.02 * (ends[1] - ends[0]))
    both = chain(*doubted, TARGET, level=0.9, kind="curve")
    assert both.high - both.low > 1.2 * (plain.high - plain.low)
    assert plain.method.endswith("the form of the law of the loss and of that of the error is taken as true")
    assert "errors of form and back-test of the loss and of the error" in both.method
    assert "taken as true" not in both.method


def error_fit_at(fit, loss):
    return fit.evaluate({"L": loss})[0, 0]


def test_both_back_tests_are_quoted(fits, doubted):
    found = chain(*doubted, TARGET)
    assert found.backtest == doubted[0].predict(TARGET).backtest
    assert found.then_backtest == doubted[1].predict({"L": found.loss}).backtest
    assert found.backtest.startswith(("Back-test at x6", "No back-test is possible at x6"))
    bare = chain(*fits, TARGET)
    assert bare.backtest == bare.then_backtest == fits[0].predict(TARGET).backtest
    assert bare.backtest.startswith("No back-test came with this fit")


def test_of_two_fits_the_one_with_few_clusters_says_how_far_percentiles_go(fits):
    rng = np.random.default_rng(0)
    x = crossed(N=np.geomspace(1e7, 2e9, 6), D=np.geomspace(1e9, 1e11, 6))
    loss = loss_of(x["N"], x["D"]) * np.exp(0.003 * rng.standard_normal(36))
    groups = [str(i // 3) for i in range(36)]
    first = scaling.fit("gadre", x, loss, groups=groups, objective="squared", bootstrap=200)
    at = first.percentile_level(0.9)
    assert at > 0.92
    found = chain(first, fits[1], TARGET, level=0.9, kind="curve")
    errors = [
        fits[1].evaluate({"L": first.evaluate(TARGET, a[None])[0]}, b[None])[0, 0]
        for a, b in zip(first.replicates, fits[1].replicates, strict=True)
    ]
    low, high = np.quantile(errors, [(1 - at) / 2, (1 + at) / 2])
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-12)
    plain = np.quantile(errors, [0.05, 0.95])
    assert high - low > plain[1] - plain[0]


def test_the_input_must_be_the_metric_that_the_first_law_forecasts(fits):
    second = fits[1]
    check_loss_input(second, {"L": "metric:loss_c4_val"}, "loss_c4_val")
    check_loss_input(second, {"L": "val_loss"}, "loss_c4_val")
    with pytest.raises(UsageError, match="over the metric loss_ptb, and the first fit forecasts loss_c4_val") as raised:
        check_loss_input(second, {"L": "metric:loss_ptb"}, "loss_c4_val")
    assert raised.value.hint == ("Fit it over that one (--input L=metric:loss_c4_val), or forecast loss_ptb first.")
