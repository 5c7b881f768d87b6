"""The vertex of a parabola, by hand and by simulation."""

import numpy as np
import pytest

from scaling.parabola import fit_parabola


def test_three_points_by_hand():
    """3 + (x - 1)^2 at 0, 1 and 3."""
    found = fit_parabola(np.array([0.0, 1.0, 3.0]), np.array([4.0, 3.0, 7.0]))
    assert (found.vertex, found.height, found.curvature) == pytest.approx((1, 3, 2))
    assert np.isnan(found.error)


def test_what_opens_downwards_has_no_lowest_point():
    x = np.arange(5.0)
    assert fit_parabola(x, -((x - 2) ** 2)) is None


def test_the_error_is_how_far_vertices_scatter():
    rng, x = np.random.default_rng(0), np.linspace(-2, 2, 9)
    found = [fit_parabola(x, 0.1 * (x - 0.4) ** 2 + 0.01 * rng.normal(size=9)) for _ in range(4000)]
    assert np.mean([f.vertex for f in found]) == pytest.approx(0.4, abs=0.005)
    assert np.sqrt(np.mean([f.error**2 for f in found])) == pytest.approx(np.std([f.vertex for f in found]), rel=0.05)
