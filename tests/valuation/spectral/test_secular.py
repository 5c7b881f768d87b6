import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.valuation.spectral.eigen import largest_eigenvalue, reach
from scaling.valuation.spectral.secular import largest_roots, secular_roots, updated_vectors


def test_reference_roots():
    found = secular_roots(np.array([0, 0.5, 1, 2]), np.full(4, 0.5)).values
    expected = [0.12043081227160281, 0.6615471242523221, 1.2950926911949951, 2.4229293722810805]
    np.testing.assert_allclose(found, expected, rtol=1e-15)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 12), st.integers(0, 10_000), st.floats(-6, 1))
def test_roots_interlace_keep_the_trace_and_are_eigenvalues(m, seed, decades):
    rng = np.random.default_rng(seed)
    d = np.sort(rng.random(m) ** 3 * 4)
    z = rng.normal(size=m) * 10**decades
    roots = secular_roots(d, z)
    assert np.all(roots.values >= d)
    assert np.all(roots.values[:-1] <= d[1:])
    scale = roots.values[-1]
    assert (roots.values - d).sum() == pytest.approx(z @ z, abs=1e-13 * scale)
    np.testing.assert_allclose(roots.values, np.linalg.eigvalsh(np.diag(d) + np.outer(z, z)), atol=2e-14 * scale)
    vectors = updated_vectors(d, z, roots)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(m), atol=1e-13)
    np.testing.assert_allclose((vectors * roots.values) @ vectors.T, np.diag(d) + np.outer(z, z), atol=1e-13 * scale)


def test_small_roots_keep_their_digits():
    """d = 0 and a tiny z: the eigenvalue 1e-20 drowns in a dense solver, and is right here to twelve digits."""
    roots = secular_roots(np.array([0.0, 1.0]), np.array([1e-10, 1.0]))
    # det = 1e-20 * 1 and trace 2 + 1e-20 give the smaller one.
    assert roots.values[0] == pytest.approx(0.5e-20, rel=1e-12)


def test_repeated_poles_and_idle_coordinates_need_no_care():
    d, z = np.array([0.0, 1.0, 1.0, 1.0, 3.0]), np.array([0.0, 0.3, 0.0, 0.4, 0.0])
    found = secular_roots(d, z).values
    np.testing.assert_allclose(found, np.linalg.eigvalsh(np.diag(d) + np.outer(z, z)), atol=1e-15)


def test_the_largest_root_of_many_candidates():
    rng = np.random.default_rng(3)
    d = np.sort(rng.random(20) * 3)
    z = rng.normal(size=(200, 20)) * 10 ** rng.uniform(-5, 0.5, (200, 1))
    z[7] = 0
    z[8, -1] = 0
    expected = [np.linalg.eigvalsh(np.diag(d) + np.outer(row, row))[-1] for row in z]
    np.testing.assert_allclose(largest_roots(d, z * z), expected, atol=3e-14)


def test_the_bound_of_the_largest_eigenvalue_holds_and_is_attained():
    rng = np.random.default_rng(4)
    for _ in range(200):
        rows = rng.normal(size=(rng.integers(1, 9), 5))
        matrix, u = rows.T @ rows, rng.normal(size=5) * rng.uniform(0, 3)
        bound = reach(largest_eigenvalue(matrix), float(u @ matrix @ u), float(u @ u))
        assert largest_eigenvalue(matrix + np.outer(u, u)) <= bound * (1 + 1e-12)
    flat = np.diag([0.0, 2.0])
    u = np.array([0.6, 0.8])
    attained = np.linalg.eigvalsh(flat + np.outer(u, u))[-1]
    assert reach(2.0, float(u @ flat @ u), 1.0) == pytest.approx(attained, rel=1e-14)
