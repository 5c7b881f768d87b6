"""The simulator against tables that were made by stepping through every run, on bins of their own."""

import numpy as np
import pandas as pd
import pytest

from scaling.sgd_jumps import simulate_jumps
from scaling.sgd_schedules import segments_of
from scaling.simulate_batches import BatchSweep, simulate_steps_to_targets

pytestmark = pytest.mark.reference


@pytest.mark.parametrize(("a", "b"), [(2.0, 3.75), (1.5, 3.0), (1.5, 2.25)])
@pytest.mark.parametrize("averaged", [True, False])
def test_steps_to_targets(reference, a, b, averaged):
    table = pd.read_csv(reference("cbs", f"lsq_steps_to_target_a{a}_b{b}.csv"))
    table = table[table["iterate"] == ("ewa" if averaged else "last")]
    table = table.sort_values(["batch_size", "target_excess_risk"], ascending=[True, False])
    targets = table["target_excess_risk"].unique()
    rows = simulate_steps_to_targets(BatchSweep(a, b), targets, averaged=averaged)
    assert [(row.batch_size, row.target) for row in rows] == list(
        zip(table["batch_size"], table["target_excess_risk"], strict=True)
    )
    ratio = np.array([row.steps for row in rows]) / table["steps_to_target"].to_numpy()
    assert abs(np.median(ratio) - 1) < 5e-3
    # Horizons of the averages lie on another grid there, learning rates do not.
    assert np.abs(ratio - 1).max() < (0.07 if averaged else 0.012)


def test_losses_and_gradient_moments_along_runs(reference):
    logs = pd.read_csv(reference("cbs", "lsq_runlogs_a2_b3.75.csv"))
    spectrum = BatchSweep(2.0, 3.75).spectrum
    compared = 0
    for run_id in ("B32_lr0_ewa3", "B512_lr2_ewa4", "B32768_lr5_ewa2"):
        rows = logs[logs["run_id"] == run_id]
        rate, batch, decay = (rows[name].iloc[0] for name in ("lr", "batch_size", "ewa_decay"))
        steps = rows["step"].to_numpy()
        run = simulate_jumps(
            spectrum, segments_of(rate, batch, int(steps[-1])), label_noise=1, average_decay=decay, steps=steps
        )
        moments = run.moments
        for mine, name in (
            (run.trajectory.average_loss - 1, "excess_risk"),
            (run.trajectory.loss, "loss_last_iterate"),
            (moments.sqnorm, "grad_sqnorm_true"),
            (moments.trace, "grad_var_trace"),
            (moments.noise_scale, "gns_simple"),
            (moments.curved_noise_scale, "gns_noise"),
        ):
            # Coarser bins there leave about 1e-6 more of the signal.
            left = 1.5e-6 if name == "excess_risk" else 0.0
            np.testing.assert_allclose(mine, rows[name], rtol=1e-3, atol=left, err_msg=f"{run_id} {name}")
            compared += len(mine)
    assert compared > 600
