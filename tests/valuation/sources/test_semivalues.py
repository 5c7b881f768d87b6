"""Semivalues of any game: against their definition, their axioms, and a sample of orders."""

from itertools import combinations
from math import comb

import numpy as np
import pytest

from scaling.errors import UsageError
from scaling.valuation.sources.semivalues import (
    SEMIVALUES,
    coalition_weights,
    coalitions,
    exact_values,
    marginals_by_size,
    sample_marginals,
)


def by_definition(values, k, weights):
    out = np.zeros(k)
    for i in range(k):
        others = [j for j in range(k) if j != i]
        for r in range(k):
            for members in combinations(others, r):
                mask = sum(1 << j for j in members)
                out[i] += weights[r] * (values[mask | 1 << i] - values[mask])
    return out


@pytest.mark.parametrize("method", SEMIVALUES)
@pytest.mark.parametrize("k", [1, 2, 3, 6])
def test_any_game_against_the_definition(method, k):
    games = np.random.default_rng(k).normal(size=(3, 1 << k))
    weights = coalition_weights(method, k, (3.0, 2.0))
    found = exact_values(marginals_by_size(games, k), weights)
    for row, game in zip(found, games, strict=True):
        np.testing.assert_allclose(row, by_definition(game, k, weights), atol=1e-12)


@pytest.mark.parametrize("method", SEMIVALUES)
@pytest.mark.parametrize("k", [1, 4, 20])
def test_weights_add_up_to_one_over_coalitions(method, k):
    weights = coalition_weights(method, k, (4.0, 1.0))
    assert sum(comb(k - 1, r) * w for r, w in enumerate(weights)) == pytest.approx(1, rel=1e-12)


def test_beta_of_one_and_one_is_shapley_and_a_larger_first_one_counts_small_coalitions():
    np.testing.assert_allclose(coalition_weights("beta", 7, (1, 1)), coalition_weights("shapley", 7), rtol=1e-12)
    shares = [coalition_weights("beta", 7, (a, 1))[0] for a in (1, 4, 16)]
    assert shares == sorted(shares)
    # By hand for two players: B(0 + b, 1 + a)/B(a, b) for nobody, B(1 + b, a)/B(a, b) for the other.
    np.testing.assert_allclose(coalition_weights("beta", 2, (3, 2)), [3 / 5, 2 / 5], rtol=1e-12)


def test_the_order_of_coalitions_is_that_of_bits():
    np.testing.assert_array_equal(coalitions(2), [[0, 0], [1, 0], [0, 1], [1, 1]])
    assert coalitions(5)[0b10110].tolist() == [0, 1, 1, 0, 1]


def test_shapley_divides_everything_gives_nothing_to_a_bystander_and_treats_equals_alike():
    k, rng = 5, np.random.default_rng(0)
    members = coalitions(k)
    game = np.sqrt(members[:, :3] @ [3.0, 3.0, 1.0]) + (members[:, 3] * members[:, 0])  # nobody needs player 4
    [value] = exact_values(marginals_by_size(game[None], k), coalition_weights("shapley", k))
    assert value.sum() == pytest.approx(game[-1] - game[0], rel=1e-13)
    assert value[4] == pytest.approx(0, abs=1e-15)
    shuffled = rng.permutation(k)
    moved = np.array([game[sum(1 << int(shuffled[j]) for j in range(k) if m >> j & 1)] for m in range(1 << k)])
    [other] = exact_values(marginals_by_size(moved[None], k), coalition_weights("shapley", k))
    np.testing.assert_allclose(other, value[shuffled], atol=1e-14)


class TestSample:
    K = 8

    def game(self, members, rows):
        return np.sqrt(np.array([[1.0], [2.0]])[rows] * (members @ np.arange(1.0, self.K + 1)))

    def test_it_is_right_to_its_standard_error(self):
        values = self.game(coalitions(self.K), slice(0, 2))
        exact = marginals_by_size(values, self.K)
        for method in ("shapley", "banzhaf", "beta"):
            weights = coalition_weights(method, self.K, (4, 1))
            truth = exact_values(exact, weights)
            away = []
            for seed in range(20):
                sample = sample_marginals(self.game, self.K, 40, seed, 2)
                found, error = sample.values(weights), sample.standard_errors(weights)
                away.append((found[0] - truth[0]) / error)
                assert np.all(np.abs(found - truth) < 0.05 * truth)
            assert 0.6 < np.mean(np.square(away)) < 1.5

    def test_shapley_of_a_sample_divides_everything(self):
        sample = sample_marginals(self.game, self.K, 3, 0, 2)
        total = self.game(np.ones((1, self.K)), slice(0, 2))[:, 0]
        np.testing.assert_allclose(sample.values(coalition_weights("shapley", self.K)).sum(axis=1), total, rtol=1e-12)

    def test_an_additive_game_needs_one_round(self):
        def additive(members, rows):
            return np.tile(members @ np.arange(1.0, 6), (2, 1))[rows]

        sample = sample_marginals(additive, 5, 2, 0, 2)
        for method in SEMIVALUES:
            np.testing.assert_allclose(sample.values(coalition_weights(method, 5))[1], np.arange(1.0, 6), rtol=1e-12)

    def test_a_seed_repeats_it(self):
        means = [sample_marginals(self.game, self.K, 3, seed, 1).means for seed in (1, 1, 2)]
        np.testing.assert_array_equal(means[0], means[1])
        assert not np.array_equal(means[0], means[2])


def test_bad_input():
    with pytest.raises(UsageError, match=r"no semivalue 'shaply'\nDid you mean 'shapley'"):
        coalition_weights("shaply", 3)
    with pytest.raises(UsageError, match="must be above 0, not 0 and 1"):
        coalition_weights("beta", 3, (0, 1))
