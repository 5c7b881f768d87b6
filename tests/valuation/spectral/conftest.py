import numpy as np
import pytest


def deterministic_rows(n, m):
    i, j = np.arange(1, n + 1)[:, None], np.arange(1, m + 1)[None, :]
    rows = np.sin(0.7 * i * j) + 0.3 * np.cos(1.3 * i**2 / j)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def points():
    """Twelve unit vectors in four dimensions, from a formula."""
    rows = deterministic_rows(12, 4)
    np.testing.assert_allclose(rows[0], [0.3768093578, 0.6367688433, 0.5905852959, 0.3221011586], atol=1e-10)
    return rows


@pytest.fixture
def brute():
    """The set function itself, from eigenvalues, as a sum over the last axis of phi."""

    def value(rows, phi):
        return float(phi.total(np.clip(np.linalg.eigvalsh(rows.T @ rows), 0, None))) if len(rows) else 0.0

    return value
