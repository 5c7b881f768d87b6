"""The loss surface of a cell: its vertex, its curvature, what errors cost, and when it is no basin."""

import math

import numpy as np
import pytest

from scaling.errors import UsageError
from scaling.hyperparameters import find_cells, fit_bowl, fit_bowls, fit_slices
from tests.hyperparameters.conftest import CONTEXT, HESSIAN, best, runs

RETUNED = HESSIAN[1, 1] - HESSIAN[0, 1] ** 2 / HESSIAN[0, 0]


@pytest.mark.parametrize("order", [2, 3])
def test_a_quadratic_surface_is_recovered_exactly(exact, order):
    for bowl in fit_bowls(exact, 0.02, order):
        assert bowl.ok
        assert bowl.order == order
        assert (bowl.lr, bowl.batch) == pytest.approx(best(bowl.cell.n_params, bowl.cell.n_tokens), rel=1e-7)
        assert bowl.hessian == pytest.approx(HESSIAN, rel=1e-6)
        assert bowl.slope == pytest.approx(0.4, rel=1e-6)


def test_costs_of_a_factor_two_follow_from_the_curvature(exact):
    bowl = fit_bowl(exact[0])
    square = math.log(2) ** 2 / 2
    assert bowl.cost_of_lr() == pytest.approx(math.expm1(HESSIAN[0, 0] * square), rel=1e-6)
    assert bowl.cost_of_batch() == pytest.approx(math.expm1(RETUNED * square), rel=1e-6)
    assert bowl.cost_of_batch(retuned=False) == pytest.approx(math.expm1(HESSIAN[1, 1] * square), rel=1e-6)
    assert bowl.cost_of_lr(0.5) == pytest.approx(bowl.cost_of_lr(2), rel=1e-12)
    assert float(bowl.regret(2 * bowl.lr, bowl.batch)) == pytest.approx(bowl.cost_of_lr(), rel=1e-9)
    tuned = bowl.lr * 2**bowl.slope
    assert float(bowl.regret(tuned, 2 * bowl.batch)) == pytest.approx(bowl.cost_of_batch(), rel=1e-9)


def test_the_plateau_ends_where_its_share_is_lost(exact):
    bowl = fit_bowl(exact[0])
    for share in (0.0025, 0.005, 0.01):
        octaves, batches = bowl.plateau(share, held=True)
        assert float(bowl.regret(bowl.lr * 2 ** (octaves / 2), bowl.batch)) == pytest.approx(share, rel=1e-9)
        assert float(bowl.regret(bowl.lr, bowl.batch * 2 ** (batches / 2))) == pytest.approx(share, rel=1e-9)
        octaves, batches = bowl.plateau(share)
        aside = bowl.lr * 2 ** (bowl.slope * batches / 2)
        assert float(bowl.regret(aside, bowl.batch * 2 ** (batches / 2))) == pytest.approx(share, rel=1e-9)
        assert octaves > bowl.plateau(share, held=True)[0]


def test_third_order_takes_up_a_skew_that_pulls_a_quadratic_aside():
    cells = find_cells(**runs(skew=0.0006), context_length=CONTEXT)
    second, third = fit_bowls(cells, 0.02, 2), fit_bowls(cells, 0.02, 3)
    true = np.array([best(b.cell.n_params, b.cell.n_tokens)[0] for b in third])
    assert np.abs(np.log([b.lr for b in third]) - np.log(true)).max() < 1e-6
    assert np.mean(np.log([b.lr for b in second]) - np.log(true)) < -0.05


def test_the_error_of_the_vertex_is_what_vertices_scatter_by():
    def vertex(seed):
        cells = find_cells(**runs(sizes=[4e8], ratios=[60], noise=0.0015, seed=seed), context_length=CONTEXT)
        return fit_bowl(cells[0], 0.02, 2)

    bowls = [vertex(seed) for seed in range(60)]
    scatter = np.cov(np.array([b.vertex for b in bowls]).T)
    said = np.mean([b.covariance for b in bowls], axis=0)
    assert np.sqrt(np.diag(said) / np.diag(scatter)) == pytest.approx([1, 1], abs=0.35)
    assert np.sign(said[0, 1]) == np.sign(scatter[0, 1])


def test_a_saddle_is_no_basin():
    cells = find_cells(**runs(sizes=[4e8], ratios=[60]), context_length=CONTEXT)
    cell = cells[0]
    u, v = np.log(cell.lr / 1e-3), np.log(cell.batch / 2**18)
    table = {"n_params": np.full(cell.n, 4e8), "n_tokens": np.full(cell.n, 2.4e10), "lr": cell.lr, "batch": cell.batch}
    saddle = find_cells(**table, loss=3 * np.exp(0.002 * u**2 - 0.003 * v**2))
    for order in (2, 3):
        bowl = fit_bowl(saddle[0], 0.2, order)
        assert not bowl.ok
        assert "not convex" in bowl.status
        assert np.isnan(bowl.vertex).all()
        assert bowl.to_dict()["lr"] is None


def test_a_vertex_beyond_the_grid_is_said():
    cells = find_cells(**runs(sizes=[4e8], ratios=[60]), context_length=CONTEXT)
    cell = cells[0]
    kept = cell.lr < best(4e8, 2.4e10)[0] / 1.5
    table = {"n_params": cell.lr[kept] * 0 + 4e8, "n_tokens": cell.lr[kept] * 0 + 2.4e10}
    cut = find_cells(**table, lr=cell.lr[kept], batch=cell.batch[kept], loss=cell.loss[kept])
    assert fit_bowl(cut[0], 0.02, 2).status == "the vertex lies beyond the learning rates or batches tried"


def test_few_runs_get_a_quadratic_and_very_few_get_nothing(exact):
    cell = exact[0]
    shares = np.sort(cell.relative)
    assert fit_bowl(cell, float(shares[15])).order == 2
    assert fit_bowl(cell, float(shares[25])).order == 3
    none = fit_bowl(cell, float(shares[5]))
    assert none.status.startswith("too few runs")
    assert none.n_obs == 5


def test_one_batch_alone_has_no_surface():
    lr = np.geomspace(1e-4, 1e-2, 12)
    loss = 3 * np.exp(0.01 * np.log(lr / 1e-3) ** 2)
    cells = find_cells(np.full(12, 1e8), np.full(12, 2e9), lr, np.full(12, 2.0**17), loss)
    assert fit_bowl(cells[0], 0.5).status.startswith("too few runs")


def test_settings_that_are_none_are_refused(exact):
    with pytest.raises(UsageError, match="order 2 or 3"):
        fit_bowl(exact[0], order=4)
    with pytest.raises(UsageError, match="cut-off"):
        fit_bowl(exact[0], cutoff=0)
    with pytest.raises(UsageError, match="between 0 and 1"):
        fit_bowl(exact[0]).plateau(2)


def test_parabolas_find_the_best_learning_rate_of_every_batch(exact):
    slices = fit_slices(exact)
    assert slices.n >= 60
    lr0, b0 = best(slices.n_params, slices.n_tokens)
    assert slices.lr == pytest.approx(lr0 * (slices.batch / b0) ** 0.4, rel=1e-6)
    assert slices.curvature == pytest.approx(np.full(slices.n, HESSIAN[0, 0]), rel=1e-5)
    at = np.argmin(np.abs(np.log(slices.batch / b0)))
    cell = exact[slices.group[at]]
    rise = np.exp(RETUNED * np.log(slices.batch[at] / b0[at]) ** 2 / 2)
    assert slices.loss[at] == pytest.approx(fit_bowl(cell).loss * rise, rel=1e-6)


def test_a_batch_with_few_learning_rates_is_left_out_and_said():
    lr = np.array([5e-4, 1e-3, 2e-3, 1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2])
    batch = np.array([2.0**15] * 3 + [2.0**16] * 5)
    loss = 3 * np.exp(0.001 * np.log(lr / 3e-3) ** 2)
    slices = fit_slices(find_cells(np.full(8, 1e8), np.full(8, 2e9), lr, batch, loss), 0.2)
    assert slices.n == 1
    assert slices.lr[0] == pytest.approx(3e-3, rel=1e-6)
    assert slices.left_out == ("100M at 2B, batch 32.8K: fewer than 4 learning rates within 20 % of its best.",)
