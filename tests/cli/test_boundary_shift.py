"""scaling boundary shift: shifts that were planted, and none where none was."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "shift.md"
CUTOFF = "2024-07-01"
BASES, PER_BASE = 15, 8

OURS = """
[constants]
harness = "ours"

[scores]
A = { column = "a", metric = "acc", n_items = 500 }
B = { column = "b", metric = "acc", n_items = 300 }
C = { column = "c", metric = "acc" }
old = { task = "A", column = "a_old", metric = "acc", version = "first grader", superseded = true }
"""
THEIRS = """
[constants]
harness = "theirs"

[scores]
A = { column = "a", metric = "exact" }
"""


def documented(command: str) -> set[str]:
    """Keys that the page lists for a command."""
    text = DOCS.read_text(encoding="utf-8").partition(f"#### `scaling boundary {command}`")[2].partition("\n#")[0]
    first = re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE)
    return {key for cell in first for key in re.findall(r"`(\w+)`", cell)}


def tables() -> tuple[str, str]:
    """120 models of 15 bases and makers over 2024, by two harnesses.

    B is A but for a step of 10 points from July on; C follows A; the first grader gave A 4 points less in eight of ten
    cases; the other harness reads 3 points more, with another compute for one base.
    """
    random = np.random.default_rng(2)
    ours = ["model,base_model,organisation,C,released,evaluated,a,b,c,a_old"]
    theirs = ["model,base_model,organisation,C,released,a"]
    for i in range(BASES):
        flop = 10 ** (22 + 0.1 * i)
        for j in range(PER_BASE):
            month = 1 + (5 * i + 3 * j) % 12
            day = f"2024-{month:02}-{1 + i:02}"
            a = 0.3 + 0.02 * i + 0.05 * random.standard_normal()
            b = a + 0.02 * random.standard_normal() + 0.1 * (day >= CUTOFF)
            c = a + 0.02 * random.standard_normal()
            old = a - 0.04 if (i + j) % 5 else a
            about = f"m{i}-{j},base{i},maker{i}"
            ours.append(f"{about},{flop:.6g},{day},{day},{a:.5f},{b:.5f},{c:.5f},{old:.5f}")
            if j < 4:
                read = a + 0.03 + 0.01 * random.standard_normal()
                theirs.append(f"{about},{flop * (9 if i == 0 else 1):.6g},{day},{read:.5f}")
    return "\n".join(ours) + "\n", "\n".join(theirs) + "\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with both tables."""
    folder = tmp_path_factory.mktemp("shift")
    db = folder / "scores.duckdb"
    for name, text, mapping in zip(("ours", "theirs"), tables(), (OURS, THEIRS), strict=True):
        (folder / f"{name}.csv").write_text(text)
        (folder / f"{name}.toml").write_text(mapping)
        done = in_process("ingest", folder / f"{name}.csv", "--mapping", folder / f"{name}.toml", "--db", db)
        assert done.code == 0, done.err
    return db


CONTAMINATION = ("boundary", "shift", "contamination", "A", "B", "--harness", "A=ours", "--permutations", 400)


class TestContamination:
    def test_a_planted_step_is_found_where_it_is(self, store: Path, ok: Run) -> None:
        row = ok(*CONTAMINATION, "--db", store).row
        assert set(row) == documented("shift contamination")
        assert (row["shifted"], row["leading"], row["n"], row["n_shared"], row["n_groups"]) == (
            True, CUTOFF, 120, 120, 15,
        )  # fmt: skip
        step = next(one for one in row["cutoffs"] if one["cutoff"] == CUTOFF)
        assert step["points_low"] < 0.1 < step["points_high"]
        assert step["points"] == pytest.approx(0.1, abs=0.015)
        assert row["method"].startswith("logistic regression of over-dispersed counts of items, A shrunk")
        assert [s["task"] for s in row["scores"]] == ["A", "B"]

    def test_none_is_found_where_there_is_none(self, store: Path, ok: Run, run: Run) -> None:
        words = ["C" if word == "B" else word for word in CONTAMINATION]
        row = ok(*words, "--db", store).row
        assert row["shifted"] is False
        assert any(note == "Items of B are not known, so all models count alike." for note in row["notes"])
        assert run(*words, "--db", store, "--fail-on", "shift").code == 0
        stopped = run(*CONTAMINATION, "--db", store, "--fail-on", "shift")
        assert stopped.code == 1
        assert stopped.err.startswith("error: Shift of +")

    def test_items_that_are_given_take_the_place_of_those_stored(self, store: Path, ok: Run) -> None:
        stored, given = (
            ok(*CONTAMINATION, "--cutoff", CUTOFF, *more, "--db", store).row["cutoffs"][0]
            for more in ((), ("--items-a", 20))
        )
        assert given["gamma"] != pytest.approx(stored["gamma"], abs=1e-4)

    def test_the_published_way_needs_a_cutoff(self, store: Path, ok: Run, refused: Run) -> None:
        row = ok(*CONTAMINATION, "--preset", "zhang2026", "--cutoff", CUTOFF, "--db", store).row
        assert row["preset"] == "zhang2026"
        assert set(row["published"]) == {CUTOFF}
        assert "cutoff" in refused(2, *CONTAMINATION, "--preset", "zhang2026", "--db", store).err

    def test_a_sheet_has_the_cutoffs(self, store: Path, ok: Run) -> None:
        table = ok(*CONTAMINATION, "--cutoff", CUTOFF, "--cutoff", "2024-04-01", "--db", store, "--format", "csv").table
        assert [(row["task_a"], row["task_b"], row["cutoff"]) for row in table] == [
            ("A", "B", "2024-04-01"), ("A", "B", CUTOFF),
        ]  # fmt: skip
        text = ok(*CONTAMINATION, "--cutoff", CUTOFF, "--db", store, "--format", "table").out
        assert text.startswith("A: A (acc, ours)\nB: B (acc, ours)\n\nShift of +")


class TestHarness:
    def test_the_offset_and_the_other_compute_are_found(self, store: Path, ok: Run) -> None:
        row = ok("boundary", "shift", "harness", "A", "--db", store).row
        assert set(row) == documented("shift harness")
        assert [s["harness"] for s in row["scores"]] == ["ours", "theirs"]
        assert [s["metric"] for s in row["scores"]] == ["acc", "exact"]
        assert (row["n"], row["n_shared"], row["n_groups"], row["told"]) == (60, 60, 15, True)
        assert row["mean"] == pytest.approx(0.03, abs=0.003)
        assert row["low"] < row["mean"] < row["high"] < row["low"] + 0.01
        assert (row["compute"]["n"], row["compute"]["apart"]) == (60, 4)
        assert row["compute"]["models"][0]["dex"] == pytest.approx(np.log10(9), abs=1e-4)

    def test_the_other_way_round_the_sign_turns(self, store: Path, ok: Run) -> None:
        there, back = (
            ok("boundary", "shift", "harness", "A", "--harness", one, "--against", other, *metrics, "--db", store).row
            for one, other, metrics in (
                ("ours", "theirs", ()),
                ("theirs", "ours", ("--metric", "exact", "--metric-against", "acc")),
            )
        )
        assert back["mean"] == pytest.approx(-there["mean"])

    def test_one_harness_is_refused(self, store: Path, refused: Run) -> None:
        assert (
            "has scores of the harness 'ours' alone"
            in refused(4, "boundary", "shift", "harness", "B", "--db", store).err
        )
        err = refused(2, "boundary", "shift", "harness", "A", "--harness", "their", "--db", store).err
        assert "Did you mean 'theirs'?" in err


class TestRegrade:
    def test_the_change_of_the_grader_is_found(self, store: Path, ok: Run) -> None:
        row = ok("boundary", "shift", "regrade", "A", "--db", store).row
        assert set(row) == documented("shift regrade")
        assert [s["version"] for s in row["scores"]] == ["first grader", None]
        assert (row["n"], row["changed"], row["up"], row["down"]) == (120, 96, 96, 0)
        assert row["mean"] == pytest.approx(0.04 * 96 / 120)
        assert row["shifted"] is True
        text = ok("boundary", "shift", "regrade", "A", "--db", store, "--format", "table").out
        assert text.startswith("before: A (acc, ours, first grader)\nafter: A (acc, ours), the version in force\n")

    def test_one_version_is_refused(self, store: Path, refused: Run) -> None:
        assert "are of one version" in refused(4, "boundary", "shift", "regrade", "B", "--db", store).err
        err = refused(
            2, "boundary", "shift", "regrade", "A", "--harness", "ours", "--task-version", "second", "--db", store
        ).err
        assert "No score of the task 'A' has the version 'second'" in err


class TestJump:
    def test_the_step_is_found_among_the_tasks_of_a_harness(self, store: Path, ok: Run) -> None:
        row = ok("boundary", "shift", "jump", "B", "--permutations", 400, "--db", store).row
        assert set(row) == documented("shift jump")
        assert (row["tasks"], row["n"], row["n_compute"]) == (["B", "A", "C"], 120, 15)
        assert [(one["task"], one["cutoff"]) for one in row["found"]] == [("B", CUTOFF)]
        assert row["found"][0]["points"] == pytest.approx(0.1, abs=0.015)
        assert row["notes"][0] == "Held against the others of its harness: A, C."

    def test_tasks_that_no_model_with_a_compute_ran_are_no_companions(
        self, store: Path, ok: Run, tmp_path: Path
    ) -> None:
        db, table = Path(shutil.copy(store, tmp_path / "more.duckdb")), tmp_path / "bare.csv"
        table.write_text("model,harness,D\n" + "".join(f"m0-{j},ours,0.{j + 1}\n" for j in range(8)))
        table.with_suffix(".toml").write_text('[columns]\nharness = "harness"\n\n[scores]\nD = "D"\n')
        ok("ingest", table, "--mapping", table.with_suffix(".toml"), "--db", db)
        row = ok("boundary", "shift", "jump", "B", "--permutations", 20, "--db", db).row
        assert row["tasks"] == ["B", "A", "C"]

    def test_none_is_found_among_tasks_without_one(self, store: Path, ok: Run) -> None:
        words = ("boundary", "shift", "jump", "A", "C", "--harness", "A=ours", "--permutations", 400, "--db", store)
        row = ok(*words).row
        assert (row["found"], row["tasks"]) == ([], ["A", "C"])
        table = ok(*words, "--format", "csv").table
        assert len(table) == 2 * len(row["cutoffs"])


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("contamination", "B", "nothing"), 2, "The store has no scores of the task"),
        (("contamination", "B", "B"), 2, "'B' cannot be held against itself."),
        (("contamination", "A", "B"), 2, "several kinds of"),
        (("contamination", "B", "C", "--cutoff", "soon"), 2, "'soon' is no day that --cutoff can take"),
        (("jump", "B", "C", "--cutoff", "2024-02-30"), 2, "'2024-02-30' is no day that --cutoff can take"),
        (("jump", "A", "--harness", "their"), 2, "Did you mean 'theirs'?"),
        (("contamination", "B", "C", "--metric", "x", "--metric", "y"), 2, "--metric is given 2 times for all tasks"),
        (("contamination", "B", "C", "--scheme", "guess"), 2, "there is no scheme called 'guess'"),
        (("contamination", "B", "C", "--fail-on", "weak"), 2, "Here it is: --fail-on shift"),
        (("contamination", "B", "C", "--where", "evaluated_on IS NULL"), 4, "no score"),
        (("harness", "nothing"), 2, "The store has no scores of the task 'nothing'."),
        (("harness", "A", "--where", "base_model = 'base0' AND model = 'm0-0'"), 4, "too few for an offset"),
        (("harness", "A", "--repeats", "all"), 2, "Take --repeats best, or latest."),
        (("jump", "B", "C", "--repeats", "all"), 2, "Take --repeats best, or latest."),
        (("regrade", "nothing"), 2, "The store has no scores of the task 'nothing'."),
        (("jump", "A", "--harness", "theirs"), 4, "Nobody ran another task beside 'A'"),
        (("jump", "A"), 2, "Choose one with --harness."),
        (("jump", "B", "B"), 2, "The task 'B' is named twice."),
        (("jump", "B", "C", "--most", "0"), 2, "--most"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_with_a_remedy(
    words: tuple[str, ...], code: int, says: str, store: Path, refused: Run
) -> None:
    assert says.lower() in refused(code, "boundary", "shift", *words, "--db", store).err.lower()


def test_models_of_two_sources_that_share_none_are_refused(store: Path, refused: Run) -> None:
    words = ("harness", "A", "--where", "(harness = 'ours' AND model = 'm1-7') OR harness = 'theirs'")
    assert (
        "No model has both scores: 1 have the one and 60 the other."
        in refused(4, "boundary", "shift", *words, "--db", store).err
    )
