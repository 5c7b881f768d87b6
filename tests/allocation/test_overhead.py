"""Leaving the optimum, catching up, and what is given: closed forms of the Chinchilla law, walls, and refusals."""

import dataclasses

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import scaling
from scaling.allocation.cost import TransformerCost
from scaling.errors import UsageError, VerdictError

TRUTH = {"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}  # arXiv:2404.10102


def chinchilla(n, d, E, A, B, alpha, beta):
    return E + A / n**alpha + B / d**beta


def runs():
    n, d = (v.ravel() for v in np.meshgrid(np.geomspace(1e7, 1e10, 6), np.geomspace(2e8, 2e12, 6)))
    return n, d, chinchilla(n, d, **TRUTH) * np.exp(0.003 * np.random.default_rng(4).standard_normal(len(n)))


@pytest.fixture(scope="module")
def fit():
    """A noisy sweep of the Chinchilla law, with 200 replicates."""
    n, d, loss = runs()
    return scaling.fit("chinchilla", {"N": n, "D": d}, loss, objective="squared", bootstrap=200)


@pytest.fixture(scope="module")
def published(fit):
    """The same with published coefficients in place of the estimates."""
    return dataclasses.replace(fit, estimates=TRUTH)


@pytest.fixture(scope="module")
def product():
    """A fit of the multiplicative law, which has no optimum."""
    n, d, _ = runs()
    return scaling.fit("multiplicative", {"N": n, "D": d}, 1.5 + 900 * n**-0.2 * d**-0.15, bootstrap=0)


def least_flop(loss, t):
    """C*(L) by inverting L*(C), arXiv:2203.15556."""
    g = (t["alpha"] * t["A"] / (t["beta"] * t["B"])) ** (1 / (t["alpha"] + t["beta"]))
    amplitude = t["A"] * g ** -t["alpha"] + t["B"] * g ** t["beta"]
    power = (t["alpha"] + t["beta"]) / (t["alpha"] * t["beta"])
    return 6 * (amplitude / (loss - t["E"])) ** power


def by_replicate(fit, function):
    rows = [dict(zip(fit.law.parameter_names, row, strict=True)) for row in fit.replicates]
    return np.array([function(t) for t in rows])


class TestLeastCompute:
    def test_is_the_closed_form(self, published):
        target = np.array([3.0, 2.2, 1.95, 1.85])
        answer = scaling.compute_for_loss(published, target)
        np.testing.assert_allclose(answer["compute_flop"].point, least_flop(target, TRUTH), rtol=1e-9)
        n, d = answer["n_params"].point, answer["n_tokens"].point
        np.testing.assert_allclose(6 * n * d, answer["compute_flop"].point, rtol=1e-12)
        np.testing.assert_allclose(chinchilla(n, d, **TRUTH), target, rtol=1e-13)
        np.testing.assert_allclose(answer["tokens_per_param"].point, d / n, rtol=1e-12)

    def test_intervals_are_the_percentiles_of_the_closed_form(self, fit):
        e = scaling.compute_for_loss(fit, 2.1, level=0.8)["compute_flop"]
        ends = np.quantile(by_replicate(fit, lambda t: least_flop(2.1, t)), [0.1, 0.9])
        np.testing.assert_allclose([e.low[0], e.high[0]], ends, rtol=1e-8)

    def test_undoes_the_allocation(self, fit):
        plan = scaling.allocate(fit, [1e20, 1e23])
        answer = scaling.compute_for_loss(fit, plan.loss)
        np.testing.assert_allclose(answer["compute_flop"].point, [1e20, 1e23], rtol=1e-9)
        np.testing.assert_allclose(answer["n_params"].point, plan.n_params, rtol=1e-5)
        assert answer.verdict.startswith("extrapolating x")
        assert answer.method == plan.method

    def test_a_target_below_the_floor_names_it(self, published):
        with pytest.raises(VerdictError, match=r"no compute reaches a loss of 1\.500.*floor at E = 1\.817") as caught:
            scaling.compute_for_loss(published, [2.0, 1.5])
        assert "100 % of the replicates say the same" in caught.value.message
        assert caught.value.hint == "Ask for a loss above the floor."

    def test_a_target_near_the_floor_is_out_of_reach_for_some_replicates(self, fit):
        floors = by_replicate(fit, lambda t: t["E"])
        target = float(np.quantile(floors, 0.9)) * (1 - 1e-12)
        assert target > fit.estimates["E"]
        answer = scaling.compute_for_loss(fit, target)
        share = np.mean(floors >= target)
        assert 0.05 < share < 0.15
        assert answer.never_share[0] == pytest.approx(share)
        assert answer["compute_flop"].high[0] == np.inf
        assert np.isfinite(answer["compute_flop"].low[0])
        assert len(answer.notes) == 1
        assert "of the replicates no compute reaches a loss of" in answer.notes[0]

    def test_a_law_without_an_optimum(self, product):
        with pytest.raises(VerdictError, match=r"no cheapest model for a loss of 2\.500"):
            scaling.compute_for_loss(product, 2.5)

    @pytest.mark.parametrize("target", [0, -1, np.nan, np.inf, [], "low"])
    def test_targets_are_positive_numbers(self, target, fit):
        with pytest.raises(UsageError, match="a target loss"):
            scaling.compute_for_loss(fit, target)


class TestGiven:
    def test_the_size_and_a_budget(self, fit):
        answer = scaling.given_params(fit, 7e9, compute_flop=[1e22, 1e23])
        tokens = np.array([1e22, 1e23]) / (6 * 7e9)
        np.testing.assert_allclose(answer.given["n_tokens"], tokens, rtol=1e-14)
        expected = fit.evaluate({"N": [7e9, 7e9], "D": tokens})[0]
        np.testing.assert_array_equal(answer["loss"].point, expected)
        spread = fit.evaluate({"N": [7e9, 7e9], "D": tokens}, fit.replicates)
        np.testing.assert_allclose(answer["loss"].low, np.quantile(spread, 0.025, axis=0), rtol=1e-12)
        assert np.all(expected > scaling.allocate(fit, [1e22, 1e23]).loss)

    def test_the_tokens_and_a_budget(self, fit):
        answer = scaling.given_tokens(fit, 1e11, compute_flop=1e22)
        assert answer.given["n_params"][0] == pytest.approx(1e22 / 6e11, rel=1e-12)
        assert answer["loss"].point[0] == pytest.approx(fit.evaluate({"N": 1e22 / 6e11, "D": 1e11})[0, 0], rel=1e-13)

    def test_the_size_and_a_loss(self, published):
        """D = (B/(L - E - A N^-alpha))^(1/beta)."""
        t = TRUTH
        rest = 2.1 - t["E"] - t["A"] / 7e9 ** t["alpha"]
        answer = scaling.given_params(published, 7e9, loss=2.1)
        assert answer["n_tokens"].point[0] == pytest.approx((t["B"] / rest) ** (1 / t["beta"]), rel=1e-11)
        assert answer["compute_flop"].point[0] == pytest.approx(6 * 7e9 * answer["n_tokens"].point[0], rel=1e-13)

    def test_the_tokens_and_a_loss(self, published):
        t = TRUTH
        rest = 2.1 - t["E"] - t["B"] / 1e12 ** t["beta"]
        answer = scaling.given_tokens(published, 1e12, loss=2.1)
        assert answer["n_params"].point[0] == pytest.approx((t["A"] / rest) ** (1 / t["alpha"]), rel=1e-11)

    def test_the_wall_of_a_size(self, published, fit):
        t = TRUTH
        wall = t["E"] + t["A"] / 1e9 ** t["alpha"]
        with pytest.raises(VerdictError) as caught:
            scaling.given_params(published, 1e9, loss=wall * 0.97)
        assert "no amount of tokens gets a model of 1B parameters to a loss of" in caught.value.message
        assert f"its wall is E + A/N**alpha = {wall:.3f}" in caught.value.message
        walls = by_replicate(fit, lambda t: t["E"] + t["A"] / 1e9 ** t["alpha"])
        share = np.mean(walls >= wall * 0.97)
        assert f"{100 * share:.0f} % of the replicates say the same" in caught.value.message

    def test_the_wall_of_a_number_of_tokens(self, published):
        with pytest.raises(VerdictError, match=r"training on 10B tokens.*its wall is E \+ B/D\*\*beta = 2\.27"):
            scaling.given_tokens(published, 1e10, loss=2.1)

    def test_replicates_behind_the_wall_are_counted(self, fit):
        walls = by_replicate(fit, lambda t: t["E"] + t["A"] / 1e9 ** t["alpha"])
        target = float(np.quantile(walls, 0.8)) * (1 - 1e-13)
        answer = scaling.given_params(fit, 1e9, loss=target)
        assert answer.never_share[0] == pytest.approx(np.mean(walls >= target))
        assert answer["n_tokens"].high[0] == np.inf
        assert "no amount of tokens reaches" in answer.notes[0]

    def test_a_law_that_is_no_sum_names_the_wall_by_its_number(self):
        n, d, _ = runs()
        loss = 1.7 + ((6e7 / n) ** (0.4 / 0.45) + 9e8 / d) ** 0.45
        fit = scaling.fit("kaplan", {"N": n, "D": d}, loss, bootstrap=0)
        wall = 1.7 + (6e7 / 1e9) ** 0.4
        with pytest.raises(VerdictError, match=f"its wall is {wall:.3f}\\. Without bootstrap replicates"):
            scaling.given_params(fit, 1e9, loss=wall - 0.01)

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            ({}, "needs a budget or a target loss"),
            ({"loss": 2.0, "compute_flop": 1e22}, "not both"),
            ({"loss": -2.0}, "a target loss"),
            ({"compute_flop": 0}, "a compute budget"),
            ({"compute_flop": [1e20, 1e21, 1e22]}, "there are 2 and 3 of parameters and budgets"),
        ],
    )
    def test_words_that_make_no_sense(self, words, said, fit):
        with pytest.raises(UsageError, match=said):
            scaling.given_params(fit, [1e9, 2e9], **words)

    def test_a_budget_that_serving_eats(self, fit):
        with pytest.raises(UsageError, match="1e22 FLOP leave nothing for 7B parameters"):
            scaling.given_params(fit, 7e9, compute_flop=1e22, cost=TransformerCost(served_tokens=1e12))


class TestOverhead:
    def test_is_what_the_closed_form_leaves(self, published):
        answer = scaling.overhead(published, [8e9, 70e9], [15e12, 1.4e12])
        spent = np.array([7.2e23, 5.88e23])
        least = least_flop(chinchilla(np.array([8e9, 70e9]), np.array([15e12, 1.4e12]), **TRUTH), TRUTH)
        np.testing.assert_allclose(answer["optimal_flop"].point, least, rtol=1e-8)
        np.testing.assert_allclose(answer["deadweight_flop"].point, spent - least, rtol=1e-6)
        np.testing.assert_allclose(answer["deadweight_share"].point, 1 - least / spent, rtol=1e-6)
        np.testing.assert_allclose(answer["loss_at_optimum"].point, scaling.allocate(published, spent).loss, rtol=1e-12)

    def test_intervals_are_the_percentiles(self, fit):
        share = by_replicate(fit, lambda t: 1 - least_flop(chinchilla(8e9, 15e12, **t), t) / 7.2e23)
        e = scaling.overhead(fit, 8e9, 15e12, level=0.8)["deadweight_share"]
        np.testing.assert_allclose([e.low[0], e.high[0]], np.quantile(share, [0.1, 0.9]), rtol=1e-6)

    def test_is_nothing_at_the_optimum(self, fit):
        plan = scaling.allocate(fit, [1e19, 1e22, 1e25])
        e = scaling.overhead(fit, plan.n_params, plan.n_tokens)["deadweight_share"]
        assert np.all((e.point >= 0) & (e.point < 1e-10))
        assert np.all((e.low <= e.point) & (e.point < e.high))

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.floats(7, 12), st.floats(9, 14), st.floats(0.15, 0.9), st.floats(0.15, 0.9))
    def test_is_never_negative(self, bare, log_n, log_d, alpha, beta):
        truth = TRUTH | {"alpha": alpha, "beta": beta, "A": 3e8**alpha, "B": 2e10**beta}
        law = dataclasses.replace(bare, estimates=truth)
        n, d = 10**log_n, 10**log_d
        answer = scaling.overhead(law, n, d)
        share = answer["deadweight_share"].point[0]
        assert 0 <= share < 1
        loss = chinchilla(n, d, **truth)
        if loss - truth["E"] > 1e-6:  # nearer to the floor the loss no longer tells budgets apart
            assert 1 - share == pytest.approx(min(least_flop(loss, truth) / (6 * n * d), 1), rel=1e-5)

    def test_a_law_without_an_optimum(self, product):
        with pytest.raises(VerdictError, match="no compute-optimal split to compare with"):
            scaling.overhead(product, 1e9, 2e10)

    @pytest.mark.parametrize(("n", "d"), [(0, 1e10), (1e9, -1), (np.nan, 1e10), ([1e9, 2e9], [1e10, 2e10, 3e10])])
    def test_models_that_are_none(self, n, d, fit):
        with pytest.raises(UsageError, match=r"must be a number above 0|there are 2 and 3 of models"):
            scaling.overhead(fit, n, d)


@pytest.fixture(scope="module")
def bare(fit):
    """The fit without replicates."""
    return dataclasses.replace(fit, replicates=fit.replicates[:0])


class TestCatchUp:
    def test_from_the_optimum_it_is_the_same_for_every_budget(self, published):
        """k_D = (1 - (k_N^-alpha - 1) beta/alpha)^(-1/beta): Harm's law."""
        a, b = TRUTH["alpha"], TRUTH["beta"]
        factors = np.array([0.3, 0.5, 0.75, 1.0, 2.0])
        expected = (1 - (factors**-a - 1) * b / a) ** (-1 / b)
        for budget in (1e20, 1e23):
            plan = scaling.allocate(published, budget)
            answer = scaling.catch_up(published, plan.n_params, plan.n_tokens, factors)
            np.testing.assert_allclose(answer["tokens_factor"].point, expected, rtol=1e-6)
            np.testing.assert_allclose(answer["compute_factor"].point, factors * expected, rtol=1e-6)
        assert np.all(answer["compute_factor"].point >= 1 - 1e-12)

    def test_the_loss_is_the_same(self, fit):
        answer = scaling.catch_up(fit, 7e9, 2e12, 0.5)
        tokens = answer["n_tokens_needed"].point[0]
        there, here = fit.evaluate({"N": [3.5e9, 7e9], "D": [tokens, 2e12]})[0]
        assert there == pytest.approx(here, rel=1e-13)
        assert answer["n_tokens_needed"].low[0] < tokens < answer["n_tokens_needed"].high[0]

    def test_a_model_that_never_catches_up(self, published):
        answer = scaling.catch_up(published, 7e9, 20e12, 0.5)
        assert answer["n_tokens_needed"].point[0] == np.inf
        assert answer["compute_factor"].point[0] == np.inf
        wall = TRUTH["E"] + TRUTH["A"] / 3.5e9 ** TRUTH["alpha"]
        assert f"endless data leave it at {wall:.3f}" in answer.notes[0]
        assert answer.never_share[0] == 1
        assert np.isnan(answer.extrapolation_factor[0])

    def test_some_replicates_say_never(self, fit):
        """At the tokens where the walls of half the replicates lie."""

        def wall_at(t):
            gain = t["A"] * (3.5e9 ** -t["alpha"] - 7e9 ** -t["alpha"])
            return (t["B"] / gain) ** (1 / t["beta"])

        walls = by_replicate(fit, wall_at)
        tokens = float(np.quantile(walls, 0.5))
        answer = scaling.catch_up(fit, 7e9, tokens, 0.5)
        assert answer.never_share[0] == pytest.approx(np.mean(walls <= tokens), abs=0.01)
        assert answer["n_tokens_needed"].high[0] == np.inf
        assert np.isfinite(answer["n_tokens_needed"].low[0])
        assert "of the replicates a model of 3.5B parameters never catches up" in answer.notes[-1]

    @pytest.mark.parametrize("factor", [0, -0.5, np.inf])
    def test_sizes_that_are_none(self, factor, fit):
        with pytest.raises(UsageError, match="a size factor must be a number above 0"):
            scaling.catch_up(fit, 7e9, 1e12, factor)


@pytest.mark.parametrize(
    "ask",
    [
        lambda fit, **k: scaling.compute_for_loss(fit, 2.1, **k),
        lambda fit, **k: scaling.given_params(fit, 7e9, loss=2.3, **k),
        lambda fit, **k: scaling.given_tokens(fit, 1e12, compute_flop=1e22, **k),
        lambda fit, **k: scaling.overhead(fit, 7e9, 1e12, **k),
        lambda fit, **k: scaling.catch_up(fit, 7e9, 1e11, **k),
    ],
    ids=["loss", "params", "tokens", "overhead", "catch up"],
)
class TestEveryDecision:
    def test_is_refused_for_a_law_that_is_not_identified(self, ask, fit):
        n, d, loss = runs()
        bad = scaling.fit("chinchilla", {"N": np.full(len(n), 1e9), "D": d}, loss, bootstrap=0)
        with pytest.raises(VerdictError, match="not identified"):
            ask(bad)

    def test_is_refused_for_another_law(self, ask):
        x = np.geomspace(1e17, 1e21, 12)
        other = scaling.fit("power", {"x": x}, 30 * x**-0.05, bootstrap=0)
        with pytest.raises(UsageError, match="nothing to allocate"):
            ask(other)

    def test_checks_the_level(self, ask, fit):
        with pytest.raises(UsageError, match="level lies between 0 and 1"):
            ask(fit, level=90)

    def test_without_replicates_intervals_are_unknown(self, ask, bare):
        answer = ask(bare)
        assert answer.method == "none: the fit has no bootstrap replicates"
        assert np.isnan(answer.never_share).all()
        names = [name for name in answer.found if not name.startswith("deadweight")]
        assert np.isnan([answer[name].low for name in names]).all()
        assert np.isfinite([answer[name].point for name in names]).all()

    def test_rows_hold_everything(self, ask, fit):
        answer = ask(fit)
        [row] = answer.rows()
        for name, e in answer.found.items():
            assert (row[name], row[f"{name}_low"], row[f"{name}_high"]) == (e.point[0], e.low[0], e.high[0])
            assert e.low[0] <= e.high[0]
        assert row["beyond"] in ("within", "above", "beside")
        assert row["extrapolation_factor"] >= 1
        assert row["replicates_never"] == 0
