"""The 240 runs behind the published refit of Chinchilla (arXiv:2404.10102): optima, objectives, standard errors."""

import csv

import numpy as np
import pytest

import scaling

pytestmark = pytest.mark.reference

# Objective and residual; estimates; the smallest value known, and half a unit of its last printed digit.
GOLDEN = {
    ("huber", "log"): (
        {"E": 1.8172181, "A": 477.8259, "B": 2143.417, "alpha": 0.3473105, "beta": 0.3671724},
        1.0182740178006e-3, 1e-12,
    ),
    ("lad", "log"): (
        {"E": 1.816864, "A": 482.0061, "B": 2085.436, "alpha": 0.3478131, "beta": 0.3658542},
        1.1294946536, 0.5e-10,
    ),
    ("squared", "linear"): (
        {"E": 1.8828136, "A": 567.8054, "B": 7581.852, "alpha": 0.3576151, "beta": 0.4276206},
        0.08320381, 0.5e-8,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def runs(reference):
    """N, D = C/(6N) and loss of the 240 runs; the five highest losses are marked in the file and left out."""
    with reference("chinchilla_epoch", "runs.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["epoch_excluded"] == "False"]
    n, flop, loss = (np.array([float(row[key]) for row in rows]) for key in ("N", "C", "loss"))
    assert len(rows) == 240
    return {"N": n, "D": flop / (6 * n)}, loss


@pytest.mark.parametrize(("objective", "residual"), list(GOLDEN))
def test_the_optimum_of_each_objective(runs, objective, residual):
    estimates, value, half_unit = GOLDEN[objective, residual]
    fit = scaling.fit("chinchilla", *runs, objective=objective, residual=residual, bootstrap=0)
    for name, expected in estimates.items():
        assert fit.estimates[name] == pytest.approx(expected, rel=1e-6)
    assert fit.objective_value <= value + half_unit
    assert fit.n_obs == 240
    assert fit.diagnostics.starts_at_optimum > 1


def test_a_bare_formula_reaches_the_same_optimum(runs):
    fit = scaling.fit("E + A/N**alpha + B/D**beta", *runs, bootstrap=0)
    assert fit.objective_value <= 1.0182740178006e-3 + 1e-12


def test_the_trend_that_the_law_leaves_is_reported(runs):
    # The losses were read off the colours of a figure; the residuals of any smooth law show it.
    fit = scaling.fit("chinchilla", *runs, bootstrap=0)
    assert fit.verdict == "weak"
    assert fit.diagnostics.structure_p < 1e-6


def test_the_bootstrap_errors_are_the_published_ones(runs):
    fit = scaling.fit("chinchilla", *runs, bootstrap=4000)
    published = {"A": 124.5, "B": 1293, "E": 0.0257, "alpha": 0.0154, "beta": 0.0206}
    for name, error in published.items():
        # The tail of B is heavy, so its standard error wanders from bootstrap to bootstrap.
        assert fit.standard_errors[name] == pytest.approx(error, rel=0.2 if name == "B" else 0.1)
    intervals = {"A": (285, 744), "E": (1.769, 1.871), "alpha": (0.317, 0.373), "beta": (0.331, 0.415)}
    for name, ends in intervals.items():
        assert fit.interval(name) == pytest.approx(ends, abs=0.15 * published[name])
    assert fit.diagnostics.replicates_converged == 1
    assert fit.diagnostics.replicates_at_bound == 0
    alpha, beta = (fit.replicates[:, fit.law.parameter_names.index(k)] for k in ("alpha", "beta"))
    share = fit.estimates["beta"] / (fit.estimates["alpha"] + fit.estimates["beta"])
    assert share == pytest.approx(0.513, abs=0.002)
    assert np.std(beta / (alpha + beta), ddof=1) == pytest.approx(0.020, rel=0.1)
    # Compute-optimal parameters grow with that power of the budget.
    plan = scaling.allocate(fit, [1e21, 1e24])
    assert np.log(plan.n_params[1] / plan.n_params[0]) / np.log(1e3) == pytest.approx(share, rel=1e-6)
