"""What repeated tokens are worth, and how compute is split over a corpus that runs out."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import scaling
from scaling.allocation.data_constrained import allocate_repeated, epochs_until, worth_of_epochs
from scaling.allocation.repetition import RepetitionLaw, effective_count
from scaling.errors import InputDataError, UsageError, VerdictError
from tests.truths import BY_HAND, design

TRUTH = {"E": 1.87, "A": 521.0, "B": 1488.0, "alpha": 0.353, "beta": 0.353, "R_D": 15.4, "R_N": 5.31}
PUBLISHED = "muennighoff-2023"
steady = settings(derandomize=True, deadline=None, max_examples=40)


def by_hand(n, d, u, **truth):
    return BY_HAND["data_constrained"](N=np.asarray(n, float), D=np.asarray(d, float), U=u, **(TRUTH | truth))


@pytest.fixture(scope="module")
def fit():
    """A fit of the full law to noisy runs, with replicates."""
    inputs = design("data_constrained")
    noise = np.random.default_rng(5).standard_normal(len(inputs["N"]))
    loss = BY_HAND["data_constrained"](**inputs, **TRUTH) * np.exp(0.003 * noise)
    return scaling.fit("data_constrained", inputs, loss, objective="squared", bootstrap=60)


class TestEffectiveCount:
    def test_the_first_pass_counts_in_full(self):
        assert effective_count(1e9, 1e9, 15.4) == 1e9

    def test_by_hand(self):
        expected = 1e9 * (1 + 15.4 * (1 - np.exp(-3 / 15.4)))
        assert effective_count(4e9, 1e9, 15.4) == pytest.approx(expected, rel=1e-14)

    @steady
    @given(st.floats(1, 1e4), st.floats(0.05, 1e4))
    def test_it_grows_and_stays_below_the_count_and_the_ceiling(self, epochs, decay):
        value = float(effective_count(epochs, 1.0, decay))
        assert 1 <= value <= min(epochs, 1 + decay) * (1 + 1e-12)
        assert effective_count(epochs * 1.1, 1.0, decay) >= value

    def test_without_decay_all_tokens_are_fresh(self):
        assert effective_count(64.0, 1.0, 1e9) == pytest.approx(64, rel=1e-6)


class TestForecastOfTheOptimum:
    @pytest.mark.slow
    def test_the_loss_is_that_of_the_forecast_and_quotes_the_back_test(self, fit):
        inputs = design("data_constrained")
        noise = np.random.default_rng(3).standard_normal(len(inputs["N"]))
        loss = fit.evaluate(inputs)[0] * np.exp(0.003 * noise)
        tested = replace(fit, backtest=scaling.backtest_law(fit, inputs, loss, bootstrap=20))
        plan = allocate_repeated(tested, [1e21, 1e23], 5e9, level=0.9)
        for i in range(2):
            at = {"N": plan.n_params[i], "D": plan.n_tokens[i], "U": 5e9}
            said = tested.predict(at, level=0.9, kind="curve")
            assert (plan.loss_interval[0][i], plan.loss_interval[1][i]) == pytest.approx((said.low, said.high))
            assert plan.rows()[i]["backtest"] == said.backtest != ""
        alone = allocate_repeated(fit, [1e23], 5e9, level=0.9)
        assert (
            plan.loss_interval[1][1] - plan.loss_interval[0][1] > alone.loss_interval[1][0] - alone.loss_interval[0][0]
        )


class TestRepetitionLaw:
    def test_it_is_the_law_of_the_book(self, fit):
        inputs = design("data_constrained")
        law = RepetitionLaw.of(fit)
        np.testing.assert_allclose(
            law.loss(inputs["N"], inputs["D"], inputs["U"]),
            fit.evaluate(inputs, np.concatenate([fit.theta[None], fit.replicates])),
            rtol=1e-11,
        )

    def test_a_fit_of_the_decays_alone_takes_the_other_constants_as_published(self):
        inputs = design("data_constrained_decay")
        loss = BY_HAND["data_constrained_decay"](**inputs, R_D=9.0, R_N=3.0)
        two = scaling.fit("data_constrained_decay", inputs, loss, objective="squared", bootstrap=0)
        law = RepetitionLaw.of(two)
        np.testing.assert_allclose(law.loss(inputs["N"], inputs["D"], inputs["U"])[0], loss, rtol=1e-7)
        assert law.R_D[0, 0] == pytest.approx(9.0, rel=1e-8)
        assert law.B[0, 0] == pytest.approx(np.exp(7.3049974), rel=1e-7)

    def test_other_laws_and_names_are_refused(self, fit):
        other = scaling.fit("power", {"x": np.geomspace(1, 9, 9)}, np.geomspace(9, 1, 9), bootstrap=0)
        with pytest.raises(UsageError, match="'power' says nothing of repeated tokens"):
            RepetitionLaw.of(other)
        with pytest.raises(UsageError, match=r"'muennighof'.*\n?Did you mean 'muennighoff-2023'"):
            RepetitionLaw.of("muennighof")

    def test_runs_of_one_epoch_say_nothing_about_repetition(self):
        inputs = design("data_constrained")
        inputs = inputs | {"U": inputs["D"]}
        loss = BY_HAND["data_constrained"](**inputs, **TRUTH)
        loss = loss * np.exp(0.003 * np.random.default_rng(0).standard_normal(len(loss)))
        once = scaling.fit("data_constrained", inputs, loss, objective="squared", bootstrap=0)
        assert once.verdict == "not identified"
        with pytest.raises(VerdictError, match="leaves the fit unchanged"):
            RepetitionLaw.of(once)


class TestAllocation:
    def test_with_data_enough_it_is_chinchillas_closed_form(self):
        law = TRUTH | {"alpha": 0.34, "beta": 0.28}
        budgets = np.array([1e18, 1e20, 1e22])
        a, b = law["alpha"], law["beta"]
        g = (a * law["A"] / (b * law["B"])) ** (1 / (a + b))
        plan = allocate_repeated(_as_fit(law), budgets, 1e15, force=True)
        np.testing.assert_allclose(plan.n_params, g * (budgets / 6) ** (b / (a + b)), rtol=1e-6)
        np.testing.assert_allclose(plan.loss, plan.fresh_loss, rtol=1e-13)
        assert np.all(plan.epochs < 1)

    @pytest.mark.parametrize(("budget", "unique"), [(1e22, 1e10), (1e23, 1e11), (1e21, 1e9), (3e20, 2e9)])
    def test_it_is_the_lowest_loss_along_the_budget(self, budget, unique):
        plan = allocate_repeated(_as_fit(TRUTH), budget, unique, force=True)
        n = plan.n_params[0] * np.geomspace(1e-3, 1e3, 60_001)
        losses = by_hand(n, budget / 6 / n, unique)
        assert plan.loss[0] <= losses.min() * (1 + 1e-12)
        assert plan.n_params[0] == pytest.approx(n[np.argmin(losses)], rel=1e-3)
        assert plan.n_params[0] * plan.n_tokens[0] * 6 == pytest.approx(budget, rel=1e-12)
        assert plan.epochs[0] == pytest.approx(plan.n_tokens[0] / unique, rel=1e-12)

    def test_scarcer_data_cost_loss_and_are_repeated_more(self):
        plans = [allocate_repeated(PUBLISHED, 1e23, u) for u in (1e13, 1e11, 1e10, 1e9)]
        losses = [p.loss[0] for p in plans]
        assert losses == sorted(losses)
        assert losses[0] == pytest.approx(plans[0].fresh_loss[0], rel=1e-12)
        epochs = [p.epochs[0] for p in plans]
        assert epochs == sorted(epochs)
        assert plans[0].verdict == "published"
        assert np.isnan(plans[0].n_params_interval).all()
        assert "published" in plans[0].method

    def test_intervals_are_percentiles_of_the_optima_of_the_replicates(self, fit):
        plan = allocate_repeated(fit, [1e21, 1e22], 5e9, level=0.8)
        optima = []
        for row in fit.replicates:
            n = plan.n_params[1] * np.geomspace(0.2, 5, 4001)
            losses = fit.evaluate({"N": n, "D": 1e22 / 6 / n, "U": 5e9}, row[None])[0]
            optima.append(n[np.argmin(losses)])
        low, high = np.quantile(optima, [0.1, 0.9])
        assert plan.n_params_interval[0][1] == pytest.approx(low, rel=2e-3)
        assert plan.n_params_interval[1][1] == pytest.approx(high, rel=2e-3)
        assert np.all(plan.loss_interval[0] < plan.loss)
        assert np.all(plan.loss < plan.loss_interval[1])
        assert plan.verdict.startswith("extrapolating x") or plan.verdict == fit.verdict
        row = plan.rows()[1]
        assert row["compute_flop"] == 1e22
        assert row["n_params_low"] < row["n_params"] < row["n_params_high"]

    @pytest.mark.parametrize("bad", [0.0, -1.0, float("nan"), float("inf"), []])
    def test_budgets_and_corpora_that_are_none(self, bad):
        with pytest.raises(InputDataError, match="compute budget"):
            allocate_repeated(PUBLISHED, bad, 1e9)
        with pytest.raises(InputDataError, match="unique tokens"):
            allocate_repeated(PUBLISHED, 1e20, bad)


class TestEpochs:
    def test_the_gains_are_those_of_the_law(self):
        """The gain of a pass does not depend on the size of the model, and fresh tokens start from the same point."""
        worth = worth_of_epochs(_as_fit(TRUTH), 2e9, [2, 5, 30], force=True)
        for i, k in enumerate((2, 5, 30)):
            for n in (1e7, 3e9):
                gain = by_hand(n, (k - 1) * 2e9, 2e9) - by_hand(n, k * 2e9, 2e9)
                assert worth.loss_gain[i] == pytest.approx(gain, rel=1e-8)
            before = 2e9 * (1 + 15.4 * (1 - np.exp(-(k - 2) / 15.4)))
            fresh = 1488 * (before**-0.353 - (before + 2e9) ** -0.353)
            assert worth.fresh_gain[i] == pytest.approx(fresh, rel=1e-10)
            assert worth.worth[i] == pytest.approx(gain / fresh, rel=1e-8)

    def test_the_first_pass_is_fresh_and_the_others_fade(self):
        worth = worth_of_epochs(PUBLISHED, 1e11, range(1, 101))
        assert worth.worth[0] == 1
        assert np.all(np.diff(worth.worth) < 0)
        assert worth.effective_tokens[-1] < 1e11 * (1 + 15.387756)
        # Each pass begins with tokens worth exp(-(k - 2)/R_D) and ends with ones worth exp(-(k - 1)/R_D).
        k = np.arange(2, 101)
        share = np.diff(worth.effective_tokens) / 1e11
        assert np.all(share < np.exp(-(k - 2) / 15.387756))
        assert np.all(share > np.exp(-(k - 1) / 15.387756))
        # Fewer tokens have a steeper slope, so a share of the loss exceeds that of the tokens.
        assert np.all(worth.worth[1:] > share)

    def test_the_worth_does_not_depend_on_the_corpus(self):
        small, large = (worth_of_epochs(PUBLISHED, u, [2, 4, 40]).worth for u in (1e8, 1e13))
        np.testing.assert_allclose(small, large, rtol=1e-9)

    def test_when_to_stop(self):
        epochs, (low, high) = epochs_until(PUBLISHED, [0.5, 0.1])
        np.testing.assert_allclose(epochs, [1 + 15.387756 * np.log(2), 1 + 15.387756 * np.log(10)], rtol=1e-12)
        assert np.isnan([low, high]).all()

    def test_at_that_epoch_the_slope_has_the_share(self):
        [k], _ = epochs_until(_as_fit(TRUTH), 0.3, force=True)
        u, n, step = 1e10, 1e9, 1e6
        slope = by_hand(n, k * u + step, u) - by_hand(n, k * u - step, u)
        effective = float(effective_count(k * u, u, TRUTH["R_D"]))
        fresh = 1488 * ((effective + step) ** -0.353 - (effective - step) ** -0.353)
        assert slope / fresh == pytest.approx(0.3, rel=1e-3)

    def test_intervals_come_from_the_replicates(self, fit):
        decays = fit.replicates[:, fit.law.parameter_names.index("R_D")]
        epochs, (low, high) = epochs_until(fit, 0.5, level=0.9)
        np.testing.assert_allclose(
            [low[0], high[0]], 1 + np.log(2) * np.quantile(decays, [0.05, 0.95]), rtol=1e-12
        )  # fmt: skip
        assert low[0] < epochs[0] < high[0]
        worth = worth_of_epochs(fit, 1e9, [1, 8], level=0.9)
        assert worth.worth_interval[0][0] == worth.worth_interval[1][0] == 1
        assert worth.worth_interval[0][1] < worth.worth[1] < worth.worth_interval[1][1]
        assert worth.rows()[1]["epoch"] == 8

    @pytest.mark.parametrize("bad", [[0], [1.5], [], [-2], [[1, 2]], [float("nan")]])
    def test_epochs_that_are_none(self, bad):
        with pytest.raises(UsageError, match="whole numbers from 1 on"):
            worth_of_epochs(PUBLISHED, 1e9, bad)

    @pytest.mark.parametrize("bad", [0, 1, -0.5, 2, float("nan")])
    def test_shares_that_are_none(self, bad):
        with pytest.raises(UsageError, match="lies between 0 and 1"):
            epochs_until(PUBLISHED, bad)

    def test_a_law_that_is_not_identified_answers_by_force_alone(self):
        inputs = design("data_constrained")
        same = inputs | {"N": np.full_like(inputs["N"], 1e8)}
        loss = BY_HAND["data_constrained"](**same, **TRUTH)
        weak = scaling.fit("data_constrained", same, loss, objective="squared", bootstrap=0)
        with pytest.raises(VerdictError, match="not identified"):
            epochs_until(weak)
        assert epochs_until(weak, force=True)[0].shape == (2,)


def _as_fit(truth):
    """A fit whose estimates are exactly a truth, without replicates."""
    from dataclasses import replace

    inputs = design("data_constrained")
    loss = BY_HAND["data_constrained"](**inputs, **TRUTH)
    made = scaling.fit("data_constrained", inputs, loss, objective="squared", start=TRUTH, bootstrap=0)
    return replace(made, estimates={name: truth[name] for name in made.law.parameter_names})
