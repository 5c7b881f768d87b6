"""Runs to cells: what diverged is kept and counted, units are told apart, grids that say little are named."""

import numpy as np
import pandas as pd
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.hyperparameters import find_cells
from scaling.hyperparameters.columns import snap
from tests.hyperparameters.conftest import CONTEXT, LENGTHS, SIZES, best, runs


def grid(lrs, batches, loss=None, n=1e8, d=2e9):
    pairs = [(lr, b) for b in batches for lr in lrs]
    lr, batch = np.array(pairs).T
    value = 3 + np.log(lr / 1e-3) ** 2 + np.log(batch / 2**17) ** 2 if loss is None else loss
    return {"n_params": np.full(len(lr), n), "n_tokens": np.full(len(lr), d), "lr": lr, "batch": batch, "loss": value}


LRS, BATCHES = np.geomspace(2.5e-4, 4e-3, 5), 2.0 ** np.arange(15, 20)


def test_cells_are_the_sizes_and_numbers_of_tokens(exact):
    assert len(exact) == len(SIZES) * len(LENGTHS)
    assert [c.n_params for c in exact] == sorted(c.n_params for c in exact)
    assert all(c.n == 17 * 8 for c in exact)


def test_tokens_that_differ_by_rounding_are_one_number():
    table = grid(LRS, BATCHES)
    table["n_tokens"] = table["n_tokens"] * (1 + 2e-3 * np.linspace(-1, 1, 25))
    assert len(find_cells(**table)) == 1
    table["n_tokens"][:5] *= 1.05
    assert len(find_cells(**table)) == 2


def test_runs_that_diverged_are_counted_and_stay(exact):
    lr, _ = best(2e8, 4e9)
    cell = exact.find(2e8, 4e9)
    assert cell.diverged == 8 * np.sum(2.0 ** np.arange(-13, -4.9, 0.5) > 12 * lr)
    assert cell.diverged > 0
    assert cell.loss.max() == 6.0
    assert cell.not_finite == 0


def test_a_loss_that_is_no_number_is_infinite_and_counted_with_what_diverged():
    table = grid(LRS, BATCHES)
    table["loss"] = table["loss"].copy()
    table["loss"][[0, 4, 7]] = [np.nan, np.inf, -np.inf]
    cells = find_cells(**table)
    assert cells.counts["not_finite"] == 3
    assert cells.counts["diverged"] >= 3
    assert np.isinf(cells[0].loss[[0, 4, 7]]).all()
    assert np.isfinite(cells[0].loss.min())


def test_no_loss_in_a_cell_is_refused():
    with pytest.raises(InputDataError, match="no run of 100M parameters and 2B tokens has a loss"):
        find_cells(**grid(LRS, BATCHES, loss=np.full(25, np.nan)))


def test_roundings_of_one_learning_rate_are_one():
    lr = np.array([0.00138, 0.001381, 0.00195, 0.001953, 0.00276])
    assert len(np.unique(snap(lr))) == 3
    assert snap(lr)[0] == pytest.approx(0.0013805, abs=1e-12)


@pytest.mark.parametrize("missing", [pd.NA, None, np.nan])
def test_a_missing_loss_is_a_diverged_run_in_any_column_of_pandas(missing):
    table = grid(LRS, BATCHES)
    losses = pd.Series(table["loss"], index=np.arange(len(table["loss"]))[::-1], dtype=object)
    losses.iloc[3] = missing
    cells = find_cells(**(table | {"loss": losses}))
    assert (cells.counts["runs"], cells.counts["not_finite"]) == (len(losses), 1)
    assert np.isinf(cells[0].loss[cells[0].rows == 3]).all()


def test_a_loss_that_is_text_is_refused():
    table = grid(LRS, BATCHES)
    losses = [*table["loss"][:-1], "diverged"]
    with pytest.raises(InputDataError, match="loss holds something that is not a number"):
        find_cells(**(table | {"loss": losses}))


def test_sequences_need_a_context_length():
    table = grid(LRS, BATCHES / 2048)
    with pytest.raises(UsageError, match="context length"):
        find_cells(**table, batch_unit="sequences")
    cells = find_cells(**table, batch_unit="sequences", context_length=2048)
    assert cells[0].batch.min() == 2**15


def test_sequences_said_to_be_tokens_are_refused():
    with pytest.raises(InputDataError, match="less than one sequence of 2048") as error:
        find_cells(**grid(LRS, BATCHES / 2048), context_length=2048)
    assert "batch_unit" in error.value.hint
    with pytest.raises(InputDataError, match=r"looks like sequences: which would be a run of 1\.2e8 steps"):
        find_cells(**grid(LRS, BATCHES / 2048))


def test_sequences_among_tokens_are_refused():
    table = grid(LRS, [16, 32, 64, 2**18, 2**19, 2**20], d=1e8)
    with pytest.raises(InputDataError, match="some look like sequences and others like tokens"):
        find_cells(**table)


def test_a_mixture_that_is_said_is_brought_to_tokens():
    table = grid(LRS, [16, 32, 2**18, 2**19])
    unit = ["sequences" if b < 100 else "tokens" for b in table["batch"]]
    cells = find_cells(**table, batch_unit=unit, context_length=2048)
    assert np.unique(cells[0].batch).tolist() == [2**15, 2**16, 2**18, 2**19]


def test_a_best_run_at_the_end_of_the_grid_is_named():
    table = grid(LRS, BATCHES)
    assert find_cells(**table).warnings == ()
    table["loss"] = 3 + np.log(table["lr"] / 0.1) ** 2 + np.log(table["batch"] / 2**10) ** 2
    cells = find_cells(**table)
    assert cells[0].edges == ("highest learning rate", "lowest batch")
    assert "highest learning rate and the lowest batch" in cells.warnings[0]


def test_learning_rates_that_do_not_overlap_across_batches_are_named():
    low, high = grid([1e-4, 2e-4, 4e-4], [2**15]), grid([1e-3, 2e-3, 4e-3], [2**19])
    table = {k: np.concatenate([low[k], high[k]]) for k in low}
    cells = find_cells(**table)
    assert cells[0].apart == (2**15, 2**19)
    assert any("32.8K" in w and "524K" in w and "do not overlap" in w for w in cells.warnings)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [("lr", 0.0, "'lr' is 0 in row 3"), ("n_params", np.nan, "'n_params' is nan in row 3"), ("loss", -1.0, "above 0")],
)
def test_numbers_without_a_logarithm_are_refused(name, value, said):
    table = grid(LRS, BATCHES)
    table[name] = table[name].copy()
    table[name][3] = value
    with pytest.raises(InputDataError, match=said):
        find_cells(**table)


def test_columns_of_other_lengths_are_refused():
    table = grid(LRS, BATCHES)
    with pytest.raises(InputDataError, match="differ in shape"):
        find_cells(**{**table, "lr": table["lr"][:-1]})
    with pytest.raises(InputDataError, match="24 losses for 25"):
        find_cells(**{**table, "loss": table["loss"][:-1]})
    with pytest.raises(InputDataError, match="no runs"):
        find_cells(**{k: [] for k in table})


def test_a_cell_that_is_not_there_is_refused_with_those_that_are(exact):
    with pytest.raises(UsageError) as error:
        exact.find(1e12, 1e12)
    assert "200M at 4B" in error.value.hint


def test_rows_say_where_a_run_stood():
    table = runs(sizes=[2e8], ratios=[20, 60])
    order = np.random.default_rng(0).permutation(len(table["lr"]))
    cells = find_cells(**{k: v[order] for k, v in table.items()}, context_length=CONTEXT)
    for cell in cells:
        assert np.array_equal(table["loss"][order][cell.rows], cell.loss)
