"""Feature-based objectives and set cover: what they are given."""

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.valuation import make_objective
from tests.valuation.definitions import A


def test_embeddings_of_no_sign_are_features_themselves():
    rows = np.abs(A)
    np.testing.assert_array_equal(
        make_objective("feature_based", rows).gains(), make_objective("feature_based", A, features=rows).gains()
    )


def test_gains_in_float32_keep_their_digits_when_much_is_summed():
    rows = np.full((2000, 3), 1.0, np.float32)
    rows[-1] = 1e-4
    for concave, slope in (("sqrt", 0.5 / np.sqrt(1999)), ("log1p", 1 / 2000), ("saturation", 1 / 2000**2)):
        objective = make_objective("feature_based", rows, concave=concave)
        for index in range(1999):
            objective.add(index)
        assert objective.gains(np.array([1999]))[0] == pytest.approx(3e-4 * slope, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "X", "options", "kind", "words"),
    [
        ("feature_based", A, {}, InputDataError, "has to be 0 or more"),
        ("feature_based", A, {"concave": "square"}, UsageError, "no concave function 'square'"),
        ("feature_based", A, {"features": np.ones((3, 2))}, UsageError, "3 rows, and X 12"),
        ("feature_based", None, {}, UsageError, "There are no features"),
        ("feature_based", A, {"features": np.ones((12, 2)), "weights": [1, 2, 3]}, UsageError, "2 are expected"),
        ("set_cover", np.abs(A) + 0.5, {}, InputDataError, "between 0 and 1"),
        ("set_cover", None, {}, UsageError, "There are no probabilities"),
        ("saturated_coverage", A, {"share": 1.5}, UsageError, "share is 1.5"),
        ("saturated_coverage", A, {"share": 0}, UsageError, "share is 0"),
        ("graph_cut", A, {"lam": -0.1}, UsageError, "lam is -0.1"),
        ("graph_cut", A, {"lam": "half"}, UsageError, "lam is half"),
    ],
)
def test_refused(name, X, options, kind, words):
    with pytest.raises(kind) as caught:
        make_objective(name, X, 3, **options)
    assert words in str(caught.value)


def test_certain_cover_is_weighted_set_cover():
    covers = np.array([[1, 1, 0], [0, 1, 1], [0, 0, 1]])
    objective = make_objective("set_cover", None, probabilities=covers, weights=[5.0, 1.0, 2.0])
    np.testing.assert_array_equal(objective.gains(), [6, 3, 2])
    objective.add(0)
    np.testing.assert_array_equal(objective.gains()[1:], [2, 2])
