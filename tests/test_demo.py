"""The demonstration: what it writes, what it says, and that the truth comes out."""

from __future__ import annotations

import csv
import io
import json
import shlex
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli import app
from db.store import Store
from scaling import simulate
from scaling.demo import FILES, STORE_NAME, Demo, make_demo


@pytest.fixture(scope="module")
def plan() -> Demo:
    return make_demo(0)


class TestPlan:
    def test_says_plainly_that_nothing_was_trained(self, plan: Demo) -> None:
        assert "simulated: no model was trained" in plan.introduction

    def test_the_log_says_so_too_in_every_row(self, plan: Demo) -> None:
        rows = list(csv.DictReader(io.StringIO(plan.log_text)))
        assert {row["simulated"] for row in rows} == {"True"}
        assert {row["corpus"] for row in rows} == {"prose", "code"}
        assert f"{len({row['run_id'] for row in rows})} runs, {len(rows)} rows, seed 0" in plan.introduction
        assert sum("diverged" in row["run_id"] for row in rows) > 0

    def test_the_target_is_not_in_the_logs_and_as_far_away_as_it_says(self, plan: Demo) -> None:
        rows = list(csv.DictReader(io.StringIO(plan.log_text)))
        largest = max(6 * float(row["n_params"]) * float(row["n_tokens"]) for row in rows)
        asked = 6 * plan.target["N"] * plan.target["D"]
        [purpose] = [purpose for purpose, words in plan.steps if words[0] == "forecast"]
        assert f"{asked / largest:.0f} times the largest compute" in purpose
        assert str(int(plan.target["N"])) not in {row["n_params"] for row in rows}

    def test_the_outcome_is_that_of_the_simulator(self, plan: Demo) -> None:
        [run] = simulate.simulate_sweep([simulate.PROSE], [int(plan.target["N"])], [int(plan.target["D"])])
        assert plan.outcome == run.trajectory.loss[-1]
        n, d = plan.target["N"], plan.target["D"]
        p = plan.truth
        law = p["E"] + p["A"] / n ** p["alpha"] + p["B"] / d ** p["beta"]
        assert plan.outcome == pytest.approx(law, rel=0.01)

    def test_the_mapping_is_one(self, plan: Demo) -> None:
        mapping = tomllib.loads(plan.mapping_text)
        columns = next(csv.reader(io.StringIO(plan.log_text)))
        assert set(mapping["columns"].values()) | {mapping["metrics"]["loss"]["column"]} <= set(columns)

    def test_the_seed_changes_the_scatter_alone(self, plan: Demo) -> None:
        other = make_demo(1)
        assert other.log_text != plan.log_text
        assert other.log_text.count("\n") == plan.log_text.count("\n")
        assert (other.outcome, other.truth, other.steps) == (plan.outcome, plan.truth, plan.steps)

    def test_the_same_seed_gives_the_same_logs(self, plan: Demo) -> None:
        assert make_demo(0) == plan


class TestCommand:
    @pytest.fixture(scope="module")
    @staticmethod
    def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
        """The folder that the demonstration fills, and what it prints."""
        folder = tmp_path_factory.mktemp("demo") / "out"
        answer = CliRunner().invoke(app, ["demo", "--output", str(folder)])
        assert answer.exit_code == 0, answer.output
        return folder, answer.stdout

    def test_goes_the_whole_way(self, told: tuple[Path, str], plan: Demo) -> None:
        folder, out = told
        assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, STORE_NAME, "report.html"])
        assert out.startswith(plan.introduction)
        assert plan.conclusion in out
        for number, (purpose, words) in enumerate(plan.steps, start=1):
            assert f"{number}. {purpose}\n$ {shlex.join(['scaling', *words])}\n" in out

    def test_the_truth_is_inside_the_interval(self, told: tuple[Path, str], plan: Demo) -> None:
        folder, _ = told
        words = ["forecast", "demo_prose", "--params", f"{plan.target['N']:.0f}", "--tokens", f"{plan.target['D']:.0f}"]
        answer = CliRunner().invoke(app, [*words, "--db", str(folder / STORE_NAME)])
        [row] = json.loads(answer.stdout)
        assert row["low"] < plan.outcome < row["high"]
        assert row["loss"] == pytest.approx(plan.outcome, rel=0.01)
        assert row["verdict"].startswith("extrapolating x16")
        assert row["unit"] == "squared error"

    def test_what_is_printed_can_be_typed(self, told: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
        """Each command that it shows works as it stands, in the folder."""
        folder, out = told
        monkeypatch.chdir(folder)
        shown = [line[2:] for line in out.splitlines() if line.startswith("$ scaling ")]
        assert len(shown) == 6
        for line in shown[:1] + shown[2:5]:
            answer = CliRunner().invoke(app, shlex.split(line)[1:])
            assert answer.exit_code == 0, answer.output

    def test_the_diverged_run_is_left_out_and_said(self, told: tuple[Path, str]) -> None:
        folder, _ = told
        answer = CliRunner().invoke(app, ["show", "demo_prose", "--db", str(folder / STORE_NAME)])
        [row] = json.loads(answer.stdout)
        assert list(row["excluded"].values()) == [1]

    def test_the_page_says_that_it_is_simulated(self, told: tuple[Path, str]) -> None:
        folder, _ = told
        assert "simulated" in (folder / "report.html").read_text(encoding="utf-8")

    def test_can_be_repeated_in_its_own_folder(
        self, told: tuple[Path, str], plan: Demo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = Path(shutil.copytree(told[0], tmp_path / "out"))
        monkeypatch.setattr("scaling.demo.make_demo", lambda seed: replace(plan, steps=plan.steps[:1]))
        answer = CliRunner().invoke(app, ["demo", "--output", str(folder)])
        assert answer.exit_code == 0, answer.output
        with Store(folder / STORE_NAME, read_only=True) as store:
            assert store.query("SELECT count(*) FROM fits")[1] == [(0,)]  # a store of its own, made anew
            assert store.query("SELECT count(*) > 50 FROM runs")[1] == [(True,)]


class TestRefused:
    @pytest.mark.parametrize("name", [STORE_NAME, FILES[0]])
    def test_what_it_did_not_make_is_not_overwritten(self, name: str, tmp_path: Path) -> None:
        """Someone's store has the same name."""
        (tmp_path / name).write_text("years of work")
        answer = CliRunner().invoke(app, ["demo", "--output", str(tmp_path)])
        assert answer.exit_code == 2
        assert f"holds a {name} that is not the demonstration's" in answer.stderr
        assert "--output" in answer.stderr
        assert answer.stdout == ""
        assert (tmp_path / name).read_text() == "years of work"
        assert [path.name for path in tmp_path.iterdir()] == [name]

    def test_a_file_where_the_folder_should_be(self, tmp_path: Path) -> None:
        (tmp_path / "out").write_text("")
        answer = CliRunner().invoke(app, ["demo", "--output", str(tmp_path / "out")])
        assert answer.exit_code == 3
        assert "cannot be written" in answer.stderr
