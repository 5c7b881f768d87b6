"""States that the Trainer of transformers saved, alone, in copies, and damaged."""

import json
import math
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from db.readers import hf_trainer
from db.readers.complaints import LIMIT
from db.readers.format import Level
from db.readers.found import Values
from db.readers.probe import Probe
from tests.db.readers.gathering import Gathered, same

RUN = Path(__file__).parents[2] / "fixtures" / "logs" / "hf_trainer" / "run"
LOGGED = range(5, 31, 5)


def read(path):
    return Gathered(hf_trainer.read(path, hf_trainer.sniff(Probe(path)).entries))


def state_of(tmp_path, history, **more):
    path = tmp_path / "trainer_state.json"
    path.write_text(json.dumps({"global_step": 3, "log_history": history, **more}))
    return read(path)


def mean_loss(step):
    """Mean of the losses of five steps, 8 - s / 8 each."""
    return float(np.mean([8.0 - s / 8 for s in range(step - 4, step + 1)]))


def test_history_of_the_newest_copy():
    sign = hf_trainer.sniff(Probe(RUN))
    assert sign.level == Level.DIRECTORY
    assert sign.entries == ("trainer_state.json", "checkpoint-20/trainer_state.json", "config.json")
    got = read(RUN)
    assert got.error is None
    assert got.problems == []
    assert got.values["", "loss"] == [(s, mean_loss(s)) for s in LOGGED]
    assert got.values["", "eval_loss"] == [(s, 6.0 - s / 16) for s in (10, 20, 30)]
    odd = {5: math.nan, 10: math.inf, 15: -math.inf}
    assert same(got.values["", "odd"], [(s, odd.get(s, float(s))) for s in LOGGED])
    assert got.values["", "absent"] == [(s, None) for s in LOGGED]
    assert ("", "train_loss") not in got.values
    assert got.count == 6 * 9 + 3 * 6
    assert "Of 2 copies of the state the newest was read, of step 30." in got.notes
    assert any(note.startswith("loss is a mean") for note in got.notes)


def test_summary_settings_and_state():
    run = read(RUN).runs[""]
    assert run["state"] == "finished"
    assert run["summary"]["train_loss"] == 8.0 - np.mean(range(1, 31)) / 8
    # 888 parameters besides the embeddings, of 24 rows of 8 numbers.
    assert run["summary"]["total_flos"] == 6 * 960 * 888
    assert run["summary"]["global_step"] == 30
    assert run["config"]["n_embd"] == 8
    assert run["config"]["max_steps"] == 30
    assert run["config"]["train_batch_size"] == 4


def test_tokens_where_they_are_counted():
    loss = next(
        one
        for one in hf_trainer.read(RUN / "trainer_state.json", ())
        if isinstance(one, Values) and one.metric == "loss"
    )
    np.testing.assert_array_equal(loss.tokens, [s * 4 * 8 for s in LOGGED])


def test_a_checkpoint_beyond_the_state_of_the_directory_is_newer(tmp_path):
    shutil.copytree(RUN, tmp_path / "run")
    state = json.loads((RUN / "trainer_state.json").read_text())
    (tmp_path / "run" / "checkpoint-40").mkdir()
    state["global_step"] = 40
    (tmp_path / "run" / "checkpoint-40" / "trainer_state.json").write_text(json.dumps(state))
    got = read(tmp_path / "run")
    assert got.runs[""]["summary"]["global_step"] == 40
    assert got.runs[""]["config"]["n_embd"] == 8
    (tmp_path / "run" / "checkpoint-40" / "trainer_state.json").write_text("{")
    got = read(tmp_path / "run")
    assert got.runs[""]["summary"]["global_step"] == 30
    assert any(note.startswith("checkpoint-40/trainer_state.json cannot be read") for note in got.notes)


def test_a_directory_of_checkpoints_alone(tmp_path):
    shutil.copytree(RUN / "checkpoint-20", tmp_path / "checkpoint-20")
    shutil.copytree(RUN / "checkpoint-20", tmp_path / "checkpoint-3")
    got = read(tmp_path)
    assert got.runs[""]["state"] is None
    assert [step for step, _ in got.values["", "loss"]] == [5, 10, 15, 20]
    assert got.values["", "loss"][-1] == (20, mean_loss(20))


def test_a_lone_file_is_known_by_its_keys(tmp_path):
    shutil.copy(RUN / "trainer_state.json", tmp_path / "other.json")
    assert hf_trainer.sniff(Probe(tmp_path / "other.json")).level == Level.KEYS
    (tmp_path / "no.json").write_text('{"log_history": []}')
    assert hf_trainer.sniff(Probe(tmp_path / "no.json")) is None


def test_what_is_refused_names_its_entry(tmp_path):
    odd = [
        {"loss": 1.0},
        7,
        {"step": 1.5, "loss": 1.0},
        {"step": -1, "loss": 1.0},
        {"step": 2, "loss": "1.0x", 'a "b"\n': "NaN"},
    ]
    got = state_of(tmp_path, [*odd, {"step": 3, "flag": True, "loss": 2}])
    assert [(one.line, one.column, one.refused) for one in got.problems] == [
        (1, "log_history.step", "row"),
        (2, "log_history", "row"),
        (3, "log_history.step", "row"),
        (4, "log_history.step", "row"),
        (5, "log_history.loss", "value"),
    ]
    assert same(got.values["", 'a "b"\n'], [(2, math.nan)])
    assert got.values["", "loss"] == [(3, 2.0)]
    assert len(got.values) == 2


def test_problems_are_bounded(tmp_path):
    got = state_of(tmp_path, [{"step": i, "loss": "x"} for i in range(LIMIT + 50)])
    assert len(got.problems) == LIMIT
    assert any("50 more of this were refused" in note for note in got.notes)


@pytest.mark.parametrize("history", [None, {}, 3, "x"])
def test_a_state_without_a_history_is_an_error(tmp_path, history):
    assert state_of(tmp_path, history).error.place == "log_history"


def entries_of(losses, start=1):
    return [{"epoch": 0.5, "loss": loss, "step": step} for step, loss in enumerate(losses, start)]


def test_a_run_that_was_resumed_after_its_end_goes_on(tmp_path):
    path = tmp_path / "trainer_state.json"
    end = {"epoch": 0.5, "step": 2, "train_loss": 2.75, "train_runtime": 5.0}
    path.write_text(
        json.dumps({"global_step": 3, "log_history": [*entries_of([3.0, 2.5]), end, *entries_of([2.0], 3)]})
    )
    found = Gathered(hf_trainer.read(path, ()))
    assert found.values["", "loss"] == [(1, 3.0), (2, 2.5), (3, 2.0)]
    assert ("", "train_loss") not in found.values
    assert found.runs[""]["state"] is None
    assert found.runs[""]["summary"]["train_loss"] == 2.75


def test_a_long_history_is_never_held(tmp_path):
    path = tmp_path / "trainer_state.json"
    with path.open("w") as stream:
        stream.write('{"global_step": 200000, "log_history": [')
        stream.writelines(f'{{"loss": 2.5, "grad_norm": 0.25, "step": {i}}},' for i in range(200_000))
        stream.write('{"loss": 2.0, "step": 200000}], "max_steps": 400000}')
    tracemalloc.start()
    count = 0
    for one in hf_trainer.read(path, ()):
        if isinstance(one, Values):
            count += len(one.value)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 400_001
    assert peak < 30e6  # the file has 9 MB, and would be 80 MB of objects


@pytest.mark.parametrize("tail", ["", "]", "]} x", "],", '], "a": [1'])
def test_a_history_that_does_not_end_well_is_an_error(tmp_path, tail):
    path = tmp_path / "trainer_state.json"
    path.write_text('{"global_step": 1, "log_history": [{"loss": 2.5, "step": 1}' + tail)
    found = Gathered(hf_trainer.read(path, ()))
    assert "character" in str(found.error)


def test_damage_far_from_the_end_is_told_where_it_is(tmp_path):
    path = tmp_path / "trainer_state.json"
    before = '{"global_step": 1, "log_history": [' + '{"loss": 2.5, "step": 1},' * 10
    path.write_text(before + '{"loss": 2.5, "step" 1},' + '{"loss": 2.5, "step": 1},' * 1_000_000 + "]}")
    found = Gathered(hf_trainer.read(path, ()))
    assert f"character {len(before) + 22}: it is not JSON: Expecting ':' delimiter" in str(found.error)
