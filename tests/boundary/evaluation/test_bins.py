import numpy as np
import pytest

from scaling.boundary.evaluation.bins import _merged, bin_of, edges_for, equal_mass_edges
from scaling.errors import UsageError


def counts(z, edges):
    return np.bincount(bin_of(z, edges), minlength=len(edges) - 1)


def test_bins_hold_as_many_models_each():
    z = np.linspace(20, 25, 400)
    edges = equal_mass_edges(z)
    assert edges[0] == 20
    assert edges[-1] == 25
    # The value at which a bin is full opens the next one: the first has one model less.
    assert counts(z, edges).tolist() == [39, *[40] * 8, 41]


def test_models_of_one_compute_are_never_parted():
    z = np.repeat([20.0, 21.0, 22.0, 23.0], [50, 5, 60, 40])
    edges = equal_mass_edges(z, bins=4, min_bin=30)
    assert edges.tolist() == [20, 22, 23]
    assert counts(z, edges).tolist() == [55, 100]


def test_a_bin_ends_where_it_is_full():
    z = np.repeat([1.0, 2.0, 3.0, 4.0], [40, 10, 30, 70])
    # 38 make a bin full: it is so at 1, which is the first edge already; counted anew, at 3, and again at 4.
    assert equal_mass_edges(z, bins=10, min_bin=30).tolist() == [1, 3, 4]


def test_a_small_bin_joins_the_smaller_of_its_neighbours():
    edges = np.array([1.0, 2.0, 3.0, 4.0])
    assert _merged(edges, np.repeat([1.0, 2.0, 3.0], [40, 5, 60]), 30).tolist() == [1, 3, 4]
    assert _merged(edges, np.repeat([1.0, 2.0, 3.0], [60, 5, 40]), 30).tolist() == [1, 2, 4]
    assert _merged(edges, np.repeat([1.0, 2.0, 3.0], [5, 60, 40]), 30).tolist() == [1, 3, 4]
    assert _merged(edges, np.repeat([1.0, 2.0, 3.0], [60, 40, 5]), 30).tolist() == [1, 2, 4]
    assert _merged(edges, np.repeat([1.0, 2.0, 3.0], [2, 3, 5]), 30).tolist() == [1, 4]


def test_one_value_of_compute_is_one_bin():
    z = np.full(20, 22.0)
    assert equal_mass_edges(z).tolist() == [22]
    assert bin_of(np.array([21.0, 22.0, 23.0]), np.array([22.0])).tolist() == [0, 0, 0]


def test_compute_outside_goes_to_the_nearest_bin():
    assert bin_of(np.array([0.0, 1.0, 2.0, 3.0, 9.0]), np.array([1.0, 2.0, 3.0])).tolist() == [0, 0, 1, 1, 1]


def test_the_bins_of_a_forecast():
    train, test = np.linspace(20, 24, 300), np.linspace(21, 26, 300)
    overlap = edges_for("train_overlap", train, test)
    assert (overlap[0], overlap[-1]) == (21, 24)
    whole = equal_mass_edges(train)
    assert set(overlap[1:-1]) == {e for e in whole if 21 < e < 24}
    fixed = edges_for("test_fixed", train, test)
    assert fixed[0] == 21
    assert fixed[-1] <= 24
    np.testing.assert_array_equal(fixed, equal_mass_edges(test[test <= 24]))
    with pytest.raises(UsageError, match="no bins 'test'"):
        edges_for("test", train, test)


def test_a_first_value_that_fills_a_bin_by_itself_begins_the_count_again():
    z = np.repeat([21.0, 22.0, 23.0], [60, 5, 100])
    assert equal_mass_edges(z, 10, 30).tolist() == [21.0, 23.0]
