"""k-center by going to the farthest first."""

from itertools import combinations

import numpy as np
import pytest

from scaling.valuation import make_objective
from tests.valuation.definitions import A, greedy


@pytest.mark.parametrize("seed", range(5))
def test_the_radius_is_at_most_twice_the_least(seed):
    rows = np.random.default_rng(seed).standard_normal((11, 3))
    apart = np.sqrt(((rows[:, None] - rows) ** 2).sum(-1))
    objective = make_objective("k_center", rows, 4, normalise=False)
    for index in greedy(objective, 4)[0]:
        objective.add(index)
    assert -objective.score() == pytest.approx(apart[objective.chosen].min(0).max(), rel=1e-12)
    least = min(apart[list(s)].min(0).max() for s in combinations(range(11), 4))
    assert least <= -objective.score() <= 2 * least


def test_gains_are_distances_from_the_set():
    objective = make_objective("k_center", A, 3)
    assert objective.score() == -np.inf
    first = int(objective.gains().argmax())
    assert first == np.linalg.norm(A - A.mean(0), axis=1).argmin()
    objective.add(first)
    np.testing.assert_allclose(objective.gains(), np.linalg.norm(A - A[first], axis=1), atol=1e-15)
    assert objective.gains()[first] == 0


def test_duplicates_are_at_zero_in_float32():
    rows = np.vstack([A, A]).astype(np.float32) + 100
    objective = make_objective("k_center", rows, 3, normalise=False)
    objective.add(5)
    assert objective.gains()[17] == 0


def test_nothing_is_promised_and_the_factor_of_two_is_said():
    guarantee = make_objective("k_center", A, 3).guarantee
    assert guarantee.kind == "none"
    assert not guarantee.lazy
    assert "twice" in guarantee.why
