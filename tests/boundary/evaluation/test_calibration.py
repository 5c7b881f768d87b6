import json

import numpy as np
import pytest

from scaling.boundary.evaluation import measure_reliability, recalibrate
from scaling.boundary.evaluation.proper import decompose, isotonic
from scaling.boundary.evaluation.recalibration import METHODS, fit_recalibrator
from scaling.errors import InputDataError, UsageError


def draw(seed, n=4000, bend=1.0):
    """Forecasts whose logits are `bend` times those of the truth."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.05, 0.95, n)
    logit = np.log(truth / (1 - truth))
    return 1 / (1 + np.exp(-bend * logit)), (rng.random(n) < truth).astype(float)


def test_scores_by_hand():
    p, y = np.array([0.8, 0.8, 0.8, 0.8, 0.2, 0.2]), np.array([1.0, 1, 1, 0, 1, 0])
    parts = decompose(p, y, "brier")
    assert parts.score == pytest.approx((3 * 0.04 + 0.64 + 0.64 + 0.04) / 6)
    # Recalibrated: .75 for the first four, .5 for the others.
    assert isotonic(p, y).tolist() == [0.75, 0.75, 0.75, 0.75, 0.5, 0.5]
    best = (3 * 0.0625 + 0.5625 + 0.25 + 0.25) / 6
    assert parts.miscalibration == pytest.approx(parts.score - best)
    assert parts.uncertainty == pytest.approx(4 / 6 * 2 / 6)
    assert parts.discrimination == pytest.approx(4 / 6 * 2 / 6 - best)
    log = decompose(p, y, "log")
    assert log.score == pytest.approx(-(3 * np.log(0.8) + 2 * np.log(0.2) + np.log(0.8)) / 6)


@pytest.mark.parametrize("score", ["brier", "log"])
@pytest.mark.parametrize("bend", [0.3, 1.0, 3.0])
def test_a_score_is_the_sum_of_its_parts(score, bend):
    parts = decompose(*draw(0, bend=bend), score)
    assert parts.score == pytest.approx(parts.miscalibration - parts.discrimination + parts.uncertainty)
    assert min(parts.miscalibration, parts.discrimination) >= 0


def test_right_probabilities_show_what_chance_explains():
    r = measure_reliability(*draw(1), bootstrap=400)
    assert r.p_value > 0.05
    assert r.calibration_error == pytest.approx(r.expected, rel=0.5)
    assert r.low == 0
    assert sum(b.n for b in r.bins) == r.n == 4000
    assert sum(b.low <= b.forecast <= b.high for b in r.bins) >= 7


def test_probabilities_too_sure_of_themselves_are_found_out():
    p, y = draw(2, bend=3)
    r = measure_reliability(p, y, bootstrap=400)
    assert r.p_value < 0.01
    assert r.low > 0.05
    assert r.low < r.calibration_error < r.high
    assert r.brier.miscalibration > 0.01
    assert r.bins[0].forecast < r.bins[0].low
    assert r.bins[-1].forecast > r.bins[-1].high


def test_right_probabilities_are_rarely_called_wrong_though_clusters_move_together():
    """Of 60 clusters with one draw each, that all their 20 forecasts share."""
    wrong = {"clusters": 0, "single": 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        of = np.repeat(np.arange(60), 20)
        p = rng.uniform(0.1, 0.9, 60)[of]
        y = (rng.random(60)[of] < p).astype(float)
        wrong["clusters"] += measure_reliability(p, y, of, bootstrap=200).p_value <= 0.1
        wrong["single"] += measure_reliability(p, y, bootstrap=200).p_value <= 0.1
    assert wrong["clusters"] <= 12  # of 60 at 10 %: more happen once in 100 times
    assert wrong["single"] > 50


def test_bars_are_as_wide_as_clusters_make_them():
    of = np.repeat(np.arange(40), 25)
    rng = np.random.default_rng(0)
    p = np.full(1000, 0.5)
    y = (rng.random(40)[of] < 0.5).astype(float)
    narrow, wide = measure_reliability(p, y, bootstrap=0).bins, measure_reliability(p, y, of, bootstrap=0).bins
    assert len(narrow) == len(wide) == 1  # the same probability is never parted
    ratio = (wide[0].high - wide[0].low) / (narrow[0].high - narrow[0].low)
    assert ratio == pytest.approx(5, rel=0.1)  # the root of 25


def test_it_repeats_and_leaves_as_plain_data():
    p, y = draw(3, 500)
    one, two = (measure_reliability(p, y, bootstrap=50, seed=4) for _ in range(2))
    assert one == two
    assert one != measure_reliability(p, y, bootstrap=50, seed=5)
    table = json.loads(json.dumps(one.to_dict(), allow_nan=False))
    assert table["brier"]["score"] == one.brier.score
    assert "Brier score" in one.summary()
    assert "right probabilities would show" in str(one)


def test_bad_forecasts_are_refused():
    with pytest.raises(InputDataError, match="2 probability values of 3 lie outside"):
        measure_reliability([0.5, 1.2, np.nan], [0, 1, 1])
    with pytest.raises(InputDataError, match="0 or 1"):
        measure_reliability([0.5, 0.2], [0, 0.5])
    with pytest.raises(InputDataError, match="one length"):
        measure_reliability([0.5, 0.2], [0])


@pytest.mark.parametrize("method", ["platt", "beta", "isotonic"])
def test_recalibrators_undo_what_bends_probabilities(method):
    p, y = draw(5, bend=2.5)
    to, came = draw(6, bend=2.5)
    right, _ = draw(6)
    put = fit_recalibrator(method, p, y)(to)
    assert np.abs(put - right).mean() < 0.03 < np.abs(to - right).mean()
    assert (np.diff(put[np.argsort(to)]) >= -1e-12).all()
    assert ((put >= 0) & (put <= 1)).all()
    assert np.mean((put - came) ** 2) < np.mean((to - came) ** 2)


def test_recalibration_helps_where_probabilities_are_wrong_in_the_same_way():
    made = [draw(seed, 1500, bend=3) for seed in (1, 2, 3)]
    p, y = (np.concatenate(c) for c in zip(*made, strict=True))
    r = recalibrate(p, y, np.repeat(["P1", "P2", "P3"], 1500))
    assert [s.test for s in r.steps] == ["P2", "P3"]
    assert [s.n_fit for s in r.steps] == [1500, 3000]
    assert all(s.helped == "helped" and s.method != "none" for s in r.steps)
    assert r.gain > 0.005
    np.testing.assert_array_equal(r.probability[:1500], p[:1500])
    assert r.to_dict()["steps"][0]["helped"] == "helped"


def test_probabilities_that_are_right_are_left_nearly_alone():
    made = [draw(seed, 1500) for seed in (1, 2, 3)]
    p, y = (np.concatenate(c) for c in zip(*made, strict=True))
    r = recalibrate(p, y, np.repeat([1, 2, 3], 1500))
    assert abs(r.gain) < 0.002
    assert "no difference to be seen" in r.summary()


def test_what_comes_later_teaches_nothing():
    p, y = draw(7, 900, bend=2)
    period, other = np.repeat([1, 2, 3], 300), y.copy()
    other[period == 3] = 1 - other[period == 3]
    one, two = recalibrate(p, y, period), recalibrate(p, other, period)
    np.testing.assert_array_equal(one.probability, two.probability)
    assert one.steps[0] == two.steps[0]
    assert one.steps[1].brier_after != two.steps[1].brier_after


def test_what_recalibration_refuses():
    with pytest.raises(UsageError, match="no recalibration 'spline'"):
        recalibrate([0.5, 0.5], [0, 1], [1, 2], methods=["spline"])
    with pytest.raises(InputDataError, match="of one period"):
        recalibrate([0.5, 0.5], [0, 1], [1, 1])
    with pytest.raises(InputDataError, match="'period' has 1 rows"):
        recalibrate([0.5, 0.5], [0, 1], [1])
    assert set(METHODS) == {"none", "platt", "beta", "isotonic"}
