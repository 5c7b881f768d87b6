"""Logs that cannot be used: each says what to do, has its exit code, and leaves the store as it was."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from db.mapping import Mapping
from db.store import Store
from scaling.errors import InputDataError

Write = Callable[..., Path]


@pytest.fixture
def kept(tmp_path: Path, wide: Path) -> Path:
    """A store with something in it."""
    path = tmp_path / "kept.duckdb"
    with Store(path) as store:
        store.ingest(wide)
    return path


def _refused(kept: Path, log: Path, mapping: Mapping | None = None) -> InputDataError:
    """Try to ingest a log that must be refused, and check that the store has not changed."""
    before = kept.read_bytes()
    with Store(kept) as store:
        with pytest.raises(InputDataError) as raised:
            store.ingest(log, mapping)
        assert store.query("SELECT count(*) FROM runs")[1] == [(3,)]
        assert store.query("SELECT count(*) FROM audit")[1] == [(1,)]
    assert kept.read_bytes() == before
    assert raised.value.exit_code == 4
    assert raised.value.hint
    return raised.value


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "is empty", "Check that the export finished"),
        ("run_id,N,D,loss\n", "has no rows", "Check that the export finished"),
        ("run_id,N,D,los\nx,1e8,1e9,3\n", "no column that is a loss", "Did you mean 'los'?"),
        ("run_id,N,D,loss\nx,1e8,1e9,oops\n", "column 'loss': not a number (first 'oops')", "Fix these rows"),
        ("run_id,N,D,loss\nx,1e8,1e9,0\ny,1e8,1e9,-2\n", "lines 2 and 3: column 'loss': a loss is above 0", "Fix"),
        ("run_id,N,D,loss\nx,160M,1e9,3\n", "column 'N': n_params is not a number (first '160M')", "Fix these rows"),
        ("run_id,N,D,loss\nx,,1e9,3\n", "n_params is missing", "Fix these rows"),
        ("run_id,N,D,loss\nx,70,1.4e12,3\n", "N looks like millions or billions", 'N = "N * 1e9"'),
        ("run_id,N,D,loss\nx,125,3e10,3\ny,1e9,3e10,2\n", "125 beside 3e+10 tokens (line 2)", 'N = "N * 1e6"'),
        ("run_id,N,params,D,loss\nx,1e8,1e8,1e9,3\n", "several columns could be n_params", '[columns] N = "N"'),
        ("run_id,N,D,loss\nx,1e8,1e9,3\ny,1e8,1e9,3\nx,1e8,1e9,4\n", "x: lines 2 and 4", "Remove all but one"),
        ("step,N,D,loss\n1,1e8,1e9,3\n", "no column says which run", '[columns] run_id = "COLUMN"'),
        ("run_id,step,N,D,loss\nx,1.5,1e8,1e9,3\n", "the step is not a whole number (first '1.5')", "Fix these rows"),
    ],
)
def test_logs_that_cannot_be_used(kept: Path, write: Write, text: str, message: str, hint: str) -> None:
    log = write(text)
    error = _refused(kept, log)
    assert message in error.message
    assert str(log) in error.message
    assert hint in str(error.hint)


def test_a_directory_and_a_missing_file(kept: Path, tmp_path: Path) -> None:
    assert "is a directory" in _refused(kept, tmp_path).message
    assert "There is no file" in _refused(kept, tmp_path / "no.csv").message


def test_options_keep_what_is_odd_but_right(store: Store, write: Write) -> None:
    path = write("run_id,N,D,loss\na,500,2e9,3\nb,,2e9,3\n")
    with pytest.raises(InputDataError, match="allow_units = true"):
        store.ingest(path)
    mapping = Mapping.parse("[options]\nallow_missing = true\nallow_units = true")
    assert store.ingest(path, mapping).n_runs == 2
    assert store.query("SELECT n_params, compute_flop FROM runs_final ORDER BY run_id")[1] == [
        (500.0, 6 * 500 * 2e9),
        (None, None),
    ]
    assert store.ingest(path, allow_units=True).n_refused == 1


def test_a_step_column_beside_one_row_a_run(store: Store, write: Write) -> None:
    path = write("step,N,D,loss\n100,1e8,1e9,3\n100,2e8,1e9,2\n")
    store.ingest(path, Mapping.parse("[options]\nshape = 'wide'"))
    assert store.query("SELECT step, loss FROM runs_final ORDER BY loss")[1] == [(100, 2.0), (100, 3.0)]
    with pytest.raises(InputDataError, match="no column is the step"):
        store.ingest(write("run,N,loss\na,1e8,3\n", "w.csv"), Mapping.parse("[options]\nshape = 'long'"))


def test_units_that_look_odd_are_warned_about(store: Store, write: Write) -> None:
    report = store.ingest(write("run_id,N,D,C,loss\na,1e8,2,1.2e18,3\n"))
    assert "D is below 1e3 beside an N above 1e6: is D" in report.warnings[0]
    assert "The given compute is 1e+09 times 6*N*D" in report.warnings[1]
    report = store.ingest(write("run_id,D,loss\nb,1e9,3\n", "d.csv"))
    assert report.warnings == ("No column is n_params; laws that need it cannot be fitted.",)


def test_a_failure_in_the_middle_of_writing_changes_nothing(
    kept: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from db import write as writing

    def fail(*_: object) -> None:
        raise InputDataError("in the middle", "try again")

    monkeypatch.setattr(writing, "refresh_views", fail)
    assert _refused(kept, write("run_id,N,D,loss\nnew,1e8,1e9,3\n")).message == "in the middle"
