"""Which preset reads which public table."""

import csv

import pytest

from db.readers import score_tables
from db.readers.format import Level
from db.readers.probe import Probe
from db.score_presets import load_preset
from scaling.errors import ReadError

LEADERBOARD = ("eval_name", "Precision", "fullname", "IFEval Raw", "BBH Raw", "MMLU-PRO Raw", "Average ⬆️")
RUNS = ("id", "task", "model", "Best score (across scorers)", "Scores", "started_at", "Status", "task version")
MODELS = ("System", "Domain", "Parameters", "Training compute (FLOP)", "Training dataset size (datapoints)")


def table(path, columns, encoding="utf-8"):
    with path.open("w", encoding=encoding, newline="") as stream:
        csv.writer(stream).writerows([columns, ["1"] * len(columns)])
    return path


@pytest.mark.parametrize(("columns", "preset"), [(LEADERBOARD, "open-llm-leaderboard"), (RUNS, "epoch-benchmarks")])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_table_is_known_by_its_columns(tmp_path, columns, preset, encoding):
    path = table(tmp_path / "contents.csv", columns, encoding)
    sign = score_tables.sniff(Probe(path))
    assert (sign.level, sign.why) == (Level.KEYS, f"it has the columns of the preset {preset}")
    assert score_tables.preset_of(Probe(path).columns) == preset
    with pytest.raises(ReadError) as error:
        score_tables.read(path, ())
    assert error.value.hint == f"scaling ingest {path} --preset {preset}"


def test_a_table_of_models_holds_no_scores(tmp_path):
    path = table(tmp_path / "models.csv", MODELS, "utf-8-sig")
    assert score_tables.sniff(Probe(path)).level == Level.KEYS
    with pytest.raises(ReadError, match="holds no scores"):
        score_tables.read(path, ())


@pytest.mark.parametrize("columns", [("run_id", "N", "D", "loss"), LEADERBOARD[1:], ("task", "model", "score")])
def test_other_tables_are_not(tmp_path, columns):
    assert score_tables.sniff(Probe(table(tmp_path / "t.csv", columns))) is None
    assert score_tables.sniff(Probe(tmp_path)) is None


def test_the_presets_are_there():
    for name, columns in score_tables.PRESETS.items():
        mapping = load_preset(name)
        named = " ".join(str(text) for text in [*mapping.columns.values(), *(spec.column for spec in mapping.scores)])
        assert [column for column in columns if column not in named] == []
