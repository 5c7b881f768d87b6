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
