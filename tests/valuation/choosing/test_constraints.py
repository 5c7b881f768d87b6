"""Classes and budgets: what may be chosen, what is refused, and the bound of a sum over sets that may be chosen."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation import select
from scaling.valuation.choosing.constraints import make_constraint
from tests.valuation.choosing.toys import Toy, brute_greedy, cover, facility


@pytest.mark.parametrize("seed", range(10))
def test_the_bound_of_sums_is_reached_by_the_best_set_or_above_it(seed):
    rng = np.random.default_rng(seed)
    n = 9
    keys = rng.normal(0.3, 1, n)
    labels, costs = rng.integers(0, 3, n), rng.uniform(0.5, 3, n)
    plain = make_constraint(n, 4)[0]
    classes = make_constraint(n, 3, labels=labels, per_class=2)[0]
    knapsack = make_constraint(n, None, costs=costs, budget=5.0)[0]
    sets = [s for size in range(n + 1) for s in combinations(range(n), size)]
    totals = {s: float(keys[list(s)].sum()) for s in sets}
    counts = {s: np.bincount(labels[list(s)], minlength=3).max() for s in sets if s}
    assert plain.largest_sum(keys) == pytest.approx(max(totals[s] for s in sets if len(s) <= 4))
    best = max(totals[s] for s in sets if len(s) <= 3 and (not s or counts[s] <= 2))
    assert classes.largest_sum(keys) == pytest.approx(best)
    affordable = [s for s in sets if costs[list(s)].sum() <= 5.0]
    assert knapsack.most == max(len(s) for s in affordable)
    fraction = knapsack.largest_sum(keys)
    assert max(totals[s] for s in affordable) <= fraction + 1e-12
    assert fraction <= max(totals[s] for s in affordable) + max(keys)  # off by a part of one candidate at most


def test_labels_alone_make_classes_as_equal_as_they_can_be():
    labels = np.array(["a"] * 10 + ["b"] * 4 + ["c"] * 6)
    toy = facility(np.random.default_rng(0), 20)
    found = select(None, 7, toy, labels=labels)
    counts = dict(zip(*np.unique(labels[found.indices], return_counts=True), strict=True))
    assert sum(counts.values()) == 7
    assert counts == {"a": 3, "b": 2, "c": 2}
    assert found.promised_share == 0.5
    assert "members of each class: " in found.notes[-1]


def test_a_class_that_is_too_small_gives_what_it_has():
    labels = np.array(["a"] * 10 + ["b"] * 2 + ["c"] * 6)
    toy = facility(np.random.default_rng(0), 18)
    found = select(None, 12, toy, labels=labels)
    assert [int(np.sum(labels[found.indices] == name)) for name in "abc"] == [5, 2, 5]
    # each class has one of its own before any has a second
    four = np.array(["a"] * 15 + ["b", "c", "d"])
    assert sorted(four[select(None, 5, toy, labels=four).indices].tolist()) == ["a", "a", "b", "c", "d"]


@pytest.mark.parametrize("method", ["eager", "lazy"])
def test_greedy_under_caps_is_greedy_over_what_still_fits(method):
    labels = np.array([0, 0, 0, 1, 1, 1, 2, 2, 2, 2])
    caps = {0: 1, 1: 2}
    toy = cover(np.random.default_rng(3), 10, items=25)

    def allowed(s):
        counts = np.bincount(labels[list(s)], minlength=3)
        return counts[0] <= 1 and counts[1] <= 2

    assert select(None, 5, toy, method, labels=labels, caps=caps).indices.tolist() == brute_greedy(toy, 5, allowed)


def test_a_budget_is_kept_and_the_best_of_three_ways_is_taken():
    # Gain for cost takes the small one; the large one alone is worth ten times as much.
    worth, costs = np.array([1.1, 10.0, 0.9]), np.array([1.0, 10.0, 1.0])
    toy = Toy(3, lambda s: float(worth[list(s)].sum()))
    found = select(None, None, toy, costs=costs, budget=10.0)
    assert found.indices.tolist() == [1]
    assert found.options["spent"] == 10.0
    # Whatever its cost takes the large one, for cost the many.
    worth, costs = np.array([2.0] + [1.0] * 5), np.array([5.0] + [1.0] * 5)
    toy = Toy(6, lambda s: float(worth[list(s)].sum()))
    found = select(None, None, toy, costs=costs, budget=5.0)
    assert sorted(found.indices.tolist()) == [1, 2, 3, 4, 5]
    assert "best of three under the budget: the most gain for its cost at each step" in found.notes


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ({"k": 13}, UsageError, "k is 13, and there are only 12 candidates"),
        ({"k": 0}, UsageError, "k is 0"),
        ({"k": True}, UsageError, "k is True"),
        ({"k": 2.5}, UsageError, "k is 2.5"),
        ({"k": None}, UsageError, "k is missing"),
        ({"labels": [0, 1]}, InputDataError, r"labels have shape \(2,\), and there are 12 candidates"),
        ({"labels": ["a"] * 11 + [None]}, InputDataError, "Candidate 11 has no label"),
        ({"labels": pd.array(["a"] * 11 + [None], dtype="string")}, InputDataError, "Candidate 11 has no label"),
        ({"k": None, "budget": 3.0, "costs": [1] * 12, "labels": [0, 1] * 6}, UsageError, "k is missing: classes as"),
        ({"labels": [0.0] * 11 + [np.nan]}, InputDataError, "Candidate 11 has no label"),
        ({"costs": ["much"] * 12, "budget": 3.0}, InputDataError, "costs hold something that is not a number"),
        ({"per_class": 2}, UsageError, "labels are missing"),
        ({"labels": [0, 1] * 6, "per_class": 1}, InputDataError, "room for 2 members, and k is 3"),
        ({"labels": [0, 1] * 6, "per_class": 2, "caps": {0: 1}}, UsageError, "both say"),
        ({"labels": [0, 1] * 6, "caps": {"x": 1}}, UsageError, "no candidate has: x"),
        ({"labels": [0, 1] * 6, "per_class": -1}, UsageError, "whole numbers, from 0 on"),
        ({"costs": np.ones(12)}, UsageError, "budget is missing"),
        ({"budget": 3.0}, UsageError, "costs is missing"),
        ({"costs": np.ones(3), "budget": 3.0}, InputDataError, r"costs have shape \(3,\)"),
        ({"costs": [1] * 11 + [0], "budget": 3.0}, InputDataError, "cost of candidate 11 is 0"),
        ({"costs": [1] * 11 + [np.nan], "budget": 3.0}, InputDataError, "cost of candidate 11 is unknown"),
        ({"costs": [5] * 12, "budget": 3.0}, InputDataError, "Nothing fits: the cheapest candidate costs 5"),
        ({"costs": [1] * 12, "budget": -1.0}, UsageError, "budget is -1"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(settings, kind, said):
    toy = facility(np.random.default_rng(0), 12)
    with pytest.raises(kind, match=said):
        select(None, **({"k": 3} | settings), objective=toy)


def test_k_of_all_and_one_class_are_allowed_and_said():
    toy = facility(np.random.default_rng(0), 5)
    found = select(None, 5, toy, labels=["x"] * 5)
    assert sorted(found.indices.tolist()) == [0, 1, 2, 3, 4]
    assert found.certificate.share == pytest.approx(1.0)
    assert found.notes[0] == "all labels are 'x': with one class there is nothing to balance"
    assert found.notes[1].startswith("k is the number of candidates: all 5 are taken")
