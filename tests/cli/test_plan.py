"""scaling plan: the plan on the command line, candidates of one's own, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import scaling
from db.candidates import read_candidates
from scaling.errors import InputDataError, UsageError

ASKED = ("--budget", "1e20", "--simulations", "4")


def test_is_that_of_the_engine(store: Path, ok: Any, web_runs: Any) -> None:
    answer = ok("plan", "web", *ASKED, "--target", "1e23", "--seed", "5")
    inputs = {"N": web_runs["N"], "D": web_runs["D"]}
    fit = scaling.fit("chinchilla", inputs, web_runs["loss"], bootstrap=60, seed=3)
    expected = scaling.plan_runs(fit, inputs, web_runs["loss"], 1e20, target_flop=1e23, simulations=4, seed=5)
    row = answer.row
    assert row.pop("fit") == "web"
    assert row.pop("unit") == "nats/token, assumed"
    assert row == {k: v for k, v in expected.to_dict().items() if k != "unit"}
    assert sum(run["cost_flop"] for run in row["runs"]) <= 1e20
    assert [way["name"] for way in row["ways"]] == ["nothing", "plan", "random", "isoFLOP ladder"]


def test_people_read_a_report(store: Path, ok: Any) -> None:
    text = ok("plan", "web", *ASKED, "--params", "8B", "--tokens", "1T", "--format", "table").out
    assert "to forecast the loss at N = 8e9, D = 1e12" in text
    assert "params" in text
    assert "of the budget" in text
    several = ok("plan", "web", *ASKED, *("--params", "8B", "--tokens", "1T") * 2).row
    assert several["target"] == {"N": [8e9, 8e9], "D": [1e12, 1e12]}
    assert "spent on" in text
    assert "width of the 90 % interval of the parameters only  held the truth" in text
    assert "random choice" in text


def test_candidates_as_a_list_and_as_a_table(store: Path, ok: Any, write: Any) -> None:
    write("cells.csv", "name,params_m,tokens\na,100,2e9\nb,400,1e10\n\nc,90000,1e13\n")
    listed = ok("plan", "web", *ASKED, "--target", "1e23", "--candidates", "100Mx2B, 400Mx10B,90Bx10T", "--once")
    table = ok("plan", "web", *ASKED, "--target", "1e23", "--candidates", "cells.csv", "--once")
    assert listed.rows == table.rows
    assert listed.row["candidates"] == 2
    assert {(run["n_params"], run["n_tokens"]) for run in listed.row["runs"]} <= {(1e8, 2e9), (4e8, 1e10)}


def test_reading_candidates(tmp_path: Path) -> None:
    assert read_candidates("1Bx20B,70e6x1.4e9") == {"N": [1e9, 7e7], "D": [2e10, 1.4e9]}
    for text, message in (("1B", "no run"), ("1Bx", "no run"), ("1Bx0", "above 0"), ("axb", "not a number")):
        with pytest.raises(UsageError, match=message):
            read_candidates(text)
    files = {
        "no.csv": ("a,b\n1,2\n", "no column of n_params"),
        "odd.csv": ("N,D\n1e9,2e10\n1e9,many\n", "line 3: 'many' is no size for D"),
        "short.csv": ("N,D\n1e9\n", "line 2: '' is no size for D"),
        "empty.csv": ("", "no column of n_params; it has: none"),
        "head.csv": ("N,D\n", "names no runs"),
    }
    for name, (text, message) in files.items():
        (tmp_path / name).write_text(text)
        with pytest.raises(InputDataError, match=message):
            read_candidates(str(tmp_path / name))
    with pytest.raises(InputDataError, match="cannot be read"):
        read_candidates(str(tmp_path / "gone.csv"))


@pytest.mark.parametrize(
    ("code", "words", "message"),
    [
        (2, ("web", *ASKED), "A plan has one target"),
        (2, ("web", *ASKED, "--target", "1e23", "--params", "1B", "--tokens", "1B"), "A plan has one target"),
        (2, ("web", *ASKED, "--params", "1B"), "1 --params and 0 --tokens"),
        (2, ("web", "--budget", "0", "--target", "1e23"), "--budget takes a number above 0"),
        (2, ("web", "--budget", "-1e20", "--target", "1e23"), "--budget takes a number above 0"),
        (2, ("web", "--budget", "1e15", "--target", "1e23"), "buys no run as large as the smallest of the data"),
        (2, ("web", *ASKED, "--target", "1e23", "--candidates", "70Bx1T"), "buys none of the 1 candidate"),
        (2, ("curve", *ASKED, "--target", "1e23"), "no run of N and D can be planned"),
        (2, ("nothing", *ASKED, "--target", "1e23"), "no fit 'nothing'"),
    ],
)
def test_refusals(code: int, words: tuple[str, ...], message: str, store: Path, refused: Any) -> None:
    assert message in refused(code, "plan", *words).err


def test_a_fit_without_replicates_is_refused_with_a_hint(store: Path, ok: Any, refused: Any) -> None:
    ok("fit", "chinchilla", "--where", "corpus = 'web'", "--name", "bare", "--bootstrap", "0", "--no-backtest")
    error = refused(2, "plan", "bare", *ASKED, "--target", "1e23").err
    assert "no bootstrap replicates" in error
    assert "--bootstrap 1000" in error


def test_data_that_changed_are_refused(store: Path, ok: Any, refused: Any) -> None:
    ok("rm", "run", "web-11")
    error = refused(4, "plan", "web", *ASKED, "--target", "1e23").err
    assert "have changed since it was made" in error


def test_a_weak_design_is_planned_for_with_a_warning(store: Path, ok: Any, run: Any) -> None:
    where = "corpus = 'web' AND (run_id LIKE 'web-0%' OR run_id IN ('web-22', 'web-41'))"
    ok(
        "fit",
        "chinchilla",
        "--where",
        where,
        "--bootstrap",
        "40",
        "--no-backtest",
        "--name",
        "few",
        "--objective",
        "squared",
    )
    answer = run("plan", "few", *ASKED, "--params", "1B", "--tokens", "20B", "--fail-on", "weak")
    assert answer.code == 1
    assert answer.row["verdict"] == "not identified"
    assert answer.row["notes"][0].startswith("The fit is not identified")
