"""The planner on runs that were really made: six sweeps of arXiv:2411.12925 and six isoFLOP sets, as benchmarked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from benchmarks.planning import BUDGETS, isoflops, loss_to_loss, measure

pytestmark = pytest.mark.reference

SEEDS = 15


@pytest.mark.slow
def test_the_plan_beats_the_usual_random_choice_over_all_sets(reference: Any) -> None:
    """With 40 seeds 70 % of the random choices are beaten, and the error is 0.85 times the usual one; a single set
    says little, since on the sweeps with a third of the compute no choice is much better than another."""
    folder = reference("loss_to_loss", "sweep.csv").parents[1]
    reference("isoflops_openathena", "isoflops.csv")
    beaten, ratio = {}, {}
    for pool in (pools := [*loss_to_loss(folder), *isoflops(folder)]):
        for share in BUDGETS:
            plan, random, _, bought, spent = measure(pool, share, "chinchilla", SEEDS)
            random = random[np.isfinite(random)]
            assert len(random) >= SEEDS - 1
            assert bought >= 1
            assert spent <= 1 + 1e-9
            beaten[pool.name, share] = np.mean(plan < random)
            ratio[pool.name, share] = plan / np.median(random)
    assert len(pools) == 12
    assert np.mean(list(beaten.values())) > 0.6
    assert np.exp(np.mean(np.log(list(ratio.values())))) < 0.92
