"""Queries and kernels that cannot be used, and what to do about them."""

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation import make_objective
from tests.valuation.definitions import A, K, Q, shifted

TO_Q = shifted(A, Q)


@pytest.mark.parametrize(
    ("name", "X", "options", "kind", "words"),
    [
        ("flqmi", A, {}, UsageError, "Give either queries, their embeddings, or query_similarities"),
        ("flqmi", A, {"queries": Q, "query_similarities": TO_Q}, UsageError, "Give either queries"),
        ("flqmi", None, {"queries": Q}, UsageError, "there are none of the candidates"),
        ("flqmi", A, {"queries": Q[:, :2]}, UsageError, "queries has 2 dimensions, and the candidates 4"),
        ("flqmi", A, {"queries": np.full((2, 4), np.nan)}, InputDataError, "queries is nan in row 0"),
        ("flqmi", A, {"queries": np.zeros((2, 4))}, InputDataError, "queries with nothing but zeros"),
        ("flqmi", A, {"queries": Q, "eta": -1}, UsageError, "eta is -1"),
        ("flqmi", A, {"queries": Q, "kernel": "cosine"}, UsageError, "negative similarities"),
        ("gcmi", A, {"query_similarities": A @ Q.T}, InputDataError, "needs similarities of 0 or more"),
        ("gcmi", A, {"query_similarities": TO_Q[:7]}, UsageError, "7 rows, and there are 12"),
        ("flcg", A, {}, UsageError, "Give either private, their embeddings, or private_similarities"),
        ("flcg", A, {"private": Q, "nu": np.inf}, UsageError, "nu is inf"),
        ("flvmi", None, {"query_similarities": TO_Q, "similarities": K[:, :5]}, UsageError, "are square"),
        ("com", A, {"queries": Q, "concave": "cube"}, UsageError, "no concave function"),
        ("log_det_mi", A, {}, UsageError, "Give queries"),
        ("log_det_mi", A, {"queries": Q, "eta": 1.1}, UsageError, "eta is 1.1"),
        ("log_det_mi", A, {"queries": Q, "ridge": 0}, UsageError, "ridge is 0"),
        ("log_det_mi", A, {"queries": Q, "kernel": "relu_cosine"}, UsageError, "not positive semidefinite"),
        ("log_det_mi", A, {"queries": Q, "similarities": K}, UsageError, "all three blocks"),
        (
            "log_det_mi",
            None,
            {"similarities": K, "query_similarities": TO_Q, "query_kernel": -np.eye(3)},
            InputDataError,
            "within the queries is not positive semidefinite",
        ),
    ],
)
def test_refused(name, X, options, kind, words):
    with pytest.raises(kind) as caught:
        make_objective(name, X, 3, **options)
    assert words in str(caught.value)


def test_a_kernel_that_is_not_positive_semidefinite_is_found_on_the_way():
    broken = K.copy()
    broken[0, 1] = broken[1, 0] = 1.8
    objective = make_objective(
        "log_det_mi", None, similarities=broken, query_similarities=0.1 * TO_Q, query_kernel=shifted(Q)
    )
    objective.add(0)
    with pytest.raises(InputDataError, match="candidate 1 is left with a variance of -"):
        objective.add(1)
