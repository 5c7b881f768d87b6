"""Sources under a fitted law: the reference values, intervals, many sources, repeated ones, and the next token."""

import json

import numpy as np
import pandas as pd
import pytest

import scaling.valuation.sources.values as module
from scaling.errors import InputDataError, UsageError, VerdictError
from scaling.valuation import source_values, token_price
from scaling.valuation.sources.values import METHODS
from tests.truths import BY_HAND
from tests.valuation.token_fits import DECAYS, chinchilla, exact, noisy, power, repeated, weighted

TOKENS = np.array([5, 2, 8, 1, 4]) * 1e9
WEIGHTS = [1, 1.8, 0.5, 2.5, 1.2]
REFERENCE = {
    "shapley": [0.16039149, 0.13127535, 0.14011297, 0.10395963, 0.15651524],
    "banzhaf": [0.11370808, 0.0874072, 0.09522464, 0.06442511, 0.11012406],
    "leave_one_out": [0.04103498, 0.02803378, 0.0316071, 0.01872882, 0.0390897],
    "aumann_shapley": [0.17393334, 0.125232, 0.13914667, 0.08696667, 0.166976],
}


class TestReferenceValues:
    def test_all_methods(self):
        found = source_values(power(), TOKENS, base=1e9, weights=WEIGHTS, beta=(1, 1))
        for method, values in REFERENCE.items():
            np.testing.assert_allclose(found.values[method], values, atol=5.1e-9)
        np.testing.assert_allclose(found.values["beta"], found.values["shapley"], rtol=1e-12)
        assert found.total == pytest.approx(0.69225468, abs=5e-9)
        assert found.values["leave_one_out"].sum() == pytest.approx(0.15849, abs=5e-6)

    def test_what_each_method_adds_up_to_is_said(self):
        found = source_values(power(), TOKENS, base=1e9, weights=WEIGHTS)
        assert found.sums["shapley"] == pytest.approx(1, rel=1e-12)
        assert found.sums["aumann_shapley"] == pytest.approx(1, rel=1e-12)
        assert found.sums["leave_one_out"] == pytest.approx(0.2290, abs=1e-4)
        assert found.words.startswith("Shapley and Aumann-Shapley divide the whole, 0.6923.")
        assert "Values of leave one out add up to 23 % of it." in found.words

    def test_the_size_of_the_model_cancels_out_of_chinchilla(self):
        one, two = (source_values(exact(), TOKENS, n, base=1e9, weights=WEIGHTS) for n in (1e8, 1e10))
        for method in METHODS:
            np.testing.assert_allclose(one.values[method], two.values[method], rtol=1e-10)
        np.testing.assert_allclose(one.values["shapley"], REFERENCE["shapley"], atol=5e-9)


class TestIntervals:
    def test_they_are_percentiles_of_each_replicate_by_itself(self):
        fit = power(300)
        found = source_values(fit, TOKENS, base=1e9, weights=WEIGHTS, level=0.9)
        _, b, beta = fit.replicates.T
        effective = TOKENS * WEIGHTS
        total = b * (1e9**-beta - (1e9 + effective.sum()) ** -beta)
        shares = np.quantile(total[:, None] * effective / effective.sum(), [0.05, 0.95], axis=0)
        np.testing.assert_allclose(found.intervals["aumann_shapley"], shares, rtol=1e-10)
        out = b[:, None] * (
            (1e9 + effective.sum() - effective) ** -beta[:, None] - (1e9 + effective.sum()) ** -beta[:, None]
        )
        np.testing.assert_allclose(found.intervals["leave_one_out"], np.quantile(out, [0.05, 0.95], axis=0), rtol=1e-8)

    def test_a_polynomial_stands_for_the_law_of_every_replicate(self, monkeypatch):
        tokens = np.geomspace(1e8, 3e10, 9)
        monkeypatch.setattr(module, "_DIRECT", 10**9)
        direct = source_values(power(300), tokens, base=1e8)
        monkeypatch.setattr(module, "_DIRECT", 10)
        fast = source_values(power(300), tokens, base=1e8)
        for method in METHODS:
            np.testing.assert_allclose(fast.values[method], direct.values[method], rtol=1e-12)
            np.testing.assert_allclose(fast.intervals[method], direct.intervals[method], atol=1e-10 * direct.total)

    def test_without_replicates_they_are_unknown(self):
        found = source_values(power(), TOKENS, base=1e9)
        assert np.isnan(found.intervals["shapley"]).all()
        assert "intervals: none: the fit has no bootstrap replicates" in repr(found)

    def test_weights_of_a_law_of_sources_are_uncertain_too(self):
        made = weighted()
        tokens = {"web": 1e10, "books": 1e9, "code data": 5e9}
        found = source_values(made.fit, tokens, 1e9, base=1e9)
        given = source_values(made.fit, tokens, 1e9, base=1e9, weights=made.weights)
        for method in METHODS:
            np.testing.assert_allclose(found.values[method], given.values[method], rtol=1e-12)
        columns = dict(zip(made.fit.law.parameter_names, made.fit.replicates.T, strict=True))
        effective = np.stack([np.full(200, 1e10), 1e9 * columns["w_books"], 5e9 * columns["w_code_data"]])
        size, bend, whole = columns["B"], columns["beta"], 1e9 + effective.sum(axis=0)
        by_hand = np.quantile(size * ((whole - effective) ** -bend - whole**-bend), [0.025, 0.975], axis=1)
        np.testing.assert_allclose(found.intervals["leave_one_out"], by_hand, rtol=1e-9)


class TestManySources:
    @pytest.mark.slow
    def test_twenty_are_enumerated(self):
        found = source_values(power(300), np.full(20, 1e9), base=1e9)
        assert found.coalitions == 2**20
        assert not found.sampling_errors
        assert found.sums["shapley"] == pytest.approx(1, rel=1e-9)
        assert np.ptp(found.values["banzhaf"]) < 1e-9 * found.total

    def test_more_are_sampled(self):
        tokens = np.repeat([1e9, 4e9], 12)
        found = source_values(power(300), tokens, base=1e9, seed=3, rounds=8)
        for kind in ("shapley", "banzhaf"):
            values, error = found.values[kind], found.sampling_errors[kind]
            assert np.all(error > 0)
            for half in (values[:12], values[12:]):  # equal sources differ by what the sample leaves open
                assert np.std(half) < 3 * error.mean()
        assert found.sums["shapley"] == pytest.approx(1, rel=1e-10)
        assert np.all(found.sampling_errors["leave_one_out"] == 0)
        effective = 1e9 + tokens.sum()
        law = power(300).estimates
        left_out = law["B"] * ((effective - tokens) ** -law["b"] - effective ** -law["b"])
        np.testing.assert_allclose(found.values["leave_one_out"], left_out, rtol=1e-10)
        again = source_values(power(300), tokens, base=1e9, seed=3, rounds=8)
        assert again.to_dict() == found.to_dict()

    def test_a_sample_of_few_agrees_with_their_coalitions(self):
        whole = source_values(power(), TOKENS, base=1e9)
        sample = source_values(power(), TOKENS, base=1e9, rounds=200)
        for kind in ("shapley", "banzhaf", "beta"):
            assert np.all(np.abs(sample.values[kind] - whole.values[kind]) < 4.5 * sample.sampling_errors[kind])


class TestRepeatedSources:
    def test_a_law_of_repeated_data_takes_tokens_and_unique_tokens(self):
        fit, tokens, unique = repeated(), np.array([5e9, 2e9, 8e9]), np.array([1e9, 2e9, 4e9])
        found = source_values(fit, tokens, 1e8, base=1e9, unique=unique)

        def loss(members):
            d, u = 1e9 + members @ tokens, 1e9 + members @ unique
            return BY_HAND["data_constrained_decay"](N=1e8, D=d, U=u, **{k: fit.estimates[k] for k in DECAYS})

        everyone = np.ones(3)
        assert found.total == pytest.approx(float(loss(0 * everyone) - loss(everyone)), rel=1e-7)
        left_out = [loss(everyone - row) - loss(everyone) for row in np.eye(3)]
        np.testing.assert_allclose(found.values["leave_one_out"], left_out, rtol=1e-6)
        assert found.sums["shapley"] == pytest.approx(1, rel=1e-12)
        assert found.sums["aumann_shapley"] == pytest.approx(1, abs=5e-6)

    def test_the_path_is_the_sum_where_there_is_one(self):
        """Fresh tokens under a law of repeated data: the integral along the path is the closed form."""
        fit, tokens = repeated(), np.array([5e9, 2e9, 8e9])
        path = source_values(fit, tokens, 1e8, base=1e9, methods=["aumann_shapley"])
        share = source_values(fit, tokens, 1e8, base=1e9, weights=1.0, methods=["aumann_shapley"])
        np.testing.assert_allclose(path.values["aumann_shapley"], share.values["aumann_shapley"], rtol=1e-5)

    def test_repeats_wear_out_by_a_decay_that_is_given(self):
        worn = source_values(exact(), TOKENS, 1e9, base=1e9, unique=TOKENS / 4, decay=15.0)
        ratio = (1 + 15 * (1 - np.exp(-3 / 15))) / 4
        fresh = source_values(exact(), TOKENS, 1e9, base=1e9, weights=ratio)
        np.testing.assert_allclose(worn.values["shapley"], fresh.values["shapley"], rtol=1e-12)


class TestNames:
    def test_a_series_is_read_by_its_index_and_not_by_its_order(self):
        tokens, weights = {"a": 5e9, "b": 2e9}, {"a": 1.0, "b": 1.8}
        wanted = source_values(power(), tokens, weights=weights, base=1e9, methods=["shapley"])
        turned = pd.Series(weights)[["b", "a"]]
        found = source_values(power(), pd.Series(tokens), weights=turned, base=1e9, methods=["shapley"])
        assert found.names == ("a", "b")
        assert found.values["shapley"].tolist() == wanted.values["shapley"].tolist()
        assert found.values["shapley"][0] != pytest.approx(found.values["shapley"][1], rel=0.01)

    def test_text_is_no_number_of_tokens(self):
        with pytest.raises(InputDataError, match="the tokens hold something that is not a number"):
            source_values(power(), {"a": "many"}, base=1e9)


class TestRefused:
    def test_sources(self):
        cases = [
            ({"tokens": [-1e9, 1e9]}, "the tokens of 'source 1' must be a finite number from 0 on, not -1"),
            ({"tokens": [1e9, np.nan]}, "the tokens of 'source 2' must be a finite number"),
            ({"tokens": []}, "one a source is needed"),
            ({"names": ["a", "a", "b", "c", "d"]}, "a source is named twice"),
            ({"names": ["a"]}, "there are 1 names"),
            ({"weights": {"web": 1}}, "weights are given for 'web', which is no source"),
            ({"weights": [1, 2]}, "weights have shape"),
            ({"weights": [1, -2, 1, 1, 1]}, "weights must be finite numbers from 0 on"),
            ({"unique": TOKENS * 2, "decay": 5.0}, "no more than the tokens of their source"),
        ]
        for words, why in cases:
            with pytest.raises(InputDataError, match=why):
                source_values(power(), **({"tokens": TOKENS, "base": 1e9} | words))
        with pytest.raises(InputDataError, match=r"the law knows no source 'wob'\nDid you mean 'web'"):
            source_values(weighted().fit, {"wob": 1e9}, 1e9, base=1e9)

    def test_settings(self):
        with pytest.raises(UsageError, match=r"no finite loss without tokens.*\nSay how many tokens are there"):
            source_values(power(), TOKENS)
        with pytest.raises(UsageError, match=r"no method 'shaply' .*\nDid you mean 'shapley'"):
            source_values(power(), TOKENS, base=1e9, methods=["shaply"])
        with pytest.raises(UsageError, match="not how fast repeated ones wear out"):
            source_values(power(), TOKENS, base=1e9, unique=TOKENS / 2)
        with pytest.raises(UsageError, match="lower the loss by nothing"):
            source_values(power(), np.zeros(3), base=1e9)
        with pytest.raises(UsageError, match="needs the input 'N'"):
            source_values(exact(), TOKENS, base=1e9)

    def test_a_law_that_is_not_identified(self):
        import scaling

        n = np.geomspace(1e7, 1e10, 12)
        loss = chinchilla(n, 20 * n) * np.exp(0.003 * np.random.default_rng(0).standard_normal(12))
        line = scaling.fit("chinchilla", {"N": n, "D": 20 * n}, loss, objective="squared", bootstrap=0)
        for answer in (lambda: source_values(line, TOKENS, 1e9, base=1e9), lambda: token_price(line, 1e10, 1e9)):
            with pytest.raises(VerdictError):
                answer()


class TestTheNextToken:
    def test_it_is_the_slope_of_the_law(self):
        found = token_price(exact(), 3e10, 1e9)
        assert found.price[0] == pytest.approx(0.28 * 400 / 3e10**1.28, rel=1e-9)
        assert found.names == ("tokens",)
        assert np.isnan(found.price_interval).all()

    def test_intervals_are_those_of_the_replicates(self):
        fit = noisy(400)[0]
        found = token_price(fit, 3e10, 1e9, weights={"a": 1, "b": 2.5}, level=0.9)
        columns = dict(zip(fit.law.parameter_names, fit.replicates.T, strict=True))
        slopes = columns["beta"] * columns["B"] / 3e10 ** (columns["beta"] + 1)
        low, high = np.quantile(slopes, [0.05, 0.95])
        assert [v[0] for v in found.price_interval] == pytest.approx([low, high], rel=1e-8)
        assert [v[1] for v in found.price_interval] == pytest.approx([2.5 * low, 2.5 * high], rel=1e-8)

    def test_what_money_buys(self):
        cost = {"a": 1e-6, "b": 3e-6}
        found = token_price(exact(), 3e10, 1e9, weights={"a": 1, "b": 2.5}, cost=cost, currency="euro")
        np.testing.assert_allclose(found.per_money, found.price / [1e-6, 3e-6], rtol=1e-14)
        assert found.best == "a"
        assert token_price(exact(), 3e10, 1e9, weights={"a": 1, "b": 2.5}).best == "b"
        assert " a euro (" in repr(found)
        assert json.loads(json.dumps(found.to_dict(), allow_nan=False))["sources"][1]["cost"] == 3e-6

    def test_worn_sources_are_worth_less(self):
        words = {"weights": {"a": 1, "b": 2.5}, "epochs": {"b": 11}, "decay": 10.0}
        found = token_price(exact(), 3e10, 1e9, **words)
        assert found.price[1] / found.price[0] == pytest.approx(2.5 * np.exp(-1), rel=1e-12)
        with pytest.raises(UsageError, match="how fast its tokens wear out is not known"):
            token_price(exact(), 3e10, 1e9, weights={"b": 2.5}, epochs={"b": 11})

    def test_a_law_of_sources_says_how_sure_the_order_is(self):
        made = weighted()
        mix = {"web": 1e10, "books": 1e9, "code data": 0.0}
        found = token_price(made.fit, mix, 1e9)
        reached = 1e10 + made.weights["books"] * 1e9
        assert found.n_tokens == pytest.approx(reached, rel=1e-12)
        law = made.fit.estimates
        slope = law["beta"] * law["B"] / reached ** (law["beta"] + 1)
        np.testing.assert_allclose(found.price, slope * np.array(list(made.weights.values())), rtol=1e-8)
        # Books at what they are worth to the last digit: as good as web in about half of the replicates.
        even = token_price(made.fit, mix, 1e9, cost={"web": 1.0, "books": made.weights["books"], "code data": 9.0})
        assert 0.2 < even.best_share[1] < 0.8
        assert even.best_share.sum() == pytest.approx(1)

    def test_bad_input(self):
        with pytest.raises(InputDataError, match="the number of tokens must be a finite number above 0"):
            token_price(exact(), -1, 1e9)
        with pytest.raises(InputDataError, match="the cost of a token of 'tokens' must be a finite number above 0"):
            token_price(exact(), 1e10, 1e9, cost=-1)
        with pytest.raises(InputDataError, match="costs are given for 'c', which is no source"):
            token_price(exact(), 1e10, 1e9, weights={"a": 1}, cost={"c": 1})
        with pytest.raises(InputDataError, match="the source 'b' has no cost"):
            token_price(exact(), 1e10, 1e9, weights={"a": 1, "b": 1}, cost={"a": 1})
        with pytest.raises(InputDataError, match="tokens are given of 'wbe', which is no source"):
            token_price(weighted().fit, {"wbe": 1e9}, 1e9)
        with pytest.raises(InputDataError, match="no source has tokens yet"):
            token_price(weighted().fit, {"web": 0}, 1e9)
        with pytest.raises(InputDataError, match="no source is named"):
            token_price(exact(), 1e10, 1e9, weights={})
