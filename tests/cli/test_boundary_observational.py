"""scaling boundary observational: a task that hangs on one ability that benchmarks share."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "observational.md"
NAMES = ("b1", "b2", "b3", "b4")
BENCHMARKS = ",".join(NAMES)
QUICK = ("--bootstrap", 10)
WORDS = ("boundary", "observational", "task", "--benchmarks", BENCHMARKS, "--reference", "family0", *QUICK)


def documented(command: str) -> set[str]:
    """Keys that the page lists for a command."""
    text = DOCS.read_text(encoding="utf-8").partition(f"#### `scaling boundary {command}`")[2].partition("\n#")[0]
    first = re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE)
    return {key for cell in first for key in re.findall(r"`(\w+)`", cell)}


def tables() -> tuple[str, str]:
    """48 models of 8 families; how well a family uses compute differs, so compute alone forecasts worse.

    The task is of another source, which lacks one of the models and has one of its own.
    """
    random = np.random.default_rng(8)
    scores, task = ["model,family,C,b1,b2,b3,b4"], ["model,family,C,task"]
    for i in range(8):
        for j in range(6):
            z = 20.6 + 0.6 * j + 0.05 * i
            ability = 1.2 * (z - 22) + 0.35 * (i % 4 - 1.5)
            made = [
                1 / (1 + np.exp(-(a + b * ability))) + 0.003 * random.standard_normal()
                for a, b in ((0, 0.5), (0.3, 0.4), (-0.3, 0.6), (-0.6, 0.5))
            ]
            cells = [f"{value:.5f}" for value in made]
            if (i, j) == (2, 3):
                cells[1] = ""
            scores.append(f"F{i}-{j},family{i},{10**z:.6g},{','.join(cells)}")
            if (i, j) != (7, 5):
                value = 1 / (1 + np.exp(-(1.4 * ability - 0.8))) + 0.003 * random.standard_normal()
                task.append(f"f{i}-{j},family{i},{10**z:.6g},{min(max(value, 0), 1):.5f}")
    return "\n".join(scores) + "\n", "\n".join([*task, "stranger,family9,1e22,0.4"]) + "\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with both tables."""
    folder = tmp_path_factory.mktemp("observational")
    db = folder / "scores.duckdb"
    for name, text in zip(("scores", "task"), tables(), strict=True):
        (folder / f"{name}.csv").write_text(text)
        done = in_process("ingest", folder / f"{name}.csv", "--scores", "--db", db)
        assert done.code == 0, done.err
    return db


def test_the_task_is_forecast_beyond_a_cutoff(store: Path, ok: Run) -> None:
    row = ok(*WORDS, "--cutoff", "4e22", "--db", store).row
    assert set(row) == documented("observational")
    assert (row["task"], row["benchmarks"], row["n_models"], row["n_families"]) == ("task", list(NAMES), 48, 8)
    found = row["analysis"]
    small = sum(20.6 + 0.6 * j + 0.05 * i <= np.log10(4e22) for i in range(8) for j in range(6))
    assert (found["n_train"], found["contest"]["n_models"]) == (small, 47 - small)
    assert found["contest"]["winner"] == "components"
    assert found["contest"]["components"] < 0.25 * found["contest"]["compute"]
    assert found["equivalent_compute"]["reference"] == "family0"
    forecasts = {one["model"]: one for one in found["forecasts"]}
    assert forecasts["F7-5"]["score"] is None
    assert forecasts["F0-5"]["predicted"] == pytest.approx(forecasts["F0-5"]["score"], abs=0.05)
    assert row["notes"] == ["1 model left out that has no score on any benchmark."]
    assert [s["n_scores"] for s in row["scores"]] == [48, 47, 48, 48, 48]
    assert (row["selection"], row["n_components"]) == (None, found["n_components"])


def test_families_are_selected_for_a_task_that_nobody_has_run(store: Path, ok: Run) -> None:
    words = ("boundary", "observational", "--benchmarks", BENCHMARKS, "--select-families", 13, "--force", "family3")
    row = ok(*words, "--components", 2, "--db", store).row
    assert (row["task"], row["analysis"], row["n_components"]) == (None, None, 2)
    found = row["selection"]
    assert found["families"][0] == "family3"
    assert (found["n_models"], len(found["families"]), found["n_tried"]) == (12, 2, 8)
    assert found["models"] == [f"F{f.removeprefix('family')}-{j}" for f in found["families"] for j in range(6)]
    assert 2 <= found["criterion"] <= found["median_same_size"]
    table = ok(*words, "--components", 2, "--db", store, "--format", "csv").table
    assert [one["model"] for one in table] == found["models"]


def test_both_at_once_and_the_text(store: Path, ok: Run) -> None:
    text = ok(*WORDS, "--cutoff", "4e22", "--select-families", 12, "--db", store, "--format", "table").out
    assert "components forecast this task better than compute alone" in text
    assert "evaluate family" in text
    assert "It is not kept as a fit" in text
    sheet = ok(*WORDS, "--cutoff", "4e22", "--db", store, "--format", "csv").table
    assert len(sheet) == 48
    assert set(sheet[0]) >= {"model", "family", "predicted", "low", "high", "train"}
    bare = ok(*WORDS, "--bootstrap", 0, "--db", store, "--format", "csv").table
    assert {(one["low"], one["high"]) for one in bare} == {("", "")}


def test_nothing_is_saved_without_a_name_and_the_same_comes_again(store: Path, ok: Run) -> None:
    first, again = (ok(*WORDS, "--seed", 5, "--db", store).row for _ in range(2))
    assert first == again
    assert first["analysis"]["seed"] == 5
    assert (first["fit"], first["fit_id"], first["inputs"]) == (None, None, None)
    assert ok("fits", "--db", store).rows == []


@pytest.fixture
def saved(store: Path, tmp_path: Path, ok: Run) -> tuple[Path, dict[str, Any]]:
    """A store of its own with a saved link, and what the command said of it."""
    db = tmp_path / "scores.duckdb"
    copyfile(store, db)
    return db, ok(*WORDS, "--cutoff", "4e22", "--name", "link", "--db", db).row


def test_a_link_is_saved_as_a_law_of_the_benchmark_scores(saved: tuple[Path, dict[str, Any]], ok: Run) -> None:
    db, row = saved
    assert set(row) == documented("observational")
    assert (row["fit"], row["inputs"]) == ("link", {name: name for name in NAMES})
    [listed] = ok("fits", "--db", db).rows
    assert (listed["name"], listed["law"], listed["metric"], listed["n_obs"]) == ("link", "observational", "task", 29)
    shown = ok("show", "link", "--db", db).row
    linked = row["analysis"]["link"]
    assert shown["parameters"]["alpha"]["estimate"] == pytest.approx(linked["alpha"], rel=1e-12)
    assert shown["parameters"]["beta1"]["estimate"] == pytest.approx(linked["beta"][0], rel=1e-12)
    query = "SELECT model, {macro}({parts}) AS forecast FROM scores GROUP BY model ORDER BY model".format(
        macro="link", parts=", ".join(f"max(score) FILTER (task = '{name}')" for name in NAMES)
    )
    by_macro = {one["model"]: one["forecast"] for one in ok("sql", query, "--db", db).rows}
    forecasts = {one["model"]: one["predicted"] for one in row["analysis"]["forecasts"]}
    assert by_macro["F2-3"] is None  # lacks a score; the command fills it in
    whole = [model for model in forecasts if model != "F2-3"]
    assert len(whole) == 47
    assert [by_macro[m] for m in whole] == pytest.approx([forecasts[m] for m in whole], rel=0, abs=1e-12)


def test_the_text_writes_the_sql_that_calls_the_macro(saved: tuple[Path, dict[str, Any]], ok: Run) -> None:
    db, row = saved
    text = ok(*WORDS, "--cutoff", "4e22", "--name", "link", "--replace", "--db", db, "--format", "table").out
    assert "Its intervals take the components as known" in text
    query = text.partition("Its forecasts of all models: ")[2].strip()
    forecasts = {one["model"]: one["predicted"] for one in row["analysis"]["forecasts"]}
    found = {one["model"]: one["forecast"] for one in ok("sql", query, "--db", db).rows}
    assert found["F7-5"] == pytest.approx(forecasts["F7-5"], abs=1e-12)


def test_a_saved_link_is_verified_and_tells_changed_data(
    saved: tuple[Path, dict[str, Any]], ok: Run, run: Run, tmp_path: Path
) -> None:
    db, _ = saved
    said = ok("verify", "link", "--db", db).row
    assert (said["status"], said["n_now"], said["largest_relative_difference"]) == ("identical", 29, 0.0)
    beyond = "model,family,C,b1,b2,b3,b4,task\nlarge,family0,1e26,.9,.9,.9,.9,.9\n"
    (tmp_path / "large.csv").write_text(beyond)
    ok("ingest", tmp_path / "large.csv", "--scores", "--db", db)
    assert ok("verify", "link", "--db", db).row["status"] == "identical"  # beyond the cutoff, so it taught nothing
    (tmp_path / "small.csv").write_text(beyond.replace("large", "small").replace("1e26", "1e21").replace(".9", ".3"))
    ok("ingest", tmp_path / "small.csv", "--scores", "--db", db)
    changed = run("verify", "link", "--db", db)
    assert changed.code == 1
    assert (changed.row["status"], changed.row["n_now"]) == ("data changed", 30)
    assert len(changed.row["newer_runs"]) == 5
    assert "have changed since it was made" in run("backtest", "link", "--db", db).err


def test_the_stored_command_makes_the_same_fit(saved: tuple[Path, dict[str, Any]], ok: Run) -> None:
    from db.saved import load_fit
    from db.store import Store

    db, _ = saved
    with Store(db, read_only=True) as store:
        first = load_fit(store, "link")
    ok(*shlex.split(first.command)[1:], "--replace", "--db", db)
    with Store(db, read_only=True) as store:
        again = load_fit(store, "link")
    assert again.fit_id != first.fit_id
    assert (again.fit.to_dict(), again.data_sha256, again.config) == (
        first.fit.to_dict(), first.data_sha256, first.config
    )  # fmt: skip


def test_a_saved_link_is_back_tested_with_components_learned_again(saved: tuple[Path, dict[str, Any]], ok: Run) -> None:
    db, _ = saved
    target = ("--at", "b1=0.9,b2=0.9,b3=0.9,b4=0.9")
    before = ok("forecast", "link", *target, "--db", db).row
    rows = ok("backtest", "link", "--bootstrap", 0, "--db", db).rows
    assert {one["axis"] for one in rows} == {"training compute"}
    assert all(one["rms"] < 0.1 for one in rows)
    assert sum(one["n"] for one in rows) > 29
    after = ok("forecast", "link", *target, "--db", db).row
    assert after["score"] == before["score"]
    assert after["high"] - after["low"] > before["high"] - before["low"]
    assert "Back-test by training compute" in after["backtest"]
    assert ok("verify", "link", "--db", db).row["status"] == "identical"


def test_a_saved_link_has_a_page_and_can_be_removed(
    saved: tuple[Path, dict[str, Any]], ok: Run, refused: Run, tmp_path: Path
) -> None:
    db, _ = saved
    page = tmp_path / "page.html"
    ok("report", "link", "--at", "b1=0.6,b2=0.6,b3=0.6,b4=0.6", "-o", page, "--db", db)
    text = page.read_text(encoding="utf-8")
    assert "The error of the components" in text
    assert "scores.csv" in text
    assert "scores" in refused(2, "compare", "link", "link", "--flops", "1e24", "--db", db).err
    assert "Leave --save out" in refused(
        2, "forecast", "link", "--at", "b1=0.6,b2=0.6,b3=0.6,b4=0.6", "--save", "--db", db
    ).err  # fmt: skip
    ok("rm", "fit", "link", "--db", db)
    assert ok("fits", "--db", db).rows == []
    refused(2, "sql", "SELECT link(0.1, 0.2, 0.3, 0.4)", "--db", db)


def test_the_verdict_of_the_link_can_fail_a_command(store: Path, run: Run) -> None:
    words = (*WORDS, "--cutoff", "4e22", "--db", store)
    assert run(*words, "--fail-on", "weak").code == 1  # eight families
    assert run(*words, "--fail-on", "not-identified").code == 0


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("task",), 2, "0 benchmarks can have no components."),
        (("task", "--benchmarks", "b1"), 2, "1 benchmark can have no components."),
        (("b1", "--benchmarks", BENCHMARKS), 2, "'b1' is the task"),
        (("--benchmarks", BENCHMARKS), 2, "There is nothing to do"),
        (("task", "--benchmarks", "b1,b9"), 2, "The store has no scores of the task 'b9'."),
        (("task", "--benchmarks", "b1,b1"), 2, "The task 'b1' is named twice."),
        (("task", "--benchmarks", BENCHMARKS, "--cutoff", "1e30"), 4, "no model lies beyond the cutoff"),
        (("task", "--benchmarks", BENCHMARKS, "--cutoff", "1e10"), 4, "lie below the cutoff"),
        (("task", "--benchmarks", BENCHMARKS, "--components", "9"), 2, "have no 9 components"),
        (("task", "--benchmarks", "b1,b2", "--components", "3"), 2, "At most 2."),
        (("task", "--benchmarks", BENCHMARKS, "--preset", "ruan"), 2, "Did you mean 'ruan2024'?"),
        (("--benchmarks", BENCHMARKS, "--select-families", "9", "--name", "a"), 2, "--name saves the link to a task"),
        (("task", "--benchmarks", BENCHMARKS, "--name", "select"), 2, "cannot name a fit"),
        (("task", "--benchmarks", BENCHMARKS, "--force", "family1"), 2, "Add --select-families 8"),
        (("--benchmarks", BENCHMARKS, "--select-families", "12", "--force", "llama"), 2, "there is no family 'llama'"),
        (("--benchmarks", BENCHMARKS, "--select-families", "3"), 4, "within a budget of 3 models"),
        (("task", "--benchmarks", BENCHMARKS, "--where", "model IN ('F0-0', 'f0-1')"), 4, "No model with a score on"),
        (("task", "--benchmarks", BENCHMARKS, "--where", "lower(model) IN ('f0-0', 'f0-1', 'f0-2')"), 4, "few"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_remedy(
    words: tuple[str, ...], code: int, says: str, store: Path, refused: Run
) -> None:
    assert says.lower() in refused(code, "boundary", "observational", *words, "--db", store).err.lower()
