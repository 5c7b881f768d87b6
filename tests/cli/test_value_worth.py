"""scaling value worth, on losses whose worth is known."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.saved import load_fit
from db.store import Store
from scaling.valuation import worth, worth_across_sizes
from tests.cli.mixtures import SUBSET, columns_of, console, documented

Run = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("mixtures")


def fit_of(name: str) -> Any:
    with Store("scaling.duckdb", read_only=True) as store:
        return load_fit(store, name).fit


def filtered(ok: Run) -> list[dict[str, Any]]:
    """The runs on filtered data that have a loss."""
    return list(
        ok(
            "sql",
            "SELECT run_id, n_params, n_tokens, loss FROM runs_final WHERE kind = 'filtered' AND loss_status = 'ok' "
            "ORDER BY run_id",
        ).rows
    )  # fmt: skip


def table(rows: list[dict[str, Any]], path: str = "across.csv") -> str:
    lines = ["run,n_params,loss,n_tokens"]
    lines += [f"{r['run_id']},{r['n_params']:.17g},{r['loss']:.17g},{r['n_tokens']:.17g}" for r in rows]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_a_loss_is_worth_what_the_law_solved_for_tokens_says(ok: Run) -> None:
    row = ok("value", "worth", "c4", "--loss", "2.75", "--params", "500M", "--tokens", "4B").row
    assert set(row) == documented("worth")
    [one] = row["worths"]
    assert set(one) == columns_of("worth", "worths")
    p = {k: v["estimate"] for k, v in ok("show", "c4").row["parameters"].items()}
    asymptote = p["E"] + p["A"] / 5e8 ** p["alpha"]
    known = (p["B"] / (2.75 - asymptote)) ** (1 / p["beta"])
    assert (one["d_eq"], one["asymptote"]) == pytest.approx((known, asymptote), rel=1e-9)
    assert one["ratio"] == pytest.approx(known / 4e9, rel=1e-9)
    own = worth(fit_of("c4"), 2.75, 5e8, n_tokens=4e9, level=0.9)
    assert (one["d_eq_low"], one["d_eq_high"]) == pytest.approx(own.interval, rel=1e-12)
    assert 0.9 * known < one["d_eq_low"] < known < one["d_eq_high"] < 1.1 * known
    assert (row["trend"], row["no_trend"]) == (None, "there is 1 size")


@pytest.mark.parametrize("method", ["bootstrap", "delta", "profile", "band"])
def test_methods_and_errors_are_passed_on(ok: Run, method: str) -> None:
    words = ("--params", "500M", "--loss-se", "0.001", "--method", method, "--level", "0.8", "--seed", "5")
    [one] = ok("value", "worth", "c4", "--loss", "2.75", *words).row["worths"]
    assert (one["loss_se"], one["loss_se_from"], one["level"], one["seed"]) == (0.001, "given", 0.8, 5)
    with Store("scaling.duckdb", read_only=True) as store:
        from db.saved import rows_of

        saved = load_fit(store, "c4")
        rows = rows_of(store, saved)
    given = (rows.inputs, rows.observed) if method == "profile" else None
    own = worth(saved.fit, 2.75, 5e8, loss_se=0.001, level=0.8, method=method, seed=5, rows=given)
    assert (one["d_eq_low"], one["d_eq_high"]) == pytest.approx(own.interval, rel=1e-9)
    assert one["method"] == own.method


def test_a_loss_that_no_random_data_reach(ok: Run, run: Run) -> None:
    words = ("value", "worth", "c4", "--loss", "2.1", "--params", "500M", "--tokens", "4B")
    [one] = ok(*words).row["worths"]
    assert (one["d_eq"], one["ratio"]) == ("inf", "inf")
    assert "worth more than any amount of random data under this law" in one["words"]
    assert one["endless_share"] == 1
    assert "worth more than any amount" in ok(*words, "--format", "table").out
    assert run(*words, "--fail-on", "extrapolating").code == 1


def test_runs_of_the_store_and_a_table_say_the_same(ok: Run) -> None:
    rows = filtered(ok)
    by_runs = ok("value", "worth", "c4", "--runs", "kind = 'filtered'", "--seed", "2").row
    by_table = ok("value", "worth", "c4", "--across", table(rows), "--seed", "2").row
    assert by_runs["excluded"] == {"loss is nan": 1}
    assert by_table | {"excluded": by_runs["excluded"]} == by_runs
    assert [one["run"] for one in by_runs["worths"]] == [r["run_id"] for r in rows]
    ratios = np.array([one["ratio"] for one in by_runs["worths"]])
    assert ratios == pytest.approx(1.8 * (np.array([r["n_params"] for r in rows]) / 5e7) ** -0.15, rel=0.08)
    trend = by_runs["trend"]
    assert set(trend) == columns_of("worth", "trend")
    own = worth_across_sizes(
        fit_of("c4"), [r["loss"] for r in rows], [r["n_params"] for r in rows], SUBSET, level=0.9, seed=2
    )  # fmt: skip
    assert (trend["slope"], trend["slope_low"], trend["p_value"]) == (own.slope, own.slope_interval[0], own.p_value)
    assert trend["slope_low"] < -0.15 < trend["slope_high"] < 0
    typed = [w for r in rows for w in ("--loss", f"{r['loss']!r}", "--params", f"{r['n_params']!r}", "--tokens", "4B")]
    again = ok("value", "worth", "c4", *typed, "--seed", "2").row
    assert again["trend"] == trend
    assert {one["run"] for one in again["worths"]} == {None}


def test_under_a_law_of_sources_a_loss_is_worth_tokens_of_the_reference(ok: Run) -> None:
    row = ok("value", "worth", "mix", "--runs", "run_id IN ('filtered-0', 'filtered-1')").row
    assert {one["of"] for one in row["worths"]} == {"tokens of web"}
    assert [one["ratio"] for one in row["worths"]] == pytest.approx([1.8, 1.5], rel=0.08)


def test_runs_of_one_size_have_no_trend(ok: Run) -> None:
    answer = ok("value", "worth", "c4", "--runs", "run_id LIKE 'random-0%'", "--format", "table").out
    assert "no trend over sizes: there is 1 size" in answer
    [line] = [line for line in answer.splitlines() if line.startswith("random-02")]
    assert line.split()[1] == "50M"


def test_without_replicates_a_loss_has_an_interval_and_no_trend(ok: Run, refused: Run) -> None:
    row = ok("value", "worth", "bare", "--runs", "kind = 'filtered'").row
    assert row["worths"][0]["method"].startswith("delta method")
    assert row["worths"][0]["d_eq_low"] < row["worths"][0]["d_eq"] < row["worths"][0]["d_eq_high"]
    assert row["trend"] is None
    assert "bootstrap replicates" in row["no_trend"]
    assert "bootstrap replicates" in refused(2, "value", "worth", "bare", "--across", table(filtered(ok))).err
    assert "no replicates" in row["no_trend"] or "has none" in row["no_trend"]
    few = ("value", "worth", "bare", "--loss", "2.75", "--params", "500M", "--method", "bootstrap")
    assert "has none" in refused(2, *few).err


def test_verdicts(ok: Run, refused: Run, run: Run) -> None:
    words = ("--loss", "2.75", "--params", "500M")
    assert "not identified" in refused(1, "value", "worth", "loose", *words).err
    assert "is not identified" in ok("value", "worth", "loose", *words, "--force").err
    assert "is weak" in ok("value", "worth", "lean", *words).err
    assert run("value", "worth", "lean", *words, "--fail-on", "weak").code == 1
    [far] = ok("value", "worth", "c4", "--loss", "2.3", "--params", "500M").row["worths"]
    assert far["verdict"].startswith("extrapolating x")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("c4",), 2, "Give one of the three"),
        (("c4", "--loss", "2.7", "--runs", "true"), 2, "Give one of the three"),
        (("c4", "--runs", "true", "--params", "1B"), 2, "go with --loss"),
        (("c4", "--loss", "2.7"), 2, "needs the input 'N'"),
        (("c4", "--loss", "2.7", "--loss", "2.6", "--params", "1B"), 2, "2 --loss"),
        (("c4", "--loss", "-2.7", "--params", "1B"), 2, "above 0"),
        (("c4", "--loss", "nan", "--params", "1B"), 2, "not a number"),
        (("c4", "--loss", "2.7", "--params", "0"), 2, "above 0"),
        (("c4", "--loss", "2.7", "--params", "1B", "--tokens", "-4B"), 2, "above 0"),
        (("c4", "--loss", "2.7", "--params", "1B", "--loss-se", "-1"), 4, "standard error of the loss"),
        (("c4", "--loss", "2.7", "--params", "1B", "--method", "bootsrap"), 2, "Did you mean 'bootstrap'?"),
        (("c4", "--loss", "2.7", "--params", "1B", "--token-input", "T"), 2, "no input 'T'"),
        (("c4", "--loss", "2.7", "--params", "1B", "--level", "0"), 2, "level"),
        (("c4", "--runs", "kind = 'nothing'"), 4, "the condition selects none"),
        (("c4", "--runs", "run_id = 'filtered-nan'"), 4, "1 x loss is nan"),
        (("c4", "--runs", "knd = 'filtered'"), 2, '"knd" not found'),
        (("c4", "--across", "nothing.csv"), 4, "There is no file"),
        (("nothing", "--loss", "2.7"), 2, "no fit 'nothing'"),
    ],
)
def test_losses_that_make_no_sense(refused: Run, words: tuple[str, ...], code: int, said: str) -> None:
    assert said in refused(code, "value", "worth", *words).err


def test_tables_that_make_no_sense(ok: Run, refused: Run) -> None:
    for text, code, said in (
        ("n_params,loss\n1e9,2.5\n", 2, "no column 'n_tokens'"),
        ("n_params,loss,n_tokens\n1e9,low,4e9\n", 4, "holds 'low', which is not a number"),
        ("n_params,loss,n_tokens\n1e9,2.5,4e9\n", 4, "two sizes or more"),
        ("n_params,loss,n_tokens\n1e9,2.5,-4e9\n1e8,2.9,4e9\n", 4, "must be a finite number above 0"),
    ):
        Path("bad.csv").write_text(text, encoding="utf-8")
        assert said in refused(code, "value", "worth", "c4", "--across", "bad.csv").err


def test_a_law_without_tokens_has_no_answer(ok: Run, refused: Run) -> None:
    ok("fit", "E + A/x**alpha", "--input", "x=n_params", "--param", "alpha=0.01:2", "--param", "E=0:",
       "--where", "kind = 'random'", "--name", "sizes", "--bootstrap", "0", "--no-backtest")  # fmt: skip
    answer = refused(2, "value", "worth", "sizes", "--loss", "2.7", "--force")
    assert "has no tokens among its inputs x" in answer.err
    assert "--token-input" in answer.err
    fits = ("fit", "E + A/t**alpha", "--input", "t=n_tokens", "--param", "alpha=0.01:2", "--param", "E=0:",
            "--where", "n_params = 5e7 AND kind = 'random'", "--name", "tokens", "--bootstrap", "0")  # fmt: skip
    ok(*fits, "--no-backtest")
    [one] = ok("value", "worth", "tokens", "--loss", "3.4", "--token-input", "t", "--force").row["worths"]
    assert one["n_params"] is None
    assert 2e9 < one["d_eq"] < 1e10


def test_the_page_prints_what_the_commands_print(ok: Run) -> None:
    parts = console("worth")
    assert len(parts) == 3
    for words, printed in parts:
        assert ok(*shlex.split(words), "--format", "table").out == printed
