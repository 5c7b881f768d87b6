"""What a boundary answers: bands, inverse, quantiles that do not cross, verdicts; and what it refuses."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import scaling
from scaling.boundary.data import read_scores
from scaling.boundary.inverse import ANYWAY, UNREACHABLE
from scaling.boundary.solver import Optimum
from scaling.errors import InputDataError, UsageError
from tests.boundary.conftest import TRUTH, clustered, sigmoid

AT = np.array([22.0, 23.0, 24.0])


@pytest.fixture(scope="module")
def fitted(models):
    z, y, base = models
    return scaling.boundary.fit(z, y, tau=0.9, groups=base, bootstrap=200, seed=3)


def test_shapes_of_a_prediction(fitted):
    assert isinstance(fitted.predict(AT), np.ndarray)
    assert fitted.predict(23.0).shape == ()
    assert fitted.predict(AT[:, None]).shape == (3, 1)
    band = fitted.predict(23.0, level=0.9)
    assert isinstance(band.mean, float)
    assert band.low < band.mean < band.high
    assert band.verdict == fitted.verdict
    assert "200 cluster bootstrap replicates, seed 3" in band.method
    far = fitted.predict([23.0, fitted.support[1] + 1], level=0.9)
    assert far.verdict == "extrapolating x10"
    np.testing.assert_allclose(far.extrapolation_factor, [1, 10])


def test_a_band_needs_replicates(models):
    b = scaling.boundary.fit(models[0], models[1])
    with pytest.raises(UsageError, match="made from bootstrap replicates, but this boundary has none"):
        b.predict(23.0, level=0.9)


def test_the_inverse_is_the_inverse(fitted):
    for score in (0.3, 0.45, 0.6):
        found = fitted.invert(score)
        assert float(fitted.predict(found)) == pytest.approx(score, abs=1e-12)
        assert found.compute_flop == pytest.approx(10 ** float(found), rel=1e-12)
        assert found.low < float(found) < found.high
        assert found.status == "reached"


def test_scores_that_no_compute_reaches_or_that_any_does(fitted):
    top = fitted.estimates["y0"] + fitted.estimates["L"]
    assert top < 0.99
    out = fitted.invert(0.999)
    assert out.status == UNREACHABLE
    assert math.isinf(float(out))
    assert "unreachable" in str(out)
    assert out.to_dict()["compute_flop"] is None
    json.dumps(out.to_dict(), allow_nan=False)
    low = fitted.invert(0.0)
    assert low.status == ANYWAY
    assert float(low) == -math.inf


def test_the_inverse_says_how_far_it_extrapolates(fitted):
    high = fitted.support[1]
    beyond = fitted.invert(float(fitted.predict(high + 1)))
    assert beyond.extrapolation_factor == pytest.approx(10, rel=1e-6)
    assert "extrapolating x10" in str(beyond)


def test_the_inverse_with_a_chance(fitted):
    half, tenth = fitted.invert(0.4, probability=0.5), fitted.invert(0.4, probability=0.1)
    assert float(half) > float(tenth)
    assert float(tenth) == pytest.approx(float(fitted.invert(0.4)), abs=1e-9)
    grid = fitted.grid([0.25, 0.5])
    chance = grid.probability(0.4, float(half))
    assert float(chance.value[0]) == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize(
    "bad",
    [
        {"score": [0.2, 0.3]},
        {"score": "high"},
        {"score": 1.2},
        {"score": 0.5, "probability": 1.5},
        {"score": 0.5, "level": 2},
    ],
)
def test_an_inverse_that_makes_no_sense(fitted, bad):
    with pytest.raises(UsageError):
        fitted.invert(**bad)


def test_quantiles_do_not_cross():
    """Alone they cross here; together never."""
    z, y, _ = clustered(18, bases=10, each=5)
    grid = scaling.boundary.fit(z, y, tau=0.95).grid((0.5, 0.75, 0.9))
    assert grid.crossing > 1e-3
    levels = grid.predict(np.linspace(20, 26, 300))
    assert np.all(np.diff(levels, axis=0) >= 0)
    assert np.all(np.diff(levels, axis=1) >= 0)


def test_the_chance_of_a_score_is_its_share():
    """Scores are spread evenly over .25 below a sigmoid, so the chance is known."""
    z, v = np.repeat(np.linspace(21, 25, 81), 40), np.tile((np.arange(40) + 0.5) / 40, 81)
    y = sigmoid(z, 0.3, 0.6, 1.5, 23.2) - 0.25 * (1 - v)
    grid = scaling.boundary.fit(z, y, kappa=500, ridge=0).grid((0.1, 0.25, 0.5, 0.75, 0.9))
    top = sigmoid(24.0, 0.3, 0.6, 1.5, 23.2)
    found = grid.probability([top - 0.05, top - 0.125, top - 0.2, top - 0.001, top - 0.249], 24.0)
    np.testing.assert_allclose(found.value[:3], [0.2, 0.5, 0.8], atol=0.01)
    assert found.at_most.tolist() == [False, False, False, True, False]
    assert found.at_least.tolist() == [False, False, False, False, True]


@pytest.mark.slow
def test_bands_of_clusters_are_wider_and_hold_the_truth():
    """Half of the scatter is that of bases: single models, drawn by themselves, know nothing of that."""
    held, wider = 0, []
    for seed in range(24):
        z, y, base = clustered(seed)
        q = np.quantile(0.5 * np.random.default_rng(9).beta(3, 1, 200_000)
                        + 0.5 * np.random.default_rng(8).beta(3, 1, 200_000), 0.9)  # fmt: skip
        truth = sigmoid(23.0, 0.1, 0.7, 1.5, 23.2) - 4 * 0.06 * (1 - q)
        b = scaling.boundary.fit(z, y, tau=0.9, groups=base, bootstrap=100).predict(23.0, level=0.9)
        iid = scaling.boundary.fit(z, y, tau=0.9, bootstrap=100).predict(23.0, level=0.9)
        held += b.low <= truth <= b.high
        wider.append((b.high - b.low) / (iid.high - iid.low))
    assert np.median(wider) > 1.3
    assert held >= 19  # of 24 at 90 %: fewer happen once in 25 times


def test_a_margin_for_models_to_come(models):
    z, y, base = models
    b = scaling.boundary.fit(z, y, tau=0.9, groups=base)
    assert set(b.margin.parts) == {"left out"}
    assert b.margin.value > 0
    np.testing.assert_allclose(b.predict(AT, out_of_period=True), b.predict(AT) + b.margin.value, atol=1e-12)
    later = scaling.boundary.fit(
        np.tile(z, 2), np.concatenate([y, y + 0.05]), tau=0.9, period=np.repeat(["2024-1", "2024-2"], len(z))
    )
    assert set(later.margin.parts) == {"left out", "2024-1 > 2024-2"}
    assert later.margin.parts["2024-1 > 2024-2"] == pytest.approx(0.05, abs=0.01)


def test_a_boundary_is_a_fit_that_can_be_stored(fitted):
    text = fitted.fit.to_json()
    again = scaling.Fit.from_json(text)
    assert again == fitted.fit
    assert again.law.name == "boundary"
    assert again.settings["boundary"]["tau"] == 0.9
    np.testing.assert_allclose(again.evaluate({"C": 10**AT})[0], fitted.predict(AT), atol=1e-6)
    assert again.diagnostics.curve_only


def test_the_summary_is_a_report(fitted):
    text = repr(fitted)
    assert "90 % of the models below it" in text
    assert "in 30 groups" in text
    assert f"above it: {fitted.n_above} of 360 models, of 36 expected" in text
    assert f"verdict: {fitted.verdict}" in text


def test_few_models_make_no_quantile():
    z, y, _ = clustered(2, bases=24, each=1)
    b = scaling.boundary.fit(z, y)
    assert b.verdict == "not identified"
    assert "of 24 models 0.48 should lie above it" in b.reasons[0]
    z, y, _ = clustered(2, bases=40, each=3)
    b = scaling.boundary.fit(z, y)
    assert b.verdict == "weak"
    assert "rests on single models: of 120 models 2.4 should lie above it" in b.reasons[0]


def test_verdicts_in_words(models):
    z, y, _ = models
    flat = scaling.boundary.fit(z, np.full(len(z), 0.4), tau=0.9)
    assert flat.verdict == "not identified"
    assert any("score the same, 0.4" in reason for reason in flat.reasons)
    one = scaling.boundary.fit(z, y, tau=0.9, groups=np.full(len(z), "base"))
    assert one.verdict == "not identified"
    assert any("All models share one group, base" in reason for reason in one.reasons)
    with pytest.raises(InputDataError, match="all 360 models share one group, base"):
        scaling.boundary.fit(z, y, groups=np.full(len(z), "base"), bootstrap=50)
    rounded = scaling.boundary.fit(z, y, preset="zhang2026")
    assert any("lifts the curve by up to 0.078" in reason for reason in rounded.reasons)
    few = scaling.boundary.fit(np.tile([22.0, 23.0, 24.0], 100), np.tile([0.2, 0.3, 0.4], 100), tau=0.9)
    assert few.verdict == "not identified"
    assert any("only 3 different inputs" in reason for reason in few.reasons)


def test_percent_scores_are_converted_and_said(models):
    z, y, _ = models
    b = scaling.boundary.fit(z, 100 * y)
    np.testing.assert_allclose(b.predict(AT), scaling.boundary.fit(z, y).predict(AT), atol=1e-9)
    assert "were in percent" in b.scores.notes[0]
    assert "were in percent" in repr(b)


def test_models_without_compute_or_score_are_left_out_and_counted(models):
    z, y, base = (np.array(column, dtype=float) for column in models)
    z[:3], y[5:7] = (-np.inf, np.nan, np.inf), np.nan
    scores = read_scores(z, y, [None if i == 9 else f"b{b:g}" for i, b in enumerate(base)])
    assert len(scores.score) == 360 - 6
    assert scores.notes == (
        "Left out 3 models of 360 whose compute is missing or zero.",
        "Left out 2 models of 360 whose score is missing.",
        "Left out 1 model of 360 whose group is missing.",
    )
    assert scores.kept[:3].tolist() == [3, 4, 7]


def test_missing_values_of_pandas_are_missing(models):
    z, y, _ = models
    known = scaling.boundary.fit(z[2:], y[2:])
    for given in (pd.Series([pd.NA, pd.NA, *z[2:]]), pd.Series([None, None, *z[2:]], dtype="Float64")):
        b = scaling.boundary.fit(given, pd.Series(y, index=range(900, 900 + len(y))))
        assert b.objective_value == known.objective_value
        assert b.scores.notes == ("Left out 2 models of 360 whose compute is missing or zero.",)


def test_shares_among_percentages_are_told(models):
    z, y, _ = models
    mixed = np.where(np.arange(len(z)) % 2, y, 100 * y)
    (note,) = scaling.boundary.fit(z, mixed).scores.notes
    assert "were in percent" in note
    assert note.endswith("176 scores of 360 were at most 1: are some of them shares?")  # and four are 0
    assert "shares" not in scaling.boundary.fit(z, 100 * y).scores.notes[0]


@pytest.mark.parametrize(
    "days",
    [pd.to_datetime, lambda days: [day.item() for day in days], lambda days: pd.Series(days).dt.tz_localize("UTC")],
)
def test_dates_are_periods_of_a_quarter(models, days):
    z, y, _ = models
    given = np.datetime64("2024-01-01") + np.arange(len(z))
    b = scaling.boundary.fit(z, y, tau=0.9, period=days(given))
    quarters = [f"2024Q{(day.astype('datetime64[M]').astype(int) % 12) // 3 + 1}" for day in given]
    assert b.margin.parts == scaling.boundary.fit(z, y, tau=0.9, period=quarters).margin.parts
    assert list(b.margin.parts)[1:] == ["2024Q1 > 2024Q2", "2024Q2 > 2024Q3", "2024Q3 > 2024Q4"]
    assert b.scores.notes == ("Dates were taken as calendar quarters.",)


@pytest.mark.parametrize(
    ("names", "fine"),
    [
        (("P9", "P10"), False),
        (("2024-9", "2024-10"), False),
        (("9", "10"), False),
        (("P09", "P10"), True),
        (("2024.25", "2024.5"), True),
        ((9, 10), True),
        (("early", "late"), True),
    ],
)
def test_periods_must_sort_in_time(models, names, fine):
    z, y, _ = models
    period = [names[i % 2] for i in range(len(z))]
    if fine:
        row = scaling.boundary.backtest(z, y, period, tau=0.9, baselines=[]).rows[0]
        assert (row.train, row.test) == tuple(map(str, names))
    else:
        with pytest.raises(InputDataError, match=f"'{names[1]}' would come before '{names[0]}'"):
            scaling.boundary.backtest(z, y, period, tau=0.9)


@pytest.mark.parametrize(
    ("z", "y", "said"),
    [
        ([1e21, 1e22, 1e23], [0.1, 0.2, 0.3], "is compute itself and not its logarithm"),
        ([21, 22, 23], [0.1, 0.2, 0.3], "4 parameters, which 3 models cannot determine"),
        ([21, 22, 23], [0.1, 0.2], "'score' has 2 rows, but 'log10_compute' has 3"),
        ([22, 22, 22], [0.1, 0.2, 0.3], "have the same compute"),
        ([np.nan, np.nan], [0.1, 0.2], "none of the 2 models has both"),
        (np.linspace(21, 24, 60), [*np.linspace(0, 0.9, 59), -0.2], "1 score of 60 lie outside 0 to 1"),
        (np.linspace(21, 24, 60), [*np.linspace(0, 90, 59), 120], "outside 0 to 100, the first, 120"),
        (["a", "b"], [0.1, 0.2], "is not a number"),
        ([[21, 22]], [0.1, 0.2], "must be one column"),
    ],
)
def test_scores_that_cannot_be_used(z, y, said):
    with pytest.raises(InputDataError, match=said):
        scaling.boundary.fit(z, y)


def test_a_prediction_needs_the_logarithm(fitted):
    with pytest.raises(UsageError, match="not 1e23, which is compute itself"):
        fitted.predict(1e23)
    assert np.isnan(fitted.predict(np.nan))


def test_a_score_near_the_end_of_a_flat_curve(fitted):
    """Its compute is a number that no float holds."""
    flat = replace(fitted, optimum=Optimum(np.array([0.0, 0.9, 0.05, 23.0]), 0.0), bootstrap=0)
    found = flat.invert(0.9 - 1e-9)
    assert found.log10_compute == pytest.approx(23 + np.log(0.9e9) / 0.05, abs=1e-3)
    assert found.compute_flop == math.inf
    assert "1e435 FLOP, extrapolating by more than x1e308" in str(found)
    assert json.loads(json.dumps(found.to_dict()))["compute_flop"] == "inf"


def test_truth_lies_within_what_is_said_of_it(even):
    b = scaling.boundary.fit(*even)
    assert b.verdict == "ok"
    assert float(b.invert(0.5)) == pytest.approx(TRUTH["z_mid"] - math.log(0.7 / 0.405 - 1) / 1.5, abs=0.02)


def test_words_in_place_of_numbers(fitted, models):
    with pytest.raises(InputDataError, match="is not a number"):
        fitted.predict("x")
    with pytest.raises(UsageError, match="tau must be one number"):
        scaling.boundary.fit(models[0], models[1], tau="0.9")
