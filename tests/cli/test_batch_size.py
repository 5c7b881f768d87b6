"""scaling batch-size fit, on sweeps whose curve is known."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from tests.batch_sweeps import QUICK, TARGET, curve_lines, documented, steps_of, text_of, truth

Run = Callable[..., Any]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with one sweep."""
    folder = tmp_path_factory.mktemp("sweep")
    log, db = folder / "sweep.csv", folder / "scaling.duckdb"
    log.write_text(text_of(curve_lines()), encoding="utf-8")
    answer = in_process("ingest", log, "--db", db)
    assert answer.code == 0, answer.err
    return db


@pytest.fixture
def sweep(made: Path, tmp_path: Path) -> Path:
    """A copy of it, where commands look for one."""
    return Path(copyfile(made, tmp_path / "scaling.duckdb"))


def test_the_curve_and_its_critical_batches_are_found(sweep: Path, ok: Run) -> None:
    row = ok("batch-size", "fit", "--target", TARGET, "--anchor", 256, *QUICK, "--name", "s").row
    assert set(row) == documented("fit")
    a, b = truth(4e8)
    assert row["estimates"]["a"] == pytest.approx(a, rel=2e-3)
    assert row["estimates"]["b"] == pytest.approx(b, rel=2e-3)
    assert (row["unit"], row["target_rule"], row["n_params"]) == ("sequences", "given", 4e8)
    ratio, free, anchored = row["critical"]
    assert ratio["estimate"] == pytest.approx(b / a, rel=3e-3)
    assert free["estimate"] == pytest.approx(0.2 * ratio["estimate"])
    assert anchored["estimate"] == pytest.approx(0.2 * ratio["estimate"] + 1.2 * 256)
    assert (anchored["overhead"], anchored["anchor"], anchored["unit"]) == (0.2, 256, "sequences")
    for cell in row["cells"]:
        assert cell["steps"] == pytest.approx(steps_of(4e8, cell["batch"]), rel=4e-3)
        assert cell["run_id"] == f"n400-b{cell['batch']:g}-lr0.001"
        assert (cell["runs"], cell["reached"], cell["edges"]) == (3, 3, [])


def test_the_saved_fit_is_like_any_other(sweep: Path, ok: Run, run: Run) -> None:
    made = ok("batch-size", "fit", "--target", TARGET, *QUICK, "--seed", 4, "--name", "s").row
    [listed] = ok("fits").rows
    assert (listed["name"], listed["law"], listed["n_obs"]) == ("s", "steps_to_target", 7)
    shown = ok("show", "s").row
    assert shown["parameters"]["a"]["estimate"] == made["estimates"]["a"]
    assert ok("verify", "s").row["status"] == "identical"
    [called] = ok("sql", "SELECT s(512) AS steps").rows
    assert called["steps"] == pytest.approx(made["estimates"]["a"] + made["estimates"]["b"] / 512, rel=1e-12)
    [forecast] = ok("forecast", "s", "--at", "B=8192").rows
    assert forecast["steps"] == pytest.approx(steps_of(4e8, 8192), rel=3e-3)
    refused = run("forecast", "s", "--at", "B=8192", "--save")
    assert refused.code == 2
    assert "cannot be kept" in refused.err
    back = ok("backtest", "s").rows
    assert back
    again = ok(*shlex.split(made["command"])[1:], "--replace").row
    assert again["estimates"] == made["estimates"]
    assert again["parameters"] == made["parameters"]
    ok("rm", "fit", "s")
    assert ok("fits").rows == []


def test_several_sweeps_and_what_conventions_make_of_them(write: Callable[[str, str], Path], ok: Run) -> None:
    ok("ingest", write("sweeps.csv", text_of(curve_lines(sizes=(1e8, 2e8, 4e8)))))
    words = ("batch-size", "fit", "--target", TARGET, "--by", "n_params", "--anchor", 128, *QUICK, "--name", "s")
    rows = ok(*words, "--conventions").rows
    assert [row["name"] for row in rows] == ["s_100m", "s_200m", "s_400m"]
    for row, n in zip(rows, (1e8, 2e8, 4e8), strict=True):
        a, b = truth(n)
        assert row["critical"][0]["estimate"] == pytest.approx(b / a, rel=6e-3)
    table = {(one["overhead"], one["anchor"]): one["exponent"] for one in rows[0]["conventions"]["rows"]}
    assert table[(None, None)] == pytest.approx(0.5, abs=5e-3)
    assert table[(0.2, 512)] < table[(0.2, 32)] < table[(None, None)]
    text = ok(*words, "--conventions", "--replace", "--format", "table").out
    assert "by other conventions" in text
    assert ok("verify", "--all").rows[2]["status"] == "identical"


def test_the_target_is_derived_or_stands_in_a_column(write: Callable[[str, str], Path], ok: Run) -> None:
    lines = curve_lines()
    ok("ingest", write("sweep.csv", text_of([f"{lines[0]},goal", *(f"{line},3.0" for line in lines[1:])])))
    row = ok("batch-size", "fit", *QUICK).row
    assert row["target_rule"].startswith("loss of the best run of all after")
    assert row["target"] == pytest.approx(min(3.0, row["target"]))
    at = ok("batch-size", "fit", *QUICK, "--anchor", 256, "--at-samples", 256 * steps_of(4e8, 256)).row
    assert at["target"] == pytest.approx(TARGET, rel=1e-3)
    assert ok("batch-size", "fit", *QUICK, "--target", "goal").row["target_rule"] == "taken from the column goal"
    named = ok("batch-size", "fit", *QUICK, "--by", "n_params", "--target", "400000000.0=3.1").row
    assert (named["target"], named["target_rule"]) == (3.1, "given")
    for i, written in enumerate(("400000000=3.1", "4e8=3.1", "400M=3.1"), start=2):
        again = ok("batch-size", "fit", *QUICK, "--by", "n_params", "--target", written).row
        assert (again["name"], again["sweep"], again["target"]) == (f"steps_{i}_400m", named["sweep"], 3.1)
    assert again["command"].endswith("--name steps_4")


def test_a_context_length_turns_batch_and_anchor_into_tokens(sweep: Path, ok: Run) -> None:
    words = ("batch-size", "fit", "--target", TARGET, "--anchor", 256, *QUICK)
    plain, tokens = ok(*words).row, ok(*words, "--context-length", 512, "--name", "t").row
    assert (tokens["unit"], tokens["anchor"]) == ("tokens", 256 * 512)
    assert tokens["critical"][2]["estimate"] == pytest.approx(512 * plain["critical"][2]["estimate"], rel=1e-6)
    assert "--context-length 512 --batch-unit sequences" in tokens["command"]
    assert ok("verify", "t").row["status"] == "identical"


def test_steps_from_a_column_with_some_that_did_not_get_there(write: Callable[[str, str], Path], ok: Run) -> None:
    lines = ["run_id,N,loss,bs,to_target,stopped"]
    for batch in (32, 64, 128, 256, 512, 1024):
        lines.append(f"r{batch},1e8,3,{batch},{steps_of(1e8, batch):.6f},false")
    lines.append(f"r2048,1e8,3,2048,{0.8 * steps_of(1e8, 2048):.6f},true")
    ok("ingest", write("steps.csv", text_of(lines)))
    words = ("batch-size", "fit", "--steps", "to_target", "--target", "loss", *QUICK, "--name", "s")
    kept = ok(*words, "--censored", "stopped").row
    assert kept["cells"][-1]["censored"] is True
    assert kept["notes"] == ["1 of 7 batch sizes did not reach the target: censored."]
    assert kept["target"] == 3
    a, b = truth(1e8)
    assert kept["critical"][0]["estimate"] == pytest.approx(b / a, rel=1e-3)
    # Taken at face value, the run that stopped early makes larger batches look better than they are.
    believed = ok(*words, "--replace").row
    assert believed["critical"][0]["estimate"] > 1.05 * b / a
    assert ok("verify", "s").row["status"] == "identical"
    text = ok(*words, "--censored", "stopped", "--replace", "--format", "table").out
    assert "more than" in text
    assert "target not reached" in text


def test_forms_are_held_against_each_other_and_the_choice_is_saved(sweep: Path, ok: Run) -> None:
    row = ok("batch-size", "fit", "--target", TARGET, "--form", "auto", *QUICK, "--name", "s").row
    assert row["form"] == "steps_to_target"
    assert row["forms"]["chosen"] == "steps_to_target"
    assert {form["form"] for form in row["forms"]["forms"]} == {
        "steps_to_target", "steps_to_target_power", "steps_to_target_sharp"
    }  # fmt: skip
    assert "--form" not in row["command"]
    power = ok("batch-size", "fit", "--target", TARGET, "--form", "steps_to_target_power", *QUICK, "--name", "p").row
    assert power["estimates"]["alpha"] == pytest.approx(1, abs=0.01)
    assert "--form steps_to_target_power" in power["command"]
    assert [c["overhead"] for c in power["critical"]] == [None]
    assert ok("verify", "p").row["status"] == "identical"


def test_runs_that_diverged_are_counted_and_do_not_win(write: Callable[[str, str], Path], ok: Run) -> None:
    lines = curve_lines()
    for step, loss in ((1, 9.0), (40, 4.5), (400, 11.0)):  # to a number, as most logs have it
        lines.append(f"up,4e8,512,0.004,{step},{loss}")
    for step, loss in ((1, "9.0"), (40, "7"), (400, "nan")):
        lines.append(f"nan,4e8,512,0.008,{step},{loss}")
    ok("ingest", write("sweep.csv", text_of(lines)))
    row = ok("batch-size", "fit", "--target", TARGET, *QUICK).row
    cell = next(cell for cell in row["cells"] if cell["batch"] == 512)
    assert (cell["runs"], cell["reached"], cell["run_id"]) == (5, 3, "n400-b512-lr0.001")
    assert cell["diverged"] == 2
    a, b = truth(4e8)
    assert row["critical"][0]["estimate"] == pytest.approx(b / a, rel=3e-3)


def test_grids_that_do_not_overlap_are_told(write: Callable[[str, str], Path], ok: Run) -> None:
    small = curve_lines(batches=(64, 128, 256), rates=(2.5e-4, 5e-4))
    large = curve_lines(batches=(512, 1024, 2048), rates=(2e-3, 4e-3))
    ok("ingest", write("sweep.csv", text_of([*small, *large[1:]])))
    row = ok("batch-size", "fit", "--target", TARGET, *QUICK).row
    assert any("(2.5e-4 to 5e-4) and at B = 512" in note and "do not overlap" in note for note in row["notes"]), row[
        "notes"
    ]
    assert all(cell["edges"] for cell in row["cells"])
    assert any("end of its grid at 6 batch sizes" in note for note in row["notes"])


class TestRefused:
    def test_one_batch_size(self, sweep: Path, refused: Run) -> None:
        said = refused(4, "batch-size", "fit", "--target", TARGET, "--where", "batch_size_seqs = 256").err
        assert "all rows have one batch size (256)" in said.lower()
        assert "3 or more in all" in said

    def test_a_mixture_of_tokens_and_sequences(self, write: Callable[[str, str], Path], ok: Run, refused: Run) -> None:
        few = curve_lines(batches=(64, 128, 256), column="batch_size", name="s")
        many = curve_lines(batches=(512, 1024, 2048), column="batch_size", scale=512, name="t")
        ok("ingest", write("sweep.csv", text_of([*few, *many[1:]])))
        said = refused(4, "batch-size", "fit", "--target", TARGET).err
        assert "some look like sequences and others like tokens" in said
        assert "context length" in said
        sql = re.search(r'--batch "(.+)" --batch-unit tokens', said)
        assert sql is not None
        row = ok("batch-size", "fit", "--target", TARGET, "--batch", sql[1], "--batch-unit", "tokens", *QUICK).row
        assert row["unit"] == "tokens"
        assert row["critical"][0]["estimate"] == pytest.approx(512 * truth(4e8)[1] / truth(4e8)[0], rel=5e-3)

    def test_a_target_that_no_run_reaches(self, sweep: Path, refused: Run) -> None:
        said = refused(4, "batch-size", "fit", "--target", 0.5).err
        assert "None of 21 runs reached a loss of 0.5" in said
        assert "the lowest loss is" in said

    def test_a_derived_target_that_few_reach(self, write: Callable[[str, str], Path], ok: Run, refused: Run) -> None:
        lines = curve_lines(batches=(64, 128, 256, 512))
        short = [line for line in lines if not re.match(r"\S+-b(64|128)-\S+?,.*,(\d{5,})", line) or "loss" in line]
        ok("ingest", write("sweep.csv", text_of(short)))
        said = refused(4, "batch-size", "fit", "--at-samples", 1.2 * truth(4e8)[1]).err
        assert "The target was derived" in said
        assert "--at-samples" in said
        assert "The target was derived" not in refused(4, "batch-size", "fit", "--target", 2.93).err

    def test_no_batch_size(self, write: Callable[[str, str], Path], ok: Run, refused: Run) -> None:
        ok("ingest", write("runs.csv", "run_id,N,width,loss\na,1e8,64,3\nb,1e8,128,3\n"))
        said = refused(2, "batch-size", "fit").err
        assert "No column of the runs is the batch size by its name" in said
        assert "--batch COLUMN" in said

    def test_no_steps_in_the_log(self, write: Callable[[str, str], Path], ok: Run, refused: Run) -> None:
        ok("ingest", write("runs.csv", "run_id,N,bs,loss\na,1e8,64,3\nb,1e8,128,3\nc,1e8,256,3\n"))
        said = refused(4, "batch-size", "fit").err
        assert "logged losses at steps" in said

    def test_tokens_twice(self, sweep: Path, refused: Run) -> None:
        words = ("batch-size", "fit", "--target", TARGET, "--batch-unit", "tokens", "--context-length", 512)
        assert "not multiplied by a context length once more" in refused(2, *words).err

    def test_marks_without_steps(self, sweep: Path, refused: Run) -> None:
        said = refused(2, "batch-size", "fit", "--target", TARGET, "--censored", "lr").err
        assert "no --steps is given" in said

    def test_an_unknown_sweep_among_the_targets(self, sweep: Path, refused: Run) -> None:
        said = refused(2, "batch-size", "fit", "--by", "n_params", "--target", "7=3.1").err
        assert "No --target is given for the sweep '400000000.0'" in said

    def test_conventions_of_a_single_sweep(self, sweep: Path, run: Run) -> None:
        answer = run("batch-size", "fit", "--target", TARGET, *QUICK, "--conventions")
        assert answer.code == 2
        assert "takes several sweeps, and there is one" in answer.err

    def test_a_name_that_is_taken(self, sweep: Path, ok: Run, refused: Run) -> None:
        ok("batch-size", "fit", "--target", TARGET, *QUICK, "--name", "s")
        assert "already has a fit 's'" in refused(2, "batch-size", "fit", "--target", TARGET, "--name", "s").err
