"""Prototypes: clusters that are there are found, distances are exact, and pruning keeps what it says."""

import itertools
import json

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation.points.kmeans import find_clusters, nearest_centre
from scaling.valuation.points.prototypes import prototype_difficulty, prune_by_difficulty


def blobs(n, seed=0, spread=0.05, centres=4, dims=8):
    rng = np.random.default_rng(seed)
    where = np.linalg.qr(rng.normal(size=(dims, dims)))[0][:centres]
    member = rng.integers(0, centres, n)
    return where[member] + spread * rng.normal(size=(n, dims)), member, where


def test_clusters_that_are_there_are_found():
    rows, member, where = blobs(2000)
    scores = prototype_difficulty(rows, 4)
    table = np.zeros((4, 4))
    np.add.at(table, (member, scores.cluster), 1)
    assert np.all((table > 0).sum(axis=1) == 1)
    assert np.max(scores.clusters.centres @ where.T, axis=1) == pytest.approx(np.ones(4), abs=1e-3)
    assert scores.clusters.settled


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_difficulty_is_one_less_the_largest_cosine(kind):
    rows = blobs(300, spread=0.5)[0].astype(kind)
    scores = prototype_difficulty(rows, 7, seed=1)
    unit = rows.astype(float) / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)
    cosines = unit @ scores.clusters.centres.T
    assert scores.difficulty == pytest.approx(1 - cosines.max(axis=1), abs=1e-6 if kind != np.float64 else 1e-14)
    assert np.linalg.norm(scores.clusters.centres, axis=1) == pytest.approx(np.ones(7), abs=1e-14)


def test_a_seed_gives_the_same_again_and_a_sample_nearly_the_same():
    rows = blobs(20_000, spread=0.2)[0]
    one, again = prototype_difficulty(rows, 4, seed=2), prototype_difficulty(rows, 4, seed=2)
    assert np.array_equal(one.difficulty, again.difficulty)
    part = prototype_difficulty(rows, 4, seed=2, sample=2000)
    assert part.clusters.n_used == 2000
    assert np.corrcoef(part.difficulty, one.difficulty)[0, 1] > 0.99
    assert not np.array_equal(part.difficulty, one.difficulty)


def test_more_rounds_never_make_clusters_looser():
    rows = np.random.default_rng(3).normal(size=(500, 5))
    loose = [find_clusters(rows, 9, iterations=i, spherical=False).inertia for i in (1, 2, 5, 20)]
    assert all(b <= a + 1e-12 for a, b in itertools.pairwise(loose))
    assert loose[-1] < loose[0]


def test_every_row_its_own_centre():
    rows = np.random.default_rng(4).normal(size=(12, 3))
    found = find_clusters(rows, 12, spherical=False)
    assert sorted(nearest_centre(rows, found.centres)[0]) == list(range(12))
    assert found.inertia == pytest.approx(0, abs=1e-28)


def test_copies_of_few_rows_are_told():
    rows = np.repeat(np.eye(3), 50, axis=0)
    assert prototype_difficulty(rows, 3).difficulty == pytest.approx(np.zeros(150), abs=1e-15)
    with pytest.raises(InputDataError, match="4 clusters are to be found, and there are 3 different rows"):
        prototype_difficulty(rows, 4)


def test_opposite_rows_keep_a_centre_of_length_one():
    rows = np.array([[1.0, 0], [-1, 0], [1, 0], [-1, 0]])
    assert np.linalg.norm(find_clusters(rows, 1).centres) == pytest.approx(1)


def test_pruning_keeps_the_end_that_was_asked_for():
    difficulty = np.array([0.3, 0.1, 0.5, 0.1, 0.9, 0.7])
    hard, easy = prune_by_difficulty(difficulty, 0.5, "hard"), prune_by_difficulty(difficulty, 0.5, "easy")
    assert hard.indices.tolist() == [2, 4, 5]
    assert hard.threshold == 0.5
    assert easy.indices.tolist() == [0, 1, 3]
    assert prune_by_difficulty(difficulty, 1 / 6, "easy").indices.tolist() == [1]
    assert len(prune_by_difficulty(np.arange(10), 0.3, "hard").indices) == 3
    assert "the hard 50 % of 6 examples" in repr(hard)


def test_a_floor_keeps_a_class_that_would_be_lost():
    difficulty = np.concatenate([np.linspace(0.5, 1, 90), np.linspace(0, 0.1, 10)])
    labels = ["many"] * 90 + ["few"] * 10
    none = prune_by_difficulty(difficulty, 0.2, "hard", labels=labels, floor=0)
    assert none.classes == {"few": (10, 0), "many": (90, 20)}
    half = prune_by_difficulty(difficulty, 0.2, "hard", labels=labels, floor=0.5)
    assert half.classes == {"few": (10, 5), "many": (90, 15)}
    assert half.n_by_floor == 5
    assert half.indices[-5:].tolist() == [95, 96, 97, 98, 99]
    assert half.indices[:15].tolist() == list(range(75, 90))
    assert half.threshold == pytest.approx(difficulty[75])
    equal = prune_by_difficulty(difficulty, 0.5, "hard", labels=labels, floor=1)
    assert equal.classes == {"few": (10, 10), "many": (90, 40)}
    assert json.dumps(half.to_dict())


def test_unknown_difficulties_are_kept_last():
    difficulty = np.array([np.nan, 0.2, 0.4, np.nan])
    for which in ("hard", "easy"):
        assert prune_by_difficulty(difficulty, 0.5, which).indices.tolist() == [1, 2]
    with pytest.raises(InputDataError, match="3 examples are to be kept, and 2 have a difficulty"):
        prune_by_difficulty(difficulty, 0.75, "hard")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"keep": 0}, UsageError),
        ({"keep": 1.1}, UsageError),
        ({"which": "middle"}, UsageError),
        ({"floor": 2}, UsageError),
        ({"difficulty": [1, np.inf]}, InputDataError),
        ({"difficulty": [[1]]}, InputDataError),
        ({"labels": [1]}, InputDataError),
    ],
)
def test_pruning_that_makes_no_sense_is_refused(change, error):
    with pytest.raises(error):
        prune_by_difficulty(**({"difficulty": [1, 2], "keep": 0.5, "which": "hard"} | change))


def test_embeddings_that_cannot_be_used_are_refused():
    with pytest.raises(InputDataError, match="nothing but zeros"):
        prototype_difficulty(np.zeros((3, 2)), 1)
    with pytest.raises(UsageError, match="k 0"):
        prototype_difficulty(np.eye(3), 0)
