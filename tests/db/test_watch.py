"""A store that is kept up to date: logs that appear, grow and go, a store that is in use, and what cannot be read."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from db.store import Store
from db.watch import watch
from scaling.errors import InputDataError, StoreError
from tests.db.made_logs import ask, rewrite, trainer_state


def looked(folder: Path, db: Path, *between, **more):
    """Look, and do something between two looks."""
    acts = list(between)
    return list(watch([folder], str(db), looks=len(acts) + 1, every=7, sleep=lambda _: acts.pop(0)(), **more))


def test_logs_that_appear_grow_and_go(tmp_path) -> None:
    runs, db = tmp_path / "runs", tmp_path / "s.duckdb"
    trainer_state(runs / "a", [3.0])
    looks = looked(
        runs, db,
        lambda: None,
        lambda: trainer_state(runs / "b", [4.0, 3.0]),
        lambda: trainer_state(runs / "a", [3.0, 2.0], age=9),
        lambda: shutil.rmtree(runs / "a"),
    )  # fmt: skip
    assert [[report.status for report in look.changed] for look in looks] == [
        ["ingested"], [], ["ingested"], ["replaced"], [],
    ]  # fmt: skip
    assert [look.n_sources for look in looks] == [1, 1, 2, 2, 1]
    assert [look.gone for look in looks] == [
        (), (), (), (), (f"{runs / 'a'} is gone; what was read of it stays in the store.",),
    ]  # fmt: skip
    assert ask(db, "SELECT run_id, loss FROM runs_final ORDER BY 1") == [("a", 2), ("b", 3)]


def test_what_cannot_be_read_is_said_once(tmp_path) -> None:
    runs, db = tmp_path / "runs", tmp_path / "s.duckdb"
    state = trainer_state(runs / "a", [3.0])
    rewrite(state, '{"log_history": 3, "global_step": 1}')
    (runs / "b.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 5000)
    looks = looked(
        runs, db,
        lambda: None,
        lambda: rewrite(state, '{"log_history": [3', age=5),
        lambda: trainer_state(runs / "a", [3.0], age=9),
    )  # fmt: skip
    assert [[report.status for report in look.changed] for look in looks] == [["failed"], [], ["failed"], ["ingested"]]
    assert [len(look.unread) for look in looks] == [1, 0, 0, 0]


def test_a_log_that_is_none_any_more_is_said_once(tmp_path) -> None:
    runs, db = tmp_path / "runs", tmp_path / "s.duckdb"
    state = trainer_state(runs / "a", [3.0])
    lone = runs / "b.json"
    lone.write_text(state.read_text().replace("3.0", "4.0"))
    looks = looked(runs, db, lambda: lone.write_bytes(b""), lambda: None, lambda: lone.write_text("[]"))
    why = f"{lone} is no log of the format hf_trainer any more; what was read of it stays in the store."
    assert [look.gone for look in looks] == [(), (why,), (), ()]
    assert ask(db, "SELECT run_id, loss FROM runs_final ORDER BY 1") == [("a", 3), ("b", 4)]


HOLD = """
import sys, time
from db.store import Store
with Store(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


def test_a_store_that_is_in_use_is_waited_for(tmp_path) -> None:
    runs, db = tmp_path / "runs", tmp_path / "s.duckdb"
    trainer_state(runs / "a", [3.0])
    with Store(str(db)):
        pass
    root = Path(__file__).resolve().parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(db)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "held\n"
        looks = looked(runs, db, lambda: holder.communicate("\n"))
    assert "locked by process" in looks[0].busy
    assert looks[0].changed == ()
    assert looks[1].busy is None
    assert [report.status for report in looks[1].changed] == ["ingested"]


def test_a_store_that_is_none_ends_the_watch(tmp_path) -> None:
    trainer_state(tmp_path / "runs" / "a", [3.0])
    db = tmp_path / "s.duckdb"
    db.write_text("no store" * 1000)
    with pytest.raises(StoreError, match="is not a DuckDB database"):
        looked(tmp_path / "runs", db)


def test_a_path_has_to_be_there_at_first_and_may_go_later(tmp_path) -> None:
    with pytest.raises(InputDataError, match="There is no file"):
        looked(tmp_path / "runs", tmp_path / "s.duckdb")
    trainer_state(tmp_path / "runs" / "a", [3.0])
    looks = looked(tmp_path / "runs", tmp_path / "s.duckdb", lambda: shutil.rmtree(tmp_path / "runs"))
    assert [look.n_sources for look in looks] == [1, 0]


def table(path: Path, losses: list[float], age: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rewrite(path, "run_id,N,D,loss\n" + "".join(f"r{i},1e8,{i + 1}e9,{loss}\n" for i, loss in enumerate(losses)), age)


def test_tables_are_read_when_they_change_and_what_is_no_table_of_runs_is_left_alone(tmp_path) -> None:
    runs, db = tmp_path / "runs", tmp_path / "s.duckdb"
    table(runs / "sweep.csv", [3.0])
    (runs / "notes.csv").write_text("who,what\nme,nothing\n")
    looks = looked(
        runs, db,
        lambda: None,
        lambda: table(runs / "sweep.csv", [3.0, 2.5], age=5),
        lambda: rewrite(runs / "sweep.csv", (runs / "sweep.csv").read_text(), age=9),
    )  # fmt: skip
    assert [[(one.path, one.status, one.n_runs) for one in look.changed] for look in looks] == [
        [(str(runs / "sweep.csv"), "ingested", 1)], [], [(str(runs / "sweep.csv"), "replaced", 2)], [],
    ]  # fmt: skip
    assert {look.n_sources for look in looks} == {1}
    assert ask(db, "SELECT run_id, loss FROM runs_final ORDER BY 1") == [("r0", 3.0), ("r1", 2.5)]


def test_a_table_that_was_named_and_cannot_be_read_is_said_once_and_a_locked_store_is_waited_for(tmp_path) -> None:
    sweep, db = tmp_path / "sweep.csv", tmp_path / "s.duckdb"
    rewrite(sweep, "who,what\nme,nothing\n")
    root = Path(__file__).resolve().parents[2]
    with Store(str(db)):
        pass
    command = [sys.executable, "-c", HOLD, str(db)]
    with subprocess.Popen(command, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        looks = looked(
            sweep, db,
            lambda: None,
            lambda: table(sweep, [3.0], age=5),
            lambda: holder.communicate("\n"),
        )  # fmt: skip
    assert [[one.status for one in look.changed] for look in looks] == [["failed"], [], [], ["ingested"]]
    assert "locked by process" in looks[2].busy
    assert ask(db, "SELECT run_id, loss FROM runs_final") == [("r0", 3.0)]


def test_a_named_path_that_becomes_something_else_does_not_end_the_watch(tmp_path) -> None:
    state, db = trainer_state(tmp_path / "runs" / "a", [3.0]), tmp_path / "s.duckdb"
    whole = state.read_text()

    def pipe() -> None:
        state.unlink()
        os.mkfifo(state)

    def back() -> None:
        state.unlink()
        rewrite(state, whole.replace("3.0", "2.5"), age=5)

    looks = looked(state, db, pipe, lambda: None, back)
    assert [[one.status for one in look.changed] for look in looks] == [["ingested"], [], [], ["replaced"]]
    assert ["pipe or a device" in " ".join(look.unread) for look in looks] == [False, True, False, False]
    assert ask(db, "SELECT loss FROM runs_final") == [(2.5,)]
