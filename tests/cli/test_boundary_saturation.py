"""scaling boundary saturation: small and large models whose difference is known."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "shift.md"
QUICK = ("--permutations", 60)


def documented(command: str) -> set[str]:
    """Keys that the page lists for a command."""
    text = DOCS.read_text(encoding="utf-8").partition(f"#### `scaling boundary {command}`")[2].partition("\n#")[0]
    first = re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE)
    return {key for cell in first for key in re.findall(r"`(\w+)`", cell)}


def table_text() -> str:
    """Six months of 2024 with 24 small and 12 large models each; size helps in one task and does nothing in another.

    A model has no size, and one has no date.
    """
    random = np.random.default_rng(5)
    lines = ["model,organisation,N,released,helped,same"]
    for month in range(1, 7):
        for i in range(36):
            large = i >= 24
            score = 0.4 + 0.2 * large + 0.05 * random.random()
            n = "7e10" if large else "7e9"
            lines.append(
                f"m{month}-{i},org{i % 9},{n},2024-{month:02}-{1 + i % 28:02},{score:.5f},{random.random():.5f}"
            )
    return "\n".join([*lines, "sizeless,org1,,2024-03-01,0.5,0.5", "dateless,org2,7e9,,0.5,0.5"]) + "\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with the scores."""
    folder = tmp_path_factory.mktemp("saturation")
    (folder / "scores.csv").write_text(table_text())
    db = folder / "scores.duckdb"
    done = in_process("ingest", folder / "scores.csv", "--scores", "--db", db)
    assert done.code == 0, done.err
    return db


def test_size_that_helps_is_seen(store: Path, ok: Run) -> None:
    row = ok("boundary", "saturation", "helped", *QUICK, "--db", store).row
    assert set(row) == documented("saturation")
    assert (row["n"], row["n_small"], row["n_large"], row["n_groups"]) == (216, 144, 72, 9)
    assert row["left_out"] == {"n_params missing": 1, "date missing": 1}
    assert row["threshold"] == 13e9
    assert row["saturated"] is False
    for rule in row["rules"]:
        assert [month["month"] for month in rule["months"]][-1] == "2024-06"
        assert all(month["share"] == 0 for month in rule["months"])
    last = row["rules"][0]["months"][-1]
    assert (last["n_small"], last["n_large"]) == (24, 12)
    assert last["permuted"] > 0.5
    assert last["p"] == pytest.approx(1 / 61)
    [scores] = row["scores"]
    assert (scores["task"], scores["group"], scores["n_scores"]) == ("helped", "organisation", 218)


def test_size_that_does_nothing_is_saturated(store: Path, ok: Run, run: Run) -> None:
    words = ("boundary", "saturation", "same", *QUICK, "--db", store)
    row = ok(*words).row
    assert row["saturated"] is True
    assert row["verdict"].startswith("In 2024-06 no advantage of large models can be told")
    stopped = run(*words, "--fail-on", "saturated")
    assert stopped.code == 1
    assert stopped.err.startswith("error: In 2024-06 no advantage")
    assert run("boundary", "saturation", "helped", *QUICK, "--db", store, "--fail-on", "saturated").code == 0


def test_a_sheet_has_the_months_of_each_rule(store: Path, ok: Run) -> None:
    table = ok("boundary", "saturation", "helped", *QUICK, "--db", store, "--format", "csv").table
    assert {row["rule"] for row in table} == {"running_max", "window_quantile", "matched_best"}
    months = [row["month"] for row in table if row["rule"] == "running_max"]
    assert months == [f"2024-{month:02}" for month in range(1, 7)]
    text = ok("boundary", "saturation", "helped", *QUICK, "--db", store, "--format", "table").out
    assert "In 2024-06 large models still stand above small ones: 0 % of 12 large models" in text
    lines = ok("boundary", "saturation", "helped", *QUICK, "--db", store, "--format", "markdown").out.splitlines()
    assert lines[0].startswith("| task | rule | month |")
    assert len(lines) == 2 + len(table)


def test_another_threshold_parts_models_elsewhere(store: Path, refused: Run) -> None:
    answer = refused(4, "boundary", "saturation", "helped", "--threshold", "100B", "--db", store)
    assert "above 1e+11 parameters" in answer.err


def test_settings_are_kept_and_decide_the_shuffles(store: Path, ok: Run) -> None:
    words = ("boundary", "saturation", "same", *QUICK, "--db", store)
    first, again, other = (ok(*words, "--seed", seed).row for seed in (3, 3, 4))
    assert first["seed"] == 3
    assert first == again
    last = [one["rules"][2]["months"][-1]["permuted"] for one in (first, other)]
    assert last[0] != last[1]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nothing",), 2, "The store has no scores of the task 'nothing'."),
        (("same", "--threshold", "none"), 2, "'none' is not a number that --threshold can take"),
        (("same", "--fail-on", "shift"), 2, "There is nothing called 'shift' to fail on."),
        (("same", "--interval", "wald"), 2, "there is no interval of a share called 'wald'"),
        (("same", "--where", "N >"), 2, "--where takes one SQL expression"),
        (("same", "--where", "n_params IS NULL"), 4, "is of a model whose size is known"),
        (("same", "--where", "released IS NULL"), 4, "has a date in the column 'date'"),
        (("same", "--date-column", "evaluated_on"), 4, "has a date in the column 'evaluated_on'"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_remedy(
    words: tuple[str, ...], code: int, says: str, store: Path, refused: Run
) -> None:
    err = refused(code, "boundary", "saturation", *words, "--db", store).err
    assert says.lower() in err.lower()
    assert len(err.strip().splitlines()) >= 2


def test_an_empty_store_and_none(tmp_path: Path, ok: Run, refused: Run, write: Callable[[str, str], Path]) -> None:
    refused(3, "boundary", "saturation", "same", "--db", tmp_path / "none.duckdb")
    log = write("runs.csv", "run_id,N,D,loss\n" + "\n".join(f"r{i},{1e8 * i},1e10,{3 - i / 10}" for i in range(1, 6)))
    ok("ingest", log)
    assert "The store has no scores." in refused(4, "boundary", "saturation", "same").err
