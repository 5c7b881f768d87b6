import itertools
import math

import numpy as np
import pytest

from scaling.errors import UsageError
from scaling.valuation import make_objective


def test_reference_gains(points):
    objective = make_objective("log_det", points, 5, ridge=0.1)
    for index in (0, 1, 2):
        objective.add(index)
    assert objective.value == pytest.approx(6.94055332503745, abs=1e-12)
    expected = [
        2.3722115676,
        2.3811055165,
        0.8867416295,
        0.6488750881,
        0.6521426311,
        1.4523471344,
        0.7237754212,
        0.609644307,
        1.008311931,
    ]
    np.testing.assert_allclose(objective.gains()[3:], expected, atol=1e-10)
    np.testing.assert_allclose(objective.gains(np.arange(3, 12)), expected, atol=1e-10)
    assert objective.error == 0


def test_reference_selection(points):
    """As log det(K + t) of the shifted kernel, whose gains are log t larger than those of log det(1 + K/t)."""
    objective = make_objective("log_det", points, 5, ridge=0.1, kernel="shifted_cosine", first=11)
    gains = []
    for _ in range(5):
        found = objective.gains()
        found[objective.chosen] = -np.inf
        gains.append(objective.add(int(found.argmax())) + math.log(0.1))
    assert objective.chosen == [11, 5, 4, 7, 6]
    np.testing.assert_allclose(gains, [0.09531, 0.095305, -0.394231, -0.448533, -0.510342], atol=6e-7)


def test_curvature_in_closed_form(points):
    objective = make_objective("log_det", points, 5, ridge=0.1)
    whole = objective.evaluate(range(12))
    shares = [
        (whole - objective.evaluate([i for i in range(12) if i != v])) / objective.evaluate([v]) for v in range(12)
    ]
    assert objective.curvature() == pytest.approx(1 - min(shares), abs=1e-12)
    assert 0.5 < objective.curvature() < 1


def test_without_a_ridge(points):
    objective = make_objective("dpp", points, 3)
    for subset in itertools.combinations(range(12), 3):
        member = points[list(subset)]
        assert objective.evaluate(subset) == pytest.approx(np.linalg.slogdet(member @ member.T)[1], abs=1e-9)
    for index in (4, 9):
        objective.add(index)
    some = np.arange(5, 9)
    np.testing.assert_allclose(objective.gains()[some], objective.gains(some), atol=1e-12)
    assert objective.gains().max() < 0
    assert (objective.guarantee.kind, objective.guarantee.monotone) == ("submodular", False)


def test_beyond_the_dimension_the_determinant_is_zero(points):
    objective = make_objective("dpp", points, 6)
    for index in (0, 3, 2, 6):
        assert math.isfinite(objective.add(index))
    assert np.all(objective.gains() == -np.inf)
    assert objective.add(8) == -math.inf
    assert objective.value == -math.inf
    assert math.isfinite(make_objective("dpp", points, kernel="shifted_cosine").evaluate((0, 3, 2, 6, 8)))


def test_a_duplicate_lies_in_the_span(points):
    objective = make_objective("dpp", np.vstack([points, points[:1]]))
    assert objective.gains(np.array([12]))[0] == pytest.approx(0, abs=1e-7)
    objective.add(0)
    assert objective.gains()[12] == -np.inf
    assert objective.gains(np.array([12]))[0] == -np.inf


@pytest.mark.parametrize("options", [{"ridge": 0}, {"ridge": math.inf}, {"first": -1}])
def test_bad_settings(points, options):
    with pytest.raises(UsageError):
        make_objective("log_det", points, 5, **options)
