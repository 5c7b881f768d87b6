"""What the callbacks of OLMo-core wrote: the blocks of its console, and metrics saved as JSON."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from db.readers import olmo
from db.readers.format import Level
from db.readers.found import RunFound, Values
from db.readers.probe import Probe
from tests.db.readers.gathering import Gathered, same

LOGS = Path(__file__).parents[2] / "fixtures" / "logs" / "olmo"
CONSOLE, SAVED = LOGS / "console.log", LOGS / "saved"
STEPS = range(1, 13)
ODD = {3: math.nan, 5: math.inf, 7: -math.inf}


def read(path):
    return Gathered(olmo.read(path, olmo.sniff(Probe(path)).entries))


def test_blocks_of_the_console():
    assert olmo.sniff(Probe(CONSOLE)).level == Level.TEXT
    got = read(CONSOLE)
    assert got.error is None
    assert got.problems == []
    assert same(got.values["", "train/CE loss"], [(s, ODD.get(s, float(f"{11.0 - s / 16:.2f}"))) for s in STEPS])
    assert got.values["", "train/block 3/load imbalance"] == [(s, 1 + s / 8) for s in STEPS]
    assert got.values["", "optim/LR (group 0)"][0] == (1, 2e-5)
    assert got.values["", "throughput/device/TPS (actual avg)"] == [(s, 1234.0) for s in STEPS]
    assert ("", "eval/lm/c4_en-validation/CE loss") not in got.values
    assert got.count == 12 * 8
    assert got.digits["", "train/CE loss"] == 4


def test_tokens_of_a_block_stand_with_all_its_values():
    loss = next(one for one in olmo.read(CONSOLE, ()) if isinstance(one, Values))
    assert loss.tokens[:9].tolist() == [s * 262144.0 for s in range(1, 10)]
    assert loss.tokens[9] == 10.49e9


def test_lines_with_a_prefix_and_lines_that_are_none(tmp_path):
    path = tmp_path / "a.log"
    path.write_text(
        "2026-01-01T00:00:00Z [rank0]: INFO [step=7/???,epoch=1,eta=1d, 2h]\n"
        "2026-01-01T00:00:00Z [rank0]:     train/CE loss=2.345\n"
        "2026-01-01T00:00:01Z INFO Saving checkpoint to '/data/x=1'\n"
        "    name=value\n"
        "    train/Z loss=soon\n"
        "    optim/total grad norm=0.5\n"
    )
    got = read(path)
    assert got.values == {("", "train/CE loss"): [(7, 2.345)], ("", "optim/total grad norm"): [(7, 0.5)]}
    assert [(one.line, one.value) for one in got.problems] == [(6, "soon")]


def test_a_run_that_is_resumed(tmp_path):
    path = tmp_path / "a.log"
    block = "[step={}/9,epoch=1]\n    train/CE loss={}\n"
    path.write_text(
        block.format(3, 3.5)
        + block.format(4, 3.25)
        + "Will resume training from step 3, epoch 1\n"
        + block.format(4, 3.0)
    )
    got = read(path)
    assert got.restarts == [4]
    assert got.values["", "train/CE loss"] == [(3, 3.5), (4, 3.25), (4, 3.0)]


def test_saved_metrics_are_in_the_order_of_their_steps():
    sign = olmo.sniff(Probe(SAVED))
    assert sign.level == Level.DIRECTORY
    assert set(sign.entries) == {f"metrics_step{s}.json" for s in (4, 8, 12)} | {"metrics.json", "config.json"}
    got = read(SAVED)
    assert got.values["", "train/CE loss"] == [(4, 10.75), (8, 10.5), (12, 10.25)]
    assert got.values["", "eval/lm/c4_en-validation/CE loss"] == [(4, 4.875), (8, 4.75), (12, 4.625)]
    assert got.digits["", "train/CE loss"] is None
    assert got.count == 3 * 9
    assert got.runs[""]["summary"]["throughput/total tokens"] == 12 * 262144 * 4000
    assert got.runs[""]["config"]["model.d_model"] == 64
    tokens = next(one for one in olmo.read(SAVED, sign.entries) if isinstance(one, Values)).tokens
    np.testing.assert_array_equal(tokens, [4 * 262144, 8 * 262144, 12 * 262144 * 4000])


def test_the_last_metrics_alone_are_a_summary(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text((SAVED / "metrics.json").read_text())
    assert olmo.sniff(Probe(path)).level == Level.KEYS
    got = read(path)
    assert got.values == {}
    assert got.runs[""]["summary"]["train/CE loss"] == 10.25
    path.write_text(json.dumps({"loss": 1.0}))
    assert olmo.sniff(Probe(path)) is None


def test_a_file_that_is_being_written_does_not_hide_the_others(tmp_path):
    for step in (4, 8):
        (tmp_path / f"metrics_step{step}.json").write_text((SAVED / f"metrics_step{step}.json").read_text())
    whole = (SAVED / "metrics_step12.json").read_text()
    (tmp_path / "metrics_step12.json").write_text(whole[:50])
    got = read(tmp_path)
    assert got.error is None
    assert got.values["", "train/CE loss"] == [(4, 10.75), (8, 10.5)]
    assert [Path(one.file).name for one in got.problems] == ["metrics_step12.json"]


@pytest.mark.parametrize("text", ["[1]", "{", "", "null"])
def test_a_single_file_that_is_no_object_is_an_error(tmp_path, text):
    path = tmp_path / "metrics_step3.json"
    path.write_text(text)
    got = Gathered(olmo.read(path, ()))
    assert "metrics_step3.json" in str(got.error)


def test_the_parameters_that_olmo_counts(tmp_path):
    path = tmp_path / "a.log"
    path.write_text(
        "2024-01-01 00:00:00.000\thost:0\tolmo.train:1\tINFO\tTotal number of parameters: 1,176,832,000\n"
        "2024-01-01 00:00:00.000\thost:0\tolmo.train:2\tINFO\tNumber of non-embedding parameters: 1,073,807,360\n"
        "2024-01-01 00:00:00.000\thost:0\tolmo.train:3\tINFO\t[step=1/10]\n"
        "    train/CrossEntropyLoss=11.1\n"
        "[step=2/10,epoch=0]\n"
        "    train/CrossEntropyLoss=11.2\n"
    )
    assert olmo.sniff(Probe(path)).level == Level.TEXT
    assert read(path).values["", "train/CrossEntropyLoss"] == [(1, 11.1), (2, 11.2)]
    (run,) = [one for one in olmo.read(path, ()) if isinstance(one, RunFound) and one.summary]
    assert run.summary == {"num_parameters": 1_176_832_000, "num_non_embedding_params": 1_073_807_360}
