"""Imitation thresholds: partitions against every partition and frozen ones, ties, order, intervals, tests."""

import json
from itertools import combinations

import numpy as np
import pytest

import scaling
from scaling.errors import InputDataError, UsageError
from scaling.valuation import fit_imitation, imitation_threshold
from scaling.valuation.change_point import best_break, first_changes, noise_of, optimal_partition

# Three stretches of means 0.2, 0.6 and 0.4. ruptures 1.1.10 (Pelt, l2, jump=1) finds 14 and 26 at the penalties below,
# with stretches of 1 or 5 at least.
SERIES = np.array([
    0.14, 0.09, 0.18, 0.23, 0.29, 0.21, 0.16, 0.14, 0.26, 0.33,
    0.22, 0.1, 0.12, 0.33, 0.62, 0.46, 0.59, 0.51, 0.55, 0.56,
    0.54, 0.64, 0.59, 0.55, 0.63, 0.67, 0.27, 0.38, 0.32, 0.39,
    0.3, 0.4, 0.4, 0.38, 0.32, 0.37, 0.31, 0.29, 0.42, 0.31,
])  # fmt: skip


def cost(values, cuts, penalty):
    return sum(float(np.sum((p - p.mean()) ** 2)) for p in np.split(values, cuts)) + penalty * len(cuts)


def concepts(n=150, jump=0.4, scatter=0.1, at=350, seed=0):
    rng = np.random.default_rng(seed)
    counts = np.exp(rng.uniform(np.log(5), np.log(5000), n))
    return counts, 0.2 + jump * (counts >= at) + scatter * rng.standard_normal(n)


def test_partitions_are_those_of_a_published_implementation():
    for penalty in (0.05, 0.2):
        for size in (1, 5):
            assert optimal_partition(SERIES, penalty, min_size=size).tolist() == [14, 26]
    assert optimal_partition(SERIES, 1.0).tolist() == []
    assert noise_of(SERIES) == pytest.approx(0.0733850658, rel=1e-9)


@pytest.mark.parametrize("seed", range(30))
def test_no_partition_costs_less(seed):
    """Every partition of 13 values, stretches of three at least."""
    rng = np.random.default_rng(seed)
    values = np.repeat(rng.standard_normal(3), [4, 5, 4]) + 0.4 * rng.standard_normal(13)
    penalty = float(rng.uniform(0.05, 2))
    all_ = [
        list(cuts) for k in range(4) for cuts in combinations(range(1, 13), k)
        if np.all(np.diff([0, *cuts, 13]) >= 3)
    ]  # fmt: skip
    best = min(all_, key=lambda cuts: cost(values, cuts, penalty))
    found = optimal_partition(values, penalty, min_size=3)
    assert cost(values, found, penalty) == pytest.approx(cost(values, best, penalty), abs=1e-12)


def test_pruning_by_size_does_not_cost_the_optimum():
    """Here ruptures, which prunes before a stretch is long enough, ends at 30 with a cost that is 0.31 higher."""
    rng = np.random.default_rng(251)
    n, steps = int(rng.integers(20, 200)), rng.integers(0, 5)
    values = np.zeros(n)
    for c in rng.choice(n, steps, replace=False):
        values[c:] += rng.normal()
    values += 0.3 * rng.standard_normal(n)
    penalty = 2 * noise_of(values) ** 2 * np.log(n)
    found = optimal_partition(values, penalty)
    assert found.tolist() == [28]
    assert cost(values, [30], penalty) - cost(values, found, penalty) == pytest.approx(0.3082134, rel=1e-5)


def test_values_far_from_zero_keep_their_digits():
    np.testing.assert_array_equal(optimal_partition(1e7 + SERIES, 0.2), [14, 26])


def test_concepts_of_equal_count_are_never_parted():
    blocks = np.repeat(np.arange(8), 5)  # 10..14 is one block, so no stretch begins at 14
    found = optimal_partition(SERIES, 0.05, blocks=blocks)
    assert found.tolist() == [15, 25]
    assert best_break(SERIES, min_size=5, blocks=blocks)[0] == 3  # the block that begins at 15


def test_weights_of_one_are_the_data_at_half_the_penalty_and_what_was_not_drawn_is_not_a_threshold():
    blocks = np.arange(40)
    assert first_changes(SERIES, 0.1, np.ones((1, 40)), min_size=5, blocks=blocks).tolist() == [14]
    weights = np.ones((1, 40))
    weights[0, 13:16] = 0
    assert first_changes(SERIES, 0.1, weights, min_size=5, blocks=blocks).tolist() == [16]
    assert first_changes(SERIES, 5.0, np.ones((3, 40)), min_size=5, blocks=blocks).tolist() == [0, 0, 0]


def test_a_jump_is_found_with_its_means_and_its_interval():
    counts, scores = concepts()
    found = imitation_threshold(counts, scores)
    true = counts[counts >= 350].min()
    assert found.threshold == true
    assert found.last_below == counts[counts < 350].max()
    assert found.means == pytest.approx((scores[counts < 350].mean(), scores[counts >= 350].mean()))
    assert found.interval[0] <= true <= found.interval[1] < 700
    assert found.noise == pytest.approx(0.1, rel=0.2)
    assert found.penalty == pytest.approx(2 * found.noise**2 * np.log(150))
    assert (found.break_at, found.p_value, found.warnings) == (true, 0.001, ())
    total = np.sum((scores - scores.mean()) ** 2)
    gain = total - sum(np.sum((p - p.mean()) ** 2) for p in (scores[counts < 350], scores[counts >= 350]))
    assert found.sup_f == pytest.approx(gain / ((total - gain) / 148))
    assert gain / total < found.isotonic_r2 < 1
    assert np.all(np.diff(found.isotonic_scores) >= 0)
    assert "Imitation threshold" in repr(found)


@pytest.mark.parametrize(("jump", "fewest"), [(0.4, 38), (0.15, 35)])
def test_intervals_hold_the_jump(jump, fewest):
    hits = 0
    for seed in range(40):
        counts, scores = concepts(jump=jump, seed=seed)
        low, high = imitation_threshold(counts, scores, bootstrap=60, permutations=19).interval
        hits += low <= counts[counts >= 350].min() <= high
    assert hits >= fewest  # of 40


def test_scores_that_do_not_change_have_no_threshold_and_say_so():
    found = [imitation_threshold(*concepts(jump=0, seed=i), bootstrap=2, permutations=99) for i in range(60)]
    without = [f for f in found if np.isnan(f.threshold)]
    assert len(without) >= 50
    assert "No imitation threshold" in repr(without[0])
    warned = [f for f in found if any("any other order" in w for w in f.warnings)]
    assert len(warned) >= 51  # 57 expected at 5 %
    assert all(f.p_value > 0.05 for f in warned)


def test_the_order_of_the_input_does_not_matter_even_among_ties():
    rng = np.random.default_rng(1)
    counts, scores = concepts(seed=1)
    counts = np.round(counts, -2)  # many of equal count
    mixed = rng.permutation(len(counts))
    one, two = imitation_threshold(counts, scores), imitation_threshold(counts[mixed], scores[mixed])
    assert one.to_dict() == two.to_dict()
    assert one.threshold in counts


def test_scores_that_are_right_or_wrong_have_a_scatter_too():
    rng = np.random.default_rng(0)
    counts = np.sort(np.exp(rng.uniform(np.log(5), np.log(5000), 200)))
    scores = (rng.random(200) < np.where(counts < 300, 0.02, 0.95)).astype(float)
    assert np.median(np.abs(np.diff(scores))) == 0
    found = imitation_threshold(counts, scores)
    assert found.noise > 0
    assert found.threshold == pytest.approx(300, rel=0.15)


def test_a_fall_is_no_onset():
    counts, scores = concepts()
    found = imitation_threshold(counts, -scores)
    assert any("fall at the first change point" in w for w in found.warnings)


def test_the_law_has_the_middle_of_the_rise_and_the_change_point_lies_before_it_where_the_rise_is_slow():
    rng = np.random.default_rng(0)
    counts = np.exp(rng.uniform(np.log(5), np.log(5000), 300))
    scores = 0.2 + 0.5 / (1 + (400 / counts) ** 1.2) + 0.05 * rng.standard_normal(300)
    fit = fit_imitation(np.append(counts, 0), np.append(scores, 0.2), bootstrap=0)
    assert fit.law is scaling.find_law("imitation")
    assert fit.n_obs == 300, "a count of 0 has no logarithm"
    low, high = fit.interval("threshold", 0.99)
    assert low < 400 < high
    assert fit.estimates["slope"] == pytest.approx(1.2, abs=0.3)
    found = imitation_threshold(counts, scores, bootstrap=2)
    assert len(found.change_points) > 1
    assert found.threshold < low
    assert fit.evaluate({"n": [fit.estimates["threshold"]]})[0][0] == pytest.approx(
        (fit.estimates["low"] + fit.estimates["high"]) / 2
    )


def test_it_is_plain_data():
    data = json.loads(json.dumps(imitation_threshold(*concepts(jump=0)).to_dict(), allow_nan=False))
    assert (data["threshold"], data["n"], data["seed"]) == (None, 150, 0)


def test_what_cannot_have_a_threshold_is_refused():
    counts, scores = concepts()
    with pytest.raises(InputDataError, match="11 concepts: no threshold can be told from fewer than 12"):
        imitation_threshold(counts[:11], scores[:11])
    with pytest.raises(InputDataError, match="fewer than 40"):
        imitation_threshold(counts[:30], scores[:30], min_size=20)
    with pytest.raises(InputDataError, match="Concept 3 has the count -1"):
        imitation_threshold(np.where(np.arange(150) == 3, -1, counts), scores)
    with pytest.raises(InputDataError, match="All concepts have the count 7"):
        imitation_threshold(np.full(150, 7), scores)
    with pytest.raises(InputDataError, match="All concepts have the score"):
        imitation_threshold(counts, np.ones(150))
    with pytest.raises(InputDataError, match="one of both a concept"):
        imitation_threshold(counts, scores[:9])
    with pytest.raises(UsageError, match="at least 1, 2, 19 and 0"):
        imitation_threshold(counts, scores, permutations=5)
