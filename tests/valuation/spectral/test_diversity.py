import math

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.errors import InputDataError, UsageError
from scaling.valuation import (
    diversity_table,
    leinster_cobbold,
    log_det_score,
    renyi,
    tsallis,
    vendi,
    von_neumann,
)

SPOTS = np.array([0, 0, 10, 10, 20, 20.0])
KERNELS = {
    "two alike": [[1, 0.9, 0], [0.9, 1, 0], [0, 0, 1]],
    "all apart": np.eye(5),
    "all the same": np.ones((4, 4)),
    "half alike": 0.5 * np.eye(4) + 0.5,
    "three pairs": np.exp(-np.abs(SPOTS[:, None] - SPOTS)),
}


@pytest.mark.parametrize(
    ("name", "half", "one", "two", "infinite"),
    [
        ("two alike", 2.420348357053, 2.157300483374, 1.948051948052, 1.578947368421),
        ("all apart", 5, 5, 5, 5),
        ("all the same", 1, 1, 1, 1),
        ("half alike", 3.427050983125, 2.925726559967, 2.285714285714, 1.6),
        ("three pairs", None, 2.999999995878, 2.999999991755, 2.999807393686),
    ],
)
def test_reference_kernels(name, half, one, two, infinite):
    K = KERNELS[name]
    found = [vendi(K, q, kernel="precomputed") for q in (1, 2, "inf")]
    np.testing.assert_allclose(found, [one, two, infinite], atol=1e-11)
    if half is not None:
        assert vendi(K, 0.5, kernel="precomputed") == pytest.approx(half, abs=1e-11)


def test_orders_of_the_twelve_points(points):
    found = [vendi(points, q) for q in (0.1, 0.5, 1, 2, "inf")]
    expected = [3.977479039547, 3.889149723994, 3.784144163031, 3.598759420169, 2.740957139596]
    np.testing.assert_allclose(found, expected, atol=1e-11)
    assert vendi(points, 0) == 4
    weights = np.arange(1, 13) / 78
    np.testing.assert_allclose(
        [vendi(points, q, weights) for q in (1, 2)], [3.687723888267, 3.454999658548], atol=1e-11
    )


def test_variants_of_the_twelve_points(points):
    shifted = [vendi(points, q, kernel="shifted_cosine") for q in (1, 2)]
    np.testing.assert_allclose(shifted, [3.7565548574680565, 2.9410718441], atol=1e-10)
    direct = vendi((1 + points @ points.T) / 2, kernel="precomputed")
    assert shifted[0] == pytest.approx(direct, abs=1e-12)
    truncated = [vendi(points, q, truncate=3) for q in (1, 2)]
    np.testing.assert_allclose(truncated, [2.9138732978, 2.8408613996], atol=1e-9)
    found = [leinster_cobbold(points, q) for q in (1, 2)]
    np.testing.assert_allclose(found, [1.9320941415, 1.9210682553], atol=1e-10)


def test_the_order_of_embeddings_is_not_ignored(points):
    """A peer's score of embeddings returns order 1 for any q."""
    assert vendi(points, 2) == pytest.approx(3.598759420169, abs=1e-10)
    assert abs(vendi(points, 2) - vendi(points, 1)) > 0.18


def test_infinity_is_a_number_as_well_as_a_word(points):
    """A peer returns NaN for np.inf."""
    assert vendi(points, np.inf) == vendi(points, "inf") == pytest.approx(2.740957139596, abs=1e-10)


def test_a_sparse_kernel_keeps_all_its_eigenvalues(points):
    """A peer keeps six, and finds 3.98 kinds among ten."""
    assert vendi(sp.eye_array(10, format="csr"), kernel="precomputed") == pytest.approx(10, abs=1e-12)
    assert vendi(sp.csr_array(points), 2) == pytest.approx(3.598759420169, abs=1e-10)


@pytest.mark.parametrize("q", [0.05, 0.1, 0.2])
def test_rounding_is_no_kind(points, q):
    """A peer finds 4.0895 kinds at q = 0.1 in four dimensions, because 1e-17 to a small power is not small."""
    direct = vendi(points @ points.T, q, kernel="precomputed")
    assert direct == pytest.approx(vendi(points, q), rel=1e-10)
    assert direct <= 4
    assert vendi(KERNELS["three pairs"], q, kernel="precomputed") <= 3
    assert vendi(KERNELS["all the same"], q, kernel="precomputed") == 1


def test_weights_enter_the_dual(points):
    """A peer's dual has none; here the dual, the kernel and repeated rows agree."""
    counts = np.array([1, 3, 2, 1, 1, 4, 1, 1, 2, 1, 1, 1])
    repeated = vendi(np.repeat(points, counts, axis=0), 0.7)
    assert vendi(points, 0.7, counts) == pytest.approx(repeated, rel=1e-12)
    assert vendi(points @ points.T, 0.7, counts, kernel="precomputed") == pytest.approx(repeated, rel=1e-12)
    wide = np.hstack([points, np.zeros((12, 20))])
    assert vendi(wide, 0.7, counts) == pytest.approx(repeated, rel=1e-12)
    without = np.r_[np.zeros(4), np.ones(8)]
    assert vendi(points, 1, without) == pytest.approx(vendi(points[4:]), rel=1e-12)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 6), st.floats(0, 6), st.integers(0, 10_000))
def test_between_one_and_the_rank(n, m, q, seed):
    rows = np.random.default_rng(seed).normal(size=(n, m))
    found = vendi(rows, q)
    assert 1 <= found <= np.linalg.matrix_rank(rows)
    assert vendi(rows, q + 0.5) <= found * (1 + 1e-12)


def test_duplicates_change_nothing_and_rows_may_be_permuted(points):
    assert vendi(np.vstack([points, points]), 0.5) == pytest.approx(vendi(points, 0.5), rel=1e-12)
    order = np.random.default_rng(1).permutation(12)
    assert vendi(points[order], 3) == pytest.approx(vendi(points, 3), rel=1e-12)


def test_entropies(points):
    assert renyi(points, 2) == pytest.approx(math.log(vendi(points, 2)), rel=1e-12)
    assert von_neumann(points) == pytest.approx(math.log(3.784144163031), abs=1e-11)
    assert tsallis(points, 2) == pytest.approx(1 - 1 / vendi(points, 2), rel=1e-12)
    assert tsallis(points, 1) == pytest.approx(von_neumann(points), rel=1e-12)
    shares = np.linalg.eigvalsh(points.T @ points / 12)
    assert tsallis(points, 0.5) == pytest.approx((np.sqrt(shares).sum() - 1) / 0.5, rel=1e-12)
    assert log_det_score(points, 0.1) == pytest.approx(
        np.linalg.slogdet(np.eye(12) + points @ points.T / 0.1)[1], rel=1e-12
    )


def test_orders_meet_at_one(points):
    below, at, above = (vendi(points, q) for q in (1 - 2e-6, 1, 1 + 2e-6))
    assert below > at > above
    assert below - above < 3e-6


@pytest.mark.parametrize("q", [0, 0.5, 1, 2, "inf"])
def test_leinster_cobbold_is_below_vendi_and_matches_its_formula(points, q):
    found = leinster_cobbold(points, q)
    ordinariness = ((1 + points @ points.T) / 2).mean(axis=1)
    order = float(q)
    if order == 1:
        expected = np.exp(-np.log(ordinariness).mean())
    else:
        expected = 1 / ordinariness.max() if q == "inf" else (ordinariness ** (order - 1)).mean() ** (1 / (1 - order))
    assert found == pytest.approx(expected, rel=1e-12)
    assert found <= vendi(points, q, kernel="shifted_cosine")
    assert leinster_cobbold((1 + points @ points.T) / 2, q, kernel="precomputed") == pytest.approx(found, rel=1e-12)


def test_landmarks_and_random_features_approach_the_whole_kernel():
    rows = np.random.default_rng(0).normal(size=(300, 3))
    settings_ = {"kernel": "gaussian", "bandwidth": 3.0}
    whole = vendi(rows, **settings_)
    coarse, fine = (abs(vendi(rows, **settings_, landmarks=t) - whole) for t in (4, 200))
    assert fine < 1e-4 < 0.1 < coarse
    coarse, fine = (abs(vendi(rows, **settings_, features=r) - whole) for r in (5, 2000))
    assert fine < 0.01 * whole < 0.1 * whole < coarse
    assert vendi(rows, landmarks=3) == pytest.approx(vendi(rows), rel=1e-12)  # three rows span three dimensions
    assert vendi(rows, **settings_, features=20, seed=1) != vendi(rows, **settings_, features=20, seed=2)
    assert vendi(rows, **settings_, features=20, seed=1) == vendi(rows, **settings_, features=20, seed=1)


def test_landmarks_of_a_precomputed_kernel(points):
    kernel = points @ points.T
    assert vendi(kernel, 1, kernel="precomputed", landmarks=6) == pytest.approx(3.784144163031, abs=1e-9)
    assert vendi(kernel, 1, kernel="precomputed", landmarks=2) < 2.0000001


def test_precisions(points):
    assert vendi(points.astype(np.float32), 0.1) == pytest.approx(3.977479039547, rel=1e-6)
    assert vendi(points.astype(np.float16)) == pytest.approx(3.784144163031, rel=2e-3)
    single = (points @ points.T).astype(np.float32)
    assert vendi(single, 0.1, kernel="precomputed") == pytest.approx(3.977479039547, rel=1e-4)


def test_a_table_says_what_its_numbers_are(points):
    table = diversity_table(points, (0, 1, "inf"), np.arange(1, 13))
    assert [row.order for row in table.rows] == [0, 1, math.inf]
    assert table.rows[1].value == pytest.approx(3.687723888267, abs=1e-11)
    plain = table.to_dict()["rows"][2]
    assert plain["order"] == "inf"
    assert (plain["n"], plain["kernel"], plain["normalisation"]) == (12, "cosine", "rows of length one")
    assert plain["weighted"] is True
    assert "12 examples, weighted: kernel cosine; rows of length one; dual, all eigenvalues" in repr(table)
    assert "3.688" in repr(table)
    other = diversity_table(2 * np.eye(3), (1,), kernel="precomputed", truncate=2).rows[0]
    assert other.normalisation == "divided by the mean of its diagonal"
    assert other.method == "all eigenvalues of the kernel, the 2 largest kept"


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: vendi(x, -1), UsageError, "order q is -1"),
        (lambda x: vendi(x, math.nan), UsageError, "order q is nan"),
        (lambda x: vendi(x, "many"), UsageError, "'many'"),
        (lambda x: vendi(x, 1, np.ones(5)), UsageError, "12 examples, and weights of shape"),
        (lambda x: vendi(x, 1, np.r_[-1, np.ones(11)]), InputDataError, "weight of example 0 is -1"),
        (lambda x: vendi(x, 1, np.zeros(12)), InputDataError, "All weights are zero"),
        (lambda x: vendi(x, kernel="cosin"), UsageError, "no kernel 'cosin'"),
        (lambda x: vendi(x, truncated=3), UsageError, "no setting 'truncated'"),
        (lambda x: vendi(x, truncate=0), UsageError, "truncate is 0"),
        (lambda x: vendi(x, features=5), UsageError, "Gaussian"),
        (lambda x: vendi(x, kernel="gaussian"), UsageError, "bandwidth"),
        (lambda x: vendi(x, landmarks=13), UsageError, "13 landmarks"),
        (lambda x: vendi(np.vstack([x, 0 * x[:1]])), InputDataError, "row 12"),
        (lambda x: vendi(np.vstack([x, np.nan * x[:1]])), InputDataError, "row 12"),
        (lambda x: vendi(0 * x, kernel="linear"), InputDataError, "nothing to score"),
        (lambda x: vendi(x, kernel="precomputed"), UsageError, "square"),
        (lambda x: vendi([[1, 2], [2, 1]], kernel="precomputed"), InputDataError, "not positive semi-definite"),
        (lambda x: vendi([[1, 0.5], [0.1, 1]], kernel="precomputed"), InputDataError, "not symmetric"),
        (lambda x: vendi([[1, 0], [0, 0]], kernel="precomputed"), InputDataError, "example 1 with itself"),
        (lambda x: leinster_cobbold([[1, 0], [1, 0], [-1, 0.1]], kernel="cosine"), InputDataError, "not negative"),
        (lambda x: log_det_score(x, 0), UsageError, "ridge is 0"),
    ],
)
def test_bad_input_is_refused_in_words(points, call, error, words):
    with pytest.raises(error, match=words):
        call(points)
