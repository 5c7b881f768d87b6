"""scaling value sources and quality, on mixtures of sources whose worth is known."""

from __future__ import annotations

import itertools
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from db.saved import load_fit
from db.store import Store
from scaling.valuation import source_values
from tests.cli.mixtures import COLUMNS, MIXES, QUALITY, WEIGHTS, columns_of, console, documented

Run = Callable[..., Any]
TOKENS = {"web": 20e9, "code": 10e9, "books": 2e9}
COSTS = {"web": 1e-9, "code": 2e-9, "books": 5e-9}
SOURCES = tuple(word for k, n in TOKENS.items() for word in ("--source", f"{k}={n:g},cost={COSTS[k]:g}"))
MIX = ("value", "sources", "mix", *SOURCES, "--params", "1B", "--base", "1B")
pytestmark = pytest.mark.usefixtures("mixtures")


def estimates(ok: Run, name: str) -> dict[str, float]:
    return {k: v["estimate"] for k, v in ok("show", name).row["parameters"].items()}


def by_orders(values: Callable[[tuple[str, ...]], float]) -> dict[str, float]:
    """Shapley by its definition: what a source adds, on average over all orders."""
    orders = list(itertools.permutations(TOKENS))
    out = dict.fromkeys(TOKENS, 0.0)
    for order in orders:
        for i, name in enumerate(order):
            out[name] += (values(order[: i + 1]) - values(order[:i])) / len(orders)
    return out


def test_shapley_values_and_prices_are_those_of_the_law_written_out(ok: Run) -> None:
    row = ok(*MIX).row
    p = estimates(ok, "mix")
    weight = {"web": 1.0, "code": p["w_code"], "books": p["w_books"]}

    def fall(names: tuple[str, ...]) -> float:
        return float(
            p["B"] / 1e9 ** p["beta"] - p["B"] / (1e9 + sum(weight[k] * TOKENS[k] for k in names)) ** p["beta"]
        )

    known = by_orders(fall)
    assert {one["source"]: one["value"] for one in row["values"]} == pytest.approx(known, rel=1e-9)
    assert row["total"] == pytest.approx(fall(tuple(TOKENS)), rel=1e-9)
    assert row["sums"] == {"shapley": pytest.approx(1, rel=1e-12)}
    reached = 1e9 + sum(weight[k] * TOKENS[k] for k in TOKENS)
    assert row["price"]["n_tokens"] == pytest.approx(reached, rel=1e-9)
    for one in row["price"]["sources"]:
        price = weight[one["source"]] * p["beta"] * p["B"] / reached ** (p["beta"] + 1)
        assert one["price"] == pytest.approx(price, rel=1e-7)
        assert one["per_money"] == pytest.approx(price / COSTS[one["source"]], rel=1e-7)
        assert one["price_low"] < price < one["price_high"]
    assert row["price"]["best"] == "web"


def test_every_method_is_that_of_the_library_with_documented_keys(ok: Run) -> None:
    row = ok(*MIX, "--method", "all", "--level", "0.95", "--beta", "4:1").row
    assert set(row) == documented("sources")
    assert set(row["values"][0]) == columns_of("sources", "values")
    assert set(row["price"]) | set(row["price"]["sources"][0]) == columns_of("sources", "price")
    with Store("scaling.duckdb", read_only=True) as store:
        fit = load_fit(store, "mix").fit
    own = source_values(fit, TOKENS, 1e9, base=1e9, beta=(4, 1))
    assert row["values"] == [pytest.approx(one) for one in own.rows()]
    assert (row["coalitions"], row["beta"], row["level"]) == (8, [4, 1], 0.95)
    assert row["sums"]["leave_one_out"] < row["sums"]["banzhaf"] < 1
    sheet = ok(*MIX, "--format", "csv").table
    assert [line["source"] for line in sheet] == list(TOKENS)


def test_values_are_kept_and_read_back_and_made_again(ok: Run) -> None:
    row = ok(*MIX, "--method", "banzhaf", "--method", "shapley", "--name", "sv").row
    assert row["kept"] == {"banzhaf": "sv_banzhaf", "shapley": "sv_shapley"}
    query = "SELECT item, value, low, high FROM valuations WHERE valuation_name = 'sv_banzhaf' ORDER BY position"
    kept = ok("sql", query).rows
    mine = [one for one in row["values"] if one["method"] == "banzhaf"]
    assert kept == [
        {"item": one["source"], "value": one["value"], "low": one["value_low"], "high": one["value_high"]}
        for one in mine
    ]
    listed = {one["valuation_name"]: one for one in ok("ls", "--what", "valuations").rows}
    assert (listed["sv_shapley"]["what"], listed["sv_shapley"]["fit_name"]) == ("sources", "mix")
    assert shlex.split(row["command"]) == [
        "scaling", *MIX, "--method", "banzhaf", "--method", "shapley", "--name", "sv"
    ]  # fmt: skip
    again = ok(*shlex.split(row["command"])[1:], "--replace").row
    assert again["values"] == row["values"]
    assert ok(*MIX, "--name", "one").row["kept"] == {"shapley": "one"}
    ok("rm", "valuation", "sv_banzhaf")
    assert ok("sql", query).rows == []


def test_a_table_says_the_same_as_options(ok: Run) -> None:
    lines = ["source,tokens,cost,decay", *(f"{k},{n:g},{COSTS[k]:g}," for k, n in TOKENS.items())]
    Path("sources.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    from_table = ok("value", "sources", "mix", "--sources", "sources.csv", "--params", "1B", "--base", "1B").row
    typed = ok(*MIX).row
    assert {k: v for k, v in from_table.items() if k != "command"} == {k: v for k, v in typed.items() if k != "command"}


def test_weights_and_repeats_that_are_given_count(ok: Run) -> None:
    words = ("value", "sources", "c4", "--params", "1B", "--base", "1B", "--source", "fresh=10B")
    row = ok(*words, "--source", "seen=40B,unique=10B,decay=15,weight=0.5").row
    p = estimates(ok, "c4")
    worth = 0.5 * 10e9 * (1 + 15 * (1 - math.exp(-3 / 15)))
    reached = 1e9 + 10e9 + worth
    assert row["total"] == pytest.approx(p["B"] / 1e9 ** p["beta"] - p["B"] / reached ** p["beta"], rel=1e-9)
    assert row["price"]["n_tokens"] == pytest.approx(reached, rel=1e-9)
    prices = {one["source"]: one["price"] for one in row["price"]["sources"]}
    assert prices["seen"] / prices["fresh"] == pytest.approx(0.5 * math.exp(-3 / 15), rel=1e-9)
    assert row["notes"] == []
    told = ok(*words, "--source", "seen=40B,unique=10B,weight=0.5", "--decay", "15").row
    assert told["values"] == row["values"]


def test_sources_that_nothing_tells_apart_are_said_to_be(ok: Run) -> None:
    answer = ok("value", "sources", "c4", "--source", "a=5B", "--source", "b=5B", "--params", "1B", "--base", "1B")
    first, second = answer.row["values"]
    assert first["value"] == second["value"]
    assert "Neither the law nor a weight tells the sources apart" in answer.row["notes"][0]


def test_without_replicates_there_are_no_intervals(ok: Run) -> None:
    words = ("--source", "a=5B", "--source", "b=1B,weight=3", "--params", "1B", "--base", "1B")
    answer = ok("value", "sources", "bare", *words, "--name", "kept")
    assert answer.row["method"] == "none: the fit has no bootstrap replicates"
    assert {(one["value_low"], one["value_high"]) for one in answer.row["values"]} == {(None, None)}
    assert ok("sql", "SELECT low FROM valuations WHERE valuation_name = 'kept'").rows == [{"low": None}, {"low": None}]
    text = ok("value", "sources", "bare", *words, "--format", "table").out
    assert "unknown" in text


class TestQuality:
    def test_weights_are_those_behind_the_runs(self, ok: Run) -> None:
        row = ok(*QUALITY, "--name", "again").row
        assert set(row) == documented("quality")
        found = {one["source"]: one for one in row["sources"]}
        assert {k: one["weight"] for k, one in found.items()} == pytest.approx(WEIGHTS, rel=0.04)
        assert found["web"] == {"source": "web", "weight": 1, "weight_low": 1, "weight_high": 1}
        assert row["parameters"]["w_code"]["estimate"] == found["code"]["weight"]
        assert shlex.split(row["command"]) == ["scaling", *QUALITY, "--seed", "0", "--name", "again"]
        assert ok(*shlex.split(row["command"])[1:], "--replace").row["sources"] == row["sources"]

    def test_it_answers_like_any_fit(self, ok: Run) -> None:
        p = estimates(ok, "mix")
        worth = 3e9 + p["w_code"] * 2e9 + p["w_books"] * 1e9
        known = p["E"] + p["A"] / 1e9 ** p["alpha"] + p["B"] / worth ** p["beta"]
        [called] = ok("sql", "SELECT mix(1e9, 3e9, 2e9, 1e9) AS loss").rows
        assert called["loss"] == pytest.approx(known, rel=1e-12)
        at = "N=1e9,D_web=3e9,D_code=2e9,D_books=1e9"
        assert ok("forecast", "mix", "--at", at).row["loss"] == pytest.approx(known, rel=1e-12)
        assert ok("verify", "mix").row["status"] == "identical"
        held = ok("backtest", "mix", "--bootstrap", "0").rows
        assert sum(one["n"] for one in held) > 8 * len(MIXES)
        assert max(one["rms"] for one in held) < 0.01
        assert ok("report", "mix", "-o", "page.html", "--at", at).row["fit"] == "mix"
        assert "w_books" in Path("page.html").read_text(encoding="utf-8")
        assert "mix" in {one["name"] for one in ok("fits").rows}
        ok("rm", "fit", "mix")
        assert "mix" not in {one["name"] for one in ok("fits").rows}

    def test_runs_of_one_size_take_a_law_of_tokens_alone(self, ok: Run, refused: Run) -> None:
        words = ("value", "quality", *COLUMNS, "--where", "kind = 'mix' AND n_params = 5e7", "--bootstrap", "20")
        assert "--one-size" in refused(4, *words).err
        row = ok(*words, "--one-size", "--name", "small").row
        assert row["formula"] == "E + B/(D_web + w_code*D_code + w_books*D_books)**beta"
        assert {one["source"]: one["weight"] for one in row["sources"]} == pytest.approx(WEIGHTS, rel=0.1)
        assert "--one-size" in row["command"]

    def test_expressions_and_another_metric(self, ok: Run) -> None:
        words = ("--tokens", "rest=web_tokens + coalesce(code_tokens, 0)", "--tokens", "books=books_tokens")
        row = ok("value", "quality", *words, "--metric", "loss_code", "--where", "kind = 'mix'",
                 "--bootstrap", "20", "--name", "two").row  # fmt: skip
        assert row["reference"] == "rest"
        with Store("scaling.duckdb", read_only=True) as store:
            saved = load_fit(store, "two")
        assert (saved.metric, saved.columns["D_rest"]) == ("loss_code", "(web_tokens + coalesce(code_tokens, 0))")
        assert np.all(saved.fit.residuals < 0.1)
        assert ok("verify", "two").row["status"] == "identical"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("curve_free", *SOURCES), 2, "no fit 'curve_free'"),
        (("mix", *SOURCES[:2]), 2, "needs the input 'N'"),
        (("c4", *SOURCES, "--params", "1B"), 2, "no finite loss without tokens"),
        (("mix", "--source", "wbe=1B", "--params", "1B", "--base", "1B"), 4, "Did you mean 'web'?"),
        (("c4", "--source", "a=-1", "--params", "1B", "--base", "1B"), 4, "must be a finite number from 0 on, not -1"),
        (("c4", "--source", "a=1B,weight=-1", "--params", "1B", "--base", "1B"), 4, "Weights must be"),
        (("c4", "--source", "a=1B,unique=0", "--params", "1B", "--base", "1B"), 4, "has 0 unique tokens"),
        (("c4", "--source", "a=2B,unique=1B", "--params", "1B", "--base", "1B"), 2, "how fast repeated ones wear out"),
        (
            ("c4", "--source", "a=2B,unique=1B,decay=9", "--source", "b=2B,unique=1B", "--params", "1B"),
            2,
            "The source 'b' is repeated",
        ),
        (("c4", "--source", "a=1B,cost=1", "--source", "b=1B", "--params", "1B"), 2, "The source 'b' has no cost"),
        (("mix", "--source", "web=1B,cost=1", "--params", "1B", "--base", "1B"), 2, "--source code=0,cost=..."),
        (("c4", "--source", "a=1B,wieght=1", "--params", "1B"), 2, "Did you mean 'weight'?"),
        (("c4", "--source", "a=1B", "--source", "a=2B", "--params", "1B"), 2, "gives 'a' twice"),
        (("c4", "--source", "a", "--params", "1B"), 2, "NAME=NUMBER"),
        (("c4", "--params", "1B"), 2, "No source is named"),
        (("c4", *SOURCES, "--params", "1B", "--base", "1B", "--method", "shapely"), 2, "Did you mean 'shapley'?"),
        (("c4", *SOURCES, "--params", "1B", "--base", "-1B"), 4, "from 0 on, not -1"),
        (("c4", *SOURCES, "--params", "1B", "--base", "1B", "--beta", "16"), 2, "the two numbers"),
        (("c4", *SOURCES, "--params", "1B", "--base", "1B", "--at", "U=1"), 2, "has no input 'U'"),
        (("loose", "--source", "web=1B", "--params", "1B", "--base", "1B"), 1, "not identified"),
        (("c4", "--source", "a=0", "--params", "1B", "--base", "1B"), 2, "nothing to divide"),
        (("c4", *SOURCES, "--params", "1B", "--base", "1B", "--level", "1.5"), 2, "level"),
    ],
)
def test_sources_that_make_no_sense(refused: Run, words: tuple[str, ...], code: int, said: str) -> None:
    assert said in refused(code, "value", "sources", *words).err


def test_verdicts_tables_and_names_that_are_taken(ok: Run, refused: Run, run: Run) -> None:
    words = ("--source", "web=1B", "--params", "1B", "--base", "1B")
    forced = ok("value", "sources", "loose", *words, "--force")
    assert "is not identified" in forced.err
    assert "is weak" in ok("value", "sources", "lean", *words).err
    assert run("value", "sources", "lean", *words, "--fail-on", "weak").code == 1
    far = ("value", "sources", "c4", "--source", "web=9T", "--params", "1B", "--base", "1B")
    assert ok(*far).row["verdict"].startswith("extrapolating x")
    assert run(*far, "--fail-on", "extrapolating").code == 1
    ok("value", "sources", "c4", *words, "--name", "sv")
    assert "There is a valuation 'sv' already" in refused(2, "value", "sources", "c4", *words, "--name", "sv").err
    for text, code, said in (
        ("source,tokens\na,1e9\na,1e9\n", 4, "has the source 'a' twice"),
        ("source,tokens\na,many\n", 4, "holds 'many', which is not a number"),
        ("source,tokens\na,\n", 4, "is empty"),
        ("name,tokens\na,1e9\n", 2, "no column 'source'"),
    ):
        Path("bad.csv").write_text(text, encoding="utf-8")
        assert said in refused(code, "value", "sources", "c4", "--sources", "bad.csv", *words[2:]).err
    assert "Give one of them" in refused(2, "value", "sources", "c4", "--sources", "bad.csv", *words).err


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--tokens", "web=web_tokens"), 2, "fewer than two are named"),
        (("--tokens", "web=web_tokens", "--tokens", "code=code_tokns"), 2, "Did you mean 'code_tokens'?"),
        (("--tokens", "web=web_tokens", "--tokens", "web=code_tokens"), 2, "gives 'web' twice"),
        ((*COLUMNS, "--reference", "wbe"), 2, "Did you mean 'web'?"),
        ((*COLUMNS, "--where", "kind = 'none'"), 4, "No run of the store is selected"),
        ((*COLUMNS, "--where", "kind ="), 2, "--where"),
        (("--tokens", "a=-web_tokens", "--tokens", "b=code_tokens"), 4, "a negative number of tokens of a"),
        (("--tokens", "a=NULL", "--tokens", "b=code_tokens"), 4, "coalesce"),
    ],
)
def test_weights_of_nothing(refused: Run, words: tuple[str, ...], code: int, said: str) -> None:
    assert said in refused(code, "value", "quality", *words).err


def test_runs_of_one_mixture_do_not_say_what_a_source_is_worth(run: Run) -> None:
    words = ("value", "quality", *COLUMNS, "--where", "kind = 'random'", "--bootstrap", "20", "--name", "one")
    answer = run(*words, "--fail-on", "not-identified")
    assert answer.code == 1
    assert answer.row["verdict"] == "not identified"
    assert any("D_code" in reason for reason in answer.row["reasons"])


def test_the_page_prints_what_the_commands_print(ok: Run) -> None:
    for name in ("mix", "c4"):
        ok("rm", "fit", name)
    ok("fit", "chinchilla", "--where", "kind = 'random'", "--name", "c4", "--bootstrap", "80", "--seed", "1")
    parts = console("sources")
    assert [words.split()[1] for words, _ in parts] == ["quality", "sources"]
    for words, printed in parts:
        assert ok(*shlex.split(words), "--format", "table").out == printed
