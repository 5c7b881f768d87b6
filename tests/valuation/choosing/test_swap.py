"""Swaps at the end: the value rises until no single swap gains, within classes and budgets."""

import numpy as np
import pytest

from scaling.valuation import select
from tests.valuation.choosing.toys import MONOTONE, brute_best, cover, cut


def swaps_that_gain(toy, members, allowed=lambda s: True):
    here = toy.evaluate(members)
    return [
        (u, v)
        for u in members
        for v in range(toy.n)
        if v not in members
        and allowed([*(m for m in members if m != u), v])
        and toy.evaluate([v if m == u else m for m in members]) > here + 1e-9
    ]


@pytest.mark.parametrize("kind", [*MONOTONE, "cut"])
@pytest.mark.parametrize("seed", range(3))
def test_no_swap_is_left_that_gains(kind, seed):
    toy = (MONOTONE | {"cut": cut})[kind](np.random.default_rng(seed), 10)
    plain = select(None, 4, toy, "stochastic", seed, epsilon=0.9)
    better = select(None, 4, toy, "stochastic", seed, epsilon=0.9, swaps=50)
    assert swaps_that_gain(toy, plain.indices.tolist())  # a careless set has some to gain
    assert swaps_that_gain(toy, better.indices.tolist()) == []
    assert better.value > plain.value
    assert better.swaps > 0
    assert better.gains.sum() == pytest.approx(toy.evaluate(better.indices))
    assert better.value <= brute_best(toy, 4) + 1e-9
    if better.certificate.share is not None:
        assert better.value >= better.certificate.share * brute_best(toy, 4) - 1e-9
        assert better.certificate.share >= plain.certificate.share - 1e-12


def test_a_limit_is_kept_and_said():
    toy = cover(np.random.default_rng(2), 14, items=30)
    found = select(None, 5, toy, "stochastic", 3, epsilon=0.95, swaps=1)
    assert found.swaps == 1
    assert found.notes[-1] == "the limit of 1 swap was reached: more may gain more"


@pytest.mark.parametrize("seed", range(4))
def test_swaps_keep_to_classes_and_budgets(seed):
    rng = np.random.default_rng(seed)
    toy = cover(rng, 12, items=30)
    labels, costs = np.arange(12) % 3, rng.uniform(0.5, 2, 12)
    classes = select(None, 3, toy, "stochastic", seed, epsilon=0.9, labels=labels, swaps=20)
    assert sorted(labels[classes.indices]) == [0, 1, 2]
    one_each = swaps_that_gain(toy, classes.indices.tolist(), lambda s: len(set(labels[s])) == 3)
    assert one_each == []
    budget = select(None, None, toy, costs=costs, budget=4.0, swaps=20)
    assert costs[budget.indices].sum() <= 4.0
    assert swaps_that_gain(toy, budget.indices.tolist(), lambda s: costs[s].sum() <= 4.0) == []
