"""Values by nearest neighbours: against all subsets, against numbers that two programs agree on, and where data are
odd.
"""

import itertools
import math

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation.points.nearest import knn_banzhaf, knn_leave_one_out, knn_shapley, knn_utility
from scaling.valuation.points.order import NearestFirst
from scaling.valuation.points.rank_values import chance_beside, chance_to_count

KINDS = {"shapley": knn_shapley, "banzhaf": knn_banzhaf, "leave_one_out": knn_leave_one_out}


def waves(n, m):
    i, j = np.arange(1, n + 1)[:, None], np.arange(1, m + 1)[None]
    rows = np.sin(0.7 * i * j) + 0.3 * np.cos(1.3 * i**2 / j)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


ROWS = waves(15, 4)
X, Q = ROWS[:12], ROWS[12:]
Y, YT = [0, 1, 2, 0, 1, 2, 0, 0, 1, 1, 2, 2], [0, 1, 2]
SHAPLEY_1 = [
    0.0277777778, 0.0027777778, -0.0035714286, 0.2981481481, 0.1435185185, 0.3101851852,
    0.0138888889, 0.0218253968, 0.1514550265, 0.0171957672, 0.0107142857, 0.0060846561,
]  # fmt: skip
AT_3458 = {
    3: [0.0759259259, 0.087962963, 0.087962963, 0.0958994709],
    5: [0.0314814815, 0.0435185185, 0.0435185185, 0.0514550265],
}


def brute_force(kind, X, y, X_test, y_test, k, utility):
    """The value of each point from the utility of every subset."""
    n = len(X)
    values = np.zeros(n)
    for x, t in zip(np.asarray(X_test), y_test, strict=True):
        distance = np.sum((np.asarray(X) - x) ** 2, axis=1)
        order = np.lexsort((np.arange(n), distance))
        v = [utility([y[i] for i in order if mask >> i & 1][:k], t, k) for mask in range(1 << n)]
        for i, mask in itertools.product(range(n), range(1 << n)):
            if not mask >> i & 1:
                size = mask.bit_count()
                weight = {
                    "shapley": 1 / (n * math.comb(n - 1, size)),
                    "banzhaf": 0.5 ** (n - 1),
                    "leave_one_out": float(size == n - 1),
                }[kind]
                values[i] += weight * (v[mask | 1 << i] - v[mask])
    return values / len(y_test)


def accuracy(nearest, target, k):
    return sum(label == target for label in nearest) / k


def squared_error(baseline):
    return lambda nearest, t, k: -((sum(z - baseline for z in nearest) / k - (t - baseline)) ** 2)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_shapley_values_of_the_reference_points(k):
    expected = np.array(SHAPLEY_1)
    if k > 1:
        expected[[3, 4, 5, 8]] = AT_3458[k]
    values = knn_shapley(X, Y, Q, YT, k)
    assert values == pytest.approx(expected, abs=6e-11)
    assert values.sum() == pytest.approx({1: 1, 3: 0.4444444444, 5: 0.2666666667}[k], abs=6e-11)


def test_banzhaf_and_leave_one_out_of_the_reference_points():
    expected = [
        0.0036349826, -0.0475802951, -0.0584309896, 0.0444335938, 0.0683051215, 0.0683051215,
        -0.0267469618, -0.0093858507, 0.0856662326, -0.018500434, -0.030219184, -0.0393337674,
    ]  # fmt: skip
    assert knn_banzhaf(X, Y, Q, YT, 3) == pytest.approx(expected, abs=6e-11)
    loo = np.zeros(12)
    loo[[3, 4, 5, 8]] = 1 / 9
    assert knn_leave_one_out(X, Y, Q, YT, 3) == pytest.approx(loo, abs=1e-15)


def test_fewer_points_than_neighbours():
    assert knn_shapley(X[:3], Y[:3], Q, YT, 5) == pytest.approx([1 / 15] * 3, abs=1e-15)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 3, 5, 13])
def test_classification_is_what_all_subsets_give(kind, k):
    rng = np.random.default_rng(k)
    for n in (1, 2, 3, 5, 9):
        y, y_test = rng.integers(0, 3, n), rng.integers(0, 3, 2)
        rows, tests = rng.normal(size=(n, 2)), rng.normal(size=(2, 2))
        expected = brute_force(kind, rows, y, tests, y_test, k, accuracy)
        assert KINDS[kind](rows, y, tests, y_test, k) == pytest.approx(expected, abs=1e-14)


def test_classification_is_what_all_subsets_give_of_twelve():
    expected = brute_force("shapley", X, Y, Q[:1], YT[:1], 3, accuracy)
    found = knn_shapley(X, Y, Q[:1], YT[:1], 3)
    assert found == pytest.approx(expected, abs=1e-14)  # what a sum over 24576 pairs of subsets rounds


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 2, 3, 5, 13])
@pytest.mark.parametrize("baseline", [0.0, None])
def test_regression_is_what_all_subsets_give(kind, k, baseline):
    rng = np.random.default_rng(k)
    for n in (1, 2, 3, 4, 7, 9):
        y, y_test = rng.normal(size=n), rng.normal(size=2)
        rows, tests = rng.normal(size=(n, 2)), rng.normal(size=(2, 2))
        expected = brute_force(kind, rows, y, tests, y_test, k, squared_error(y.mean() if baseline is None else 0))
        found = KINDS[kind](rows, y, tests, y_test, k, task="regression", baseline=baseline)
        assert found == pytest.approx(expected, abs=1e-13)


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("k", [1, 5, 700])
def test_shapley_values_sum_to_the_utility(task, k):
    rng = np.random.default_rng(0)
    rows, tests, y, y_test = rng.normal(size=(500, 8)), rng.normal(size=(70, 8)), *rng.integers(0, 4, (2, 500))
    values = knn_shapley(rows, y, tests, y_test[:70], k, task=task)
    of_all, of_none = knn_utility(rows, y, tests, y_test[:70], k, task=task)
    assert of_all - of_none != 0
    assert values.sum() == pytest.approx(of_all - of_none, rel=1e-10)


def test_regression_values_do_not_depend_on_the_zero_of_the_targets():
    rng = np.random.default_rng(1)
    rows, tests, y, y_test = rng.normal(size=(40, 3)), rng.normal(size=(9, 3)), rng.normal(size=40), rng.normal(size=9)
    one = knn_shapley(rows, y, tests, y_test, 60, task="regression")
    assert knn_shapley(rows, y + 50, tests, y_test + 50, 60, task="regression") == pytest.approx(one, abs=1e-12)
    from_zero = knn_shapley(rows, y, tests, y_test, 60, task="regression", baseline=0)
    assert (
        np.max(np.abs(knn_shapley(rows, y + 50, tests, y_test + 50, 60, task="regression", baseline=0) - from_zero)) > 1
    )


def test_test_points_are_independent_of_each_other_and_of_blocks():
    rng = np.random.default_rng(2)
    rows, tests, y, y_test = rng.normal(size=(60, 5)), rng.normal(size=(17, 5)), *rng.integers(0, 3, (2, 60))
    y_test = y_test[:17]
    for task in ("classification", "regression"):
        options = {"k": 4, "task": task}
        alone = np.array(
            [knn_shapley(rows, y, tests[i : i + 1], y_test[i : i + 1], **options) for i in range(len(tests))]
        )
        together = knn_shapley(rows, y, tests, y_test, **options)
        assert together == pytest.approx(alone.mean(axis=0), abs=1e-14)
        backwards = knn_shapley(rows, y, tests[::-1], y_test[::-1], blocks=5, **options)
        assert backwards == pytest.approx(together, abs=1e-14)


def test_values_follow_their_points_when_these_are_permuted():
    rng = np.random.default_rng(3)
    rows, tests, y, y_test = rng.normal(size=(80, 6)), rng.normal(size=(10, 6)), *rng.integers(0, 3, (2, 80))
    order = rng.permutation(80)
    values = knn_shapley(rows, y, tests, y_test[:10], 3)
    assert knn_shapley(rows[order], y[order], tests, y_test[:10], 3) == pytest.approx(values[order], abs=1e-15)


def test_one_class_shares_the_accuracy_evenly():
    values = knn_shapley(X, ["a"] * 12, Q, ["a", "a", "b"], 3)
    assert values == pytest.approx([2 / 3 / 12] * 12, abs=1e-15)


def test_a_label_that_no_training_point_has_is_never_matched():
    assert np.all(knn_shapley(X, Y, Q, [7, 8, -1], 3) == 0)
    half = knn_shapley(X, Y, Q[:2], [0, 99], 3)
    assert half == pytest.approx(knn_shapley(X, Y, Q[:1], [0], 3) / 2, abs=1e-16)


def test_labels_may_be_text():
    names = np.array(["cat", "dog", "eel"])
    found = knn_shapley(X, names[Y], Q, names[YT].astype(object), 3)
    assert np.array_equal(found, knn_shapley(X, Y, Q, YT, 3))


def test_equal_rows_count_in_the_order_of_their_index_however_many():
    rng = np.random.default_rng(4)
    base = rng.normal(size=(40, 33))
    rows = np.tile(base, (25, 1))
    tests = np.vstack([rng.normal(size=(6, 33)), base[:2]])
    for kind in (np.float32, np.float64):
        given = rows.astype(kind)
        for _, order in NearestFirst(given, tests.astype(kind)).blocks():
            for line in order:
                groups = (line % 40).reshape(40, 25)
                assert np.all(groups == groups[:, :1])
                assert np.all(np.diff(line.reshape(40, 25), axis=1) == 40)


def test_points_at_equal_distance_count_in_the_order_of_their_index():
    rows = np.array([[3.0, 0.1], [-1.0, 0.1], [1.0, 0.1], [0.0, 1.1], [0.0, -0.9], [-3.0, 0.1]])
    _, order = next(NearestFirst(rows + 1000, np.array([[1000.0, 1000.1]])).blocks())
    exact = np.sum((rows + 1000 - np.array([1000.0, 1000.1])) ** 2, axis=1)
    assert order[0].tolist() == np.lexsort((np.arange(6), exact)).tolist()
    grid = np.stack(np.meshgrid(np.arange(-3, 4), np.arange(-3, 4)), axis=-1).reshape(-1, 2)
    _, order = next(NearestFirst(grid, np.array([[0, 0]])).blocks())
    assert order[0].tolist() == np.lexsort((np.arange(49), np.sum(grid**2, axis=1))).tolist()


def test_order_survives_an_offset_and_an_outlier_that_a_product_of_rows_would_not():
    rng = np.random.default_rng(5)
    rows, tests = 1e6 + rng.normal(size=(300, 4)), 1e6 + rng.normal(size=(20, 4))
    rows[7] = 1e9
    direct = np.array([np.argsort(np.sum((rows - t) ** 2, axis=1), kind="stable") for t in tests])
    found = np.concatenate([order for _, order in NearestFirst(rows, tests).blocks(3)])
    assert np.array_equal(found, direct)


def test_half_precision_and_single_precision_agree_with_the_same_numbers_in_double():
    rng = np.random.default_rng(6)
    for kind in (np.float16, np.float32):
        rows, tests = rng.normal(size=(200, 16)).astype(kind), rng.normal(size=(12, 16)).astype(kind)
        y, y_test = rng.integers(0, 3, 200), rng.integers(0, 3, 12)
        double = knn_shapley(rows.astype(np.float64), y, tests.astype(np.float64), y_test)
        assert np.array_equal(knn_shapley(rows, y, tests, y_test), double)


def test_the_cosine_ignores_lengths():
    rng = np.random.default_rng(7)
    stretched = X * rng.uniform(0.1, 10, (12, 1))
    expected = knn_shapley(X, Y, Q, YT, 3)
    assert np.array_equal(knn_shapley(stretched, Y, Q * 3, YT, 3, metric="cosine"), expected)
    assert not np.allclose(knn_shapley(stretched, Y, Q * 3, YT, 3), expected)


def test_banzhaf_of_many_points_is_finite_and_falls_off():
    rng = np.random.default_rng(8)
    rows = np.sort(rng.uniform(1, 2, 5000))[:, None]
    values = knn_banzhaf(rows, rng.integers(0, 2, 5000), np.zeros((1, 1)), [1], 5)
    assert np.max(np.abs(values[200:])) < 1e-40
    assert np.max(np.abs(values[:20])) > 1e-3


@pytest.mark.parametrize("kind", KINDS)
def test_chances_are_those_of_drawn_sets(kind):
    rng = np.random.default_rng(9)
    p = {"shapley": rng.random((200_000, 1)), "banzhaf": 0.5, "leave_one_out": 1.1}[kind]
    inside = rng.random((200_000, 7)) < p
    for k in (1, 2, 4):
        few = inside.cumsum(axis=1) < k
        counted = [1.0] + [few[:, i].mean() for i in range(7)]
        beside = [0.0] + [(few[:, i] & inside[:, 0]).mean() for i in range(7)]
        assert chance_to_count(kind, 8, k) == pytest.approx(counted, abs=0.006)
        assert chance_beside(kind, 8, k) == pytest.approx(beside, abs=0.006)


def test_progress_says_how_many_tests_are_done():
    said = []
    knn_shapley(X, Y, Q, YT, blocks=2, progress=lambda done, of: said.append((done, of)))
    assert said == [(2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"y": Y[:11]}, "12 rows and y has 11"),
        ({"y_test": [0, 1]}, "3 rows and y_test has 2"),
        ({"X_test": Q[:, :3]}, "4 columns and X_test has 3"),
        ({"X": np.where(np.arange(12)[:, None] == 4, np.nan, X)}, "X is nan in row 4"),
        ({"X": np.where(np.arange(12)[:, None] == 4, 0, X), "metric": "cosine"}, "nothing but zeros"),
        ({"y": [float("nan"), *Y[1:]]}, "y is nan in row 0"),
        ({"y": [None, *Y[1:]]}, "no label in row 0"),
        ({"y": ["a", *Y[1:]]}, "labels of y are text and those of y_test are numbers"),
        ({"y_test": ["0", "1", "2"]}, "none would match"),
        ({"y": np.array([["a"]] * 12)}, "one value a row"),
        ({"y": [np.inf, *Y[1:]], "task": "regression"}, "y is inf in row 0"),
        ({"y": ["a"] * 12, "task": "regression"}, "not a number"),
    ],
)
def test_data_that_cannot_be_used_are_refused(change, words):
    given = {"X": X, "y": Y, "X_test": Q, "y_test": YT} | change
    with pytest.raises(InputDataError, match=words):
        knn_shapley(**given)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": 0}, "k is 0"),
        ({"k": 2.5}, "k is 2.5"),
        ({"metric": "cosin"}, "no metric"),
        ({"task": "ranking"}, "no task"),
        ({"blocks": 0}, "blocks is 0"),
        ({"baseline": 1.0}, "baseline belongs to regression"),
    ],
)
def test_calls_that_make_no_sense_are_refused(change, words):
    with pytest.raises(UsageError, match=words):
        knn_shapley(X, Y, Q, YT, **change)
