"""Bins of equally many models that do not split ties."""

import numpy as np
import pytest

from scaling.boundary.design.strata import bin_of, equal_mass_edges


def test_the_value_that_fills_a_bin_opens_the_next_one():
    # Counts 3, 1, 2, 4 over values 1 to 4; ten models in two bins of five: 3 + 1 + 2 reach five at the value 3.
    z = np.repeat([1.0, 2.0, 3.0, 4.0], [3, 1, 2, 4])
    edges = equal_mass_edges(z, 2)
    assert edges.tolist() == [1, 3, 4]
    assert np.bincount(bin_of(z, edges)).tolist() == [4, 6]


def test_a_first_value_that_fills_a_bin_makes_no_empty_one():
    z = np.repeat([1.0, 2.0, 3.0], [10, 1, 1])
    edges = equal_mass_edges(z, 3)
    assert edges.tolist() == [1, 3]
    assert np.bincount(bin_of(z, edges)).tolist() == [12]


@pytest.mark.parametrize(
    ("counts", "n_bins", "before", "after"),
    [
        ([2, 6, 1, 3, 8, 2], 4, [2, 10, 10], [12, 10]),  # the first bin has one neighbour only
        ([6, 2, 9, 9, 1, 4], 4, [6, 2, 9, 14], [8, 9, 14]),  # 6 on the left is smaller than 9
        ([8, 7, 1, 8, 8, 8], 5, [15, 1, 8, 16], [15, 9, 16]),  # 8 on the right is smaller than 15
        ([9, 9, 8, 1], 3, [9, 18], [9, 18]),  # a first value that is a bin of its own, and a last one left over
    ],
)
def test_a_bin_of_fewer_than_three_joins_its_smaller_neighbour(counts, n_bins, before, after):
    z = np.repeat(np.arange(len(counts), dtype=float), counts)
    for least, expected in ((1, before), (3, after)):
        assert np.bincount(bin_of(z, equal_mass_edges(z, n_bins, least))).tolist() == expected


def test_one_value_is_one_bin():
    edges = equal_mass_edges(np.full(5, 22.0), 10)
    assert edges.tolist() == [22, 22]
    assert bin_of(np.full(5, 22.0), edges).tolist() == [0] * 5


def test_values_beyond_the_edges_count_to_the_outermost_bins():
    assert bin_of(np.array([-1.0, 0.5, 9.0]), np.array([0.0, 1.0, 2.0])).tolist() == [0, 0, 1]
