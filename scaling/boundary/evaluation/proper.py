"""Proper scores of probabilities, and what they are made of.

A score is taken apart by its isotonic recalibration (arXiv:2008.03033): score = miscalibration - discrimination +
uncertainty. No bins are chosen for that, and none of the three parts can be negative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_LEAST = 1e-9  # probability whose logarithm is taken; an outcome that was called impossible costs 20.7


@dataclass(frozen=True)
class Decomposition:
    """A proper score, and what it is made of: score = miscalibration - discrimination + uncertainty.

    Parameters
    ----------
    score : float
        Mean; smaller is better.
    miscalibration : float
        What recalibration would gain.
    discrimination : float
        What telling outcomes apart gains over the same probability for all.
    uncertainty : float
        The score of that probability.
    """

    score: float
    miscalibration: float
    discrimination: float
    uncertainty: float


def brier_score(probability: Array, outcome: Array) -> Array:
    """Squared error of each forecast (n,)."""
    return np.asarray((probability - outcome) ** 2)


def log_score(probability: Array, outcome: Array) -> Array:
    """-ln of the probability of what came, of each forecast (n,)."""
    return np.asarray(-np.log(np.maximum(np.where(outcome == 1, probability, 1 - probability), _LEAST)))


def decompose(probability: Array, outcome: Array, score: str) -> Decomposition:
    """Take the mean of a proper score, ``brier`` or ``log``, apart."""
    each = brier_score if score == "brier" else log_score
    total = float(each(probability, outcome).mean())
    best = float(each(isotonic(probability, outcome), outcome).mean())
    same = float(each(np.full(len(outcome), outcome.mean()), outcome).mean())
    return Decomposition(total, total - best, same - best, same)


def isotonic(probability: Array, outcome: Array) -> Array:
    """Frequencies that rise with the probability and fit the outcomes best, at each forecast (n,)."""
    from scipy.optimize import isotonic_regression

    value, code, count = np.unique(probability, return_inverse=True, return_counts=True)
    mean = np.bincount(code, weights=outcome, minlength=len(value)) / count
    fitted: Any = isotonic_regression(mean, weights=count.astype(float)).x
    return np.asarray(fitted, float)[code]
