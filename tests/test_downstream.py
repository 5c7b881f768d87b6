"""The chain from N and D by way of the loss to the error on tasks."""

import numpy as np
import pytest

import scaling
from scaling.downstream import chain
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
    losses = first.evaluate(TARGET, first.replicates)[:, 0]
    assert (found.loss_low, found.loss_high) == pytest.approx(tuple(np.quantile(losses, [0.1, 0.9])), rel=1e-12)
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
