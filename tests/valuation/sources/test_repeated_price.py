"""Prices of next tokens under a law of repeated data: derivatives that are known, and those of fresh tokens."""

import numpy as np
import pytest

from scaling.allocation.repetition import RepetitionLaw
from scaling.valuation import source_values, token_price
from scaling.valuation.sources.law_utility import law_utility
from scaling.valuation.sources.repeated_price import repeated_price
from tests.valuation.token_fits import repeated

TOKENS = {"web": 20e9, "books": 8e9}
N = 5e9


def game(unique=None):
    return law_utility(repeated(), TOKENS, N, base=1e9, unique=unique)


def test_fresh_tokens_have_the_price_that_token_price_gives():
    found = repeated_price(game(), np.array([True, True]))
    own = token_price(repeated(), 29e9, N)
    assert found.price == pytest.approx(np.repeat(own.price, 2), rel=1e-7)
    assert found.price_interval[0] == pytest.approx(np.repeat(own.price_interval[0], 2), rel=1e-7)
    assert (found.n_tokens, found.method, found.verdict) == (29e9, own.method, own.verdict)


def test_a_repeated_token_moves_the_tokens_and_not_the_unique_ones():
    found = repeated_price(game({"web": 20e9, "books": 2e9}), np.array([True, False]), cost=np.array([1.0, 0.5]))
    law = RepetitionLaw.of(repeated())

    def loss(d, u):
        return law.loss([N], [d], [u])[0, 0]

    total, unique, h = 29e9, 23e9, 1e6
    new = (loss(total - h, unique - h) - loss(total + h, unique + h)) / (2 * h)
    seen = (loss(total - h, unique) - loss(total + h, unique)) / (2 * h)
    assert found.price == pytest.approx([new, seen], rel=1e-5)
    assert 0 < seen < new
    assert found.per_money == pytest.approx([new, 2 * seen], rel=1e-5)
    assert found.best == ("web" if new > 2 * seen else "books")
    assert found.best_share.sum() == pytest.approx(1)


def test_a_source_without_tokens_is_worth_nothing_yet_and_has_a_price():
    values = source_values(
        repeated(), {"web": 20e9, "books": 0.0}, N, base=1e9, unique={"web": 5e9, "books": 0.0}, methods=["shapley"]
    )
    assert values.values["shapley"][1] == 0
    assert values.values["shapley"][0] == pytest.approx(values.total, rel=1e-12)
