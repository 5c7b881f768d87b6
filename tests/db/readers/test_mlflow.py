"""A database and a file store that MLflow's own client wrote, whole and damaged."""

import math
import os
import shutil
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.readers import mlflow_store, mlruns
from db.readers.format import Level
from db.readers.probe import Probe
from db.readers.sqlite import Database
from scaling.errors import ReadError
from tests.db.readers.gathering import Gathered, same

LOGS = Path(__file__).parents[2] / "fixtures" / "logs" / "mlflow"
DATABASE, STORE = LOGS / "mlflow.db", LOGS / "mlruns"
LOSS = [(step, {5: math.nan, 6: math.inf, 7: -math.inf}.get(step, 4 - step / 64)) for step in range(20)]


def read(path):
    format_ = mlruns if path.is_dir() else mlflow_store
    sign = format_.sniff(Probe(path))
    return Gathered(format_.read(path, sign.entries if sign else ()))


@pytest.fixture
def database(tmp_path):
    return Path(shutil.copy(DATABASE, tmp_path / "log.db"))


def changed(path, *statements):
    with sqlite3.connect(path) as db:
        for statement in statements:
            db.execute(*statement if isinstance(statement, tuple) else (statement,))
    db.close()


@pytest.mark.parametrize("path", [DATABASE, STORE])
def test_runs_values_settings_and_what_is_deleted(path):
    found = read(path)
    assert found.error is None
    assert not found.problems
    named = {run["name"]: (key, run) for key, run in found.runs.items()}
    assert set(named) == {"parent: all sizes", "small", "large"}
    parent = named["parent: all sizes"][0]
    for name, size, state in (("small", "10000000", "finished"), ("large", "100000000", "failed")):
        key, run = named[name]
        assert same(found.values[key, "train/loss"], LOSS)
        # Logged as 4.5 at a time, and as 4.25 afterwards with an earlier time.
        assert found.values[key, "val/loss"] == [(10, 4.5), (20, 4.125)]
        assert run["state"] == state
        assert run["config"] == {"n_params": size, "optimizer/lr": "0.0003"}
        assert run["about"] == {
            "project": 'ladder "a" – b', "started": 1_700_000_001.0, "ended": 1_700_000_060.0,
            "parent": parent, "user": "user", "tags.corpus": "c4",
        }  # fmt: skip
    assert found.runs[parent]["about"]["tags.note"] == "two\nlines"
    assert found.runs[parent]["state"] == "running"
    assert found.count == 44
    gone = 2 if path == DATABASE else 1  # in the file store a deleted experiment lies in a directory of its own
    assert f"{path}: runs that are deleted were left out ({gone})." in found.notes
    assert f"{path}: values that a later one of the same step replaces (2)." in found.notes


def test_signs(tmp_path, database):
    assert mlflow_store.sniff(Probe(database)).level == Level.KEYS
    assert mlflow_store.sniff(Probe(STORE)) is None
    assert mlruns.sniff(Probe(DATABASE)) is None
    (experiment,) = (path for path in STORE.iterdir() if path.name.startswith("549"))
    assert mlruns.sniff(Probe(STORE)).entries == ("0", experiment.name)
    assert mlruns.sniff(Probe(experiment)).level == Level.DIRECTORY
    (tmp_path / "0" / "abc" / "artifacts").mkdir(parents=True)  # as beside a database: no store
    assert mlruns.sniff(Probe(tmp_path)) is None
    changed(database, "DROP TABLE experiments")
    assert mlflow_store.sniff(Probe(database)) is None


def test_an_experiment_a_run_and_what_is_in_the_trash():
    (experiment,) = (path for path in STORE.iterdir() if path.name.startswith("549"))
    assert read(experiment).count == 44
    run = next(path for path in experiment.iterdir() if (path / "params" / "n_params").is_file())
    found = read(run)
    assert set(found.runs) == {run.name}
    assert found.runs[run.name]["about"]["project"] == 'ladder "a" – b'
    assert found.count == 22
    (trashed,) = (STORE / ".trash").iterdir()
    assert read(trashed).notes == [f"{trashed}: runs that are deleted were left out (1)."]


def test_steps_and_values_that_are_none(database):
    insert = (
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) SELECT ?, ?, 1, run_uuid, ?, 0 FROM runs"
    )
    small = " WHERE name = 'small'"
    changed(database, (insert + small, ('a"\n', 1.0, -1)), (insert + small, ("b", "word", 1)))
    found = read(database)
    assert [(one.column, one.value, one.refused) for one in found.problems] == [
        ('a"\n', "-1", "value"),
        ("b", "word", "value"),
    ]
    assert found.count == 44


def test_a_missing_column_is_named(database):
    changed(database, "ALTER TABLE metrics RENAME COLUMN step TO steps")
    found = read(database)
    assert "table metrics: it has no column 'step'" in str(found.error)


def test_columns_and_tables_that_may_be_missing(database):
    changed(database, "ALTER TABLE runs DROP COLUMN source_name", "DROP TABLE params", "DROP TABLE tags")
    found = read(database)
    assert found.count == 44
    assert all(run["config"] == {} for run in found.runs.values())


def test_what_stands_in_the_log_beside_the_database_is_read(database, monkeypatch):
    changed(database, "PRAGMA journal_mode = WAL")
    before = sorted(os.listdir(database.parent))
    assert read(database).count == 44
    assert sorted(os.listdir(database.parent)) == before  # nothing is left beside a database at rest
    writer = sqlite3.connect(database)
    writer.execute("UPDATE metrics SET step = step + 100")
    writer.commit()
    found = read(database)
    assert {step for values in found.values.values() for step, _ in values} == set(range(100, 121))

    # Where nothing can be written beside it, what is in the database itself is read, and that is said.
    class Closed(sqlite3.OperationalError):
        sqlite_errorcode = sqlite3.SQLITE_CANTOPEN

    def connect(name, **options):
        if "immutable" not in name:
            raise Closed("unable to open database file")
        return plain(name, **options)

    plain = sqlite3.connect
    monkeypatch.setattr("db.readers.sqlite.sqlite3.connect", connect)
    found = read(database)
    assert {step for values in found.values.values() for step, _ in values} == set(range(21))
    assert f"{database}: what its writer keeps in the log beside it, log.db-wal, could not be read." in found.notes
    writer.close()


def test_a_locked_database_is_said_to_be(database, monkeypatch):
    monkeypatch.setattr("db.readers.sqlite._WAITS", 0.01)
    writer = sqlite3.connect(database, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")
    found = Gathered(mlflow_store.read(database, ()))
    assert "locked by a writer" in str(found.error)
    writer.close()


def test_views_and_virtual_tables_are_no_tables(database):
    changed(
        database,
        "ALTER TABLE metrics RENAME TO kept",
        "CREATE VIEW metrics AS WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x FROM t) "
        "SELECT 'k' AS key, 1.0 AS value, 1 AS timestamp, 'r' AS run_uuid, 1 AS step, 0 AS is_nan FROM t",
    )
    assert "it has no table 'metrics'" in str(Gathered(mlflow_store.read(database, ())).error)


def test_a_query_that_gives_more_than_a_file_can_hold_ends(database, monkeypatch):
    monkeypatch.setattr("db.readers.sqlite._CHECKED", 1000)
    with Database(database) as db, pytest.raises(ReadError, match="more rows than its size can hold"):
        for _ in db.rows("WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT x FROM t", "t"):
            pass


@pytest.mark.parametrize("size", [0, 10, 100, 512, 5000, 20_000, 31_000])
def test_a_database_that_is_cut_off(database, size):
    database.write_bytes(database.read_bytes()[:size])
    found = Gathered(mlflow_store.read(database, ()))
    assert isinstance(found.error, ReadError)
    assert found.error.path == str(database)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 32_255), st.integers(0, 255)), min_size=1, max_size=60))
def test_a_database_with_changed_bytes_gives_nothing_but_read_errors(tmp_path_factory, changes):
    path = tmp_path_factory.mktemp("changed") / "log.db"
    data = bytearray(DATABASE.read_bytes())
    for at, byte in changes:
        data[at] = byte
    path.write_bytes(data)
    found = Gathered(mlflow_store.read(path, ()))
    assert found.count <= 3000


def run_of(tmp_path, lines, name="loss"):
    run = tmp_path / "0" / ("a" * 32)
    (run / "metrics").mkdir(parents=True, exist_ok=True)
    (run / "params").mkdir(exist_ok=True)
    (run / "meta.yaml").write_text("lifecycle_stage: active\nrun_name: r\nstatus: 1\n")
    (run / "metrics" / name).write_bytes(lines)
    return run


def test_lines_of_the_file_store(tmp_path):
    run = run_of(tmp_path, b"1 2.5\n2 nan 1\n3 -inf 2\n\n4 x 3\n5 1.0 -4\n6 1.5 5 data digest\n7 2.0 1.5\n8\n")
    found = read(run)
    assert same(found.values[run.name, "loss"], [(-1, 2.5), (1, math.nan), (2, -math.inf), (5, 1.5)])
    assert [(one.line, one.value, one.refused) for one in found.problems] == [
        (5, "4 x 3", "row"),
        (6, "-4", "value"),
        (8, "1.5", "value"),
        (9, "8", "row"),
    ]


def test_a_last_line_without_its_end_is_left_out(tmp_path):
    lines = b"1 2.5 10\n2 2.25 20\n3 2.125 30\n"
    for size in range(len(lines) + 1):
        found = read(run_of(tmp_path, lines[:size]))
        whole = lines[:size].count(b"\n")
        assert found.values.get(("a" * 32, "loss"), []) == [(10, 2.5), (20, 2.25), (30, 2.125)][:whole]
        assert not found.problems
        assert (len(found.notes) == 1) == (not lines[:size].endswith(b"\n") and size > 0)


@settings(max_examples=100)
@given(st.binary(max_size=200), st.binary(max_size=200))
def test_random_files_give_nothing_but_read_errors(tmp_path_factory, meta, lines):
    run = run_of(tmp_path_factory.mktemp("random"), lines)
    (run / "meta.yaml").write_bytes(meta)
    assert read(run).error is None


def test_a_run_without_description_and_links_that_loop(tmp_path):
    run = run_of(tmp_path, b"1 2.5 10\n")
    (run / "meta.yaml").write_text("")
    (run / "metrics" / "loop").symlink_to(run / "metrics")
    found = read(run)
    assert found.values == {(run.name, "loss"): [(10, 2.5)]}
    assert len(found.notes) == 1


def test_what_is_no_store_is_refused(tmp_path):
    assert "no directory of MLflow's file store" in str(Gathered(mlruns.read(tmp_path, ())).error)
