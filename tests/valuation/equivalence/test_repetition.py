"""Effective tokens of repeated pools, and the error of pools that wear out."""

import numpy as np
import pytest

import scaling
from scaling.errors import InputDataError, UsageError
from scaling.valuation import effective_tokens, fit_repeated_pools, pooled_tokens, repeated_pool_error, worth
from tests.truths import draw, repeated_pools

R_D = 15.387756
POOL = {"a": 0.02, "b": -0.15, "c": 2, "d": 0.1}


class TestEffectiveTokens:
    def test_the_reference_values(self):
        found = effective_tokens(400e9, [100e9, 25e9, 10e9], R_D)
        np.testing.assert_allclose(found, [3.725673e11, 2.645614e11, 1.516746e11], rtol=0, atol=5e4)

    def test_up_to_one_epoch_every_token_counts(self):
        np.testing.assert_array_equal(effective_tokens([0, 5e8, 1e9], 1e9, R_D, 0.5), [0, 2.5e8, 5e8])

    def test_the_next_token_after_some_repeats_is_worth_what_it_should_be(self):
        d, u, r, w = 7e9, 2e9, 6.0, 0.7
        slope = (effective_tokens(d + 1e3, u, r, w) - effective_tokens(d - 1e3, u, r, w)) / 2e3
        assert slope == pytest.approx(w * np.exp(-(d / u - 1) / r), rel=1e-7)

    def test_pools_add_up(self):
        by_hand = 1e9 * (1 + 15 * (1 - np.exp(-3 / 15))) + 0.5 * 1e9
        assert pooled_tokens([4e9, 1e9], [1e9, 2e9], [15.0, 3.0], [1, 0.5]) == pytest.approx(by_hand, rel=1e-14)

    @pytest.mark.parametrize(
        ("words", "why"),
        [
            ((-1, 1e9, R_D), "tokens must be finite numbers from 0 on"),
            ((1e9, -1, R_D), "unique tokens must be finite numbers from 0 on"),
            ((1e9, 1e9, 0), "a decay must be finite numbers above 0"),
            ((1e9, 1e9, R_D, -1), "a weight must be finite numbers from 0 on"),
            ((np.nan, 1e9, R_D), "tokens must be finite numbers from 0 on"),
            ((1e9, 0, R_D), "from a pool that has none"),
        ],
    )
    def test_numbers_that_are_none(self, words, why):
        with pytest.raises(InputDataError, match=why):
            effective_tokens(*words)

    def test_pools_that_do_not_match(self):
        with pytest.raises(InputDataError, match="one of each a pool is expected"):
            pooled_tokens([1e9], [1e9, 2e9], R_D)


class TestRepeatedPoolError:
    def test_the_reference_values(self):
        found = repeated_pool_error([50, 100, 250, 1000], 100, **POOL)
        np.testing.assert_allclose(found, [1.1, 1.0012504626, 0.9234707870, 0.8844097440], atol=5e-11)

    def test_the_published_code_multiplies_the_floor_as_well(self):
        formula, code = (repeated_pool_error([80, 250], 100, **POOL, floor_in_product=f) for f in (False, True))
        assert code[0] == formula[0]  # within one epoch the two are the same
        later = (formula[1] - 0.1) / 2**-0.15
        assert code[1] == pytest.approx((2**-0.15 + 0.1) * later, rel=1e-13)

    def test_pools_mixed_in_equal_parts(self):
        # Two pools of 100 are one epoch of 200; each wears out half as fast by epochs of the mixture.
        b0 = (-0.15 - 0.2) / 2
        b1 = (-0.15 * 2 ** (-1 / 4) - 0.2 * 2 ** (-1 / 6)) / 2
        by_hand = 0.1 + (0.02 * 200) ** b0 * 1.5**b1
        found = repeated_pool_error(300, 100, a=0.02, b=[-0.15, -0.2], c=[2, 3], d=0.1)
        assert found[0] == pytest.approx(by_hand, rel=1e-14)

    def test_two_equal_pools_last_longer_than_one(self):
        one, two = repeated_pool_error(400, 100, **POOL), repeated_pool_error(400, 100, 0.02, [-0.15, -0.15], 2, 0.1)
        assert two[0] < one[0]

    def test_bad_input(self):
        for words in ({"a": 0}, {"b": 0.1}, {"c": 0}, {"d": -1}):
            with pytest.raises(InputDataError, match="must be above 0, b below 0"):
                repeated_pool_error(100, 100, **(POOL | words))
        with pytest.raises(InputDataError, match="must be above 0"):
            repeated_pool_error(-5, 100, **POOL)
        with pytest.raises(InputDataError, match="are more than the 10000"):
            repeated_pool_error(1e9, 100, **POOL)


class TestTheLawOfTheBook:
    def test_it_is_the_formula_in_other_terms(self):
        epochs = np.array([0.3, 1, 2.5, 10, 32])
        law = repeated_pools(100 * epochs, np.full(5, 100.0), E=0.1, D_c=50.0, beta=0.15, h=2)
        np.testing.assert_allclose(law, repeated_pool_error(100 * epochs, 100, **POOL), rtol=1e-13)

    @pytest.mark.slow
    def test_a_fit_finds_what_made_the_runs(self):
        inputs, truth = draw("repeated_pools", np.random.default_rng(4))
        noise = np.random.default_rng(5).standard_normal(len(inputs["D"]))
        error = repeated_pools(**inputs, **truth) * np.exp(0.003 * noise)
        found = fit_repeated_pools(inputs["D"], inputs["U"], error, objective="squared", bootstrap=200)
        for name, value in truth.items():
            low, high = np.log(found.interval(name, 0.95))
            assert abs(np.log(found.estimates[name] / value)) < high - low < 0.5
        assert found.interval("h")[1] / found.interval("h")[0] < 1.5
        # One epoch throughout says nothing of what repeats are worth.
        fresh = inputs["D"] <= inputs["U"]
        once = fit_repeated_pools(inputs["D"][fresh], inputs["U"][fresh], error[fresh], bootstrap=0)
        assert once.verdict == "not identified"

    def test_more_epochs_than_it_writes_out_are_refused(self):
        with pytest.raises(UsageError, match=r"row 1 has 33 epochs, and the law repeated_pools writes out 32"):
            fit_repeated_pools([1e9, 33e9], [1e9, 1e9], [0.5, 0.4])

    @pytest.mark.slow
    def test_and_have_no_value(self):
        inputs, truth = draw("repeated_pools", np.random.default_rng(4))
        exact = repeated_pools(**inputs, **truth)
        made = scaling.fit("repeated_pools", inputs, exact, objective="squared", bootstrap=0, start=truth)
        [inside, beyond] = made.evaluate({"D": [32e9, 32.1e9], "U": [1e9, 1e9]})[0]
        assert np.isfinite(inside)
        assert np.isnan(beyond)
        assert worth(made, 0.5).d_eq > 0  # fresh samples
        with pytest.raises(UsageError, match=r"has no value for ever more tokens.*\nLeave the unique tokens out"):
            worth(made, 0.5, at={"U": 1e9})
