"""Random subsets: their exact moments, their classes, seeds that do not depend on jobs, and the bound."""

import json
import math
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation import make_objective, random_band
from scaling.valuation.appraisal.draws import ConstrainedDraws, Draws
from scaling.valuation.choosing.constraints import make_constraint

WEIGHTS = np.random.default_rng(0).random(12)


def total(subset):
    return float(WEIGHTS[subset].sum())


def test_mean_and_spread_are_those_of_all_subsets():
    band = random_band(total, 5, n=12, draws=4000)
    every = [WEIGHTS[list(s)].sum() for s in combinations(range(12), 5)]
    assert band.mean == pytest.approx(np.mean(every), abs=4 * np.std(every) / math.sqrt(4000))
    assert band.sd == pytest.approx(np.std(every), rel=0.05)
    assert band.quantile(0.95) == pytest.approx(np.quantile(every, 0.95), abs=0.05)
    assert band.variation == pytest.approx(np.std(every) / np.mean(every), rel=0.05)
    assert band.z(max(every)) == pytest.approx((max(every) - band.mean) / band.sd)


def test_draws_agree_whatever_the_number_of_jobs_and_differ_between_seeds():
    one, two, other = (random_band(total, 5, n=12, draws=40, jobs=j, seed=s) for j, s in ((1, 0), (3, 0), (1, 1)))
    np.testing.assert_array_equal(one.values, two.values)
    assert one.swap == two.swap
    assert not np.array_equal(one.values, other.values)
    more = random_band(total, 5, n=12, draws=60)
    np.testing.assert_array_equal(more.values[:40], one.values)


def test_the_bound_holds_for_all_subsets_and_an_estimated_swap_is_a_lower_one():
    exact = WEIGHTS.max() - WEIGHTS.min()
    band = random_band(total, 5, n=12, draws=200, swap=exact)
    assert band.swap_from == "given"
    every = np.array([WEIGHTS[list(s)].sum() for s in combinations(range(12), 5)])
    for t in (0.3, 0.6, 1.0, 1.5):
        assert np.mean(np.abs(every - every.mean()) >= t) <= band.chance(t)
        assert band.chance(t) == pytest.approx(min(1, 2 * math.exp(-2 * t**2 / (5 * exact**2))))
    assert band.chance(band.radius(0.9)) == pytest.approx(0.1)
    assert np.mean(np.abs(every - every.mean()) <= band.radius(0.9)) >= 0.9
    estimated = random_band(total, 5, n=12, draws=200)
    assert estimated.swap_from == "estimated"
    assert 0.8 * exact < estimated.swap <= exact + 1e-12


def test_random_subsets_under_caps_are_all_that_there_are_in_even_shares():
    groups = np.repeat(["a", "b"], [3, 3])
    limits, _ = make_constraint(6, 3, labels=groups, caps={"a": 1, "b": 2})
    source, generator = ConstrainedDraws(limits), np.random.default_rng(0)
    seen = Counter(tuple(source.one(generator).tolist()) for _ in range(9000))
    assert set(seen) == {(a, *b) for a in range(3) for b in combinations(range(3, 6), 2)}
    assert all(abs(count - 1000) < 5 * math.sqrt(1000) for count in seen.values())
    band = random_band(lambda s: float(len(s)), 3, n=6, within=limits, draws=10)
    assert (band.within, band.k, band.balanced) == ("caps", 3, False)
    assert "under caps, 3 of 6" in repr(band)


def test_random_subsets_of_a_budget_spend_it_and_nothing_more_would_fit():
    costs = np.random.default_rng(1).uniform(1, 9, 60)
    labels = np.repeat(["a", "b", "c"], 20)
    for caps, per_class in (({}, 60), ({"labels": labels, "per_class": 4}, 4)):
        limits, _ = make_constraint(60, 60 if not caps else 12, costs=costs, budget=40.0, **caps)
        source, generator = ConstrainedDraws(limits), np.random.default_rng(0)
        sizes = set()
        for _ in range(100):
            drawn = source.one(generator)
            sizes.add(len(drawn))
            left = 40 - costs[drawn].sum()
            assert left >= -1e-9
            full = Counter(labels[drawn].tolist())
            assert max(full.values()) <= per_class
            rest = [i for i in set(range(60)) - set(drawn.tolist()) if full[labels[i]] < per_class]
            assert len(drawn) == limits.k or costs[rest].min() > left
        assert len(sizes) > 3
    with pytest.raises(UsageError, match="A constraint on 60 candidates does not go with 61 candidates"):
        random_band(total, 5, n=61, within=limits)


def test_classes_are_even_as_far_as_they_go():
    labels = np.repeat(["a", "b", "c"], [20, 20, 2])
    generator = np.random.default_rng(0)
    source = Draws(42, 11, labels)
    seen = set()
    for _ in range(200):
        subset = source.one(generator)
        assert len(set(subset)) == 11
        assert [int(np.sum(labels[subset] == c)) for c in "abc"] == [5, 4, 2]
        other = source.swapped(subset, generator)
        assert len(np.setdiff1d(other, subset)) == 1
        assert [int(np.sum(labels[other] == c)) for c in "abc"] == [5, 4, 2]
        seen |= set(subset)
    assert seen == set(range(42))
    assert random_band(lambda s: float(np.sum(labels[s] == "c")), 11, n=42, labels=labels, draws=20).sd == 0


def test_each_subset_is_as_likely_as_any_other():
    source, generator, count = Draws(5, 2), np.random.default_rng(0), {}
    for _ in range(5000):
        key = tuple(source.one(generator))
        count[key] = count.get(key, 0) + 1
    assert set(count) == set(combinations(range(5), 2))
    assert sum((c - 500) ** 2 / 500 for c in count.values()) < 27.9  # chi-squared of 9 degrees of freedom, 0.1 %


@pytest.mark.parametrize("name", ["vendi", "facility_location", "log_det", "rke", "k_center"])
def test_an_objective_is_scored_as_people_are_told(name):
    X = np.random.default_rng(0).standard_normal((40, 5))
    objective = make_objective(name, X, 6)
    objective.add(3)
    band = random_band(objective, 6, draws=12, seed=2)
    state = objective.fresh()
    subset = Draws(40, 6).one(np.random.default_rng(np.random.SeedSequence(2).spawn(12)[0]))
    for index in subset:
        state.add(int(index))
    assert band.values[0] == pytest.approx(state.score(), rel=1e-9)
    assert objective.chosen == [3], "the set that was chosen stays"


def test_a_score_that_is_the_same_for_all_has_no_z():
    band = random_band(lambda s: 0.1 * len(s), 5, n=12, draws=20)
    assert band.sd == 0
    assert math.isnan(band.z(0.5))
    assert (band.chance(0.1), band.radius()) == (0, 0)


def test_it_reads_and_is_plain_data():
    band = random_band(total, 5, n=12, draws=30)
    assert "30 draws of random subsets, 5 of 12" in repr(band)
    assert "(estimated)" in repr(band)
    data = json.loads(json.dumps(band.to_dict(), allow_nan=False))
    assert data["quantiles"]["0.5"] == pytest.approx(np.median(band.values))


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UsageError, match="12 of 12 candidates leaves nothing to chance"):
        random_band(total, 12, n=12)
    with pytest.raises(UsageError, match="10 are needed"):
        random_band(total, 5, n=12, draws=3)
    with pytest.raises(UsageError, match="not known of a function"):
        random_band(total, 5)
    with pytest.raises(UsageError, match="no random subset of 0"):
        random_band(total, 0, n=12)
    with pytest.raises(UsageError, match="0 jobs"):
        random_band(total, 5, n=12, jobs=0)
    with pytest.raises(InputDataError, match="is -inf"):
        random_band(lambda s: -math.inf, 5, n=12)
    with pytest.raises(InputDataError, match="labels have shape"):
        random_band(total, 5, n=12, labels=[1, 2])
