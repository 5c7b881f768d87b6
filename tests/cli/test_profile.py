"""scaling profile, and the kinds of resampling and intervals of scaling fit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scaling

WEB = ("--where", "corpus = 'web'")


@pytest.fixture
def c4(store: Any, ok: Any) -> None:
    ok("fit", "chinchilla", *WEB, "--objective", "squared", "--bootstrap", "0", "--no-backtest", "--name", "c4")


class TestOneParameter:
    def test_is_the_grid_of_the_engine(self, c4: None, ok: Any, web_runs: Any) -> None:
        rows = ok("profile", "c4", "--parameter", "E", "--level", "0.9").rows
        inputs = {"N": web_runs["N"], "D": web_runs["D"]}
        fit = scaling.fit("chinchilla", inputs, web_runs["loss"], objective="squared", bootstrap=0)
        profile = scaling.profile_likelihood(fit, inputs, web_runs["loss"], "E", 0.9)
        assert [row["value"] for row in rows] == pytest.approx(profile.grid, rel=1e-6)
        assert [row["objective"] for row in rows] == pytest.approx(profile.objective, rel=1e-6)
        first = rows[0]
        assert (first["low"], first["high"]) == pytest.approx((profile.low, profile.high), rel=1e-6)
        assert (first["closes_low"], first["closes_high"], first["level"]) == (True, True, 0.9)
        assert first["parameters"]["E"] == first["value"]
        inside = [row["value"] for row in rows if row["inside"]]
        assert first["low"] - 1e-9 <= min(inside) < max(inside) <= first["high"] + 1e-9

    def test_for_people(self, c4: None, ok: Any) -> None:
        answer = ok("profile", "c4", "--parameter", "alpha", "--format", "table")
        assert answer.out.startswith("alpha = 0.3")
        assert "95 % interval" in answer.out
        assert "inside" in answer.out
        assert "95 % interval by profile likelihood, F test with 24 degrees of freedom." in answer.err

    def test_unknown_names(self, c4: None, run: Any) -> None:
        answer = run("profile", "c4", "--parameter", "alfa")
        assert answer.code == 2
        assert "Did you mean 'alpha'" in answer.err


class TestTwoParameters:
    def test_is_a_grid_of_both(self, c4: None, ok: Any) -> None:
        rows = ok("profile", "c4", "--parameter", "E", "--and", "alpha", "--points", "9").rows
        assert len(rows) == 81
        assert len({row["E"] for row in rows}) == len({row["alpha"] for row in rows}) == 9
        assert 3 <= sum(row["inside"] for row in rows) < 60
        assert all(row["inside"] == (row["objective"] <= row["threshold"]) for row in rows)

    def test_for_people(self, c4: None, ok: Any) -> None:
        answer = ok("profile", "c4", "--parameter", "E", "--and", "alpha", "--points", "15", "--format", "table")
        assert "the joint 95 % region closes" in answer.out
        assert "alpha inside" in answer.out


class TestResampling:
    @pytest.mark.parametrize(
        ("options", "method"),
        [
            (("--resample", "dirichlet"), "percentile of 40 Bayesian (Dirichlet) bootstrap replicates, seed 0"),
            (("--resample", "residual"), "percentile of 40 residual bootstrap replicates, seed 0"),
            (("--interval", "bca"), "BCa of 40 iid bootstrap replicates and 29 jackknife refits, seed 0"),
        ],
    )
    def test_is_stored_and_said(self, store: Any, ok: Any, options: Any, method: str) -> None:
        row = ok("fit", "chinchilla", *WEB, "--bootstrap", "40", "--no-backtest", "--name", "one", *options).row
        assert row["interval_method"] == method
        shown = ok(
            "fit",
            "chinchilla",
            *WEB,
            "--bootstrap",
            "40",
            "--no-backtest",
            "--name",
            "two",
            *options,
            "--format",
            "table",
        ).out
        assert f"intervals: {method}" in shown
        for entry in row["parameters"].values():
            assert np.isfinite([entry["low"], entry["high"]]).all()

    def test_refuses_what_does_not_go_together(self, store: Any, run: Any) -> None:
        answer = run("fit", "chinchilla", *WEB, "--resample", "cluster")
        assert answer.code == 2
        assert "Resampling by cluster needs to know the clusters" in answer.err
