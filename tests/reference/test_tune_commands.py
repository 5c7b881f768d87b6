"""scaling tune on the runs released with arXiv:2503.04715, from the file to the recommendation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

pytestmark = pytest.mark.reference
MAPPING = '[columns]\nn_params = "N"\nn_tokens = "D"\n\n[metrics]\nloss = "smooth loss"\n'
SWEEP = ("--batch", "bs", "--context-length", "2048")


@pytest.fixture(scope="module")
def scaling(tmp_path_factory: pytest.TempPathFactory, reference: Any) -> Any:
    """A function that runs a command on a store of the runs, and gives its rows."""
    from cli import app

    db = tmp_path_factory.mktemp("tune") / "scaling.duckdb"
    (db.parent / "mapping.toml").write_text(MAPPING)

    def _run(*words: str | Path) -> Any:
        result = CliRunner().invoke(app, [*map(str, words), "--db", str(db), "--format", "json"])
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    _run("ingest", reference("steplaw", "dense_lr_bs_loss.csv"), "--mapping", db.parent / "mapping.toml")
    return _run


@pytest.fixture(scope="module")
def published(scaling: Any) -> Any:
    """The laws by the published procedure."""
    how = ("--method", "threshold", "--cutoff", ".0025", "--bootstrap", "400")
    return scaling("tune", "fit", *SWEEP, *how, "--name", "published")[0]


@pytest.fixture(scope="module")
def surfaces(scaling: Any) -> Any:
    """The laws by the surfaces of the cells."""
    return scaling("tune", "fit", *SWEEP, "--bootstrap", "400", "--name", "own")[0]


def test_the_published_procedure(published: Any) -> None:
    """129 runs; lr 77.69 N^-.7662 D^.1970, B .2085 D^.6125; cells drawn whole say that p is -.920 to -.696."""
    assert (published["n_cells"], published["n_runs"], published["n_diverged"]) == (17, 1911, 181)
    lr, batch = published["laws"]["lr"], published["laws"]["batch"]
    assert (lr["n_obs"], batch["n_obs"], lr["cells"]) == (129, 129, 17)
    assert lr["estimates"] == pytest.approx({"k": 77.69, "p": -0.7662, "q": 0.1970}, rel=1e-3)
    assert batch["estimates"] == pytest.approx({"k": 0.2085, "q": 0.6125}, rel=1e-3)
    low, high = lr["intervals"]["p"]
    assert -0.93 < low < -0.85
    assert -0.72 < high < -0.68


def test_what_the_laws_give_up(published: Any) -> None:
    """Per mille of the loss: fitted 1.001, one cell left out 1.036 with the runs in the order of the file.

    In another order the grids are cut into other triangles, which moves such means by up to .06. The published law has
    1.149 with all its digits, and 1.19 with the three that were printed.
    """
    regret = published["regret"]
    found = {name: 1e3 * entry["mean"] for name, entry in regret.items()}
    assert found["fitted"] == pytest.approx(1.001, abs=0.06)
    assert found["one_cell_out"] == pytest.approx(1.036, abs=0.06)
    assert found["one_cell_out"] > found["fitted"]
    assert len(regret["largest_parameters_out"]["table"]) == 2
    [step] = [entry for entry in published["published"] if entry["rule"] == "step-law-2025"]
    assert 1e3 * step["mean"] == pytest.approx(1.19, abs=0.06)


def test_every_surface_is_convex_with_its_costs(surfaces: Any) -> None:
    """A learning rate off by two costs 0.2 to 0.7 % of the loss, a batch 0.2 to 0.4 %, the less the more tokens."""
    cells = surfaces["cells"]
    assert [cell["status"] for cell in cells] == ["ok"] * 17
    assert all(cell["convex"] for cell in cells)
    assert sum(bool(cell["edges"]) for cell in cells) == 1
    assert all(0.0017 < cell["cost_of_2x_batch"] < 0.0040 for cell in cells)
    assert all(0.0022 < cell["cost_of_2x_lr"] < 0.007 for cell in cells)
    assert all(0.15 < cell["slope"] < 0.67 for cell in cells)


@pytest.mark.slow  # the same numbers as of the library's test, which is not
@pytest.mark.parametrize(
    ("cutoff", "lr", "batch", "costs"),
    [
        (0.01, {"k": 131.2, "p": -0.8347, "q": 0.2260}, {"k": 0.3945, "q": 0.5852}, (0.0032, 0.0023)),
        (0.02, {"k": 10.58, "p": -0.6948, "q": 0.2082}, {"k": 0.5459, "q": 0.5691}, (0.0031, 0.0024)),
    ],
)
def test_quadratic_surfaces(
    scaling: Any, cutoff: float, lr: dict[str, float], batch: dict[str, float], costs: tuple[float, float]
) -> None:
    """The laws of their lowest points, and the median cost of an error of two in learning rate and batch."""
    how = ("--order", "2", "--cutoff", str(cutoff), "--bootstrap", "0", "--name", "bowls", "--replace")
    row = scaling("tune", "fit", *SWEEP, *how)[0]
    assert row["laws"]["lr"]["estimates"] == pytest.approx(lr, rel=1e-3)
    assert row["laws"]["batch"]["estimates"] == pytest.approx(batch, rel=1e-3)
    found = [float(np.median([cell[key] for cell in row["cells"]])) for key in ("cost_of_2x_lr", "cost_of_2x_batch")]
    assert found == pytest.approx(costs, abs=1e-4)
    scaling("rm", "fit", "bowls_lr")
    scaling("rm", "fit", "bowls_batch")
    scaling("rm", "fit", "bowls_coupled")


def test_saved_fits_are_checked_and_back_tested(scaling: Any, published: Any, surfaces: Any) -> None:
    rows = scaling("verify", "--all")
    assert {row["name"]: row["status"] for row in rows} == {
        f"{name}_{part}": "identical" for name in ("published", "own") for part in ("lr", "batch", "coupled")
    }
    found = scaling("backtest", "own_batch", "--bootstrap", "0")
    assert found[0]["axis"] == "D"
    assert found[0]["rms"] < 0.25


def test_a_recommendation(scaling: Any, surfaces: Any) -> None:
    """One octave of learning rate and of batch within a quarter per cent; the published laws cost nearly nothing."""
    row = scaling("tune", "recommend", "own", "--params", "7B", "--tokens", "1.4T")[0]
    assert row["lr_interval"][0] < row["lr"] < row["lr_interval"][1]
    assert row["sequences"] * 2048 == row["batch_of_whole_sequences"] == pytest.approx(row["batch"], rel=1e-3)
    rules = {rule["name"]: rule for rule in row["published"]}
    assert rules["step-law-2025"]["lr"] == pytest.approx(9.166e-4, rel=1e-3)
    assert rules["step-law-2025"]["batch"] == pytest.approx(4.999e6, rel=1e-3)
    assert rules["step-law-2025"]["given_up"] < 0.001 < rules["deepseek-2024"]["given_up"]
    assert row["expected_regret"] < 0.001
    assert row["verdict"] == "extrapolating x160"


@pytest.mark.slow
def test_the_loss_of_all_runs(scaling: Any) -> None:
    row = scaling("tune", "fit", *SWEEP, "--bootstrap", "0", "--surface", "--name", "whole")[0]
    loss = row["laws"]["loss"]
    assert (loss["closed"], loss["n_obs"]) == (True, 1729)
    found = scaling("tune", "recommend", "whole", "--params", "7B", "--tokens", "1.4T")[0]
    assert found["surface"]["batch"] == pytest.approx(found["batch"], rel=0.15)
    assert 0 <= found["surface"]["regret"] < 0.005
