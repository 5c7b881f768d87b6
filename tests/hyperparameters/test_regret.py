"""What learning rates and batches give up: between runs, by the surface, and by laws of other cells."""

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.hyperparameters import (
    Method,
    cell_regret,
    expected_regret,
    find_cells,
    fit_bowl,
    fit_laws,
    leave_largest_out,
    leave_one_cell_out,
    regrets_of,
)
from scaling.hyperparameters.expected import cell_scatter
from tests.hyperparameters.conftest import CONTEXT, HESSIAN, best, runs


def plane(lr, batch):
    """Linear in the logarithms, so that interpolation is exact."""
    return 3 + 0.1 * np.log(lr / 1e-3) + 0.05 * np.log(batch / 2**15)


@pytest.fixture
def flat():
    lr, batch = (v.ravel() for v in np.meshgrid(np.geomspace(1e-3, 1e-2, 4), 2.0 ** np.arange(15, 19)))
    return find_cells(np.full(16, 1e8), np.full(16, 2e9), lr, batch, plane(lr, batch))[0]


def test_between_runs_the_loss_is_linear_in_logarithms(flat):
    lr, batch = np.array([1.7e-3, 6e-3, 1e-2]), np.array([4e4, 1.9e5, 2.0**18])
    assert cell_regret(flat, lr, batch) == pytest.approx(plane(lr, batch) / 3 - 1, rel=1e-12)


def test_at_a_run_the_regret_is_its_own(noisy):
    cell = noisy[4]
    assert cell_regret(cell, cell.lr, cell.batch) == pytest.approx(cell.relative, abs=1e-12)


def test_beyond_the_grid_its_edge_counts(flat):
    assert cell_regret(flat, [1e-1], [1e9]) == pytest.approx([plane(1e-2, 2.0**18) / 3 - 1])
    assert cell_regret(flat, [1e-9], [2.0**16]) == pytest.approx([plane(1e-3, 2.0**16) / 3 - 1])


def test_where_a_corner_of_the_grid_is_missing_its_nearest_edge_counts():
    lr, batch = np.array([1e-3, 2e-3, 4e-3, 1e-3, 2e-3, 1e-3]), 2.0 ** np.array([15, 15, 15, 16, 16, 17])
    cell = find_cells(np.full(6, 1e8), np.full(6, 2e9), lr, batch, plane(lr, batch))[0]
    # The edge from (4e-3, 2^15) to (1e-3, 2^17) runs through (2e-3, 2^16); the corner projects onto it.
    assert cell_regret(cell, [4e-3], [2.0**17])[0] == pytest.approx(plane(2e-3, 2.0**16) / plane(1e-3, 2.0**15) - 1)


def test_beside_a_run_without_a_loss_the_regret_is_infinite(flat):
    loss = flat.loss.copy()
    loss[5] = np.nan
    cell = find_cells(np.full(16, 1e8), np.full(16, 2e9), flat.lr, flat.batch, loss)[0]
    assert np.isinf(cell_regret(cell, [flat.lr[5] * 1.01], [flat.batch[5]])).all()
    assert np.isfinite(cell_regret(cell, [flat.lr[15]], [flat.batch[15]])).all()


def test_seeds_of_one_setting_are_averaged(flat):
    columns = [np.concatenate([v, v]) for v in (flat.lr, flat.batch)]
    loss = np.concatenate([flat.loss - 0.1, flat.loss + 0.1])
    cell = find_cells(np.full(32, 1e8), np.full(32, 2e9), *columns, loss)[0]
    assert cell_regret(cell, [2e-3], [5e4]) == pytest.approx(cell_regret(flat, [2e-3], [5e4]), rel=1e-12)


def test_runs_of_one_batch_span_no_area():
    lr = np.geomspace(1e-4, 1e-2, 5)
    cell = find_cells(np.full(5, 1e8), np.full(5, 2e9), lr, np.full(5, 2.0**17), np.full(5, 3.0))[0]
    with pytest.raises(InputDataError, match="span no area"):
        cell_regret(cell, [1e-3], [2.0**17])


def test_true_laws_give_up_nothing_by_the_surface(exact):
    regrets = regrets_of(exact, "the truth", best)
    assert regrets.by_bowl == pytest.approx(np.zeros(12), abs=1e-9)
    assert regrets.by_runs.min() >= 0
    assert regrets.mean < 6e-4  # a quarter of a step of the grid away from its best run
    twice = regrets_of(exact, "twice the learning rate", lambda n, d: (2 * best(n, d)[0], best(n, d)[1]))
    assert twice.by_bowl == pytest.approx(np.full(12, np.expm1(HESSIAN[0, 0] * np.log(2) ** 2 / 2)), rel=1e-6)
    assert twice.by_runs == pytest.approx(twice.by_bowl, abs=1e-3)


def test_each_cell_is_judged_by_laws_of_the_others(noisy):
    regrets = leave_one_cell_out(noisy, "argmin")
    k = 3
    others = noisy.without(np.arange(12) == k)
    laws = fit_laws(others, "argmin", bootstrap=0)
    cell = noisy[k]
    assert (regrets.lr[k], regrets.batch[k]) == pytest.approx(laws.points_at(cell.n_params, cell.n_tokens), rel=1e-9)
    assert regrets.worst == regrets.by_runs.max() >= regrets.mean > 0


def test_the_largest_cells_are_judged_by_laws_of_the_smaller_ones(noisy):
    regrets = leave_largest_out(noisy, "argmin", by="parameters")
    assert [c.n_params for c in regrets.cells] == [8e8] * 4
    laws = fit_laws(noisy.without(np.array([c.n_params == 8e8 for c in noisy])), "argmin", bootstrap=0)
    assert regrets.lr[0] == pytest.approx(laws.points_at(8e8, regrets.cells[0].n_tokens)[0], rel=1e-9)
    compute = leave_largest_out(noisy, "argmin", by="compute")
    held = {c.name for c in compute.cells}
    least = min(c.n_params * c.n_tokens for c in compute.cells)
    assert all(c.n_params * c.n_tokens <= least for c in noisy if c.name not in held)
    with pytest.raises(UsageError, match="'flops'"):
        leave_largest_out(noisy, by="flops")


def test_smaller_cells_of_one_size_are_no_judge_of_a_larger_one(noisy):
    """Nothing is known of how the learning rate moves with the size, and a made-up exponent would give up anything."""
    two = noisy.without(np.array([c.n_params not in (4e8, 8e8) for c in noisy]))
    assert sorted({c.n_params for c in two}) == [4e8, 8e8]
    with pytest.raises(InputDataError, match="do not tell the exponents of 'optimal_learning_rate' apart"):
        leave_largest_out(two, "argmin", by="parameters")
    assert leave_largest_out(two, "argmin", by="compute").worst < 0.01


@pytest.mark.slow
def test_expected_regret_is_what_laws_of_other_sweeps_give_up():
    """Laws of one sweep, judged on new optima of the true laws with the scatter of the cells."""
    rng = np.random.default_rng(0)
    said, given_up = [], []
    for seed in range(25):
        laws = fit_laws(find_cells(**runs(noise=0.001, scatter=0.15, seed=seed), context_length=CONTEXT), bootstrap=200)
        for n, d in ((4e8, 4e10), (2e9, 4e11)):
            said.append(expected_regret(laws, n, d).total)
            lr, batch = laws.points_at(n, d)
            true = np.log(best(n, d)) + 0.15 * rng.normal(size=(200, 2))
            away = np.log([lr, batch]) - true
            given_up.append(np.mean(0.5 * np.einsum("ki,ij,kj->k", away, HESSIAN, away)))
    inside, beyond = np.reshape(said, (-1, 2)).mean(axis=0), np.reshape(given_up, (-1, 2)).mean(axis=0)
    assert inside / beyond == pytest.approx([1, 1], abs=0.25)


def test_parts_of_the_expected_regret_come_from_where_they_say(exact, noisy):
    nothing = expected_regret(fit_laws(exact, bootstrap=50), 4e8, 4e10)
    assert nothing.total < 1e-9
    laws = fit_laws(noisy, bootstrap=400)
    near, far = expected_regret(laws, 4e8, 4e10), expected_regret(laws, 1e11, 2e13)
    assert far.parameters > 10 * near.parameters
    assert far.scatter == pytest.approx(near.scatter, rel=0.5)
    without = expected_regret(fit_laws(noisy, bootstrap=0), 4e8, 4e10)
    assert without.parameters == pytest.approx(near.parameters, rel=0.5)


def test_scatter_of_the_cells_is_told_from_the_errors_of_their_vertices():
    sweeps = [find_cells(**runs(noise=0.0015, scatter=0.1, seed=seed)) for seed in range(12)]
    fitted = [fit_laws(cells, bootstrap=0, coupled_within=1.01) for cells in sweeps]
    errors = np.mean([np.trace(laws.optima.covariance.mean(axis=0)) for laws in fitted])
    assert errors > 0.008  # of 0.02 that optima scatter by: left in, it would be seen here
    # Twelve sweeps of twelve cells in two directions tell a variance to about 12 %.
    assert np.mean([np.trace(cell_scatter(laws)) for laws in fitted]) == pytest.approx(0.02, rel=0.25)


def test_a_surface_beside_the_runs_is_what_regret_by_bowl_is_of(noisy):
    regrets = regrets_of(noisy, "twice", lambda n, d: tuple(2 * v for v in best(n, d)))
    for cell, share, lr, batch in zip(noisy, regrets.by_bowl, regrets.lr, regrets.batch, strict=True):
        assert share == pytest.approx(float(fit_bowl(cell).regret(lr, batch)))


def test_methods_of_one_name_are_told_apart_by_their_words():
    assert (
        Method("bowl", 0.01, 2).words
        == "vertex of a quadratic surface of the logarithms, within 1 % of the best of each cell"
    )
    assert Method("threshold").words == "all runs within 0.25 % of the best of each cell"
