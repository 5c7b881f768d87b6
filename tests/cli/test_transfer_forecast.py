"""scaling transfer forecast: from a loss that was measured, and through the law of the source."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.saved import load_fit
from db.store import Store
from scaling.downstream import chain
from scaling.loss_to_loss import forecast_map
from tests.cli.conftest import WEB, law

BIG = "run_id,corpus,N,D,loss\nbig-web,web,8e9,4e11,2.0\nbig-code,code,8e9,4e11,1.0\nodd-web,web,9e9,4e11,nan\n"


@pytest.fixture(scope="module")
def mapped(filled: Path, in_process: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The filled store with two maps from web to code, and two runs larger than any that they saw."""
    db = Path(shutil.copy(filled, tmp_path_factory.mktemp("mapped") / "scaling.duckdb"))
    log = db.with_name("big.csv")
    pair = ("transfer", "fit", "--from", "web", "--to", "code", "--bootstrap", "40")
    loss = law(WEB, 8e9, 4e11)
    for words in (
        (*pair, "--name", "free"),
        (*pair, "--name", "floored", "--form", "shifted_power", "--floor-from", "1.8", "--floor-to", "0.9"),
        (*pair, "--name", "high", "--form", "shifted_power", "--floor-from", "2.15", "--floor-to", "1.1"),
        (*pair, "--name", "bits", "--bytes-per-token-from", "4", "--bytes-per-token-to", "4", "--form", "log_log"),
        ("fit", "chinchilla", "--where", "corpus = 'code'", "--name", "code_law", "--bootstrap", "40"),
        ("ingest", log),
    ):
        log.write_text(BIG.replace("2.0", f"{loss:.9g}"), encoding="utf-8")
        answer = in_process(*words, "--db", db)
        assert answer.code == 0, answer.err
    return db


@pytest.fixture
def maps(mapped: Path, tmp_path: Path) -> Path:
    """A copy of it, where commands look for a store."""
    return Path(shutil.copy(mapped, tmp_path / "scaling.duckdb"))


def fit_of(store: Path, name: str) -> Any:
    with Store(str(store), read_only=True) as opened:
        return load_fit(opened, name).fit


def test_a_run_of_the_store_is_the_measured_x(maps: Path, ok: Any) -> None:
    answer = ok("transfer", "forecast", "free", "--run", "big-web")
    row = answer.row
    said = forecast_map(fit_of(maps, "free"), row["x"], compute_flop=6 * 8e9 * 4e11)
    assert row["x"] == pytest.approx(law(WEB, 8e9, 4e11), rel=1e-8)
    assert (row["y"], row["low"], row["high"]) == (said.prediction.mean, said.prediction.low, said.prediction.high)
    assert row["compute_flop"] == pytest.approx(1.92e22)
    assert row["extrapolation_factor"] == pytest.approx(1.92e22 / (6 * 3e9 * 1e11))
    assert row["verdict"] == "extrapolating x11"
    assert (row["map"], row["question"]) == ("loss of code from loss of web", "x measured")
    assert "x was measured: it has no error here" in answer.err
    assert "Back-test at x11: " in answer.err
    truth = 0.9 + 310 / 8e9**0.34 + 1500 / 4e11**0.36
    assert row["y"] == pytest.approx(truth, rel=0.02)
    assert row["low"] < truth < row["high"]


def test_a_loss_typed_in_has_a_factor_of_budget_only_with_its_compute(maps: Path, ok: Any) -> None:
    known, unknown = (
        ok("transfer", "forecast", "free", "--x", "2.02", *more).row for more in (("--flops", "1e23"), ())
    )
    assert known["y"] == unknown["y"]
    assert known["extrapolation_factor"] == pytest.approx(1e23 / 1.8e21)
    assert unknown["extrapolation_factor"] < 1.2
    assert "of loss" in ok("transfer", "forecast", "free", "--x", "2.02", "--format", "table").out


def test_a_predicted_x_has_the_error_of_its_law(maps: Path, ok: Any) -> None:
    target = ("--params", "8e9", "--tokens", "4e11")
    answer = ok("transfer", "forecast", "free", "--source-fit", "web", *target)
    row = answer.row
    said = chain(fit_of(maps, "web"), fit_of(maps, "free"), {"N": 8e9, "D": 4e11}, level=0.9)
    assert (row["y"], row["low"], row["high"]) == (said.mean, said.low, said.high)
    assert row["question"] == "x predicted"
    assert "its error is in it" in answer.err
    measured = ok("transfer", "forecast", "free", "--run", "big-web").row
    assert row["high"] - row["low"] > measured["high"] - measured["low"]


def test_below_the_floor_the_reason_and_another_map_are_given(maps: Path, ok: Any) -> None:
    answer = ok("transfer", "forecast", "floored", "--x", "1.7", "--flops", "1e25")
    row = answer.row
    assert row["y"] is None
    assert row["undefined"].startswith("x = 1.700 lies at or below the floor of x, 1.800")
    assert row["instead_form"] in {"log_log", "affine", "offset_power", "quadratic", "log_quadratic"}
    assert np.isfinite(row["instead"])
    assert f"the map {row['instead_form']} is defined there" in answer.err


SIZE = ("--params", "8e9", "--tokens", "4e11")


@pytest.mark.parametrize(
    "words", [("transfer", "forecast", "{0}", "--source-fit", "{1}"), ("forecast", "{1}", "--then", "{0}")]
)
def test_a_law_of_another_unit_or_corpus_is_refused(maps: Path, refused: Any, words: tuple[str, ...]) -> None:
    """Through a map of bits/byte a loss in nats/token would come out three times too large."""
    answer = refused(2, *(word.format("bits", "web") for word in words), *SIZE)
    assert "forecasts loss in nats/token, and the map bits takes it in bits/byte, of 4 bytes per token" in answer.err
    assert "scaling transfer fit --from web --to code --metric-from loss --metric-to loss" in answer.err
    answer = refused(2, *(word.format("free", "code_law") for word in words), *SIZE)
    assert "code_law is of runs of code, and the map free starts from web" in answer.err
    assert """--where 'corpus = '"'"'web'"'"''""" in answer.err


@pytest.mark.parametrize(
    "words", [("transfer", "forecast", "high", "--source-fit", "web"), ("forecast", "web", "--then", "high")]
)
def test_a_predicted_x_below_the_floor_has_a_reason(maps: Path, ok: Any, run: Any, words: tuple[str, ...]) -> None:
    far = (*words, "--params", "8e12", "--tokens", "4e14")
    answer = ok(*far)
    row = answer.row
    assert (row["y"], row["verdict"]) == (None, "not identified")
    assert row["undefined"].startswith("x = 1.8")
    assert "lies at or below the floor of x, 2.150" in row["undefined"]
    assert row["instead_form"] in {"log_log", "affine", "offset_power", "quadratic", "log_quadratic"}
    assert 0.8 < row["instead"] < 1.3
    assert f"Undefined: {row['undefined']}; the map {row['instead_form']} is defined there" in answer.err
    assert run(*far, "--fail-on", "not-identified").code == 1
    near = ok(*words, "--params", "1e9", "--tokens", "1e10").row
    assert (near["undefined"], near["instead"]) == (None, None)
    assert near["y"] > 1


def test_a_budget_is_split_as_the_law_has_it_best(maps: Path, ok: Any) -> None:
    answer = ok("transfer", "forecast", "free", "--source-fit", "web", "--flops", "1e21", "--flops", "1e22")
    for row, budget in zip(answer.rows, (1e21, 1e22), strict=True):
        inputs = row["inputs"]
        assert inputs["C"] == row["compute_flop"] == budget
        assert 6 * inputs["N"] * inputs["D"] == pytest.approx(budget, rel=1e-6)
        assert row["x"] < min(
            float(fit_of(maps, "web").evaluate({"N": inputs["N"] * f, "D": inputs["D"] / f})[0][0]) for f in (0.9, 1.1)
        )
        same = chain(fit_of(maps, "web"), fit_of(maps, "free"), {k: inputs[k] for k in "ND"}, level=0.9)
        assert (row["y"], row["high"]) == (same.mean, same.high)
    assert "1e21 FLOP at the compute-optimal split of chinchilla: " in answer.err
    through = ok("forecast", "web", "--then", "free", "--flops", "1e21", "--level", "0.9")
    assert through.row["y"] == answer.rows[0]["y"]
    assert "1e21 FLOP at the compute-optimal split of chinchilla: " in through.err


def test_a_law_whose_runs_are_gone_is_taken_with_a_remark(maps: Path, ok: Any) -> None:
    import duckdb

    with duckdb.connect(str(maps)) as connection:
        connection.execute("UPDATE fit_rows SET run_id = 'gone-' || run_id").fetchall()
    said = "The runs of the fit web have left the store, so nothing tells whether they were of web"
    assert said in ok("transfer", "forecast", "free", "--source-fit", "web", *SIZE).err
    assert said in ok("forecast", "web", "--then", "free", *SIZE).err


def test_both_ways_name_the_same_things_alike(maps: Path, ok: Any) -> None:
    measured = ok("transfer", "forecast", "free", "--run", "big-web").row
    predicted = ok("transfer", "forecast", "free", "--source-fit", "web", *SIZE).row
    assert set(measured) - set(predicted) == {"parts"}
    assert predicted["fit"] == measured["fit"] == predicted["then"] == "free"
    assert predicted["fit_id"] == measured["fit_id"]
    assert (predicted["source_fit"], predicted["x"]) == ("web", predicted["loss"])
    assert predicted["compute_flop"] == pytest.approx(measured["compute_flop"])
    assert predicted["backtest"] == predicted["then_backtest"] != predicted["source_backtest"]


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((), "--run RUN, --x 2.13 --flops 1e21, or --source-fit LAW --flops 1e21"),
        (("--x", "-1"), "in the unit of the map"),
        (("--x", "2", "--flops", "-1"), "Such as 1e21"),
        (("--x", "2", "--flops", "1e21", "--flops", "1e22"), "one --flops"),
        (("--source-fit", "web"), "--flops 1e21"),
        (("--run", "nope"), "Of web there are 32"),
    ],
)
def test_what_is_refused_says_what_to_do(maps: Path, run: Any, words: tuple[str, ...], hint: str) -> None:
    answer = run("transfer", "forecast", "free", *words)
    assert answer.code in (2, 4)
    assert hint in answer.err.splitlines()[1]


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("free",), 2, "Say where x comes from"),
        (("free", "--x", "2", "--source-fit", "web"), 2, "Say where x comes from"),
        (("free", "--run", "big-web", "--flops", "1e22"), 2, "--flops is the compute of the run that --x is of"),
        (("free", "--source-fit", "web"), 2, "needs --source-fit, --params and --tokens"),
        (("free", "--run", "big-code"), 2, "is of corpus = code, and the map free starts from web"),
        (("free", "--run", "big-wen"), 2, "has no run 'big-wen'"),
        (("free", "--run", "odd-web"), 4, "The loss of run 'odd-web' is nan"),
        (("web", "--x", "2"), 2, "is no map of one loss to another"),
        (("free", "--x", "-1"), 4, "a loss is a number above 0"),
        (("nothing", "--x", "2"), 2, "has no fit 'nothing'"),
    ],
)
def test_what_cannot_be_answered_is_refused(maps: Path, refused: Any, words: Any, code: int, says: str) -> None:
    assert says.lower() in refused(code, "transfer", "forecast", *words).err.lower()
