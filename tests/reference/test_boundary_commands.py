"""The commands of boundaries on the Open LLM Leaderboard: the numbers that docs/boundary.md prints."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import app

pytestmark = pytest.mark.reference
BY_UPLOAD = ("--period", "zhang2026", "--date-column", "released")


def rows(*words: Any) -> list[dict[str, Any]]:
    answer = CliRunner().invoke(app, [str(word) for word in words])
    assert answer.exit_code == 0, answer.stderr
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return found


@pytest.fixture(scope="module")
def leaderboard(reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    store = tmp_path_factory.mktemp("leaderboard") / "scores.duckdb"
    table = reference("prescriptive", "derived", "oll_v2_recon_with_tokens.csv")
    rows("ingest", table, "--preset", "open-llm-leaderboard", "--db", store)
    return store


def test_tasks(leaderboard: Path) -> None:
    found = {row["task"]: row for row in rows("boundary", "tasks", "--db", leaderboard) if not row["superseded"]}
    assert set(found) == {"BBH", "GPQA", "IFEval", "MATH Lvl 5", "MMLU-PRO", "MUSR"}
    assert {(row["n_scores"], row["n_with_compute"]) for row in found.values()} == {(3913, 2876)}


def test_the_boundary_of_ifeval_and_its_margin(leaderboard: Path) -> None:
    words = ("boundary", "fit", "IFEval", *BY_UPLOAD, "--bootstrap", 0, "--name", "ifeval", "--db", leaderboard)
    [row] = rows(*words)
    assert (row["n_models"], row["n_groups"], row["verdict"]) == (2581, 118, "ok")
    assert (row["n_above"], round(row["n_above_expected"])) == (52, 52)
    curve = {round(math.log10(point["compute_flop"]), 6): point["score"] for point in row["curve"]}
    printed = {21: 0.342, 22: 0.509, 23: 0.698, 24: 0.820, 25: 0.873}
    assert {at: curve[at] for at in printed} == pytest.approx(printed, abs=6e-4)
    assert row["margin"]["value"] == pytest.approx(0.020, abs=1e-3)
    [inverse] = rows("boundary", "invert", "ifeval", "--score", 0.82, "--db", leaderboard)
    assert inverse["compute_flop"] == pytest.approx(1e24, rel=0.02)


@pytest.mark.slow
def test_forecasts_of_the_next_period_beside_all_baselines(leaderboard: Path) -> None:
    found = rows("boundary", "backtest", "--all-tasks", *BY_UPLOAD, "--db", leaderboard)
    steps = {(row["task"], row["train"]) for row in found if row["task"] != "mean"}
    assert len(steps) == 18
    means = {row["model"]: row for row in found if row["task"] == "mean"}
    ours = means["boundary"]
    # The best baseline has .00442; .0265 is the absolute coverage error of the sigmoid of arXiv:2602.15327.
    assert ours["pinball"] <= 0.00442
    assert ours["coverage_error"] <= 0.0265
    assert ours["pinball"] == min(row["pinball"] for row in means.values())
    printed = {
        "boundary": 0.00423, "boundary without margin": 0.00452, "constant": 0.00545, "one": 0.0126, "binned": 0.00507,
        "binned_smoothed": 0.00458, "isotonic": 0.00486, "linear": 0.00448, "ispline": 0.00442, "zhang2026": 0.00444,
    }  # fmt: skip
    assert {name: row["pinball"] for name, row in means.items()} == pytest.approx(printed, rel=4e-3)
