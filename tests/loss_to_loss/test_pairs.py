"""Maps fitted to pairs of losses: known truths, the choice among forms, floors with an error, and what is refused."""

import json

import numpy as np
import pytest

import scaling
from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.loss_to_loss import Floor, fit_pairs, forecast_map
from scaling.verdicts import NOT_IDENTIFIED
from scaling.width import parts_of

BUDGETS = np.repeat(np.geomspace(2e17, 5e19, 8), 8)


def sweep(seed=0, noise=0.002, floor=1.6):
    """Losses of runs of eight ratios at each of eight budgets on the source, and their budgets."""
    random = np.random.default_rng(seed)
    ratio = np.tile(np.linspace(-1, 1, 8), 8)
    x = floor + 2.2 * (BUDGETS / 2e17) ** -0.16 * (1 + 0.25 * ratio**2)
    return x * np.exp(noise * random.normal(size=len(x)))


def noisy(y, seed=1, noise=0.002):
    return y * np.exp(noise * np.random.default_rng(seed).normal(size=len(y)))


def shifted(x, k=0.62, kappa=1.08, e_x=1.6, e_y=0.9):
    return k * (x - e_x) ** kappa + e_y


def test_between_two_floors_it_is_the_straight_line_of_logarithms():
    x = sweep()
    y = noisy(shifted(x))
    fit = fit_pairs(x, y, 1.6, 0.9, form="shifted_power", budget=BUDGETS, bootstrap=0)
    kappa, log_scale = np.polyfit(np.log(x - 1.6), np.log(y - 0.9), 1)
    assert fit.estimates["kappa"] == pytest.approx(kappa, abs=1e-9)
    assert fit.estimates["K"] == pytest.approx(np.exp(log_scale), abs=1e-9)
    assert str(fit.objective) == "squared on log residuals above 0.9"


def test_kappa_is_found_to_one_percent_at_half_a_percent_of_noise():
    runs = [sweep(seed, noise=0.0) for seed in range(8)]
    found = [
        fit_pairs(x, noisy(shifted(x), seed, 0.005), 1.6, 0.9, form="shifted_power", bootstrap=0).estimates["kappa"]
        for seed, x in enumerate(runs)
    ]
    assert np.mean(found) == pytest.approx(1.08, rel=0.01)
    assert np.std(found) < 0.02


def test_affine_and_quadratic_are_plain_least_squares():
    x = sweep()
    y = noisy(0.3 + 0.8 * x)
    line = fit_pairs(x, y, form="affine", budget=BUDGETS, bootstrap=0)
    b, a = np.polyfit(x, y, 1)
    assert (line.estimates["a"], line.estimates["b"]) == pytest.approx((a, b), abs=1e-9)
    bent = fit_pairs(x, y, form="quadratic", budget=BUDGETS, bootstrap=0)
    assert [bent.estimates[n] for n in "cba"] == pytest.approx(np.polyfit(x, y, 2), abs=1e-7)


@pytest.mark.parametrize(
    ("curve", "form"), [(lambda x: 0.9 * x**1.25, "log_log"), (lambda x: -0.9 + 1.1 * x, "affine")]
)
def test_the_form_of_the_truth_is_chosen(curve, form):
    x = sweep()
    fit = fit_pairs(x, noisy(curve(x), noise=0.0005), budget=BUDGETS, bootstrap=0)
    record = fit.settings["loss_to_loss"]
    assert (fit.law.name, record["form"], record["chosen"]) == (form, form, "by its back-test")
    assert record["ordered_by"] == "budget"
    assert fit.backtest.axis == "budget"
    weights = {row["form"]: row["weight"] for row in record["candidates"]}
    assert sum(weights.values()) == pytest.approx(1)
    assert len(weights) == 5


def test_a_form_that_is_asked_for_has_the_others_as_rivals():
    x = sweep()
    y = noisy(0.9 * x**1.25, noise=0.0005)
    fit = fit_pairs(x, y, form="affine", budget=BUDGETS, bootstrap=0)
    assert fit.law.name == "affine"
    assert fit.settings["loss_to_loss"]["chosen"] == "asked for"
    became = {row["form"]: row["verdict"] for row in fit.settings["loss_to_loss"]["candidates"]}
    assert (became["affine"], became["log_log"]) == ("asked for", "better")
    assert "held against others by a back-test" in fit.summary()
    rivals = {rival.law.name: rival.weight for rival in fit.rivals}
    assert rivals["log_log"] > 0.1  # the truth; its distance widens every forecast
    wide = fit.predict({"x": 1.9}, level=0.9)
    assert wide.parts["form"] > 0.1


def test_pairs_without_budgets_are_held_out_by_their_losses():
    x = sweep()
    fit = fit_pairs(x, noisy(0.9 * x**1.25), bootstrap=0)
    assert fit.settings["loss_to_loss"]["ordered_by"] == "x"
    assert fit.backtest.axis == "1/x"
    assert len(np.unique(fit.backtest.cut)) >= 4
    assert fit.backtest.largest_factor < 3  # of losses, and not of budgets


def test_the_order_of_the_pairs_changes_nothing():
    x = sweep()
    y = noisy(shifted(x))
    order = np.random.default_rng(3).permutation(len(x))
    one, other = (
        fit_pairs(x[i], y[i], 1.6, budget=BUDGETS[i], bootstrap=0) for i in (np.arange(len(x)), order)
    )  # fmt: skip
    assert one.law == other.law
    assert one.predict({"x": 1.8}).mean == pytest.approx(other.predict({"x": 1.8}).mean, rel=1e-9)


@pytest.mark.parametrize("form", ["affine", "quadratic"])
def test_a_straight_line_and_a_parabola_know_no_unit(form):
    x = sweep()
    y = noisy(0.3 + 0.8 * x)
    one, other = (fit_pairs(x * u, y * u, form=form, budget=BUDGETS, bootstrap=0) for u in (1.0, 1000.0))
    assert other.predict({"x": 2000.0}).mean == pytest.approx(1000 * one.predict({"x": 2.0}).mean, rel=1e-9)
    assert other.verdict == one.verdict


def test_a_unit_of_both_losses_changes_the_forecast_by_that_unit_alone():
    x = sweep()
    y = noisy(shifted(x))
    nats = fit_pairs(x, y, 1.6, 0.9, form="shifted_power", budget=BUDGETS, bootstrap=0)
    bits = fit_pairs(x / 0.7, y / 0.7, 1.6 / 0.7, 0.9 / 0.7, form="shifted_power", budget=BUDGETS, bootstrap=0)
    assert bits.estimates["kappa"] == pytest.approx(nats.estimates["kappa"], rel=1e-9)
    assert bits.predict({"x": 2.0 / 0.7}).mean * 0.7 == pytest.approx(nats.predict({"x": 2.0}).mean, rel=1e-9)


def half_width(floor_x, floor_y):
    x = sweep()
    fit = fit_pairs(
        x, noisy(shifted(x), noise=0.0005), floor_x, floor_y, form="shifted_power", budget=BUDGETS, bootstrap=0
    )
    said = fit.predict({"x": 1.72})
    return (said.high - said.low) / 2, said, fit


def test_floors_with_errors_widen_what_rests_on_them_in_quadrature():
    sure, first, fit = half_width(1.6, 0.9)
    by_x, said, unsure = half_width(Floor(1.6, "a fit", 1.5, 1.68), 0.9)
    by_y, _, other = half_width(1.6, Floor(0.9, "a fit", 0.85, 0.95))
    both, _, together = half_width(Floor(1.6, "a fit", 1.5, 1.68), Floor(0.9, "a fit", 0.85, 0.95))
    assert fit.estimates == unsure.estimates
    assert said.mean == first.mean
    ends = [rival for rival in unsure.rivals if rival.role == "floor_x"]
    assert [rival.law.name for rival in ends] == ["shifted_power (E_x = 1.500)", "shifted_power (E_x = 1.680)"]
    assert [rival.weight for rival in ends] == [0, 0]
    assert sure < min(by_x, by_y) < max(by_x, by_y) < both
    sides = [parts_of(f, {"x": np.array([1.72])}, 0.9, "run")["floors"] for f in (unsure, other, together)]
    for side in (0, 1):
        of_x, of_y, of_both = (float(s[side][0]) for s in sides)
        assert of_both == pytest.approx(np.hypot(of_x, of_y), rel=1e-9)
    assert said.parts["floors"] > 0.5
    assert sum(said.parts.values()) == pytest.approx(1)
    assert unsure.settings["loss_to_loss"]["floor_x"]["source"] == "a fit"


def test_a_small_error_of_a_floor_is_not_lost_beside_the_back_test():
    sure, small = half_width(1.6, 0.9)[0], half_width(Floor(1.6, "a fit", 1.59, 1.61), 0.9)[0]
    assert small > sure


def test_a_back_test_between_floors_that_moved_is_worse_than_between_those_of_the_end():
    x = sweep()
    y = noisy(shifted(x), noise=0.0005)
    course = tuple((float(b), 1.6 + 0.15 * (1 - i / 7)) for i, b in enumerate(np.unique(BUDGETS)))
    held, moved = (
        fit_pairs(x, y, floor, 0.9, form="shifted_power", budget=BUDGETS, bootstrap=0)
        for floor in (Floor(1.6, "a law"), Floor(1.6, "a law", course=course))
    )
    assert held.estimates == moved.estimates
    rms = [float(np.sqrt(np.nanmean(fit.backtest.error**2))) for fit in (held, moved)]
    assert rms[1] > 3 * rms[0]
    assert fit_pairs(x, y, Floor(1.6, "a law", course=course), 0.9, budget=BUDGETS, bootstrap=0).law.name != (
        "shifted_power"
    )


def test_the_record_of_the_floors_says_what_became_of_each():
    x = sweep()
    y = noisy(shifted(x))
    one_free = fit_pairs(x, y, 1.6, form="shifted_power", budget=BUDGETS, bootstrap=0).settings["loss_to_loss"]
    assert (one_free["floor_x"]["kind"], one_free["floor_y"]["kind"]) == ("given", "free")
    assert one_free["floor_y"]["value"] == pytest.approx(0.9, abs=0.2)
    unused = fit_pairs(x, y, 1.6, form="log_log", budget=BUDGETS, bootstrap=0).settings["loss_to_loss"]
    assert (unused["floor_x"]["kind"], unused["floor_y"]["kind"]) == ("unused", "none")


def test_both_floors_free_far_above_them_are_not_identified():
    x = sweep()
    fit = fit_pairs(x, noisy(shifted(x)), form="shifted_power", budget=BUDGETS, bootstrap=200)
    assert fit.verdict == NOT_IDENTIFIED
    with pytest.raises(VerdictError, match="not identified"):
        fit.predict({"x": 1.8})


def test_few_pairs_get_a_straight_line_and_are_not_trusted():
    x = np.array([3.4, 3.0, 2.7, 2.4])
    fit = fit_pairs(x, 0.3 + 0.8 * x + [0.001, -0.002, 0.001, 0.0], budget=[1e18, 4e18, 2e19, 5e19], bootstrap=100)
    record = fit.settings["loss_to_loss"]
    assert (fit.law.name, record["chosen"]) == ("affine", "for want of a back-test")
    assert fit.verdict == NOT_IDENTIFIED
    assert any("too few rows" in reason for reason in fit.diagnostics.reasons)
    assert fit.predict({"x": 2.2}, force=True).mean == pytest.approx(0.3 + 0.8 * 2.2, abs=0.02)
    eight = np.linspace(3.4, 2.3, 8)
    one_budget = fit_pairs(eight, 0.8 * eight**1.1 * (1 + 0.001 * np.cos(9 * eight)), budget=[1e19] * 8, bootstrap=0)
    assert one_budget.verdict == "weak"
    assert any("No pairs could be held out" in reason for reason in one_budget.diagnostics.reasons)


def test_a_target_that_rises_with_compute_is_not_extrapolated():
    x = sweep()
    falling = noisy(0.3 + 0.8 * x)
    top = BUDGETS > 5e18
    rising = np.where(top, falling.min() + 0.4 * np.log(BUDGETS / 5e18), falling)
    fit = fit_pairs(x, noisy(rising), budget=BUDGETS, bootstrap=0)
    assert fit.verdict == NOT_IDENTIFIED
    assert any("rises" in reason for reason in fit.diagnostics.reasons)
    with pytest.raises(VerdictError, match="rises"):
        forecast_map(fit, 2.0)


def test_a_fit_round_trips_with_all_that_it_carries():
    x = sweep()
    fit = fit_pairs(x, noisy(shifted(x)), Floor(1.6, "a fit", 1.5, 1.65), 0.9, budget=BUDGETS, bootstrap=20)
    again = scaling.Fit.from_json(fit.to_json())
    assert again == fit
    assert json.loads(fit.to_json())["settings"]["loss_to_loss"]["n_pairs"] == len(x)
    assert again.predict({"x": 1.9}).high == fit.predict({"x": 1.9}).high


def test_the_same_seed_gives_the_same_intervals():
    x = sweep()
    y = noisy(shifted(x))
    one, same, other = (fit_pairs(x, y, form="log_log", budget=BUDGETS, bootstrap=50, seed=s) for s in (5, 5, 6))
    assert one == same
    assert one.interval("kappa") != other.interval("kappa")


def test_pairs_below_a_floor_are_named():
    x = np.linspace(3.4, 2.3, 12)
    names = [f"run-{i}" for i in range(12)]
    with pytest.raises(InputDataError, match=r"2 pairs of 12 are at or under it.*: run-10 \(x = 2.400\), run-11"):
        fit_pairs(x, 0.8 * x**1.1, 2.4000001, form="shifted_power", bootstrap=0, names=names)
    with pytest.raises(InputDataError, match=r"12 pairs of 12 .*run-4 \(x = 3\) and others"):
        fit_pairs(x, 0.8 * x**1.1, 3.5, bootstrap=0, names=names)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"x": [2.0]}, InputDataError, "1 losses x and 64 losses y"),
        ({"x": [2.0], "y": [1.9], "budget": [1e19]}, InputDataError, "1 pair cannot determine"),
        ({"y": None}, UsageError, "mapped to themselves"),
        (
            {"floor_x": 9.0},
            InputDataError,
            "the floor of x, 9 .number., does not lie below the data: 64 pairs of 64 are",
        ),
        ({"floor_y": 1.7}, InputDataError, "the floor of y, 1.700 .number., does not lie below the data"),
        ({"floor_y": -1}, UsageError, "a floor is a loss from 0 on"),
        ({"form": "cubic"}, UsageError, "there is no map 'cubic'"),
        ({"budget": [1e18]}, InputDataError, "budgets must be 64 finite numbers above 0"),
        ({"budget": np.zeros(64)}, InputDataError, "budgets must be 64 finite numbers above 0"),
        ({"x": np.full(64, np.nan)}, InputDataError, "x is nan in pair 0"),
        ({"y": np.full(64, -1.0)}, InputDataError, "y is -1.0 in pair 0"),
        ({"x": ["a"] * 64}, InputDataError, "a loss x is not a number"),
    ],
)
def test_bad_input_is_refused_with_the_reason(change, error, match):
    x = sweep()
    given = {"x": x, "y": noisy(shifted(x)), "budget": BUDGETS, "bootstrap": 0} | change
    given["y"] = given["x"] if given["y"] is None else given["y"]
    with pytest.raises(error, match=match):
        fit_pairs(**given)
