"""What other people do to fit the same law to the same rows, for the side-by-side benchmark only.

Each module works in the coordinates (a, b, e, alpha, beta) with A = exp(a), B = exp(b), E = exp(e), as the papers do,
and gives its answers in natural units and in the order of the law book: E, A, B, alpha, beta.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

DELTA = 1e-3  # of the Huber loss, as in arXiv:2203.15556
HOFFMANN = np.array([np.log(406.4), np.log(410.7), np.log(1.69), 0.34, 0.28])  # arXiv:2203.15556, as printed


def to_natural(theta: Array) -> Array:
    """Return (E, A, B, alpha, beta) of (a, b, e, alpha, beta); last axis."""
    a, b, e, alpha, beta = np.moveaxis(np.asarray(theta, float), -1, 0)
    with np.errstate(over="ignore"):
        return np.stack([np.exp(e), np.exp(a), np.exp(b), alpha, beta], axis=-1)


def from_natural(theta: Array) -> Array:
    """Undo `to_natural`."""
    E, A, B, alpha, beta = np.moveaxis(np.asarray(theta, float), -1, 0)
    return np.stack([np.log(A), np.log(B), np.log(E), alpha, beta], axis=-1)
