"""Facility location: its forms agree, what it does not keep in memory, and what it refuses."""

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation import make_objective
from tests.valuation.definitions import A, K, greedy, points


def clustered(n, m, seed=0, clusters=12):
    rng = np.random.default_rng(seed)
    made = rng.standard_normal((clusters, m))[rng.integers(clusters, size=n)] + 0.6 * rng.standard_normal((n, m))
    return made.astype(np.float32)


@pytest.mark.parametrize("kernel", ["shifted_cosine", "relu_cosine", "rbf"])
@pytest.mark.parametrize("n", [300, 5000])
def test_kept_and_computed_similarities_give_the_same_gains(kernel, n):
    rows = clustered(n, 8)
    kept = make_objective("facility_location", rows, 5, kernel=kernel, represent=rows[:2500], memory="dense")
    computed = make_objective("facility_location", rows, 5, kernel=kernel, represent=rows[:2500], memory="on_the_fly")
    some = np.arange(0, n, 7)
    for index in (0, 11, 200):
        np.testing.assert_allclose(kept.gains(some), computed.gains(some), rtol=2e-5, atol=2e-4)
        assert kept.add(index) == pytest.approx(computed.add(index), rel=2e-5)
    np.testing.assert_allclose(kept.gains()[some], kept.gains(some), rtol=0, atol=0)
    np.testing.assert_allclose(computed.gains()[some], computed.gains(some), rtol=2e-5, atol=2e-4)


def test_memory_decides_by_the_limit():
    rows = clustered(300, 8)
    size = 300 * 300 * 4 / 2**30
    assert make_objective("facility_location", rows, memory_gib=size).describe()["memory"] == "dense"
    assert make_objective("facility_location", rows, memory_gib=size * 0.99).describe()["memory"] == "on the fly"


def test_without_a_kept_kernel_memory_is_that_of_the_embeddings():
    import tracemalloc

    rows = clustered(20_000, 8)
    objective = make_objective("facility_location", rows, 5, memory="on_the_fly")
    tracemalloc.start()
    objective.add(int(objective.gains().argmax()))
    objective.gains(np.arange(512))
    objective.add(1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12e6  # a kernel of 20,000 x 20,000 has 1,600e6


def test_stale_gains_bound_fresh_ones_to_the_last_bit_in_float32():
    objective = make_objective("facility_location", clustered(3000, 8), 5, memory="dense")
    objective.add(5)
    before = objective.gains()
    for index in range(100, 115):
        objective.add(index)
        now = objective.gains()
        assert np.all(now <= before)
        before = now


def test_duplicates_change_nothing():
    rows = np.vstack([A, A[[2, 2, 9, 5]]])
    objective = make_objective("facility_location", rows, 4, represent=A)
    chosen, gains = greedy(objective, 4)
    np.testing.assert_allclose(gains, greedy(make_objective("facility_location", A, 4), 4)[1], atol=1e-12)
    for index in chosen:
        objective.add(index)
    twin = {2: 12, 9: 14, 12: 2, 14: 9}
    members = [twin[c] for c in chosen if c in twin]
    assert len(members) == 2
    np.testing.assert_allclose(objective.gains(np.array(members)), 0, atol=1e-12)
    value = objective.value
    assert objective.add(members[0]) == pytest.approx(0, abs=1e-12)
    assert objective.value == pytest.approx(value, abs=1e-12)


def test_the_score_is_the_mean_similarity_to_the_set():
    objective = make_objective("facility_location", A, 2, weights=np.arange(12.0))
    objective.add(3)
    objective.add(7)
    assert objective.score() == pytest.approx(np.average(K[[3, 7]].max(0), weights=np.arange(12)), rel=1e-12)


def test_neighbours_alone_select_for_another_function_and_say_so():
    rows = clustered(600, 8, clusters=40)
    sparse = make_objective("facility_location", rows, 20, neighbours=5)
    dense = make_objective("facility_location", rows, 20)
    chosen, gains = greedy(sparse, 20)
    similar = np.sort(0.5 + 0.5 * _unit(rows) @ _unit(rows).T, axis=0)
    kept = np.where(0.5 + 0.5 * _unit(rows) @ _unit(rows).T >= similar[-5], 0.5 + 0.5 * _unit(rows) @ _unit(rows).T, 0)
    assert gains.sum() == pytest.approx(kept[chosen].max(0).sum(), rel=1e-5)
    for index in chosen:
        sparse.add(index)
    assert sparse.score() == pytest.approx(dense.evaluate(chosen) / 600, rel=1e-5)  # 600 rows are scored whole
    assert sparse.value / 600 < sparse.score()
    assert sparse.describe()["scored_on"] == "all similarities of 600 represented examples"
    assert "neighbours alone" in sparse.guarantee.why


def test_neighbours_from_given_similarities_are_those_of_the_embeddings():
    made = make_objective("facility_location", A, 4, neighbours=4)
    given = make_objective("facility_location", None, 4, neighbours=4, similarities=K)
    np.testing.assert_allclose(made.gains(), given.gains(), atol=1e-12)
    edge = np.sort(K, axis=0)[-4]
    kept = K * (edge <= K)
    np.testing.assert_allclose(made.gains(), kept.sum(axis=1), atol=1e-12)


@pytest.mark.parametrize("memory", ["dense", "on_the_fly"])
def test_a_large_represented_set_of_neighbours_is_scored_on_a_sample(memory):
    rows = clustered(2600, 4)
    objective = make_objective("facility_location", rows, 2, neighbours=3, seed=7)
    again = make_objective("facility_location", rows, 2, neighbours=3, seed=7)
    whole = make_objective("facility_location", rows, 2, memory=memory)
    for index in (4, 900):
        objective.add(index)
        again.add(index)
        whole.add(index)
    assert objective.score() == again.score()
    assert objective.score() == pytest.approx(whole.score(), abs=0.01)
    assert objective.score() != pytest.approx(whole.score(), abs=1e-9)


def _unit(rows):
    return rows.astype(float) / np.linalg.norm(rows.astype(float), axis=1, keepdims=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kernel": "cosine"}, "negative"),
        ({"kernel": "shifted"}, "no kernel 'shifted'"),
        ({"bandwidth": 1.0}, "no bandwidth"),
        ({"kernel": "rbf", "bandwidth": -1.0}, "not a positive number"),
        ({"memory": "little"}, "no memory 'little'"),
        ({"memory_gib": -1}, "memory_gib"),
        ({"represent": A[:, :3]}, "3 dimensions"),
        ({"weights": np.ones(3)}, "12 are expected"),
        ({"neighbours": 0}, "neighbours is 0"),
        ({"similarities": K[:5]}, "5 rows, and there are 12"),
        ({"similarities": K[0]}, "shape (12,)"),
        ({"similarities": K, "represent": A}, "Similarities are given"),
        ({"similarities": [["a"] * 12] * 12}, "not a number"),
    ],
)
def test_calls_that_make_no_sense(options, words):
    with pytest.raises(UsageError) as caught:
        make_objective("facility_location", A, 3, **options)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"similarities": 2 * K - 1}, "needs similarities of 0 or more"),
        ({"similarities": np.where(np.eye(12) > 0, np.nan, K)}, "nan in row 0, column 0"),
        ({"weights": -np.ones(12)}, "Weights are 0 or more"),
        ({"weights": np.zeros(12)}, "All weights are 0"),
        ({"represent": np.zeros((2, 4))}, "represent with nothing but zeros"),
    ],
)
def test_data_that_cannot_be_used(options, words):
    with pytest.raises(InputDataError) as caught:
        make_objective("facility_location", A, 3, **options)
    assert words in str(caught.value)


def test_there_has_to_be_something():
    for name in ("facility_location", "graph_cut"):
        with pytest.raises(UsageError, match="neither embeddings nor similarities"):
            make_objective(name, None, 3)


def test_rounding_below_zero_is_zero():
    given = K.copy()
    given[0, 1] = -1e-9
    objective = make_objective("facility_location", A, 3, similarities=given)
    assert objective.gains()[0] == pytest.approx(K[0].sum() - K[0, 1], rel=1e-12)


def test_members_are_counted_once():
    objective = make_objective("facility_location", A, 3)
    objective.add(4)
    with pytest.raises(UsageError, match="in the set already"):
        objective.add(4)
    for index in (-1, 12):
        with pytest.raises(UsageError, match=f"no candidate {index}"):
            objective.add(index)
    assert np.isfinite(objective.gains()).all()


def test_float16_is_computed_in_float32():
    objective = make_objective("facility_location", points(50, 4).astype(np.float16), 3)
    assert objective.best.dtype == np.float32
    assert objective.gains()[3] == pytest.approx(
        make_objective("facility_location", points(50, 4), 3).gains()[3], rel=1e-3
    )
