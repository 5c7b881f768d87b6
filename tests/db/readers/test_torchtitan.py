"""A log of torchtitan, whose logger printed it in colours, and ones of several ranks."""

import math
from pathlib import Path

from db.readers import torchtitan
from db.readers.probe import Probe
from tests.db.readers.gathering import Gathered, same

LOG = Path(__file__).parents[2] / "fixtures" / "logs" / "torchtitan" / "rank0.log"
STEPS = range(1, 13)
LINE = (
    "[rank{}]:2026-01-01 00:00:00,000 - root - INFO - step: {:2}  loss: {:7.4f}  memory: 42.08GiB(30.10%)  wps: 1,478\n"
)


def read(path):
    return Gathered(torchtitan.read(path, ()))


def written(tmp_path, text):
    path = tmp_path / "a.log"
    path.write_text(text)
    return read(path)


def test_all_numbers_without_colours_commas_and_percents():
    assert torchtitan.sniff(Probe(LOG)) is not None
    got = read(LOG)
    assert got.error is None
    assert got.problems == []
    assert same(got.values["", "loss"], [(s, {4: math.nan, 6: math.inf}.get(s, 10.25 - s / 4)) for s in STEPS])
    assert got.values["", "grad_norm"] == [(s, 0.5 + s / 8) for s in STEPS]
    assert got.values["", "tps"][1:4] == [(2, 16384.0), (3, 16384.0), (4, 16384.0)]
    assert got.values["", "memory"] == [(s, 1.25) for s in STEPS]
    assert got.values["", "validation_metrics/loss"] == [(5, 8.375), (10, 7.75)]
    assert got.count == 12 * 6 + 2
    assert got.digits["", "loss"] == 6


def test_config_shape_and_size():
    run = read(LOG).runs[""]
    assert run["config"] == {
        "training.seq_len": 2048,
        "training.steps": 12,
        "training.local_batch_size": 8,
        "optimizer.lr": 0.0008,
        "tags": ["a"],
        "local_batch_size": 8,
        "global_batch_size": 64,
        "gradient_accumulation_steps": 1,
        "sequence_length": 2048,
        "total_steps": 12,
        "warmup_steps": 2,
    }
    assert run["summary"] == {"num_parameters": 6_139_136}


def test_one_rank_is_read_of_several(tmp_path):
    lines = [LINE.format(rank, step, 9 - step / 8 + rank / 64) for step in range(1, 7) for rank in (1, 0, 2)]
    got = written(tmp_path, "".join(lines))
    assert got.values["", "loss"] == [(s, round(9 - s / 8 + 1 / 64, 4)) for s in range(1, 7)]
    assert got.values["", "wps"][0] == (1, 1478.0)
    assert "12 lines of other ranks were left out: rank 1 prints the same steps." in got.notes


def test_a_rank_without_a_loss_is_not_the_one(tmp_path):
    lines = [LINE.format(rank, step, -1.0 if rank == 0 else 5.0) for step in range(1, 4) for rank in (0, 3)]
    got = written(tmp_path, "".join(lines))
    assert got.values["", "loss"] == [(1, 5.0), (2, 5.0), (3, 5.0)]
    assert any(note.startswith("3 lines have a loss below 0") for note in got.notes)


def test_na_is_missing_and_other_words_are_refused(tmp_path):
    got = written(tmp_path, "step: 1  loss:  1.5  mfu: N/A\nstep: 2  loss:  soon  mfu: 3.5%\n")
    assert got.values["", "mfu"] == [(1, None), (2, 3.5)]
    assert got.values["", "loss"] == [(1, 1.5)]
    assert [(one.line, one.column, one.value) for one in got.problems] == [(2, "loss", "soon")]


def test_a_second_start_is_a_restart(tmp_path):
    start = (
        "INFO - Training starts at step {}, with local batch size 1, global batch size 8, sequence length 16, total\n"
    )
    got = written(
        tmp_path,
        start.format(1) + LINE.format(0, 5, 2.0) + LINE.format(0, 9, 1.0) + start.format(6) + LINE.format(0, 6, 1.5),
    )
    assert got.restarts == [6]
    assert got.values["", "loss"] == [(5, 2.0), (9, 1.0), (6, 1.5)]
    assert got.runs[""]["config"]["sequence_length"] == 16


def test_a_config_between_lines_of_another_rank(tmp_path):
    text = (
        '[rank0]:INFO - Running with args: {\n[rank1]:x }}}\n[rank0]:  "a": {"b": 1},\n[rank0]:  "c": {}\n[rank0]: !}\n'
    )
    assert written(tmp_path, text + LINE.format(0, 1, 2.0)).runs[""]["config"] == {}
    good = text.replace("{}", '"d"').replace("!", "")
    assert written(tmp_path, good + LINE.format(0, 1, 2.0)).runs[""]["config"] == {"a.b": 1, "c": "d"}
