"""scaling boundary: fitted, saved, asked and held against later models, on scores whose boundary is known."""

from __future__ import annotations

import math
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Run = Callable[..., Any]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "boundary.md"
TAU = 0.9


def reach(z: Any) -> Any:
    """The score that the best models reach."""
    return 0.15 + 0.6 / (1 + np.exp(-1.8 * (np.asarray(z) - 23)))


def table_text(lift: float = 0.0) -> str:
    """24 base models with ten models each, three quarters of 2024, a task and a flat one; one model has no compute.

    Below the boundary scores are spread evenly, so that it is the largest score at each compute, and the tau quantile
    lies at tau of the way up.
    """
    random = np.random.default_rng(3)
    lines = ["model,base_model,N,D,released,merged,quiz,flat"]
    for i, z in enumerate(np.linspace(21.2, 24.8, 24)):
        n = 10 ** (z - 12) / 6
        for j, share in enumerate(random.permutation((np.arange(10) + 0.5) / 10)):
            month = 1 + 3 * (j % 3) + i % 3
            score = reach(z) * share + (lift if j == 0 else 0)
            lines.append(f"m{i}-{j},base{i},{n:.8g},1e12,2024-{month:02}-15,{j == 9},{score:.6f},0.4")
    lines.append("nobody,,,,2024-02-01,False,0.2,0.4")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with the scores, and the boundary `quiz90` with periods and bands."""
    folder = tmp_path_factory.mktemp("boundary")
    (folder / "scores.csv").write_text(table_text())
    store = folder / "scores.duckdb"
    done = in_process("ingest", folder / "scores.csv", "--scores", "--db", store)
    assert done.code == 0, done.err
    words = ("boundary", "fit", "quiz", "--tau", TAU, "--period", "quarter", "--bootstrap", 40, "--name", "quiz90")
    done = in_process(*words, "--db", store)
    assert done.code == 0, done.err
    return store


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of it, where commands look for one."""
    return Path(shutil.copy(made, tmp_path / "scaling.duckdb"))


def documented(command: str) -> set[str]:
    """Keys that docs/boundary.md lists for a command."""
    text = DOCS.read_text(encoding="utf-8").partition(f"#### `scaling boundary {command}`")[2]
    return set(re.findall(r"^\| `(\w+)`", text.partition("\n#")[0], flags=re.MULTILINE))


class TestTasks:
    def test_tasks_are_counted(self, store: Path, ok: Run) -> None:
        rows = {row["task"]: row for row in ok("boundary", "tasks").rows}
        assert set(rows["quiz"]) == documented("tasks")
        counts = [rows["quiz"][k] for k in ("n_scores", "n_with_compute", "n_base_models", "n_compute")]
        assert counts == [241, 240, 24, 24]
        assert "with compute" in ok("boundary", "tasks", "--format", "table").out


class TestFit:
    def test_the_boundary_of_the_scores_is_found(self, store: Path, ok: Run) -> None:
        row = ok("boundary", "fit", "quiz", "--tau", TAU, "--bootstrap", 40, "--name", "again").row
        assert set(row) == documented("fit")
        assert (row["task"], row["metric"], row["tau"]) == ("quiz", "score", TAU)
        assert (row["n_models"], row["n_groups"], row["n_compute"]) == (240, 24, 24)
        assert row["n_above_expected"] == pytest.approx(24)
        assert abs(row["n_above"] - 24) <= 2
        assert row["left_out"] == {"no compute": 1}
        curve = {round(math.log10(point["compute_flop"]), 6): point for point in row["curve"]}
        for z in (22.0, 23.0, 24.0):
            assert curve[z]["score"] == pytest.approx(0.9 * reach(z), abs=0.03)
            assert curve[z]["low"] < curve[z]["score"] < curve[z]["high"]
        assert (row["periods"], row["margin"]) == ([], None)
        assert row["name"] == "again"

    def test_people_read_what_was_fitted_how_and_what_was_left_out(self, store: Path, ok: Run) -> None:
        words = ("boundary", "fit", "quiz", "--period", "quarter", "--bootstrap", 20, "--tau", TAU)
        text = ok(*words, "--format", "table").out
        assert text.startswith("quiz (score)\nBoundary of the score that compute buys: 90 % of the models below it\n")
        assert "mean pinball(0.9) with a corner rounded by kappa 2000" in text
        assert "of 24 expected; exact pinball loss 0." in text
        assert "percentile of 20 cluster bootstrap replicates, seed 0, widened for 24 clusters, pointwise" in text
        assert "left out: 1 score, no compute" in text
        assert "2024-Q1 > 2024-Q2" in text
        assert "SELECT model, score, boundary_1(compute_flop) FROM scores" in text

    def test_the_macro_gives_what_the_forecast_gives(self, store: Path, ok: Run) -> None:
        sql = "SELECT compute_flop, quiz90(compute_flop) AS q FROM scores WHERE model = 'm12-0' AND task = 'quiz'"
        row = ok("sql", sql).row
        asked = ok("boundary", "forecast", "quiz90", "--flops", repr(row["compute_flop"])).row
        assert asked["score"] == pytest.approx(row["q"], abs=1e-9)
        general = ok("forecast", "quiz90", "--at", f"C={row['compute_flop']!r}").row
        assert (general["score"], general["kind"]) == (pytest.approx(row["q"], abs=1e-9), "curve")
        assert [general[k] for k in ("low", "high")] == pytest.approx([asked[k] for k in ("low", "high")], abs=1e-9)

    def test_a_grid_of_quantiles_does_not_cross(self, store: Path, ok: Run) -> None:
        words = ("boundary", "fit", "quiz", "--tau", 0.9, "--tau", 0.5, "--tau", 0.975, "--bootstrap", 0, "--name", "g")
        rows = ok(*words).rows
        assert [(row["name"], row["tau"]) for row in rows] == [("g_q50", 0.5), ("g_q90", 0.9), ("g_q97_5", 0.975)]
        assert all(point["low"] is None for row in rows for point in row["curve"])
        at = ok("sql", "SELECT g_q50(1e23) AS a, g_q90(1e23) AS b, g_q97_5(1e23) AS c").row
        assert at["a"] == pytest.approx(0.5 * reach(23), abs=0.02)
        assert at["a"] < at["b"] < at["c"]
        text = ok(*words, "--replace", "--format", "table").out.partition("Quantiles that do not cross:")[2]
        lines = [line.split() for line in text.splitlines() if re.match(r" *\d", line)]
        assert len(lines) == 5
        assert all(float(a) <= float(b) <= float(c) for _, a, b, c in lines)

    def test_published_settings_are_named(self, store: Path, ok: Run) -> None:
        row = ok("boundary", "fit", "quiz", "--preset", "zhang2026", "--bootstrap", 0).row
        assert (row["tau"], row["kappa"], row["ridge"], row["preset"]) == (0.98, 50.0, 0.001, "zhang2026")
        assert any("rounded corner" in reason for reason in row["reasons"])

    def test_options_choose_the_scores(self, store: Path, ok: Run) -> None:
        words = ("boundary", "fit", "quiz", "--bootstrap", 0)
        assert ok(*words, "--exclude", "merged,flagged").row["left_out"]["excluded: merged"] == 24
        assert ok(*words, "--where", "n_params > 1e10", "--group", "none").row["n_groups"] is None
        assert ok(*words, "--period", "2024-04-01,2024-07-01").row["periods"] == ["P1", "P2", "P3"]

    def test_a_column_of_groups_that_is_empty_says_so(self, store: Path, ok: Run) -> None:
        row = ok("boundary", "fit", "quiz", "--group", "organisation", "--bootstrap", 20).row
        assert "240 scores without organisation: each a group of its own." in row["notes"]
        assert "every group is one row" in row["band_method"]


class TestSaved:
    def test_it_is_listed_shown_and_removed(self, store: Path, ok: Run) -> None:
        fits = ok("fits").row
        assert (fits["name"], fits["law"], fits["metric"], fits["n_obs"]) == ("quiz90", "boundary", "quiz", 240)
        assert ok("show", "quiz90").row["parameters"].keys() == {"y0", "rise", "b", "z_mid"}
        ok("rm", "fit", "quiz90")
        assert ok("fits").rows == []

    def test_it_is_verified_to_the_last_bit(self, store: Path, ok: Run) -> None:
        row = ok("verify", "quiz90").row
        assert (row["status"], row["n_then"], row["n_now"], row["moved"]) == ("identical", 240, 240, [])
        assert "all 40 replicates are the same to the last bit" in row["says"][0]

    def test_its_command_makes_it_again(self, store: Path, ok: Run) -> None:
        row = ok("boundary", "fit", "quiz", "--tau", 0.8, "--exclude", "merged", "--where", "n_params > 1e10",
                 "--bootstrap", 20, "--period", "2024-04-01,2024-07-01", "--date-column", "released", "--group",
                 "none", "--name", "one").row  # fmt: skip
        again = ok(*shlex.split(row["command"])[1:], "--replace").row
        for key in ("name", "curve", "data_sha256", "periods", "margin", "left_out", "command", "objective_value"):
            assert again[key] == row[key], key

    def test_changed_data_are_told(self, store: Path, ok: Run, run: Run, refused: Run, made: Path) -> None:
        source = made.parent / "scores.csv"
        text = source.read_text()
        try:
            source.write_text(table_text(lift=0.05))
            ok("ingest", source, "--scores")
        finally:
            source.write_text(text)
        answer = run("verify", "quiz90")
        row = answer.row
        assert answer.code == 1
        assert row["status"] == "data changed"
        assert "240 rows then and now, but not the same values" in row["says"][0]
        assert {m["quantity"] for m in row["moved"]} >= {"b", "objective_value", "replicates"}
        for words in (("boundary", "forecast", "quiz90", "--flops", "1e23"), ("backtest", "quiz90")):
            gone = refused(4, *words)
            assert "have changed since it was made" in gone.err
            assert "Fit again: scaling boundary fit quiz --tau 0.9" in gone.err

    def test_a_source_that_left_is_told(self, store: Path, ok: Run, run: Run, refused: Run) -> None:
        ok("rm", "source", ok("ls", "--what", "sources").row["source_id"])
        row = run("verify", "quiz90").row
        assert (row["status"], row["n_now"]) == ("data left the store", 0)
        assert "(482 scores) removed" in row["says"][1]
        assert "no longer in the store: 240 rows then, none now" in refused(
            4, "boundary", "invert", "quiz90", "--score", 0.3
        ).err  # fmt: skip
        assert ok("forecast", "quiz90", "--at", "C=1e23").row["score"] == pytest.approx(0.9 * reach(23), abs=0.03)

    def test_other_scores_of_the_task_change_nothing(self, store: Path, ok: Run, tmp_path: Path) -> None:
        (tmp_path / "other.csv").write_text("model,N,D,harness,task,score\nx,1e9,1e12,mine,quiz,0.9\n")
        ok("ingest", tmp_path / "other.csv", "--scores")
        assert ok("verify", "quiz90").row["status"] == "identical"

    def test_a_forecast_of_it_is_not_kept(self, store: Path, refused: Run) -> None:
        answer = refused(2, "forecast", "quiz90", "--at", "C=1e24", "--save")
        assert "no model by itself shows whether it was right" in answer.err
        assert "scaling boundary backtest quiz90" in answer.err

    def test_commands_of_other_laws_answer_or_say_why_not(self, store: Path, ok: Run, refused: Run) -> None:
        assert ok("profile", "quiz90", "--parameter", "y0").rows
        assert "nothing to allocate" in refused(2, "allocate", "quiz90", "--flops", "1e24").err
        assert "no run of N and D" in refused(2, "plan", "quiz90", "--budget", "1e21", "--target", "1e23").err
        assert "a higher score is the better one" in refused(2, "compare", "quiz90", "quiz90", "--at", "C=1e23").err
        assert (
            "has the input C, not a loss" in refused(2, "forecast", "quiz90", "--at", "C=1e24", "--then", "quiz90").err
        )


class TestForecast:
    def test_a_score_with_its_band_and_chances(self, store: Path, ok: Run) -> None:
        words = ("--flops", "1e23", "--score", 0.2, "--score", 0.05, "--score", 0.9)
        row = ok("boundary", "forecast", "quiz90", *words).row
        assert set(row) == documented("forecast")
        assert row["score"] == pytest.approx(0.9 * reach(23), abs=0.03)
        assert row["low"] < row["score"] < row["high"]
        assert row["extrapolation_factor"] == 1
        middle, low, high = row["chances"]
        assert middle["probability"] == pytest.approx(1 - 0.2 / reach(23), abs=0.06)
        assert [middle["at_most"], middle["at_least"]] == [False, False]
        assert high == {"score": 0.9, "probability": pytest.approx(0.02), "at_most": True, "at_least": False}
        assert low["probability"] == pytest.approx(1 - 0.05 / reach(23), abs=0.06)

    def test_a_margin_for_later_periods(self, store: Path, ok: Run) -> None:
        now = ok("boundary", "forecast", "quiz90", "--flops", "1e23").row
        later = ok("boundary", "forecast", "quiz90", "--flops", "1e23", "--out-of-period")
        row = later.row
        assert now["margin"] == 0
        assert row["margin"] > 0
        assert row["score"] - now["score"] == pytest.approx(row["margin"])
        assert set(row["margin_parts"]) == {"left out", "2024-Q1 > 2024-Q2", "2024-Q2 > 2024-Q3"}
        assert row["margin"] == pytest.approx(np.mean(list(row["margin_parts"].values())))
        assert "from 2 steps between periods" in later.err

    def test_a_margin_without_periods_says_what_it_lacks(self, store: Path, ok: Run) -> None:
        ok("boundary", "fit", "quiz", "--tau", TAU, "--bootstrap", 0, "--name", "bare")
        answer = ok("boundary", "forecast", "bare", "--flops", "1e23", "--out-of-period")
        assert "It was fitted without periods" in answer.err
        assert (answer.row["low"], set(answer.row["margin_parts"])) == (None, {"left out"})

    def test_far_beyond_the_data_it_says_so(self, store: Path, ok: Run, run: Run) -> None:
        words = ("boundary", "forecast", "quiz90", "--flops", "1e23", "--flops", "1e27")
        rows = ok(*words).rows
        factor = 1e27 / 10**24.8
        assert rows[1]["extrapolation_factor"] == pytest.approx(factor, rel=1e-6)
        assert rows[1]["verdict"].startswith("extrapolating x")
        assert not rows[0]["verdict"].startswith("extrapolating")
        answer = run(*words, "--fail-on", "extrapolating")
        assert (answer.code, answer.rows) == (1, rows)

    def test_a_date_moves_it(self, store: Path, ok: Run, refused: Run) -> None:
        answer = ok("boundary", "forecast", "quiz90", "--flops", "1e23", "--date", "2024-06-01")
        assert answer.row["date"] == "2024-06-01"
        assert answer.row["score"] == pytest.approx(0.9 * reach(23), abs=0.05)
        assert "Compute-equivalent gain" in answer.err
        assert "outside those of the scores" not in answer.err
        later = ok("boundary", "forecast", "quiz90", "--flops", "1e23", "--date", "2025-06-01")
        assert "2025-06-01 lies outside those of the scores, 2024-01-15 to 2024-09-15" in later.err
        assert "Write it as 2025-06-01" in refused(
            2, "boundary", "forecast", "quiz90", "--flops", "1e23", "--date", "soon"
        ).err  # fmt: skip

    def test_what_is_not_identified_is_refused_unless_forced(self, store: Path, ok: Run, refused: Run) -> None:
        ok("boundary", "fit", "quiz", "--tau", 0.9999, "--bootstrap", 0, "--name", "top")
        for words in (("forecast", "top", "--flops", "1e23"), ("invert", "top", "--score", 0.3)):
            answer = refused(1, "boundary", *words)
            assert "There is no 0.9999 quantile to speak of" in answer.err
            assert "--force answers all the same" in answer.err
            assert ok("boundary", *words, "--force").row["fit_verdict"] == "not identified"


class TestInvert:
    def test_there_and_back(self, store: Path, ok: Run) -> None:
        row = ok("boundary", "invert", "quiz90", "--score", 0.4).row
        assert set(row) == documented("invert")
        assert (row["status"], row["probability"]) == ("reached", pytest.approx(0.1))
        assert row["low"] < row["compute_flop"] < row["high"]
        back = ok("boundary", "forecast", "quiz90", "--flops", repr(row["compute_flop"])).row
        assert back["score"] == pytest.approx(0.4, abs=1e-9)

    def test_scores_that_none_or_all_reach(self, store: Path, ok: Run) -> None:
        answer = ok("boundary", "invert", "quiz90", "--score", 0.99, "--score", 0.0)
        none, all_ = answer.rows
        assert (none["status"], none["compute_flop"]) == ("unreachable", None)
        assert (all_["status"], all_["compute_flop"]) == ("at any compute", None)
        assert "with any compute" in answer.err
        table = ok("boundary", "invert", "quiz90", "--score", 0.99, "--format", "table").out
        assert "unreachable" in table

    def test_a_smaller_chance_needs_less_compute(self, store: Path, ok: Run) -> None:
        words = ("boundary", "invert", "quiz90", "--score", 0.3, "--probability", 0.1, "--probability", 0.4)
        rare, often = ok(*words).rows
        assert rare["compute_flop"] < often["compute_flop"]
        # 0.4 of the models reach 0.3 where 0.6 of the height is 0.3.
        truth = 23 + math.log(0.35 / 0.25) / 1.8
        assert math.log10(often["compute_flop"]) == pytest.approx(truth, abs=0.25)


class TestBacktest:
    def test_a_saved_boundary_in_time_beside_baselines(self, store: Path, ok: Run) -> None:
        rows = ok("boundary", "backtest", "quiz90").rows
        assert set(rows[0]) == documented("backtest")
        steps = {(row["train"], row["test"]) for row in rows if row["task"] == "quiz"}
        assert steps == {("2024-Q1", "2024-Q2"), ("2024-Q2", "2024-Q3")}
        means = {row["model"]: row for row in rows if row["task"] == "mean"}
        ours = [row for row in rows if row["task"] == "quiz" and row["model"] == "boundary"]
        assert means["boundary"]["pinball"] == pytest.approx(np.mean([row["pinball"] for row in ours]))
        assert {"boundary", "boundary without margin", "constant", "one", "linear", "ispline"} <= set(means)
        assert means["boundary"]["pinball"] < means["constant"]["pinball"] < means["one"]["pinball"]
        assert means["constant"]["skill"] == 0
        assert ok("backtest", "quiz90").rows == rows

    def test_a_task_with_periods_and_all_tasks(self, store: Path, ok: Run) -> None:
        one = ok("boundary", "backtest", "quiz", "--period", "quarter", "--tau", TAU).rows
        saved = ok("boundary", "backtest", "quiz90").rows
        assert [row["pinball"] for row in one] == [row["pinball"] for row in saved]
        text = ok("boundary", "backtest", "--all-tasks", "--period", "quarter", "--tau", TAU, "--format", "table").out
        assert [line.split()[:2] for line in text.splitlines() if " 2024-Q1 " in line] == [
            ["flat", "2024-Q1"], ["quiz", "2024-Q1"],
        ]  # fmt: skip
        assert "mean of 4 steps" in text
        assert "this boundary, with margin" in text
        assert "the constant 1 has 0.100" in text

    def test_without_periods_the_largest_are_held_out(self, store: Path, ok: Run) -> None:
        ok("boundary", "fit", "quiz", "--tau", TAU, "--bootstrap", 0, "--name", "bare")
        rows = ok("boundary", "backtest", "bare").rows
        assert all(row["train"].startswith("up to ") for row in rows if row["task"] == "quiz")
        assert ok("backtest", "bare").rows == rows
        timed = ok("boundary", "backtest", "bare", "--period", "quarter").rows
        assert timed[0]["train"] == "2024-Q1"

    def test_it_keeps_its_own_settings(self, store: Path, refused: Run) -> None:
        assert "Leave --tau out" in refused(2, "boundary", "backtest", "quiz90", "--tau", 0.5).err
        assert "Leave --where out" in refused(2, "boundary", "backtest", "quiz90", "--where", "n_params > 1").err


class TestReport:
    @pytest.mark.slow
    def test_the_page_answers_and_says_how_forecasts_went(self, store: Path, ok: Run, tmp_path: Path) -> None:
        page = tmp_path / "page.html"
        answer = ok("report", "quiz90", "--flops", "1e23", "--score", 0.3, "-o", page)
        assert answer.row == {"fit": "quiz90", "path": str(page), "verdict": answer.row["verdict"]}
        text = page.read_text(encoding="utf-8")
        score = ok("boundary", "forecast", "quiz90", "--flops", "1e23").row["score"]
        assert f"{score:.2f}" in text
        for said in (
            "2024-Q1",
            "linear quantile regression",
            "quiz90",
            "scaling boundary fit quiz --tau 0.9",
            "merged",
        ):
            assert said in text, said
        assert "http://" not in (rest := text.replace("http://www.w3.org", ""))
        assert "https://" not in rest.replace("https://arxiv.org", "")

    def test_without_periods_it_says_what_it_lacks(self, store: Path, ok: Run, refused: Run, tmp_path: Path) -> None:
        words = ("--tau", TAU, "--bootstrap", 0, "--name", "bare", "--where", "compute_flop > 1e23")
        ok("boundary", "fit", "quiz", *words)
        answer = ok("report", "bare", "--flops", "2e24", "-o", tmp_path / "page.html")
        assert "fitted without periods (--period)" in answer.err
        score = ok("boundary", "forecast", "bare", "--flops", "2e24", "--force").row["score"]
        assert f"{score:.3f}" in (tmp_path / "page.html").read_text(encoding="utf-8")
        assert "Write it as: --at C=..." in refused(2, "report", "bare", "--params", "7B", "--tokens", "1T").err


FIT = ("boundary", "fit", "quiz", "--bootstrap", "0")
REFUSED: list[tuple[int, tuple[str, ...], str]] = [
    (2, ("boundary", "fit", "quix"), "Did you mean 'quiz'?"),
    (2, (*FIT, "--tau", "1"), "0.98 leaves one model in fifty above"),
    (2, (*FIT, "--kappa", "-1"), "50 is published"),
    (2, (*FIT, "--preset", "zhang"), "Did you mean 'zhang2026'?"),
    (2, (*FIT, "--group", "base_modl"), "Did you mean 'base_model'?"),
    (2, (*FIT, "--period", "weekly"), "There are: month, quarter, year, zhang2026."),
    (2, (*FIT, "--exclude", "rubbish"), "There are: architecture"),
    (2, (*FIT, "--where", "colour = 1"), "There are"),
    (2, (*FIT, "--metric", "acc"), "has the metric 'acc'"),
    (2, (*FIT, "--name", "quiz90"), "let it give way with --replace"),
    (2, (*FIT, "--name", "select"), "Take 'select_fit'"),
    (4, (*FIT, "--where", "compute_flop IS NULL"), "no compute (1)"),
    (4, (*FIT, "--where", "score > 2"), "See what there is with"),
    (4, (*FIT, "--where", "model = 'm3-0'"), "at least 5 can"),
    (4, (*FIT, "--where", "base_model = 'base3'"), "All 10 models have the same compute"),
    (4, ("boundary", "fit", "quiz", "--group", "merged", "--where", "NOT merged"), "Take models of other bases too"),
    (3, (*FIT, "--db", "nowhere.duckdb"), "There is no store"),
    (2, ("boundary", "forecast", "nothing", "--flops", "1e23"), "There are: quiz90."),
    (2, ("boundary", "forecast", "quiz90", "--flops", "much"), "Write it as"),
    (2, ("boundary", "forecast", "quiz90", "--flops", "1e23", "--score", "70"), "0.7 stands for 70 %"),
    (2, ("boundary", "forecast", "quiz90", "--flops", "1e23", "--date", "2024-06-01", "--out-of-period"), "by itself"),
    (2, ("boundary", "forecast", "quiz90", "--flops", "1e23", "--level", "2"), "0.9 stands for 90 %"),
    (2, ("boundary", "invert", "quiz90", "--score", "1.5"), "0.7 stands for 70 %"),
    (2, ("boundary", "invert", "quiz90", "--score", "0.5", "--probability", "0"), "one model in ten"),
    (2, ("report", "quiz90", "--score", "70"), "0.7 stands for 70 %"),
    (2, ("boundary", "backtest"), "ask for --all-tasks"),
    (2, ("boundary", "backtest", "quiz91"), "Did you mean 'quiz90'?"),
    (2, ("boundary", "backtest", "quiz"), "Name them: --period quarter"),
    (2, ("boundary", "backtest", "quiz", "--all-tasks"), "Leave --all-tasks out"),
    (2, ("boundary", "backtest", "quiz", "--period", "quarter", "--mode", "double"), "double"),
]


@pytest.mark.parametrize(("code", "words", "said"), REFUSED, ids=[" ".join(words[1:]) for _, words, _ in REFUSED])
def test_what_is_refused_says_what_to_do(
    code: int, words: tuple[str, ...], said: str, store: Path, refused: Run
) -> None:
    assert said in refused(code, *words).err


def test_scores_that_are_all_equal_say_nothing(store: Path, ok: Run, refused: Run) -> None:
    row = ok("boundary", "fit", "flat", "--tau", TAU, "--bootstrap", 0, "--name", "flat").row
    assert row["verdict"] == "not identified"
    assert "All 240 models score the same, 0.4000." in row["reasons"]
    assert "score the same" in refused(1, "boundary", "forecast", "flat", "--flops", "1e23").err


def test_two_harnesses_are_not_mixed(store: Path, ok: Run, refused: Run, tmp_path: Path) -> None:
    lines = [f"x{i},{10 ** (9 + i / 20)},1e12,{h},quiz2,0.{i + 20}" for i in range(30) for h in ("mine", "yours")]
    (tmp_path / "two.csv").write_text("\n".join(["model,N,D,harness,task,score", *lines]) + "\n")
    ok("ingest", tmp_path / "two.csv", "--scores")
    answer = refused(2, "boundary", "fit", "quiz2", "--bootstrap", 0)
    assert "mine (30), yours (30)" in answer.err
    assert "choose one with --harness" in answer.err
    row = ok("boundary", "fit", "quiz2", "--bootstrap", 0, "--harness", "mine").row
    assert (row["n_models"], row["harness"]) == (30, "mine")
    words = ("boundary", "backtest", "--all-tasks", "--period", "quarter", "--tau", TAU)
    answer = ok(*words)
    assert {row["task"] for row in answer.rows} == {"flat", "quiz", "mean"}
    assert "not back-tested: quiz2: The task 'quiz2' has scores of several kinds of harness" in answer.err
    assert "of the task 'quiz2' can be used: no date (30)" in refused(4, *words, "--harness", "mine").err
    assert "No score of any task has the harness 'ours'" in refused(2, *words, "--harness", "ours").err
    said = "No score of the task 'quiz2' has the harness 'ours' and the metric 'score'"
    assert said in refused(2, "boundary", "fit", "quiz2", "--harness", "ours", "--metric", "score").err


def test_dates_that_are_missing_are_told(store: Path, ok: Run, refused: Run, tmp_path: Path) -> None:
    lines = [f"x{i},{10 ** (9 + i / 20)},1e12,0.{i + 20}" for i in range(30)]
    (tmp_path / "undated.csv").write_text("\n".join(["model,N,D,undated", *lines]) + "\n")
    ok("ingest", tmp_path / "undated.csv", "--scores")
    assert "no date (30)" in refused(4, "boundary", "fit", "undated", "--period", "quarter").err
    ok("boundary", "fit", "undated", "--bootstrap", 0, "--tau", 0.8, "--name", "undated")
    words = ("boundary", "forecast", "undated", "--flops", "1e22", "--date", "2024-06-01")
    assert "None of the scores has a date" in refused(4, *words).err
