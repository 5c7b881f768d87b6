"""Every saved fit is a SQL function: in `scaling sql`, in DuckDB without this package, and equal to Python."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pytest

import scaling
from db.saved import load_fit
from db.store import Store

QUICK = ("--bootstrap", "0", "--no-backtest")  # back-tests have tests of their own
# Inputs that no column of the store has by itself.
INPUTS = {
    "broken_line": ("s=1 + 300 / power(n_params, 0.3)",),
    "imitation": ("n=n_tokens",),
    "power": ("x=n_tokens",),
    "power_floor": ("x=compute_flop",),
    "shifted_power": ("x=1 + 300 / power(n_params, 0.3)",),
    "offset_power": ("x=1 + 300 / power(n_params, 0.3)",),
    "log_log": ("x=1 + 300 / power(n_params, 0.3)",),
    "affine": ("x=1 + 300 / power(n_params, 0.3)",),
    "quadratic": ("x=1 + 300 / power(n_params, 0.3)",),
    "log_quadratic": ("x=1 + 300 / power(n_params, 0.3)",),
    "data_constrained": ("U=n_tokens / (1 + sqrt(n_tokens / 5e8))",),
    "repeated_pools": ("U=n_tokens / (1 + n_tokens % 7)",),
    "data_constrained_decay": ("U=n_tokens / (1 + sqrt(n_tokens / 5e8))",),
    "downstream_error": ("L=1 + 300 / power(n_params, 0.3)",),
    "capped_power": ("x=1 + 300 / power(n_params, 0.3)",),
    "chance_sigmoid": ("x=1 + 300 / power(n_params, 0.3)",),
    "kaplan_steps": ("S=n_tokens / 1e5",),
    "gemstones": ("w=power(n_params, 0.4)", "l=power(n_params, 0.15)"),
    "precision": ("P_w=2 + n_params % 13", "P_a=2 + n_params % 11", "P_kv=2 + n_tokens % 7"),
    "boundary_in_time": ("year=2023 + (n_tokens % 7) / 4",),
    "shared_exponents": ("g=CAST(n_params > 1e8 AS INTEGER)",),
    "steps_to_target": ("B=16 + n_tokens / 1e6",),
    "steps_to_target_power": ("B=16 + n_tokens / 1e6",),
    "steps_to_target_sharp": ("B=16 + n_tokens / 1e6",),
    "tokens_to_target": ("B=2e4 + n_tokens / 1e4",),
    "critical_batch_loss": ("L=1 + 300 / power(n_params, 0.3)",),
    "noise_scale": ("T=n_tokens",),
    "three_term": ("S=n_tokens / (2e4 + sqrt(n_params))", "B=2e4 + sqrt(n_params)"),
    "coupled_learning_rate": ("B=2e4 + 1e4 * (n_params % 7)",),
    "ema_timescale": ("R=n_tokens / n_params",),
    "tuned_loss": ("B=2e5 + 1e5 * (n_params % 7)", "lr=1e-3 + 1e-3 * (n_tokens % 5)"),
    "optimal_weight_decay": ("B=2e4 + 1e4 * (n_params % 7)", "lr=1e-3 + 1e-3 * (n_tokens % 5)"),
}

# Their formulas take seconds to differentiate.
SLOW = ("data_constrained", "farseer", "gemstones", "precision", "repeated_pools", "tuned_loss")
BOOK = [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in scaling.law_names()]


@pytest.mark.parametrize("law", BOOK)
def test_agrees_with_python_for_every_law_of_the_book(law: str, store: Any, ok: Any) -> None:
    inputs = [word for one in INPUTS.get(law, ()) for word in ("--input", one)]
    row = ok("fit", law, *inputs, "--where", "corpus = 'web'", *QUICK, "--name", "mine").row
    with Store(store, read_only=True) as opened:
        saved = load_fit(opened, "mine")
    columns = [saved.columns[name] for name in saved.fit.law.inputs]
    sql = f"SELECT {', '.join(columns)}, mine({', '.join(columns)}) AS predicted FROM runs_final WHERE corpus = 'web'"
    rows = ok("sql", f"{sql} AND loss_status = 'ok'").rows
    assert len(rows) == 29
    values = np.array([list(row.values()) for row in rows])
    inputs_ = dict(zip(saved.fit.law.inputs, values[:, :-1].T, strict=True))
    expected = saved.fit.evaluate(inputs_)[0]
    assert np.all(np.isfinite(expected))
    np.testing.assert_allclose(values[:, -1], expected, rtol=1e-12, atol=0)
    assert row["n_obs"] == 29


def test_outside_the_domain_of_a_law_there_is_no_number(store: Any, ok: Any) -> None:
    """Below the shift, a power of a negative number: NaN in Python, and NaN in SQL, never an error or a value."""
    # The loss less 1, to the power of 1.5: with an exponent of exactly 1 there is no such place.
    bent = "x=power(0.8 + 480 / power(n_params, 0.35) + 2100 / power(n_tokens, 0.37), 1.5) + 1"
    words = ("--input", bent, "--where", "corpus = 'web'", *QUICK, "--name", "mine")
    ok("fit", "shifted_power", *words)
    row = ok("sql", "SELECT isnan(mine(0.001)) AS low, isfinite(mine(9.0)) AS high").row
    assert row == {"low": True, "high": True}


def test_works_in_duckdb_alone(store: Any, ok: Any) -> None:
    expected = ok("forecast", "web", "--params", "70B", "--tokens", "1.4T").row["loss"]
    with duckdb.connect(str(store), read_only=True) as connection:
        for call in ("web(70e9, 1.4e12)", "WEB(70e9, 1.4e12)", '"Web"(70000000000, 1400000000000)'):
            assert connection.execute(f"SELECT {call}").fetchall() == [(pytest.approx(expected, rel=1e-12),)]
        [(total,)] = connection.execute("SELECT count(web(n_params, n_tokens)) FROM runs_final").fetchall()
        assert total == 60


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("epoch", "SQL function"),
        ("ifnull", "SQL function"),
        ("try", "SQL"),
        ("table", "SQL keyword"),
        ("latest", "newest fit"),
        ("9a", "no digit first"),
        ("a b", "letters, digits and underscores"),
        ("état", "letters, digits and underscores"),
        ("x" * 65, "at most 64"),
    ],
)
def test_names_that_would_not_work_are_refused_with_one_that_does(
    name: str, why: str, store: Any, refused: Any, ok: Any
) -> None:
    err = refused(2, "fit", "chinchilla", *QUICK, "--name", name).err
    assert why in err
    suggested = err.split("Take '")[1].split("'")[0]
    ok("fit", "chinchilla", *QUICK, "--name", suggested)
    assert ok("sql", f"SELECT {suggested}(1e9, 1e10) > 1 AS answer").rows == [{"answer": True}]


def test_a_name_that_is_taken(store: Any, refused: Any, ok: Any) -> None:
    err = refused(2, "fit", "chinchilla", *QUICK, "--name", "Web").err
    assert "already has a fit 'Web'" in err
    assert "--replace" in err
    old = ok("sql", "SELECT web(1e9, 1e10) AS y").row["y"]
    new = ok("fit", "chinchilla", "--where", "corpus = 'code'", *QUICK, "--name", "Web", "--replace").row
    assert ok("sql", "SELECT web(1e9, 1e10) AS y").row["y"] != old
    assert [row["name"] for row in ok("fits").rows] == ["curve", "Web"]
    assert new["name"] == "Web"


def test_a_name_that_was_removed_is_free_again(store: Any, refused: Any, ok: Any) -> None:
    ok("rm", "fit", "web")
    assert "web" in refused(2, "sql", "SELECT web(1e9, 1e10)").err
    ok("fit", "chinchilla", *QUICK, "--name", "web")
    assert ok("sql", "SELECT web(1e9, 1e10) > 1 AS answer").rows == [{"answer": True}]


def test_two_inputs_from_one_column(store: Any, ok: Any) -> None:
    words = ("--param", "A=0:", "--param", "B=0:", "--param", "a=0.2:0.4", "--param", "b=-0.1:0.1")
    table = ok(
        "fit", "A/M**a + B/K**b", "--input", "M=n_params", "--input", "K=n_params", *words, *QUICK, "--name", "two",
        "--format", "table",
    ).out  # fmt: skip
    assert "in SQL: two(x1, x2)" in table
    forecast = ok("forecast", "two", "--at", "M=1e9,K=1e9", "--force").row["y"]
    assert ok("sql", "SELECT two(1e9, 1e9) AS y").row["y"] == pytest.approx(forecast, rel=1e-12)


def test_integers_are_taken_as_numbers(store: Any, ok: Any) -> None:
    """An integer argument must not turn the power into integer arithmetic."""
    whole, real = (ok("sql", f"SELECT web({n}, {d}) AS y").row["y"] for n, d in (("10", "10"), ("10.0", "1e1")))
    assert whole == real


def test_null_gives_null(store: Any, ok: Any) -> None:
    assert ok("sql", "SELECT web(NULL, 1e9) AS y").rows == [{"y": None}]
