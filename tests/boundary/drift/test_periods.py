"""Boundaries of periods: planted shifts are found with their size, and none where there is none."""

import json

import numpy as np
import pytest

from scaling.boundary.drift import drift
from scaling.errors import InputDataError, UsageError


def bases_over_periods(seed, lift, bases=30, each=8):
    """Models of bases that share an own height, in three periods of which the last lies `lift` higher."""
    rng = np.random.default_rng(seed)
    base = np.repeat(np.arange(bases), 3 * each)
    period = np.tile(np.repeat(["a", "b", "c"], each), bases)
    z = rng.uniform(21, 25, bases)[base]
    own = rng.normal(0, 0.02, bases)[base]
    score = 0.2 + 0.4 / (1 + np.exp(-1.2 * (z - 23))) + own + rng.uniform(-0.2, 0, len(z))
    return z, np.clip(score + lift * (period == "c"), 0, 1), period, base


@pytest.fixture(scope="module")
def planted():
    z, score, period, base = bases_over_periods(0, 0.08)
    return drift(z, score, period, groups=base, tau=0.9, bootstrap=60, seed=1)


def test_a_planted_shift_is_found_where_it_is(planted):
    still, moved = planted
    assert (still.before, still.after, moved.after) == ("a", "b", "c")
    assert np.all(np.abs(still.shift) < 0.03)
    assert moved.shift == pytest.approx(np.full(5, 0.08), abs=0.03)
    assert np.mean((moved.low < 0.08) & (moved.high > 0.08)) >= 0.8
    assert moved.p_value < 0.05 < still.p_value
    assert planted.p_value == min(moved.p_value, still.p_value)
    assert moved.p_value == min(moved.p)
    assert moved.forecast.signed_coverage_error < -0.1  # the boundary of b lies too low for c
    assert abs(still.forecast.signed_coverage_error) < 0.07


def test_shifts_are_differences_of_the_boundaries(planted):
    step = planted.steps[1]
    difference = planted.predict(step.log10_compute, "c") - planted.predict(step.log10_compute, "b")
    assert step.shift == pytest.approx(difference, abs=1e-12)
    assert planted.predict(23.0, "a").shape == ()


def test_periods_that_are_numbers_or_dates_follow_in_time():
    z, score, period, base = bases_over_periods(0, 0.08)
    number = np.array([{"a": 9, "b": 10, "c": 11}[name] for name in period])
    found = drift(z, score, number, groups=base, tau=0.9)
    assert [(step.before, step.after) for step in found] == [("9", "10"), ("10", "11")]
    assert found.steps[1].shift == pytest.approx(drift(z, score, period, groups=base, tau=0.9).steps[1].shift)
    day = np.array([{"a": "2024-02-03", "b": "2024-05-06", "c": "2024-08-09"}[name] for name in period], "M8[D]")
    dated = drift(z, score, day, groups=base, tau=0.9)
    assert [step.after for step in dated] == ["2024Q2", "2024Q3"]
    assert dated.notes == ("Dates were taken as calendar quarters.",)


def test_points_that_are_asked_for_lie_in_both_periods():
    z, score, period, base = bases_over_periods(1, 0.0)
    inside = (period != "c") | (z > 23)
    at = [20.0, 22.0, 24.0]
    found = drift(z[inside], score[inside], period[inside], groups=base[inside], tau=0.9, at=at)
    assert [step.log10_compute.tolist() for step in found] == [[22.0, 24.0], [24.0]]
    assert np.isnan(found.p_value)
    assert np.isnan(found.steps[0].low).all()
    drawn = drift(z[inside], score[inside], period[inside], groups=base[inside], tau=0.9, at=[22.0], bootstrap=20)
    assert [step.log10_compute.tolist() for step in drawn] == [[22.0], []]
    assert [len(step.low) for step in drawn] == [1, 0]
    with pytest.raises(UsageError, match="no two successive periods both have models"):
        drift(z[inside], score[inside], period[inside], groups=base[inside], tau=0.9, at=[20.0])


def test_dates_are_split_into_periods():
    z, score, period, _ = bases_over_periods(2, 0.0)
    date = np.array([{"a": "2024-02-03", "b": "2024-05-01", "c": "2024-12-31"}[p] for p in period])
    by_date, by_label = drift(z, score, date=date, tau=0.9), drift(z, score, period, tau=0.9)
    assert by_date.periods == ("2024Q1", "2024Q2", "2024Q4")
    assert [s.shift.tolist() for s in by_date] == [s.shift.tolist() for s in by_label]


@pytest.mark.slow
def test_the_test_of_any_drift_keeps_its_level():
    """Without drift, and with bases that share their height: measured, p < .1 in 14 % of 150 samples."""
    p = []
    for seed in range(60):
        z, score, period, base = bases_over_periods(100 + seed, 0.0, bases=25, each=5)
        p.append(drift(z, score, period, groups=base, tau=0.9, kappa=50, bootstrap=40, seed=seed).p_value)
    assert np.mean(np.array(p) < 0.1) <= 0.2
    assert np.mean(np.array(p) < 0.5) > 0.1  # and it is not blind


def test_a_verdict_names_what_is_wrong():
    z, score, period, base = bases_over_periods(3, 0.0, bases=12)
    found = drift(z, score, period, groups=base, tau=0.98)
    assert found.verdict == "weak"
    assert "of 96 models 1.9 should lie above" in found.reasons[0]
    assert "12 groups" in found.reasons[-1]
    few = drift(z[::8], score[::8], period[::8], tau=0.98)
    assert few.verdict == "not identified"


def test_what_is_printed(planted):
    text = planted.summary()
    assert "a (240 models), b (240 models), c (240 models)" in text
    assert "signed" in text
    assert "pinball" in text  # never coverage alone
    assert "60 cluster bootstrap replicates of 30 groups, seed 1" in text
    table = planted.to_dict()
    json.dumps(table, allow_nan=False)
    assert len(table["steps"]) == len(planted) == 2
    assert table["steps"][1]["shifts"][0]["p"] == pytest.approx(planted.steps[1].p[0])


@pytest.mark.parametrize(
    ("columns", "error", "why"),
    [
        ({}, UsageError, "and not both"),
        ({"period": ["a"] * 4, "date": ["2024-01-01"] * 4}, UsageError, "and not both"),
        ({"period": ["a"] * 4}, InputDataError, "of one period, a"),
        ({"period": ["a", "a", "a", "b"]}, InputDataError, "period b has 1 models"),
    ],
)
def test_what_is_refused(columns, error, why):
    with pytest.raises(error, match=why):
        drift([21, 22, 23, 24], [0.1, 0.2, 0.3, 0.4], **columns)
