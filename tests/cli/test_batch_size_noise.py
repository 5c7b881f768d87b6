"""scaling batch-size noise-scale and branches, and the worked example of docs/batch_size.md."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.batch_sweeps import DOCS, QUICK, TARGET, curve_lines, documented, text_of, truth

Run = Callable[..., Any]
SMALL, BIG = 8, 64
NORMS = ("--small", "sq_small", "--big", "sq_big", "--batch-small", SMALL, "--batch-big", BIG)


def norm_lines(
    growth: float = 0.0, gradient: float = 1.0, noise: float = 0.05, runs: tuple[str, ...] = ("a",)
) -> list[str]:
    """Squared norms of gradients whose noise scale is 40 at the start, of small and big batches; all but exact."""
    random = np.random.default_rng(3)
    lines = ["run_id,step,loss,sq_small,sq_big,half_1,half_2"]
    for run in runs:
        for step in range(1, 201):
            trace = 40 * step**growth
            small, big = (gradient + trace / b for b in (SMALL, BIG))
            one, two = (x * np.exp(noise * random.standard_normal()) for x in (small, big))
            lines.append(f"{run},{step},3,{one:.9g},{two:.9g},{0.5 * one:.9g},{1.5 * one:.9g}")
    return lines


@pytest.fixture
def norms(write: Callable[[str, str], Path], ok: Run) -> Callable[..., None]:
    """Put such a log into the store."""

    def _norms(**settings: Any) -> None:
        others = ("sq_small", "sq_big", "half_1", "half_2")
        kept = "".join(f'{name} = {{ column = "{name}", kind = "other" }}\n' for name in others)
        mapping = f'[metrics]\nloss = {{ column = "loss", unit = "nats/token" }}\n{kept}'
        ok("ingest", write("norms.csv", text_of(norm_lines(**settings))), "--mapping", write("norms.toml", mapping),
           "--metric", "loss")  # fmt: skip

    return _norms


def test_the_noise_scale_of_every_run(norms: Callable[..., None], ok: Run) -> None:
    norms(runs=("a", "b"))
    rows = ok("batch-size", "noise-scale", *NORMS).rows
    assert [row["run_id"] for row in rows] == ["a", "b"]
    for row in rows:
        assert set(row) == documented("noise-scale")
        assert row["low"] <= 40 <= row["high"]
        assert row["estimate"] == pytest.approx(40, rel=0.1)
        assert (row["n"], row["verdict"], row["fit"], len(row["windows"])) == (200, "ok", None, 10)
    one = ok("batch-size", "noise-scale", *NORMS, "--run", "b", "--windows", 4)
    assert one.row == rows[1] | {"windows": one.row["windows"], "growth": one.row["growth"]}
    assert "Nothing is saved" in one.err
    sheet = ok("batch-size", "noise-scale", *NORMS, "--windows", 4, "--format", "csv").table
    assert len(sheet) == 8
    tokens = ok("batch-size", "noise-scale", *NORMS, "--run", "a", "--context-length", 512).row
    assert tokens["unit"] == "tokens"
    assert tokens["estimate"] == pytest.approx(512 * rows[0]["estimate"], rel=1e-9)


def test_micro_batches_are_the_mean_of_their_norms(norms: Callable[..., None], ok: Run) -> None:
    norms()
    whole = ok("batch-size", "noise-scale", "--small", "sq_small", "--big", "sq_big", "--batch-small", SMALL,
               "--batch-big", 2 * SMALL).row  # fmt: skip
    parts = ok("batch-size", "noise-scale", "--small", "half_1", "--small", "half_2", "--big", "sq_big",
               "--batch-small", SMALL).row  # fmt: skip
    assert parts["estimate"] == pytest.approx(whole["estimate"], rel=1e-6)


def test_growth_is_saved_as_a_law(norms: Callable[..., None], ok: Run) -> None:
    norms(growth=0.5)
    row = ok("batch-size", "noise-scale", *NORMS, *QUICK, "--seed", 3, "--name", "grown").row
    assert row["fit"] == "grown"
    assert row["estimates"]["q"] == pytest.approx(0.5, abs=0.1)
    assert "went from" in row["growth"]
    [listed] = ok("fits").rows
    assert (listed["law"], listed["n_obs"]) == ("noise_scale", 10)
    assert ok("verify", "grown").row["status"] == "identical"
    [called] = ok("sql", "SELECT grown(100) AS b").rows
    assert called["b"] == pytest.approx(row["estimates"]["k"] * 100 ** row["estimates"]["q"], rel=1e-9)
    assert ok("backtest", "grown").rows
    from db.saved import load_fit
    from db.store import Store

    with Store("scaling.duckdb", read_only=True) as store:
        command = load_fit(store, "grown").command
    assert ok(*shlex.split(command)[1:], "--replace").row["estimates"] == row["estimates"]


def test_against_a_measured_critical_batch(
    norms: Callable[..., None], write: Callable[[str, str], Path], ok: Run, refused: Run
) -> None:
    norms(runs=("a", "b"))
    ok("ingest", write("sweep.csv", text_of(curve_lines())))
    ok("batch-size", "fit", "--target", TARGET, "--where", "batch_size_seqs IS NOT NULL", *QUICK, "--name", "s")
    words = ("batch-size", "noise-scale", *NORMS, "--batch-unit", "sequences", "--against", "s")
    row = ok(*words, "--run", "a").row
    assert row["against"] == "s"
    critical = truth(4e8)[1] / truth(4e8)[0]
    assert row["calibration"]["ratio"] == pytest.approx(critical / row["estimate"], rel=5e-3)
    text = ok(*words, "--run", "a", "--format", "table").out
    assert "proxy" in text
    assert "There are 2 runs to hold against 's'" in refused(2, *words).err
    said = refused(4, "batch-size", "noise-scale", *NORMS, "--against", "s", "--run", "a").err
    assert "batch sizes in samples and in sequences have no ratio" in said.lower() or "have no ratio" in said


def test_a_negative_gradient_is_unbounded_and_not_a_number(norms: Callable[..., None], ok: Run, run: Run) -> None:
    norms(gradient=-0.02, noise=0.6)  # what sampling may leave of a gradient that is hardly there
    answer = ok("batch-size", "noise-scale", *NORMS)
    row = answer.row
    assert row["unbounded"] is True
    assert row["high"] == "inf"
    assert row["n_negative"] > 0
    assert row["verdict"] == "negative"
    assert row["estimate"] < 0
    text = ok("batch-size", "noise-scale", *NORMS, "--format", "table").out
    assert "not known: the estimate is -" in text
    assert "unbounded, at least" in text
    assert "negative by sampling" in text
    failed = run("batch-size", "noise-scale", *NORMS, "--windows", 2, "--name", "n")
    assert failed.code == 4
    assert "Nothing is saved of the run a" in failed.err
    assert ok("fits").rows == []


class TestRefused:
    def test_an_unknown_metric(self, norms: Callable[..., None], refused: Run) -> None:
        norms()
        said = refused(2, "batch-size", "noise-scale", "--small", "sq_smal", "--big", "sq_big", "--batch-small", 8).err
        assert "No run logged the metric 'sq_smal'" in said
        assert "sq_small" in said

    def test_norms_that_were_not_named_at_ingest(
        self, write: Callable[[str, str], Path], ok: Run, refused: Run
    ) -> None:
        ok("ingest", write("norms.csv", text_of(norm_lines())))
        said = refused(2, "batch-size", "noise-scale", *NORMS).err
        assert "'sq_small' was kept as a column of the runs" in said
        assert '[metrics] sq_small = { column = "sq_small", kind = "other" }' in said

    def test_swapped_batches(self, norms: Callable[..., None], refused: Run) -> None:
        norms()
        words = ("--small", "sq_small", "--big", "sq_big", "--batch-small", 64, "--batch-big", 8)
        assert "are the columns swapped?" in refused(4, "batch-size", "noise-scale", *words).err

    def test_no_size_of_the_big_batch(self, norms: Callable[..., None], refused: Run) -> None:
        norms()
        words = ("--small", "sq_small", "--big", "sq_big", "--batch-small", 64)
        assert "--batch-big" in refused(2, "batch-size", "noise-scale", *words).err


def branch_lines(counted_from: str) -> list[str]:
    """Branches at 1e9 and 4e9 tokens: batches above 256 and above 1024 lose."""
    lines = ["run_id,anchor,bs,step,tokens,loss"]
    for anchor, edge in ((1e9, 256), (4e9, 1024)):
        for batch in (64, 256, 1024, 4096):
            for i in range(1, 11):
                since = 1e8 * i
                loss = 3 - 1e-10 * since + 0.02 * max(0.0, np.log2(batch / edge))
                tokens = since + (anchor if counted_from == "start" else 0)
                lines.append(f"f{anchor:g}-{batch},{anchor:g},{batch},{i},{tokens:g},{loss:.6f}")
    lines.append("trunk,,64,1,1e8,3.2")
    return lines


@pytest.mark.parametrize("counted_from", ["branch", "start"])
def test_branches_of_checkpoints(counted_from: str, write: Callable[[str, str], Path], ok: Run, refused: Run) -> None:
    mapping = '[columns]\nrun_id = "run_id"\nstep = "step"\nD = "tokens"\n'
    ok("ingest", write("b.csv", text_of(branch_lines(counted_from))), "--mapping", write("b.toml", mapping))
    words = ("batch-size", "branches", "--anchor", "anchor", "--tolerance", 0.005, "--window", "1B")
    rows = ok(*words, "--counted-from", counted_from).rows
    assert set(rows[0]) == documented("branches")
    assert [(row["anchor"], row["critical"], row["above"]) for row in rows] == [(1e9, 256, 1024), (4e9, 1024, 4096)]
    assert [row["status"] for row in rows] == ["reached", "reached"]
    text = ok(*words, "--counted-from", counted_from, "--format", "table").out
    assert "256 to 1024" in text
    assert "has two branches of" in refused(4, *words[:-1], "20B", "--counted-from", counted_from).err
    assert "which runs_final does not have" in refused(2, *words[:3], "anker", *words[4:]).err


def test_the_worked_example_is_what_the_commands_print(ok: Run) -> None:
    text = DOCS.read_text(encoding="utf-8")
    [script] = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    exec(compile(script, str(DOCS), "exec"), {})
    ok("ingest", "sweep.csv")
    shown = re.findall(r"```\n\$ scaling (.+?)\n(.*?)```", text, flags=re.DOTALL)
    assert len(shown) == 3
    for command, printed in shown:
        said = ok(*shlex.split(command), "--format", "table").out
        masked = re.sub(r"\([0-9a-f]{12}\)", "(3f9c2a7b1d04)", said)
        assert masked.rstrip("\n") == printed.rstrip("\n"), command
