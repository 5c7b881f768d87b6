"""scaling transfer rank and scaling transfer plan, as typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scaling.loss_to_loss.ranking.rank import rank_corpora

pytestmark = pytest.mark.slow  # what its tests share takes long to fit

MAPPING = """
[metrics]
c4_val = { column = "c4_val", unit = "nats/token" }
arc_acc = { column = "arc_acc", unit = "share", kind = "accuracy" }

[options]
metric = "c4_val"
"""
TRUTHS = {"web": (2.1, 0.8), "code": (2.0, 1.1), "books": (2.5, 1.2)}


def log_text() -> str:
    """Three corpora at five budgets and five ratios, and one large run on the web."""
    random = np.random.default_rng(3)
    lines = ["run_id,corpus,N,D,c4_val,arc_acc"]
    for corpus, (floor, scale) in TRUTHS.items():
        for budget in (1e18, 3e18, 1e19, 3e19, 1e20):
            for ratio in (5, 10, 20, 40, 80):
                n = np.sqrt(budget / 6 / ratio)
                loss = floor + scale * (400 / n**0.34 + 2000 / (ratio * n) ** 0.37)
                loss *= np.exp(0.002 * random.standard_normal())
                acc = f"{1 - 0.3 * loss + 0.2:.6g}"
                lines.append(f"{corpus}-{budget:g}-{ratio},{corpus},{n:.9g},{ratio * n:.9g},{loss:.9g},{acc}")
    lines.append("web-odd,web,1e9,2e10,nan,0.4")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def ranked(tmp_path_factory: pytest.TempPathFactory, in_process: Any) -> Path:
    folder = tmp_path_factory.mktemp("ranked")
    log, mapping, db = folder / "runs.csv", folder / "runs.toml", folder / "scaling.duckdb"
    log.write_text(log_text(), encoding="utf-8")
    mapping.write_text(MAPPING, encoding="utf-8")
    answer = in_process("ingest", log, "--mapping", mapping, "--db", db)
    assert answer.code == 0, answer.err
    return db


QUICK = ("--law", "chinchilla", "--bootstrap", "40")


def test_rank_prints_every_corpus_and_who_wins(ranked: Path, in_process: Any) -> None:
    answer = in_process(
        "transfer", "rank", "--metric", "c4_val", "--flops", "1e24", *QUICK, "--format", "json", "--db", ranked
    )
    assert answer.code == 0, answer.err
    rows = answer.rows
    assert [row["rank"] for row in rows] == [1, 2, 3]
    assert rows[0]["corpus"] == "code"
    assert next(row for row in rows if row["corpus"] == "web")["baseline_rank"] == 1
    for row in rows:
        assert row["low"] < row["forecast"] < row["high"]
        assert row["n_runs"] == 25
        assert set(row["by_method"]) == {"laws", "maps", "both"}
        assert row["verdict"] in ("clear", "likely", "open")
        assert row["method"] == "both"
    assert sum(row["p_best"] for row in rows) == pytest.approx(1)
    tried = rows[0]["backtest"]
    assert tried["winner"] in ("baseline", "laws", "maps", "both")
    assert [s["decisions"] for s in tried["scores"]] == [9, 9, 9, 9]
    assert "says otherwise" in rows[0]["decision"]
    assert "left out: 1 run, c4_val is nan" in answer.err


def test_rank_agrees_with_the_function(ranked: Path, in_process: Any) -> None:
    row = in_process("transfer", "rank", "--metric", "c4_val", "--flops", "1e22", *QUICK, "--no-backtest",
                     "--corpora", "web,code", "--format", "json", "--seed", "5", "--db", ranked).rows[0]  # fmt: skip
    runs: dict[str, list[list[float]]] = {"code": [], "web": []}
    for line in sorted(log_text().splitlines()[1:]):
        _, corpus, n, d, loss, _ = line.split(",")
        if corpus in runs and loss != "nan":
            runs[corpus].append([float(n), float(d), 6 * float(n) * float(d), float(loss)])
    said = rank_corpora(
        {c: np.array(r).T for c, r in runs.items()}, 1e22, law="chinchilla", bootstrap=40, seed=5
    )  # fmt: skip
    best = said.table[0]
    assert (row["corpus"], row["n_runs"]) == (best.corpus, 25)
    assert row["forecast"] == pytest.approx(best.forecast, rel=1e-6)
    assert row["backtest"]["verdict"] == "No back-test was asked for."


def test_an_accuracy_is_ranked_by_its_error(ranked: Path, in_process: Any) -> None:
    answer = in_process("transfer", "rank", "--metric", "arc_acc", "--flops", "1e21", *QUICK, "--no-backtest",
                        "--format", "json", "--db", ranked)  # fmt: skip
    assert answer.code == 0, answer.err
    assert {row["kind"] for row in answer.rows} == {"error"}
    web = next(row for row in answer.rows if row["corpus"] == "web")
    assert 0 < web["forecast"] < web["baseline_loss"] < 1
    assert "NOT LIKE WITH LIKE" not in answer.err


def test_people_read_a_decision_a_table_and_the_backtest(ranked: Path, in_process: Any) -> None:
    answer = in_process(
        "transfer", "rank", "--metric", "c4_val", "--flops", "1e24", *QUICK, "--format", "table", "--db", ranked
    )
    assert answer.code == 0, answer.err
    assert "c4_val: " in answer.out
    assert "best at 1e20" in answer.out
    assert "Back-test: Of 9 decisions on held-out budgets were right: baseline" in answer.out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--metric", "c4_vall", "--flops", "1e21"), 2, "no run in the store has the metric 'c4_vall'"),
        (("--metric", "c4_val", "--flops", "1e21", "--corpora", "web,cod"), 2, "corpus = 'cod'"),
        (("--metric", "c4_val", "--flops", "1e21", "--corpora", "web"), 4, "fewer than 2 corpora"),
        (("--metric", "c4_val", "--flops", "1e21", "--law", "chinchila"), 2, "chinchila"),
        (("--metric", "c4_val", "--flops", "1e21", "--method", "magic"), 2, "no method 'magic'"),
        (("--metric", "c4_val", "--flops", "1e21", "--reference", "code2"), 2, "no corpus 'code2'"),
        (("--metric", "c4_val", "--flops", "1e21", "--by-column", "colour"), 2, "no column 'colour'"),
    ],
)
def test_what_cannot_be_ranked(ranked: Path, in_process: Any, words: tuple[str, ...], code: int, message: str) -> None:
    answer = in_process("transfer", "rank", *words, "--db", ranked)
    assert answer.code == code, answer.err
    assert message in answer.err.lower()


def test_plan_prints_designs_and_answers(ranked: Path, in_process: Any) -> None:
    answer = in_process("transfer", "plan", "--from", "web", "--metric", "c4_val", "--error", "0.02",
                        "--budget", "2e19", "--format", "json", "--db", ranked)  # fmt: skip
    assert answer.code == 0, answer.err
    rows = answer.rows
    costs = [row["cost_flop"] for row in rows]
    assert costs == sorted(costs)
    assert {row["n_maps"] for row in rows} == {6}
    answered = {question: row for row in rows for question in row["answers"]}
    assert answered["cheapest for the error"]["mean_error"] <= 0.02
    assert answered["best for the budget"]["cost_flop"] <= 2e19
    for row in rows:
        assert len(row["runs"]) == row["count"]
        assert sum(run["cost_flop"] for run in row["runs"]) == pytest.approx(row["cost_flop"])
        assert all(run["run_id"].startswith("web-") and "1e+20" not in run["run_id"] for run in row["runs"])
    assert rows[0]["target"].startswith("that of the run web-1e+20")
    json.dumps(rows, allow_nan=False)


def with_odd(text: str, corpora: tuple[str, ...]) -> str:
    """Add a metric that falls with compute on all corpora but these, where it rises."""
    lines = text.splitlines()
    out = [f"{lines[0]},odd"]
    for line in lines[1:]:
        _, corpus, n, d, loss, _ = line.split(",")
        odd = 2 + 0.05 * np.log(float(n) * float(d) / 1e17) if corpus in corpora else float(loss)
        out.append(f"{line},{odd:.9g}")
    return "\n".join(out) + "\n"


@pytest.mark.parametrize("odd", ["web", "code"])
def test_plan_says_that_a_metric_does_not_fall(odd: str, tmp_path: Path, in_process: Any) -> None:
    log, mapping, db = tmp_path / "runs.csv", tmp_path / "runs.toml", tmp_path / "odd.duckdb"
    log.write_text(with_odd(log_text(), (odd,)), encoding="utf-8")
    mapping.write_text(
        MAPPING.replace("[metrics]", '[metrics]\nodd = { column = "odd", unit = "nats/token" }'), "utf-8"
    )
    assert in_process("ingest", log, "--mapping", mapping, "--db", db).code == 0
    answer = in_process("transfer", "plan", "--from", "web", "--metric", "odd", "--simulations", "50",
                        "--format", "json", "--db", db)  # fmt: skip
    if odd == "web":
        assert answer.code == 1
        assert "odd is not monotone: over the larger budgets of web no fall" in answer.err
        return
    assert answer.code == 0, answer.err
    assert answer.rows[0]["not_falling"] == ["code"]
    assert "odd is not monotone: over the larger budgets of code no fall" in answer.err


def test_plan_for_a_run_or_a_loss(ranked: Path, in_process: Any) -> None:
    words = ("transfer", "plan", "--from", "web", "--metric", "c4_val", "--simulations", "50", "--db", ranked)
    run = in_process(*words, "--target-run", "web-3e+19-20", "--format", "json").rows[0]
    assert all("1e+20" not in one["run_id"] and "3e+19" not in one["run_id"] for one in run["runs"])
    x = in_process(*words, "--target-x", "2.3", "--format", "json").rows[0]
    assert x["target_x"] == 2.3
    shown = in_process(*words, "--budget", "1e19", "--format", "table")
    assert "Best for the budget: " in shown.out
    assert "Parameters x tokens: " in shown.out
    assert "Outcomes were drawn from 6 maps between corpora that are known." in shown.out


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("--from", "web", "--metric", "c4_val", "--error", "1e-6"), 1, "no design of these cells"),
        (("--from", "web", "--metric", "c4_val", "--budget", "1e10"), 2, "buy no design"),
        (("--from", "web", "--metric", "arc_acc"), 2, "arc_acc is an accuracy, and a plan is"),
        (("--from", "wob", "--metric", "c4_val"), 2, "corpus = 'wob'"),
        (("--from", "web", "--metric", "c4_val", "--target-run", "web-9"), 2, "has no run 'web-9'"),
        (("--from", "web", "--metric", "c4_val", "--target-run", "a", "--target-x", "2"), 2, "not both"),
        (("--from", "web", "--metric", "c4_val", "--target-run", "web-1e+18-20"), 4, "below the target"),
        (("--from", "web", "--metric", "c4_val", "--error", "0.01", "--measure", "p50"), 2, "no measure 'p50'"),
    ],
)
def test_what_cannot_be_planned(ranked: Path, in_process: Any, words: tuple[str, ...], code: int, message: str) -> None:
    answer = in_process("transfer", "plan", *words, "--simulations", "50", "--db", ranked)
    assert answer.code == code, answer.err
    assert message in answer.err.lower()
