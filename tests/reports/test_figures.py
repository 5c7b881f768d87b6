"""The numbers that figures draw: they are those of the engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import scaling
from reports import Target, answer
from reports.contours import contours
from reports.fan import LEVELS, forecast_fan
from reports.figures import all_figures, data_and_law, observed_and_predicted
from reports.forest import forest
from reports.residuals import residuals

COMPUTE, LOSS = "training compute 6ND (FLOP)", "loss (nats/token)"


def test_the_law_is_drawn_along_the_compute_optimal_frontier(answers):
    law = data_and_law(answers)[0]["law"]
    best = scaling.allocate(answers.data.fit, law[COMPUTE])
    assert law["parameters N"] == pytest.approx(best.n_params, rel=1e-9)
    assert law["tokens D"] == pytest.approx(best.n_tokens, rel=1e-9)
    assert law[LOSS] == pytest.approx(best.loss, rel=1e-12)
    assert 6 * law["parameters N"] * law["tokens D"] == pytest.approx(law[COMPUTE], rel=1e-12)


def test_the_law_reaches_from_the_smallest_run_to_the_target(answers):
    law = data_and_law(answers)[0]["law"]
    flop = 6 * answers.data.inputs["N"] * answers.data.inputs["D"]
    assert law[COMPUTE][0] == pytest.approx(flop.min(), rel=1e-12)
    assert law[COMPUTE][-1] == pytest.approx(6 * 70e9 * 1.4e12, rel=1e-12)
    assert law["extrapolation"][-1] > 10


def test_bands_contain_the_law_and_are_those_of_predict(answers):
    law = data_and_law(answers)[0]["law"]
    assert np.all(law["90 % low"] <= law[LOSS])
    assert np.all(law[LOSS] <= law["90 % high"])
    middle = {"N": law["parameters N"][40], "D": law["tokens D"][40]}
    said = answers.data.fit.predict(middle, level=0.9, kind="curve")
    assert (law["90 % low"][40], law["90 % high"][40]) == pytest.approx((said.low, said.high), rel=1e-12)


def test_targets_carry_the_interval_of_a_new_run(answers):
    targets = data_and_law(answers)[0]["targets"]
    said = answers.data.fit.predict({"N": 70e9, "D": 1.4e12}, level=0.9)
    row = [targets[LOSS][0], targets["90 % low, new run"][0], targets["90 % high, new run"][0]]
    assert row == [said.mean, said.low, said.high]
    assert targets["extrapolation"][0] == said.extrapolation_factor


def test_every_run_is_drawn_with_its_own_numbers(answers):
    drawn = data_and_law(answers)[0]["runs"]
    data = answers.data
    of_run = dict(zip(data.run_ids, zip(data.inputs["N"], data.inputs["D"], data.observed, strict=True), strict=True))
    assert set(drawn["run"]) == set(data.run_ids)
    for run, compute, loss in zip(drawn["run"], drawn[COMPUTE], drawn[LOSS], strict=True):
        n, d, observed = of_run[run]
        assert compute == pytest.approx(6 * n * d, rel=1e-12)
        assert loss == observed


def test_residuals_are_those_of_the_fit_in_percent(answers):
    drawn, fit = residuals(answers)[0]["residuals"], answers.data.fit
    expected = dict(zip(answers.data.run_ids, 100 * np.expm1(fit.residuals), strict=True))
    assert [expected[run] for run in drawn["run"]] == pytest.approx(drawn["residual (%)"])
    predicted = fit.evaluate(answers.data.inputs)[0]
    by_hand = dict(zip(answers.data.run_ids, 100 * (answers.data.observed / predicted - 1), strict=True))
    assert [by_hand[run] for run in drawn["run"]] == pytest.approx(drawn["residual (%)"], abs=1e-9)
    assert np.all(np.diff(np.abs(drawn["residual (%)"])) <= 0)


def test_linear_residuals_show_the_same_percentages(make, make_runs):
    inputs, loss = make_runs(40)
    said = answer(make("chinchilla", inputs, loss, bootstrap=0, objective="squared", residual="linear"))
    drawn = residuals(said)[0]["residuals"]
    predicted = said.data.fit.evaluate(inputs)[0]
    assert np.sort(drawn["residual (%)"]) == pytest.approx(np.sort(100 * (loss / predicted - 1)), abs=1e-9)


def test_binned_medians_cover_all_rows(answers):
    drawn = residuals(answers)[0]
    medians = drawn["medians by parameters N"]
    assert medians["rows"].sum() == answers.data.fit.n_obs
    lowest = np.argsort(answers.data.inputs["N"], kind="stable")[: medians["rows"][0]]
    expected = float(np.median(100 * np.expm1(answers.data.fit.residuals[lowest])))
    assert medians["median residual (%)"][0] == pytest.approx(expected)


def test_an_outlier_is_counted_and_named(make, make_runs):
    inputs, loss = make_runs(60)
    loss = loss.copy()
    loss[11] *= 1.3
    said = answer(make("chinchilla", inputs, loss, bootstrap=0))
    drawn, figure = residuals(said)
    assert drawn["residuals"]["run"][0] == "run-011"
    labels = {text.get_text() for axes in figure.axes for text in axes.texts}
    assert "run-011" in labels
    assert "1 row lies more than 4 robust standard deviations" in drawn.finding


def test_values_that_change_sign_have_residuals_in_their_unit(make):
    z = np.linspace(-3, 3, 40)
    y = -1 + 2 * z + np.random.default_rng(0).normal(0, 0.1, 40)
    said = answer(make("c0 + c1*z", {"z": z}, y, objective="squared", residual="linear"))
    drawn = residuals(said)[0]["residuals"]
    assert np.sort(drawn["residual"]) == pytest.approx(np.sort(said.data.fit.residuals))


def test_the_contour_line_is_the_allocation_with_its_intervals(answers):
    line = contours(answers)[0]["compute-optimal line"]
    best = scaling.allocate(answers.data.fit, line["compute (FLOP)"], level=0.9)
    assert np.array_equal(line["parameters"], best.n_params)
    assert np.array_equal(line["parameters, 90 % low"], best.n_params_interval[0])
    assert np.array_equal(line["tokens, 90 % high"], best.n_tokens_interval[1])
    assert np.all(line["parameters, 90 % low"] < line["parameters, 90 % high"])


def test_lines_of_equal_loss_are_where_they_are_said_to_be(answers):
    edge = contours(answers)[0]["lines of equal loss"]
    heading = next(name for name in edge.columns if name.startswith("tokens needed"))
    at_edge = np.isfinite(edge[heading])
    assert at_edge.sum() >= 4
    n_edge = max(*answers.data.inputs["N"], 70e9)
    n_edge *= (n_edge / answers.data.inputs["N"].min()) ** 0.05 * 1.05
    there = answers.data.fit.evaluate({"N": np.full(at_edge.sum(), n_edge), "D": edge[heading][at_edge]})[0]
    assert there == pytest.approx(edge[LOSS][at_edge], rel=2e-4)


def test_fan_bands_are_nested_and_those_of_predict(answers):
    drawn = forecast_fan(answers)[0]
    for name, kind in (("curve", "curve"), ("new run", "run")):
        one = drawn[name]
        lows = [one[f"{100 * level:g} % low"] for level in LEVELS]
        highs = [one[f"{100 * level:g} % high"] for level in LEVELS]
        assert np.all(np.diff(lows, axis=0) <= 0)
        assert np.all(np.diff(highs, axis=0) >= 0)
        assert np.all(lows[0] <= one[LOSS])
        best = scaling.allocate(answers.data.fit, one[COMPUTE][-1:])
        point = {"N": best.n_params[0], "D": best.n_tokens[0]}
        said = answers.data.fit.predict(point, level=0.8, kind=kind)
        assert (one["80 % low"][-1], one["80 % high"][-1]) == pytest.approx((said.low, said.high), rel=1e-9)
    assert np.all(drawn["new run"]["95 % high"] >= drawn["curve"]["95 % high"])


def test_the_forest_sets_alternatives_beside_the_report(answers):
    drawn = forest(answers)[0]["forecasts"]
    assert drawn["fit"] == ("this report", "squared", "kaplan")
    said = answers.data.alternatives[0].fit.predict({"N": 70e9, "D": 1.4e12}, level=0.9)
    assert (drawn[LOSS][1], drawn["90 % low"][1], drawn["90 % high"][1]) == (said.mean, said.low, said.high)


def test_only_alternatives_that_fit_as_well_count(answers):
    well = {a.alternative.label: a.fits_as_well for a in answers.alternatives}
    assert well == {"squared": True, "kaplan": False, "odd": False}
    assert [one.mean for one in answers.as_good] == [answers.alternatives[0].forecast.mean]


def test_a_law_without_an_optimum_is_drawn_at_a_constant_ratio(make, make_runs):
    inputs, loss = make_runs(60)
    said = answer(make("multiplicative", inputs, loss))
    law = data_and_law(said)[0]["law"]
    ratio = np.median(inputs["D"] / inputs["N"])
    assert law["tokens D"] / law["parameters N"] == pytest.approx(np.full(len(law), ratio))
    assert said.allocation is None
    assert "no compute-optimal split" in said.no_allocation
    with pytest.raises(KeyError):
        contours(said)[0]["compute-optimal line"]


def test_a_law_of_two_other_inputs_shows_observed_against_predicted(make):
    rng = np.random.default_rng(0)
    inputs = {"a": rng.uniform(1, 3, 50), "b": rng.uniform(10, 1000, 50)}
    y = 1 + 2 * inputs["a"] + 0.5 * np.log(inputs["b"]) + rng.normal(0, 0.1, 50)
    said = answer(make("c0 + c1*a + c2*log(b)", inputs, y))
    drawn = observed_and_predicted(said)[0]["runs"]
    order = [int(run.removeprefix("run-")) for run in drawn["run"]]
    assert drawn["predicted"] == pytest.approx(said.data.fit.evaluate(inputs)[0][order])
    assert [one.key for one, _ in all_figures(said)] == ["fig-data", "fig-residuals"]
    best = int(np.argmin(y))
    assert dict(said.targets[0].inputs) == {"a": inputs["a"][best], "b": inputs["b"][best]}


def test_no_law_is_drawn_where_it_is_not_identified(unidentified):
    said = answer(unidentified)
    drawn = {one.key: one for one, _ in all_figures(said)}
    assert list(drawn) == ["fig-data", "fig-residuals"]
    assert [series.name for series in drawn["fig-data"].series] == ["runs"]
    assert said.forecasts == ()
    assert said.allocation is None


def test_without_targets_the_optimum_at_ten_times_the_compute_is_taken(data):
    said = answer(replace(data, targets=()))
    flop = 6 * data.inputs["N"] * data.inputs["D"]
    best = scaling.allocate(data.fit, 10 * flop.max())
    assert said.targets[0].inputs["N"] == pytest.approx(best.n_params[0], rel=1e-9)
    assert said.targets[0].inputs["D"] == pytest.approx(best.n_tokens[0], rel=1e-9)
    assert said.choice == "the compute-optimal model at 10 times the largest compute of the data"


def test_budgets_are_those_asked_for_or_decades_with_the_target(data):
    assert answer(replace(data, budgets=(1e22, 3e24))).allocation.compute_flop.tolist() == [1e22, 3e24]
    budgets = answer(data).allocation.compute_flop
    largest = float(np.max(6 * data.inputs["N"] * data.inputs["D"]))
    assert budgets.min() == 10.0 ** np.floor(np.log10(largest))
    assert 6 * 70e9 * 1.4e12 in budgets


def test_labels_of_several_targets_are_numbers_that_do_not_collide(data):
    near = tuple(Target("", {"N": n, "D": 1.4e12}) for n in (70e9, 71e9, 75e9, 80e9))
    said = answer(replace(data, targets=near))
    figure = data_and_law(said)[1]
    figure.draw_without_rendering()
    boxes = {t.get_text(): t.get_window_extent() for t in figure.axes[0].texts if t.get_text() in "1234"}
    assert set(boxes) == {"1", "2", "3", "4"}
    named = list(boxes.values())
    assert not any(a.overlaps(b) for i, a in enumerate(named) for b in named[i + 1 :])
