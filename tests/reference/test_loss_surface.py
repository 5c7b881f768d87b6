"""The law of the whole loss surface on 2702 public runs: the optimum of a long search, and the largest cells held out.

The runs are those of the Step Law (arXiv:2503.04715) as SLDBench has them: 41 cells of 60M to 1.07B parameters.
"""

import csv

import numpy as np
import pytest

from scaling.hyperparameters import fit_loss_surface


@pytest.fixture(scope="module")
def runs(reference):
    """N, D, learning rate, batch in tokens, loss."""
    with reference("scalebench_sldbench", "lr_bsz.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = ("non_embedding_param_size", "data_size", "lr", "bsz", "lm_loss")
    n, d, lr, sequences, loss = (np.array([float(row[name]) for row in rows]) for name in names)
    return n, d, lr, 2048 * sequences, loss


def test_a_handful_of_starts_reaches_the_optimum_of_the_screen(runs):
    surface = fit_loss_surface(*runs)
    # 0.03871718 from the 24 best of a screen of 4096 points.
    assert surface.fit.objective_value == pytest.approx(0.0387171816, abs=2e-9)
    assert surface.fit.diagnostics.starts_at_optimum >= 3
    expected = {"p_N": -0.4806, "p_D": 0.2425, "q_D": 0.5732, "h": 0.1433, "s": 0.2795, "k": 0.2295}
    for name, value in expected.items():
        assert surface.estimates[name] == pytest.approx(value, abs=2e-4), name
    assert surface.closed
    assert surface.slope == pytest.approx(0.3089, abs=2e-4)
    low, high = surface.fit.interval("p_N")
    assert (low, high) == pytest.approx((-0.507, -0.454), abs=2e-3)


def test_its_verdict_says_that_single_cells_have_other_optima(runs):
    surface = fit_loss_surface(*runs)
    assert surface.verdict == "weak"
    reasons = " ".join(surface.fit.diagnostics.reasons)
    assert "another exponent of N in the best learning rate: -0.2295 away" in reasons
    assert "A bound holds E" in reasons
    # Nearer the optima the exponent is nearer theirs.
    near = fit_loss_surface(*runs, cutoff=0.02)
    assert near.fit.n_obs == 1583
    assert near.estimates["p_N"] == pytest.approx(-0.606, abs=1e-3)


@pytest.mark.parametrize(
    ("least", "held_out", "r2", "bias"),
    [((1e9, 5e10), 47, 0.935, -0.001), ((0, 9e10), 202, 0.984, -0.002), ((1e9, 0), 264, 0.986, -0.002)],
    ids=["largest cell", "longest", "largest model"],
)
def test_the_largest_cells_held_out(runs, least, held_out, r2, bias):
    out = (runs[0] > least[0]) & (runs[1] > least[1])
    assert out.sum() == held_out
    surface = fit_loss_surface(*(column[~out] for column in runs))
    loss = runs[4][out]
    predicted = surface.fit.evaluate(dict(zip(("N", "D", "lr", "B"), (c[out] for c in runs[:4]), strict=True)))[0]
    assert 1 - np.sum((loss - predicted) ** 2) / np.sum((loss - loss.mean()) ** 2) == pytest.approx(r2, abs=2e-3)
    assert np.mean(predicted - loss) == pytest.approx(bias, abs=1e-3)
