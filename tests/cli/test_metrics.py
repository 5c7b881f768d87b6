"""One metric over another: the command line around ``--input L=metric:NAME``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

QUICK = ("--bootstrap", "20", "--no-backtest")
OVER = ("downstream_error", "--metric", "err", "--input", "L=metric:loss", "--residual", "linear")


def test_a_fit_recovers_the_truth_and_says_what_was_left_out(ok: Any, tasks: str, query: Any) -> None:
    answer = ok("fit", *OVER, "--where", tasks, "--objective", "squared", *QUICK, "--name", "over")
    assert answer.row["n_obs"] == 22
    for name, truth in {"eps": 0.85, "k": 2.2, "gamma": 0.72}.items():
        found = answer.row["parameters"][name]
        assert found["estimate"] == pytest.approx(truth, abs=4 * found["se"])
    assert "left out: 1 run, the loss is nan" in answer.err
    assert "left out: 1 run, the loss is missing" in answer.err
    rows = query("SELECT loss, err, over(loss) FROM runs_wide WHERE corpus = 'tasks' AND isfinite(err) ORDER BY run_id")
    loss, err, fitted = np.array(rows).T
    assert len(loss) == 22
    assert np.std(err - fitted) < 0.003
    assert query("SELECT query_sql FROM fits WHERE name = 'over'")[0][0].count("'loss'") == 1


def test_runs_without_the_other_metric_are_named(ok: Any, tasks: str) -> None:
    err = ok("fit", "a + b*x", "--input", "x=metric:err", "--where", tasks, *QUICK).err
    assert "left out: 1 run, the metric err is nan" in err
    assert "left out: 1 run, the metric err is missing" in err


@pytest.mark.slow
def test_every_command_selects_the_same_rows_again(ok: Any, tasks: str, tmp_path: Path) -> None:
    ok("fit", *OVER, "--where", tasks, "--cluster", "n_params", *QUICK, "--name", "over")
    assert ok("verify", "over").row["status"] == "identical"
    ok("profile", "over", "--parameter", "eps")
    ok("report", "over", "--at", "L=2.1", "--output", tmp_path / "page.html")
    assert "metric:loss" in (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "largest runs by 1/L" in ok("backtest", "over", "--bootstrap", "10").err
    assert "largest runs by 1/L" in ok("backtest", *OVER[:5], "--where", tasks, "--bootstrap", "10").err


@pytest.mark.parametrize("text", ["loss", "loss + 0.5", "metric:err"])
def test_the_metric_is_not_fitted_to_itself(text: str, refused: Any, tasks: str) -> None:
    words = ("--metric", "err", "--input", f"L={text}", "--where", tasks)
    for command in ("fit", "backtest"):
        said = refused(2, command, "downstream_error", *words).err
        assert f"--input L={text} is read from the metric that is fitted (err, which runs_final shows as loss)" in said
        assert "--input L=metric:loss" in said


def test_an_input_that_is_missing_is_told_of_metrics(refused: Any, tasks: str) -> None:
    said = refused(2, "fit", "downstream_error", "--metric", "err", "--where", tasks).err
    assert "Or which metric: --input L=metric:loss. There are: loss." in said
