"""Gradient information: the divergence by nearest neighbours, with and without elements that are held already."""

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation import make_objective, select
from tests.valuation.definitions import greedy, table_of_gains, worst_ratio

RNG = np.random.default_rng(5)
X = RNG.standard_normal((9, 3))
T = RNG.standard_normal((7, 3)) * 0.6
HELD = RNG.standard_normal((4, 3)) + 1


def divergence(chosen, k, held=HELD):
    """As it is defined: sets in, nats out."""
    there = np.vstack([held, X[list(chosen)]])
    nu = np.sort(np.sqrt(((T[:, None] - there) ** 2).sum(-1)), axis=1)[:, k - 1]
    rho = np.sort(np.sqrt(((T[:, None] - T) ** 2).sum(-1)), axis=1)[:, k]
    return 3 / len(T) * np.log(nu / rho).sum() + np.log(len(there) / (len(T) - 1))


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("memory_gib", [2.0, 0.0])
def test_the_score_is_minus_the_divergence(k, memory_gib):
    objective = make_objective("gio", X, queries=T, held=HELD, neighbours=k, memory_gib=memory_gib)
    start = divergence([], k)
    assert -objective.score() == pytest.approx(start, rel=1e-9)
    for count, index in enumerate((8, 2, 5), start=1):
        before = objective.value
        assert objective.gains()[index] == pytest.approx(objective.add(index), abs=1e-9)
        assert objective.value >= before
        assert -objective.score() == pytest.approx(divergence(objective.chosen, k), rel=1e-9)
        assert objective.value == pytest.approx(
            start - divergence(objective.chosen, k) + np.log((4 + count) / 4), rel=1e-9
        )


def test_a_greedy_step_lowers_the_divergence_the_most():
    objective = make_objective("gio", X, queries=T, held=HELD, neighbours=2)
    for _ in range(4):
        expected = min(set(range(9)) - set(objective.chosen), key=lambda v: divergence([*objective.chosen, v], 2))
        gains = objective.gains().copy()
        gains[objective.chosen] = -np.inf
        assert gains.argmax() == expected
        objective.add(expected)


def test_gains_may_grow_with_more_than_one_neighbour_alone():
    first = make_objective("gio", X, queries=T, held=HELD, neighbours=1)
    second = make_objective("gio", X, queries=T, held=HELD, neighbours=2)
    assert worst_ratio(table_of_gains(first)[1])[1] <= 1e-12
    assert worst_ratio(table_of_gains(second)[1])[1] > 0.05
    assert (first.guarantee.kind, second.guarantee.kind) == ("submodular", "none")


def test_without_anything_held_the_empty_set_diverges_without_end():
    objective = make_objective("gio", X, queries=T)
    assert objective.score() == -np.inf
    chosen, _ = greedy(objective, 3)
    for index in chosen:
        objective.add(index)
    assert -objective.score() == pytest.approx(divergence(chosen, 1, HELD[:0]), rel=1e-9)


def test_a_target_among_the_candidates_is_worth_much_and_not_infinitely_much():
    objective = make_objective("gio", np.vstack([X, T[2]]), queries=T)
    gains = objective.gains()
    assert np.isfinite(gains).all()
    assert gains.argmax() == 9


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({}, UsageError, "needs embeddings"),
        ({"queries": T, "neighbours": 2}, UsageError, "from the start"),
        ({"queries": T, "neighbours": 0}, UsageError, "neighbours is 0"),
        ({"queries": T[:1]}, InputDataError, "queries has 1 rows, and at least 2"),
        ({"queries": T, "held": HELD[:1], "neighbours": 2}, InputDataError, "held has 1 rows, and at least 2"),
        ({"queries": T[:, :2]}, UsageError, "queries has 2 dimensions"),
    ],
)
def test_refused(options, kind, words):
    with pytest.raises(kind) as caught:
        make_objective("gio", X, **options)
    assert words in str(caught.value)


@pytest.mark.parametrize("kind", ["f4", "f8"])
def test_candidates_that_are_all_the_same_are_as_good_as_one(kind):
    candidates, targets = np.ones((4, 5), kind), np.random.default_rng(0).normal(size=(6, 5))
    found = select(candidates, 2, "gio", queries=targets)
    assert found.indices.tolist() == [0, 1]
    assert found.gains.tolist() == [0.0, 0.0]
    assert np.isfinite(found.score)
