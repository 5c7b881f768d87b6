"""Shapley values from a graph of neighbours: exact where it is complete, within the bound where it is not."""

import numpy as np
import pytest

from scaling.errors import InputDataError
from scaling.valuation.points.nearest import knn_shapley
from scaling.valuation.points.neighbour_graph import knn_shapley_from_graph
from scaling.valuation.points.order import NearestFirst

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(120, 5)), RNG.normal(size=(30, 5))
Y, YT = RNG.integers(0, 3, 120), RNG.integers(0, 3, 30)
GRAPH = np.concatenate([order for _, order in NearestFirst(X, T).blocks()])


@pytest.mark.parametrize("k", [1, 5, 200])
def test_a_complete_graph_gives_the_exact_values(k):
    found = knn_shapley_from_graph(GRAPH, Y, YT, k)
    assert found.error == 0
    assert found.values == pytest.approx(knn_shapley(X, Y, T, YT, k), abs=1e-15)
    assert "exact" in repr(found)


@pytest.mark.parametrize("k", [1, 5, 30])
@pytest.mark.parametrize("rank", [1, 3, 10, 50, 119])
def test_a_short_graph_is_within_its_bound_for_every_test_alone(k, rank):
    for i in range(len(T)):
        exact = knn_shapley(X, Y, T[i : i + 1], YT[i : i + 1], k)
        found = knn_shapley_from_graph(GRAPH[i : i + 1, :rank], Y, YT[i : i + 1], k)
        assert found.error == pytest.approx(1 / max(k, rank))
        too_high = found.values[GRAPH[i, :rank]] - exact[GRAPH[i, :rank]]
        assert np.ptp(too_high) < 1e-14
        assert -1e-15 <= too_high[0] <= found.error + 1e-15
        beyond = GRAPH[i, rank:]
        assert np.all(found.values[beyond] == 0)
        assert np.max(np.abs(exact[beyond])) <= 1 / max(k, rank + 1) + 1e-15


def test_rows_may_have_fewer_neighbours_than_others():
    ragged = GRAPH.copy()
    ragged[:10, 20:] = -1
    found = knn_shapley_from_graph(ragged, Y, YT, 3)
    assert found.rank == 20
    assert found.error == pytest.approx(10 / 30 / 20)
    each = [knn_shapley_from_graph(row[row >= 0][None], Y, YT[i : i + 1], 3).values for i, row in enumerate(ragged)]
    assert found.values == pytest.approx(np.mean(each, axis=0), abs=1e-15)


def test_a_graph_of_a_set_onto_itself_values_each_point_without_itself():
    own = np.concatenate([order for _, order in NearestFirst(X, X).blocks()])
    found = knn_shapley_from_graph(own, Y, Y, 3, exclude_self=True)
    assert found.error == 0
    expected = np.zeros(120)
    for i in range(120):
        others = np.delete(np.arange(120), i)
        expected[others] += knn_shapley(X[others], Y[others], X[i : i + 1], Y[i : i + 1], 3) / 120
    assert found.values == pytest.approx(expected, abs=1e-14)
    without = knn_shapley_from_graph(own[:, 1:], Y, Y, 3, exclude_self=True)  # as most graphs come: without itself
    assert np.array_equal(without.values, found.values)
    assert without.error == 0


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (GRAPH[:5], "5 rows and y_test has 30"),
        (GRAPH.astype(float), "a row of indices"),
        (np.where(GRAPH == 7, 120, GRAPH), "training point 120"),
        (np.where(GRAPH == 7, 8, GRAPH), "training point 8 twice"),
        (np.where(np.arange(120) == 3, -1, GRAPH), "gap in row 0"),
    ],
)
def test_graphs_that_are_none_are_refused(graph, words):
    with pytest.raises(InputDataError, match=words):
        knn_shapley_from_graph(graph, Y, YT, 3)


def test_plain_data():
    table = knn_shapley_from_graph(GRAPH[:, :4], Y, YT, 3).to_dict()
    assert table["error"] == 0.25
    assert len(table["values"]) == 120
