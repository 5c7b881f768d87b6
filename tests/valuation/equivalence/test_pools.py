"""Splits of a budget over pools: water-filling against brute force, the law's own optimum, thresholds, weights."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.allocation.repetition import RepetitionLaw
from scaling.errors import InputDataError, UsageError
from scaling.valuation import (
    Pool,
    allocate_pools,
    effective_tokens,
    filtering_thresholds,
    fit_source_weights,
    source_values,
    worth,
)
from scaling.valuation.equivalence.pool_law import PoolLaw
from scaling.valuation.equivalence.water import water_fill
from tests.valuation.token_fits import exact, mixtures, noisy, repeated, weighted

PUBLISHED = "muennighoff-2023"
BOOKS, WEB = Pool("books", 1e9), Pool("web", 1e11, 0.3)
steady = settings(derandomize=True, deadline=None, max_examples=60)
sizes = st.lists(st.floats(0.1, 50), min_size=4, max_size=4)


class TestWaterFilling:
    @steady
    @given(sizes, st.lists(st.floats(0.05, 2), min_size=4, max_size=4), sizes, st.floats(0.1, 500))
    def test_no_move_between_two_pools_is_better(self, unique, weights, decays, budget):
        u, w, r = (np.array(v) for v in (unique, weights, decays))
        [split], [level] = water_fill(u, w[None], r[None], budget)
        assert split.sum() == pytest.approx(budget, rel=1e-10)
        assert np.all(split >= 0)
        # The optimum of a concave sum: what the next token is worth is `level` in each pool in use, and at most that
        # in the others; inside a first pass it is the weight itself.
        after = w * np.exp(-np.maximum(split / u - 1, 0) / r)
        in_repeats = split > u * (1 + 1e-9)
        np.testing.assert_allclose(after[in_repeats], level, rtol=1e-7)
        partly = (split > 0) & (split < u * (1 - 1e-9))
        np.testing.assert_allclose(w[partly], level, rtol=1e-7)
        assert np.all(w[split == 0] <= level * (1 + 1e-7))

    def test_against_a_grid(self):
        u, w, r = np.array([1.0, 3.0]), np.array([1.0, 0.6]), np.array([5.0, 2.0])
        for budget in (0.5, 2.0, 3.7, 6.0, 20.0):
            first = np.linspace(0, budget, 200_001)
            value = effective_tokens(first, u[0], r[0], w[0]) + effective_tokens(budget - first, u[1], r[1], w[1])
            [split], _ = water_fill(u, w[None], r[None], budget)
            best = effective_tokens(split, u, r, w).sum()
            assert best >= value.max() * (1 - 1e-14)
            assert split[0] == pytest.approx(first[np.argmax(value)], abs=1e-2)

    def test_tied_pools_are_used_in_proportion(self):
        [split], [level] = water_fill(np.array([1.0, 3.0]), np.array([[0.5, 0.5]]), np.array([[2.0, 4.0]]), 2.0)
        np.testing.assert_allclose(split, [0.5, 1.5], rtol=1e-12)
        assert level == pytest.approx(0.5, rel=1e-12)

    def test_worthless_pools_are_left_alone_and_rows_are_independent(self):
        u = np.array([1.0, 2.0, 5.0])
        w, r = np.array([[1.0, 0.0, 0.5], [0.2, 1.0, 0.5]]), np.array([[3.0, 3.0, 3.0], [1.0, 9.0, 2.0]])
        both, _ = water_fill(u, w, r, 11.0)
        assert both[0, 1] == 0
        for row in range(2):
            np.testing.assert_allclose(both[row], water_fill(u, w[[row]], r[[row]], 11.0)[0][0], rtol=1e-12)

    def test_a_very_long_run(self):
        [split], [level] = water_fill(np.array([1.0, 1.0]), np.array([[1.0, 0.1]]), np.array([[5.0, 5.0]]), 1e4)
        assert split.sum() == pytest.approx(1e4, rel=1e-12)
        assert level < 1e-300


class TestAllocation:
    def test_one_pool_is_the_law_itself(self):
        law = RepetitionLaw.of(PUBLISHED)
        for n, d in ((1e8, 5e8), (1e9, 4e9), (1e11, 6e10)):
            found = allocate_pools(PUBLISHED, [BOOKS], d, n)
            assert found.loss == pytest.approx(float(law.loss(n, d, 1e9)[0, 0]), rel=1e-13)
            assert found.epochs[0] == pytest.approx(d / 1e9, rel=1e-12)

    @pytest.mark.parametrize("budget", [2e10, 5e10, 3e11])
    def test_the_split_has_the_lowest_loss(self, budget):
        law = PoolLaw.of(PUBLISHED, [BOOKS, WEB], 1e9)
        first = np.linspace(0, min(budget, 4e10), 801)
        losses = [law.loss(np.array([x, budget - x]))[0] for x in first]
        found = allocate_pools(PUBLISHED, [BOOKS, WEB], budget, 1e9)
        assert found.loss <= min(losses) * (1 + 1e-12)
        assert found.tokens[0] == pytest.approx(first[np.argmin(losses)], abs=6e7)

    def test_small_models_fill_up_to_one_level(self):
        """Where the model is no larger than its tokens ask for, the lowest loss is that of most effective tokens."""
        found = allocate_pools(PUBLISHED, [BOOKS, WEB], 5e10, 1e7)
        used = water_fill(np.array([1e9, 1e11]), np.array([[1, 0.3]]), np.full((1, 2), 15.387756), 5e10)[0][0]
        np.testing.assert_allclose(found.tokens, used, rtol=1e-6)
        assert found.epochs[0] == pytest.approx(1 - 15.387756 * np.log(0.3), rel=1e-6)
        assert found.next_worth == pytest.approx(0.3, rel=1e-9)

    def test_strategies_and_their_losses(self):
        fit = noisy(200)[0]
        pools = [Pool("good", 1e9, 1.0, 10.0), Pool("rest", 2e10, 0.4, 10.0)]
        found = allocate_pools(fit, pools, 4e10, 1e9)
        rows = {row["strategy"]: row for row in found.strategies}
        assert list(rows) == ["best", "uniform", "only good", "only rest"]
        by_hand = {
            "uniform": effective_tokens(4e10 / 21, 1e9, 10) + effective_tokens(80e10 / 21, 2e10, 10, 0.4),
            "only good": effective_tokens(4e10, 1e9, 10),
            "only rest": effective_tokens(4e10, 2e10, 10, 0.4),
        }
        for name, tokens in by_hand.items():
            assert rows[name]["effective"] == pytest.approx(float(tokens), rel=1e-12)
            expected = float(fit.evaluate({"N": 1e9, "D": float(tokens)})[0, 0])
            assert rows[name]["loss"] == pytest.approx(expected, rel=1e-12)
            assert rows[name]["loss_above_best_low"] > 0
        assert found.loss_interval[0] < found.loss < found.loss_interval[1]
        np.testing.assert_allclose(found.epochs_interval[0], found.epochs_interval[1])  # decays and weights were given

    def test_uncertain_decays_make_uncertain_splits(self):
        fit = repeated()
        found = allocate_pools(fit, [BOOKS, Pool("web", 1e11, 0.3)], 5e10, 1e7, level=0.9)
        decays = fit.replicates[:, fit.law.parameter_names.index("R_D")]
        ends = 1 - np.log(0.3) * np.quantile(decays, [0.05, 0.95])
        np.testing.assert_allclose([v[0] for v in found.epochs_interval], ends, rtol=1e-5)
        assert found.verdict == "ok"

    def test_weights_of_a_law_of_sources_come_with_their_uncertainty(self):
        made = weighted()
        pools = [Pool("web", 1e10, decay=10.0), Pool("books", 1e9, decay=15.0), Pool("code data", 1e10, decay=5.0)]
        found = allocate_pools(made.fit, pools, 5e10, 1e9)
        weights = [1.0, made.weights["books"], made.weights["code data"]]
        again = allocate_pools(made.fit, [replace(p, weight=w) for p, w in zip(pools, weights, strict=True)], 5e10, 1e9)
        np.testing.assert_allclose(found.tokens, again.tokens, rtol=1e-12)
        assert found.epochs_interval[0][1] < found.epochs[1] < found.epochs_interval[1][1]
        assert again.epochs_interval[0][1] == pytest.approx(again.epochs_interval[1][1], rel=1e-9)

    def test_a_report_that_reads(self):
        found = allocate_pools(PUBLISHED, [BOOKS, WEB], 5e10, 1e7)
        assert repr(found).startswith("50B tokens, worth 20.9B fresh ones; loss ")
        assert "  books: 19.5 epochs (unknown), 19.5B tokens" in repr(found)
        table = json.loads(json.dumps(found.to_dict(), allow_nan=False))
        assert table["pools"][1]["epochs_low"] is None
        assert table["verdict"] == "published"

    def test_bad_input(self):
        with pytest.raises(InputDataError, match="there are no pools"):
            allocate_pools(PUBLISHED, [], 1e9, 1e8)
        with pytest.raises(InputDataError, match="a pool is named twice: web, web"):
            allocate_pools(PUBLISHED, [WEB, WEB], 1e9, 1e8)
        with pytest.raises(InputDataError, match="no pool has a weight above 0"):
            allocate_pools(PUBLISHED, [Pool("x", 1e9, 0)], 1e9, 1e8)
        with pytest.raises(InputDataError, match="the weight of 'x' must be a finite number from 0 on, not -1"):
            allocate_pools(PUBLISHED, [Pool("x", 1e9, -1)], 1e9, 1e8)
        with pytest.raises(InputDataError, match="the unique tokens of 'x' must be a finite number above 0"):
            allocate_pools(PUBLISHED, [Pool("x", -1e9)], 1e9, 1e8)
        with pytest.raises(InputDataError, match="the number of tokens must be a finite number above 0"):
            allocate_pools(PUBLISHED, [BOOKS], -1, 1e8)
        with pytest.raises(UsageError, match=r"the pool 'books' has no decay, and the law knows none\nSay after how"):
            allocate_pools(exact(), [BOOKS], 1e9, 1e8)
        with pytest.raises(UsageError, match="needs the number of parameters"):
            allocate_pools(PUBLISHED, [BOOKS], 1e9)
        with pytest.raises(UsageError, match="Did you mean 'muennighoff-2023'"):
            allocate_pools("muennighof", [BOOKS], 1e9, 1e8)
        with pytest.raises(InputDataError, match=r"the law knows no source 'wob'.*\nIts sources are web, books"):
            allocate_pools(weighted().fit, [Pool("wob", 1e9, decay=5.0)], 1e9, 1e8)


class TestThresholds:
    POOLS = (Pool("top", 1e9, 1.0, 8.0), Pool("good", 4e9, 0.6, 8.0), Pool("rest", 2e10, 0.3, 8.0))

    def test_filters_open_with_the_budget_where_they_cross(self):
        found = filtering_thresholds(exact(), self.POOLS, (1e8, 1e12), 1e9)
        assert found.kept == (("top",), ("top", "good"), ("top", "good", "rest"))
        for names, budget in zip(found.kept, found.crossings, strict=False):
            here = [p for p in self.POOLS if p.name in names]
            more = self.POOLS[: len(here) + 1]
            values = []
            for pools in (here, more):
                epochs = budget / sum(p.unique_tokens for p in pools)
                values.append(sum(effective_tokens(epochs * p.unique_tokens, p.unique_tokens, 8.0, p.weight)
                                  for p in pools))  # fmt: skip
            assert values[0] == pytest.approx(values[1], rel=1e-10)

    def test_one_pool_alone(self):
        found = filtering_thresholds(exact(), self.POOLS, (1e8, 1e12), 1e9, kind="single")
        assert found.kept == (("top",), ("good",), ("rest",))
        first = found.crossings[0]
        assert effective_tokens(first, 1e9, 8) == pytest.approx(float(effective_tokens(first, 4e9, 8, 0.6)), rel=1e-10)

    def test_no_crossing_within_the_budgets(self):
        found = filtering_thresholds(exact(), self.POOLS, (1e7, 1e9), 1e9)
        assert found.kept == (("top",),)
        assert not len(found.crossings)
        assert repr(found).startswith("10M to 1B tokens: top\n")

    def test_crossings_have_intervals_where_weights_are_uncertain(self):
        pools = [Pool("web", 1e10, decay=10.0), Pool("books", 1e9, decay=15.0), Pool("code data", 1e10, decay=5.0)]
        found = filtering_thresholds(weighted().fit, pools, (1e8, 1e12), 1e9)
        assert found.kept == (("books",), ("books", "web"), ("books", "web", "code data"))
        low, high = found.crossing_intervals
        assert np.all((low < found.crossings) & (found.crossings < high))
        assert np.all(high / low < 1.3)
        json.dumps(found.to_dict(), allow_nan=False)

    def test_a_law_of_repeated_data_counts_the_loss(self):
        """Parameters beyond what the kept data ask for are wasted, so larger models want looser filters earlier."""
        pools = [Pool("top", 1e9), Pool("good", 4e9, 0.6)]
        small, large = (filtering_thresholds(PUBLISHED, pools, (1e8, 1e12), n).crossings[0] for n in (1e7, 1e9))
        assert large < 0.8 * small
        law = PoolLaw.of(PUBLISHED, pools, 1e9)
        tight, loose = law.loss(large * np.array([1.0, 0.0]))[0], law.loss(large * np.array([0.2, 0.8]))[0]
        assert tight == pytest.approx(loose, rel=1e-12)

    def test_bad_input(self):
        with pytest.raises(UsageError, match=r"no kind of filter 'nestet'.*\nDid you mean 'nested'"):
            filtering_thresholds(exact(), self.POOLS, (1e8, 1e12), 1e9, kind="nestet")
        with pytest.raises(UsageError, match="Give the smaller one first"):
            filtering_thresholds(exact(), self.POOLS, (1e12, 1e8), 1e9)
        with pytest.raises(InputDataError, match="a budget must be a finite number above 0"):
            filtering_thresholds(exact(), self.POOLS, (-1, 1e8), 1e9)


class TestQualityWeights:
    def test_known_weights_come_back(self):
        made = weighted()
        assert made.weights["web"] == 1.0
        assert made.weights == pytest.approx({"web": 1.0, "books": 2.5, "code data": 0.4}, rel=0.08)
        for name, truth in (("books", 2.5), ("code data", 0.4)):
            low, high = made.interval(name, 0.99)
            assert low < truth < high
        assert made.interval("web") == (1.0, 1.0)
        assert made.fit.law.formula.endswith("B/(D_web + w_books*D_books + w_code_data*D_code_data)**beta")

    def test_the_reference_changes_the_unit_alone(self):
        tokens, loss, n = mixtures()
        other = fit_source_weights(tokens, loss, n, reference="books", objective="squared", bootstrap=0)
        one = weighted().weights
        assert other.weights == pytest.approx({k: v / one["books"] for k, v in one.items()}, rel=1e-4)

    def test_runs_of_one_size(self):
        tokens, _, _ = mixtures()
        noise = np.exp(0.002 * np.random.default_rng(3).standard_normal(60))
        loss = (2 + 400 / (tokens["web"] + 2.5 * tokens["books"] + 0.4 * tokens["code data"]) ** 0.28) * noise
        made = fit_source_weights(tokens, loss, reference="web", objective="squared", bootstrap=0)
        assert made.weights == pytest.approx({"web": 1.0, "books": 2.5, "code data": 0.4}, rel=0.08)
        assert made.fit.law.formula.startswith("E + B/(D_web")

    def test_how_far_an_answer_lies_beyond_the_runs_is_told_by_what_their_tokens_are_worth(self):
        tokens, _, n = mixtures()
        tokens = {name: np.maximum(t, 1e6) for name, t in tokens.items()}  # some of each in every run
        worth_ = tokens["web"] + 2.5 * tokens["books"] + 0.4 * tokens["code data"]
        made = fit_source_weights(
            tokens, 1.7 + 400 / n**0.34 + 400 / worth_**0.28, n, reference="web", objective="squared", bootstrap=0
        )
        inside = float(np.median(worth_))
        assert source_values(made.fit, {"web": inside, "books": 1e8}, 1e9, base=1e8).extrapolation_factor == 1
        far = source_values(made.fit, {"books": 4 * worth_.max()}, 1e9, base=1e8)
        assert far.extrapolation_factor == pytest.approx(10 + 1e8 / worth_.max(), rel=1e-2)
        assert worth(made.fit, 1.7 + 400 / 1e9**0.34 + 400 / inside**0.28, 1e9).extrapolation_factor == 1
        few = worth(made.fit, 1.7 + 400 / 1e9**0.34 + 400 / (worth_.min() / 5) ** 0.28, 1e9)
        assert few.extrapolation_factor == pytest.approx(5, rel=2e-2)
        assert worth(made.fit, 2.6, 2 * n.max()).extrapolation_factor == pytest.approx(2)

    def test_the_fit_survives_the_way_to_json_with_its_sources(self):
        from scaling.results import Fit

        again = Fit.from_json(weighted().fit.to_json())
        assert worth(again, 2.6, 1e9).to_dict() == worth(weighted().fit, 2.6, 1e9).to_dict()
        assert "tokens of web" in worth(again, 2.6, 1e9).words
        assert source_values(again, {"web": 1e10, "books": 1e9}, 1e9, base=1e9, methods=["shapley"]).total > 0

    def test_one_mixture_throughout_determines_nothing(self):
        tokens, _, n = mixtures()
        total = sum(tokens.values())
        fixed = {"web": 0.6 * total, "books": 0.4 * total}
        loss = (1.7 + 400 / n**0.34 + 400 / (1.6 * total) ** 0.28) * np.exp(
            0.003 * np.random.default_rng(0).standard_normal(60)
        )
        made = fit_source_weights(fixed, loss, n, objective="squared", bootstrap=0)
        assert made.fit.verdict == "not identified"
        assert "verdict: not identified" in repr(made)

    def test_bad_input(self):
        tokens, loss, n = mixtures()
        with pytest.raises(InputDataError, match="fewer than two"):
            fit_source_weights({"web": tokens["web"]}, loss, n)
        with pytest.raises(InputDataError, match="the tokens of 'web' must be finite numbers from 0 on"):
            fit_source_weights(tokens | {"web": -tokens["web"]}, loss, n)
        with pytest.raises(UsageError, match=r"no source 'wbe'\nDid you mean 'web'"):
            fit_source_weights(tokens, loss, n, reference="wbe")
        with pytest.raises(InputDataError, match="run 3 has no tokens of any source"):
            fit_source_weights({k: np.where(np.arange(60) == 3, 0, v) for k, v in tokens.items()}, loss, n)
        with pytest.raises(InputDataError, match="different numbers of runs"):
            fit_source_weights(tokens | {"web": tokens["web"][:5]}, loss, n)
        with pytest.raises(UsageError, match=r"there is no source 'x'"):
            weighted().interval("x")
