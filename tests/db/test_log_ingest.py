"""Ingest of logs: what grew is replaced, what is unchanged is skipped, and nothing costs more than itself."""

from __future__ import annotations

import json
import math
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from db.corrections import correct
from db.ingest_paths import find_sources
from db.log_names import choose_loss, is_loss, unit_of
from db.readers.format import Field
from db.readers.found import Note, Restart, RunFound, ScoreFound
from db.removal import remove_run, remove_source, take_out_source
from db.run_facts import facts_of
from db.store import Store
from scaling.errors import InputDataError, ReadError, UsageError
from tests.db.made_logs import OLD, ask, made, read_in, rewrite, settle, trainer_state, values

BATCH = {"batch_tokens": 1000}


@pytest.fixture
def db(tmp_path: Path) -> str:
    """Path of a store that is not there yet."""
    return str(tmp_path / "s.duckdb")


def run_of(key="", steps=(1, 2, 3), losses=(3.0, 2.5, 2.0), metric="loss", **about):
    """A run and its loss."""
    return [RunFound(key, config=about.pop("config", BATCH), **about), values(metric, steps, losses, key)]


def read_below(db, path, **more):
    """Ingest what lies below a path."""
    return read_in(db, *find_sources([path], None)[0], **more)


def statuses(reports):
    return [report.status for report in reports]


# --- What changed -----------------------------------------------------------------------------------------------------


def test_a_source_that_is_read_twice_changes_nothing(tmp_path, db) -> None:
    source = made(tmp_path / "a.log", run_of())
    [first] = read_in(db, source)
    assert (first.status, first.n_runs, first.n_values, first.n_new) == ("ingested", 1, 3, 1)
    before = ask(db, "SELECT * FROM audit") + ask(db, "SELECT * FROM metrics")
    [second] = read_in(db, source)
    assert (second.status, second.source_id) == ("unchanged", first.source_id)
    assert ask(db, "SELECT * FROM audit") + ask(db, "SELECT * FROM metrics") == before


def test_a_run_that_grew_is_replaced_and_the_others_stay(tmp_path, db) -> None:
    path = tmp_path / "a.log"
    read_in(db, made(path, [*run_of("r1"), *run_of("r2"), *run_of("gone")]))
    rewrite(path, "more", age=10)
    [report] = read_in(db, made(path, [*run_of("r1"), *run_of("r2", (1, 2, 3, 4), (3, 2.5, 2, 1.5)), *run_of("new")]))
    assert report.status == "replaced"
    assert (report.n_new, report.n_grown, report.n_unchanged, report.n_removed) == (1, 1, 1, 1)
    assert ask(db, "SELECT run_id, loss, step, n_tokens FROM runs_final ORDER BY 1") == [
        ("new", 2, 3, 3000), ("r1", 2, 3, 3000), ("r2", 1.5, 4, 4000),
    ]  # fmt: skip
    assert ask(db, "SELECT count(*), count(DISTINCT source_id) FROM runs") == [(3, 1)]
    assert ask(db, "SELECT count(*) FROM sources") == [(1,)]
    assert ask(db, "SELECT count(*) FROM run_facts WHERE run_id = 'gone'") == [(0,)]


def test_a_log_that_was_cut_is_said_to_have_fewer_values(tmp_path, db) -> None:
    path = tmp_path / "a.log"
    (first,) = read_in(db, made(path, run_of("x", losses=(3.0, 2.5, 2.0))))
    rewrite(path, "other", age=3)
    (cut,) = read_in(db, made(path, run_of("x", steps=(1,), losses=(3.0,))))
    assert "Fewer" not in str(first)
    assert str(cut).endswith(
        "1 changed (source " + cut.source_id + ")." + " Fewer values than when it was read before: 'x' 1 of 3."
    )
    rewrite(path, "third", age=6)
    (grown,) = read_in(db, made(path, run_of("x", losses=(3.0, 2.5, 2.0))))
    assert (grown.n_grown, grown.shrunk) == (1, None)


def test_size_and_time_are_enough_once_a_file_is_settled(tmp_path, db) -> None:
    path = tmp_path / "a.log"
    calls = []

    def found():
        calls.append(1)
        yield from run_of()

    source = made(path, found)
    read_in(db, source)
    path.write_text("x" * path.stat().st_size)  # another content of the same size
    settle(path)  # at the very same time: nobody could tell
    assert statuses(read_in(db, source)) == ["unchanged"]
    path.write_text("y" * path.stat().st_size)  # and now: the time tells
    assert statuses(read_in(db, source)) == ["replaced"]
    path.write_text("z" * path.stat().st_size)
    assert statuses(read_in(db, source)) == ["replaced"]
    assert len(calls) == 3


def test_a_file_that_is_touched_is_not_written_and_then_known(tmp_path, db) -> None:
    path = tmp_path / "a.log"
    read_in(db, made(path, run_of()))
    settle(path, age=99)
    assert statuses(read_in(db, made(path, run_of()))) == ["unchanged"]
    assert ask(db, "SELECT modified_ns, settled FROM source_files") == [((OLD + 99) * 10**9, True)]


def test_another_metric_is_shown_and_the_runs_stay(tmp_path, db) -> None:
    source = made(tmp_path / "a.log", [*run_of(), values("acc", [3], [0.5])])
    read_in(db, source)
    [report] = read_in(db, source, metric="acc")
    assert (report.n_unchanged, report.metric) == (1, "acc")
    assert ask(db, "SELECT loss, metric FROM runs_final") == [(0.5, "acc")]


def test_a_source_that_fails_leaves_what_was_there_and_the_others_go_on(tmp_path, db) -> None:
    path = tmp_path / "a.log"
    read_in(db, made(path, run_of("a")))
    rewrite(path, "damaged", age=10)

    def damaged():
        yield from run_of("a", (1,), (9.0,))
        raise ReadError(str(path), "the record ends before its length", "byte 7")

    def broken():
        yield from run_of("c")
        raise KeyError("epoch")

    reports = read_in(
        db, made(path, damaged), made(tmp_path / "b.log", run_of("b")), made(tmp_path / "c.log", broken),
        made(tmp_path / "d.log", []),
    )  # fmt: skip
    assert statuses(reports) == ["failed", "ingested", "failed", "failed"]
    assert "byte 7: the record ends before its length" in str(reports[0])
    assert "its reader failed with KeyError: 'epoch'" in str(reports[2])
    assert "no run and no score is in it" in str(reports[3])
    assert ask(db, "SELECT run_id, loss FROM runs_final ORDER BY 1") == [("a", 2), ("b", 2)]


def test_a_file_that_vanishes_or_cannot_be_read_is_said(tmp_path, db) -> None:
    here = made(tmp_path / "a.log", run_of("a"))
    there = made(tmp_path / "b.log", run_of("b"))
    here.path.unlink()
    reports = read_in(db, here, there)
    assert statuses(reports) == ["failed", "ingested"]
    assert "cannot be read" in str(reports[0])


def test_a_log_without_anything_but_notes_is_a_source(tmp_path, db) -> None:
    [report] = read_in(db, made(tmp_path / "a.log", [Note("The evaluation failed.")]))
    assert (report.status, report.n_runs, report.notes) == ("ingested", 0, ("The evaluation failed.",))
    assert statuses(read_in(db, made(tmp_path / "a.log", []))) == ["unchanged"]


# --- Whose run it is --------------------------------------------------------------------------------------------------


def test_two_sources_with_the_same_run(tmp_path, db) -> None:
    one, two = made(tmp_path / "a.log", run_of("r")), made(tmp_path / "b.log", run_of("r", (1,), (7.0,)))
    reports = read_in(db, one, two)
    assert statuses(reports) == ["ingested", "failed"]
    assert f"came from elsewhere already: {one.path}" in str(reports[1])
    [again] = read_in(db, two, replace=True)
    assert again.status == "replaced"
    assert ask(db, "SELECT loss, source_id FROM runs_final") == [(7, again.source_id)]
    assert again.shrunk == "Fewer values than when it was read before: 'r' 1 of 3."
    assert ask(db, "SELECT count(*) FROM metrics") == [(1,)]


def test_what_was_taken_over_is_not_taken_back_for_being_read_again(tmp_path, db) -> None:
    one = made(tmp_path / "a.log", [*run_of("r"), *run_of("own"), score()])
    two = made(tmp_path / "b.log", [*run_of("r", (1,), (7.0,)), score(value=0.75)])
    assert statuses(read_in(db, one, two, replace=True)) == ["ingested", "replaced"]
    for replace in (True, False, True):
        assert statuses(read_in(db, one, two, replace=replace)) == ["unchanged", "unchanged"]
    assert ask(db, "SELECT run_id, loss FROM runs_final ORDER BY 1") == [("own", 2), ("r", 7)]
    assert ask(db, "SELECT value FROM evals") == [(0.75,)]
    assert ask(db, "SELECT lost_runs FROM sources WHERE lost_runs IS NOT NULL") == [('["r"]',)]
    assert statuses(read_in(db, one)) == ["unchanged"]
    assert statuses(read_in(db, one, replace=True)) == ["replaced"]  # alone, it means to take over
    assert ask(db, "SELECT run_id, loss FROM runs_final ORDER BY 1") == [("own", 2), ("r", 2)]
    assert statuses(read_in(db, one, two, replace=True)) == ["unchanged", "unchanged"]
    with Store(db) as store:
        remove_source(store, str(one.path))
    assert statuses(read_in(db, two)) == ["replaced"]  # nobody else has it any more
    assert ask(db, "SELECT run_id, loss FROM runs_final") == [("r", 7)]


def test_of_two_sources_of_one_batch_the_later_takes_over_where_it_may(tmp_path, db) -> None:
    one, two = made(tmp_path / "a.log", run_of("r")), made(tmp_path / "b.log", run_of("r", (1,), (7.0,)))
    assert statuses(read_in(db, one, two, replace=True)) == ["ingested", "replaced"]
    assert ask(db, "SELECT loss FROM runs_final") == [(7,)]
    assert ask(db, "SELECT count(*) FROM metrics") == [(1,)]
    assert ask(db, "SELECT count(*) FROM run_logs") == [(1,)]


def test_runs_of_the_same_name_in_two_directories(tmp_path, db) -> None:
    trainer_state(tmp_path / "one" / "run", [3, 2])
    trainer_state(tmp_path / "two" / "run", [4, 3])
    read_below(db, tmp_path / "one")
    read_below(db, tmp_path / "two")
    assert ask(db, "SELECT run_id, loss FROM runs_final ORDER BY 1") == [("run", 2), ("two/run", 3)]
    trainer_state(tmp_path / "two" / "run", [4, 3, 2.5], age=10)
    read_below(db, tmp_path / "two")
    assert ask(db, "SELECT run_id, loss FROM runs_final ORDER BY 1") == [("run", 2), ("two/run", 2.5)]


def test_a_copy_is_no_second_run_and_a_log_that_moved_is_the_same(tmp_path, db) -> None:
    trainer_state(tmp_path / "runs" / "a", [3, 2])
    trainer_state(tmp_path / "runs" / "b", [3, 2])
    reports = read_below(db, tmp_path / "runs")
    assert statuses(reports) == ["ingested", "unchanged"]
    assert reports[1].notes == (f"It is, byte for byte, {tmp_path}/runs/a#hf_trainer, which is read.",)
    assert statuses(read_below(db, tmp_path / "runs")) == ["unchanged", "unchanged"]
    (tmp_path / "runs" / "b" / "trainer_state.json").unlink()
    (tmp_path / "runs" / "a").rename(tmp_path / "runs" / "c")
    [moved] = read_below(db, tmp_path / "runs")
    assert moved.status == "unchanged"
    assert ask(db, "SELECT uri FROM sources") == [(f"{tmp_path}/runs/c#hf_trainer",)]
    trainer_state(tmp_path / "runs" / "c", [3, 2, 1], age=10)
    assert statuses(read_below(db, tmp_path / "runs")) == ["replaced"]
    assert ask(db, "SELECT run_id, loss FROM runs_final") == [("a", 1)]


def test_a_log_that_is_moved_to_where_another_lay_takes_its_place(tmp_path, db) -> None:
    trainer_state(tmp_path / "a", [3, 2])
    trainer_state(tmp_path / "b", [4, 3], age=5)
    read_below(db, tmp_path)
    shutil.rmtree(tmp_path / "b")
    (tmp_path / "a").rename(tmp_path / "b")
    [report] = read_below(db, tmp_path)
    assert report.notes == (f"It was {tmp_path / 'a'}#hf_trainer when it was read.",)
    assert ask(db, "SELECT run_id, loss FROM runs_final") == [("a", 2)]
    assert ask(db, "SELECT uri FROM sources") == [(f"{tmp_path / 'b'}#hf_trainer",)]
    [report] = read_below(db, tmp_path)
    assert ask(db, "SELECT source_id FROM sources") == [(report.source_id,)]
    trainer_state(tmp_path / "b", [3, 2, 1], age=9)
    assert statuses(read_below(db, tmp_path)) == ["replaced"]
    assert ask(db, "SELECT run_id, loss FROM runs_final") == [("a", 1)]


def test_a_log_that_was_put_aside_for_a_new_one_is_kept(tmp_path, db) -> None:
    trainer_state(tmp_path / "out", [3, 2, 1])
    read_below(db, tmp_path)
    (tmp_path / "out").rename(tmp_path / "out_old")
    trainer_state(tmp_path / "out", [9, 8], age=9)
    reports = read_below(db, tmp_path)
    assert sorted(statuses(reports)) == ["ingested", "unchanged"]
    runs = ask(db, "SELECT run_id, loss, uri FROM runs_final JOIN sources USING (source_id) ORDER BY loss")
    assert [(run_id, loss) for run_id, loss, _ in runs] == [("out", 1), (f"{tmp_path.name}/out", 8)]
    assert [uri.partition("#")[0] for _, _, uri in runs] == [str(tmp_path / "out_old"), str(tmp_path / "out")]
    assert statuses(read_below(db, tmp_path)) == ["unchanged", "unchanged"]


def test_logs_that_swap_their_places_stay_the_runs_they_are(tmp_path, db) -> None:
    trainer_state(tmp_path / "a", [3, 2])
    trainer_state(tmp_path / "b", [4, 3], age=5)
    read_below(db, tmp_path)
    for one, other in (("a", "c"), ("b", "a"), ("c", "b")):
        (tmp_path / one).rename(tmp_path / other)
    assert statuses(read_below(db, tmp_path)) == ["unchanged", "unchanged"]
    trainer_state(tmp_path / "a", [4, 3, 2.5], age=9)
    assert sorted(statuses(read_below(db, tmp_path))) == ["replaced", "unchanged"]
    assert ask(db, "SELECT run_id, loss FROM runs_final ORDER BY 1") == [("a", 2), ("b", 2.5)]


def test_a_part_of_a_log_is_no_log_of_its_own_while_the_rest_is_there(tmp_path, db) -> None:
    for step in (1, 2):
        trainer_state(tmp_path / "r" / f"checkpoint-{step}", [3.0, 2.0][:step])
    read_below(db, tmp_path)
    for part in ("checkpoint-1", "checkpoint-2", "checkpoint-2/trainer_state.json"):
        [report] = read_below(db, tmp_path / "r" / part, replace=True)
        assert (report.status, report.notes) == ("unchanged", (f"It is read as a part of {tmp_path / 'r'}.",))
        both = find_sources([tmp_path / "r" / part, tmp_path / "r"], None)[0]
        assert [one.path for one in both] == [tmp_path / "r"]
    assert ask(db, "SELECT run_id, loss FROM runs_final") == [("r", 2)]
    trainer_state(tmp_path / "r" / "checkpoint-2", [3.0, 2.0, 1.0], age=9)
    [grown] = read_below(db, tmp_path / "r" / "checkpoint-2")
    assert grown.status == "failed"
    assert str(grown).endswith(f"has changed since.\nRead the whole: scaling ingest {tmp_path / 'r'}")
    assert statuses(read_below(db, tmp_path)) == ["replaced"]
    assert ask(db, "SELECT run_id, loss FROM runs_final") == [("r", 1)]
    shutil.rmtree(tmp_path / "r" / "checkpoint-1")
    [rest] = read_below(db, tmp_path / "r" / "checkpoint-2" / "trainer_state.json")
    assert (rest.status, rest.run_ids) == ("replaced", ("r",))
    assert ask(db, "SELECT count(*) FROM sources") == [(1,)]


def test_what_is_read_beside_a_file_is_of_it(tmp_path, db) -> None:
    state = trainer_state(tmp_path / "r" / "checkpoint-1", [3.0])
    model = {"model_type": "gpt2", "n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 100, "n_positions": 32}
    for path in (tmp_path, state):
        rewrite(state.with_name("config.json"), json.dumps(model))
        (tmp_path / "s.duckdb").unlink(missing_ok=True)
        read_below(db, path)
        assert statuses(read_below(db, path)) == ["unchanged"]
        [(small,)] = ask(db, "SELECT n_params FROM runs")
        rewrite(state.with_name("config.json"), json.dumps(model | {"n_layer": 4}), age=9)
        assert statuses(read_below(db, path)) == ["replaced"]
        [(large,)] = ask(db, "SELECT n_params FROM runs")
        assert large - small == 2 * (12 * 64 * 64 + 13 * 64)


def test_a_file_that_grows_while_it_is_read_has_a_hash_of_its_own(tmp_path, db) -> None:
    path = tmp_path / "a.log"

    def grows():
        rewrite(path, "longer than it was", age=5)
        yield from run_of("r", (1, 2, 3, 4), (3, 2, 2, 1))

    rewrite(path, "short")
    [first] = read_in(db, made(path, grows))
    rewrite(path, "short")
    [again] = read_in(db, made(path, run_of("r", (1,), (3,))))
    assert (first.status, again.status, again.n_values) == ("ingested", "replaced", 1)
    assert first.source_id != again.source_id
    assert ask(db, "SELECT loss FROM runs_final") == [(3,)]


def test_a_copy_of_a_log_that_failed_is_not_said_to_be_read(tmp_path, db) -> None:
    several = [*run_of("r", metric="a_loss"), *run_of("r", metric="b_loss")[1:]]
    sources = [made(tmp_path / name / "x.log", several) for name in ("a", "b")]
    for source in sources:
        rewrite(source.path, "the same")
    reports = read_in(db, *sources)
    assert statuses(reports) == ["failed", "failed"]
    assert str(reports[1]).startswith(f"{sources[1].path}: It is, byte for byte, {sources[0].path}")
    assert statuses(read_in(db, *sources, metric="a_loss")) == ["ingested", "unchanged"]


def test_a_database_that_is_open_for_writing_is_read_with_its_log(tmp_path, db) -> None:
    path = tmp_path / "project.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE metrics (id INTEGER PRIMARY KEY, timestamp, run_name, step, metrics)")
        writer.execute("CREATE TABLE configs (id INTEGER PRIMARY KEY, run_name, config, created_at)")
        for step in range(3):
            writer.execute(
                "INSERT INTO metrics VALUES (NULL, 't', 'r', ?, ?)", (step, json.dumps({"loss": 3.0 - step}))
            )
        assert statuses(read_below(db, path)) == ["ingested"]
        writer.execute("INSERT INTO metrics VALUES (NULL, 't', 'r', 3, '{\"loss\": 0.5}')")
        assert statuses(read_below(db, path)) == ["replaced"]
        assert ask(db, "SELECT loss FROM runs_final") == [(0.5,)]
    assert statuses(read_below(db, path)) in (["unchanged"], ["replaced"])  # it is one file again
    assert ask(db, "SELECT run_id, loss FROM runs_final") == [("r", 0.5)]


def test_a_file_that_was_a_table_becomes_a_log(tmp_path, db) -> None:
    path = tmp_path / "a.csv"
    path.write_text("run_id,N,D,loss\nx,1e8,2e9,3\n")
    with Store(db) as store:
        store.ingest(path)
    read_in(db, made(path, run_of("y")))
    assert ask(db, "SELECT run_id FROM runs") == [("y",)]
    assert ask(db, "SELECT count(*) FROM source_files") == [(1,)]
    with Store(db) as store:
        store.ingest(path)
    assert ask(db, "SELECT run_id FROM runs") == [("x",)]
    assert ask(db, "SELECT count(*) FROM source_files") == [(0,)]
    assert ask(db, "SELECT count(*) FROM run_logs") == [(0,)]


def test_removing_leaves_nothing_behind(tmp_path, db) -> None:
    read_in(db, made(tmp_path / "a.log", [*run_of("r1"), *run_of("r2")]))
    with Store(db) as store:
        correct(store, "r1", {"N": "1M"})
        correct(store, "r2", {"N": "1M"})
        assert remove_run(store, "r1") == 3
    assert ask(db, "SELECT run_id FROM corrections") == [("r2",)]
    assert statuses(read_in(db, made(tmp_path / "a.log", [*run_of("r1"), *run_of("r2")]))) == ["replaced"]
    with Store(db) as store:
        assert remove_source(store, str(tmp_path / "a.log")) == 2
    for table in ("runs", "metrics", "run_logs", "run_facts", "corrections", "sources", "source_files"):
        assert ask(db, f"SELECT count(*) FROM {table}") == [(0,)], table
    detail = json.loads(ask(db, "SELECT detail FROM audit ORDER BY happened_at DESC LIMIT 1")[0][0])
    assert detail["n_corrections"] == 1


def test_a_part_of_a_directory_is_removed_by_the_path_of_the_directory(tmp_path, db) -> None:
    trainer_state(tmp_path / "run", [3, 2])
    read_below(db, tmp_path)
    with Store(db) as store:
        assert take_out_source(store, str(tmp_path / "run")).n_runs == 1


# --- Corrections ------------------------------------------------------------------------------------------------------


def test_corrections_survive_and_can_be_taken_back(tmp_path, db) -> None:
    path = tmp_path / "a.log"
    read_in(db, made(path, run_of("r", config=BATCH | {"seed": 17, "n_params": 1e6})))
    with Store(db) as store:
        done = correct(store, "r", {"N": "2M", "corpus": "c4", "seed": "0", "D": "6k", "tag": "x"})
        assert [(one.fact, one.before, one.after) for one in done] == [
            ("n_params", 1e6, 2e6), ("corpus", None, "c4"), ("seed", 17, 0), ("n_tokens", 3000, 6000),
            ("tag", None, "x"),
        ]  # fmt: skip
    rewrite(path, "more", age=10)
    read_in(db, made(path, run_of("r", (1, 2, 3, 4), (3, 2, 2, 1), config=BATCH | {"seed": 18, "n_params": 1e6})))
    sql = "SELECT n_params, n_tokens, corpus, seed, tag, loss FROM runs_final"
    assert ask(db, sql) == [(2e6, 8000, "c4", 0, "x", 1)]  # one more step, of 2000 tokens
    assert ask(db, "SELECT tokens FROM metrics ORDER BY step") == [(2000,), (4000,), (6000,), (8000,)]
    with Store(db) as store:
        told = {one["fact"]: one["rule"] for one in facts_of(store, "r")}
        assert "its source says 1e6 (given)" in told["n_params"]
        correct(store, "r", dict.fromkeys(("n_params", "corpus", "seed", "n_tokens", "tag")))
        assert store.query("SELECT count(*) FROM corrections")[1] == [(0,)]
        columns, rows = store.query("SELECT * FROM runs_final")
    found = dict(zip(columns, rows[0], strict=True))
    assert (found["n_params"], found["n_tokens"], found["corpus"], found["seed"]) == (1e6, 4000, None, 18)
    assert "tag" not in found
    assert ask(db, "SELECT count(*) FROM audit WHERE event = 'set'") == [(2,)]


def test_what_was_set_by_hand_is_not_said_to_be_missing(tmp_path, db) -> None:
    path = tmp_path / "a.log"
    lacks = "compute_flop is missing: no key says it, and 6 N D needs"
    [first] = read_in(db, made(path, run_of("r", config={"seed": 17})))
    assert f"{lacks} n_params and n_tokens (1 run)" in first.facts
    with Store(db) as store:
        correct(store, "r", {"N": "1M", "seed": "3"})
    rewrite(path, "more", age=10)
    [second] = read_in(db, made(path, run_of("r", (1, 2, 3, 4), (3, 2, 2, 1), config={"seed": 17})))
    assert second.facts[:2] == ("n_params <- set by hand (1 run, 1e6)", "seed <- set by hand (1 run, 3)")
    assert f"{lacks} n_tokens (1 run)" in second.facts
    assert not any(line.startswith(("n_params is", "seed <- config")) for line in second.facts)
    with Store(db) as store:
        correct(store, "r", {"D": "6k"})
    rewrite(path, "and more", age=20)
    [third] = read_in(db, made(path, run_of("r", (1, 2, 3, 4, 5), (3, 2, 2, 1, 1), config={"seed": 17})))
    assert "n_tokens <- set by hand (1 run, 6000)" in third.facts
    assert not any(line.startswith(("n_tokens is", "compute_flop")) for line in third.facts)
    assert ask(db, "SELECT compute_flop FROM runs_final") == [(6 * 1e6 * 6000,)]


def test_some_of_the_runs_that_lack_a_fact_are_named(tmp_path, db) -> None:
    known = run_of("known", config={"n_params": 1e6})
    found = [*known, *(one for i in range(5) for one in run_of(f"r{i} (a)"))]
    [report] = read_in(db, made(tmp_path / "a.log", found))
    [line] = [line for line in report.facts if line.startswith("n_params is missing: ")]
    assert line.endswith(" (5 runs, such as r0 (a), r1 (a), r2 (a))")
    [alike] = [line for line in report.facts_alike if line.startswith("n_params is missing: ")]
    assert alike == line.removesuffix(" (5 runs, such as r0 (a), r1 (a), r2 (a))")


def test_tokens_that_were_corrected_grow_with_their_run(tmp_path, db) -> None:
    path = tmp_path / "a.log"
    counted = [
        RunFound("r"),
        values("tokens", (50, 100), (5000.0, 10_000.0), "r"),
        values("loss", (50, 100), (3, 2), "r"),
    ]
    read_in(db, made(path, counted))
    with Store(db) as store:
        correct(store, "r", {"D": "20k"})
    rewrite(path, "more", age=10)
    more = [values("tokens", (200,), (20_000.0,), "r"), values("loss", (200,), (1,), "r")]
    read_in(db, made(path, [*counted, *more]))
    assert ask(db, "SELECT n_tokens FROM runs_final") == [(40_000,)]
    assert ask(db, "SELECT step, tokens FROM metrics WHERE metric = 'loss' ORDER BY 1") == [
        (50, 10_000), (100, 20_000), (200, 40_000),
    ]  # fmt: skip
    with Store(db) as store:
        correct(store, "r", {"D": None})
    assert ask(db, "SELECT n_tokens FROM runs_final") == [(20_000,)]


def test_corrections_apply_to_runs_of_tables_too(tmp_path, db) -> None:
    path = tmp_path / "a.csv"
    path.write_text("run_id,N,D,loss,warm\nx,1e8,2e9,3,true\ny,1e8,2e9,3,true\n")
    with Store(db) as store:
        store.ingest(path)
        correct(store, "x", {"N": "3e8", "warm": "no"})
        path.write_text("run_id,N,D,loss,warm\nx,1e8,2e9,2.5,true\n")
        store.ingest(path)
        assert store.query("SELECT n_params, warm, loss FROM runs_final")[1] == [(3e8, "no", 2.5)]
        correct(store, "x", {"warm": "", "N": ""})
        assert store.query("SELECT n_params, warm FROM runs_final")[1] == [(1e8, True)]


@pytest.mark.parametrize(
    ("values_", "why"),
    [
        ({"n_params": "-3"}, "not a number above 0"), ({"n_params": "many"}, "not a number above 0"),
        ({"learning_rate": "abc"}, "is not a number"), ({"learning_rate": "nan"}, "is not a number"),
        ({"Loss": "3"}, "nearly loss"), ({"n_parms": "1M"}, "nearly n_params"),
        ({"kept_colum": "1"}, "nearly kept_column"),
        ({"loss": "3"}, "cannot be set"), ({"N": "1M", "n_params": "2M"}, "set twice"),
    ],
)  # fmt: skip
def test_what_cannot_be_set(tmp_path, db, values_, why) -> None:
    read_in(db, made(tmp_path / "a.log", run_of("r")))
    with Store(db) as store:
        correct(store, "r", {"kept_column": "1", "min_learning_rate": "0", "seed2": "7"})
        store.connection.execute("DELETE FROM corrections")
    with Store(db) as store, pytest.raises(UsageError, match=why):
        correct(store, "r", values_)
    with Store(db) as store, pytest.raises(UsageError, match="no run 's'"):
        correct(store, "s", {"N": "1M"})
    assert ask(db, "SELECT count(*) FROM corrections") == [(0,)]


def test_a_log_inside_the_directory_of_another_stays_a_run_of_its_own(tmp_path, db) -> None:
    """Neither has a key: what tells them apart is where they lie, also when only the outer one grew."""
    outer, inner = tmp_path / "a", tmp_path / "a" / "b"
    trainer_state(inner, [3.0])
    trainer_state(outer, [2.0])
    assert statuses(read_below(db, tmp_path)) == ["ingested", "ingested"]
    trainer_state(outer, [2.0, 1.0], age=10)
    assert [(one.status, one.n_grown, one.n_removed) for one in read_below(db, tmp_path)] == [
        ("replaced", 1, 0), ("unchanged", 0, 0)
    ]  # fmt: skip
    assert ask(db, "SELECT run_id, loss FROM runs_final ORDER BY 1") == [("a", 1.0), ("a/b", 3.0)]


# --- Names and values -------------------------------------------------------------------------------------------------

ODD = ["a - b/c", "quo\"te's", "line\nbreak", "ünï-√-日本", "x" * 300, "#hash", "'; DROP TABLE runs; --", "half \ud83d"]


def test_odd_names_of_runs_and_metrics(tmp_path, db) -> None:
    found = [one for i, name in enumerate(ODD) for one in run_of(name, name=name, metric=f"loss {ODD[-i - 1]}")]
    [report] = read_in(db, made(tmp_path / "a.log", found), metric=f"loss {ODD[0]}")
    assert report.status == "ingested"
    stored = [name.replace("\ud83d", "\\ud83d") for name in ODD]
    assert sorted(ask(db, "SELECT run_id, name FROM runs")) == sorted((name, name) for name in stored)
    assert {row[0] for row in ask(db, "SELECT metric FROM metrics")} == {f"loss {name}" for name in stored}
    assert {f"loss {name}" for name in stored} <= set(_columns(db, "runs_wide"))


def _columns(db, view):
    with Store(db, read_only=True) as store:
        return store.query(f"SELECT * FROM {view}")[0]


def test_settings_that_json_lacks(tmp_path, db) -> None:
    deep: object = 1
    for _ in range(200):
        deep = [deep]
    config = {
        "nan": math.nan,
        "inf": -math.inf,
        "huge": 10**400,
        "deep": deep,
        "half": "\ud83d",
        'k"\n': None,
        "t": (1,),
    }
    read_in(db, made(tmp_path / "a.log", run_of("r", config=config)))
    [(stored,)] = ask(db, "SELECT config FROM run_logs")
    found = json.loads(stored)
    assert (found["nan"], found["inf"], found["half"], found['k"\n'], found["t"]) == (
        "NaN",
        "-Infinity",
        "\\ud83d",
        None,
        [1],
    )
    assert found["huge"] == hex(10**400)


def test_paths_that_are_no_text(tmp_path, db) -> None:
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xff1"))
    trainer_state(odd, [3, 2])
    assert statuses(read_below(db, tmp_path)) == ["ingested"]
    assert ask(db, "SELECT run_id FROM runs") == [("r\\udcff1",)]
    assert statuses(read_below(db, tmp_path)) == ["unchanged"]


def test_nan_and_infinite_ends_stay_what_they_are(tmp_path, db) -> None:
    found = [
        one
        for name, end in (("n", math.nan), ("p", math.inf), ("m", -math.inf))
        for one in run_of(name, (1, 2), (3, end))
    ]
    [report] = read_in(None, made(tmp_path / "a.log", found))
    assert [row["loss"] for row in report.preview] == [None, None, None]
    read_in(db, made(tmp_path / "a.log", found))
    assert ask(db, "SELECT run_id, loss, loss_status FROM runs_final ORDER BY 1") == [
        ("m", None, "-inf"), ("n", None, "nan"), ("p", None, "inf"),
    ]  # fmt: skip


def test_a_state_that_is_none_is_unknown(tmp_path, db) -> None:
    read_in(db, made(tmp_path / "a.log", run_of("r", state="exploded")))
    assert ask(db, "SELECT state FROM run_logs") == [(None,)]


def test_a_run_without_history_shows_its_last_words(tmp_path, db) -> None:
    read_in(db, made(tmp_path / "a.log", [RunFound("r", summary={"loss": 2.5, "_step": 9, "note": "x"})]))
    assert ask(db, "SELECT metric, step, value FROM metrics") == [("loss", None, 2.5)]


def test_units_that_disagree_refuse_the_source(tmp_path, db) -> None:
    bits, nats = (Field("loss", "loss", unit) for unit in ("bits/byte", "nats/token"))
    one = made(tmp_path / "a.log", run_of("a"), fields=[bits])
    two = made(tmp_path / "b.log", run_of("b"), fields=[nats], name="other")
    reports = read_in(db, one, two)
    assert statuses(reports) == ["ingested", "failed"]
    assert "is in nats/token, but the store has it in bits/byte" in str(reports[1])
    assert ask(db, "SELECT unit FROM metric_defs") == [("bits/byte",)]


def test_steps_that_the_axis_does_not_count(tmp_path, db) -> None:
    steps = [1, 2, 3]
    found = [*run_of("r", steps), values("train/global_step", steps, [100, 200, 300], "r")]
    read_in(db, made(tmp_path / "a.log", found))
    assert ask(db, "SELECT n_tokens FROM runs") == [(300_000,)]
    assert ask(db, "SELECT tokens FROM metrics WHERE metric = 'loss' ORDER BY step") == [(1e5,), (2e5,), (3e5,)]


# --- Facts that are told ----------------------------------------------------------------------------------------------


def test_facts_are_told_and_kept_with_their_rules(tmp_path, db) -> None:
    found = [one for i in range(3) for one in run_of(f"r{i}", config=BATCH | {"n_params": 1e6 * (i + 1)})]
    [report] = read_in(db, made(tmp_path / "a.log", found))
    assert "n_params <- config n_params: given (3 runs, such as 1e6)" in report.facts
    assert "n_tokens <- last step, config batch_tokens: last step x batch_tokens (3 runs, 3000)" in report.facts
    assert "learning_rate is missing: no key says it (3 runs: r0, r1, r2)" in report.facts
    assert "learning_rate is missing: no key says it" in report.facts_alike
    with Store(db, read_only=True) as store:
        told = {one["fact"]: one for one in facts_of(store, "r1")}
    assert told["n_params"] == {"fact": "n_params", "value": 2e6, "rule": "given", "keys": ["config n_params"]}
    assert told["learning_rate"]["rule"] == "missing: no key says it"


def test_a_dry_reading_writes_nothing(tmp_path) -> None:
    [report] = read_in(None, made(tmp_path / "a.log", run_of("r")))
    assert report.status == "seen"
    assert report.preview[0]["n_tokens"] == 3000
    assert report.preview[0]["loss"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.log"]


# --- Scores -----------------------------------------------------------------------------------------------------------


def score(model="m", task="arc", value=0.5, **more):
    return ScoreFound(model, task, "acc", value, **more)


def test_scores_are_replaced_with_their_source(tmp_path, db) -> None:
    path = tmp_path / "a.log"
    read_in(db, made(path, [score(), score(task="boolq"), score(about_model={"n_params": 1e6, "odd": math.nan})]))
    assert ask(db, "SELECT task, score, n_params FROM scores ORDER BY 1") == [("arc", 0.5, 1e6), ("boolq", 0.5, 1e6)]
    rewrite(path, "more", age=10)
    read_in(db, made(path, [score(value=0.75)]))
    assert ask(db, "SELECT task, score FROM scores") == [("arc", 0.75)]
    assert ask(db, "SELECT n_models, n_scores FROM sources") == [(1, 1)]


def test_a_metric_is_a_share_only_where_all_its_values_are(tmp_path, db) -> None:
    odd = [ScoreFound("m", task, "odd", value) for task, value in (("a", 0.4), ("b", 7.0))]
    scores = [*odd, score(task="c")]
    read_in(db, made(tmp_path / "e.json", scores))
    assert ask(db, "SELECT task, unit FROM evals ORDER BY 1") == [("a", "points"), ("b", "points"), ("c", "share")]


def test_only_the_name_of_a_model_on_a_hub_has_its_organisation_in_front(tmp_path, db) -> None:
    names = ["eleuther-ai/pythia-1.4b", "/models/mine", "./out/mine", "runs/7/checkpoint-9", "gpt2"]
    read_in(db, made(tmp_path / "e.json", [score(model=name) for name in names]))
    found = dict(ask(db, "SELECT name, organisation FROM models"))
    assert found == {"eleuther-ai/pythia-1.4b": "eleuther-ai", **dict.fromkeys(names[1:])}


def test_the_same_score_from_two_sources(tmp_path, db) -> None:
    one, two = (
        made(tmp_path / "a.log", [score()]),
        made(tmp_path / "b.log", [score(value=0.75), score(task="x", value=0.25)]),
    )
    assert statuses(read_in(db, one, two)) == ["ingested", "failed"]
    assert statuses(read_in(db, two, replace=True)) == ["ingested"]
    assert ask(db, "SELECT task, score FROM scores ORDER BY 1") == [("arc", 0.75), ("x", 0.25)]
    assert ask(db, "SELECT count(*) FROM models") == [(1,)]


# --- Which metric is the loss -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metrics", "chosen"),
    [
        (["loss"], "loss"),
        (["train/loss", "val/loss"], "val/loss"),
        (["loss", "loss_scale", "aux_loss", "z_loss", "mtp_1_loss"], "loss"),
        (["lm_loss", "load_balancing_loss"], "lm_loss"),
        (["loss", "eval_loss", "eval/c4/loss"], "eval_loss"),
        (["train/loss", "eval/a/loss", "eval/b/loss"], "train/loss"),
        (["accuracy", "loss_scale"], None),
        ([], None),
    ],
)
def test_the_loss_is_chosen_by_name(metrics, chosen) -> None:
    assert choose_loss(dict.fromkeys(metrics, 1), None)[0] == chosen


def test_a_loss_of_which_nothing_is_left_is_not_chosen(tmp_path, db) -> None:
    """The run was started again from before its only evaluation."""
    found = [values("val/loss", [25], [9.0]), values("loss", [1, 30], [4.0, 3.0]), Restart("", 20),
             values("loss", [20, 30], [3.5, 2.5])]  # fmt: skip
    [report] = read_in(db, made(tmp_path / "a.log", found))
    assert (report.n_values, report.metric) == (3, "loss")
    assert ask(db, "SELECT metric, loss, loss_status FROM runs_final") == [("loss", 2.5, "ok")]


def test_tokens_in_the_last_words_of_a_tracker_are_those_of_the_run(tmp_path, db) -> None:
    """They stand without a step, so that they neither rise nor fall."""
    read_in(db, made(tmp_path / "a.log", [RunFound("r", summary={"loss": 2.5, "throughput/total_tokens": 7e9})]))
    assert ask(db, "SELECT n_tokens, loss FROM runs_final") == [(7e9, 2.5)]
    assert ask(db, "SELECT rule, keys FROM run_facts WHERE fact = 'n_tokens'") == [
        ("counted by the log", '["summary throughput/total_tokens"]')
    ]


def test_losses_of_equal_standing_are_not_chosen_between() -> None:
    with pytest.raises(InputDataError, match="several metrics could be the loss: 'eval/a/loss', 'eval/b/loss'"):
        choose_loss({"eval/a/loss": 1, "eval/b/loss": 1}, None)


@pytest.mark.parametrize(
    "name",
    ["loss_scale", "aux_loss", "moe/z_loss", "router/loss", "loss/load_balancing", "num_loss_tokens", "loss_std",
     "best_loss", "loss_scaler", "kl_loss", "target_loss"],
)  # fmt: skip
def test_what_merely_has_the_name_of_a_loss(name) -> None:
    assert not is_loss(name)


def test_a_unit_that_a_name_tells() -> None:
    assert unit_of("eval/paloma/c4_en/bpb") == "bits/byte"
    assert unit_of("loss") == "unknown"
