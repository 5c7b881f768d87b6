import numpy as np
import pytest

from scaling.errors import UsageError
from scaling.valuation import make_objective

T = 0.3


def criterion(name, points, subset):
    inverse = np.linalg.inv(points[list(subset)].T @ points[list(subset)] + T * np.eye(4))
    return {
        "a_optimal": np.trace(inverse),
        "v_optimal": np.trace(points.T @ points / 12 @ inverse),
        "g_optimal": np.einsum("ij,jk,ik->i", points, inverse, points).max(),
        "d_optimal": np.linalg.slogdet(inverse)[1],
    }[name]


@pytest.mark.parametrize("name", ["a_optimal", "v_optimal", "g_optimal", "d_optimal"])
def test_values_and_gains_are_falls_of_the_criterion(points, name):
    objective = make_objective(name, points, 5, ridge=T)
    start = criterion(name, points, [])
    for index in (3, 5, 1):
        objective.add(index)
        fallen = start - criterion(name, points, objective.chosen)
        assert objective.value == pytest.approx(fallen, abs=1e-12)
        assert objective.evaluate(objective.chosen) == pytest.approx(fallen, abs=1e-12)
        expected = [
            criterion(name, points, objective.chosen) - criterion(name, points, [*objective.chosen, i])
            for i in range(12)
        ]
        np.testing.assert_allclose(objective.gains(), expected, atol=1e-12)
        np.testing.assert_allclose(objective.gains(np.array([7, 2])), [expected[7], expected[2]], atol=1e-12)
    assert objective.fresh().value == 0
    assert objective.guarantee.monotone


@pytest.mark.parametrize("name", ["a_optimal", "v_optimal"])
def test_gains_grow_at_most_by_the_declared_ratio(name):
    rng = np.random.default_rng(0)
    grown = 0
    for _ in range(150):
        rows = rng.normal(size=(9, 3)) * [3, 1, 0.3] + rng.normal(size=3)
        small = make_objective(name, rows, 9, ridge=0.2, kernel="linear")
        large = small.fresh()
        for index in range(3):
            large.add(index)
            if index < 2:
                small.add(index)
        before, after = small.gains()[6:], large.gains()[6:]
        assert np.all(before >= small.guarantee.ratio * after)
        grown += int(np.any(before < after))
    assert small.guarantee.kind == "weak"
    assert grown > 20  # so weak it is, and not submodular


def test_the_trace_is_a_multiple_of_a_function_of_eigenvalues(points):
    """x/(x + c) = 1 - c/(x + c), so tr phi(M) is c times the fall of the trace of the inverse."""
    trace = make_objective("a_optimal", points, 6, ridge=T)
    phi = make_objective("spectral", points, 6, phi="ratio", parameter=T)
    for index in (3, 5, 1, 8):
        trace.add(index)
        phi.add(index)
    np.testing.assert_allclose(phi.gains(), T * trace.gains(), atol=phi.error)
    assert phi.guarantee.ratio == pytest.approx(trace.guarantee.ratio, rel=1e-12)


def test_directions_that_are_not_predicted_leave_no_promise(points):
    flat = np.hstack([points, np.zeros((12, 1))])
    assert make_objective("v_optimal", flat, 5).guarantee.kind == "none"
    assert make_objective("a_optimal", flat, 5).guarantee.kind == "weak"


def test_the_largest_variance_has_the_counterexample_it_names():
    objective = make_objective("g_optimal", np.eye(2), 2, ridge=0.5)
    gains = [objective.add(0), objective.add(1)]
    np.testing.assert_allclose(gains, [0, 1 / 0.5 - 1 / 1.5], atol=1e-15)
    assert "the first member gains nothing and the second 1/t - 1/(1 + t)" in objective.guarantee.why


def test_candidates_alone_are_scored_for_what_the_whole_predicts(points):
    rows = np.array([1, 4, 9])
    for name in ("v_optimal", "g_optimal"):
        whole = make_objective(name, points, 5, ridge=T)
        some = whole.among(rows)
        whole.add(4)
        some.add(1)
        np.testing.assert_allclose(some.gains(), whole.gains(rows), atol=1e-14)


@pytest.mark.parametrize("ridge", [0, -1, np.inf])
def test_bad_ridges(points, ridge):
    with pytest.raises(UsageError, match="ridge"):
        make_objective("a_optimal", points, 5, ridge=ridge)


def test_the_set_has_no_member_twice(points):
    objective = make_objective("a_optimal", points, 5)
    objective.add(2)
    with pytest.raises(UsageError, match="Candidate 2"):
        objective.add(2)
