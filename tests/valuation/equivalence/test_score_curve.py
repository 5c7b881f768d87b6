"""How many random examples a score is worth: curves with a known inverse, ends, and intervals that hold."""

import json
import math

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation import make_objective, random_score_curve, score_curve_of

SIZES = np.repeat([10, 20, 40, 80, 160, 320], 12)


def test_a_curve_without_scatter_is_read_backwards():
    curve = random_score_curve(lambda s: math.log(len(s)), n=1000, draws=2)
    assert list(curve.sizes) == [4, 9, 19, 43, 94, 206, 454, 1000]
    for n in (5, 30, 200, 999):
        assert curve.worth(math.log(n)).size == pytest.approx(n, rel=1e-6)
    falling = random_score_curve(lambda s: 3 - math.log(len(s)), n=1000, draws=2)
    assert not falling.rising
    assert falling.worth(3 - math.log(30)).size == pytest.approx(30, rel=1e-6)


def test_the_mean_of_facility_location_over_random_subsets_gives_back_their_size():
    objective = make_objective("facility_location", np.random.default_rng(0).standard_normal((400, 8)))
    fresh = np.random.default_rng(9)
    mean = np.mean([objective.score_of(fresh.choice(400, 60, replace=False)) for _ in range(300)])
    held = 0
    for seed in range(10):
        found = random_score_curve(objective, draws=15, seed=seed).worth(mean, level=0.95, bootstrap=100)
        assert found.size == pytest.approx(60, rel=0.05)
        assert found.interval[1] / found.interval[0] < 1.15
        held += found.interval[0] < 60 < found.interval[1]
    assert held >= 8  # 9.5 expected


def test_beyond_the_curve_is_said():
    curve = random_score_curve(lambda s: math.sqrt(len(s)), n=400, draws=2)
    above, below, inside = curve.worth(21), curve.worth(1), curve.worth(10)
    assert (above.size, above.beyond, above.interval) == (math.inf, "above", (math.inf, math.inf))
    assert "is worth more than 400 random examples" in repr(above)
    assert (below.size, below.beyond) == (0, "below")
    assert "is worth fewer than 4 random examples" in repr(below)
    assert inside.beyond is None
    assert "is worth about 100 random examples" in repr(inside)
    assert json.loads(json.dumps(above.to_dict(), allow_nan=False))["size"] == "inf"


def test_an_interval_may_reach_beyond_the_curve_where_the_estimate_does_not():
    rng = np.random.default_rng(0)
    curve = score_curve_of(SIZES, np.log(SIZES) + 0.5 * rng.standard_normal(len(SIZES)))
    found = curve.worth(float(curve.monotone[-1]) - 0.05)
    assert found.size < 320
    assert found.interval[1] == math.inf
    assert "to more than 320" in repr(found)


@pytest.mark.slow
def test_intervals_hold_the_size():
    hits = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        curve = score_curve_of(SIZES, np.log(SIZES) + 0.3 * rng.standard_normal(len(SIZES)), seed=seed)
        low, high = curve.worth(math.log(60), level=0.9, bootstrap=80).interval
        hits += low <= 60 <= high
    assert 82 <= hits <= 97  # 90 of 100 expected


def test_the_error_of_the_score_widens_the_interval():
    curve = score_curve_of(SIZES, np.log(SIZES) + 0.05 * np.random.default_rng(0).standard_normal(len(SIZES)))
    exact, measured = curve.worth(math.log(60)), curve.worth(math.log(60), error=0.2)
    assert measured.size == exact.size
    assert math.log(measured.interval[1] / measured.interval[0]) == pytest.approx(2 * 1.96 * 0.2, rel=0.2)
    assert math.log(exact.interval[1] / exact.interval[0]) < 0.2


def test_means_that_go_astray_are_made_monotone_and_level_stretches_have_one_size():
    curve = score_curve_of([1, 1, 10, 10, 100, 100, 1000, 1000], [0, 0, 3, 3, 1, 1, 4, 4])
    np.testing.assert_allclose(curve.monotone, [0, 2, 2, 4])
    assert curve.worth(2).size == pytest.approx(10**1.5)  # the middle of the level stretch, in logarithms
    assert 1 < curve.worth(1).size < 10**1.5 < curve.worth(3).size < 1000


def test_draws_are_seeded_and_do_not_depend_on_jobs():
    weights = np.random.default_rng(0).random(200)
    one, two, other = (
        random_score_curve(lambda s: float(weights[s].sum()), n=200, jobs=j, seed=s)
        for j, s in ((1, 0), (3, 0), (1, 1))
    )
    assert one.to_dict() == two.to_dict()
    assert one.worth(20).to_dict() == two.worth(20).to_dict()
    assert one.to_dict() != other.to_dict()
    assert len(one.scores[-1]) == 1, "of all candidates there is one set"
    assert "200  mean" in repr(one)


def test_classes_are_kept_even():
    labels = np.repeat([0, 1], [30, 170])
    curve = random_score_curve(
        lambda s: float(np.sum(labels[s] == 0)), n=200, sizes=[10, 20, 40], labels=labels, draws=3
    )
    np.testing.assert_array_equal(curve.means, [5, 10, 20])


def test_what_has_no_curve_is_refused():
    with pytest.raises(InputDataError, match="whatever their size"):
        random_score_curve(lambda s: 1.0, n=100)
    with pytest.raises(InputDataError, match="2 sizes; a curve needs 3"):
        random_score_curve(lambda s: float(len(s)), n=100, sizes=[5, 50])
    with pytest.raises(InputDataError, match="is nan"):
        random_score_curve(lambda s: math.nan, n=100)
    with pytest.raises(UsageError, match="no random subset of 200"):
        random_score_curve(lambda s: float(len(s)), n=100, sizes=[5, 50, 200])
    with pytest.raises(UsageError, match="1 draw of a size"):
        random_score_curve(lambda s: float(len(s)), n=100, draws=1)
    curve = score_curve_of(SIZES, np.log(SIZES))
    with pytest.raises(UsageError, match="lies on no curve"):
        curve.worth(math.nan)
    with pytest.raises(UsageError, match="lies on no curve"):
        curve.worth(2, error=-1)
