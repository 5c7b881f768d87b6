import json

import numpy as np
import pytest

import scaling
from scaling.boundary.evaluation.baselines import NAMES
from scaling.boundary.evaluation.periods import split_periods
from scaling.boundary.evaluation.result import FORECAST, PLAIN, combine
from scaling.errors import InputDataError, UsageError
from tests.boundary.conftest import clustered

FEW = ("constant", "one")


@pytest.fixture(scope="module")
def models():
    """Three periods, each better than the one before by .04; 30 base models in each."""
    rng = np.random.default_rng(5)
    base = np.repeat(np.arange(90), 10)
    z = np.repeat(rng.uniform(21, 25, 90), 10)
    period = np.repeat(["P1", "P2", "P3"], 300)
    reach = 0.1 + 0.5 / (1 + np.exp(-1.5 * (z - 23))) + 0.04 * np.repeat([0, 1, 2], 300)
    y = reach * (1 - 0.05 * np.abs(np.repeat(rng.normal(size=90), 10))) * rng.uniform(0.7, 1, 900)
    return z, y, period, base


@pytest.fixture(scope="module")
def made(models):
    z, y, period, base = models
    return scaling.boundary.backtest(z, y, period, tau=0.9, groups=base)


def test_a_row_a_step(made):
    assert len(made) == 2
    assert [(row.train, row.test) for row in made] == [("P1", "P2"), ("P2", "P3")]
    row = made[0]
    assert row.n_train == row.n_test == 300
    assert 0 < row.n_common <= 300
    assert row.pinball == row["pinball"] == row.out[FORECAST].pinball
    assert {"pinball", "coverage", "skill", "smoothed_pinball", "coverage_error"} <= set(row.keys())
    assert dict(row)["coverage"] == row.coverage
    with pytest.raises(KeyError):
        row["loss"]
    with pytest.raises(AttributeError):
        row.loss  # noqa: B018


def test_the_forecast_is_the_boundary_with_a_margin(models, made):
    z, y, period, _ = models
    for row, (before, after) in zip(made, (("P1", "P2"), ("P2", "P3")), strict=True):
        train, test = period == before, period == after
        b = scaling.boundary.fit(z[train], y[train], tau=0.9)
        common = test & (z >= z[train].min()) & (z <= z[train].max())
        q = b.predict(z[common]) + row.margin
        away = y[common] - q
        assert row.n_common == common.sum()
        assert row.pinball == pytest.approx(np.mean(np.where(away > 0, 0.9, -0.1) * away), abs=1e-9)
        assert row.coverage == pytest.approx(np.mean(y[common] <= q + 1e-9))
        constant = y[common] - np.quantile(y[train], 0.9)
        assert row.skill == pytest.approx(1 - row.pinball / np.mean(np.where(constant > 0, 0.9, -0.1) * constant))


def test_the_margin_learns_what_the_last_step_gained(made):
    first, second = made
    # Within a period little is to be learned of the next; the second step knows that the first one gained .04.
    assert second.margin > first.margin + 0.01
    assert abs(second.signed_coverage_error) < abs(second.out[PLAIN].signed_coverage_error)
    assert second.pinball < second.out[PLAIN].pinball


def test_nothing_of_the_period_to_come_enters_the_forecast(models, made):
    z, y, period, base = models
    rng = np.random.default_rng(0)
    other = y.copy()
    other[period == "P3"] = rng.uniform(0, 1, 300)
    again = scaling.boundary.backtest(z, other, period, tau=0.9, groups=base, baselines=FEW)
    assert [row.margin for row in again] == [row.margin for row in made]
    assert again[0].pinball == made[0].pinball
    assert again[1].pinball != made[1].pinball


def test_the_margin_of_the_last_period_is_that_of_a_fit_of_it(models, made):
    from scaling.boundary.data import read_scores
    from scaling.boundary.margin import learn_margin

    z, y, period, base = models
    known = period <= "P2"
    last = period == "P2"
    b = scaling.boundary.fit(z[last], y[last], tau=0.9, groups=base[last])
    history = read_scores(z[known], y[known], base[known], period[known])
    margin = learn_margin(b.scores, b.settings, 0, history)
    assert set(margin.parts) == {"left out", "P1 > P2"}
    assert made[1].margin == pytest.approx(margin.value, abs=1e-12)


def test_the_height_of_a_margin_is_a_conformal_rank():
    from scaling.boundary.margin import _height

    away = np.arange(1, 100) / 100  # of 99 and one more to come, the 98th of 100 ranks
    assert _height(away[::-1], 0.98) == 0.98
    assert _height(np.arange(1, 50) / 100, 0.98) == 0.49  # of so few, the largest
    assert _height(-away, 0.5) == 0  # it never lowers a boundary


def test_models_of_one_compute_are_left_out_together_where_no_groups_are_given(models):
    z, y, period, base = models  # the models of a base share its compute
    with_groups = scaling.boundary.backtest(z, y, period, tau=0.9, groups=base, baselines=FEW)
    without = scaling.boundary.backtest(z, y, period, tau=0.9, baselines=FEW)
    assert [r.margin for r in without] == pytest.approx([r.margin for r in with_groups], abs=0.01)
    assert without[0].pinball_se < with_groups[0].pinball_se


def test_cumulative(models):
    z, y, period, base = models
    made = scaling.boundary.backtest(z, y, period, tau=0.9, groups=base, mode="cumulative", baselines=FEW)
    assert [(r.train, r.n_train) for r in made] == [("up to P1", 300), ("up to P2", 600)]
    b = scaling.boundary.fit(z[:600], y[:600], tau=0.9)
    common = (period == "P3") & (z >= z[:600].min()) & (z <= z[:600].max())
    assert made[1].out[PLAIN].coverage == pytest.approx(np.mean(y[common] <= b.predict(z[common]) + 1e-9))


def test_without_a_margin_the_forecast_is_the_boundary(models):
    z, y, period, _ = models
    made = scaling.boundary.backtest(z, y, period, tau=0.9, preset="zhang2026", margin=False, baselines=["zhang2026"])
    for row in made:
        assert row.margin == 0
        assert row.out[FORECAST].to_dict() == row.out[PLAIN].to_dict()
        assert row.pinball == pytest.approx(row.out["zhang2026"].pinball, abs=1e-9)


def test_the_summary_shows_every_model_by_a_proper_score(made):
    text = made.summary()
    assert "P1 > P2: 300 models fitted" in text
    for name in made.models:
        line = next(line for line in text.splitlines() if line.startswith(f"{NAMES.get(name, name)}  "))
        assert f"{made.means[name]['pinball']:.5f}" in line
        assert f"{made.means[name]['coverage_error']:.4f}" in line
    assert "Compare by the pinball loss." in text
    assert made.within["one"]["coverage"] == 1


def test_it_leaves_as_plain_data(made):
    table = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert table["rows"][1]["out"]["linear"]["pinball"] == made[1].out["linear"].pinball
    assert table["means"][FORECAST]["skill"] == pytest.approx(np.mean([r.skill for r in made]))
    assert table["tau"] == 0.9
    assert table["seed"] == 0


def test_several_tasks(models, made):
    z, y, period, base = models
    other = scaling.boundary.backtest(z, y**2, period, tau=0.9, groups=base)
    both = combine({"A": made, "B": other})
    assert len(both) == 4
    assert both[2].train == "B: P1"
    assert both.means["one"]["pinball"] == pytest.approx(
        (made.means["one"]["pinball"] + other.means["one"]["pinball"]) / 2
    )
    with pytest.raises(UsageError, match="'B' differs"):
        combine({"A": made, "B": scaling.boundary.backtest(z, y, period, tau=0.95, baselines=FEW)})
    with pytest.raises(InputDataError, match="no back-test"):
        combine({})


def test_periods_made_from_dates(models):
    z, y, period, _ = models
    date = np.select([period == "P1", period == "P2"], ["2024-05-01", "2024-08-01"], "2024-11-01").astype(object)
    date[:3] = None
    by_date = scaling.boundary.backtest(z, y, split_periods(date), tau=0.9, baselines=FEW)
    assert by_date[0].n_train == 297
    assert by_date.notes == ("Left out 3 models of 900 whose period or date is missing.",)
    quarters = scaling.boundary.backtest(z[3:], y[3:], date[3:].astype("datetime64[D]"), tau=0.9, baselines=FEW)
    assert [r.test for r in quarters] == ["2024Q3", "2024Q4"]
    assert quarters[1].pinball == by_date[1].pinball


def test_what_cannot_be_tested_is_refused(models):
    z, y, period, _ = models
    with pytest.raises(InputDataError, match="are of one period, P1"):
        scaling.boundary.backtest(z[:300], y[:300], period[:300])
    with pytest.raises(InputDataError, match=r"no step .* lies within the compute of P1"):
        scaling.boundary.backtest(np.r_[z[:300], z[:300] + 9], np.r_[y[:300], y[:300]], period[:600])
    with pytest.raises(InputDataError, match="do not sort"):
        scaling.boundary.backtest(z[[0, 10]], y[[0, 10]], np.array([1, "a"], object))
    with pytest.raises(UsageError, match="no mode 'rolling'"):
        scaling.boundary.backtest(z, y, period, mode="rolling")
    with pytest.raises(UsageError, match="no baseline 'gam'"):
        scaling.boundary.backtest(z, y, period, baselines=["gam"])
    with pytest.raises(UsageError, match="no bins 'fixed'"):
        scaling.boundary.backtest(z, y, period, bins="fixed")


def test_a_period_of_one_compute_is_passed_over_and_said(models):
    z, y, period, _ = models
    flat = np.where(period == "P2", 23.0, z)
    made = scaling.boundary.backtest(flat, y, period, tau=0.9, baselines=FEW)
    assert [r.test for r in made] == ["P2"]
    assert any("all 300 models fitted have the same compute" in note for note in made.notes)


def test_a_step_with_a_few_models_is_shown_and_not_in_the_means():
    z, y, base = clustered(0)
    period = np.where(np.arange(len(z)) % 2 == 0, "P1", "P2").astype(object)
    period[np.arange(len(z)) % 72 == 1] = "P3"  # five of 360
    found = scaling.boundary.backtest(z, y, period, tau=0.9, groups=base)
    assert [row.n_common for row in found] == [int(np.sum(period == "P2")), 5]
    assert found.means["boundary"]["pinball"] == found[0].pinball
    assert found.notes[-1] == "Not in the means, for so few models to be scored: P2 > P3 (5)."
    alone = scaling.boundary.backtest(z[period != "P1"], y[period != "P1"], period[period != "P1"], tau=0.9)
    assert alone.means["boundary"]["pinball"] == alone[0].pinball
