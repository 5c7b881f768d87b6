"""A database that Trackio wrote, older tables, and damage."""

import math
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from db.readers import trackio
from db.readers.format import Level
from db.readers.probe import Probe
from tests.db.readers.gathering import Gathered, same

DATABASE = Path(__file__).parents[2] / "fixtures" / "logs" / "trackio" / "ladder.db"
ODD = {5: math.nan, 6: math.inf, 7: -math.inf, 8: None}


def made(path, *rows, key="run_id, "):
    """A database as Trackio makes it, with rows of (run, step, metrics)."""
    with sqlite3.connect(path) as db:
        db.execute(f"CREATE TABLE metrics ({key}timestamp, run_name, step, metrics)")
        for run, step, metrics in rows:
            names = (run, "t", f"name {run}") if key else ("t", run)
            marks = ", ".join("?" * (len(names) + 2))
            db.execute(f"INSERT INTO metrics VALUES ({marks})", (*names, step, metrics))
    db.close()
    return path


def test_runs_and_values():
    assert trackio.sniff(Probe(DATABASE)).level == Level.KEYS
    found = Gathered(trackio.read(DATABASE, ()))
    assert found.error is None
    assert not found.problems
    assert [run["name"] for run in found.runs.values()] == ["small", 'large "a"']
    for key, run in found.runs.items():
        assert same(found.values[key, "train/loss"], [(step, ODD.get(step, 4 - step / 64)) for step in range(12)])
        assert found.values[key, "tokens"] == [(step, 4096.0 * step) for step in range(12)]
        assert (found.values[key, "val.c4"], found.values[key, "val.pile"]) == ([(10, 3.5)], [(10, 3.25)])
        assert run["config"] == {"n_params": 1e7, "optimizer.lr": 3e-4}
        started = run["about"].pop("started")
        assert 1.7e9 < started < 2e9
        assert run["about"] == {"project": "ladder", "user": "user", "group": "sizes"}
    assert found.count == 2 * 26
    assert found.notes == [
        f"{DATABASE}: left out: alerts (1).",
        f"{DATABASE}: left out: texts, lists and yes or no among the metrics (4).",
    ]
    assert not list(DATABASE.parent.glob("*-wal"))


def test_the_older_table_tells_runs_apart_by_name(tmp_path):
    path = made(tmp_path / "old.db", ("a", 0, '{"loss": 2.5}'), ("b", 0, '{"loss": "Infinity"}'), key="")
    assert trackio.sniff(Probe(path)) is not None
    found = Gathered(trackio.read(path, ()))
    assert {key: run["name"] for key, run in found.runs.items()} == {"a": "a", "b": "b"}
    assert found.values == {("a", "loss"): [(0, 2.5)], ("b", "loss"): [(0, math.inf)]}


def test_rows_that_are_none(tmp_path):
    rows = [
        ("r", -1, "{}"),
        ("r", 1.5, "{}"),
        ("r", 2, "[1]"),
        ("r", 3, b"\xff{"),
        ("r", 4, None),
        ("r", 2**62, '{"x": 1}'),
    ]
    found = Gathered(trackio.read(made(tmp_path / "log.db", *rows), ()))
    assert [(one.line, one.column, one.refused) for one in found.problems] == [
        (1, "step", "row"),
        (2, "step", "row"),
        (3, "metrics", "row"),
        (4, "metrics", "row"),
        (5, "metrics", "row"),
    ]
    assert found.values == {("r", "x"): [(2**62, 1.0)]}


def test_odd_names_and_nested_values(tmp_path):
    rows = [
        ("r", 0, '{"a \\"b\\"\\n": 1, " - ": 2, "ä😀": 3, "": 4, "t": {"_type": "trackio.table", "x": 1}, "e": {}}')
    ]
    found = Gathered(trackio.read(made(tmp_path / "log.db", *rows), ()))
    assert {metric: values for (_, metric), values in found.values.items()} == {
        'a "b"\n': [(0, 1.0)], " - ": [(0, 2.0)], "ä😀": [(0, 3.0)], "": [(0, 4.0)],
    }  # fmt: skip
    assert found.notes == [f"{tmp_path / 'log.db'}: left out: tables, images and the like (1)."]


def test_many_problems_of_a_kind_are_counted(tmp_path):
    found = Gathered(trackio.read(made(tmp_path / "log.db", *[("r", -1, "{}")] * 130), ()))
    assert len(found.problems) == 100
    assert "30 more of this were refused" in found.notes[0]


def test_what_is_no_database(tmp_path):
    path = tmp_path / "log.db"
    path.write_bytes(b"no database")
    assert trackio.sniff(Probe(path)) is None
    assert Gathered(trackio.read(path, ())).error.place == "byte 0"
    assert "cannot be read" in str(Gathered(trackio.read(tmp_path / "gone", ())).error)
    made(path := tmp_path / "other.db")
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE metrics")
    db.close()
    assert "no table 'metrics'" in str(Gathered(trackio.read(path, ())).error)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 45_055), st.integers(0, 255)), min_size=1, max_size=60), st.booleans())
def test_a_database_with_changed_bytes_gives_nothing_but_read_errors(tmp_path_factory, changes, cut):
    path = tmp_path_factory.mktemp("changed") / "log.db"
    data = bytearray(DATABASE.read_bytes())
    for at, byte in changes:
        data[at] = byte
    path.write_bytes(data[: changes[0][0]] if cut else data)
    found = Gathered(trackio.read(path, ()))
    assert found.count <= 3000


@pytest.mark.parametrize("value", ["NaN", "nan", "-Infinity", "Infinity"])
def test_numbers_that_json_cannot_write(tmp_path, value):
    found = Gathered(trackio.read(made(tmp_path / "log.db", ("r", 0, f'{{"x": "{value}"}}')), ()))
    assert same(found.values["r", "x"], [(0, float(value))])
