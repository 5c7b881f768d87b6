"""What a published law gives up beside laws of one's own: half the second derivatives times the squared distance."""

import math

import pytest

from scaling.hyperparameters import PublishedRule, fit_laws
from scaling.hyperparameters.beside import given_up_by
from tests.hyperparameters.conftest import HESSIAN, best

N, D = 4e8, 2.4e10


@pytest.fixture(scope="module")
def laws(exact):
    return fit_laws(exact, bootstrap=0)


def rule(lr=None, batch=None, kind="best"):
    at = best(N, D)
    said = (None if value is None else at[i] * value for i, value in enumerate((lr, batch)))
    return PublishedRule("other", "nowhere", kind, *said, "")


def test_a_rule_at_the_optimum_gives_nothing_up(laws):
    assert given_up_by(laws, rule(1.0, 1.0), N, D) == pytest.approx(0, abs=1e-9)


def test_a_rule_off_the_optimum_gives_up_half_the_curvature_times_the_square(laws):
    u, v = math.log(2), math.log(0.5)
    (xx, xy), (_, yy) = HESSIAN
    both = math.expm1((xx * u * u + 2 * xy * u * v + yy * v * v) / 2)
    assert given_up_by(laws, rule(2.0, 0.5), N, D) == pytest.approx(both, rel=1e-3)


def test_what_a_rule_does_not_say_is_the_best_for_it(laws):
    u = math.log(2)
    (xx, xy), (_, yy) = HESSIAN
    assert given_up_by(laws, rule(lr=2.0), N, D) == pytest.approx(math.expm1((xx - xy**2 / yy) * u * u / 2), rel=1e-3)
    assert given_up_by(laws, rule(batch=2.0), N, D) == pytest.approx(
        math.expm1((yy - xy**2 / xx) * u * u / 2), rel=1e-3
    )


def test_what_cannot_be_said_is_not(laws):
    assert given_up_by(laws, rule(), N, D) is None
    assert given_up_by(laws, rule(batch=2.0, kind="critical"), N, D) is None
    assert given_up_by(laws, rule(1e9, 1.0), N, D) is None
