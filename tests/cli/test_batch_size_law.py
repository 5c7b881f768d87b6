"""scaling batch-size law and plan, on sweeps whose critical batch grows as the root of the tokens."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.batch_sweeps import CONTEXT, QUICK, TARGET, curve_lines, documented, text_of, truth

Run = Callable[..., Any]
SIZES = (1e8, 2e8, 4e8, 8e8)
WORDS = ("batch-size", "law", "--by", "n_params", "--target", TARGET, *QUICK)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with sweeps of four sizes at 20 tokens a parameter."""
    folder = tmp_path_factory.mktemp("laws")
    log, db = folder / "sweeps.csv", folder / "scaling.duckdb"
    log.write_text(text_of(curve_lines(sizes=SIZES)), encoding="utf-8")
    answer = in_process("ingest", log, "--db", db)
    assert answer.code == 0, answer.err
    return db


@pytest.fixture
def sweeps(made: Path, tmp_path: Path) -> Path:
    """A copy of it, where commands look for one."""
    copy = tmp_path / "scaling.duckdb"
    copy.write_bytes(made.read_bytes())
    return copy


def test_the_exponent_is_found_and_the_law_is_in_tokens(sweeps: Path, ok: Run) -> None:
    words = (*WORDS, "--over", "tokens", "--context-length", CONTEXT, "--name", "cbs")
    row = ok(*words, "--params", "3.2B", "--tokens", "64B").row
    assert set(row) == documented("law")
    assert row["estimates"]["q"] == pytest.approx(0.5, abs=5e-3)
    assert (row["unit"], row["fit_unit"], row["tokens_from"], row["overhead"]) == ("sequences", "tokens", "fit", None)
    assert row["design"]["kind"] == "coupled"
    for point, n in zip(row["points"], SIZES, strict=True):
        a, b = truth(n)
        assert point["critical_batch"] == pytest.approx(b / a, rel=6e-3)
        assert point["n_tokens"] == pytest.approx(20 * n, rel=3e-3)
    assert abs(row["held_out"]["missed"]) < 0.01
    [forecast] = row["forecasts"]
    expected = 1000 * (3.2e9 / 1e8) ** 0.5
    assert forecast["estimate"] == pytest.approx(expected, rel=0.02)
    assert forecast["batch_tokens"] == pytest.approx(CONTEXT * forecast["estimate"], rel=1e-12)
    assert forecast["verdict"].startswith("extrapolating x4")
    published = {one["name"]: one for one in forecast["published"]}
    assert published["zhang-2024"]["batch_tokens"] == pytest.approx(17.75395 * 64e9**0.47, rel=1e-6)
    assert published["power-lines-2025-critical"]["batch_tokens"] is None
    [called] = ok("sql", "SELECT cbs(64e9) AS batch").rows
    assert called["batch"] == pytest.approx(forecast["batch_tokens"], rel=1e-9)
    assert ok("verify", "cbs").row["status"] == "identical"
    again = ok(*shlex.split(row["command"])[1:], "--replace").row
    assert again["parameters"] == row["parameters"]
    assert ok("backtest", "cbs").code == 0


def test_the_convention_is_that_of_every_number(sweeps: Path, ok: Run) -> None:
    words = (*WORDS, "--over", "params", "--overhead", 0.2, "--anchor", 256, "--name", "cbs", "--conventions")
    row = ok(*words).row
    assert row["convention"] == "20 % above linear scaling from a batch of 256 sequences"
    for point, n in zip(row["points"], SIZES, strict=True):
        a, b = truth(n)
        assert point["critical_batch"] == pytest.approx(0.2 * b / a + 1.2 * 256, rel=6e-3)
    assert row["estimates"]["p"] < 0.4
    table = {(one["overhead"], one["anchor"]): one["exponent"] for one in row["conventions"]["rows"]}
    assert table[(0.2, 256)] == pytest.approx(row["estimates"]["p"], rel=1e-9)
    assert table[(None, None)] == pytest.approx(0.5, abs=5e-3)
    assert ok("verify", "cbs").row["status"] == "identical"
    assert not any("the same runs" in note for note in row["notes"])
    text = ok(*words, "--replace", "--format", "table", "--params", "1.6B").out
    assert "extrapolating x2" in text
    assert "zhang-2024-chinchilla" in text
    assert "those of another definition are of another quantity" in text
    sheet = ok(*words, "--replace", "--format", "csv").table
    assert [one["label"] for one in sheet] == ["100M", "200M", "400M", "800M"]


def test_several_targets_of_one_sweep_are_points(sweeps: Path, ok: Run) -> None:
    # Straight curves reach a lower target later by one factor at every batch: b grows and b/a does not.
    row = ok(
        "batch-size", "law", "--where", "n_params = 4e8", "--target", 3.1, "--target", 3.05, "--target", 3.0,
        "--name", "t", *QUICK,
    ).row  # fmt: skip
    assert [point["label"] for point in row["points"]] == ["target 3.1", "target 3.05", "target 3"]
    assert [point["target"] for point in row["points"]] == [3.1, 3.05, 3.0]
    assert row["law"] == "critical_batch"
    assert row["estimates"]["q"] == pytest.approx(0, abs=0.02)
    assert row["argument"] == "fewest_samples"
    assert row["notes"][0].startswith("Several points are read from the same runs")
    over_loss = ok(*shlex.split(row["command"])[1:], "--over", "loss", "--replace")
    assert over_loss.row["law"] == "critical_batch_loss"
    assert "held out" in ok("backtest", over_loss.row["name"]).err
    assert ok("verify", "t").row["status"] == "identical"


def test_size_and_tokens_together_are_refused_where_they_grow_together(sweeps: Path, refused: Run) -> None:
    said = refused(1, *WORDS, "--over", "both", "--context-length", CONTEXT).err
    assert "the law of size and tokens together is refused" in said.lower()


def test_sweeps_that_cannot_be_read_are_left_out_and_counted(sweeps: Path, ok: Run) -> None:
    some = ("--where", "n_params > 1e8 OR batch_size_seqs = 64")
    row = ok(*WORDS, *some).row
    assert [point["label"] for point in row["points"]] == ["200M", "400M", "800M"]
    assert any("one batch size (64)" in reason for reason in row["excluded"])


class TestRefused:
    def test_one_sweep(self, sweeps: Path, refused: Run) -> None:
        said = refused(4, *WORDS, "--where", "n_params = 1e8").err
        assert "needs critical batch sizes of several sweeps, and there is 1" in said
        assert "--target 3.2 --target 3.0" in said

    def test_an_unknown_law(self, sweeps: Path, refused: Run) -> None:
        assert "There is no law over 'size'" in refused(2, *WORDS, "--over", "size").err

    def test_unequal_places(self, sweeps: Path, refused: Run) -> None:
        said = refused(2, *WORDS, "--params", "1B", "--params", "2B", "--tokens", "40B").err
        assert "There are 2 --params, 1 --tokens" in said

    def test_options_of_curves_with_iso_loss(self, sweeps: Path, refused: Run) -> None:
        assert "--by is of sweeps whose curves are read" in refused(2, *WORDS, "--iso-loss").err

    def test_iso_loss_asks_for_the_context_length(self, sweeps: Path, refused: Run) -> None:
        said = refused(2, "batch-size", "law", "--iso-loss").err
        assert "This needs batches in tokens, and 'batch_size_seqs' counts sequences" in said
        assert "--context-length 2048" in said


def decayed_lines() -> list[str]:
    """Runs of three sizes, five lengths and six batches: loss is a power of D/(1 + B/B_crit), tuned at 1e-3."""
    lines = ["run_id,N,D,bs,lr,loss"]
    for n in (1e8, 2e8, 4e8, 8e8, 1.6e9):
        critical = 1e6 * (n / 1e8) ** 0.4
        for length in (2e9, 4e9, 8e9, 16e9, 32e9):
            for batch in (32, 64, 128, 256, 512, 1024):
                for lr in (2.5e-4, 5e-4, 1e-3, 2e-3, 4e-3):
                    useful = length / (1 + batch * 2048 / critical)
                    tuned = 8 * useful**-0.05
                    loss = tuned * (1 + 0.004 * math.log2(lr / 1e-3) ** 2)
                    run = f"n{n:g}-d{length:g}-b{batch}-lr{lr:g}"
                    lines.append(f"{run},{n:g},{length:g},{batch},{lr:g},{loss:.12g}")
    lines.append("up,1e8,2e9,128,0.016,11.0")
    lines.append("nan,1e8,2e9,128,0.032,nan")
    return lines


def test_losses_at_the_end_of_runs(write: Callable[[str, str], Path], ok: Run, refused: Run) -> None:
    ok("ingest", write("decayed.csv", text_of(decayed_lines())))
    words = ("batch-size", "law", "--iso-loss", "--context-length", 2048, "--targets", 3, *QUICK, "--name", "iso")
    row = ok(*words).row
    assert set(row) == documented("law")
    assert len(row["points"]) == 15
    for point in row["points"]:
        assert point["critical_batch"] == pytest.approx(1e6 * (point["n_params"] / 1e8) ** 0.4, rel=1e-3)
    assert row["excluded"] == {"the loss is nan": 1}
    assert (row["unit"], row["held_out"]) == ("tokens", None)
    assert ok("verify", "iso").row["status"] == "identical"
    assert "--iso-loss" in row["command"]
    again = ok(*shlex.split(row["command"])[1:], "--replace").row
    assert again["parameters"] == row["parameters"]
    text = ok(*words, "--replace", "--format", "table").out
    assert "100M at" in text
    assert ok("backtest", "iso").code == 0


@pytest.fixture(scope="module")
def planned(made: Path, tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with the curve of each size, and their law."""
    db = tmp_path_factory.mktemp("plans") / "scaling.duckdb"
    db.write_bytes(made.read_bytes())
    for words in (
        ("batch-size", "fit", "--by", "n_params", "--target", TARGET, *QUICK, "--name", "s"),
        (*WORDS, "--over", "tokens", "--context-length", CONTEXT, "--name", "cbs"),
    ):
        answer = in_process(*words, "--db", db)
        assert answer.code == 0, answer.err
    return db


class TestPlan:
    @pytest.fixture
    def fitted(self, planned: Path, tmp_path: Path) -> None:
        """A copy of it, where commands look for one."""
        (tmp_path / "scaling.duckdb").write_bytes(planned.read_bytes())

    @pytest.mark.usefixtures("fitted")
    def test_identities(self, ok: Run) -> None:
        row = ok("batch-size", "plan", "s_400m", "--batch", 500, "--batch", 2000, "--context-length", CONTEXT).row
        assert set(row) == documented("plan")
        a, b, critical = row["fewest_steps"], row["fewest_samples"], row["critical_batch"]["estimate"]
        assert critical == pytest.approx(b / a, rel=1e-12)
        assert critical == pytest.approx(truth(4e8)[1] / truth(4e8)[0], rel=3e-3)
        for line in row["front"]:
            assert line["time_ratio"] == pytest.approx(1 + critical / line["batch"], rel=1e-12)
            assert line["overhead"] == pytest.approx(line["batch"] / critical, rel=1e-12)
            assert line["tokens"] == pytest.approx(CONTEXT * line["samples"], rel=1e-12)
        assert row["batch"] == pytest.approx(0.2 * critical)
        weights = {one["weight"]: one["batch"] for one in row["by_weight"]}
        assert weights[0.75] == pytest.approx(3 * critical)
        assert (row["flop_per_token"], row["runs"], row["warmup"]) == (6 * 4e8, {}, None)

    @pytest.mark.usefixtures("fitted")
    def test_devices_time_and_money(self, ok: Run, refused: Run) -> None:
        words = ("batch-size", "plan", "s_400m", "--context-length", CONTEXT, "--gpu", "h100", "--price", 2)
        row = ok(*words, "--smallest-per-gpu", 8, "--deadline", 2, "--budget", 100, "--multiple", 8).row
        assert row["gpus"] == pytest.approx(row["batch"] / 8)
        timely = row["runs"]["in_time"]
        assert timely["wall_seconds"] <= 7200
        assert timely["gpus"] % 8 == 0
        assert timely["cost"] == pytest.approx(2 * timely["gpu_hours"])
        assert row["runs"]["in_budget"]["cost"] <= 100
        text = ok(*words, "--deadline", 0.001, "--format", "table").out
        assert "there is none" in text
        assert "devices before another one hardly helps" in text
        sheet = ok(*words, "--format", "csv").table
        assert {"batch", "steps", "time_ratio"} <= set(sheet[0])
        assert "Time and money need devices" in refused(2, *words[:5], "--deadline", 2).err

    @pytest.mark.usefixtures("fitted")
    def test_a_law_plans_a_run_that_was_never_swept_and_its_warm_up(self, ok: Run, refused: Run) -> None:
        words = ("batch-size", "plan", "cbs", "--tokens", "64B", "--params", "3.2B")
        row = ok(*words, "--warmup-share", 0.5, "--warmup-start", 131072).row
        assert row["unit"] == "tokens"
        assert row["critical_batch"]["estimate"] == pytest.approx(CONTEXT * 1000 * 32**0.5, rel=0.02)
        schedule = row["warmup"]
        assert [phase["batch"] for phase in schedule["phases"]][:2] == [131072, 262144]
        law = schedule["k"] * 0.5 * schedule["switches"][0] ** schedule["q"]
        assert law == pytest.approx(262144, rel=1e-9)
        assert any("assumed here and was not measured" in note for note in schedule["notes"])
        other = ok("batch-size", "plan", "s_400m", "--warmup", "cbs", "--context-length", CONTEXT).row
        assert (other["warmup_fit"], other["warmup"]["unit"]) == ("cbs", "tokens")
        assert "asked for a run of some length" in refused(2, *words[:3]).err

    @pytest.mark.usefixtures("fitted")
    def test_a_fit_of_something_else_is_refused(self, refused: Run, ok: Run, write: Callable[[str, str], Path]) -> None:
        said = refused(2, "batch-size", "plan", "s_400m", "--warmup", "s_100m").err
        assert "no law of the critical batch size" in said
