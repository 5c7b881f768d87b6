"""What each method promises, against the best of all sets; and what its settings do."""

import math

import numpy as np
import pytest

from scaling.errors import UsageError
from scaling.valuation import select
from scaling.valuation.choosing.sieve import Sieve, Threshold, blocks
from scaling.valuation.choosing.stochastic import _distinct, sample_size
from tests.valuation.choosing.toys import MONOTONE, Toy, brute_best, cover, facility, growing

N, K = 10, 4
SUBMODULAR = [kind for kind in MONOTONE if kind != "weak"]


@pytest.mark.parametrize("kind", SUBMODULAR)
@pytest.mark.parametrize("seed", range(4))
def test_greedy_and_the_sieve_keep_their_promise_always(kind, seed):
    toy = MONOTONE[kind](np.random.default_rng(seed), N)
    best = brute_best(toy, K)
    for method, settings, promised in (
        ("lazy", {}, 1 - 1 / math.e),
        ("sieve", {"epsilon": 0.1}, 0.4),
        ("sieve", {"epsilon": 0.3}, 0.2),
    ):
        found = select(None, K, toy, method, **settings)
        assert found.promised_share == pytest.approx(promised)
        assert found.value >= promised * best - 1e-9


@pytest.mark.parametrize("kind", SUBMODULAR)
def test_chance_keeps_its_promise_on_average(kind):
    toy = MONOTONE[kind](np.random.default_rng(5), N)
    best = brute_best(toy, K)
    drawn = [select(None, K, toy, "stochastic", seed, epsilon=0.3) for seed in range(20)]
    assert drawn[0].promised_share == pytest.approx(1 - math.exp(-0.7))
    assert np.mean([one.value for one in drawn]) >= drawn[0].promised_share * best
    parted = [select(None, K, toy, "partitions", seed, parts=3) for seed in range(10)]
    assert parted[0].promised_share == pytest.approx((1 - 1 / math.e) / 2)
    assert np.mean([one.value for one in parted]) >= parted[0].promised_share * best
    assert len({tuple(one.indices.tolist()) for one in drawn}) > 1  # samples differ by seed


@pytest.mark.parametrize("seed", range(6))
def test_a_weak_objective_keeps_the_weaker_promise(seed):
    toy = MONOTONE["weak"](np.random.default_rng(seed), N)
    found = select(None, K, toy)
    assert found.promised_share == pytest.approx(1 - math.exp(-toy.guarantee.ratio))
    assert found.value >= found.promised_share * brute_best(toy, K)
    assert select(None, K, toy, "sieve").promised_share is None


def test_quality_on_clustered_points_is_near_that_of_lazy_greedy():
    rng = np.random.default_rng(0)
    centers = rng.normal(size=(30, 8))
    X = centers[rng.integers(0, 30, 600)] + 0.5 * rng.normal(size=(600, 8))
    value = {
        method: select(X, 25, "facility_location", method, seed=1, certify=False).value
        for method in ("lazy", "stochastic", "partitions", "sieve")
    }
    chance = [select(X, 25, "facility_location", "stochastic", s, epsilon=0.99, certify=False).value for s in range(3)]
    assert value["stochastic"] > 0.98 * value["lazy"]
    assert value["partitions"] > 0.99 * value["lazy"]
    assert value["sieve"] > 0.9 * value["lazy"]
    assert max(chance) < value["stochastic"]


def test_a_step_of_the_stochastic_method_draws_as_many_as_it_says():
    assert sample_size(1000, 100, 0.1) == math.ceil(10 * math.log(10))
    assert sample_size(10, 9, 0.9) == 1
    found = select(None, 10, facility(np.random.default_rng(0), 50), "stochastic", epsilon=0.05, certify=False)
    assert found.evaluations == 10 * 15
    drawn = _distinct(np.random.default_rng(0), 10**6, 2000)
    assert len(set(drawn.tolist())) == 2000
    assert abs(drawn.mean() / 10**6 - 0.5) < 0.03


@pytest.mark.parametrize("seed", range(3))
def test_blocks_of_a_stream_change_nothing(seed):
    def one_by_one(toy, guess, k):
        state = toy.fresh()
        for v in range(toy.n):
            needed = (guess / 2 - state.value) / max(k - len(state.chosen), 1)
            if len(state.chosen) < k and state.gains(np.array([v]))[0] >= needed:
                state.add(v)
        return state.chosen

    toy = cover(np.random.default_rng(seed), 60, items=40)
    for guess in (1.0, 5.0, 12.0, 20.0):
        threshold = Threshold(guess, toy.fresh())
        for block in blocks(60, 17):
            threshold.pass_over(block, 8)
        assert threshold.objective.chosen == one_by_one(toy, guess, 8)


def test_the_sieve_keeps_few_and_thresholds_span_what_the_optimum_can_be():
    toy = facility(np.random.default_rng(0), 120)
    passed = Sieve(toy, 6, 0.2)
    for block in blocks(120, 10):
        passed.offer(block)
    guesses = sorted(one.guess for one in passed.thresholds.values())
    assert guesses[0] <= passed.largest * 1.2
    assert guesses[-1] * 1.2 >= 2 * 6 * passed.largest
    assert len(passed.kept()) <= 6 * len(guesses)
    assert len(guesses) == pytest.approx(math.log(12) / math.log(1.2), abs=1)


def test_a_sieve_is_filled_from_what_its_thresholds_kept():
    # One candidate is worth almost all: the thresholds that take it ask too much of the others.
    worth = np.array([0.3, 0.2, 10.0, 0.1, 0.25])
    found = select(None, 4, Toy(5, lambda s: float(worth[list(s)].sum())), "sieve")
    assert 2 in found.indices
    assert len(found) == len(set(found.indices.tolist()))
    assert found.gains.sum() == pytest.approx(found.value)


def test_parts_that_merge_worse_than_the_best_part_alone_give_that():
    toy = growing(np.random.default_rng(0), 12)  # no promise: whatever comes is the better of all sets that were made
    found = select(None, 4, toy, "partitions", seed=2, parts=3)
    assert found.promised_share is None
    assert found.value >= 0.5 * brute_best(toy, 4)
    assert "of 3 parts of" in found.notes[0]


@pytest.mark.parametrize(
    ("method", "settings", "said"),
    [
        ("best", {}, "There is no method 'best'"),
        ("lazy", {"epsilon": 0.1}, "The method 'lazy' has no epsilon"),
        ("sieve", {"epsilon": 1.5}, "epsilon is 1.5"),
        ("partitions", {"parts": 1}, "parts is 1"),
        ("lazy", {"swaps": -1}, "swaps is -1"),
        ("lazy", {"seed": 1.5}, "seed is 1.5"),
        ("lazy", {"certify": 1}, "certify is 1"),
        ("sieve", {"labels": [0, 1] * 5}, "no place for classes or costs"),
        ("stochastic", {"costs": [1.0] * 10, "budget": 4.0}, "'stochastic' has no place for costs"),
        ("lazy", {"q": 2.0}, "'q' is an option of an objective by name"),
    ],
)
def test_settings_that_mean_nothing_are_refused(method, settings, said):
    with pytest.raises(UsageError, match=said):
        select(None, 3, facility(np.random.default_rng(0), 10), method, **settings)
