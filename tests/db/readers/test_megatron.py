"""Logs as Megatron-LM and Megatron-DeepSpeed print them, with what launchers put in front of their lines."""

import math
from pathlib import Path

import numpy as np

from db.readers import megatron
from db.readers.format import Level
from db.readers.found import Values
from db.readers.log_lines import TOLD
from db.readers.probe import Probe
from tests.db.readers.gathering import Gathered, same

LOGS = Path(__file__).parents[2] / "fixtures" / "logs" / "megatron"
FIRST, RESTARTED = LOGS / "megatron.log", LOGS / "deepspeed.out"
COUNTERS = " | number of skipped iterations:   0 | number of nan iterations:   0 |"


def loss(step):
    return 11.0 - step / 64


def read(path):
    return Gathered(megatron.read(path, ()))


def written(tmp_path, *lines, end="\n"):
    path = tmp_path / "a.log"
    path.write_text("\n".join(lines) + end)
    return read(path)


def test_all_numbers_of_a_log_with_prefixes():
    got = read(FIRST)
    assert megatron.sniff(Probe(FIRST)).level == Level.TEXT
    assert got.error is None
    assert got.problems == []
    steps = range(10, 101, 10)
    expected = [(step, {40: None, 50: math.inf}.get(step, loss(step))) for step in steps]
    assert same(got.values["", "lm loss"], expected)
    assert same(got.values["", "grad norm"], [(s, math.nan if s == 40 else round(0.25 + s / 80, 3)) for s in steps])
    assert got.values["", "number of skipped iterations"] == [(s, 2.0 if s == 10 else 0.0) for s in steps]
    assert got.values["", "learning rate"][-1] == (100, 3e-4)
    assert same(got.values["", "validation lm loss"], [(50, loss(50) + 0.5), (100, loss(100) + 0.5)])
    assert got.values["", "validation lm loss PPL"] == [(50, 50.0), (100, 100.0)]
    assert got.values["", "validation lm loss at the end of training"] == [(100, 12.0)]
    assert got.values["", "test lm loss"] == [(100, 12.0)]
    assert got.count == 10 * 10 + 2 * 2 + 2
    assert got.digits["", "lm loss"] == 7
    assert got.digits["", "consumed samples"] is None


def test_the_block_of_arguments_is_the_config():
    run = read(FIRST).runs[""]
    assert run["config"] == {
        "global_batch_size": 512,
        "hidden_size": 1024,
        "lr": 0.0003,
        "num_layers": 24,
        "padded_vocab_size": 50304,
        "pipeline_model_parallel_size": 1,
        "save": None,
        "seq_length": 2048,
        "train_iters": 100,
        "untie": False,
        "distribute_saved_activations_across_nodes_of_a_rack": True,
        "data_path": "['0.5', 'corpus a']",
    }
    assert run["summary"] == {"num_parameters": 354_000_000}


def test_tokens_are_samples_times_the_sequence_unless_the_log_counts_them():
    for path, per_step in ((FIRST, 512 * 2048), (RESTARTED, 8 * 1024)):
        seen = [one for one in megatron.read(path, ()) if isinstance(one, Values) and one.metric == "lm loss"]
        for one in seen:
            np.testing.assert_array_equal(one.tokens, one.step * float(per_step))
    assert "Tokens are consumed samples times seq_length: the log counts none." in read(FIRST).notes
    assert not any("seq_length" in note for note in read(RESTARTED).notes)


def test_a_lost_loss_is_missing_and_counted():
    notes = read(FIRST).notes
    assert any(note.startswith("1 loss is missing: ") for note in notes)
    assert "Iterations were skipped (2) or gave NaN (1)." in notes


def test_a_restart_stands_between_what_it_voids_and_what_follows():
    got = read(RESTARTED)
    assert got.restarts == [21]
    before = [(step, loss(step)) for step in range(1, 31)]
    after = [(step, loss(step) - 1) for step in range(21, 41)]
    np.testing.assert_allclose(got.values["", "lm loss"], before + after, atol=5e-6)
    assert next(one for one in got.order if not isinstance(one, str)).step == 21
    assert got.values["", "validation lm loss"] == [(25, 9.0), (30, 9.0)]
    assert got.values["", "test lm loss"] == [(40, 7.0)]
    assert "elapsed time per iteration (s)" in {metric for _, metric in got.values}


def test_lines_that_ran_together_and_colours_and_progress_bars(tmp_path):
    got = written(
        tmp_path,
        "12%|█▏ | 1/8\r 25%|██▌ | 2/8\x1b[32m[x]\x1b[0m iteration 1/ 8 | lm loss: 2.5E+00 | grad norm: 1.5 | 3: "
        " iteration        2/       8 | lm loss: 2.25E+00 | tgs (tokens/gpu/second): 353.02 time (ms)",
        "[2026-01-01T16:18:53+08:00] iteration 3/ 8 | elapsed time per iteration (ms): 13372.8/13364.7 | hip mem "
        "usage/free: 153.81GB/102.17GB | lm loss: 2E+00 |" + COUNTERS,
        "validation loss at iteration 3 [hplt] | lm loss value: 1.5 | added target count value: 2 |",
    )
    assert got.problems == []
    assert got.values["", "lm loss"] == [(1, 2.5), (2, 2.25), (3, 2.0)]
    assert got.values["", "tgs (tokens/gpu/second)"] == [(2, 353.02)]
    assert got.values["", "elapsed time per iteration (ms)"] == [(3, 13372.8)]
    assert got.values["", "validation lm loss [hplt]"] == [(3, 1.5)]
    assert got.values["", "validation added target count [hplt]"] == [(3, 2.0)]


def test_what_is_no_number_is_refused_with_its_line_and_counted(tmp_path):
    lines = [f" iteration {i}/ 999 | lm loss: 2.1x | grad norm: 1.0 |" for i in range(1, TOLD + 8)]
    got = written(tmp_path, *lines, f" iteration {2**63}/ 999 | lm loss: 1.0 |")
    losses = [one for one in got.problems if one.column == "lm loss"]
    assert len(losses) == TOLD
    assert (losses[2].line, losses[2].value, losses[2].refused) == (3, "2.1x", "value")
    assert "7 more values of 'lm loss' were refused: it is no number." in got.notes
    assert [(one.column, one.refused) for one in got.problems if one.column == "step"] == [("step", "row")]
    assert len(got.values["", "grad norm"]) == TOLD + 7


def test_a_last_line_without_its_end_is_no_value(tmp_path):
    got = written(tmp_path, " iteration 1/ 9 | lm loss: 2.5E+00 |", " iteration 2/ 9 | lm loss: 2.1523", end="")
    assert got.values["", "lm loss"] == [(1, 2.5)]
    assert any("last line has no end" in note for note in got.notes)


def test_stages_of_a_pipeline_are_not_summed_up(tmp_path):
    text = " > number of parameters on (tensor, pipeline) model parallel rank (0, {}): {}"
    got = written(tmp_path, text.format(0, 7), text.format(1, 8), " iteration 1/ 9 | lm loss: 2.5 |")
    assert got.runs[""]["summary"] == {}
    assert any("pipeline stages" in note for note in got.notes)


def test_a_log_that_has_only_begun_is_no_error(tmp_path):
    begun = tmp_path / "begun.log"
    begun.write_text("\n".join(FIRST.read_text().splitlines()[:9]) + "\n")
    assert megatron.sniff(Probe(begun)) is not None
    got = read(begun)
    assert got.error is None
    assert got.runs[""]["config"]["hidden_size"] == 1024
    assert got.count == 0


def test_texts_that_quote_a_log_are_no_logs(tmp_path):
    for name in ("README.md", "parse.py", "notes.ipynb"):
        (tmp_path / name).write_bytes(FIRST.read_bytes())
        assert megatron.sniff(Probe(tmp_path / name)) is None
