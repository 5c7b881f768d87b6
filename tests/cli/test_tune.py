"""scaling tune: laws of sweeps whose optimum is known, recommendations, published laws, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.tuning_logs import KB, QB, K, P, Q, log_text

Run = Callable[..., Any]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "tuning.md"
QUICK = ("--context-length", "2048", "--bootstrap", "30")


def documented(heading: str) -> set[str]:
    """Keys that the page lists below a heading, in the first column of the first table."""
    text = PAGE.read_text(encoding="utf-8").partition(heading)[2]
    first = re.match(r"(?:[^|]*\n)*((?:\|.*\n)+)", text)
    assert first is not None
    cells = re.findall(r"^\| (`.+?) \|", first[1], flags=re.MULTILINE)
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with a sweep that scatters a little, and its laws `sweep`."""
    folder = tmp_path_factory.mktemp("tune")
    (folder / "log.csv").write_text(log_text(noise=3e-4))
    db = folder / "scaling.duckdb"
    for words in (("ingest", folder / "log.csv"), ("tune", "fit", *QUICK, "--name", "sweep")):
        answer = in_process(*words, "--db", db)
        assert answer.code == 0, answer.err
    return db


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Path:
    """A copy of it, where commands look for one."""
    return Path(shutil.copy(filled, tmp_path / "scaling.duckdb"))


@pytest.fixture
def read_in(tmp_path: Path, ok: Run) -> Callable[..., None]:
    """Read another sweep into a new store."""

    def _read(text: str | None = None, **settings: Any) -> None:
        (tmp_path / "log.csv").write_text(log_text(**settings) if text is None else text)
        ok("ingest", "log.csv")

    return _read


class TestFit:
    def test_the_laws_are_near_the_truth(self, store: Path, ok: Run) -> None:
        row = ok("tune", "fit", *QUICK, "--name", "again").row
        assert (row["n_cells"], row["n_runs"], row["batch_unit"]) == (9, 441, "tokens")
        laws = row["laws"]
        assert laws["lr"]["estimates"] == pytest.approx({"k": K, "p": P, "q": Q}, rel=0.3)
        assert laws["lr"]["estimates"]["p"] == pytest.approx(P, abs=0.02)
        assert laws["batch"]["estimates"]["q"] == pytest.approx(QB, abs=0.02)
        assert laws["coupled"]["estimates"]["r"] == pytest.approx(0.4, abs=0.02)
        assert laws["coupled"]["fit"] == row["fits"]["coupled"] == "again_coupled"
        for cell in row["cells"]:
            lr, batch = K * cell["n_params"] ** P * cell["n_tokens"] ** Q, KB * cell["n_tokens"] ** QB
            assert (cell["lr"], cell["batch"]) == pytest.approx((lr, batch), rel=0.1)
            # ln L rises by 0.005 u^2 at the best batch, and by (0.006 - 0.004^2/(4*0.005)) v^2 along the valley.
            assert cell["cost_of_2x_lr"] == pytest.approx(0.005 * 0.6931**2, rel=0.25)
            assert cell["cost_of_2x_batch"] == pytest.approx(0.0052 * 0.6931**2, rel=0.25)
            assert cell["slope"] == pytest.approx(0.4, abs=0.1)
            assert cell["convex"] is True
        assert 0 < row["regret"]["one_cell_out"]["mean"] < 0.003
        assert row["regret"]["one_cell_out"]["mean"] < row["published"][1]["mean"]

    def test_keys_are_those_of_the_page(self, store: Path, ok: Run) -> None:
        row = ok("tune", "fit", *QUICK, "--name", "again").row
        assert set(row) == documented("#### `scaling tune fit`")
        assert set(row["cells"][0]) == documented("Each of `cells`:")
        assert set(row["regret"]) == {"fitted", "one_cell_out", "largest_parameters_out", "largest_compute_out"}

    def test_a_sheet_has_the_cells(self, store: Path, ok: Run) -> None:
        table = ok("tune", "fit", *QUICK, "--name", "again", "--method", "argmin", "--format", "csv").table
        assert len(table) == 9
        assert {"n_params", "lr", "status"} <= set(table[0])

    def test_its_command_makes_it_again(self, store: Path, ok: Run) -> None:
        import shlex

        row = ok("tune", "fit", *QUICK, "--name", "t", "--method", "threshold", "--cutoff", "0.0025", "--seed", "2").row
        words = shlex.split(row["command"])[1:]
        again = ok(*words, "--replace").row
        assert again["laws"] == row["laws"]
        assert (again["method"], again["cutoff"], again["order"]) == ("threshold", 0.0025, None)

    def test_a_name_that_is_taken_is_refused_before_anything_is_saved(self, store: Path, refused: Run) -> None:
        answer = refused(2, "tune", "fit", *QUICK, "--name", "sweep")
        assert "already has a fit 'sweep_lr'" in answer.err

    def test_verdicts_can_stop(self, store: Path, run: Run) -> None:
        answer = run("tune", "fit", *QUICK, "--name", "again", "--fail-on", "weak")
        assert answer.code == 1
        assert "--fail-on weak" in answer.err


class TestSavedLaws:
    def test_they_are_listed_shown_forecast_checked_and_removed(self, store: Path, ok: Run) -> None:
        assert [row["name"] for row in ok("fits").rows] == ["sweep_lr", "sweep_batch", "sweep_coupled"]
        assert ok("show", "sweep_batch").row["law"] == "optimal_batch"
        row = ok("forecast", "sweep_coupled", "--at", "N=1e9,D=1e11,B=1e6").row
        [(value,)] = [tuple(r.values()) for r in ok("sql", "SELECT sweep_coupled(1e9, 1e11, 1e6) AS lr").rows]
        assert row["lr"] == pytest.approx(value, rel=1e-12)
        assert {row["status"] for row in ok("verify", "--all").rows} == {"identical"}
        said = ok("backtest", "sweep_lr", "--bootstrap", "0")
        assert "In the cells of the largest model the learning rate and batch by laws of the others give up" in said.err
        ok("report", "sweep_lr", "--at", "N=1e9,D=1e11", "-o", "page.html")
        assert Path("page.html").stat().st_size > 10_000
        ok("rm", "fit", "sweep_coupled")
        assert [row["name"] for row in ok("fits").rows] == ["sweep_lr", "sweep_batch"]

    def test_a_forecast_of_them_cannot_be_kept(self, store: Path, refused: Run) -> None:
        answer = refused(2, "forecast", "sweep_batch", "--at", "D=1e11", "--save")
        assert "worked out from several runs each" in answer.err


class TestRecommend:
    def test_it_is_near_the_truth_with_intervals_and_costs(self, store: Path, ok: Run) -> None:
        row = ok("tune", "recommend", "sweep", "--params", "1B", "--tokens", "100B").row
        assert set(row) == documented("#### `scaling tune recommend`")
        assert row["lr"] == pytest.approx(K * 1e9**P * 1e11**Q, rel=0.1)
        assert row["batch"] == pytest.approx(KB * 1e11**QB, rel=0.1)
        assert row["lr_interval"][0] < row["lr"] < row["lr_interval"][1]
        assert row["sequences"] == round(row["batch"] / 2048)
        assert 0 < row["expected_regret"] < 1e-3
        assert row["verdict"].startswith("extrapolating x")
        low, high = row["plateau"]["lr"]
        # 0.25 % is lost where 0.005 u^2 is as much, at this batch.
        assert high / low == pytest.approx(2.718281828 ** (2 * (0.0025 / 0.005) ** 0.5), rel=0.1)

    def test_published_laws_stand_beside_in_one_unit(self, store: Path, ok: Run) -> None:
        row = ok("tune", "recommend", "sweep", "--params", "1B", "--tokens", "100B").row
        rules = {rule["name"]: rule for rule in row["published"]}
        step = rules["step-law-2025"]
        assert step["lr"] == pytest.approx(1.79 * 1e9**-0.713 * 1e11**0.307, rel=1e-9)
        assert step["sequences"] == pytest.approx(0.58 * 1e11**0.571 / 2048, rel=1e-9)
        assert 0 < step["given_up"] < rules["deepseek-2024"]["given_up"]
        assert rules["zhang-2024"]["given_up"] is None

    def test_a_sheet_begins_with_the_recommendation(self, store: Path, ok: Run) -> None:
        words = ("tune", "recommend", "sweep", "--params", "1e9", "--tokens", "2e10")
        row, table = ok(*words).row, ok(*words, "--format", "csv").table
        assert (table[0]["name"], float(table[0]["lr"])) == ("sweep", pytest.approx(row["lr"], rel=1e-12))
        assert float(table[0]["given_up"]) == pytest.approx(row["expected_regret"], rel=1e-12)
        assert [one["name"] for one in table[1:]] == [one["name"] for one in row["published"]]

    def test_a_batch_that_is_settled_moves_the_learning_rate(self, store: Path, ok: Run) -> None:
        size = ("--params", "1B", "--tokens", "100B")
        small = ok("tune", "recommend", "sweep_lr", *size, "--batch", "128", "--batch-unit", "sequences").row
        large = ok("tune", "recommend", "sweep", *size, "--batch", str(2048 * 512)).row
        assert (small["batch"], large["batch"]) == (2048 * 128, 2048 * 512)
        assert large["lr"] / small["lr"] == pytest.approx(4**0.4, rel=0.05)
        assert small["batch_given"] is True
        assert small["best_batch"] == large["best_batch"]

    def test_sequences_taken_for_tokens_are_refused(self, store: Path, refused: Run) -> None:
        size = ("--params", "1B", "--tokens", "100B")
        assert (
            "looks like a number of sequences" in refused(2, "tune", "recommend", "sweep", *size, "--batch", "512").err
        )
        answer = refused(2, "tune", "recommend", "sweep", *size, "--batch", "512", "--batch-unit", "samples")
        assert "--batch-unit sequences" in answer.err

    def test_unknown_names_are_refused(self, store: Path, refused: Run) -> None:
        assert "no fit 'swep'" in refused(2, "tune", "recommend", "swep", "--params", "1B", "--tokens", "1T").err

    def test_runs_that_changed_are_noticed(self, store: Path, ok: Run, refused: Run, read_in: Any) -> None:
        read_in(sizes=(8e8,))
        answer = refused(4, "tune", "recommend", "sweep", "--params", "1B", "--tokens", "100B")
        assert "have changed since it was made" in answer.err
        assert "scaling tune fit" in answer.err


class TestPublished:
    def test_laws_in_one_unit_without_a_store(self, ok: Run, tmp_path: Path) -> None:
        rows = ok("tune", "published", "--params", "1B", "--tokens", "100B", "--context-length", "2048").rows
        assert set(rows[0]) == documented("#### `scaling tune published`")
        rules = {row["name"]: row for row in rows}
        assert rules["zhang-2024"]["batch"] == pytest.approx(512 * 22.91 * 1e5**0.47, rel=1e-5)
        assert rules["zhang-2024"]["sequences"] == pytest.approx(22.91 * 1e5**0.47 / 4, rel=1e-5)
        assert rules["minicpm-2024"]["batch"] is None
        assert not list(tmp_path.glob("*.duckdb"))

    def test_loss_compute_and_batch_are_used(self, ok: Run) -> None:
        size = ("--params", "1B", "--tokens", "100B")
        rules = {
            row["name"]: row
            for row in ok("tune", "published", *size, "--loss", "2.5", "--flops", "9e20", "--batch", "4M").rows
        }
        assert rules["kaplan-2020"]["batch"] == pytest.approx(2.1e8 / 2.5 ** (1 / 0.21), rel=1e-9)
        deepseek = rules["deepseek-2024"]
        assert deepseek["lr"] == pytest.approx(0.3118 * 9e20**-0.125, rel=1e-9)
        assert deepseek["lr_at_batch"] == pytest.approx(deepseek["lr"] * deepseek["batch_ratio"] ** 0.5, rel=1e-9)
        assert rules["porian-2024"]["lr_at_batch"] is None

    def test_a_batch_in_sequences_needs_their_length(self, refused: Run) -> None:
        words = ("--params", "1B", "--tokens", "100B", "--batch", "512", "--batch-unit", "sequences")
        assert "--context-length 2048" in refused(2, "tune", "published", *words).err


class TestBadInput:
    def test_one_batch_size(self, read_in: Any, refused: Run) -> None:
        read_in(batches=[8])
        answer = refused(4, "tune", "fit", *QUICK)
        assert "All 63 runs have one batch size, 524K tokens" in answer.err
        assert "--batch" in answer.err

    @pytest.mark.parametrize("diverged", ["6.9", "11.09", "nan", "inf"])
    def test_diverged_runs_change_nothing(self, read_in: Any, ok: Run, diverged: str) -> None:
        read_in(diverged=diverged)
        row = ok("tune", "fit", *QUICK, "--name", "d").row
        assert row["n_diverged"] == 49
        assert row["n_not_finite"] == (49 if diverged in ("nan", "inf") else 0)
        assert row["laws"]["lr"]["estimates"] == pytest.approx({"k": K, "p": P, "q": Q}, rel=1e-4)

    def test_learning_rates_that_do_not_overlap(self, read_in: Any, ok: Run) -> None:
        read_in(apart=True, shift=-3)
        row = ok("tune", "fit", *QUICK, "--method", "argmin", "--name", "apart").row
        said = [reason for reason in row["reasons"] if "do not overlap" in reason]
        assert len(said) == 9
        assert "one of the two was not tuned as the other was" in said[0]

    def test_surfaces_that_are_not_convex(self, read_in: Any, refused: Run) -> None:
        read_in(bend=-0.2)
        answer = refused(4, "tune", "fit", *QUICK)
        assert "No cell has an optimum" in answer.err
        assert "is left out of the laws: the loss surface is not convex, so its vertex is no minimum" in answer.err

    def test_one_surface_that_is_not_convex_is_left_out(self, read_in: Any, ok: Run) -> None:
        bad = log_text(sizes=(8e8,), ratios=(20,), bend=-0.2).partition("\n")[2]
        read_in(log_text() + bad)
        row = ok("tune", "fit", *QUICK, "--name", "one").row
        assert row["laws"]["lr"]["n_obs"] == 9
        assert [cell["convex"] for cell in row["cells"]].count(False) == 1
        assert any("800M at 16B is left out of the laws" in reason for reason in row["reasons"])

    @pytest.mark.parametrize("column", ["batch_seqs", "batch_size"])
    def test_a_batch_in_sequences_without_their_length(self, read_in: Any, refused: Run, column: str) -> None:
        read_in(column=column)
        answer = refused(2, "tune", "fit")
        assert f"This needs batches in tokens, and '{column}'" in answer.err
        assert "--context-length 2048" in answer.err

    def test_tokens_need_none_and_take_none(self, read_in: Any, ok: Run, refused: Run) -> None:
        read_in(column="batch_size", scale=2048)
        row = ok("tune", "fit", "--batch-unit", "tokens", "--bootstrap", "0", "--name", "t").row
        assert row["laws"]["batch"]["estimates"] == pytest.approx({"k": KB, "q": QB}, rel=1e-4)
        answer = refused(2, "tune", "fit", "--batch-unit", "tokens", "--context-length", "2048")
        assert "not multiplied by a context length once more" in answer.err

    def test_one_cell_has_an_optimum_and_no_law(self, read_in: Any, refused: Run) -> None:
        read_in(sizes=(1e8,), ratios=(60,))
        answer = refused(4, "tune", "fit", *QUICK)
        assert "1 cell of one size and one number of tokens cannot hold a law of both" in answer.err
        assert "100M at 6B has it at learning rate 0.004536 and a batch of 187K tokens" in answer.err

    def test_no_learning_rate(self, read_in: Any, refused: Run) -> None:
        read_in(log_text().replace(",lr,", ",width,", 1))
        assert "No column of the runs is the learning rate" in refused(2, "tune", "fit", *QUICK).err

    @pytest.mark.parametrize(
        ("words", "said"),
        [(("--method", "bowls"), "bowl"), (("--cutoff", "0"), "cut-off"), (("--level", "2"), "level")],
    )
    def test_settings_that_are_none(self, store: Path, refused: Run, words: tuple[str, ...], said: str) -> None:
        assert said in refused(2, "tune", "fit", *QUICK, *words).err


def test_the_example_of_the_page_is_what_comes_out(tmp_path: Path, ok: Run) -> None:
    text = PAGE.read_text(encoding="utf-8")
    [code] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, timeout=60)
    blocks = re.findall(r"```console\n\$ scaling (.*?)\n(.*?)```", text, flags=re.DOTALL)
    assert [words.split()[:2] for words, _ in blocks] == [
        ["ingest", "sweep.csv"],
        ["tune", "fit"],
        ["tune", "recommend"],
    ]
    for words, shown in blocks:
        answer = ok(*words.split(), "--format", "table")
        if shown:
            assert answer.out.rstrip("\n") == shown.rstrip("\n")
    assert json.loads(ok("fits", "--format", "json").out)[0]["name"] == "sweep_lr"
