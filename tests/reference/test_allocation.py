"""Decisions on real runs: the 240 of the Chinchilla refit (arXiv:2404.10102), and six isoFLOP sets."""

import csv

import numpy as np
import pytest

import scaling
from scaling.allocation.allocate import curve
from scaling.allocation.cost import TransformerCost
from scaling.errors import VerdictError

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def runs(reference):
    """N, D = C/(6N) and loss of the 240 runs; the five highest losses are marked in the file and left out."""
    with reference("chinchilla_epoch", "runs.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["epoch_excluded"] == "False"]
    n, flop, loss = (np.array([float(row[key]) for row in rows]) for key in ("N", "C", "loss"))
    return {"N": n, "D": flop / (6 * n)}, loss


@pytest.fixture(scope="module")
def fit(runs):
    """The law with 1000 replicates."""
    return scaling.fit("chinchilla", *runs)


def amplitude_of(t):
    g = (t["alpha"] * t["A"] / (t["beta"] * t["B"])) ** (1 / (t["alpha"] + t["beta"]))
    return t["A"] * g ** -t["alpha"] + t["B"] * g ** t["beta"]


def test_the_exponent_and_its_error(fit):
    """a = 0.513 with a standard error of 0.020 (arXiv:2404.10102), here from the optima and not from alpha and beta."""
    plan = scaling.allocate(fit, [1e20, 5.88e23])
    assert plan.exponent_params == pytest.approx([0.513, 0.513], abs=0.002)
    low, high = (float(end[1]) for end in plan.exponent_params_interval)
    assert (high - low) / (2 * 1.96) == pytest.approx(0.020, abs=0.003)
    assert low < 0.5 < high  # parameters and tokens may well grow alike
    np.testing.assert_allclose(plan.exponent_params + plan.exponent_tokens, 1, rtol=1e-6)
    # Twenty tokens a parameter is inside the interval at the budget of Chinchilla.
    low, high = (float(end[1]) for end in plan.tokens_per_param_interval)
    assert low < 20 < high


def test_the_overhead_of_published_models(fit):
    t = fit.estimates
    amplitude = amplitude_of(t)
    n, d = np.array([70e9, 280e9, 8e9]), np.array([1.4e12, 300e9, 15e12])  # Chinchilla, Gopher, Llama 3 8B
    answer = scaling.overhead(fit, n, d)
    loss = t["E"] + t["A"] / n ** t["alpha"] + t["B"] / d ** t["beta"]
    power = (t["alpha"] + t["beta"]) / (t["alpha"] * t["beta"])
    least = 6 * (amplitude / (loss - t["E"])) ** power
    np.testing.assert_allclose(answer["optimal_flop"].point, least, rtol=1e-8)
    chinchilla, gopher, llama = answer["deadweight_share"].point
    assert chinchilla < 0.01 < gopher < llama  # 20, 1 and 1875 tokens a parameter
    assert np.all(answer["deadweight_share"].low <= answer["deadweight_share"].point)
    # Served often enough the small model is the cheaper one of the two that reach its loss.
    serving = scaling.overhead(fit, n, d, cost=TransformerCost(served_tokens=1e15))
    assert serving["deadweight_share"].point[2] < llama
    assert serving["deadweight_share"].point[1] > gopher


def test_half_the_size_catches_up_with_chinchilla(fit):
    t = fit.estimates
    rest = t["A"] / 70e9 ** t["alpha"] + t["B"] / 1.4e12 ** t["beta"] - t["A"] / 35e9 ** t["alpha"]
    answer = scaling.catch_up(fit, 70e9, 1.4e12, 0.5)
    assert answer["n_tokens_needed"].point[0] == pytest.approx((t["B"] / rest) ** (1 / t["beta"]), rel=1e-9)
    assert answer["tokens_factor"].low[0] > 2  # in every sense more than twice the tokens, at equal compute
    assert answer.never_share[0] == 0


def test_the_whole_curve_against_its_ends(fit):
    whole = curve(fit, 1e19, 1e25, 13, level=0.9)
    for name in ("n_params", "n_tokens", "loss"):
        (low, high), inner = getattr(whole, f"{name}_band"), getattr(whole, f"{name}_interval")
        assert np.all((low < getattr(whole, name)) & (getattr(whole, name) < high))
        # To hold all the curve takes more than to hold each point.
        assert np.median((high - low) / (inner[1] - inner[0])) > 1.1
    width = np.log(whole.n_params_band[1] / whole.n_params_band[0])
    assert width[-1] > 2 * width[3]  # far beyond the data the band opens


def test_the_floor_of_the_real_data(fit):
    with pytest.raises(VerdictError, match=r"floor at E = 1\.817 \(95 % interval 1\.7[67]\d* to 1\.8[67]"):
        scaling.compute_for_loss(fit, 1.7)
    answer = scaling.compute_for_loss(fit, 1.9, level=0.9)
    amplitude = amplitude_of(fit.estimates)
    t = fit.estimates
    power = (t["alpha"] + t["beta"]) / (t["alpha"] * t["beta"])
    assert answer["compute_flop"].point[0] == pytest.approx(6 * (amplitude / (1.9 - t["E"])) ** power, rel=1e-8)


@pytest.fixture(scope="module")
def isoflop_sets(reference):
    """N, D and loss of every set, without the rows marked as outliers."""
    with reference("isoflops_openathena", "isoflops.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["outlier"] == "False"]
    sets = {}
    for name in sorted({row["experiment"] for row in rows}):
        mine = [row for row in rows if row["experiment"] == name]
        sets[name] = tuple(np.array([float(row[key]) for row in mine]) for key in ("N", "D", "loss"))
    assert len(sets) == 6
    return sets


@pytest.mark.parametrize("law", ["chinchilla", "skaling"])
def test_what_holds_on_every_isoflop_set(isoflop_sets, law):
    for name, (n, d, loss) in isoflop_sets.items():
        fit = scaling.fit(law, {"N": n, "D": d}, loss, bootstrap=0)
        budgets = np.geomspace(6 * n.min() * d.min(), 100 * 6 * n.max() * d.max(), 6)
        plan = scaling.allocate(fit, budgets, force=True)
        assert np.all(np.diff(plan.n_params) > 0), name
        assert np.all(np.diff(plan.n_tokens) > 0), name
        assert np.all(np.diff(plan.loss) < 0), name
        for factor in (0.7, 1.4):
            there = fit.evaluate({"N": plan.n_params * factor, "D": plan.n_tokens / factor})[0]
            assert np.all(there > plan.loss), name
        least = scaling.compute_for_loss(fit, plan.loss, force=True)
        np.testing.assert_allclose(least["compute_flop"].point, budgets, rtol=1e-5, err_msg=name)
        waste = scaling.overhead(fit, n[:20], d[:20], force=True)["deadweight_share"].point
        assert np.all((waste >= 0) & (waste < 1)), name
