"""Logs of trainers that are cut off, changed or random: what is whole is given, and nothing but a ReadError comes."""

import gzip
import importlib
import json
import math
import os
import time
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.readers.found import Values
from db.readers.log_lines import digits_of, numeral
from db.readers.probe import Probe
from tests.db.readers.gathering import Gathered

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"


def lines(name, first, last):
    """Some lines of a fixture."""
    return "".join((LOGS / name).read_text().splitlines(True)[first:last])


SMALL = {
    "megatron": ("a.log", lines("megatron/megatron.log", 8, 12) + lines("megatron/megatron.log", 15, 18)),
    "nanotron": ("a.log", lines("nanotron/train.log", 0, 3) + lines("nanotron/train.log", 10, 14)),
    "torchtitan": ("a.log", lines("torchtitan/rank0.log", 0, 4) + lines("torchtitan/rank0.log", 18, 23)),
    "olmo": ("a.log", lines("olmo/console.log", 0, 14)),
    "hf_trainer": (
        "trainer_state.json",
        json.dumps({"global_step": 2, "log_history": [{"step": 1, "loss": 2.5}, {"step": 2, "eval_loss": math.nan}]}),
    ),
    "lightning": ("metrics.csv", lines("lightning/run/metrics.csv", 0, 10)),
    "levanter": (
        "tracker_metrics.jsonl",
        lines("levanter/events.jsonl", 0, 5) + lines("levanter/one/tracker_metrics.jsonl", 0, 1),
    ),
}  # fmt: skip


def read(name, path):
    return Gathered(importlib.import_module(f"db.readers.{name}").read(path, ()))


def known(got):
    """What was read, so that it can be looked up."""
    return {(key, step, repr(value)) for key, pairs in got.values.items() for step, value in pairs}


@pytest.mark.parametrize("name", SMALL)
def test_cut_off_at_every_byte(tmp_path, name):
    file, text = SMALL[name]
    path, whole = tmp_path / file, text.encode()
    path.write_bytes(whole)
    all_of_it = known(read(name, path))
    for n in reversed(range(len(whole))):
        os.truncate(path, n)
        # No value that a cut changes: a shorter number would be one that was never logged.
        assert known(read(name, path)) <= all_of_it, n


@pytest.mark.parametrize("name", SMALL)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 2**16), st.binary(max_size=6)), min_size=1, max_size=8))
def test_changed_bytes(tmp_path, name, changes):
    file, text = SMALL[name]
    data = text.encode()
    for at, new in changes:
        place = at % len(data)
        data = data[:place] + new + data[place + (at & 3) :]
    path = tmp_path / file
    path.write_bytes(data)
    module = importlib.import_module(f"db.readers.{name}")
    module.sniff(Probe(path))
    got = read(name, path)
    assert got.error is None or str(path) in str(got.error)


@pytest.mark.parametrize("name", SMALL)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_random_bytes(tmp_path, name, data):
    path = tmp_path / SMALL[name][0]
    path.write_bytes(data)
    importlib.import_module(f"db.readers.{name}").sniff(Probe(path))
    read(name, path)


@pytest.mark.parametrize("name", ["megatron", "nanotron", "torchtitan", "olmo", "lightning", "levanter"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_encodings(tmp_path, name, encoding):
    file, text = SMALL[name]
    path = tmp_path / file
    path.write_text(text)
    plain = known(read(name, path))
    path.write_bytes((text if encoding != "latin-1" else text + "\u00fc\n").encode(encoding))
    assert known(read(name, path)) == plain
    assert plain


@pytest.mark.parametrize("name", ["megatron", "nanotron", "torchtitan", "olmo"])
def test_compressed_logs_and_ones_that_are_broken_off(tmp_path, name):
    plain, packed = tmp_path / "a.log", tmp_path / "a.log.gz"
    plain.write_text(SMALL[name][1])
    data = gzip.compress(SMALL[name][1].encode())
    packed.write_bytes(data)
    assert known(read(name, packed)) == known(read(name, plain))
    module = importlib.import_module(f"db.readers.{name}")
    assert module.sniff(Probe(packed)) == module.sniff(Probe(plain)) is not None
    packed.write_bytes(data[:-20])
    got = read(name, packed)
    assert "no whole gzip file" in str(got.error)
    packed.write_bytes(b"\x1f\x8b" + data[:7])
    assert module.sniff(Probe(packed)) is None


#: Lines that make a pattern look at the same letters again and again, if it is a bad one.
HARD = (
    "iteration " * 6_000,
    "iteration" + " " * 60_000,
    "a" * 60_000,
    "step: 1  " + "loss: " * 12_000,
    " " * 60_000 + "=1",
    "\x1b[" * 30_000,
    "Config(general=" + "A(" * 30_000,
    "[step=1/2,epoch=1" * 3_000,
    "validation loss at iteration 1" * 2_500,
    "'" * 60_000,
    "size: " * 12_000,
    "number of parameters on (tensor, pipeline) " * 1_500,
    "|" * 60_000,
    ":" * 60_000,
    "successfully loaded checkpoint " * 2_500,
    "-" * 60_000 + " arguments",
    "[INFO" * 12_000,
    "1" * 60_000,
)


@pytest.mark.parametrize("name", ["megatron", "nanotron", "torchtitan", "olmo", "lightning"])
def test_no_line_takes_long(tmp_path, name):
    path = tmp_path / ("metrics.csv" if name == "lightning" else "a.log")
    for line in HARD:
        path.write_text(f"step,epoch,x\n{line}\n{line}\n")
        start = time.process_time()
        importlib.import_module(f"db.readers.{name}").sniff(Probe(path))
        read(name, path)
        assert time.process_time() - start < 0.6, line[:40]


def memory(name, path):
    tracemalloc.start()
    n = sum(
        len(one.step) for one in importlib.import_module(f"db.readers.{name}").read(path, ()) if isinstance(one, Values)
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return n, peak


@pytest.mark.slow
def test_memory_is_flat_in_the_size_of_a_log(tmp_path, monkeypatch):
    monkeypatch.setattr("db.readers.collect.LIMIT", 20_000)
    peaks = []
    for n in (20_000, 80_000):
        path = tmp_path / "a.log"
        path.write_text("".join(f" iteration {i}/ 9 | lm loss: {i % 9}.5 | grad norm: 1.5 |\n" for i in range(n)))
        counted, peak = memory("megatron", path)
        assert counted == 2 * n
        peaks.append(peak)
    assert peaks[1] < 1.2 * peaks[0]


@pytest.mark.parametrize(
    ("text", "value", "digits"),
    [
        ("2.152785E+00", 2.152785, 7),
        ("1,234", 1234.0, None),
        ("0.071", 0.071, 2),
        ("12.50", 12.5, 4),
        ("-inf", -math.inf, None),
        ("NaN", math.nan, None),
        ("0.000", 0.0, None),
        (".5", 0.5, 1),
        ("1e400", math.inf, 1),
        ("1.2.3", None, None),
        ("1_000", None, None),
        ("0x10", None, None),
        ("", None, None),
        ("--1", None, None),
        ("१२", None, None),
    ],
)
def test_numbers_as_logs_print_them(text, value, digits):
    np.testing.assert_equal(numeral(text), value)
    if value is not None:
        assert digits_of(text) == digits
