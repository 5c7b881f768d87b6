"""What Levanter keeps of a run: settings and last values, and the lines of its json_logger."""

import json
import math
from pathlib import Path

import numpy as np

from db.readers import levanter
from db.readers.format import Level
from db.readers.found import Values
from db.readers.probe import Probe
from tests.db.readers.gathering import Gathered, same

LOGS = Path(__file__).parents[2] / "fixtures" / "logs" / "levanter"
ONE, SEVERAL, EVENTS = LOGS / "one" / "tracker_metrics.jsonl", LOGS / "several.jsonl", LOGS / "events.jsonl"


def read(path):
    return Gathered(levanter.read(path, ()))


def written(tmp_path, text):
    path = tmp_path / "tracker_metrics.jsonl"
    path.write_text(text)
    return read(path)


def test_config_and_summary_of_a_run():
    assert levanter.sniff(Probe(ONE)).level == Level.KEYS
    got = read(ONE)
    assert (got.error, got.problems, got.values) == (None, [], {})
    assert list(got.runs) == [""]
    summary = got.runs[""]["summary"]
    assert summary["eval/paloma/c4_en/bpb"] == 1.25
    assert math.isnan(summary["eval/loss"])
    assert summary["eval/max"] == math.inf
    assert summary["absent"] is None
    assert summary["throughput/total_gflops"] == 2.4e9
    assert got.runs[""]["config"] == {
        "model.hidden_dim": 1024,
        "model.num_layers": 11,
        "trainer.train_batch_size": 8,
        "trainer.seed": 0,
        "data": ["c4"],
    }
    assert any("last value" in note for note in got.notes)


def test_units_are_said_by_the_fields():
    units = {field.name: field.unit for field in levanter.FIELDS}
    assert units["*/bpb"] == "bits/byte"
    assert units["throughput/total_gflops"] == "GFLOP"


def test_several_runs_by_their_paths():
    got = read(SEVERAL)
    assert {key: run["name"] for key, run in got.runs.items()} == {
        "checkpoints/isoflop-d512": "isoflop-d512",
        "checkpoints/isoflop-d768": "isoflop-d768",
    }
    assert got.runs["checkpoints/isoflop-d768"]["config"] == {"model.hidden_dim": 768}


def test_runs_without_paths_are_told_apart_by_their_order(tmp_path):
    got = written(tmp_path, '{"config": {"a": 1}, "summary": {}}\n\n{"config": {"a": 2}, "summary": {}}\n')
    assert {key: run["config"] for key, run in got.runs.items()} == {"": {"a": 1}, "run 2": {"a": 2}}


def test_lines_of_the_json_logger():
    assert levanter.sniff(Probe(EVENTS)).level == Level.KEYS
    got = read(EVENTS)
    odd = {5: math.nan, 6: math.inf, 7: -math.inf, 8: None}
    assert same(got.values["", "train/loss"], [(s, odd.get(s, 4.0 - s / 16)) for s in range(1, 31)])
    assert got.count == 60
    assert (got.runs[""]["state"], got.runs[""]["summary"]) == ("finished", {"train/loss": 2.125})
    loss = next(one for one in levanter.read(EVENTS, ()) if isinstance(one, Values))
    np.testing.assert_array_equal(loss.tokens, np.arange(1, 31) * 1024.0)


def test_lines_that_are_refused(tmp_path):
    lines = [
        "{",
        "[1]",
        '{"x": 1}',
        '{"tracker": "t", "event": "log", "step": 0.5, "metrics": {"a": 1}}',
        '{"summary": {"a": 1}}',
    ]
    got = written(tmp_path, "\n".join(lines) + "\n")
    assert [one.line for one in got.problems] == [1, 2, 3, 4]
    assert got.problems[3].column == "step"
    assert got.runs[""]["summary"] == {"a": 1}


def test_a_file_that_is_cut_off(tmp_path):
    whole = ONE.read_text()
    got = written(tmp_path, whole + whole[:40])
    assert got.error is None
    assert len(got.runs) == 1
    assert any("no end" in note for note in got.notes)
    assert "no line of it is of a run" in str(written(tmp_path, whole[:40]).error)


def test_other_json_lines_are_not_it(tmp_path):
    path = tmp_path / "history.jsonl"
    path.write_text(json.dumps({"config": 1, "summary": 2, "loss": 3}) + "\n")
    assert levanter.sniff(Probe(path)) is None
