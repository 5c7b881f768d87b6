"""One model, one fit, one interval of the loss: that of the forecast, whatever question leads to it."""

import dataclasses

import numpy as np
import pytest

import scaling
from scaling.allocation.repetition import RepetitionLaw
from scaling.rivals import Rival
from tests.truths import crossed


def chinchilla(N, D, E, A, B, alpha, beta):
    return E + A / N**alpha + B / D**beta


TRUTH = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
RUNS = crossed(N=np.geomspace(1e7, 1e10, 6), D=np.geomspace(2e8, 2e11, 6))
LOSS = chinchilla(**RUNS, **TRUTH) * np.exp(0.003 * np.random.default_rng(4).standard_normal(36))
N, D = 7e9, 2e12


@pytest.fixture(scope="module")
def bare():
    return scaling.fit("chinchilla", RUNS, LOSS, objective="squared", bootstrap=200)


@pytest.fixture(scope="module")
def fit(bare):
    """With a back-test and a rival."""
    rival = Rival(bare.law, TRUTH | {"beta": 0.25}, 0.2, 0.01, "squared")
    found = scaling.backtest_law(bare, RUNS, LOSS, bootstrap=20)
    return dataclasses.replace(bare, backtest=found, rivals=(rival,))


QUESTIONS = {
    "given params": lambda fit: scaling.given_params(fit, N, compute_flop=6 * N * D, level=0.9),
    "given tokens": lambda fit: scaling.given_tokens(fit, D, compute_flop=6 * N * D, level=0.9),
    "overhead": lambda fit: scaling.overhead(fit, N, D, level=0.9),
    "catch up": lambda fit: scaling.catch_up(fit, N, D, 0.9, level=0.9),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_the_interval_is_that_of_the_forecast_of_the_curve(name, fit, bare):
    answer, plain = QUESTIONS[name](fit), QUESTIONS[name](bare)
    forecast = fit.predict({"N": N, "D": D}, level=0.9, kind="curve")
    e = answer["loss"]
    assert (e.low[0], e.high[0]) == pytest.approx((forecast.low, forecast.high), rel=1e-9)
    assert e.high[0] - e.low[0] > 1.5 * (plain["loss"].high[0] - plain["loss"].low[0])
    assert answer.loss_method == forecast.method
    assert "back-test" in answer.loss_method
    assert answer.method == f"{bare.interval_method}; without the errors of form and back-test"
    assert plain.method == plain.loss_method == bare.interval_method
    [row] = answer.rows()
    assert (row["loss_low"], row["loss_method"]) == (e.low[0], forecast.method)


def test_differences_keep_the_percentiles_of_the_replicates(fit, bare):
    answer, plain = (scaling.overhead(f, N, D, level=0.9) for f in (fit, bare))
    for name in ("deadweight_share", "optimal_flop"):
        assert (answer[name].low[0], answer[name].high[0]) == (plain[name].low[0], plain[name].high[0])
    best = scaling.allocate(fit, 6 * N * D, level=0.9)
    ends = (answer["loss_at_optimum"].low[0], answer["loss_at_optimum"].high[0])
    assert ends == pytest.approx([end[0] for end in best.loss_interval], rel=1e-9)


def test_every_answer_quotes_the_back_test_at_its_own_factor(fit, bare):
    plan = scaling.allocate(fit, [3e22, 1e23, 1e26])
    edge = fit.support["6*N*D"][1]
    assert plan.backtest == tuple(fit.backtest.sentence(max(c / edge, 1.0)) for c in plan.compute_flop)
    assert plan.backtest[0].startswith("Back-test at x2.5: ")
    assert plan.backtest[2].startswith("No back-test is possible at x8333: ")
    small = scaling.allocate(fit, [1e14, 3e22])
    assert small.backtest[0].startswith("No back-test is possible below the data")
    assert small.backtest[1] == plan.backtest[0]
    for name, ask in QUESTIONS.items():
        answer = ask(fit)
        place = answer["n_tokens_needed"].point[0] * 0.9 * N if name == "catch up" else N * D
        assert answer.backtest == (fit.backtest.sentence(6 * place / edge),)
        assert ask(bare).backtest == (bare.predict({"N": N, "D": D}).backtest,)
        assert ask(fit).rows()[0]["backtest"] == answer.backtest[0]
    least = scaling.compute_for_loss(fit, 2.0)
    assert least.backtest == (fit.backtest.sentence(float(least["compute_flop"].point[0]) / edge),)
    never = scaling.catch_up(fit, 7e9, 20e12, 0.1)
    assert never.backtest == (fit.backtest.sentence(6 * 7e9 * 20e12 / edge),)  # of the model that is not caught up with


@pytest.fixture(scope="module")
def clustered():
    groups = [str(i // 3) for i in range(36)]
    return scaling.fit("chinchilla", RUNS, LOSS, groups=groups, objective="squared", bootstrap=200)


class TestFewClusters:
    """Twelve clusters: percentiles at the level that so few ask for, wherever replicates make an interval."""

    def test_of_the_optimum(self, clustered):
        at = clustered.percentile_level(0.9)
        assert at > 0.92
        plan = scaling.allocate(clustered, 1e23, level=0.9)
        optima = []
        for row in clustered.replicates:
            t = dict(zip(clustered.law.parameter_names, row, strict=True))
            g = (t["alpha"] * t["A"] / (t["beta"] * t["B"])) ** (1 / (t["alpha"] + t["beta"]))
            optima.append(g * (1e23 / 6) ** (t["beta"] / (t["alpha"] + t["beta"])))
        low, high = np.quantile(optima, [(1 - at) / 2, (1 + at) / 2])
        assert np.ravel(plan.n_params_interval) == pytest.approx([low, high], rel=1e-6)
        plain = np.quantile(optima, [0.05, 0.95])
        assert high - low > plain[1] - plain[0]

    def test_of_a_decision(self, clustered):
        at = clustered.percentile_level(0.9)
        answer = scaling.given_params(clustered, 7e9, loss=2.3, level=0.9)
        t = dict(zip(clustered.law.parameter_names, clustered.replicates.T, strict=True))
        tokens = (t["B"] / (2.3 - t["E"] - t["A"] / 7e9 ** t["alpha"])) ** (1 / t["beta"])
        ends = np.quantile(tokens, [(1 - at) / 2, (1 + at) / 2])
        assert (answer["n_tokens"].low[0], answer["n_tokens"].high[0]) == pytest.approx(tuple(ends), rel=1e-9)

    def test_of_repeated_data(self, clustered):
        law = RepetitionLaw.of("muennighoff-2023")
        values = np.arange(101.0)[:, None]
        grown = dataclasses.replace(law, E=values, fit=clustered)
        at = clustered.percentile_level(0.9)
        assert np.ravel(grown.interval(values, 0.9)) == pytest.approx(
            np.quantile(values[1:], [(1 - at) / 2, (1 + at) / 2])
        )
