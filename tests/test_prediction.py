"""What the interval of a forecast is made of."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import norm

import scaling
from reports.backtest_rows import parts_text
from reports.rows import forecast_rows
from scaling.laws.book import find_law
from scaling.results import Fit
from scaling.rivals import Rival
from scaling.width import axis_factor, parts_of

TARGET = {"N": 2e10, "D": 4e11}


def runs(seed=5, repeat=1):
    n, d = (v.ravel() for v in np.meshgrid(np.geomspace(2e7, 4e9, 7), np.geomspace(4e8, 1e11, 6)))
    n, d = np.repeat(n, repeat), np.repeat(d, repeat)
    loss = 1.7 + 400 / n**0.34 + 1100 / d**0.33
    return {"N": n, "D": d}, loss * np.exp(0.004 * np.random.default_rng(seed).standard_normal(len(n)))


@pytest.fixture(scope="module")
def plain():
    return scaling.fit("chinchilla", *runs(), bootstrap=200)


@pytest.fixture(scope="module")
def tested(plain):
    return replace(plain, backtest=scaling.backtest_law(plain, *runs()))


@pytest.fixture(scope="module")
def rival():
    estimates = {"E": 1.6, "A": 260.0, "B": 900.0, "alpha": 0.31, "beta": 0.32}
    return Rival(find_law("chinchilla"), estimates, 0.4, 0.01, "huber(0.001) on log residuals")


def half(p):
    return (np.log(p.high) - np.log(p.low)) / 2


def test_without_a_back_test_the_form_is_taken_as_true(plain):
    p = plain.predict(TARGET, level=0.9)
    assert set(p.parts) == {"parameters", "noise"}
    assert sum(p.parts.values()) == pytest.approx(1)
    assert "takes the form of the law as true" in p.backtest
    assert p.method.startswith("parameters and scatter of the runs;")


def test_parts_add_up_to_the_interval(tested, rival):
    fit = replace(tested, rivals=(rival,))
    p = fit.predict(TARGET, level=0.9)
    assert set(p.parts) == {"parameters", "noise", "form", "back-test"}
    assert sum(p.parts.values()) == pytest.approx(1)
    sides = parts_of(fit, {k: np.array([v]) for k, v in TARGET.items()}, 0.9, "run")
    down = np.sqrt(sum(side[0][0] ** 2 for side in sides.values()))
    assert np.log(p.mean / p.low) == pytest.approx(down, rel=1e-9)
    assert p.method.startswith("parameters, scatter of the runs, form of the law and errors of the back-test;")


def test_the_back_tests_part_is_its_share_of_the_change(tested):
    sides = parts_of(tested, {k: np.array([v]) for k, v in TARGET.items()}, 0.9, "run")
    edge = 6 * 4e9 * 1e11
    factor = 6 * TARGET["N"] * TARGET["D"] / edge
    inputs = {k: np.array([v]) for k, v in TARGET.items()}
    np.testing.assert_allclose(axis_factor(tested, tested.backtest, inputs), factor)
    here, along, clipped = (
        float(tested.evaluate(x)[0, 0])
        for x in (TARGET, {k: v / factor**0.5 for k, v in TARGET.items()}, {"N": 4e9, "D": 1e11})
    )
    change = max(np.log(along / here), np.log(clipped / here))
    by_hand = norm.ppf(0.95) * tested.backtest.missed_share() * change
    np.testing.assert_allclose(sides["back-test"][0], by_hand, rtol=1e-8)


def test_inside_the_data_the_back_test_adds_nothing(plain, tested):
    inside = {"N": 3e8, "D": 1e10}
    assert tested.predict(inside).parts["back-test"] == 0
    assert tested.predict(inside).low == pytest.approx(plain.predict(inside).low, rel=1e-12)


def form_of(fit, rivals, level=0.9):
    return parts_of(replace(fit, rivals=rivals), {k: np.array([v]) for k, v in TARGET.items()}, level, "run")["form"]


def test_rivals_widen_by_their_weight(plain, rival):
    away = abs(np.log(rival.evaluate(TARGET)[0] / plain.predict(TARGET).mean))
    below, above = form_of(plain, (rival,))
    spread = norm.ppf(0.95) * np.sqrt(np.pi / 2) * 0.4 * away
    np.testing.assert_allclose(sorted([below[0], above[0]]), [spread, away], rtol=1e-9)
    mad = replace(rival, weight=1e-9, estimates=rival.estimates | {"E": 900.0})
    same = replace(plain, rivals=(mad,)).predict(TARGET)
    assert half(same) == pytest.approx(half(plain.predict(TARGET)), rel=1e-6)


@pytest.mark.parametrize("floor", [1.2, 2.4])
@pytest.mark.parametrize(("weight", "reached"), [(0.1, True), (0.0999, False)])
def test_the_interval_reaches_rivals_that_it_may_not_leave_out(plain, rival, floor, weight, reached):
    other = replace(rival, weight=weight, estimates=rival.estimates | {"E": floor})
    there, mean = other.evaluate(TARGET)[0], plain.predict(TARGET).mean
    away = np.log(there / mean)
    spread = norm.ppf(0.95) * np.sqrt(np.pi / 2) * weight * abs(away)
    assert spread < abs(away)  # the weighted spread alone would end before the rival
    below, above = form_of(plain, (other,))
    own, far = (below, above) if away < 0 else (above, below)
    np.testing.assert_allclose(own, abs(away) if reached else spread, rtol=1e-9)
    np.testing.assert_allclose(far, spread, rtol=1e-9)
    if reached:
        p = replace(plain, rivals=(other,)).predict(TARGET, level=0.9, kind="curve")
        assert p.low <= there <= p.high


def test_of_the_form_and_the_back_test_the_larger_counts(tested, rival):
    inputs = {k: np.array([v]) for k, v in TARGET.items()}
    alone = parts_of(tested, inputs, 0.9, "run")["back-test"][0]
    for weight in (1e-3, 0.4, 1.0):
        sides = parts_of(replace(tested, rivals=(replace(rival, weight=weight),)), inputs, 0.9, "run")
        form, rest = sides["form"][0], sides["back-test"][0]
        np.testing.assert_allclose(np.hypot(form, rest), np.maximum(form, alone), rtol=1e-9)


def test_a_curve_has_no_noise(tested):
    curve, run = tested.predict(TARGET, kind="curve"), tested.predict(TARGET)
    assert set(curve.parts) == {"parameters", "back-test"}
    assert half(curve) < half(run)


def test_runs_that_were_repeated_give_the_noise():
    inputs, loss = runs(repeat=3)
    loss = loss.copy()
    loss[::3] *= np.exp(np.where(np.arange(len(loss[::3])) % 9 == 0, 0.05, 0))
    fit = scaling.fit("chinchilla", inputs, loss, bootstrap=100)
    fit = replace(fit, backtest=scaling.backtest_law(fit, inputs, loss, bootstrap=0))
    known = fit.diagnostics
    assert known.replicate_degrees == 84
    sides = parts_of(fit, {k: np.array([v]) for k, v in TARGET.items()}, 0.9, "run")
    from scipy.stats import t

    np.testing.assert_allclose(sides["noise"][0], t.ppf(0.95, 84) * known.replicate_rms, rtol=1e-8)


def test_several_targets_give_arrays(tested):
    p = tested.predict({"N": [1e9, 2e10], "D": [2e10, 4e11]})
    assert p.parts["back-test"].shape == (2,)
    np.testing.assert_allclose(sum(p.parts.values()), 1)
    assert p.backtest == tested.predict(TARGET).backtest  # the farthest of them


def test_a_forecast_quotes_the_back_test_at_its_own_factor(tested):
    near = {"N": 8e9, "D": 1.5e11}
    factor = 6 * near["N"] * near["D"] / (6 * 4e9 * 1e11)
    assert tested.predict(near).backtest == tested.backtest.sentence(factor)
    assert tested.predict({"N": 1e13, "D": 1e15}).backtest.startswith("No back-test is possible at")


def test_a_fit_with_its_back_test_and_rivals_goes_through_json(tested, rival):
    fit = replace(tested, rivals=(rival,))
    again = Fit.from_json(fit.to_json())
    assert again == fit
    assert again.predict(TARGET, level=0.9) == fit.predict(TARGET, level=0.9)


def test_a_fit_without_the_new_fields_still_loads(plain):
    table = plain.to_dict()
    del table["backtest"], table["rivals"]
    again = Fit.from_dict(table)
    assert again.backtest is None
    assert again.rivals == ()


def test_a_weak_fit_stays_weak_beyond_its_data():
    x = np.geomspace(1, 100, 30)
    y = 2 + 3 / x**0.5 + 0.01 * np.random.default_rng(2).standard_normal(30)
    fit = scaling.fit("power_floor", {"x": x}, y, groups=np.arange(30) // 5, bootstrap=50)
    assert fit.verdict == "weak"
    far, inside = fit.predict({"x": 1e4}), fit.predict({"x": 50.0})
    assert (far.verdict, far.fit_verdict) == ("extrapolating x100", "weak")
    assert (inside.verdict, inside.fit_verdict) == ("weak", "weak")
    [row] = forecast_rows(fit, [{"x": 1e4}], [far])
    assert (row["verdict"], row["fit_verdict"]) == (far.verdict, far.fit_verdict)


def test_without_a_hold_out_the_usual_error_is_not_called_that_of_the_back_test():
    x = np.geomspace(1, 10, 8)
    y = 2 + 3 / x**0.5 + 0.001 * np.random.default_rng(0).standard_normal(8)
    fit = scaling.fit("power_floor", {"x": x}, y, objective="squared", bootstrap=0)
    found = scaling.backtest_law(fit, {"x": x}, y, bootstrap=0, steps=(4,))
    assert len(found) == 0
    p = replace(fit, backtest=found).predict({"x": 100.0})
    assert set(p.parts) == {"parameters", "noise", "usual error"}
    assert p.method.startswith(
        "parameters, scatter of the runs and usual error of other sweeps (no run could be forecast here); t interval"
    )
    assert "errors of the back-test" not in p.method
    assert re.fullmatch(r"Of the squared width: usual error of other sweeps \d+ %, .*", parts_text(p))


@pytest.fixture(scope="module")
def line():
    x = np.linspace(1, 100, 30)
    y = (10 - 0.08 * x) * np.exp(0.03 * np.random.default_rng(0).standard_normal(30))
    return scaling.fit("a - b*x", {"x": x}, y, objective="squared", bootstrap=400)


def test_replicates_that_fall_through_zero_take_the_interval_down_to_it(line):
    near, far = line.predict({"x": 124.0}, kind="curve"), line.predict({"x": 124.8}, kind="curve")
    replicates = line.evaluate({"x": 124.8}, line.replicates)[:, 0]
    assert np.mean(replicates <= 0) > 0.2
    assert (far.low, far.lost_share) == (0.0, 0.0)
    logs = np.log(np.maximum(replicates, 1e-300))
    assert far.high == pytest.approx(np.exp(np.quantile(logs, 0.975)), rel=1e-9)  # of all of them, and not of the rest
    assert all(np.isnan(share) for share in far.parts.values())  # the width has no end on the scale of logarithms
    values = line.evaluate({"x": 124.0}, line.replicates)[:, 0]
    assert 0 < np.mean(values <= 0) < 0.025
    assert near.low == pytest.approx(np.exp(np.quantile(np.log(np.maximum(values, 1e-300)), 0.025)), rel=1e-9)
    run = line.predict({"x": 124.8})
    assert run.low == 0
    assert run.high > far.high


def test_where_the_law_itself_is_not_above_zero_the_reason_is_given(line):
    p = line.predict({"x": 126.0})
    assert p.mean < 0
    assert np.isnan([p.low, p.high]).all()
    assert p.method == "unknown, because the law is not above 0 there, and its residuals are those of logarithms"
    both = line.predict({"x": [50.0, 126.0]})
    assert both.method.endswith("; unknown at 1 of the 2 targets, because the law is not above 0 there, and its "
                                "residuals are those of logarithms")  # fmt: skip
    assert np.isfinite(both.low[0])


def test_replicates_without_a_value_are_counted_and_said(line):
    lame = line.replicates.copy()
    lame[:40, 0] = np.nan
    p = replace(line, replicates=lame).predict({"x": 50.0}, kind="curve")
    values = line.evaluate({"x": 50.0}, line.replicates)[40:, 0]
    assert p.lost_share == 0.1
    assert p.method.endswith("seed 0, without 10 % of them, for which the law has no value there")
    assert p.low == pytest.approx(np.quantile(values, 0.025), rel=1e-6)
    few = line.replicates.copy()
    few[:8, 0] = np.nan
    one = replace(line, replicates=few).predict({"x": 50.0})
    assert one.lost_share == 0.02
    assert "without" not in one.method
    [row] = forecast_rows(line, [{"x": 50.0}], [p])
    assert row["lost_share"] == 0.1


def test_bca_intervals_reach_zero_too():
    x = np.linspace(1, 100, 30)
    y = (10 - 0.08 * x) * np.exp(0.03 * np.random.default_rng(0).standard_normal(30))
    fit = scaling.fit("a - b*x", {"x": x}, y, objective="squared", bootstrap=200, interval="bca")
    p = fit.predict({"x": 124.8}, kind="curve")
    assert p.low == 0
    assert np.isfinite(p.high)
