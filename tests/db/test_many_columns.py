"""Thousands of kept columns: what is asked of one run, and what is said of a query that they make too broad."""

from __future__ import annotations

import json
from pathlib import Path

import duckdb

from db.run_facts import run_final
from db.sql_errors import translate
from db.store import Store


def test_a_run_is_shown_as_the_view_has_it(tmp_path: Path, store: Store) -> None:
    rows = [
        {"run_id": "a", "loss": 3, "x": 1, "b": True, "t": "q", "n": {"m": 1.5}, "l": [1], "metric": 4, "mix": 1},
        {"run_id": "b", "loss": 3, "x": 2.5, "b": None, "f": float("inf"), "mix": "z", "a/b~": 2**63 - 1, "X": "é"},
    ]
    path = tmp_path / "runs.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    store.ingest(path)
    for run in ("a", "b"):
        columns, found = store.query("SELECT * FROM runs_final WHERE run_id = ?", [run])
        assert repr(run_final(store, run)) == repr(dict(zip(columns, found[0], strict=True)))
    assert run_final(store, "c") is None


def test_a_view_that_is_too_broad_is_named(tmp_path: Path, store: Store) -> None:
    path = tmp_path / "runs.jsonl"
    error = duckdb.OutOfMemoryException("Out of Memory Error: failed to allocate")
    for count in (5, 1100):
        path.write_text(json.dumps({"run_id": "a", "loss": 3} | {f"c{n}": n for n in range(count)}), encoding="utf-8")
        store.ingest(path)
        hint = translate(error, store.connection, "x").hint
        assert (f"runs_final has {count + 12} columns" in str(hint)) == (count > 1000)
