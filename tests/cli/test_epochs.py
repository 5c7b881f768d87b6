"""scaling epochs: what repeated tokens are worth, from a saved fit or from published coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from scaling.allocation.data_constrained import allocate_repeated, worth_of_epochs
from tests.truths import BY_HAND, design

TRUTH = {"E": 1.87, "A": 521.0, "B": 1488.0, "alpha": 0.353, "beta": 0.353, "R_D": 15.4, "R_N": 5.31}
PUBLISHED = "muennighoff-2023"


@pytest.fixture
def repeats(ok: Any, write: Any) -> str:
    """A fit to noisy runs with repeated tokens."""
    x = {name: column[::2] for name, column in design("data_constrained").items()}
    noise = np.random.default_rng(5).standard_normal(len(x["N"]))
    loss = BY_HAND["data_constrained"](**x, **TRUTH) * np.exp(0.003 * noise)
    columns = zip(x["N"].tolist(), x["D"].tolist(), x["U"].tolist(), loss.tolist(), strict=True)
    lines = ["run_id,N,D,unique_tokens,loss", *(f"r{i},{','.join(map(repr, row))}" for i, row in enumerate(columns))]
    ok("ingest", write("repeats.csv", "\n".join(lines)))
    ok(
        "fit", "data_constrained", "--input", "U=unique_tokens", "--objective", "squared", "--bootstrap", "40",
        "--no-backtest", "--name", "repeats",
    )  # fmt: skip
    return "repeats"


def test_published_coefficients_need_no_store(ok: Any) -> None:
    answer = ok("epochs", "--unique", "100B", "--upto", "5")
    expected = worth_of_epochs(PUBLISHED, 1e11, range(1, 6))
    assert [row["epoch"] for row in answer.rows] == [1, 2, 3, 4, 5]
    assert [row["worth"] for row in answer.rows] == expected.worth.tolist()
    assert answer.rows[1]["worth_low"] is None
    assert [entry["share"] for entry in answer.rows[0]["epochs_until"]] == [0.5, 0.1]
    assert answer.rows[0]["epochs_until"][0]["epochs"] == pytest.approx(1 + 15.387756 * np.log(2), rel=1e-12)
    assert "After 11.7 epochs the next repeated token buys less than 50 % of what a fresh one would." in answer.err
    assert "arXiv:2305.16264, which come without intervals" in answer.err


def test_people_read_rounded_numbers(ok: Any) -> None:
    text = ok("epochs", "--unique", "100B", "--upto", "2", "--format", "table").out
    assert "of what fresh tokens buy" in text
    assert "197B" in text
    assert "98 %" in text
    text = ok("epochs", "--unique", "100B", "--flops", "1e23", "--format", "table").out
    assert "7.23" in text
    assert "2.098" in text


def test_a_saved_fit_has_intervals(repeats: str, ok: Any, run: Any) -> None:
    rows = ok("epochs", repeats, "--unique", "5e9", "--flops", "1e21", "--flops", "1e22", "--share", "0.3").rows
    assert [row["compute_flop"] for row in rows] == [1e21, 1e22]
    for row in rows:
        assert row["n_params"] * row["n_tokens"] * 6 == pytest.approx(row["compute_flop"], rel=1e-12)
        assert row["n_params_low"] < row["n_params"] < row["n_params_high"]
        assert row["epochs_low"] < row["epochs"] < row["epochs_high"]
        assert row["fresh_loss"] < row["loss"]
        assert row["backtest"].startswith("No back-test came with this fit")
        assert row["loss_method"].startswith("percentile of 40 iid bootstrap replicates")
    [until] = rows[0]["epochs_until"]
    assert until["share"] == 0.3
    assert until["low"] < until["epochs"] < until["high"]
    # Close to the truth that the runs were made from.
    assert until["epochs"] == pytest.approx(1 - 15.4 * np.log(0.3), rel=0.1)
    assert rows[1]["epochs"] == pytest.approx(allocate_repeated(PUBLISHED, 1e22, 5e9).epochs[0], rel=0.2)
    far = run("epochs", repeats, "--unique", "1e9", "--flops", "1e30", "--fail-on", "extrapolating")
    assert far.code == 1
    assert far.rows[0]["verdict"].startswith("extrapolating x")


def test_bad_questions(store: Any, refused: Any) -> None:
    assert "'web'" in refused(2, "epochs", "wbe", "--unique", "1e9").err
    assert "says nothing of repeated tokens" in refused(2, "epochs", "web", "--unique", "1e9").err
    assert "--unique" in refused(2, "epochs", "--unique", "-5").err
    assert "--flops" in refused(2, "epochs", "--unique", "1e9", "--flops", "many").err
    assert "lies between 0 and 1" in refused(2, "epochs", "--unique", "1e9", "--share", "2").err
