"""Shapley values from a neighbour graph that exists already, with the bound of what its length leaves open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError
from scaling.formatting import format_number, format_plural
from scaling.serial import plain
from scaling.valuation.points.rank_values import classification_values
from scaling.valuation.points.targets import as_label_codes, as_neighbours

Array = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class GraphValues:
    """Shapley values of training points from a neighbour graph.

    Parameters
    ----------
    values : ndarray (n,)
        In shares of accuracy.
    error : float
        No value is farther than this from the exact one; 0 where the graph is complete.
    rank : int
        Neighbours of the test point that has fewest.
    k : int
        Neighbours of the predictor.
    n_tests : int
        Test points.
    """

    values: Array
    error: float
    rank: int
    k: int
    n_tests: int

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        table: dict[str, Any] = plain(vars(self))
        return table

    def __repr__(self) -> str:
        """Say how many values, and how exact they are."""
        known = "exact" if self.error == 0 else f"each within {format_number(self.error, 2)} of the exact value"
        return (
            f"GraphValues: {format_plural(len(self.values), 'point')} by {format_plural(self.n_tests, 'test')}, "
            f"from {format_plural(self.rank, 'neighbour')} each at least, {known}"
        )


def knn_shapley_from_graph(
    neighbours: ArrayLike, y: ArrayLike, y_test: ArrayLike, k: int = 5, *, exclude_self: bool = False
) -> GraphValues:
    """Value training points for a k-nearest-neighbour classifier from a graph of neighbours.

    Parameters
    ----------
    neighbours : array_like (t, r) of int
        For each test point the training points nearest to it, nearest first; -1 at the end of rows that have fewer.
    y : array_like (n,)
        Labels of all training points.
    y_test : array_like (t,)
        Labels of the test points.
    k : int, default 5
        Neighbours of the predictor.
    exclude_self : bool, default False
        Whether test i is training point i, and is valued without itself: a graph of one set onto itself. It is then
        dropped from its own row where the row has it.

    Returns
    -------
    GraphValues
        In the utility of `knn_shapley`. A row of r neighbours out of n leaves open what lies beyond: points beyond it
        get 0 and are at most 1/max(k, r+1) away from that; those within it are too high by 0 to 1/max(k, r), the same
        amount for all of a row, so that their order under one test point is exact.

    Raises
    ------
    InputDataError
        For neighbours that are no training points or stand twice in a row, gaps within a row, or counts that differ.
    UsageError
        For a k below 1.
    """
    k = as_neighbours(k)
    known, asked = as_label_codes(y, y_test)
    graph = _checked_graph(neighbours, len(known), len(asked))
    available = len(known)
    if exclude_self:
        if len(asked) != len(known):
            raise InputDataError(f"A graph of a set onto itself has a row for each of {len(known)} points.")
        itself = graph == np.arange(len(graph))[:, None]
        order = np.argsort(itself | (graph < 0), axis=1, kind="stable")  # what is dropped moves to the end
        graph = np.take_along_axis(np.where(itself, -1, graph), order, axis=1)
        available -= 1
    here = graph >= 0
    match = np.where(here, known[graph] == asked[:, None], 0).astype(np.float64)
    # Zero after the last neighbour is what the formula has after the farthest of all points, so one call serves both.
    count = np.minimum(k, np.arange(1, graph.shape[1] + 1)) / np.arange(1, graph.shape[1] + 1)
    made = classification_values(match, count, k)
    total = np.bincount(graph[here], weights=made[here], minlength=len(known))
    ranks = here.sum(axis=1)
    bound = np.where(ranks >= available, 0.0, 1 / np.maximum(k, ranks))
    return GraphValues(total / len(asked), float(bound.mean()), int(ranks.min()), k, len(asked))


def _checked_graph(neighbours: ArrayLike, n: int, tests: int) -> Indices:
    graph = np.asarray(neighbours)
    if graph.ndim != 2 or graph.dtype.kind not in "iu" or graph.shape[1] == 0:
        raise InputDataError(
            f"neighbours has shape {graph.shape} of {graph.dtype}; a row of indices for each test point is expected."
        )
    if len(graph) != tests:
        raise InputDataError(f"neighbours has {len(graph)} rows and y_test has {tests} values.")
    graph = graph.astype(np.intp)
    if (bad := np.argwhere((graph < -1) | (graph >= n))).size:
        row, column = bad[0]
        raise InputDataError(
            f"neighbours names training point {graph[row, column]} in row {row}, of {format_plural(n, 'point')} in y."
        )
    if (gap := np.argwhere((graph[:, :-1] < 0) & (graph[:, 1:] >= 0))).size:
        raise InputDataError(f"neighbours has a gap in row {gap[0][0]}.", "-1 stands at the end of a row only.")
    ordered = np.sort(graph, axis=1)
    if (twice := np.argwhere((ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] >= 0))).size:
        row, column = twice[0]
        raise InputDataError(f"neighbours has training point {ordered[row, column]} twice in row {row}.")
    return graph
