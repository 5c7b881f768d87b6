"""scaling value pools: epochs of each pool, beside plainer uses, and the filters of each budget."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from db.saved import load_fit
from db.store import Store
from scaling.valuation import Pool, allocate_pools, filtering_thresholds
from tests.cli.mixtures import columns_of, console, documented

Run = Callable[..., Any]
POOLS = ("--pool", "books=2B", "--pool", "web=100B,quality=0.3")
BUDGET = ("--params", "1B", "--tokens", "20B")


def effective(tokens: float, unique: float, decay: float) -> float:
    """Fresh tokens that repeated ones are worth, written out once more."""
    return tokens if tokens <= unique else unique * (1 + decay * (1 - math.exp(-(tokens / unique - 1) / decay)))


def test_published_coefficients_answer_without_a_store(ok: Run) -> None:
    answer = ok("value", "pools", *POOLS, *BUDGET)
    row = answer.row
    assert set(row) == documented("pools")
    assert set(row["pools"][0]) == columns_of("pools", "pools")
    assert set(row["strategies"][0]) == columns_of("pools", "strategies")
    assert set(row["filters"][0]) == columns_of("pools", "filters")
    own = allocate_pools("muennighoff-2023", [Pool("books", 2e9), Pool("web", 1e11, 0.3)], 2e10, 1e9)
    assert [one["epochs"] for one in row["pools"]] == own.epochs.tolist()
    assert (row["fit"], row["verdict"], row["level"]) == (None, "published", 0.9)
    assert "arXiv:2305.16264" in answer.err
    by_compute = ok("value", "pools", *POOLS, "--params", "1B", "--flops", "1.2e20").row
    assert by_compute == row


def test_the_split_levels_what_the_next_token_is_worth(ok: Run, mixtures: Path) -> None:
    words = ("--pool", "web=5B", "--pool", "books=2B", "--decay", "15", "--params", "1B", "--tokens", "100B")
    row = ok("value", "pools", "mix", *words).row
    w_books = ok("show", "mix").row["parameters"]["w_books"]["estimate"]
    epochs = {one["pool"]: one["epochs"] for one in row["pools"]}
    next_web, next_books = math.exp(-(epochs["web"] - 1) / 15), w_books * math.exp(-(epochs["books"] - 1) / 15)
    assert (next_web, next_books) == pytest.approx((row["next_worth"], row["next_worth"]), rel=1e-9)
    assert 5 * epochs["web"] + 2 * epochs["books"] == pytest.approx(100, rel=1e-12)
    worth = {
        "best": effective(5e9 * epochs["web"], 5e9, 15) + w_books * effective(2e9 * epochs["books"], 2e9, 15),
        "uniform": effective(5e11 / 7, 5e9, 15) + w_books * effective(2e11 / 7, 2e9, 15),
        "only web": effective(1e11, 5e9, 15),
        "only books": w_books * effective(1e11, 2e9, 15),
    }
    assert {one["strategy"]: one["effective"] for one in row["strategies"]} == pytest.approx(worth, rel=1e-9)
    assert worth["best"] == max(worth.values())
    assert all(one["loss_above_best"] > 0 for one in row["strategies"][1:])
    for one in row["pools"]:
        assert one["epochs_low"] < one["epochs"] < one["epochs_high"]


def test_filters_are_those_of_the_library(ok: Run, mixtures: Path) -> None:
    words = ("--pool", "web=5B,decay=15", "--pool", "books=2B,decay=15", "--params", "1B", "--tokens", "10B")
    pools = [Pool("web", 5e9, decay=15), Pool("books", 2e9, decay=15)]
    with Store("scaling.duckdb", read_only=True) as store:
        fit = load_fit(store, "mix").fit
    for kind in ("nested", "single"):
        row = ok("value", "pools", "mix", *words, "--between", "1B:1T", "--filters", kind).row
        own = filtering_thresholds(fit, pools, (1e9, 1e12), 1e9, kind=kind, level=0.9)
        assert row["filters"] == own.to_dict()["filters"]
    assert [one["kept"] for one in row["filters"]] == [["books"], ["web"]]
    assert ok("value", "pools", "mix", *words[:2], *words[4:]).row["filters"] is None


def test_a_token_that_is_repeated_is_bought_once(ok: Run) -> None:
    words = ("--pool", "books=2B,cost=3e-9", "--pool", "web=100B,quality=0.3,cost=1e-9")
    row = ok("value", "pools", *words, *BUDGET).row
    books, web = row["pools"]
    assert books["epochs"] > 1
    assert (books["spend"], web["spend"]) == pytest.approx((6, web["n_tokens"] * 1e-9))
    spends = {one["strategy"]: one["spend"] for one in row["strategies"]}
    assert spends == pytest.approx(
        {"best": 6 + web["spend"], "uniform": 20 * (2 * 3 + 100) / 102, "only books": 6, "only web": 20}
    )
    assert "spend" in ok("value", "pools", *words, *BUDGET, "--format", "table").out
    lines = ["pool,unique,quality,cost", "books,2e9,,3e-9", "web,1e11,0.3,1e-9"]
    Path("pools.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert ok("value", "pools", "--pools", "pools.csv", *BUDGET).row == row


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((*BUDGET,), 2, "No pool is named"),
        ((*POOLS, "--params", "1B"), 2, "--tokens or as --flops"),
        ((*POOLS, *BUDGET, "--flops", "1e20"), 2, "--tokens or as --flops"),
        ((*POOLS, "--flops", "1e20"), 2, "Add --params 7B"),
        ((*POOLS, "--tokens", "1B"), 2, "needs the number of parameters"),
        (("--pool", "a=0", *BUDGET), 4, "unique tokens of 'a'"),
        (("--pool", "a=-1B", *BUDGET), 4, "unique tokens of 'a'"),
        (("--pool", "a=1B,quality=-1", *BUDGET), 4, "weight of 'a'"),
        (("--pool", "a=1B,quality=0", *BUDGET), 4, "no token is worth anything"),
        (("--pool", "a=1B,decay=0", *BUDGET), 4, "decay of 'a'"),
        (("--pool", "a=1B,cost=-1", *BUDGET), 4, "costs -1"),
        (("--pool", "a=1B,cost=1", "--pool", "b=1B", *BUDGET), 2, "The pool 'b' has no cost"),
        (("--pool", "a=1B,unique=1", *BUDGET), 2, "has no 'unique'"),
        ((*POOLS, *BUDGET, "--between", "1T:1B"), 2, "empty"),
        ((*POOLS, *BUDGET, "--filters", "nestd"), 2, "Did you mean 'nested'?"),
        ((*POOLS, *BUDGET, "--level", "2"), 2, "level"),
        (("c4", *POOLS, *BUDGET), 2, "has no decay"),
        (("mix", "--pool", "wbe=1B,decay=9", *BUDGET), 4, "knows no source 'wbe'"),
        (("loose", "--pool", "web=1B,decay=9", *BUDGET), 1, "not identified"),
        (("nothing", *POOLS, *BUDGET), 2, "no fit 'nothing'"),
    ],
)
@pytest.mark.usefixtures("mixtures")
def test_pools_that_make_no_sense(refused: Run, words: tuple[str, ...], code: int, said: str) -> None:
    assert said in refused(code, "value", "pools", *words).err


@pytest.mark.usefixtures("mixtures")
def test_verdicts(ok: Run, run: Run) -> None:
    words = ("--pool", "web=1B,decay=9", *BUDGET)
    assert "is not identified" in ok("value", "pools", "loose", *words, "--force").err
    lean = ("value", "pools", "lean", "--pool", "a=1B,decay=9", *BUDGET)
    assert "is weak" in ok(*lean).err
    assert run(*lean, "--fail-on", "weak").code == 1
    bare = ok("value", "pools", "bare", "--pool", "a=1B,decay=9", "--pool", "b=9B,decay=9", *BUDGET)
    assert bare.row["method"] == "none: the fit has no bootstrap replicates"
    assert bare.row["loss_low"] is None


@pytest.mark.usefixtures("mixtures")
def test_the_page_prints_what_the_command_prints(ok: Run) -> None:
    [(words, printed)] = console("pools")
    assert ok(*shlex.split(words), "--format", "table").out == printed
