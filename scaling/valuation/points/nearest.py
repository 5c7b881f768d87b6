"""Values of training points for a nearest-neighbour predictor: Shapley, Banzhaf and leave-one-out, without retraining.

All three are exact, for any number of points, at the cost of one sort for each test point. The utility is the accuracy
(or minus the squared error) of a predictor with k neighbours, averaged over the test points; `rank_values` states it
and derives the values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scaling.errors import InputDataError, UsageError, did_you_mean
from scaling.valuation.points.order import NearestFirst
from scaling.valuation.points.rank_values import (
    Kind,
    chance_beside,
    chance_to_count,
    classification_values,
    regression_values,
)
from scaling.valuation.points.targets import as_label_codes, as_neighbours, as_targets

Array = NDArray[np.float64]
Progress = Callable[[int, int], None]

TASKS = ("classification", "regression")


def knn_shapley(
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    k: int = 5,
    *,
    metric: str = "euclidean",
    task: str = "classification",
    baseline: float | None = None,
    blocks: int | None = None,
    progress: Progress | None = None,
) -> Array:
    """Value training points by their exact Shapley value for a k-nearest-neighbour predictor (arXiv:1908.08619).

    Parameters
    ----------
    X : array_like (n, m)
        Training points, such as embeddings.
    y : array_like (n,)
        Their labels, or targets in regression.
    X_test, y_test : array_like (t, m), (t,)
        Test points on which the predictor is judged. A label that no training point has is simply never matched.
    k : int, default 5
        Neighbours of the predictor; it may exceed n.
    metric : {"euclidean", "cosine"}
        What is near. Points at equal distance count as nearer the lower their index.
    task : {"classification", "regression"}
        The utility of a set S: the share matches/k among its min(k, |S|) nearest points, or minus the squared error of
        the sum of their targets over k.
    baseline : float, optional
        In regression: what a missing neighbour predicts, where S has fewer than k. The mean of y by default, which
        makes values the same whatever the zero of the targets is; 0 for targets taken as they are.
    blocks : int, optional
        Tests worked on at a time; by default as many as need about 256 MiB at most.
    progress : callable, optional
        Called with the number of tests done and of all.

    Returns
    -------
    ndarray (n,) of float64
        In shares of accuracy, or squared units of the target. They sum to the utility of all points less that of none
        (`knn_utility`).

    Raises
    ------
    InputDataError
        For counts or widths that differ, NaN, or labels of the tests that are of another kind.
    UsageError
        For a k below 1, or a metric or task that there is not.

    Examples
    --------
    >>> values = knn_shapley([[0.0], [1.0], [5.0]], ["a", "b", "b"], [[0.1]], ["a"], k=1)
    >>> [round(float(v), 4) for v in values]
    [1.0, 0.0, 0.0]
    """
    return _values(
        "shapley", X, y, X_test, y_test, k,
        metric=metric, task=task, baseline=baseline, blocks=blocks, progress=progress,
    )  # fmt: skip


def knn_banzhaf(X: ArrayLike, y: ArrayLike, X_test: ArrayLike, y_test: ArrayLike, k: int = 5, **options: Any) -> Array:
    """Value training points by their exact Banzhaf value: the mean gain over all sets of the others.

    Parameters
    ----------
    X, y, X_test, y_test, k
        As for `knn_shapley`.
    **options
        `metric`, `task`, `baseline`, `blocks` and `progress` of `knn_shapley`.

    Returns
    -------
    ndarray (n,) of float64
        In shares of accuracy, or squared units of the target. They need not sum to the utility. Points beyond about the
        2k nearest of every test point have next to none: half of all nearer points are in a set.

    Raises
    ------
    InputDataError, UsageError
        As for `knn_shapley`.
    """
    return _values("banzhaf", X, y, X_test, y_test, k, **options)


def knn_leave_one_out(
    X: ArrayLike, y: ArrayLike, X_test: ArrayLike, y_test: ArrayLike, k: int = 5, **options: Any
) -> Array:
    """Value training points by what the utility loses without them.

    Parameters
    ----------
    X, y, X_test, y_test, k
        As for `knn_shapley`.
    **options
        `metric`, `task`, `baseline`, `blocks` and `progress` of `knn_shapley`.

    Returns
    -------
    ndarray (n,) of float64
        Zero for every point that is nobody's neighbour, which is most of them.

    Raises
    ------
    InputDataError, UsageError
        As for `knn_shapley`.
    """
    return _values("leave_one_out", X, y, X_test, y_test, k, **options)


def knn_utility(
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    k: int = 5,
    *,
    metric: str = "euclidean",
    task: str = "classification",
    baseline: float | None = None,
    blocks: int | None = None,
) -> tuple[float, float]:
    """Return the utility of all training points and that of none; Shapley values sum to the difference.

    Parameters
    ----------
    X, y, X_test, y_test, k, metric, task, baseline, blocks
        As for `knn_shapley`.

    Returns
    -------
    tuple of float

    Raises
    ------
    InputDataError, UsageError
        As for `knn_shapley`.
    """
    nearest, known, asked = _checked(X, y, X_test, y_test, k, metric, task, baseline, blocks)
    total = 0.0
    for which, order in nearest.blocks(blocks):
        first = known[order[:, :k]]
        if task == "classification":
            total += float(np.sum(first == asked[which, None])) / k
        else:
            total -= float(np.sum((first.sum(axis=1) / k - asked[which]) ** 2))
    none = 0.0 if task == "classification" else -float(np.mean(asked**2))
    return total / len(asked), none


def _values(
    kind: Kind,
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    k: int,
    *,
    metric: str = "euclidean",
    task: str = "classification",
    baseline: float | None = None,
    blocks: int | None = None,
    progress: Progress | None = None,
) -> Array:
    nearest, known, asked = _checked(X, y, X_test, y_test, k, metric, task, baseline, blocks)
    count = chance_to_count(kind, nearest.n, k)
    beside = chance_beside(kind, nearest.n, k) if task == "regression" else None
    total = np.zeros(nearest.n)
    for which, order in nearest.blocks(blocks):
        if beside is None:
            made = classification_values((known[order] == asked[which, None]).astype(np.float64), count, k)
        else:
            made = regression_values(known[order], asked[which], count, beside, k)
        total += np.bincount(order.ravel(), weights=made.ravel(), minlength=nearest.n)
        if progress is not None:
            progress(which.stop, len(asked))
    return total / len(asked)


def _checked(
    X: ArrayLike,
    y: ArrayLike,
    X_test: ArrayLike,
    y_test: ArrayLike,
    k: int,
    metric: str,
    task: str,
    baseline: float | None,
    blocks: int | None,
) -> tuple[NearestFirst, NDArray[Any], NDArray[Any]]:
    """Check everything; labels come back as codes, targets as distances from the baseline."""
    if task not in TASKS:
        raise UsageError(f"There is no task '{task}'.", did_you_mean(str(task), TASKS))
    as_neighbours(k)
    if blocks is not None and (isinstance(blocks, bool) or not isinstance(blocks, int | np.integer) or blocks < 1):
        raise UsageError(f"blocks is {blocks}; it counts the tests worked on at a time.")
    if task == "classification" and baseline is not None:
        raise UsageError("A baseline belongs to regression.", 'Leave it out, or give task="regression".')
    nearest = NearestFirst(X, X_test, metric)
    known: NDArray[Any]
    asked: NDArray[Any]
    if task == "classification":
        known, asked = as_label_codes(y, y_test)
    else:
        known, asked = as_targets(y, "y"), as_targets(y_test, "y_test")
    for values, rows, names in ((known, nearest.rows, ("X", "y")), (asked, nearest.tests, ("X_test", "y_test"))):
        if len(values) != len(rows):
            raise InputDataError(
                f"{names[0]} has {len(rows)} rows and {names[1]} has {len(values)} values.",
                "Give one label or target for each row, in the same order.",
            )
    if task == "regression":
        zero = float(np.mean(known)) if baseline is None else float(as_targets([baseline], "baseline")[0])
        known, asked = known - zero, asked - zero
    return nearest, known, asked
