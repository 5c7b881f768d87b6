"""Sensitivity sampling: its chances, that its estimate has no bias and the error it says, and what it saves."""

import json

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation.points.sensitivity import centre_examples, sensitivity_sample, weighted_mean_loss


def landscape(n=3000, seed=0):
    """Embeddings in clusters, with losses that are smooth in them and high in one rare cluster."""
    rng = np.random.default_rng(seed)
    where = 4 * rng.normal(size=(20, 6))
    member = rng.choice(20, n, p=np.r_[np.full(19, 0.99 / 19), 0.01])
    rows = where[member] + 0.3 * rng.normal(size=(n, 6))
    losses = np.r_[rng.uniform(0.2, 1, 19), 30][member] * (1 + 0.1 * np.tanh(rows[:, 0] - where[member, 0]))
    return rows, losses


ROWS, LOSSES = landscape()
CENTRES = centre_examples(ROWS, 20)


def test_centres_are_examples_and_distances_are_to_them():
    assert len(set(CENTRES.indices)) == 20
    assert np.array_equal(CENTRES.cluster[CENTRES.indices], np.arange(20))
    direct = np.linalg.norm(ROWS - ROWS[CENTRES.indices[CENTRES.cluster]], axis=1)
    assert CENTRES.distance == pytest.approx(direct, abs=1e-12)
    assert np.all(CENTRES.distance[CENTRES.indices] == 0)


@pytest.mark.parametrize("z", [1.0, 2.0])
def test_chances_are_in_proportion_to_loss_and_distance(z):
    sample = sensitivity_sample(CENTRES, LOSSES[CENTRES.indices], 50, lam=0.3, z=z)
    expected = LOSSES[CENTRES.indices][CENTRES.cluster] + 0.3 * CENTRES.distance**z
    assert sample.chances == pytest.approx(expected / expected.sum(), rel=1e-12)
    assert sample.weights == pytest.approx(1 / (50 * sample.chances[sample.indices]))


def test_lam_weighs_losses_and_distances_alike_unless_given():
    sample = sensitivity_sample(CENTRES, LOSSES[CENTRES.indices], 5)
    far = sample.lam * CENTRES.distance**2
    assert far.sum() == pytest.approx(LOSSES[CENTRES.indices][CENTRES.cluster].sum())


@pytest.mark.parametrize("lam", [0.0, 0.3, None])
def test_the_estimate_has_no_bias_and_the_error_that_it_says(lam):
    found = []
    for seed in range(1500):
        sample = sensitivity_sample(CENTRES, LOSSES[CENTRES.indices], 40, lam=lam, seed=seed)
        found.append(weighted_mean_loss(sample, LOSSES[sample.indices]))
    means, errors = np.array([f.estimate for f in found]), np.array([f.standard_error for f in found])
    chances = sensitivity_sample(CENTRES, LOSSES[CENTRES.indices], 40, lam=lam).chances
    each = LOSSES / (len(LOSSES) * chances)
    exact = np.sqrt((np.sum(chances * each**2) - LOSSES.mean() ** 2) / 40)
    assert abs(means.mean() - LOSSES.mean()) < 4 * exact / np.sqrt(1500)
    assert means.std() == pytest.approx(exact, rel=0.08)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(exact, rel=0.05)


def test_it_needs_far_fewer_losses_than_drawing_evenly():
    sample = sensitivity_sample(CENTRES, LOSSES[CENTRES.indices], 40, lam=0)
    each = LOSSES / (len(LOSSES) * sample.chances)
    variance = np.sum(sample.chances * each**2) - LOSSES.mean() ** 2
    assert variance < LOSSES.var() / 50


def test_a_rare_cluster_of_high_losses_is_drawn_as_often_as_its_part_of_the_sum():
    high = LOSSES > 10
    sample = sensitivity_sample(CENTRES, LOSSES[CENTRES.indices], 400, lam=0)
    assert sample.chances[high].sum() == pytest.approx(LOSSES[high].sum() / LOSSES.sum(), rel=0.05)
    assert sample.chances[high].sum() > 20 * high.mean()


def test_copies_of_a_row_share_their_centre():
    rows = np.repeat(np.array([[0.0, 1], [5, 5], [9, 0]]), 4, axis=0)
    centres = centre_examples(rows, 3)
    assert sorted(centres.indices) == [0, 4, 8]
    assert np.all(centres.distance == 0)
    sample = sensitivity_sample(centres, [0.0, 1, 3], 100, lam=1)
    assert sample.chances.sum() == pytest.approx(1)
    of_zero = centres.cluster == 0
    assert np.all(sample.chances[of_zero] == 0)
    assert not np.any(of_zero[sample.indices])


def test_what_is_printed():
    sample = sensitivity_sample(CENTRES, LOSSES[CENTRES.indices], 40)
    mean = weighted_mean_loss(sample, LOSSES[sample.indices])
    assert "±" in repr(mean)
    assert "over 3000 examples, from 40 draws" in repr(mean)
    assert "40 draws of 3000 examples" in repr(sample)
    assert len(json.loads(json.dumps(sample.to_dict()))["chances"]) == 40
    one = sensitivity_sample(CENTRES, LOSSES[CENTRES.indices], 1)
    assert "unknown" in repr(weighted_mean_loss(one, LOSSES[one.indices]))


@pytest.mark.parametrize(
    ("losses", "options", "error", "words"),
    [
        (np.ones(19), {}, InputDataError, "19 losses for 20 centres"),
        (np.r_[-1, np.ones(19)], {}, InputDataError, "chances cannot be negative"),
        (np.r_[np.nan, np.ones(19)], {}, InputDataError, "nan in row 0"),
        (np.zeros(20), {"lam": 0}, InputDataError, "no example would be drawn"),
        (np.ones(20), {"size": 0}, UsageError, "size 0"),
        (np.ones(20), {"z": 0}, UsageError, "z 0"),
        (np.ones(20), {"lam": -1}, UsageError, "lam -1"),
    ],
)
def test_what_cannot_be_drawn_is_refused(losses, options, error, words):
    with pytest.raises(error, match=words):
        sensitivity_sample(CENTRES, losses, **({"size": 5} | options))


def test_losses_have_to_be_those_of_the_draws():
    sample = sensitivity_sample(CENTRES, LOSSES[CENTRES.indices], 5)
    with pytest.raises(InputDataError, match="4 losses for 5 draws"):
        weighted_mean_loss(sample, np.ones(4))
