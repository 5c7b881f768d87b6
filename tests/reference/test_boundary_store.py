"""Drift, shifts and observational scaling from a store of published scores: what was known from arrays comes again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli import app

pytestmark = pytest.mark.reference
LEADERBOARD = "open-llm-leaderboard-v2"
PAIR = """
[columns]
entry = "model_id"
model = "model_name"
released = ["release_date"]
organisation = ["creator"]

[scores]
"MATH-500" = { column = "math_500_pct", metric = "pass", n_items = 500, unit = "percent" }
"AIME-2025" = { column = "aime_2025_pct", metric = "pass", n_items = 300, unit = "percent" }

[options]
shape = "wide"
guess = false
"""


def rows(*words: Any) -> list[dict[str, Any]]:
    answer = CliRunner().invoke(app, [str(word) for word in words])
    assert answer.exit_code == 0, answer.stderr
    found: list[dict[str, Any]] = json.loads(answer.stdout)
    return found


def row(*words: Any) -> dict[str, Any]:
    [found] = rows("boundary", *words)
    return found


@pytest.fixture(scope="module")
def store(reference: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two harnesses on one leaderboard, base models with emergent tasks, and a pair of benchmarks of mathematics."""
    folder = tmp_path_factory.mktemp("published")
    db = folder / "scores.duckdb"
    (folder / "pair.toml").write_text(PAIR)
    base = reference("obs_scaling", "base_llm_benchmark_eval.csv")
    for table, *options in (
        (reference("prescriptive", "derived", "oll_v2_recon_with_tokens.csv"), "--preset", "open-llm-leaderboard"),
        (reference("prescriptive", "derived", "proteus_2k_slim.csv"), "--preset", "proteus"),
        (base, "--preset", "obs-scaling"),
        (
            reference("obs_scaling", "base_llm_emergent_capability_eval.csv"),
            "--preset", "obs-scaling", "--models", base,
        ),
        (reference("prescriptive", "derived", "aa_math500_aime2025.csv"), "--mapping", folder / "pair.toml"),
    ):  # fmt: skip
        rows("ingest", table, *options, "--db", db)
    return db


def test_the_yearly_rate_of_math(store: Path) -> None:
    """2.46 (1.42 to 4.50) orders of magnitude a year in another implementation, over the same four periods."""
    found = row(
        "drift", "MATH Lvl 5", "--harness", LEADERBOARD, "--preset", "zhang2026", "--period", "zhang2026", "--earliest",
        "2023-10-01", "--where", "released IS NOT NULL", "--bootstrap", 0, "--db", store,
    )  # fmt: skip
    assert found["drift"]["periods"] == {"P1": 578, "P2": 457, "P3": 841, "P4": 705}
    assert found["in_time"]["estimates"]["c"] == pytest.approx(2.46, abs=0.02)
    pinball = [step["forecast"]["pinball"] for step in found["drift"]["steps"]]
    assert pinball[0] == pytest.approx(0.01229, abs=2e-5)  # published boundaries on the next period


def test_the_regrade_of_math(store: Path) -> None:
    found = row("shift", "regrade", "MATH Lvl 5", "--db", store)
    assert (found["n"], found["changed"], found["shifted"]) == (3827, 3497, True)
    assert found["mean"] == pytest.approx(0.0431, abs=1e-4)
    assert found["highest"] == pytest.approx(0.714, abs=1e-3)


def test_the_two_harnesses_on_the_models_of_this_table(store: Path) -> None:
    """203 models that either has once, of the 239 that two tables share whatever their number of entries."""
    metrics = ("--metric", "mean_strict_acc", "--metric-against", "inst_level_strict_acc")
    inst = row("shift", "harness", "IFEval", "--harness", LEADERBOARD, *metrics, "--db", store)
    assert (inst["n"], inst["slope_told"]) == (203, True)
    assert inst["mean"] == pytest.approx(-0.040, abs=0.006)
    assert inst["sd"] == pytest.approx(0.159, abs=0.005)
    assert row("shift", "harness", "BBH", "--db", store)["mean"] == pytest.approx(0.003, abs=0.003)
    assert inst["compute"]["apart"] == 8


def test_the_step_of_one_benchmark_against_another(store: Path) -> None:
    words = ("shift", "contamination", "MATH-500", "AIME-2025", "--cutoff", "2025-02-06", "--db", store)
    published = row(*words, "--preset", "zhang2026")["published"]["2025-02-06"]
    assert (published["n_before"], published["n_after"]) == (28, 62)
    assert published["intercept"] == pytest.approx(-4.2788, abs=1e-3)
    assert published["slope"] == pytest.approx(1.3557, abs=1e-3)
    assert published["gamma"] == pytest.approx(0.5757, abs=1e-3)
    assert published["p"] == pytest.approx(0.148, abs=0.03)
    assert row(*words)["shifted"] is False


def test_word_unscrambling_from_components(store: Path) -> None:
    """.0185 by compute alone on the 19 models of known compute that the published pool tests on."""
    found = row(
        "observational", "word_unscrambling_2_exact_match", "--benchmarks",
        "MMLU,ARC-C,HellaSwag,Winograd,TruthfulQA,XWinograd,HumanEval", "--cutoff", "84e21", "--preset", "ruan2024",
        "--bootstrap", 0, "--db", store,
    )["analysis"]  # fmt: skip
    assert found["contest"]["winner"] == "components"
    assert found["contest"]["components"] < 0.4 * found["contest"]["compute"]
    assert found["contest"]["compute"] == pytest.approx(0.0180, abs=5e-4)


def test_a_fifth_of_the_cost_recovers_the_boundary(store: Path) -> None:
    found = row(
        "design", "GPQA", "--harness", LEADERBOARD, "--known", "false", "--where", f"harness = '{LEADERBOARD}'",
        "--preset", "zhang2026", "--draws", 5, "--db", store,
    )  # fmt: skip
    trials = {trial["name"]: trial for trial in found["comparison"]["trials"]}
    assert found["share"] == pytest.approx(0.2, abs=0.001)
    curve = {name: next(m["mean"] for m in trial["measures"] if m["name"] == "curve") for name, trial in trials.items()}
    assert curve["stratified"] < 0.014
    assert curve["stratified"] < curve["random"]
