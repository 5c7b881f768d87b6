"""A dated boundary held against periods to come: a planted rate pays, and nothing of those periods enters."""

import json

import numpy as np
import pytest

import scaling
from scaling.boundary.drift import backtest_in_time, fit_in_time
from scaling.boundary.evaluation.metrics import pinball
from scaling.errors import InputDataError, UsageError

TAU = 0.95
PERIODS = np.array([f"P{k}" for k in range(6)], object)


@pytest.fixture(scope="module")
def period(models):
    """A period a date."""
    return PERIODS[np.round((models.year - 2023.5) / 0.3).astype(int)]


@pytest.fixture(scope="module")
def found(models, period):
    return backtest_in_time(models.z, models.score, models.year, period, tau=TAU, groups=models.base, seed=7)


def test_each_step_knows_all_models_so_far_and_no_others(models, period, found):
    assert [(step.train, step.test, step.n_train) for step in found] == [
        (f"P{k}", f"P{k + 1}", 160 * (k + 1)) for k in range(1, 5)
    ]
    assert found.notes == ("No step from P0 to P1: all 160 models fitted count as of one date, which tells no rate.",)
    changed = np.where(period == "P5", 1 - models.score, models.score)
    other = backtest_in_time(models.z, changed, models.year, period, tau=TAU, groups=models.base, seed=7)
    assert [step.rate for step in other] == [step.rate for step in found]
    assert [step.out for step in other[:3]] == [step.out for step in found[:3]]
    assert other[3].out["held"].pinball > 2 * found[3].out["held"].pinball


def test_the_trend_that_was_planted_pays(models, found):
    means = {model: values["pinball"] for model, values in found.means.items()}
    assert means["followed"] < 0.5 * means["undated"]
    assert means["followed"] < 0.75 * means["held"] < 0.75 * means["undated"] < means["constant"]
    # Both lie where the last period was, and one date a period leaves the last period nothing to blur.
    assert means["held"] == pytest.approx(means["last_period"], rel=0.05)
    assert [step.rate for step in found[1:]] == pytest.approx([models.rate] * 3, abs=0.12)
    assert abs(found.means["followed"]["coverage"] - TAU) < 0.02
    assert found.means["undated"]["coverage"] < TAU - 0.05


def test_its_numbers_are_those_of_the_boundaries_fitted_by_hand(models, period, found):
    step, known, test = found[3], period < "P5", period == "P5"
    test &= (models.z >= models.z[known].min()) & (models.z <= models.z[known].max())
    z, y, year = models.z[test], models.score[test], models.year[test]
    dated = fit_in_time(models.z[known], models.score[known], models.year[known], tau=TAU)
    undated = scaling.boundary.fit(models.z[known], models.score[known], tau=TAU)
    last = scaling.boundary.fit(models.z[period == "P4"], models.score[period == "P4"], tau=TAU)
    constant = np.full(len(y), np.quantile(models.score[known], TAU))
    forecasts = {
        "held": dated.predict(z, 2024.7),
        "followed": dated.predict(z, year),
        "undated": undated.predict(z),
        "last_period": last.predict(z),
        "constant": constant,
    }
    assert (step.n_scored, step.last_date, step.rate) == (len(z), "2024-09-13", dated.estimates["c"])
    worst = float(np.mean(pinball(y, constant, TAU)))
    for model, boundary in forecasts.items():
        loss = float(np.mean(pinball(y, boundary, TAU)))
        assert step.out[model].pinball == pytest.approx(loss, rel=1e-6)
        assert step.out[model].skill == pytest.approx(1 - loss / worst, rel=1e-6)
        assert step.out[model].coverage == pytest.approx(np.mean(y <= boundary + 1e-9))


def test_it_is_plain_data_rows_and_text(found):
    table = json.loads(json.dumps(found.to_dict()))
    assert (table["tau"], table["seed"], table["least"], table["earliest"]) == (TAU, 7, 20, None)
    assert table["means"]["held"]["pinball"] == pytest.approx(
        np.mean([step["out"]["held"]["pinball"] for step in table["steps"]])
    )
    rows = found.rows()
    assert len(rows) == 20
    assert [row["model"] for row in rows[:5]] == ["held", "followed", "undated", "last_period", "constant"]
    assert rows[0]["pinball"] == found[0].out["held"].pinball
    text = found.summary()
    assert "up to P4 > P5: 800 models fitted" in text
    assert "There are only 2 different dates" in text


def test_periods_are_quarters_and_small_ones_are_no_step(models):
    found = backtest_in_time(models.z, models.score, models.year, tau=TAU)
    assert [(step.train, step.test) for step in found][-1] == ("2024Q3", "2024Q4")
    few = np.arange(len(models.z)) % 160 < 10  # of each period
    kept = (models.year < 2024.3) | (models.year > 2024.5) | few
    thin = backtest_in_time(models.z[kept], models.score[kept], models.year[kept], tau=TAU, least=100, by="quarter")
    assert "Periods of fewer than 100 models, fitted with later ones but no step: 2024Q2" in " ".join(thin.notes)
    [step] = [step for step in thin if step.train == "2024Q3"]
    assert step.n_train == int(np.sum(models.year[kept] < 2024.9))


def test_a_step_with_a_handful_of_models_is_shown_and_not_in_the_means(models, period):
    z = np.where((period == "P3") & (models.base >= 4), 26.0, models.z)  # beyond all compute before
    found = backtest_in_time(z, models.score, models.year, period, tau=TAU)
    assert [(step.test, step.n_scored) for step in found] == [("P2", 160), ("P3", 16), ("P4", 160), ("P5", 160)]
    assert found.notes[-1] == "Not in the means, for so few models to be scored: P2 > P3 (16)."
    losses = [step.out["held"].pinball for step in found if step.test != "P3"]
    assert found.means["held"]["pinball"] == pytest.approx(np.mean(losses))


def test_what_cannot_be_back_tested_says_why(models, period):
    z, y, year = models.z, models.score, models.year
    with pytest.raises(InputDataError, match="all 960 models are of one period, P1"):
        backtest_in_time(z, y, year, np.full(len(z), "P1"), tau=TAU)
    with pytest.raises(InputDataError, match="overlap in their dates"):
        backtest_in_time(z, y, year, np.where(period == "P1", "P4", period), tau=TAU)
    with pytest.raises(InputDataError, match="count as of one date"):
        backtest_in_time(z, y, year, period, tau=TAU, earliest=2024.9)
    with pytest.raises(InputDataError, match="no step from a period to the next"):
        backtest_in_time(z, y, year, period, tau=TAU, least=500)
    with pytest.raises(InputDataError, match="'period' has 3 rows"):
        backtest_in_time(z, y, year, ["P1", "P2", "P3"], tau=TAU)
    with pytest.raises(UsageError, match="there are no bins 'round'"):
        backtest_in_time(z, y, year, period, tau=TAU, bins="round")
