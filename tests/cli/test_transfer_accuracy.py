"""scaling transfer accuracy, and forecasts of an accuracy by way of the loss, as typed."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # what its tests share takes long to fit

MAPPING = """
[metrics]
loss = { column = "loss", unit = "nats/token" }
acc = { column = "acc", unit = "share", kind = "accuracy" }
flat = { column = "flat", unit = "share", kind = "accuracy" }
rise = { column = "rise", unit = "share", kind = "accuracy" }

[options]
metric = "loss"
"""
TASK = ("transfer", "accuracy", "--corpus", "web", "--loss", "loss", "--metric")
QUICK = ("--bootstrap", "40", "--floor", "1.7", "--form", "power_error")


def error_of(loss: Any) -> Any:
    return 0.1 + 0.3 * (loss - 1.7) ** 0.8


def log_text() -> str:
    """Thirty runs on a grid; accuracies that rise with compute, stay at chance, and fall."""
    random = np.random.default_rng(3)
    lines = ["run_id,corpus,N,D,loss,acc,flat,rise"]
    for i, n in enumerate(np.geomspace(2e7, 3e9, 6)):
        for j, d in enumerate(np.geomspace(5e8, 1e11, 5)):
            loss = (1.7 + 480 / n**0.35 + 2100 / d**0.37) * np.exp(0.001 * random.standard_normal())
            noise = 0.003 * random.standard_normal(3)
            values = (loss, 1 - error_of(loss) + noise[0], 0.25 + noise[1], 0.3 + 0.1 * (loss - 1.7) + noise[2])
            lines.append(f"r{i}{j},web,{n:.6g},{d:.6g},{','.join(f'{v:.9g}' for v in values)}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory, in_process: Any) -> Path:
    """A store with the log, a law `law` of the loss and a fit `task` of the accuracy."""
    folder = tmp_path_factory.mktemp("tasks")
    log, mapping, db = folder / "tasks.csv", folder / "tasks.toml", folder / "scaling.duckdb"
    log.write_text(log_text(), encoding="utf-8")
    mapping.write_text(MAPPING, encoding="utf-8")
    for words in (
        ("ingest", log, "--mapping", mapping),
        ("fit", "chinchilla", "--bootstrap", "40", "--no-backtest", "--name", "law"),
        (*TASK, "acc", *QUICK, "--chance", "0.25", "--questions", "2000", "--name", "task"),
    ):
        answer = in_process(*words, "--db", db)
        assert answer.code == 0, answer.err
    return db


@pytest.fixture
def db(tasks: Path, tmp_path: Path) -> Path:
    """A copy of it, where commands look for one."""
    return Path(shutil.copy(tasks, tmp_path / "scaling.duckdb"))


class TestFit:
    def test_one_object_with_what_is_documented(self, db: Path, ok: Any) -> None:
        row = ok(*TASK, "acc", *QUICK, "--bootstrap", "0", "--name", "again").row
        assert row["form"] == "power_error"
        assert row["estimates"]["kappa"] == pytest.approx(0.8, abs=0.06)
        assert (row["floor_x"], row["floor"]["source"]) == (1.7, "number")
        assert (row["chance"], row["n_questions"], row["concern"]) == (None, None, None)
        assert (row["corpus"], row["loss"], row["metric"]) == ("web", "loss", "acc")
        assert row["ordered_by"] == "budget"
        assert row["n_runs"] == row["n_obs"] == 30
        assert row["r2"] > 0.99
        assert {c["form"] for c in row["candidates"]} == {"power_error", "capped_power", "free_sigmoid"}
        assert row["notes"] == ["30 runs with both metrics."]
        assert row["task"] == "1 - acc of web from loss of web"

    def test_people_see_the_task_its_chance_and_the_forms(self, db: Path, ok: Any) -> None:
        answer = ok(*TASK, "acc", *QUICK, "--bootstrap", "0", "--chance", "0.25", "--name", "b", "--format", "table")
        assert answer.out.startswith("error = 1 - acc of web from loss of web\nform power_error, asked for; 30 runs")
        assert "floor of the loss: 1.700, given, number" in answer.out
        assert "error of guessing: 0.7500" in answer.out
        assert "held-out error, points" in answer.out
        assert "Forms are compared cut-off by cut-off" in answer.out

    def test_the_floor_is_that_of_a_law_of_the_loss(self, db: Path, ok: Any) -> None:
        words = ("--floor", "law", "--form", "power_error", "--bootstrap", "0")
        row = ok(*TASK, "acc", *words, "--name", "floored").row
        assert row["floor_x"] == pytest.approx(1.7, abs=0.1)
        assert row["floor"]["low"] < row["floor_x"] < row["floor"]["high"]
        assert "law" in row["floor"]["source"]

    def test_a_task_at_chance_is_not_fitted_with_a_straight_face(self, db: Path, ok: Any, refused: Any) -> None:
        row = ok(*TASK, "flat", *QUICK, "--chance", "0.25", "--name", "flat").row
        assert (row["verdict"], row["concern"]) == ("not identified", "at chance")
        assert row["reasons"][0].startswith("At chance: nothing to extrapolate.")
        said = refused(1, "forecast", "law", "--then", "flat", "--flops", "1e22").err
        assert "At chance: nothing to extrapolate." in said

    def test_a_task_that_gets_worse_is_not_monotone(self, db: Path, ok: Any) -> None:
        row = ok(*TASK, "rise", *QUICK, "--name", "worse").row
        assert (row["verdict"], row["concern"]) == ("not identified", "rises")
        assert row["notes"] == ["30 runs with both metrics."]

    def test_what_makes_no_sense_is_refused(self, db: Path, refused: Any) -> None:
        assert "falls from the error of guessing" in refused(2, *TASK, "acc", "--form", "chance_power").err
        assert "a share from 0 to below 1" in refused(2, *TASK, "acc", "--chance", "25").err
        assert "'accc'" in refused(2, *TASK, "accc").err


class TestForecast:
    def test_a_budget_is_split_and_said_in_words(self, db: Path, ok: Any) -> None:
        answer = ok("forecast", "law", "--then", "task", "--flops", "1e22")
        row = answer.row
        assert set(row["inputs"]) == {"N", "D", "C"}
        assert 6 * row["inputs"]["N"] * row["inputs"]["D"] == pytest.approx(1e22, rel=1e-6)
        assert row["accuracy"] == pytest.approx(1 - error_of(row["loss"]), abs=0.02)
        assert row["low"] < row["accuracy"] < row["high"]
        assert row["error"] == pytest.approx(1 - row["accuracy"])
        assert row["question"] == "x predicted"
        assert row["extrapolation_factor"] > 1
        assert "1e22 FLOP at the compute-optimal split of chinchilla: " in answer.err

    def test_a_size_is_taken_as_it_is_given(self, db: Path, ok: Any) -> None:
        row = ok("forecast", "law", "--then", "task", "--params", "7B", "--tokens", "200B").row
        assert row["inputs"] == {"N": 7e9, "D": 2e11}
        assert len(row["steps"]) == 2

    def test_flops_need_an_accuracy(self, db: Path, refused: Any) -> None:
        assert "--flops belongs to --then" in refused(2, "forecast", "law", "--flops", "1e22").err


class TestAsAnyOtherFit:
    def test_it_is_in_the_list_and_a_macro(self, db: Path, ok: Any) -> None:
        listed = {row["name"]: row["law"] for row in ok("fits").rows}
        assert listed == {"law": "chinchilla", "task": "power_error"}
        value = ok("sql", "SELECT task(2.0) AS e, (SELECT kind FROM fits WHERE name = 'task') AS kind").row
        assert value["e"] == pytest.approx(error_of(2.0), abs=0.01)
        assert value["kind"] == "accuracy"

    def test_it_is_verified_to_the_last_bit(self, db: Path, ok: Any) -> None:
        answer = ok("verify", "task", "--format", "table")
        assert answer.out.startswith("task (")
        assert "): identical\n" in answer.out
        assert "all 40 replicates are the same" in answer.out
        assert "So is its back-test, run again." in answer.out

    def test_its_back_test_is_by_budget(self, db: Path, ok: Any) -> None:
        before = ok("forecast", "law", "--then", "task", "--flops", "1e22").row
        answer = ok("backtest", "task", "--format", "table")
        assert "The largest runs by budget were held out" in answer.err
        after = ok("forecast", "law", "--then", "task", "--flops", "1e22").row
        assert (after["low"], after["high"]) == pytest.approx((before["low"], before["high"]), rel=1e-6)

    def test_its_command_makes_it_again(self, db: Path, ok: Any) -> None:
        from db.saved import load_fit
        from db.store import Store

        with Store(db, read_only=True) as store:
            saved = load_fit(store, "task")
        words = shlex.split(saved.command)
        assert words[:3] == ["scaling", "transfer", "accuracy"]
        again = ok(*words[1:], "--replace").row
        assert again["estimates"] == saved.fit.estimates
        assert again["n_questions"] == 2000

    def test_it_has_a_page(self, db: Path, ok: Any, tmp_path: Path) -> None:
        page = tmp_path / "task.html"
        ok("report", "task", "-o", page)
        text = page.read_text(encoding="utf-8")
        assert "Task error from loss, a power law" in text
        assert "share of wrong answers" in text
