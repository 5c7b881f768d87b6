"""Pools of models for the tests of designs."""

import numpy as np


def pool(n=240, bases=24, seed=3):
    """Models on few bases, dearer ones at more compute, with scores below a sigmoid."""
    rng = np.random.default_rng(seed)
    base = rng.integers(bases, size=n)
    z = np.sort(rng.uniform(21, 25, bases))[base]
    cost = 10 ** ((z - 21) / 2 + rng.normal(0, 0.1, n))
    reach = 0.2 + 0.6 / (1 + np.exp(-1.5 * (z - 23)))
    return z, cost, reach * rng.beta(4, 1, n), base
