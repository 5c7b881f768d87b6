"""The boundary that a year moves: its rate comes back, and it says when it cannot."""

import json

import numpy as np
import pytest

import scaling
from scaling.boundary.drift import fit_in_time
from scaling.boundary.drift.law import draws, law_in_time
from scaling.errors import InputDataError, UsageError
from scaling.fitting.objective import Objective
from scaling.results import Fit


@pytest.fixture(scope="module")
def fitted(models):
    return fit_in_time(models.z, models.score, models.year, tau=0.95, groups=models.base, bootstrap=60, seed=3)


def test_the_rate_comes_back(models, fitted):
    gain = fitted.gain()
    assert gain.orders == pytest.approx(models.rate, abs=0.06)
    assert gain.low < models.rate < gain.high
    assert gain.high - gain.low < 0.4
    assert gain.factor == 10**gain.orders
    assert gain.doubling_years == pytest.approx(np.log10(2) / gain.orders)
    assert gain.doubling_interval == pytest.approx((np.log10(2) / gain.high, np.log10(2) / gain.low))
    assert gain.told_apart
    assert fitted.verdict == "ok"
    assert fitted.n_above == pytest.approx(0.05 * fitted.n_obs, abs=6)


def test_the_boundary_lies_at_the_quantile_of_each_date(models, fitted):
    """Scores are even between half of the top and the top, so 95 % lie below .975 of it."""
    for year in (2023.5, 2024.25, 2025.0):
        z = np.linspace(21.5, 24.5, 7)
        assert fitted.predict(z, year) == pytest.approx(0.975 * models.top(z, year), abs=0.02)


def test_the_band_holds_the_truth_and_knows_how_far_it_reaches(models, fitted):
    z = np.linspace(21.5, 24.5, 7)
    band = fitted.predict(z, "2024-10-01", level=0.9)
    truth = 0.975 * models.top(z, 2024.75)
    assert np.mean((band.low <= truth) & (truth <= band.high)) >= 5 / 7
    assert np.all(band.high - band.low > 0.002)
    late = fitted.predict(26.0, 2026.0, level=0.9)
    assert late.years_beyond == pytest.approx(1.0)
    assert late.extrapolation_factor == pytest.approx(10 ** (26 - models.z.max()))
    assert late.verdict.startswith("extrapolating x")
    assert "60 cluster bootstrap replicates, seed 3" in late.method


def test_the_last_date_can_be_held(fitted):
    z = np.array([22.0, 24.0])
    assert np.array_equal(fitted.predict(z, 2026.0, hold=True), fitted.predict(z, 2025.0))
    assert np.all(fitted.predict(z, 2026.0) > fitted.predict(z, 2025.0))
    assert fitted.predict(22.0, 2026.0, level=0.9, hold=True).years_beyond == 0


def test_the_origin_changes_no_prediction(models, fitted):
    other = fit_in_time(models.z, models.score, models.year, tau=0.95, groups=models.base, origin="middle")
    assert other.origin == np.median(models.year)
    assert other.estimates["c"] == pytest.approx(fitted.estimates["c"], abs=1e-3)
    z = np.linspace(21, 25, 9)
    assert other.predict(z, 2024.1) == pytest.approx(fitted.predict(z, 2024.1), abs=1e-4)
    assert other.fit.law.formula.count("2024.25") == 1


def test_a_year_moves_the_curve_by_c(fitted):
    c = fitted.estimates["c"]
    assert fitted.predict(23.0, 2025.0) == pytest.approx(fitted.predict(23.0 + c / 2, 2024.5), rel=1e-12)
    between = fitted.gain_between(2024.0, 2024.5)
    assert between.orders == pytest.approx(c / 2)
    assert (between.low, between.high) == pytest.approx((fitted.gain().low / 2, fitted.gain().high / 2))
    assert "a year" not in str(between)


def test_the_inverse_is_that_of_the_date(fitted):
    found = fitted.invert(0.5, 2024.0)
    assert fitted.predict(found.log10_compute, 2024.0) == pytest.approx(0.5, abs=1e-12)
    assert found.low < found.log10_compute < found.high
    assert found.log10_compute - fitted.invert(0.5, 2025.0).log10_compute == pytest.approx(fitted.estimates["c"])
    assert fitted.invert(0.99, 2024.0).status == "unreachable"


def test_early_dates_can_count_as_one(models):
    first = fit_in_time(models.z, models.score, models.year, tau=0.95, earliest=2024.25)
    assert np.array_equal(first.predict([23.0], 2023.5), first.predict([23.0], 2024.25))
    assert first.fit.law.formula.count("max(year, 2024.25)") == 1
    assert first.objective_value != fit_in_time(models.z, models.score, models.year, tau=0.95).objective_value
    with pytest.raises(UsageError, match="older than the earliest"):
        fit_in_time(models.z, models.score, models.year, earliest=2025.0)


def test_it_is_an_ordinary_fit(models, fitted):
    again = Fit.from_dict(json.loads(json.dumps(fitted.fit.to_dict())))
    inputs = {"C": 10.0 ** np.array([21.5, 24.0]), "year": np.array([2024.0, 2025.5])}
    expected = fitted.predict([21.5, 24.0], [2024.0, 2025.5])
    assert again.evaluate(inputs)[0] == pytest.approx(expected, abs=1e-6)
    assert again.law.sql(again.estimates, {"C": "c", "year": "y"}).count("y") >= 1
    assert again.interval("c", 0.9) == pytest.approx((fitted.gain().low, fitted.gain().high))
    assert again.objective_value / again.n_obs <= fitted.objective_value + 1e-9


def test_replicates_are_those_of_the_engine(models, fitted):
    """The same draws, solved to the same optimum, faster."""
    few = fit_in_time(models.z, models.score, models.year, tau=0.95, groups=models.base, bootstrap=6, seed=3, kappa=50)
    start = [dict(zip(few.fit.law.parameter_names, few.optimum.theta.tolist(), strict=True))]
    engine = scaling.fit(
        law_in_time(), {"C": 10.0**models.z, "year": models.year}, models.score,
        objective=Objective("pinball", "linear", tau=0.95, kappa=50.0), penalty={"b": (0.0, few.settings.ridge)},
        groups=models.base, start=start, bootstrap=6, seed=3,
    )  # fmt: skip
    assert few.fit.replicates[:, 4] == pytest.approx(engine.replicates[:, 4], abs=2e-3)
    assert np.ptp(few.fit.replicates[:, 4]) > 0.02
    assert draws(few.scores, 6, 3).sum(axis=1).tolist() == [24 * 40] * 6


def test_replicates_do_not_depend_on_how_many_are_drawn(models, fitted):
    few = fit_in_time(models.z, models.score, models.year, tau=0.95, groups=models.base, bootstrap=4, seed=3)
    assert np.array_equal(few.fit.replicates, fitted.fit.replicates[:4])


@pytest.mark.parametrize("preset", [None, "zhang2026"])
def test_one_date_is_not_identified(models, preset):
    kept = models.year == 2025.0
    b = fit_in_time(models.z[kept], models.score[kept], models.year[kept], preset=preset)
    assert b.verdict == "not identified"
    assert any("one date" in reason for reason in b.reasons)


def test_dates_that_go_with_compute_are_not_identified(models):
    b = fit_in_time(models.z, models.score, 2024 + (models.z - 23) / 4, tau=0.95)
    assert b.verdict == "not identified"
    assert any("more compute (correlation 1)" in reason for reason in b.reasons)


def test_few_dates_and_short_spans_are_weak(models):
    b = fit_in_time(models.z, models.score, np.where(models.year > 2024.2, 2024.3, 2024.0), tau=0.95)
    assert b.verdict == "weak"
    assert [r for r in b.reasons if "2 different dates" in r]
    assert [r for r in b.reasons if "3.6 months" in r]


def test_a_boundary_that_is_flat_has_no_rate(models):
    b = fit_in_time(models.z, np.full(len(models.z), 0.4), models.year)
    assert b.verdict == "not identified"


def test_what_is_printed(fitted):
    text = fitted.summary()
    assert "from 2023-07-02 to 2024-12-31" in text
    assert "verdict: ok" in text
    assert str(fitted.gain()) in text
    table = fitted.to_dict()
    json.dumps(table, allow_nan=False)
    assert table["gain"]["orders"] == fitted.gain().orders
    assert table["seed"] == 3
    assert table["origin"] == "2024-10-01"


def test_without_replicates_there_is_no_interval(models):
    b = fit_in_time(models.z, models.score, models.year, tau=0.95)
    assert np.isnan(b.gain().low)
    assert "interval" not in str(b.gain())
    with pytest.raises(UsageError, match="bootstrap replicates"):
        b.predict(23.0, 2024.0, level=0.9)
    with pytest.raises(UsageError, match="2 dates for 3"):
        b.predict([22, 23, 24], [2024.0, 2025.0])
    with pytest.raises(UsageError, match="no spread"):
        fit_in_time(models.z, models.score, models.year, bootstrap=1)
    with pytest.raises(InputDataError, match="share one group"):
        fit_in_time(models.z, models.score, models.year, groups=np.zeros(len(models.z)), bootstrap=10)


@pytest.mark.slow
def test_intervals_of_the_rate_cover(models):
    """Bases with heights and dates of their own: 90 % intervals hold the truth in 31 or more of 40 samples."""
    held = []
    for seed in range(40):
        rng = np.random.default_rng(700 + seed)
        z = rng.uniform(21, 25, 40)[models.base]
        year = np.clip(models.year + rng.uniform(-0.3, 0.3, 40)[models.base], 2023.3, 2025.2)
        share = rng.uniform(0.5, 1, len(z)) * rng.uniform(0.8, 1, 40)[models.base]
        b = fit_in_time(z, models.top(z, year) * share, year, tau=0.95, groups=models.base, bootstrap=40, seed=seed)
        held.append(b.gain().low < models.rate < b.gain().high)
    assert sum(held) >= 31
    assert b.gain().high - b.gain().low < 0.25  # and do not do so by being wide
