"""The order of a diversity, and the diversity of a spectrum that sums to one."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from scaling.errors import UsageError

Array = NDArray[np.float64]
NEAR_ONE = 1e-6  # nearer to 1 than this, 1/(1 - q) loses more digits than the limit is wrong by


def as_order(q: float | str) -> float:
    """Return an order in [0, inf]; ``"inf"`` is infinity too.

    Raises
    ------
    UsageError
        For what is no number, negative or NaN.

    Examples
    --------
    >>> as_order("inf"), as_order(2)
    (inf, 2.0)
    """
    try:
        order = float(q)
    except (TypeError, ValueError) as error:
        raise UsageError(f"The order q is {q!r}; a number from 0 to infinity is expected.") from error
    if math.isnan(order) or order < 0:
        raise UsageError(f"The order q is {order}; a number from 0 to infinity is expected.")
    return order


def renyi_of(values: Array, q: float) -> float:
    """Return the Renyi entropy of order q, in nats, of eigenvalues that sum to one; zeros do not count."""
    p = values[values > 0]
    if q == 0:
        return math.log(p.size)
    if math.isinf(q):
        return -math.log(float(p.max()))
    if abs(q - 1) < NEAR_ONE:
        return float(-(p * np.log(p)).sum())
    top = float(np.log(p).max())  # so that a large power does not vanish
    return float((math.log(float(np.exp(q * (np.log(p) - top)).sum())) + q * top) / (1 - q))


def tsallis_of(values: Array, q: float) -> float:
    """Return the Tsallis entropy of order q of eigenvalues that sum to one; zeros do not count."""
    p = values[values > 0]
    if math.isinf(q):
        return 0.0
    if abs(q - 1) < NEAR_ONE:
        return float(-(p * np.log(p)).sum())
    return float((1 - (p**q).sum()) / (q - 1))


def hill_of(values: Array, q: float) -> float:
    """Return the Hill number of order q, the exponential of the Renyi entropy: from 1 to the number of values."""
    count = int(np.count_nonzero(values > 0))
    return float(count) if q == 0 else min(max(math.exp(renyi_of(values, q)), 1.0), float(count))
