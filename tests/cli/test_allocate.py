"""scaling allocate, beyond the split of a budget: losses, sizes, overheads, costs, hardware, and what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import scaling
from db.saved import load_fit
from db.store import Store
from scaling.allocation.cost import FormulaCost, TransformerCost
from scaling.downstream import chain


@pytest.fixture
def fit(query: Any) -> scaling.Fit:
    """The fit `web`, made again from the rows by the engine alone."""
    rows = query(
        "SELECT n_params, n_tokens, loss FROM runs_final WHERE corpus = 'web' AND loss_status = 'ok' ORDER BY run_id"
    )
    n, d, loss = np.array(rows).T
    return scaling.fit("chinchilla", {"N": n, "D": d}, loss, bootstrap=60, seed=3)


def same(row: dict[str, Any], expected: dict[str, Any]) -> None:
    """Compare a row with that of the engine; the optimum itself is found to about 1e-8.

    The fit of the store carries a back-test, which widens the intervals of losses and is quoted.
    """
    ends = [f"{name}_{end}" for name in ("loss", "loss_at_optimum") for end in ("low", "high")]
    widened = (*ends, "loss_method", "backtest") if "loss_method" in expected else ("backtest",)
    for key, value in expected.items():
        if key in widened:
            continue
        assert row[key] == (pytest.approx(value, rel=1e-6, abs=1e-12) if isinstance(value, float) else value), key


class TestAgreement:
    def test_the_loss_is_that_of_the_forecast_of_the_curve(self, store: Any, ok: Any) -> None:
        answer = ok("allocate", "web", "--flops", "1e22")
        row = answer.row
        at = f"N={row['n_params']!r},D={row['n_tokens']!r}"
        forecast = ok("forecast", "web", "--at", at, "--curve").row
        for name in ("low", "high"):
            assert row[f"loss_{name}"] == pytest.approx(forecast[name], rel=1e-9)
        assert row["loss_method"] == forecast["method"]
        assert (row["law"], row["n_rows"], row["seed"], row["rivals"]) == ("chinchilla", 29, 3, [])
        assert row["objective"].startswith("huber(0.001)")
        assert "Intervals of N and D take the form of the law as true" in answer.err
        assert "Fit web: chinchilla, huber(0.001)" in answer.err
        assert row["backtest"] == forecast["backtest"]
        assert row["backtest"] in answer.err

    def test_so_is_that_of_a_model_however_it_is_asked_for(self, store: Any, ok: Any) -> None:
        forecast = ok("forecast", "web", "--params", "7B", "--tokens", "2T", "--curve").row
        for words in (
            ("--given-params", "7B", "--flops", "8.4e22"),
            ("--given-tokens", "2T", "--flops", "8.4e22"),
            ("--plan-params", "7B", "--plan-tokens", "2T"),
            ("--plan-params", "7B", "--plan-tokens", "2T", "--catch-up", "0.9"),
        ):
            answer = ok("allocate", "web", *words)
            assert [answer.row[k] for k in ("loss_low", "loss_high")] == pytest.approx(
                [forecast["low"], forecast["high"]], rel=1e-9
            )
            assert f"that of the loss is the forecast's for the curve there: {forecast['method']}" in answer.err
            assert answer.row["backtest"] in answer.err
            if "--catch-up" not in words:
                assert answer.row["backtest"] == forecast["backtest"]

    @pytest.mark.parametrize("extra", [("--points", "5"), ("--mfu", "0.3"), ("--price", "2")])
    def test_options_without_what_they_belong_to(self, store: Any, refused: Any, extra: tuple[str, str]) -> None:
        said = refused(2, "allocate", "web", "--flops", "1e22", *extra).err
        assert ("--curve" if extra[0] == "--points" else "need a device") in said


class TestATiedLaw:
    def test_stands_beside_the_law_that_estimates_its_exponents(
        self, store: Any, ok: Any, run: Any, query: Any
    ) -> None:
        words = ("--where", "corpus = 'web'", "--bootstrap", "60", "--seed", "3", "--no-backtest")
        ok("fit", "gadre", *words, "--name", "tied")
        answer = ok("allocate", "tied", "--flops", "1e19")
        row, free = answer.row, ok("allocate", "web", "--flops", "1e19").row
        assert row["exponents_fixed_by_law"] is True
        assert row["exponent_params_low"] is None
        assert row["untied"]["law"] == "chinchilla"
        assert row["untied"]["n_params"] == pytest.approx(free["n_params"], rel=1e-9)
        assert row["untied"]["n_params_high"] == pytest.approx(free["n_params_high"], rel=1e-9)
        assert row["n_params_low"] <= free["n_params"] * (1 + 1e-9)
        assert row["n_params_high"] >= free["n_params"] * (1 - 1e-9)
        assert "The best N grows as C^0.500, the best D as C^0.500: the law fixes these exponents" in answer.err
        assert "With the exponents estimated (chinchilla, " in answer.err
        assert "Weak: The law 'gadre' fixes how the best split grows" in answer.err
        assert run("allocate", "tied", "--flops", "1e24", "--fail-on", "weak").code == 1
        assert free["exponents_fixed_by_law"] is False
        ok("rm", "run", "web-11")
        gone = ok("allocate", "tied", "--flops", "1e19")
        assert gone.row["untied"] is None
        assert "The optimum by chinchilla is not set beside it: The rows of the fit 'tied' have changed" in gone.err

    def test_is_not_refitted_where_the_answer_is_refused(self, store: Any, ok: Any, refused: Any, monkeypatch) -> None:
        """Runs of one size identify nothing: that is said before the law without the tie is fitted a thousand times."""
        import db.freed

        def refit(*_: Any) -> None:
            raise AssertionError("refitted")

        ok(
            "fit",
            "gadre",
            "--where",
            "corpus = 'web' AND n_params < 3e7",
            "--bootstrap",
            "0",
            "--no-backtest",
            "--name",
            "poor",
        )
        monkeypatch.setattr(db.freed, "freed_fit", refit)
        assert "is not identified by its" in refused(1, "allocate", "poor", "--flops", "1e19").err


class TestChain:
    def test_a_law_that_is_not_of_a_loss_is_refused(self, store: Any, refused: Any) -> None:
        said = refused(2, "forecast", "web", "--params", "7B", "--tokens", "1T", "--then", "web").err
        assert "has the inputs N, D, not a loss alone" in said
        said = refused(2, "forecast", "web", "--params", "7B", "--tokens", "1T", "--then", "curve").err
        assert "has the input x, not a loss alone" in said

    def test_is_the_chain_of_both_fits(self, store: Any, ok: Any, tasks: str) -> None:
        inputs = ("--metric", "err", "--input", "L=metric:loss", "--where", tasks, "--residual", "linear")
        fitted = ok("fit", "downstream_error", *inputs, "--bootstrap", "20", "--no-backtest", "--name", "err").row
        assert fitted["n_obs"] == 22
        with Store(store, read_only=True) as opened:
            first, second = (load_fit(opened, name).fit for name in ("web", "err"))
        assert (second.law.inputs, second.law.unit) == ({"L": "nats/token"}, "share")
        found = chain(first, second, {"N": 7e9, "D": 1e12}, level=0.9, force=True)
        answer = ok("forecast", "web", "--params", "7B", "--tokens", "1T", "--then", "err", "--force")
        row = answer.row
        assert [row[k] for k in ("error", "low", "high", "loss", "loss_low")] == pytest.approx(
            [found.mean, found.low, found.high, found.loss, found.loss_low], rel=1e-9
        )
        assert row["error"] == pytest.approx(0.85 - 2.2 * np.exp(-0.72 * row["loss"]), abs=0.005)
        assert "20 pairs of replicates of both fits" in row["method"]
        assert found.method in answer.err
        assert (row["backtest"], row["then_backtest"]) == (found.backtest, found.then_backtest)
        assert f"web: {found.backtest}" in answer.err
        assert f"err: {found.then_backtest}" in answer.err

    def test_a_fit_over_another_metric_than_the_first_forecasts(
        self, store: Any, ok: Any, refused: Any, tasks: str
    ) -> None:
        quick = ("--where", tasks, "--bootstrap", "0", "--no-backtest")
        ok("fit", "E + A/N**alpha", "--metric", "err", *quick, "--name", "direct")
        ok("fit", "downstream_error", "--metric", "err", "--input", "L=metric:loss", *quick, "--name", "err")
        said = refused(2, "forecast", "direct", "--at", "N=1e9", "--then", "err", "--force").err
        assert "was fitted over the metric loss, and the first fit forecasts err" in said
        assert "forecast loss first" in said


class TestQuestions:
    def test_a_loss(self, store: Any, ok: Any, fit: scaling.Fit) -> None:
        answer = ok("allocate", "web", "--loss", "2.2", "--loss", "2.0")
        for row, expected in zip(answer.rows, scaling.compute_for_loss(fit, [2.2, 2.0], level=0.9).rows(), strict=True):
            same(row, expected)
            assert row["cost"] == "6*N*D"
            assert row["question"] == "least compute for a loss"
            assert row["method"].startswith("percentile of 60 iid bootstrap replicates")
            assert row["params_are"] == "as the fitted rows count them"
        assert answer.rows[1]["verdict"].startswith("extrapolating x")
        assert "C = 6 N D; N counts parameters as the fitted rows count them." in answer.err

    def test_a_given_size(self, store: Any, ok: Any, fit: scaling.Fit) -> None:
        words = ("allocate", "web", "--given-params", "7B", "--level", "0.8")
        same(
            ok(*words, "--flops", "1e22").row,
            scaling.given_params(fit, 7e9, compute_flop=1e22, level=0.8).rows()[0],
        )
        same(ok(*words, "--loss", "2.2").row, scaling.given_params(fit, 7e9, loss=2.2, level=0.8).rows()[0])

    def test_given_tokens(self, store: Any, ok: Any, fit: scaling.Fit) -> None:
        words = ("allocate", "web", "--given-tokens", "1T", "--level", "0.8")
        same(
            ok(*words, "--flops", "1e22").row,
            scaling.given_tokens(fit, 1e12, compute_flop=1e22, level=0.8).rows()[0],
        )
        same(ok(*words, "--loss", "2.2").row, scaling.given_tokens(fit, 1e12, loss=2.2, level=0.8).rows()[0])

    def test_an_overhead(self, store: Any, ok: Any, fit: scaling.Fit) -> None:
        answer = ok(
            "allocate", "web", "--plan-params", "8B", "--plan-tokens", "15T", "--gpu", "h100", "--mfu", "0.5",
            "--price", "2",
        )  # fmt: skip
        [expected] = scaling.overhead(fit, 8e9, 15e12, level=0.9).rows()
        same(answer.row, expected)
        hours = expected["deadweight_flop"] / (989e12 * 0.5 * 3600)
        assert answer.row["deadweight_device_hours"] == pytest.approx(hours)
        assert answer.row["deadweight_price"] == pytest.approx(2 * hours)
        assert answer.row["compute_price"] == pytest.approx(2 * 7.2e23 / (989e12 * 0.5 * 3600))
        assert "Hours and money: h100: 9.89e14 FLOP/s at 50 % utilisation, 2 a device hour." in answer.err

    def test_catching_up(self, store: Any, ok: Any, fit: scaling.Fit) -> None:
        answer = ok(
            "allocate", "web", "--plan-params", "8B", "--plan-tokens", "200B", "--catch-up", "0.5", "--catch-up", "0.05"
        )
        half, twentieth = scaling.catch_up(fit, 8e9, 200e9, [0.5, 0.05], level=0.9).rows()
        same(answer.rows[0], half)
        assert twentieth["n_tokens_needed"] == np.inf
        assert answer.rows[1]["n_tokens_needed"] == "inf"
        assert "a model of 400M parameters never catches up" in answer.err

    def test_catching_up_with_the_optimum(self, store: Any, ok: Any, fit: scaling.Fit) -> None:
        row = ok("allocate", "web", "--flops", "1e22", "--catch-up", "0.5").row
        best = scaling.allocate(fit, 1e22)
        same(row, scaling.catch_up(fit, best.n_params, best.n_tokens, 0.5, level=0.9).rows()[0])

    def test_a_curve(self, store: Any, ok: Any, fit: scaling.Fit) -> None:
        answer = ok("allocate", "web", "--curve", "1e20:1e24", "--points", "5")
        np.testing.assert_allclose([row["compute_flop"] for row in answer.rows], np.geomspace(1e20, 1e24, 5))
        plan = scaling.allocate(fit, np.geomspace(1e20, 1e24, 5), level=0.9)
        np.testing.assert_allclose([row["n_params_band_low"] for row in answer.rows], plan.n_params_band[0], rtol=1e-9)
        assert "The bands hold N, D and the loss at all 5 budgets at once" in answer.err


class TestCosts:
    def test_a_formula(self, store: Any, ok: Any, fit: scaling.Fit) -> None:
        answer = ok("allocate", "web", "--flops", "1e22", "--cost", "2*N**1.1*D")
        expected = scaling.allocate(fit, 1e22, level=0.9, cost=FormulaCost("2*N**1.1*D")).rows()[0]
        same(answer.row, expected)
        assert answer.row["cost"] == "2*N**1.1*D"
        assert "C = 2*N**1.1*D;" in answer.err
        counted = ok("allocate", "web", "--flops", "1e22", "--cost", "2*N**1.1*D", "--params-are", "total")
        assert counted.row["params_are"] == "total parameters"
        assert counted.row["n_params"] == answer.row["n_params"] > counted.row["n_params_non_embedding"]
        assert "N counts total parameters" in counted.err

    def test_served_tokens(self, store: Any, ok: Any, fit: scaling.Fit) -> None:
        row = ok("allocate", "web", "--loss", "2.2", "--serve-tokens", "2T").row
        same(row, scaling.compute_for_loss(fit, 2.2, level=0.9, cost=TransformerCost(served_tokens=2e12)).rows()[0])
        assert row["cost"] == "6*N*D + 2*N*2e12"
        assert row["training_flop"] < row["compute_flop"]

    def test_attention_and_counts(self, store: Any, ok: Any, fit: scaling.Fit) -> None:
        answer = ok(
            "allocate", "web", "--flops", "1e22", "--attention", "--seq-len", "8K", "--aspect", "64",
            "--params-are", "non-embedding", "--flops-on", "total",
        )  # fmt: skip
        cost = TransformerCost(8000, 64, "non-embedding", "total")
        same(answer.row, scaling.allocate(fit, 1e22, level=0.9, cost=cost).rows()[0])
        n = answer.row["n_params"]
        assert answer.row["params_are"] == "non-embedding parameters"
        assert answer.row["n_params_total"] == pytest.approx(n + 47491 * n ** (1 / 3))
        assert "N counts non-embedding parameters" in answer.err

    def test_only_the_shape_of_the_answer_changes_with_hardware(self, store: Any, ok: Any) -> None:
        plain, timed = (ok("allocate", "web", "--flops", "1e22", *more).row for more in ((), ("--gpu", "a100")))
        assert timed.pop("training_device_hours") == pytest.approx(1e22 / (312e12 * 0.4 * 3600))
        assert timed == plain
        own = ok("allocate", "web", "--flops", "1e22", "--peak-flops", "624e12").row
        assert own["training_device_hours"] == pytest.approx(1e22 / (624e12 * 0.4 * 3600))


class TestForPeople:
    def test_the_tables(self, store: Any, ok: Any) -> None:
        answer = ok(
            "allocate", "web", "--plan-params", "8B", "--plan-tokens", "15T", "--gpu", "h100", "--format", "table"
        )
        head, _, line = answer.out.splitlines()
        for title in ("params", "tokens", "deadweight, 90 %", "least for that loss", "deadweight device hours"):
            assert title in head
        assert line.split()[:2] == ["8B", "15T"]
        assert "%" in line

    def test_never(self, store: Any, ok: Any) -> None:
        answer = ok(
            "allocate", "web", "--plan-params", "8B", "--plan-tokens", "15T", "--catch-up", "0.05", "--format", "table"
        )
        assert answer.out.splitlines()[2].split()[3] == "never"

    def test_the_curve_shows_its_band(self, store: Any, ok: Any) -> None:
        head = ok("allocate", "web", "--curve", "1e20:1e22", "--points", "3", "--format", "table").out.splitlines()[0]
        assert "params, 90 % band" in head

    def test_the_growth_and_the_joint_region(self, store: Any, ok: Any, fit: scaling.Fit) -> None:
        err = ok("allocate", "web", "--flops", "1e22").err
        a = fit.estimates["beta"] / (fit.estimates["alpha"] + fit.estimates["beta"])
        assert f"The best N grows as C^{a:.3f} (90 %: " in err
        assert "their joint region is the piece of that line" in err

    @pytest.mark.parametrize("format_", ["table", "markdown", "csv", "jsonl"])
    def test_every_format(self, format_: str, store: Any, ok: Any) -> None:
        for words in (("--loss", "2.2"), ("--given-params", "1B", "--flops", "1e21"), ("--curve", "1e20:1e21")):
            assert ok("allocate", "web", *words, "--format", format_).out.strip()


class TestRefused:
    @pytest.mark.parametrize(
        ("words", "code", "said"),
        [
            ([], 2, "Nothing to allocate"),
            (["--given-params", "7B"], 2, "need a budget or a loss"),
            (["--flops", "1e22", "--loss", "2"], 2, "--flops and --loss ask different questions"),
            (["--flops", "1e22", "--curve", "1e20:1e22"], 2, "--flops and --curve ask different questions"),
            (["--given-params", "7B", "--given-tokens", "1T", "--flops", "1e22"], 2, "nothing is left to choose"),
            (["--plan-params", "7B"], 2, "There are 1 --plan-params and 0 --plan-tokens"),
            (["--plan-tokens", "7B"], 2, "There are 0 --plan-params and 1 --plan-tokens"),
            (["--loss", "2.2", "--catch-up", "0.5"], 2, "A model to catch up with"),
            (["--flops", "0"], 2, "--flops takes a number above 0, not '0'"),
            (["--flops", "1e300"], 1, "the loss of the law 'chinchilla' is its floor to rounding, E = "),
            (["--flops", "1e-5"], 1, "1e-5 FLOP buy no model"),
            (["--loss", "-2"], 2, "--loss takes a number above 0"),
            (["--curve", "1e20"], 2, "is not a range"),
            (["--curve", "1e22:1e20"], 2, "The range '1e22:1e20' of --curve is empty"),
            (["--curve", "0:1e20"], 2, "above 0"),
            (["--curve", "1e20:1e22", "--points", "1"], 2, "--points"),
            (["--flops", "1e22", "--cost", "6*N"], 2, "has N"),
            (["--flops", "1e22", "--cost", "6N*D"], 2, "6N"),
            (["--flops", "1e22", "--cost", "6*N*D", "--serve-tokens", "1T"], 2, "says everything itself"),
            (["--flops", "1e22", "--attention"], 2, "--seq-len 4096"),
            (["--flops", "1e22", "--seq-len", "4096"], 2, "--attention"),
            (["--flops", "1e22", "--params-are", "totl"], 2, "Did you mean 'total'?"),
            (["--flops", "1e22", "--flops-on", "total"], 2, "--params-are"),
            (["--flops", "1e22", "--gpu", "h10"], 2, "Did you mean 'h100'?"),
            (["--flops", "1e22", "--gpu", "h100", "--price", "-2"], 2, "above 0, not -2"),
            (["--flops", "1e22", "--gpu", "h100", "--price", "0"], 2, "above 0, not 0"),
            (
                ["--flops", "1e22", "--gpu", "h100", "--price", "free"],
                2,
                "'free' is not a number that --price can take",
            ),
            (["--flops", "1e22", "--gpu", "h100", "--mfu", "40"], 2, "up to 1, not 40"),
            (["--flops", "1e22", "--price", "2"], 2, "need a device"),
            (["--flops", "1e22", "--peak-flops", "-1e15"], 2, "--peak-flops takes a number above 0"),
            (["--loss", "1.2"], 1, "No compute reaches a loss of 1.200: the law 'chinchilla' has its floor at E = "),
            (["--given-params", "1B", "--loss", "1.9"], 1, "No amount of tokens gets a model of 1B parameters"),
            (["--given-tokens", "1B", "--loss", "1.9"], 1, "No amount of parameters gets training on 1B tokens"),
            (["--given-params", "7B", "--flops", "1e22", "--serve-tokens", "1T"], 2, "leave nothing for 7B parameters"),
        ],
    )
    def test_with_reasons(self, words: list[str], code: int, said: str, store: Any, refused: Any) -> None:
        assert said in refused(code, "allocate", "web", *words).err

    def test_a_law_without_an_optimum(self, ok: Any, store: Any, refused: Any) -> None:
        ok("fit", "multiplicative", "--bootstrap", "0", "--no-backtest", "--name", "flat")
        for words in (("--loss", "2.6"), ("--plan-params", "1B", "--plan-tokens", "20B"), ("--curve", "1e20:1e22")):
            assert "falls all the way to one side" in refused(1, "allocate", "flat", *words, "--force").err

    def test_a_budget_below_the_data(self, store: Any, run: Any) -> None:
        answer = run("allocate", "web", "--flops", "1e14", "--fail-on", "extrapolating")
        assert answer.code == 1
        assert answer.row["verdict"].startswith("extrapolating x")
        assert answer.row["verdict"].endswith("downward")
        assert answer.row["beyond"] == "below"
        assert "extrapolated downward, below the data" in answer.err
