"""A condition is code: it chooses rows of this store, and can do nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

QUICK = ("--bootstrap", "0", "--no-backtest")  # back-tests have tests of their own


@pytest.mark.parametrize(
    "where",
    [
        "1=1; DROP TABLE runs",
        "1=1; DELETE FROM runs; --",
        "1=1); DROP TABLE runs; --",
        "1=1) UNION SELECT 'x', 1, 1, 1, 'ok' FROM (SELECT 1 WHERE 1=1",
        "1=1) OR (1=1",
        "(loss < 3",
        "loss < 3)",
        "loss <",
        "loss < 3 ORDER BY loss",
        "loss < 3 LIMIT 1",
        "loss < 3, corpus = 'web'",
        "loss < 3 /* never closed",
        "",
        "  ",
        "DROP TABLE runs",
        "loss < '",
    ],
)
def test_what_is_not_one_condition_is_refused(where: str, store: Path, refused: Any) -> None:
    assert "--where takes one SQL expression" in refused(2, "fit", "chinchilla", *QUICK, "--where", where).err


@pytest.mark.parametrize(
    "text", ["n_params; DROP TABLE runs", "n_params) AS N, (n_tokens", "n_params, n_tokens", "(n_params", "n_params AS"]
)
def test_what_is_not_one_input_is_refused(text: str, store: Path, refused: Any) -> None:
    assert "--input takes one SQL expression" in refused(2, "fit", "chinchilla", *QUICK, "--input", f"N={text}").err


@pytest.mark.parametrize(
    ("where", "n"),
    [
        ("corpus = 'web' -- and no more", 29),
        ("corpus = 'web' /* and no more */", 29),
        ("(corpus = 'web')", 29),
        ("corpus = 'web' OR corpus = 'code'", 58),  # brackets are put around it
        ("corpus = ';' OR corpus = 'web'", 29),
        ("corpus IN ('web', '--', ')')", 29),
        ("corpus\n= 'web'", 29),
        ("n_params > (SELECT median(n_params) FROM runs_final)", 28),
        ("run_id IN (SELECT run_id FROM runs WHERE corpus = 'code')", 29),
    ],
)
def test_what_is_one_condition_is_taken(where: str, n: int, store: Path, ok: Any) -> None:
    assert ok("fit", "chinchilla", *QUICK, "--where", where).row["n_obs"] == n


def test_the_condition_is_bracketed_before_anything_is_added(store: Path, ok: Any) -> None:
    """An OR must not reach past the metric or the rows that cannot be fitted."""
    row = ok("fit", "chinchilla", *QUICK, "--where", "corpus = 'web' OR corpus = 'code'", "--metric", "loss").row
    assert row["n_obs"] == 58
    assert row["excluded"] == {"the loss is inf": 1, "the loss is nan": 1}


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("corpsu = 'web'", "Did you mean 'corpus'?"),
        ("N > 1e8", "n_params"),
        ("corpus = 'web' AND web(n_params) > 1", "web"),
        ("corpus > 5", ""),
        ("nosuch(loss)", "nosuch"),
    ],
)
def test_names_that_are_not_there(where: str, said: str, store: Path, refused: Any) -> None:
    assert said in refused(2, "fit", "chinchilla", *QUICK, "--where", where).err


@pytest.mark.parametrize(
    "where",
    [
        "run_id IN (SELECT * FROM read_csv('secret.csv'))",
        "run_id IN (SELECT * FROM 'secret.csv')",
        "run_id = (SELECT content FROM read_text('secret.csv'))",
        "run_id IN (SELECT file FROM glob('*'))",
    ],
)
def test_no_file_is_reached(where: str, store: Path, refused: Any, write: Any) -> None:
    write("secret.csv", "the secret\n")
    answer = refused(2, "fit", "chinchilla", *QUICK, "--where", where)
    assert "the secret" not in answer.err


def test_the_sql_that_is_kept_selects_the_rows_again(store: Path, ok: Any) -> None:
    row = ok("fit", "chinchilla", *QUICK, "--where", "corpus = 'web' -- c", "--cluster", "n_params").row
    rows = ok("sql", row["sql"]).rows
    assert len(rows) == 30
    assert list(rows[0]) == ["run_id", "N", "D", "observed", "status", "cluster"]
