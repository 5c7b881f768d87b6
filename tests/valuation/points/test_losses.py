"""Scores from two losses: the reference order, what is missing, pools, and learnability of batches as a whole."""

import itertools
import json
import math

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation.points.joint_batches import sample_joint_batch
from scaling.valuation.points.losses import color_filter, color_score, learnability, mean_token_loss
from scaling.valuation.points.tau_overlap import overlap_by_tau

PRIOR, CONDITIONAL = [3.1, 2.9, 3.4, 2.2, 3.0, 2.7], [2.9, 2.95, 2.8, 2.1, 2.99, 2.2]


def test_the_reference_order():
    kept = color_filter(PRIOR, CONDITIONAL, 6)
    assert kept.indices.tolist() == [2, 5, 0, 3, 4, 1]
    assert kept.scores == pytest.approx([0.2, -0.05, 0.6, 0.1, 0.01, 0.5])
    assert kept.threshold == pytest.approx(-0.05)


def test_one_in_tau_is_kept_and_the_threshold_is_the_lowest_score_of_these():
    kept = color_filter(PRIOR, CONDITIONAL, tau=2.5)
    assert kept.indices.tolist() == [2, 5]
    assert kept.threshold == pytest.approx(0.5)
    assert kept.tau == 3
    assert "2 examples kept of 6" in repr(kept)
    assert json.dumps(kept.to_dict())


def test_equal_scores_go_to_the_lower_index():
    assert color_filter([2.0] * 5, [1.0] * 5, 3).indices.tolist() == [0, 1, 2]


def test_examples_without_a_loss_are_counted_and_never_kept():
    prior, conditional = [9, *PRIOR, np.inf, 9], [np.nan, *CONDITIONAL, 1, np.inf]
    kept = color_filter(prior, conditional, 6)
    assert (kept.indices - 1).tolist() == [2, 5, 0, 3, 4, 1]
    assert kept.n_missing == 3
    assert np.isnan(kept.scores[[0, 7, 8]]).all()
    with pytest.raises(InputDataError, match="7 examples are to be kept, and 6 of 9 have both losses"):
        color_filter(prior, conditional, 7)


def test_a_drawn_pool_holds_tau_times_as_many_and_the_best_of_it_are_kept():
    rng = np.random.default_rng(0)
    prior, conditional = rng.normal(3, 1, 1000), rng.normal(3, 1, 1000)
    kept = color_filter(prior, conditional, 20, tau=7, seed=3)
    pool = np.flatnonzero(np.isfinite(kept.scores))
    assert len(pool) == kept.n_pool == 140
    assert set(kept.indices) == set(pool[np.argsort(-(prior - conditional)[pool])[:20]])
    assert kept.seed == 3
    again, other = color_filter(prior, conditional, 20, tau=7, seed=3), color_filter(prior, conditional, 20, tau=7)
    assert np.array_equal(again.indices, kept.indices)
    assert not np.array_equal(other.indices, kept.indices)


def test_overlap_by_tau_is_that_of_the_filters_and_the_threshold_rises():
    rng = np.random.default_rng(1)
    prior, conditional = rng.normal(3, 1, 4000), rng.normal(3, 1, 4000)
    table = overlap_by_tau(prior, conditional, 50, [64, 7, 16, 32], seed=5)
    assert table.tau.tolist() == [7, 16, 32, 64]
    assert table.n_pool.tolist() == [350, 800, 1600, 3200]
    assert np.all(np.diff(table.threshold) >= 0)
    assert np.all(np.diff(table.mean_score) > 0)
    sets = [set(color_filter(prior, conditional, 50, tau=t, seed=5).indices) for t in (7, 16, 32, 64)]
    assert table.overlap == pytest.approx(np.array([[len(a & b) / 50 for b in sets] for a in sets]))
    # Of the best 50 out of 64 * 50, the pool of 7 * 50 holds 7/64 on average: sd 2.2 examples of 50.
    assert abs(table.overlap[0, 3] - 7 / 64) < 3 * 0.044
    assert "tau 7" in repr(table)


def test_the_mean_over_tokens_leaves_out_padding():
    losses = [[1.0, 3.0, np.nan], [2.0, 5.0, 8.0], [1.0, 1.0, 1.0], [np.inf, 1.0, 1.0]]
    mask = [[1, 1, 0], [1, 1, 1], [0, 0, 0], [1, 1, 1]]
    assert mean_token_loss(losses, mask) == pytest.approx([2, 5, np.nan, np.nan], nan_ok=True)
    assert mean_token_loss([[1, 2], [3, 4]]).tolist() == [1.5, 3.5]


def test_learnability_is_high_where_the_reference_knows_and_the_learner_does_not():
    known, noise, learnable = (0.5, 0.4), (6.0, 5.9), (5.0, 1.0)
    learner, reference = zip(known, noise, learnable, strict=True)
    assert learnability(learner, reference) == pytest.approx([0.1, 0.1, 4.0])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: color_score([1, 2], [1]), InputDataError, "prior has 2 losses and conditional has 1"),
        (lambda: learnability([1, 2], [1]), InputDataError, "learner has 2 losses and reference has 1"),
        (lambda: color_score([[1]], [[1]]), InputDataError, "one loss an example"),
        (lambda: color_score(["a"], [1]), InputDataError, "not a number"),
        (lambda: color_filter(PRIOR, CONDITIONAL), UsageError, "How many"),
        (lambda: color_filter(PRIOR, CONDITIONAL, 3, tau=0.5), UsageError, "tau is 0.5"),
        (lambda: color_filter(PRIOR, CONDITIONAL, 3, tau=3), UsageError, "9 examples would be looked at"),
        (lambda: color_filter(PRIOR, CONDITIONAL, 0), UsageError, "n is 0"),
        (lambda: color_filter(PRIOR, CONDITIONAL, tau=7), UsageError, "none of 6"),
        (lambda: overlap_by_tau(PRIOR, CONDITIONAL, 2, []), UsageError, "taus"),
        (lambda: mean_token_loss([[1, 2]], [[1]]), InputDataError, "mask"),
    ],
)
def test_what_cannot_be_scored_is_refused(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_a_cold_batch_without_pairs_is_the_best_examples():
    scores = np.random.default_rng(2).normal(size=50)
    batch = sample_joint_batch(scores, 8, chunks=3, temperature=1e-6)
    assert set(batch.indices) == set(np.argsort(-scores)[:8])
    assert batch.score == pytest.approx(np.sort(scores)[-8:].sum())
    assert batch.random_score == pytest.approx(8 * scores.mean())


def test_chances_of_one_draw_are_those_of_a_softmax():
    scores = np.array([0.0, 0.5, 1.0, 2.0])
    drawn = [int(sample_joint_batch(scores, 1, temperature=0.7, seed=i).indices[0]) for i in range(4000)]
    expected = np.exp(scores / 0.7) / np.exp(scores / 0.7).sum()
    assert np.bincount(drawn, minlength=4) / 4000 == pytest.approx(expected, abs=0.02)


def test_pairs_make_a_batch_that_single_scores_would_not():
    # Alone, 0 to 3 are best; 6 to 9 are worth more together.
    scores = np.array([1.0, 1.0, 1.0, 1.0, 0, 0, 0.9, 0.9, 0.9, 0.9])
    pairs = np.zeros((10, 10))
    pairs[6:, 6:] = 1.0
    pairs[:4, :4] = -0.2
    together = {
        tuple(sorted(sample_joint_batch(scores, 4, pairs, chunks=4, temperature=0.05, sweeps=9, seed=i).indices))
        for i in range(10)
    }
    assert together == {(6, 7, 8, 9)}
    batch = sample_joint_batch(scores, 4, pairs, chunks=4, temperature=0.05, sweeps=9)
    assert batch.score == pytest.approx(4 * 0.9 + 6)
    alone = sample_joint_batch(scores, 4, chunks=4, temperature=1e-6)
    assert set(alone.indices) == {0, 1, 2, 3}


def test_sweeps_of_one_at_a_time_draw_batches_in_proportion_to_the_exponential_of_their_score():
    rng = np.random.default_rng(3)
    scores, pairs = rng.normal(size=5), rng.normal(size=(5, 5))
    pairs += pairs.T
    drawn = [
        tuple(sorted(sample_joint_batch(scores, 2, pairs, chunks=2, sweeps=8, temperature=2, seed=i).indices))
        for i in range(3000)
    ]
    sets = list(itertools.combinations(range(5), 2))
    weight = np.array([math.exp((scores[i] + scores[j] + pairs[i, j]) / 2) for i, j in sets])
    found = np.array([drawn.count(s) for s in sets]) / len(drawn)
    assert found == pytest.approx(weight / weight.sum(), abs=0.03)


def test_the_score_of_a_random_batch_is_the_mean_over_all():
    rng = np.random.default_rng(4)
    scores, pairs = rng.normal(size=6), rng.normal(size=(6, 6))
    pairs += pairs.T
    every = [
        sum(scores[i] for i in s) + sum(pairs[i, j] for i, j in itertools.combinations(s, 2))
        for s in itertools.combinations(range(6), 3)
    ]
    batch = sample_joint_batch(scores, 3, pairs)
    assert batch.random_score == pytest.approx(np.mean(every))
    assert batch.score in [pytest.approx(score) for score in every]


def test_examples_without_a_score_are_never_drawn():
    scores = np.array([np.nan, 1, 2, np.nan, 3])
    batch = sample_joint_batch(scores, 3, np.full((5, 5), np.nan_to_num(scores)[:, None] * 0), chunks=2)
    assert set(batch.indices) == {1, 2, 4}
    with pytest.raises(InputDataError, match="takes 4 examples, and 3 have a score"):
        sample_joint_batch(scores, 4)


@pytest.mark.parametrize(
    ("pairs", "words"),
    [(np.zeros((3, 3)), "4 by 4"), (np.triu(np.ones((4, 4)), 1), "not symmetric"), (np.full((4, 4), np.inf), "inf at")],
)
def test_pairs_that_are_none_are_refused(pairs, words):
    with pytest.raises(InputDataError, match=words):
        sample_joint_batch(np.ones(4), 2, pairs)


def test_settings_of_a_batch_that_make_no_sense_are_refused():
    for options in ({"size": 0}, {"chunks": 0}, {"temperature": 0}, {"sweeps": -1}, {"temperature": math.inf}):
        with pytest.raises(UsageError):
            sample_joint_batch(np.ones(4), **({"size": 2} | options))
