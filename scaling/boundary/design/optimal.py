"""The published designs of arXiv:2602.15327: D-optimal, and I-optimal with a bonus for bins that hold few models.

Both take a sigmoid of given parameters as the truth, and choose greedily by what a model teaches about the parameters
(D) or about the curve at the middles of the bins (I), for its cost. All gains of a step follow from the inverse of one
4 x 4 matrix, and models of one compute share theirs, so a step costs a few products over the different values of
compute.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scaling.boundary.design.pool import Pool
from scaling.boundary.design.strata import bin_of, equal_mass_edges

Array = NDArray[np.float64]

#: The nominal truth: y0 + L sigmoid(a + b z), z in log10 of 1e21 FLOP. Its middle lies at z = 9, that is at 1e30 FLOP,
#: far beyond any model, so all models sit on its left tail and the information matrix is nearly singular.
NOMINAL = {"y0": 0.20, "L": 0.75, "a": -9.0, "b": 1.0}

_UNIT = 21.0  # log10 FLOP of the unit of compute
_START = 1e-9  # times the identity: what is known before the first model
_SHOULDER = 1.543  # logits from the middle at which a D-optimal design of a logistic curve has its inner points
_SMALL = 1e-6  # models that an empty bin is taken to hold
BALANCE = 1e-3
BINS = 10


@dataclass(frozen=True)
class Chosen:
    """What a greedy search chose.

    Parameters
    ----------
    order : list of int
        Rows of the pool, in the order of choice.
    trace : float
        tr(A M^-1): mean variance of the curve over the middles of the bins, at unit noise.
    condition : float
        Condition number of the information matrix M.
    """

    order: list[int]
    trace: float
    condition: float


def choose_optimal(
    pool: Pool,
    criterion: str,
    rng: np.random.Generator,
    *,
    n_bins: int = BINS,
    balance: float = BALANCE,
    items: int | None = None,
) -> Chosen:
    """Choose models by what they teach about a nominal curve.

    Parameters
    ----------
    pool : Pool
        What there is. Known models count as evaluated.
    criterion : {'D', 'I'}
        What is to be known well: the parameters, or the curve.
    rng : Generator
        Breaks ties among models of one compute and cost; with the seed 42 as arXiv:2602.15327 breaks them.
    n_bins : int, default 10
        Bins of equally many models, whose middles the curve is wanted at.
    balance : float, default 1e-3
        Weight of the bonus of the I-optimal design, ln(1 + 1/n) for a bin of n models.
    items : int, optional
        Items of the benchmark: models weigh by their binomial noise. All alike where missing.

    Returns
    -------
    Chosen
    """
    search = _Search(pool, criterion, n_bins, balance if criterion == "I" else 0.0, items)
    for row in np.flatnonzero(pool.known).tolist():
        search.learn(row)
    search.seed(rng)
    while search.spent < pool.budget:
        best = search.best(rng.permutation(len(pool.z)))
        if best is None:
            break
        search.take(best)
    return Chosen(search.order, search.trace(), float(np.linalg.cond(search.information())))


class _Search:
    """Where a greedy search stands."""

    def __init__(self, pool: Pool, criterion: str, n_bins: int, balance: float, items: int | None) -> None:
        self.pool, self.criterion, self.balance = pool, criterion, balance
        self.z = pool.z - _UNIT
        values, self.at = np.unique(self.z, return_inverse=True)
        self.rows = _gradients(values) * np.sqrt(_weights(values, items))[:, None]
        edges = equal_mass_edges(self.z, n_bins)
        self.bin = bin_of(self.z, edges)
        self.held = np.zeros(len(edges) - 1)
        middles = _gradients((edges[1:] + edges[:-1]) / 2)
        self.wanted: Array = middles.T @ middles / len(middles)
        self.inverse = np.eye(4) / _START
        self.open = ~pool.known
        self.order: list[int] = []
        self.learned: list[int] = []
        self.spent = 0.0

    def learn(self, row: int) -> None:
        """Add what a model teaches, by a rank-one update of the inverse."""
        j = self.rows[self.at[row]]
        v = self.inverse @ j
        self.inverse = self.inverse - np.outer(v, v) / (1 + j @ v)
        self.held[self.bin[row]] += 1
        self.learned.append(row)

    def take(self, row: int) -> None:
        """Choose a model and pay for it."""
        self.open[row] = False
        self.order.append(row)
        self.spent += float(self.pool.cost[row])
        self.learn(row)

    def seed(self, rng: np.random.Generator) -> None:
        """Take the models nearest to the ends of the pool and to the shoulders of the nominal curve.

        A place where a known model lies as near as any other needs no second one.
        """
        middle = -NOMINAL["a"] / NOMINAL["b"]
        inner = _SHOULDER / NOMINAL["b"]
        rank = rng.permutation(len(self.z))
        for place in (self.z.min(), self.z.max(), middle - inner, middle + inner):
            away = np.abs(self.z - place)
            if self.pool.known.any() and away[self.pool.known].min() <= away[~self.pool.known].min():
                continue
            for row in np.lexsort((rank, away)).tolist():
                if self.open[row] and self.pool.fits(self.spent, row):
                    self.take(row)
                    break

    def best(self, order: NDArray[np.int64]) -> int | None:
        """Find the model of the largest gain for its cost; of equal ones the first in `order`."""
        v = self.rows @ self.inverse
        grown = 1 + np.sum(v * self.rows, axis=1)
        gain = np.log(grown) if self.criterion == "D" else np.sum((v @ self.wanted) * v, axis=1) / grown
        score = gain[self.at]
        if self.balance:
            score = score + (self.balance * np.log((self.held + 1 + _SMALL) / (self.held + _SMALL)))[self.bin]
        affordable = self.open & self.pool.affordable(self.spent)
        ranked = np.where(affordable, score / self.pool.cost, -np.inf)[order]
        first = int(np.argmax(ranked))
        return int(order[first]) if ranked[first] > 0 else None

    def trace(self) -> float:
        return float(np.trace(self.wanted @ self.inverse))

    def information(self) -> Array:
        """Information matrix of the models that are known and chosen."""
        j = self.rows[self.at[self.learned]]
        return np.asarray(_START * np.eye(4) + j.T @ j)


def _gradients(z: Array) -> Array:
    """Slopes (n, 4) of the nominal curve in y0, L, a and b."""
    s = 1 / (1 + np.exp(-(NOMINAL["a"] + NOMINAL["b"] * z)))
    bend = NOMINAL["L"] * s * (1 - s)
    return np.column_stack([np.ones_like(s), s, bend, bend * z])


def _weights(z: Array, items: int | None) -> Array:
    """One over the variance of a score: 1, or that of a share of `items` right answers on the nominal curve."""
    if items is None:
        return np.ones_like(z)
    p = NOMINAL["y0"] + NOMINAL["L"] / (1 + np.exp(-(NOMINAL["a"] + NOMINAL["b"] * z)))
    return np.asarray(items / (p * (1 - p)))
