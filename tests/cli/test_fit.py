"""scaling fit, fits, laws: from a question in words to a saved fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import scaling

WEB = ("--where", "corpus = 'web'")
QUICK = ("--bootstrap", "0", "--no-backtest")  # back-tests have tests of their own
MY_LAW = """\
[mine]
title = "One floor, one power"
formula = "L0 + K * C**-c"
inputs = { C = "FLOP" }
predicts = { loss = "nats/token" }
parameters.L0 = { low = 0, high = "min(loss)" }
parameters.K = { low = 1e-2, high = 1e9 }
parameters.c = { low = 0.01, high = 2 }
"""


def estimates(row: dict[str, Any]) -> dict[str, float]:
    return {name: entry["estimate"] for name, entry in row["parameters"].items()}


class TestTheRow:
    def test_holds_what_is_promised(self, store: Any, ok: Any, web_runs: Any, query: Any) -> None:
        row = ok("fit", "chinchilla", *WEB, "--name", "c4", "--bootstrap", "40", "--no-backtest").row
        assert row["law"] == "chinchilla"
        assert row["objective"] == "huber(0.001) on log residuals"
        assert row["n_obs"] == len(web_runs["loss"]) == 29
        assert row["verdict"] == "ok"
        assert list(row["parameters"]) == ["E", "A", "B", "alpha", "beta"]
        for entry in row["parameters"].values():
            assert list(entry) == ["estimate", "low", "high", "se"]
            assert entry["low"] < entry["estimate"] < entry["high"]
            assert 0 < entry["se"] < entry["estimate"]
        assert query("SELECT fit_id, name, verdict FROM fits WHERE name = 'c4'") == [(row["fit_id"], "c4", "ok")]

    def test_agrees_with_the_engine_to_the_last_digit(self, store: Any, ok: Any, web_runs: Any) -> None:
        row = ok("fit", "chinchilla", *WEB, "--bootstrap", "40", "--no-backtest", "--seed", "5", "--level", "0.8").row
        inputs = {"N": web_runs["N"], "D": web_runs["D"]}
        expected = scaling.fit("chinchilla", inputs, web_runs["loss"], bootstrap=40, seed=5)
        assert estimates(row) == expected.estimates
        assert row["objective_value"] == expected.objective_value
        for name, entry in row["parameters"].items():
            assert (entry["low"], entry["high"]) == expected.interval(name, 0.8)
            assert entry["se"] == expected.standard_errors[name]

    def test_for_people(self, store: Any, ok: Any) -> None:
        answer = ok("fit", "chinchilla", *WEB, *QUICK, "--name", "c4", "--format", "table", "--level", "0.9")
        assert "huber(0.001) on log residuals" in answer.out
        assert "90 % interval" in answer.out
        assert "verdict: ok" in answer.out
        assert "in SQL: c4(n_params, n_tokens)" in answer.out
        assert "left out: 30 runs, not selected by the condition" in answer.err
        assert "left out: 1 run, the loss is nan" in answer.err

    def test_the_unit_is_assumed_until_the_store_knows_it(self, store: Any, ok: Any, write: Any) -> None:
        first = ok("fit", "chinchilla", *WEB, *QUICK, "--format", "table").out
        assert "loss (nats/token, assumed)" in first
        log = write("more.csv", "run_id,corpus,N,D,loss\nx,web,1e9,2e10,2.6\n")
        unit = write("unit.toml", '[metrics]\nloss = { column = "loss", unit = "bits/byte" }\n')
        ok("ingest", log, "--mapping", unit)
        assert "loss (bits/byte) =" in ok("fit", "chinchilla", *WEB, *QUICK, "--format", "table").out


class TestWhichLaw:
    def test_a_name_in_the_book(self, store: Any, ok: Any) -> None:
        assert ok("fit", "skaling", *WEB, *QUICK).row["law"] == "skaling"

    def test_a_file(self, store: Any, ok: Any, write: Any, web_runs: Any) -> None:
        write("my_law.toml", MY_LAW)
        row = ok("fit", "my_law.toml", *WEB, *QUICK).row
        expected = scaling.fit("my_law.toml", {"C": web_runs["C"]}, web_runs["loss"], bootstrap=0)
        assert row["law"] == "mine"
        assert row["name"] == "mine_1"
        assert estimates(row) == expected.estimates

    @pytest.mark.parametrize("how", [[], ["--formula"]])
    def test_a_formula_with_bounds(self, how: list[str], store: Any, ok: Any, web_runs: Any) -> None:
        bounds = {"E": {"low": 0.0, "high": 3.0}, "A": {"low": 0.0}, "alpha": {"low": 0.01, "high": 2.0}}
        words = [w for k, b in bounds.items() for w in ("--param", f"{k}={b['low']}:{b.get('high', '')}")]
        row = ok("fit", *how, "E + A/N**alpha", *words, *WEB, *QUICK, "--residual", "linear").row
        expected = scaling.fit(
            "E + A/N**alpha", {"N": web_runs["N"]}, web_runs["loss"], parameters=bounds, bootstrap=0, residual="linear"
        )
        assert row["formula"] == "E + A/N**alpha"
        assert estimates(row) == expected.estimates

    def test_a_bound_that_binds(self, store: Any, ok: Any) -> None:
        words = ("--param", "E=0:1", "--param", "A=0:", "--param", "alpha=0.01:2")
        row = ok("fit", "E + A/x**alpha", "--input", "x=compute_flop", *words, *WEB, *QUICK).row
        assert row["parameters"]["E"]["estimate"] == 1
        assert any("E" in reason and "bound" in reason for reason in row["reasons"])

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["chinchila"], "Did you mean 'chinchilla'?"),
            (["nofile.toml"], "no file nofile.toml"),
            (["E + A/N**"], "E + A/N**\n"),
            (["E + __import__('os')/N"], "^"),
            (["E + A/q**alpha"], "is an input"),
            (["E + A/N**alpha", "--param", "alpha=2"], "alpha=0.01:2"),
            (["E + A/N**alpha", "--param", "alhpa=0:2"], "Did you mean 'alpha'?"),
            (["chinchilla", "--param", "alpha=0:1"], "has its own"),
            (["chinchilla", "--formula", "E + A/N"], "one law"),
            ([], "one law"),
            (["chinchilla", "--input", "M=n_params"], "no input 'M'"),
            (["chinchilla", "--input", "N"], "NAME=VALUE"),
            (["E + A/x**alpha", "--input", "x=compute_flopp"], "Did you mean 'compute_flop'?"),
            (["chinchilla", "--start", "E=1"], "every parameter"),
            (["chinchilla", "--objective", "hubert"], "huber"),
            (["chinchilla", "--residual", "logg"], "log"),
            (["chinchilla", "--objective", "lad", "--delta", "0.1"], "belongs to the objective 'huber'"),
            (["chinchilla", "--metric", "los"], "Did you mean 'loss'?"),
            (["chinchilla", "--by", "corpse"], "Did you mean 'corpus'?"),
            (["chinchilla", "--cluster", "corpse"], "Did you mean 'corpus'?"),
            (["chinchilla", "--level", "1"], "between 0 and 1"),
            (["chinchilla", "--fail-on", "week"], "Did you mean 'weak'?"),
            (["chinchilla", "--name", "web"], "--replace"),
            (["chinchilla", "--name", "WEB"], "--replace"),
        ],
    )
    def test_words_that_make_no_sense(self, words: list[str], said: str, store: Any, refused: Any) -> None:
        assert said in refused(2, "fit", *words, *QUICK).err


class TestWhichRows:
    def test_another_metric(self, ok: Any, write: Any, web_runs: Any) -> None:
        """The loss of each run twice, once as another metric, three times as large."""
        rows = zip(*(web_runs[name].tolist() for name in ("N", "D", "loss")), strict=True)
        lines = [f"r{i},{n!r},{d!r},{y!r},{3 * y!r}" for i, (n, d, y) in enumerate(rows)]
        log = write("two.csv", "\n".join(["run_id,N,D,loss,val_loss", *lines]) + "\n")
        ok("ingest", log, "--db", "two.duckdb", "--metric", "loss")
        first = ok("fit", "chinchilla", *QUICK, "--db", "two.duckdb").row
        second = ok("fit", "chinchilla", *QUICK, "--db", "two.duckdb", "--metric", "val_loss").row
        for name in ("alpha", "beta"):
            assert second["parameters"][name]["estimate"] == pytest.approx(
                first["parameters"][name]["estimate"], rel=1e-6
            )
        for name in ("E", "A", "B"):
            assert second["parameters"][name]["estimate"] == pytest.approx(
                3 * first["parameters"][name]["estimate"], rel=1e-5
            )

    def test_one_fit_for_each_value_of_a_column(self, store: Any, ok: Any, web_runs: Any) -> None:
        answer = ok("fit", "chinchilla", *QUICK, "--by", "corpus", "--name", "each")
        assert [(row["name"], row["group_by"], row["group_value"]) for row in answer.rows] == [
            ("each_code", "corpus", "code"),
            ("each_web", "corpus", "web"),
        ]
        inputs = {"N": web_runs["N"], "D": web_runs["D"]}
        assert estimates(answer.rows[1]) == scaling.fit("chinchilla", inputs, web_runs["loss"], bootstrap=0).estimates
        assert [row["excluded"] for row in answer.rows] == [{"the loss is inf": 1}, {"the loss is nan": 1}]
        assert "each_code: left out: 1 run, the loss is inf" in answer.err

    def test_a_group_that_is_too_small_is_told_and_the_others_are_fitted(self, store: Any, ok: Any, write: Any) -> None:
        ok("ingest", write("b.csv", "run_id,corpus,N,D,loss\nb1,books,1e8,1e9,3.5\nb2,books,1e9,1e10,3\n"))
        answer = ok("fit", "chinchilla", *QUICK, "--by", "corpus")
        assert [row["group_value"] for row in answer.rows] == ["code", "web"]
        assert "not fitted: corpus = books: 2 rows cannot determine the 5 parameters" in answer.err

    def test_no_group_can_be_fitted(self, store: Any, refused: Any) -> None:
        answer = refused(4, "fit", "chinchilla", *QUICK, "--by", "run_id")
        assert "None of the 58 groups of run_id can be fitted" in answer.err

    def test_clusters_are_resampled_whole(self, store: Any, ok: Any, web_runs: Any) -> None:
        row = ok("fit", "chinchilla", *WEB, "--cluster", "n_params", "--bootstrap", "30", "--no-backtest").row
        inputs = {"N": web_runs["N"], "D": web_runs["D"]}
        expected = scaling.fit("chinchilla", inputs, web_runs["loss"], groups=web_runs["N"], bootstrap=30)
        assert row["interval_method"] == "percentile of 30 cluster bootstrap replicates, seed 0, widened for 6 clusters"
        assert row["parameters"]["alpha"]["se"] == expected.standard_errors["alpha"]

    def test_an_input_may_be_an_expression(self, store: Any, ok: Any, web_runs: Any) -> None:
        words = ("--param", "E=0:", "--param", "A=0:", "--param", "alpha=0.01:2")
        row = ok("fit", "E + A/r**alpha", "--input", "r=n_tokens / 1e9", *words, *WEB, *QUICK).row
        expected = scaling.fit(
            "E + A/r**alpha", {"r": web_runs["D"] / 1e9}, web_runs["loss"], bootstrap=0,
            parameters={"E": {"low": 0}, "A": {"low": 0}, "alpha": {"low": 0.01, "high": 2}},
        )  # fmt: skip
        assert estimates(row) == pytest.approx(expected.estimates, rel=1e-12)

    def test_kept_columns_can_be_used_by_name(self, store: Any, ok: Any, query: Any) -> None:
        row = ok("fit", "chinchilla", *QUICK, "--where", "warm AND lr > 1e-4 AND corpus = 'web'").row
        assert row["n_obs"] == 23  # six sizes at four budgets, without the run that diverged

    def test_no_run_meets_the_condition(self, store: Any, refused: Any) -> None:
        answer = refused(4, "fit", "chinchilla", *QUICK, "--where", "corpus = 'books'")
        assert "No run meets the condition corpus = 'books'" in answer.err
        assert "scaling ls" in answer.err


class TestHow:
    def test_the_same_seed_gives_the_same_intervals(self, store: Any, ok: Any) -> None:
        rows = [
            ok("fit", "chinchilla", *WEB, "--bootstrap", "30", "--no-backtest", "--seed", seed).row
            for seed in ("1", "1", "2")
        ]
        assert rows[0]["parameters"] == rows[1]["parameters"]
        assert rows[0]["parameters"]["A"]["low"] != rows[2]["parameters"]["A"]["low"]
        assert [row["seed"] for row in rows] == [1, 1, 2]
        assert [row["name"] for row in rows] == ["chinchilla_1", "chinchilla_2", "chinchilla_3"]

    def test_starting_values(self, store: Any, ok: Any, query: Any) -> None:
        screened = ok("fit", "chinchilla", *WEB, *QUICK).row
        words = [w for k, v in (("E", 1.7), ("A", 500), ("B", 2000), ("alpha", 0.34), ("beta", 0.36))
                 for w in ("--start", f"{k}={v}")]  # fmt: skip
        started = ok("fit", "chinchilla", *WEB, *QUICK, *words).row
        assert estimates(started) == pytest.approx(estimates(screened), rel=1e-6)
        [(config,)] = query("SELECT config FROM fits WHERE name = 'chinchilla_2'")
        assert json.loads(config)["settings"]["start"]["A"] == 500

    @pytest.mark.parametrize(("objective", "residual"), [("squared", "linear"), ("lad", "log")])
    def test_objectives(self, objective: str, residual: str, store: Any, ok: Any, web_runs: Any) -> None:
        row = ok("fit", "chinchilla", *WEB, *QUICK, "--objective", objective, "--residual", residual).row
        inputs = {"N": web_runs["N"], "D": web_runs["D"]}
        expected = scaling.fit(
            "chinchilla", inputs, web_runs["loss"], objective=objective, residual=residual, bootstrap=0
        )
        assert row["objective"] == str(expected.objective)
        assert row["objective_value"] == expected.objective_value

    def test_replace(self, store: Any, ok: Any, query: Any) -> None:
        old = query("SELECT fit_id FROM fits WHERE name = 'web'")[0][0]
        new = ok("fit", "chinchilla", "--where", "corpus = 'code'", *QUICK, "--name", "web", "--replace").row
        assert query("SELECT fit_id FROM fits WHERE name = 'web'") == [(new["fit_id"],)]
        assert query(f"SELECT count(*) FROM fit_replicates WHERE fit_id = '{old}'") == [(0,)]
        assert ("replace", old) in query("SELECT event, object_id FROM audit WHERE object_kind = 'fit'")

    def test_progress_of_the_replicates_is_told(self, store: Any, ok: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        told: list[tuple[int, int]] = []

        @contextmanager
        def record(label: str) -> Iterator[Any]:
            assert label == "resampling"
            yield lambda done, total: told.append((done, total))

        monkeypatch.setattr("cli.progress", record)
        ok("fit", "chinchilla", *WEB, "--bootstrap", "30", "--no-backtest")
        assert told[-1] == (30, 30)

    def test_fail_on_prints_and_saves_first(self, store: Any, run: Any, query: Any) -> None:
        """Seven rows are two above the number of parameters, and not four."""
        where = ("--where", "corpus = 'web' AND (run_id LIKE 'web-0%' OR run_id IN ('web-22', 'web-41'))")
        answer = run("fit", "chinchilla", *where, *QUICK, "--name", "few", "--fail-on", "not-identified")
        assert answer.code == 1
        assert answer.row["verdict"] == "not identified"
        assert "The verdict is 'not identified', and --fail-on not-identified was asked for" in answer.err
        assert query("SELECT verdict FROM fits WHERE name = 'few'") == [("not identified",)]

    def test_fail_on_is_silent_where_the_fit_is_good(self, store: Any, run: Any) -> None:
        assert run("fit", "chinchilla", *WEB, *QUICK, "--fail-on", "weak").code == 0


class TestFits:
    def test_lists_them(self, store: Any, ok: Any) -> None:
        rows = ok("fits").rows
        assert [(row["name"], row["law"], row["n_obs"]) for row in rows] == [
            ("web", "chinchilla", 29),
            ("curve", "formula", 29),
        ]
        assert rows == ok("ls", "--what", "fits").rows


class TestLaws:
    def test_the_book(self, ok: Any) -> None:
        rows = ok("laws").rows
        assert [row["law"] for row in rows] == scaling.law_names()
        assert all(row["formula"] and row["title"] for row in rows)

    def test_one_law(self, ok: Any) -> None:
        row = ok("laws", "chinchilla").row
        assert scaling.Law.from_dict(row.pop("name"), row) == scaling.find_law("chinchilla")
        text = ok("laws", "chinchilla", "--format", "table").out
        assert "E + A/N**alpha + B/D**beta" in text
        assert "arXiv:2404.10102" in text
        assert "482.01" in text

    def test_a_file(self, ok: Any, write: Any) -> None:
        write("my_law.toml", MY_LAW)
        assert ok("laws", "my_law.toml").row["formula"] == "L0 + K * C**-c"

    def test_no_such_law(self, refused: Any) -> None:
        assert "Did you mean 'kaplan'?" in refused(2, "laws", "kapln").err


def test_noise_free_logs_give_the_truth_back(ok: Any, write: Any) -> None:
    truth = {"E": 1.8, "A": 480.0, "B": 2100.0, "alpha": 0.35, "beta": 0.37}
    lines = ["run_id,N,D,loss"]
    for i, n in enumerate(np.geomspace(1e7, 1e10, 6).tolist()):
        for j, d in enumerate(np.geomspace(1e9, 1e12, 6).tolist()):
            loss = truth["E"] + truth["A"] / n ** truth["alpha"] + truth["B"] / d ** truth["beta"]
            lines.append(f"r{i}{j},{n!r},{d!r},{loss!r}")
    ok("ingest", write("exact.csv", "\n".join(lines)))
    assert estimates(ok("fit", "chinchilla", *QUICK).row) == pytest.approx(truth, rel=1e-8)
