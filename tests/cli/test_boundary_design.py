"""scaling boundary design: which models of the store to evaluate next."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "evaluation_design.md"
QUICK = ("--draws", 3)
COUNT, SCORED = 120, 80


def documented(command: str) -> set[str]:
    """Keys that the page lists for a command."""
    text = DOCS.read_text(encoding="utf-8").partition(f"#### `scaling boundary {command}`")[2].partition("\n#")[0]
    first = re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE)
    return {key for cell in first for key in re.findall(r"`(\w+)`", cell)}


def table_text() -> str:
    """120 models of 20 bases over 2024; 80 have a score on `quiz`, all on `other`; two more lack compute or a size."""
    random = np.random.default_rng(4)
    lines = ["model,base_model,N,C,released,merged,quiz,other"]
    for i in range(COUNT):
        z = 21 + 4 * (i % 20) / 19
        n = 10 ** (8 + (z - 21) / 2)
        top = 0.2 + 0.6 / (1 + np.exp(-1.5 * (z - 23)))
        quiz = "" if i >= SCORED else f"{top * random.random():.5f}"
        lines.append(
            f"m{i},base{i % 20},{n:.6g},{10**z:.6g},2024-{1 + i % 12:02}-01,{i % 2 == 0},{quiz},{random.random():.5f}"
        )
    return (
        "\n".join([*lines, "nocompute,base1,1e9,,2024-01-01,,0.3,0.4", "nosize,base1,,1e22,2024-01-01,,0.3,0.4"]) + "\n"
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with the scores."""
    folder = tmp_path_factory.mktemp("design")
    (folder / "scores.csv").write_text(table_text())
    db = folder / "scores.duckdb"
    done = in_process("ingest", folder / "scores.csv", "--scores", "--db", db)
    assert done.code == 0, done.err
    return db


def chosen(row: dict[str, Any]) -> set[int]:
    return {int(one["model"][1:]) for one in row["choice"]}


def test_models_without_a_score_are_chosen_for_the_budget(store: Path, ok: Run) -> None:
    row = ok("boundary", "design", "quiz", "--budget", "10%", *QUICK, "--db", store).row
    assert set(row) == documented("design")
    assert (row["design"], row["cost"], row["models"], row["known"]) == ("stratified", "n_params", COUNT, SCORED)
    assert chosen(row) <= set(range(SCORED, COUNT))
    assert row["n_chosen"] == len(row["choice"]) > 5
    assert [one["rank"] for one in row["choice"]] == list(range(1, row["n_chosen"] + 1))
    assert sum(one["cost"] for one in row["choice"]) == pytest.approx(row["spent"])
    assert row["choice"][-1]["spent_share"] == pytest.approx(row["share"])
    assert 0.08 < row["share"] <= 0.1
    assert row["budget"] == pytest.approx(0.1 * row["pool_cost"])
    first = row["choice"][0]
    assert first["cost"] == pytest.approx(10 ** (8 + (np.log10(first["compute_flop"]) - 21) / 2), rel=1e-4)
    low, high = (row["bins"][first["bin"] - 1][end] for end in ("low", "high"))
    assert low <= np.log10(first["compute_flop"]) <= high
    assert row["notes"][:2] == [
        f"1 model of the store left out of the pool: no {what}." for what in ("compute", "n_params")
    ]


def test_random_choice_stands_beside_every_design(store: Path, ok: Run) -> None:
    row = ok("boundary", "design", "quiz", "--budget", "20%", "--design", "random", *QUICK, "--db", store).row
    found = row["comparison"]
    assert {trial["name"] for trial in found["trials"]} == {"random", "stratified", "i_optimal", "d_optimal"}
    assert (found["models"], found["draws"], found["budget_share"]) == (SCORED, 3, pytest.approx(0.2))
    assert row["no_comparison"] is None
    text = ok("boundary", "design", "quiz", *QUICK, "--db", store, "--format", "table").out
    assert "At equal cost " in text
    assert "The comparison begins with nothing known." in text
    assert "first rows:" not in text


def test_scores_that_are_kept_out_are_forecast(store: Path, ok: Run) -> None:
    words = ("boundary", "design", "quiz", *QUICK, "--db", store, "--test", "released >= '2024-10-01'")
    found = ok(*words).row["comparison"]
    later = sum(1 + i % 12 >= 10 for i in range(SCORED))
    assert (found["models"], found["test_models"]) == (SCORED - later, later)
    assert "pinball_out" in {measure["name"] for measure in found["trials"][0]["measures"]}


def test_known_decides_what_is_left_to_choose(store: Path, ok: Run) -> None:
    words = ("boundary", "design", "quiz", "--no-compare", "--budget", "10%", "--db", store)
    nothing = ok(*words, "--known", "false").row
    assert nothing["known"] == 0
    assert chosen(nothing) & set(range(SCORED))
    assert (nothing["comparison"], nothing["no_comparison"]) == (None, "not asked for")
    early = ok(*words, "--known", "released < '2024-07-01'").row
    there = {i for i in range(SCORED) if 1 + i % 12 < 7}
    assert early["known"] == len(there)
    assert not chosen(early) & there


def test_a_task_that_nobody_has_run(store: Path, ok: Run) -> None:
    row = ok("boundary", "design", "--budget", "20", "--cost", "one", "--db", store).row
    assert (row["task"], row["known"], row["n_chosen"], row["scores"]) == (None, 0, 20, None)
    assert (row["models"], row["no_comparison"]) == (COUNT + 1, "no score of the task exists")  # a size is not needed


def test_where_and_exclude_narrow_the_pool(store: Path, ok: Run) -> None:
    words = ("boundary", "design", "quiz", "--no-compare", "--known", "false", "--db", store)
    assert ok(*words, "--where", "base_model <> 'base0'").row["models"] == COUNT - 6
    row = ok(*words, "--exclude", "merged").row
    assert row["models"] == COUNT / 2
    assert all(i % 2 for i in chosen(row))


def test_the_seed_decides_and_is_kept(store: Path, ok: Run) -> None:
    words = ("boundary", "design", "quiz", "--no-compare", "--budget", "5%", "--known", "false", "--db", store)
    one, same, other = (ok(*words, "--seed", seed).row for seed in (1, 1, 2))
    assert one["seed"] == 1
    assert one["choice"] == same["choice"] != other["choice"]


def test_a_sheet_has_the_models_in_their_order(store: Path, ok: Run) -> None:
    words = ("boundary", "design", "quiz", "--no-compare", "--budget", "10%", "--db", store)
    table = ok(*words, "--format", "csv").table
    choice = ok(*words).row["choice"]
    assert [row["model"] for row in table] == [one["model"] for one in choice]
    assert ok(*words, "--format", "markdown").out.startswith("| rank | model | model_id | group | compute_flop |")
    assert len(ok(*words, "--format", "jsonl").out.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nothing",), 2, "The store has no scores of the task 'nothing'."),
        (("quiz", "--budget", "0%"), 2, "the budget must be a number above 0"),
        (("quiz", "--budget", "200%"), 2, "as a share it is at most 100%"),
        (("quiz", "--budget", "much"), 2, "'much' is not a number that --budget can take"),
        (("quiz", "--budget", "2"), 4, "pays for no model"),
        (("quiz", "--budget", "2"), 4, "give a share of the pool"),
        (("quiz", "--design", "strata"), 2, "Did you mean 'stratified'?"),
        (("quiz", "--cost", "params"), 2, "There is no cost 'params'."),
        (("quiz", "--cost", "n_params_active"), 4, "has both compute and a cost (n_params_active)"),
        (("quiz", "--known", "score >"), 2, "--known takes one SQL expression"),
        (("quiz", "--group", "merged"), 2, "Models have no column 'merged' to group by."),
        (("quiz", "--exclude", "odd"), 2, "There is no property to exclude by 'odd'."),
        (("other",), 4, "so there is none to choose"),
        (("--known", "false"), 2, "--known and --test choose scores of a task"),
        (("quiz", "--draws", "1"), 2, "--draws"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_remedy(
    words: tuple[str, ...], code: int, says: str, store: Path, refused: Run
) -> None:
    assert says.lower() in refused(code, "boundary", "design", *words, "--db", store).err.lower()


def test_when_all_are_known_the_message_says_how_to_plan(store: Path, refused: Run) -> None:
    assert "--known false" in refused(4, "boundary", "design", "other", "--db", store).err
