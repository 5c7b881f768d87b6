"""Plans from the published steps to a target over batch size (arXiv:2410.21676), sequences of 512 tokens."""

import csv

import numpy as np
import pytest

from scaling.allocation.hardware import find_hardware
from scaling.batch_size import fit_steps, plan_batch

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def steps(reference):
    with reference("cbs", "cbs_chinchilla_steps_to_target.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["model"] == "302M"]
    batch = np.array([float(row["batch_size_seqs"]) for row in rows])
    return fit_steps(batch, [float(row["steps_to_target_fit"]) for row in rows], unit="sequences", bootstrap=1000)


def test_the_302m_model_has_these_trade_offs(steps):
    plan = plan_batch(steps, batch=[1024, 2048, 5432.6, 16384], weights=(0.1, 0.25, 0.5, 0.75))
    front = plan.front
    assert (plan.curve.a, plan.curve.b) == (pytest.approx(2095.35, abs=0.01), pytest.approx(1.13833e7, rel=1e-5))
    np.testing.assert_allclose(front.time_ratio, [6.305, 3.653, 2, 1.332], atol=6e-4)
    np.testing.assert_allclose(front.overhead, [0.188, 0.377, 1, 3.016], atol=6e-4)
    best = [b for b, _, _ in front.by_weight.values()]
    np.testing.assert_allclose(best, [603.6, 1810.9, 5432.6, 16297.9], atol=0.06)
    assert plan.batch == pytest.approx(1086.5, abs=0.1)


def test_intervals_of_the_critical_batch_are_about_those_of_the_t_distribution(steps):
    """Of nine batch sizes 95 % t intervals reach from 4723 to 6249; residual replicates are a little narrower."""
    front = plan_batch(steps, level=0.95).front
    assert front.critical_low == pytest.approx(4723, rel=0.06)
    assert front.critical_high == pytest.approx(6249, rel=0.06)


def test_devices_and_time_of_the_302m_model(steps):
    plan = plan_batch(
        steps, n_params=302e6, tokens_per_sample=512, hardware=find_hardware("h100", mfu=0.4, price_per_hour=2.0),
        smallest_per_gpu=16, deadline_hours=0.5,
    )  # fmt: skip
    each = 6 * 302e6 * 512 / (989e12 * 0.4)
    assert plan.gpus == pytest.approx(0.2 * 5432.6 / 16, rel=1e-4)
    run = plan.runs["in_time"]
    assert run.wall_seconds == pytest.approx((2095.35 + 1.13833e7 / run.batch) * 16 * each, rel=1e-4)
    assert run.wall_seconds <= 1800
    fewer = run.gpus - 1
    assert (2095.35 + 1.13833e7 / (16 * fewer)) * 16 * each > 1800
