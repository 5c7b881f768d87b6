"""The error on a task over a loss: forms, flags, weights, and forecasts that stay within 0 and 1."""

import dataclasses

import numpy as np
import pytest

import scaling
from scaling.downstream import chain
from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.loss_to_loss import Floor, fit_accuracy, fit_pairs, forecast_accuracy
from scaling.loss_to_loss.accuracy.fit import question_weights
from scaling.loss_to_loss.accuracy.flags import AT_CHANCE, NOT_YET, RISES, concern_of
from scaling.loss_to_loss.accuracy.laws import accuracy_law, candidate_forms
from scaling.loss_to_loss.accuracy.rerun import backtest_accuracy, refit_accuracy
from scaling.results import Fit
from tests.truths import crossed

pytestmark = pytest.mark.slow  # what its tests share takes long to fit

FLOOR = 1.7
BUDGET = np.repeat([1e17, 1e18, 1e19, 3e19], 9)
LOSS = FLOOR + 400 * BUDGET**-0.15 * np.tile(np.linspace(1, 1.1, 9), 4)  # 2.18 to 2.94
TOP, S, X_0, LEFT = 0.75, 4.0, 2.35, 0.1


def sigmoid(x):
    return LEFT + (TOP - LEFT) / (1 + np.exp(-S * (x - X_0)))


def noisy(error, sd=0.003, seed=0):
    return error + sd * np.random.default_rng(seed).standard_normal(len(error))


@pytest.fixture
def alone(monkeypatch):
    """Only the form asked for, where the others have nothing to say."""
    only = lambda chance, asked: (asked or "power_error",)  # noqa: E731
    monkeypatch.setattr("scaling.loss_to_loss.accuracy.fit.candidate_forms", only)


@pytest.fixture(scope="module")
def task():
    """A task that falls from chance as a sigmoid, fitted with the form left open."""
    return fit_accuracy(LOSS, noisy(sigmoid(LOSS)), floor_x=FLOOR, chance=0.25, budget=BUDGET, bootstrap=60)


@pytest.fixture(scope="module")
def power():
    """A power law of the loss above its floor, without noise."""
    error = 0.4 * (LOSS - FLOOR) ** 0.6 + 0.1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scaling.loss_to_loss.accuracy.fit.candidate_forms", lambda chance, asked: (asked,))
        return fit_accuracy(LOSS, error, floor_x=FLOOR, form="power_error", budget=BUDGET, bootstrap=0)


@pytest.fixture(scope="module")
def law():
    x = crossed(N=np.geomspace(2e7, 2e9, 5), D=np.geomspace(4e8, 4e10, 5))
    scatter = np.exp(0.002 * np.random.default_rng(5).standard_normal(25))
    loss = (1.7 + 300 / x["N"] ** 0.34 + 500 / x["D"] ** 0.32) * scatter
    return scaling.fit("chinchilla", x, loss, objective="squared", bootstrap=60)


class TestForms:
    def test_what_is_known_is_a_number_in_the_formula(self):
        floor = Floor(1.967)
        assert accuracy_law("power_error", floor).formula == "K*(x - 1.967)**kappa + E_y"
        assert accuracy_law("power_error").formula == "K*x**kappa + E_y"
        capped = accuracy_law("capped_power", floor)
        assert capped.parameter_names == ("K", "kappa", "E_y", "cap")
        held = accuracy_law("chance_power", floor, chance=0.5)
        assert held.parameter_names == ("K", "kappa", "E_y")
        assert "exp(-10*0.5)" in held.formula
        assert accuracy_law("chance_sigmoid", floor, 0.25).formula == "E_y + (0.75 - E_y)*sigmoid(s*(x - x_0))"
        assert accuracy_law("downstream_error").formula == "eps - k*exp(-gamma*x)"
        assert {law.output for law in map(accuracy_law, ("power_error", "free_sigmoid"))} == {"error"}

    def test_where_cap_and_power_cross_the_error_lies_ln_2_over_10_below_and_far_up_it_is_the_cap(self):
        law = accuracy_law("capped_power")
        theta = np.array([[0.25, 1.0, 0.0, 0.75]])  # K, kappa, E_y, cap: they cross at x = 3
        error = scaling.fitting.rollout.evaluate(law, theta[0], {"x": np.array([3.0, 40.0, 0.4])})
        assert error == pytest.approx([0.75 - np.log(2) / 10, 0.75, 0.1], abs=2e-4)
        assert error[0] == pytest.approx(0.75 - np.log(2) / 10, abs=1e-14)

    def test_forms_that_fall_from_chance_need_it(self):
        assert set(candidate_forms(0.25)) - set(candidate_forms(None)) == {"chance_power", "chance_sigmoid"}
        assert "downstream_error" not in candidate_forms(0.25)
        assert "downstream_error" in candidate_forms(0.25, "downstream_error")
        with pytest.raises(UsageError, match="falls from the error of guessing, which is not known"):
            fit_accuracy(LOSS, sigmoid(LOSS), form="chance_sigmoid")
        with pytest.raises(UsageError, match="there is no form 'sigmoid' of the error"):
            fit_accuracy(LOSS, sigmoid(LOSS), form="sigmoid")


class TestFit:
    def test_a_power_law_comes_back(self, power):
        assert power.law.name == "power_error"
        assert power.estimates == pytest.approx({"K": 0.4, "kappa": 0.6, "E_y": 0.1}, rel=1e-6)
        about = power.settings["accuracy"]
        assert about["chosen"] == "asked for"
        assert about["floor_x"]["value"] == FLOOR
        assert about["floor_x"]["kind"] == "given"
        assert about["r2"] == pytest.approx(1, abs=1e-12)

    def test_the_form_is_chosen_by_the_largest_budgets(self, task):
        about = task.settings["accuracy"]
        assert about["chosen"] == "by its back-test"
        assert about["ordered_by"] == "budget"
        assert task.backtest.axis == "budget"
        assert task.backtest.compute.max() == pytest.approx(3e19)
        assert {row["form"] for row in about["candidates"]} == set(candidate_forms(0.25))
        verdicts = {row["form"]: row["verdict"] for row in about["candidates"]}
        assert verdicts[task.law.name] == "chosen"
        assert verdicts["power_error"] == "worse"
        assert sum(rival.weight for rival in task.rivals) < 1

    def test_a_forecast_beyond_the_data_holds_the_truth(self, task):
        x = float(LOSS.min()) - 0.15
        said = task.predict({"x": x}, level=0.9)
        assert said.low < sigmoid(x) < said.high
        assert said.high - said.low < 0.25
        assert {"parameters", "noise", "form"} <= set(said.parts)

    def test_it_can_be_back_tested_again_as_it_was(self, task):
        again = backtest_accuracy(task, LOSS, noisy(sigmoid(LOSS)), BUDGET)
        assert again.axis == "budget"
        assert again.usual == task.backtest.usual
        assert again.error == pytest.approx(task.backtest.error, rel=1e-6, abs=1e-9)

    def test_it_round_trips_through_json(self, task):
        again = Fit.from_json(task.to_json())
        assert again.settings["accuracy"]["candidates"] == task.settings["accuracy"]["candidates"]
        assert again.predict({"x": 2.2}).low == task.predict({"x": 2.2}).low

    def test_without_budgets_the_lowest_losses_are_held_out(self, alone):
        found = fit_accuracy(LOSS, noisy(sigmoid(LOSS)), floor_x=FLOOR, form="power_error", bootstrap=0)
        assert found.settings["accuracy"]["ordered_by"] == "x"
        assert found.backtest.axis == "1/x"
        assert len(found.backtest)

    def test_a_floor_with_an_error_adds_the_law_at_its_ends(self, alone):
        error = noisy(0.4 * (LOSS - FLOOR) ** 0.6 + 0.1, 0.001)
        floor = Floor(FLOOR, "law", 1.6, 1.8)
        settings = {"form": "power_error", "budget": BUDGET, "bootstrap": 0}
        found = fit_accuracy(LOSS, error, floor_x=floor, **settings)
        exact = fit_accuracy(LOSS, error, floor_x=FLOOR, **settings)
        names = [rival.law.name for rival in found.rivals]
        assert names[-2:] == ["power_error (E_x = 1.600)", "power_error (E_x = 1.800)"]
        assert sum(r.weight for r in found.rivals) <= 1
        target = {"x": float(LOSS.min()) - 0.2}
        assert found.predict(target).mean == exact.predict(target).mean
        wide, narrow = (dataclasses.replace(fit, backtest=None).predict(target, kind="curve") for fit in (found, exact))
        assert wide.high - wide.low > 1.2 * (narrow.high - narrow.low)

    def test_an_error_of_0_is_no_obstacle(self, alone):
        error = np.maximum(0.9 * (LOSS - LOSS.min()), 0)
        assert np.sum(error == 0) == 1
        found = fit_accuracy(LOSS, error, floor_x=FLOOR, form="power_error", budget=BUDGET, bootstrap=0)
        assert found.settings["accuracy"]["chosen"] == "asked for"
        assert not found.backtest.log
        assert 0 <= found.estimates["E_y"] <= 0.05 * error.max()

    def test_a_form_that_is_asked_for_is_not_called_chosen(self):
        asked = {"form": "power_error", "chance": 0.25, "budget": BUDGET, "bootstrap": 0}
        found = fit_accuracy(LOSS, noisy(sigmoid(LOSS)), floor_x=FLOOR, **asked)
        verdicts = {row["form"]: row["verdict"] for row in found.settings["accuracy"]["candidates"]}
        assert verdicts["power_error"] == "asked for"
        assert verdicts["chance_sigmoid"] == "better"
        assert "chosen" not in verdicts.values()

    def test_few_runs_have_no_back_test_and_no_verdict(self, alone):
        found = fit_accuracy(LOSS[:5], sigmoid(LOSS[:5]), floor_x=FLOOR, budget=BUDGET[:5], bootstrap=0)
        assert found.law.name == "power_error"
        assert found.settings["accuracy"]["chosen"] == "for want of a back-test"
        assert found.verdict == "not identified"


class TestWeights:
    def test_they_are_the_inverse_variance_of_independent_answers(self, power):
        x = np.array([LOSS.min(), LOSS.max()])
        curve = 0.4 * (x - FLOOR) ** 0.6 + 0.1
        expected = 1000 / (curve * (1 - curve))
        assert question_weights(power, x, 1000) == pytest.approx(expected / expected.mean(), rel=1e-6)

    def test_the_fit_is_the_weighted_one(self, alone):
        error, questions = noisy(0.4 * (LOSS - FLOOR) ** 0.6 + 0.1, 0.01), np.where(BUDGET < 2e18, 20, 2000)
        found = fit_accuracy(
            LOSS, error, floor_x=FLOOR, form="power_error", budget=BUDGET, n_questions=questions, bootstrap=0
        )
        plain = fit_accuracy(LOSS, error, floor_x=FLOOR, form="power_error", budget=BUDGET, bootstrap=0)
        by_hand = scaling.fit(
            plain.law, {"x": LOSS}, error, weights=question_weights(found, LOSS, questions), objective="squared",
            residual="linear", bootstrap=0,
        )  # fmt: skip
        assert found.estimates == pytest.approx(by_hand.estimates, rel=1e-6, abs=1e-9)
        assert found.estimates["kappa"] != pytest.approx(plain.estimates["kappa"], rel=1e-3)
        assert found.settings["weighted"]
        assert found.settings["accuracy"]["n_questions"] == questions.tolist()
        again = backtest_accuracy(found, LOSS, error, BUDGET)
        assert again.predicted == pytest.approx(found.backtest.predicted, rel=1e-6)
        once_more = refit_accuracy(found, LOSS, error, BUDGET, {"objective": found.objective, "bootstrap": 0})
        assert once_more.estimates == pytest.approx(found.estimates, rel=1e-6, abs=1e-9)
        assert once_more.settings["accuracy"] | {"r2": 0} == found.settings["accuracy"] | {"r2": 0}


class TestFlags:
    def test_a_task_without_a_slope_is_at_chance(self, alone):
        error = noisy(np.full(36, 0.75), 0.01, seed=3)
        found = fit_accuracy(LOSS, error, floor_x=FLOOR, chance=0.25, form="chance_power", budget=BUDGET, bootstrap=0)
        assert found.verdict == "not identified"
        assert found.settings["accuracy"]["concern"] == AT_CHANCE
        assert found.diagnostics.reasons[0].startswith("At chance: nothing to extrapolate.")
        with pytest.raises(VerdictError, match="At chance: nothing to extrapolate"):
            forecast_accuracy(None, found, {"x": 2.0})

    @pytest.mark.parametrize("questions", [None, 500])
    def test_noise_is_seldom_taken_for_a_slope(self, questions):
        counts, rng, kinds = None if questions is None else np.full(36, float(questions)), np.random.default_rng(1), []
        for _ in range(500):
            error = rng.binomial(questions or 500, 0.75, 36) / (questions or 500)
            kinds.append((concern_of(LOSS, error, BUDGET, 0.25, counts) or ("none",))[0])
        # A false slope and a false rise have a rate of 1 % each; of 500 that is 5 with a standard deviation of 2.2.
        assert kinds.count(RISES) <= 14
        assert kinds.count(AT_CHANCE) >= 500 - 28

    def test_a_slope_is_seldom_taken_for_noise(self):
        rng, kinds = np.random.default_rng(2), []
        for _ in range(200):
            error = rng.binomial(1000, np.clip(sigmoid(LOSS), 0, 1)) / 1000
            kinds.append(concern_of(LOSS, error, BUDGET, 0.25, np.full(36, 1000.0)))
        assert kinds == [None] * 200

    def test_a_task_whose_error_rises_is_not_monotone(self):
        error = noisy(0.7 - 0.4 * (LOSS - LOSS.mean()), 0.003)
        kind, verdict, said = concern_of(LOSS, error, BUDGET, 0.25, None)
        assert (kind, verdict) == (RISES, "not identified")
        assert "the error rises as the loss falls" in said

    def test_a_slope_that_has_not_left_chance_is_weak(self):
        error = noisy(0.76 + 0.05 * (LOSS - LOSS.min()), 0.001)
        kind, verdict, said = concern_of(LOSS, error, BUDGET, 0.25, None)
        assert (kind, verdict) == (NOT_YET, "weak")
        assert "no better than guessing yet" in said
        assert concern_of(LOSS, error, BUDGET, None, None) is None

    def test_a_flat_task_far_from_chance_is_flat(self):
        _, _, said = concern_of(LOSS, noisy(np.full(36, 0.03), 0.003), BUDGET, 0.25, None)
        assert said.startswith("Flat: nothing to extrapolate.")


class TestForecast:
    def test_at_a_measured_loss_it_is_1_less_the_error(self, task):
        said, plain = forecast_accuracy(None, task, {"x": 2.2}), task.predict({"x": 2.2}, level=0.9)
        assert (said.accuracy, said.low, said.high) == pytest.approx((1 - plain.mean, 1 - plain.high, 1 - plain.low))
        assert said.question == "x measured"
        assert said.loss_low == said.loss == 2.2

    def test_the_factor_is_in_budgets_where_the_compute_is_known(self, task):
        said = forecast_accuracy(None, task, {"x": 2.0}, compute_flop=3e20)
        assert said.extrapolation_factor == pytest.approx(10)
        assert said.verdict == "extrapolating x10"

    def test_a_loss_far_off_stays_far_off_where_the_budget_is_inside(self, task):
        alone = forecast_accuracy(None, task, {"x": 1.0}, force=True)
        inside = forecast_accuracy(None, task, {"x": 1.0}, compute_flop=1e19, force=True)
        assert alone.extrapolation_factor == inside.extrapolation_factor > 1.5
        assert inside.verdict.startswith("extrapolating x")

    def test_nothing_was_held_out_below_the_smallest_budget(self, task):
        smallest = task.settings["accuracy"]["smallest_budget"]
        said = forecast_accuracy(None, task, {"x": 3.0}, compute_flop=smallest / 8)
        assert said.extrapolation_factor >= 8
        assert "No back-test is possible at x8 below the runs: no smaller run was held out." in said.notes[0]

    def test_its_back_test_is_said_to_be_of_the_error_and_turned_for_the_accuracy(self, task):
        """The errors of a back-test are of 1 - accuracy, so its sign is the other way round for what is forecast."""
        seen = set()
        for shift in (-0.2, 0.2):
            tested = dataclasses.replace(task.backtest, error=task.backtest.error + shift)
            moved = dataclasses.replace(task, backtest=tested)
            note = forecast_accuracy(None, moved, {"x": 2.1}, compute_flop=3e20).notes[0]
            way, other = ("high", "low") if shift > 0 else ("low", "high")
            assert note.startswith("accuracy, by the errors in 1 - accuracy: Back-test at x10: ")
            assert f" too {way} on average, and so the accuracy too {other}" in note
            seen.add(way)
        assert len(seen) == 2

    def test_it_never_leaves_0_and_1(self, power):
        moved = dataclasses.replace(power, residuals=power.residuals + np.linspace(-0.3, 0.3, 36))
        said = forecast_accuracy(None, moved, {"x": FLOOR + 1e-4}, force=True)
        assert said.high == 1
        assert said.low > 0
        assert any("Cut at 0 or 1" in note and "high end" in note for note in said.notes)

    def test_below_the_floor_there_is_none_and_it_says_why(self, power):
        said = forecast_accuracy(None, power, {"x": 1.6}, force=True)
        assert np.isnan(said.accuracy)
        assert any(
            note.startswith("Undefined: the loss 1.600 lies at or below the floor 1.700 ") for note in said.notes
        )

    def test_a_loss_law_and_no_accuracy_are_refused(self, task):
        with pytest.raises(UsageError, match="is not of a share of wrong answers"):
            forecast_accuracy(None, dataclasses.replace(task, support={"x": (2, 3), "error": (2, 4)}), {"x": 2.2})
        with pytest.raises(InputDataError, match="with a measured loss the target is x"):
            forecast_accuracy(None, task, {"N": 1e9, "D": 1e10})


class TestSteps:
    def test_a_budget_is_split_as_the_law_has_it_best(self, law, task):
        said = forecast_accuracy(law, task, {"C": 1e20}, force=True)
        best = scaling.allocate(law, 1e20)
        at = {"N": float(best.n_params[0]), "D": float(best.n_tokens[0])}
        found = chain(law, task, at, level=0.9, force=True)
        assert said.inputs == {**at, "C": 1e20}
        assert (said.accuracy, said.low) == pytest.approx((1 - found.mean, 1 - found.high))
        assert said.loss == found.loss
        assert said.question == "x predicted"
        assert said.steps[0].startswith("1e20 FLOP at the compute-optimal split of chinchilla: ")
        assert len(said.steps) == 3

    def test_a_map_in_between_moves_the_loss(self, law, task):
        other = 0.9 * LOSS + 0.1
        a_map = fit_pairs(LOSS * 1.02, other, form="affine", budget=BUDGET, bootstrap=60)
        at = {"N": 1e9, "D": 2e10}
        said = forecast_accuracy(law, task, at, map_fit=a_map, force=True)
        first = law.predict(at, level=0.9).mean
        assert said.loss == pytest.approx(float(a_map.evaluate({"x": [first]})[0, 0]), rel=1e-9)
        assert said.accuracy == pytest.approx(1 - float(task.evaluate({"x": [said.loss]})[0, 0]), rel=1e-9)
        assert len(said.steps) == 3
        assert "by the map affine" in said.steps[1]


class TestBadInput:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"error": 100 * sigmoid(LOSS)}, "a share of wrong answers lies between 0 and 1"),
            ({"error": sigmoid(LOSS)[:-1]}, "there are 36 losses and 35 errors"),
            ({"floor_x": 2.4}, "the floor of the loss, 2.400 .number., does not lie below the data"),
            ({"x": np.r_[np.nan, LOSS[1:]]}, "the loss is nan in run 0"),
            ({"budget": BUDGET[:3]}, "budgets must be 36 finite numbers above 0"),
            ({"n_questions": 0}, "a number of questions is 1 or more"),
            ({"error": np.zeros(36)}, "none of the 36 runs has a wrong answer"),
        ],
    )
    def test_data_that_cannot_be_fitted(self, change, message):
        given = {"x": LOSS, "error": sigmoid(LOSS), "budget": BUDGET, "floor_x": FLOOR} | change
        with pytest.raises(InputDataError, match=message):
            fit_accuracy(given.pop("x"), given.pop("error"), bootstrap=0, **given)

    def test_chance_is_an_accuracy_below_1(self):
        with pytest.raises(UsageError, match="the accuracy of guessing is a share from 0 to below 1, not 25"):
            fit_accuracy(LOSS, sigmoid(LOSS), chance=25)


def test_laws_may_be_chosen_by_plain_differences():
    """Logarithms of 0 do not exist, and near it they see nothing but the luck of single questions."""
    x, error = np.geomspace(1, 100, 30), np.r_[np.linspace(0.9, 0.1, 29), 0.0]
    laws, budget = ["a + b*x", "a + b*log(x)"], np.arange(1.0, 31)
    goal = scaling.fitting.objective.Objective("squared", "linear")
    with pytest.raises(InputDataError, match="chosen by errors of logarithms, and a row is not above 0"):
        scaling.select(laws, {"x": x}, error, objectives=goal, by=budget, bootstrap=0, trims="none")
    found = scaling.select(
        laws, {"x": x}, error, objectives=goal, by=budget, bootstrap=0, trims="none", scores="linear"
    )
    assert "log" in found.best.law.formula
    assert found.candidates[0].errors.rms == pytest.approx(0.0, abs=0.05)
