"""Weight decay as a timescale: recovered from sweeps, held when the batch changes."""

import json

import numpy as np
import pytest

from scaling.errors import InputDataError, UsageError
from scaling.hyperparameters import fit_timescale, timescale_of, weight_decay_of


def sweep(noise=0.0, seed=0, ratios=(5, 20, 60, 200, 500, 1000), sizes=(1e8, 4e8)):
    """Runs whose loss is lowest at a timescale of 1.1 R^-0.5."""
    rng = np.random.default_rng(seed)
    rows = []
    for n in sizes:
        for ratio in ratios:
            d, best = n * ratio, 1.1 * ratio**-0.5
            for batch in (2.0**17, 2.0**19):
                for decay in weight_decay_of(best, 1e-3, batch, d) * 2.0 ** np.arange(-3, 3.1):
                    tau = timescale_of(1e-3, decay, batch, d)
                    loss = 2.5 * np.exp(0.004 * np.log(tau / best) ** 2 + noise * rng.normal())
                    rows.append((n, d, 1e-3, batch, decay, loss))
    return dict(zip(("n_params", "n_tokens", "lr", "batch", "weight_decay", "loss"), np.array(rows).T, strict=True))


def test_the_law_is_recovered_and_gives_the_weight_decay_back():
    tuned = fit_timescale(**sweep(), bootstrap=0)
    assert tuned.law.estimates == pytest.approx({"k": 1.1, "q": -0.5}, rel=1e-6)
    assert tuned.law.cells == 12
    assert tuned.law.n == 24
    # B/(lr D tau): by hand at R = 100.
    assert tuned.weight_decay(2e-3, 2**18, 1e9, 1e11) == pytest.approx(2**18 / (2e-3 * 1e11 * 1.1 * 0.1), rel=1e-6)
    assert json.loads(json.dumps(tuned.to_dict()))["timescale"]["cells"] == 12


def test_noise_gives_an_error_that_the_estimate_is_off_by():
    tuned = fit_timescale(**sweep(noise=0.001), bootstrap=200)
    error = tuned.law.fit.standard_errors["q"]
    assert 0.001 < error < 0.02
    assert abs(tuned.law.estimates["q"] + 0.5) < 3 * error


def test_weight_decay_grows_with_the_batch_at_a_held_timescale():
    one, two = (weight_decay_of(0.2, 1e-3, b, 2e10) for b in (2**18, 2**20))
    assert two == pytest.approx(4 * one)
    assert float(timescale_of(1e-3, two, 2**20, 2e10)) == pytest.approx(0.2)


def test_without_decay_there_is_no_timescale():
    assert np.isinf(timescale_of(1e-3, 0.0, 2**18, 1e10))
    table = sweep()
    bare = {k: np.concatenate([v, v[:5]]) for k, v in table.items()}
    bare["weight_decay"][-5:] = 0
    bare["loss"][-5:] = 2.0  # the best of all, and of no timescale
    assert fit_timescale(**bare, bootstrap=0).law.estimates == pytest.approx({"k": 1.1, "q": -0.5}, rel=1e-6)
    with pytest.raises(InputDataError, match="no run has a weight decay"):
        fit_timescale(**{**table, "weight_decay": np.zeros(len(table["lr"]))})


def test_a_best_one_at_the_end_of_those_tried_is_left_out_and_said():
    table = sweep()
    best = 1.1 * (table["n_tokens"] / table["n_params"]) ** -0.5
    tau = timescale_of(table["lr"], table["weight_decay"], table["batch"], table["n_tokens"])
    first = (table["n_params"] == 1e8) & (table["n_tokens"] == 5e8) & (table["batch"] == 2.0**17)
    kept = ~(first & (tau < best * 1.5))
    tuned = fit_timescale(**{k: v[kept] for k, v in table.items()}, cutoff=0.1, bootstrap=0)
    assert tuned.law.n == 23
    assert "100M at 500M, batch 131K" in tuned.left_out[0]


def test_one_number_of_tokens_a_parameter_is_refused():
    with pytest.raises(InputDataError, match="cannot hold a law"):
        fit_timescale(**sweep(ratios=(20,)), bootstrap=0)


def test_numbers_that_are_none_are_refused():
    with pytest.raises(UsageError, match="above 0"):
        weight_decay_of(0.0, 1e-3, 1, 1)
    table = sweep()
    with pytest.raises(InputDataError, match="weight decays"):
        fit_timescale(**{**table, "weight_decay": table["weight_decay"][:-1]})
