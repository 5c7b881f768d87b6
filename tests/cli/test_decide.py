"""scaling forecast and scaling allocate: answers, and answers refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import scaling

TARGET = ("--params", "70e9", "--tokens", "1.4e12")


@pytest.fixture
def fit(query: Any) -> scaling.Fit:
    """The fit `web`, made again from the rows by the engine alone."""
    rows = query(
        "SELECT n_params, n_tokens, loss FROM runs_final WHERE corpus = 'web' AND loss_status = 'ok' ORDER BY run_id"
    )
    n, d, loss = np.array(rows).T
    made = scaling.fit("chinchilla", {"N": n, "D": d}, loss, bootstrap=60, seed=3)
    return replace(made, backtest=scaling.backtest_law(made, {"N": n, "D": d}, loss, seed=3))


@pytest.fixture
def few(store: Any, ok: Any) -> str:
    """A fit of seven rows, which do not identify the five parameters."""
    where = "corpus = 'web' AND (run_id LIKE 'web-0%' OR run_id IN ('web-22', 'web-41'))"
    ok("fit", "chinchilla", "--where", where, "--bootstrap", "20", "--no-backtest", "--name", "few")
    return "few"


class TestForecast:
    def test_is_that_of_the_engine(self, ok: Any, fit: scaling.Fit) -> None:
        row = ok("forecast", "web", *TARGET).row
        expected = fit.predict({"N": 70e9, "D": 1.4e12}, level=0.9)
        assert row["inputs"] == {"N": 70e9, "D": 1.4e12}
        assert (row["loss"], row["low"], row["high"]) == (expected.mean, expected.low, expected.high)
        assert row["extrapolation_factor"] == expected.extrapolation_factor == pytest.approx(1.4e12 * 70e9 / 3e20)
        assert row["verdict"] == "extrapolating x327"
        assert row["fit_verdict"] == "ok"
        assert (row["level"], row["kind"], row["unit"]) == (0.9, "run", "nats/token, assumed")

    def test_the_truth_is_inside(self, store: Any, ok: Any) -> None:
        """The log was made from a law with known parameters."""
        row = ok("forecast", "web", *TARGET).row
        truth = 1.8 + 480 / 70e9**0.35 + 2100 / 1.4e12**0.37
        assert row["low"] < truth < row["high"]

    @pytest.mark.parametrize(
        ("params", "tokens"), [("70B", "1.4T"), ("70e9", "1400B"), ("70000M", "1.4e12"), ("70_000_000K", "1.4t")]
    )
    def test_suffixes(self, params: str, tokens: str, store: Any, ok: Any) -> None:
        row = ok("forecast", "web", "--params", params, "--tokens", tokens).row
        assert row["inputs"] == {"N": 70e9, "D": 1.4e12}

    def test_pairs_and_at_mean_the_same(self, store: Any, ok: Any) -> None:
        assert ok("forecast", "web", *TARGET).rows == ok("forecast", "web", "--at", "N=70B,D=1.4T").rows

    def test_several_targets_in_the_order_given(self, store: Any, ok: Any) -> None:
        rows = ok(
            "forecast", "web", "--params", "1B", "--tokens", "20B", "--params", "70B", "--tokens", "1.4T",
            "--at", "D=40B,N=2B",
        ).rows  # fmt: skip
        assert [row["inputs"] for row in rows] == [
            {"N": 1e9, "D": 20e9},
            {"N": 70e9, "D": 1.4e12},
            {"D": 40e9, "N": 2e9},
        ]
        assert [row["verdict"] for row in rows] == ["ok", "extrapolating x327", "ok"]
        assert rows[0]["loss"] > rows[2]["loss"] > rows[1]["loss"]

    def test_a_law_of_another_input(self, store: Any, ok: Any, web_runs: Any) -> None:
        answer = ok("forecast", "curve", "--at", "x=1e21")
        bounds = {"alpha": {"low": 0.01, "high": 2.0}, "E": {"low": 0.0}}
        fit = scaling.fit("E + A/x**alpha", {"x": web_runs["C"]}, web_runs["loss"], parameters=bounds, bootstrap=0)
        assert answer.row["y"] == fit.predict({"x": 1e21}).mean
        assert answer.row["unit"] == "unknown"
        assert "y in an unknown unit" in answer.err

    def test_the_curve_is_narrower_than_a_run(self, store: Any, ok: Any, fit: scaling.Fit) -> None:
        run = ok("forecast", "web", *TARGET).row
        answer = ok("forecast", "web", *TARGET, "--curve")
        curve = answer.row
        assert run["low"] < curve["low"] < curve["loss"] < curve["high"] < run["high"]
        assert curve["kind"] == "curve"
        assert curve["low"] == fit.predict(curve["inputs"], level=0.9, kind="curve").low
        assert "interval for the law's curve" in answer.err

    def test_a_wider_level_is_wider(self, store: Any, ok: Any) -> None:
        narrow, wide = (ok("forecast", "web", *TARGET, "--level", level).row for level in ("0.5", "0.99"))
        assert wide["low"] < narrow["low"] < narrow["high"] < wide["high"]

    def test_for_people(self, store: Any, ok: Any) -> None:
        answer = ok("forecast", "web", *TARGET, "--format", "table")
        head, _, line = answer.out.splitlines()
        assert head.split("  ")[0] == "N"
        assert "90 % interval" in head
        assert line.split()[:2] == ["70B", "1.4T"]
        assert line.endswith("extrapolating x327")
        assert "nats/token, assumed" in answer.err
        assert "60 iid bootstrap replicates, seed 3" in answer.err

    def test_what_is_saved(self, store: Any, ok: Any, query: Any) -> None:
        [row] = ok("forecast", "web", *TARGET, "--save", "--level", "0.8").rows
        [(fit_id, target, inputs, mean, low, high, level, factor, observed)] = query(
            "SELECT fit_id, target, inputs, mean, low, high, level, extrapolation_factor, observed FROM predictions "
            "WHERE kind = 'forecast'"
        )
        assert (fit_id, target, json.loads(inputs)) == (row["fit_id"], "loss", row["inputs"])
        assert (mean, low, high) == (row["loss"], row["low"], row["high"])
        assert (level, factor, observed) == (0.8, row["extrapolation_factor"], None)
        assert ("forecast", row["fit_id"]) in query("SELECT event, object_id FROM audit")

    def test_nothing_is_saved_unasked(self, store: Any, ok: Any) -> None:
        before = store.read_bytes()
        ok("forecast", "web", *TARGET)
        ok("allocate", "web", "--flops", "1e24")
        assert store.read_bytes() == before

    def test_a_saved_forecast_outlives_the_refit(self, store: Any, ok: Any, query: Any) -> None:
        ok("forecast", "web", *TARGET, "--save")
        before = query("SELECT * FROM predictions WHERE kind = 'forecast'")
        ok("fit", "chinchilla", "--bootstrap", "0", "--no-backtest", "--name", "web", "--replace")
        assert query("SELECT * FROM predictions WHERE kind = 'forecast'") == before

    @pytest.mark.parametrize("name", ["web", "WEB", "latest"])
    def test_names_of_a_fit(self, name: str, store: Any, ok: Any) -> None:
        ok("rm", "fit", "curve")
        assert ok("forecast", name, *TARGET).row["fit"] == "web"

    def test_by_identifier(self, store: Any, ok: Any, query: Any) -> None:
        [(fit_id,)] = query("SELECT fit_id FROM fits WHERE name = 'web'")
        assert ok("forecast", fit_id, *TARGET).row["fit"] == "web"


class TestRefused:
    def test_a_law_that_is_not_identified(self, few: str, refused: Any) -> None:
        answer = refused(1, "forecast", few, *TARGET)
        assert "not identified by its 7 rows" in answer.err
        assert "too few rows: at most 3 more than parameters" in answer.err
        assert "--force" in answer.err

    def test_is_answered_with_force(self, few: str, ok: Any) -> None:
        answer = ok("forecast", few, *TARGET, "--force")
        assert answer.row["verdict"] == answer.row["fit_verdict"] == "not identified"
        assert 0 < answer.row["loss"] < 10
        assert "The fit few is not identified." in answer.err

    def test_allocation_too(self, few: str, refused: Any, ok: Any) -> None:
        assert "not identified by its 7 rows" in refused(1, "allocate", few, "--flops", "1e24").err
        assert ok("allocate", few, "--flops", "1e24", "--force").row["fit_verdict"] == "not identified"

    def test_all_runs_of_one_size(self, store: Any, ok: Any, refused: Any) -> None:
        row = ok(
            "fit",
            "chinchilla",
            "--where",
            "n_params = 2e7",
            "--bootstrap",
            "0",
            "--no-backtest",
            "--name",
            "one",
            "--by",
            "corpus",
        ).rows[0]
        assert row["verdict"] == "not identified"
        assert any("N" in reason for reason in row["reasons"])
        assert "N" in refused(1, "forecast", "one_code", *TARGET).err

    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            (["web"], 2, "Nothing to forecast"),
            (["web", "--params", "70B"], 2, "1 --params and 0 --tokens"),
            (["web", "--params", "70B", "--params", "1B", "--tokens", "1T"], 2, "2 --params and 1 --tokens"),
            (["web", "--params", "70G", "--tokens", "1T"], 2, "'70G' is not a number"),
            (["web", "--params", "-70B", "--tokens", "1T"], 2, "above 0"),
            (["web", "--params", "0", "--tokens", "1T"], 2, "above 0"),
            (["web", "--params", "nan", "--tokens", "1T"], 2, "'nan' is not a number"),
            (["web", "--params", "1B", "--tokens", "1e400"], 2, "'1e400' is not a number"),
            (["web", "--at", "N=1B"], 2, "takes N, D"),
            (["web", "--at", "N=1B,D=1T,M=3"], 2, "takes N, D"),
            (["web", "--at", "N=-1B,D=1T"], 2, "above 0"),
            (["web", "--at", "N=1B;D=1T"], 2, "is not a number"),
            (["web", "--at", "N=1B,N=2B"], 2, "twice"),
            (["curve", "--params", "1B", "--tokens", "1T"], 2, "--at x="),
            (["webb", "--params", "1B", "--tokens", "1T"], 2, "Did you mean 'web'?"),
            (["web", *TARGET, "--level", "0"], 2, "between 0 and 1"),
            (["web", *TARGET, "--fail-on", "bad"], 2, "no verdict 'bad'"),
        ],
    )
    def test_words_that_make_no_sense(self, words: list[str], code: int, said: str, store: Any, refused: Any) -> None:
        assert said in refused(code, "forecast", *words).err

    def test_no_fit_at_all(self, ok: Any, write: Any, refused: Any) -> None:
        ok("ingest", write("r.csv", "run_id,N,D,loss\na,1e8,1e9,3\n"))
        assert "scaling fit chinchilla --name" in refused(2, "forecast", "latest", *TARGET).err


class TestFailOn:
    @pytest.mark.parametrize(
        ("limit", "code"), [("extrapolating", 1), ("weak", 0), ("not-identified", 0), ("not identified", 0)]
    )
    def test_forecast_of_a_good_fit(self, limit: str, code: int, store: Any, run: Any) -> None:
        answer = run("forecast", "web", *TARGET, "--fail-on", limit)
        assert answer.code == code
        assert answer.row["verdict"] == "extrapolating x327"  # printed before it fails

    def test_forecast_inside_the_data(self, store: Any, run: Any) -> None:
        assert run("forecast", "web", "--at", "N=1B,D=20B", "--fail-on", "extrapolating").code == 0

    @pytest.mark.parametrize("limit", ["weak", "not-identified"])
    def test_a_fit_that_is_not_identified_fails_both(self, limit: str, few: str, run: Any) -> None:
        assert run("forecast", few, *TARGET, "--force", "--fail-on", limit).code == 1

    def test_allocate(self, store: Any, run: Any) -> None:
        assert run("allocate", "web", "--flops", "1e24", "--fail-on", "extrapolating").code == 1
        assert run("allocate", "web", "--flops", "1e20", "--fail-on", "extrapolating").code == 0


class TestAllocate:
    def test_is_the_closed_form_optimum(self, ok: Any, store: Any, fit: scaling.Fit) -> None:
        [small, large] = ok("allocate", "web", "--flops", "1e21", "--flops", "5.76e23").rows
        p = fit.estimates
        for row, budget in ((small, 1e21), (large, 5.76e23)):
            g = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
            n = g * (budget / 6) ** (p["beta"] / (p["alpha"] + p["beta"]))
            assert row["n_params"] == pytest.approx(n, rel=1e-6)
            assert row["n_tokens"] == pytest.approx(budget / 6 / n, rel=1e-6)
            assert row["compute_flop"] == budget
            assert row["tokens_per_param"] == pytest.approx(row["n_tokens"] / row["n_params"])
            assert row["n_params_low"] < row["n_params"] < row["n_params_high"]
            assert row["loss"] == pytest.approx(fit.evaluate({"N": [n], "D": [budget / 6 / n]})[0, 0])
        assert large["verdict"] == "extrapolating x320"

    def test_is_that_of_the_engine(self, ok: Any, store: Any, fit: scaling.Fit) -> None:
        row = ok("allocate", "web", "--flops", "5.76e23", "--level", "0.8").row
        expected = scaling.allocate(fit, 5.76e23, level=0.8).rows()[0]
        assert {key: row[key] for key in expected} == expected

    def test_for_people(self, ok: Any, store: Any) -> None:
        answer = ok("allocate", "web", "--flops", "5.76e23", "--format", "table")
        assert "5.76e23" in answer.out
        assert "90 %" in answer.out
        assert "x320" in answer.out
        assert "C = 6 N D" in answer.err

    def test_without_a_bootstrap_the_interval_is_unknown_and_not_zero(self, ok: Any, store: Any) -> None:
        ok("fit", "chinchilla", "--where", "corpus = 'web'", "--bootstrap", "0", "--no-backtest", "--name", "bare")
        row = ok("allocate", "bare", "--flops", "1e22").row
        assert row["n_params_low"] is None
        assert row["method"] == "none: the fit has no bootstrap replicates"
        assert "unknown" in ok("allocate", "bare", "--flops", "1e22", "--format", "table").out

    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            (["curve", "--flops", "1e23"], 2, "nothing to allocate"),
            (["web", "--flops", "-1"], 2, "above 0"),
            (["web", "--flops", "lots"], 2, "'lots' is not a number"),
            (["web"], 2, "--flops"),
        ],
    )
    def test_words_that_make_no_sense(self, words: list[str], code: int, said: str, store: Any, refused: Any) -> None:
        assert said in refused(code, "allocate", *words).err

    def test_a_law_without_an_optimum(self, ok: Any, store: Any, refused: Any) -> None:
        ok("fit", "multiplicative", "--bootstrap", "0", "--no-backtest", "--name", "flat")
        assert "no compute-optimal split" in refused(1, "allocate", "flat", "--flops", "1e22", "--force").err


def test_a_forecast_that_is_kept_is_one_of_a_run(tmp_path) -> None:
    from typer.testing import CliRunner

    import cli

    words = [
        "forecast",
        "c4",
        "--params",
        "70B",
        "--tokens",
        "1.4T",
        "--curve",
        "--save",
        "--db",
        str(tmp_path / "no.duckdb"),
    ]
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 2
    assert "Leave --curve out" in done.stderr
