"""Families to evaluate: the same as trying every subset by the definition, and honest where not all are tried."""

import itertools

import numpy as np
import pytest

from scaling.boundary.observational import select_families
from scaling.errors import InputDataError, UsageError

SIZES = {"a": 3, "b": 2, "c": 4, "d": 1, "e": 3, "f": 2, "g": 1}


def pool(seed=0, k=3):
    rng = np.random.default_rng(seed)
    families = [name for name, size in SIZES.items() for _ in range(size)]
    return rng.standard_normal((len(families), k)) * [2.0, 0.7, 0.3][:k] + 0.2, families


def by_definition(values, families, budget, forced=(), most=99):
    """Criterion of every subset, by tr(X'X (S'S)^-1)."""
    label, total, out = np.array(families), values.T @ values, {}
    for count in range(1, len(SIZES) + 1):
        for subset in itertools.combinations(SIZES, count):
            rows = values[np.isin(label, subset)]
            if len(rows) <= budget and set(forced) <= set(subset) and count <= most and len(rows) >= values.shape[1]:
                out[frozenset(subset)] = float(np.trace(total @ np.linalg.inv(rows.T @ rows)))
    return out


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("budget", "forced", "most"), [(5, (), 99), (8, ("c",), 99), (12, ("a", "d"), 4), (16, (), 99)]
)
def test_every_subset_is_tried(seed, budget, forced, most):
    values, families = pool(seed)
    truth = by_definition(values, families, budget, forced, most)
    found = select_families(values, families, budget, forced=forced, max_families=None if most == 99 else most)
    best = min(truth, key=truth.get)
    assert set(found.families) == best
    assert found.criterion == pytest.approx(truth[best], rel=1e-9)
    assert found.n_models == sum(SIZES[name] for name in best) == len(found.models)
    same = [v for s, v in truth.items() if sum(SIZES[name] for name in s) == found.n_models]
    assert found.median_same_size == pytest.approx(np.median(same), rel=1e-9)
    assert found.n_same_size == len(same)


def test_all_models_have_the_least_criterion():
    values, families = pool()
    found = select_families(values, families, 16)
    assert found.criterion == pytest.approx(found.least) == 3
    assert found.variance_ratio == pytest.approx(1)


def test_a_constant_counts_as_a_column():
    values, families = pool()
    found = select_families(values, families, 8, intercept=True)
    best = by_definition(np.column_stack([np.ones(16), values]), families, 8)
    assert set(found.families) == min(best, key=best.get)
    assert found.least == 4


def test_subsets_are_counted_before_they_are_made():
    values, families = pool()
    with pytest.raises(UsageError, match="there are 128 subsets") as raised:
        select_families(values, families, 16, limit=100)
    assert "exchange" in raised.value.hint
    assert select_families(values, families, 16, limit=128).n_tried == 128
    within = sum(
        sum(SIZES[name] for name in s) <= 5 for count in range(8) for s in itertools.combinations(SIZES, count)
    )
    assert select_families(values, families, 5).n_tried == within


@pytest.mark.parametrize("seed", range(6))
def test_exchange_is_never_better_and_says_that_it_may_be_worse(seed):
    values, families = pool(seed)
    exact = select_families(values, families, 8, forced=["d"])
    walked = select_families(values, families, 8, forced=["d"], method="exchange")
    assert walked.criterion >= exact.criterion * (1 - 1e-9)
    assert walked.criterion <= exact.criterion * 1.3
    assert walked.families[0] == "d"
    assert walked.n_models <= 8
    assert "maybe not the best" in walked.summary()


def test_the_choice_does_not_depend_on_the_scale_or_order_of_components():
    values, families = pool()
    turned = values[:, [2, 0, 1]] * [10.0, 0.01, -3.0]
    assert select_families(turned, families, 8).families == select_families(values, families, 8).families


def test_what_cannot_be_selected_is_refused():
    values, families = pool()
    with pytest.raises(InputDataError, match="no families within a budget of 2 models fix the 3 weights"):
        select_families(values, families, 2)
    with pytest.raises(UsageError, match="no family 'z' to force"):
        select_families(values, families, 8, forced=["z"])
    with pytest.raises(UsageError, match="7 models in 2 families"):
        select_families(values, families, 6, forced=["a", "c"])
    with pytest.raises(InputDataError, match="do not span"):
        select_families(np.column_stack([values, values[:, 0]]), families, 8)
    with pytest.raises(UsageError, match="no method 'greedy'"):
        select_families(values, families, 8, method="greedy")


def test_families_of_arrays_are_plain_text():
    values, families = pool()
    found = select_families(values, np.array(families), 8)
    assert found == select_families(values, families, 8)
    assert {type(name) for name in found.families} == {str}
