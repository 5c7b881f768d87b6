"""Holding out the largest runs: what is fitted, what is forecast, and what comes out of it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import scaling
from scaling.errors import InputDataError, UsageError
from scaling.fitting.backtest import USUAL_CUTS, USUAL_SHARE, Backtest
from scaling.fitting.rollout import LADDER, change_beyond, find_axis, find_cuts, find_units, trimmed, why_not
from scaling.laws.book import find_law

TRUTH = {"E": 1.7, "A": 400.0, "B": 1100.0, "alpha": 0.34, "beta": 0.33}


def runs(noise=0.003, seed=3):
    n, d = (v.ravel() for v in np.meshgrid(np.geomspace(2e7, 4e9, 8), np.geomspace(4e8, 1e11, 6)))
    loss = TRUTH["E"] + TRUTH["A"] / n ** TRUTH["alpha"] + TRUTH["B"] / d ** TRUTH["beta"]
    return {"N": n, "D": d}, loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(n)))


@pytest.fixture(scope="module")
def data():
    return runs()


@pytest.fixture(scope="module")
def found(data):
    return scaling.backtest_law("chinchilla", *data, bootstrap=40)


def test_each_cut_forecasts_every_run_beyond_it(data, found):
    inputs, loss = data
    compute = 6 * inputs["N"] * inputs["D"]
    cuts = np.unique(found.cut)
    assert len(cuts) >= 4
    for cut in cuts:
        some = found.cut == cut
        np.testing.assert_array_equal(np.sort(found.row[some]), np.flatnonzero(compute > cut * 1.001))
        np.testing.assert_allclose(found.factor[some], compute[found.row[some]] / cut, rtol=1e-12)
        assert cut == pytest.approx(compute[compute <= cut * 1.001].max(), rel=1e-12)
    np.testing.assert_array_equal(found.observed, loss[found.row])
    np.testing.assert_allclose(found.error, np.log(found.predicted) - np.log(found.observed), atol=1e-15)


def test_a_cut_is_the_fit_to_the_rows_below_it(data, found):
    inputs, loss = data
    cut = np.unique(found.cut)[1]
    left = 6 * inputs["N"] * inputs["D"] <= cut * 1.001
    by_hand = scaling.fit("chinchilla", {k: v[left] for k, v in inputs.items()}, loss[left], bootstrap=0)
    some = found.cut == cut
    target = {k: v[found.row[some]] for k, v in inputs.items()}
    np.testing.assert_allclose(found.predicted[some], by_hand.evaluate(target)[0], rtol=1e-8)


def test_nothing_that_is_held_out_touches_a_fit(data, found):
    inputs, loss = data
    compute = 6 * inputs["N"] * inputs["D"]
    secret = compute > np.max(found.cut) * 1.001
    changed = np.where(secret, 0.3 * loss, loss)  # below every bound such as min(loss) that the rest would give
    again = scaling.backtest_law("chinchilla", inputs, changed, bootstrap=40)
    np.testing.assert_array_equal(again.cut, found.cut)
    np.testing.assert_array_equal(again.predicted, found.predicted)
    np.testing.assert_array_equal(again.low, found.low)
    np.testing.assert_array_equal(again.change, found.change)
    beyond = secret[found.row]
    np.testing.assert_allclose((again.error - found.error)[beyond], -np.log(0.3), rtol=1e-9)
    np.testing.assert_array_equal(again.error[~beyond], found.error[~beyond])


def test_an_exact_law_forecasts_exactly():
    exact = scaling.backtest_law("chinchilla", *runs(noise=0.0), objective="squared", bootstrap=0)
    assert np.max(np.abs(exact.error)) < 1e-6
    assert len(exact) == 39


def test_a_wrong_law_shows_its_bias():
    x = np.geomspace(1, 1e5, 60)
    found = scaling.backtest_law("power", {"x": x}, 2 + 5 / x**0.5, objective="squared", bootstrap=0)
    far = found.at(30)
    # A power law without the floor goes on falling: forecasts too low, the more so the farther.
    assert far.bias < -0.2
    assert far.bias < found.at(2).bias < 0
    assert far.coverage == 0.0


def test_summaries_are_those_of_their_rows(found):
    by_bin = {entry.low: entry for entry in found.summary()}
    some = (found.factor >= 2) & (found.factor < 5)
    entry = by_bin[2.0]
    assert (entry.n, entry.runs) == (int(some.sum()), len(set(found.row[some].tolist())))
    assert entry.bias == pytest.approx(found.error[some].mean(), rel=1e-12)
    assert entry.rms == pytest.approx(np.sqrt(np.mean(found.error[some] ** 2)), rel=1e-12)
    held = (found.observed >= found.low) & (found.observed <= found.high)
    assert entry.coverage == pytest.approx(held[some].mean(), rel=1e-12)
    assert sum(e.n for e in found.summary()) == len(found) == len(found.rows())


def test_a_factor_takes_the_hold_outs_near_it_or_a_reason(found):
    near = found.at(6)
    some = (found.factor >= 3) & (found.factor < 12)
    assert near.n == some.sum() > 0
    assert near.rms == pytest.approx(np.sqrt(np.mean(found.error[some] ** 2)), rel=1e-12)
    beyond = found.at(10 * found.largest_factor)
    assert beyond.n == 0
    assert "the target lies" in beyond.reason
    assert found.sentence(1e7).startswith("No back-test is possible at x1e7: the data reach")
    assert f"{near.n} forecasts of {near.runs} held-out runs" in found.sentence(6)
    assert found.at(float("nan")).reason


def test_a_summary_says_all_that_is_in_it(found):
    text = repr(found)
    assert "largest runs by 6*N*D held out" in text
    assert "x2 to x5" in text
    assert "of 90 %" in text


def test_json_round_trip(found):
    text = json.dumps(found.to_dict(), allow_nan=False)
    again = Backtest.from_dict(json.loads(text))
    assert again == found
    assert hash(again) == hash(found)
    assert again.missed_share() == found.missed_share()
    with pytest.raises(InputDataError, match="no back-test"):
        Backtest.from_dict({"law": "x"})


def test_cuts_that_leave_too_little_are_kept_with_the_reason():
    n = np.repeat(np.geomspace(1e7, 1e9, 11), 1)
    inputs = {"N": n, "D": 20 * n**1.1}
    found = scaling.backtest_law("chinchilla", inputs, 2 + 300 / n**0.3, bootstrap=0)
    assert found.skipped
    assert "rows are left for the 5 parameters" in found.skipped[-1][1]
    one = {"N": np.full(12, 1e8) * np.linspace(1, 1 + 1e-9, 12), "D": np.full(12, 1e10)}
    none = scaling.backtest_law("chinchilla", one, np.linspace(2, 3, 12), bootstrap=0)
    assert len(none) == 0
    assert "about the same 6*N*D" in none.reason
    assert none.sentence(5).startswith("No back-test is possible at x5: all runs have about the same")
    assert Backtest.from_dict(none.to_dict()) == none


def test_rows_that_share_an_input_are_refused():
    law = find_law("chinchilla")
    inputs = {"N": np.full(20, 1e8), "D": np.geomspace(1e9, 1e11, 20)}
    each = np.arange(20)
    assert why_not(law, inputs, np.ones(20, bool), each) == "all rows that are left have the same N (1e8)"
    assert why_not(law, inputs, each < 1, each).startswith("1 row is left for the 5 parameters, and at least 9")
    assert why_not(law, inputs, each < 8, each).startswith("8 rows are left for the 5 parameters, and at least 9")
    few = {"N": np.tile([1e8, 1e9], 10), "D": np.tile(np.geomspace(1e9, 1e11, 4), 5)}
    assert why_not(law, few, np.ones(20, bool), each) == (
        "the rows that are left have only 4 different inputs for the 5 parameters, and at least 9 are needed"
    )
    assert why_not(law, inputs, each < 10, each // 10).startswith("one cluster is left")


def checkpoints(seed=0):
    """Six runs of 30 checkpoints: those of one run agree to 0.1 %, and runs differ by 2 %."""
    random = np.random.default_rng(seed)
    x = np.concatenate([np.geomspace(10 ** (k / 2), 2.9 * 10 ** (k / 2), 30) for k in range(6)])
    which = np.repeat(np.arange(6), 30)
    own = 0.02 * random.standard_normal(6)
    return x, (2 + 3 / x**0.5) * np.exp(own[which] + 0.001 * random.standard_normal(180)), which


def test_one_cluster_is_no_fit_of_independent_rows():
    x, y, which = checkpoints()
    found = scaling.backtest_law(
        "power_floor", {"x": x}, y, groups=which, objective="squared", bootstrap=30, steps=(10, 100, 300)
    )
    [(edge, reason)] = found.skipped
    assert edge == pytest.approx(2.9)
    assert reason == "one cluster is left, and its rows are not independent of each other"
    assert sorted(len(set(which[x <= cut * 1.001])) for cut in np.unique(found.cut)) == [2, 4]
    # Taken for 30 independent rows, the first run would be forecast from all the same.
    alone = scaling.backtest_law("power_floor", {"x": x}, y, objective="squared", bootstrap=0, steps=(300,))
    assert not alone.skipped
    same = scaling.backtest_law(
        "power_floor", {"x": np.tile(x[:30], 2)}, np.tile(y[:30], 2), groups=np.repeat([0, 1], 30), bootstrap=0
    )
    assert same.reason == "all clusters reach about the same x"


def falling():
    """Runs that level off where a straight line goes on to fall through 0."""
    x = np.linspace(1, 100, 60)
    y = np.maximum(10 - 0.2 * x, 0) + np.exp(-x / 100) + 0.5
    return x, y * np.exp(0.01 * np.random.default_rng(0).standard_normal(60))


@pytest.fixture(scope="module")
def failed():
    x, y = falling()
    return scaling.backtest_law("a - b*x", {"x": x}, y, objective="squared", bootstrap=30, steps=(1.5, 2, 4))


def test_forecasts_without_an_error_stay_and_count_as_missed(failed):
    x, _ = falling()
    # Every run beyond a cut-off is there: 20, 30 and 45 of them.
    for cut in np.unique(failed.cut):
        assert np.sum(failed.cut == cut) == np.sum(x > cut * 1.001)
    assert len(failed) == 95
    lost = ~failed.defined
    np.testing.assert_array_equal(lost, failed.predicted <= 0)
    assert lost.sum() == 73
    np.testing.assert_array_equal(np.isnan(failed.error), lost)
    assert not failed.inside[lost].any()
    rows = failed.rows()
    assert [row["inside"] for row, gone in zip(rows, lost, strict=True) if gone] == [False] * 73
    some = (failed.factor >= 1) & (failed.factor < 2)
    entry = failed.summary()[0]
    assert (entry.n, entry.undefined) == (63, int((some & lost).sum())) == (63, 44)
    assert entry.rms == pytest.approx(np.sqrt(np.mean(failed.error[some & ~lost] ** 2)), rel=1e-12)
    assert entry.bias == pytest.approx(np.mean(failed.error[some & ~lost]), rel=1e-12)
    known = some & (np.isfinite(failed.low) | lost)
    assert entry.coverage == pytest.approx(failed.inside[known].mean(), rel=1e-12)
    assert entry.coverage < 0.1
    near = failed.at(1.5)
    assert near.undefined == np.sum(lost & (failed.factor < 3))
    text = failed.sentence(1.5)
    assert f"{near.n} forecasts of " in text
    assert f"on average, without {near.undefined} that were not a number above 0; " in text
    assert f"held the outcome, with the {near.undefined} counted as not." in text
    assert "44 not a number above 0" in repr(failed)
    assert failed.says_something
    assert np.isfinite(failed.missed_share())


def test_rows_and_notes_tell_of_failed_forecasts(failed):
    from reports.backtest_rows import backtest_notes, backtest_rows

    assert [row["undefined"] for row in backtest_rows(failed)] == [44, 29]
    assert (
        "73 of the 95 forecasts were not a number above 0. They have no error, and count as not covered."
        in backtest_notes(failed)
    )


def test_failed_forecasts_go_through_json(failed):
    text = json.dumps(failed.to_dict(), allow_nan=False)
    again = Backtest.from_dict(json.loads(text))
    assert again == failed
    np.testing.assert_array_equal(again.defined, failed.defined)
    assert again.summary()[0].to_dict()["undefined"] == 44


def test_an_undefined_forecast_is_outside_even_of_an_interval_that_holds_the_run():
    x = np.geomspace(1, 1e4, 40)
    found = scaling.backtest_law("a + b*log(x)", {"x": x}, 5 - 0.3 * np.log(x), objective="squared", bootstrap=0)
    wide = dataclasses.replace(found, low=found.observed - 1, high=found.observed + 1)
    assert wide.inside.all()
    error = found.error.copy()
    error[:3] = np.nan
    lost = dataclasses.replace(wide, error=error)
    assert not lost.inside[:3].any()
    assert lost.inside[3:].all()
    assert lost.judged.all()


def test_a_back_test_of_failures_alone_says_so():
    x, y = falling()
    found = scaling.backtest_law("a - b*x", {"x": x}, y, objective="squared", bootstrap=0, steps=(2.2, 2.3))
    some = ~found.defined
    only = Backtest.from_dict(
        found.to_dict() | {name: np.asarray(getattr(found, name))[some].tolist() for name in (
            "cut", "compute", "factor", "observed", "predicted", "change", "scatter", "row", "unit",
        )} | {name: [None] * int(some.sum()) for name in ("error", "low", "high")}
    )  # fmt: skip
    assert only.sentence(1.5) == (
        f"Back-test at x1.5: {some.sum()} forecasts of {len(set(only.unit.tolist()))} held-out runs from 2 cut-offs, "
        "and none of them was a number above 0."
    )
    assert not only.says_something
    assert only.missed_share() == USUAL_SHARE
    entry = only.summary((1.0,))[0]
    assert (entry.n, entry.undefined, entry.coverage) == (some.sum(), some.sum(), 0.0)
    assert np.isnan(entry.rms)


def test_clusters_are_held_out_whole(data):
    inputs, loss = data
    groups = np.array([f"size {i % 8}" for i in range(len(loss))])
    compute = 6 * inputs["N"] * inputs["D"]
    units = find_units(groups, len(loss))
    for cut in find_cuts(compute, units):
        assert not set(groups[cut.left]) & set(groups[cut.held])
        assert compute[cut.held].min() > cut.edge
        left_tops = [compute[groups == g].max() for g in set(groups[cut.left])]
        assert max(left_tops) <= compute.max() / cut.step * 1.001
    found = scaling.backtest_law("chinchilla", inputs, loss, groups=groups, bootstrap=0)
    assert set(found.unit.tolist()) <= set(range(8))


def test_the_axis_follows_the_inputs():
    n = np.array([1e8, 2e8])
    axis = find_axis(find_law("chinchilla"), {"N": n, "D": 20 * n})
    assert axis.name == "6*N*D"
    np.testing.assert_allclose(axis.values, 120 * n**2)
    assert find_axis(find_law("power_floor"), {"x": n}).name == "x"
    down = find_axis(find_law("shifted_power"), {"x": np.array([3.0, 2.0])})
    assert down.name == "1/x"  # of one loss from another, the low ones are the large runs
    assert find_axis(find_law("chinchilla"), {"N": n, "D": n}, by="D").name == "D"
    assert find_axis(find_law("chinchilla"), {"N": n, "D": n}, by=[5, 6]).inputs == {}
    with pytest.raises(UsageError, match="no input 'Q'"):
        find_axis(find_law("chinchilla"), {"N": n, "D": n}, by="Q")
    with pytest.raises(UsageError, match="none of them is the size"):
        find_axis(find_law("a + b*u + c*v", ["u", "v"]), {"u": n, "v": n})
    with pytest.raises(InputDataError, match="finite numbers above 0"):
        find_axis(find_law("power_floor"), {"x": np.array([1.0, -1.0])})


def test_trimming_keeps_what_it_says():
    values, observed = np.arange(1.0, 11.0), np.arange(10.0, 0.0, -1.0)
    assert trimmed("none", values, observed).all()
    np.testing.assert_array_equal(values[trimmed("smallest 30 %", values, observed)], np.arange(4.0, 11.0))
    np.testing.assert_array_equal(observed[trimmed("highest 20 %", values, observed)], np.arange(8.0, 0.0, -1.0))
    equal = np.array([1.0, 1.0, 2.0, 3.0])
    assert trimmed("smallest 25 %", equal, equal).all()  # of two equal rows neither goes
    for text in ("all", "smallest", "lowest 10 %", "smallest 0 %"):
        with pytest.raises(UsageError, match="is no trimming"):
            trimmed(text, values, observed)


def test_change_beyond_the_data_is_that_of_the_law():
    law = find_law("power")
    theta = np.array([5.0, 0.3])
    x = {"x": np.array([10.0, 100.0, 700.0])}
    change = change_beyond(law, theta, x, x["x"] / 100, {"x": 1.0}, {"x": (1.0, 100.0)}, log=True)
    np.testing.assert_allclose(change, [0, 0, 0.3 * np.log(7)], atol=1e-12)
    chinchilla = find_law("chinchilla")
    theta = np.array(list(TRUTH.values()))
    at = {"N": np.array([4e9]), "D": np.array([4e11])}
    value = [TRUTH["E"] + TRUTH["A"] / n**0.34 + TRUTH["B"] / d**0.33 for n, d in ((4e9, 4e11), (2e9, 2e11))]
    wide = {"N": (1e7, 1e10), "D": (1e8, 1e12)}
    change = change_beyond(chinchilla, theta, at, np.array([4.0]), {"N": 0.5, "D": 0.5}, wide, log=True)
    np.testing.assert_allclose(change, np.log(value[1] / value[0]), rtol=1e-10)


def test_the_share_missed_is_drawn_towards_the_usual_one():
    cuts = np.array([10.0, 10.0, 20.0, 20.0])
    whole = np.arange(4)
    columns = {name: np.ones(4) for name in ("compute", "factor", "observed", "predicted", "low", "high")}
    made = Backtest(
        "power", "squared on log residuals", "x", 0.9, 9, True, cuts, whole, whole,
        **(columns | {"error": np.full(4, 0.05), "change": np.full(4, 0.1), "scatter": np.full(4, 0.03)}), edge=40.0,
    )  # fmt: skip
    # Beyond the scatter 0.04 of a change of 0.1 was missed at both cut-offs, which weigh 1/4 and 1/2.
    effective = 0.75**2 / (0.25**2 + 0.5**2)
    by_hand = np.sqrt((effective * 0.4**2 + USUAL_CUTS * USUAL_SHARE**2) / (effective + USUAL_CUTS))
    assert made.missed_share() == pytest.approx(by_hand, rel=1e-12)


def test_a_fit_is_back_tested_as_it_was_fitted(data):
    inputs, loss = data
    pulled = scaling.fit("chinchilla", inputs, loss, penalty={"alpha": (0.2, 1e3)}, bootstrap=0)
    found = scaling.backtest_law(pulled, inputs, loss, bootstrap=0)
    cut = np.unique(found.cut)[-1]
    left = 6 * inputs["N"] * inputs["D"] <= cut * 1.001
    some = {k: v[left] for k, v in inputs.items()}
    by_hand = scaling.fit("chinchilla", some, loss[left], penalty={"alpha": (0.2, 1e3)}, bootstrap=0)
    assert by_hand.estimates["alpha"] == pytest.approx(0.2, abs=0.02)
    target = {k: v[found.row[found.cut == cut]] for k, v in inputs.items()}
    np.testing.assert_allclose(found.predicted[found.cut == cut], by_hand.evaluate(target)[0], rtol=1e-8)
    plain = scaling.backtest_law("chinchilla", inputs, loss, bootstrap=0)
    assert np.max(np.abs(plain.predicted / found.predicted - 1)) > 1e-3


def test_weights_count_in_every_refit(data):
    inputs, loss = data
    weights = np.random.default_rng(0).uniform(0.1, 5, len(loss))
    weights[[3, 40]] = 0
    weighted = scaling.fit("chinchilla", inputs, loss, weights=weights, bootstrap=0)
    with pytest.raises(UsageError, match="made with weights, which it does not keep"):
        scaling.backtest_law(weighted, inputs, loss, bootstrap=0)
    found = scaling.backtest_law(weighted, inputs, loss, weights=weights, bootstrap=0)
    assert found.n_rows == len(loss) - 2
    assert not {3, 40} & set(found.row.tolist())
    np.testing.assert_array_equal(found.observed, loss[found.row])
    cut = np.unique(found.cut)[-1]
    left = 6 * inputs["N"] * inputs["D"] <= cut * 1.001
    some = {k: v[left] for k, v in inputs.items()}
    by_hand = scaling.fit("chinchilla", some, loss[left], weights=weights[left], bootstrap=0)
    target = {k: v[found.row[found.cut == cut]] for k, v in inputs.items()}
    np.testing.assert_allclose(found.predicted[found.cut == cut], by_hand.evaluate(target)[0], rtol=1e-8)


@pytest.mark.slow
def test_a_trimmed_fit_needs_the_rows_before_its_trimming():
    inputs, loss = runs()
    made = scaling.select(
        ["multiplicative"], inputs, loss, objectives="squared", trims="smallest 25 %", bootstrap=0
    )  # fmt: skip
    assert scaling.backtest_law(made.best, inputs, loss) == made.best.backtest
    keep = trimmed("smallest 25 %", 6 * inputs["N"] * inputs["D"], loss)
    with pytest.raises(UsageError, match=r"left out rows \(trimmed: smallest 25 %\)"):
        scaling.backtest_law(made.best, {k: v[keep] for k, v in inputs.items()}, loss[keep])


def test_the_sentence_says_which_intervals_it_counts(found):
    text = found.sentence(6)
    assert "% of the 90 % intervals of parameters and scatter alone held the outcome" in text
    one = found.at(found.largest_factor)
    counts = found.sentence(found.largest_factor)
    assert f"{one.n} forecast{'s' if one.n > 1 else ''} of {one.runs} held-out run" in counts


def test_the_same_call_gives_the_same_answer(data, found):
    assert scaling.backtest_law("chinchilla", *data, bootstrap=40) == found
    assert scaling.backtest_law(scaling.fit("chinchilla", *data, bootstrap=0), *data, bootstrap=40) == found


def test_bad_settings_are_refused(data):
    with pytest.raises(UsageError, match="level"):
        scaling.backtest_law("chinchilla", *data, level=1.5)
    with pytest.raises(InputDataError, match="groups have shape"):
        scaling.backtest_law("chinchilla", *data, groups=["a"])
    with pytest.raises(UsageError, match="is no trimming"):
        scaling.backtest_law("chinchilla", *data, trim="some")
    assert LADDER[0] > 1
    for steps in ([0.5, 1, 2], [2, float("nan")], [-3], [float("inf")], ["2"], []):
        with pytest.raises(UsageError, match="numbers above 1"):
            scaling.backtest_law("chinchilla", *data, steps=steps)
