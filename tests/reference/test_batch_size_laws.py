"""Laws of the critical batch on published sweeps: numbers of arXiv:2410.21676, and of the table of arXiv:2503.04715."""

import numpy as np
import pandas as pd
import pytest

from scaling.batch_size.iso_loss import critical_at_losses
from scaling.batch_size.law import fit_critical_law
from scaling.batch_size.steps import fit_steps
from scaling.batch_size.three_term import fit_three_term
from scaling.errors import VerdictError

pytestmark = pytest.mark.reference


def fits(table, column):
    return [
        fit_steps(g["batch_size_seqs"], g[column], bootstrap=1000, unit="sequences")
        for _, g in table.groupby("n_params")
    ]


@pytest.fixture(scope="module")
def chinchilla(reference):
    table = pd.read_csv(reference("cbs", "cbs_chinchilla_steps_to_target.csv"))
    models = table.groupby("n_params", as_index=False).first()
    return table, {"n_params": models["n_params"], "n_tokens": models["chinchilla_tokens"], "tokens_per_sample": 512}


@pytest.fixture(scope="module")
def curves(chinchilla):
    return fits(chinchilla[0], "steps_to_target_fit")


@pytest.fixture(scope="module")
def rule(chinchilla, curves):
    return fit_critical_law(curves, overhead=0.2, anchor=256, law="critical_batch_params", **chinchilla[1])


def test_the_published_law(rule):
    assert rule.coefficient("sequences", 1e6) == pytest.approx(93.1968, rel=1e-4)
    assert rule.estimates["p"] == pytest.approx(0.46828, rel=1e-4)
    assert rule.convention == "20 % above linear scaling from a batch of 256 sequences"


def test_its_forecasts(rule):
    ahead = rule.predict(n_params=[2e9, 6e9])
    assert ahead.estimate == pytest.approx([3274.9, 5478.1], rel=1e-4)
    assert np.all((ahead.low < ahead.estimate) & (ahead.estimate < ahead.high))
    assert ahead.verdict == "extrapolating x5"
    assert rule.predict(n_params=6e9, unit="tokens").estimate == pytest.approx(512 * 5478.1, rel=1e-4)


def test_its_interval(rule):
    low, high = rule.fit.interval("p", 0.95)
    assert low == pytest.approx(0.420, abs=0.006)
    assert high == pytest.approx(0.515, abs=0.006)
    assert rule.fit.standard_errors["p"] == pytest.approx(0.025, abs=0.002)
    constant = rule.fit.replicates[:, 0] * 1e6 ** rule.fit.replicates[:, 1] / 512
    assert np.quantile(constant, [0.025, 0.975]) == pytest.approx([71.8, 121.7], rel=0.03)


def test_over_tokens_it_is_the_same_law(chinchilla, curves):
    law = fit_critical_law(curves, overhead=0.2, anchor=256, **chinchilla[1])
    assert law.fit.law.name == "critical_batch"
    assert law.coefficient("sequences", 1e9) == pytest.approx(576.81, rel=1e-4)
    assert law.estimates["q"] == pytest.approx(0.4682, abs=5e-5)
    assert law.design.kind == "coupled"
    with pytest.raises(VerdictError, match="cannot be told"):
        fit_critical_law(curves, law="critical_batch_joint", **chinchilla[1])


def test_without_a_convention(chinchilla, curves):
    law = fit_critical_law(curves, law="critical_batch_params", **chinchilla[1])
    assert law.coefficient("sequences", 1e6) == pytest.approx(146.10, rel=1e-4)
    assert law.estimates["p"] == pytest.approx(0.6191, abs=5e-5)
    tokens = [512 * fit.estimates["b"] for fit in curves]
    over = fit_critical_law(curves, n_tokens=tokens, tokens_per_sample=512)
    assert over.estimates["q"] == pytest.approx(0.617, abs=5e-4)


def test_the_steps_before_six_were_edited(chinchilla):
    table, models = chinchilla
    raw = fits(table, "steps_to_target_wandb")
    law = fit_critical_law(raw, overhead=0.2, anchor=256, law="critical_batch_params", **models)
    assert law.coefficient("sequences", 1e6) == pytest.approx(96.597, rel=1e-4)
    assert law.estimates["p"] == pytest.approx(0.4629, abs=5e-5)
    plain = fit_critical_law(raw, law="critical_batch_params", **models)
    assert plain.coefficient("sequences", 1e6) == pytest.approx(154.8, abs=0.05)
    assert plain.estimates["p"] == pytest.approx(0.6104, abs=5e-5)


def test_the_largest_model_from_the_others(rule):
    held = rule.held_out_largest()
    assert held.forecast.estimate == pytest.approx(2650, abs=0.6)
    assert held.measured == pytest.approx(2533, abs=0.6)
    assert held.missed == pytest.approx(0.046, abs=5e-4)
    assert held.forecast.low < held.measured < held.forecast.high


@pytest.fixture(scope="module")
def decayed(reference):
    table = pd.read_csv(reference("steplaw", "dense_lr_bs_loss.csv"))
    return tuple(
        column.to_numpy(float)
        for column in (table["N"], table["D"], 2048.0 * table["bs"], table["smooth loss"], table["lr"])
    )


AT = np.array([1.45e9, 2.91e9, 5.83e9, 9.96e9, 2.22e10])


def test_critical_batches_from_decayed_runs(decayed):
    """The exponent moves by .02 with how one cell of 170 is read, so it is held to .015, and the batches to 3 %."""
    found = critical_at_losses(*decayed)
    assert len(found.points) == 24
    assert {p.n_params for p in found.points} == {214663680, 268304384, 429260800, 536872960}
    assert any("1.07B parameters: 0 batch sizes with three lengths" in note for note in found.notes)
    law = found.law(bootstrap=200)
    assert law.estimates["q"] == pytest.approx(0.4266, abs=0.015)
    batches = law.predict(n_tokens=AT, force=True).estimate
    assert batches / 1e6 == pytest.approx([1.33, 1.79, 2.40, 3.02, 4.25], rel=0.03)
    low, high = law.fit.interval("q", 0.9)
    assert low < 0.4266 < high
    assert law.verdict == "not identified"  # four sizes do not say how far sizes scatter
    assert max(p.rms for p in found.points) < 0.08


def test_the_same_read_off_curves(decayed):
    law = critical_at_losses(*decayed, between="power").law(bootstrap=0)
    assert law.estimates["q"] == pytest.approx(0.432, abs=0.002)
    assert law.predict(n_tokens=AT, force=True).estimate / 1e6 == pytest.approx([1.33, 1.79, 2.40, 3.02, 4.25], rel=0.1)


def test_the_batch_of_the_lowest_loss(decayed):
    found = fit_three_term(*decayed, keep_untuned=True, bootstrap=0)
    assert found.fit.n_obs == 170
    # Published for 166 of these cells; floor and exponents are hardly determined, the batches are.
    printed = {"E": 0.484, "alpha": 0.292, "F": 4.10, "beta": 0.200, "G": 3.47, "gamma": 0.107}
    for name, value in printed.items():
        assert found.fit.estimates[name] == pytest.approx(value, rel=0.01)
    assert found.exponent == pytest.approx(0.653, abs=0.005)
    assert found.fit.diagnostics.residual_rms == pytest.approx(0.0058, abs=1e-4)
    assert found.optimal_batch([4e9, 2e10, 1e11]).estimate == pytest.approx([138e3, 393e3, 1.12e6], rel=0.015)


def test_its_exponent_is_soft(decayed):
    bracketed = fit_three_term(*decayed, bootstrap=0)
    assert bracketed.fit.n_obs == 164
    large = decayed[2] >= 64 * 2048
    without_small = fit_three_term(*(column[large] for column in decayed), bootstrap=0)
    assert bracketed.exponent == pytest.approx(0.69, abs=0.01)
    assert without_small.exponent == pytest.approx(0.733, abs=0.01)
    at = [found.optimal_batch(2e10).estimate for found in (bracketed, without_small)]
    assert at == pytest.approx([393e3, 393e3], rel=0.02)
