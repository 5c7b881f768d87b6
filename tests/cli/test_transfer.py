"""The commands that go from one loss to another, as typed."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

WEB_TO_CODE = ("--from", "web", "--to", "code")
MAPPING = """
[metrics]
loss = { column = "loss", unit = "nats/token" }
test = { column = "test", unit = "nats/token" }
bpb = { column = "bpb", unit = "bits/byte" }
turn = { column = "turn", unit = "nats/token" }
acc = { column = "acc", unit = "share", kind = "accuracy" }

[options]
metric = "loss"
"""


def log_text() -> str:
    """Two corpora on a grid of 48 cells; `turn` falls at first and rises later."""
    random = np.random.default_rng(5)
    lines = ["run_id,corpus,recipe,N,D,loss,test,bpb,turn,acc"]
    for i, n in enumerate(np.geomspace(2e7, 3e9, 8)):
        for j, d in enumerate(np.geomspace(5e8, 1e11, 6)):
            x = 1.8 + 480 / n**0.35 + 2100 / d**0.37
            turn = 2 + 0.05 * (np.log(6 * n * d) - np.log(1e18)) ** 2
            for corpus, loss in (("web", x), ("code", 0.7 * (x - 1.8) ** 1.1 + 0.9)):
                shown = loss * np.exp(0.001 * random.standard_normal())
                values = (shown, 0.5 + 0.8 * shown, shown / 3, turn * shown / loss, 1.1 - 0.2 * shown)
                lines.append(
                    f"{corpus}-{i}{j},{corpus},{corpus[0]},{n:.6g},{d:.6g},{','.join(f'{v:.9g}' for v in values)}"
                )
    lines.append("web-alone,web,w,5e9,2e11,2.2,2.26,0.73,2,0.66")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory, in_process: Any) -> Path:
    """A store with the log and the fit `ab`."""
    folder = tmp_path_factory.mktemp("paired")
    log, mapping, db = folder / "pairs.csv", folder / "pairs.toml", folder / "scaling.duckdb"
    log.write_text(log_text(), encoding="utf-8")
    mapping.write_text(MAPPING, encoding="utf-8")
    fit = ("transfer", "fit", *WEB_TO_CODE, "--floors", "both", "--form", "shifted_power", "--name", "ab")
    for words in (("ingest", log, "--mapping", mapping), (*fit, "--bootstrap", "40")):
        answer = in_process(*words, "--db", db)
        assert answer.code == 0, answer.err
    return db


@pytest.fixture
def db(paired: Path, tmp_path: Path) -> Path:
    """A copy of it, where commands look for one."""
    return Path(shutil.copy(paired, tmp_path / "scaling.duckdb"))


class TestPairs:
    def test_pairs_come_first_and_then_what_is_left(self, db: Path, ok: Any) -> None:
        rows = ok("transfer", "pairs", *WEB_TO_CODE).rows
        assert len(rows) == 49
        assert set(rows[0]) == {"pair", "source", "target", "n_params", "n_tokens", "compute_flop", "x", "y", "reason"}
        assert (rows[0]["pair"], rows[0]["source"], rows[0]["target"]) == (1, "web-00", "code-00")
        assert rows[0]["compute_flop"] == pytest.approx(6 * 2e7 * 5e8)
        assert rows[-1] == dict.fromkeys(rows[0]) | {
            "source": "web-alone",
            "reason": "no target run has its parameters and tokens",
        }

    def test_people_see_a_table_of_each(self, db: Path, ok: Any) -> None:
        answer = ok("transfer", "pairs", *WEB_TO_CODE, "--format", "table")
        assert answer.out.startswith("y = loss of code from loss of web\n\nsource  target   params")
        assert "unpaired   side    reason\n" in answer.out
        assert answer.err.splitlines() == [
            "48 pairs of runs with the same parameters and tokens up to 0.10 %.",
            "left out: 1 run, source: no target run has its parameters and tokens",
        ]

    def test_one_corpus_has_the_same_runs(self, db: Path, ok: Any) -> None:
        answer = ok("transfer", "pairs", "--from", "web", "--to", "web", "--metric-to", "test", "--format", "csv")
        assert len(answer.table) == 49
        assert all(row["source"] == row["target"] for row in answer.table)
        assert "49 pairs: both losses of the same run." in answer.err

    def test_by_compute(self, db: Path, ok: Any) -> None:
        """Three sizes up and two lengths down differ by 2.9 % in compute, so 12 of 36 budgets have two runs a side."""
        words = ("--pair-by", "compute", "--where", "n_params < 1.2e9", "--tolerance", "0.03")
        answer = ok("transfer", "pairs", *WEB_TO_CODE, *words, "--format", "csv")
        assert "24 pairs, one a budget (equal up to 3 %): the run of lowest loss of each side." in answer.err
        assert "left out: 12 runs, source: another source run of its compute has a lower loss" in answer.err
        assert "left out: 25 runs, not selected by the condition" in answer.err

    def test_another_column_tells_the_sides(self, db: Path, ok: Any) -> None:
        answer = ok("transfer", "pairs", "--from", "w", "--to", "c", "--by-column", "recipe", "--format", "table")
        assert answer.out.startswith("y = loss of c from loss of w\n")
        assert "48 pairs of runs" in answer.err


class TestFit:
    def test_one_object_with_what_is_asked_for(self, db: Path, ok: Any) -> None:
        row = ok("transfer", "fit", *WEB_TO_CODE, "--metric", "loss", "--floors", "both", "--form", "shifted_power",
                 "--bootstrap", "40", "--format", "json").row  # fmt: skip
        assert row["kappa"] == row["estimates"]["kappa"] == pytest.approx(1.1, abs=0.06)
        assert row["K"] == row["estimates"]["K"] == pytest.approx(0.7, abs=0.04)
        assert row["floor_x"] == row["floors"]["x"]["value"] == pytest.approx(1.8, abs=0.06)
        assert row["floor_y"] == pytest.approx(0.9, abs=0.06)
        assert (row["form"], row["n_pairs"], row["verdict"]) == ("shifted_power", 48, "weak")
        assert "show a trend" in row["reasons"][0]  # the floors are not quite right
        assert 0.999 < row["r2"] < 1
        assert row["floors"]["y"]["source"] == "E of the law chinchilla, fitted to 48 runs of code (loss)"
        assert row["intervals"]["kappa"]["low"] < row["kappa"] < row["intervals"]["kappa"]["high"]
        assert row["pairing"] == {"by": "cell", "column": "corpus", "tolerance": 0.001}
        assert row["unpaired"] == {"source": 1, "target": 0}
        assert row["objective"].startswith("squared on log residuals above 0.")
        assert {c["form"] for c in row["candidates"]} >= {"shifted_power", "log_log", "affine", "quadratic"}
        assert row["candidates"][0] | {"score": 0, "weight": 0} == {
            "form": "shifted_power", "verdict": "asked for", "score": 0, "weight": 0, "reason": "",
        }  # fmt: skip
        assert all(entry["level"] == 0.9 and entry["n"] > 0 for entry in row["backtest"])
        assert row["source"] == {"value": "web", "metric": "loss", "unit": "nats/token"}
        assert row["excluded"] == {"source: no target run has its parameters and tokens": 1}

    def test_a_form_without_an_exponent_has_none(self, db: Path, ok: Any) -> None:
        row = ok("transfer", "fit", *WEB_TO_CODE, "--floors", "both", "--form", "affine", "--bootstrap", "0").row
        assert [row[k] for k in ("kappa", "K", "floor_x", "floor_y")] == [None] * 4
        assert row["floors"]["x"]["kind"] == "unused"
        assert set(row["estimates"]) == {"a", "b"}

    def test_floors_are_free_unless_asked_for(self, db: Path, ok: Any) -> None:
        row = ok("transfer", "fit", *WEB_TO_CODE, "--form", "offset_power", "--bootstrap", "20").row
        assert (row["floor_x"], row["floors"]["x"]["kind"]) == (None, "none")
        assert row["floor_y"] == row["estimates"]["E_y"]

    def test_people_see_the_forms_that_were_tried(self, db: Path, ok: Any) -> None:
        answer = ok("transfer", "fit", *WEB_TO_CODE, "--floor-from", "1.8", "--bootstrap", "20", "--format", "table")
        assert answer.out.startswith("y = loss of code from loss of web\nform ")
        assert "R^2 of the losses 0.99" in answer.out
        assert "held-out error" in answer.out
        assert "Back-test of " in answer.out
        assert "saved as transfer_1 (" in answer.out
        assert "48 pairs of runs with the same parameters and tokens up to 0.10 %." in answer.err

    def test_its_command_makes_it_again(self, db: Path, ok: Any) -> None:
        from db.saved import load_fit
        from db.store import Store

        with Store(db, read_only=True) as store:
            saved = load_fit(store, "ab")
        ok(*shlex.split(saved.command)[1:], "--replace")
        with Store(db, read_only=True) as store:
            again = load_fit(store, "ab")
        assert again.fit == saved.fit
        assert again.fit_id != saved.fit_id

    def test_a_target_that_rises_is_not_identified(self, db: Path, ok: Any, refused: Any) -> None:
        words = ("transfer", "fit", "--from", "web", "--to", "web", "--metric-to", "turn", "--bootstrap", "20")
        answer = ok(*words, "--name", "rises")
        assert answer.row["verdict"] == "not identified"
        assert "The target is not monotone: over the larger half of the budgets" in answer.err
        assert "not monotone" in refused(1, "forecast", "rises", "--at", "x=2").err
        assert ok("verify", "rises").row["status"] == "identical"

    def test_an_error_from_an_accuracy(self, db: Path, ok: Any) -> None:
        row = ok("transfer", "fit", "--from", "web", "--to", "web", "--metric-to", "acc", "--complement", "--form",
                 "affine", "--bootstrap", "0").row  # fmt: skip
        assert row["map"] == "1 - acc of web from loss of web"
        assert row["estimates"] == pytest.approx({"a": -0.1, "b": 0.2}, abs=1e-3)

    def test_an_accuracy_is_no_loss(self, db: Path, refused: Any) -> None:
        words = ("transfer", "fit", "--from", "web", "--to", "web")
        answer = refused(2, *words, "--metric-to", "acc")
        assert "The target metric acc is an accuracy, which rises as a loss falls" in answer.err
        assert "--complement" in answer.err
        assert "scaling transfer accuracy --corpus web --loss loss --metric acc" in answer.err
        for other in (("--metric-from", "acc", "--metric-to", "loss"), ("--metric", "acc", "--to", "code")):
            answer = refused(2, *words, *other)
            assert "The source metric acc is an accuracy, and a map starts from a loss" in answer.err
            assert "scaling transfer accuracy" in answer.err
        answer = refused(2, "transfer", "accuracy", "--corpus", "web", "--loss", "acc", "--metric", "loss")
        assert "acc is an accuracy" in answer.err or "is a loss" in answer.err

    def test_what_may_be_an_accuracy_is_asked_for_its_error(self, db: Path, ok: Any, refused: Any) -> None:
        import duckdb

        with duckdb.connect(str(db)) as connection:
            connection.execute(
                "UPDATE metric_defs SET kind = 'other', unit = 'unknown' WHERE metric = 'acc'"
            ).fetchall()
        words = ("transfer", "fit", "--from", "web", "--to", "web", "--metric-to", "acc", "--bootstrap", "20")
        answer = ok(*words, "--name", "may_be")
        assert answer.row["verdict"] == "not identified"
        [reason] = [text for text in answer.row["reasons"] if "not monotone" in text]
        assert reason.endswith("if it is an accuracy, predict its error, with --complement.")
        assert "--complement" in ok("transfer", "pairs", "--from", "web", "--to", "web", "--metric-to", "acc").err
        assert ok("verify", "may_be").row["status"] == "identical"
        answer = refused(
            2, "transfer", "fit", "--from", "web", "--to", "web", "--metric-from", "acc", "--metric-to", "loss"
        )
        assert "acc is an accuracy (its values rise with compute, all within 0 and 1)" in answer.err
        assert "Its kind is set in the mapping file" in answer.err


class TestOtherCommands:
    @pytest.mark.parametrize(
        "words",
        [("verify", "ab"), ("backtest", "ab"), ("profile", "ab", "--parameter", "kappa"), ("show", "ab"),
         ("forecast", "ab", "--at", "x=2.2"), ("rm", "fit", "ab"), ("sql", "SELECT ab(2.4)"), ("fits",)],
    )  # fmt: skip
    def test_they_take_a_fit_of_pairs(self, db: Path, ok: Any, words: tuple[str, ...]) -> None:
        assert ok(*words).rows

    def test_the_report_names_the_files_of_the_members(self, db: Path, ok: Any, tmp_path: Path) -> None:
        ok("report", "ab", "--at", "x=2.2", "-o", "page.html")
        page = (tmp_path / "page.html").read_text(encoding="utf-8")
        assert "pairs.csv" in page
        assert "scaling transfer fit --from web --to code" in page

    def test_a_forecast_through_a_law_of_the_source(self, db: Path, ok: Any) -> None:
        ok("fit", "chinchilla", "--where", "corpus = 'web'", "--name", "web_law", "--bootstrap", "40")
        row = ok("forecast", "web_law", "--params", "3e9", "--tokens", "1e11", "--then", "ab").row
        assert row["low"] < 0.7 * (1.8 + 480 / 3e9**0.35 + 2100 / 1e11**0.37 - 1.8) ** 1.1 + 0.9 < row["high"]

    def test_a_law_of_an_accuracy_goes_with_its_own_corpus(self, db: Path, ok: Any, refused: Any) -> None:
        ok("transfer", "accuracy", "--corpus", "web", "--loss", "loss", "--metric", "acc", "--form", "power_error",
           "--bootstrap", "20", "--floor", "free", "--name", "task")  # fmt: skip
        ok("fit", "chinchilla", "--where", "corpus = 'code'", "--name", "code_law", "--bootstrap", "20")
        answer = refused(2, "forecast", "code_law", "--params", "3e9", "--tokens", "1e11", "--then", "task")
        assert "code_law is of runs of code, and the law task starts from web" in answer.err
        answer = refused(2, "transfer", "forecast", "task", "--run", "web-00")
        assert "scaling forecast task --at x=LOSS" in answer.err
        assert "scaling forecast LAW --then task --flops 1e21" in answer.err

    def test_a_forecast_of_pairs_is_not_kept(self, db: Path, refused: Any) -> None:
        answer = refused(2, "forecast", "ab", "--at", "x=2.2", "--save")
        assert "A forecast of the fit 'ab' cannot be kept" in answer.err


class TestBadInput:
    @pytest.mark.parametrize(
        ("code", "words", "message"),
        [
            (2, ("--from", "web", "--to", "web"), "Both sides are loss of web"),
            (2, ("--from", "web", "--to", "cod"), "Did you mean 'code'?"),
            (2, (*WEB_TO_CODE, "--metric", "los"), "Did you mean 'loss'?"),
            (2, (*WEB_TO_CODE, "--metric-to", "bpb"), "for one tokenizer only"),
            (2, (*WEB_TO_CODE, "--pair-by", "size"), "cannot be paired by 'size'"),
            (2, (*WEB_TO_CODE, "--tolerance", "1.5"), "a tolerance is a share"),
            (2, (*WEB_TO_CODE, "--by-column", "corpse"), "Did you mean 'corpus'?"),
            (2, (*WEB_TO_CODE, "--where", "n_params >"), "takes one SQL expression"),
            (2, (*WEB_TO_CODE, "--complement"), "is a loss, and 1 - a loss means nothing"),
            (4, (*WEB_TO_CODE, "--where", "n_params < 1e7"), "There is no source run"),
            (4, (*WEB_TO_CODE, "--where", "run_id IN ('web-00', 'code-00')"), "one pair alone"),
            (4, (*WEB_TO_CODE, "--where", "run_id IN ('web-00', 'code-05')"), "No source run and target run"),
            (4, (*WEB_TO_CODE, "--pair-by", "compute", "--tolerance", "0.9"), "ambiguous"),
        ],
    )
    @pytest.mark.parametrize("command", ["pairs", "fit"])
    def test_pairs_that_make_no_sense(
        self, db: Path, refused: Any, command: str, code: int, words: tuple[str, ...], message: str
    ) -> None:
        assert message.lower() in refused(code, "transfer", command, *words).err.lower()

    @pytest.mark.parametrize(
        ("code", "words", "message"),
        [
            (2, ("--floors", "all"), "There are no floors 'all'"),
            (2, ("--form", "cubic"), "There is no map 'cubic'"),
            (2, ("--name", "select"), "it is a SQL keyword"),
            (2, ("--name", "ab"), "already has a fit 'ab'"),
            (2, ("--floor-from", "ab"), "has no parameter E"),
            (2, ("--floor-from", "-1"), "a floor is a loss from 0 on"),
            (2, ("--level", "1.5"), "level"),
            (4, ("--floor-to", "1.4"), "does not lie below the data"),
            (1, ("--floors", "both", "--where", "n_params < 3e7"), "--floors free"),
        ],
    )
    def test_fits_that_make_no_sense(
        self, db: Path, refused: Any, code: int, words: tuple[str, ...], message: str
    ) -> None:
        assert message.lower() in refused(code, "transfer", "fit", *WEB_TO_CODE, *words).err.lower()

    def test_a_verdict_can_end_it(self, db: Path, run: Callable[..., Any]) -> None:
        words = ("transfer", "fit", "--from", "web", "--to", "web", "--metric-to", "turn", "--bootstrap", "0")
        answer = run(*words, "--fail-on", "weak")
        assert answer.code == 1
        assert json.loads(answer.out)[0]["verdict"] == "not identified"
