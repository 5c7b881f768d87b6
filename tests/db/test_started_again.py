"""Runs that are started again into new directories: their logs are one source, and those beside them stand alone."""

from __future__ import annotations

import shutil
from pathlib import Path

from db.ingest_paths import find_sources
from db.watch import watch
from tests.db.made_logs import ask, read_in, settle, trainer_state

WANDB = Path(__file__).parents[1] / "fixtures" / "logs" / "wandb" / "wandb"


def copied(folder: Path, into: Path) -> None:
    """A copy of the directory of a run, long after it was written."""
    shutil.copytree(folder, into / folder.name)
    for file in (into / folder.name).rglob("*"):
        settle(file)


def test_a_run_that_is_started_again_takes_its_earlier_log_along(tmp_path) -> None:
    runs, db = tmp_path / "wandb", str(tmp_path / "s.duckdb")
    parts = sorted(WANDB.glob("*again1"))
    for folder in [*WANDB.glob("*small1"), *WANDB.glob("*axes1"), parts[0]]:
        copied(folder, runs)
    assert [one.status for one in read_in(db, *find_sources([runs], None)[0])] == ["ingested"] * 3
    (n_before,) = ask(db, "SELECT count(*) FROM metrics WHERE run_id = 'again1'")[0]
    for folder in parts[1:]:
        copied(folder, runs)
    sources, _ = find_sources([runs], None)
    first, *others = read_in(db, *sources)
    assert (first.status, first.run_ids, first.n_grown, first.n_new) == ("replaced", ("again1",), 1, 0)
    assert [(one.status, one.n_values) for one in others] == [("unchanged", 0)] * 2
    assert ask(db, "SELECT count(*) FROM sources") == [(3,)]
    assert ask(db, "SELECT count(*) FROM metrics WHERE run_id = 'again1'")[0][0] > n_before
    assert [one.status for one in read_in(db, *sources)] == ["unchanged"] * 3


def test_a_checkpoint_that_was_read_alone_goes_over_to_its_run(tmp_path) -> None:
    db = str(tmp_path / "s.duckdb")
    trainer_state(tmp_path / "a" / "checkpoint-1", [3.0])
    (alone,) = read_in(db, *find_sources([tmp_path / "a" / "checkpoint-1"], None)[0])
    assert alone.status == "ingested"
    trainer_state(tmp_path / "a" / "checkpoint-2", [3.0, 2.0])
    (whole,) = read_in(db, *find_sources([tmp_path / "a"], None)[0])
    assert (whole.status, whole.n_grown, whole.n_new) == ("replaced", 1, 0)
    assert ask(db, "SELECT count(*), min(loss) FROM runs_final") == [(1, 2.0)]
    assert ask(db, "SELECT count(*) FROM sources") == [(1,)]


def test_a_watch_does_not_miss_the_earlier_log(tmp_path) -> None:
    runs, db = tmp_path / "wandb", str(tmp_path / "s.duckdb")
    first, *later = sorted(WANDB.glob("*again1"))
    copied(first, runs)
    looks = list(watch([runs], db, looks=2, sleep=lambda _: [copied(folder, runs) for folder in later]))
    assert [[one.status for one in look.changed] for look in looks] == [["ingested"], ["replaced"]]
    assert looks[1].gone == ()
