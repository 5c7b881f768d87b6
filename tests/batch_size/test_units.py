"""Batch sizes are brought to one unit, or refused."""

import numpy as np
import pytest

from scaling.batch_size.units import convert, in_one_unit, looks_mixed
from scaling.errors import InputDataError, UsageError


def test_sequences_and_tokens_differ_by_the_context_length():
    assert convert(256, "sequences", "tokens", 512) == 131072
    assert convert([131072.0], "tokens", "sequences", 512).tolist() == [256.0]


@pytest.mark.parametrize("context", [None, 0, -512, float("nan")])
def test_without_a_context_length_nothing_is_converted(context):
    with pytest.raises(UsageError, match="context length"):
        convert(256, "sequences", "tokens", context)


def test_what_a_sample_is_is_not_guessed():
    with pytest.raises(UsageError, match="what a sample is was not said"):
        convert(256, "samples", "tokens", 512)


def test_rows_in_two_units_need_a_context_length():
    batch, units = [64, 128, 131072], ["sequences", "sequences", "tokens"]
    with pytest.raises(InputDataError, match="in sequences and in tokens") as caught:
        in_one_unit(batch, units)
    assert "context_length" in caught.value.hint
    values, unit = in_one_unit(batch, units, 512)
    assert unit == "tokens"
    assert values.tolist() == [32768, 65536, 131072]


def test_one_unit_for_all_rows_stays_as_it_is():
    values, unit = in_one_unit([64, 128], ["sequences", "sequences"])
    assert unit == "sequences"
    assert values.tolist() == [64, 128]


def test_a_mixture_that_nobody_named_is_seen_and_asked_about():
    mixed = [64, 128, 256, 262144, 524288, 1048576]
    assert looks_mixed(np.array(mixed, float)) == 1024
    with pytest.raises(InputDataError, match="some look like sequences and others like tokens") as caught:
        in_one_unit(mixed)
    assert "unit" in caught.value.hint
    values, unit = in_one_unit(mixed, "tokens")  # whoever says the unit means it
    assert unit == "tokens"
    assert values.tolist() == mixed


@pytest.mark.parametrize("batch", [[1, 4, 16, 64, 4096], [1, 1000, 1e6, 1e9], 2.0 ** np.arange(5, 21), [64, 65536]])
def test_a_wide_or_sparse_sweep_is_no_mixture(batch):
    assert looks_mixed(np.array(batch, float)) is None


@pytest.mark.parametrize("batch", [[64, 0], [64, -1], [64, np.nan], [64, np.inf], [], ["many"], [[64, 128]]])
def test_batch_sizes_are_finite_numbers_above_zero(batch):
    with pytest.raises(InputDataError):
        in_one_unit(batch)


def test_an_unknown_unit_is_named():
    with pytest.raises(UsageError, match="no unit 'token'") as caught:
        in_one_unit([64, 128], "token")
    assert "tokens" in caught.value.hint
    with pytest.raises(InputDataError, match="1 units for 2"):
        in_one_unit([64, 128], ["tokens"])
