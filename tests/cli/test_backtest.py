"""The commands backtest, fit auto, and what a forecast says of its own back-test."""

from __future__ import annotations

import shlex

import pytest

WEB = ("--where", "corpus = 'web'")


@pytest.fixture
def tested(ok, store):
    ok("fit", "chinchilla", *WEB, "--name", "tested", "--bootstrap", "60")
    return store


def test_a_fit_is_back_tested_unless_told_not_to(ok, tested, query):
    assert query("SELECT count(*) > 5 FROM predictions WHERE kind = 'backtest'") == [(True,)]
    ok("fit", "chinchilla", *WEB, "--name", "plain", "--bootstrap", "0", "--no-backtest")
    assert query("SELECT json_extract(fit, '$.backtest') = 'null' FROM fits WHERE name = 'plain'") == [(True,)]
    assert query("SELECT count(*) FROM predictions JOIN fits USING (fit_id) WHERE name = 'plain'") == [(0,)]


def test_back_test_of_a_fit(ok, tested):
    answer = ok("backtest", "tested", "--bootstrap", "20")
    rows = answer.rows
    assert [row["factor_from"] for row in rows] == sorted(row["factor_from"] for row in rows)
    assert {"n", "runs", "cuts", "bias", "rms", "coverage", "level", "axis", "objective"} <= set(rows[0])
    assert [row["undefined"] for row in rows] == [0] * len(rows)
    assert rows[0]["axis"] == "6*N*D"
    assert all(0 < row["rms"] < 0.05 for row in rows)
    assert "Kept with the fit tested" in answer.err
    table = ok("backtest", "tested", "--format", "table")
    assert "rms error" in table.out
    assert "a positive error is a forecast that was too high" in table.err


def test_back_test_of_a_law(ok, store, query):
    before = query("SELECT count(*) FROM predictions")
    answer = ok("backtest", "multiplicative", *WEB, "--objective", "squared", "--bootstrap", "0")
    assert answer.rows[0]["law"] == "multiplicative"
    assert answer.rows[0]["objective"] == "squared on log residuals"
    assert "Not kept" in answer.err
    assert query("SELECT count(*) FROM predictions") == before


def test_cut_offs_that_were_not_tried_are_named(ok, store):
    answer = ok("backtest", "chinchilla", "--where", "corpus = 'web' AND n_params > 1e9", "--bootstrap", "0")
    assert answer.rows == []
    assert "No back-test is possible: " in answer.err
    assert "rows are left for the 5 parameters" in answer.err


def test_a_forecast_quotes_its_back_test_and_its_parts(ok, tested):
    answer = ok("forecast", "tested", "--params", "5e9", "--tokens", "1.5e11")
    row = answer.row
    assert set(row["parts"]) == {"parameters", "noise", "back-test"}
    assert sum(row["parts"].values()) == pytest.approx(1)
    assert row["lost_share"] == 0
    assert row["backtest"].startswith("Back-test at x2.5: ")
    assert "Of the squared width: " in answer.err
    assert row["backtest"] in answer.err
    two = ok("forecast", "tested", "--params", "5e9", "--tokens", "1.5e11", "--params", "1e9", "--tokens", "2e10").err
    assert f"5B parameters on 150B tokens: {row['backtest']}" in two
    assert "1B parameters on 20B tokens: Of the squared width: " in two
    far = ok("forecast", "tested", "--params", "1e13", "--tokens", "1e15").row
    assert far["backtest"].startswith("No back-test is possible at x")


def test_a_forecast_without_a_back_test_says_so(ok, store):
    ok("fit", "chinchilla", *WEB, "--name", "plain", "--bootstrap", "60", "--no-backtest")
    row = ok("forecast", "plain", "--params", "5e9", "--tokens", "1.5e11").row
    assert set(row["parts"]) == {"parameters", "noise"}
    assert "takes the form of the law as true" in row["backtest"]


def test_landed_runs_score_old_forecasts(ok, tested, write):
    ok("forecast", "tested", "--params", "5e9", "--tokens", "1.5e11", "--save")
    waiting = ok("backtest", "--landed")
    assert waiting.rows == []
    assert "1 forecast waits for a run" in waiting.err
    said = ok("forecast", "tested", "--params", "5e9", "--tokens", "1.5e11").row
    ok("ingest", write("big.csv", f"run_id,corpus,N,D,loss\nbig,web,5e9,1.5e11,{said['loss']}\n"))
    answer = ok("backtest", "--landed", "tested")
    row = answer.row
    assert (row["run_id"], row["inside"], row["new"]) == ("big", True, True)
    assert row["error"] == pytest.approx(0, abs=1e-9)
    assert "1 of 1 intervals held the outcome (100 %; nominal 90 %)" in answer.err
    again = ok("backtest", "--landed").row
    assert again == row | {"new": False}
    assert "big" in ok("backtest", "--landed", "--format", "table").out


def test_auto_chooses_saves_and_prints_the_table(ok, store, query):
    answer = ok("fit", "auto", "--family", "chinchilla,multiplicative", *WEB, "--name", "best", "--bootstrap", "20")
    rows = answer.rows
    assert rows[0]["verdict"] == "chosen"
    assert rows[0]["law"] == "chinchilla"
    assert [row["rank"] for row in rows] == list(range(1, len(rows) + 1))
    assert sum(row["weight"] for row in rows) == pytest.approx(1)
    assert query("SELECT law, json_array_length(fit, '$.rivals') FROM fits WHERE name = 'best'") == [("chinchilla", 1)]
    forecast = ok("forecast", "best", "--params", "5e9", "--tokens", "1.5e11").row
    assert set(forecast["parts"]) == {"parameters", "noise", "form", "back-test"}
    assert "of parameters and scatter alone held" in forecast["backtest"]
    from db.saved import load_fit
    from db.store import Store

    with Store(store, read_only=True) as opened:
        first = load_fit(opened, "best")
    ok(*shlex.split(first.command)[1:], "--replace")
    with Store(store, read_only=True) as opened:
        assert load_fit(opened, "best").fit == first.fit
        assert load_fit(opened, "best").command == first.command
    assert ok("verify", "best").row["status"] == "identical"
    shown = ok(
        "fit", "auto", "--family", "chinchilla", *WEB, "--name", "shown", "--bootstrap", "0", "--format", "table"
    )
    assert "chosen" in shown.out
    assert "saved as shown" in shown.err


def test_calls_that_make_no_sense_are_refused(refused, store):
    assert "Name a law or a fit" in refused(2, "backtest").err
    assert "takes no --where" in refused(2, "backtest", "--landed", "--where", "true").err
    assert "saved fit and has its own rows" in refused(2, "backtest", "web", "--where", "true").err
    assert "no law 'chincilla'" in refused(2, "backtest", "chincilla").err
    assert "takes no --objective" in refused(2, "fit", "auto", "--objective", "lad").err
    assert "--family goes with LAW auto" in refused(2, "fit", "chinchilla", "--family", "compute_optimal").err
    assert "kaplan_n (of N)" in refused(2, "fit", "auto", "--family", "kaplan").err
    unknown = refused(2, "fit", "auto", "--family", "compute_optimol").err
    assert "There is no family and no law 'compute_optimol'" in unknown
    assert "Did you mean 'compute_optimal'?" in unknown
    assert "not one a group" in refused(2, "fit", "auto", "--by", "corpus").err
    assert "--tolerance is a share" in refused(2, "backtest", "--landed", "--tolerance", "3").err
    assert "no fit 'nothing'" in refused(2, "backtest", "--landed", "nothing").err
