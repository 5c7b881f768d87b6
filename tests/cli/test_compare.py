"""scaling compare: that it is the engine's answer, what pairs, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scaling

FLOP = ("--flops", "1e22")


@pytest.fixture
def arms(store: Path, ok: Any) -> None:
    """Beside `web`: the same runs by another law, and the other corpus."""
    words = ("--bootstrap", "60", "--no-backtest", "--seed", "3")
    ok("fit", "skaling", "--where", "corpus = 'web'", "--name", "web2", *words)
    ok("fit", "chinchilla", "--where", "corpus = 'code'", "--name", "code1", *words)


def test_is_that_of_the_engine(arms: None, ok: Any, web_runs: Any, query: Any) -> None:
    answer = ok("compare", "code1", "web", *FLOP, "--flops", "1e23", "--level", "0.8")
    inputs = {"N": web_runs["N"], "D": web_runs["D"]}
    web = scaling.fit("chinchilla", inputs, web_runs["loss"], bootstrap=60, seed=3)
    assert [row["inputs"] for row in answer.rows] == [{"C": 1e22}, {"C": 1e23}]
    row = answer.rows[0]
    assert row["loss_b"] == pytest.approx(scaling.allocate(web, 1e22).loss[0], rel=1e-12)
    # The log of this corpus was made from this law.
    n = np.geomspace(1e8, 1e12, 20001)
    truth = np.min(0.9 + 310 / n**0.34 + 1500 / (1e22 / 6 / n) ** 0.36)
    assert row["loss_a"] == pytest.approx(truth, rel=0.01)
    assert row["difference"] == row["loss_a"] - row["loss_b"]
    assert row["share_a_better"] == 1
    assert row["multiplier"] == "inf"
    assert (row["never_share"], row["multiplier_lost_share"], row["lost_share"]) == (1, 0, 0)
    assert (row["level"], row["paired"], row["unit"]) == (0.8, False, "nats/token, assumed")
    assert "they were fitted to different runs" in answer.err
    assert "A = code1, B = web: B never reaches the loss of A" in answer.err
    assert "the scatter of runs is not in them" in answer.err


def test_the_same_runs_pair(arms: None, ok: Any) -> None:
    answer = ok("compare", "web", "web2", "--force", "--params", "1B", "--tokens", "20B")
    assert answer.row["paired"] is True
    assert "Paired: both resampled the same runs." in answer.err
    assert answer.row["multiplied"] is None
    assert answer.row["multiplier_lost_share"] is None
    loose = ok("compare", "web", "web2", "--force", "--params", "1B", "--tokens", "20B", "--unpaired")
    assert loose.row["paired"] is False
    assert "Not paired: as asked for." in loose.err
    width = [a.row["difference_high"] - a.row["difference_low"] for a in (answer, loose)]
    assert width[0] < width[1]


def test_the_same_rows_are_refused(arms: None, ok: Any, refused: Any) -> None:
    err = refused(1, "compare", "web", "web2", *FLOP).err
    assert "The fits web and web2 are of the same 29 rows" in err
    assert "the law (chinchilla of web, skaling of web2), and not one of recipes" in err
    answer = ok("compare", "web", "web2", "--force", *FLOP)
    assert (answer.row["law_a"], answer.row["law_b"]) == ("chinchilla", "skaling")
    assert answer.row["objective_a"] == answer.row["objective_b"] == "huber(0.001) on log residuals"
    assert answer.row["backtest_a"].startswith("Back-test at x") or "No back-test" in answer.row["backtest_a"]
    assert "A = web: the law chinchilla, huber(0.001) on log residuals" in answer.err
    assert "The form of both laws is taken as true" in answer.err
    assert "The unit of web and web2 is assumed" in answer.err
    itself = ok("compare", "web", "web", "--force", *FLOP)
    assert "B reaches the loss of A with the same compute" in itself.err


def test_another_law_on_other_rows_is_said_loudly(arms: None, ok: Any) -> None:
    err = ok("compare", "code1", "web2", *FLOP).err
    assert "NOT LIKE WITH LIKE: the law (chinchilla of code1, skaling of web2) differs" in err


def test_another_seed_does_not_pair(arms: None, ok: Any) -> None:
    ok(
        "fit",
        "skaling",
        "--where",
        "corpus = 'web'",
        "--name",
        "web3",
        "--bootstrap",
        "60",
        "--no-backtest",
        "--seed",
        "4",
    )
    answer = ok("compare", "web", "web3", "--force", *FLOP)
    assert answer.row["paired"] is False
    assert "with different seeds" in answer.err


def test_clusters_of_the_same_names_pair(store: Path, ok: Any) -> None:
    for corpus in ("web", "code"):
        where = ("--where", f"corpus = '{corpus}'", "--cluster", "lr", "--bootstrap", "40", "--no-backtest")
        ok("fit", "chinchilla", *where, "--name", f"by_{corpus}")
    answer = ok("compare", "by_code", "by_web", *FLOP)
    assert answer.row["paired"] is True
    assert "both resampled the same values of lr" in answer.err


def test_a_table_for_people(arms: None, ok: Any) -> None:
    text = ok("compare", "web", "web2", "--force", *FLOP, "--format", "table").out
    assert "web better in" in text
    assert "compute multiplier" in text
    assert "C = 1e22" in text


def test_a_verdict_to_fail_on(arms: None, run: Any) -> None:
    answer = run("compare", "web", "web2", "--force", *FLOP, "--fail-on", "extrapolating")
    assert answer.code == 1
    assert answer.rows[0]["verdict"].startswith("extrapolating x")


@pytest.mark.parametrize(
    ("code", "words", "message"),
    [
        (2, ("web", "code1"), "Give budgets or targets"),
        (2, ("web", "code1", *FLOP, "--at", "N=1e9,D=1e10"), "Give budgets or targets"),
        (2, ("web", "code1", "--flops", "0"), "--flops takes a number above 0"),
        (2, ("web", "code1", "--at", "x=3"), "takes N, D"),
        (2, ("web", "curve", *FLOP), "The fit web is of a law of N, D and curve of one of x"),
        (2, ("web", "nothing", *FLOP), "no fit 'nothing'"),
        (2, ("curve", "curve", "--at", "x=1e22", "--force"), "The fit curve has no bootstrap replicates"),
    ],
)
def test_refusals(code: int, words: tuple[str, ...], message: str, arms: None, refused: Any) -> None:
    assert message in refused(code, "compare", *words).err


def test_another_metric_is_refused(store: Path, ok: Any, write: Any, refused: Any) -> None:
    lines = [f"m{i},{1e8 * (1 + i % 5)},{1e10 * (1 + i // 5)},{2.5 - 0.01 * i + 0.002 * (i % 3)}" for i in range(20)]
    ok("ingest", write("more.csv", "\n".join(["run_id,N,D,val_loss", *lines])))
    where = ("--where", "run_id LIKE 'm%'", "--metric", "val_loss", "--bootstrap", "20", "--no-backtest")
    ok("fit", "chinchilla", *where, "--name", "other")
    target = ("--params", "2e8", "--tokens", "2e10")
    assert "of the metric loss and other of val_loss" in refused(1, "compare", "web", "other", *target).err
    assert ok("compare", "web", "other", *target, "--force").row["paired"] is False
