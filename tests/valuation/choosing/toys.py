"""Set functions small enough to be tried on every set, and what trying them all finds."""

from itertools import combinations

import numpy as np

from scaling.valuation.guarantee import Guarantee
from scaling.valuation.objective import Objective

SUBMODULAR = Guarantee("submodular", "a toy")


class Toy(Objective):
    """Any function of a set of indices, worked out anew for each gain; `noise` is added to gains, not to exact ones."""

    def __init__(self, n, of, guarantee=SUBMODULAR, noise=None):
        self.name, self.n, self.of, self.guarantee, self.noise = "toy", n, of, guarantee, noise
        self.error = 0.0 if noise is None else float(np.abs(noise).max())
        self.chosen, self.value = [], 0.0

    def exact_gains(self, candidates):
        here = self.of(tuple(self.chosen))
        return np.array([self.of((*self.chosen, int(v))) - here for v in candidates])

    def gains(self, candidates=None):
        rows = np.arange(self.n) if candidates is None else candidates
        made = self.exact_gains(rows)
        return made if self.noise is None else made + self.noise[len(self.chosen)][rows]

    def add(self, index):
        gain = float(self.exact_gains([index])[0])
        self.chosen.append(int(index))
        self.value += gain
        return gain

    def fresh(self):
        made = Toy(self.n, self.of, self.guarantee, self.noise)
        made.monotone_to = self.monotone_to
        return made

    def among(self, rows):
        return Toy(len(rows), lambda s: self.of(tuple(int(rows[i]) for i in s)), self.guarantee)


def cover(rng, n, items=10):
    """Weights of the items that a set covers."""
    held = rng.random((n, items)) < 0.3
    weights = rng.random(items)
    return Toy(n, lambda s: float(weights[held[list(s)].any(axis=0)].sum()) if s else 0.0)


def facility(rng, n):
    """Sum of best similarities."""
    table = rng.random((n, n)) ** 3
    return Toy(n, lambda s: float(table[list(s)].max(axis=0).sum()) if s else 0.0)


def log_det(rng, n, m=3, ridge=0.3):
    """Log-determinant with a ridge."""
    X = rng.standard_normal((n, m))
    return Toy(n, lambda s: float(np.linalg.slogdet(np.eye(m) + X[list(s)].T @ X[list(s)] / ridge)[1]))


def weak(rng, n, m=3, c=0.5):
    """Sum of x/(x + c) over the eigenvalues: gains may grow, by no more than Kantorovich's constant allows."""
    X = rng.standard_normal((n, m))
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    h = (np.linalg.eigvalsh(X.T @ X)[-1] + c) / c
    promise = Guarantee("weak", "a toy", ratio=4 * h / (1 + h) ** 2)

    def of(s):
        x = np.linalg.eigvalsh(X[list(s)].T @ X[list(s)])
        return float(np.sum(x / (x + c)))

    return Toy(n, of, promise)


def cut(rng, n):
    """Weight of the edges that leave a set: submodular, and nothing once all are in."""
    w = rng.random((n, n))
    w = w + w.T

    def of(s):
        inside = np.isin(np.arange(n), s)
        return float(w[inside][:, ~inside].sum())

    return Toy(n, of, Guarantee("submodular", "a toy", monotone=False))


def growing(rng, n):
    """Products of pairs: gains grow, and no bound of them is declared."""
    w = rng.random(n)
    return Toy(n, lambda s: float(np.sum(w[list(s)]) ** 2), Guarantee("none", "a toy", ratio=0.0))


MONOTONE = {"cover": cover, "facility": facility, "log_det": log_det, "weak": weak}


def brute_greedy(objective, k, allowed=lambda s: True):
    """Greedy as it is defined: each step tries every candidate, ties to the lowest index."""
    state, scale = objective.fresh(), None
    for _ in range(k):
        rows = [v for v in range(objective.n) if v not in state.chosen and allowed((*state.chosen, v))]
        if not rows:
            break
        gains = np.array([state.exact_gains(np.array([v]))[0] for v in rows])
        scale = np.abs(gains).max() if scale is None else scale
        state.add(rows[int(np.flatnonzero(gains >= gains.max() - 1e-9 * scale)[0])])
    return state.chosen


def brute_best(objective, k, allowed=lambda s: True):
    """The largest value of any set of at most k members."""
    sets = (s for size in range(k + 1) for s in combinations(range(objective.n), size))
    return max(objective.evaluate(s) for s in sets if allowed(s))
