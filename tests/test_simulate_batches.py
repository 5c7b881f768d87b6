"""Simulated sweeps over batch size, and the exponents that theory gives for them."""

import math
import time
from dataclasses import replace

import numpy as np
import pytest

from scaling.batch_theory import known_batch_exponents, recover_critical_law
from scaling.errors import InputDataError, UsageError
from scaling.sgd import simulate_run
from scaling.sgd_jumps import simulate_jumps
from scaling.sgd_schedules import segments_of
from scaling.simulate_batches import BatchSweep, batch_run_logs, simulate_steps_to_targets

SMALL = BatchSweep(2.0, 3.75, n_params=500, batch_sizes=(16, 256), n_rates=3, rate_ratio=2, longest_horizon=50)


def test_known_exponents():
    assert known_batch_exponents(2, 3.75, averaged=True)["critical"] == pytest.approx(7 / 15)
    assert known_batch_exponents(2, 3.75, averaged=False)["critical"] == pytest.approx(2.75 / 4.75)
    assert known_batch_exponents(1.5, 2.25, averaged=True) == pytest.approx(
        {"steps": 1.2, "samples": 1.8, "critical": 1 / 3}
    )
    assert known_batch_exponents(2, 1.5, averaged=True)["critical"] == 0


@pytest.mark.parametrize(
    ("a", "b", "averaged", "targets"),
    [
        (2.0, 3.75, True, (0.03, 0.0004)),
        (2.0, 3.75, False, (0.03, 0.0004)),
        (1.5, 3.0, True, (0.03, 0.0008)),
        (1.5, 3.0, False, (0.03, 0.0008)),
        (1.5, 2.25, True, (0.08, 0.004)),
        (1.5, 2.25, False, (0.08, 0.004)),
    ],
)
def test_recovered_exponent_of_the_critical_batch_size(a, b, averaged, targets):
    begun = time.process_time()
    rows = simulate_steps_to_targets(BatchSweep(a, b), np.geomspace(*targets, 9), averaged=averaged)
    found = recover_critical_law(rows)
    assert time.process_time() - begun < 20
    known = known_batch_exponents(a, b, averaged=averaged)
    assert abs(found.exponent - known["critical"]) < 0.04
    logs = np.log(found.target)
    assert abs(-np.polyfit(logs, np.log(found.fewest_steps), 1)[0] / known["steps"] - 1) < 0.1
    assert abs(-np.polyfit(logs, np.log(found.fewest_samples), 1)[0] / known["samples"] - 1) < 0.1
    assert len(rows) == 9 * 16
    assert not any(row.longest_average for row in rows)


def test_the_noise_scale_follows_the_critical_batch_of_last_weights_and_not_that_of_averages():
    sweep, targets = BatchSweep(2.0, 3.75), np.geomspace(0.03, 0.0004, 9)
    rows = simulate_steps_to_targets(sweep, targets, averaged=False)
    last, average = (recover_critical_law(r) for r in (rows, simulate_steps_to_targets(sweep, targets, averaged=True)))
    ratios = []
    for target, a, b, a_avg, b_avg in zip(
        last.target, last.fewest_steps, last.fewest_samples, average.fewest_steps, average.fewest_samples, strict=True
    ):
        of_target = [row for row in rows if row.target == target]
        best = min(of_target, key=lambda row: abs(math.log(row.batch_size * a / b)))
        segments = segments_of(best.learning_rate, best.batch_size, max(1, round(best.steps)))
        noise = simulate_jumps(sweep.spectrum, segments, label_noise=1).moments.noise_scale[0]
        ratios.append((b / a / noise, b_avg / a_avg / noise))
    of_last, of_average = np.array(ratios).T
    # Critical batches and noise scales both grow about a hundredfold here.
    assert of_last.min() > 0.4
    assert of_last.max() < 0.75
    assert of_average[0] > 4 * of_average[-1]


@pytest.mark.slow
@pytest.mark.parametrize("averaged", [True, False])
def test_no_cap_where_the_signal_falls_steeply(averaged):
    sweep = BatchSweep(1.2, 4.5, batch_sizes=tuple(2**k for k in range(5, 22)), n_rates=13 if averaged else 20)
    found = recover_critical_law(simulate_steps_to_targets(sweep, np.geomspace(5e-3, 1e-4, 9), averaged=averaged))
    assert abs(found.exponent - known_batch_exponents(1.2, 4.5, averaged=averaged)["critical"]) < 0.04
    # An exponent b above 2 a + 1 that counted as 2 a + 1 would give 0.647 and 0.667.
    capped = known_batch_exponents(1.2, 3.4, averaged=averaged)["critical"]
    assert found.exponent - capped > 0.06


def test_log_rows_are_the_runs_of_the_recursion():
    rows = batch_run_logs(SMALL, 5120, n_logged=12)
    decays = SMALL.decays
    assert len({row["run_id"] for row in rows}) == 2 * 3 * len(decays)
    for batch, i, j in ((16, 0, 4), (16, 2, 0), (256, 1, 2)):
        mine = [row for row in rows if row["run_id"] == f"b{batch}-lr{i}-avg{j}"]
        rate, n_steps = SMALL.learning_rates(batch)[i], 5120 // batch
        steps = [row["step"] for row in mine]
        run = simulate_run(
            SMALL.spectrum, np.full(n_steps, rate), batch, n_steps, label_noise=1, average_decay=decays[j], steps=steps
        )
        np.testing.assert_allclose([row["loss"] for row in mine], run.average_loss, rtol=1e-12)
        assert mine[-1] | {"loss": 0} == {
            "run_id": f"b{batch}-lr{i}-avg{j}",
            "batch_size": batch,
            "learning_rate": rate,
            "average_decay": decays[j],
            "step": n_steps,
            "n_tokens": n_steps * batch,
            "loss": 0,
        }


@pytest.mark.parametrize("averaged", [True, False])
def test_steps_to_a_target_are_those_of_the_best_run(averaged):
    targets = (0.3, 0.02)
    rows = simulate_steps_to_targets(SMALL, targets, averaged=averaged)
    assert [(row.batch_size, row.target) for row in rows] == [(b, t) for b in (16, 256) for t in targets]
    for row in rows:
        crossings = []
        for rate in SMALL.learning_rates(row.batch_size):
            for decay in SMALL.decays if averaged else [0.0]:
                steps = np.arange(1, 1001)
                run = simulate_run(
                    SMALL.spectrum,
                    np.full(1000, rate),
                    row.batch_size,
                    1000,
                    label_noise=1,
                    average_decay=decay,
                    steps=steps,
                )
                excess = run.average_loss - 1
                k = int(np.argmax(excess <= row.target))
                if excess[k] <= row.target:
                    share = math.log(excess[k - 1] / row.target) / math.log(excess[k - 1] / excess[k]) if k else 1
                    crossings.append(max(k, 1) * ((k + 1) / max(k, 1)) ** share)
        assert row.steps == pytest.approx(min(crossings), rel=1e-9 if row.steps < 64 else 2e-4)


def test_targets_out_of_reach_and_edges_of_the_grid_are_said():
    rows = simulate_steps_to_targets(SMALL, (0.3, 1e-6), max_steps=300)
    assert [math.isnan(row.steps) for row in rows] == [False, True, False, True]
    hard = simulate_steps_to_targets(SMALL, (0.02,), averaged=False, max_steps=10**5)
    assert [row.lowest_rate for row in hard] == [True, False]
    longest = simulate_steps_to_targets(replace(SMALL, longest_horizon=5), (0.015,), max_steps=10**4)
    assert [row.longest_average for row in longest] == [True, False]
    with pytest.raises(InputDataError, match="1 target"):
        recover_critical_law(rows[:1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: BatchSweep(2, 3, label_noise=0), "label_noise"),
        (lambda: BatchSweep(2, 3, batch_sizes=()), "grid is empty"),
        (lambda: BatchSweep(2, 3, rate_ratio=1), "must differ"),
        (lambda: BatchSweep(1, 3), "above 1"),
        (lambda: simulate_steps_to_targets(SMALL, (5.0,)), "before training"),
        (lambda: simulate_steps_to_targets(SMALL, ()), "before training"),
        (lambda: batch_run_logs(SMALL, 100), "less than one batch"),
    ],
)
def test_bad_settings(call, words):
    with pytest.raises(UsageError, match=words):
        call()
