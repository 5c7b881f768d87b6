"""Opening a store, and everything that can be wrong with its file."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from db import migrations
from db.connect import connect
from db.store import Store
from scaling.errors import StoreError, UsageError

LOCK_HOLDER = """
import sys
from db.store import Store
store = Store(sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
"""


def _as_found(path: Path) -> tuple[bytes, list[str]]:
    return path.read_bytes(), sorted(entry.name for entry in path.parent.iterdir())


def test_importing_db_loads_no_library() -> None:
    code = "import sys, db; print(sorted({'duckdb', 'numpy', 'pandas'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_are_found_and_others_are_not() -> None:
    import db

    assert db.Store is Store
    assert set(db.__all__) == set(db._HOMES)
    assert all(getattr(db, name).__name__ == name for name in db.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Stor'"):
        _ = db.Stor


def test_a_store_is_made_closed_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    with Store(path) as store:
        assert repr(store) == f"Store('{path}', open for writing: 0 runs from 0 sources, 0 fits)"
    assert [entry.name for entry in tmp_path.iterdir()] == ["s.duckdb"], "closing leaves no write-ahead log behind"
    with Store.open(path, read_only=True) as store:
        assert store.query("SELECT version, name FROM meta.schema_version") == (
            ["version", "name"],
            [
                (1, "the first schema"),
                (2, "forecasts that are scored"),
                (3, "when runs were first met"),
                (4, "models that were evaluated, and their scores"),
                (5, "examples, and what they are worth"),
                (6, "what logs say of their runs"),
                (7, "what sources lost to others"),
            ],
        )
        with pytest.raises(StoreError, match="open for reading only"), store.transaction():
            pass
    assert repr(store) == f"Store('{path}', closed)"
    store.close()
    with pytest.raises(StoreError, match="is closed"):
        store.query("SELECT 1")


def test_the_file_can_be_read_by_both_versions_of_duckdb(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    Store(path).close()
    head = path.read_bytes()[:4096]
    assert head[8:12] == b"DUCK"
    # DuckDB 1.5 reads file versions 64 to 68; the default of 2.0 is beyond them.
    assert 64 <= int.from_bytes(head[12:20], "little") <= 68


def test_a_statement_that_fails_says_what_is_near(store: Store) -> None:
    with pytest.raises(UsageError) as raised:
        store.query("SELECT n_parms FROM runs_final")
    assert "SELECT n_parms FROM runs_final\n         ^" in raised.value.message
    assert "Did you mean 'n_params'?" in str(raised.value.hint)
    with pytest.raises(UsageError, match="Did you mean 'runs_final'"):
        store.df("SELECT * FROM run_final")
    with pytest.raises(UsageError, match="syntax error"):
        store.query("SELEC 1")
    with pytest.raises(UsageError, match=r"Saved fits are functions in SQL\. There are: none"):
        store.query("SELECT c4(1)")


def test_parameters_frames_and_lists(store: Store) -> None:
    assert store.query("SELECT ? + 1 AS x", [2]) == (["x"], [(3,)])
    assert store.query("SELECT $y AS x", {"y": "it's"}) == (["x"], [("it's",)])
    assert store.df("SELECT 1 AS a UNION ALL SELECT 2 ORDER BY a")["a"].tolist() == [1, 2]


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    def insert(*names: str, then: float = 1) -> None:
        with store.transaction() as connection:
            for name in names:
                connection.execute("INSERT INTO datasets (dataset_id, name) VALUES (?, 'n')", [name]).fetchall()
            assert 1 / then

    with pytest.raises(ZeroDivisionError):
        insert("a", then=0)
    with pytest.raises(UsageError, match=r"[Dd]uplicate key"):
        insert("a", "a")
    assert store.query("SELECT count(*) FROM datasets")[1] == [(0,)]
    insert("a")
    assert store.query("SELECT dataset_id FROM datasets")[1] == [("a",)]


def test_sql_never_reads_the_variables_of_the_program(store: Store) -> None:
    secret = {"x": [1]}  # what DuckDB would find under this name
    with pytest.raises(UsageError, match="secret does not exist"):
        store.query("SELECT * FROM secret")
    assert secret


@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.duckdb", b"\x00\x01garbage\xff" * 5000, "is not a DuckDB database."),
        ("s.duckdb", b"", "is not a DuckDB database (the file is empty)."),
        ("runs.csv", b"run_id,N\na,1\n", "is not a DuckDB database but a text file."),
        ("runs.parquet", b"PAR1" + bytes(5000), "is not a DuckDB database but a Parquet file."),
    ],
)
def test_foreign_files(tmp_path: Path, name: str, content: bytes, message: str, read_only: bool) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    before = _as_found(path)
    with pytest.raises(StoreError) as raised:
        Store(path, read_only=read_only)
    assert message in raised.value.message
    assert "--db" in str(raised.value.hint)
    assert raised.value.exit_code == 3
    assert _as_found(path) == before


@pytest.mark.parametrize("read_only", [True, False])
def test_an_sqlite_file(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "mlflow.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE runs (i INTEGER)")
    connection.commit()
    connection.close()
    before = _as_found(path)
    with pytest.raises(StoreError, match="is not a DuckDB database but an SQLite database"):
        Store(path, read_only=read_only)
    assert _as_found(path) == before


@pytest.mark.parametrize("read_only", [True, False])
def test_another_programs_duckdb_file(tmp_path: Path, read_only: bool) -> None:
    path = tmp_path / "other.duckdb"
    connection = connect(str(path), read_only=False, lock_timeout=0)
    connection.execute("CREATE TABLE sales (i INTEGER)").fetchall()
    connection.close()
    before = _as_found(path)
    with pytest.raises(StoreError, match="is a DuckDB database, but not a store of this package"):
        Store(path, read_only=read_only)
    assert _as_found(path) == before


def test_an_empty_database_becomes_a_store_when_written(tmp_path: Path) -> None:
    path = tmp_path / "empty.duckdb"
    connect(str(path), read_only=False, lock_timeout=0).close()
    with pytest.raises(StoreError, match="is empty"):
        Store(path, read_only=True)
    with Store(path) as store:
        assert store.query("SELECT count(*) FROM runs")[1] == [(0,)]


def test_a_directory_a_missing_file_and_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="is a directory, not a store"):
        Store(tmp_path)
    missing = tmp_path / "no.duckdb"
    for read_only, create in ((True, True), (False, False)):
        with pytest.raises(StoreError, match=r"There is no store .*\n.*scaling ingest FILE") as raised:
            Store(missing, read_only=read_only, create=create)
        assert str(missing) in raised.value.message
    with pytest.raises(StoreError, match="There is no directory"):
        Store(tmp_path / "no" / "s.duckdb")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="cannot be read-only"):
        Store(read_only=True)


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.duckdb"
    Store(path).close()

    def refuse(*_: object, **__: object) -> None:
        raise duckdb.IOException(f'IO Error: Cannot open file "{path}": Permission denied')

    # The superuser may read everything, so the refusal is played.
    monkeypatch.setattr(duckdb, "connect", refuse)
    with pytest.raises(StoreError, match="cannot be read: permission denied"):
        Store(path, read_only=True)
    with pytest.raises(StoreError, match=r"No store can be made in the folder .*: permission denied"):
        Store(tmp_path / "new.duckdb")


@pytest.mark.slow
def test_a_truncated_store_is_named_or_whole_at_every_length(tmp_path: Path, wide: Path) -> None:
    path = tmp_path / "s.duckdb"
    with Store(path) as store:
        store.ingest(wide)
        runs = store.query("SELECT * FROM runs_final ORDER BY run_id")
    whole = path.read_bytes()
    cut = tmp_path / "cut.duckdb"
    lengths = [1, 11, 100, 4096, 8192, 12288, 20000, *range(12288, len(whole), 65536), len(whole) - 1]
    refused = []
    for length in lengths:
        for read_only in (True, False):
            cut.write_bytes(whole[:length])
            try:
                store = Store(cut, read_only=read_only)
            except StoreError as error:
                refused.append((length, error.hint))
                unchanged = cut.read_bytes() == whole[:length]
                assert unchanged, length
                continue
            with store:  # DuckDB had left room at the end, and only that was cut off
                assert store.query("SELECT * FROM runs_final ORDER BY run_id") == runs
    assert all(hint for _, hint in refused)
    assert {length for length, _ in refused} >= set(lengths[: len(lengths) // 2])


def test_a_lock_names_its_process_and_waiting_gets_through(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    Store(path).close()
    command = [sys.executable, "-c", LOCK_HOLDER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        for read_only in (True, False):
            with pytest.raises(StoreError) as raised:
                Store(path, read_only=read_only, lock_timeout=0.05)
            assert f"is locked by process {holder.pid} (python" in raised.value.message
            assert "store.close()" in str(raised.value.hint)
        holder.stdin.write("\n")
        holder.stdin.flush()
        # The holder now ends; until it has, the opening waits.
        with Store(path, lock_timeout=30) as store:
            assert store.query("SELECT count(*) FROM runs")[1] == [(0,)]


def test_the_same_process_is_told_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "s.duckdb"
    with Store(path), pytest.raises(StoreError, match="already open in this process"):
        Store(path, read_only=True)


def test_a_newer_schema_is_refused_and_an_older_one_migrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.duckdb"
    Store(path).close()

    def add_column(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("ALTER TABLE runs ADD COLUMN cluster VARCHAR").fetchall()

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, migrations.Migration(8, "add", add_column)))
        with pytest.raises(StoreError, match=r"schema version 7, older than version 8 .*\nOpen it once for writing"):
            Store(path, read_only=True)
        with Store(path) as store:
            assert store.query("SELECT version FROM meta.schema_version ORDER BY 1")[1] == [
                (1,),
                (2,),
                (3,),
                (4,),
                (5,),
                (6,),
                (7,),
                (8,),
            ]
            assert store.query("SELECT cluster FROM runs")[1] == []
        Store(path, read_only=True).close()
    before = path.read_bytes()
    for read_only in (True, False):
        with pytest.raises(StoreError, match=r"schema version 8; this package knows up to 7.*\n.*upgrade"):
            Store(path, read_only=read_only)
    assert path.read_bytes() == before


def test_a_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.duckdb"
    Store(path).close()

    def half(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("ALTER TABLE runs ADD COLUMN cluster VARCHAR").fetchall()
        connection.execute("SELECT error('no')").fetchall()

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", (*migrations.MIGRATIONS, migrations.Migration(8, "half", half)))
        with pytest.raises(UsageError, match="no"):
            Store(path)
    with Store(path) as store:
        assert store.query("SELECT version FROM meta.schema_version ORDER BY 1")[1] == [(n,) for n in range(1, 8)]
        assert "cluster" not in store.query("SELECT * FROM runs")[0]


def test_a_store_that_cannot_be_made_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: duckdb.DuckDBPyConnection) -> None:
        connection.execute("SELECT error('no')").fetchall()

    monkeypatch.setattr(migrations, "MIGRATIONS", (migrations.Migration(1, "fail", fail),))
    with pytest.raises(UsageError, match="no"):
        Store(tmp_path / "s.duckdb")
    assert os.listdir(tmp_path) == []
