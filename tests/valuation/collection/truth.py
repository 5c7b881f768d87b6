"""Learning curves of known groups, for the tests of collections."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

#: E, A and alpha of four groups whose curves cross.
TRUTH = {
    "code": (0.15, 0.6 * 100**0.6, 0.6),
    "math": (0.02, 0.5 * 100**0.25, 0.25),
    "news": (0.10, 0.3 * 100**0.5, 0.5),
    "web": (0.05, 0.5 * 100**0.4, 0.4),
}


def measured(
    sizes: Array, noise: float = 0.0, seed: int = 0, truth: dict[str, tuple[float, float, float]] | None = None
) -> tuple[Array, Array, list[str]]:  # fmt: skip
    """Rows of all groups: examples, what was measured, and the group."""
    random, table = np.random.default_rng(seed), TRUTH if truth is None else truth
    x = np.tile(sizes, len(table))
    y = np.concatenate([floor + size / sizes**alpha for floor, size, alpha in table.values()])
    y = y * np.exp(noise * random.standard_normal(len(x)))
    return x, y, [group for group in table for _ in sizes]
