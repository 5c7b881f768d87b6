"""A bound from fractional sets is never below the best set, whatever phi, and near it where sets are many."""

from itertools import combinations

import numpy as np
import pytest

from scaling.valuation import make_objective
from scaling.valuation.choosing.constraints import make_constraint
from scaling.valuation.spectral import relaxation

CASES = [
    ("vendi", {"q": 1.0}),
    ("vendi", {"q": 0.5}),
    ("vendi", {"q": 2.0}),
    ("vendi", {"q": 3.0}),
    ("vendi", {"q": float("inf")}),
    ("power", {"q": 1.5, "kernel": "linear"}),
    ("spectral", {"phi": "ratio", "parameter": 0.2}),
    ("log_det", {"ridge": 0.1}),
]


@pytest.mark.parametrize(("name", "options"), CASES)
@pytest.mark.parametrize("sample", [20_000, 5])
@pytest.mark.parametrize("seed", range(3))
def test_no_set_is_above_the_bound(name, options, sample, seed, monkeypatch):
    monkeypatch.setattr(relaxation, "_SAMPLE", sample)
    rng = np.random.default_rng(seed)
    X, labels = rng.normal(size=(9, 3)), np.arange(9) % 2
    objective = make_objective(name, X, 8, **options)
    objective.extend([0, 1, 2, 3])
    sets = [s for size in range(1, 5) for s in combinations(range(9), size)]
    values = {s: objective.evaluate(s) for s in sets}
    count = make_constraint(9, 4)[0]
    caps = make_constraint(9, 4, labels=labels, per_class=2)[0]
    costs = rng.uniform(0.5, 2, 9)
    money = make_constraint(9, None, costs=costs, budget=3.0)[0]
    assert objective.relaxed_bound(count.largest) >= max(values.values()) - 1e-9
    within = [v for s, v in values.items() if max(np.bincount(labels[list(s)])) <= 2]
    assert objective.relaxed_bound(caps.largest) >= max(within) - 1e-9
    assert objective.relaxed_bound(caps.largest) <= objective.relaxed_bound(count.largest) + 0.05 * abs(max(within))
    afforded = [v for s, v in values.items() if costs[list(s)].sum() <= 3.0]
    assert objective.relaxed_bound(money.largest) >= max(afforded) - 1e-9


def test_with_many_copies_the_bound_is_all_but_reached():
    # Sixty of each of three directions: the best set of six takes two of each.
    X = np.repeat(np.eye(3), 60, axis=0)
    objective = make_objective("vendi", X, 12)
    objective.extend([0, 60, 120, 1, 61, 121])
    bound = objective.relaxed_bound(make_constraint(180, 6)[0].largest)
    assert bound == pytest.approx(objective.value, rel=1e-3)


def test_a_rank_has_no_tangent():
    objective = make_objective("vendi", np.eye(4), 4, q=0)
    objective.extend([0, 1])
    assert objective.relaxed_bound(make_constraint(4, 2)[0].largest) is None
