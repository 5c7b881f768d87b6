"""How steep the loss is elsewhere: the trend of the cells, held at their edge."""

import numpy as np
import pytest

from scaling.errors import InputDataError
from scaling.hyperparameters import fit_bowls
from scaling.hyperparameters.curvature import fit_curvature
from tests.hyperparameters.conftest import HESSIAN


def test_one_surface_everywhere_is_that_surface(exact):
    curvature = fit_curvature(fit_bowls(exact))
    assert curvature.trend
    assert curvature.n == 12
    for run in ((4e8, 4e10), (1e12, 1e14)):
        assert curvature.at(*run) == pytest.approx(HESSIAN, rel=1e-5)
    assert curvature.spread == pytest.approx(np.zeros(3), abs=1e-5)


def test_a_trend_is_followed_among_the_cells_and_held_beyond(exact):
    bowls = fit_bowls(exact)
    for bowl in bowls:
        # Flatter with tokens: every second derivative falls as D^-0.2.
        scale = (bowl.cell.n_tokens / 1e10) ** -0.2
        bowl.coefficients[3:6] *= scale
        bowl.coefficients[6:] = 0
        bowl.__dict__.pop("hessian", None)
    curvature = fit_curvature(bowls)
    assert curvature.at(4e8, 4e10) == pytest.approx(HESSIAN * 4**-0.2, rel=1e-4)
    assert curvature.at(4e8, 1e15) == pytest.approx(curvature.at(4e8, 4e11), rel=1e-9)


def test_few_cells_give_their_median(exact):
    curvature = fit_curvature(fit_bowls(exact)[:5])
    assert not curvature.trend
    assert curvature.at(1e9, 1e12) == pytest.approx(HESSIAN, rel=1e-5)


def test_the_result_is_always_a_basin(noisy):
    curvature = fit_curvature(fit_bowls(noisy, 0.01))
    for n in np.geomspace(1e6, 1e13, 8):
        assert np.linalg.eigvalsh(curvature.at(n, 20 * n)).min() > 0


def test_no_surface_at_all_is_refused(exact):
    nothing = fit_bowls(exact, 1e-9)
    with pytest.raises(InputDataError, match="no cell has a loss surface"):
        fit_curvature(nothing)
