"""scaling ingest of scores, and what ls, rm, schema and sql make of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
SCORES = "model,base_model,N,D,released,acc\na,b1,1e9,1e12,2024-05-01,30\nb,b1,1e9,1e12,2024-06-01,40\nc,b2,,,,50\n"


@pytest.fixture
def table(write: Callable[[str, str], Path]) -> Path:
    return write("scores.csv", SCORES)


class TestScores:
    def test_a_dry_run_shows_what_would_be_read_and_writes_nothing(self, table: Path, ok: Run, tmp_path: Path) -> None:
        answer = ok("ingest", table, "--scores", "--dry-run")
        assert "3 scores of 3 models in 3 rows, wide form; nothing is written." in answer.err
        assert "  task acc <- acc (guessed from the name)" in answer.err
        assert (
            "warning: Scores of acc: the 95th percentile is above 1, so they are percent: divided by 100." in answer.err
        )
        assert "warning: No compute for 1 of 3 models: c." in answer.err
        assert answer.rows[0] == {
            "model": "a", "task": "acc", "metric": "score", "score": 0.3, "log10_compute": pytest.approx(21.778151),
            "compute_rule": "6ND", "released": "2024-05-01", "base_model": "b1",
        }  # fmt: skip
        assert not (tmp_path / "scaling.duckdb").exists()

    def test_scores_go_in_are_listed_and_go_again(self, table: Path, ok: Run) -> None:
        row = ok("ingest", table, "--scores").row
        assert (row["status"], row["n_models"], row["n_with_compute"], row["n_scores"]) == ("ingested", 3, 2, 3)
        assert ok("ingest", table, "--scores").row["status"] == "unchanged"
        task = ok("ls", "--what", "tasks").row
        assert (task["task"], task["n_scores"], task["n_with_compute"], task["n_base_models"]) == ("acc", 3, 2, 2)
        assert (task["first_date"], task["last_date"]) == ("2024-05-01", "2024-06-01")
        assert [m["name"] for m in ok("ls", "--what", "models").rows] == ["a", "b", "c"]
        source = ok("ls", "--what", "sources").row
        assert (source["n_runs"], source["n_models"], source["n_scores"]) == (0, 3, 3)
        assert ok("sql", "SELECT avg(score) AS y FROM scores WHERE log10_compute > 21").row["y"] == pytest.approx(0.35)
        units = {row["column_name"]: row["comment"] for row in ok("schema", "scores").rows}
        assert "unit: FLOP" in units["compute_flop"]
        assert "Removed the source" in (err := ok("rm", "source", source["source_id"]).err)
        assert "3 scores of 3 models." in err
        assert ok("ls", "--what", "tasks").rows == []

    def test_a_mapping_of_scores_is_known_by_its_section(
        self, table: Path, write: Callable[[str, str], Path], ok: Run, refused: Run
    ) -> None:
        mapping = write(
            "m.toml", '[constants]\nharness = "mine"\n[scores]\nTrivia = { column = "acc", metric = "em" }\n'
        )
        ok("ingest", table, "--mapping", mapping)
        task = ok("ls", "--what", "tasks").row
        assert (task["task"], task["metric"], task["harness"]) == ("Trivia", "em", "mine")
        assert "are for runs" in refused(2, "ingest", table, "--mapping", mapping, "--metric", "acc").err
        both = refused(2, "ingest", table, "--mapping", mapping, "--preset", "proteus")
        assert "A preset is a mapping" in both.err

    def test_tables_are_joined_and_presets_named(
        self, write: Callable[[str, str], Path], ok: Run, refused: Run
    ) -> None:
        scores = write("s.csv", "Model,MMLU\na,0.5\nb,0.6\n")
        computes = write(
            "m.csv", "Model,Model Family,Model Size (B),Pretraining Data Size (T),FLOPs (1E21)\na,f,1,1,6\n"
        )
        answer = ok("ingest", scores, "--preset", "obs-scaling", "--models", computes)
        assert "1 of 2 names found; not found: b" in answer.err
        assert ok("sql", "SELECT family, compute_flop FROM scores WHERE model = 'a'").row == {
            "family": "f", "compute_flop": 6e21,
        }  # fmt: skip
        assert "open-llm-leaderboard" in refused(2, "ingest", scores, "--preset", "none").err

    def test_a_table_of_scores_is_no_log_of_runs(self, table: Path, refused: Run) -> None:
        assert "--scores" in refused(4, "ingest", table).err
