"""Directories of tables with columns of their own, read by one mapping: what goes in, what is named, exit codes."""

from __future__ import annotations

import gzip
from pathlib import Path

import duckdb
import pytest

from tests.db.made_logs import ask, trainer_state

MAPPING = '[columns]\nrun_id = "modell"\nN = "groesse"\nD = "daten"\n[metrics]\nloss = "verlust"\n'
MAPPED = ("--mapping", "m.toml", "--format", "json")


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A directory of tables of each kind, one of other columns, a log and something else; one stands above it."""
    folder = tmp_path / "tables"
    (folder / "more").mkdir(parents=True)
    (folder / "a.csv").write_text("modell,groesse,daten,verlust\na,1e8,1e9,3.0\n")
    (folder / "more" / "b.tsv").write_text("modell\tgroesse\tdaten\tverlust\nb\t1e8\t1e9\t3.1\n")
    row = b'{"modell": "c", "groesse": 1e8, "daten": 1e9, "verlust": 3.2}\n'
    (folder / "more" / "c.jsonl.gz").write_bytes(gzip.compress(row))
    parquet = folder / "more" / "d.parquet"
    duckdb.sql(f"COPY (SELECT 'd' AS modell, 1e8 AS groesse, 1e9 AS daten, 3.3 AS verlust) TO '{parquet}'")
    (folder / "vocabulary.csv").write_text("word,count\na,3\n")
    (folder / "notes.txt").write_text("nothing\n")
    trainer_state(folder / "log", [3.0, 2.5])
    (tmp_path / "m.toml").write_text(MAPPING)
    return folder


def test_all_tables_below_a_directory_are_read_by_one_mapping(tables, run) -> None:
    done = run("ingest", "tables", *MAPPED)
    assert done.code == 4
    assert {Path(row["path"]).name for row in done.rows} == {"a.csv", "b.tsv", "c.jsonl.gz", "d.parquet"}
    assert ask("scaling.duckdb", "SELECT run_id, loss FROM runs_final ORDER BY run_id") == [
        ("a", 3.0), ("b", 3.1), ("c", 3.2), ("d", 3.3),
    ]  # fmt: skip
    assert "failed: tables/vocabulary.csv has no column 'modell'" in done.err
    assert "left out: 1 source, which is a log and is read without a mapping." in done.err
    assert "error: 1 source could not be read; see above. The rest was." in done.err.splitlines()[-1]
    assert done.err.count("n_params <- groesse (from m.toml)") == 1
    (tables / "vocabulary.csv").unlink()
    again = run("ingest", "tables", *MAPPED)
    assert (again.code, {row["status"] for row in again.rows}) == (0, {"unchanged"})


def test_a_look_ahead_at_mapped_tables_writes_nothing(tables, run) -> None:
    done = run("ingest", "tables/more", *MAPPED, "--dry-run")
    assert done.code == 0
    assert [(row["run_id"], row["loss"]) for row in done.rows] == [("b", 3.1), ("c", 3.2), ("d", 3.3)]
    assert not Path("scaling.duckdb").exists()


def test_a_directory_without_tables_is_an_error(tables, run) -> None:
    logs = run("ingest", "tables/log", *MAPPED)
    assert logs.code == 4
    assert "No table lies below tables/log." in logs.err
    assert "Logs are there (1)" in logs.err
    (tables / "empty").mkdir()
    assert run("ingest", "tables/empty", *MAPPED).code == 4
    assert not Path("scaling.duckdb").exists()


def test_a_mapping_that_cannot_be_used_is_no_fault_of_the_tables(tables, run) -> None:
    Path("m.toml").write_text('[colums]\nN = "groesse"\n')
    done = run("ingest", "tables", *MAPPED)
    assert done.code == 2
    assert "there is no section [colums]" in done.err


def test_a_table_that_is_named_beside_others_has_to_be_readable(tables, run) -> None:
    done = run("ingest", "tables/more", "tables/vocabulary.csv", *MAPPED)
    assert (done.code, done.out) == (4, "")
    assert "error: tables/vocabulary.csv has no column 'modell'" in done.err


def test_tables_of_scores_are_found_and_those_beside_them_are_joined(tmp_path, run) -> None:
    folder = tmp_path / "scores"
    folder.mkdir()
    for name in ("x", "y"):
        (folder / f"{name}.csv").write_text(f"model,params,arc\n{name},1e8,0.5\n")
    (folder / "models.csv").write_text("model,flops\nx,1e20\n")
    done = run("ingest", "scores", "--scores", "--format", "json")
    assert (done.code, [row["n_scores"] for row in done.rows]) == (4, [1, 1])
    assert "failed: " in done.err
    assert "models.csv" in done.err
