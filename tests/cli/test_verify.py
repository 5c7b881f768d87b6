"""scaling verify: exit codes, rows, and that the store stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest


def change(store: Path, statement: str) -> None:
    """Change the store past the command line."""
    with duckdb.connect(str(store)) as connection:
        connection.execute(statement).fetchall()


def test_a_fit_that_stands(store: Path, ok: Any) -> None:
    before = store.read_bytes()
    answer = ok("verify", "web")
    assert answer.row["status"] == "identical"
    assert (answer.row["n_then"], answer.row["n_now"]) == (29, 29)
    assert answer.row["largest_relative_difference"] == 0
    assert answer.row["moved"] == []
    assert store.read_bytes() == before


@pytest.mark.slow
def test_all_of_them(store: Path, ok: Any) -> None:
    assert [(r["name"], r["status"]) for r in ok("verify", "--all").rows] == [
        ("web", "identical"),
        ("curve", "identical"),
    ]
    assert [r["status"] for r in ok("verify", "--all", "--format", "csv").table] == ["identical", "identical"]


def test_data_that_changed_are_exit_code_1(store: Path, run: Any, ok: Any) -> None:
    ok("rm", "run", "web-11")
    before = store.read_bytes()
    answer = run("verify", "--all")
    assert answer.code == 1
    assert [row["status"] for row in answer.rows] == ["data changed", "data changed"]
    assert "2 of 2 fits are not as they were saved: web (data changed), curve (data changed)" in answer.err
    assert store.read_bytes() == before
    text = run("verify", "web", "--format", "table").out
    assert "29 rows then, 28 now" in text
    assert "run web-11 removed" in text
    assert "standard errors" in text


def test_numbers_that_moved_are_exit_code_1(store: Path, run: Any) -> None:
    change(store, "UPDATE fits SET config = replace(config, '\"seed\": 3', '\"seed\": 4') WHERE name = 'web'")
    answer = run("verify", "web")
    assert answer.code == 1
    assert answer.row["status"] == "numbers moved"
    quantities = {m["quantity"] for m in answer.row["moved"]}
    assert quantities >= {"seed", "replicates", *(f"se of {k}" for k in ("E", "A", "B", "alpha", "beta"))}
    assert "E" not in quantities


def test_rows_that_left_the_store_are_one_exit_code(store: Path, ok: Any, refused: Any) -> None:
    [source] = {row["source_id"] for row in ok("sql", "SELECT source_id FROM sources").rows}
    ok("rm", "source", source)
    for words in (
        ("report", "web"),
        ("profile", "web", "--parameter", "E"),
        ("backtest", "web"),
        ("plan", "web", "--budget", "1e20", "--target", "1e22"),
    ):
        err = refused(4, *words).err
        assert "rows of the fit 'web' are no longer in the store: 29 rows then, none now" in err
        assert "forecast, allocate and compare still work" in err
        assert "scaling ingest" in err
    assert ok("forecast", "web", "--params", "1B", "--tokens", "20B").row["fit"] == "web"


def test_a_damaged_fit_is_exit_code_3_alone_and_a_row_among_others(store: Path, run: Any, refused: Any) -> None:
    change(store, "UPDATE fits SET fit = '{\"json_version\": 1}' WHERE name = 'web'")
    assert "What is stored of the fit 'web' is damaged" in refused(3, "verify", "web").err
    answer = run("verify", "--all")
    assert answer.code == 1
    assert [(row["name"], row["status"]) for row in answer.rows] == [("web", "damaged"), ("curve", "identical")]


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("SELECT 1 WHERE false", "It gives the columns 1, and not run_id, N, D, observed, status"),
        ("SELECT * FROM read_csv(''{file}'')", "reaches outside the store"),
    ],
)
def test_an_sql_text_exchanged_with_its_hash_is_exit_code_3(
    sql: str, why: str, store: Path, write: Any, refused: Any
) -> None:
    text = sql.format(file=write("rows.csv", "run_id,N,D,observed,status\nx,1e8,1e9,3,ok\n"))
    change(store, f"UPDATE fits SET query_sql = '{text}', query_sha256 = sha256('{text}') WHERE name = 'web'")
    err = refused(3, "verify", "web").err
    assert "What is stored of the fit 'web' is damaged: its SQL can no longer be used: " in err
    assert why in " ".join(err.split())


@pytest.mark.parametrize("words", [(), ("web", "--all")])
def test_one_or_all(words: tuple[str, ...], store: Path, refused: Any) -> None:
    assert "Name one fit to verify, or ask for --all" in refused(2, "verify", *words).err


def test_a_name_that_is_none(store: Path, refused: Any) -> None:
    assert "Did you mean 'web'?" in refused(2, "verify", "wbe").err
