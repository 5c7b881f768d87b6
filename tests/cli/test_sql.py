"""scaling sql and scaling schema: the store by its own language, with the seat-belt on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest


class TestStatement:
    def test_as_an_argument(self, store: Path, ok: Any) -> None:
        assert ok("sql", "SELECT count(*) AS n FROM runs_final").rows == [{"n": 60}]

    def test_from_standard_input(self, store: Path, ok: Any) -> None:
        assert ok("sql", "-", stdin="SELECT count(*) AS n\nFROM runs_final;\n").rows == [{"n": 60}]

    def test_from_a_file(self, store: Path, ok: Any, write: Any) -> None:
        write("query.sql", "-- how many\nSELECT count(*) AS n FROM runs_final")
        assert ok("sql", "@query.sql").rows == [{"n": 60}]

    def test_parameters(self, store: Path, ok: Any) -> None:
        sql = "SELECT run_id FROM runs_final WHERE n_params > $least AND corpus = $corpus ORDER BY 1 LIMIT 2"
        rows = ok("sql", sql, "--param", "least=1e9", "--param", "corpus=web").rows
        assert rows == [{"run_id": "web-40"}, {"run_id": "web-41"}]

    def test_a_parameter_is_a_value_and_never_code(self, store: Path, ok: Any) -> None:
        rows = ok("sql", "SELECT run_id FROM runs_final WHERE run_id = $x", "--param", "x=' OR '1'='1").rows
        assert rows == []

    def test_saved_fits_are_functions(self, store: Path, ok: Any) -> None:
        residual = "SELECT run_id, loss - web(n_params, n_tokens) AS residual FROM runs_final"
        rows = ok("sql", f"{residual} WHERE corpus = 'web' AND loss > 0 ORDER BY abs(residual) DESC").rows
        assert len(rows) == 29
        assert 0 < abs(rows[0]["residual"]) < 0.03  # the scatter of the log is 0.2 %

    def test_the_views_are_there(self, store: Path, ok: Any) -> None:
        for view in ("runs_final", "runs_wide", "frontier", "fit_latest"):
            assert ok("sql", f"SELECT * FROM {view} LIMIT 1").rows

    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            (["SELECT los FROM runs_final"], 2, "Did you mean 'loss'?"),
            (["SELECT * FROM run_final"], 2, "Did you mean 'runs_final'?"),
            (["SELECT wep(1, 2)"], 2, "Did you mean 'web'?"),
            (["SELEC 1"], 2, "syntax error"),
            (["SELECT 1; SELECT 2"], 2, "there are 2"),
            ([""], 2, "there are 0"),
            (["SELECT $x", "--param", "x"], 2, "NAME=VALUE"),
            (["SELECT $x"], 2, "x"),
            (["@nofile.sql"], 4, "nofile.sql cannot be read"),
            (["SELECT 1", "--memory", "much"], 2, "512MB"),
            (["SELECT 1", "--timeout", "0"], 2, "--timeout"),
        ],
    )
    def test_words_that_make_no_sense(self, words: list[str], code: int, said: str, store: Path, refused: Any) -> None:
        assert said in refused(code, "sql", *words).err

    def test_text_that_is_no_text(self, store: Path, refused: Any, tmp_path: Path) -> None:
        (tmp_path / "latin.sql").write_bytes(b"SELECT '\xe9'")
        assert "latin.sql is not UTF-8 text" in refused(4, "sql", "@latin.sql").err
        assert "not UTF-8 text" in refused(4, "sql", "SELECT '\udcff'").err


class TestSeatBelt:
    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM runs",
            "UPDATE runs SET n_params = 1",
            "DROP TABLE fits",
            "INSERT INTO audit SELECT * FROM audit",
            "CREATE TABLE t (x INTEGER)",
            "CREATE OR REPLACE MACRO web(a, b) AS 0",
        ],
    )
    def test_nothing_is_written(self, statement: str, store: Path, refused: Any) -> None:
        assert "reading only" in refused(2, "sql", statement).err

    @pytest.mark.parametrize(
        "statement",
        [
            "SELECT * FROM read_csv('/etc/passwd')",
            "SELECT * FROM read_text('secret.txt')",
            "SELECT * FROM glob('*')",
            "COPY runs TO 'out.csv'",
            "ATTACH 'other.duckdb'",
        ],
    )
    def test_no_file_is_reached(self, statement: str, store: Path, refused: Any, write: Any, tmp_path: Path) -> None:
        write("secret.txt", "the secret")
        answer = refused(2, "sql", statement)
        assert "the secret" not in answer.err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["scaling.duckdb", "secret.txt"]

    def test_the_belt_cannot_be_taken_off(self, store: Path, refused: Any) -> None:
        assert "lock" in refused(2, "sql", "SET enable_external_access = true").err

    def test_time_is_limited(self, store: Path, refused: Any) -> None:
        answer = refused(
            3, "sql", "SELECT count(*) FROM range(100000000000) AS a(i) WHERE i % 7 = 3", "--timeout", "0.2"
        )
        assert "stopped after 0.2 s" in answer.err
        assert "--timeout" in answer.err

    def test_memory_is_limited(self, store: Path, refused: Any) -> None:
        sql = "SELECT list(i) AS x FROM range(50000000) AS r(i)"
        assert "memory" in refused(3, "sql", sql, "--memory", "50MB").err

    def test_the_help_calls_it_a_seat_belt(self, ok: Any) -> None:
        assert "not a sandbox" in ok("sql", "--help").out


class TestSchema:
    def test_every_column_says_what_it_is(self, store: Path, ok: Any) -> None:
        rows = ok("schema").rows
        names = {row["table_name"] for row in rows}
        assert {"runs", "metrics", "fits", "audit", "runs_final", "runs_wide", "frontier", "fit_latest"} <= names
        assert [row for row in rows if not row["comment"]] == []

    def test_one_table(self, store: Path, ok: Any) -> None:
        rows = ok("schema", "runs_final").rows
        assert {row["table_name"] for row in rows} == {"runs_final"}
        assert [row["column_name"] for row in rows][:5] == ["run_id", "name", "n_params", "n_tokens", "compute_flop"]
        comments = {row["column_name"]: row["comment"] for row in rows}
        assert "unit: parameters" in comments["n_params"]
        assert "'lr'" in comments["lr"]

    def test_no_such_table(self, store: Path, refused: Any) -> None:
        assert "Did you mean 'runs_final'?" in refused(2, "schema", "run_final").err
