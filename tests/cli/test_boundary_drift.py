"""scaling boundary drift: a boundary that a year moves by a known amount, saved and asked like any other fit."""

from __future__ import annotations

import json
import math
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow  # what its tests share takes long to fit

Run = Callable[..., Any]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "boundary_drift.md"
RATE = 0.6  # orders of magnitude of compute a year
TAU = 0.95  # between the nine lower and the largest of ten scores of one compute
WORDS = ("boundary", "drift", "quiz", "--tau", TAU, "--period", "year")


def documented(command: str) -> set[str]:
    """Keys that the page lists for a command."""
    text = DOCS.read_text(encoding="utf-8").partition(f"#### `scaling boundary {command}`")[2].partition("\n#")[0]
    first = re.findall(r"^\| (`.+?) \|", text, flags=re.MULTILINE)
    return {key for cell in first for key in re.findall(r"`(\w+)`", cell)}


def reach(z: Any, years: Any) -> Any:
    """The score that the best models of a date reach; years since the middle of 2024."""
    return 0.1 + 0.8 / (1 + np.exp(-1.6 * (np.asarray(z) + RATE * np.asarray(years) - 23)))


def table_text() -> str:
    """24 base models, each with ten models on a day of 2023, 2024 and 2025; in `kind` chat models are ahead.

    Two models are of 2022, and one has no date.
    """
    random = np.random.default_rng(6)
    lines = ["model,base_model,C,N,released,type,quiz,kind"]
    for year in (2023, 2024, 2025):
        for i, z in enumerate(np.linspace(21.2, 24.8, 24)):
            for j, share in enumerate(random.permutation((np.arange(10) + 0.5) / 10)):
                chat = (i + j) % 2 == 0
                quiz = reach(z, year - 2024) * share
                kind = reach(z + 0.5 * chat, 0) * random.permutation((np.arange(10) + 0.5) / 10)[j]
                about = f"m{year}-{i}-{j},base{i},{10**z:.8g},{10 ** (z / 2 - 2):.6g},{year}-07-02"
                lines.append(f"{about},{'chat' if chat else 'base'},{quiz:.6f},{kind:.6f}")
    old = [f"old{i},base{i},1e23,1e9,2022-07-02,base,0.2,0.2" for i in range(2)]
    return "\n".join([*lines, *old, "dateless,base1,1e23,1e9,,,0.3,0.3"]) + "\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, in_process: Run) -> Path:
    """A store with the scores and the dated boundary `moving`."""
    folder = tmp_path_factory.mktemp("drift")
    (folder / "scores.csv").write_text(table_text())
    db = folder / "scores.duckdb"
    for words in (
        ("ingest", folder / "scores.csv", "--scores"),
        (*WORDS, "--bootstrap", 20, "--seed", 3, "--name", "moving"),
    ):
        done = in_process(*words, "--db", db)
        assert done.code == 0, done.err
    return db


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Path:
    """A copy of it, where commands look for one."""
    return Path(shutil.copy(made, tmp_path / "scaling.duckdb"))


def test_the_rate_and_the_shifts_are_those_planted(store: Path, ok: Run) -> None:
    row = ok(*WORDS, "--at", "1e23", "--bootstrap", 20).row
    assert set(row) == documented("drift")
    assert (row["task"], row["name"], row["refused"], row["gain"], row["density"]) == ("quiz", None, {}, None, None)
    dated = row["in_time"]
    assert dated["estimates"]["c"] == pytest.approx(RATE, abs=0.05)
    gain = dated["gain"]
    assert gain["low"] < gain["orders"] < gain["high"]
    assert gain["factor"] == pytest.approx(10 ** gain["orders"])
    assert gain["doubling_years"] == pytest.approx(math.log10(2) / gain["orders"])
    assert gain["told_apart"] is True
    assert row["drift"]["periods"] == {"2023": 240, "2024": 240, "2025": 240}
    for step, year in zip(row["drift"]["steps"], (2023, 2024), strict=True):
        assert (step["before"], step["after"]) == (str(year), str(year + 1))
        [shift] = step["shifts"]
        planted = 0.95 * float(reach(23, year - 2023) - reach(23, year - 2024))  # the tenth below the largest
        assert shift["log10_compute"] == 23
        assert shift["shift"] == pytest.approx(planted, abs=0.03)
        assert shift["low"] > 0
        assert step["p_value"] < 0.1
        assert step["forecast"]["signed_coverage_error"] < -0.1
    assert row["notes"] == ["Periods of fewer than 20 models, not compared: 2022 (2)."]
    assert row["scores"]["left_out"] == {"no date": 1}


def test_what_a_group_and_a_day_are_worth(store: Path, ok: Run) -> None:
    words = ("boundary", "drift", "kind", "--tau", TAU, "--period", "year", "--bootstrap", 0)
    row = ok(*words, "--gain", "type = 'chat'").row["gain"]
    assert (row["first"], row["second"]) == ("not: type = 'chat'", "type = 'chat'")
    assert row["n_second"] == 360
    assert row["gain"]["orders"] == pytest.approx(0.5, abs=0.15)
    day = ok(*WORDS, "--bootstrap", 0, "--gain", "2024-01-01").row["gain"]
    assert (day["first"], day["n_first"], day["second"], day["n_second"]) == (
        "before 2024-01-01",
        242,
        "since 2024-01-01",
        480,
    )
    assert RATE < day["gain"]["orders"] < 2.5 * RATE


def test_densities_name_their_models(store: Path, ok: Run) -> None:
    row = ok(*WORDS, "--bootstrap", 0, "--density", "--reference", "2024-07-02").row["density"]
    assert row["reference"] == "2024-07-02"
    assert row["boundary_rate"]["orders"] == pytest.approx(RATE, abs=0.05)
    assert all(re.fullmatch(r"m202\d-\d+-\d+|old\d", record["model"]) for record in row["records"])
    assert row["records"][-1]["model"].startswith("m2025-")
    assert row["in_parameters"]["unit"] == "parameters"


def test_a_sheet_has_the_steps_and_a_text_the_boundary(store: Path, ok: Run) -> None:
    words = (*WORDS, "--bootstrap", 0, "--at", "1e22", "--at", "1e23")
    table = ok(*words, "--format", "csv").table
    assert [(one["before"], one["after"], float(one["compute_flop"])) for one in table] == [
        (str(year), str(year + 1), pytest.approx(flop)) for year in (2023, 2024) for flop in (1e22, 1e23)
    ]
    text = ok(*words, "--format", "table").out
    assert "2023 to 2024" in text
    assert "orders of magnitude of compute a year, a factor of" in text
    lines = ok(*words, "--format", "markdown").out.splitlines()
    assert lines[0].startswith("| task | before | after | compute_flop | shift |")


class TestSaved:
    def test_it_is_a_fit_with_a_macro_of_compute_and_year(self, store: Path, ok: Run) -> None:
        fit = ok("fits").row
        assert (fit["name"], fit["law"], fit["metric"], fit["n_obs"]) == ("moving", "boundary_in_time", "quiz", 722)
        shown = ok("show", "moving")
        assert shown.row["parameters"].keys() == {"y0", "rise", "b", "z_mid", "c"}
        text = ok("show", "moving", "--format", "table").out
        assert "in SQL: moving(compute_flop, year)" in text
        said = ok(*WORDS, "--bootstrap", 0, "--name", "again", "--format", "table").out
        call = said.rpartition("in SQL: ")[2].strip().replace("FROM scores", "AS at FROM scores WHERE task = 'quiz'")
        rows = ok("sql", call).rows
        by = {row["model"]: row["at"] for row in rows}
        assert by["m2025-12-0"] > by["m2024-12-0"] > by["m2023-12-0"]
        assert by["dateless"] is None
        day = ok("forecast", "again", "--at", "C=1e23,year=2025.5").row
        assert day["score"] == pytest.approx(ok("sql", "SELECT again(1e23, 2025.5) AS at").row["at"])
        assert day["score"] == pytest.approx(0.95 * float(reach(23, 1)), abs=0.03)
        assert "2025.5" in ok("forecast", "again", "--at", "C=1e23,year=2025.5", "--format", "table").out

    def test_it_is_verified_and_says_where_data_changed(
        self, store: Path, ok: Run, write: Callable[[str, str], Path], run: Run
    ) -> None:
        found = ok("verify", "moving").row
        assert (found["status"], found["n_then"], found["n_now"]) == ("identical", 722, 722)
        more = write("more.csv", "model,base_model,C,released,quiz\nnew,base3,1e23,2025-01-01,0.9\n")
        ok("ingest", more, "--scores")
        answer = run("verify", "moving")
        assert answer.row["status"] == "data changed"
        assert "new" in str(answer.row)

    def test_its_command_makes_it_again(self, store: Path, ok: Run) -> None:
        row = ok(*WORDS, "--bootstrap", 20, "--seed", 3, "--earliest", "2023-01-01", "--name", "one").row
        command = shlex.split(row["command"])
        assert command[:4] == ["scaling", "boundary", "drift", "quiz"]
        assert {"--earliest", "--period", "--tau"} <= set(command)
        words = ["two" if word == "one" else word for word in command[1:]]
        assert ok(*words).row["in_time"] == row["in_time"]

    @pytest.mark.slow
    def test_its_page_is_written(self, store: Path, ok: Run, tmp_path: Path) -> None:
        ok("report", "moving", "--at", "C=1e24,year=2024.5", "--score", 0.5, "-o", tmp_path / "page.html")
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        [data] = re.findall(r'id="report-data">(.*?)</script>', page, re.DOTALL)
        told = json.loads(data)
        row = ok("forecast", "moving", "--at", "C=1e24,year=2024.5").row
        parts = ("score", "low", "high")
        assert [told["answer"][part] for part in parts] == pytest.approx([row[part] for part in parts])
        assert [one["score"] for one in told["inverse"]] == [0.5, 0.5]
        assert "scores.csv" in page
        ok("report", "moving", "--flops", "1e25", "-o", tmp_path / "page.html")
        assert "dated 2025-07-02" in re.sub(r"\s+", " ", (tmp_path / "page.html").read_text(encoding="utf-8"))

    @pytest.mark.parametrize(
        "words",
        [
            ("boundary", "forecast", "moving", "--flops", "1e24"),
            ("boundary", "invert", "moving", "--score", "0.5"),
        ],
        ids=lambda words: " ".join(words[:2]),
    )
    def test_what_is_for_boundaries_without_dates_says_what_to_do(
        self, words: tuple[str, ...], store: Path, refused: Run, ok: Run
    ) -> None:
        err = refused(2, *words).err
        assert "scaling forecast moving --at C=1e24,year=2025.5" in err
        remedy = err.strip().rpartition("back-tested with: ")[2]
        assert ok(*shlex.split(remedy)[1:]).rows

    def test_it_is_back_tested_by_its_own_periods(self, store: Path, ok: Run) -> None:
        rows = ok("boundary", "backtest", "moving").rows
        assert set(rows[0]) == documented("backtest")
        steps = {(row["train"], row["test"], row["n_train"], row["tau"]) for row in rows if row["task"] == "quiz"}
        assert steps == {("2023", "2024", 242, TAU), ("2024", "2025", 482, TAU)}
        last = {row["model"]: row for row in rows if row["train"] == "2024"}
        assert last["held"]["last_date"] == "2024-07-02"
        assert last["held"]["rate"] == pytest.approx(RATE, abs=0.1)
        assert last["followed"]["pinball"] < 0.6 * last["undated"]["pinball"]
        means = {row["model"]: row for row in rows if row["task"] == "mean"}
        assert list(means) == ["held", "followed", "undated", "last_period", "constant"]
        first = next(row for row in rows if row["model"] == "followed")
        assert means["followed"]["pinball"] == pytest.approx((first["pinball"] + last["followed"]["pinball"]) / 2)
        assert means["constant"]["skill"] == 0
        assert (means["held"]["train"], means["held"]["pinball_se"]) == (None, None)
        assert ok("backtest", "moving").rows == rows
        assert ok("boundary", "backtest", "moving", "--mode", "cumulative").rows == rows

    def test_its_back_test_takes_other_periods_and_no_other_settings(
        self, store: Path, ok: Run, refused: Run, write: Callable[[str, str], Path]
    ) -> None:
        words = ("boundary", "backtest", "moving")
        rows = ok(*words, "--period", "2024-01-01,2025-01-01").rows
        assert [row["train"] for row in rows if row["model"] == "held"] == ["P1", "P2", None]
        text = ok(*words, "--format", "table").out
        assert "Periods of fewer than 20 models, fitted with later ones but no step: 2022 (2)." in text
        assert "dated, trend followed" in text
        assert "mean of 2 steps" in text
        assert "Leave --tau out" in refused(2, *words, "--tau", 0.5).err
        assert "are of one period" in refused(4, *words, "--period", "2022-01-01").err
        ok("ingest", write("more.csv", "model,base_model,C,released,quiz\nnew,base3,1e23,2025-01-01,0.9\n"), "--scores")
        assert "changed" in refused(4, *words).err

    def test_it_is_removed_with_its_macro(self, store: Path, ok: Run, run: Run) -> None:
        ok("rm", "fit", "moving")
        assert ok("fits").rows == []
        assert run("sql", "SELECT moving(1e23, 2024)").code == 2

    def test_a_taken_name_is_refused_before_the_work(self, store: Path, refused: Run, ok: Run) -> None:
        assert "already has a fit 'moving'" in refused(2, *WORDS, "--name", "moving").err
        ok(*WORDS, "--bootstrap", 0, "--name", "moving", "--replace")
        assert ok("show", "moving").row["n_obs"] == 722


def test_one_period_still_has_a_rate_and_says_so(store: Path, ok: Run) -> None:
    row = ok("boundary", "drift", "quiz", "--tau", TAU, "--period", "2022-01-01", "--bootstrap", 0).row
    assert row["drift"] is None
    assert row["refused"]["drift"].startswith("Of 1 period, one period has 20 models or more")
    assert row["in_time"]["estimates"]["c"] == pytest.approx(RATE, abs=0.05)
    table = ok(
        "boundary", "drift", "quiz", "--tau", TAU, "--period", "2022-01-01", "--bootstrap", 0, "--format", "csv"
    ).table  # fmt: skip
    assert float(table[0]["orders"]) == pytest.approx(RATE, abs=0.05)


def test_one_date_is_not_identified(store: Path, run: Run) -> None:
    words = (*WORDS, "--bootstrap", 0, "--where", "released = '2024-07-02'")
    answer = run(*words, "--fail-on", "not-identified")
    assert answer.code == 1
    assert answer.row["in_time"]["verdict"] == "not identified"
    assert any(said.startswith("All models have one date") for said in answer.row["in_time"]["reasons"])


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("nothing",), 2, "The store has no scores of the task 'nothing'."),
        (("quiz", "--period", "weekly"), 2, "weekly"),
        (("quiz", "--where", "released IS NULL"), 4, "no date"),
        (("quiz", "--date-column", "evaluated_on"), 4, "Name another column with --date-column"),
        (("quiz", "--where", "model = 'm2024-3-3'"), 4, "so no two can be compared"),
        (("quiz", "--at", "none"), 2, "'none' is not a number that --at can take"),
        (("quiz", "--bootstrap", "1"), 2, "one bootstrap replicate has no spread"),
        (("quiz", "--gain", "type ="), 2, "--gain takes one SQL expression"),
        (("quiz", "--gain", "type = 'nobody'", "--bootstrap", "0"), 4, "is of the group 'type = 'nobody''"),
        (("quiz", "--gain", "2024-13-01", "--bootstrap", "0"), 2, "'2024-13-01' is no day."),
        (("quiz", "--reference", "2024-01-01"), 2, "Add --density."),
        (("quiz", "--density", "--reference", "soon"), 2, "'soon' is no day that --reference can take"),
        (("quiz", "--earliest", "early"), 2, "'early' is no day that --earliest can take"),
        (("quiz", "--at", "24"), 2, "no two successive periods both have models at the compute"),
        (("quiz", "--earliest", "2030-01-01", "--bootstrap", "0"), 2, "older than the earliest date"),
        (("quiz", "--tau", "1"), 2, "tau"),
        (("quiz", "--name", "not a name"), 2, "cannot name a fit"),
        (("quiz", "--level", "2"), 2, "level"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_a_remedy(
    words: tuple[str, ...], code: int, says: str, store: Path, refused: Run
) -> None:
    assert says.lower() in refused(code, "boundary", "drift", *words).err.lower()
