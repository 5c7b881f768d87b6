"""The two decays on the runs of Muennighoff et al. (arXiv:2305.16264) that SLDBench shares for training."""

import csv

import numpy as np
import pytest

import scaling
from scaling.allocation.data_constrained import epochs_until, worth_of_epochs

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def runs(reference):
    with reference("scalebench_sldbench", "data_constrained.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if float(row["loss"]) < 4.5]
    columns = {"N": "params", "D": "tokens", "U": "unique_tokens"}
    inputs = {name: np.array([float(row[column]) for row in rows]) for name, column in columns.items()}
    return inputs, np.array([float(row["loss"]) for row in rows])


@pytest.fixture(scope="module")
def decays(runs):
    return scaling.fit("data_constrained_decay", *runs, objective="squared", residual="linear", bootstrap=200)


def test_the_runs_below_a_loss_of_4_5(runs):
    inputs, loss = runs
    assert len(loss) == 140
    assert loss.max() < 4.5
    assert np.all(inputs["D"] >= inputs["U"])


def test_the_decays_with_the_other_constants_as_published(decays):
    assert decays.estimates == pytest.approx({"R_D": 16.20, "R_N": 4.58}, abs=0.005)


def test_the_published_decays_lie_in_the_intervals(decays):
    for name, published in (("R_D", 15.387756), ("R_N", 5.309743)):
        low, high = decays.interval(name, 0.95)
        assert low < published < high


def test_what_follows_for_epochs(decays):
    [half, tenth], (low, high) = epochs_until(decays, [0.5, 0.1], level=0.95)
    assert half == pytest.approx(1 + 16.20 * np.log(2), abs=0.01)
    assert tenth == pytest.approx(1 + 16.20 * np.log(10), abs=0.02)
    assert low[0] < half < high[0]
    # The paper's rule of thumb: up to four epochs are almost as good as fresh tokens.
    assert worth_of_epochs(decays, 1e11, [4]).worth[0] > 0.85
