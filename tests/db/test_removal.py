"""Runs and sources go, and the audit table says so."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from db.removal import remove_run, remove_source
from db.store import Store
from scaling.errors import UsageError


def test_a_run_goes_with_its_values_and_comes_back_with_its_file(store: Store, long: Path) -> None:
    source_id = store.ingest(long, metric="loss").source_id
    assert remove_run(store, "r1") == 4
    assert store.query("SELECT run_id FROM runs_final")[1] == [("r2",)]
    assert store.query("SELECT DISTINCT run_id FROM metrics")[1] == [("r2",)]
    _, rows = store.query("SELECT event, object_kind, object_id, detail FROM audit ORDER BY happened_at DESC LIMIT 1")
    assert rows[0][:3] == ("remove", "run", "r1")
    assert json.loads(rows[0][3]) == {"source_id": source_id, "n_values": 4}
    report = store.ingest(long, metric="loss")
    assert (report.status, report.n_runs) == ("replaced", 2)
    assert store.query("SELECT run_id FROM runs_final ORDER BY 1")[1] == [("r1",), ("r2",)]


def test_a_source_goes_with_its_runs_by_name_or_path(store: Store, wide: Path, long: Path) -> None:
    source_id = store.ingest(wide).source_id
    store.ingest(long, metric="loss")
    assert remove_source(store, source_id) == 3
    assert {column.name for column in store.kept_columns()} == {"lr", "val_loss"}
    assert "tag" not in store.query("SELECT * FROM runs_final")[0]
    assert remove_source(store, str(long)) == 2
    for table in ("runs", "metrics", "sources"):
        assert store.query(f"SELECT count(*) FROM {table}")[1] == [(0,)]
    _, rows = store.query("SELECT detail FROM audit WHERE event = 'remove' ORDER BY happened_at")
    assert [json.loads(detail)["removed_runs"] for (detail,) in rows] == [["a", "b", "c"], ["r1", "r2"]]
    assert store.ingest(wide).status == "ingested"


def test_what_is_not_there_cannot_go(store: Store, wide: Path) -> None:
    with pytest.raises(UsageError, match=r"no source 'x' in the store.\nThere are: none"):
        remove_source(store, "x")
    source_id = store.ingest(wide).source_id
    with pytest.raises(UsageError, match=rf"no source 'x' in the store.\nThere are: {source_id} \({wide}\)"):
        remove_source(store, "x")
    with pytest.raises(UsageError, match=r"no run 'd' in the store.\n.*There are: a, b, c"):
        remove_run(store, "d")
    assert store.query("SELECT count(*) FROM audit")[1] == [(1,)]
