"""Counts of parameters with and without embeddings, both ways, and the FLOP that follow."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaling.errors import InputDataError, UsageError
from scaling.parameter_counts import nonembedding_from_total, total_from_nonembedding, training_flop


def test_there_and_back():
    counts = np.geomspace(1, 1e15, 4001)
    np.testing.assert_allclose(nonembedding_from_total(total_from_nonembedding(counts)), counts, rtol=1e-12)
    np.testing.assert_allclose(total_from_nonembedding(nonembedding_from_total(counts)), counts, rtol=1e-12)


@settings(derandomize=True, deadline=None)
@given(st.floats(1e-3, 1e18), st.floats(0, 1e9))
def test_there_and_back_for_any_family(count, scale):
    total = total_from_nonembedding(count, scale)
    assert total >= count
    assert nonembedding_from_total(total, scale) == pytest.approx(count, rel=1e-12)


def test_known_values():
    # omega*N**(1/3) by hand: 47491*100 and 47491*1000.
    np.testing.assert_allclose(total_from_nonembedding([1e6, 1e9]), [1e6 + 4_749_100, 1e9 + 47_491_000], rtol=1e-15)
    assert nonembedding_from_total(1e9 + 47_491_000) == pytest.approx(1e9, rel=1e-15)
    assert total_from_nonembedding(np.ones((2, 3))).shape == (2, 3)
    assert nonembedding_from_total(5.0, embedding_scale=0) == 5.0


@pytest.mark.parametrize(
    ("law", "expected"),
    [
        # The local exponents that arXiv:2406.12907 finds for the sizes of arXiv:2001.08361.
        ({"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}, 0.74),
        ({"E": 1.8172, "A": 482.01, "B": 2085.43, "alpha": 0.3478, "beta": 0.3658}, 0.78),
    ],
)
def test_leaving_out_embeddings_turns_chinchillas_exponents_into_ones_near_kaplans(law, expected):
    total = np.geomspace(1e4, 1e11, 40_001)
    small = nonembedding_from_total(total)
    # Along the frontier of FLOP without embeddings C = 6*n*D the loss is lowest, so dL/dln n = 0 at fixed C gives D.
    share = np.gradient(np.log(total), np.log(small))  # d ln N / d ln n
    slope = law["alpha"] * law["A"] * total ** -law["alpha"] * share
    tokens = (law["beta"] * law["B"] / slope) ** (1 / law["beta"])
    compute = 6 * small * tokens
    kaplan = (small > 768) & (small < 1.5e9)
    exponent = np.polyfit(np.log(compute[kaplan]), np.log(small[kaplan]), 1)[0]
    assert exponent == pytest.approx(expected, abs=0.005)
    large = small > 1e10
    asymptote = np.polyfit(np.log(compute[large]), np.log(small[large]), 1)[0]
    assert asymptote == pytest.approx(law["beta"] / (law["alpha"] + law["beta"]), abs=0.03)


def test_flop_by_either_count():
    total = total_from_nonembedding(1e8)
    assert training_flop(total, 2e9) == pytest.approx(6 * total * 2e9, rel=1e-15)
    assert training_flop(total, 2e9, "non-embedding") == pytest.approx(6 * 1e8 * 2e9, rel=1e-13)
    assert training_flop(1e9, [1e9, 2e9]).tolist() == [6e18, 1.2e19]
    with pytest.raises(UsageError, match=r"no way 'nonembedding' to count FLOP\nDid you mean 'non-embedding'"):
        training_flop(1e9, 1e9, "nonembedding")


@pytest.mark.parametrize("bad", [0, -1.0, float("nan"), float("inf"), [1e9, -2.0], "many"])
def test_what_is_no_count_is_refused(bad):
    for convert in (total_from_nonembedding, nonembedding_from_total):
        with pytest.raises(InputDataError, match=r"number of .*parameters"):
            convert(bad)
    with pytest.raises(InputDataError, match="number of tokens"):
        training_flop(1e9, bad)


@pytest.mark.parametrize("scale", [-1.0, float("nan"), float("inf")])
def test_an_embedding_scale_that_is_none(scale):
    with pytest.raises(UsageError, match="embedding scale"):
        total_from_nonembedding(1e9, scale)
