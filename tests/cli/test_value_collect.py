"""scaling value curves and collect, on groups whose curves are known."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.valuation.collection.allocation import allocate_collection
from scaling.valuation.collection.curves import learning_curves

Run = Callable[..., Any]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "value_sources.md"
TRUTH = {"code": (0.1, 8.0, 0.6), "math": (0.02, 1.2, 0.25), "web": (0.05, 3.0, 0.4)}
SIZES = [100, 200, 400, 800, 1600, 3200, 6400, 12800]
QUICK = ("--bootstrap", "60", "--seed", "3")
CURVES = ("value", "curves", "--count", "n_examples", "--by", "domain", *QUICK)
PRICES = ("--cost", "web=1", "--cost", "code=4", "--cost", "math=2")


def rows() -> list[tuple[str, int, float]]:
    """What the page measures: three groups at eight sizes, within one per cent of their curves."""
    random = np.random.default_rng(5)
    return [
        (group, n, float(f"{(floor + size / n**alpha) * np.exp(0.01 * random.standard_normal()):.5g}"))
        for group, (floor, size, alpha) in TRUTH.items()
        for n in SIZES
    ]


def documented(command: str) -> set[str]:
    """Keys that the page lists for a command."""
    text = DOCS.read_text(encoding="utf-8").partition(f"#### `scaling value {command}`")[2].partition("\n#")[0]
    first = re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE)
    return {key for cell in first for key in re.findall(r"`(\w+)`", cell)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with the runs, one group of which has one size."""
    folder = tmp_path_factory.mktemp("collect")
    log, db = folder / "runs.csv", folder / "scaling.duckdb"
    lines = ["run_id,domain,n_examples,loss,accuracy", "tools-100,tools,100,0.9,0.1"]
    lines += [f"{group}-{n},{group},{n},{loss:.5g},{1 - loss:.5g}" for group, n, loss in rows()]
    log.write_text("\n".join(lines) + "\n", encoding="utf-8")
    answer = in_process("ingest", log, "--db", db)
    assert answer.code == 0, answer.err
    answer = in_process(*CURVES, "--name", "lc", "--db", db)
    assert answer.code == 0, answer.err
    return db


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of it, where commands look for one."""
    copy = tmp_path / "scaling.duckdb"
    copy.write_bytes(made.read_bytes())
    return copy


def test_curves_are_those_of_the_library_and_their_command_makes_them_again(store: Path, ok: Run) -> None:
    row = ok(*CURVES, "--name", "again", "--held-out").row
    assert set(row) == documented("curves")
    groups, x, y = zip(*rows(), strict=True)
    own = learning_curves(x, y, groups, bootstrap=60, seed=3)
    for curve in row["curves"]:
        assert [curve[k] for k in ("E", "A", "alpha")] == pytest.approx(own[curve["group"]].parameters, rel=1e-12)
        assert curve["name"] == f"again_{curve['group']}"
    assert row["refused"]["tools"].startswith("has one size")
    assert row["held_out"]["rms"]["power_floor"] < row["held_out"]["rms"]["power"] / 4
    assert shlex.split(row["command"]) == ["scaling", *CURVES, "--name", "again"]
    again = ok(*shlex.split(row["command"])[1:], "--replace").row
    assert again["curves"][0]["E"] == row["curves"][0]["E"]


def test_the_page_prints_what_the_commands_print(store: Path, ok: Run) -> None:
    for name in ("lc_web", "lc_code", "lc_math"):
        ok("rm", "fit", name)
    block = DOCS.read_text(encoding="utf-8").partition("```console\n")[2].partition("```")[0]
    parts = re.findall(r"^\$ scaling (.+)\n((?:[^$].*\n)+)", block, flags=re.MULTILINE)
    assert len(parts) == 2
    for words, printed in parts:
        assert ok(*shlex.split(words), "--format", "table").out == printed


def test_saved_curves_answer_like_any_fit(store: Path, ok: Run) -> None:
    assert {row["name"] for row in ok("fits").rows} == {"lc_code", "lc_math", "lc_web"}
    shown = ok("show", "lc_web").row
    assert shown["parameters"]["alpha"]["estimate"] == pytest.approx(0.4, abs=0.03)
    [forecast] = ok("forecast", "lc_web", "--at", "x=1e5").rows
    [called] = ok("sql", "SELECT lc_web(1e5) AS loss").rows
    assert called["loss"] == pytest.approx(forecast["loss"], rel=1e-12)
    assert ok("verify", "lc_web").row["status"] == "identical"
    assert ok("backtest", "lc_web").row["n"] == 1
    assert ok("report", "lc_web", "-o", "page.html", "--at", "x=1e5").row["fit"] == "lc_web"
    assert "lc_web" in Path("page.html").read_text(encoding="utf-8")
    ok("rm", "fit", "lc_web")
    assert {row["name"] for row in ok("fits").rows} == {"lc_code", "lc_math"}


def test_a_budget_is_spent_as_the_library_spends_it(store: Path, ok: Run) -> None:
    row = ok("value", "collect", "lc", "--budget", "50K", *PRICES).row
    assert set(row) == documented("collect")
    groups, x, y = zip(*rows(), strict=True)
    curves = learning_curves(x, y, groups, bootstrap=60, seed=3)
    plan = allocate_collection(curves, 50000, cost={"web": 1, "code": 4, "math": 2})
    assert [one["buy"] for one in row["groups"]] == plan.buy.tolist()
    assert (row["outcome"], row["outcome_low"]) == (plan.outcome, plan.outcome_low)
    assert (row["spent"], row["rounds"], row["stop"]) == (50000, 1, None)
    sheet = ok("value", "collect", "lc_web", "lc_code", "--budget", "100", "--cost", "1", "--format", "csv").out
    assert [line.split(",")[0] for line in sheet.splitlines()] == ["group", "code", "web"]


def test_a_round_spends_its_part_and_says_when_to_stop(store: Path, ok: Run) -> None:
    words = ("value", "collect", "lc", "--budget", "30K", *PRICES, "--goal", "worst", "--rounds", "3")
    row = ok(*words, "--least-gain", "0.1").row
    assert (row["budget"], row["budget_of_all_rounds"], row["stop"]) == (10000, 30000, True)
    assert ok(*words, "--least-gain", "1e-4").row["stop"] is False
    text = ok(*words, "--least-gain", "0.1", "--format", "table").out
    assert "round 1 of 3 of 30000" in text
    assert "stop: even its upper end is less than 0.1" in text
    assert "ask for what is left with --rounds 2" in text
    assert "No purchase takes the worst loss below" in text


def test_curves_without_replicates_have_no_intervals(store: Path, ok: Run) -> None:
    ok(*CURVES, "--bootstrap", "0", "--name", "bare")
    words = ("value", "collect", "bare", "--budget", "1K", "--cost", "1", "--available", "web=100")
    row = ok(*words, "--least-gain", "1").row
    assert (row["groups"][0]["buy_low"], row["outcome_low"], row["draws"], row["stop"]) == (None, None, 0, True)
    text = ok(*words, "--least-gain", "1", "--format", "table").out
    assert "without replicates no interval" in text
    assert text.count("unknown") >= 6


def test_an_accuracy_becomes_an_error(store: Path, ok: Run) -> None:
    row = ok(*CURVES, "--value", "accuracy", "--higher-is-better", "--pool", "--name", "acc").row
    assert row["measure"] == "error = 1 - value"
    assert row["shared_exponent"]["mean"] == pytest.approx(0.41, abs=0.15)
    assert "--higher-is-better" in row["command"]
    assert "error, 1 - value" in ok("forecast", "acc_web", "--at", "x=1e5", "--format", "table").err
    text = ok("value", "collect", "acc", "--budget", "1K", "--cost", "1", "--format", "table").out
    assert "the weighted sum of the losses" in text


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("lc", "--budget", "0", "--cost", "1"), 2, "--budget takes a number above 0"),
        (("lc", "--budget", "100", "--cost", "web=1"), 4, "The price of 'code' is not given"),
        (("lc", "--budget", "100", "--cost", "web=1", "--cost", "2"), 2, "one number for all, or NAME=NUMBER"),
        (("lc", "--budget", "100", "--cost", "1", "--cost", "2"), 2, "one number for all, or NAME=NUMBER"),
        (("lc", "--budget", "100", "--cost", "web=1", "--cost", "web=2"), 2, "names something twice"),
        (("lc", "--budget", "100", "--cost", "-1"), 2, "costs -1"),
        (("lc", "--budget", "100", "--cost", "1", "--goal", "best"), 2, "no goal 'best'"),
        (("lc", "--budget", "100", "--cost", "1", "--have", "wbe=10"), 2, "Did you mean 'web'?"),
        (("nothing", "--budget", "100", "--cost", "1"), 2, "no fit 'nothing'"),
        (("lc", "lc_web", "--budget", "100", "--cost", "1", "--available", "web=nan"), 2, "'nan' is not a number"),
    ],
)
def test_budgets_that_make_no_sense(store: Path, run: Run, words: tuple[str, ...], code: int, said: str) -> None:
    answer = run("value", "collect", *words)
    assert answer.code == code, answer.err
    assert said in answer.err


def test_curves_that_cannot_be_fitted(store: Path, run: Run) -> None:
    answer = run("value", "curves", "--by", "domain")
    assert answer.code == 2
    assert "Which column counts the examples" in answer.err
    answer = run("value", "curves", "--count", "n_exmaples")
    assert answer.code == 2
    assert "Did you mean 'n_examples'?" in answer.err
    answer = run(*CURVES, "--where", "domain = 'tools'")
    assert answer.code == 4
    assert "tools has one size" in answer.err
    few = run(*CURVES, "--where", "n_examples < 2000", "--name", "few", "--fail-on", "not-identified")
    assert few.code == 1
    refused = run("value", "collect", "few", "--budget", "100", "--cost", "1")
    assert refused.code == 1
    assert "is not identified, so no money is spent on it" in refused.err
    forced = run("value", "collect", "few", "--budget", "100", "--cost", "1", "--force")
    assert forced.code == 0
