"""Compute of equal worth: the line of a reference family read backwards, and when it may not be."""

import numpy as np
import pytest
import statsmodels.api as sm

from scaling.boundary.observational import equivalent_compute
from scaling.errors import InputDataError

INDEX = np.array([-2.0, -0.9, 0.1, 1.1, 0.5, 3.0])
FLOP = np.array([22.0, 22.6, 23.0, 23.5, np.nan, 22.0])
FAMILY = ["Llama-2"] * 4 + ["Other"] * 2


def test_it_is_the_regression_of_compute_on_the_index():
    found = equivalent_compute(INDEX, FLOP, FAMILY, level=0.9)
    line = sm.OLS(FLOP[:4], sm.add_constant(INDEX[:4])).fit()
    frame = line.get_prediction(sm.add_constant(INDEX)).summary_frame(alpha=0.1)
    assert found.log10_compute == pytest.approx(frame["mean"].to_numpy())
    assert found.low == pytest.approx(frame["mean_ci_lower"].to_numpy())
    assert found.high == pytest.approx(frame["mean_ci_upper"].to_numpy())
    assert found.r_squared == pytest.approx(line.rsquared)
    assert found.n_reference == 4


def test_gains_and_extrapolation_are_told():
    found = equivalent_compute(INDEX, FLOP, FAMILY)
    assert np.isnan(found.gain[4])
    assert found.gain[5] == pytest.approx(found.log10_compute[5] - 22.0)
    assert found.gain[5] > 2
    assert found.outside.tolist() == [False] * 5 + [True]
    assert "beyond the reference family" in found.summary()


def test_refits_of_the_index_widen_it():
    plain = equivalent_compute(INDEX, FLOP, FAMILY)
    rng = np.random.default_rng(0)
    replicates = INDEX + 0.5 * rng.standard_normal((200, 6))
    wider = equivalent_compute(INDEX, FLOP, FAMILY, replicates=replicates)
    assert np.all(wider.high - wider.low > plain.high - plain.low)
    same = equivalent_compute(INDEX, FLOP, FAMILY, replicates=np.tile(2 * INDEX + 7, (50, 1)))
    assert same.high == pytest.approx(plain.high)  # another scale of the index is no other index


def test_two_models_make_no_reference():
    with pytest.raises(InputDataError, match="'Llama-2' has 2 models of known compute"):
        equivalent_compute(INDEX, np.where(np.arange(6) < 2, FLOP, np.nan), FAMILY)


def test_a_family_that_is_not_there_is_not_guessed():
    with pytest.raises(InputDataError, match="no family 'Llama2'") as raised:
        equivalent_compute(INDEX, FLOP, FAMILY, reference="Llama2")
    assert "Llama-2" in raised.value.hint


def test_an_index_that_falls_with_compute_tells_none():
    with pytest.raises(InputDataError, match="falls with compute"):
        equivalent_compute(-INDEX, FLOP, FAMILY)
