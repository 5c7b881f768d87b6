"""Values of points in the order of their distance to one test point, exact for any size.

The utility of a set S is that of a nearest-neighbour predictor with k neighbours, of which S may have fewer:

* classification, ``v(S) = matches / k``, matches among the min(k, |S|) nearest of S with the label of the test point;
* regression, ``v(S) = -(sum of z / k - t)**2``, z the targets of those neighbours and t that of the test point, both
  measured from a baseline, which a missing neighbour therefore predicts. The empty set has ``-t**2``.

Shapley, Banzhaf and leave-one-out values are expectations of ``v(S + i) - v(S)`` over a set S that holds each other
point with probability p, independently: p uniform on [0, 1], one half, and one. For neighbours i, i+1 in the order the
difference of their values is therefore the expectation of ``v(S + i) - v(S + i + 1)`` over S without both. It is zero
unless fewer than k points of S are nearer than i, which has probability ``c_i``. Otherwise the rest of the k nearest is
the same for both, with sum T, and the difference is

    (z_i - z_{i+1})/k * (2 t - (z_i + z_{i+1})/k - 2 T/k),

(without the bracket in classification). With ``f_i`` the probability that a given nearer point is in S *and* fewer than
k of the i-1 nearer ones are, the expectation of T is ``f_i`` times the sum of the nearer targets plus the sum over
l > i+1 of ``f_{l-1} z_l``: a farther point l counts where fewer than k-1 of the l-3 others before it are in S, which is
the same event one place earlier. The farthest point differs in the same way from an absent one that has z = 0 and no
value. So all values of a test point are two running sums after one sort. The classification case is that of
arXiv:1908.08619.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Kind = Literal["shapley", "banzhaf", "leave_one_out"]


def chance_to_count(kind: Kind, n: int, k: int) -> Array:
    """Return c_i, shape (n,): the chance that fewer than k of the i-1 nearer points are in the set.

    Parameters
    ----------
    kind : {"shapley", "banzhaf", "leave_one_out"}
        How sets are drawn.
    n, k : int
        Points, and neighbours of the predictor.
    """
    i: Array = np.arange(1, n + 1, dtype=np.float64)
    if kind == "shapley":
        counted: Array = np.minimum(k, i) / i
        return counted
    if kind == "banzhaf":
        return _at_most(k - 1, i - 1)
    return np.where(i <= k, 1.0, 0.0)


def chance_beside(kind: Kind, n: int, k: int) -> Array:
    """Return f_i, shape (n,): the chance that a given nearer point is in the set and fewer than k nearer ones are.

    Parameters
    ----------
    kind : {"shapley", "banzhaf", "leave_one_out"}
        How sets are drawn.
    n, k : int
        Points, and neighbours of the predictor.
    """
    i: Array = np.arange(1, n + 1, dtype=np.float64)
    if kind == "shapley":
        most: Array = np.minimum(k, i)
        return most * (most - 1) / (2 * i * np.maximum(i - 1, 1))
    if kind == "banzhaf":
        return np.where(i > 1, 0.5 * _at_most(k - 2, np.maximum(i - 2, 0)), 0.0)
    return np.where((i > 1) & (i <= k), 1.0, 0.0)


def classification_values(match: Array, count: Array, k: int) -> Array:
    """Value each point by whether it has the label of the test point.

    Parameters
    ----------
    match : ndarray (t, n)
        1 where the label is that of the test point, else 0; nearest first.
    count : ndarray (n,)
        `chance_to_count`.
    k : int
        Neighbours of the predictor.

    Returns
    -------
    ndarray (t, n)
        In the same order.
    """
    steps = match.copy()
    steps[:, :-1] -= match[:, 1:]
    steps *= count / k
    return _from_the_far_end(steps)


def regression_values(z: Array, target: Array, count: Array, beside: Array, k: int) -> Array:
    """Value each point by how it moves the mean of k targets towards that of the test point.

    Parameters
    ----------
    z : ndarray (t, n)
        Targets of the training points, measured from the baseline; nearest first.
    target : ndarray (t,)
        Targets of the test points, measured from the baseline.
    count, beside : ndarray (n,)
        `chance_to_count` and `chance_beside`.
    k : int
        Neighbours of the predictor.

    Returns
    -------
    ndarray (t, n)
        In the same order, in squared units of the target.
    """
    following = np.zeros_like(z)
    following[:, :-1] = z[:, 1:]
    others = beside * (np.cumsum(z, axis=1) - z)
    if z.shape[1] > 2:
        others[:, :-2] += _from_the_far_end(z[:, 2:] * beside[1:-1])
    steps = (z - following) / k * ((2 * target[:, None] - (z + following) / k) * count - 2 / k * others)
    return _from_the_far_end(steps)


def _from_the_far_end(steps: Array) -> Array:
    return np.cumsum(steps[:, ::-1], axis=1)[:, ::-1]


def _at_most(successes: int, trials: Array) -> Array:
    """Return the chance of at most so many heads in that many throws of a fair coin."""
    from scipy.special import bdtr

    if successes < 0:
        return np.zeros_like(trials)
    sure = trials <= successes
    below: Array = bdtr(float(successes), np.where(sure, successes + 1, trials).astype(np.int64), 0.5)
    return np.where(sure, 1.0, below)
