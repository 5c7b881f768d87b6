"""Ad-hoc SQL that can change nothing and reaches nothing outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from db.query import run_readonly, run_select
from db.store import Store
from scaling.errors import StoreError, UsageError


@pytest.fixture
def path(tmp_path: Path, wide: Path) -> Path:
    """A store with three runs."""
    made = tmp_path / "s.duckdb"
    with Store(made) as store:
        store.ingest(wide)
    return made


def test_rows_columns_parameters_and_limits(path: Path) -> None:
    sql = "SELECT run_id, loss FROM runs_final WHERE loss < ? ORDER BY loss"
    assert run_readonly(path, sql, params=[3.2]) == (["run_id", "loss"], [("c", 2.8), ("b", 3.1)])
    assert run_readonly(path, sql, params=[3.2], max_rows=1)[1] == [("c", 2.8)]
    assert run_readonly(path, "WITH x AS (SELECT 1 AS one) SELECT * FROM x;") == (["one"], [(1,)])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM '{file}'",
        "SELECT * FROM read_csv('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM glob('{directory}/*')",
        "COPY runs TO '{directory}/out.csv'",
        "EXPORT DATABASE '{directory}/out'",
        "ATTACH '{directory}/other.duckdb'",
        "ATTACH ':memory:' AS m",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET memory_limit = '100GB'",
        "RESET lock_configuration",
        "INSERT INTO datasets (dataset_id, name) VALUES ('a', 'b')",
        "UPDATE runs SET name = 'x'",
        "DELETE FROM runs",
        "DROP TABLE runs",
        "CREATE TABLE mine (i INTEGER)",
        "CREATE OR REPLACE VIEW runs_final AS SELECT 1",
        "SELECT * FROM path",
    ],
)
def test_what_reaches_outside_or_changes_something_is_denied(path: Path, wide: Path, sql: str) -> None:
    statement = sql.format(file=wide, directory=wide.parent)
    before = path.read_bytes()
    files = sorted(wide.parent.iterdir())
    with pytest.raises(UsageError) as raised:
        run_readonly(path, statement)
    assert raised.value.exit_code == 2
    assert path.read_bytes() == before
    assert sorted(wide.parent.iterdir()) == files


def test_denials_say_what_is_possible(path: Path, wide: Path) -> None:
    with pytest.raises(UsageError, match=r"reaches outside the store.*\n.*scaling ingest FILE"):
        run_readonly(path, f"SELECT * FROM read_csv('{wide}')")
    with pytest.raises(UsageError, match=r"open for reading only.*\n.*ingest and rm"):
        run_readonly(path, "DROP TABLE runs")


def test_mistakes_name_what_is_near(path: Path) -> None:
    with pytest.raises(UsageError, match="Did you mean 'excluded'"):
        run_readonly(path, "SELECT * FROM runs_final WHERE NOT exclude")
    with pytest.raises(UsageError, match="Did you mean 'frontier'"):
        run_readonly(path, "SELECT * FROM frontir")
    with pytest.raises(UsageError, match="Column 'N' of the source was ingested as n_params"):
        run_readonly(path, "SELECT N FROM runs_final")
    with pytest.raises(UsageError, match="there are 2"):
        run_readonly(path, "SELECT 1; SELECT 2")
    for nothing in ("", "  ", "-- a comment"):
        with pytest.raises(UsageError, match="there are 0"):
            run_readonly(path, nothing)
    with pytest.raises(UsageError, match="'lots' is no amount of memory"):
        run_readonly(path, "SELECT 1", memory_limit="lots")


def test_a_query_that_takes_too_long_is_stopped(path: Path) -> None:
    endless = "SELECT count(*) FROM range(100000000) AS a, range(100000) AS b WHERE a.range % 7 = b.range % 11"
    with pytest.raises(StoreError, match=r"stopped after 0.2 s.\n.*--timeout"):
        run_readonly(path, endless, timeout_s=0.2)
    assert run_readonly(path, "SELECT count(*) FROM runs")[1] == [(3,)]


def test_a_query_that_takes_too_much_memory_is_stopped(path: Path) -> None:
    with pytest.raises(StoreError, match="needs more memory"):
        run_readonly(path, "SELECT list(range ORDER BY hash(range)) FROM range(20000000)", memory_limit="60MB")


def test_a_store_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="There is no store"):
        run_readonly(tmp_path / "no.duckdb", "SELECT 1")


def test_a_select_on_an_open_store_can_write_nothing(path: Path) -> None:
    with Store(path) as store:
        assert run_select(store, "SELECT run_id FROM runs_final ORDER BY 1") == (["run_id"], [("a",), ("b",), ("c",)])
        for statement in ("DELETE FROM runs", "COPY runs TO 'x.csv'", "EXPLAIN ANALYZE DELETE FROM runs", "CHECKPOINT"):
            with pytest.raises(UsageError, match="A SELECT statement is needed"):
                run_select(store, statement)
        store.connection.execute("CREATE SEQUENCE s").fetchall()
        with pytest.raises(UsageError, match="read"):
            run_select(store, "SELECT nextval('s')")
        endless = "SELECT count(*) FROM range(100000000) AS a, range(100000) AS b WHERE a.range % 7 = b.range % 11"
        with pytest.raises(StoreError, match=r"stopped after 0.2 s.\n.*allow more time\.$"):
            run_select(store, endless, timeout_s=0.2)
        store.query("DELETE FROM datasets")  # the connection itself still writes
        assert run_select(store, "SELECT count(*) FROM runs")[1] == [(3,)]
