import numpy as np
import pytest

from scaling.valuation.spectral.mixture import mixture_of
from scaling.valuation.spectral.phi import make_phi

#: Powers of ten from 1e-14 to 1, and zero: finer and coarser than what the fit sees.
X = np.concatenate([[0.0], np.geomspace(3e-15, 1, 7919)])


@pytest.mark.parametrize(
    ("name", "parameter", "tolerance", "nodes"),
    [
        ("entropy", None, 1e-4, 8),
        ("entropy", None, 3e-6, 12),
        ("entropy", None, 1e-6, 16),
        ("entropy", None, 1e-8, 24),
        ("power", 0.5, 1e-6, 24),
        ("power", 0.7, 1e-6, 16),
        ("power", 1.5, 1e-6, 12),
    ],
)
def test_as_many_nodes_as_the_certificate_needs(name, parameter, tolerance, nodes):
    phi = make_phi(name, parameter)
    mixture = mixture_of(phi, 1.0, tolerance)
    assert nodes - 4 < mixture.nodes.size <= nodes  # weights of zero are dropped
    assert mixture.error <= tolerance
    residual = phi.of(X) - mixture.of(X)
    assert np.abs(np.diff(residual)).sum() <= mixture.error
    assert np.all(mixture.weights > 0)
    assert mixture.quadratic <= 0
    assert mixture.submodular


@pytest.mark.parametrize("largest", [0.3, 3.0, 250.0])
@pytest.mark.parametrize(("name", "parameter"), [("entropy", None), ("power", 0.5), ("power", 1.5)])
def test_scaling_to_the_largest_eigenvalue(name, parameter, largest):
    phi = make_phi(name, parameter)
    mixture = mixture_of(phi, largest, 1e-6)
    residual = phi.of(largest * X) - mixture.of(largest * X)
    assert np.abs(np.diff(residual)).sum() <= mixture.error
    assert mixture.error <= 1e-6 * largest ** (phi.degree)
    assert mixture.largest == largest


@pytest.mark.parametrize("name", ["exponential", "log_ratio", "atan", "ratio"])
def test_functions_that_are_not_submodular_have_signed_mixtures(name):
    phi = make_phi(name)
    mixture = mixture_of(phi, 10.0, 1e-5)
    assert np.abs(np.diff(phi.of(10 * X) - mixture.of(10 * X))).sum() <= mixture.error <= 1e-5 * max(1, phi.of(10.0))
    assert not mixture.submodular
    assert mixture.weights.min() < 0


@pytest.mark.parametrize(("name", "parameter"), [("power", 0.1), ("power", 0.3), ("minimum", None), ("rank", None)])
def test_what_no_mixture_represents_has_none(name, parameter):
    assert mixture_of(make_phi(name, parameter), 10.0, 1e-6) is None


def test_a_coarse_tolerance_admits_a_smaller_power():
    assert mixture_of(make_phi("power", 0.3), 1.0, 1e-3).error <= 1e-3


def test_closed_forms():
    square = mixture_of(make_phi("power", 2.0), 7.0, 1e-6)
    assert (square.nodes.size, square.quadratic, square.error) == (0, -1.0, 0.0)
    log = mixture_of(make_phi("log", 0.25), 7.0, 1e-6)
    assert (log.nodes.tolist(), log.weights.tolist(), log.error) == ([0.25], [1.0], 0.0)
    np.testing.assert_allclose(log.of(X), np.log1p(X / 0.25), rtol=1e-15)


def test_a_fit_is_made_once():
    first, second = (mixture_of(make_phi("entropy"), 2.0, 1e-6) for _ in range(2))
    np.testing.assert_array_equal(first.weights, second.weights)
    double = mixture_of(make_phi("entropy"), 4.0, 1e-6)
    np.testing.assert_allclose(double.weights, 2 * first.weights, rtol=1e-15)
    np.testing.assert_allclose(double.nodes, 2 * first.nodes, rtol=1e-15)
