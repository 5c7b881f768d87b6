"""Semivalues of a game of k players: all of them from one enumeration of the coalitions, or from one sample.

A semivalue of player i is ``sum_S w(|S|) * (U(S + i) - U(S))`` over the coalitions S without i, with weights that add
up to 1. Shapley (1953), Banzhaf (1965) and Beta(a, b) differ in the weights alone; leaving one out is the weight of the
largest coalition.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.errors import UsageError, did_you_mean

Array = NDArray[np.float64]

SEMIVALUES = ("shapley", "banzhaf", "beta", "leave_one_out")
MOST_PLAYERS = 20  # whose coalitions are enumerated


def coalition_weights(method: str, k: int, beta: tuple[float, float] = (16.0, 1.0)) -> Array:
    """Return the weight of a coalition of each size.

    Parameters
    ----------
    method : {'shapley', 'banzhaf', 'beta', 'leave_one_out'}
        Which semivalue.
    k : int
        Players.
    beta : (float, float), default (16, 1)
        Of ``beta``: the larger the first, the more small coalitions count; (1, 1) is Shapley.

    Returns
    -------
    ndarray (k,)
        Of a coalition of r = 0..k-1 others; ``sum_r binom(k - 1, r)*w[r] = 1``.

    Raises
    ------
    UsageError
        For an unknown method, or parameters of beta that are not positive.
    """
    r = range(k)
    if method == "shapley":
        return np.array([1 / (k * math.comb(k - 1, i)) for i in r])
    if method == "banzhaf":
        return np.full(k, 2.0 ** -(k - 1))
    if method == "leave_one_out":
        return np.array([float(i == k - 1) for i in r])
    if method != "beta":
        raise UsageError(f"there is no semivalue '{method}'", did_you_mean(method, SEMIVALUES))
    a, b = beta
    if not (0 < a < math.inf and 0 < b < math.inf):
        raise UsageError(f"the parameters of beta must be above 0, not {a} and {b}")
    scale = _log_beta(a, b)
    return np.array([math.exp(_log_beta(i + b, k - 1 - i + a) - scale) for i in r])


def coalitions(k: int) -> Array:
    """Return who is in each coalition, (2**k, k): coalition m has player i where bit i of m is set."""
    masks = np.arange(1 << k)
    return ((masks[:, None] >> np.arange(k)) & 1).astype(float)


def marginals_by_size(values: Array, k: int) -> Array:
    """Sum what each player adds, by the size of the coalition that it joins.

    Parameters
    ----------
    values : ndarray (R, 2**k)
        Utility of every coalition, in the order of `coalitions`; one game a row.
    k : int
        Players.

    Returns
    -------
    ndarray (R, k, k)
        Row, player, size. Any semivalue is this times its weights.
    """
    others = np.array([0], np.int64)
    for _ in range(k - 1):
        others = np.concatenate([others, others + 1])  # members among the k - 1 others, in the order of their bits
    order = np.argsort(others, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(others, minlength=k))[:-1]])
    out = np.empty((len(values), k, k))
    for i in range(k):
        with_bit = values.reshape(len(values), -1, 2, 1 << i)
        gain = (with_bit[:, :, 1] - with_bit[:, :, 0]).reshape(len(values), -1)
        out[:, i] = np.add.reduceat(gain[:, order], starts, axis=1)
    return out


@dataclass(frozen=True)
class Sampled:
    """Semivalues from a sample of orders.

    Parameters
    ----------
    means : ndarray (R, k, k)
        Mean of what a player adds to a coalition of each size, by row, player and size.
    rounds : ndarray (T, k, k)
        The same of the first row from each round of the sample, for standard errors.
    """

    means: Array
    rounds: Array

    def values(self, weights: Array) -> Array:
        """Return a semivalue (R, k) from its `coalition_weights`."""
        return np.asarray(self.means @ self._shares(weights))

    def standard_errors(self, weights: Array) -> Array:
        """Return what the sample leaves open in a semivalue (k,) of the first row."""
        each = self.rounds @ self._shares(weights)
        return np.asarray(each.std(axis=0, ddof=1) / np.sqrt(len(each)))

    @staticmethod
    def _shares(weights: Array) -> Array:
        """How often a coalition of each size is met under a semivalue, (k,)."""
        k = len(weights)
        return np.array([weights[r] * math.comb(k - 1, r) for r in range(k)])


def sample_marginals(value: Callable[[Array, slice], Array], k: int, rounds: int, seed: int, rows: int) -> Sampled:
    """Sample what players add in random orders.

    Parameters
    ----------
    value : callable
        Utility (rows, m) of coalitions (m, k) at some rows.
    k : int
        Players.
    rounds : int
        Of 2*k orders each: a random one, moved around in a circle so that every player comes to every place once, and
        all of these backwards.
    seed : int
        Of the orders; each round has a child of its own.
    rows : int
        How many rows to work out.

    Returns
    -------
    Sampled
        The place of a player is the size of the coalition that it joins, so one sample serves every semivalue.
    """
    turns = (np.arange(k)[:, None] + np.arange(k)) % k
    steps = np.arange(k + 1)[:, None]
    means, each = np.zeros((rows, k, k)), np.empty((rounds, k, k))
    for t, child in enumerate(np.random.SeedSequence(seed).spawn(rounds)):
        circle = np.random.default_rng(child).permutation(k)[turns]
        orders = np.concatenate([circle, circle[:, ::-1]])
        places = np.argsort(orders, axis=1)  # of each player in each order
        members = (places[:, None, :] < steps).astype(float).reshape(-1, k)
        gains = np.diff(value(members, slice(0, rows)).reshape(rows, 2 * k, k + 1), axis=2)
        total = np.zeros((rows, k, k))
        for order, gain in zip(orders, gains.transpose(1, 0, 2), strict=True):
            total[:, order, np.arange(k)] += gain
        means += total / (2 * rounds)
        each[t] = total[0] / 2
    return Sampled(means, each)


def exact_values(marginals: Array, weights: Sequence[float] | Array) -> Array:
    """Return a semivalue (R, k) from `marginals_by_size` and its `coalition_weights`."""
    return np.asarray(marginals @ np.asarray(weights))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
