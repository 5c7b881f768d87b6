"""Designs held against random choice at equal cost."""

import json

import numpy as np
import pytest

import scaling.boundary
from scaling.boundary.design import choose_models, compare_designs
from scaling.boundary.design.comparison import MEASURES, Measure
from scaling.errors import InputDataError, UsageError
from tests.boundary.design.pools import pool


@pytest.fixture(scope="module")
def compared():
    z, cost, y, base = pool(300, 40)
    later, _, theirs, _ = pool(200, 30, seed=4)
    return compare_designs(
        z, cost, y, 0.2, preset="zhang2026", groups=base, test_log10_compute=later, test_score=theirs, draws=4, seed=9
    )


def _flat(z, y):
    """The boundary of some models, flat beyond their compute."""
    fitted = scaling.boundary.fit(z, y, preset="zhang2026")
    return lambda at: np.asarray(fitted.predict(np.clip(at, z.min(), z.max())))


def test_measures_are_those_of_boundaries_fitted_to_the_chosen_models(compared):
    z, cost, y, _ = pool(300, 40)
    later, _, theirs, _ = pool(200, 30, seed=4)
    seed = int(np.random.SeedSequence(9).spawn(4)[2].generate_state(1)[0])
    full = scaling.boundary.fit(z, y, preset="zhang2026")
    for name in ("stratified", "random", "i_optimal", "d_optimal"):
        rows = choose_models(z, cost, 0.2, name, seed=seed).chosen
        flat = _flat(z[rows], y[rows])

        values = {m: v[2] for m, v in compared.trial(name).values.items()}
        grid = np.linspace(z.min(), z.max(), 400)
        assert values["curve"] == pytest.approx(np.abs(flat(grid) - full.predict(grid)).mean(), abs=1e-7)
        assert values["curve_at_data"] == pytest.approx(np.abs(flat(z) - full.predict(z)).mean(), abs=1e-7)
        for place, at, score in (("in", z, y), ("out", later, theirs)):
            away = score - flat(at)
            exact = np.mean(np.where(away > 0, 0.98 * away, -0.02 * away))
            smooth = np.mean(np.log1p(np.exp(50 * away)) / 50 - 0.02 * away)
            assert values[f"pinball_{place}"] == pytest.approx(exact, abs=1e-7)
            assert values[f"smoothed_{place}"] == pytest.approx(smooth, abs=1e-7)
            assert 0 <= values[f"coverage_{place}"] < 0.5


def test_random_always_stands_beside_and_differences_are_from_it(compared):
    z, cost, y, _ = pool(300, 40)
    alone = compare_designs(z, cost, y, 0.2, preset="zhang2026", designs=("d_optimal",), draws=4, seed=9)
    assert [t.name for t in alone.trials] == ["d_optimal", "random"]
    assert alone.test_models == 0
    assert {m.name for m in alone.trials[0].measures} == {m for m in MEASURES if not m.endswith("_out")}
    for name in ("curve", "coverage_in"):
        m, r = (alone.trial(t).measure(name) for t in ("d_optimal", "random"))
        assert m.difference == pytest.approx(m.mean - r.mean)
        assert m.difference_se == pytest.approx(np.hypot(m.se, r.se))
        draws = np.array(alone.trial("random").values[name])
        assert r.se == pytest.approx(draws.std(ddof=1) / 2)
        assert compared.trial("d_optimal").measure(name).mean == m.mean
    assert alone.trial("random").measure("curve").against_random == "no clear difference"


def test_equal_cost_and_what_is_said(compared):
    assert compared.models == 300
    assert compared.test_models == 200
    for trial in compared.trials:
        assert trial.share == pytest.approx(0.2, abs=0.005)
    best = min(compared.trials, key=lambda t: t.measure("curve").mean).name
    assert compared.best("curve") == best
    assert best in compared.verdict.splitlines()[0]
    assert "stratified " in compared.trial("stratified").sentence()
    data = json.loads(json.dumps(compared.to_dict(), allow_nan=False))
    assert data["trials"][0]["measures"][0]["against_random"] in ("better", "worse", "no clear difference")
    assert len(compared.rows()) == 4 * 8
    assert "20 % of what 300 models cost" in repr(compared)


@pytest.mark.parametrize(
    ("difference", "se", "verdict"),
    [
        (-0.021, 0.01, "better"),
        (0.021, 0.01, "worse"),
        (-0.019, 0.01, "no clear difference"),
        (0, 0, "no clear difference"),
    ],
)
def test_two_standard_errors_make_a_difference(difference, se, verdict):
    assert Measure("curve", 0.1, 0.01, 0.0, difference, se).against_random == verdict


def test_where_scores_scatter_below_one_sigmoid_the_published_design_beats_random():
    """Its assumptions hold here; on public tables it loses (docs/evaluation_design.md)."""
    z, cost, y, _ = pool(600, 60)
    found = compare_designs(z, cost, y, 0.05, preset="zhang2026", draws=8, designs=("i_optimal",))
    assert found.trial("i_optimal").measure("curve").against_random == "better"
    assert "i_optimal is better than random at the curve over log compute (0.00" in found.verdict


def test_settings_reach_a_design_and_models_without_a_score_are_left_out():
    z, cost, y, base = pool(300, 40)
    y = y.copy()
    y[:10] = np.nan
    found = compare_designs(
        z,
        cost,
        y,
        0.2,
        draws=2,
        groups=base,
        preset="zhang2026",
        designs=("random",),
        settings={"random": {"fill": False}},
    )
    assert found.models == 290
    assert "Left out 10 models" in found.notes[0]
    filled = compare_designs(z, cost, y, 0.2, draws=2, preset="zhang2026", designs=("random",))
    assert found.trial("random").models < filled.trial("random").models


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"designs": ("best",)}, UsageError, "no design 'best'"),
        ({"settings": {"best": {}}}, UsageError, "no design 'best'"),
        ({"draws": 1}, UsageError, "2 draws"),
        ({"test_score": [0.5]}, UsageError, "both"),
        ({"cost": [1.0]}, InputDataError, "'cost'"),
        ({"groups": ["a"]}, InputDataError, "'groups'"),
        ({"budget": 1.1}, UsageError, "whole pool"),
        ({"tau": 2}, UsageError, "tau"),
        ({"cost": None, "budget": 1 / 240}, InputDataError, "one compute"),
    ],
)
def test_what_cannot_be_compared_is_refused(change, error, words):
    z, cost, y, _ = pool()
    with pytest.raises(error, match=words):
        compare_designs(**({"log10_compute": z, "cost": cost, "score": y} | change))
