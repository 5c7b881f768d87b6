"""A W&B log that others made with W&B 0.31.0: fifty rows of history, known by what made them."""

import pytest

from db.readers import wandb_offline
from db.readers.found import Note, RunFound, Values
from db.readers.probe import Probe

pytestmark = pytest.mark.reference


def test_fifty_rows_of_a_run(reference):
    path = reference("eco_fixtures", "wandb_0.31.0_offline_run.wandb")
    assert wandb_offline.sniff(Probe(path)).why == "it begins with :W&B"
    found = list(wandb_offline.read(path, ()))
    values = {one.metric: one for one in found if isinstance(one, Values)}
    assert {name: len(one.step) for name, one in values.items()} == {"train/loss": 50, "tokens": 50, "val/c4_loss": 5}
    assert values["train/loss"].step.tolist() == list(range(0, 500, 10))
    assert values["train/loss"].value[[0, -1]].tolist() == [4, 2.5300000000000002]
    assert values["tokens"].value.tolist() == [524288.0 * i for i in range(50)]
    assert values["val/c4_loss"].step.tolist() == [0, 100, 200, 300, 400]
    first, *_, last = (one for one in found if isinstance(one, RunFound))
    assert (first.key, first.name, first.about["project"]) == ("n6is3qix", "n100m-d2b", "scal")
    assert last.config == {
        "model.n_params": 100_000_000, "model.n_layers": 12, "lr": 0.0003, "batch_size_tokens": 524288,
        "seed": 0,
    }  # fmt: skip
    assert last.state == "finished"
    assert not [one for one in found if isinstance(one, Note)]
