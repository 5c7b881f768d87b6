"""A log of nanotron, whose logger printed it: three digits, letters for powers of ten, and a printed config."""

import math
from pathlib import Path

import numpy as np
import pytest

from db.readers import nanotron
from db.readers.found import Values
from db.readers.probe import Probe
from db.readers.repr_text import settings
from tests.db.readers.gathering import Gathered, same

LOG = Path(__file__).parents[2] / "fixtures" / "logs" / "nanotron" / "train.log"
STEPS = range(1, 13)


def rounded(value):
    return float(f"{value:.3g}")


def read(path):
    return Gathered(nanotron.read(path, ()))


def test_values_have_three_digits():
    assert nanotron.sniff(Probe(LOG)).why.startswith("it has lines as nanotron prints them")
    got = read(LOG)
    assert got.error is None
    assert got.problems == []
    expected = [(step, math.nan if step == 4 else rounded(11.0 - step / 7)) for step in STEPS]
    assert same(got.values["", "lm_loss"], expected)
    assert got.values["", "grad_norm"] == [(s, 1230.0 if s == 1 else rounded(0.5 + s / 8)) for s in STEPS]
    assert got.values["", "elapsed_time_per_iteration_ms"] == [(s, 4710.0) for s in STEPS]
    assert got.count == 12 * 5
    assert set(got.digits.values()) == {3}
    assert any("three significant digits" in note for note in got.notes)


def test_tokens_are_exact_where_the_batch_is_known(tmp_path):
    for one in nanotron.read(LOG, ()):
        if isinstance(one, Values):
            np.testing.assert_array_equal(one.tokens, one.step * 512.0 * 2048)
    bare = tmp_path / "a.log"
    bare.write_text("".join(line for line in LOG.read_text().splitlines(True) if "Start training" not in line))
    printed = [one.tokens[-1] for one in nanotron.read(bare, ()) if isinstance(one, Values)]
    assert printed == [12.6e6] * 5


def test_a_batch_that_does_not_agree_leaves_what_was_printed(tmp_path):
    path = tmp_path / "a.log"
    path.write_text(LOG.read_text().replace("global_batch_size: 512 | sequence", "global_batch_size: 256 | sequence"))
    tokens = next(one.tokens for one in nanotron.read(path, ()) if isinstance(one, Values))
    assert tokens[-1] == 12.6e6


def test_the_printed_config():
    run = read(LOG).runs[""]
    assert run["config"] == {
        "general.project": "debug",
        "general.seed": 42,
        "general.step": None,
        "checkpoints": "checkpoints",
        "model.hidden_size": 16,
        "model.num_hidden_layers": 2,
        "model.vocab_size": 256,
        "model.tie_word_embeddings": True,
        "lr": 0.0003,
        "stages.0": "stable, first",
        "stages.1": "decay",
        "mbs": 2,
        "grad_accum": 1,
        "global_batch_size": 512,
        "sequence_length": 2048,
        "train_steps": 12,
        "start_iteration_step": 0,
        "consumed_train_samples": 0,
    }
    assert run["summary"] == {"num_parameters": 12400.0}


def test_a_second_start_is_a_restart(tmp_path):
    path = tmp_path / "a.log"
    again = LOG.read_text().replace("start_iteration_step: 0", "start_iteration_step: 8")
    path.write_text(LOG.read_text() + again.replace("consumed_train_samples: 0", "consumed_train_samples: 4096"))
    assert read(path).restarts == [9]


@pytest.mark.parametrize(
    ("printed", "value"),
    [("8.59M", 8_590_000.0), ("480B", 4.8e11), ("952G", 9.52e11), ("1.18T", 1.18e12), ("512", 512.0)],
)
def test_letters_are_powers_of_ten(tmp_path, printed, value):
    path = tmp_path / "a.log"
    path.write_text(
        f"[default0]:12/21 01:39:51 [INFO|DP=0]: iteration: 7 / 9 | x: {printed} | eta: 131 days, 1:45:39\n"
    )
    got = read(path)
    assert got.values == {("", "x"): [(7, value)]}
    assert got.problems == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A(x=<T object at 0x7f>, y=<M.B: 2>)", {"x": "<T object at 0x7f>", "y": "<M.B: 2>"}),
        ("A(z=torch.bfloat16)", {"z": "torch.bfloat16"}),
        ("A(b=[], c=B(d=[C(e=1), C(e=-2.5e-3)]), f='it''s (x')", {"c.d.0.e": 1, "c.d.1.e": -0.0025, "f": "it"}),
        ("A(x=1, y=B(z='un", {"x": 1}),
        ("A(x=1)) B(y=2)", {"x": 1}),
        ("(" * 500 + "x=1", {}),
        ("", {}),
    ],
)  # fmt: skip
def test_settings_of_printed_objects(text, expected):
    got = settings(text)
    assert {key: got[key] for key in expected} == expected
    assert len(got) <= len(expected) + 1
