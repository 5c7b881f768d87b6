"""scaling approaches: rows of the store, budgets, checkpoints, what is said, exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import scaling

ALPHA, BETA = 0.4, 0.25


def loss(n: Any, d: Any) -> Any:
    return 1.8 + 900 / n**ALPHA + 300 / d**BETA


def best(flop: Any) -> Any:
    return (ALPHA * 900 / (BETA * 300)) ** (1 / (ALPHA + BETA)) * (np.asarray(flop) / 6) ** (BETA / (ALPHA + BETA))


def isoflop_log() -> str:
    """Five budgets on a common ladder of sizes; compute measured a little off the nominal budget; one run diverged."""
    random = np.random.default_rng(5)
    ladder = best(1e20) * 1.6 ** np.arange(-20, 21)
    lines = ["run_id,corpus,N,D,C,nominal,planned,loss"]
    for b, flop in enumerate(np.geomspace(1e18, 1e21, 5)):
        for i, n in enumerate(ladder[np.abs(np.log(ladder / best(flop))) < 1.9]):
            d = flop / 6 / n
            y = loss(n, d) + 0.001 * random.standard_normal()
            shown = "nan" if (b, i) == (0, 0) else f"{y:.9g}"
            planned = 2 * d if (b, i) == (2, 3) else d
            measured = flop * np.exp(0.02 * random.uniform(-1, 1))
            lines.append(f"iso-{b}-{i},web,{n:.9g},{d:.9g},{measured:.9g},{flop:.6g},{planned:.9g},{shown}")
    return "\n".join(lines) + "\n"


def checkpoint_log() -> str:
    """Eight sizes, one length, ten logged steps each."""
    lines = ["run_id,step,N,tokens,loss"]
    for i, n in enumerate(np.geomspace(1e8, 1e10, 8)):
        for k in range(1, 11):
            d = 2e10 * k
            lines.append(f"run-{i},{k * 100},{n:.6g},{d:.6g},{loss(n, d):.9g}")
    return "\n".join(lines) + "\n"


@pytest.fixture
def iso(write: Any, ok: Any) -> Any:
    ok("ingest", write("iso.csv", isoflop_log()))
    return ok


@pytest.fixture
def steps(write: Any, ok: Any) -> Any:
    ok("ingest", write("steps.csv", checkpoint_log()))
    return ok


WORDS = ("approaches", "--flops", "1e22", "--bootstrap", "60")


def test_is_that_of_the_library(iso: Any, query_store: Any) -> None:
    rows = iso(*WORDS, "--budget-column", "nominal", "--level", "0.8", "--seed", "3").rows
    n, d, c, y = query_store(
        "SELECT n_params, n_tokens, nominal, loss FROM runs_final WHERE loss_status = 'ok' ORDER BY run_id"
    )
    found = scaling.compare_approaches(n, d, y, c, at=[1e22], bootstrap=60, seed=3, level=0.8)
    for row, expected in zip(rows, found.table, strict=True):
        for name in ("a", "b", "n_params", "n_params_low", "n_tokens_high", "bias_n_params", "deadweight"):
            value = expected[name]
            assert row[name] == (None if np.isnan(value) else value), name
    assert [row["approach"] for row in rows] == ["1 envelope", "2 isoFLOP", "2 corrected", "3 law"]
    assert {row["grouping"] for row in rows} == {"runs of equal nominal compute share a budget"}
    assert rows[3]["n_params"] == pytest.approx(best(1e22), rel=0.2)
    assert {row["level"] for row in rows} == {0.8}


def test_what_was_left_out_is_said(iso: Any) -> None:
    answer = iso(*WORDS)
    assert "left out: 1 run, the loss is nan" in answer.err


def test_the_column_of_budgets(iso: Any) -> None:
    measured, nominal, own = (
        iso(*WORDS, *words).rows[1]
        for words in ((), ("--budget-column", "nominal"), ("--budget-column", "6 * n_params * n_tokens"))
    )
    assert "within 11 % of a neighbour in the compute given" in measured["grouping"]  # nowhere equal, so chained
    assert nominal["grouping"] == "runs of equal nominal compute share a budget"
    assert nominal["a"] == pytest.approx(own["a"], rel=1e-6)


def test_letters_stand_for_their_columns(iso: Any) -> None:
    plain, letter = (iso(*WORDS, "--budget-column", column) for column in ("compute_flop", "C"))
    assert letter.rows == plain.rows
    assert plain.rows[1]["a"] == pytest.approx(iso(*WORDS).rows[1]["a"])


def test_the_example_works_on_a_sweep_as_it_is_published(write: Any, ok: Any) -> None:
    """Columns called as in public isoFLOP tables, read in without a mapping file."""
    import shlex

    import typer.main

    from cli import app

    lines = ["source,dataset,model,experiment,D,N,C,loss,outlier"]
    for line in isoflop_log().splitlines()[1:]:
        run, _, n, d, _, flop, _, y = line.split(",")
        for dataset, factor in (("dclm", 1.0), ("comma", 1.1)):
            value = f"{factor * float(y):.9g}"
            lines.append(f"lab,{dataset},llama,lab__{dataset},{d},{n},{flop},{value},{run == 'iso-1-1'}")
    ok("ingest", write("isoflops.csv", "\n".join(lines)))
    [group] = [typer.main.get_command(app)]
    _, command, *words = shlex.split(group.commands["approaches"].epilog.removeprefix("Example: "))
    answer = ok(command, *words, "--bootstrap", "20")
    assert len(answer.rows) == 4
    assert all(row["refused"] is None for row in answer.rows)
    assert answer.rows[1]["grouping"] == "runs of equal nominal compute share a budget"
    assert answer.rows[3]["n_params"] == pytest.approx(best(1e23), rel=0.4)
    assert "pooled" not in answer.err


def test_a_column_that_holds_no_number(iso: Any, refused: Any) -> None:
    assert "which is not a number" in refused(4, *WORDS, "--budget-column", "corpus").err
    assert "--budget-column takes one SQL expression" in refused(2, *WORDS, "--budget-column", "1; DROP TABLE runs").err


def test_a_condition(iso: Any) -> None:
    answer = iso(*WORDS, "--where", "nominal > 2e18", "--budget-column", "nominal")
    assert "not selected by the condition" in answer.err
    assert "4 budgets" in " ".join(answer.rows[0]["notes"])


def test_vertices(iso: Any) -> None:
    rows = iso(*WORDS, "--vertices", "--budget-column", "nominal").rows
    assert [row["quantity"] for row in rows] == ["N"] * 5 + ["D"] * 5
    for row in rows[:5]:
        assert row["corrected"] == pytest.approx(best(row["compute_flop"]), rel=0.1)
        assert row["bias"] == pytest.approx(row["optimum"] / row["corrected"] - 1)
        assert row["refused"] is None


def test_a_schedule_cut_short_is_flagged(iso: Any) -> None:
    plain = iso(*WORDS, "--budget-column", "nominal").rows[3]
    flagged = iso(*WORDS, "--budget-column", "nominal", "--planned-column", "planned").rows[3]
    assert not any("schedule" in reason for reason in plain["reasons"])
    assert flagged["reasons"][-1].startswith("1 of ")
    assert "before the end of their run's schedule" in flagged["reasons"][-1]
    assert flagged["verdict"] == "extrapolating x10"
    assert iso("approaches", "--flops", "1e20", *WORDS[3:], "--planned-column", "planned").rows[3]["verdict"] == "weak"


def test_for_people(iso: Any) -> None:
    out = iso(*WORDS, "--budget-column", "nominal", "--format", "table").out
    assert "At 1e22 FLOP, 10 times beyond the runs:" in out
    assert "Approach 2, budget by budget:" in out
    assert "90 %" in out
    assert "nan" not in out


def test_checkpoints_must_be_asked_for(steps: Any, run: Any) -> None:
    answer = run(*WORDS)
    first = answer.rows[0]
    assert first["refused"] == "needs_checkpoints"
    assert "(--checkpoints, checkpoints=True)" in first["reasons"][0]
    # Nothing else can be told from one length either, so the command fails, after it has said why.
    assert answer.code == 1
    assert "No approach gives an optimum" in answer.err
    asked = steps(*WORDS, "--checkpoints").rows
    assert asked[0]["refused"] is None
    assert asked[0]["verdict"] == "weak"
    assert asked[0]["n_rows"] == 80
    assert "Checkpoints are used, 80 of 8 runs" in asked[0]["reasons"][-1]
    assert asked[3]["n_params"] == pytest.approx(best(1e22), rel=0.02)


def test_pooled_corpora_are_named(write: Any, ok: Any) -> None:
    head, *lines = isoflop_log().splitlines()
    mixed = [line.replace(",web,", ",books,") if i % 2 else line for i, line in enumerate(lines)]
    ok("ingest", write("mixed.csv", "\n".join([head, *mixed]) + "\n"))
    answer = ok(*WORDS)
    assert "warning: The rows hold 2 values of corpus (books, web), pooled as if they were one" in answer.err
    assert any("2 values of corpus" in note for note in answer.rows[0]["notes"])
    one = ok(*WORDS, "--where", "corpus = 'web'")
    assert "pooled" not in one.err
    assert one.rows[0]["notes"][0].endswith("of scaling.duckdb, loss, where corpus = 'web'.")
    assert (one.rows[0]["law"], one.rows[0]["objective"]) == ("chinchilla", "huber(0.001) on log residuals")
    assert (one.rows[0]["replicates"], one.rows[0]["seed"]) == (60, 0)


def test_fail_on(iso: Any, run: Any) -> None:
    assert run(*WORDS, "--fail-on", "extrapolating").code == 1
    inside = ("approaches", "--flops", "1e20", "--bootstrap", "20")
    assert run(*inside, "--fail-on", "extrapolating").code == 0


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["approaches"], 2, "--flops"),
        (["approaches", "--flops", "-3"], 2, "above 0"),
        (["approaches", "--flops", "1e22", "--law", "power"], 2, "nothing to allocate"),
        (["approaches", "--flops", "1e22", "--curve", "round"], 2, "no curve 'round'"),
        (["approaches", "--flops", "1e22", "--where", "corpus = 'none'"], 4, "No run meets the condition"),
        (["approaches", "--flops", "1e22", "--metric", "nothing"], 2, "No run in the store has the metric"),
        (["approaches", "--flops", "1e22", "--level", "2"], 2, "a level lies between"),
    ],
)
def test_words_that_make_no_sense(words: list[str], code: int, said: str, iso: Any, refused: Any) -> None:
    assert said.lower() in refused(code, *words).err.lower()


def test_the_store_is_not_changed(iso: Any, tmp_path: Path) -> None:
    before = (tmp_path / "scaling.duckdb").read_bytes()
    iso(*WORDS)
    assert (tmp_path / "scaling.duckdb").read_bytes() == before


@pytest.fixture
def query_store(tmp_path: Path) -> Any:
    import duckdb

    def _query(sql: str) -> np.ndarray:
        with duckdb.connect(str(tmp_path / "scaling.duckdb"), read_only=True) as connection:
            return np.array(connection.execute(sql).fetchall(), float).T

    return _query
