"""Kernels against their formulas, the median heuristic, and the checks of similarities that come ready made."""

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation.coverage.checks import check_similarities
from scaling.valuation.coverage.similarity import KERNELS, log_distance_kernel, make_kernel
from tests.valuation.definitions import A, K, Q

COSINE = A @ Q.T
SQUARED = ((A[:, None] - Q) ** 2).sum(-1)


@pytest.mark.parametrize("kernel", KERNELS)
def test_kernels_are_what_they_say(kernel):
    made, rows = make_kernel(5 * A, kernel, bandwidth=3.0 if kernel == "rbf" else None, signed=True)
    other = made.prepare(5 * Q)
    expected = {
        "shifted_cosine": (1 + COSINE) / 2,
        "relu_cosine": np.maximum(COSINE, 0),
        "cosine": COSINE,
        "rbf": np.exp(-25 * SQUARED / 18),
    }[kernel]
    np.testing.assert_allclose(made.between(rows, other), expected, atol=1e-14)


def test_logarithms_of_distances_have_a_smallest_one():
    made, rows = log_distance_kernel(A)
    np.testing.assert_allclose(made.between(rows, made.prepare(Q)), -0.5 * np.log(SQUARED), atol=1e-12)
    own = np.diag(made.between(rows, rows))
    np.testing.assert_allclose(own, -0.5 * np.log(made.smallest), atol=1e-12)


def test_distances_in_float32_do_not_suffer_from_where_the_rows_are():
    far = (A + 1000).astype(np.float32)
    made, rows = make_kernel(far, "rbf", bandwidth=1.0)
    apart = ((far[:, None].astype(float) - far) ** 2).sum(-1)
    np.testing.assert_allclose(made.between(rows, rows), np.exp(-apart / 2), atol=1e-5)


def test_the_bandwidth_is_the_median_distance_of_a_sample_and_is_recorded():
    made, _ = make_kernel(A, "rbf")
    apart = np.sqrt(((A[:, None] - A) ** 2).sum(-1))[np.triu_indices(12, 1)]
    assert made.bandwidth == pytest.approx(np.median(apart), rel=1e-12)
    assert made.describe() == {
        "kernel": "rbf",
        "bandwidth": made.bandwidth,
        "bandwidth_from": "median distance of 12 rows",
        "seed": 0,
    }
    rows = np.random.default_rng(0).standard_normal((3000, 3))
    widths = {seed: make_kernel(rows, "rbf", seed=seed)[0].bandwidth for seed in (1, 2)}
    assert widths[1] != widths[2]
    assert widths[1] == make_kernel(rows, "rbf", seed=1)[0].bandwidth
    assert widths[1] == pytest.approx(2.175, rel=0.05)  # median of sqrt(2) chi with 3 degrees of freedom


def test_a_median_of_zero_is_no_bandwidth():
    with pytest.raises(InputDataError, match="more than half of the pairs are duplicates"):
        make_kernel(np.vstack([np.ones((10, 3)), np.eye(3)]), "rbf")
    with pytest.raises(InputDataError, match="One row has no distance"):
        make_kernel(np.ones((1, 3)), "rbf")


def test_symmetry_is_asked_for_where_it_is_needed():
    skew = K.copy()
    skew[7, 3] += 0.01
    assert check_similarities(skew, 12, square=True)[7, 3] == skew[7, 3]
    with pytest.raises(InputDataError, match=r"rows 3 and 7 differ by 0\.01"):
        check_similarities(skew, 12, square=True, symmetric=True)
    with pytest.raises(UsageError, match="are square"):
        check_similarities(K[:, :5], 12, symmetric=True)


def test_signs_are_allowed_where_they_are():
    signed = 2 * K - 1
    np.testing.assert_array_equal(check_similarities(signed, 12, signed=True), signed)
    with pytest.raises(InputDataError, match=r"goes down to -0\.9"):
        check_similarities(signed, 12)
