"""Logs that trackers wrote elsewhere: events of TensorBoard, databases of MLflow and Trackio."""

import math

import numpy as np
import pytest

from db.readers import mlflow_store, tfevents, trackio
from tests.db.readers.gathering import Gathered

pytestmark = pytest.mark.reference

STEPS = [(10 * i, 4 - 0.03 * i) for i in range(20)]


def near(found, expected, rtol=1e-12):
    assert [step for step, _ in found] == [step for step, _ in expected]
    np.testing.assert_allclose([value for _, value in found], [value for _, value in expected], rtol=rtol)


def test_events_of_tensorboard(reference):
    found = Gathered(tfevents.read(reference("eco_fixtures", "events.out.tfevents.1795197631.vm.4728.0"), ()))
    near(found.values["", "train/loss"], STEPS, 1e-6)
    near(found.values["", "val/loss_packed"], [(step, value + 0.1) for step, value in STEPS], 1e-6)
    near(found.values["", "val/loss_content64"], [(step, value + 0.2) for step, value in STEPS])
    assert found.count == 60
    assert not found.problems


def test_a_database_of_mlflow(reference):
    found = Gathered(mlflow_store.read(reference("eco_fixtures", "mlflow_3.17_sqlite.db"), ()))
    ((key, run),) = found.runs.items()
    near(found.values[key, "train/loss"], STEPS)
    assert str(found.values[key, "x"]) == str([(1, math.nan), (2, math.inf)])
    assert (run["name"], run["state"]) == ("n100m", "finished")
    assert run["config"] == {"n_params": "100000000.0", "lr": "0.0003"}
    assert found.count == 22


def test_a_database_of_trackio(reference):
    found = Gathered(trackio.read(reference("eco_fixtures", "trackio_0.43.db"), ()))
    ((key, run),) = found.runs.items()
    near(found.values[key, "train/loss"][:-1], STEPS)
    assert str(found.values[key, "train/loss"][-1]) == "(200, nan)"
    assert found.values[key, "tokens"] == [(10 * i, 1e6 * i) for i in range(20)]
    assert (run["name"], run["config"]) == ("n100m", {"n_params": 1e8, "lr": 3e-4})
    assert found.count == 41
